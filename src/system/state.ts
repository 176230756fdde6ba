import { constants } from 'node:fs';
import { access, chown, type FileHandle, lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What this action keeps on the host: journal, locks, and what was applied of approved plans. Owned by the user of the runner, whoever runs it. */
export const STATE_DIRECTORY = '/var/lib/proxmox-lxc-nvidia';

/**
 * Makes a directory with its parents. Made by root, it belongs to the owner of the first parent that is there already, so
 * that a run as root leaves nothing that a run as that user can't use.
 */
export async function makeStateDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined || process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(dirname(first));
  for (let made = path; made.length >= first.length; made = dirname(made)) await chown(made, uid, gid);
}

/** A file that root made in a directory of another user's is that user's. */
export async function giveToOwnerOf(directory: string, file: FileHandle): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(directory);
  await file.chown(uid, gid);
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
    await using file = await open(partial, 'w', 0o600);
    await giveToOwnerOf(directory, file);
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

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
