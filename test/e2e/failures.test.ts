import { glob, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

let scenario: Scenario;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: '550.163.01' });
});
afterEach(() => scenario?.upstream.setFaults([]));
afterAll(() => scenario?.end());

const driverOnly = (ctid: number) => ({ containers: `${ctid}`, 'cuda-version': 'none', 'nvidia-container': 'none' });

/** The tool cache as far as runfiles go. */
async function cached(toolCache: string): Promise<string[]> {
  return readdir(join(toolCache, 'nvidia-runfile')).catch(() => []);
}

describe('the runfile', () => {
  test('with a wrong checksum is thrown away, also from the cache, and nothing of it is pushed', async () => {
    const container = await scenario.container();
    const wrong = { ...driverOnly(container.ctid), 'runfile-sha256': 'f'.repeat(64) };
    const first = await scenario.run(wrong, { exitCode: 1 });
    expect(first.outputs['failure-reason']).toBe('RUNFILE_CHECKSUM_MISMATCH');
    expect(await cached(first.toolCache)).toEqual([]);

    await scenario.run(driverOnly(container.ctid));
    expect(await cached(first.toolCache)).toHaveLength(1);

    const other = await scenario.container();
    const second = await scenario.run({ ...wrong, containers: `${other.ctid}` }, { exitCode: 1 });
    expect(second.outputs['failure-reason']).toBe('RUNFILE_CHECKSUM_MISMATCH');
    // The observation: the container isn't touched, so there is nothing to roll back.
    expect(second.pctCalls).toHaveLength(1);
    expect(await libraryVersions(other)).toEqual([]);
    expect(await leftovers(other)).toBe('');
  });

  test('with flipped bytes, in the cache or unpacked, is made anew', async () => {
    const container = await scenario.container();
    // What an earlier test left unpacked would do without the runfile.
    await scenario.host.exec(['rm', '-rf', '/var/lib/proxmox-lxc-nvidia/root/archive']);
    const { toolCache } = await scenario.run(driverOnly(container.ctid));
    const flip = 'for file; do printf X | dd of="$file" bs=1 seek=100000 conv=notrunc status=none; done';
    const archive = '/var/lib/proxmox-lxc-nvidia/root/archive/archive.tar';
    const runfiles = glob(join(toolCache, 'nvidia-runfile/*/*/*.run'));
    const runfile = String((await runfiles.next()).value);
    for (const [files, words] of [
      [
        [archive],
        /unpacked of driver 550\.163\.01 has changed: it is made anew.*The runfile of 550\.163\.01 comes from the cache/s,
      ],
      [[archive, runfile], /is thrown away.*Downloading /s],
    ] as const) {
      expect((await scenario.host.exec(['sh', '-c', flip, 'sh', ...files])).exitCode).toBe(0);
      const again = await scenario.container();
      expect((await scenario.run(driverOnly(again.ctid))).stdout).toMatch(words);
      expect(await libraryVersions(again)).toEqual(['550.163.01']);
    }
  });

  test('of another version behind the address is refused before the container is touched', async () => {
    const container = await scenario.container();
    const location = 'https://us.download.nvidia.com/XFree86/Linux-x86_64/580.142/NVIDIA-Linux-x86_64-580.142.run';
    await scenario.upstream.setFaults([{ path: '/other/550.163.01.run', action: { kind: 'redirect', location } }]);
    const { outputs, summary, pctCalls } = await scenario.run(
      {
        ...driverOnly(container.ctid),
        'runfile-url': 'https://mirror.lab.test/other/{version}.run',
        'runfile-integrity': 'self-check',
      },
      { exitCode: 1 },
    );
    expect(outputs['failure-reason']).toBe('RUNFILE_UNUSABLE');
    expect(summary).toContain('is of driver 580.142 for x86_64, wanted is 550.163.01 for x86_64');
    expect(pctCalls).toHaveLength(1); // the observation
    expect(await leftovers(container)).toBe('');
  });

  test('is fetched at the second try when the first one breaks off', async () => {
    await scenario.host.setDriver('470.256.02', 'open');
    const container = await scenario.container();
    await scenario.upstream.setFaults([
      { path: '/XFree86/**/*470.256.02.run', method: 'GET', times: 1, action: { kind: 'drop', afterBytes: 1_000_000 } },
    ]);
    await scenario.run(driverOnly(container.ctid));
    expect(await libraryVersions(container)).toEqual(['470.256.02']);
    await scenario.host.setDriver('550.163.01', 'open');
  });

  test('only in the data centre tree is found there', async () => {
    await scenario.host.setDriver('570.172.08', 'open');
    const container = await scenario.container();
    await scenario.run(driverOnly(container.ctid));
    expect(await libraryVersions(container)).toEqual(['570.172.08']);
    await scenario.host.setDriver('550.163.01', 'open');
  });

  test('without published checksum is accepted on request and checks itself', async () => {
    await scenario.host.setDriver('570.133.20', 'open');
    const container = await scenario.container();
    const { annotations } = await scenario.run({ ...driverOnly(container.ctid), 'runfile-integrity': 'self-check' });
    expect(annotations.map(({ properties }) => properties['title'])).toContain('NO_CHECKSUM');
    expect(await libraryVersions(container)).toEqual(['570.133.20']);
    await scenario.host.setDriver('550.163.01', 'open');
  });
});

