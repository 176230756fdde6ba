import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { END_PROCESSES } from '../../../src/proxmox/end-processes.ts';
import { runCommand } from '../../../src/system/command.ts';
import { MARK } from '../../../src/system/guest-environment.ts';

/** A process on this machine that carries a mark, and the end of it. */
function start(script: string, mark: string) {
  const child = spawn('/bin/sh', ['-c', script], {
    env: { PATH: '/usr/bin:/bin', ...(mark === '' ? {} : { [MARK]: mark }) },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return {
    child,
    begun: once(child.stdout, 'data'),
    ended: once(child, 'exit') as Promise<[number | null, string | null]>,
  };
}

/** False also for a process that has ended and that nobody waited for. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const end = (word: string) =>
  runCommand(['/usr/bin/env', `${MARK}=${randomUUID()}`, '/bin/sh', '-c', END_PROCESSES, 'sh', word], {
    timeoutSeconds: 20,
  });

describe('END_PROCESSES', () => {
  it('ends what carries the mark, with its children, and nothing else', async () => {
    const word = randomUUID();
    const marked = start('sleep 30 & echo $!; wait', word);
    const other = start('echo begun; sleep 30', randomUUID());
    const [childPid] = await marked.begun;
    await other.begun;
    expect((await end(word)).exitCode).toBe(0);
    expect(await marked.ended).toEqual([null, 'SIGTERM']);
    expect(isRunning(Number(String(childPid)))).toBe(false);
    expect(other.child.exitCode).toBeNull();
    expect(other.child.signalCode).toBeNull();
  });

  it('ends by force what does not go kindly', async () => {
    const word = randomUUID();
    const stubborn = start('trap "" TERM; echo begun; while :; do sleep 1; done', word);
    await stubborn.begun;
    expect((await end(word)).exitCode).toBe(0);
    expect(await stubborn.ended).toEqual([null, 'SIGKILL']);
  });

  it('is content when there is nothing', async () => {
    expect((await end(randomUUID())).exitCode).toBe(0);
  });
});
