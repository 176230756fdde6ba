import type { Pct } from '../proxmox/pct.ts';
import { startContainer } from './restart.ts';

/** Seconds for one pct call that works on volumes. */
const VOLUME_SECONDS = 300;

/** Takes a snapshot. @throws ActionError SNAPSHOT_FAILED */
export function takeSnapshot(pct: Pct, ctid: number, name: string, run: string): Promise<void> {
  return pct.manage(
    'SNAPSHOT_FAILED',
    ['snapshot', String(ctid), name, '--description', `proxmox-lxc-nvidia: ${run}`],
    {
      timeoutSeconds: VOLUME_SECONDS,
      remedy: 'Nothing was changed. With "rollback: never" no snapshot is taken.',
    },
  );
}

/** Drops a snapshot. @param incomplete that was interrupted while it was made @throws ActionError SNAPSHOT_FAILED */
export function dropSnapshot(pct: Pct, ctid: number, name: string, incomplete = false): Promise<void> {
  return pct.manage('SNAPSHOT_FAILED', ['delsnapshot', String(ctid), name, ...(incomplete ? ['--force', '1'] : [])], {
    timeoutSeconds: VOLUME_SECONDS,
    remedy: `Drop it by hand: pct delsnapshot ${ctid} ${name}.`,
  });
}

/**
 * Goes back to a snapshot and starts the container again. A running container is killed, its configuration restored, and
 * whatever was written in it since is lost. @throws ActionError ROLLBACK_FAILED
 */
export async function rollBack(pct: Pct, ctid: number, name: string): Promise<void> {
  const remedy = `See what stands in the way, then: pct rollback ${ctid} ${name} --start 1 && pct delsnapshot ${ctid} ${name}.`;
  await pct.manage('ROLLBACK_FAILED', ['rollback', String(ctid), name], { timeoutSeconds: VOLUME_SECONDS, remedy });
  await startContainer(pct, ctid, 'ROLLBACK_FAILED', remedy);
}

/** Takes away a lock that a died pct of ours left on the container. @throws ActionError ROLLBACK_FAILED */
export function unlock(pct: Pct, ctid: number): Promise<void> {
  return pct.manage('ROLLBACK_FAILED', ['unlock', String(ctid)], {
    timeoutSeconds: 60,
    remedy: `See pct config ${ctid}; the lock is taken away by pct unlock ${ctid}.`,
  });
}

/**
 * Lets a container go on that a died pct left frozen in the middle of a snapshot; one that runs is left as it is.
 *
 * @throws ActionError ROLLBACK_FAILED
 */
export function thaw(pct: Pct, ctid: number): Promise<void> {
  return pct.thaw('ROLLBACK_FAILED', ctid, {
    timeoutSeconds: 60,
    remedy: `It may be frozen, and is let go on by: lxc-freeze -n ${ctid}; lxc-unfreeze -n ${ctid}.`,
  });
}
