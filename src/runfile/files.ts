import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { openToRead } from '../system/open-file.ts';

/** Opens a plain file for reading; null: none that can be read, but perhaps a link, a directory, a pipe. */
export async function openPlain(path: string): Promise<FileHandle | null> {
  let file: FileHandle | null;
  try {
    file = await openToRead(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (['ENOTDIR', 'EACCES', 'ELOOP', 'ENXIO'].includes(code)) return null;
    throw error;
  }
  if (file === null || (await file.stat()).isFile()) return file;
  await file.close();
  return null;
}

/**
 * Copies an open file into a new one and hashes what is written: each byte is read once, so that nothing can change between
 * the hash and the copy.
 *
 * @param limit bytes; a file may also grow beyond it meanwhile
 * @param onProgress called for every part; what it throws ends the copying
 * @returns null when it is larger than the limit
 */
export async function copyHashed(
  from: FileHandle,
  path: string,
  limit: number,
  onProgress: () => void,
): Promise<{ sha256: string; size: number } | null> {
  if ((await from.stat()).size > limit) return null;
  await using to = await open(path, 'wx', 0o600);
  const hash = createHash('sha256');
  // One buffer for the whole file: a stream makes a new one for every 64 KiB.
  const buffer = Buffer.alloc(1024 * 1024);
  for (let size = 0; ; ) {
    const { bytesRead } = await from.read(buffer, 0, buffer.length, size);
    if (bytesRead === 0) return { sha256: hash.digest('hex'), size };
    size += bytesRead;
    if (size > limit) return null;
    const part = buffer.subarray(0, bytesRead);
    hash.update(part);
    await to.writeFile(part);
    onProgress();
  }
}
