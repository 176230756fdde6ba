import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { RECORDED_GPUS } from '../lab/driver.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { runAction } from '../lab/runner.ts';
import type { PveVersion } from '../lab/versions.ts';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

const DRIVER = '580.159.04';
const ONE_GPU = RECORDED_GPUS.slice(0, 1);

const inputs = (container: Container, more: Record<string, string> = {}) => ({
  containers: `${container.ctid}`,
  'cuda-version': 'none',
  'nvidia-container': 'none',
  passthrough: 'configure',
  ...more,
});

const configOf = (scenario: Scenario, { ctid }: Container) => readFile(scenario.host.configPath(ctid), 'utf8');

/** The configuration before its snapshots, without the name of the one that was gone back to. */
const currentOf = async (scenario: Scenario, container: Container) =>
  (await configOf(scenario, container)).split('\n[')[0]?.replace(/^parent: .*\n/m, '');

const entries = (config: string) => [...config.matchAll(/^dev\d+: .*$/gm)].map(([line]) => line);

describe.each<PveVersion>([8, 9])('on Proxmox VE %d', (pve) => {
  let scenario: Scenario;
  beforeAll(async () => {
    scenario = await Scenario.start({ driver: DRIVER, gpus: ONE_GPU, pve });
  });
  afterAll(() => scenario?.end());

  test('a container without any node gets the only GPU, is restarted and proven; then nothing is to do', async () => {
    const container = await scenario.container({ gpus: 'none' });
    const before = await container.initPid();
    const first = await scenario.run(inputs(container));
    expect(first.outputs['result']).toBe('changed');
    const config = await configOf(scenario, container);
    expect(entries(config)).toEqual([
      'dev0: /dev/nvidia0,mode=0666',
      'dev1: /dev/nvidiactl,mode=0666',
      'dev2: /dev/nvidia-uvm,mode=0666',
      'dev3: /dev/nvidia-uvm-tools,mode=0666',
    ]);
    expect(config).not.toContain('pending');
    expect(await container.initPid()).not.toBe(before);
    expect(JSON.parse(first.outputs['gpus'] ?? '')).toMatchObject([{ uuid: ONE_GPU[0]?.uuid }]);
    expect(first.summary).toContain('restart the container');
    const second = await scenario.run(inputs(container));
    expect(second.outputs['result']).toBe('converged');
    expect(await configOf(scenario, container)).toBe(config);
  });

  test('only what is missing is added, beside what is there', async () => {
    const container = await scenario.container({
      gpus: 'none',
      config: ['dev1: /dev/nvidiactl', 'dev5: /dev/nvidia0,gid=44'],
    });
    const { stdout } = await scenario.run(inputs(container));
    expect(stdout).toContain("its configuration doesn't pass /dev/nvidia-uvm");
    expect(entries(await configOf(scenario, container)).sort()).toEqual([
      'dev0: /dev/nvidia-uvm,mode=0666',
      'dev1: /dev/nvidiactl',
      'dev2: /dev/nvidia-uvm-tools,mode=0666',
      'dev5: /dev/nvidia0,gid=44',
    ]);
  });

  test('a plan names it and touches nothing', async () => {
    const container = await scenario.container({ gpus: 'none' });
    const config = await configOf(scenario, container);
    const { outputs, pctCalls } = await scenario.run(inputs(container, { mode: 'plan' }));
    expect(outputs['result']).toBe('planned');
    const plan = JSON.parse(await readFile(outputs['plan'] ?? '', 'utf8'));
    expect(plan.containers[0].actions.map(({ kind }: { kind: string }) => kind).slice(-2)).toEqual([
      'configure-passthrough',
      'restart',
    ]);
    expect(pctCalls.map(({ subcommand }) => subcommand)).toEqual(['exec']);
    expect(await configOf(scenario, container)).toBe(config);
  });
});

