import { Refusal } from './errors.ts';
import type { GitHub } from './github.ts';

interface Runs {
  workflow_runs: { id: number; event: string; head_branch: string; head_repository: { full_name: string } | null }[];
}

/**
 * The newest finished run of the workflow that publishes facts. It may have failed: that is how drift is told.
 * Only schedules and dispatches on the default branch of the repository itself count. A pull request may change the
 * workflow so that it runs for it, from a branch of the same name in a fork.
 *
 * @throws Refusal when there is none
 */
export async function factsRun(github: GitHub, repository: string, workflow: string, branch: string): Promise<number> {
  const query = `branch=${encodeURIComponent(branch)}&status=completed&per_page=50`;
  const answer = (await github(
    `/repos/${repository}/actions/workflows/${encodeURIComponent(workflow)}/runs?${query}`,
  )) as Runs;
  const run = answer.workflow_runs.find(
    ({ event, head_branch, head_repository }) =>
      (event === 'schedule' || event === 'workflow_dispatch') &&
      head_branch === branch &&
      head_repository?.full_name === repository,
  );
  if (run !== undefined) return run.id;
  throw new Refusal(`No run of ${workflow} on ${branch} has published facts.`, `Start ${workflow} by hand once.`);
}
