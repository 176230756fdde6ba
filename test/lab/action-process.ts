import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ActionProcess {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

export interface ActionProcessOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  /** Cancels (as a person clicking "Cancel workflow") once the output so far fits, after so many milliseconds, or then. */
  readonly cancel?: { readonly when: RegExp | number | Promise<unknown> };
  /** Called with the process's id when it has been started. */
  readonly onStart?: (pid: number) => void;
  /** Called at once when it has ended: its id may be another's from then on. */
  readonly onEnd?: () => void;
  /** Called with the output as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** How the runner cancels a step (actions/runner, ProcessInvoker): SIGINT, 7.5 s, SIGTERM, 2.5 s, whole tree killed. */
const INT_TO_TERM_MS = 7500;
const TERM_TO_KILL_MS = 2500;

/** Starts an action's process and waits for it, cancelling it as the runner does when asked to. */
export async function runActionProcess(
  argv: readonly [string, ...string[]],
  options: ActionProcessOptions,
): Promise<ActionProcess> {
  const started = performance.now();
  const [program, ...args] = argv;
  // The runner gives an action an empty, closed pipe as stdin.
  const child = spawn(program, args, { env: options.env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  child.stdin.end();
  if (child.pid !== undefined) options.onStart?.(child.pid);
  const output = { stdout: '', stderr: '' };
  let cancelling = false;
  const cancel = async () => {
    if (cancelling || child.pid === undefined) return;
    cancelling = true;
    child.kill('SIGINT');
    await Promise.race([exited, sleep(INT_TO_TERM_MS)]);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await Promise.race([exited, sleep(TERM_TO_KILL_MS)]);
    if (child.exitCode === null && child.signalCode === null) killTree(child.pid);
  };
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.once('exit', () => options.onEnd?.());
  const closed = new Promise<void>((resolve, reject) => {
    child.once('close', () => resolve());
    child.once('error', reject);
  });
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8');
    child[stream].on('data', (text: string) => {
      output[stream] += text;
      options.onOutput?.(text);
      if (options.cancel?.when instanceof RegExp && options.cancel.when.test(output.stdout + output.stderr)) {
        void cancel();
      }
    });
  }
  const timers: NodeJS.Timeout[] = [];
  if (options.cancel?.when instanceof Promise) void options.cancel.when.then(cancel);
  if (typeof options.cancel?.when === 'number') timers.push(setTimeout(() => void cancel(), options.cancel.when));
  let timedOut = false;
  timers.push(
    setTimeout(() => {
      timedOut = true;
      if (child.pid !== undefined) killTree(child.pid);
    }, options.timeoutMs),
  );
  await closed;
  for (const timer of timers) clearTimeout(timer);
  if (timedOut) {
    const tail = (output.stdout + output.stderr).split('\n').slice(-30).join('\n');
    throw new Error(`The action did not end within ${options.timeoutMs} ms. Its last lines:\n${tail}`);
  }
  return {
    exitCode: child.exitCode,
    signal: child.signalCode,
    ...output,
    durationMs: performance.now() - started,
  };
}

/** Kills a process and all its descendants, children that left its process group included. */
export function killTree(root: number): void {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.split(') ').at(-1)?.split(' ')[1]));
    } catch {
      // ended meanwhile
    }
  }
  const doomed = new Set([root]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const [pid, parent] of parents) {
      if (doomed.has(parent) && !doomed.has(pid)) {
        doomed.add(pid);
        grew = true;
      }
    }
  }
  for (const pid of doomed) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // ended meanwhile
    }
  }
}
