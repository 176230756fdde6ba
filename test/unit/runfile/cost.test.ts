import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { serve } from '../helpers/server.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const MIB = 1024 * 1024;
/** Larger than the memory that obtaining it may take. */
const CHUNK = Buffer.alloc(MIB, 'runfile ');
const CHUNKS = 200;
const SIZE = CHUNKS * MIB;
const LIMIT = 150 * MIB;

const sha256 = (() => {
  const hash = createHash('sha256');
  for (let chunk = 0; chunk < CHUNKS; chunk++) hash.update(CHUNK);
  return hash.digest('hex');
})();

interface Cost {
  read: number;
  written: number;
  memory: number;
}

const obtain = async (url: string, directory: string, times: number): Promise<Cost> => {
  const script = join(import.meta.dirname, '..', 'helpers', 'obtain-runfile.ts');
  const args = [script, url, sha256, directory, String(times)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
};

it('a large runfile is read once, from the server, and never held in memory: for three containers, over a lost connection', async () => {
  let sent = 0;
  const { url, requests } = await serve(async (request, response, index) => {
    const first = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(first === 0 ? 200 : 206, {
      etag: '"1"',
      'content-length': SIZE - first,
      ...(first === 0 ? {} : { 'content-range': `bytes ${first}-${SIZE - 1}/${SIZE}` }),
    });
    // The first answer breaks off half way.
    const end = index === 0 ? SIZE / 2 : SIZE;
    for (let position = first; position < end; ) {
      const part = CHUNK.subarray(position % MIB, Math.min(MIB, (position % MIB) + end - position));
      position += part.length;
      sent += part.length;
      if (!response.write(part)) await new Promise((resolve) => response.once('drain', resolve));
    }
    if (index === 0) response.destroy();
    else response.end();
  });
  const directory = temporaryDirectory();

  const first = await obtain(`${url}/x.run`, directory, 3);
  expect(requests).toEqual(['GET /x.run', 'GET /x.run']);
  expect(sent).toBeLessThanOrEqual(SIZE * 1.5);
  expect(first.read).toBeLessThan(SIZE * 1.05);
  expect(first.written).toBeLessThan(SIZE * 1.05);
  expect(first.memory).toBeLessThan(LIMIT);

  // From the cache: read once to check it, whatever the number of containers; nothing is written but locks.
  const second = await obtain(`${url}/x.run`, directory, 3);
  expect(requests).toHaveLength(2);
  expect(second.read).toBeGreaterThanOrEqual(SIZE);
  expect(second.read).toBeLessThan(SIZE * 1.05);
  expect(second.written).toBeLessThan(MIB);
  expect(second.memory).toBeLessThan(LIMIT);
}, 60_000);
