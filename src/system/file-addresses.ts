import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { ActionError, type FailureCode, messageOf } from '../errors.ts';
import type { Http } from './http.ts';
import { shownUrl } from './text.ts';

/** True for `file:` addresses. */
function isFile(url: string): boolean {
  return url.startsWith('file:');
}

/**
 * The web, and files of this host under `file:` addresses: what isn't there is a 404, and a download is a copy. So a file that
 * lies here already goes the same way as one that is fetched, checksum and all.
 */
export function withFileAddresses(http: Http): Http {
  return {
    get: (url, code) => (isFile(url) ? orWhenAbsent(url, code, null, (path) => readFile(path)) : http.get(url, code)),
    head: (url, code) => (isFile(url) ? orWhenAbsent(url, code, undefined, sizeOf) : http.head(url, code)),
    download: async (url, file, code, onProgress) => {
      if (!isFile(url)) return http.download(url, file, code, onProgress);
      const copied = await orWhenAbsent(url, code, null, async (path) => {
        const total = await sizeOf(path);
        const hash = createHash('sha256');
        let size = 0;
        const counted = new Transform({
          transform(chunk: Buffer, _encoding, done) {
            hash.update(chunk);
            size += chunk.length;
            try {
              onProgress(size, total);
              done(null, chunk);
            } catch (error) {
              done(error as Error);
            }
          },
        });
        await pipeline(createReadStream(path), counted, createWriteStream(file, { mode: 0o600 }));
        return { sha256: hash.digest('hex'), size };
      });
      if (copied !== null) return copied;
      throw new ActionError(code, `${shownUrl(url)} is not there any more.`, 'Run this again when it stays.');
    },
  };
}

/** @throws ActionError for everything but absence */
async function orWhenAbsent<T, A>(
  url: string,
  code: FailureCode,
  absent: A,
  work: (path: string) => Promise<T>,
): Promise<T | A> {
  try {
    return await work(fileURLToPath(url));
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

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path);
  if (!found.isFile()) throw new Error('it is no regular file');
  return found.size;
}
