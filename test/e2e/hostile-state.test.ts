import { chmod, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { plantLinks, VICTIM, VICTIM_TEXT } from '../lab/hostile/host-links.ts';
import { type RunOptions, runAction } from '../lab/runner.ts';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

/* Runs of root and of the user of the runner on one host: they share locks, and believe nothing that the other wrote. */

const OLD = '550.163.01';
const NEW = '580.159.04';
const STATE = '/var/lib/proxmox-lxc-nvidia';
const DELAY = '/etc/proxmox-lxc-nvidia-lab/installer-delay';
const IN_THE_MIDDLE = /│ WARNING: You specified/;

let scenario: Scenario;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: OLD });
  await scenario.host.setSudo(true);
});
afterAll(() => scenario?.end());

const driverOnly = (...containers: Container[]) => ({
  containers: containers.map(({ ctid }) => ctid).join(','),
  'cuda-version': 'none',
  'nvidia-container': 'none',
});

async function slowed(container: Container): Promise<Container> {
  await container.execOk({ script: 'mkdir -p "${1%/*}" && echo "20 after-removal" > "$1"', args: [DELAY] });
  return container;
}

const stat = async (format: string, ...paths: string[]) =>
  (await scenario.host.exec(['stat', '-c', format, ...paths])).stdout;

const pctCalls = async (container: Container, from: number) =>
  (await scenario.host.pctCalls())
    .slice(from)
    .filter(({ argv }) => argv[1] === `${container.ctid}`)
    .map(({ subcommand }) => subcommand);

test("root's run leaves alone what the runner's was killed in, and goes on with the others; the runner's next one puts it right", async () => {
  const left = await scenario.container({ storage: 'btrfs' });
  const other = await scenario.container({ storage: 'dir' });
  await scenario.run(driverOnly(left), { user: 'runner', exitCode: 0 });
  await scenario.host.setDriver(NEW, 'open');
  await slowed(left);
  const action = await scenario.actionWithoutPost();
  await chmod(action, 0o755);
  let pid = 0;
  const killed = await runAction(scenario.host, {
    inputs: { ...scenario.keys(), ...driverOnly(left) },
    user: 'runner',
    action,
    onStart: (started) => {
      pid = started;
    },
    onOutput: (text) => {
      if (IN_THE_MIDDLE.test(text)) process.kill(pid, 'SIGKILL');
    },
  });
  expect(killed.signal, killed.stdout).toBe('SIGKILL');
  const before = (await scenario.host.pctCalls()).length;

  const inputs = { ...driverOnly(left, other), 'on-failure': 'continue' };
  const asRoot = await scenario.run(inputs, { exitCode: 1 });
  expect(asRoot.outputs['failure-reason']).toBe('CONTAINER_LEFT_BY_OTHER_USER');
  expect(`${asRoot.stdout}${asRoot.summary}`).toContain('sudo -u runner');
  expect(await libraryVersions(other)).toEqual([NEW]);
  const planned = await scenario.run({ ...driverOnly(left), mode: 'plan' }, { exitCode: 1 });
  expect(planned.outputs['failure-reason']).toBe('CONTAINER_LEFT_BY_OTHER_USER');
  // Planning looks into it, and that is all: nothing of the runner's snapshot, lock or processes was touched.
  expect(await pctCalls(left, before)).toEqual(['exec']);
  expect((await scenario.host.pct('listsnapshot', `${left.ctid}`)).stdout).toMatch(/nvidia-[0-9a-f]{8}/);
  expect(await stat('%U', `${STATE}/runner/journal/${left.ctid}.json`)).toBe('runner\n');

  await left.execOk(['rm', '-f', DELAY]);
  const recovered = await scenario.run(driverOnly(left), { user: 'runner', exitCode: 0 });
  expect(recovered.stdout).toContain('was rolled-back after an interrupted run');
  expect(await libraryVersions(left)).toEqual([NEW]);
  expect(await leftovers(left)).toBe('');
  expect((await scenario.run(inputs)).outputs['result']).toBe('converged');
});

