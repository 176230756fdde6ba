import { join } from 'node:path';
import type { PctFault } from '../lab/pct.ts';
import type { Boundary } from './boundaries.ts';

/** What goes wrong. `SIGKILL` is of the action's process alone: what it started goes on. `stopped` is the container, hard. */
export const FAULTS = ['error', 'SIGINT', 'SIGTERM', 'SIGKILL', 'stopped', 'ENOSPC'] as const;
export type Fault = (typeof FAULTS)[number];

/** Paths on a lab host. */
export const CANCEL_FILE = '/run/lock/cancel-is-asked-for';
export const JOURNAL = '/var/lib/proxmox-lxc-nvidia/root/journal';
export const JOURNAL_FILLER = `${JOURNAL}/filler`;
/** In the container. */
export const FILLER = '/filler';

/** Milliseconds; pct's start-up was measured at 650. */
const ORPHAN_DELAY = 1000;

const ERROR = 'lxc-attach: ../src/lxc/attach.c: 841: Connection reset by peer\n';

/** The faults to ask the lab's pct for, so that one goes wrong at a boundary. */
export function pctFaults(boundary: Boundary, fault: Fault, ctid: number, fullDisk: 'container' | 'host'): PctFault[] {
  const { call, moment, duringMs, killWhenFrozen, provoked } = boundary;
  const program = programOf(fault, ctid, fullDisk);
  const effects: Record<typeof moment, Partial<PctFault>> = {
    before: program ? { before: program } : { exitCode: 255, stderr: ERROR },
    during: {
      during: program ?? script('kill-pct', ...(killWhenFrozen ? [String(ctid)] : [])),
      duringMs: duringMs ?? 0,
    },
    after: program ? { after: program } : { after: ['true'], exitCode: 255, stderr: ERROR },
  };
  // The real pct takes its time to start: one that lost its action begins its work when the recovery is long under way.
  const late = fault === 'SIGKILL' && moment === 'before' ? { delayMs: ORPHAN_DELAY } : {};
  return [...(provoked ? [provoked] : []), { ...call, ...effects[moment], ...late }];
}

/** What is run on the host for a fault; null: pct itself fails. */
function programOf(fault: Fault, ctid: number, fullDisk: 'container' | 'host'): string[] | null {
  switch (fault) {
    case 'error':
      return null;
    case 'SIGINT':
      return script('ask-to-cancel', CANCEL_FILE);
    case 'SIGTERM':
    case 'SIGKILL':
      return script('signal-action', fault.slice(3));
    case 'stopped':
      return script('stop-container', String(ctid));
    case 'ENOSPC':
      return fullDisk === 'host' ? script('fill-disk', JOURNAL_FILLER) : script('fill-disk', FILLER, String(ctid));
  }
}

function script(name: string, ...args: string[]): string[] {
  return [join(import.meta.dirname, 'on-host', name), ...args];
}
