import type { IncomingMessage, RequestOptions } from 'node:http';
import { addAbortSignal } from 'node:stream';
import { ActionError, type FailureCode, messageOf } from '../errors.ts';
import { untilCancelled } from './cancellation.ts';
import { NETWORK_LIMITS } from './limits.ts';
import { freeBuffersEarly } from './memory.ts';
import { type Downloaded, lengthOf, PartialDownload, type Progress, TooLarge } from './partial-download.ts';
import { percentDecoded, shownUrl } from './text.ts';

/** Waits between tries, in seconds. Only for what may pass: a lost connection, 429 and 5xx. */
const WAITS = [1, 4, 10];

const MOST_REDIRECTS = 5;

/** Errors of the local disk: trying again loads the same bytes for the same end. */
const DISK_ERRORS = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'ENOENT', 'EISDIR', 'EIO'];

/** Loaded with the first redirect: Node's resolver and sockets take milliseconds of a run that asks nothing of the web. */
const internalAddresses = () => import(/* webpackMode: "eager" */ './internal-addresses.ts');

/** How long a server may take for what; by default what {@link NETWORK_LIMITS} says. */
export type Patience = Record<'answerSeconds' | 'silenceSeconds' | 'slowSeconds' | 'slowestBytesPerSecond', number>;

/**
 * What the action asks of the web. Proxies come from the environment (`https_proxy`, `no_proxy`), credentials from the
 * address; redirects are followed, but never from https to http, and never from outside to this machine itself.
 */
export interface Http {
  /**
   * The body, or null for 404.
   *
   * @param most bytes; without it what a checksum may have
   * @throws ActionError for everything else
   */
  get(url: string, code: FailureCode, most?: number): Promise<Buffer | null>;
  /** The size in bytes (null: not told) of what is there, or undefined for 404. @throws ActionError */
  head(url: string, code: FailureCode): Promise<number | null | undefined>;
  /**
   * Writes the body to a new file and hashes it in the same pass. A download that breaks off goes on where it was.
   *
   * @param most bytes, such as were announced; never more than {@link NETWORK_LIMITS} allows
   * @throws ActionError also for 404
   */
  download(url: string, file: string, code: FailureCode, onProgress: Progress, most?: number): Promise<Downloaded>;
}

/** A failure that may pass. */
class Passing extends Error {}

/**
 * @param userAgent how this action names itself to servers
 * @param wait between tries
 * @param cancelled ends every request when it is aborted; its reason is then thrown
 * @param patience where it differs from the table's
 */
