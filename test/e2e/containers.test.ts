import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

let scenario: Scenario;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: '580.159.04' });
});
afterAll(() => scenario?.end());

describe('kinds of containers', () => {
  test('Debian 13, minimal and unprivileged, with its own repository and key', async () => {
    const container = await scenario.container({ base: 'debian13', variant: 'minimal' });
    const { outputs } = await scenario.run({
      containers: `${container.ctid}`,
      'cuda-version': '13.1',
      ...scenario.keys('debian13'),
    });
    expect(JSON.parse(outputs['containers'] ?? '')[container.ctid]).toMatchObject({
      after: { driver: '580.159.04', toolkits: ['13.1'] },
      verification: { L1: 'pass', L2: 'pass', L3: 'pass', L4: 'pass', L5: 'pass' },
    });
    expect(await container.execOk(['dpkg-query', '-W', '-f', '${db:Status-Status}', 'libnvidia-container1'])).toBe(
      'installed',
    );
    expect(await leftovers(container)).toBe('');
  });

  test('a privileged container', async () => {
    const container = await scenario.container({ base: 'debian12', unprivileged: false });
    const { outputs } = await scenario.run({ containers: `${container.ctid}`, 'cuda-version': '12.8' });
    expect(outputs['result']).toBe('changed');
    expect(await libraryVersions(container)).toEqual(['580.159.04']);
  });

  test('packages and toolkit from a mirror: NVIDIA is not asked for either', async () => {
    const container = await scenario.container({ base: 'debian12' });
    const { outputs, stdout } = await scenario.run({
      containers: `${container.ctid}`,
      'cuda-version': '12.8',
      'cuda-repository': 'https://mirror.lab.test/cuda',
      'nvidia-container-repository': 'https://mirror.lab.test/libnvidia-container',
      'nvidia-container': 'toolkit',
      'runfile-url': 'https://mirror.lab.test/nvidia/{version}/NVIDIA-Linux-{arch}-{version}.run',
    });
    expect(outputs['result']).toBe('changed');
    // What the host and the container's apt fetched is in the log; other files ask the same servers meanwhile.
    expect(stdout).toContain('https://mirror.lab.test/cuda/');
    expect(stdout).toContain('https://mirror.lab.test/libnvidia-container/');
    expect(stdout).not.toMatch(/nvidia\.(com|github\.io)/);
    const sources = await container.execOk({ script: 'cat /etc/apt/sources.list.d/*' });
    expect(sources).not.toMatch(/nvidia\.(com|github\.io)/);
    const installed = await container.execOk(['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\n']);
    expect(installed).toContain('nvidia-container-toolkit installed');
  });

  test('two containers in one step: one download, results by container', async () => {
    const [first, second] = [await scenario.container(), await scenario.container({ gpus: [1] })];
    await scenario.host.setDriver('590.48.01', 'open');
    await scenario.upstream.clearRequests();
    const { outputs } = await scenario.run({
      containers: `${first.ctid}, ${second.ctid}`,
      'cuda-version': 'none',
      'nvidia-container': 'none',
    });
    await scenario.host.setDriver('580.159.04', 'open');
    // A version that no other file downloads from there: they all ask the same servers.
    const downloads = (await scenario.upstream.requests()).filter(
      ({ method, host, path }) =>
        method === 'GET' && host === 'us.download.nvidia.com' && path.endsWith('/NVIDIA-Linux-x86_64-590.48.01.run'),
    );
    expect(downloads).toHaveLength(1);
    const gpus = JSON.parse(outputs['gpus'] ?? '');
    expect(gpus[first.ctid]).toMatchObject([{ uuid: scenario.host.gpus[0]?.uuid }]);
    expect(gpus[second.ctid]).toMatchObject([{ uuid: scenario.host.gpus[1]?.uuid }]);
  });
});

