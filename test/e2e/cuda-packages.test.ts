import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { Scenario } from './scenario.ts';

let scenario: Scenario;
let container: Container;

beforeAll(async () => {
  scenario = await Scenario.start();
  container = await scenario.container({ base: 'debian12', variant: 'prepared' });
});
afterAll(() => scenario?.end());

test('parts of the toolkit: the plan says how large they are, they alone are installed and nvcc is proven', async () => {
  const inputs = {
    containers: `${container.ctid}`,
    'cuda-version': '12.8',
    'cuda-packages': 'cuda-nvcc, cuda-cudart-dev',
  };
  const planned = await scenario.run({ ...inputs, mode: 'plan' });
  expect(planned.stdout).toMatch(
    /install cuda-nvcc-12-8=\S+, cuda-cudart-dev-12-8=\S+ \(\S+ \S+ to download, \S+ \S+ on disk\)/,
  );
  expect(planned.summary).toContain('to download');

  const { outputs } = await scenario.run(inputs);
  expect(JSON.parse(outputs['containers'] ?? '')[container.ctid]).toMatchObject({
    status: 'changed',
    after: { toolkits: ['12.8'] },
    verification: { L4: 'pass' },
  });
  const packages = await container.execOk(['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\n']);
  expect(packages).toContain('cuda-nvcc-12-8 installed');
  expect(packages).not.toContain('cuda-toolkit-12-8 installed');

  const { outputs: again, pctCalls } = await scenario.run(inputs);
  expect(again['result']).toBe('converged');
  expect(pctCalls).toHaveLength(1);
});

test('a part that would bring a driver is refused before anything is touched', async () => {
  const { outputs, pctCalls } = await scenario.run(
    { containers: `${container.ctid}`, 'cuda-version': '12.8', 'cuda-packages': 'cuda-runtime' },
    { exitCode: 1 },
  );
  expect(outputs['failure-reason']).toBe('APT_DRIVER_PULLED');
  expect(pctCalls).toHaveLength(1);
});