describe('a failure', () => {
  let scenario: Scenario;
  beforeAll(async () => {
    scenario = await Scenario.start({ driver: DRIVER, gpus: ONE_GPU });
  });
  afterEach(() => scenario.host.setSwitches({}));
  afterAll(() => scenario?.end());

  test.each(['btrfs', 'dir'] as const)('takes the entries back (%s)', async (storage) => {
    const container = await scenario.container({ gpus: 'none', storage });
    const before = await currentOf(scenario, container);
    await scenario.host.setSwitches({ faults: [{ subcommand: 'shutdown', exitCode: 255, stderr: 'it hangs\n' }] });
    const { outputs, summary } = await scenario.run(inputs(container), { exitCode: 1 });
    expect(outputs['failure-reason']).toBe('RESTART_FAILED');
    expect(summary).toContain('it hangs');
    expect(await container.isRunning()).toBe(true);
    expect(await leftovers(container)).toBe('');
    if (storage === 'btrfs') {
      expect(await currentOf(scenario, container)).toBe(before);
      expect(await libraryVersions(container)).toEqual([]);
      return;
    }
    // In a running container they are gone from its next start on.
    await container.stop();
    expect((await scenario.host.pct('start', `${container.ctid}`)).exitCode).toBe(0);
    expect(await currentOf(scenario, container)).toBe(before);
  });

  test.each(['before', 'after'] as const)(
    'of the machine %s the shutdown: the next run puts it right and goes on',
    async (moment) => {
      const container = await scenario.container({ gpus: 'none', storage: 'dir' });
      const kill = [join(REPOSITORY_DIR, 'test/faults/on-host/signal-action'), 'KILL'];
      await scenario.host.setSwitches({ faults: [{ subcommand: 'shutdown', nth: 1, [moment]: kill }] });
      const killed = await runAction(scenario.host, {
        inputs: { ...scenario.keys(), ...inputs(container) },
        action: await scenario.actionWithoutPost(),
      });
      expect(killed.signal).toBe('SIGKILL');
      const again = await scenario.run(inputs(container));
      expect(again.outputs['result']).toBe('changed');
      expect(again.stdout).toContain('was interrupted at "restart the container"');
      expect(entries(await configOf(scenario, container))).toHaveLength(4);
      expect(await container.isRunning()).toBe(true);
    },
  );

  test('of the start, without a snapshot: the container runs again, and the next run goes on', async () => {
    const container = await scenario.container({ gpus: 'none', storage: 'dir' });
    await scenario.host.setSwitches({ faults: [{ subcommand: 'start', nth: 1, exitCode: 255, stderr: 'no\n' }] });
    const { outputs } = await scenario.run(inputs(container), { exitCode: 1 });
    expect(outputs['failure-reason']).toBe('RESTART_FAILED');
    expect(await container.isRunning()).toBe(true);
    expect(entries(await configOf(scenario, container))).toEqual([]);
    const again = await scenario.run(inputs(container));
    expect(again.outputs['result']).toBe('changed');
    expect(entries(await configOf(scenario, container))).toHaveLength(4);
  });
});

describe('what is refused, with nothing touched', () => {
  test.each<[string, string, PveVersion, typeof RECORDED_GPUS, RegExp]>([
    ['one of several GPUs', 'PASSTHROUGH_AMBIGUOUS', 9, RECORDED_GPUS, /has 2/],
    ['a Proxmox without devN', 'PASSTHROUGH_UNSUPPORTED', 7, ONE_GPU, /lxc\.cgroup2\.devices\.allow: c 195:0 rw/],
  ])('%s', async (_what, code, pve, gpus, words) => {
    const scenario = await Scenario.start({ driver: DRIVER, gpus, pve });
    try {
      const container = await scenario.container({ gpus: 'none' });
      const { hash } = await container.fileTree();
      const { outputs, summary } = await scenario.run(inputs(container), { exitCode: 1 });
      expect(outputs).toMatchObject({ 'failure-reason': code, changed: 'false' });
      expect(summary).toMatch(words);
      expect((await container.fileTree()).hash).toBe(hash);
    } finally {
      await scenario.end();
    }
  });

  test('what the host itself has not made', async () => {
    const scenario = await Scenario.start({ driver: DRIVER, gpus: ONE_GPU });
    try {
      const container = await scenario.container({ gpus: 'none' });
      await scenario.host.exec(['rm', '/dev/nvidia-uvm', '/dev/nvidia-uvm-tools']);
      const { outputs, annotations } = await scenario.run(inputs(container), { exitCode: 1 });
      expect(outputs['failure-reason']).toBe('HOST_UVM_MISSING');
      expect(annotations.map(({ message }) => message).join()).toContain('nvidia-modprobe -c 0 -u');
    } finally {
      await scenario.end();
    }
  });
});

describe('restart: after-change', () => {
  let scenario: Scenario;
  beforeAll(async () => {
    scenario = await Scenario.start({ driver: DRIVER });
  });
  afterAll(() => scenario?.end());

  test('restarts once, after the change and before the proof; nothing to do, no restart', async () => {
    const container = await scenario.container();
    const wish = inputs(container, { passthrough: 'check', restart: 'after-change' });
    const { outputs, pctCalls } = await scenario.run(wish);
    expect(outputs['result']).toBe('changed');
    const calls = pctCalls.map(({ subcommand }) => subcommand);
    expect(calls.filter((name) => name !== 'exec')).toEqual(['snapshot', 'shutdown', 'start', 'delsnapshot']);
    expect(calls.slice(calls.indexOf('start'))).toEqual(['start', 'exec', 'delsnapshot']);
    const again = await scenario.run(wish);
    expect(again.outputs['result']).toBe('converged');
    expect(again.pctCalls.map(({ subcommand }) => subcommand)).toEqual(['exec']);
  });

  test('finds what breaks at a start only, and goes back', async () => {
    const container = await scenario.container();
    // Something of the container's own takes a part of the driver away whenever it starts.
    await container.execOk(['sed', '-i', '1a rm -f /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1', '/sbin/init']);
    const { outputs } = await scenario.run(inputs(container, { passthrough: 'check', restart: 'after-change' }), {
      exitCode: 1,
    });
    expect(outputs['failure-reason']).toBe('VERIFY_USER_SPACE');
    expect(await container.isRunning()).toBe(true);
    expect(await libraryVersions(container)).toEqual([]);
  });
});
