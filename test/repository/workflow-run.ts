/**
 * Runs one of the repository's called workflows without GitHub: conditions, names, outputs and inputs by GitHub's own
 * parser and evaluator, the steps of `.github/actions/rollout` as the processes they are. Stood in for are the action on
 * the hosts, artifacts, the approvals and GitHub's API.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, matchesGlob } from 'node:path';
import { planDigest } from '../../src/plan/identity.ts';
import { identified } from '../unit/helpers/plans.ts';
import { type Conditions, readConditions } from './conditions.ts';
import { type Contexts, fill, holds, type Outcome, value } from './expressions.ts';
import { branch, commit, environment, file, review, run } from './github-answers.ts';
import { type Job, type Manifest, ROOT, readManifest, readWorkflow, type Step } from './workflow-files.ts';

const REPOSITORY = 'OWNER/infrastructure';
/** The commit that every run is of. */
const SHA = 'a'.repeat(40);
const WORKFLOW = '.github/workflows/rollout.yml';
/** What that workflow calls, where the setting doesn't say otherwise. */
const CALLS = [`OWNER/proxmox-lxc-nvidia/.github/workflows/rollout.yml@${'0'.repeat(40)}`];

/** How the action behaves on one host. */
export interface HostBehaviour {
  plan?: 'planned' | 'converged' | 'failed';
  /** What it plans differs so from the others. */
  change?: (plan: ReturnType<typeof identified>) => void;
  apply?: 'changed' | 'failed';
  verify?: 'converged' | 'failed';
  /** The runner dies while it applies: no step of the job runs after that. */
  dies?: boolean;
}

export interface Setting {
  wishes: string;
  hosts?: Record<string, HostBehaviour>;
  inputs?: Record<string, unknown>;
  event?: string;
  ref?: string;
  /** What becomes of the wait for an environment's approval; `none`: it has no reviewers. */
  approvals?: Record<string, 'approved' | 'rejected' | 'none'>;
  /** Which attempt of the run this is, and the reviews of those before. */
  attempt?: number;
  earlierReviews?: ReturnType<typeof review>[];
  /** What GitHub says of the environments' rules afterwards; else as they were when the job waited. */
  environments?: Record<string, 'reviewers' | 'none' | 403 | 404>;
  /**
   * A commit that reaches the branch and the files it changes: at once, while the environment is waited for, or after
   * the job of that name.
   */
  push?: { sha: string; changes: string[]; while?: string; after?: string };
  /** The called workflows of the run, as GitHub lists them. */
  calls?: string[];
  /** Name of the job in whose apply step somebody cancels the run. */
  cancelIn?: string;
  /** Changes the run's artifacts (a folder each) when this job is done. */
  after?: { job: string; change: (artifacts: string) => Promise<void> };
}

export interface JobRun {
  id: string;
  name: string;
  result: 'success' | 'failure' | 'cancelled' | 'skipped';
}

export interface WorkflowRun {
  jobs: JobRun[];
  /** Names of hosts in the order in which they were changed, with the digest that was approved for each. */
  applied: { host: string; digest: string }[];
  /** Environments that were waited for. */
  asked: string[];
  summary: string;
  /** What the steps print. */
  log: string;
  outputs: Record<string, string>;
  jobOutputs: Record<string, Record<string, string>>;
  /** Hosts whose runner took a job. */
  selfHosted: string[];
}

/** What a job's steps come to. */
type JobResult = JobRun['result'];

export async function runWorkflow(path: string, setting: Setting): Promise<WorkflowRun> {
  const folder = await mkdtemp(join(tmpdir(), 'workflow-run-'));
  const run = new Run(folder, setting);
  try {
    return await run.run(path);
  } finally {
    await run.close();
    await rm(folder, { recursive: true });
  }
}

