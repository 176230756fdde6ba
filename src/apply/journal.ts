import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { ActionError, messageOf } from '../errors.ts';
import { removeDurably, STATE_DIRECTORY, writeDurably } from '../system/state.ts';

/** On the host's disk, where it outlives the run and a restart. */
const DIRECTORY = join(STATE_DIRECTORY, 'journal');

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
  snapshot: z.nullable(z.string()),
  /** Directory in the container that the driver's files are unpacked in, or null. */
  directory: z.nullable(z.string()),
  /** `devN` entries that the plan adds to its configuration. */
  passthrough: z._default(z.array(z.object({ key: z.string(), path: z.string() })), []),
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

/** The journal of one container. */
export class Journal {
  readonly #path: string;

  constructor(ctid: number, directory = DIRECTORY) {
    this.#path = join(directory, `${ctid}.json`);
  }

  /**
   * What an interrupted run left, or null. Half an entry can't be: it is renamed into place when complete.
   *
   * @throws ActionError JOURNAL_FAILED when it is there but can't be read
   */
  async read(): Promise<JournalEntry | null> {
    try {
      return Entry.parse(JSON.parse(await readFile(this.#path, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw new ActionError(
        'JOURNAL_FAILED',
        `The journal ${this.#path} could not be read: ${messageOf(error)}.`,
        'It says whether an earlier run was interrupted. Make it readable for the user of the runner; if it is damaged, look into the container, then remove it and run this again.',
      );
    }
  }

  /** Replaces the entry; when this returns it is on the disk. @throws ActionError JOURNAL_FAILED */
  async write(entry: JournalEntry): Promise<void> {
    try {
      await writeDurably(this.#path, `${JSON.stringify(entry)}\n`);
    } catch (error) {
      throw new ActionError(
        'JOURNAL_FAILED',
        `The journal ${this.#path} could not be written: ${messageOf(error)}.`,
        "Nothing is changed that isn't written down first: make room on this host's disk and run this again.",
      );
    }
  }

  remove(): Promise<void> {
    return removeDurably(this.#path);
  }
}
