import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { Scenario } from './scenario.ts';

let scenario: Scenario;
let container: Container;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: '550.163.01' });
  container = await scenario.container();
});
afterAll(() => scenario?.end());

/** Runs a step that must fail with the code, as an annotation and output, and must touch nothing. */
async function refuse(code: string, inputs: Record<string, string>, workspace: Record<string, string> = {}) {
  const before = (await container.isRunning()) ? await container.fileTree() : null;
  const result = await scenario.run(inputs, { exitCode: 1, workspace });
  expect(result.outputs).toMatchObject({ result: 'failed', 'failure-reason': code, changed: 'false' });
  const errors = result.annotations.filter(({ name }) => name === 'error');
  expect(errors.map(({ properties }) => properties['title'])).toContain(code);
  expect(result.summary).toContain(code);
  if (before !== null) expect((await container.fileTree()).hash).toBe(before.hash);
  const message = errors.map((annotation) => annotation.message).join('\n');
  return { ...result, message };
}

const wish = (more: Record<string, string> = {}) => ({
  containers: `${container.ctid}`,
  'cuda-version': '12.6',
  ...more,
});

describe('inputs', () => {
  test.each([
    ['NO_CONTAINER_NAMED', { 'cuda-version': '12.8' }],
    ['CONTAINER_LIST_INVALID', { containers: '12; rm -rf /', 'cuda-version': '12.8' }],
    ['CUDA_VERSION_MISSING', { containers: '901' }],
    ['CUDA_VERSION_INVALID', { containers: '901', 'cuda-version': '12.8.1' }],
    ['CUDA_VERSION_INVALID', { containers: '901', 'cuda-version': 'latest' }],
    ['CUDA_VERSION_INVALID', { containers: '901', 'cuda-version': 'null' }],
    ['CUDA_VERSION_INVALID', { containers: '901', 'cuda-version': '9.0' }],
    [
      'URL_INSECURE',
      { containers: '901', 'cuda-version': '12.8', 'runfile-url': 'http://us.download.nvidia.com/x-550.163.01.run' },
    ],
    ['URL_INSECURE', { containers: '901', 'cuda-version': '12.8', 'cuda-repository': 'http://mirror.lab.test/cuda' }],
    ['INPUT_INVALID', { containers: '901', 'cuda-version': '12.8', mode: 'destroy' }],
  ])('%s: %o', async (code, inputs) => {
    const { pctCalls } = await refuse(code, inputs);
    expect(pctCalls).toEqual([]);
  });

  test('a Phoenix file that is missing, is no JSON, lacks a key', async () => {
    await refuse('PHOENIX_FILE_UNREADABLE', wish({ 'phoenix-lxc-config': 'absent.json' }));
    await refuse('PHOENIX_FILE_INVALID', wish({ 'phoenix-lxc-config': 'bad.json' }), {
      'bad.json': '{"lxc_configs": ',
    });
    const { message } = await refuse(
      'PHOENIX_KEY_MISSING',
      { containers: `${container.ctid}`, 'phoenix-hypervisor-config': 'h.json' },
      {
        'h.json': JSON.stringify({
          nvidia_driver: { version: '550.163.01', runfile_url: 'https://us.download.nvidia.com/a-550.163.01.run' },
        }),
      },
    );
    expect(message).toContain('h.json: nvidia_driver.cuda_version');
  });
});

describe('host', () => {
  test('the driver is not loaded', async () => {
    await scenario.host.setDriver(null);
    try {
      const { pctCalls } = await refuse('HOST_DRIVER_NOT_LOADED', wish());
      expect(pctCalls).toEqual([]);
    } finally {
      await scenario.host.setDriver('550.163.01', 'open');
    }
  });

  test.each([
    ['DRIVER_VERSION_MISMATCH', { 'driver-version': '580.159.04' }],
    [
      'RUNFILE_VERSION_MISMATCH',
      { 'runfile-url': 'https://mirror.lab.test/nvidia/580.142/NVIDIA-Linux-x86_64-580.142.run' },
    ],
    ['CUDA_NEEDS_NEWER_DRIVER', { 'cuda-version': '13.0' }],
  ])('%s', async (code, more) => {
    const { message } = await refuse(code, wish(more));
    expect(message).toContain('550.163.01');
  });
});

