import { Refusal } from './errors.ts';

/**
 * Lets jobs on the hosts follow only for what is merged: a push, a person's dispatch or a schedule, on the default branch.
 * It protects against mistakes in the calling workflow. Against a changed calling workflow it protects only where the
 * runner group admits nothing but these workflows (docs/threat-model.md).
 *
 * @throws Refusal for every other event and branch
 */
export function checkTrusted(event: string, ref: string, defaultBranch: string): void {
  // A schedule always runs on the default branch, and its payload need not name it.
  if (event === 'schedule') return;
  if (event !== 'push' && event !== 'workflow_dispatch') {
    throw new Refusal(
      `The event is "${event}": it may carry what nobody has reviewed, and the jobs that follow run as root on the hosts.`,
      'Call this workflow on push, workflow_dispatch or schedule; for pull requests call preview.yml.',
    );
  }
  if (defaultBranch === '' || ref !== `refs/heads/${defaultBranch}`) {
    throw new Refusal(
      `The run is for ${ref}, not for the default branch "${defaultBranch}".`,
      'Merge first: only what is on the default branch reaches a host.',
    );
  }
}
