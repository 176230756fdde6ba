import { GUEST_ENVIRONMENT, MARK } from './guest-environment.ts';

/*
 * What this action runs as root, call by call: the one list. `runAsRoot` runs nothing else, docs/sudoers is made of it, and so is
 * the test with a real sudo. Whoever needs another call adds it here.
 */

/**
 * What varies in a call. POSIX extended regular expressions, as sudo takes them (sudoers(5), "Regular expressions"), of the kind
 * that JavaScript understands in the same way. What sudo compares is all arguments in one line with a blank between them: so
 * nothing here matches a blank, unless each word after it is one that can't be an option.
 */
const PARTS = {
  /** A container that may be worked on. */
  ctid: '[1-9][0-9]{2,8}',
  /** Any container: only its configuration or its lock is meant. */
  any: '[1-9][0-9]+',
  /** Only snapshots of this action's own. */
  snapshot: 'nvidia-[0-9a-f]{8}',
  /** The address of a workflow run, or what else a run calls itself. */
  run: '[A-Za-z0-9/][A-Za-z0-9/:._-]*( [A-Za-z0-9/][A-Za-z0-9/:._-]*)*',
  uuid: '[0-9a-f-]{36}',
  nodes: '( --dev[0-9]{1,3} /dev/nvidia[a-z0-9/-]*,mode=0666)+',
  keys: 'dev[0-9]{1,3}(,dev[0-9]{1,3})*',
  seconds: '[0-9]{1,6}',
  /** Anything: root in the container may do all of it. */
  command: '.+',
} as const;

/** A kind of call. */
export interface PrivilegedCall {
  /** What it is needed for, as a refusal names it. */
  purpose: string;
  program: string;
  /** Its arguments in one line; `<name>` stands for what varies. */
  form: string;
  /** Arguments of that form, for the question whether sudo would allow it. */
  sample: readonly string[];
}

const UUID = '00000000-0000-4000-8000-000000000000';
const RUN = 'https://github.com/owner/repository/actions/runs/1';
const pct = (purpose: string, form: string, ...sample: string[]): PrivilegedCall => ({
  purpose,
  program: '/usr/sbin/pct',
  form,
  sample,
});

export const PRIVILEGED_CALLS: readonly PrivilegedCall[] = [
  pct(
    'run a command in a container',
    `exec <ctid> -- env -i ${GUEST_ENVIRONMENT.join(' ').replaceAll('.', '[.]')} ${MARK}=<uuid> /bin/sh -c <command>`,
    ...['exec', '901', '--', 'env', '-i', ...GUEST_ENVIRONMENT, `${MARK}=${UUID}`, '/bin/sh', '-c', 'two\nlines'],
  ),
  pct(
    'take a snapshot',
    'snapshot <ctid> <snapshot> --description proxmox-lxc-nvidia: <run>',
    ...['snapshot', '901', 'nvidia-0123abcd', '--description', `proxmox-lxc-nvidia: ${RUN}`],
  ),
  pct('go back to a snapshot', 'rollback <ctid> <snapshot>', 'rollback', '901', 'nvidia-0123abcd'),
  pct('drop a snapshot', 'delsnapshot <ctid> <snapshot>', 'delsnapshot', '901', 'nvidia-0123abcd'),
  pct(
    'drop half a snapshot',
    'delsnapshot <ctid> <snapshot> --force 1',
    ...['delsnapshot', '901', 'nvidia-0123abcd', '--force', '1'],
  ),
  pct('take away the lock of a killed pct', 'unlock <ctid>', 'unlock', '901'),
  pct('stop a container', 'shutdown <ctid> --timeout <seconds>', 'shutdown', '901', '--timeout', '120'),
  pct('start a container', 'start <ctid>', 'start', '901'),
  pct('pass GPUs through', 'set <ctid><nodes>', 'set', '901', '--dev0', '/dev/nvidia0,mode=0666'),
  pct('take GPUs back', 'set <ctid> --delete <keys>', 'set', '901', '--delete', 'dev0,dev1'),
  {
    purpose: 'let a frozen container go on',
    program: '/usr/bin/lxc-freeze',
    form: '-n <ctid>',
    sample: ['-n', '901'],
  },
  {
    purpose: 'let a frozen container go on',
    program: '/usr/bin/lxc-unfreeze',
    form: '-n <ctid>',
    sample: ['-n', '901'],
  },
  {
    purpose: 'read which guests there are',
    program: '/bin/cat',
    form: '-- /etc/pve/[.]vmlist',
    sample: ['--', '/etc/pve/.vmlist'],
  },
  {
    purpose: 'read which storages there are',
    program: '/bin/cat',
    form: '-- /etc/pve/storage[.]cfg',
    sample: ['--', '/etc/pve/storage.cfg'],
  },
  {
    purpose: "read a container's configuration",
    program: '/bin/cat',
    form: '-- /etc/pve/lxc/<any>[.]conf',
    sample: ['--', '/etc/pve/lxc/901.conf'],
  },
  {
    purpose: 'make the file that runs lock a container by',
    program: '/usr/bin/touch',
    form: '-- /var/lib/proxmox-lxc-nvidia/locks/container-<any>[.]lock',
    sample: ['--', '/var/lib/proxmox-lxc-nvidia/locks/container-901.lock'],
  },
];

/**
 * The regular expression of a call's arguments, in one line, without anchors.
 *
 * @param ctids the containers that may be worked on; none: all
 */
export function argumentsPattern({ form }: Pick<PrivilegedCall, 'form'>, ctids: readonly number[] = []): string {
  const parts = ctids.length === 0 ? PARTS : { ...PARTS, ctid: `(${ctids.join('|')})` };
  return form.replace(/<(\w+)>/g, (_, name: keyof typeof PARTS) => parts[name]);
}

/** Arguments of `timeout`, which stands before every call: coreutils' time limit in seconds, kept by root. */
export const TIME_LIMIT_PATTERN = `-k 10 ${PARTS.seconds}`;

/** Whether a program with its arguments is in the list. */
export function isPrivilegedCall([program, ...args]: readonly string[]): boolean {
  const line = args.join(' ');
  return PRIVILEGED_CALLS.some(
    (call) => call.program === program && new RegExp(`^(?:${argumentsPattern(call)})$`, 's').test(line),
  );
}
