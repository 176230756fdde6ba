import { Pct } from '../../../src/proxmox/pct.ts';
import type { RunCommand } from '../../../src/system/command.ts';

/** A pct on a given host; never cancelled unless a signal is given. */
export function pctOf(run: RunCommand, cancelled: AbortSignal = new AbortController().signal): Pct {
  return new Pct(run, cancelled);
}
