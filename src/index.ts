import { readFile } from 'node:fs/promises';
import { machine, tmpdir } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import * as core from '@actions/core';
import { type Desired, desiredText } from './desired/desired.ts';
import { readDesired } from './desired/inputs.ts';
import { ActionError, toFailure } from './errors.ts';
import type { Outcome } from './run.ts';
import { accessOf } from './system/access.ts';
import type { RunCommand } from './system/command.ts';
import { loggedCommands } from './system/command-log.ts';
import { withFileAddresses } from './system/file-addresses.ts';
import { createHttp } from './system/http.ts';
import { runName } from './system/runner.ts';
import { runnerLog } from './system/runner-log.ts';
import { percentDecoded } from './system/text.ts';
import { userNow } from './system/user.ts';
import { newHead } from './version/format.ts';

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

async function main(): Promise<Outcome> {
  let desired: Desired;
  try {
    desired = await readDesired(core.getInput, (path) => readFile(path, 'utf8'));
  } catch (error) {
    return refused(error);
  }
  for (const secret of secretsOf(desired.containerProxy?.url)) core.setSecret(secret);
  runnerLog.info(desiredText(desired));
  const { run } = await import(/* webpackMode: "eager" */ './run.ts');
  core.saveState('sudo', desired.sudo);
  const access = accessOf(userNow(desired.sudo));
  const logged = (command: RunCommand) => (core.isDebug() ? loggedCommands(command, runnerLog) : command);
  return run(desired, {
    ...access,
    run: logged(access.run),
    runAsRoot: logged(access.runAsRoot),
    http: withFileAddresses(
      createHttp('proxmox-lxc-nvidia', (seconds) => setTimeout(seconds * 1000), cancellation.signal),
    ),
    log: runnerLog,
    cancelled: cancellation.signal,
    now: () => new Date(),
    selected: (ctids) => core.saveState('containers', ctids.join(',')),
    runName: runName(process.env),
    machine: machine(),
    temporary,
  });
}

/** What the runner must mask of an address: its password, as written and as meant. */
function secretsOf(address: string | undefined): string[] {
  const { password } = new URL(address ?? 'none:');
  return [...new Set([password, percentDecoded(password)])].filter(Boolean);
}

/** The result of a run that ended at its inputs. */
function refused(error: unknown): Outcome {
  const nothing = {
    mode: null,
    host: null,
    cudaVersion: null,
    planDigest: null,
    containers: [],
    findings: [],
    seconds: 0,
  };
  return {
    result: { ...newHead('report'), status: 'failed', failure: toFailure(error), ...nothing },
    plan: null,
    facts: null,
  };
}

const result = await main();
const { report } = await import(/* webpackMode: "eager" */ './report/report.ts');
await report(result, runnerLog, temporary);
// A connection that was given up may still be open, and a server that is gone would keep this process for minutes.
process.exit();
