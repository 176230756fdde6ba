import { details, planned } from './container-details.ts';
import { failures } from './failures.ts';
import { gpusTable } from './gpus.ts';
import { blocks, paragraph } from './html.ts';
import { containersTable, levelsLegend, warnings } from './overview.ts';
import type { RunResult } from './result.ts';
import { timeline } from './timeline.ts';
import { circumstances, verdict } from './verdict.ts';

/**
 * Bytes of a summary at most. The runner drops a whole one that is larger than 1 MiB, and one slightly below it in silence
 * (actions/runner issue 4337), so there is room between.
 */
export const SUMMARY_LIMIT = 900 * 1024;

const SHORTENED = paragraph('This summary was shortened to fit: report.json and the log have the rest.');

/** Containers in the table of a summary that is almost nothing else. */
const FEW = 100;

/** The summary, then ever shorter ones: what costs most and is read least goes first. */
const LAYOUTS: readonly ((result: RunResult) => string[])[] = [
  (result) => [...above(result, true), ...below(result, true)],
  (result) => [...above(result, true), ...below(result, false), SHORTENED],
  (result) => [...above(result, false), SHORTENED],
  (result) => [
    verdict(result),
    circumstances(result),
    failures(result, false),
    containersTable(result, FEW),
    SHORTENED,
  ],
  (result) => [verdict(result), circumstances(result), containersTable(result, FEW), SHORTENED],
  (result) => [verdict(result), SHORTENED],
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

function above(result: RunResult, folds: boolean): string[] {
  return [
    verdict(result),
    circumstances(result),
    failures(result, folds),
    containersTable(result),
    levelsLegend(result),
    warnings(result),
    ...result.containers.flatMap(planned),
  ];
}

function below(result: RunResult, raw: boolean): string[] {
  const folds = result.containers.map((container) => details(container, raw)).filter((part) => part !== '');
  const gpus = gpusTable(result);
  return [gpus === '' ? '' : '### GPUs', gpus, timeline(result), folds.length === 0 ? '' : '### Details', ...folds];
}
