import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Identified, planDigest } from '../../../src/plan/identity.ts';
import { RUNNER_LIMITS } from '../../../src/system/limits.ts';
import { sha256Of } from '../../../src/system/sha256.ts';
import { coveredFolds, markParagraphs, type ShownPlan } from './details.ts';
import { Refusal } from './errors.ts';
import { cell } from './markdown.ts';
import { readRecord } from './record.ts';
import type { HostWish } from './wishes.ts';

/** A host with changes, and exactly which plan of it is put to the approvers. */
export interface PlannedHost extends HostWish {
  /** The plan's digest, which the action checks again before it touches anything. */
  digest: string;
  /** The plan file's bytes: whoever replaces the artifact after this job is noticed. */
  sha256: string;
}

/** What the approvers are asked. */
export interface Gate {
  /** The first host of the wishes file that has changes. */
  canary: PlannedHost | null;
  /** The others with changes, in the file's order. */
  fleet: PlannedHost[];
  /** Markdown for the approvers. */
  summary: string;
}

/**
 * Reads every host's plan once. What is approved afterwards is what was read here.
 *
 * @param folder holds one folder `nvidia-plan-HOST` per host
 * @throws Refusal when a host's plan is missing or contradicts itself
 */
export async function openGate(hosts: HostWish[], folder: string): Promise<Gate> {
  const planned: PlannedHost[] = [];
  const shown: ShownPlan[] = [];
  const rows: string[] = [];
  for (const host of hosts) {
    const found = await readPlan(host, folder);
    if (found === null) {
      rows.push(row(host, 'nothing to do', ''));
      continue;
    }
    const { planned: one, plan } = found;
    rows.push(row(host, planned.length === 0 ? '**canary**' : 'after the canary', `\`${one.digest}\``));
    planned.push(one);
    shown.push({ host: host.name, plan });
  }
  const [canary = null, ...fleet] = planned;
  return { canary, fleet, summary: summaryText(rows, canary, shown) };
}

/** Bytes of a plan file at most: one of 256 containers with all they may need has 3 MiB. */
const LARGEST_PLAN = 32 * 1024 * 1024;

async function readPlan(host: HostWish, folder: string): Promise<{ planned: PlannedHost; plan: Identified } | null> {
  const artifact = `nvidia-plan-${host.name}`;
  const record = await readRecord(folder, artifact, host.name);
  if (record === null || record.status !== 'success') {
    throw new Refusal(`There is no plan of ${host.name} in this run.`, 'Run the whole rollout again.');
  }
  if (record.result === 'converged') return null;
  const path = join(folder, artifact, 'plan.json');
  const again = 'Look at what that host runs besides; then run the whole rollout again.';
  const size = (await stat(path).catch(() => null))?.size ?? 0;
  if (size === 0 || size > LARGEST_PLAN) {
    throw new Refusal(`The plan of ${host.name} has ${size} bytes.`, again);
  }
  const bytes = await readFile(path);
  const { plan, digest, content } = parsePlan(bytes.toString('utf8'));
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest) || digest !== record.digest) {
    throw new Refusal(`The plan of ${host.name} and the record beside it name different digests.`, again);
  }
  // What approvers are shown is made from the content, what is applied is compared by the digest.
  if (content !== digest || plan === null) {
    throw new Refusal(`The plan of ${host.name} doesn't have the digest that it names.`, again);
  }
  return { planned: { ...host, digest, sha256: sha256Of(bytes) }, plan };
}

/** The plan, the digest that it names, and the one that its content has; null for what can't be read. */
function parsePlan(text: string): { plan: Identified | null; digest: unknown; content: string | null } {
  try {
    const plan = JSON.parse(text) as Identified & { digest?: unknown };
    return { plan, digest: plan.digest, content: planDigest(plan) };
  } catch {
    return { plan: null, digest: null, content: null };
  }
}

const row = (host: HostWish, when: string, digest: string) =>
  `| ${cell(host.name)} | ${cell(host.inputs['containers'] ?? '')} | ${when} | ${digest} |`;

function summaryText(rows: string[], canary: PlannedHost | null, shown: ShownPlan[]): string {
  const asked =
    canary === null
      ? 'Every container is as wanted. Nobody is asked, nothing is touched.'
      : 'What would be done in each container, and why, stands in the summaries of the jobs "Plan for HOST" on this page. ' +
        'Approving lets exactly the plans with these digests happen: a host that has changed since refuses. ' +
        'All that the digests cover is in the folds below.';
  const above = [
    '## Plans',
    '',
    ...markParagraphs(shown).flatMap((mark) => [mark, '']),
    '| Host | Containers | When | Digest |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    asked,
    '',
  ].join('\n');
  const folds = coveredFolds(shown, RUNNER_LIMITS.summaryBytes - Buffer.byteLength(above));
  return folds === '' ? above : `${above}\n${folds}\n`;
}
