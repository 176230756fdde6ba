import { MARKER, PRIVILEGED_CALLS, sampleOf } from '../../../src/proxmox/privileged-calls.ts';

const LIMIT = ['/usr/bin/timeout', '-k', '10', '5'];
const PCT = [...LIMIT, '/usr/sbin/pct'];
const CAT = [...LIMIT, '/bin/cat', '--'];
const TOUCH = [...LIMIT, '/usr/bin/touch', '--'];
const LOCKS = '/var/lib/proxmox-lxc-nvidia/locks';
const ADDRESS = 'https://github.com/owner/repository/actions/runs/1';

/** What the user of the runner gives `sudo -n` to become root, by what it tries. */
export type Attacks = Readonly<Record<string, readonly string[]>>;

/** A call of the list with some of its arguments replaced; `null` takes one out. */
function forged(verb: string, changes: Readonly<Record<string, string | readonly string[] | null>>): string[] {
  const call = PRIVILEGED_CALLS.find(({ program, args }) => program.endsWith(verb) || args[0] === verb);
  if (call === undefined) throw new Error(`no call of ${verb}`);
  const sample = sampleOf(call, 901);
  if (Object.keys(changes).some((arg) => !sample.includes(arg))) throw new Error(`${verb} has no such argument`);
  return [...LIMIT, ...sample.flatMap((arg) => (arg in changes ? (changes[arg] ?? []) : arg))];
}

/**
 * The user of a runner that has docs/sudoers and wants more than it says: programs, options, files, ids, snapshots and
 * devices that the action never names, settings of sudo's own, and line feeds. Sudo refuses each.
 */
