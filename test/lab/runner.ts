import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { type ActionProcess, runActionProcess } from './action-process.ts';
import { runOk } from './command.ts';
import type { Host } from './host.ts';
import { REPOSITORY_DIR } from './paths.ts';
import type { PctCall } from './pct.ts';
import { parseEnvironmentFile, parseWorkflowCommands, type WorkflowCommand } from './workflow-commands.ts';

export interface RunOptions {
  /** The step's `with:`; defaults of action.yml are filled in. */
  readonly inputs?: Readonly<Record<string, string>>;
  /** The step's `env:`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Directory of action.yml; default this repository. */
  readonly action?: string;
  /** Who runs the runner: root, or the user `runner` (see `Host.setSudo`). */
  readonly user?: 'root' | 'runner';
  /** Cancel once the output matches, after so many milliseconds, or when the promise is fulfilled. */
  readonly cancel?: { readonly when: RegExp | number | Promise<unknown> };
  /** Called with the process id of the main phase. */
  readonly onStart?: (pid: number) => void;
  /** Called at once when the main phase's process has ended. */
  readonly onEnd?: () => void;
  /** Default 5 minutes. */
  readonly timeoutMs?: number;
  /** Called with the main phase's output as it comes. */
  readonly onOutput?: (text: string) => void;
  /** Files of the checked-out workspace, by relative path. */
  readonly workspace?: Readonly<Record<string, string>>;
}

/** What one phase (main or post) of the action did. */
export interface PhaseResult extends ActionProcess {
  readonly commands: readonly WorkflowCommand[];
  /** `::error`, `::warning`, `::notice` commands only. */
  readonly annotations: readonly WorkflowCommand[];
  /** Text of $GITHUB_STEP_SUMMARY. */
  readonly summary: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly state: Readonly<Record<string, string>>;
  readonly exportedVariables: Readonly<Record<string, string>>;
  readonly addedPath: readonly string[];
}

export interface ActionResult extends PhaseResult {
  /** The `post` phase, if action.yml has one. */
  readonly post: PhaseResult | null;
  /** Calls of `pct` during both phases. */
  readonly pctCalls: readonly PctCall[];
  /** $RUNNER_TEMP, as the step left it. */
  readonly temp: string;
  readonly workspace: string;
  /** $RUNNER_TOOL_CACHE, kept from run to run of one host. */
  readonly toolCache: string;
}

/** Values a leak test looks for: no container may ever get to see one. */
export const SECRETS = {
  GITHUB_TOKEN: 'ghs_0000lab0000github0000token000000000',
  ACTIONS_RUNTIME_TOKEN: 'lab-actions-runtime-token',
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'lab-actions-id-token-request-token',
} as const;

interface ActionManifest {
  readonly inputs?: Readonly<Record<string, { readonly default?: unknown }>>;
  readonly runs: { readonly main: string; readonly post?: string };
}

let runs = 0;

/** Runs the action on a host as GitHub's runner does: main, then post, with the files and variables it gives a step. */
export async function runAction(host: Host, options: RunOptions = {}): Promise<ActionResult> {
  const action = options.action ?? REPOSITORY_DIR;
  const manifest = await readManifest(action);
  const runner = join(host.directory, 'runner');
  const step = join(runner, `${process.pid}-${++runs}`);
  const toolCache = join(runner, 'tool-cache');
  const temp = join(step, 'temp');
  const workspace = join(step, 'workspace');
  const home = join(runner, options.user === 'runner' ? 'home-runner' : 'home');
  for (const directory of [toolCache, temp, workspace, home]) await mkdir(directory, { recursive: true });
  for (const [path, text] of Object.entries(options.workspace ?? {})) {
    await mkdir(dirname(join(workspace, path)), { recursive: true });
    await writeFile(join(workspace, path), text);
  }
  await writeFile(join(step, 'event.json'), '{}');
  if (options.user === 'runner') await runOk(host.enter(['chown', '-R', 'runner:', step, toolCache, home]));

  const environment = {
    ...runnerEnvironment(step, temp, workspace, toolCache, home),
    ...(await trust(host)),
    ...inputVariables(manifest, options.inputs ?? {}),
    ...options.env,
  };
  const before = (await host.pctCalls()).length;
  const phase = (script: string, name: string, state: Readonly<Record<string, string>>) =>
    runPhase(host, options, join(step, name), join(action, script), workspace, {
      ...environment,
      ...stateVariables(state),
    });

  const main = await phase(manifest.runs.main, 'main', {});
  const post = manifest.runs.post ? await phase(manifest.runs.post, 'post', main.state) : null;
  return { ...main, post, pctCalls: (await host.pctCalls()).slice(before), temp, workspace, toolCache };
}

