import type { Pct } from '../proxmox/pct.ts';
import type { CachedRunfile } from '../runfile/cache.ts';
import type { WantedRunfile } from '../runfile/runfile.ts';
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
  /** The runfile on this host, checked. @throws ActionError */
  obtainRunfile(runfile: WantedRunfile): Promise<CachedRunfile>;
}

/** Seconds for clean-up commands, whatever time is left. */
export const CLEANUP_SECONDS = 120;
