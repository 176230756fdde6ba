import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { review } from './github-answers.ts';
import { EXAMPLE, text } from './workflow-files.ts';
import { runWorkflow, type Setting, type WorkflowRun } from './workflow-run.ts';

const ROLLOUT = '.github/workflows/rollout.yml';
let wishes: string;

beforeAll(async () => {
  wishes = await text(`${EXAMPLE}gpu-hosts.json`);
});

const rollout = (setting: Omit<Setting, 'wishes'> = {}) => runWorkflow(ROLLOUT, { wishes, ...setting });
const hosts = ({ applied }: WorkflowRun) => applied.map(({ host }) => host);
const resultOf = ({ jobs }: WorkflowRun, name: string) => jobs.find((job) => job.name === name)?.result;
const row = ({ summary }: WorkflowRun, host: string) =>
  summary
    .slice(summary.indexOf('## Rollout'))
    .split('\n')
    .find((line) => line.startsWith(`| ${host} `));

describe('a rollout', () => {
  test('asks for the canary, then once for the others, and changes them one by one', async () => {
    const run = await rollout();
    expect(run.jobs.map(({ name, result }) => `${name}: ${result}`)).toEqual([
      'Wishes: success',
      'Plan for pve1: success',
      'Plan for pve2: success',
      'Plan for pve3: success',
      'Plans for approval: success',
      'Approval for the canary: success',
      'Apply to pve1: success',
      'Reviews before the fleet: success',
      'Approval for the fleet: success',
      'Apply to pve2: success',
      'Apply to pve3: success',
      'Summary of all hosts: success',
    ]);
    expect(run.asked).toEqual(['gpu-canary', 'gpu-fleet']);
    expect(hosts(run)).toEqual(['pve1', 'pve2', 'pve3']);
    expect(row(run, 'pve2')).toContain('changed, verified');
    for (const { host, digest } of run.applied) expect(run.summary).toContain(`- ${host}: \`${digest}\``);
    expect(run.summary).toContain('Approved by alice.');
    expect(run.outputs['canary']).toBe('pve1');
  });

  test('with nothing to do asks nobody', async () => {
    const run = await rollout({
      hosts: { pve1: { plan: 'converged' }, pve2: { plan: 'converged' }, pve3: { plan: 'converged' } },
    });
    expect(run.asked).toEqual([]);
    expect(hosts(run)).toEqual([]);
    expect(run.jobs.map(({ result }) => result)).not.toContain('failure');
    expect(run.summary).toContain('Nobody is asked');
    expect(row(run, 'pve3')).toContain('as wanted');
  });

  test('takes the first host with changes as canary', async () => {
    const run = await rollout({ hosts: { pve1: { plan: 'converged' } } });
    expect(hosts(run)).toEqual(['pve2', 'pve3']);
    expect(run.outputs['canary']).toBe('pve2');
    expect(row(run, 'pve1')).toContain('as wanted');
  });

  test('with changes on one host asks only once', async () => {
    const run = await rollout({ hosts: { pve1: { plan: 'converged' }, pve3: { plan: 'converged' } } });
    expect(run.asked).toEqual(['gpu-canary']);
    expect(hosts(run)).toEqual(['pve2']);
    expect(resultOf(run, 'fleet')).toBe('skipped');
  });

  test.each<[string, Setting['hosts'] & object, string]>([
    ['fails', { pve1: { apply: 'failed' } }, 'INSTALLER_FAILED'],
    ['is not as wanted afterwards', { pve1: { verify: 'failed' } }, 'DRIFT'],
  ])('whose canary %s starts no other host', async (_, behaviour, reason) => {
    const run = await rollout({ hosts: behaviour });
    expect(hosts(run)).toEqual(['pve1']);
    expect(run.asked).toEqual(['gpu-canary']);
    expect(resultOf(run, 'Apply to pve1')).toBe('failure');
    expect(resultOf(run, 'approve-fleet')).toBe('skipped');
    expect(row(run, 'pve1')).toContain(`**failed** | ${reason.replaceAll('_', '&#95;')}`);
    expect(row(run, 'pve2')).toContain('not started | the canary ended as failure');
  });

  test('whose canary loses its runner starts no other host', async () => {
    const run = await rollout({ hosts: { pve1: { dies: true } } });
    expect(hosts(run)).toEqual(['pve1']);
    expect(row(run, 'pve1')).toContain('no result from its runner &#40;failure&#41;');
  });

  test.each(['failed', 'dies'] as const)('stops after a host of the fleet that %s', async (how) => {
    const run = await rollout({ hosts: { pve2: how === 'dies' ? { dies: true } : { apply: 'failed' } } });
    expect(hosts(run)).toEqual(['pve1', 'pve2']);
    expect(resultOf(run, 'Apply to pve3')).toBe('failure');
    expect(run.log).toContain('::error::pve3 is not touched, because pve2 failed before.');
    expect(row(run, 'pve1')).toContain('changed, verified');
    expect(row(run, 'pve3')).toContain('not started | EARLIER&#95;HOST&#95;FAILED');
  });

  test.each(['gpu-canary', 'gpu-fleet'])('that is rejected at %s goes no further', async (environment) => {
    const run = await rollout({ approvals: { [environment]: 'rejected' } });
    expect(hosts(run)).toEqual(environment === 'gpu-canary' ? [] : ['pve1']);
    expect(row(run, 'pve3')).toContain('not approved &#40;failure&#41;');
  });

  test.each(['gpu-canary', 'gpu-fleet'])('refuses when %s has no reviewers', async (environment) => {
    const run = await rollout({ approvals: { [environment]: 'none' } });
    expect(hosts(run)).toEqual(environment === 'gpu-canary' ? [] : ['pve1']);
    expect(run.log).toContain(`no approval for the environment "${environment}"`);
  });

  describe('that is run again', () => {
    test.each(['gpu-canary', 'gpu-fleet'])(
      'refuses when only an earlier attempt has an approval of %s',
      async (name) => {
        const run = await rollout({
          attempt: 3,
          earlierReviews: [review('gpu-canary', 'approved'), review('gpu-fleet', 'approved')],
          approvals: { [name]: 'none' },
        });
        expect(hosts(run)).toEqual(name === 'gpu-canary' ? [] : ['pve1']);
        expect(run.log).toContain(`this attempt of the run has no approval for the environment "${name}"`);
      },
    );

    test('refuses what was approved once and rejected later, by an environment that asks nobody any more', async () => {
      const run = await rollout({
        attempt: 3,
        earlierReviews: [review('gpu-canary', 'approved'), review('gpu-canary', 'rejected')],
        approvals: { 'gpu-canary': 'none' },
      });
      expect(hosts(run)).toEqual([]);
    });

    test('goes on when it is approved anew, and names who did', async () => {
      const run = await rollout({
        attempt: 2,
        earlierReviews: [review('gpu-canary', 'approved', 'mallory'), review('gpu-canary', 'rejected', 'bob')],
      });
      expect(hosts(run)).toEqual(['pve1', 'pve2', 'pve3']);
      expect(run.summary).toContain('Approved by alice.');
      expect(run.summary).not.toContain('mallory');
    });
  });

  test.each(['gpu-canary', 'gpu-fleet'])('refuses when the reviewers of %s are gone by now', async (name) => {
    const run = await rollout({ environments: { [name]: 'none' } });
    expect(hosts(run)).toEqual(name === 'gpu-canary' ? [] : ['pve1']);
    expect(run.log).toContain(`The environment "${name}" has no required reviewers.`);
  });

  test.each([403, 404] as const)('says so when it may not read the rules of an environment (%i)', async (status) => {
    const run = await rollout({ environments: { 'gpu-canary': status } });
    expect(hosts(run)).toEqual(['pve1', 'pve2', 'pve3']);
    expect(run.summary).toContain(`can't be known: GitHub answers ${status}.`);
  });

  describe('whose branch has a newer commit', () => {
    const newer = 'd'.repeat(40);

    test.each(['gpu-hosts.json', '.github/workflows/rollout.yml'])('with another %s reaches no host', async (path) => {
      const run = await rollout({ push: { sha: newer, changes: [path] }, attempt: 2 });
      expect(resultOf(run, 'Wishes')).toBe('failure');
      expect(run.selfHosted).toEqual([]);
      expect(run.log).toContain(`the newest commit of main is dddddddddddd, and ${path} is another there.`);
      expect(run.summary).toContain('No host was looked at: SUPERSEDED.');
    });

    test('with another workflow that is called on the way reaches no host', async () => {
      const nested = '.github/workflows/nested.yml';
      const run = await rollout({
        push: { sha: newer, changes: [nested] },
        calls: [
          `OWNER/infrastructure/${nested}@refs/heads/main`,
          `OWNER/proxmox-lxc-nvidia/.github/workflows/rollout.yml@${'0'.repeat(40)}`,
        ],
      });
      expect(run.selfHosted).toEqual([]);
      expect(run.log).toContain(`the newest commit of main is dddddddddddd, and ${nested} is another there.`);
    });

    test('that changes none of them goes on', async () => {
      const run = await rollout({ push: { sha: newer, changes: ['README.md'] } });
      expect(hosts(run)).toEqual(['pve1', 'pve2', 'pve3']);
    });

    test.each(['gpu-canary', 'gpu-fleet'])('that came while %s was waited for stops there', async (environment) => {
      const run = await rollout({ push: { sha: newer, changes: ['gpu-hosts.json'], while: environment } });
      expect(run.asked).toContain(environment);
      expect(hosts(run)).toEqual(environment === 'gpu-canary' ? [] : ['pve1']);
      expect(row(run, 'pve3')).toContain('not approved &#40;SUPERSEDED&#41;');
    });

    // What "Re-run failed jobs" finds: the jobs before the hosts', which succeeded, don't run again.
    test.each([
      ['Approval for the canary', [], ['pve1']],
      ['Approval for the fleet', ['pve1'], ['pve2', 'pve3']],
      ['Apply to pve2', ['pve1', 'pve2'], ['pve3']],
    ])('that came after "%s" is seen by the hosts themselves', async (after, changed, refused) => {
      const run = await rollout({ push: { sha: newer, changes: ['gpu-hosts.json'], after } });
      expect(hosts(run)).toEqual(changed);
      for (const host of refused) expect(row(run, host)).toContain('not started | SUPERSEDED');
      expect(run.log).toContain('the newest commit of main is dddddddddddd, and gpu-hosts.json is another there.');
    });

    test('is no matter to the hosts where it changes none of these files', async () => {
      const run = await rollout({ push: { sha: newer, changes: ['README.md'], after: 'Approval for the canary' } });
      expect(hosts(run)).toEqual(['pve1', 'pve2', 'pve3']);
    });

    test('is refused without required reviewers, too', async () => {
      const run = await rollout({
        push: { sha: newer, changes: ['gpu-hosts.json'], while: 'gpu-canary' },
        approvals: { 'gpu-canary': 'none', 'gpu-fleet': 'none' },
        inputs: { 'approval-required': false },
      });
      expect(hosts(run)).toEqual([]);
    });
  });

  test('goes on without reviewers where the caller says so, and tells it', async () => {
    const run = await rollout({
      approvals: { 'gpu-canary': 'none', 'gpu-fleet': 'none' },
      inputs: { 'approval-required': false },
    });
    expect(hosts(run)).toEqual(['pve1', 'pve2', 'pve3']);
    expect(run.summary).toContain('Nobody was asked');
  });

  test.each(['Apply to pve1', 'Apply to pve2'])(
    'that is cancelled during "%s" starts nothing more and still sums up',
    async (cancelIn) => {
      const run = await rollout({ cancelIn });
      expect(hosts(run)).toEqual(cancelIn === 'Apply to pve1' ? ['pve1'] : ['pve1', 'pve2']);
      expect(resultOf(run, 'Summary of all hosts')).toBe('success');
      expect(row(run, cancelIn.slice(-4))).toContain('**cancelled**');
      expect(row(run, 'pve3')).toContain('not started');
    },
  );

  test('asks nobody when a host could not be planned', async () => {
    const run = await rollout({ hosts: { pve3: { plan: 'failed' } } });
    expect(run.asked).toEqual([]);
    expect(hosts(run)).toEqual([]);
    expect(row(run, 'pve1')).toContain('planned only');
    expect(row(run, 'pve3')).toContain('**not planned** | CONTAINER&#95;STOPPED');
  });

  test('for a pull request reaches no host', async () => {
    const run = await rollout({ event: 'pull_request', ref: 'refs/pull/7/merge' });
    expect(resultOf(run, 'Wishes')).toBe('failure');
    expect(resultOf(run, 'plan')).toBe('skipped');
    expect(hosts(run)).toEqual([]);
    expect(run.summary).toContain('No host was looked at: the wishes could not be read.');
  });

  test('with wishes that are not understood reaches no host', async () => {
    const run = await runWorkflow(ROLLOUT, { wishes: '{}' });
    expect(run.log).toContain('::error::The wishes file names no host.');
    expect(resultOf(run, 'plan')).toBe('skipped');
  });

  test.each([
    [
      'replaced',
      async (path: string) => writeFile(path, JSON.stringify({ digest: 'sha256:other' })),
      'not the one that was approved',
    ],
    [
      'changed by one byte',
      async (path: string) => writeFile(path, `${await readFile(path, 'utf8')} `),
      'not the one that was approved',
    ],
    ['removed', async (path: string) => rm(path), 'no longer among'],
  ])('refuses a plan that was %s after the approval', async (_, change, message) => {
    const run = await rollout({
      after: { job: 'approve-canary', change: (artifacts) => change(join(artifacts, 'nvidia-plan-pve1', 'plan.json')) },
    });
    expect(hosts(run)).toEqual([]);
    expect(run.log).toContain(message);
    expect(row(run, 'pve1')).toContain('PLAN&#95;REPLACED');
  });

  test.each([
    ['is of another host', { host: 'pve1' }],
    ['names another digest than its plan', { digest: `sha256:${'0'.repeat(64)}` }],
    ['is no JSON', null],
  ])('asks nobody when a record %s', async (_, change) => {
    const run = await rollout({
      after: {
        job: 'plan',
        change: async (artifacts) => {
          const path = join(artifacts, 'nvidia-plan-pve2', 'record.json');
          const record = { ...JSON.parse(await readFile(path, 'utf8')), ...change };
          await writeFile(path, change === null ? '{' : JSON.stringify(record));
        },
      },
    });
    expect(resultOf(run, 'Plans for approval')).toBe('failure');
    expect(run.asked).toEqual([]);
  });

  test('shows what a host says as text, never as markup', async () => {
    const run = await rollout({
      after: {
        job: 'canary',
        change: async (artifacts) => {
          const path = join(artifacts, 'nvidia-result-pve1', 'record.json');
          const record = JSON.parse(await readFile(path, 'utf8'));
          await writeFile(
            path,
            JSON.stringify({ ...record, status: 'failure', failureReason: '| <img src=x>\n## [a](b)' }),
          );
        },
      },
    });
    expect(row(run, 'pve1')).toContain('&#124; &#60;img src=x&#62; &#35;&#35; &#91;a&#93;&#40;b&#41;');
  });
});

