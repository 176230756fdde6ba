import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LAB_DIR } from './paths.ts';
import { entries } from './storage.ts';

/** Makes a host's namespace by the script `host-namespace`; returns the pid of the process that holds it open. */
export async function holdNamespace(directory: string, node: string): Promise<number> {
  const script = join(LAB_DIR, 'host-namespace');
  const holder = spawn('unshare', ['--mount', '--uts', '--', script, directory, node], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  holder.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [what] = (await Promise.race([
    once(holder.stdout, 'data').then(() => ['ready']),
    once(holder, 'exit'),
    once(holder, 'error'),
  ])) as [unknown];
  if (what !== 'ready' || holder.pid === undefined) {
    throw new Error(`The host's namespace could not be made (${String(what)}): ${stderr.trim()}`);
  }
  holder.stdout.destroy();
  holder.stderr.destroy();
  holder.unref();
  return holder.pid;
}

/**
 * Kills every process in a host's namespace: the holder, a hanging action, a hanging `pct`. They are told by the host's
 * own overlay among their mounts: process ids and namespace numbers could belong to something else by now.
 */
export async function killNamespace(directory: string): Promise<void> {
  for (let round = 0; round < 100; round++) {
    const pids = await members(directory);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // ended meanwhile
      }
    }
    await sleep(20);
  }
  throw new Error(`Processes ${(await members(directory)).join(', ')} of a lab host did not end after SIGKILL.`);
}

async function members(directory: string): Promise<number[]> {
  const pids: number[] = [];
  for (const pid of await entries('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
      if (mounts.includes(`upperdir=${directory}/overlay/`)) pids.push(Number(pid));
    } catch {
      // ended meanwhile
    }
  }
  return pids;
}
