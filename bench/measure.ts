import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import type { Container } from '../test/lab/container.ts';

/** Starts a contender on containers, tells the id of its process, and waits for its end. */
export type Started = (
  containers: readonly Container[],
  onStart: (pid: number) => void,
) => Promise<{ exitCode: number; output: string }>;

export interface Measured {
  /** From its start to its end. */
  seconds: number;
  /** Most bytes that its processes on the host held at one time, as seen every {@link SAMPLE_MS}. */
  memory: number;
}

const SAMPLE_MS = 100;

/** Runs a contender once. @throws Error with its output when it fails */
export async function measure(start: Started, containers: readonly Container[]): Promise<Measured> {
  let memory = 0;
  let root: number | null = null;
  const sampler = setInterval(() => {
    if (root !== null) memory = Math.max(memory, memoryOfTree(root));
  }, SAMPLE_MS);
  const started = performance.now();
  try {
    const { exitCode, output } = await start(containers, (pid) => {
      root = pid;
    });
    const seconds = (performance.now() - started) / 1000;
    if (exitCode !== 0) throw new Error(`A contender failed with exit code ${exitCode}:\n${output}`);
    return { seconds, memory };
  } finally {
    clearInterval(sampler);
  }
}

/** A {@link Started} for a program. */
export async function startProgram(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  onStart: (pid: number) => void,
): Promise<{ exitCode: number; output: string }> {
  const [name = '', ...args] = argv;
  const child = spawn(name, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      output += text;
    });
  }
  if (child.pid !== undefined) onStart(child.pid);
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode: exitCode ?? -1, output };
}

/** Seconds until a program has printed its first line; it is killed then. */
export async function secondsToFirstLine(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [name = '', ...args] = argv;
  const started = performance.now();
  const child = spawn(name, args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const closed = once(child, 'close');
  await Promise.race([once(child.stdout, 'data'), closed]);
  const seconds = (performance.now() - started) / 1000;
  child.kill('SIGKILL');
  await closed;
  return seconds;
}

const OUR_PROCESSES = readlinkSync('/proc/self/ns/pid');

/** Resident bytes of a process and its descendants on the host; those inside containers are the same for everybody. */
function memoryOfTree(pid: number): number {
  try {
    if (readlinkSync(`/proc/${pid}/ns/pid`) !== OUR_PROCESSES) return 0;
    const resident = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    return children.reduce((sum, child) => sum + memoryOfTree(Number(child)), resident * 1024);
  } catch {
    return 0; // ended meanwhile
  }
}
