/** The entry: the only file that knows the runner's variables and files. */
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { approvers, checkReviewers, type Reviews, reviewsOf } from './approved.ts';
import { checkPlan } from './approved-plan.ts';
import { checkEarlierHosts } from './earlier-hosts.ts';
import { Refusal } from './errors.ts';
import { factsRun } from './facts-run.ts';
import { openGate, type PlannedHost } from './gate.ts';
import { createGitHub } from './github.ts';
import { cell } from './markdown.ts';
import { writeRecord } from './record.ts';
import { closingSummary } from './summary.ts';
import { checkNewest, commitText, type RunCommit } from './superseded.ts';
import { checkTrusted } from './trusted.ts';
import { type HostWish, readWishes } from './wishes.ts';

const variable = (name: string) => process.env[name] ?? '';
const input = (name: string) => variable(`INPUT_${name.toUpperCase()}`).trim();
const run = `${variable('GITHUB_REPOSITORY')}/actions/runs/${variable('GITHUB_RUN_ID')}`;
const attempt = Number(variable('GITHUB_RUN_ATTEMPT'));
const github = () => createGitHub(variable('GITHUB_API_URL'), input('token'));

function setOutput(name: string, value: string): void {
  const end = `end-${randomUUID()}`;
  appendFileSync(variable('GITHUB_OUTPUT'), `${name}<<${end}\n${value}\n${end}\n`);
}

const addSummary = (markdown: string) => appendFileSync(variable('GITHUB_STEP_SUMMARY'), markdown);

/** A job's output; `otherwise` when the job didn't get so far. */
const json = <T>(name: string, otherwise: T): T => (input(name) === '' ? otherwise : (JSON.parse(input(name)) as T));

const planned = (): PlannedHost[] => {
  const canary = json<PlannedHost | null>('canary', null);
  return canary === null ? [] : [canary, ...json<PlannedHost[]>('fleet', [])];
};

const commit = (): RunCommit => {
  const repository = variable('GITHUB_REPOSITORY');
  // `OWNER/infrastructure/.github/workflows/rollout.yml@refs/heads/main`: the caller's file, in a called workflow, too.
  const workflow = variable('GITHUB_WORKFLOW_REF')
    .replace(/@.*$/s, '')
    .slice(repository.length + 1);
  const files = [input('wishes-file'), workflow].filter((path) => path !== '');
  return { repository, sha: variable('GITHUB_SHA'), ref: variable('GITHUB_REF'), files };
};

/** The reviews so far, for the job that looks at them after the approval. */
async function setReviews(): Promise<void> {
  setOutput('reviews', JSON.stringify(await reviewsOf(github(), run, attempt, input('environment'))));
}

/** Who approved the environment, in words; and what can't be known of whom it asks. */
async function approvedBy(environment: string): Promise<string> {
  const before = json<Reviews>('reviews', { attempt: 0, approved: {}, rejected: 0 });
  const names = await approvers(github(), run, environment, before, attempt);
  const unknown = await checkReviewers(github(), variable('GITHUB_REPOSITORY'), environment);
  return [`Approved by ${names.map(cell).join(', ')}.`, ...(unknown === null ? [] : [unknown])].join('\n\n');
}

const STEPS: Record<string, () => Promise<void>> = {
  wishes: async () => {
    if (input('on-hosts') !== 'false') {
      checkTrusted(variable('GITHUB_EVENT_NAME'), variable('GITHUB_REF'), input('default-branch'));
      if (input('superseded') === 'refuse') await checkNewest(github(), run, commit());
      else addSummary(`${cell(await commitText(github(), commit(), new Date()))}\n`);
    }
    const path = join(variable('GITHUB_WORKSPACE'), input('wishes-file'));
    const text = await readFile(path, 'utf8').catch(() => {
      throw new Refusal(`There is no file ${input('wishes-file')}.`, 'Give its path in "wishes-file".');
    });
    setOutput('hosts', JSON.stringify(readWishes(text)));
  },
  'facts-run': async () => {
    const id = await factsRun(github(), variable('GITHUB_REPOSITORY'), input('workflow'), input('default-branch'));
    setOutput('run-id', String(id));
  },
  record: async () => {
    const folder = join(variable('RUNNER_TEMP'), 'nvidia-record');
    const record = {
      host: input('host'),
      status: input('status'),
      result: input('result'),
      failureReason: input('failure-reason'),
      digest: input('plan-digest'),
    };
    await writeRecord(folder, record, input('files').split('\n').filter(Boolean));
    setOutput('folder', folder);
  },
  gate: async () => {
    const { canary, fleet, summary } = await openGate(json<HostWish[]>('hosts', []), input('folder'));
    addSummary(summary);
    await setReviews();
    setOutput('canary', canary === null ? '' : JSON.stringify(canary));
    setOutput('canary-name', canary?.name ?? '');
    setOutput('fleet', JSON.stringify(fleet));
  },
  reviews: setReviews,
  approved: async () => {
    const environment = input('environment');
    const plans = planned().map(({ name, digest }) => `- ${name}: \`${digest}\``);
    const by =
      input('approval-required') === 'false'
        ? 'Nobody was asked (approval-required: false): the merge of the wishes is the approval.'
        : await approvedBy(environment);
    await checkNewest(github(), run, commit());
    addSummary(`## ${environment}\n\n${by}\n\n${plans.join('\n')}\n`);
  },
  'earlier-hosts': async () => {
    const names = planned().map(({ name }) => name);
    await checkEarlierHosts(github(), run, input('host'), names);
  },
  'approved-plan': async () => {
    await checkPlan(input('plan'), input('sha256'), input('host'));
    // The jobs before aren't run again by "Re-run failed jobs", and this one may have waited for its host.
    await checkNewest(github(), run, commit());
  },
  summary: async () => {
    const gateReached = json<Record<string, { result: string }>>('jobs', {})['gate']?.result === 'success';
    addSummary(
      await closingSummary({
        hosts: json<HostWish[]>('hosts', []),
        planned: gateReached ? planned() : null,
        jobs: json('jobs', {}),
        folder: input('folder'),
      }),
    );
  },
};

try {
  const step = STEPS[input('step')];
  if (step === undefined) throw new Error(`No step "${input('step')}".`);
  await step();
} catch (error) {
  if (error instanceof Refusal && error.code !== null) setOutput('failure-reason', error.code);
  const message = error instanceof Refusal ? error.message : String((error as Error).stack);
  process.stdout.write(`::error::${message.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')}\n`);
  process.exitCode = 1;
}