export function createHttp(
  userAgent: string,
  wait: (seconds: number) => Promise<void>,
  cancelled: AbortSignal,
  patience: Partial<Patience> = {},
): Http {
  const { answerSeconds, silenceSeconds, slowSeconds, slowestBytesPerSecond }: Patience = {
    ...NETWORK_LIMITS,
    ...patience,
  };

  /**
   * Sends one request. The client is loaded when it is first needed: a run in which nothing is to do asks nothing of the web.
   *
   * @param changes of the options with which Node makes the request
   */
  async function send(
    method: 'GET' | 'HEAD',
    url: URL,
    headers: Record<string, string>,
    changes: RequestOptions,
  ): Promise<IncomingMessage> {
    const { HttpClient } = await import(/* webpackMode: "eager" */ '#http-client');
    const handler = {
      prepareRequest: (options: RequestOptions) => void Object.assign(options, changes),
      canHandleAuthentication: () => false,
      handleAuthentication: () => Promise.reject(new Error('nothing is answered to an authentication challenge')),
    };
    // Redirects are followed here: the client doesn't know relative ones.
    const settings = { allowRedirects: false, socketTimeout: silenceSeconds * 1000 };
    const client = new HttpClient(userAgent, [handler], settings);
    return (await client.request(method, withoutUser(url), null, { ...headers, ...authorization(url) })).message;
  }

  /** The answer at the end of all redirects: 200, 206 or 416 where a range was asked for, or null for 404. */
  async function request(
    method: 'GET' | 'HEAD',
    address: string,
    code: FailureCode,
    signal: AbortSignal,
    headers: Record<string, string> = {},
  ): Promise<IncomingMessage | null> {
    const first = new URL(address);
    let url = first;
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      const message = await send(method, url, headers, { signal, ...(await resolverFor(url, first)) });
      const status = message.statusCode ?? 0;
      if (status === 200 || ('range' in headers && (status === 206 || status === 416))) {
        return addAbortSignal(signal, endedBySilence(message, silenceSeconds));
      }
      // A body that nobody wants may have no end.
      message.destroy();
      if (status === 404) return null;
      const { location } = message.headers;
      if (status < 300 || status >= 400 || location === undefined) throw refusal(status, url, code);
      url = await redirectTarget(location, url, first, code);
    }
    throw new ActionError(
      code,
      `${shownUrl(address)} redirects more than ${MOST_REDIRECTS} times.`,
      'Check the address.',
    );
  }

  /** Gives work up, and every request of it, when it isn't done within the time of one answer. That isn't tried again. */
  async function inTime<T>(url: string, code: FailureCode, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const ended = new AbortController();
    const timer = setTimeout(() => {
      const seen = `${shownUrl(url)} was not answered in full within ${answerSeconds} s.`;
      ended.abort(new ActionError(code, seen, 'Check the network and proxy of this host, and that server.'));
    }, answerSeconds * 1000);
    try {
      return await untilCancelled(() => work(AbortSignal.any([cancelled, ended.signal])), ended.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async function tried<T>(url: string, code: FailureCode, work: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await untilCancelled(work, cancelled);
      } catch (error) {
        cancelled.throwIfAborted();
        if (error instanceof ActionError) throw error;
        if ((error as NodeJS.ErrnoException).code === 'EINTERNAL') throw internalTarget(url, messageOf(error), code);
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
            error instanceof Passing ? error.message : `${shownUrl(url)}: ${reasonOf(error, silenceSeconds)}.`,
            `It failed ${attempt + 1} times: check the network, proxy and name resolution of this host.`,
          );
        }
        await untilCancelled(() => wait(seconds), cancelled);
      }
    }
  }

  return {
    get: (url, code, most = NETWORK_LIMITS.checksumBytes) =>
      tried(url, code, () =>
        inTime(url, code, async (signal) => {
          const message = await request('GET', url, code, signal);
          return message && readWhole(message, url, code, most);
        }),
      ),

    head: (url, code) =>
      tried(url, code, () =>
        inTime(url, code, async (signal) => {
          const message = await request('HEAD', url, code, signal);
          message?.resume();
          return message === null ? undefined : lengthOf(message);
        }),
      ),

    download: async (url, file, code, onProgress, most = NETWORK_LIMITS.runfileBytes) => {
      await freeBuffersEarly();
      await using partial = new PartialDownload(file, onProgress, Math.min(most, NETWORK_LIMITS.runfileBytes));
      return await tried(url, code, async () => {
        const message = await inTime(url, code, (signal) =>
          request('GET', url, code, signal, partial.requestHeaders()),
        );
        if (message === null) throw refusal(404, new URL(url), code);
        if (message.statusCode === 416) {
          message.destroy();
          await partial.forget();
          throw new Passing(`${shownUrl(url)} doesn't have the bytes any more that were missing of it.`);
        }
        using _slow = endedBySlowness(message, () => partial.received, slowSeconds, slowestBytesPerSecond);
        const complete = await partial.take(message).catch((error: unknown) => {
          message.destroy();
          if (error instanceof TooLarge) throw tooLarge(url, error.most, code);
          if (error instanceof ActionError || isDiskError(error)) throw error;
          const reason = reasonOf(error, silenceSeconds);
          throw new Passing(`${shownUrl(url)} broke off after ${partial.progressText()}: ${reason}.`);
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

/** Ends an answer that comes, but so slowly that it never would be whole. Disposing of it ends the watch. */
function endedBySlowness(
  message: IncomingMessage,
  received: () => number,
  seconds: number,
  bytesPerSecond: number,
): Disposable {
  let before = received();
  const timer = setInterval(() => {
    const now = received();
    if (now - before < seconds * bytesPerSecond) {
      message.destroy(new Error(`less than ${bytesPerSecond} bytes a second came for ${seconds} s`));
    }
    before = now;
  }, seconds * 1000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * How the name of a URL is resolved. What the user names may lie anywhere; what a server names, by another name than the user
 * did, may not lie on this machine.
 */
async function resolverFor(url: URL, first: URL): Promise<RequestOptions> {
  if (url.hostname === first.hostname) return {};
  const { externalLookup, isInternalHost } = await internalAddresses();
  return isInternalHost(first) ? {} : { lookup: externalLookup as RequestOptions['lookup'] & {} };
}

/** Where a server sends us. @throws ActionError where nobody is sent to by a server */
async function redirectTarget(location: string, from: URL, first: URL, code: FailureCode): Promise<URL> {
  const next = URL.parse(location, from.href);
  const words = `${shownUrl(from.href)} redirects to ${next === null ? 'what is not an address' : shownUrl(next.href)}`;
  if (next === null || (next.protocol !== 'https:' && (next.protocol !== 'http:' || from.protocol === 'https:'))) {
    throw new ActionError(
      code,
      `${words}, which is not encrypted.`,
      'Only https:// is followed: give the address of a server that stays with it.',
    );
  }
  const { isInternalHost } = await internalAddresses();
  if (next.hostname !== first.hostname && isInternalHost(next) && !isInternalHost(first)) {
    throw internalTarget(from.href, words, code);
  }
  return next;
}

function internalTarget(url: string, seen: string, code: FailureCode): ActionError {
  return new ActionError(
    code,
    `${shownUrl(url)} leads to this machine itself, or to what only machines near it may ask: ${seen}.`,
    'No server may send the action there. If the address is meant, give it as the input itself.',
  );
}

function tooLarge(url: string, most: number, code: FailureCode): ActionError {
  return new ActionError(
    code,
    `${shownUrl(url)} is larger than ${most} bytes, which is what was announced or the most that is taken.`,
    'A proxy or captive page may have answered: check the address.',
  );
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

async function readWhole(message: IncomingMessage, url: string, code: FailureCode, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  if ((lengthOf(message) ?? 0) > most) {
    message.destroy();
    throw tooLarge(url, most, code);
  }
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > most) throw tooLarge(url, most, code);
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
