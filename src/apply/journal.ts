import { join } from 'node:path';
import * as z from 'zod/mini';
import { ActionError, messageOf } from '../errors.ts';
import { StateFile } from '../system/state-file.ts';

const Passed = z.object({
  key: z.string().check(z.regex(/^dev\d{1,3}$/)),
  path: z.string().check(z.regex(/^\/dev\/nvidia[\w/-]*$/)),
});

/**
 * What is being done to a container. Written before each side effect, gone when the container is as it was or as planned;
 * what is found here when nobody holds the container's lock is what an interrupted run left.
 */
const Entry = z.object({
  ctid: z.number(),
  /** The run that works on it, for people. */
  run: z.string(),
  since: z.string(),
  /** The snapshot to go back to, from before it is made until it is dropped; null: there is none. */
  snapshot: z.nullable(z.string().check(z.regex(/^nvidia-[0-9a-f]{8}$/))),
  /** Directory in the container that the driver's files are unpacked in, and that is removed; or null. */
  directory: z.nullable(z.string().check(z.regex(/^(?:\/[\w-]+)+\/proxmox-lxc-nvidia$/))),
  /** `devN` entries that the plan adds to its configuration. */
  passthrough: z._default(z.array(Passed), []),
  /** The plan restarts it: that it isn't running may be this action's doing. */
  restarts: z._default(z.boolean(), false),
  /**
   * `announced`: a snapshot is being taken, nothing else was touched. `begun`: something may be half done. `proven`: all is
   * done and verified, only the snapshot is still to be dropped.
   */
  phase: z.enum(['announced', 'begun', 'proven']),
  /** The step that was begun last, in words. */
  step: z.string(),
});
export type JournalEntry = z.infer<typeof Entry>;

/** The journal of one container: on the host's disk, where it outlives the run and a restart. */
export class Journal {
  readonly #ctid: number;
  readonly #file: StateFile<typeof Entry>;

  /** @param directory of this user's journals */
  constructor(ctid: number, directory: string) {
    this.#ctid = ctid;
    this.#file = new StateFile(join(directory, `${ctid}.json`), Entry);
  }

  /**
   * What an interrupted run left, or null. Half an entry can't be: it is renamed into place when complete.
   *
   * @throws ActionError JOURNAL_FAILED when it is there but can't be read, or is another container's
   */
  async read(): Promise<JournalEntry | null> {
    try {
      const entry = await this.#file.read();
      if (entry !== null && entry.ctid !== this.#ctid) throw new Error(`it is of container ${entry.ctid}`);
      return entry;
    } catch (error) {
      throw new ActionError(
        'JOURNAL_FAILED',
        `The journal ${this.#file.path} could not be read: ${messageOf(error)}.`,
        'It says whether an earlier run was interrupted. Make it readable for the user of the runner; if it is damaged, look into the container, then remove it and run this again.',
      );
    }
  }

  /** Replaces the entry; when this returns it is on the disk. @throws ActionError JOURNAL_FAILED */
  async write(entry: JournalEntry): Promise<void> {
    try {
      await this.#file.write(entry);
    } catch (error) {
      throw new ActionError(
        'JOURNAL_FAILED',
        `The journal ${this.#file.path} could not be written: ${messageOf(error)}.`,
        "Nothing is changed that isn't written down first: make room on this host's disk and run this again.",
      );
    }
  }

  remove(): Promise<void> {
    return this.#file.remove();
  }
}
