import { marks } from '../plan/marks.ts';
import { RUNNER_LIMITS } from '../system/limits.ts';
import { details, planned } from './container-details.ts';
import { failures } from './failures.ts';
import { gpusTable } from './gpus.ts';
import { blocks, paragraph, text } from './html.ts';
import { containersTable, levelsLegend, warnings } from './overview.ts';
import type { RunResult } from './result.ts';
import { timeline } from './timeline.ts';
import { circumstances, verdict } from './verdict.ts';

/** Bytes of a summary at most. */
export const SUMMARY_LIMIT = RUNNER_LIMITS.summaryBytes;

const SHORTENED = paragraph('This summary was shortened to fit: report.json and the log have the rest.');

/** Stands where people must not take what they see for all that they approve. */
const UNCOVERED = paragraph('⚠️ There is no room here for all that an approval covers: plan.json has it.');

/** Containers in the table of a summary that is almost nothing else. */
const FEW = 100;

/** The summary, then ever shorter ones: what costs most and is read least goes first. */
const LAYOUTS: readonly ((result: RunResult) => string[])[] = [
  (result) => [...above(result, true), ...below(result, true)],
  (result) => [...above(result, true), ...below(result, false), SHORTENED],
  (result) => [...above(result, false), SHORTENED],
  (result) => [...above(result, false, false), SHORTENED],
  (result) => [
    verdict(result),
    circumstances(result),
    failures(result, false),
    containersTable(result, FEW),
    uncovered(result),
    SHORTENED,
  ],
  (result) => [verdict(result), circumstances(result), containersTable(result, FEW), uncovered(result), SHORTENED],
  (result) => [verdict(result), uncovered(result), SHORTENED],
];

/**
 * The job summary as GitHub-flavoured Markdown, read from above: verdict, failures with what to do, containers, GPUs, time;
 * folds have the rest. At most `limit` bytes: a shorter layout is taken when it is too large.
 */
export function renderSummary(result: RunResult, limit = SUMMARY_LIMIT): string {
  let summary = '';
  for (const layout of LAYOUTS) {
    summary = `${blocks(layout(result))}\n`;
    if (Buffer.byteLength(summary) <= limit) break;
  }
  return summary;
}

/** @param covered with all that an approval covers */
function above(result: RunResult, folds: boolean, covered = true): string[] {
  return [
    verdict(result),
    circumstances(result),
    failures(result, folds),
    containersTable(result),
    levelsLegend(result),
    warnings(result),
    ...lookHere(result),
    covered ? '' : uncovered(result),
    ...result.containers.flatMap((container) => planned(container, covered)),
  ];
}

const uncovered = (result: RunResult) => (result.status === 'planned' ? UNCOVERED : '');

/** What approvers should look at first. */
function lookHere({ status, host, containers }: RunResult): string[] {
  if (status !== 'planned' || host === null) return [];
  const plans = containers.flatMap(({ plan }) => plan ?? []);
  return marks([{ host: host.node, architecture: host.architecture, containers: plans }]).map((mark) =>
    paragraph(`⚠️ ${text(mark)}`),
  );
}

function below(result: RunResult, raw: boolean): string[] {
  const folds = result.containers.map((container) => details(container, raw)).filter((part) => part !== '');
  const gpus = gpusTable(result);
  return [gpus === '' ? '' : '### GPUs', gpus, timeline(result), folds.length === 0 ? '' : '### Details', ...folds];
}
