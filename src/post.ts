import * as core from '@actions/core';
import { putRight } from './put-right.ts';
import { runCommand } from './system/command.ts';
import { hostFiles } from './system/files.ts';
import { runName } from './system/runner.ts';
import { runnerLog } from './system/runner-log.ts';

const ctids = core.getState('containers').split(',').filter(Boolean).map(Number);
await putRight(ctids, { files: hostFiles, run: runCommand, log: runnerLog, runName: runName(process.env) });
