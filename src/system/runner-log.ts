import * as core from '@actions/core';
import type { Log } from './log.ts';
import { lastState, logText, oneLine, printable } from './text.ts';

/** {@link Log} on the runner's command channel. */
export const runnerLog: Log = {
  // On one line, without what terminals act on, and never with a command at its beginning: messages quote what containers say.
  info: (message) => core.info(oneLine(message).replace(/^\s*::/, ': :')),
  debug: (message) => core.debug(printable(message)),
  warning: (message, title) => core.warning(oneLine(message), { title }),
  foreign: (source, line) => core.info(logText(lastState(line), `${source} │ `)),
  group: (title, work) => core.group(oneLine(title), work),
};