describe('drift', () => {
  test('is a failed job for each host that has it; the others are looked at all the same', async () => {
    const run = await runWorkflow('.github/workflows/drift.yml', {
      wishes,
      event: 'schedule',
      hosts: { pve2: { verify: 'failed' } },
    });
    expect(run.jobs.slice(1)).toEqual([
      { id: 'host', name: 'Verify pve1', result: 'success' },
      { id: 'host', name: 'Verify pve2', result: 'failure' },
      { id: 'host', name: 'Verify pve3', result: 'success' },
    ]);
    expect(run.applied).toEqual([]);
    expect(run.summary).toMatch(/commit aaaaaaaaaaaa &#40;\d+ days old; the newest of main&#41;/);
  });

  test('is looked for by an older commit, too, which is said', async () => {
    const push = { sha: 'd'.repeat(40), changes: ['gpu-hosts.json'] };
    const run = await runWorkflow('.github/workflows/drift.yml', { wishes, event: 'schedule', push });
    expect(run.selfHosted).toEqual(['pve1', 'pve2', 'pve3']);
    expect(run.summary).toContain('not the newest, which is dddddddddddd');
  });

  test('is not looked for on behalf of a pull request', async () => {
    const run = await runWorkflow('.github/workflows/drift.yml', {
      wishes,
      event: 'pull_request',
      ref: 'refs/pull/1/merge',
    });
    expect(resultOf(run, 'host')).toBe('skipped');
  });
});

describe('a pull request', () => {
  test('is planned for on hosted runners, from the newest facts that nobody but the schedule can have made', async () => {
    const run = await runWorkflow('.github/workflows/preview.yml', {
      wishes,
      event: 'pull_request',
      ref: 'refs/pull/7/merge',
      after: {
        job: 'wishes',
        change: async (artifacts) => {
          for (const host of ['pve1', 'pve2']) {
            await mkdir(join(artifacts, `nvidia-facts-${host}`));
            await writeFile(join(artifacts, `nvidia-facts-${host}`, 'facts.json'), '{}');
          }
        },
      },
    });
    expect(run.jobOutputs['wishes']?.['run-id']).toBe('11');
    expect(resultOf(run, 'Plan for pve2 from its facts')).toBe('success');
    expect(resultOf(run, 'Plan for pve3 from its facts')).toBe('failure');
    expect(run.selfHosted).toEqual([]);
  });
});
