import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createHttp } from '../../../src/system/http.ts';
import { failureOf } from '../helpers/failure.ts';
import { serve } from '../helpers/server.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const BODY = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 251));
const SHA256 = createHash('sha256').update(BODY).digest('hex');
const TAG = '"v1"';

interface Answer {
  status?: number;
  headers?: Record<string, string | number>;
  body?: Buffer;
  /** Bytes after which the connection breaks, or (`stall`) nothing comes any more. */
  breaksAfter?: number;
  stall?: boolean;
}

/** The whole file, with a tag unless another one is given. */
const whole = (changes: Answer = {}): Answer => ({
  body: BODY,
  ...changes,
  headers: { etag: TAG, 'content-length': (changes.body ?? BODY).length, ...changes.headers },
});

/** The rest of the file, from a byte on. */
const rest = (from: number, changes: Answer = {}): Answer => ({
  status: 206,
  body: BODY.subarray(from),
  ...changes,
  headers: {
    etag: TAG,
    'content-length': BODY.length - from,
    'content-range': `bytes ${from}-${BODY.length - 1}/${BODY.length}`,
    ...changes.headers,
  },
});

/** A download from a server whose n-th answer is made from what was asked for. */
async function download(...answers: ((range: number) => Answer)[]) {
  const asked: (string | undefined)[] = [];
  const sent = (request: IncomingMessage, response: ServerResponse, index: number) => {
    const { range, 'if-range': ifRange } = request.headers;
    asked.push(range === undefined ? undefined : `${range} if ${ifRange}`);
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const { status = 200, headers = {}, body = Buffer.alloc(0), breaksAfter, stall } = answers[index]?.(from) ?? {};
    response.writeHead(status, headers);
    if (breaksAfter === undefined) response.end(body);
    else response.write(body.subarray(0, breaksAfter), () => stall || setTimeout(() => response.destroy(), 50));
  };
  const { url } = await serve(sent);
  const file = join(temporaryDirectory(), 'partial');
  const http = createHttp('unit-test', async () => {}, new AbortController().signal, { silenceSeconds: 0.3 });
  const totals = new Set<number | null>();
  const result = http.download(url, file, 'DOWNLOAD_FAILED', (_received, total) => totals.add(total));
  return { result, asked, totals, content: () => readFileSync(file) };
}

/** What is right however the download went. */
async function expectWhole({ result, content }: Awaited<ReturnType<typeof download>>): Promise<void> {
  expect(await result).toEqual({ sha256: SHA256, size: BODY.length });
  expect(content().equals(BODY)).toBe(true);
}

describe('a download that breaks off', () => {
  it('goes on where it was, as often as needed', async () => {
    const run = await download(
      () => whole({ breaksAfter: 200_000 }),
      (from) => rest(from, { breaksAfter: 50_000 }),
      rest,
    );
    await expectWhole(run);
    expect(run.asked).toEqual([undefined, `bytes=200000- if ${TAG}`, `bytes=250000- if ${TAG}`]);
    expect([...run.totals]).toEqual([BODY.length]);
  });

  it('goes on also after silence', async () => {
    const run = await download(() => whole({ breaksAfter: 100_000, stall: true }), rest);
    await expectWhole(run);
    expect(run.asked).toEqual([undefined, `bytes=100000- if ${TAG}`]);
  });

  it('goes on after an error in between', async () => {
    const run = await download(
      () => whole({ breaksAfter: 100_000 }),
      () => ({ status: 503 }),
      rest,
    );
    await expectWhole(run);
    expect(run.asked).toEqual([undefined, `bytes=100000- if ${TAG}`, `bytes=100000- if ${TAG}`]);
  });

  it('begins anew where the server sends the whole file again', async () => {
    const other = Buffer.alloc(300_000, 'x');
    const run = await download(
      () => whole({ body: other, breaksAfter: 200_000 }),
      () => whole({ headers: { etag: '"v2"' } }),
    );
    await expectWhole(run);
    expect(run.asked).toEqual([undefined, `bytes=200000- if ${TAG}`]);
  });

  it.each<[string, Answer['headers']]>([
    ['of another file', { etag: '"v2"' }],
    ['from another place', { 'content-range': `bytes 5-${BODY.length - 1}/${BODY.length}` }],
    ['of another length', { 'content-range': `bytes 200000-${BODY.length - 1}/${BODY.length + 1}` }],
    ['without saying which', { 'content-range': 'nonsense' }],
  ])('begins anew after a rest %s', async (_what, headers = {}) => {
    const run = await download(
      () => whole({ breaksAfter: 200_000 }),
      (from) => rest(from, { headers }),
      () => whole(),
    );
    await expectWhole(run);
    expect(run.asked).toEqual([undefined, `bytes=200000- if ${TAG}`, undefined]);
  });

  it('begins anew where the server refuses the range', async () => {
    const run = await download(
      () => whole({ breaksAfter: 200_000 }),
      () => ({ status: 416 }),
      () => whole(),
    );
    await expectWhole(run);
    expect(run.asked).toEqual([undefined, `bytes=200000- if ${TAG}`, undefined]);
  });

  it.each(['W/"v1"', ''])('begins anew where the tag is %j, which proves nothing', async (etag) => {
    const run = await download(
      () => whole({ headers: { etag }, breaksAfter: 200_000 }),
      () => whole(),
    );
    await expectWhole(run);
    expect(run.asked).toEqual([undefined, undefined]);
  });

  it('says in the end how far it came', async () => {
    const run = await download(
      () => whole({ breaksAfter: 200_000 }),
      (from) => rest(from, { breaksAfter: 1000 }),
      (from) => rest(from, { breaksAfter: 0 }),
      (from) => rest(from, { breaksAfter: 0, stall: true }),
    );
    const failure = await failureOf(() => run.result);
    expect(failure.seen).toContain('broke off after 201000 of 300000 bytes: nothing came for 0.3 s');
    expect(failure.remedy).toContain('4 times');
  });
});

it('a server that never answers is given up', async () => {
  const { url, requests } = await serve(() => {});
  const http = createHttp('unit-test', async () => {}, new AbortController().signal, { silenceSeconds: 0.2 });
  const failure = await failureOf(() => http.get(`${url}/x?token=s3cret`, 'DOWNLOAD_FAILED'));
  expect(failure.seen).toContain('nothing came for 0.2 s');
  expect(failure.message).not.toContain('s3cret');
  expect(requests).toHaveLength(4);
});

it('a server that stops in the middle of a small answer is given up', async () => {
  const { url } = await serve((_request, response, index) => {
    response.writeHead(200, { 'content-length': 4 });
    if (index === 0) response.write('go');
    else response.end('good');
  });
  const http = createHttp('unit-test', async () => {}, new AbortController().signal, { silenceSeconds: 0.2 });
  expect((await http.get(url, 'DOWNLOAD_FAILED'))?.toString()).toBe('good');
});
