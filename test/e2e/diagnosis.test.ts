import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { RECORDED_GPUS, UVM_MAJOR } from '../lab/driver.ts';
import { Scenario } from './scenario.ts';

const DRIVER = '580.159.04';

let scenario: Scenario;
/** A container with the driver, in which all works. */
let healthy: Container;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: DRIVER });
  healthy = await scenario.container();
  await scenario.run(inputs(healthy));
});
afterAll(() => scenario?.end());

const inputs = (container: Container) => ({
  containers: `${container.ctid}`,
  'cuda-version': 'none',
  'nvidia-container': 'none',
});

/** Runs the action on a container with something wrong; the code and words of the diagnosis. */
async function diagnosed(container: Container) {
  const { outputs, annotations, summary } = await scenario.run(inputs(container), { exitCode: 1 });
  const errors = annotations.filter(({ name }) => name === 'error');
  expect(errors.map(({ properties }) => properties['title'])).toEqual([outputs['failure-reason']]);
  expect(summary).toContain(outputs['failure-reason']);
  return { code: outputs['failure-reason'], words: errors.map(({ message }) => message).join('\n') };
}

describe('nvidia-smi in a container', () => {
  const FAKE = '/usr/local/sbin/nvidia-smi';

  test.each<[string, string, string, RegExp]>([
    [
      'with an older libnvidia-ml',
      'mkdir -p /opt/old && touch /opt/old/libnvidia-ml.so.550.163.01 && ln -sf libnvidia-ml.so.550.163.01 /opt/old/libnvidia-ml.so.1\nLD_LIBRARY_PATH=/opt/old exec /usr/bin/nvidia-smi "$@"',
      'VERIFY_USER_SPACE',
      /exit code 18: user space and kernel module differ/,
    ],
    [
      'without a library',
      'echo "NVIDIA-SMI couldn\'t find libnvidia-ml.so"; exit 12',
      'VERIFY_USER_SPACE',
      /not installed/,
    ],
    ['with a lost GPU', 'echo "GPU is lost."; exit 15', 'GPU_LOST', /fell off the bus/],
    ['with a GPU to be reset', 'exit 16', 'GPU_RESET_REQUIRED', /nvidia-smi --gpu-reset/],
    [
      'with something that nobody knows',
      'echo "what is this"; exit 99',
      'VERIFY_NVIDIA_SMI',
      /exit code 99.*what is this/s,
    ],
  ])('%s', async (_what, program, code, words) => {
    await healthy.writeFile(FAKE, `#!/bin/sh\n${program}\n`, '0755');
    try {
      const found = await diagnosed(healthy);
      expect(found.code).toBe(code);
      expect(found.words).toMatch(words);
    } finally {
      await healthy.execOk(['rm', FAKE]);
    }
  });
});

