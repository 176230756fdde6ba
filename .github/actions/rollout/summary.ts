import type { PlannedHost } from './gate.ts';
import { cell } from './markdown.ts';
import { type HostRecord, readRecord } from './record.ts';
import type { HostWish } from './wishes.ts';

/** Results of the rollout's jobs: `success`, `failure`, `cancelled` or `skipped`; the code of a refusal, if there is one. */
export type JobResults = Record<string, { result: string; reason?: string }>;

export interface RolloutState {
  /** Empty when the wishes could not be read. */
  hosts: HostWish[];
  /** Null when the gate was not reached. */
  planned: PlannedHost[] | null;
  jobs: JobResults;
  /** Holds the artifacts of the run. */
  folder: string;
}

/** Refusals of a host's job before it touches the host. */
const NOT_STARTED = ['EARLIER_HOST_FAILED', 'SUPERSEDED'];

/** The closing summary in Markdown: what became of every host, whatever happened. */
export async function closingSummary({ hosts, planned, jobs, folder }: RolloutState): Promise<string> {
  const lines = ['## Rollout', ''];
  if (hosts.length === 0) {
    const reason = cell(jobs['wishes']?.reason || 'the wishes could not be read');
    return [...lines, `No host was looked at: ${reason}.`, ''].join('\n');
  }
  lines.push('| Host | Containers | Outcome | Reason |', '| --- | --- | --- | --- |');
  for (const host of hosts) {
    const plan = await readRecord(folder, `nvidia-plan-${host.name}`, host.name);
    const applied = await readRecord(folder, `nvidia-result-${host.name}`, host.name);
    const { outcome, reason } = outcomeOf(host, { planned, plan, applied, jobs });
    lines.push(`| ${cell(host.name)} | ${cell(host.inputs['containers'] ?? '')} | ${outcome} | ${cell(reason)} |`);
  }
  return [...lines, ''].join('\n');
}

interface Evidence {
  planned: PlannedHost[] | null;
  plan: HostRecord | null;
  applied: HostRecord | null;
  jobs: JobResults;
}

function outcomeOf(host: HostWish, { planned, plan, applied, jobs }: Evidence): { outcome: string; reason: string } {
  if (applied !== null) {
    if (applied.status === 'success')
      return { outcome: applied.result === 'changed' ? 'changed, verified' : 'verified', reason: '' };
    const outcome = NOT_STARTED.includes(applied.failureReason)
      ? 'not started'
      : `**${applied.status === 'cancelled' ? 'cancelled' : 'failed'}**`;
    return { outcome, reason: applied.failureReason };
  }
  if (planned === null) {
    if (plan === null) return { outcome: 'not planned', reason: 'no answer from its runner, or the run ended before' };
    if (plan.status === 'success') return { outcome: 'planned only', reason: 'another host could not be planned' };
    return { outcome: '**not planned**', reason: plan.failureReason };
  }
  const position = planned.findIndex(({ name }) => name === host.name);
  if (position === -1) return { outcome: 'as wanted', reason: 'nothing to do' };
  return { outcome: 'not started', reason: whyNotStarted(position === 0, jobs) };
}

function whyNotStarted(isCanary: boolean, jobs: JobResults): string {
  const result = (job: string) => jobs[job]?.result ?? 'skipped';
  const ended = (job: string) => jobs[job]?.reason || result(job);
  if (result('approve-canary') !== 'success') return `the canary was not approved (${ended('approve-canary')})`;
  if (isCanary) return `no result from its runner (${result('canary')})`;
  if (result('canary') !== 'success') return `the canary ended as ${result('canary')}`;
  if (result('approve-fleet') !== 'success') return `the fleet was not approved (${ended('approve-fleet')})`;
  return `no result from its runner (${result('fleet')})`;
}
