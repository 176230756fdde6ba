import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HttpClient } from '@actions/http-client';
import { ActionError, type FailureCode, messageOf } from '../errors.ts';
import { shownUrl } from './text.ts';

/** Largest answer that is read into memory; NVIDIA's package index is about 1 MB packed. */
const MEMORY_LIMIT = 64 * 1024 * 1024;

/** Waits between tries, in seconds. Only for what may pass: a lost connection, 429 and 5xx. */
const WAITS = [1, 4, 10];

export interface Downloaded {
  /** Hexadecimal, of the bytes as they were written. */
  sha256: string;
  /** Bytes. */
  size: number;
}

/** Called with bytes so far and, where the server told, bytes in all. */
export type Progress = (received: number, total: number | null) => void;

/** What the action asks of the web. Redirects are followed, but never from https to http. */
export interface Http {
  /** The body, or null for 404. @throws ActionError for everything else. */
  get(url: string, code: FailureCode): Promise<Buffer | null>;
  /** The size in bytes (null: not told) of what is there, or undefined for 404. @throws ActionError */
  head(url: string, code: FailureCode): Promise<number | null | undefined>;
  /** Writes the body to a new file and hashes it in the same pass. @throws ActionError also for 404. */
  download(url: string, file: string, code: FailureCode, onProgress: Progress): Promise<Downloaded>;
}

class Passing extends Error {}

/** A status that isn't success: worth another try (429, 5xx) or final. */
function refuse(status: number, url: string, code: FailureCode): Error {
  const seen = `${shownUrl(url)} answered HTTP ${status}.`;
  if (status === 429 || status >= 500) return new Passing(seen);
  return new ActionError(code, seen, 'Check the address and that this host may reach it.');
}

/** @param userAgent how this action names itself to servers. */
export function createHttp(userAgent: string, wait: (seconds: number) => Promise<void>): Http {
  const client = new HttpClient(userAgent, [], {
    allowRedirectDowngrade: false,
    maxRedirects: 5,
    socketTimeout: 60_000,
  });

  async function tried<T>(url: string, code: FailureCode, work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof ActionError) throw error;
        const seconds = WAITS[attempt];
        if (seconds === undefined) {
          const seen = error instanceof Passing ? error.message : `${shownUrl(url)}: ${messageOf(error)}.`;
          throw new ActionError(
            code,
            seen,
            `It failed ${attempt + 1} times: check the network, proxy and name resolution of this host.`,
          );
        }
        await wait(seconds);
      }
    }
  }

  return {
    get: (url, code) =>
      tried(url, code, async () => {
        const { message } = await client.get(url);
        const status = message.statusCode ?? 0;
        if (status !== 200) {
          message.resume();
          if (status === 404) return null;
          throw refuse(status, url, code);
        }
        const chunks: Buffer[] = [];
        let size = 0;
        for await (const chunk of message as AsyncIterable<Buffer>) {
          size += chunk.length;
          if (size > MEMORY_LIMIT) {
            message.destroy();
            throw new ActionError(code, `${shownUrl(url)} is larger than ${MEMORY_LIMIT} bytes.`, 'Check the address.');
          }
          chunks.push(chunk);
        }
        return Buffer.concat(chunks);
      }),

    head: (url, code) =>
      tried(url, code, async () => {
        const { message } = await client.head(url);
        message.resume();
        const status = message.statusCode ?? 0;
        if (status === 404) return undefined;
        if (status !== 200) throw refuse(status, url, code);
        return lengthOf(message.headers['content-length']);
      }),

    download: (url, file, code, onProgress) =>
      tried(url, code, async () => {
        const { message } = await client.get(url);
        const status = message.statusCode ?? 0;
        if (status !== 200) {
          message.resume();
          throw refuse(status, url, code);
        }
        const total = lengthOf(message.headers['content-length']);
        const hash = createHash('sha256');
        let size = 0;
        const meter = new Transform({
          transform(chunk: Buffer, _encoding, done) {
            hash.update(chunk);
            size += chunk.length;
            onProgress(size, total);
            done(null, chunk);
          },
        });
        await pipeline(message, meter, createWriteStream(file, { mode: 0o600 }));
        if (total !== null && size !== total)
          throw new Passing(`${shownUrl(url)} ended after ${size} of ${total} bytes.`);
        return { sha256: hash.digest('hex'), size };
      }),
  };
}

function lengthOf(header: string | undefined): number | null {
  const length = Number(header);
  return header !== undefined && Number.isSafeInteger(length) && length >= 0 ? length : null;
}
