import { readFile } from 'node:fs/promises';
import { machine, tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import * as core from '@actions/core';
import type { Desired } from './desired/desired.ts';
import { readDesired } from './desired/inputs.ts';
import { toFailure } from './errors.ts';
import { report } from './report/report.ts';
import type { RunResult } from './report/result.ts';
import { run } from './run.ts';
import { runCommand } from './system/command.ts';
import { hostFiles } from './system/files.ts';
import { createHttp } from './system/http.ts';
import { runnerLog } from './system/runner-log.ts';

const temporary = process.env['RUNNER_TEMP'] || tmpdir();

async function main(): Promise<RunResult> {
  let desired: Desired;
  try {
    desired = await readDesired(core.getInput, (path) => readFile(path, 'utf8'));
  } catch (error) {
    return refused(error);
  }
  return run(desired, {
    files: hostFiles,
    run: runCommand,
    http: createHttp('proxmox-lxc-nvidia', (seconds) => setTimeout(seconds * 1000)),
    log: runnerLog,
    machine: machine(),
    temporary,
  });
}

/** The result of a run that ended at its inputs. */
function refused(error: unknown): RunResult {
  const nothing = { mode: null, host: null, cudaVersion: null, containers: [], seconds: 0 };
  return { schema: '1.0', status: 'failed', failure: toFailure(error), ...nothing };
}

await report(await main(), runnerLog, temporary);
