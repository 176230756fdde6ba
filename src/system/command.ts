import { stat } from 'node:fs/promises';
import { exec } from '@actions/exec';
import { ActionError, messageOf } from '../errors.ts';
import { CONTAINER_LIMITS } from './limits.ts';
import { FirstBytes, LineSplitter } from './lines.ts';
import { lastLines } from './text.ts';

/** What a command on the host gets. Nothing of the runner's environment: it holds tokens (docs/facts.md, P3). */
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };

/**
 * A session of its own, so that nothing a command starts has a terminal: a process in a container whose terminal is the host's
 * could type into it (TIOCSTI) or go on writing to it. setsid(1) becomes the shell: it forks only where it leads its process
 * group, which a child of Node's never does.
 */
const IN_A_SESSION_OF_ITS_OWN = ['/usr/bin/setsid', '--wait', '--'] as const;

/**
 * Runs a command so that all it holds of this host are three pipes. Argument 1: the file it reads, or nothing; then the command.
 *
 * What it holds, a container holds. A file or device of the host could be opened anew there by its descriptor, for writing; a
 * socket, which is what Node makes for the output of its children, tells the pidfd of the process that made it (SO_PEERPIDFD), and
 * root of a privileged container enters this host's namespaces by that. What the runner left open is closed.
 *
 * A command that ends before it has read all is nobody's failure: whatever would still feed it is ended. A file that can't be
 * read to its end is one: then the shell kills itself, an end that no exit code of a command looks like.
 *
 * The pipe 8 says whether that is still there: only it holds the other end. The number of one that has ended may be another process'
 * by then. How it ended bash 5.2 doesn't always know any more (-1); then it counts how far the file was read.
 *
 * What stays behind with the output still open is waited for 10 s: the pipe 6, which only the two that copy the output hold
 * open, says when they have ended. So much processor time that no honest output takes it ends them: what prints without end
 * then finds nobody who reads it (SIGPIPE), and this process has peace.
 *
 * bash, because dash can't close a descriptor of two digits, and says nothing of what is in a pipeline.
 */
const WITH_PIPES = `
file=$1; shift
for descriptor in /proc/$$/fd/*; do
  descriptor=${'$'}{descriptor##*/}
  [ "$descriptor" -le 2 ] || exec {descriptor}>&-
done
exec 5<> <(:) 6< /dev/fd/5 7> /dev/fd/5 5>&-
exec 3> >(ulimit -c 0 -t ${CONTAINER_LIMITS.copySeconds}; exec /bin/cat 6<&-)
exec 4> >(ulimit -c 0 -t ${CONTAINER_LIMITS.copySeconds}; exec /bin/cat >&2 3>&- 6<&-)
exec 7>&- 2> /dev/null
if [ -n "$file" ]; then
  exec 7< "$file"
  exec 5<> <(:) 8< /dev/fd/5 9> /dev/fd/5 5>&-
  exec 5< <(exec /bin/cat <&7 2>&4 3>&- 4>&- 6<&- 7<&- 8<&-)
  feeder=$!
  exec 9>&-
else
  exec 5< <(:)
fi
"$@" <&5 >&3 2>&4 3>&- 4>&- 5<&- 6<&- 7<&- 8<&-
code=$?
exec 3>&- 4>&- 5<&-
fed=0
if [ -n "$file" ]; then
  read -r -t 0.01 -u 8
  if [ $? -gt 128 ]; then
    kill -TERM "$feeder"
    wait "$feeder"
  else
    wait "$feeder"
    fed=$?
    read -r _ position < /proc/$$/fdinfo/7
    if [ "$fed" = -1 ] && [ "$position" = "$(stat -L -c %s -- "$file")" ]; then fed=0; fi
  fi
fi
read -r -t 10 -u 6
if [ $? -gt 128 ]; then
  trap '' TERM
  kill -TERM -- -$$
fi
case $fed in 0 | 141 | 143) exit "$code" ;; *) kill -KILL $$ ;; esac
`;

/** Exit code of a command that SIGKILL ended. */
const KILLED = 137;

export type Stream = 'stdout' | 'stderr';

