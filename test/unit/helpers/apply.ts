import { ProxyFile } from '../../../src/apply/container-proxy.ts';
import type { ApplyContext } from '../../../src/apply/context.ts';
import type { Archive } from '../../../src/runfile/archive-store.ts';
import { type Answer, FakeHost, type GuestCall } from './commands.ts';
import { RecordingLog } from './log.ts';
import { pctOf } from './pct.ts';

export const ARCHIVE: Archive = {
  size: 1_559_204_864,
  path: '/proc/4711/fd/21',
  [Symbol.asyncDispose]: async () => {},
};

/** No proxy. */
const DIRECT = await ProxyFile.write(null, '/nowhere');

/** Container 901 on a made-up host, with a log that can be read, an hour left, and waits that are only noted. */
export function applyContext(answer: (call: GuestCall, index: number) => Answer | Promise<Answer>) {
  const host = new FakeHost(answer);
  const log = new RecordingLog();
  const waits: number[] = [];
  const context: ApplyContext = {
    ctid: 901,
    pct: pctOf(host.run),
    log,
    proxy: DIRECT,
    secondsLeft: () => 3600,
    wait: async (seconds) => void waits.push(seconds),
    archive: ARCHIVE,
  };
  return { context, host, log, waits };
}
