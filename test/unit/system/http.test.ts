import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ActionError } from '../../../src/errors.ts';
import { createHttp } from '../../../src/system/http.ts';
import { failureOf } from '../helpers/failure.ts';
import { serve, serveSecurely } from '../helpers/server.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** A client that doesn't wait between its tries but notes how long it would have. */
function client(cancelled = new AbortController().signal) {
  const waits: number[] = [];
  const wait = async (seconds: number) => {
    waits.push(seconds);
  };
  return { http: createHttp('unit-test', wait, cancelled), waits };
}

/** Answers with bytes and bytes and no end. */
function sendForEver(response: Writable): void {
  const block = Buffer.alloc(64 * 1024);
  const more = () => {
    while (!response.destroyed && response.write(block));
  };
  response.on('drain', more);
  more();
}

/** Sends a byte every tenth of a second, for ever. */
function drip(response: Writable | null, first = 'x'): void {
  response?.write(first);
  const timer = setInterval(() => response?.write('x'), 100);
  response?.on('close', () => clearInterval(timer));
}

const NO_PROGRESS = () => {};

/** A server that answers every connection with the given bytes and closes it; the n-th connection gets the n-th answer. */
async function rawServer(...answers: string[]): Promise<{ url: string; connections: () => number }> {
  let count = 0;
  const server = createServer((socket) => {
    const answer = answers[Math.min(count++, answers.length - 1)] ?? '';
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answer));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}`, connections: () => count };
}

describe('get', () => {
  it('gives the body', async () => {
    const { url, requests } = await serve((request, response) =>
      response.end(`hello ${request.headers['user-agent']}`),
    );
    expect((await client().http.get(`${url}/x?y=1`, 'DOWNLOAD_FAILED'))?.toString()).toBe('hello unit-test');
    expect(requests).toEqual(['GET /x?y=1']);
  });

  it('gives null for 404, without another try', async () => {
    const { url, requests } = await serve((_request, response) => response.writeHead(404).end('no'));
    expect(await client().http.get(url, 'DOWNLOAD_FAILED')).toBeNull();
    expect(requests).toHaveLength(1);
  });

  it.each([400, 401, 403, 410])('refuses %d at once with the code asked for', async (status) => {
    const { url, requests } = await serve((_request, response) => response.writeHead(status).end());
    const failure = await failureOf(() => client().http.get(`${url}/a?token=s3cret`, 'REPOSITORY_UNREACHABLE'));
    expect(failure.code).toBe('REPOSITORY_UNREACHABLE');
    expect(failure.seen).toContain(`HTTP ${status}`);
    expect(failure.message).not.toContain('s3cret');
    expect(requests).toHaveLength(1);
  });

  it.each([429, 500, 503])('tries again after %d', async (status) => {
    const { url } = await serve((_request, response, index) =>
      response.writeHead(index < 2 ? status : 200).end('good'),
    );
    const { http, waits } = client();
    expect((await http.get(url, 'DOWNLOAD_FAILED'))?.toString()).toBe('good');
    expect(waits).toEqual([1, 4]);
  });

  it('gives up after four tries', async () => {
    const { url, requests } = await serve((_request, response) => response.writeHead(503).end());
    const { http, waits } = client();
    const failure = await failureOf(() => http.get(url, 'DOWNLOAD_FAILED'));
    expect(failure.code).toBe('DOWNLOAD_FAILED');
    expect(failure.message).toContain('HTTP 503');
    expect(failure.remedy).toContain('4 times');
    expect(requests).toHaveLength(4);
    expect(waits).toEqual([1, 4, 10]);
  });

  it('tries again when the connection breaks in the middle', async () => {
    const { url } = await serve((_request, response, index) => {
      response.writeHead(200, { 'content-length': 10 });
      if (index > 0) response.end('0123456789');
      else response.write('01234', () => response.destroy());
    });
    expect((await client().http.get(url, 'DOWNLOAD_FAILED'))?.toString()).toBe('0123456789');
  });

  it('says what went wrong where nobody listens', async () => {
    const failure = await failureOf(() => client().http.get('http://127.0.0.1:1/x', 'DOWNLOAD_FAILED'));
    expect(failure.code).toBe('DOWNLOAD_FAILED');
    expect(failure.seen).toContain('http://127.0.0.1:1/x');
    expect(failure.seen).toContain('ECONNREFUSED');
  });

  it.each(['/target', 'target', '//HOST/target', 'http://HOST/target'])(
    'follows a redirect to %s',
    async (location) => {
      const { url, requests } = await serve((request, response) => {
        if (request.url === '/target') response.end('there');
        else response.writeHead(302, { location: location.replace('HOST', request.headers.host ?? '') }).end();
      });
      expect((await client().http.get(`${url}/start`, 'DOWNLOAD_FAILED'))?.toString()).toBe('there');
      expect(requests).toEqual(['GET /start', 'GET /target']);
    },
  );

  it('gives user name and password to their own server only', async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end('there');
    });
    const { url } = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: other.url }).end();
    });
    await client().http.get(url.replace('http://', 'http://me:p%40ss@'), 'DOWNLOAD_FAILED');
    expect(seen).toEqual([`Basic ${Buffer.from('me:p@ss').toString('base64')}`, undefined]);
  });

  it('never goes from https to http', async () => {
    const plain = await serve((_request, response) => response.end('there'));
    const secure = await serveSecurely((_request, response) => response.writeHead(302, { location: plain.url }).end());
    const failure = await failureOf(() => client().http.get(secure.url, 'DOWNLOAD_FAILED'));
    expect(failure.message).toContain('not encrypted');
    expect(secure.requests).toHaveLength(1);
    expect(plain.requests).toEqual([]);
  });

  it('follows a redirect from https to https', async () => {
    const { url } = await serveSecurely((request, response) => {
      if (request.url === '/target') response.end('there');
      else response.writeHead(301, { location: '/target' }).end();
    });
    expect((await client().http.get(url, 'DOWNLOAD_FAILED'))?.toString()).toBe('there');
  });

  it('does not follow redirects for ever', async () => {
    const { url, requests } = await serve((request, response) =>
      response.writeHead(302, { location: `http://${request.headers.host}/again` }).end(),
    );
    expect((await failureOf(() => client().http.get(url, 'DOWNLOAD_FAILED'))).code).toBe('DOWNLOAD_FAILED');
    expect(requests.length).toBeLessThanOrEqual(6);
  });

  it.each([
    ['as many bytes as it is told', 5_000_000],
    ['64 KiB, when it is told no more,', undefined],
  ])('reads no more than %s into memory', async (_what, most) => {
    const { url, requests } = await serve((_request, response) => sendForEver(response));
    const failure = await failureOf(() => client().http.get(url, 'DOWNLOAD_FAILED', most));
    expect(failure.seen).toContain(`larger than ${most ?? 65536} bytes`);
    expect(requests).toHaveLength(1);
  });

  it('takes nothing of an answer that is announced to be larger', async () => {
    const { url, requests } = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 101 });
      response.flushHeaders();
    });
    expect((await failureOf(() => client().http.get(url, 'DOWNLOAD_FAILED', 100))).seen).toContain('100 bytes');
    expect(requests).toHaveLength(1);
  });

  it.each<[string, Parameters<typeof serve>[0], RegExp]>([
    ['a body', (_request, response) => drip(response), /not answered in full within 1 s/],
    ['headers', (_request, { socket }) => drip(socket, 'HTTP/1.1 200 OK\r\nx: '), /not answered in full within 1 s/],
    ['a body that comes with an error', (_request, response) => drip(response.writeHead(404)), /^nothing there$/],
    [
      'a redirect to itself, and its body',
      (_request, response) => drip(response.writeHead(302, { location: '/again' })),
      /redirects more than 5 times/,
    ],
  ])('ends %s of a byte now and then, which never is whole', async (_what, handler, outcome) => {
    const { url } = await serve(handler);
    const times = { answerSeconds: 1, silenceSeconds: 0.5 };
    const http = createHttp('unit-test', async () => {}, new AbortController().signal, times);
    const ended = await http.get(url, 'DOWNLOAD_FAILED').then(
      (answer) => String(answer ?? 'nothing there'),
      ({ message }) => message,
    );
    expect(ended).toMatch(outcome);
  });

  it('ends a size that is told by the byte', async () => {
    const { url } = await serve((_request, { socket }) => drip(socket, 'HTTP/1.1 200 OK\r\nx: '));
    const times = { answerSeconds: 0.5, silenceSeconds: 0.4 };
    const http = createHttp('unit-test', async () => {}, new AbortController().signal, times);
    for (const ask of [
      () => http.head(url, 'DOWNLOAD_FAILED'),
      () => http.download(url, join(temporaryDirectory(), 'partial'), 'DOWNLOAD_FAILED', NO_PROGRESS),
    ]) {
      expect((await failureOf(ask)).seen).toContain('not answered in full within 0.5 s');
    }
  });

  it('does not try again what took its whole time', async () => {
    const { url, requests } = await serve((_request, response) => drip(response));
    const times = { answerSeconds: 0.5, silenceSeconds: 0.4 };
    const http = createHttp('unit-test', async () => {}, new AbortController().signal, times);
    const failure = await failureOf(() => http.get(url, 'DOWNLOAD_FAILED'));
    expect(failure.seen).toContain('not answered in full within 0.5 s');
    expect(requests).toHaveLength(1);
  });
});

