import { setTimeout } from 'node:timers/promises';
import { ActionError } from '../errors.ts';
import { observeContainer } from '../proxmox/node.ts';
import type { Pct } from '../proxmox/pct.ts';
import type { HostFiles } from '../system/files.ts';
import type { Log } from '../system/log.ts';
import { lastLines, NO_SPACE } from '../system/text.ts';
import { APT_GET } from './apt.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { orphansOf } from './orphans.ts';
import { takeBackPassthrough } from './passthrough.ts';
import { startContainer } from './restart.ts';
import { dropSnapshot, rollBack, thaw, unlock } from './snapshot.ts';

/** Locks that a pct of ours leaves behind when it is killed in the middle. */
const OWN_LOCKS = ['snapshot', 'snapshot-delete', 'rollback'];

/** Seconds for `dpkg --configure -a`, which may have a whole toolkit to finish. */
const REPAIR_SECONDS = 1800;

/** Seconds that a pct which lost its run may need to end: as long as one that works on volumes may take. */
const ORPHAN_SECONDS = 300;

/**
 * Removes what a run leaves in a container, and finishes what dpkg was interrupted in. Argument 1: directory, or empty.
 *
 * `dpkg --audit` says nothing of a status that dpkg could not write (full disk): apt finds that by its numbered updates.
 * A package that was cut off while it was unpacked can't be configured: it is installed anew, or else removed. One that was cut off
 * while it was purged is gone but for its configuration, of which neither says anything: that is finished.
 */
const REPAIR = `
set -eu
rm -rf -- /var/tmp/proxmox-lxc-nvidia /var/tmp/proxmox-lxc-nvidia-apt.* /var/cache/proxmox-lxc-nvidia/.new.*
if [ -n "$1" ]; then rm -rf -- "$1"; fi
interrupted() { [ -n "$(dpkg --audit 2>&1)" ] || ls /var/lib/dpkg/updates | grep -q '^[0-9]'; }
if interrupted; then dpkg --force-confdef --force-confold --configure -a || :; fi
if interrupted; then
  cut_off=$(dpkg-query -W -f '\${db:Status-Eflag} \${binary:Package}\\n' | sed -n 's/^reinstreq //p')
  ${APT_GET.join(' ')} --no-install-recommends --fix-broken --reinstall install $cut_off || :
  if interrupted && [ -n "$cut_off" ]; then dpkg --force-remove-reinstreq --remove $cut_off || :; fi
fi
purged=$(dpkg-query -W -f '\${db:Status-Abbrev} \${binary:Package}\\n' | sed -n 's/^pc. //p')
if [ -n "$purged" ]; then dpkg --purge $purged; fi
if interrupted; then dpkg --audit; exit 1; fi
`;

/** How a container was put right. */
export type Recovery = 'rolled-back' | 'repaired' | 'completed';

/**
 * Puts right what an interrupted or failed run left of a container: back to the snapshot where there is one, else nothing
 * half done and no leftovers, so that the next plan finds what is missing. Its lock must be held. Can be repeated.
 *
 * @throws ActionError ROLLBACK_FAILED, RECOVERY_FAILED, RESTART_FAILED, CONTAINER_STOPPED, CONTAINER_SPACE, with the journal kept for the next try
 */
export async function recover(
  { pct, files, log }: { pct: Pct; files: HostFiles; log: Log },
  journal: Journal,
  entry: JournalEntry,
): Promise<Recovery> {
  const { ctid, snapshot } = entry;
  await endOrphans(pct, files, ctid);
  const container = await observeContainer(files, ctid);
  if (container.presence.kind !== 'here') {
    log.info(`Container ${ctid} is gone; what ${entry.run} left of it is forgotten.`);
    await journal.remove();
    return 'completed';
  }
  if (container.running && container.lock === null && !(await pct.endProcesses(ctid, 'any'))) {
    log.info(`Not everything that was running in container ${ctid} could be ended.`);
  }
  if (container.lock !== null && OWN_LOCKS.includes(container.lock)) await unlock(pct, ctid);
  // Killed while it made a snapshot, pct leaves the container frozen, and whatever wants to run in it hangs.
  if (container.lock === 'snapshot' && container.running) await thaw(pct, ctid);

  let recovery: Recovery;
  if (snapshot !== null && container.snapshots.includes(snapshot)) {
    const complete = !container.incompleteSnapshots.includes(snapshot);
    recovery = entry.phase === 'begun' && complete ? 'rolled-back' : 'completed';
    if (recovery === 'rolled-back') {
      log.info(`Rolling container ${ctid} back to ${snapshot}: what was written in it since then is lost.`);
      await rollBack(pct, ctid, snapshot);
    }
    await dropSnapshot(pct, ctid, snapshot, !complete);
  } else {
    recovery = entry.phase === 'begun' ? 'repaired' : 'completed';
    if (recovery === 'repaired') {
      // First, because a container doesn't start with an entry whose node the host has lost.
      await takeBackPassthrough(pct, container, entry.passthrough);
      if (!container.running && entry.restarts) await startContainer(pct, ctid);
      await repair(pct, ctid, entry.directory, container.running || entry.restarts, log);
    }
  }
  await journal.remove();
  return recovery;
}

/**
 * Waits until no pct of an earlier run works on the container any more: killed with its volumes half switched it would
 * leave more to put right than when it ends. What an `exec` started, or starts yet, is ended.
 *
 * @throws ActionError RECOVERY_FAILED
 */
async function endOrphans(pct: Pct, files: HostFiles, ctid: number): Promise<void> {
  const end = performance.now() + ORPHAN_SECONDS * 1000;
  for (;;) {
    const orphans = await orphansOf(files, ctid);
    if (orphans.length === 0) return;
    if (performance.now() > end) {
      const names = orphans.map(({ pid, what }) => `${what} (process ${pid})`);
      throw new ActionError(
        'RECOVERY_FAILED',
        `Container ${ctid} is still being worked on by what an earlier run started: ${names.join(', ')}.`,
        'See what it waits for, or end it; then run this again.',
      );
    }
    if (orphans.some(({ what }) => what === 'pct exec')) await pct.endProcesses(ctid, 'any');
    await setTimeout(200);
  }
}

async function repair(pct: Pct, ctid: number, directory: string | null, running: boolean, log: Log): Promise<void> {
  if (!running) {
    throw new ActionError(
      'CONTAINER_STOPPED',
      `Container ${ctid} was stopped while it was being changed, and is not running.`,
      `Start it (pct start ${ctid}) and run this again: what was left half done is repaired first.`,
    );
  }
  const { exitCode, stdout, stderr } = await pct.script(ctid, REPAIR, [directory ?? ''], {
    purpose: 'repairing what was left half done',
    timeoutSeconds: REPAIR_SECONDS,
    evenIfCancelled: true,
    onLine: (line) => log.foreign(String(ctid), line),
  });
  if (exitCode === 0) return;
  if (NO_SPACE.test(stdout + stderr)) {
    throw new ActionError(
      'CONTAINER_SPACE',
      `Container ${ctid} has no room to finish what was left half done.`,
      'Enlarge its disk (pct resize) and run this again: that is repaired first.',
      lastLines(`${stdout}\n${stderr}`, 15),
    );
  }
  throw new ActionError(
    'RECOVERY_FAILED',
    `Container ${ctid} could not be repaired (exit code ${exitCode}).`,
    `Look inside: pct enter ${ctid}; dpkg --configure -a must succeed.`,
    lastLines(`${stdout}\n${stderr}`, 15),
  );
}
