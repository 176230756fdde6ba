import { constants } from 'node:fs';
import { access, chmod, lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ActionError, messageOf } from '../errors.ts';
import { isUserDirectory, LOCKS, STATE_DIRECTORY, userDirectory } from './state-paths.ts';

const JOURNAL = 'journal';

/** Others may pass through, to ask whether a file is there, and can't list or read anything. */
const OWN_MODE = 0o711;

/** All may list it: what others have left is found there. */
const SHARED_MODE = 0o755;

/** This action's state on the host, as a user has it. */
export class State {
  /** {@link STATE_DIRECTORY} */
  readonly root: string;
  /** This user's own directory. */
  readonly own: string;
  /** With the files that containers are locked by: root's, so that nobody can replace them. */
  readonly locks: string;

  /**
   * @param user login name, or `#1500` where the id has none
   * @param uid that user's: the directory's name where the login name is none for a directory, or for one of this user's
   */
  constructor(user: string, root = STATE_DIRECTORY, uid = process.getuid?.() ?? 0) {
    this.root = root;
    this.own = join(root, userDirectory(user, uid));
    this.locks = join(root, LOCKS);
  }

  /** This user's directory for one purpose. */
  directory(name: 'journal' | 'applied' | 'archive' | 'holders'): string {
    return join(this.own, name);
  }

  /** Makes what all users share, where it isn't there yet: for root. A user's part is made by whoever lets that user in. */
  async make(): Promise<void> {
    for (const [path, mode] of [
      [this.root, SHARED_MODE],
      [this.locks, 0o750],
    ] as const) {
      if ((await mkdir(path, { recursive: true })) !== undefined) await chmod(path, mode);
    }
  }

  /**
   * The user whose run left a container half done, or works on it right now: another one than this. Only that the journal names
   * the container is looked at; what it says is that user's word.
   *
   * @returns null: nobody's
   * @throws ActionError JOURNAL_FAILED when that can't be seen
   */
  async leftByOther(ctid: number): Promise<string | null> {
    for (const user of await namesIn(this.root)) {
      if (user === basename(this.own) || !isUserDirectory(user)) continue;
      const path = join(this.root, user, JOURNAL, `${ctid}.json`);
      try {
        if (await exists(path)) return user;
      } catch (error) {
        // As that user, because root would follow whatever link that user has put there.
        const asUser = `sudo -u ${userArgument(user)}`;
        throw new ActionError(
          'JOURNAL_FAILED',
          `Whether a run of the user ${user} left container ${ctid} half done can't be seen: ${messageOf(error)}.`,
          `Others must be able to pass through that user's directories: ${asUser} chmod 0711 ${join(this.root, user)} ${dirname(path)}`,
        );
      }
    }
    return null;
  }
}

/** The names in a directory; none when it isn't there. */
async function namesIn(path: string): Promise<string[]> {
  return (await exists(path)) ? readdir(path) : [];
}

/** A user as `sudo -u` takes it, by the name of that user's directory. */
export function userArgument(directory: string): string {
  return /^\d+$/.test(directory) ? `'#${directory}'` : directory;
}

/** Makes a directory, this user's alone, with its parents, which others may list. */
export async function makeStateDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  // Whatever the umask is.
  for (let made = path; made.length >= first.length; made = dirname(made)) {
    await chmod(made, made === path ? OWN_MODE : SHARED_MODE);
  }
}

/**
 * Replaces a file, and makes its directory where that isn't there yet. Whatever comes in between, the old text or the new
 * one is there, never half of it; when this returns, the new one is on the disk.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const directory = dirname(path);
  const partial = `${path}.partial`;
  try {
    await makeStateDirectory(directory);
    // A new file: what a link of that name leads to is never written to.
    await rm(partial, { force: true });
    await using file = await open(partial, 'wx', 0o600);
    await file.writeFile(text);
    await file.sync();
    await rename(partial, path);
    await syncDirectory(directory);
  } catch (error) {
    // Why it could not be written says more than why nothing could be removed there.
    await rm(partial, { force: true }).catch(() => {});
    throw error;
  }
}

/** Removes a file, if it is there; when this returns, that is on the disk. */
export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

/** A rename or a removal is on the disk when its directory is (rename(2), fsync(2)). */
async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}

/** The first path of a tree, its root included, that this user can't read and write; null: all can be used. */
export async function firstUnusable(path: string): Promise<string | null> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    for (const name of (await stat(path)).isDirectory() ? await readdir(path) : []) {
      const unusable = await firstUnusable(join(path, name));
      // What another run removes at this moment is no obstacle.
      if (unusable !== null && (await exists(unusable))) return unusable;
    }
    return null;
  } catch {
    return path;
  }
}

/** @throws what isn't absence */
async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
