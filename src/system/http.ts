import type { IncomingMessage } from 'node:http';
import { addAbortSignal } from 'node:stream';
import type { HttpClient } from '@actions/http-client';
import { ActionError, type FailureCode, messageOf } from '../errors.ts';
import { untilCancelled } from './cancellation.ts';
import { freeBuffersEarly } from './memory.ts';
import { type Downloaded, lengthOf, PartialDownload, type Progress } from './partial-download.ts';
import { percentDecoded, shownUrl } from './text.ts';

/** Largest answer that is read into memory; NVIDIA's package index is about 1 MB packed. */
const MEMORY_LIMIT = 64 * 1024 * 1024;

/** Waits between tries, in seconds. Only for what may pass: a lost connection, 429 and 5xx. */
const WAITS = [1, 4, 10];

const MOST_REDIRECTS = 5;

/** A server that sends nothing for so long, in seconds, is given up; what it sent so far isn't lost to the next try. */
const SILENCE = 30;

/** Errors of the local disk: trying again loads the same bytes for the same end. */
const DISK_ERRORS = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'ENOENT', 'EISDIR', 'EIO'];

/**
 * What the action asks of the web. Proxies come from the environment (`https_proxy`, `no_proxy`), credentials from the
 * address; redirects are followed, but never from https to http.
 */
export interface Http {
  /** The body, or null for 404. @throws ActionError for everything else. */
  get(url: string, code: FailureCode): Promise<Buffer | null>;
  /** The size in bytes (null: not told) of what is there, or undefined for 404. @throws ActionError */
  head(url: string, code: FailureCode): Promise<number | null | undefined>;
  /**
   * Writes the body to a new file and hashes it in the same pass. A download that breaks off goes on where it was.
   *
   * @throws ActionError also for 404
   */
  download(url: string, file: string, code: FailureCode, onProgress: Progress): Promise<Downloaded>;
}

/** A failure that may pass. */
class Passing extends Error {}

/**
 * @param userAgent how this action names itself to servers
 * @param wait between tries
 * @param cancelled ends every request when it is aborted; its reason is then thrown
 * @param silence seconds without a byte after which a server is given up
 */