describe('container', () => {
  test('does not exist, is a VM, is on another node', async () => {
    await scenario.host.addVm(7001);
    await scenario.host.addForeignContainer(7002, 'other');
    await refuse('CONTAINER_NOT_FOUND', wish({ containers: '7999' }));
    await refuse('CONTAINER_IS_VM', wish({ containers: '7001' }));
    const { message } = await refuse('CONTAINER_ON_OTHER_NODE', wish({ containers: '7002' }));
    expect(message).toContain('node other');
  });

  test('is locked, is a template', async () => {
    await scenario.host.setLock(container.ctid, 'backup');
    const { message } = await refuse('CONTAINER_LOCKED', wish());
    expect(message).toContain('backup');
    await scenario.host.setLock(container.ctid, null);
    const template = await scenario.container({ start: false });
    await scenario.host.setTemplate(template.ctid, true);
    await refuse('CONTAINER_IS_TEMPLATE', wish({ containers: `${template.ctid}` }));
  });

  test('is stopped; the running one beside it is not touched either', async () => {
    const stopped = await scenario.container({ start: false });
    const { message, outputs } = await refuse(
      'CONTAINER_STOPPED',
      wish({ containers: `${stopped.ctid}, ${container.ctid}` }),
    );
    expect(message).toContain(`pct start ${stopped.ctid}`);
    expect(JSON.parse(outputs['containers'] ?? '')[container.ctid].status).toBe('aborted');
  });

  test('runs Alpine', async () => {
    const alpine = await scenario.container({ base: 'alpine' });
    const { message } = await refuse('DISTRIBUTION_UNSUPPORTED', wish({ containers: `${alpine.ctid}` }));
    expect(message).toContain('Debian 11, 12, 13 and Ubuntu 20.04');
  });

  test('has no GPU nodes', async () => {
    const without = await scenario.container({ gpus: 'none' });
    await refuse('CONTAINER_GPU_NODES_MISSING', wish({ containers: `${without.ctid}` }));
  });

  test('has no room', async () => {
    const small = await scenario.container({ disk: '900M' });
    await small.execOk({
      script: 'dd if=/dev/zero of=/var/tmp/filler bs=1M 2> /dev/null; truncate -s -8M /var/tmp/filler',
    });
    const { message } = await refuse('CONTAINER_SPACE', wish({ containers: `${small.ctid}` }));
    expect(message).toContain('pct resize');
  });
});

describe("NVIDIA's servers", () => {
  const RUNFILE = '/XFree86/Linux-x86_64/550.163.01/NVIDIA-Linux-x86_64-550.163.01.run';
  const driverOnly = () => wish({ 'cuda-version': 'none', 'nvidia-container': 'none' });

  test('the toolkit is not in the repository: says which are', async () => {
    const { message } = await refuse('TOOLKIT_NOT_AVAILABLE', wish({ 'cuda-version': '12.4' }));
    expect(message).toContain('12.6, 12.8, 12.9, 13.0');
  });

  test('the repository is signed with an unknown key', async () => {
    await refuse('REPOSITORY_KEY_UNKNOWN', wish({ 'cuda-repository-key': 'EB693B3035CD5710E231E123A4B469963BF863CC' }));
  });

  test('nobody publishes a checksum', async () => {
    await scenario.upstream.setFaults([{ path: `${RUNFILE}.sha256sum`, action: { kind: 'status', status: 404 } }]);
    try {
      await refuse('RUNFILE_NO_CHECKSUM', driverOnly());
    } finally {
      await scenario.upstream.setFaults([]);
    }
  });

  test('there is no such runfile', async () => {
    await scenario.host.setDriver('550.1', 'open');
    try {
      await refuse('RUNFILE_NOT_FOUND', driverOnly());
    } finally {
      await scenario.host.setDriver('550.163.01', 'open');
    }
  });
});
