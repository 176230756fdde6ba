import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
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

let temporary: string;
let cache: RunfileCache;

beforeEach(() => {
  process.env['RUNNER_TOOL_CACHE'] = temporaryDirectory();
  temporary = join(temporaryDirectory(), 'not-made-yet');
  process.env['RUNNER_TEMP'] = temporary;
  cache = new RunfileCache(temporary);
});

/** Puts a made-up runfile of a version into the cache. @returns its path there */
async function store(version: string, content = `runfile ${version}`): Promise<string> {
  const directory = await cache.workspace();
  const path = join(directory, 'a runfile');
  writeFileSync(path, content);
  await cache.store({ path, sha256: sha256(content), size: content.length }, directory, version, 'x86_64');
  return cachedPath(version);
}

const cachedPath = (version: string) => join(entry(version), `NVIDIA-Linux-x86_64-${version}.run`);
const entry = (version: string) =>
  join(process.env['RUNNER_TOOL_CACHE'] ?? '', 'nvidia-runfile', cacheKey(version), 'x86_64');
const sha256 = (content: string) => createHash('sha256').update(content).digest('hex');

/** What is copied out of the cache; null: nothing. */
async function copied(version: string, architecture: 'x86_64' | 'aarch64' = 'x86_64'): Promise<string | null> {
  const path = join(temporaryDirectory(), 'copy');
  const copy = await cache.copy(version, architecture, path, () => {});
  if (copy === null) return null;
  const content = readFileSync(path, 'utf8');
  expect(copy).toEqual({ path, sha256: sha256(content), size: content.length });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  return content;
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
  it.each(['580.142', '580.159.04', '430.09'])('gives %s again after it was stored', async (version) => {
    expect(await copied(version)).toBeNull();
    const path = await store(version);
    expect(await copied(version)).toBe(`runfile ${version}`);
    expect(toolCache.find('nvidia-runfile', cacheKey(version), 'x86_64')).toBe(dirname(path));
    // Nothing is written beside it that anybody could believe.
    expect(readdirSync(dirname(path))).toEqual([`NVIDIA-Linux-x86_64-${version}.run`]);
  });

  it('keeps versions and architectures apart', async () => {
    await store('580.142');
    await store('580.159.04');
    expect(await copied('580.142')).toBe('runfile 580.142');
    expect(await copied('580.159.04')).toBe('runfile 580.159.04');
    expect(await copied('580.142', 'aarch64')).toBeNull();
    expect(await copied('580.159.03')).toBeNull();
  });

  it('replaces what is stored again', async () => {
    await store('580.142', 'old');
    await store('580.142', 'new one');
    expect(await copied('580.142')).toBe('new one');
  });

  it('forgets what is removed', async () => {
    await store('580.142');
    await cache.remove('580.142', 'x86_64');
    expect(await copied('580.142')).toBeNull();
    await cache.remove('580.142', 'x86_64');
  });

  it('goes by no name that a manifest there gives', async () => {
    await store('580.142');
    const other = join(temporaryDirectory(), 'x');
    writeFileSync(other, 'of the host');
    const manifest = {
      version: '580.142',
      name: `../../../../../../..${other}`,
      url: '',
      size: 1,
      sha256: 'ab'.repeat(32),
    };
    writeFileSync(join(entry('580.142'), 'runfile.json'), JSON.stringify(manifest));
    expect(await copied('580.142')).toBe('runfile 580.142');
  });

  it.each<[string, (path: string) => void]>([
    ['a link', (path) => symlinkSync('/etc/hostname', path)],
    ['a directory', (path) => mkdirSync(path)],
    ['a pipe, which nobody writes into', (path) => void execFileSync('/usr/bin/mkfifo', [path])],
    ['larger than any runfile', (path) => writeFileSync(path, '') ?? truncateSync(path, 3 * 1024 ** 3)],
  ])('copies nothing that is %s', async (_what, plant) => {
    const path = await store('580.142');
    rmSync(path);
    plant(path);
    const workspace = await cache.workspace();
    expect(await cache.copy('580.142', 'x86_64', join(workspace, 'copy'), () => {})).toBeNull();
    expect(readdirSync(workspace)).toEqual([]);
  });

  it('follows no link on the way to a runfile, and removes nothing behind one', async () => {
    const elsewhere = temporaryDirectory();
    await store('580.142');
    const moved = join(elsewhere, 'moved');
    renameSync(entry('580.142'), moved);
    symlinkSync(moved, entry('580.142'));
    expect(await copied('580.142')).toBeNull();
    await cache.remove('580.142', 'x86_64');
    expect(readdirSync(moved)).toHaveLength(1);
  });

  it('writes through no link that was planted where the runfile is to be', async () => {
    const victim = join(temporaryDirectory(), 'victim');
    writeFileSync(victim, 'of the host');
    const path = await store('580.142', 'old');
    rmSync(path);
    symlinkSync(victim, path);
    await store('580.142', 'new');
    expect(readFileSync(victim, 'utf8')).toBe('of the host');
    expect(await copied('580.142')).toBe('new');
  });

  describe('that others can write to', () => {
    const root = () => process.env['RUNNER_TOOL_CACHE'] ?? '';
    let elsewhere: string;

    beforeEach(() => {
      elsewhere = temporaryDirectory();
      writeFileSync(join(elsewhere, 'x86_64.complete'), 'of the host');
      mkdirSync(join(elsewhere, 'x86_64'));
      writeFileSync(join(elsewhere, 'x86_64', 'file'), 'of the host');
    });

    const untouched = () => {
      expect(readFileSync(join(elsewhere, 'x86_64.complete'), 'utf8')).toBe('of the host');
      expect(readdirSync(join(elsewhere, 'x86_64'))).toEqual(['file']);
    };

    it('keeps nothing where the directory of a version is a link', async () => {
      mkdirSync(dirname(dirname(entry('580.142'))));
      symlinkSync(elsewhere, dirname(entry('580.142')));
      await expect(store('580.142')).rejects.toThrow('is no directory, or a link to one');
      untouched();
    });

    it('keeps nothing where the directory of all runfiles is a link', async () => {
      renameSync(elsewhere, `${elsewhere}-moved`);
      mkdirSync(elsewhere);
      renameSync(`${elsewhere}-moved`, join(elsewhere, cacheKey('580.142')));
      symlinkSync(elsewhere, join(root(), 'nvidia-runfile'));
      await expect(store('580.142')).rejects.toThrow('is no directory, or a link to one');
      elsewhere = join(elsewhere, cacheKey('580.142'));
      untouched();
    });

    it('keeps nothing where the cache is a link', async () => {
      const link = join(temporaryDirectory(), 'tools');
      symlinkSync(elsewhere, link);
      process.env['RUNNER_TOOL_CACHE'] = link;
      await expect(store('580.142')).rejects.toThrow('is no directory, or a link to one');
      expect(readdirSync(elsewhere).toSorted()).toEqual(['x86_64', 'x86_64.complete']);
    });

    it.each<[string, () => string]>([
      ['the cache', root],
      ['the directory of all runfiles', () => join(root(), 'nvidia-runfile')],
      ['the directory of a version', () => dirname(entry('580.142'))],
    ])('keeps and removes nothing where they can put a link at any time: %s', async (_what, directory) => {
      const path = await store('580.142', 'old');
      chmodSync(directory(), 0o777);
      await expect(store('580.142', 'new')).rejects.toThrow(`others can write to ${directory()}`);
      await cache.remove('580.142', 'x86_64');
      expect(readFileSync(path, 'utf8')).toBe('old');
      expect(await copied('580.142')).toBe('old');
    });
  });

  it('makes directories that nobody else can write to, whatever the umask is', async () => {
    const before = process.umask(0o002);
    try {
      process.env['RUNNER_TOOL_CACHE'] = join(temporaryDirectory(), 'new', 'tools');
      await store('580.142', 'old');
      await store('580.142', 'new');
    } finally {
      process.umask(before);
    }
    expect(await copied('580.142')).toBe('new');
  });

  it('is not there without RUNNER_TOOL_CACHE', async () => {
    delete process.env['RUNNER_TOOL_CACHE'];
    expect(await copied('580.142')).toBeNull();
  });

  it('takes an entry that was not finished for none', async () => {
    await store('580.142');
    rmSync(`${entry('580.142')}.complete`);
    expect(await copied('580.142')).toBeNull();
  });

  it('gives a new empty directory below the temporary one each time', async () => {
    const [first, second] = [await cache.workspace(), await cache.workspace()];
    expect(first).not.toBe(second);
    expect(dirname(first)).toBe(temporary);
    expect(readdirSync(first)).toEqual([]);
  });
});
