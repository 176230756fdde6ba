import type * as z from 'zod/mini';
import { openToRead } from './open-file.ts';
import { removeDurably, writeDurably } from './state.ts';

/** Far more than any of these files has. */
const MOST_BYTES = 4 * 1024 * 1024;

/** A JSON file of this action's on the host, of one schema: read without following a link, written at once and for good. */
export class StateFile<S extends z.ZodMiniType> {
  readonly path: string;
  readonly #schema: S;

  constructor(path: string, schema: S) {
    this.path = path;
    this.#schema = schema;
  }

  /** What it holds; null: it isn't there. @throws what reading throws, also for what is no such file */
  async read(): Promise<z.infer<S> | null> {
    await using file = await openToRead(this.path);
    if (file === null) return null;
    const { size } = await file.stat();
    if (size > MOST_BYTES) throw new Error(`it has ${size} bytes`);
    return this.#schema.parse(JSON.parse(await file.readFile('utf8')));
  }

  /** Replaces it; when this returns, it is on the disk. */
  write(value: z.infer<S>): Promise<void> {
    return writeDurably(this.path, `${JSON.stringify(value)}\n`);
  }

  /** Removes it, if it is there; when this returns, that is on the disk. */
  remove(): Promise<void> {
    return removeDurably(this.path);
  }
}