async function runPhase(
  host: Host,
  options: RunOptions,
  files: string,
  script: string,
  workspace: string,
  environment: Readonly<Record<string, string>>,
): Promise<PhaseResult> {
  await mkdir(files);
  const names = ['OUTPUT', 'STATE', 'ENV', 'PATH', 'STEP_SUMMARY'] as const;
  const env: Record<string, string> = { ...environment };
  for (const name of names) {
    const path = join(files, name);
    await writeFile(path, '');
    await chmod(path, 0o666);
    env[`GITHUB_${name}`] = path;
  }
  const asUser =
    options.user === 'runner' ? ['setpriv', '--reuid', 'runner', '--regid', 'runner', '--init-groups', '--'] : [];
  const argv = host.enter([...asUser, 'env', '-C', workspace, process.execPath, script]);
  const outcome = await runActionProcess(argv as [string, ...string[]], {
    env,
    timeoutMs: options.timeoutMs ?? 5 * 60_000,
    ...(options.cancel && files.endsWith('main') ? { cancel: options.cancel } : {}),
    ...(options.onStart && files.endsWith('main') ? { onStart: options.onStart } : {}),
    ...(options.onEnd && files.endsWith('main') ? { onEnd: options.onEnd } : {}),
    ...(options.onOutput && files.endsWith('main') ? { onOutput: options.onOutput } : {}),
  });
  const read = (name: (typeof names)[number]) => readFile(join(files, name), 'utf8');
  const commands = parseWorkflowCommands(outcome.stdout);
  return {
    ...outcome,
    commands,
    annotations: commands.filter(({ name }) => ['error', 'warning', 'notice'].includes(name)),
    summary: await read('STEP_SUMMARY'),
    outputs: parseEnvironmentFile(await read('OUTPUT')),
    state: parseEnvironmentFile(await read('STATE')),
    exportedVariables: parseEnvironmentFile(await read('ENV')),
    addedPath: (await read('PATH')).split('\n').filter((line) => line !== ''),
  };
}

async function readManifest(action: string): Promise<ActionManifest> {
  const path = join(action, 'action.yml');
  if (!existsSync(path))
    throw new Error(`${path} is missing: it says which inputs have which default and what to run.`);
  const manifest = parse(await readFile(path, 'utf8')) as ActionManifest;
  for (const script of [manifest.runs.main, manifest.runs.post]) {
    if (script && !existsSync(join(action, script))) {
      throw new Error(`${join(action, script)} is missing: run \`npm run build\` first.`);
    }
  }
  return manifest;
}

/** INPUT_ variables as the runner makes them: upper case, blanks to underscores, dashes kept, defaults filled in. */
function inputVariables(manifest: ActionManifest, inputs: Readonly<Record<string, string>>): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, { default: value }] of Object.entries(manifest.inputs ?? {})) values[name] = String(value ?? '');
  for (const [name, value] of Object.entries(inputs)) values[name] = value;
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`INPUT_${name.replaceAll(' ', '_').toUpperCase()}`, value]),
  );
}

function stateVariables(state: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]));
}

/** The lab's CA for Node, copied to where every user can read it. */
async function trust(host: Host): Promise<Record<string, string>> {
  if (host.caCertificate === null) return {};
  const copy = join(host.directory, 'runner', 'ca.crt');
  await copyFile(host.caCertificate, copy);
  await chmod(copy, 0o644);
  return { NODE_EXTRA_CA_CERTS: copy };
}

function runnerEnvironment(
  step: string,
  temp: string,
  workspace: string,
  toolCache: string,
  home: string,
): Record<string, string> {
  const unreachable = 'http://127.0.0.1:9'; // the runner's own services: nothing here may depend on them
  return {
    ...SECRETS,
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: home,
    LANG: 'C.UTF-8',
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_ACTION: '__self',
    GITHUB_ACTOR: 'lab',
    GITHUB_API_URL: unreachable,
    GITHUB_EVENT_NAME: 'workflow_dispatch',
    GITHUB_EVENT_PATH: join(step, 'event.json'),
    GITHUB_GRAPHQL_URL: `${unreachable}/graphql`,
    GITHUB_JOB: 'lab',
    GITHUB_REF: 'refs/heads/main',
    GITHUB_REF_NAME: 'main',
    GITHUB_REPOSITORY: 'lab/lab',
    GITHUB_REPOSITORY_OWNER: 'lab',
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_RUN_ID: '1000000001',
    GITHUB_RUN_NUMBER: '1',
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_SHA: '0000000000000000000000000000000000000000',
    GITHUB_WORKFLOW: 'lab',
    GITHUB_WORKSPACE: workspace,
    ACTIONS_CACHE_URL: `${unreachable}/`,
    ACTIONS_RESULTS_URL: `${unreachable}/`,
    ACTIONS_RUNTIME_URL: `${unreachable}/`,
    RUNNER_ARCH: 'X64',
    RUNNER_ENVIRONMENT: 'self-hosted',
    RUNNER_NAME: 'lab',
    RUNNER_OS: 'Linux',
    RUNNER_TEMP: temp,
    RUNNER_TOOL_CACHE: toolCache,
  };
}
