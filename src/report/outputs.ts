import { CONTAINER_LIMITS, REPORT_LIMITS } from '../system/limits.ts';
import { printable } from '../system/text.ts';
import { type ContainerResult, firstFailure, type RunResult, type Software } from './result.ts';

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

/**
 * The step's outputs. For one container `gpus`, `nvidia-smi` and `nvcc` are its own; for several they are JSON by ctid.
 * What containers say in them is shortened so far that all outputs together stay well below what a job may have.
 *
 * @param paths of the files that were written; `""` for those that weren't
 */
export function renderOutputs(
  result: RunResult,
  paths: { plan: string; facts: string; report: string },
): Record<OutputName, string> {
  const { containers } = result;
  const [only] = containers;
  const own = (value: (container: ContainerResult) => string): string =>
    only !== undefined && containers.length === 1 ? value(only) : JSON.stringify(byCtid(containers, value));
  const json = (value: (container: ContainerResult) => unknown): string =>
    JSON.stringify(only !== undefined && containers.length === 1 ? value(only) : byCtid(containers, value));
  const raw = (output: string, length: number) => printable(output.slice(0, length)).slice(0, length);
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
    gpus: longest(CONTAINER_LIMITS.devices, REPORT_LIMITS.gpus, (count) => json(({ gpus }) => gpus.slice(0, count))),
    'nvidia-smi': longest(REPORT_LIMITS.oneContainer, REPORT_LIMITS.nvidiaSmi, (length) =>
      own(({ nvidiaSmi }) => raw(nvidiaSmi, length)),
    ),
    nvcc: longest(REPORT_LIMITS.oneContainer, REPORT_LIMITS.nvcc, (length) => own(({ nvcc }) => raw(nvcc, length))),
    containers: longest(CONTAINER_LIMITS.few, REPORT_LIMITS.containers, (toolkits) =>
      JSON.stringify(byCtid(containers, (container) => containerOutput(container, toolkits))),
    ),
  };
}

/**
 * The longest text that fits, of those that show nothing of each container, 1, 2, 4, … and at last `most` of something. It
 * goes upwards: what doesn't fit is never much larger than what does.
 */
function longest(most: number, limit: number, render: (share: number) => string): string {
  let text = render(0);
  for (let share = 1; ; share = Math.min(2 * share, most)) {
    const longer = render(share);
    if (longer.length > limit) return text;
    text = longer;
    if (share === most) return text;
  }
}

/** @param toolkits that are named at most */
function containerOutput(
  { status, rolledBack, before, after, verifications, failure, actions, seconds }: ContainerResult,
  toolkits: number,
) {
  const shortened = (software: Software | null) =>
    software === null ? null : { ...software, toolkits: software.toolkits.slice(0, toolkits) };
  return {
    status,
    rolledBack,
    before: shortened(before),
    after: shortened(after),
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
