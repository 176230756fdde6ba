import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { ActionError, messageOf } from '../errors.ts';
import type { HostAccess } from '../system/access.ts';
import { FileLock, type LockOptions, type LockPlace, ownerNow } from '../system/lock.ts';
import { durationText } from '../system/text.ts';

/**
 * Takes the lock of a container: only its holder changes the container, whichever user of this host it runs as.
 *
 * @throws ActionError CONTAINER_BUSY naming the holder, JOURNAL_FAILED when the host's disk takes no lock; what `cancelled`
 * was aborted with
 */
export async function takeContainerLock(
  ctid: number,
  runName: string,
  access: Pick<HostAccess, 'state' | 'user' | 'runAsRoot'>,
  options: Pick<LockOptions, 'waitSeconds' | 'cancelled' | 'onWait'>,
): Promise<FileLock> {
  const place = placeOf(ctid, access);
  return FileLock.take(place, {
    ...options,
    owner: ownerNow(runName),
    busy: (holder) =>
      new ActionError(
        'CONTAINER_BUSY',
        `Container ${ctid} is being worked on by ${holder}, for longer than ${durationText(options.waitSeconds)}.`,
        `Wait for that run, or cancel it; "lock-wait-minutes" says how long to wait. As root, this lists the processes that have it or wait for it, too: find /proc/[0-9]*/fd -lname ${place.path}`,
      ),
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.syscall === undefined) throw error;
    throw new ActionError(
      'JOURNAL_FAILED',
      `The lock ${place.path} could not be taken: ${messageOf(error)}.`,
      error.code === 'EACCES'
        ? `Nothing is changed without it. As root: chmod 0644 ${place.path}`
        : 'Nothing is changed without it: see to the disk of this host or the rights of this file and run this again.',
    );
  });
}

/**
 * Not below /run/lock, which everybody may write to: anybody could lock a container there for good. The file is root's; a user has
 * it made by root, once. One that stays over a restart locks nothing.
 */
function placeOf(
  ctid: number,
  { state, user, runAsRoot }: Pick<HostAccess, 'state' | 'user' | 'runAsRoot'>,
): LockPlace {
  const path = join(state.locks, `container-${ctid}.lock`);
  const make = async () => {
    if (user.rights !== 'sudo') {
      await using file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
      // Whatever the umask is: a user locks it by reading.
      await file.chmod(0o644);
      return;
    }
    // sudo adds this process' umask to its own (sudoers(5), umask): root's file must be one that this user can read.
    const umask = process.umask(0o022);
    try {
      // What failed is seen when it is opened.
      await runAsRoot(['/usr/bin/touch', '--', path], { timeoutSeconds: 30 });
    } finally {
      process.umask(umask);
    }
  };
  const unnoted = async () => {
    const other = await state.leftByOther(ctid).catch(() => null);
    return other === null ? 'another process' : `a run of the user ${other}`;
  };
  return { path, note: join(state.directory('holders'), `container-${ctid}.json`), unnoted, make };
}
