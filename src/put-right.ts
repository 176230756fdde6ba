import { Journal } from './apply/journal.ts';
import { recover } from './apply/recover.ts';
import { toFailure } from './errors.ts';
import { takeContainerLock } from './proxmox/lock.ts';
import { Pct } from './proxmox/pct.ts';
import type { World } from './world.ts';

/** Seconds to wait for a container's lock: when another run has it already, it is the one to put things right. */
const WAIT_SECONDS = 5;

/**
 * After a run, however it ended: puts right what it left half done. Only warns, because a step that failed has said why
 * already, and the next run tries again.
 */
export async function putRight(
  ctids: readonly number[],
  world: Pick<World, 'user' | 'state' | 'files' | 'runAsRoot' | 'log' | 'runName'>,
): Promise<void> {
  const never = new AbortController().signal;
  const { files, log, runName } = world;
  const pct = new Pct(world.runAsRoot, never);
  for (const ctid of ctids) {
    const journal = new Journal(ctid, world.state.directory('journal'));
    try {
      if ((await journal.read()) === null) continue;
      const lock = await takeContainerLock(ctid, runName, world, {
        waitSeconds: WAIT_SECONDS,
        cancelled: never,
        onWait: () => {},
      });
      try {
        const entry = await journal.read();
        if (entry === null) continue;
        log.info(`Container ${ctid} was left at "${entry.step}".`);
        const recovery = await recover({ pct, files, log }, journal, entry);
        log.info(`Container ${ctid} is put right: ${recovery}.`);
      } finally {
        await lock.release();
      }
    } catch (error) {
      const { code, seen, remedy } = toFailure(error);
      log.warning(`${seen} ${remedy}`, code);
    }
  }
}
