import { join } from 'node:path';
import { ActionError } from '../errors.ts';
import { FileLock, type LockOptions, ownerNow } from '../system/lock.ts';
import { durationText } from '../system/text.ts';

/** Volatile as the locks themselves: /run is empty after a restart of the host. */
const DIRECTORY = '/run/lock/proxmox-lxc-nvidia';

/**
 * Takes the lock of a container: only its holder changes the container.
 *
 * @throws ActionError CONTAINER_BUSY naming the holder; what `cancelled` was aborted with
 */
export function takeContainerLock(
  ctid: number,
  runName: string,
  options: Pick<LockOptions, 'waitSeconds' | 'cancelled' | 'onWait'>,
  directory = DIRECTORY,
): Promise<FileLock> {
  return FileLock.take(join(directory, `container-${ctid}.lock`), {
    ...options,
    owner: ownerNow(runName),
    busy: (holder) =>
      new ActionError(
        'CONTAINER_BUSY',
        `Container ${ctid} is being worked on by ${holder}, for longer than ${durationText(options.waitSeconds)}.`,
        'Wait for that run, or cancel it; "lock-wait-minutes" says how long to wait.',
      ),
  });
}
