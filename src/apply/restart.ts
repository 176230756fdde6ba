import type { FailureCode } from '../errors.ts';
import type { Pct } from '../proxmox/pct.ts';
import type { ApplyContext } from './context.ts';

/** Seconds that the container's services have to end. */
const SHUTDOWN_SECONDS = 120;

/** Seconds that pct may need beyond that. */
const MARGIN_SECONDS = 60;

/**
 * Seconds for a start: on an ext4 volume that was snapshotted while it ran, the kernel alone waits about 45 for the volume's
 * multiple mount protection (docs/facts.md, P9).
 */
const START_SECONDS = 180;

/**
 * Shuts a container down cleanly and starts it again. Not by `pct reboot`, which doesn't look at Proxmox' lock when it
 * stops the container, but does when it starts it (docs/facts.md, P11).
 *
 * @throws ActionError RESTART_FAILED
 */
export async function restart({ ctid, pct }: ApplyContext): Promise<void> {
  await pct.manage('RESTART_FAILED', ['shutdown', String(ctid), '--timeout', String(SHUTDOWN_SECONDS)], {
    timeoutSeconds: SHUTDOWN_SECONDS + MARGIN_SECONDS,
    remedy:
      'Something in the container keeps it from ending: see its log (pct enter, journalctl), then run this again.',
  });
  await startContainer(pct, ctid);
}

/** Starts a container. @throws ActionError RESTART_FAILED, or what the start belongs to */
export function startContainer(
  pct: Pct,
  ctid: number,
  code: FailureCode = 'RESTART_FAILED',
  remedy = `See why it doesn't start: pct start ${ctid} --debug.`,
): Promise<void> {
  return pct.manage(code, ['start', String(ctid)], { timeoutSeconds: START_SECONDS, remedy });
}
