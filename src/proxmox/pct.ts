import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ActionError, type FailureCode } from '../errors.ts';
import type { CommandOptions, RunCommand, Stream } from '../system/command.ts';
import { GUEST_ENVIRONMENT, MARK } from '../system/guest-environment.ts';
import { CONTAINER_LIMITS, share } from '../system/limits.ts';
import { LastLines } from '../system/lines.ts';
import { bytesText, durationText, lastLines } from '../system/text.ts';
import { END_PROCESSES } from './end-processes.ts';

/**
 * Runs inside the container around every command: says that it began and how it ended, because the exit codes of pct,
 * lxc-attach and the command overlap (docs/facts.md, P5 and P6), and ends the command when its time is up.
 * Arguments: a word nobody else knows, seconds, the command.
 */
const WRAPPER = String.raw`
word=$1 seconds=$2; shift 2
printf '%s began\n' "$word" >&2
timeout -k 10 "$seconds" "$@"
code=$?
printf '\n%s ended %d\n' "$word" "$code" >&2
exit "$code"
`;

/** Waits before another try when another pct holds the configuration's lock, in seconds; pct itself waits for ten. */
const LOCK_WAITS = [2, 5, 10];

/** Seconds that pct itself may need beside the command: its start-up, and a container that is just being started. */
const PCT_SECONDS = 60;

export interface GuestOptions {
  /** Completes "while …" in messages: `installing packages`. */
  purpose: string;
  /** The command is ended in the container after this many seconds. */
  timeoutSeconds: number;
  /** A file of the host that is copied into the command's standard input; else it reads end of file. */
  stdinFile?: string;
  /** Called with each line that the command prints, up to what no real one reaches. Untrusted text. */
  onLine?: (line: string, stream: Stream) => void;
  /** For clean-up: it runs even when the run was cancelled, and isn't ended by that. */
  evenIfCancelled?: boolean;
}

export interface ManageOptions {
  timeoutSeconds: number;
  remedy: string;
}

export interface GuestResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/**
 * Proxmox' `pct`, of every version from 7 on: the only place that starts it.
 *
 * `--keep-env 0` isn't used: versions before pve-container 5.0.9 don't know it. pct gets a clean environment instead,
 * and the command another one by `env -i`.
 */
export class Pct {
  readonly #run: RunCommand;
  readonly #cancelled: AbortSignal;
  /** Bytes of a command's output that are kept, and of its lines that are handed on. */
  readonly #outputBytes: number;

  /**
   * @param run runs a program as root: pct works for nobody else.
   * @param cancelled aborted when the run is cancelled: commands in containers are then ended there.
   * @param atOnce how many containers are worked on at one time, among which it is divided what is kept of their output
   */
  constructor(run: RunCommand, cancelled: AbortSignal, atOnce = 1) {
    this.#run = run;
    this.#cancelled = cancelled;
    this.#outputBytes = share(CONTAINER_LIMITS.outputBytes, CONTAINER_LIMITS.allOutputBytes, atOnce);
  }

  /** Runs a fixed POSIX shell script in a container; what varies goes into its positional arguments. */
  script(ctid: number, script: string, args: readonly string[], options: GuestOptions): Promise<GuestResult> {
    return this.exec(ctid, ['/bin/sh', '-c', script, 'proxmox-lxc-nvidia', ...args], options);
  }

  /**
   * Runs a command in a container.
   *
   * @returns the command's own exit code and output, whatever the code is.
   * @throws ActionError when the command didn't run to its end: TIMEOUT, CANCELLED, or what pct's failure means.
   */
  async exec(ctid: number, argv: readonly string[], options: GuestOptions): Promise<GuestResult> {
    const word = randomUUID();
    if (options.evenIfCancelled) return this.#exec(word, ctid, argv, options);
    this.#cancelled.throwIfAborted();
    let running = true;
    // Once isn't always enough: pct may be cancelled before it has started the command.
    const end = async () => {
      while (running) await this.endProcesses(ctid, word);
    };
    const onCancel = () => void end();
    this.#cancelled.addEventListener('abort', onCancel, { once: true });
    try {
      return await this.#exec(word, ctid, argv, options);
    } catch (error) {
      this.#cancelled.throwIfAborted();
      if (error instanceof ActionError && error.code === 'TIMEOUT') await this.endProcesses(ctid, word);
      throw error;
    } finally {
      running = false;
      this.#cancelled.removeEventListener('abort', onCancel);
      this.#cancelled.throwIfAborted();
    }
  }

