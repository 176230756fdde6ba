import { createHash } from 'node:crypto';
import { constants, createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { ActionError, type FailureCode, messageOf } from '../errors.ts';
import type { Http } from './http.ts';
import { NETWORK_LIMITS } from './limits.ts';
import { shownUrl } from './text.ts';

/** True for `file:` addresses. */
function isFile(url: string): boolean {
  return url.startsWith('file:');
}

/**
 * The web, and files of this host under `file:` addresses: what isn't there is a 404, and a download is a copy. So a file that
 * lies here already goes the same way as one that is fetched, checksum, limits and all.
 */
export function withFileAddresses(http: Http): Http {
  return {
    get: (url, code, most = NETWORK_LIMITS.checksumBytes) =>
      isFile(url)
        ? orWhenAbsent(url, code, null, async (file, size) => {
            checkSize(size, most);
            return await file.readFile();
          })
        : http.get(url, code, most),
    head: (url, code) =>
      isFile(url) ? orWhenAbsent(url, code, undefined, async (_file, size) => size) : http.head(url, code),
    download: async (url, file, code, onProgress, most = NETWORK_LIMITS.runfileBytes) => {
      if (!isFile(url)) return http.download(url, file, code, onProgress, most);
      const copied = await orWhenAbsent(url, code, null, async (source, total) => {
        checkSize(total, Math.min(most, NETWORK_LIMITS.runfileBytes));
        const hash = createHash('sha256');
        let size = 0;
        const counted = new Transform({
          transform(chunk: Buffer, _encoding, done) {
            hash.update(chunk);
            size += chunk.length;
            try {
              // What grows while it is read has no end that anybody announced.
              checkSize(size, total);
              onProgress(size, total);
              done(null, chunk);
            } catch (error) {
              done(error as Error);
            }
          },
        });
        await pipeline(
          source.createReadStream({ autoClose: false }),
          counted,
          createWriteStream(file, { mode: 0o600 }),
        );
        return { sha256: hash.digest('hex'), size };
      });
      if (copied !== null) return copied;
      throw new ActionError(code, `${shownUrl(url)} is not there any more.`, 'Run this again when it stays.');
    },
  };
}

function checkSize(size: number, most: number): void {
  if (size > most) throw new Error(`it is larger than ${most} bytes`);
}

/**
 * Opens a file and looks at what was opened: nothing else has an end or a size, and opening a pipe would wait for whoever
 * writes into it.
 *
 * @throws ActionError for everything but absence
 */
async function orWhenAbsent<T, A>(
  url: string,
  code: FailureCode,
  absent: A,
  work: (file: FileHandle, size: number) => Promise<T>,
): Promise<T | A> {
  try {
    await using file = await open(fileURLToPath(url), constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile()) throw new Error('it is not a regular file');
    return await work(file, found.size);
  } catch (error) {
    if (error instanceof ActionError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return absent;
    throw new ActionError(
      code,
      `${shownUrl(url)} can't be read or copied on this host: ${messageOf(error)}.`,
      "Check its path and rights, and the room in the runner's RUNNER_TEMP.",
    );
  }
}
