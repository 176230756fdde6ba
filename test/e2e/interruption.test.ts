import { appendFile, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freezeBehindLxc } from '../lab/cgroups.ts';
import type { Container } from '../lab/container.ts';
import { type ActionResult, runAction } from '../lab/runner.ts';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

let scenario: Scenario;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: '550.163.01' });
});
afterEach(() => scenario?.host.setSwitches({}));
afterAll(() => scenario?.end());

const driverOnly = (ctid: number) => ({ containers: `${ctid}`, 'cuda-version': 'none', 'nvidia-container': 'none' });
const installerDelay = '/etc/proxmox-lxc-nvidia-lab/installer-delay';

/** A container with driver 550 whose host has 580, and an installer that sleeps in the middle. */
async function behind(options: { storage?: 'btrfs' | 'dir' } = {}): Promise<Container> {
  await scenario.host.setDriver('550.163.01', 'open');
  const container = await scenario.container({ storage: 'btrfs', ...options });
  await scenario.run(driverOnly(container.ctid));
  await scenario.host.setDriver('580.159.04', 'open');
  await container.execOk({ script: 'mkdir -p "${1%/*}" && echo "20 after-removal" > "$1"', args: [installerDelay] });
  return container;
}

/** No process of a run, no journal, no snapshot, no Proxmox lock. */
async function expectNothingLeft(container: Container): Promise<void> {
  expect(await leftovers(container)).toBe('');
  const config = await scenario.host.pct('config', String(container.ctid));
  expect(config.stdout).not.toMatch(/^(lock|parent):/m);
  const snapshots = await scenario.host.pct('listsnapshot', String(container.ctid));
  expect(snapshots.stdout).not.toContain('nvidia-');
  const journal = await scenario.host.exec(['ls', '/var/lib/proxmox-lxc-nvidia/root/journal']);
  expect(journal.stdout).not.toContain(`${container.ctid}.json`);
  const processes = await container.execOk({
    script: 'cat /proc/[0-9]*/environ | tr "\\0" "\\n" | grep -c ^PROXMOX_LXC_NVIDIA= || :',
  });
  expect(processes.trim()).toBe('0');
}

async function expectConverges(container: Container): Promise<ActionResult> {
  await container.execOk(['rm', '-f', installerDelay]);
  const result = await scenario.run(driverOnly(container.ctid));
  expect(await libraryVersions(container)).toEqual(['580.159.04']);
  await expectNothingLeft(container);
  return result;
}

test('a package that was cut off while it was purged is purged: dpkg says nothing of it', async () => {
  const { host } = scenario;
  const container = await scenario.container({ storage: 'dir' });
  await scenario.run(driverOnly(container.ctid));
  const half = `
    mkdir -p /root/half/DEBIAN /root/half/etc && cd /root/half && echo x > etc/half && echo /etc/half > DEBIAN/conffiles
    printf '%s\\n' 'Package: half' 'Version: 1' 'Architecture: all' 'Maintainer: x <x@x>' 'Description: x' > DEBIAN/control
    dpkg-deb -b . /root/half.deb && dpkg -i /root/half.deb && dpkg -r half && echo 'half purge' | dpkg --set-selections
    cd / && rm -rf /root/half /root/half.deb && dpkg-query -W -f '\${db:Status-Abbrev}' half`;
  expect(await container.execOk({ script: half })).toMatch(/pc $/);
  const entry = {
    ...{ ctid: container.ctid, run: 'a killed run', since: '2026-11-23T03:07:26Z', directory: null },
    ...{ snapshot: null, phase: 'begun', step: 'remove 1 driver package' },
  };
  await writeFile(host.path(`/var/lib/proxmox-lxc-nvidia/root/journal/${container.ctid}.json`), JSON.stringify(entry));
  await scenario.run(driverOnly(container.ctid));
  expect((await container.exec(['dpkg-query', '-W', 'half'])).exitCode).not.toBe(0);
  await expectNothingLeft(container);
});

test('a container that a killed snapshot left frozen goes on with the next run', async () => {
  const container = await behind();
  const { host } = scenario;
  const snapshot = 'nvidia-0badf00d';
  const entry = {
    ...{
      ctid: container.ctid,
      run: 'a killed run',
      since: '2026-11-23T03:07:26Z',
      directory: '/var/tmp/proxmox-lxc-nvidia',
    },
    ...{ snapshot, phase: 'announced', step: 'take a snapshot' },
  };
  await writeFile(host.path(`/var/lib/proxmox-lxc-nvidia/root/journal/${container.ctid}.json`), JSON.stringify(entry));
  await host.setLock(container.ctid, 'snapshot');
  await appendFile(host.configPath(container.ctid), `\n[${snapshot}]\nsnaptime: 1763867246\nsnapstate: prepare\n`);
  await container.execOk(['rm', '-f', installerDelay]);
  await freezeBehindLxc(container.ctid);

  // Looking alone changes nothing, and doesn't wait for what is frozen.
  const looked = await scenario.run(
    { ...driverOnly(container.ctid), mode: 'plan' },
    { exitCode: 1, timeoutMs: 60_000 },
  );
  expect(looked.outputs['failure-reason']).toBe('CONTAINER_LOCKED');
  await scenario.run(driverOnly(container.ctid), { exitCode: 0, timeoutMs: 120_000 });
  expect(await libraryVersions(container)).toEqual(['580.159.04']);
  await expectNothingLeft(container);
});