export function createHttp(
  userAgent: string,
  wait: (seconds: number) => Promise<void>,
  cancelled: AbortSignal,
  silence = SILENCE,
): Http {
  let client: HttpClient | null = null;

  /** The client, loaded when it is first needed: a run in which nothing is to do asks nothing of the web. */
  async function loadClient(): Promise<HttpClient> {
    const { HttpClient } = await import(/* webpackMode: "eager" */ '#http-client');
    // Redirects are followed here: the client doesn't know relative ones.
    client ??= new HttpClient(userAgent, [], { allowRedirects: false, socketTimeout: silence * 1000 });
    return client;
  }

  /** The answer at the end of all redirects: 200, 206 or 416 where a range was asked for, or null for 404. */
  async function request(
    method: 'GET' | 'HEAD',
    address: string,
    code: FailureCode,
    headers: Record<string, string> = {},
  ): Promise<IncomingMessage | null> {
    let url = new URL(address);
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      const { message } = await (await loadClient()).request(method, withoutUser(url), null, {
        ...headers,
        ...authorization(url),
      });
      const status = message.statusCode ?? 0;
      if (status === 200 || ('range' in headers && (status === 206 || status === 416))) {
        return addAbortSignal(cancelled, endedBySilence(message, silence));
      }
      message.resume();
      if (status === 404) return null;
      const { location } = message.headers;
      if (status < 300 || status >= 400 || location === undefined) throw refusal(status, url, code);
      const next = new URL(location, url);
      if (url.protocol === 'https:' && next.protocol !== 'https:') {
        throw new ActionError(
          code,
          `${shownUrl(url.href)} redirects to ${shownUrl(next.href)}, which is not encrypted.`,
          'Only https:// is followed: give the address of a server that stays with it.',
        );
      }
      url = next;
    }
    throw new ActionError(
      code,
      `${shownUrl(address)} redirects more than ${MOST_REDIRECTS} times.`,
      'Check the address.',
    );
  }

  async function tried<T>(url: string, code: FailureCode, work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await untilCancelled(work, cancelled);
      } catch (error) {
        cancelled.throwIfAborted();
        if (error instanceof ActionError) throw error;
        if (isDiskError(error)) {
          throw new ActionError(
            code,
            `${shownUrl(url)} could not be written on this host: ${messageOf(error)}.`,
            "Check room and rights of the runner's RUNNER_TEMP and RUNNER_TOOL_CACHE.",
          );
        }
        const seconds = WAITS[attempt];
        if (seconds === undefined) {
          throw new ActionError(
            code,
            error instanceof Passing ? error.message : `${shownUrl(url)}: ${reasonOf(error, silence)}.`,
            `It failed ${attempt + 1} times: check the network, proxy and name resolution of this host.`,
          );
        }
        await untilCancelled(() => wait(seconds), cancelled);
      }
    }
  }

  return {
    get: (url, code) =>
      tried(url, code, async () => {
        const message = await request('GET', url, code);
        return message && readWhole(message, url, code);
      }),

    head: (url, code) =>
      tried(url, code, async () => {
        const message = await request('HEAD', url, code);
        message?.resume();
        return message === null ? undefined : lengthOf(message);
      }),

    download: async (url, file, code, onProgress) => {
      await freeBuffersEarly();
      await using partial = new PartialDownload(file, onProgress);
      return await tried(url, code, async () => {
        const message = await request('GET', url, code, partial.requestHeaders());
        if (message === null) throw refusal(404, new URL(url), code);
        if (message.statusCode === 416) {
          message.resume();
          await partial.forget();
          throw new Passing(`${shownUrl(url)} doesn't have the bytes any more that were missing of it.`);
        }
        const complete = await partial.take(message).catch((error: unknown) => {
          if (error instanceof ActionError || isDiskError(error)) throw error;
          throw new Passing(`${shownUrl(url)} broke off after ${partial.progressText()}: ${reasonOf(error, silence)}.`);
        });
        if (!complete) throw new Passing(`${shownUrl(url)} ended after ${partial.progressText()}.`);
        return partial.finish();
      });
    },
  };
}

/** Ends an answer in which nothing comes any more: the client itself looks after its beginning only. */
function endedBySilence(message: IncomingMessage, seconds: number): IncomingMessage {
  message.setTimeout(seconds * 1000, () => message.destroy(new Error(silenceText(seconds))));
  return message;
}

function silenceText(seconds: number): string {
  return `nothing came for ${seconds} s`;
}

/** What an error of the client says, without the address that it may quote. */
function reasonOf(error: unknown, silence: number): string {
  const reason = messageOf(error);
  return reason.startsWith('Request timeout') ? silenceText(silence) : reason;
}

function isDiskError(error: unknown): boolean {
  return DISK_ERRORS.includes((error as NodeJS.ErrnoException).code ?? '');
}

/** A status that isn't success: worth another try (429, 5xx) or final. */
function refusal(status: number, url: URL, code: FailureCode): Error {
  const seen = `${shownUrl(url.href)} answered HTTP ${status}.`;
  if (status === 429 || status >= 500) return new Passing(seen);
  return new ActionError(code, seen, 'Check the address and that this host may reach it.');
}

async function readWhole(message: IncomingMessage, url: string, code: FailureCode): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MEMORY_LIMIT) {
      throw new ActionError(code, `${shownUrl(url)} is larger than ${MEMORY_LIMIT} bytes.`, 'Check the address.');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function withoutUser(url: URL): string {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  return plain.href;
}

/** Basic authentication (RFC 7617) for an address with a user name. */
function authorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const credentials = `${percentDecoded(username)}:${percentDecoded(password)}`;
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}
