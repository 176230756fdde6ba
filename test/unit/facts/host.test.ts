import { describe, expect, it } from 'vitest';
import { observeHost } from '../../../src/facts/host.ts';
import type { CommandResult, RunCommand } from '../../../src/system/command.ts';
import { hostFacts } from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';
import { fixtureText } from '../helpers/fixtures.ts';
import { type FileTree, hostFilesOf } from '../helpers/host-files.ts';

const recorded = JSON.parse(fixtureText('nvidia/lxc-2xh100-580.159.04/host.json')) as {
  driverVersionFile: string;
  gpus: string;
};
const [, gpu0 = '', gpu1 = ''] = recorded.gpus.split(/^# .*\n/m);

const HOST: FileTree = {
  '/etc/pve/local': { link: 'nodes/pve1' },
  '/proc/driver/nvidia/version': recorded.driverVersionFile,
  '/proc/driver/nvidia/gpus/0000:00:06.0/information': gpu0,
  '/proc/driver/nvidia/gpus/0000:00:07.0/information': gpu1,
  '/dev/null': { major: 1, minor: 3 },
  '/dev/nvidia-caps/nvidia-cap1': { major: 241, minor: 1 },
  '/dev/nvidia-uvm': { major: 238, minor: 0 },
  '/dev/nvidia-uvm-tools': { major: 238, minor: 1 },
  '/dev/nvidia0': { major: 195, minor: 0 },
  '/dev/nvidia1': { major: 195, minor: 1 },
  '/dev/nvidiactl': { major: 195, minor: 255 },
};

function dpkgQuery(answer: Partial<CommandResult> = {}): RunCommand {
  return async (argv) => {
    expect(argv).toEqual(['/usr/bin/dpkg-query', '-W', 'pve-manager']);
    return { exitCode: 0, stdout: 'pve-manager\t8.4.1\n', stderr: '', ...answer };
  };
}

describe('observeHost', () => {
  it('observes the recorded host', async () => {
    expect(await observeHost(hostFilesOf(HOST), dpkgQuery(), 'x86_64')).toEqual(hostFacts());
  });

  it('observes a host without driver', async () => {
    const files = hostFilesOf({ '/etc/pve/local': { link: 'nodes/pve1' } });
    expect(await observeHost(files, dpkgQuery({ exitCode: 1, stdout: '' }), 'aarch64')).toEqual({
      node: 'pve1',
      proxmoxVersion: null,
      architecture: 'aarch64',
      driver: null,
      gpus: [],
      deviceNodes: [],
      health: null,
    });
  });

  it.each([
    ['HOST_NOT_PROXMOX', { ...HOST, '/etc/pve/local': '' }, 'x86_64', '/etc/pve/local'],
    ['HOST_ARCHITECTURE_UNSUPPORTED', HOST, 'riscv64', 'riscv64'],
    [
      'HOST_DRIVER_UNREADABLE',
      { ...HOST, '/proc/driver/nvidia/version': 'something new\nmore\n' },
      'x86_64',
      'something new',
    ],
  ] satisfies [string, FileTree, string, string][])('refuses with %s', async (code, tree, machine, named) => {
    const failure = await failureOf(() => observeHost(hostFilesOf(tree), dpkgQuery(), machine));
    expect(failure.code).toBe(code);
    expect(failure.message).toContain(named);
  });
});
