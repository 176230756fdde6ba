import { limitedPatternOf, MARKER, markerFor, PRIVILEGED_CALLS, type PrivilegedCall } from './privileged-calls.ts';

/** Where the rules lie on a host. */
export const SUDOERS_PATH = '/etc/sudoers.d/proxmox-lxc-nvidia';

/**
 * `fence`: exactly the calls of the list, by regular expressions, which sudo has from 1.9.10 on (Proxmox VE 8 and 9).
 * `open`: their programs with any arguments, for the sudo of Proxmox VE 7. Whoever has that owns the host.
 */
export type SudoersForm = 'fence' | 'open';

/**
 * Settings of sudo's for that user that the rules rest on, whatever else this host has set. `secure_path`: without it sudo
 * hands on its caller's PATH. `!setenv`: nor are other variables.
 */
const DEFAULTS = 'env_reset, !setenv, !requiretty, secure_path="/usr/sbin:/usr/bin:/sbin:/bin"';

const ALIAS = 'PROXMOX_LXC_NVIDIA_RUNNER';

/** The rules for a user, without the words before them in docs/sudoers; those of the fence each with what it is for. */
export function sudoersFor(user: string, form: SudoersForm = 'fence'): string {
  const calls = [...PRIVILEGED_CALLS, MARKER];
  const rules =
    form === 'fence'
      ? calls.flatMap((call) => ['', `# ${call.why}`, ruleFor(ALIAS, call, form)])
      : new Set(calls.map((call) => ruleFor(ALIAS, call, form)));
  return [`User_Alias ${ALIAS} = ${user}`, `Defaults:${ALIAS} ${DEFAULTS}`, ...rules].join('\n');
}

/** The line that allows a user one call of the list. */
export function ruleFor(user: string, call: PrivilegedCall, form: SudoersForm = 'fence'): string {
  const command =
    form === 'fence'
      ? `/usr/bin/timeout ${limitedPatternOf(call)}`
      : call === MARKER
        ? `/usr/bin/timeout -k 10 * ${markerFor([]).join(' ')}*`
        : `/usr/bin/timeout -k 10 * ${call.program} *`;
  return `${user} ALL=(root) NOPASSWD: ${command}`;
}
