import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, readFileSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod/mini';
import { giveToOwnerOf, makeStateDirectory } from './state.ts';

/** Reading and appending, made where it isn't there; never what a link in a user's directory points root to. */
const OPEN = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

const Owner = z.object({
  /** Address of the workflow run, or what else a person may look for. */
  run: z.string(),
  pid: z.number(),
  /** ISO 8601 */
  since: z.string(),
  /** Of the kernel it ran under: a process number means nothing after a restart of the host. */
  bootId: z.string(),
});
export type Owner = z.infer<typeof Owner>;

export interface LockOptions {
  owner: Owner;
  /** How long another holder is waited for. */
  waitSeconds: number;
  cancelled: AbortSignal;
  /** Told who holds it, once, before waiting. */
  onWait: (holder: string) => void;
  /** What is thrown when the holder still has it after that time. */
  busy: (holder: string) => Error;
}

/**
 * A lock among the processes of this host: flock(2) on an open file, so the kernel releases it when this process ends,
 * however that happens. The owner is written into the file for those who wait; it decides nothing.
 */
export class FileLock {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @throws what `busy` gives; what `cancelled` was aborted with */
  static async take(path: string, options: LockOptions): Promise<FileLock> {
    const { owner, waitSeconds, cancelled, onWait, busy } = options;
    await makeStateDirectory(dirname(path));
    const file = await open(path, OPEN, 0o600);
    try {
      await giveToOwnerOf(dirname(path), file);
      if (!(await flock(file, ['--nonblock'], cancelled))) {
        onWait(await holderOf(path));
        if (!(await flock(file, ['--timeout', String(waitSeconds)], cancelled))) throw busy(await holderOf(path));
      }
      await file.truncate();
      await file.appendFile(JSON.stringify(owner));
      return new FileLock(file);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async release(): Promise<void> {
    await this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

/** This process as the holder of a lock from now on. */
export function ownerNow(run: string): Owner {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return { run, pid: process.pid, since: new Date().toISOString(), bootId };
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