export const REFUSED: Attacks = {
  'a shell that is given pct as an argument': [...LIMIT, '/bin/sh', '-c', 'id', '/usr/sbin/pct', 'x'],
  'a shell that is given a whole call as arguments': [...LIMIT, '/bin/sh', '-c', 'id', ...PCT, 'start', '901'],
  'a second file': [...CAT, '/etc/pve/x', '/etc/hostname'],
  'a second file behind an allowed one': [...CAT, '/etc/pve/storage.cfg', '/etc/shadow'],
  'a way out of /etc/pve': [...CAT, '/etc/pve/../shadow'],
  'a way out of the configurations': [...CAT, '/etc/pve/lxc/901.conf/../../priv/authkey.key'],
  'a file that only looks like one, if a dot were any character': [...CAT, '/etc/pve/lxc/901Xconf'],
  'the keys of the cluster': [...CAT, '/etc/pve/priv/authkey.key'],
  "a virtual machine's configuration": [...CAT, '/etc/pve/qemu-server/100.conf'],
  'cat without its --': [...LIMIT, '/bin/cat', '/etc/pve/storage.cfg'],
  'cat with an option': [...LIMIT, '/bin/cat', '-A', '--', '/etc/pve/storage.cfg'],
  "a mount of the host's /": [...PCT, 'set', '901', '--mp0', '/,mp=/mnt'],
  'a mount behind an allowed device': [...forged('set', {}), '--mp0', '/,mp=/mnt'],
  'a file into a container': [...PCT, 'push', '901', '/etc/shadow', '/shadow'],
  'a file out of a container': [...PCT, 'pull', '901', '/cron', '/etc/cron.d/x'],
  'a container of his own': [...PCT, 'create', '999', 'local:vztmpl/x.tar.gz', '--unprivileged', '0'],
  'a restored container': [...PCT, 'restore', '999', '/tmp/x.tar'],
  'a clone': [...PCT, 'clone', '901', '999'],
  'the end of a container': [...PCT, 'destroy', '901'],
  'a shell in a container past the form': [...PCT, 'enter', '901'],
  "a script of the host's at every start": [...PCT, 'set', '901', '--hookscript', 'local:snippets/x'],
  'a container without its user namespace': [...PCT, 'set', '901', '--unprivileged', '0'],
  'a feature': [...PCT, 'set', '901', '--features', 'mount=nfs'],
  'a disk as a device': forged('set', { '/dev/nvidia0,mode=0666': '/dev/sda,mode=0666' }),
  'a disk by a way through /dev/nvidia0': forged('set', { '/dev/nvidia0,mode=0666': '/dev/nvidia0/../sda,mode=0666' }),
  'a second path in one device': forged('set', { '/dev/nvidia0,mode=0666': '/dev/nvidia0,path=/dev/sda,mode=0666' }),
  'a device with an owner': forged('set', { '/dev/nvidia0,mode=0666': '/dev/nvidia0,mode=0666,uid=0' }),
  'an abbreviated option': [...PCT, 'set', '901', '-dev0', '/dev/nvidia0,mode=0666'],
  'another deletion': [...PCT, 'set', '901', '--delete', 'net0'],
  'another deletion behind an allowed one': [...PCT, 'set', '901', '--delete', 'dev0,mp0'],
  'an option before the --': forged('exec', { '--': ['--keep-env', '1', '--'] }),
  'an option before the id': forged('exec', { exec: ['exec', '--keep-env', '1'] }),
  'the environment of the host': forged('exec', { '-i': null }),
  'another PATH': forged('exec', {
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin': 'PATH=/tmp',
  }),
  'a variable more': forged('exec', { 'HOME=/root': ['HOME=/root', 'LD_PRELOAD=/tmp/x.so'] }),
  'another program in the container': forged('exec', { '/bin/sh': '/bin/bash' }),
  'exec without env': [...PCT, 'exec', '901', '--', '/bin/sh', '-c', 'id'],
  'exec without its --': forged('exec', { '--': null }),
  'no mark': forged('exec', { 'PROXMOX_LXC_NVIDIA=00000000-0000-4000-8000-000000000000': 'PROXMOX_LXC_NVIDIA=any' }),
  "LXC's files elsewhere": [...LIMIT, '/usr/bin/lxc-freeze', '-n', '901', '-P', '/x'],
  "LXC's settings": [...LIMIT, '/usr/bin/lxc-unfreeze', '-n', '901', '--rcfile', '/x'],
  "another of LXC's programs": [...LIMIT, '/usr/bin/lxc-start', '-n', '901'],
  "a snapshot of the user's own name": forged('snapshot', { 'nvidia-0123abcd': 'before-upgrade' }),
  'a snapshot with a path': forged('snapshot', { 'nvidia-0123abcd': '../x' }),
  'a snapshot in capitals': forged('snapshot', { 'nvidia-0123abcd': 'nvidia-0123ABCD' }),
  'a snapshot with an option behind the address': [...forged('snapshot', {}), '--vmstate', '1'],
  'a snapshot with an option for an address': forged('snapshot', { [ADDRESS]: '--force' }),
  'a snapshot with another description': [...PCT, 'snapshot', '901', 'nvidia-0123abcd', '--description', 'x'],
  'a snapshot with a line feed in its description': forged('snapshot', { [ADDRESS]: `${ADDRESS}\nmp0: /` }),
  "rollback to a user's own snapshot": forged('rollback', { 'nvidia-0123abcd': 'before-upgrade' }),
  'rollback to what only begins like ours': forged('rollback', { 'nvidia-0123abcd': 'nvidia-0123abcde' }),
  "loss of a user's own snapshot": forged('delsnapshot', { 'nvidia-0123abcd': 'before-upgrade' }),
  'loss of two snapshots': [...PCT, 'delsnapshot', '901', 'nvidia-0123abcd', 'nvidia-0123abce'],
  'another option of delsnapshot': [...PCT, 'delsnapshot', '901', 'nvidia-0123abcd', '--force', '0'],
  'a start past its lock': [...PCT, 'start', '901', '--skiplock', '1'],
  'a start with a log of its own': [...PCT, 'start', '901', '--debug', '1'],
  'a kill': [...PCT, 'stop', '901'],
  'a shutdown that kills': [...PCT, 'shutdown', '901', '--timeout', '120', '--forceStop', '1'],
  'two containers': [...PCT, 'unlock', '901', '902'],
  'an id with the end of options': [...PCT, 'start', '901 --'],
  'an id with an option': [...PCT, 'start', '901 --skiplock'],
  'an id with a blank': [...PCT, 'start', ' 901'],
  'an empty argument': [...PCT, 'start', '901', ''],
  'a number below all ids': [...PCT, 'start', '99'],
  'a number above all ids': [...PCT, 'start', '1000000000'],
  'a zero before the id': [...PCT, 'start', '0901'],
  'an option for an id': [...PCT, 'start', '-901'],
  'a line feed behind the id': [...PCT, 'start', '901\n'],
  'a line before the call': [...LIMIT, '/bin/sh', '-c', `id\n${PCT.join(' ')} start 901`],
  'a line after the call': [...PCT, 'start', '901\n', '/bin/sh'],
  'a line feed before the first argument': ['/usr/bin/timeout', '\n-k', '10', '5', '/usr/sbin/pct', 'start', '901'],
  'a line of the call among others': [...LIMIT, '/bin/sh', '-c', 'id', `x\n-k 10 5 /usr/sbin/pct start 901\nx`],
  'a line feed for a blank': ['/usr/bin/timeout', '-k\n10', '5', '/usr/sbin/pct', 'start', '901'],
  'a line feed in a snapshot': forged('delsnapshot', { 'nvidia-0123abcd': 'nvidia-0123abcd\n' }),
  'another signal': ['/usr/bin/timeout', '-s', 'STOP', '5', '/usr/sbin/pct', 'start', '901'],
  'a signal beside the limit': ['/usr/bin/timeout', '-k', '10', '-s', 'STOP', '5', '/usr/sbin/pct', 'start', '901'],
  'no limit': ['/usr/bin/timeout', '-k', '10', '0', '/usr/sbin/pct', 'start', '901'],
  'a limit of days': ['/usr/bin/timeout', '-k', '10', '5d', '/usr/sbin/pct', 'start', '901'],
  'the foreground': ['/usr/bin/timeout', '--foreground', '-k', '10', '5', '/usr/sbin/pct', 'start', '901'],
  'timeout alone': ['/usr/bin/timeout', '-k', '10', '5', 'id'],
  'pct without timeout': ['/usr/sbin/pct', 'start', '901'],
  'a list, which the action never asks for': [...PCT, 'list'],
  capitals: [...LIMIT, '/usr/sbin/PCT', 'start', '901'],
  'pct by another way': [...LIMIT, '/usr/sbin/../sbin/pct', 'start', '901'],
  'pct from the own folder': [...LIMIT, '/tmp/pct', 'start', '901'],
  'a lock elsewhere': [...TOUCH, '/etc/cron.d/x'],
  'a lock by a way out': [...TOUCH, `${LOCKS}/../../../../etc/nologin`],
  'a lock of another name': [...TOUCH, `${LOCKS}/container-901.lock.d`],
  'two locks': [...TOUCH, `${LOCKS}/container-901.lock`, '/etc/nologin'],
  'a time for a lock': [...LIMIT, '/usr/bin/touch', '-r', '/etc/shadow', '--', `${LOCKS}/container-901.lock`],
  'nothing, with an option': [...LIMIT, ...sampleOf(MARKER, 901), '--help'],
  'nothing, by another list': [...LIMIT, '/bin/true', 'proxmox-lxc-nvidia-000000000000'],
  "a shell of sudo's": ['-s'],
  "a login of sudo's": ['-i'],
  'an editor': ['-e', '/etc/pve/storage.cfg'],
  'another user': ['-u', 'www-data', '--', ...forged('start', {})],
  'another group': ['-g', 'shadow', '--', ...forged('start', {})],
  'the own environment': ['-E', '--', ...forged('start', {})],
  'a variable for the program': ['LD_PRELOAD=/tmp/x.so', ...forged('start', {})],
  'a PATH for the program': ['PATH=/tmp', ...forged('start', {})],
  'another root': ['-R', '/tmp', '--', ...forged('start', {})],
  'another directory': ['-D', '/tmp', '--', ...forged('start', {})],
  descriptors: ['-C', '9', '--', ...forged('start', {})],
};

/**
 * Sudo joins arguments by blanks before it compares, so these look to it like an allowed call, but aren't cut into the same
 * arguments. What is started then must do nothing: timeout finds no such program, and pct no such command.
 */
export const CUT_OTHERWISE: Attacks = {
  'seconds and program in one': ['/usr/bin/timeout', '-k', '10', '5 /usr/sbin/pct start 901'],
  'program and arguments in one': [...LIMIT, '/usr/sbin/pct start 901'],
  'everything in one': ['/usr/bin/timeout', '-k 10 5 /usr/sbin/pct start 901'],
  'both limits in one': ['/usr/bin/timeout', '-k', '10 5', '/usr/sbin/pct', 'start', '901'],
  'cat and its file in one': [...LIMIT, '/bin/cat -- /etc/pve/storage.cfg'],
  "cat's arguments in one": [...LIMIT, '/bin/cat', '-- /etc/pve/storage.cfg'],
  "touch's arguments in one": [...LIMIT, '/usr/bin/touch', `-- ${LOCKS}/container-901.lock`],
  'a program by a way through a folder with blanks': [
    ...LIMIT,
    forged('exec', { ':': '/../../../../../../bin/id' }).slice(LIMIT.length).join(' '),
  ],
};
