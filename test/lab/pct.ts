import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** One call of the host's `pct`, from the log the stand-in writes. */
export interface PctCall {
  readonly time: number;
  readonly pid: number;
  readonly argv: readonly string[];
  readonly subcommand: string;
  /** The whole environment `pct` was given. */
  readonly env: Readonly<Record<string, string>>;
  readonly uid: number;
  readonly stdin: 'null' | 'tty' | 'pipe' | 'file' | 'closed' | 'other';
  /** Undefined for `exec` and `enter` that reached lxc-attach (pct turns into it) and for calls that were killed. */
  readonly exitCode?: number;
}

/** A fault of `pct`. All given conditions must hold; then all given effects happen, in the order listed here. */
export interface PctFault {
  readonly subcommand?: string;
  readonly ctid?: number;
  /** Perl regular expression on the arguments joined by blanks. */
  readonly match?: string;
  /** Only the nth matching call (1 = first); default every one. */
  readonly nth?: number;

  /** A program to run on the host before anything else, for example `['lxc-stop', '-k', '-n', '901']`. */
  readonly before?: readonly string[];
  readonly delayMs?: number;
  /** Never return. */
  readonly hang?: boolean;
  /** A program to run on the host while pct does what it was asked for, begun `duringMs` after that. */
  readonly during?: readonly string[];
  readonly duringMs?: number;
  /** A program to run on the host when pct has done what it was asked for, before it ends. */
  readonly after?: readonly string[];
  /** Print this and end with `exitCode` instead of doing anything; with `after`: although it was done, its output lost. */
  readonly exitCode?: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

export interface PctSwitches {
  /** CPU seconds to burn at start-up; the real one costs about 0.65. Default 0. */
  readonly startupDelay?: number;
  readonly faults?: readonly PctFault[];
}

interface LogLine extends Omit<PctCall, 'exitCode'> {
  readonly event: 'start' | 'end';
  readonly exitCode?: number;
}

/** Reads the log: a `start` line for each call, an `end` line where `pct` itself saw the end. */
export async function readPctCalls(path: string): Promise<PctCall[]> {
  if (!existsSync(path)) return [];
  const calls: (PctCall & { exitCode?: number })[] = [];
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    if (line === '') continue;
    const { event, ...entry } = JSON.parse(line) as LogLine;
    if (event === 'start') {
      calls.push(entry);
    } else {
      const call = calls.findLast((candidate) => candidate.pid === entry.pid && candidate.exitCode === undefined);
      if (call && entry.exitCode !== undefined) Object.assign(call, { exitCode: entry.exitCode });
    }
  }
  return calls;
}
