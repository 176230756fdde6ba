import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { timeLimited } from '../../src/system/command.ts';
import { PRIVILEGED_CALLS } from '../../src/system/privileged-calls.ts';
import { LIST_CALL, sudoersFor } from '../../src/system/sudoers.ts';
import type { CommandResult } from '../lab/command.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { Scenario } from './scenario.ts';

/* The rules of docs/sudoers, asked of a real sudo: that of Proxmox VE 8, where the machine is Debian 12. */

const AS_RUNNER = ['/usr/bin/setpriv', '--reuid', 'runner', '--regid', 'runner', '--init-groups', '--'];
const RULES = '/etc/sudoers.d/proxmox-lxc-nvidia';
const PCT = '/usr/sbin/pct';
const LIMITED = ['/usr/bin/timeout', '-k', '10', '60'];

let scenario: Scenario;
beforeAll(async () => {
  scenario = await Scenario.start();
  await scenario.host.setSudo(true);
});
afterAll(() => scenario?.end());

/** sudo's answer to the question whether the runner may run this, which runs nothing. */
function asked(argv: readonly string[]): Promise<CommandResult> {
  return scenario.host.exec([...AS_RUNNER, '/usr/bin/sudo', '-n', '-l', '--', ...argv]);
}

function install(rules: string): Promise<CommandResult> {
  return scenario.host.exec(['sh', '-c', 'printf "%s\n" "$1" > "$2" && visudo -c', 'sh', rules, RULES]);
}

const CALLS = [...PRIVILEGED_CALLS.map(({ program, sample }) => [program, ...sample]), [...LIST_CALL]];
const execOf = (ctid: string) => PRIVILEGED_CALLS[0]?.sample.map((word) => (word === '901' ? ctid : word)) ?? [];

describe('the fence', () => {
  test.each(CALLS)('lets every call of the action through: %s %s', async (...argv) => {
    expect(await asked(timeLimited(60, argv))).toMatchObject({ exitCode: 0 });
  });

  test.each([
    ['another program in front', [...LIMITED, '/bin/sh', '-c', 'id', PCT, 'x']],
    ['a shell instead of pct', [...LIMITED, '/bin/sh', '-c', 'id']],
    ['no time limit', [PCT, 'list']],
    ['another option of timeout', ['/usr/bin/timeout', '-s', 'KILL', '60', PCT, 'start', '901']],
    ['a program in the place of seconds', ['/usr/bin/timeout', '-k', '10', '60 /bin/sh', PCT, 'start', '901']],
    ['a second file to read', [...LIMITED, '/bin/cat', '--', '/etc/pve/.vmlist', '/etc/hostname']],
    ['a way out of the directory', [...LIMITED, '/bin/cat', '--', '/etc/pve/lxc/../../shadow']],
    ['keys of the cluster', [...LIMITED, '/bin/cat', '--', '/etc/pve/priv/authkey.key']],
    ['a mount of the host', [...LIMITED, PCT, 'set', '901', '--mp0', '/,mp=/mnt']],
    ['a disk as a device', [...LIMITED, PCT, 'set', '901', '--dev0', '/dev/sda,mode=0666']],
    [
      'a mount behind a device',
      [...LIMITED, PCT, 'set', '901', '--dev0', '/dev/nvidia0,mode=0666', '--mp0', '/,mp=/mnt'],
    ],
    ['a mount within a device', [...LIMITED, PCT, 'set', '901', '--dev0', '/dev/nvidia0,mode=0666 --mp0 /,mp=/mnt']],
    ['a hookscript', [...LIMITED, PCT, 'set', '901', '--hookscript', 'local:snippets/x']],
    ['deleting what is not a device', [...LIMITED, PCT, 'set', '901', '--delete', 'unprivileged']],
    ['a file put into a container', [...LIMITED, PCT, 'push', '901', '/etc/shadow', '/x']],
    ['a file taken out of a container', [...LIMITED, PCT, 'pull', '901', '/x', '/etc/shadow']],
    ['a new container', [...LIMITED, PCT, 'create', '999', 'local:vztmpl/x.tar']],
    ['the end of a container', [...LIMITED, PCT, 'destroy', '901']],
    [
      'the environment handed on',
      [...LIMITED, PCT, ...execOf('901').flatMap((word) => (word === '--' ? ['--keep-env', '1', '--'] : [word]))],
    ],
    ['something else than the shell', [...LIMITED, PCT, 'exec', '901', '--', 'id']],
    [
      'another library for the command',
      [...LIMITED, PCT, ...execOf('901').flatMap((word) => (word === '/bin/sh' ? ['LD_PRELOAD=/x', word] : [word]))],
    ],
    ['a snapshot of the user', [...LIMITED, PCT, 'rollback', '901', 'before-upgrade']],
    ['dropping a snapshot of the user', [...LIMITED, PCT, 'delsnapshot', '901', 'before-upgrade']],
    ['an option behind a snapshot', [...LIMITED, PCT, 'rollback', '901', 'nvidia-0123abcd', '--start', '1']],
    [
      'an option within a description',
      [
        ...LIMITED,
        PCT,
        'snapshot',
        '901',
        'nvidia-0123abcd',
        '--description',
        'proxmox-lxc-nvidia: x',
        '--option',
        'y',
      ],
    ],
    [
      'another line within a description',
      [...LIMITED, PCT, 'snapshot', '901', 'nvidia-0123abcd', '--description', 'proxmox-lxc-nvidia: x\ny'],
    ],
    ['another line before the call', ['/usr/bin/timeout', '-k', '10', '60', '/bin/sh\n-k 10 60', PCT, 'start', '901']],
    ['another line behind the call', [...LIMITED, PCT, 'start', '901\n--debug']],
    ['another place of containers', [...LIMITED, '/usr/bin/lxc-freeze', '-n', '901', '-P', '/tmp']],
    ['what is no container', [...LIMITED, PCT, 'start', '../901']],
    [
      'a lock elsewhere',
      [...LIMITED, '/usr/bin/touch', '--', '/var/lib/proxmox-lxc-nvidia/locks/container-1.lock/../../x'],
    ],
    [
      'a time of a file',
      [...LIMITED, '/usr/bin/touch', '-r', '/etc/shadow', '--', '/var/lib/proxmox-lxc-nvidia/locks/container-901.lock'],
    ],
    ['the list of another version', [...LIMITED, '/bin/true', 'proxmox-lxc-nvidia-000000000000']],
  ])('refuses %s', async (_, argv) => {
    expect((await asked(argv)).exitCode).not.toBe(0);
  });

  test('refuses when it comes to running, too', async () => {
    const run = (argv: readonly string[]) => scenario.host.exec([...AS_RUNNER, '/usr/bin/sudo', '-n', '--', ...argv]);
    const refused = await run([...LIMITED, '/bin/sh', '-c', 'id', PCT, 'x']);
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stdout).toBe('');
    expect(await run(timeLimited(60, LIST_CALL))).toMatchObject({ exitCode: 0 });
  });

  test('names the containers that may be worked on, where it is given a list', async () => {
    try {
      expect(await install(sudoersFor({ user: 'runner', kind: 'fence', ctids: [901, 903] }))).toMatchObject({
        exitCode: 0,
      });
      for (const [ctid, allowed] of [
        ['901', true],
        ['902', false],
        ['903', true],
        ['9012', false],
      ] as const) {
        const { exitCode } = await asked([...LIMITED, PCT, ...execOf(ctid)]);
        expect([ctid, exitCode === 0]).toEqual([ctid, allowed]);
      }
    } finally {
      await scenario.host.setSudo(true);
    }
  });
});