describe('versions of Proxmox VE', () => {
  test.each([7, 8, 9] as const)('%i: the command runs in a clean environment, whatever pct passes on', async (pve) => {
    const host = await Scenario.start({ driver: '580.159.04', pve });
    try {
      const container = await host.container();
      // A program that the probe calls tells what it was given.
      await container.execOk(['mv', '/usr/bin/df', '/usr/bin/df.real']);
      await container.writeFile('/usr/bin/df', '#!/bin/sh\nenv > /seen\nexec /usr/bin/df.real "$@"\n', '0755');
      await host.run({ containers: `${container.ctid}`, 'cuda-version': 'none', 'nvidia-container': 'none' });
      const seen = await container.readFile('/seen');
      expect(seen).toContain('HOME=/root');
      expect(seen).not.toMatch(/^(INPUT_|GITHUB_|RUNNER_|ACTIONS_|NODE_)/m);
    } finally {
      await host.end();
    }
  });
});

describe('what a container may already have', () => {
  test('a driver from apt packages: they go, the runfile comes', async () => {
    const container = await scenario.container({ base: 'debian12' });
    await scenario.run({ containers: `${container.ctid}`, 'cuda-version': '12.6' });
    // Somebody overrides the pin and lets apt bring a driver.
    await container.execOk(['rm', '/etc/apt/preferences.d/proxmox-lxc-nvidia']);
    await container.execOk(['apt-get', 'install', '-y', 'cuda-drivers', 'libcuda1']);
    expect(await libraryVersions(container)).toContain('580.95.05');

    const { outputs } = await scenario.run({ containers: `${container.ctid}`, 'cuda-version': '12.6' });
    expect(
      JSON.parse(outputs['containers'] ?? '')[container.ctid].actions.map(({ kind }: { kind: string }) => kind),
    ).toEqual(['configure-apt', 'remove-packages', 'install-driver']);
    expect(await libraryVersions(container)).toEqual(['580.159.04']);
    const installed = await container.execOk(['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\n']);
    expect(installed).not.toMatch(/^(cuda-drivers\S*|libcuda1|nvidia-open|nvidia-smi) installed/m);
  });

  test("NVIDIA's own keyring package: its entry, which would conflict, is put aside", async () => {
    const container = await scenario.container({ base: 'debian12' });
    const list = '/etc/apt/sources.list.d/cuda-debian12-x86_64.list';
    await container.execOk({
      script:
        'curl -fsSO https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/cuda-keyring_1.1-1_all.deb && dpkg -i cuda-keyring_1.1-1_all.deb && rm cuda-keyring_1.1-1_all.deb',
    });
    expect(await container.readFile(list)).toContain('developer.download.nvidia.com');
    const { outputs } = await scenario.run({ containers: `${container.ctid}`, 'cuda-version': '12.8' });
    expect(outputs['result']).toBe('changed');
    expect((await container.exec(['test', '-e', list])).exitCode).not.toBe(0);
    expect(await container.readFile(`${list}.disabled`)).toContain('developer.download.nvidia.com');
    await container.execOk(['apt-get', 'update']);
  });

  test('package lists that were cleaned away: they are fetched before anything is installed', async () => {
    const container = await scenario.container({ base: 'debian12' });
    await scenario.run({ containers: `${container.ctid}`, 'cuda-version': '12.6' });
    await container.execOk({ script: 'rm -rf /var/lib/apt/lists/*' });
    const { outputs } = await scenario.run({ containers: `${container.ctid}`, 'cuda-version': '12.8' });
    expect(outputs).toMatchObject({ result: 'changed', 'cuda-version': '12.8' });
  });

  test('a toolkit that recommends a driver comes without it', async () => {
    const container = await scenario.container({ base: 'debian12' });
    await scenario.run({ containers: `${container.ctid}`, 'cuda-version': '12.9' });
    // The pin holds against anybody else in the container, too.
    await container.exec(['apt-get', 'install', '-y', '--reinstall', '--install-recommends', 'cuda-toolkit-12-9']);
    expect((await container.exec(['apt-get', 'install', '-y', 'cuda-12-8'])).exitCode).not.toBe(0);
    expect(await libraryVersions(container)).toEqual(['580.159.04']);
  });
});
