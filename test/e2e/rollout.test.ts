import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import type { ActionResult } from '../lab/runner.ts';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

/** No other file asks for this version, so what its downloads answer can be changed here. */
const DRIVER = '535.261.03';
const SECOND = 'https://mirror.lab.test/second/libnvidia-container';
/** The driver alone: what changes between plan and apply is what matters here, not how much is installed. */
const WISH = { 'cuda-version': 'none', 'nvidia-container': 'none' };

let one: Scenario;
let two: Scenario;
let first: Container;
let second: Container;
let third: Container;
let fourth: Container;

beforeAll(async () => {
  one = await Scenario.start({ driver: DRIVER, node: 'pve1' });
  two = await Scenario.start({ driver: DRIVER, node: 'pve2' });
  [first, second] = [await one.container(), await one.container()];
  [third, fourth] = [await two.container(), await two.container()];
  for (const [scenario, container] of [
    [one, first],
    [one, second],
    [two, third],
    [two, fourth],
  ] as const) {
    await scenario.host.editConfig(container.ctid, 'tags', 'gpu');
  }
});
afterAll(async () => {
  await one?.end();
  await two?.end();
});

/** Plans and gives the text of plan.json, which people would look at and approve. */
async function planned(scenario: Scenario, inputs: Record<string, string>): Promise<{ text: string; digest: string }> {
  const { outputs } = await scenario.run({ mode: 'plan', ...WISH, ...inputs });
  return { text: await readFile(outputs['plan'] ?? '', 'utf8'), digest: outputs['plan-digest'] ?? '' };
}

function apply(scenario: Scenario, plan: string, inputs: Record<string, string>, exitCode = 0): Promise<ActionResult> {
  return scenario.run(
    { ...WISH, 'approved-plan': 'approved/plan.json', ...inputs },
    { exitCode, workspace: { 'approved/plan.json': plan } },
  );
}

const statuses = ({ outputs }: ActionResult): Record<string, string> =>
  Object.fromEntries(
    Object.entries(JSON.parse(outputs['containers'] ?? '{}') as Record<string, { status: string }>).map(
      ([ctid, { status }]) => [ctid, status],
    ),
  );

