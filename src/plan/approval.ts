import { ActionError } from '../errors.ts';
import { type Difference, differences, differenceText } from './difference.ts';
import type { Plan } from './file.ts';
import {
  combinedDigest,
  containerDigest,
  containerIdentity,
  headIdentity,
  type Identified,
  type Identity,
  planDigest,
} from './identity.ts';

/** What people approved: a whole plan, or only its digest. */
export type Approval =
  | { kind: 'digest'; digest: string }
  /** `source`: the file's path. */
  | { kind: 'plan'; digest: string; source: string; plan: Plan };

/** What was done already of an approved plan: the digest of each container's part, by whom and when. */
export interface AppliedPart {
  digest: string;
  run: string;
  /** ISO 8601 */
  at: string;
}

const AGAIN = 'Make a new plan with "mode: plan" and have that approved.';

/** Lines of differences in a message; a summary or annotation has no room for hundreds of packages. */
const MOST_DIFFERENCES = 40;

/**
 * Refuses an approved plan that can't be the one for this run, before anything was looked at in a container.
 *
 * @throws ActionError PLAN_EDITED, PLAN_OTHER_ACTION_VERSION, PLAN_OTHER_HOST, PLAN_OTHER_CONTAINERS, PLAN_EXPIRED
 */
export function checkApproval(
  approval: Approval,
  here: { action: string; node: string; ctids: readonly number[]; now: Date },
): void {
  if (approval.kind === 'digest') return;
  const { plan, source } = approval;
  const refuse = (
    code: 'PLAN_EDITED' | 'PLAN_OTHER_ACTION_VERSION' | 'PLAN_OTHER_HOST' | 'PLAN_OTHER_CONTAINERS' | 'PLAN_EXPIRED',
    seen: string,
    remedy = AGAIN,
  ) => new ActionError(code, `${source} ${seen}.`, remedy);

  const digest = planDigest(plan);
  if (digest !== plan.digest) {
    throw refuse('PLAN_EDITED', `says its digest is ${plan.digest}, but its content has ${digest}: it was changed`);
  }
  if (plan.action !== here.action) {
    throw refuse(
      'PLAN_OTHER_ACTION_VERSION',
      `was made by version ${plan.action} of this action, this is ${here.action}`,
      `Plan and apply with the same version. ${AGAIN}`,
    );
  }
  if (plan.host.node !== here.node) {
    throw refuse('PLAN_OTHER_HOST', `is for host ${plan.host.node}, this is ${here.node}`, 'Apply it on that host.');
  }
  const planned = plan.containers.map(({ ctid }) => ctid);
  if (!planned.some((ctid) => here.ctids.includes(ctid))) {
    throw refuse(
      'PLAN_OTHER_CONTAINERS',
      `is for ${containersText(planned)}, this step names ${containersText(here.ctids)}`,
      `Name the plan's containers. ${AGAIN}`,
    );
  }
  if (here.now.getTime() > Date.parse(plan.expiresAt)) {
    throw refuse('PLAN_EXPIRED', `expired at ${plan.expiresAt}`);
  }
}

/**
 * What was done under this very approval: a plan that was made after its digest had been applied is another one, of a container
 * that was brought back to what it had been, e.g. from a backup. A digest alone has no time.
 */
export function doneUnder(
  approval: Approval,
  applied: ReadonlyMap<number, AppliedPart>,
): ReadonlyMap<number, AppliedPart> {
  if (approval.kind === 'digest') return applied;
  const made = Date.parse(approval.plan.createdAt);
  return new Map([...applied].filter(([, { at }]) => Date.parse(at) >= made));
}

/**
 * Refuses to go on when what would be done now isn't what was approved. What this approval was already used for counts as
 * approved as long as nothing more is to be done there; so a rollout that stopped half way can go on.
 *
 * @param applied parts that were done under this approval, by container: see {@link doneUnder}.
 * @throws ActionError PLAN_CHANGED with every difference, PLAN_USED
 */
export function compareWithApproval(
  approval: Approval,
  now: Identified,
  applied: ReadonlyMap<number, AppliedPart>,
): void {
  const undone = now.containers.find(({ ctid, actions }) => applied.has(ctid) && actions.length > 0);
  if (undone !== undefined) {
    const { run, at } = applied.get(undone.ctid) as AppliedPart;
    throw new ActionError(
      'PLAN_USED',
      `The approved plan was applied to container ${undone.ctid} at ${at} by ${run}, and the container was changed since.`,
      `An approval is good once. ${AGAIN}${
        approval.kind === 'plan'
          ? ''
          : ' Give that plan.json instead of the digest, which is the same: its time tells it from the one that was applied.'
      }`,
      undone.actions.map(({ kind, reason }) => `${kind}: ${reason}`).join('\n'),
    );
  }
  const digests = new Map(
    now.containers.map((part) => [part.ctid, applied.get(part.ctid)?.digest ?? containerDigest(part)]),
  );
  const digest = combinedDigest(now, digests);
  if (digest === approval.digest) return;
  const found = approval.kind === 'plan' ? planDifferences(approval.plan, now, applied) : [];
  throw new ActionError(
    'PLAN_CHANGED',
    approval.kind === 'plan'
      ? `${found.length} ${found.length === 1 ? 'thing is' : 'things are'} not what was approved in ${approval.source}. Nothing was touched.`
      : `What would be done now has the digest ${digest}, approved is ${approval.digest}. Nothing was touched.`,
    `Whoever changed it should know why; ${AGAIN[0]?.toLowerCase()}${AGAIN.slice(1)} ${
      approval.kind === 'plan' ? '' : 'Give the approved plan.json instead of its digest to see what differs.'
    }`.trim(),
    [
      ...found.slice(0, MOST_DIFFERENCES).map(differenceText),
      ...(found.length > MOST_DIFFERENCES ? [`and ${found.length - MOST_DIFFERENCES} more`] : []),
    ].join('\n'),
  );
}

function planDifferences(approved: Plan, now: Identified, applied: ReadonlyMap<number, AppliedPart>): Difference[] {
  const containers = (plan: Identified): Identity =>
    Object.fromEntries(
      plan.containers
        .filter(({ ctid }) => !applied.has(ctid))
        .map((part) => [`container ${part.ctid}`, containerIdentity(part)]),
    );
  return [
    ...differences(headIdentity(approved), headIdentity(now)),
    ...differences(containers(approved), containers(now)),
  ];
}

function containersText(ctids: readonly number[]): string {
  return `${ctids.length === 1 ? 'container' : 'containers'} ${ctids.join(', ')}`;
}
