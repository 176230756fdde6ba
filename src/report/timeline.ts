import type { ActionRecord } from '../apply/apply.ts';
import type { Action } from '../plan/actions.ts';
import { durationText } from '../system/text.ts';
import { blocks, table, text } from './html.ts';
import type { ContainerResult, RunResult } from './result.ts';

/** Containers that are shown, the slowest: beyond it nobody reads a chart, and GitHub draws at most 50,000 characters. */
const MOST = 20;

/** What chart and table call a step, in their order. A chart holds nothing but these words and container names. */
const LABELS = [
  'driver files',
  'repositories',
  'packages',
  'remove packages',
  'driver',
  'toolkit',
  'passthrough',
  'restart',
] as const;

function label(action: Action): (typeof LABELS)[number] {
  switch (action.kind) {
    case 'configure-apt':
      return 'repositories';
    case 'install-packages':
      return action.purpose === 'toolkit' ? 'toolkit' : 'packages';
    case 'remove-packages':
      return 'remove packages';
    case 'install-driver':
      return 'driver';
    case 'configure-passthrough':
      return 'passthrough';
    case 'restart':
      return 'restart';
  }
}

/** A step that was begun. */
interface Step {
  label: (typeof LABELS)[number];
  failed: boolean;
  startedAt: number;
  seconds: number;
}

interface Worked extends Pick<ContainerResult, 'ctid' | 'hostname' | 'seconds'> {
  steps: Step[];
}

/** Where the time went: a chart of all steps with a table of the same. Nothing when nothing was begun. */
export function timeline({ containers }: RunResult): string {
  const worked: Worked[] = containers
    .map((container) => ({ ...container, steps: stepsOf(container) }))
    .filter(({ steps }) => steps.length > 0);
  if (worked.length === 0) return '';
  const slowest = worked.toSorted((a, b) => b.seconds - a.seconds).slice(0, MOST);
  const shown = worked.filter((container) => slowest.includes(container));
  return blocks(['### Where the time went', chart(shown), times(shown)]);
}

function stepsOf({ obtained, actions }: ContainerResult): Step[] {
  return [...(obtained === null ? [] : [{ label: 'driver files' as const, ...obtained }]), ...actions.flatMap(begun)];
}

function begun({ action, status, startedAt, seconds }: ActionRecord): Step[] {
  return startedAt === null ? [] : [{ label: label(action), failed: status === 'failed', startedAt, seconds }];
}

/**
 * Mermaid's chart of tasks over time, in milliseconds from the start. Its axis shows plain seconds: every other format of it
 * is a time of day in the reader's own time zone.
 */
function chart(worked: readonly Worked[]): string {
  const lines = worked.flatMap(({ ctid, hostname, steps }) => [
    `  section ${ctid} ${chartName(hostname ?? '')}`.trimEnd(),
    ...steps.map(({ label, failed, startedAt, seconds }) => {
      const [from, to] = [Math.round(startedAt * 1000), Math.round((startedAt + seconds) * 1000)];
      return `  ${label} ${durationText(seconds)} :${failed ? 'crit' : 'done'}, ${from}, ${Math.max(to, from + 1)}`;
    }),
  ]);
  return ['```mermaid', 'gantt', '  dateFormat x', '  axisFormat %s s', ...lines, '```'].join('\n');
}

/** A container's name in a chart, where no other character than these is certain to be text. */
function chartName(hostname: string): string {
  return hostname
    .replace(/[^A-Za-z0-9-]+/g, ' ')
    .slice(0, 24)
    .trim();
}

/** One row per container: its steps, what else took time (looking, waiting, snapshot, proof), and all of it. */
function times(worked: readonly Worked[]): string {
  const labels = LABELS.filter((label) => worked.some(({ steps }) => steps.some((step) => step.label === label)));
  return table(
    ['Container', ...labels, 'everything else', 'Sum'],
    worked.map(({ ctid, hostname, steps, seconds }) => {
      const rest = Math.max(seconds - steps.reduce((sum, step) => sum + step.seconds, 0), 0);
      return [
        `<b>${ctid}</b> ${text(hostname ?? '')}`.trim(),
        ...labels.map((label) => timeOf(steps.filter((step) => step.label === label))),
        durationText(rest),
        `<b>${durationText(seconds)}</b>`,
      ];
    }),
  );
}

function timeOf(steps: readonly Step[]): string {
  if (steps.length === 0) return '–';
  const seconds = durationText(steps.reduce((sum, step) => sum + step.seconds, 0));
  return steps.some(({ failed }) => failed) ? `❌ ${seconds}` : seconds;
}
