import type * as z from 'zod/mini';
import { openPlain } from './files.ts';

/** Far more than a manifest has. */
const MOST_BYTES = 64 * 1024;

/** What a manifest beside files says; null: it isn't there, or can't be understood, and what is beside it doesn't count. */
export async function readManifest<S extends z.ZodMiniType>(path: string, schema: S): Promise<z.infer<S> | null> {
  try {
    await using file = await openPlain(path);
    if (file === null) return null;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_BYTES), 0, MOST_BYTES, 0);
    return schema.parse(JSON.parse(buffer.toString('utf8', 0, bytesRead)));
  } catch {
    return null;
  }
}
