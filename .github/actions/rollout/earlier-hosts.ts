import { Refusal } from './errors.ts';
import type { GitHub } from './github.ts';

interface Jobs {
  total_count: number;
  jobs: { name: string; conclusion: string | null }[];
}

const PAGE = 100;

/** The name of a host's job; rollout.yml gives it the same. A caller's job name stands before it. */
export const jobName = (host: string) => `Apply to ${host}`;

/**
 * Refuses when another host's job of this run didn't end well. GitHub is asked, not the hosts: a host whose runner died
 * can't say so.
 *
 * @param run e.g. `OWNER/infrastructure/actions/runs/1`
 * @param hosts all hosts of the rollout that have changes
 * @throws Refusal
 */
export async function checkEarlierHosts(github: GitHub, run: string, host: string, hosts: string[]): Promise<void> {
  const jobs = await allJobs(github, run);
  const jobsOf = (host: string) =>
    jobs.filter(({ name }) => name === jobName(host) || name.endsWith(` / ${jobName(host)}`));
  if (jobsOf(host).length === 0) {
    throw new Refusal(
      `GitHub's list of this run's jobs has none named "${jobName(host)}", so nothing is known of the hosts before.`,
      'Please report it.',
      'EARLIER_HOST_FAILED',
    );
  }
  const failed = hosts
    .filter((other) => other !== host)
    .filter((other) => jobsOf(other).some(({ conclusion }) => conclusion !== null && conclusion !== 'success'));
  if (failed.length === 0) return;
  throw new Refusal(
    `${host} is not touched, because ${failed.join(', ')} failed before.`,
    'Mend that, then "Re-run failed jobs": what is done is not done again.',
    'EARLIER_HOST_FAILED',
  );
}

async function allJobs(github: GitHub, run: string): Promise<Jobs['jobs']> {
  const jobs: Jobs['jobs'] = [];
  for (let page = 1; ; page++) {
    const answer = (await github(`/repos/${run}/jobs?filter=latest&per_page=${PAGE}&page=${page}`)) as Jobs;
    jobs.push(...answer.jobs);
    if (answer.jobs.length < PAGE) return jobs;
  }
}
