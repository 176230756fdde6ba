import { describe, expect, it } from 'vitest';
import type { ContainerPlan } from '../../../src/plan/actions.ts';
import {
  type AppliedPart,
  type Approval,
  checkApproval,
  compareWithApproval,
  doneUnder,
} from '../../../src/plan/approval.ts';
import type { Plan } from '../../../src/plan/file.ts';
import { containerDigest, planDigest } from '../../../src/plan/identity.ts';
import { failureOf } from '../helpers/failure.ts';
import { BARE_PART, identified } from '../helpers/plans.ts';
import { containerPlan } from '../helpers/results.ts';

const NONE = new Map<number, AppliedPart>();
const NOW = new Date('2026-11-23T12:00:00Z');
const HERE = { action: '0.1.0', node: 'pve1', ctids: [901, 902], now: NOW };

function planOf(changes: Partial<Plan> = {}): Plan {
  const plan: Plan = {
    kind: 'plan',
    ...identified(),
    createdAt: '2026-11-20T12:00:00Z',
    expiresAt: '2026-11-27T12:00:00Z',
    digest: '',
    ...changes,
  };
  return { ...plan, digest: changes.digest ?? planDigest(plan) };
}
const approvalOf = (plan: Plan): Approval => ({ kind: 'plan', digest: plan.digest, source: 'plan.json', plan });
const part = (plan: Plan, index = 0) => plan.containers[index] as ContainerPlan;

describe('checkApproval', () => {
  it('lets the right plan pass, and a digest, of which nothing more is known', () => {
    expect(() => checkApproval(approvalOf(planOf()), HERE)).not.toThrow();
    expect(() => checkApproval({ kind: 'digest', digest: 'sha256:x' }, { ...HERE, node: 'pve9' })).not.toThrow();
  });

  it.each<[string, Plan, Partial<typeof HERE>, string, string]>([
    ['a plan that was edited', { ...planOf(), host: { ...planOf().host, driver: '1' } }, {}, 'PLAN_EDITED', 'changed'],
    ['an edited digest', planOf({ digest: `sha256:${'0'.repeat(64)}` }), {}, 'PLAN_EDITED', '000'],
    ['another action version', planOf(), { action: '0.2.0' }, 'PLAN_OTHER_ACTION_VERSION', '0.2.0'],
    ['another host', planOf(), { node: 'pve2' }, 'PLAN_OTHER_HOST', 'pve2'],
    ['other containers', planOf(), { ctids: [903] }, 'PLAN_OTHER_CONTAINERS', '903'],
    ['an expired plan', planOf(), { now: new Date('2026-11-27T12:00:01Z') }, 'PLAN_EXPIRED', '2026-11-27'],
  ])('refuses %s', async (_what, plan, here, code, named) => {
    const failure = await failureOf(() => checkApproval(approvalOf(plan), { ...HERE, ...here }));
    expect(failure.code).toBe(code);
    expect(failure.seen).toContain(named);
  });
});

describe('compareWithApproval', () => {
  const changed = async (change: (plan: Plan) => void, applied = NONE, kind: Approval['kind'] = 'plan') => {
    const now = planOf();
    change(now);
    const approval = approvalOf(planOf());
    const given: Approval = kind === 'plan' ? approval : { kind, digest: approval.digest };
    return failureOf(() => compareWithApproval(given, now, applied));
  };

  it('lets the same plan pass, made at another time', () => {
    const now = planOf({ createdAt: '2026-11-23T12:00:00Z', expiresAt: '2026-11-30T12:00:00Z' });
    expect(() => compareWithApproval(approvalOf(planOf()), now, NONE)).not.toThrow();
  });

  it.each<[string, (plan: Plan) => void, string]>([
    ['host driver', (plan) => (plan.host.driver = '580.142'), 'host, driver: approved 580.159.04, now 580.142'],
    ['selection', (plan) => plan.containers.pop(), 'container 902: approved found, actions, safety, now nothing'],
    [
      'user space',
      (plan) => (part(plan).found.userSpace = '570.26'),
      'container 901, found, userSpace: approved none, now 570.26',
    ],
    [
      'distribution',
      (plan) => (part(plan).found.distribution = 'debian 13'),
      'container 901, found, distribution: approved debian 12, now debian 13',
    ],
    [
      'action that is not needed any more',
      (plan) => part(plan).actions.pop(),
      'container 901, actions, install-packages (toolkit): approved packages, dependencies, now nothing',
    ],
  ])('names a changed %s', async (_what, change, line) => {
    const failure = await changed(change);
    expect(failure.code).toBe('PLAN_CHANGED');
    expect(failure.details?.split('\n')).toEqual([line]);
  });

  it('names every difference, up to a number a person reads', async () => {
    const failure = await changed((plan) => {
      const toolkit = part(plan).actions.at(-1);
      if (toolkit?.kind !== 'install-packages') throw new Error('no toolkit');
      for (let i = 0; i < 100; i++) toolkit.dependencies.push({ name: `p${i}`, version: '1' });
    });
    expect(failure.seen).toContain('100 things are not what was approved');
    expect(failure.details?.split('\n')).toHaveLength(41);
    expect(failure.details).toContain('and 60 more');
  });

  it('can only say that it differs when it knows a digest alone', async () => {
    const failure = await changed((plan) => (plan.host.driver = '580.142'), NONE, 'digest');
    expect(failure.code).toBe('PLAN_CHANGED');
    expect(failure.remedy).toContain('plan.json');
  });

  const done = (): AppliedPart => ({
    digest: containerDigest(BARE_PART),
    run: 'https://x/1',
    at: '2026-11-22T00:00:00Z',
  });
  const converged = containerPlan({ found: { distribution: 'debian 12', userSpace: '580.159.04' } });

  it.each(['plan', 'digest'] as const)('goes on where a rollout stopped half way, knowing the %s', (kind) => {
    const now = planOf({ containers: [converged, { ...BARE_PART, ctid: 902 }] });
    const approval = approvalOf(planOf());
    const given: Approval = kind === 'plan' ? approval : { kind, digest: approval.digest };
    expect(() => compareWithApproval(given, now, new Map([[901, done()]]))).not.toThrow();
    expect(() => compareWithApproval(given, now, NONE)).toThrow();
  });

  it('still refuses what changed elsewhere', async () => {
    const failure = await changed(
      (plan) => {
        plan.containers[0] = converged;
        part(plan, 1).found.userSpace = '1.2';
      },
      new Map([[901, done()]]),
    );
    expect(failure.details).toBe('container 902, found, userSpace: approved none, now 1.2');
  });

  it('is good once: what was applied and undone needs another approval', async () => {
    const failure = await changed(() => {}, new Map([[901, done()]]));
    expect(failure.code).toBe('PLAN_USED');
    expect(failure.seen).toContain('https://x/1');
  });

  it('is good once more for a plan that was made since: a digest alone has no time', async () => {
    const plan = approvalOf(planOf());
    const at = (seconds: number) => new Map([[901, { ...done(), at: new Date(made + seconds * 1000).toISOString() }]]);
    const made = plan.kind === 'plan' ? Date.parse(plan.plan.createdAt) : 0;
    expect([...doneUnder(plan, at(-1)).keys()]).toEqual([]);
    expect([...doneUnder(plan, at(1)).keys()]).toEqual([901]);
    const digest: Approval = { kind: 'digest', digest: plan.digest };
    expect([...doneUnder(digest, at(-1)).keys()]).toEqual([901]);
    const failure = await changed(() => {}, new Map([[901, done()]]), 'digest');
    expect(failure.remedy).toContain('Give that plan.json instead of the digest');
  });
});
