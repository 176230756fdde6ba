import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as toolCache from '@actions/tool-cache';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { cacheKey, RunfileCache } from '../../../src/runfile/cache.ts';
import { anyDriverVersion, REAL_DRIVER_VERSIONS } from '../helpers/driver-versions.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** Strict semantic versioning 2.0.0, the expression that semver.org suggests. */
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?$/;

const SHA256 = 'ab'.repeat(32);

let temporary: string;
let cache: RunfileCache;

beforeEach(() => {
  process.env['RUNNER_TOOL_CACHE'] = temporaryDirectory();
  temporary = join(temporaryDirectory(), 'not-made-yet');
  process.env['RUNNER_TEMP'] = temporary;
  cache = new RunfileCache(temporary);
});

/** Puts a made-up runfile of a version into the cache. */
async function store(version: string, content = `runfile ${version}`) {
  const directory = await cache.workspace();
  const partial = join(directory, 'partial');
  writeFileSync(partial, content);
  const name = `NVIDIA-Linux-x86_64-${version}.run`;
  const manifest = { version, url: `https://x.example/${name}`, name, sha256: SHA256, size: content.length };
  return { manifest, cached: await cache.store(partial, directory, 'x86_64', manifest) };
}

describe('cacheKey', () => {
  it('is a strict semantic version for every real driver version, another one for each', () => {
    expect(REAL_DRIVER_VERSIONS.length).toBeGreaterThanOrEqual(50);
    const keys = REAL_DRIVER_VERSIONS.map(cacheKey);
    for (const key of keys) {
      expect(key).toMatch(SEMVER);
      expect(toolCache.isExplicitVersion(key)).toBe(true);
    }
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is one for any version, and no two versions share it', () => {
    fc.assert(
      fc.property(anyDriverVersion, anyDriverVersion, (a, b) => {
        expect(cacheKey(a)).toMatch(SEMVER);
        expect(cacheKey(a) === cacheKey(b)).toBe(a === b);
      }),
      { numRuns: 300 },
    );
  });

  it('tells versions apart that have the same numbers', () => {
    const versions = ['430.9', '430.09', '430.9.0', '430.09.00', '430.90'];
    expect(new Set(versions.map(cacheKey)).size).toBe(versions.length);
  });

  it("names what tool-cache's own find() really finds, for every real version", () => {
    // What tool-cache stores (directory and mark), without its copying: that is tested below.
    const root = process.env['RUNNER_TOOL_CACHE'] ?? '';
    for (const version of REAL_DRIVER_VERSIONS) {
      const directory = join(root, 'nvidia-runfile', cacheKey(version), 'x86_64');
      mkdirSync(directory, { recursive: true });
      writeFileSync(`${directory}.complete`, '');
    }
    for (const version of REAL_DRIVER_VERSIONS) {
      const found = toolCache.find('nvidia-runfile', cacheKey(version), 'x86_64');
      expect(found).toBe(join(root, 'nvidia-runfile', cacheKey(version), 'x86_64'));
    }
    expect(toolCache.find('nvidia-runfile', '580.159.04', 'x86_64')).toBe('');
  });
});

describe('RunfileCache', () => {
  it.each(['580.142', '580.159.04', '430.09'])('finds %s again after it was stored', async (version) => {
    expect(await cache.find(version, 'x86_64')).toBeNull();
    const { manifest, cached } = await store(version);
    expect(readFileSync(cached.path, 'utf8')).toBe(`runfile ${version}`);
    expect(await cache.find(version, 'x86_64')).toEqual({ ...manifest, path: cached.path });
    expect(toolCache.find('nvidia-runfile', cacheKey(version), 'x86_64')).toBe(dirname(cached.path));
  });

  it('keeps versions and architectures apart', async () => {
    await store('580.142');
    await store('580.159.04');
    expect((await cache.find('580.142', 'x86_64'))?.version).toBe('580.142');
    expect((await cache.find('580.159.04', 'x86_64'))?.version).toBe('580.159.04');
    expect(await cache.find('580.142', 'aarch64')).toBeNull();
    expect(await cache.find('580.159.03', 'x86_64')).toBeNull();
  });

  it('replaces what is stored again', async () => {
    await store('580.142', 'old');
    const { cached } = await store('580.142', 'new one');
    expect(readFileSync(cached.path, 'utf8')).toBe('new one');
    expect((await cache.find('580.142', 'x86_64'))?.size).toBe(7);
  });

  it('forgets what is removed', async () => {
    const { cached } = await store('580.142');
    await cache.remove('580.142', 'x86_64');
    expect(await cache.find('580.142', 'x86_64')).toBeNull();
    expect(await cache.sha256(cached)).toBeNull();
    await cache.remove('580.142', 'x86_64');
  });

  it.each<[string, (path: string) => void]>([
    ['no manifest', (path) => writeFileSync(path, '')],
    ['a manifest that is no JSON', (path) => writeFileSync(path, '{"version": "580.142"')],
    [
      'a manifest without checksum',
      (path) => writeFileSync(path, '{"version": "580.142", "url": "", "name": "x", "size": 1}'),
    ],
    [
      'the manifest of another version',
      (path) => writeFileSync(path, readFileSync(path, 'utf8').replace('"580.142"', '"580.159.04"')),
    ],
  ])('takes an entry with %s for none', async (_what, spoil) => {
    const { cached } = await store('580.142');
    spoil(join(dirname(cached.path), 'runfile.json'));
    expect(await cache.find('580.142', 'x86_64')).toBeNull();
  });

  it('takes an entry that was not finished for none', async () => {
    const { cached } = await store('580.142');
    const directory = dirname(cached.path);
    rmSync(`${directory}.complete`);
    expect(await cache.find('580.142', 'x86_64')).toBeNull();
  });

  it('gives a new empty directory below the temporary one each time', async () => {
    const [first, second] = [await cache.workspace(), await cache.workspace()];
    expect(first).not.toBe(second);
    expect(dirname(first)).toBe(temporary);
    expect(readdirSync(first)).toEqual([]);
  });
});
