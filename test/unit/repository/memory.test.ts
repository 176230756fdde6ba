import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { NETWORK_LIMITS } from '../../../src/system/limits.ts';
import { serve } from '../helpers/server.ts';

/*
 * What reading the largest and oddest indexes costs, each by itself just within the limits or just beyond. Measured is the
 * peak of a process of its own (VmHWM), Node and all.
 */

const MOST_KB = 250_000;
const { indexBytes, unpackedIndexBytes, indexEntries, indexKeptBytes } = NETWORK_LIMITS;

const SCRIPT = `
  const [source, uri] = process.argv.slice(1);
  const { readFileSync } = await import('node:fs');
  const { createHttp } = await import(source + '/system/http.ts');
  const { readRepository } = await import(source + '/repository/read.ts');
  const http = createHttp('unit-test', async () => {}, new AbortController().signal);
  const keySource = { kind: 'key', url: uri + 'gpgkey' };
  await readRepository(http, null, '', { name: 'cuda', uri, keySource, keys: [], keyring: '' }).catch(() => {});
  console.log(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);`;

/** Pieces up to a size. */
function filled(bytes: number, piece: (index: number) => string): Buffer {
  const content = Buffer.alloc(bytes, '\n');
  for (let at = 0, index = 0; ; index++) {
    const text = piece(index);
    if (at + text.length > bytes) return content;
    at += content.write(text, at, 'latin1');
  }
}

/** Text that doesn't pack well, from a generator of numbers that gives the same ones every time. */
function noise(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let at = 0, state = 1; at + 4 <= bytes; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    content.writeUInt32LE(state, at);
  }
  return content;
}

const long = 'x'.repeat(100);

describe('reading an index takes less than 250 MB', { timeout: 60_000 }, () => {
  it.each<[string, () => { 'Packages.gz'?: Buffer; Packages?: Buffer }]>([
    [
      'of as many packages as may be',
      () => ({
        'Packages.gz': gzipSync(
          filled((indexKeptBytes / 300) * 125, (index) => `Package: ${long}${index}\nVersion: 1\n\n`),
        ),
      }),
    ],
    [
      'of as many versions of one package as may be',
      () => ({
        'Packages.gz': gzipSync(
          filled(indexEntries * 60, (index) => `Package: p\nVersion: 1.${index}\nDepends: a,b,c,d,e,f\n\n`),
        ),
      }),
    ],
    [
      'of dependencies',
      () => ({
        'Packages.gz': gzipSync(
          filled(indexBytes, (index) => `Package: p${index}\nVersion: 1\nDepends: ${'ab,'.repeat(20_000)}\n\n`),
        ),
      }),
    ],
    ['of line ends', () => ({ 'Packages.gz': gzipSync(Buffer.alloc(unpackedIndexBytes, '\n')) })],
    ['that has no line end', () => ({ 'Packages.gz': gzipSync(Buffer.alloc(unpackedIndexBytes, 'x')) })],
    [
      'that is not packed',
      () => ({ Packages: filled(indexBytes, (index) => `Package: p\nVersion: 1.${index}\nDescription: ${long}\n\n`) }),
    ],
    ['that does not pack', () => ({ 'Packages.gz': gzipSync(noise(indexBytes - 32 * 1024), { level: 0 }) })],
  ])('%s', async (_what, make) => {
    const files: Record<string, Buffer> = { gpgkey: Buffer.alloc(NETWORK_LIMITS.keyBytes, 'x'), ...make() };
    const { url } = await serve((request, response) => {
      const body = files[request.url?.slice(1) ?? ''];
      if (body === undefined) response.writeHead(404).end();
      // Without a length: what nobody announced has to be gathered.
      else response.writeHead(200, { 'transfer-encoding': 'chunked' }).end(body);
    });
    const source = join(import.meta.dirname, '../../../src');
    const argv = ['--input-type=module', '-e', SCRIPT, source, `${url}/`];
    const { stdout } = await promisify(execFile)(process.execPath, argv);
    expect(Number(stdout), 'KB').toBeGreaterThan(10_000);
    expect(Number(stdout), 'KB').toBeLessThan(MOST_KB);
  });
});
