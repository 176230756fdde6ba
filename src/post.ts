import * as core from '@actions/core';
import { putRight } from './put-right.ts';
import { accessOf } from './system/access.ts';
import { runName } from './system/runner.ts';
import { runnerLog } from './system/runner-log.ts';
import { userNow } from './system/user.ts';

const ctids = core.getState('containers').split(',').filter(Boolean).map(Number);
const access = accessOf(userNow(core.getState('sudo') === 'never' ? 'never' : 'auto'));
await putRight(ctids, { ...access, log: runnerLog, runName: runName(process.env) });
