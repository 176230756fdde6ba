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
        `Wait for that run, or cancel it; "lock-wait-minutes" says how long to wait. As root, lslocks names who has ${place.path}.`,
      ),
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.syscall === undefined) throw error;
    throw new ActionError(
      'JOURNAL_FAILED',
      `The lock ${place.path} could not be taken: ${messageOf(error)}.`,
      'Nothing is changed without it: see to the disk of this host or the rights of this file and run this again.',
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
    // What failed is seen when it is opened.
    await runAsRoot(['/usr/bin/touch', '--', path], { timeoutSeconds: 30 });
  };
  return { path, note: join(state.directory('holders'), `container-${ctid}.json`), make };
}
