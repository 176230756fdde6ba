import * as core from '@actions/core';
import type { Log } from './log.ts';
import { logText } from './text.ts';

/** {@link Log} on the runner's command channel. */
export const runnerLog: Log = {
  info: (message) => core.info(logText(message, '')),
  debug: (message) => core.debug(message),
  warning: (message, title) => core.warning(message, { title }),
  foreign: (source, line) => core.info(logText(line, `${source} │ `)),
  group: (title, work) => core.group(title, work),
};
