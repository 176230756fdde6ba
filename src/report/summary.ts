import type { GpuHealth } from '../facts/facts.ts';
import { actionTitle, safetyText } from '../plan/actions.ts';
import { durationText } from '../system/text.ts';
import type { VerificationStatus } from '../verify/verify.ts';
import { fold, preformatted, table, text } from './html.ts';
import { type ContainerResult, type ContainerStatus, firstFailure, type RunResult, type Software } from './result.ts';

/** The runner drops a whole summary that is larger than 1 MiB; this leaves room for what other steps wrote. */
export const SUMMARY_LIMIT = 900 * 1024;

/** Longest raw output that is put into a fold, in characters. */
const FOLD_LIMIT = 64 * 1024;

const MARKS: Record<VerificationStatus, string> = { pass: '✅', fail: '❌', inconclusive: '❔', skipped: '➖' };
const STATUS_TEXT: Record<ContainerStatus, string> = {
  converged: '✅ as wanted',
  changed: '✅ changed',
  planned: '📝 planned',
  failed: '❌ failed',
  aborted: '⏹️ not started',
};

/**
 * The job summary as GitHub-flavoured Markdown, at most `limit` bytes: when it is too large the raw outputs go first,
 * then everything but the verdict and the containers' table.
 */
export function renderSummary(result: RunResult, limit = SUMMARY_LIMIT): string {
  const head = [verdict(result), failureText(result), containersTable(result)];
  const body = result.containers.flatMap(containerSection);
  const raw = result.containers.flatMap(rawFolds);
  const full = join([...head, hostSection(result), ...body, ...raw]);
  if (Buffer.byteLength(full) <= limit) return full;
  const note = 'The summary was shortened to fit: report.json and the log have the rest.';
  const shorter = join([...head, hostSection(result), ...body, note]);
  return Buffer.byteLength(shorter) <= limit ? shorter : join([verdict(result), containersTable(result), note]);
}

