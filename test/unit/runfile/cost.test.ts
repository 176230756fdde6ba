import { execFile } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { runfileOf } from '../helpers/runfile.ts';
import { serve } from '../helpers/server.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const MIB = 1024 * 1024;
/** Larger than the memory that obtaining it may take; its archive is as large. */
const FILES = randomFill(200 * MIB);
const RUNFILE = runfileOf(FILES, { compression: 'gzip' });
const SIZE = RUNFILE.length;
const LIMIT = 150 * MIB;

const sha256 = createHash('sha256').update(RUNFILE).digest('hex');

/** Bytes that don't compress. */
function randomFill(size: number): Buffer {
  return createCipheriv('aes-256-ctr', Buffer.alloc(32), Buffer.alloc(16)).update(Buffer.alloc(size));
}

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
    const end = index === 0 ? Math.floor(SIZE / 2) : SIZE;
    for (let position = first; position < end; ) {
      const part = RUNFILE.subarray(position, Math.min(position + MIB, end));
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
  // From the server, by tail and by the decompressor behind it; what was unpacked once for its checksum. Nobody reads it for another.
  expect(first.read).toBeLessThan((3 * SIZE + FILES.length) * 1.05);
  expect(first.written).toBeLessThan((2 * SIZE + FILES.length) * 1.05);
  expect(first.memory).toBeLessThan(LIMIT);

  // From the cache: what is unpacked is read once to check it, whatever the number of containers; nothing is written but locks.
  const second = await obtain(`${url}/x.run`, directory, 3);
  expect(requests).toHaveLength(2);
  expect(second.read).toBeGreaterThanOrEqual(FILES.length);
  expect(second.read).toBeLessThan(FILES.length * 1.05);
  expect(second.written).toBeLessThan(MIB);
  expect(second.memory).toBeLessThan(LIMIT);
}, 60_000);
