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

const short = (sha: string) => sha.slice(0, 12);

/**
 * Refuses a run whose wishes are no longer those of the branch: of a commit that isn't the branch's head any more, where
 * the head has another wishes file or another calling workflow. A re-run always has the commit of its first attempt,
 * and a run that waits for approval may be overtaken.
 *
 * @throws Refusal SUPERSEDED naming the newer commit
 */
export async function checkNewest(github: GitHub, commit: RunCommit): Promise<void> {
  const { repository, sha, ref, files } = commit;
  const head = await headOf(github, commit);
  if (head === sha) return;
  for (const path of files) {
    const [mine, newest] = [await blob(github, repository, path, sha), await blob(github, repository, path, head)];
    if (mine !== null && mine === newest) continue;
    throw new Refusal(
      `This run is of commit ${short(sha)}, and ${path} is another at ${short(head)}, the newest commit of ${branchOf(ref)}.`,
      `What the newer one asks for is applied by its own run; where there is none, start this workflow by hand on ${branchOf(ref)}.`,
      'SUPERSEDED',
    );
  }
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
