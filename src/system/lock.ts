import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, existsSync, readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as z from 'zod/mini';
import { makeStateDirectory } from './state.ts';
import { StateFile } from './state-file.ts';

/** For reading alone, which flock(2) is content with; never what a link leads to. */
const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW;

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

/** Where a lock lies. */
export interface LockPlace {
  /** The file that is locked. Nothing is ever written into it. */
  path: string;
  /** Where its holder is noted, for this user's other runs. */
  note: string;
  /** Who has it when no run of this user's does. */
  unnoted: () => Promise<string>;
  /** Makes the file, where it isn't there yet. */
  make: () => Promise<void>;
}

/** A lock in a directory of this user alone, where the note lies beside it. */
export function ownLock(path: string): LockPlace {
  const make = async () => {
    await makeStateDirectory(dirname(path));
    await (await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)).close();
  };
  return { path, note: `${path}.json`, unnoted: async () => 'another process', make };
}

/**
 * A lock among the processes of this host: flock(2) on an open file, so the kernel releases it when this process ends,
 * however that happens. The owner is noted for those who wait; that decides nothing.
 */
export class FileLock {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @throws what `busy` gives; what `cancelled` was aborted with; an error with a `syscall` where the file can't be opened */
  static async take(place: LockPlace, options: LockOptions): Promise<FileLock> {
    const { path, note, make } = place;
    const { owner, waitSeconds, cancelled, onWait, busy } = options;
    const file = await open(path, OPEN).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      await make();
      return open(path, OPEN);
    });
    try {
      if (!(await flock(file, ['--nonblock'], cancelled))) {
        onWait(await holderOf(place));
        if (!(await flock(file, ['--timeout', String(waitSeconds)], cancelled))) throw busy(await holderOf(place));
      }
      await noteOwner(note, owner);
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
  return { run, pid: process.pid, since: new Date().toISOString(), bootId: bootId() };
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
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

/** At once and not for good: it is of no use after a restart. */
async function noteOwner(note: string, owner: Owner): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  await makeStateDirectory(dirname(note));
  await using file = await open(note, flags, 0o600);
  await file.writeFile(JSON.stringify(owner));
}

/** Who has it, if the one who is noted still runs: a note stays when a run is killed, and another user's can't be read. */
async function holderOf({ note, unnoted }: LockPlace): Promise<string> {
  // Who has just taken it needs a moment to say so.
  for (let attempt = 0; attempt < 5; attempt++) {
    const owner = await new StateFile(note, Owner).read().catch(() => null);
    if (owner !== null && owner.bootId === bootId() && existsSync(`/proc/${owner.pid}`)) {
      return `${owner.run} (process ${owner.pid}, since ${owner.since})`;
    }
    await setTimeout(50);
  }
  return unnoted();
}
