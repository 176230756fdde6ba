import { describe, expect, it } from 'vitest';
import { orphansOf } from '../../../src/apply/orphans.ts';
import type { HostFiles } from '../../../src/system/files.ts';
import { MARK } from '../../../src/system/guest-environment.ts';
import { hostFilesOf } from '../helpers/host-files.ts';

/** As the kernel has it of a process of the host's own, as root. */
const ROOT = { uid: '0\t0\t0\t0', pids: '' };

/** A host on which the given commands run, by process id; `pids`: their numbers in further namespaces. */
function processes(commands: Record<number, string[]>, { uid, pids } = ROOT): HostFiles {
  return hostFilesOf(
    Object.fromEntries(
      Object.entries(commands).flatMap(([pid, argv]) => [
        [`/proc/${pid}/cmdline`, `${argv.join('\0')}\0`],
        [
          `/proc/${pid}/status`,
          `Name:\tpct\nPid:\t${pid}\nUid:\t${uid}\nGid:\t0\t0\t0\t0\nNSpid:\t${pid}${pids}\nThreads:\t1\n`,
        ],
      ]),
    ),
  );
}

const exec = (ctid: string, mark = `${MARK}=word`) => [
  '/usr/bin/perl',
  '-T',
  '/usr/sbin/pct',
  'exec',
  ctid,
  '--',
  'env',
  '-i',
  mark,
  'sh',
];

describe('orphansOf', () => {
  it('finds what changes the container, behind perl and timeout', async () => {
    const files = processes({
      1: ['/sbin/init'],
      10: ['/usr/bin/timeout', '-k', '10', '300', '/usr/sbin/pct', 'rollback', '901', 'nvidia-1'],
      11: ['/usr/bin/perl', '-T', '/usr/sbin/pct', 'snapshot', '901', 'nvidia-1'],
      12: exec('901'),
      14: ['/usr/bin/sudo', '-n', '--', '/usr/bin/timeout', '-k', '10', '660', ...exec('901').slice(2)],
      13: ['lxc-attach', '-n', '901', '--keep-env', '--', 'env', '-i', `${MARK}=word`, 'sh'],
    });
    expect(await orphansOf(files, 901)).toEqual([
      { pid: 10, what: 'pct rollback' },
      { pid: 11, what: 'pct snapshot' },
      { pid: 12, what: 'pct exec' },
      { pid: 13, what: 'pct exec' },
      { pid: 14, what: 'pct exec' },
    ]);
  });

  it.each([
    [['/usr/sbin/pct', 'snapshot', '902', '901']],
    [['/usr/sbin/pct', 'config', '901']],
    [exec('902')],
    [exec('901', 'OTHER=word')],
    [['/usr/sbin/pct']],
    [['sh', '-c', 'sleep 900 & wait', '/usr/sbin/pct', 'rollback', '901']],
    [['vim', '/usr/bin/timeout', '-k', '10', '1', '/usr/sbin/pct', 'rollback', '901']],
    [['']],
  ])('leaves %j alone', async (argv) => {
    expect(await orphansOf(processes({ 10: argv }), 901)).toEqual([]);
  });

  it.each([
    ['an unprivileged container', { uid: '100000\t100000\t100000\t100000', pids: '\t5' }],
    ["an unprivileged container's user with the number of ours", { uid: '1500\t1500\t1500\t1500', pids: '\t5' }],
    ['a privileged container', { uid: '0\t0\t0\t0', pids: '\t5' }],
    ['a container in a container', { uid: '0\t0\t0\t0', pids: '\t5\t1' }],
    ['another user of the host', { uid: '1501\t1501\t1501\t1501', pids: '' }],
    ['another user of the host that became root by a program of its own', { uid: '1501\t0\t0\t0', pids: '' }],
  ])('does not believe a process of %s', async (_, who) => {
    const argv = ['/usr/bin/timeout', '-k', '10', '300', '/usr/sbin/pct', 'rollback', '901', 'nvidia-1'];
    expect(await orphansOf(processes({ 10: argv }, who), 901, 1500)).toEqual([]);
    expect(await orphansOf(processes({ 10: argv }), 901, 1500)).toHaveLength(1);
  });

  it('finds a call before it has become pct, of the user that it looks for', async () => {
    const call = ['/usr/bin/sudo', '-n', '--', '/usr/bin/timeout', '-k', '10', '300', '/usr/sbin/pct', 'start', '901'];
    const shell = ['/bin/bash', '--norc', '-c', 'script', 'bash', '', ...call];
    const user = { uid: '1500\t1500\t1500\t1500', pids: '' };
    for (const argv of [['/usr/bin/setsid', '--wait', '--', ...shell], shell, call]) {
      expect(await orphansOf(processes({ 10: argv }, user), 901, 1500)).toEqual([{ pid: 10, what: 'pct start' }]);
    }
  });

  it('is not stopped by a process that ends meanwhile', async () => {
    const files = processes({ 10: ['x'], 11: exec('901') });
    const read = (path: string) => (path.includes('/10/') ? Promise.reject(new Error('ESRCH')) : files.read(path));
    expect(await orphansOf({ ...files, read }, 901)).toEqual([{ pid: 11, what: 'pct exec' }]);
  });
});
