import { randomUUID } from 'node:crypto';
import { exec } from '@actions/exec';
import { ActionError } from '../errors.ts';
import { CONTAINER_LIMITS } from './limits.ts';
import { FirstBytes, LineSplitter } from './lines.ts';

/** What a command on the host gets. Nothing of the runner's environment: it holds tokens (docs/facts.md, P3). */
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };

/**
 * Runs a command whose standard input is a pipe: an empty one, or one that a file of the host is copied into. Never the file
 * itself, nor /dev/null: what reaches into a container would be a descriptor of the host's own file, which root of a
 * privileged container can open again for writing, or change the rights of (proc(5), /proc/PID/fd).
 *
 * Arguments: a word nobody else knows, seconds, bytes of the file, the file or nothing, the command. Where the command was not
 * given the whole file, though it didn't end before, the word and what was read are the last line on standard error.
 */
const WITH_INPUT = String.raw`
word=$1 seconds=$2 size=$3 file=$4; shift 4
if [ -z "$file" ]; then
  : | "$@"
  exit
fi
exec 4>&1
code=0
sent=$(
  {
    {
      copied=0
      # A process that holds the pipe and never reads it would hold cat for ever.
      timeout -k 10 "$seconds" cat <&5 3>&- 4>&- 5>&- || copied=$?
      read -r _ position < /proc/self/fdinfo/5
      echo "$copied $position" >&3
    } 5< "$file" |
    "$@" >&4 3>&- 4>&-
  } 3>&1
) || code=$?
case $sent in
  # 141: the command ended before (SIGPIPE); 124, 137: it never read.
  "0 $size" | 141\ * | 124\ * | 137\ *) ;;
  *) printf '\n%s %s\n' "$word" "$sent" >&2 ;;
esac
exit "$code"
`;

export type Stream = 'stdout' | 'stderr';

/** A file of this host that a command reads. */
export interface InputFile {
  path: string;
  /** Bytes that it has: fewer mean that it could not be read to its end. */
  size: number;
}

export interface CommandOptions {
  /** The command is ended after this many seconds (TERM, 10 s later KILL, to its whole process group). */
  timeoutSeconds: number;
  /** Copied into the command's standard input; without it the command reads end of file at once. */
  stdin?: InputFile;
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

/**
 * Runs a program of the host: an absolute path and its arguments, never a shell string. @throws ActionError HOST_FILE_UNREADABLE
 * when its standard input could not be read to the end
 */
export type RunCommand = (argv: readonly [string, ...string[]], options: CommandOptions) => Promise<CommandResult>;

/** {@link RunCommand} for real, as the user of this process. */
export const runCommand: RunCommand = commandRunner([]);

/** A command with its time limit: `timeout` of coreutils and its arguments. */
export function timeLimited(seconds: number, argv: readonly string[]): string[] {
  return ['/usr/bin/timeout', '-k', '10', String(seconds), ...argv];
}

/**
 * Makes a {@link RunCommand}: @actions/exec, silent, with a clean environment, in a session of its own.
 *
 * `setsid`: a command must not share this process's terminal, where there is one. What it starts in a container could open it
 * as /dev/tty, and type into the shell behind it (ioctl_tty(2), TIOCSTI). It doesn't fork, as no child of Node leads a group.
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
  const word = randomUUID();
  const { path, size: bytes } = options.stdin ?? { path: '', size: 0 };
  /** What was read of standard input's file, when that wasn't all of it. */
  let unread: string | null = null;
  const { outputBytes } = CONTAINER_LIMITS;
  const kept: Record<Stream, FirstBytes> = {
    stdout: new FirstBytes(options.kept?.stdout ?? outputBytes),
    stderr: new FirstBytes(options.kept?.stderr ?? outputBytes),
  };
  const lines: Record<Stream, LineSplitter> = {
    stdout: new LineSplitter((line) => options.onLine?.(line, 'stdout')),
    stderr: new LineSplitter((line) => {
      if (line.startsWith(word)) unread = line.slice(word.length).trim();
      else options.onLine?.(line, 'stderr');
    }),
  };
  const listener = (stream: Stream) => (data: Buffer) => {
    kept[stream].add(data);
    lines[stream].write(data);
    makeOneBlankLine(data);
  };
  const exitCode = await exec(
    '/usr/bin/setsid',
    [
      ...['--wait', '--', '/bin/sh', '-c', WITH_INPUT, 'sh'],
      ...[word, String(options.timeoutSeconds), String(bytes), path],
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
  if (unread !== null) throw notReadWhole(path, bytes, unread);
  return { exitCode, stdout: kept.stdout.text(), stderr: kept.stderr.text() };
}

function notReadWhole(path: string, size: number, unread: string): ActionError {
  const [exitCode, position] = unread.split(' ');
  return new ActionError(
    'HOST_FILE_UNREADABLE',
    position === undefined
      ? `${path} could not be opened on this host.`
      : `Of the ${size} bytes of ${path} ${position} could be read on this host (cat: exit code ${exitCode}).`,
    "Check this host's disk (dmesg), then run this again.",
  );
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
