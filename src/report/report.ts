import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as core from '@actions/core';
import type { Failure } from '../errors.ts';
import type { Log } from '../system/log.ts';
import { lastLines, printable, shownUrl, withoutCredentials } from '../system/text.ts';
import { renderOutputs } from './outputs.ts';
import { firstFailure, type RunResult } from './result.ts';
import { renderSummary } from './summary.ts';

/** Most lines of details in an annotation: GitHub shows few, the summary has the rest. */
const ANNOTATION_DETAILS = 8;

/** A run's result, and the files it makes. */
export interface Reported {
  result: RunResult;
  plan: object | null;
  facts: object | null;
}

/**
 * Tells how a run went: report.json, plan.json and facts.json, outputs, job summary, and an annotation per failure, which make the
 * step fail.
 *
 * @param temporary the runner's RUNNER_TEMP
 */
export async function report({ result, plan, facts }: Reported, log: Log, temporary: string): Promise<void> {
  await mkdir(temporary, { recursive: true });
  const directory = await mkdtemp(join(temporary, 'proxmox-lxc-nvidia-'));
  const write = async (name: string, content: object | null): Promise<string> => {
    if (content === null) return '';
    const path = join(directory, name);
    await writeFile(path, jsonParts(content));
    return path;
  };
  const paths = {
    plan: await write('plan.json', plan),
    facts: await write('facts.json', facts),
    report: await write('report.json', result),
  };

  for (const [name, value] of Object.entries(renderOutputs(result, paths))) core.setOutput(name, value);
  if (process.env['GITHUB_STEP_SUMMARY']) await core.summary.addRaw(renderSummary(result)).write();

  const failures = [result.failure, ...result.containers.map(({ failure }) => failure)];
  for (const failure of failures) if (failure !== null) annotate(failure, log);
  if (result.status === 'failed') process.exitCode = core.ExitCode.Failure;
  log.info(`Result: ${result.status}${result.status === 'failed' ? ` (${firstFailure(result)?.code})` : ''}.`);
}

function annotate({ code, seen, remedy, details }: Failure, log: Log): void {
  const text = details === undefined ? '' : `\n${lastLines(details, ANNOTATION_DETAILS)}`;
  core.error(printable(`${seen} ${remedy}${text}`), { title: code });
  if (details !== undefined) log.foreign(code, details);
}

/**
 * JSON for people and programs; addresses in it carry no credentials. Container by container, because all of them in one
 * text could be more than this process should hold.
 */
export function* jsonParts(document: object): Generator<string> {
  const containers: unknown[] =
    'containers' in document && Array.isArray(document.containers) ? document.containers : [];
  if (containers.length === 0) {
    yield `${json(document)}\n`;
    return;
  }
  const here = randomUUID();
  const [before = '', after = ''] = json({ ...document, containers: [here] }).split(`"${here}"`);
  for (const [index, container] of containers.entries()) {
    // Nothing else in JSON is a line feed.
    yield `${index === 0 ? before : ',\n    '}${json(container).replaceAll('\n', '\n    ')}`;
  }
  yield `${after}\n`;
}

function json(value: unknown): string {
  const replacer = (key: string, part: unknown) => {
    if (typeof part !== 'string') return part;
    return key === 'url' ? shownUrl(part) : withoutCredentials(part);
  };
  return JSON.stringify(value, replacer, 2);
}