export interface CommandOptions {
  /** The command is ended after this many seconds (TERM, 10 s later KILL, to its whole process group). */
  timeoutSeconds: number;
  /** A file whose bytes the command reads as its standard input; without it it reads end of file at once. */
  stdinFile?: string;
  /** Bytes kept of each stream; what comes after is read and dropped. Without it, as many as the table of limits says. */
  kept?: Readonly<Record<Stream, number>>;
  /** Called with each line as it comes, without its end, cut to the longest that the table of limits allows. */
  onLine?: (line: string, stream: Stream) => void;
}

export interface CommandResult {
  /**
   * 124 or 137 when the time limit ended it; then indistinguishable from a command that exits so itself. 255 when something else
   * killed it.
   */
  exitCode: number;
  stdout: string;
  stderr: string;
  /** It printed more than is read of any command, and the rest wasn't looked at; one that had no end was cut off. */
  endless?: true;
}

/**
 * Runs a program of the host: an absolute path and its arguments, never a shell string.
 *
 * @throws ActionError HOST_FILE_UNREADABLE when its input wasn't read to the end for another reason than its own
 */
export type RunCommand = (argv: readonly [string, ...string[]], options: CommandOptions) => Promise<CommandResult>;

/** {@link RunCommand} for real, as the user of this process. */
export const runCommand: RunCommand = commandRunner([]);

/** A command with its time limit: `timeout` of coreutils and its arguments. */
export function timeLimited(seconds: number, argv: readonly string[]): string[] {
  return ['/usr/bin/timeout', '-k', '10', String(seconds), ...argv];
}

/**
 * Makes a {@link RunCommand}: @actions/exec, silent, with a clean environment, no terminal, and pipes alone.
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
  const { outputBytes, readBytes } = CONTAINER_LIMITS;
  const kept: Record<Stream, FirstBytes> = {
    stdout: new FirstBytes(options.kept?.stdout ?? outputBytes),
    stderr: new FirstBytes(options.kept?.stderr ?? outputBytes),
  };
  const lines: Record<Stream, LineSplitter> = {
    stdout: new LineSplitter((line) => options.onLine?.(line, 'stdout')),
    stderr: new LineSplitter((line) => options.onLine?.(line, 'stderr')),
  };
  const read: Record<Stream, number> = { stdout: 0, stderr: 0 };
  const listener = (stream: Stream) => (data: Buffer) => {
    read[stream] += data.length;
    if (read[stream] <= readBytes) {
      kept[stream].add(data);
      lines[stream].write(data);
    }
    makeOneBlankLine(data);
  };
  const { stdinFile = '', timeoutSeconds } = options;
  const before = await stateOf(stdinFile);
  const [setsid, ...session] = IN_A_SESSION_OF_ITS_OWN;
  const shell = ['/bin/bash', '--norc', '-c', WITH_PIPES, 'bash', stdinFile];
  const started = performance.now();
  // Null, whatever its type says, when a signal ended the shell.
  const exitCode: number | null = await exec(
    setsid,
    [...session, ...shell, ...way, ...timeLimited(timeoutSeconds, argv)],
    {
      silent: true,
      ignoreReturnCode: true,
      env: ENVIRONMENT,
      listeners: { stdout: listener('stdout'), stderr: listener('stderr') },
    },
  );
  const late = performance.now() - started >= timeoutSeconds * 1000;
  lines.stdout.end();
  lines.stderr.end();
  if (stdinFile !== '' && (exitCode === null || (await stateOf(stdinFile)) !== before)) {
    throw notReadWhole(stdinFile, kept.stderr.text());
  }
  return {
    exitCode: exitCode === null || (exitCode === KILLED && !late) ? 255 : exitCode,
    stdout: kept.stdout.text(),
    stderr: kept.stderr.text(),
    ...(Math.max(read.stdout, read.stderr) > readBytes ? { endless: true } : {}),
  };
}

/**
 * Of a file that is read: while this stays the same, its end is where it was when reading began.
 *
 * @throws ActionError HOST_FILE_UNREADABLE
 */
async function stateOf(file: string): Promise<string> {
  if (file === '') return '';
  const { size, mtimeMs } = await stat(file).catch((error: unknown) => {
    throw notReadWhole(file, messageOf(error));
  });
  return `${size} bytes of ${mtimeMs}`;
}

function notReadWhole(file: string, details: string): ActionError {
  return new ActionError(
    'HOST_FILE_UNREADABLE',
    `${file} on this host could not be read to its end, or changed meanwhile.`,
    "Check this host's disk (journalctl -k), then run this again.",
    lastLines(details, 10),
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
