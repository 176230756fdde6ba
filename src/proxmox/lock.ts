import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { ActionError } from '../errors.ts';

/** Volatile as the locks themselves: /run is empty after a restart of the host. */
const DIRECTORY = '/run/lock/proxmox-lxc-nvidia';

const Owner = z.object({
  /** Address of the workflow run, or what else a person may look for. */
  run: z.string(),
  pid: z.number(),
  /** ISO 8601 */
  since: z.string(),
});
export type Owner = z.infer<typeof Owner>;

/**
 * A lock of this host: flock(2) on an open file, so the kernel releases it when this process ends, however that happens.
 * The owner is written into the file for those who wait; it decides nothing.
 */
export class HostLock {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /**
   * @param name of the lock, e.g. `container-901`
   * @param waitSeconds how long another holder is waited for
   * @param onWait told who holds it, once
   * @throws ActionError CONTAINER_BUSY naming the holder; what `cancelled` was aborted with
   */
  static async take(
    name: string,
    owner: Owner,
    waitSeconds: number,
    cancelled: AbortSignal,
    onWait: (holder: string) => void,
  ): Promise<HostLock> {
    await mkdir(DIRECTORY, { recursive: true });
    const path = join(DIRECTORY, `${name}.lock`);
    const file = await open(path, 'a+');
    try {
      if (!(await flock(file, ['--nonblock'], cancelled))) {
        const holder = await holderOf(path);
        onWait(holder);
        if (!(await flock(file, ['--timeout', String(waitSeconds)], cancelled))) {
          throw new ActionError(
            'CONTAINER_BUSY',
            `${name} is being worked on by ${await holderOf(path)}, for longer than ${waitSeconds} s.`,
            'Wait for that run, or cancel it; "lock-wait-minutes" says how long to wait.',
          );
        }
      }
      await file.truncate();
      await file.appendFile(JSON.stringify(owner));
      return new HostLock(file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async release(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * Node has no flock(2). flock(1) locks the open file it inherits; the lock belongs to that open file, so it stays when
 * flock(1) has ended and goes when this process closes the file or dies. No other child inherits it (O_CLOEXEC).
 */
async function flock(file: FileHandle, options: readonly string[], cancelled: AbortSignal): Promise<boolean> {
  cancelled.throwIfAborted();
  const child = spawn('/usr/bin/flock', ['--exclusive', ...options, '3'], {
    stdio: ['ignore', 'ignore', 'ignore', file.fd],
    signal: cancelled,
  });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code === 0;
  } catch (error) {
    cancelled.throwIfAborted();
    throw error;
  }
}

async function holderOf(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    const { run, pid, since } = Owner.parse(JSON.parse(text));
    return `${run} (process ${pid}, since ${since})`;
  } catch {
    return 'another process';
  }
}
