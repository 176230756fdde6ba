import { Refusal, Unanswered } from './errors.ts';
import type { GitHub } from './github.ts';

/** The commit that a run is of. */
export interface RunCommit {
  /** `OWNER/infrastructure` */
  repository: string;
  sha: string;
  /** `refs/heads/main`: the default branch, which is checked elsewhere. */
  ref: string;
  /** What decides over hosts: the wishes file, and the workflow that pins what is called. */
  files: string[];
}

/** The workflow that all of this is for. Every run that gets here has called it. */
export const OWN_PATH = '.github/workflows/rollout.yml';

/** A called workflow as GitHub names it: `OWNER/REPOSITORY/.github/workflows/FILE`, then what it was called at. */
const CALLED = /^(?:\.\/|([^/\s]+\/[^/\s]+)\/)?(\.github\/workflows\/[^/@\s]+)(?:@.*)?$/;

const short = (sha: string) => sha.slice(0, 12);

/**
 * Refuses a run whose wishes are no longer those of the branch: of a commit that isn't the branch's head any more, where
 * the head has another wishes file, another calling workflow, or another one that this calls on the way. A re-run always
 * has the commit of its first attempt, a run that waits for approval may be overtaken, and so may one that waits for a host.
 *
 * @param run e.g. `OWNER/infrastructure/actions/runs/1`
 * @throws Refusal SUPERSEDED naming the newer commit, also when it can't be known which workflows the run calls
 */
export async function checkNewest(github: GitHub, run: string, commit: RunCommit): Promise<void> {
  const { repository, sha, files } = commit;
  const head = await headOf(github, commit);
  if (head === sha) return;
  const called = calledIn(repository, await github(`/repos/${run}`));
  if (called === null) throw superseded(commit, head, "GitHub doesn't say which workflows this run calls");
  for (const path of new Set([...files, ...called])) {
    const [mine, newest] = [await blob(github, repository, path, sha), await blob(github, repository, path, head)];
    if (mine === null || mine !== newest) throw superseded(commit, head, `${path} is another there`);
  }
}

const superseded = ({ sha, ref }: RunCommit, head: string, seen: string) =>
  new Refusal(
    `This run is of commit ${short(sha)}, the newest commit of ${branchOf(ref)} is ${short(head)}, and ${seen}.`,
    `What the newer one asks for is applied by its own run; where there is none, start this workflow by hand on ${branchOf(ref)}.`,
    'SUPERSEDED',
  );

/**
 * The called workflows that lie in the calling repository itself. Those of other repositories are pinned by the files
 * that call them.
 *
 * @param answer what GitHub says of the run
 * @returns null where that can't be read, or doesn't list {@link OWN_PATH}: as the run calls it, others may be missing, too
 */
function calledIn(repository: string, answer: unknown): string[] | null {
  const list = (answer as { referenced_workflows?: unknown } | null)?.referenced_workflows;
  if (!Array.isArray(list)) return null;
  const called = list.map((entry: { path?: unknown } | null) => {
    const [, owner = repository, path = ''] = CALLED.exec(String(entry?.path)) ?? [];
    return { owner, path };
  });
  const paths = called.map(({ path }) => path);
  if (paths.includes('') || !paths.includes(OWN_PATH)) return null;
  // GitHub takes `uses: owner/repository/…` in capitals or not.
  const isOwn = ({ owner }: { owner: string }) => owner.toLowerCase() === repository.toLowerCase();
  return called.filter(isOwn).map(({ path }) => path);
}

/** The commit of a run that only reads and how old it is, in words; whether it is the newest, where GitHub says so. */
export async function commitText(github: GitHub, commit: RunCommit, now: Date): Promise<string> {
  const { repository, sha, ref } = commit;
  try {
    const head = await headOf(github, commit);
    const answer = await github(`/repos/${repository}/commits/${sha}`);
    const { date } = (answer as { commit: { committer: { date: string } } }).commit.committer;
    const days = Math.floor((now.getTime() - Date.parse(date)) / 86_400_000);
    const age = Number.isFinite(days) ? `${days} ${days === 1 ? 'day' : 'days'} old` : 'of unknown age';
    const newest = head === sha ? 'the newest' : `not the newest, which is ${short(head)}`;
    return `The wishes are those of commit ${short(sha)} (${age}; ${newest} of ${branchOf(ref)}).`;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return `The wishes are those of commit ${short(sha)}; how old it is can't be known: ${error.message}`;
  }
}

const branchOf = (ref: string) => ref.replace(/^refs\/heads\//, '');

async function headOf(github: GitHub, { repository, ref }: RunCommit): Promise<string> {
  const answer = await github(`/repos/${repository}/branches/${encodeURIComponent(branchOf(ref))}`);
  return (answer as { commit: { sha: string } }).commit.sha;
}

/** The id of a file's bytes at a commit; null when it isn't there. */
async function blob(github: GitHub, repository: string, path: string, sha: string): Promise<string | null> {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  try {
    return ((await github(`/repos/${repository}/contents/${encoded}?ref=${sha}`)) as { sha: string }).sha;
  } catch (error) {
    if (error instanceof Unanswered && error.status === 404) return null;
    throw error;
  }
}
