/** Answers of GitHub's REST API in the form that its documentation shows, with all that the workflows might be led by. */

const API = 'https://api.github.com/repos/OWNER/infrastructure';
const ENVIRONMENT_TIMES = { created_at: '2026-01-05T08:00:00Z', updated_at: '2026-01-05T08:00:00Z' };

const person = (login: string) => ({ login, id: 1, type: 'User', site_admin: false });

/** One entry of `GET …/actions/runs/{run_id}/approvals`. Its times are those of the environment, not of the review. */
export const review = (environment: string, state: 'approved' | 'rejected', login = 'alice') => ({
  state,
  comment: 'Looked at it.',
  environments: [
    {
      id: 161_088_068,
      node_id: 'EN_1',
      name: environment,
      url: `${API}/environments/${environment}`,
      html_url: `https://github.com/OWNER/infrastructure/deployments/activity_log?environments_filter=${environment}`,
      ...ENVIRONMENT_TIMES,
    },
  ],
  user: person(login),
});

/** `GET …/environments/{name}`. */
export const environment = (name: string, reviewers: boolean) => ({
  id: 161_088_068,
  node_id: 'EN_1',
  name,
  url: `${API}/environments/${name}`,
  ...ENVIRONMENT_TIMES,
  protection_rules: [
    { id: 3736, node_id: 'GA_1', type: 'wait_timer', wait_timer: 0 },
    ...(reviewers
      ? [
          {
            id: 3755,
            node_id: 'GA_2',
            prevent_self_review: true,
            type: 'required_reviewers',
            reviewers: [{ type: 'User', reviewer: person('alice') }],
          },
        ]
      : []),
    { id: 3756, node_id: 'GA_3', type: 'branch_policy' },
  ],
  deployment_branch_policy: { protected_branches: true, custom_branch_policies: false },
});

/** `GET …/branches/{branch}`. */
export const branch = (name: string, sha: string) => ({
  name,
  commit: { sha, node_id: 'C_1', url: `${API}/commits/${sha}`, commit: { message: 'Change wishes' } },
  protected: true,
});

/** `GET …/contents/{path}?ref=…` of a file. */
export const file = (path: string, blob: string) => ({
  type: 'file',
  encoding: 'base64',
  size: 2,
  name: path.split('/').at(-1),
  path,
  content: 'e30=',
  sha: blob,
});

/** `GET …/actions/runs/{run_id}`: `path` of what it calls is with its repository, and with the branch, tag or commit called. */
export const run = (calls: string[]) => ({
  id: 1,
  path: '.github/workflows/rollout.yml',
  head_branch: 'main',
  run_attempt: 1,
  referenced_workflows: calls.map((path) => ({ path, sha: 'e'.repeat(40) })),
});

/** `GET …/commits/{sha}`. */
export const commit = (sha: string, date: string) => ({
  sha,
  commit: { author: { name: 'Alice', date }, committer: { name: 'GitHub', date }, message: 'Change wishes' },
  parents: [],
});
