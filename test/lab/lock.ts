import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface LockOptions {
  /** What the holder does, for those who wait. */
  readonly what: string;
  readonly timeoutSeconds: number;
  readonly log?: (line: string) => void;
}

/**
 * Takes a lock on a file (flock), waiting while somebody else has it. The kernel releases it when this process ends,
 * however that happens. Returns the release function.
 */
export async function takeLock(path: string, options: LockOptions): Promise<() => void> {
  await mkdir(dirname(path), { recursive: true });
  const file = openSync(path, 'a+');
  if (!(await flock(file, ['--nonblock']))) {
    options.log?.(`waiting for ${holder(path)}`);
    if (!(await flock(file, ['--wait', String(options.timeoutSeconds)]))) {
      closeSync(file);
      throw new Error(
        `${path} is held by ${holder(path)} for more than ${options.timeoutSeconds} s: end it, then try again.`,
      );
    }
  }
  ftruncateSync(file);
  writeSync(file, `process ${process.pid} (${options.what})`);
  return () => closeSync(file);
}

/** Runs `work` while holding the lock. */
export async function withLock<T>(path: string, what: string, work: () => Promise<T>): Promise<T> {
  const release = await takeLock(path, { what, timeoutSeconds: 15 * 60 });
  try {
    return await work();
  } finally {
    release();
  }
}

/** Node has no flock; flock(1) locks the open file it inherits, which stays locked after it has ended. */
async function flock(file: number, options: readonly string[]): Promise<boolean> {
  const child = spawn('flock', [...options, '3'], { stdio: ['ignore', 'ignore', 'inherit', file] });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code === 0;
}

function holder(path: string): string {
  return readFileSync(path, 'utf8') || 'another process';
}
