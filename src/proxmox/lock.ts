import { join } from 'node:path';
import { ActionError, messageOf } from '../errors.ts';
import { FileLock, type LockOptions, ownerNow } from '../system/lock.ts';
import { STATE_DIRECTORY } from '../system/state.ts';
import { durationText } from '../system/text.ts';

/**
 * Not below /run/lock, which everybody may write to: there an action that runs as root and one that runs as a user could
 * not open each other's files (fs.protected_regular). A file that stays over a restart locks nothing.
 */
const DIRECTORY = join(STATE_DIRECTORY, 'locks');

/**
 * Takes the lock of a container: only its holder changes the container.
 *
 * @throws ActionError CONTAINER_BUSY naming the holder, JOURNAL_FAILED when the host's disk takes no lock; what `cancelled`
 * was aborted with
 */
export async function takeContainerLock(
  ctid: number,
  runName: string,
  options: Pick<LockOptions, 'waitSeconds' | 'cancelled' | 'onWait'>,
  directory = DIRECTORY,
): Promise<FileLock> {
  const path = join(directory, `container-${ctid}.lock`);
  return FileLock.take(path, {
    ...options,
    owner: ownerNow(runName),
    busy: (holder) =>
      new ActionError(
        'CONTAINER_BUSY',
        `Container ${ctid} is being worked on by ${holder}, for longer than ${durationText(options.waitSeconds)}.`,
        'Wait for that run, or cancel it; "lock-wait-minutes" says how long to wait.',
      ),
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.syscall === undefined) throw error;
    throw new ActionError(
      'JOURNAL_FAILED',
      `The lock ${path} could not be taken: ${messageOf(error)}.`,
      'Nothing is changed without it: see to the disk of this host or the rights of this file and run this again.',
    );
  });
}
