import { randomBytes } from 'node:crypto';
import { toFailure } from '../errors.ts';
import type { ContainerPlan } from '../plan/actions.ts';
import type { Pct } from '../proxmox/pct.ts';
import type { World } from '../world.ts';
import { workingPath } from './install-driver.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { type Recovery, recover } from './recover.ts';
import { dropSnapshot, takeSnapshot } from './snapshot.ts';

/** Writes into the journal what is done next; when it returns, that is on the disk. */
export type RecordStep = (step: string) => Promise<void>;

/**
 * What keeps a container from being left half done: the journal around every step and, where the plan says so, a snapshot
 * from before the first change until after the proof.
 */
export class Protection {
  readonly #world: World;
  readonly #pct: Pct;
  readonly #journal: Journal;
  readonly #entry: JournalEntry;
  #recovery: Recovery | null = null;

  constructor(world: World, pct: Pct, journal: Journal, plan: ContainerPlan) {
    this.#world = world;
    this.#pct = pct;
    this.#journal = journal;
    const passed = plan.actions.find((action) => action.kind === 'configure-passthrough');
    const install = plan.actions.find((action) => action.kind === 'install-driver');
    this.#entry = {
      ctid: plan.ctid,
      run: world.runName,
      since: new Date().toISOString(),
      snapshot: plan.safety.kind === 'snapshot' ? `nvidia-${randomBytes(4).toString('hex')}` : null,
      directory: install === undefined ? null : workingPath(install),
      passthrough: (passed?.entries ?? []).map(({ key, path }) => ({ key, path })),
      restarts: plan.actions.some(({ kind }) => kind === 'restart'),
      phase: plan.safety.kind === 'snapshot' ? 'announced' : 'begun',
      step: 'nothing yet',
    };
  }

  /** How the container was put right after a failure; null: it wasn't needed, or could not be. */
  get recovery(): Recovery | null {
    return this.#recovery;
  }

  /**
   * Runs work that changes the container and proves it. When that fails the container goes back to its snapshot, or is left
   * with nothing half done; when it is cancelled, that is left to the post step, which has more time.
   *
   * @param proven awaited when all is done and proven, before the snapshot is dropped; it must not throw
   * @throws what the work threw, or SNAPSHOT_FAILED; not when all was proven and only the snapshot had to be dropped twice
   */
  async around(
    work: (record: RecordStep) => Promise<void>,
    proven: () => Promise<void> = async () => {},
  ): Promise<void> {
    try {
      await this.#attempt(work, proven);
    } catch (error) {
      if (this.#world.cancelled.aborted) throw error;
      await this.#recover();
      if (this.#entry.phase !== 'proven') throw error;
    }
  }

  async #attempt(work: (record: RecordStep) => Promise<void>, proven: () => Promise<void>): Promise<void> {
    const { ctid, snapshot } = this.#entry;
    const record: RecordStep = (step) => this.#journal.write(Object.assign(this.#entry, { step }));
    if (snapshot !== null) {
      await record('take a snapshot');
      await takeSnapshot(this.#pct, ctid, snapshot, this.#world.runName);
      this.#world.log.info(`Container ${ctid} has the snapshot ${snapshot} to go back to.`);
    }
    this.#entry.phase = 'begun';
    await record('begin');
    await work(record);
    this.#entry.phase = 'proven';
    await record('drop the snapshot');
    await proven();
    if (snapshot !== null) await dropSnapshot(this.#pct, ctid, snapshot);
    await this.#journal.remove();
  }

  /** What can't be put right now is told beside the failure; the journal stays for the next try. */
  async #recover(): Promise<void> {
    const { files, log } = this.#world;
    try {
      this.#recovery = await recover({ pct: this.#pct, files, log }, this.#journal, this.#entry);
    } catch (error) {
      if (this.#entry.phase === 'proven') throw error;
      const { code, seen, remedy } = toFailure(error);
      log.warning(`${seen} ${remedy}`, code);
    }
  }
}
