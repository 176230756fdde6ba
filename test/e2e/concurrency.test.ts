import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import type { ActionResult } from '../lab/runner.ts';
import { libraryVersions, Scenario } from './scenario.ts';

const DRIVER = '535.261.03';
const RUNFILE = `/tesla/${DRIVER}/NVIDIA-Linux-x86_64-${DRIVER}.run`;
const INSTALLER_DELAY = '/etc/proxmox-lxc-nvidia-lab/installer-delay';

let scenario: Scenario;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: DRIVER });
});
afterAll(() => scenario?.end());

/** The run of a workflow with a number of its own, by which those who wait name it. */
function run(
  container: Container,
  number: number,
  options: { inputs?: Record<string, string>; exitCode?: number; onOutput?: (text: string) => void } = {},
): Promise<ActionResult> {
  const { inputs, exitCode = 0, onOutput } = options;
  return scenario.run(
    {
      containers: `${container.ctid}`,
      'cuda-version': 'none',
      'nvidia-container': 'none',
      'runfile-url': `https://us.download.nvidia.com${RUNFILE}`,
      ...inputs,
    },
    { exitCode, env: { GITHUB_RUN_ID: `${number}` }, ...(onOutput ? { onOutput } : {}) },
  );
}

/** Nothing was downloaded or unpacked. */
async function forgetRunfiles(): Promise<void> {
  await scenario.host.exec([
    'sh',
    '-c',
    'rm -rf "$1"/runner/tool-cache/* /var/lib/proxmox-lxc-nvidia/root/archive',
    'sh',
    scenario.host.directory,
  ]);
  await scenario.upstream.clearRequests();
}

async function downloads(): Promise<number> {
  const requests = await scenario.upstream.requests();
  return requests.filter(
    ({ method, host, path }) => method === 'GET' && host === 'us.download.nvidia.com' && path === RUNFILE,
  ).length;
}

describe.each([2, 8])('%d runs at once', (count) => {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);

  test('on one container: one changes it, the others wait and find nothing to do', async () => {
    await forgetRunfiles();
    const container = await scenario.container({ storage: 'btrfs' });
    const results = await Promise.all(numbers.map((number) => run(container, number)));
    expect(results.map(({ outputs }) => outputs['result']).sort()).toEqual(
      ['changed', ...numbers.slice(1).map(() => 'converged')].sort(),
    );
    const waited = results.filter(({ stdout }) => /is being worked on by .*\/actions\/runs\/\d/.test(stdout));
    expect(waited.length).toBeGreaterThanOrEqual(1);
    expect(await downloads()).toBe(1);
    const calls = await scenario.host.pctCalls();
    const snapshots = calls.filter(({ argv }) => argv[0] === 'snapshot' && argv[1] === `${container.ctid}`);
    expect(snapshots).toHaveLength(1);
    expect(await libraryVersions(container)).toEqual([DRIVER]);
  });

  test('on different containers: nobody waits for another container, the runfile is downloaded once', async () => {
    await forgetRunfiles();
    const containers = await Promise.all(numbers.map(() => scenario.container()));
    const results = await Promise.all(containers.map((container, index) => run(container, index + 1)));
    for (const [index, { outputs, stdout }] of results.entries()) {
      expect(outputs['result'], stdout).toBe('changed');
      expect(stdout).not.toContain('is being worked on by');
      expect(await libraryVersions(containers[index] as Container)).toEqual([DRIVER]);
    }
    expect(await downloads()).toBe(1);
    const fromCache = results.filter(({ stdout }) => stdout.includes('is unpacked on this host already'));
    expect(fromCache).toHaveLength(count - 1);
  });
});

describe('while a run is in the middle of the installer', () => {
  test('another one that may not wait fails, naming it; one on another container is done first', async () => {
    const [slow, other] = [await scenario.container(), await scenario.container()];
    await slow.writeFile(INSTALLER_DELAY, '8 copying');
    const { promise: installing, resolve } = Promise.withResolvers<void>();
    let ended = false;
    const first = run(slow, 4711, { onOutput: (text) => text.includes('WARNING: You specified') && resolve() });
    void first.finally(() => {
      ended = true;
    });
    await installing;

    const [loser, free] = await Promise.all([
      run(slow, 4712, { inputs: { 'lock-wait-minutes': '0' }, exitCode: 1 }),
      run(other, 4713),
    ]);
    expect(ended).toBe(false);
    expect(loser.outputs['failure-reason']).toBe('CONTAINER_BUSY');
    expect(loser.summary).toContain('https://github.com/lab/lab/actions/runs/4711');
    expect(loser.pctCalls.filter(({ argv }) => argv.includes(`${slow.ctid}`))).toEqual([]);
    expect(free.outputs['result']).toBe('changed');
    expect((await first).outputs['result']).toBe('changed');
    expect(await readFile(loser.outputs['report'] ?? '', 'utf8')).toContain('CONTAINER_BUSY');
  });
});
