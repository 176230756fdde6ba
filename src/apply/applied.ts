import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { ActionError, messageOf } from '../errors.ts';
import type { AppliedPart } from '../plan/approval.ts';
import { STATE_DIRECTORY, writeDurably } from '../system/state.ts';

/** On the host's disk, beside the journal. */
const DIRECTORY = join(STATE_DIRECTORY, 'applied');

const Record = z.record(z.string(), z.object({ digest: z.string(), run: z.string(), at: z.string() }));

/** Which parts of an approved plan were applied on this host: an approval is good once. */
export class AppliedPlan {
  readonly #path: string;
  readonly #parts: Map<number, AppliedPart>;
  /** Containers end side by side; the file is written by one after the other. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, parts: Map<number, AppliedPart>) {
    this.#path = path;
    this.#parts = parts;
  }

  /** @param digest the approved plan's, `sha256:…`. @throws ActionError JOURNAL_FAILED when what is noted can't be read */
  static async load(digest: string, directory = DIRECTORY): Promise<AppliedPlan> {
    const path = join(directory, `${digest.replace(':', '-')}.json`);
    let parts: z.infer<typeof Record> = {};
    try {
      parts = Record.parse(JSON.parse(await readFile(path, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw new ActionError(
          'JOURNAL_FAILED',
          `What was applied of the approved plan could not be read from ${path}: ${messageOf(error)}.`,
          'Make the file readable for the user of the runner; if it is damaged, remove it and have a new plan approved.',
        );
      }
    }
    return new AppliedPlan(path, new Map(Object.entries(parts).map(([ctid, part]) => [Number(ctid), part])));
  }

  /** By container. */
  get parts(): ReadonlyMap<number, AppliedPart> {
    return this.#parts;
  }

  /** Notes that a container's part is done and proven. @throws ActionError JOURNAL_FAILED */
  add(ctid: number, part: AppliedPart): Promise<void> {
    this.#parts.set(ctid, part);
    const written = this.#writing.then(() => this.#write(ctid));
    this.#writing = written.catch(() => {});
    return written;
  }

  async #write(ctid: number): Promise<void> {
    try {
      await writeDurably(this.#path, `${JSON.stringify(Object.fromEntries(this.#parts))}\n`);
    } catch (error) {
      throw new ActionError(
        'JOURNAL_FAILED',
        `That the approved plan was applied to container ${ctid} could not be noted in ${this.#path}: ${messageOf(error)}.`,
        'The container is as planned. Make room on the disk of this host; applying the same plan again needs a new approval.',
      );
    }
  }
}
