import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
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
  const rows: string[] = [];
  for (const host of hosts) {
    const plan = await readPlan(host, folder);
    if (plan === null) {
      rows.push(row(host, 'nothing to do', ''));
      continue;
    }
    rows.push(row(host, planned.length === 0 ? '**canary**' : 'after the canary', `\`${plan.digest}\``));
    planned.push(plan);
  }
  const [canary = null, ...fleet] = planned;
  return { canary, fleet, summary: summaryText(rows, canary) };
}

async function readPlan(host: HostWish, folder: string): Promise<PlannedHost | null> {
  const artifact = `nvidia-plan-${host.name}`;
  const record = await readRecord(folder, artifact, host.name);
  if (record === null || record.status !== 'success') {
    throw new Refusal(`There is no plan of ${host.name} in this run.`, 'Run the whole rollout again.');
  }
  if (record.result === 'converged') return null;
  const bytes = await readFile(join(folder, artifact, 'plan.json'));
  const digest = (JSON.parse(bytes.toString('utf8')) as { digest?: unknown }).digest;
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest) || digest !== record.digest) {
    throw new Refusal(
      `The plan of ${host.name} and the record beside it name different digests.`,
      'Look at what that host runs besides; then run the whole rollout again.',
    );
  }
  return { ...host, digest, sha256: createHash('sha256').update(bytes).digest('hex') };
}

const row = (host: HostWish, when: string, digest: string) =>
  `| ${cell(host.name)} | ${cell(host.inputs['containers'] ?? '')} | ${when} | ${digest} |`;

function summaryText(rows: string[], canary: PlannedHost | null): string {
  const asked =
    canary === null
      ? 'Every container is as wanted. Nobody is asked, nothing is touched.'
      : 'What would be done in each container, and why, stands in the summaries of the jobs "Plan for HOST" on this page. ' +
        'Approving lets exactly the plans with these digests happen: a host that has changed since refuses.';
  return [
    '## Plans',
    '',
    '| Host | Containers | When | Digest |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    asked,
    '',
  ].join('\n');
}