describe('facts', () => {
  test('are enough to make the same plan elsewhere', async () => {
    const facts = await one.run({ mode: 'facts', containers: 'tag:gpu' });
    expect(facts.outputs).toMatchObject({ result: 'observed', changed: 'false', plan: '' });
    expect(facts.pctCalls).toHaveLength(2);
    const text = await readFile(facts.outputs['facts'] ?? '', 'utf8');

    const here = await planned(one, { containers: 'tag:gpu' });
    const elsewhere = await two.run(
      { mode: 'plan', ...WISH, containers: `${second.ctid},${first.ctid}`, facts: 'pve1.json' },
      { exitCode: 0, workspace: { 'pve1.json': text } },
    );
    expect(elsewhere.pctCalls).toEqual([]);
    expect(elsewhere.outputs).toMatchObject({ result: 'planned', 'plan-digest': here.digest });
    expect(here.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

describe('between approval and application', () => {
  const gpu = { containers: 'tag:gpu' };

  /** Changes something, applies what was approved before, and puts it back. */
  async function afterChange(
    inputs: Record<string, string>,
    change: () => Promise<unknown>,
    back: () => Promise<unknown>,
  ): Promise<ActionResult> {
    const { text } = await planned(one, inputs);
    await change();
    try {
      const result = await apply(one, text, inputs, 1);
      expect(result.outputs['changed']).toBe('false');
      // Only looked at: one probe for each container.
      expect(new Set(result.pctCalls.map(({ argv }) => argv[0]))).toEqual(new Set(['exec']));
      for (const container of [first, second]) expect(await leftovers(container)).toBe('');
      return result;
    } finally {
      await back();
    }
  }
  const difference = (result: ActionResult): string => {
    expect(result.outputs['failure-reason']).toBe('PLAN_CHANGED');
    return result.annotations.find(({ properties }) => properties['title'] === 'PLAN_CHANGED')?.message ?? '';
  };
  const inFirst = (script: string) => first.execOk({ script });

  test("the host's driver changed", async () => {
    const result = await afterChange(
      gpu,
      () => one.host.setDriver('550.163.01'),
      () => one.host.setDriver(DRIVER),
    );
    expect(difference(result)).toContain(`host, driver: approved ${DRIVER}, now 550.163.01`);
  });

  test("a container's user space changed", async () => {
    const file = '/usr/lib/x86_64-linux-gnu/libcuda.so.525.60.13';
    const result = await afterChange(
      gpu,
      () => inFirst(`touch ${file}`),
      () => inFirst(`rm ${file}`),
    );
    expect(difference(result)).toContain(`container ${first.ctid}, found, userSpace: approved none, now 525.60.13`);
  });

  test('a container has another distribution', async () => {
    const result = await afterChange(
      gpu,
      () => inFirst('cp /etc/os-release /root/kept; sed -i s/VERSION_ID=.*/VERSION_ID=13/ /etc/os-release'),
      () => inFirst('mv /root/kept /etc/os-release'),
    );
    expect(difference(result)).toContain('found, distribution: approved debian 12, now debian 13');
  });

  test('the runfile has other bytes', async () => {
    const result = await afterChange(
      gpu,
      () =>
        one.upstream.setFaults([
          { path: `/**/${DRIVER}/*.sha256sum`, action: { kind: 'replace', body: `${'0'.repeat(64)}  x.run\n` } },
        ]),
      () => one.upstream.setFaults([]),
    );
    expect(difference(result)).toMatch(/actions, install-driver, runfile: approved [0-9a-f]{64}, now 0{64}/);
  });

  test('a repository has a newer package', async () => {
    const path = '/second/libnvidia-container/stable/deb/amd64/Packages';
    const index = await readFile(
      `${one.upstream.root}/nvidia.github.io/libnvidia-container/stable/deb/amd64/Packages`,
      'utf8',
    );
    const body = index.replaceAll(/^(Package: libnvidia-container1\n(?:.+\n)*?Version: ).*/gm, '$1999.0-1');
    const result = await afterChange(
      { ...gpu, 'nvidia-container': 'library', 'nvidia-container-repository': SECOND },
      () => one.upstream.setFaults([{ path, action: { kind: 'replace', body } }]),
      () => one.upstream.setFaults([]),
    );
    expect(difference(result)).toMatch(/packages, libnvidia-container1: approved 1\.\S+, now 999\.0-1/);
  });

  test('a repository has another key', async () => {
    const { debian13, container } = one.upstream.fingerprints;
    const cuda = `${one.upstream.root}/developer.download.nvidia.com/compute/cuda/repos/debian13/x86_64`;
    const body = await readFile(`${cuda}/8793F200.pub`, 'utf8');
    const result = await afterChange(
      {
        ...gpu,
        'nvidia-container': 'library',
        'nvidia-container-repository': SECOND,
        'nvidia-container-repository-key': `${container},${debian13}`,
      },
      () => one.upstream.setFaults([{ path: '/second/libnvidia-container/gpgkey', action: { kind: 'replace', body } }]),
      () => one.upstream.setFaults([]),
    );
    expect(difference(result)).toMatch(new RegExp(`keys, .*: approved ${container}, now ${debian13}`));
  });

  test('the selection changed', async () => {
    const result = await afterChange(
      gpu,
      () => one.host.editConfig(second.ctid, 'tags', null),
      () => one.host.editConfig(second.ctid, 'tags', 'gpu'),
    );
    expect(difference(result)).toContain(`container ${second.ctid}: approved`);
  });

  test('the digest alone tells that something changed, not what', async () => {
    const { digest } = await planned(one, { containers: `${first.ctid}` });
    const result = await apply(one, '', { ...gpu, 'approved-plan': digest }, 1);
    expect(difference(result)).toContain(digest);
  });

  test('a plan of another host is refused before a container is looked at', async () => {
    const { text } = await planned(one, gpu);
    const result = await apply(two, text, gpu, 1);
    expect(result.outputs['failure-reason']).toBe('PLAN_OTHER_HOST');
    expect(result.pctCalls).toEqual([]);
  });

  test('free space and time may differ; applied once it is done, and used up', async () => {
    const { text, digest } = await planned(one, gpu);
    for (const { ctid } of [first, second]) await one.host.pct('snapshot', `${ctid}`, 'users');
    for (const container of [first, second])
      await container.execOk(['dd', 'if=/dev/zero', 'of=/var/filler', 'bs=1M', 'count=20']);
    const result = await apply(one, text, gpu);
    expect(statuses(result)).toEqual({ [first.ctid]: 'changed', [second.ctid]: 'changed' });
    expect(result.outputs['plan-digest']).toBe(digest);
    expect(await libraryVersions(second)).toEqual([DRIVER]);

    const again = await apply(one, text, gpu);
    expect(again.outputs['result']).toBe('converged');
    expect(again.stdout).toContain('was applied already');

    await inFirst('rm /usr/lib/x86_64-linux-gnu/libcuda.so.1');
    const used = await apply(one, text, gpu, 1);
    expect(used.outputs['failure-reason']).toBe('PLAN_USED');

    // Brought back to what they were, the containers need the same plan; made and approved anew, it is good once more.
    for (const container of [first, second]) {
      await one.host.pct('rollback', `${container.ctid}`, 'users', '--start', '1');
    }
    const old = await apply(one, text, gpu, 1);
    expect(old.outputs['failure-reason']).toBe('PLAN_USED');
    const anew = await planned(one, gpu);
    expect(anew.digest).toBe(digest);
    const restored = await apply(one, anew.text, gpu);
    expect(statuses(restored)).toEqual({ [first.ctid]: 'changed', [second.ctid]: 'changed' });
  });
});

describe('when a container fails', () => {
  /** The driver can't be installed in it. */
  const breakInstallation = (container: Container) =>
    two.host.setSwitches({
      faults: [
        { subcommand: 'exec', ctid: container.ctid, match: '\\./nvidia-installer', exitCode: 255, stderr: 'broken' },
      ],
    });

  test('the rest is not started; the same approval goes on once the cause is gone', async () => {
    const others = [fourth, await two.container(), await two.container()];
    const four = { containers: [third, ...others].map(({ ctid }) => ctid).join(', ') };
    const of = (canary: string, rest: string) =>
      Object.fromEntries([[third.ctid, canary], ...others.map(({ ctid }) => [ctid, rest])]);
    const { text } = await planned(two, four);
    await breakInstallation(third);
    const stopped = await apply(two, text, { ...four, 'max-parallel': '1' }, 1);
    expect(statuses(stopped)).toEqual(of('failed', 'aborted'));
    for (const container of others) expect(await libraryVersions(container)).toEqual([]);
    expect(stopped.summary).toContain('not started');

    const went = await apply(two, text, { ...four, 'on-failure': 'continue' }, 1);
    expect(statuses(went)).toEqual(of('failed', 'changed'));
    for (const container of others) expect(await libraryVersions(container)).toEqual([DRIVER]);

    await two.host.setSwitches({});
    const done = await apply(two, text, four);
    expect(statuses(done)).toEqual(of('changed', 'converged'));
  });
});

describe('drift', () => {
  test('is a failed step with an annotation for each container, and changes nothing', async () => {
    const inputs = { mode: 'verify', ...WISH, containers: 'tag:gpu' };
    expect((await two.run(inputs)).outputs['result']).toBe('converged');

    await two.host.setDriver('580.142');
    const drifted = await two.run(inputs, { exitCode: 1 });
    expect(drifted.outputs).toMatchObject({ result: 'failed', 'failure-reason': 'DRIFT', changed: 'false' });
    expect(statuses(drifted)).toEqual({ [third.ctid]: 'drifted', [fourth.ctid]: 'drifted' });
    const told = drifted.annotations.filter(({ properties }) => properties['title'] === 'DRIFT');
    expect(told.map(({ message }) => message)).toEqual([
      expect.stringContaining(`runs driver 580.142, container ${third.ctid} has ${DRIVER}`),
      expect.stringContaining(`runs driver 580.142, container ${fourth.ctid} has ${DRIVER}`),
    ]);
    expect(drifted.pctCalls).toHaveLength(2);
    await two.host.setDriver(DRIVER);
  });
});
