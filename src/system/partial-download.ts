import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';

export interface Downloaded {
  /** Hexadecimal, of the bytes as they were written. */
  sha256: string;
  /** Bytes. */
  size: number;
}

/** Called with bytes so far and, where the server told, bytes in all. */
export type Progress = (received: number, total: number | null) => void;

/** More came, or was announced, than may. */
export class TooLarge extends Error {
  readonly most: number;

  constructor(most: number) {
    super(`more than ${most} bytes`);
    this.most = most;
  }
}

/**
 * A file on its way from a server, over one answer or several: when one breaks off, the next is asked for the bytes that
 * are missing (RFC 9110, range requests). Bytes are hashed once they are written, so the hash goes on with the file and
 * nothing is read again.
 */
export class PartialDownload {
  readonly #path: string;
  readonly #onProgress: Progress;
  readonly #most: number;
  #file: FileHandle | null = null;
  #hash: Hash = createHash('sha256');
  #size = 0;
  #total: number | null = null;
  /** A strong entity tag of what is here so far: only with it can a server tell that it still has the same file. */
  #tag: string | null = null;

  /** @param most bytes that the file may have */
  constructor(path: string, onProgress: Progress, most: number) {
    this.#path = path;
    this.#onProgress = onProgress;
    this.#most = most;
  }

  /** Bytes that are here. */
  get received(): number {
    return this.#size;
  }

  /** Headers of the next request: none, or those that ask for the missing bytes of the same file. */
  requestHeaders(): Record<string, string> {
    if (this.#size === 0 || this.#tag === null) return {};
    return { range: `bytes=${this.#size}-`, 'if-range': this.#tag };
  }

  /** `1000 of 5000 bytes` */
  progressText(): string {
    return `${this.#size} of ${this.#total ?? 'an unknown number of'} bytes`;
  }

  /**
   * Writes an answer's body: of status 206 at the end of what is here, else from the beginning.
   *
   * @returns false when the answer doesn't fit what is here, which is then forgotten, or ended early: ask again
   * @throws TooLarge, and what reading the answer or writing the file throws
   */
  async take(message: IncomingMessage): Promise<boolean> {
    this.#file ??= await open(this.#path, 'a', 0o600);
    if (message.statusCode === 206) {
      if (!this.#continues(message)) {
        message.destroy();
        await this.#restart(this.#file);
        return false;
      }
    } else {
      await this.#restart(this.#file);
      this.#tag = strongTag(message);
      this.#total = lengthOf(message);
    }
    if ((this.#total ?? 0) > this.#most) throw new TooLarge(this.#most);
    for await (const chunk of message as AsyncIterable<Buffer>) {
      if (this.#size + chunk.length > this.#most) throw new TooLarge(this.#most);
      await this.#file.appendFile(chunk);
      this.#hash.update(chunk);
      this.#size += chunk.length;
      this.#onProgress(this.#size, this.#total);
    }
    return this.#total === null || this.#size === this.#total;
  }

  /** Forgets what is here, for a server that refuses to go on with it. */
  async forget(): Promise<void> {
    if (this.#file !== null) await this.#restart(this.#file);
  }

  /** The result; only once, after the last answer. */
  finish(): Downloaded {
    return { sha256: this.#hash.digest('hex'), size: this.#size };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
  }

  #continues(message: IncomingMessage): boolean {
    const [, first, , total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(message.headers['content-range'] ?? '') ?? [];
    const sameFile = message.headers.etag === undefined || strongTag(message) === this.#tag;
    return sameFile && Number(first) === this.#size && (this.#total === null || Number(total) === this.#total);
  }

  async #restart(file: FileHandle): Promise<void> {
    await file.truncate(0);
    this.#hash = createHash('sha256');
    this.#size = 0;
    this.#total = null;
    this.#tag = null;
  }
}

/** The entity tag, unless it is a weak one, which may stand for different bytes. */
function strongTag({ headers }: IncomingMessage): string | null {
  return headers.etag?.startsWith('"') ? headers.etag : null;
}

/** The announced length in bytes, or null when none is. */
export function lengthOf({ headers }: IncomingMessage): number | null {
  const header = headers['content-length'];
  const length = Number(header);
  return header !== undefined && Number.isSafeInteger(length) && length >= 0 ? length : null;
}