test('a container that the rules leave out fails alone', async () => {
  const [left, named] = [await scenario.container(), await scenario.container()];
  const inputs = { 'cuda-version': 'none', 'nvidia-container': 'none', mode: 'plan' };
  try {
    await install(sudoersFor({ user: 'runner', kind: 'fence', ctids: [named.ctid] }));
    const containers = `${left.ctid},${named.ctid}`;
    const result = await scenario.run({ ...inputs, containers }, { user: 'runner', exitCode: 1 });
    expect(JSON.parse(result.outputs['containers'] ?? ''), result.stdout).toMatchObject({
      [left.ctid]: { status: 'failed' },
      [named.ctid]: { status: 'planned' },
    });
    expect(`${result.stdout}${result.summary}`).toContain('may name the containers');
  } finally {
    await scenario.host.setSudo(true);
  }
});

test('rules of another version are told by the lines that are missing, before anything is touched', async () => {
  const container = await scenario.container();
  const rules = sudoersFor({ user: 'runner', kind: 'fence' });
  const older = rules
    .split('\n')
    .filter((line) => !line.includes('/usr/sbin/pct unlock ') && !line.includes(LIST_CALL[1]))
    .join('\n')
    .replace(/, \\\nDefaults/, '\nDefaults');
  try {
    expect(await install(older)).toMatchObject({ exitCode: 0 });
    const inputs = { 'cuda-version': 'none', 'nvidia-container': 'none', containers: `${container.ctid}` };
    const result = await scenario.run(inputs, { user: 'runner', exitCode: 1 });
    expect(result.outputs['failure-reason']).toBe('HOST_NOT_ROOT');
    expect(result.pctCalls).toEqual([]);
    expect(result.stdout).toContain('may not take away the lock of a killed pct.');
    expect(result.summary).toContain('/usr/sbin/pct unlock [1-9]');
    expect(result.summary).not.toContain('/usr/sbin/pct rollback [1-9]');
  } finally {
    await scenario.host.setSudo(true);
  }
});

test('the open rules, for a sudo without regular expressions, let every call through', async () => {
  try {
    await install(await readFile(join(REPOSITORY_DIR, 'docs', 'sudoers-open'), 'utf8'));
    for (const argv of CALLS) expect(await asked(timeLimited(60, argv)), argv.join(' ')).toMatchObject({ exitCode: 0 });
  } finally {
    await scenario.host.setSudo(true);
  }
});
