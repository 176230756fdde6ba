import { printable } from '../system/text.ts';
import { type ContainerResult, firstFailure, type RunResult } from './result.ts';

/** The outputs of action.yml; all texts. */
export const OUTPUTS = [
  'result',
  'changed',
  'failure-reason',
  'plan',
  'plan-digest',
  'facts',
  'report',
  'driver-version',
  'cuda-version',
  'gpus',
  'nvidia-smi',
  'nvcc',
  'containers',
] as const;

/**
 * The outputs with text that comes out of a container. Whoever is root in there decides what they hold: in a script it would
 * be run on the host. action.yml says so of each; a test compares.
 */
export const CONTAINER_WORDS = ['gpus', 'nvidia-smi', 'nvcc', 'containers'] as const satisfies readonly OutputName[];

type OutputName = (typeof OUTPUTS)[number];

/** Longest raw text of one container, and of all together, in an output: a job's may have 1 MiB, counted as UTF-16. */
const RAW_LIMIT = { one: 32 * 1024, all: 128 * 1024 };

/**
 * The step's outputs. For one container `gpus`, `nvidia-smi` and `nvcc` are its own; for several they are JSON by ctid.
 *
 * @param paths of the files that were written; `""` for those that weren't
 */
export function renderOutputs(
  result: RunResult,
  paths: { plan: string; facts: string; report: string },
): Record<OutputName, string> {
  const { containers } = result;
  const [only] = containers;
  const longest = Math.min(RAW_LIMIT.one, Math.floor(RAW_LIMIT.all / containers.length));
  const raw = (output: string) => printable(output).slice(0, longest);
  const own = (value: (container: ContainerResult) => string): string =>
    only !== undefined && containers.length === 1 ? value(only) : JSON.stringify(byCtid(containers, value));
  const json = (value: (container: ContainerResult) => unknown): string =>
    JSON.stringify(only !== undefined && containers.length === 1 ? value(only) : byCtid(containers, value));
  return {
    result: result.status,
    changed: String(containers.some(({ actions }) => actions.some(({ status }) => status !== 'not-started'))),
    'failure-reason': firstFailure(result)?.code ?? '',
    plan: paths.plan,
    'plan-digest': result.planDigest ?? '',
    facts: paths.facts,
    report: paths.report,
    'driver-version': result.host?.driver?.version ?? '',
    'cuda-version': result.cudaVersion ?? '',
    gpus: json(({ gpus }) => gpus),
    'nvidia-smi': own(({ nvidiaSmi }) => raw(nvidiaSmi)),
    nvcc: own(({ nvcc }) => raw(nvcc)),
    containers: JSON.stringify(byCtid(containers, containerOutput)),
  };
}

function containerOutput({
  status,
  rolledBack,
  before,
  after,
  verifications,
  failure,
  actions,
  seconds,
}: ContainerResult) {
  return {
    status,
    rolledBack,
    before,
    after,
    verification: Object.fromEntries(verifications.map((verification) => [verification.level, verification.status])),
    failure: failure?.code ?? null,
    actions: actions.map((record) => ({
      kind: record.action.kind,
      status: record.status,
      seconds: Number(record.seconds.toFixed(3)),
    })),
    seconds: Number(seconds.toFixed(3)),
  };
}

function byCtid<T>(
  containers: readonly ContainerResult[],
  value: (container: ContainerResult) => T,
): Record<string, T> {
  return Object.fromEntries(containers.map((container) => [String(container.ctid), value(container)]));
}