describe('device nodes', () => {
  const mount = (node: string, target = node) =>
    `lxc.mount.entry: /dev/${node} dev/${target} none bind,optional,create=file`;
  const allow = (device: string) => `lxc.cgroup2.devices.allow: c ${device} rw`;
  const GPU = [mount('nvidia0'), allow('195:0')];
  const CONTROL = [mount('nvidiactl'), allow('195:255')];
  const UVM = [mount('nvidia-uvm'), allow(`${UVM_MAJOR}:0`)];

  test.each<[string, string[], string, RegExp]>([
    ['no node', [], 'CONTAINER_GPU_NODES_MISSING', /no \/dev\/nvidia0 .* and no \/dev\/nvidiactl/],
    ['no nvidiactl', [...GPU, ...UVM], 'CONTAINER_GPU_NODES_MISSING', /no \/dev\/nvidiactl/],
    [
      'nvidiactl denied by the cgroup',
      [...GPU, mount('nvidiactl'), ...UVM],
      'CONTAINER_GPU_NODE_DENIED',
      /cgroup denies \/dev\/nvidiactl/,
    ],
    [
      'nvidia-uvm with the number of another start of the host',
      [...GPU, ...CONTROL, mount('nvidia-uvm-stale', 'nvidia-uvm'), allow('538:0')],
      'CONTAINER_GPU_NODE_STALE',
      new RegExp(`/dev/nvidia-uvm is device 538:0 in the container, on the host it is ${UVM_MAJOR}:0`),
    ],
    [
      'nvidiactl forbidden by its mode',
      [...GPU, mount('nvidiactl-private', 'nvidiactl'), allow('195:255'), ...UVM],
      'CONTAINER_GPU_NODE_DENIED',
      /mode or owner denies \/dev\/nvidiactl.*mode=0666/,
    ],
  ])('%s', async (_what, config, code, words) => {
    await scenario.host.exec(['mknod', '-m', '666', '/dev/nvidia-uvm-stale', 'c', '538', '0']);
    await scenario.host.exec(['mknod', '-m', '600', '/dev/nvidiactl-private', 'c', '195', '255']);
    const container = await scenario.container({ gpus: 'none', config });
    const found = await diagnosed(container);
    expect(found.code).toBe(code);
    expect(found.words).toMatch(words);
  });

  test('no nvidia-uvm: refused before anything is installed, with what to do', async () => {
    const container = await scenario.container({ gpus: 'none', config: [...GPU, ...CONTROL] });
    const { outputs, annotations } = await scenario.run(inputs(container), { exitCode: 1 });
    expect(outputs).toMatchObject({ 'failure-reason': 'CONTAINER_UVM_MISSING', changed: 'false' });
    expect(annotations.map(({ message }) => message).join()).toContain(
      `pct set ${container.ctid} -devN /dev/nvidia-uvm`,
    );
  });

  test('a rule that no longer covers nvidia-uvm: a warning before the next start shows it', async () => {
    const container = await scenario.container({ gpus: 'none', config: [...GPU, ...CONTROL, ...UVM] });
    await scenario.host.exec([
      'sed',
      '-i',
      `s/c ${UVM_MAJOR}:0 rw/c 243:* rwm/`,
      `/etc/pve/lxc/${container.ctid}.conf`,
    ]);
    const { annotations } = await scenario.run(inputs(container));
    expect(annotations.map(({ properties }) => properties['title'])).toContain('CONTAINER_GPU_NODE_STALE');
  });
});

describe("the host's health", () => {
  const GPUS = RECORDED_GPUS.map(({ uuid }) => `${uuid}, Enabled, Default, Disabled, 0, 0\n`).join('');

  /** Puts programs on the host that print what is given. */
  async function programs(outputs: Record<string, string>): Promise<void> {
    for (const [path, text] of Object.entries(outputs)) {
      await writeFile(scenario.host.path(path), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    }
  }
  const print = (text: string) => `cat <<'END'\n${text}END`;

  test('a healthy host: in the report, without a warning', async () => {
    const smi = `case $1 in --query-gpu=*) ${print(GPUS)}\n;; *) echo "${RECORDED_GPUS[0]?.uuid}, 4711" ;; esac`;
    await programs({ '/usr/bin/nvidia-smi': smi, '/usr/sbin/modinfo': `echo ${DRIVER}` });
    const { outputs, annotations, summary } = await scenario.run(inputs(healthy));
    expect(outputs['result']).toBe('converged');
    expect(annotations).toEqual([]);
    expect(summary).toContain(
      '1 process, persistence on, compute mode Default, MIG off, uncorrected ECC errors 0 (0 ever)',
    );
  });

  test('a driver that waits for the next restart, Xids, exclusive mode: warnings, and the run goes on', async () => {
    await programs({
      '/usr/bin/nvidia-smi': print(GPUS.replaceAll('Default', 'Exclusive_Process')),
      '/usr/sbin/modinfo': 'echo 580.142',
      '/usr/bin/journalctl': print('NVRM: Xid (PCI:0000:00:07): 79, GPU has fallen off the bus.\n'),
    });
    const { outputs, annotations, summary } = await scenario.run(inputs(healthy));
    expect(outputs['result']).toBe('converged');
    expect(annotations.map(({ name, properties }) => `${name} ${properties['title']}`)).toEqual([
      'warning HOST_DRIVER_PENDING',
      'warning GPU_LOST',
      'warning GPU_BUSY',
    ]);
    expect(summary).toContain(`loads driver 580.142: every container with ${DRIVER} breaks then`);
    expect(summary).toContain("1 Xid in the host's kernel log");
  });

  test('an nvidia-smi that hangs is told, and costs a time limit', async () => {
    await programs({
      '/usr/bin/nvidia-smi': 'exec sleep 600',
      '/usr/sbin/modinfo': 'exit 1',
      '/usr/bin/journalctl': 'exit 1',
    });
    const { outputs, annotations, durationMs } = await scenario.run(inputs(healthy));
    expect(outputs['result']).toBe('converged');
    expect(annotations.map(({ properties }) => properties['title'])).toEqual(['GPU_HANGS']);
    expect(durationMs).toBeLessThan(60_000);
  });
});
