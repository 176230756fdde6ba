import { Refusal } from './errors.ts';
import type { GitHub } from './github.ts';

interface Review {
  state: string;
  user: { login: string } | null;
  environments: { name: string }[];
}

/**
 * Who approved the environment in this run. A job with an environment that has no reviewers starts without asking
 * anybody, which also happens where GitHub's plan has no required reviewers: then this refuses.
 *
 * @param run e.g. `OWNER/infrastructure/actions/runs/1`
 * @throws Refusal when nobody did
 */
export async function approvers(github: GitHub, run: string, environment: string): Promise<string[]> {
  const reviews = (await github(`/repos/${run}/approvals`)) as Review[];
  const names = reviews
    .filter(({ state, environments }) => state === 'approved' && environments.some(({ name }) => name === environment))
    .map(({ user }) => user?.login ?? 'a deleted user');
  if (names.length > 0) return [...new Set(names)];
  throw new Refusal(
    `Nobody was asked: this run has no approval for the environment "${environment}".`,
    `Give "${environment}" required reviewers in the repository's settings. Where GitHub's plan has none for private ` +
      'repositories, let the reviewed pull request be the approval and set "approval-required: false" in the call.',
  );
}
