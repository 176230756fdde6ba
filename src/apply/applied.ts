import { join } from 'node:path';
import * as z from 'zod/mini';
import { ActionError, messageOf } from '../errors.ts';
import type { AppliedPart } from '../plan/approval.ts';
import { StateFile } from '../system/state-file.ts';

const DIGEST = /^sha256:[0-9a-f]{64}$/;

const Parts = z.record(
  z.string().check(z.regex(/^\d+$/)),
  z.object({ digest: z.string().check(z.regex(DIGEST)), run: z.string(), at: z.iso.datetime() }),
);

/** `plan`: the approved plan's digest, as in the file's name. */
const Record = z.object({ plan: z.string().check(z.regex(DIGEST)), parts: Parts });

/** Which parts of an approved plan were applied on this host: an approval is good once. */
export class AppliedPlan {
  readonly #digest: string;
  readonly #file: StateFile<typeof Record>;
  readonly #parts: Map<number, AppliedPart>;
  /** Containers end side by side; the file is written by one after the other. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(digest: string, file: StateFile<typeof Record>, parts: Map<number, AppliedPart>) {
    this.#digest = digest;
    this.#file = file;
    this.#parts = parts;
  }

  /**
   * @param digest the approved plan's, `sha256:…`
   * @param directory of what this user applied
   * @throws ActionError JOURNAL_FAILED when what is noted can't be read
   */
  static async load(digest: string, directory: string): Promise<AppliedPlan> {
    const file = new StateFile(join(directory, `${digest.replace(':', '-')}.json`), Record);
    try {
      const { plan, parts } = (await file.read()) ?? { plan: digest, parts: {} };
      if (plan !== digest) throw new Error(`it is of the plan ${plan}`);
      return new AppliedPlan(digest, file, new Map(Object.entries(parts).map(([ctid, part]) => [Number(ctid), part])));
    } catch (error) {
      throw new ActionError(
        'JOURNAL_FAILED',
        `What was applied of the approved plan could not be read from ${file.path}: ${messageOf(error)}.`,
        'Make the file readable for the user of the runner; if it is damaged, remove it and have a new plan approved.',
      );
    }
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
      await this.#file.write({ plan: this.#digest, parts: Object.fromEntries(this.#parts) });
    } catch (error) {
      throw new ActionError(
        'JOURNAL_FAILED',
        `That the approved plan was applied to container ${ctid} could not be noted in ${this.#file.path}: ${messageOf(error)}.`,
        'The container is as planned. Make room on the disk of this host; applying the same plan again needs a new approval.',
      );
    }
  }
}
