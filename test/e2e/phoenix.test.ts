import { afterAll, beforeAll, expect, test } from 'vitest';
import { libraryVersions, Scenario } from './scenario.ts';

let scenario: Scenario;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: '550.163.01' });
});
afterAll(() => scenario?.end());

test("Phoenix Hypervisor's two files give the same wishes as inputs", async () => {
  const [wanted, other] = [await scenario.container({ gpus: [1] }), await scenario.container({ gpus: 'none' })];
  const url = 'https://us.download.nvidia.com/XFree86/Linux-x86_64/550.163.01/NVIDIA-Linux-x86_64-550.163.01.run';
  const workspace = {
    'etc/phoenix_lxc_configs.json': JSON.stringify({
      $schema: 'unknown keys are left alone',
      nvidia_driver_version: '550.163.01',
      nvidia_runfile_url: url,
      lxc_configs: {
        [wanted.ctid]: { name: 'cuda', gpu_assignment: '1', features: ['nvidia', 'base_setup'] },
        [other.ctid]: { name: 'plain', gpu_assignment: 'none', features: [] },
      },
    }),
    'etc/phoenix_hypervisor_config.json': JSON.stringify({
      nvidia_driver: {
        install: true,
        version: '550.163.01',
        runfile_url: url,
        cuda_version: '12.8',
        install_vllm_libs: false,
      },
    }),
  };
  const { outputs } = await scenario.run(
    {
      'phoenix-lxc-config': 'etc/phoenix_lxc_configs.json',
      'phoenix-hypervisor-config': 'etc/phoenix_hypervisor_config.json',
    },
    { exitCode: 0, workspace },
  );
  expect(outputs).toMatchObject({ result: 'changed', 'cuda-version': '12.8', 'driver-version': '550.163.01' });
  expect(Object.keys(JSON.parse(outputs['containers'] ?? ''))).toEqual([`${wanted.ctid}`]);
  expect(JSON.parse(outputs['gpus'] ?? '')).toMatchObject([{ uuid: scenario.host.gpus[1]?.uuid }]);
  expect(await libraryVersions(other)).toEqual([]);
});

test('an assigned GPU that the container cannot see is a failure; inputs win over the files', async () => {
  const container = await scenario.container({ gpus: [0] });
  const workspace = {
    'lxc.json': JSON.stringify({
      nvidia_driver_version: '1.0',
      nvidia_runfile_url: null,
      lxc_configs: { [container.ctid]: { gpu_assignment: '0,1' } },
    }),
  };
  const { outputs } = await scenario.run(
    { 'phoenix-lxc-config': 'lxc.json', 'driver-version': 'host', 'runfile-url': 'derived', 'cuda-version': 'none' },
    { exitCode: 1, workspace },
  );
  expect(outputs['failure-reason']).toBe('VERIFY_GPU_MISSING');
  // What can't be proven isn't kept: the container is what it was.
  expect(await libraryVersions(container)).toEqual([]);
});