class Run {
  readonly #folder: string;
  readonly #setting: Setting;
  readonly #jobs: JobRun[] = [];
  readonly #results = new Map<string, { result: JobResult; outputs: Record<string, string> }>();
  readonly #reviews: ReturnType<typeof review>[] = [];
  readonly #asked: string[] = [];
  readonly #waited: string[] = [];
  readonly #applied: WorkflowRun['applied'] = [];
  readonly #selfHosted: string[] = [];
  #cancelled = false;
  #log = '';
  #steps = 0;
  readonly #server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    const { status, body } = this.#api(request.url ?? '', request.headers.authorization ?? '');
    response.writeHead(status).end(JSON.stringify(body));
  });

  constructor(folder: string, setting: Setting) {
    this.#folder = folder;
    this.#setting = setting;
    this.#reviews.push(...(setting.earlierReviews ?? []));
  }

  async close() {
    await new Promise((closed) => this.#server.close(closed));
  }

  async run(path: string): Promise<WorkflowRun> {
    await new Promise<void>((listening) => this.#server.listen(0, '127.0.0.1', listening));
    await mkdir(join(this.#folder, 'workspace'));
    await mkdir(join(this.#folder, 'artifacts'));
    const workflow = await readWorkflow(path);
    const conditions = await readConditions(path);
    const inputs = Object.fromEntries(
      Object.entries(workflow.on.workflow_call?.inputs ?? {}).map(([name, input]) => [name, input.default]),
    );
    const base: Contexts = {
      inputs: { ...inputs, ...this.#setting.inputs },
      github: {
        event: { repository: { default_branch: 'main' } },
        event_name: this.#setting.event ?? 'push',
      },
    };
    // The files name jobs in the order of their needs; the test of the files checks it.
    for (const [id, job] of Object.entries(workflow.jobs)) {
      await this.#runJob(id, job, base, conditions[id] ?? { job: 'success()', steps: [] });
      if (this.#setting.after?.job === id) await this.#setting.after.change(join(this.#folder, 'artifacts'));
    }
    const jobs = Object.fromEntries(this.#results);
    const outputs = Object.fromEntries(
      Object.entries(workflow.on.workflow_call?.outputs ?? {}).map(([name, { value }]) => [
        name,
        fill(value, { jobs }),
      ]),
    );
    const summary = await readFile(join(this.#folder, 'summary'), 'utf8').catch(() => '');
    return {
      jobs: this.#jobs,
      applied: this.#applied,
      asked: this.#asked,
      summary,
      log: this.#log,
      outputs,
      jobOutputs: Object.fromEntries([...this.#results].map(([id, result]) => [id, result.outputs])),
      selfHosted: this.#selfHosted,
    };
  }

  async #runJob(id: string, job: Job, base: Contexts, conditions: Conditions) {
    const names = [job.needs ?? []].flat();
    const needs = Object.fromEntries(names.map((name) => [name, this.#results.get(name)]));
    const results = names.map((name) => this.#results.get(name)?.result);
    // The stand-in's token is the list of what it may read.
    const token = Object.keys(job.permissions ?? {}).join(' ') || 'nothing';
    const contexts = { ...base, github: { ...(base['github'] as object), token }, needs };
    if (!holds(conditions.job, contexts, this.#cancelled ? 'cancelled' : outcomeOf(results))) {
      this.#jobs.push({ id, name: id, result: 'skipped' });
      this.#results.set(id, { result: 'skipped', outputs: {} });
      return;
    }
    const hosts = job.strategy === undefined ? [null] : (value(job.strategy.matrix['host'], contexts) as object[]);
    const own: JobResult[] = [];
    let outputs: Record<string, string> = {};
    for (const host of hosts) {
      const result = await this.#runInstance(
        id,
        job,
        host === null ? contexts : { ...contexts, matrix: { host } },
        conditions,
      );
      own.push(result.result);
      outputs = result.outputs;
    }
    const worst = (['failure', 'cancelled'] as const).find((result) => own.includes(result)) ?? 'success';
    this.#results.set(id, { result: worst, outputs });
  }

  async #runInstance(id: string, job: Job, contexts: Contexts, conditions: Conditions) {
    const entry: { id: string; name: string; result: JobResult } = {
      id,
      name: fill(job.name, contexts),
      result: 'success',
    };
    this.#jobs.push(entry);
    const end = (result: JobResult, outputs = {}) => {
      entry.result = result;
      return { result, outputs };
    };
    if (this.#cancelled && !conditions.job.includes('always()')) return end('cancelled');
    if (job.environment !== undefined) {
      const answer = this.#setting.approvals?.[job.environment] ?? 'approved';
      this.#waited.push(job.environment);
      if (answer !== 'none') {
        this.#asked.push(job.environment);
        this.#reviews.push(review(job.environment, answer));
      }
      if (answer === 'rejected') return end('failure');
    }
    const labels = [job['runs-on'] ?? []].flat().map((label) => fill(label, contexts));
    const host = labels[0] === 'self-hosted' ? (labels[1] ?? '') : null;
    if (host !== null) this.#selfHosted.push(host);
    const temp = join(this.#folder, `temp-${this.#jobs.length}`);
    await mkdir(temp);

    const cancelledBefore = this.#cancelled;
    let status: Outcome = 'success';
    const steps: Record<string, { outputs: Record<string, string>; outcome: string }> = {};
    for (const [index, step] of (job.steps ?? []).entries()) {
      const known = { ...contexts, steps, job: { status }, runner: { temp } };
      if (!holds(conditions.steps[index] ?? '', known, status)) {
        if (step.id !== undefined) steps[step.id] = { outputs: {}, outcome: 'skipped' };
        continue;
      }
      const { ok, outputs } = await this.#runStep(step, known, { host, temp, job: entry.name });
      if (step.id !== undefined) steps[step.id] = { outputs, outcome: ok ? 'success' : 'failure' };
      if (ok === 'died') return end('failure');
      if (this.#cancelled && !cancelledBefore) status = 'cancelled';
      else if (!ok && step['continue-on-error'] !== true && status === 'success') status = 'failure';
    }
    const known = { ...contexts, steps };
    const outputs = Object.fromEntries(
      Object.entries(job.outputs ?? {}).map(([name, value]) => [name, fill(value, known)]),
    );
    return end(status, outputs);
  }

  async #runStep(
    step: Step,
    contexts: Contexts,
    where: { host: string | null; temp: string; job: string },
  ): Promise<{ ok: boolean | 'died'; outputs: Record<string, string> }> {
    const given = Object.fromEntries(
      Object.entries(step.with ?? {}).map(([name, value]) => [name, fill(value, contexts)]),
    );
    const artifacts = join(this.#folder, 'artifacts');
    switch (step.uses?.split('@')[0]) {
      case 'actions/checkout':
        await writeFile(join(this.#folder, 'workspace', 'gpu-hosts.json'), this.#setting.wishes);
        return { ok: true, outputs: {} };
      case 'actions/upload-artifact': {
        const path = given['path'] ?? '';
        await cp(path, join(artifacts, given['name'] ?? '', path.endsWith('.json') ? 'facts.json' : ''), {
          recursive: true,
        });
        return { ok: true, outputs: {} };
      }
      case 'actions/download-artifact':
        return { ok: await this.#download(artifacts, given), outputs: {} };
      case '$/.github/actions/nvidia':
        return this.#nvidia(given, where);
      case '$/.github/actions/rollout':
        return this.#rollout(given, where.temp);
      default:
        throw new Error(`no stand-in for ${step.uses ?? step.run}`);
    }
  }

  async #download(artifacts: string, { name, pattern, path = '' }: Record<string, string>): Promise<boolean> {
    await mkdir(path, { recursive: true });
    const names = await readdir(artifacts);
    if (name !== undefined) {
      if (names.includes(name)) await cp(join(artifacts, name), path, { recursive: true });
      return names.includes(name);
    }
    for (const one of names.filter((candidate) => matchesGlob(candidate, pattern ?? ''))) {
      await cp(join(artifacts, one), join(path, one), { recursive: true });
    }
    return true;
  }

  /** The action in the root, as its interface says it behaves. */
  async #nvidia(
    given: Record<string, string>,
    { host, temp, job }: { host: string | null; temp: string; job: string },
  ) {
    const behaviour = this.#setting.hosts?.[host ?? ''] ?? {};
    const { plan = 'planned', apply = 'changed', verify = 'converged', dies } = behaviour;
    const file = async (name: string, content: unknown) => {
      await writeFile(join(temp, name), JSON.stringify(content));
      return join(temp, name);
    };
    const content = identified();
    content.host.node = host ?? '';
    content.wish.verify = given['wishes'] ?? '';
    behaviour.change?.(content);
    const digest = planDigest(content);
    const failure = (reason: string) => ({ ok: false, outputs: { result: 'failed', 'failure-reason': reason } });
    const report = await file('report.json', {});
    switch (given['mode']) {
      case 'facts':
        return { ok: true, outputs: { result: 'observed', facts: await file('facts.json', {}) } };
      case 'plan':
        if (plan === 'failed') return failure('CONTAINER_STOPPED');
        return {
          ok: true,
          outputs: {
            result: plan,
            'plan-digest': digest,
            plan: await file('plan.json', { ...content, digest }),
            report,
          },
        };
      case 'apply': {
        const approved = JSON.parse(await readFile(given['approved-plan'] ?? '', 'utf8')).digest;
        if (approved !== digest) return failure('PLAN_CHANGED');
        this.#applied.push({ host: host ?? '', digest });
        if (dies === true) return { ok: 'died' as const, outputs: {} };
        if (this.#setting.cancelIn === job) {
          this.#cancelled = true;
          return failure('CANCELLED');
        }
        if (apply === 'failed') return failure('INSTALLER_FAILED');
        return { ok: true, outputs: { result: 'changed', report } };
      }
      default:
        return verify === 'failed' ? failure('DRIFT') : { ok: true, outputs: { result: 'converged' } };
    }
  }

  /** The step itself, as the runner starts it. */
  async #rollout(given: Record<string, string>, temp: string) {
    const manifest: Manifest = await readManifest('.github/actions/rollout/action.yml');
    const output = join(temp, `output-${this.#steps++}`);
    await writeFile(output, '');
    const environment: NodeJS.ProcessEnv = {
      GITHUB_API_URL: `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`,
      GITHUB_EVENT_NAME: this.#setting.event ?? 'push',
      GITHUB_OUTPUT: output,
      GITHUB_REF: this.#setting.ref ?? 'refs/heads/main',
      GITHUB_REPOSITORY: REPOSITORY,
      GITHUB_RUN_ATTEMPT: String(this.#setting.attempt ?? 1),
      GITHUB_RUN_ID: '1',
      GITHUB_SHA: SHA,
      GITHUB_WORKFLOW_REF: `${REPOSITORY}/${WORKFLOW}@refs/heads/main`,
      GITHUB_STEP_SUMMARY: join(this.#folder, 'summary'),
      GITHUB_WORKSPACE: join(this.#folder, 'workspace'),
      RUNNER_TEMP: temp,
    };
    for (const name of Object.keys(manifest.inputs)) environment[`INPUT_${name.toUpperCase()}`] = given[name] ?? '';
    const main = join(ROOT, '.github/actions/rollout', manifest.runs.main);
    const ok = await new Promise<boolean>((done) => {
      execFile(process.execPath, [main], { env: environment }, (error, stdout, stderr) => {
        this.#log += stdout + stderr;
        done(error === null);
      });
    });
    return { ok, outputs: readOutputs(await readFile(output, 'utf8')) };
  }

  #api(url: string, authorization: string): { status: number; body: unknown } {
    const [path = '', query = ''] = url.replace(`/repos/${REPOSITORY}/`, '').split('?');
    const permission = /^(branches|commits|contents)\//.test(path) ? 'contents' : 'actions';
    if (!authorization.split(' ').includes(permission)) {
      return { status: 403, body: { message: 'Resource not accessible by integration', status: '403' } };
    }
    const answer = (body: unknown) => ({ status: 200, body });
    const notFound = { status: 404, body: { message: 'Not Found', status: '404' } };
    const { push } = this.#setting;
    const pushed =
      push !== undefined &&
      (push.while === undefined || this.#waited.includes(push.while)) &&
      // The last one is the job that asks; those before it have ended.
      (push.after === undefined || this.#jobs.slice(0, -1).some(({ name }) => name === push.after));
    if (path.endsWith('/approvals')) return answer(this.#reviews);
    if (path.startsWith('environments/')) {
      const name = decodeURIComponent(path.slice('environments/'.length));
      const rules =
        this.#setting.environments?.[name] ?? (this.#setting.approvals?.[name] === 'none' ? 'none' : 'reviewers');
      if (typeof rules === 'number') return { status: rules, body: { message: 'No' } };
      return answer(environment(name, rules === 'reviewers'));
    }
    if (path === 'actions/runs/1') return answer(run(this.#setting.calls ?? CALLS));
    if (path === 'branches/main') return answer(branch('main', pushed ? push.sha : SHA));
    if (path === `commits/${SHA}`) return answer(commit(SHA, '2026-01-01T00:00:00Z'));
    if (path.startsWith('contents/')) {
      const name = decodeURIComponent(path.slice('contents/'.length));
      const newer = query === `ref=${push?.sha}` && push?.changes.includes(name);
      return answer(file(name, newer ? 'b'.repeat(40) : 'c'.repeat(40)));
    }
    if (path.includes('/workflows/')) {
      const own = { head_branch: 'main', head_repository: { full_name: REPOSITORY } };
      const fork = { head_branch: 'main', head_repository: { full_name: 'mallory/infrastructure' } };
      const runs = [
        { id: 13, event: 'pull_request', ...own },
        { id: 12, event: 'schedule', ...fork },
        { id: 11, event: 'schedule', ...own },
      ];
      return answer({ workflow_runs: runs });
    }
    if (!path.endsWith('/jobs')) return notFound;
    const jobs = this.#jobs.map(({ name, result }, index) => ({
      name: `rollout / ${name}`,
      // The last one is the job that asks; it has no conclusion yet.
      conclusion: index === this.#jobs.length - 1 ? null : result,
    }));
    return answer({ total_count: jobs.length, jobs });
  }
}

/** A job's `success()` asks that all of its needs succeeded; a skipped one is neither success nor failure. */
function outcomeOf(results: (JobResult | undefined)[]): Outcome {
  if (results.includes('cancelled')) return 'cancelled';
  if (results.includes('failure')) return 'failure';
  return results.every((result) => result === 'success') ? 'success' : 'skipped';
}

function readOutputs(content: string): Record<string, string> {
  const blocks = content.matchAll(/^(\S+?)<<(\S+)\n([\s\S]*?)\n\2$/gm);
  return Object.fromEntries([...blocks].map(([, name, , value]) => [name ?? '', value ?? '']));
}