function join(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function verdict(result: RunResult): string {
  const count = result.containers.length;
  const containers = count === 1 ? `container ${result.containers[0]?.ctid}` : `${count} containers`;
  const driver = result.host?.driver?.version;
  const beside = `${driver === undefined ? '' : ` Driver ${text(driver)}`}${result.cudaVersion === null ? '' : `, CUDA ${text(result.cudaVersion)}`}`;
  switch (result.status) {
    case 'converged':
      return `## ✅ Nothing to do: ${containers} as wanted\n\n${beside.trim()} — verified in ${durationText(result.seconds)}.`;
    case 'changed':
      return `## ✅ Done: ${containers} changed and verified\n\n${beside.trim()} — in ${durationText(result.seconds)}.`;
    case 'planned': {
      const planned = result.containers.filter(({ status }) => status === 'planned').length;
      return `## 📝 Plan: ${planned} to change, ${count - planned} in order\n\n${beside.trim()}.`;
    }
    case 'failed':
      return `## ❌ Failed: ${text(firstFailure(result)?.code ?? 'BUG')}`;
  }
}

function failureText(result: RunResult): string {
  const failures = [result.failure, ...result.containers.map(({ failure }) => failure)].filter(
    (failure) => failure !== null,
  );
  return join(
    failures.map(({ code, seen, remedy, details }) =>
      [
        `<p><b>${text(seen)}</b><br>${text(remedy)} (<code>${text(code)}</code>)</p>`,
        ...(details === undefined ? [] : [preformatted(details.slice(-FOLD_LIMIT))]),
      ].join('\n\n'),
    ),
  ).trimEnd();
}

function containersTable({ containers }: RunResult): string {
  if (containers.length === 0) return '';
  const rows = containers.map((container) => [
    `<b>${container.ctid}</b> ${text(container.hostname ?? '')}`.trim(),
    container.rolledBack ? `${STATUS_TEXT.failed}, rolled back` : STATUS_TEXT[container.status],
    change(container, ({ driver }) => driver),
    change(container, ({ toolkits }) => toolkits.join(', ') || 'none'),
    container.verifications.map(({ level, status }) => `${level} ${MARKS[status]}`).join(' ') || '–',
    durationText(container.seconds),
  ]);
  return table(['Container', 'Result', 'User space', 'CUDA toolkits', 'Verified', 'Time'], rows);
}

function change({ before, after }: ContainerResult, value: (software: Software) => string): string {
  if (before === null) return '–';
  const [was, is] = [value(before), value(after ?? before)];
  return was === is ? text(is) : `${text(was)} → <b>${text(is)}</b>`;
}

function hostSection({ host, findings }: RunResult): string {
  if (host === null) return '';
  const driver =
    host.driver === null
      ? 'no driver loaded'
      : `driver ${host.driver.version}, ${host.driver.kernelModule} kernel module`;
  const xids = host.health?.xids;
  const errors = !xids ? '' : `, ${xids.length === 0 ? 'no' : xids.length} Xid since it started`;
  const gpus = host.gpus.map(({ name, minor, uuid }) => [
    minor === null ? '–' : `/dev/nvidia${minor}`,
    text(name),
    `<code>${text(uuid ?? 'not known yet')}</code>`,
    healthText(host.health?.gpus?.find((gpu) => gpu.uuid === uuid)),
  ]);
  return join([
    `### Host ${text(host.node)}`,
    `${text(driver)}, Proxmox VE ${text(host.proxmoxVersion ?? 'unknown')}${errors}`,
    gpus.length === 0 ? '' : table(['Node', 'GPU', 'UUID', 'Health'], gpus),
    ...findings.map(findingText),
  ]).trimEnd();
}

/** What a host tells of a GPU; what it doesn't tell is left out. */
function healthText(gpu: GpuHealth | undefined): string {
  if (gpu === undefined) return '–';
  const { persistence, computeMode, mig, eccErrors, processes } = gpu;
  return [
    processes === null ? null : `${processes} ${processes === 1 ? 'process' : 'processes'}`,
    persistence === null ? null : `persistence ${persistence ? 'on' : 'off'}`,
    computeMode === null ? null : `compute mode ${text(computeMode)}`,
    mig === null ? null : `MIG ${mig ? 'on' : 'off'}`,
    [eccErrors.volatile, eccErrors.aggregate].includes(null)
      ? null
      : `uncorrected ECC errors ${eccErrors.volatile} (${eccErrors.aggregate} ever)`,
  ]
    .filter((part) => part !== null)
    .join(', ');
}

function findingText({ code, message }: { code: string; message: string }): string {
  return `<p>⚠️ ${text(message)} (<code>${text(code)}</code>)</p>`;
}

function containerSection(container: ContainerResult): string[] {
  const { plan, actions, verifications, findings, gpus } = container;
  const done = actions.map(({ action, status, seconds }) => [
    { done: '✅', failed: '❌', 'not-started': '⏹️' }[status],
    text(actionTitle(action)),
    text(action.reason),
    status === 'not-started' ? '–' : durationText(seconds),
  ]);
  const planned = (plan?.actions ?? []).map((action) => ['📝', text(actionTitle(action)), text(action.reason), '–']);
  const steps = done.length > 0 ? done : planned;
  const parts = [
    steps.length === 0 ? '' : table(['', 'Step', 'Why', 'Time'], steps),
    plan === null || steps.length === 0 ? '' : `<p>${text(safetyText(plan.safety))}</p>`,
    verifications.length === 0
      ? ''
      : table(
          ['', 'Verification', 'Seen'],
          verifications.map(({ level, title, status, seen }) => [MARKS[status], `${level} ${text(title)}`, text(seen)]),
        ),
    gpus.length === 0
      ? ''
      : table(
          ['GPU', 'Name', 'Memory', 'Bus', 'UUID'],
          gpus.map((gpu) => [
            String(gpu.index),
            text(gpu.name),
            text(gpu.memory),
            text(gpu.bus),
            `<code>${text(gpu.uuid)}</code>`,
          ]),
        ),
    ...[...(plan?.warnings ?? []), ...findings].map(findingText),
  ].filter((part) => part !== '');
  return parts.length === 0 ? [] : [`### Container ${container.ctid}`, ...parts];
}

function rawFolds({ ctid, nvidiaSmi, nvcc }: ContainerResult): string[] {
  return [
    ...(nvidiaSmi === '' ? [] : [fold(`nvidia-smi in container ${ctid}`, nvidiaSmi.slice(0, FOLD_LIMIT))]),
    ...(nvcc === '' ? [] : [fold(`nvcc --version in container ${ctid}`, nvcc.slice(0, FOLD_LIMIT))]),
  ];
}
