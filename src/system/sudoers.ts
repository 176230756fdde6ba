import { createHash } from 'node:crypto';
import { argumentsPattern, PRIVILEGED_CALLS, type PrivilegedCall, TIME_LIMIT_PATTERN } from './privileged-calls.ts';

const TIMEOUT = '/usr/bin/timeout';

/** Tells rules that were made of this very list of calls from those of another version. */
const LIST_ID = createHash('sha256').update(JSON.stringify(PRIVILEGED_CALLS)).digest('hex').slice(0, 12);

/** Does nothing, and is allowed by the rules of this very list: one question to sudo instead of one for each call. */
export const LIST_CALL = ['/bin/true', `proxmox-lxc-nvidia-${LIST_ID}`] as const;

export interface Sudoers {
  user: string;
  /**
   * `fence`: exactly the calls of the list, by regular expressions, which sudo knows since 1.9.10. `open`: by patterns, whose
   * asterisk matches anything, blanks and further options included.
   */
  kind: 'fence' | 'open';
  /** Only these containers may be worked on; none: all. Of a fence only. */
  ctids?: readonly number[];
}

/** The rules for sudo (sudoers(5)) that a user needs. */
export function sudoersFor({ user, kind, ctids = [] }: Sudoers): string {
  const line = kind === 'fence' ? (call: PrivilegedCall) => exactly(call, ctids) : openly;
  const [program, form] = LIST_CALL;
  const commands = [...new Set([...PRIVILEGED_CALLS, { program, form }].map((call) => line(call as PrivilegedCall)))];
  return [
    `User_Alias PROXMOX_LXC_NVIDIA_RUNNER = ${user}`,
    `Cmnd_Alias PROXMOX_LXC_NVIDIA = \\\n    ${commands.join(', \\\n    ')}`,
    'Defaults!PROXMOX_LXC_NVIDIA env_reset, !requiretty',
    'PROXMOX_LXC_NVIDIA_RUNNER ALL=(root) NOPASSWD: PROXMOX_LXC_NVIDIA',
  ].join('\n');
}

/** The rule of one call, as a fence has it. */
export function exactly(call: PrivilegedCall, ctids: readonly number[] = []): string {
  return `${TIMEOUT} ^${escaped(`${TIME_LIMIT_PATTERN} ${call.program} ${argumentsPattern(call, ctids)}`)}$`;
}

/** What doesn't vary, up to the first thing that does. */
function openly({ program, form }: PrivilegedCall): string {
  return `${TIMEOUT} -k 10 * ${escaped(`${program} ${form.replace(/[<[].*$/, '*')}`)}`;
}

/** Characters that mean something in sudoers itself. */
function escaped(text: string): string {
  return text.replace(/[,:=\\]/g, '\\$&');
}
