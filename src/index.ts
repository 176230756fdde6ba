import { readFile } from 'node:fs/promises';
import { machine, tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import * as core from '@actions/core';
import type { Desired } from './desired/desired.ts';
import { readDesired } from './desired/inputs.ts';
import { ActionError, toFailure } from './errors.ts';
import { report } from './report/report.ts';
import type { RunResult } from './report/result.ts';
import { run } from './run.ts';
import { runCommand } from './system/command.ts';
import { hostFiles } from './system/files.ts';
import { createHttp } from './system/http.ts';
import { runName } from './system/runner.ts';
import { runnerLog } from './system/runner-log.ts';

const temporary = process.env['RUNNER_TEMP'] || tmpdir();

/** The runner cancels a step by SIGINT, 7.5 s later by SIGTERM, and kills what is left after another 2.5 s. */
const cancellation = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () =>
    cancellation.abort(
      new ActionError(
        'CANCELLED',
        `The run was cancelled (${signal}).`,
        'The post step puts right what was left half done.',
      ),
    ),
  );
}

async function main(): Promise<RunResult> {
  let desired: Desired;
  try {
    desired = await readDesired(core.getInput, (path) => readFile(path, 'utf8'));
  } catch (error) {
    return refused(error);
  }
  core.saveState('containers', desired.containers.map(({ ctid }) => ctid).join(','));
  return run(desired, {
    files: hostFiles,
    run: runCommand,
    http: createHttp('proxmox-lxc-nvidia', (seconds) => setTimeout(seconds * 1000), cancellation.signal),
    log: runnerLog,
    cancelled: cancellation.signal,
    runName: runName(process.env),
    machine: machine(),
    temporary,
  });
}

/** The result of a run that ended at its inputs. */
function refused(error: unknown): RunResult {
  const nothing = { mode: null, host: null, cudaVersion: null, containers: [], findings: [], seconds: 0 };
  return { schema: '1.0', status: 'failed', failure: toFailure(error), ...nothing };
}

await report(await main(), runnerLog, temporary);
// A connection that was given up may still be open, and a server that is gone would keep this process for minutes.
process.exit();