  /**
   * Ends what this action started in a container: what `word` marks, or everything that an earlier run left running.
   *
   * @returns false when something is still there or could not be looked for
   */
  async endProcesses(ctid: number, word: string | 'any'): Promise<boolean> {
    try {
      const { exitCode } = await this.script(ctid, END_PROCESSES, [word], {
        purpose: 'ending what was running',
        timeoutSeconds: 10,
        evenIfCancelled: true,
      });
      return exitCode === 0;
    } catch {
      return false;
    }
  }

  /**
   * Another `pct` command, e.g. `snapshot`. Not ended by cancelling: half a snapshot helps nobody.
   *
   * @throws ActionError with the given code and pct's own words
   */
  async manage(code: FailureCode, argv: readonly [string, ...string[]], options: ManageOptions): Promise<void> {
    return this.#manage(code, ['/usr/sbin/pct', ...argv], options);
  }

  /**
   * Lets a container go on that may be frozen; one that runs is left as it is.
   *
   * Not by pct: its `resume` is for checkpoints, and refuses whatever runs or is frozen (docs/facts.md, P12). It is frozen
   * first because LXC thaws only what it takes to be frozen, which it isn't told when a freeze was cut off in the middle, or
   * made by Proxmox.
   *
   * @throws ActionError with the given code
   */
  async thaw(code: FailureCode, ctid: number, options: ManageOptions): Promise<void> {
    for (const program of ['/usr/bin/lxc-freeze', '/usr/bin/lxc-unfreeze'] as const) {
      await this.#manage(code, [program, '-n', String(ctid)], options);
    }
  }

  async #manage(code: FailureCode, argv: readonly [string, ...string[]], options: ManageOptions): Promise<void> {
    const { timeoutSeconds, remedy } = options;
    const shown = [basename(argv[0]), ...argv.slice(1)].join(' ');
    for (let attempt = 0; ; attempt++) {
      const { exitCode, stderr } = await this.#run(argv, { timeoutSeconds });
      if (exitCode === 0) return;
      const wait = LOCK_WAITS[attempt];
      if (wait === undefined || !/can't lock file .* got timeout/.test(stderr)) {
        throw new ActionError(
          code,
          isTimeout(exitCode)
            ? `${shown} didn't end within ${durationText(timeoutSeconds)} and was ended.`
            : `${shown} failed with exit code ${exitCode}.`,
          remedy,
          lastLines(stderr, 10),
        );
      }
      await setTimeout(wait * 1000);
    }
  }

  async #exec(word: string, ctid: number, argv: readonly string[], options: GuestOptions): Promise<GuestResult> {
    let began = false;
    let ended: number | null = null;
    const stderr = new LastLines(CONTAINER_LIMITS.errorLength);
    const onLine = firstLines(CONTAINER_LIMITS.lines, this.#outputBytes, options.onLine);
    const started = performance.now();

    const hostOptions: CommandOptions = {
      timeoutSeconds: options.timeoutSeconds + PCT_SECONDS,
      kept: { stdout: this.#outputBytes, stderr: 0 },
      onLine: (line, stream) => {
        if (stream === 'stderr' && line.startsWith(word)) {
          const [, what, code] = line.split(' ');
          if (what === 'began') began = true;
          if (what === 'ended') ended = Number(code);
          return;
        }
        if (stream === 'stderr') {
          stderr.add(line);
          if (line === '') return;
        }
        onLine(line, stream);
      },
    };
    if (options.stdinFile !== undefined) hostOptions.stdinFile = options.stdinFile;
    const result = await this.#run(
      [
        '/usr/sbin/pct',
        'exec',
        String(ctid),
        '--',
        'env',
        '-i',
        ...GUEST_ENVIRONMENT,
        `${MARK}=${word}`,
        '/bin/sh',
        '-c',
        WRAPPER,
        'proxmox-lxc-nvidia',
        word,
        String(options.timeoutSeconds),
        ...argv,
      ],
      hostOptions,
    );
    const text = stderr.text().trim();
    if (result.endless) {
      throw new ActionError(
        'CONTAINER_OUTPUT_ENDLESS',
        `In container ${ctid}, ${options.purpose} printed more than ${bytesText(CONTAINER_LIMITS.readBytes)} and was cut off.`,
        `Nothing honest prints that much: see what the container has in place of the programs used, e.g. pct exec ${ctid} -- ls -l /usr/local/sbin /usr/local/bin.`,
        lastLines(`${result.stdout}\n${text}`, 20),
      );
    }
    if (!began) throw neverBegan(ctid, result.exitCode, text, hostOptions.timeoutSeconds, options.purpose);
    if (ended === null) {
      throw new ActionError(
        'PCT_FAILED',
        `Container ${ctid} ended while ${options.purpose} (pct exec exited with ${result.exitCode}).`,
        "Something stopped the container or killed the command: check the host's task log, then run this again.",
        lastLines(text, 20),
      );
    }
    // The same codes can be the command's own (137: the kernel killed it for memory): only a late one is the time limit.
    const late = performance.now() - started >= options.timeoutSeconds * 1000;
    if (late && isTimeout(ended)) {
      throw new ActionError(
        'TIMEOUT',
        `In container ${ctid}, ${options.purpose} didn't end within ${durationText(options.timeoutSeconds)} and was ended.`,
        'See the last lines for what it waited for; raise "timeout-minutes" if it was merely slow.',
        lastLines(`${result.stdout}\n${text}`, 20),
      );
    }
    return { exitCode: ended, stdout: result.stdout, stderr: text };
  }
}

