import { Refusal, Unanswered } from './errors.ts';
import type { GitHub } from './github.ts';

/** GitHub's answer, as far as it is read. It has neither the review's time nor the attempt that it belongs to. */
interface Review {
  state: string;
  user: { login: string } | null;
  environments: { name: string }[];
}

interface Environment {
  protection_rules?: { type: string; reviewers?: unknown[] }[];
}

/** The reviews of one environment in a run so far. */
export interface Reviews {
  /** In which attempt of the run they were counted. */
  attempt: number;
  /** How often each person approved. */
  approved: Record<string, number>;
  rejected: number;
}

/**
 * The reviews of an environment until now. Counted in every attempt before its environment is waited for, it tells what
 * comes later from what was there: the history of a run is that of all its attempts.
 *
 * @param run e.g. `OWNER/infrastructure/actions/runs/1`
 */
export async function reviewsOf(github: GitHub, run: string, attempt: number, environment: string): Promise<Reviews> {
  const all = (await github(`/repos/${run}/approvals`)) as Review[];
  const own = all.filter(({ environments }) => environments.some(({ name }) => name === environment));
  const approved: Record<string, number> = {};
  for (const { state, user } of own) {
    const name = user?.login ?? 'a deleted user';
    if (state === 'approved') approved[name] = (approved[name] ?? 0) + 1;
  }
  return { attempt, approved, rejected: own.filter(({ state }) => state === 'rejected').length };
}

/**
 * Who approved the environment in this attempt of the run. A job with an environment that has no reviewers starts without
 * asking anybody, which also happens where GitHub's plan has no required reviewers: then this refuses. The order of the
 * history doesn't matter: GitHub asks for an environment once in an attempt, so one rejection in it refuses.
 *
 * @param before what was counted in this attempt before the environment was waited for
 * @throws Refusal when nobody did, when somebody rejected, or when it can't be known
 */
export async function approvers(github: GitHub, run: string, environment: string, before: Reviews, attempt: number) {
  if (before.attempt !== attempt) {
    throw new Refusal(
      `This is attempt ${attempt} of the run, and its reviews were last counted in attempt ${before.attempt}: ` +
        `GitHub doesn't say to which attempt an approval of "${environment}" belongs.`,
      'Use "Re-run all jobs": it plans and asks anew.',
    );
  }
  const now = await reviewsOf(github, run, attempt, environment);
  if (now.rejected > before.rejected) {
    throw new Refusal(
      `"${environment}" was rejected in this attempt of the run.`,
      'When that is settled, use "Re-run all jobs".',
    );
  }
  const names = Object.entries(now.approved)
    .filter(([name, count]) => count > (before.approved[name] ?? 0))
    .map(([name]) => name);
  if (names.length > 0) return names;
  throw new Refusal(
    `Nobody was asked: this attempt of the run has no approval for the environment "${environment}".`,
    `${GIVE_REVIEWERS(environment)} Then use "Re-run all jobs". Where GitHub's plan has none for private ` +
      'repositories, let the reviewed pull request be the approval and set "approval-required: false" in the call.',
  );
}

const GIVE_REVIEWERS = (environment: string) =>
  `Give "${environment}" required reviewers in the repository's settings.`;

/**
 * Whether the environment asks somebody now: its rules may have changed while the run waited.
 *
 * @returns null when it does; what can't be known, in words
 * @throws Refusal when it asks nobody
 */
export async function checkReviewers(github: GitHub, repository: string, environment: string): Promise<string | null> {
  let rules: Environment['protection_rules'];
  try {
    const answer = await github(`/repos/${repository}/environments/${encodeURIComponent(environment)}`);
    rules = (answer as Environment).protection_rules ?? [];
  } catch (error) {
    if (!(error instanceof Unanswered) || (error.status !== 403 && error.status !== 404)) throw error;
    return `Whether "${environment}" still has required reviewers can't be known: GitHub answers ${error.status}.`;
  }
  if (rules.some(({ type, reviewers }) => type === 'required_reviewers' && (reviewers ?? []).length > 0)) return null;
  throw new Refusal(
    `The environment "${environment}" has no required reviewers.`,
    `${GIVE_REVIEWERS(environment)} Then use "Re-run all jobs".`,
  );
}
