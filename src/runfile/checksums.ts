import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

/** Checksums of large files, each read once by a run as long as it doesn't change. */
export class Checksums {
  readonly #known = new Map<string, string>();

  /** The sha256 of an open file in lower-case hexadecimal. */
  async of(file: FileHandle): Promise<string> {
    const state = await stateOf(file);
    const known = this.#known.get(state);
    if (known !== undefined) return known;
    const sha256 = await hashFile(file);
    this.#known.set(state, sha256);
    return sha256;
  }
}

/** What changes when a file is written or replaced. */
async function stateOf(file: FileHandle): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

async function hashFile(file: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  // One buffer for the whole file: a stream makes a new one for every 64 KiB.
  const buffer = Buffer.alloc(1024 * 1024);
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}
