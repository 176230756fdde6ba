import type { HostAccess } from './system/access.ts';
import type { Http } from './system/http.ts';
import type { Log } from './system/log.ts';

/** The outside world, handed in so that a test can hand in its own. */
export interface World extends HostAccess {
  http: Http;
  log: Log;
  /** Aborted, with an ActionError as its reason, when the run is cancelled. */
  cancelled: AbortSignal;
  /** The time of day. */
  now(): Date;
  /** Told the containers this run may change, before it changes any. */
  selected(ctids: readonly number[]): void;
  /** Names this run for whoever finds its locks or journal: the address of the workflow run. */
  runName: string;
  /** `uname -m` of this host. */
  machine: string;
  /** A directory for temporary files, emptied by the runner. */
  temporary: string;
}
