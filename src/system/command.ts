import { exec } from '@actions/exec';
import { CONTAINER_LIMITS } from './limits.ts';
import { FirstBytes, LineSplitter } from './lines.ts';

/** What a command on the host gets. Nothing of the runner's environment: it holds tokens (docs/facts.md, P3). */
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };

/**
 * Redirects standard input from a file and becomes the command; everything else arrives as positional arguments.
 * @actions/exec itself leaves standard input open for ever, or writes to a pipe whose reader may be gone.
 */
const FROM_FILE = 'file=$1; shift; exec "$@" < "$file"';

export type Stream = 'stdout' | 'stderr';

export interface CommandOptions {
  /** The command is ended after this many seconds (TERM, 10 s later KILL, to its whole process group). */
  timeoutSeconds: number;
  /** Standard input; without it the command reads end of file at once. */
  stdinFile?: string;
  /** Bytes kept of each stream; what comes after is read and dropped. Without it, as many as the table of limits says. */
  kept?: Readonly<Record<Stream, number>>;
  /** Called with each line as it comes, without its end, cut to the longest that the table of limits allows. */
  onLine?: (line: string, stream: Stream) => void;
}

export interface CommandResult {
  /** 124 or 137 when the time limit ended it; then indistinguishable from a command that exits so itself. */
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs a program of the host: an absolute path and its arguments, never a shell string. */
export type RunCommand = (argv: readonly [string, ...string[]], options: CommandOptions) => Promise<CommandResult>;

/** {@link RunCommand} for real, as the user of this process. */
export const runCommand: RunCommand = commandRunner([]);

/** A command with its time limit: `timeout` of coreutils and its arguments. */
export function timeLimited(seconds: number, argv: readonly string[]): string[] {
  return ['/usr/bin/timeout', '-k', '10', String(seconds), ...argv];
}

/**
 * Makes a {@link RunCommand}: @actions/exec, silent, with a clean environment.
 *
 * `timeout` (coreutils) is what ends a command, because it signals the whole process group: a signal to `pct exec` alone
 * leaves the process in the container running (docs/facts.md, P6).
 *
 * @param way a program and its arguments that every command goes through, e.g. sudo. It stands before `timeout`, so that
 * the time limit has its rights: who isn't root can't signal what root runs.
 */
export function commandRunner(way: readonly string[]): RunCommand {
  return (argv, options) => runThrough(way, argv, options);
}

async function runThrough(
  way: readonly string[],
  argv: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const { outputBytes } = CONTAINER_LIMITS;
  const kept: Record<Stream, FirstBytes> = {
    stdout: new FirstBytes(options.kept?.stdout ?? outputBytes),
    stderr: new FirstBytes(options.kept?.stderr ?? outputBytes),
  };
  const lines: Record<Stream, LineSplitter> = {
    stdout: new LineSplitter((line) => options.onLine?.(line, 'stdout')),
    stderr: new LineSplitter((line) => options.onLine?.(line, 'stderr')),
  };
  const listener = (stream: Stream) => (data: Buffer) => {
    kept[stream].add(data);
    lines[stream].write(data);
    makeOneBlankLine(data);
  };
  const exitCode = await exec(
    '/bin/sh',
    [
      ...['-c', FROM_FILE, 'sh', options.stdinFile ?? '/dev/null'],
      ...way,
      ...timeLimited(options.timeoutSeconds, argv),
    ],
    {
      silent: true,
      ignoreReturnCode: true,
      env: ENVIRONMENT,
      listeners: { stdout: listener('stdout'), stderr: listener('stderr') },
    },
  );
  lines.stdout.end();
  lines.stderr.end();
  return { exitCode, stdout: kept.stdout.text(), stderr: kept.stderr.text() };
}

/**
 * Overwrites output that was taken over. @actions/exec splits the same buffer into lines after its listener: it keeps an
 * unfinished line whole, however long, and searches all of it again with every chunk (ToolRunner, _processLineBuffer). A
 * container that prints 50 MB without a line feed would cost minutes. Nobody listens to those lines, so they may be blank.
 */
function makeOneBlankLine(data: Buffer): void {
  data.fill(' ');
  data.write('\n', data.length - 1);
}