describe('in the container', () => {
  test('a repository signed by a stranger: refused by apt, files as they were', async () => {
    const container = await scenario.container();
    const before = await container.execOk({ script: 'find /etc/apt -type f -exec sha256sum {} + | sort' });
    const { outputs, annotations } = await scenario.run(
      {
        containers: `${container.ctid}`,
        'cuda-version': '12.8',
        'cuda-repository': 'https://mirror.lab.test/bad-signature/cuda',
      },
      { exitCode: 1 },
    );
    expect(outputs['failure-reason']).toBe('APT_SIGNATURE');
    expect(annotations.some(({ message }) => message.includes('signed'))).toBe(true);
    expect(await container.execOk({ script: 'find /etc/apt -type f -exec sha256sum {} + | sort' })).toBe(before);
    expect(await leftovers(container)).toBe('');
  });

  test('the installer fails: its own words are told, nothing is left behind', async () => {
    const container = await scenario.container();
    await container.execOk(['rm', '/sbin/modprobe']);
    const { outputs, summary } = await scenario.run(driverOnly(container.ctid), { exitCode: 1 });
    expect(outputs['failure-reason']).toBe('INSTALLER_FAILED');
    expect(summary).toContain('Unable to find the module utility `modprobe`');
    expect(await leftovers(container)).toBe('');
  });

  test('the installer ends with 0 but could not write: found out', async () => {
    const container = await scenario.container();
    await container
      .execOk({ script: 'mount --bind /usr /usr && mount -o remount,ro,bind /usr' })
      .catch(() => undefined);
    const readOnly = (await container.exec(['touch', '/usr/probe'])).exitCode !== 0;
    expect(readOnly, 'the lab could not make /usr read-only').toBe(true);
    const { outputs } = await scenario.run(driverOnly(container.ctid), { exitCode: 1 });
    expect(outputs['failure-reason']).toBe('INSTALLER_INCOMPLETE');
  });

  test('pct fails by itself: told apart from the command', async () => {
    const container = await scenario.container();
    await scenario.host.setSwitches({ faults: [{ subcommand: 'exec', exitCode: 255, stderr: 'something odd\n' }] });
    const { outputs, summary } = await scenario.run(driverOnly(container.ctid), { exitCode: 1 });
    await scenario.host.setSwitches({});
    expect(outputs['failure-reason']).toBe('PCT_FAILED');
    expect(summary).toContain('something odd');
  });
});