test('of root and the runner at once on one container, one changes it, and the other waits or says who has it', async () => {
  await scenario.host.setDriver(NEW, 'open');
  const container = await slowed(await scenario.container({ storage: 'dir' }));
  const { promise: installing, resolve } = Promise.withResolvers<void>();
  const run = (options: RunOptions & { exitCode: number }, inputs = {}) =>
    scenario.run({ ...driverOnly(container), ...inputs }, options);
  const first = run({ exitCode: 0, onOutput: (text) => IN_THE_MIDDLE.test(text) && resolve() });
  await installing;
  const [busy, waited] = await Promise.all([
    run({ exitCode: 1, user: 'runner' }, { 'lock-wait-minutes': '0' }),
    run({ exitCode: 0, user: 'runner' }),
  ]);
  expect(busy.outputs['failure-reason']).toBe('CONTAINER_BUSY');
  expect(busy.summary).toContain('a run of the user root');
  expect(busy.stdout).toContain(`-lname ${STATE}/locks/container-${container.ctid}.lock`);
  expect(waited.stdout).toContain('is being worked on by a run of the user root: waiting');
  expect((await first).outputs['result']).toBe('changed');
  expect(waited.outputs['result']).toBe('converged');
});

describe('a user of the runner who is after root', () => {
  test("can put links into directories of its own, which root's run goes by; and replaces no lock", async () => {
    await scenario.host.setDriver(NEW, 'open');
    const container = await scenario.container({ storage: 'dir' });
    const { ctid } = container;
    await scenario.run({ ...driverOnly(container), mode: 'plan' });
    await scenario.host.exec(['touch', `${STATE}/locks/container-${ctid}.lock`]);
    await scenario.host.exec(['install', '-d', '-m', '0711', `${STATE}/root/journal`, `${STATE}/root/holders`]);
    expect(await plantLinks(scenario.host, [ctid])).toBe('');
    expect((await scenario.run(driverOnly(container))).outputs['result']).toBe('changed');
    expect(await stat('%U %a %h', VICTIM)).toBe('root 600 1\n');
    expect((await scenario.host.exec(['cat', VICTIM])).stdout).toBe(VICTIM_TEXT);
    expect((await scenario.host.exec(['find', `${STATE}/root`, '!', '-user', 'root'])).stdout).toBe('');
    expect((await scenario.host.exec(['find', `${STATE}/runner`, '-user', 'root'])).stdout).toBe('');
    expect(await stat('%U %a', `${STATE}/locks/container-${ctid}.lock`)).toBe('root 644\n');
  });

  test('has a forged journal refused for the container it is named after, and nothing done that it says', async () => {
    await scenario.host.setDriver(NEW, 'open');
    const [named, meant] = [
      await scenario.container({ storage: 'dir' }),
      await scenario.container({ storage: 'btrfs' }),
    ];
    await scenario.host.pct('snapshot', `${meant.ctid}`, 'before-upgrade');
    const journal = `${STATE}/runner/journal/${named.ctid}.json`;
    const forged = {
      ...{ ctid: meant.ctid, run: 'forged', since: '2026-11-27T00:00:00Z', snapshot: 'before-upgrade' },
      ...{ directory: '/', passthrough: [], restarts: true, phase: 'begun', step: 'forged' },
    };
    await scenario.host.exec(['install', '-d', '-o', 'runner', `${STATE}/runner/journal`]);
    await writeFile(scenario.host.path(journal), JSON.stringify(forged));
    await scenario.host.exec(['chown', 'runner:', journal]);
    const before = (await scenario.host.pctCalls()).length;
    const inputs = { ...driverOnly(named, meant), 'on-failure': 'continue' };
    const asRoot = await scenario.run(inputs, { exitCode: 1 });
    expect(asRoot.outputs['failure-reason']).toBe('CONTAINER_LEFT_BY_OTHER_USER');
    expect(`${asRoot.stdout}${asRoot.summary}`).not.toContain('forged');
    expect(await pctCalls(named, before)).toEqual([]);
    expect(await libraryVersions(meant)).toEqual([NEW]);
    expect((await scenario.host.pct('listsnapshot', `${meant.ctid}`)).stdout).toContain('before-upgrade');
    // Nor does the runner's own run do it.
    const own = await scenario.run(driverOnly(named), { user: 'runner', exitCode: 1 });
    expect(own.outputs['failure-reason']).toBe('JOURNAL_FAILED');
    expect(await pctCalls(named, before)).toEqual([]);
    await scenario.host.exec(['rm', journal]);
  });
});