/** An exit code of timeout(1) when the time was up; a command can end with the same by itself. */
function isTimeout(exitCode: number): boolean {
  return exitCode === 124 || exitCode === 137;
}

const TOO_MUCH = '(what this command prints from here on is left out: it is too much)';

/** Hands on the first lines of a command, up to a number of them and of bytes, and then one that says so. */
function firstLines(count: number, bytes: number, onLine: GuestOptions['onLine']): NonNullable<GuestOptions['onLine']> {
  const left = { lines: count, bytes };
  let ended = false;
  return (line, stream) => {
    if (ended) return;
    left.lines--;
    left.bytes -= Buffer.byteLength(line) + 1;
    ended = left.lines < 0 || left.bytes < 0;
    onLine?.(ended ? TOO_MUCH : line, stream);
  };
}

/** What it means when `pct exec` came back without having started the command (texts: docs/facts.md, P5). */
function neverBegan(ctid: number, exitCode: number, stderr: string, limit: number, purpose: string): ActionError {
  if (/^container '\d+' not running!/m.test(stderr)) {
    return new ActionError('CONTAINER_STOPPED', `Container ${ctid} is not running.`, `Start it: pct start ${ctid}.`);
  }
  if (/Configuration file '.*' does not exist/.test(stderr)) {
    return new ActionError('CONTAINER_NOT_FOUND', `Container ${ctid} does not exist on this host.`, 'See pct list.');
  }
  if (stderr.includes('ipcc_send_rec')) {
    return new ActionError(
      'HOST_NOT_ROOT',
      'pct could not talk to the cluster file system.',
      'pct works for root only and needs a running pve-cluster service.',
      lastLines(stderr, 5),
    );
  }
  if (isTimeout(exitCode)) {
    return new ActionError(
      'TIMEOUT',
      `pct exec ${ctid} didn't start anything within ${durationText(limit)} (for ${purpose}).`,
      "The container may be frozen, being snapshotted or still starting: check pct status and the host's task log.",
      lastLines(stderr, 10),
    );
  }
  if (/^sudo: a password is required|^Sorry, user /m.test(stderr)) {
    return new ActionError(
      'HOST_NOT_ROOT',
      `sudo refused to run pct exec ${ctid}.`,
      'The rules in /etc/sudoers.d/proxmox-lxc-nvidia may name the containers that can be worked on: see docs/sudoers of this action.',
      lastLines(stderr, 5),
    );
  }
  return new ActionError(
    'PCT_FAILED',
    `pct exec ${ctid} failed with exit code ${exitCode} before anything ran in the container.`,
    "The text below is pct's own; check the container with pct status and pct enter.",
    lastLines(stderr, 10),
  );
}
