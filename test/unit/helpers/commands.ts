import { isPrivilegedCall } from '../../../src/proxmox/privileged-calls.ts';
import type { CommandOptions, CommandResult, RunCommand } from '../../../src/system/command.ts';

/** A call of a program on the host. */
export interface Call {
  argv: readonly string[];
  options: CommandOptions;
}

/** What a program inside a container does: its exit code and output. */
export interface Answer {
  exitCode?: number;
  stdout?: string;
  stderr?: string;
}

/** Plays a command on the host: its lines reach `onLine` before the result comes. */
export async function play({ options }: Call, answer: Answer): Promise<CommandResult> {
  const { exitCode = 0, stdout = '', stderr = '' } = answer;
  for (const [stream, text] of [
    ['stdout', stdout],
    ['stderr', stderr],
  ] as const) {
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    for (const line of lines) options.onLine?.(line, stream);
  }
  return { exitCode, stdout, stderr };
}

/** What `pct exec` was asked to run in a container, taken apart. */
export interface GuestCall {
  ctid: number;
  /** The command inside the wrapper. */
  argv: readonly string[];
  seconds: number;
  stdinFile: string | undefined;
}

/**
 * Position of the parts of a `pct exec` of ours: `pct exec <ctid> -- env -i <settings…> /bin/sh -c <wrapper> <name> <word>
 * <seconds> <command…>`.
 */
export function takeApart({ argv, options }: Call): GuestCall & { word: string } {
  const shell = argv.indexOf('/bin/sh');
  const [, , , , word = '', seconds = '', ...command] = argv.slice(shell);
  return { ctid: Number(argv[2]), argv: command, seconds: Number(seconds), word, stdinFile: options.stdinFile };
}

/** A host on which `pct exec` works, answered by a function of what runs inside. */
export class FakeHost {
  /** Every `pct exec`, in order. */
  readonly calls: GuestCall[] = [];
  /** Every program started on the host. */
  readonly raw: Call[] = [];
  readonly #answer: (call: GuestCall, index: number) => Answer | Promise<Answer>;
  readonly #other: (call: Call) => Answer;

  constructor(
    answer: (call: GuestCall, index: number) => Answer | Promise<Answer>,
    other: (call: Call) => Answer = ({ argv }) => {
      throw new Error(`unexpected command: ${argv.join(' ')}`);
    },
  ) {
    this.#answer = answer;
    this.#other = other;
  }

  readonly run: RunCommand = async (argv, options) => {
    const call = { argv, options };
    this.raw.push(call);
    if (/^\/usr\/(sbin\/pct|bin\/lxc-)/.test(argv[0]) && !isPrivilegedCall(argv)) {
      throw new Error(`not in the list of privileged calls: ${argv.join(' ')}`);
    }
    if (argv[0] !== '/usr/sbin/pct' || argv[1] !== 'exec') return play(call, this.#other(call));
    const { word, ...guest } = takeApart(call);
    this.calls.push(guest);
    const { exitCode = 0, stdout = '', stderr = '' } = await this.#answer(guest, this.calls.length - 1);
    const marked = `${word} began\n${stderr}\n${word} ended ${exitCode}\n`;
    return play(call, { exitCode, stdout, stderr: marked });
  };
}

/** The script and the positional arguments of `/bin/sh -c <script> proxmox-lxc-nvidia <arguments…>`. */
export function scriptOf({ argv }: Pick<GuestCall, 'argv'>): { script: string; args: readonly string[] } {
  const [shell, flag, script = '', name, ...args] = argv;
  if (shell !== '/bin/sh' || flag !== '-c' || name !== 'proxmox-lxc-nvidia') {
    throw new Error(`not a script of ours: ${argv.join(' ')}`);
  }
  return { script, args };
}
