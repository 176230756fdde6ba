import { readFile } from 'node:fs/promises';
import type * as z from 'zod/mini';

/** What a manifest beside cached files says; null: it isn't there, or can't be understood, and what is beside it doesn't count. */
export async function readManifest<S extends z.ZodMiniType>(path: string, schema: S): Promise<z.infer<S> | null> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
}