describe('head', () => {
  it.each([
    ['the size', (): Record<string, string> => ({ 'content-length': '398016015' }), 200, 398_016_015],
    [
      'null where the server does not tell',
      (): Record<string, string> => ({ 'transfer-encoding': 'chunked' }),
      200,
      null,
    ],
    ['undefined for 404', (): Record<string, string> => ({}), 404, undefined],
  ])('gives %s', async (_what, headers, status, expected) => {
    const { url, requests } = await serve((_request, response) => response.writeHead(status, headers()).end());
    expect(await client().http.head(url, 'DOWNLOAD_FAILED')).toBe(expected);
    expect(requests).toEqual(['HEAD /']);
  });

  it('tries again after 503 and refuses 403', async () => {
    const { url } = await serve((_request, response, index) =>
      response.writeHead(index === 0 ? 503 : 200, { 'content-length': 7 }).end(),
    );
    expect(await client().http.head(url, 'DOWNLOAD_FAILED')).toBe(7);
    const closed = await serve((_request, response) => response.writeHead(403).end());
    expect((await failureOf(() => client().http.head(closed.url, 'DOWNLOAD_FAILED'))).seen).toContain('403');
  });
});

describe('download', () => {
  const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 251));
  const sha256 = createHash('sha256').update(body).digest('hex');

  it('writes the bytes, hashes them and tells the progress', async () => {
    const { url } = await serve((_request, response) =>
      response.writeHead(200, { 'content-length': body.length }).end(body),
    );
    const file = join(temporaryDirectory(), 'partial');
    const steps: [number, number | null][] = [];
    const { http } = client();
    expect(await http.download(url, file, 'DOWNLOAD_FAILED', (...step) => steps.push(step))).toEqual({
      sha256,
      size: body.length,
    });
    expect(readFileSync(file).equals(body)).toBe(true);
    expect(steps.at(-1)).toEqual([body.length, body.length]);
  });

  it('tells a total of null where the server tells none', async () => {
    const { url } = await serve((_request, response) => {
      response.write(body);
      response.end();
    });
    const file = join(temporaryDirectory(), 'partial');
    const totals = new Set<number | null>();
    const { http } = client();
    await http.download(url, file, 'DOWNLOAD_FAILED', (_received, total) => totals.add(total));
    expect([...totals]).toEqual([null]);
  });

  it('begins again with an empty file after a broken connection', async () => {
    const { url } = await serve((_request, response, index) => {
      response.writeHead(200, { 'content-length': body.length });
      if (index > 0) response.end(body);
      else response.write(Buffer.alloc(200_000, 'x'), () => response.destroy());
    });
    const file = join(temporaryDirectory(), 'partial');
    const { http, waits } = client();
    expect(await http.download(url, file, 'DOWNLOAD_FAILED', NO_PROGRESS)).toEqual({ sha256, size: body.length });
    expect(readFileSync(file).equals(body)).toBe(true);
    expect(waits).toEqual([1]);
  });

  it('takes no body that is shorter than announced', async () => {
    const { url, connections } = await rawServer(
      'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nshort',
    );
    const file = join(temporaryDirectory(), 'partial');
    const failure = await failureOf(() => client().http.download(url, file, 'DOWNLOAD_FAILED', NO_PROGRESS));
    expect(failure.code).toBe('DOWNLOAD_FAILED');
    expect(connections()).toBe(4);
  });

  it.each<[string, Record<string, string | number>]>([
    ['as it says at once', { 'content-length': 300_000 }],
    ['which it hides', { 'transfer-encoding': 'chunked' }],
  ])('writes no more bytes than were announced before, of a file that has more, %s', async (_what, headers) => {
    const { url, requests } = await serve((_request, response) => response.writeHead(200, headers).end(body));
    const file = join(temporaryDirectory(), 'partial');
    const failure = await failureOf(() => client().http.download(url, file, 'DOWNLOAD_FAILED', NO_PROGRESS, 200_000));
    expect(failure.seen).toContain('larger than 200000 bytes');
    expect(requests).toHaveLength(1);
    expect(statSync(file).size).toBeLessThanOrEqual(200_000);
  });

  it('has an end also where nobody announced one', async () => {
    const { url, requests } = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 3 * 1024 ** 3 });
      sendForEver(response);
    });
    const file = join(temporaryDirectory(), 'partial');
    const failure = await failureOf(() => client().http.download(url, file, 'DOWNLOAD_FAILED', NO_PROGRESS));
    expect(failure.seen).toContain(`larger than ${2 * 1024 ** 3} bytes`);
    expect(statSync(file).size).toBe(0);
    expect(requests).toHaveLength(1);
  });

  it('is given up when next to nothing comes, however steadily', async () => {
    const { url, requests } = await serve((_request, response) =>
      drip(response.writeHead(200, { 'content-length': 1000 })),
    );
    const file = join(temporaryDirectory(), 'partial');
    const times = { slowSeconds: 0.4, slowestBytesPerSecond: 1000, silenceSeconds: 5 };
    const http = createHttp('unit-test', async () => {}, new AbortController().signal, times);
    const failure = await failureOf(() => http.download(url, file, 'DOWNLOAD_FAILED', NO_PROGRESS));
    expect(failure.seen).toContain('less than 1000 bytes a second came for 0.4 s');
    expect(requests).toHaveLength(4);
  });

  it('refuses 404 at once', async () => {
    const { url, requests } = await serve((_request, response) => response.writeHead(404).end('<html>'));
    const file = join(temporaryDirectory(), 'partial');
    const failure = await failureOf(() => client().http.download(url, file, 'DOWNLOAD_FAILED', NO_PROGRESS));
    expect(failure.seen).toContain('HTTP 404');
    expect(requests).toHaveLength(1);
  });

  it('does not try again when the disk is what fails', async () => {
    const { url, requests } = await serve((_request, response) => response.end(body));
    const file = join(temporaryDirectory(), 'no/such/directory/partial');
    await expect(client().http.download(url, file, 'DOWNLOAD_FAILED', NO_PROGRESS)).rejects.toThrow();
    expect(requests).toHaveLength(1);
  });
});

describe('a run that is cancelled', () => {
  it('waits for no answer', async () => {
    const controller = new AbortController();
    const reason = new ActionError('CANCELLED', 'It was cancelled.', 'Run it again.');
    const { url } = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => controller.abort(reason));
    });
    const file = join(temporaryDirectory(), 'partial');
    const { http } = client(controller.signal);
    expect(await failureOf(() => http.download(url, file, 'DOWNLOAD_FAILED', NO_PROGRESS))).toBe(reason);
    expect(await failureOf(() => http.get(url, 'DOWNLOAD_FAILED'))).toBe(reason);
  });
});
