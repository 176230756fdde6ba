import type { Pct } from '../proxmox/pct.ts';
import type { Archive } from '../runfile/archive-store.ts';
import type { Log } from '../system/log.ts';
import type { ProxyFile } from './container-proxy.ts';

/** What every action works with. */
export interface ApplyContext {
  ctid: number;
  pct: Pct;
  log: Log;
  /** How what apt fetches in the container reaches the network. */
  proxy: ProxyFile;
  /** Seconds left of the container's time for the next command. @throws ActionError TIMEOUT when none are left */
  secondsLeft(): number;
  /** Waits before another try; ends with the run's cancellation. @throws what it was cancelled with */
  wait(seconds: number): Promise<void>;
  /** The driver's files on this host, checked and unpacked; null: the plan needs none. */
  archive: Archive | null;
}