describe('a run that is cancelled in the middle of the installer', () => {
  test('ends within 7 s; the post step rolls back to the snapshot', async () => {
    const container = await behind();
    const started = performance.now();
    const result = await runAction(scenario.host, {
      inputs: { ...scenario.keys(), ...driverOnly(container.ctid) },
      cancel: { when: /│ WARNING: You specified/ },
    });
    expect(result.signal).toBeNull();
    expect(result.outputs['failure-reason'], result.stdout).toBe('CANCELLED');
    expect(result.summary).toContain('CANCELLED');
    expect(result.post?.exitCode).toBe(0);
    expect(result.post?.stdout).toContain('rolled-back');
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(await libraryVersions(container)).toEqual(['550.163.01']);
    expect(await container.isRunning()).toBe(true);
    await expectNothingLeft(container);
    await expectConverges(container);
  });

  test('without snapshots: what was left half done is repaired, the next run converges', async () => {
    const container = await behind({ storage: 'dir' });
    const result = await runAction(scenario.host, {
      inputs: { ...scenario.keys(), ...driverOnly(container.ctid) },
      cancel: { when: /│ WARNING: You specified/ },
    });
    expect(result.outputs['failure-reason'], result.stdout).toBe('CANCELLED');
    expect(result.durationMs).toBeLessThan(60_000);
    await expectNothingLeft(container);
    await expectConverges(container);
  });
});

test('a run that is killed outright: the next one finds it, rolls back and goes on', async () => {
  const container = await behind();
  let action = 0;
  let output = '';
  const result = await runAction(scenario.host, {
    inputs: { ...scenario.keys(), ...driverOnly(container.ctid) },
    action: await scenario.actionWithoutPost(),
    onStart: (pid) => {
      action = pid;
    },
    onOutput: (text) => {
      output += text;
      if (output.includes('│ WARNING: You specified')) process.kill(action, 'SIGKILL');
    },
  });
  expect(result.signal).toBe('SIGKILL');
  await setTimeout(200);
  const next = await expectConverges(container);
  expect(next.stdout).toContain('was interrupted at');
});

test('a failure in the middle goes back to the snapshot: the container is what it was, and running', async () => {
  const container = await behind();
  await container.execOk(['rm', '-f', installerDelay]);
  await container.execOk(['rm', '/sbin/modprobe']);
  const { outputs, stdout } = await scenario.run(driverOnly(container.ctid), { exitCode: 1 });
  expect(outputs['failure-reason']).toBe('INSTALLER_FAILED');
  expect(JSON.parse(outputs['containers'] ?? '')[container.ctid]).toMatchObject({
    rolledBack: true,
    after: { driver: '550.163.01' },
  });
  expect(stdout).toContain('Rolling container');
  expect(await libraryVersions(container)).toEqual(['550.163.01']);
  await expectNothingLeft(container);
});

test('rollback: require refuses a container that cannot be snapshotted', async () => {
  const container = await scenario.container({ storage: 'dir' });
  const before = await container.fileTree();
  const { outputs, summary } = await scenario.run(
    { ...driverOnly(container.ctid), rollback: 'require' },
    { exitCode: 1 },
  );
  expect(outputs['failure-reason']).toBe('SNAPSHOT_IMPOSSIBLE');
  expect(summary).toContain('has no snapshots of containers');
  expect((await container.fileTree()).hash).toBe(before.hash);
});

test('two runs at once on one container: the second waits and finds nothing to do', async () => {
  await scenario.host.setDriver('550.163.01', 'open');
  const container = await scenario.container();
  const [first, second] = await Promise.all([
    scenario.run(driverOnly(container.ctid)),
    setTimeout(300).then(() => scenario.run(driverOnly(container.ctid))),
  ]);
  expect([first.outputs['result'], second.outputs['result']].sort()).toEqual(['changed', 'converged']);
  const busy = second.outputs['result'] === 'converged' ? second : first;
  expect(busy.stdout).toContain('is being worked on by');
});
