import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { withFileAddresses } from '../../../src/system/file-addresses.ts';
import type { Http } from '../../../src/system/http.ts';
import { failureOf } from '../helpers/failure.ts';

const WEB: Http = {
  get: async (url) => Buffer.from(`GET ${url}`),
  head: async () => 7,
  download: async () => ({ sha256: 'web', size: 1 }),
};
const http = withFileAddresses(WEB);
const address = (path: string) => pathToFileURL(path).href;

describe('file: addresses', () => {
  const content = Buffer.alloc(300_000, 'x');
  let directory: string;
  let source: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'unit-'));
    source = join(directory, 'a run file');
    writeFileSync(source, content);
    return () => rmSync(directory, { recursive: true });
  });

  it('are read, measured and copied with a checksum', async () => {
    const url = address(source);
    expect(await http.get(url, 'DOWNLOAD_FAILED', content.length)).toEqual(content);
    expect(await http.head(url, 'DOWNLOAD_FAILED')).toBe(300_000);
    const seen: [number, number | null][] = [];
    const copy = join(directory, 'copy');
    const result = await http.download(url, copy, 'DOWNLOAD_FAILED', (received, total) => seen.push([received, total]));
    expect(result).toEqual({ sha256: createHash('sha256').update(content).digest('hex'), size: 300_000 });
    expect(readFileSync(copy)).toEqual(content);
    expect(seen.at(-1)).toEqual([300_000, 300_000]);
  });

  it('of nothing are a 404', async () => {
    const url = address(join(directory, 'nothing'));
    expect(await http.get(url, 'DOWNLOAD_FAILED')).toBeNull();
    expect(await http.head(url, 'DOWNLOAD_FAILED')).toBeUndefined();
    const failure = await failureOf(() => http.download(url, join(directory, 'c'), 'DOWNLOAD_FAILED', () => {}));
    expect(failure).toMatchObject({ code: 'DOWNLOAD_FAILED', seen: expect.stringContaining('not there any more') });
  });

  it('of what is no file, or can not be copied, are failures', async () => {
    mkdirSync(join(directory, 'folder'));
    const folder = await failureOf(() => http.head(address(join(directory, 'folder')), 'DOWNLOAD_FAILED'));
    expect(folder.message).toContain('not a regular file');
    const target = join(source, 'below a file');
    const copy = await failureOf(() => http.download(address(source), target, 'DOWNLOAD_FAILED', () => {}));
    expect(copy.code).toBe('DOWNLOAD_FAILED');
  });

  it('are limited as the web is', async () => {
    const url = address(source);
    const tooLarge = { seen: expect.stringContaining('larger than 299999 bytes') };
    expect(await failureOf(() => http.get(url, 'DOWNLOAD_FAILED', 299_999))).toMatchObject(tooLarge);
    const copy = join(directory, 'copy');
    const failure = await failureOf(() => http.download(url, copy, 'DOWNLOAD_FAILED', () => {}, 299_999));
    expect(failure).toMatchObject(tooLarge);
    expect(existsSync(copy)).toBe(false);
    expect(await failureOf(() => http.get(url, 'DOWNLOAD_FAILED'))).toMatchObject({
      seen: expect.stringContaining('larger than 65536 bytes'),
    });
  });

  it('of pipes, which nobody may ever write into, and of devices are failures', async () => {
    execFileSync('mkfifo', [join(directory, 'pipe')]);
    for (const path of [join(directory, 'pipe'), '/dev/zero']) {
      for (const ask of [
        () => http.get(address(path), 'DOWNLOAD_FAILED'),
        () => http.head(address(path), 'DOWNLOAD_FAILED'),
        () => http.download(address(path), join(directory, 'copy'), 'DOWNLOAD_FAILED', () => {}),
      ]) {
        expect((await failureOf(ask)).seen).toContain('not a regular file');
      }
    }
  });

  it('hand on what ends them in the middle', async () => {
    const ended = http.download(address(source), join(directory, 'd'), 'DOWNLOAD_FAILED', () => {
      throw new Error('time is up');
    });
    await expect(ended).rejects.toThrow('time is up');
  });
});

it('every other address goes to the web', async () => {
  expect(String(await http.get('https://x.example/', 'DOWNLOAD_FAILED'))).toBe('GET https://x.example/');
  expect(await http.head('https://x.example/', 'DOWNLOAD_FAILED')).toBe(7);
  expect(await http.download('https://x.example/', '/x', 'DOWNLOAD_FAILED', () => {})).toEqual({
    sha256: 'web',
    size: 1,
  });
});
