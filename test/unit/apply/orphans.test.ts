import { describe, expect, it } from 'vitest';
import { orphansOf } from '../../../src/apply/orphans.ts';
import type { HostFiles } from '../../../src/system/files.ts';
import { MARK } from '../../../src/system/guest-environment.ts';
import { hostFilesOf } from '../helpers/host-files.ts';

/** A host on which the given commands run, by process id. */
function processes(commands: Record<number, string[]>): HostFiles {
  return hostFilesOf(
    Object.fromEntries(Object.entries(commands).map(([pid, argv]) => [`/proc/${pid}/cmdline`, `${argv.join('\0')}\0`])),
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
    [['']],
  ])('leaves %j alone', async (argv) => {
    expect(await orphansOf(processes({ 10: argv }), 901)).toEqual([]);
  });

  it('is not stopped by a process that ends meanwhile', async () => {
    const files = processes({ 10: ['x'], 11: exec('901') });
    const read = (path: string) => (path.includes('/10/') ? Promise.reject(new Error('ESRCH')) : files.read(path));
    expect(await orphansOf({ ...files, read }, 901)).toEqual([{ pid: 11, what: 'pct exec' }]);
  });
});
