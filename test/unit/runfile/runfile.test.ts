import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
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
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ActionError } from '../../../src/errors.ts';
import { containerDigest } from '../../../src/plan/identity.ts';
import { makePlan } from '../../../src/plan/plan.ts';
import { ArchiveStore } from '../../../src/runfile/archive-store.ts';
import { cacheKey, RunfileCache } from '../../../src/runfile/cache.ts';
import { KnownRunfiles } from '../../../src/runfile/known-runfiles.ts';
import { locateRunfile, obtainArchive, type WantedRunfile } from '../../../src/runfile/runfile.ts';
import { runCommand } from '../../../src/system/command.ts';
import type { Http } from '../../../src/system/http.ts';
import { bareGuest, containerFacts, DRIVER, desired, facts } from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';
import { RecordingLog } from '../helpers/log.ts';
import { runfileOf } from '../helpers/runfile.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const NAME = `NVIDIA-Linux-x86_64-${DRIVER}.run`;
const XFREE86 = `https://us.download.nvidia.com/XFree86/Linux-x86_64/${DRIVER}/${NAME}`;
const TESLA = `https://us.download.nvidia.com/tesla/${DRIVER}/${NAME}`;
/** What the runfile holds. */
const FILES = Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 7) % 251));
const BYTES = runfileOf(FILES);
const SHA256 = createHash('sha256').update(BYTES).digest('hex');
const OTHER = 'cd'.repeat(32);

let temporary: string;
let cache: RunfileCache;
let state: string;
let archives: ArchiveStore;
let known: KnownRunfiles;
let log: RecordingLog;
let asked: string[];

beforeEach(() => {
  process.env['RUNNER_TOOL_CACHE'] = temporaryDirectory();
  temporary = temporaryDirectory();
  process.env['RUNNER_TEMP'] = temporary;
  cache = new RunfileCache(temporary);
  state = temporaryDirectory();
  archives = new ArchiveStore(state);
  known = new KnownRunfiles(join(temporaryDirectory(), 'runfiles.json'));
  log = new RecordingLog();
  asked = [];
});

/** A web that has the given files. */
function web(files: Record<string, Buffer | string>): Http {
  return {
    get: async (url) => {
      asked.push(`GET ${url}`);
      const found = files[url];
      return found === undefined ? null : Buffer.from(found);
    },
    head: async (url) => {
      asked.push(`HEAD ${url}`);
      return files[url] === undefined ? undefined : Buffer.from(files[url]).length;
    },
    download: async (url, file, _code, onProgress) => {
      asked.push(`DOWNLOAD ${url}`);
      const body = Buffer.from(files[url] ?? '');
      writeFileSync(file, body);
      onProgress(body.length, body.length);
      return { sha256: createHash('sha256').update(body).digest('hex'), size: body.length };
    },
  };
}

const world = (http: Http) => ({
  http,
  log,
  run: runCommand,
  runName: 'unit test',
  cancelled: new AbortController().signal,
});
const wish = desired().runfile;
const locate = (files: Record<string, Buffer | string>, changes: Partial<typeof wish> = {}, secondsLeft = () => 5) =>
  locateRunfile({ http: web(files), log }, { cache, known }, { ...wish, ...changes }, DRIVER, 'x86_64', secondsLeft);
async function obtained(world: Parameters<typeof obtainArchive>[0], wanted: WantedRunfile, secondsLeft = () => 5) {
  const archive = await obtainArchive(world, { cache, known, archives }, wanted, 'x86_64', secondsLeft);
  onTestFinished(() => archive[Symbol.asyncDispose]());
  return archive;
}
const obtain = (files: Record<string, Buffer | string>, sha256 = SHA256, url = XFREE86) =>
  obtained(world(web(files)), { version: DRIVER, url, sha256 });

describe('locateRunfile', () => {
  it('finds runfile and checksum in the first tree', async () => {
    expect(await locate({ [XFREE86]: BYTES, [`${XFREE86}.sha256sum`]: `${SHA256}  ${NAME}\n`, [TESLA]: 'x' })).toEqual({
      version: DRIVER,
      url: XFREE86,
      sha256: SHA256,
      size: BYTES.length,
      checksum: 'published',
    });
    expect(asked).toEqual([`HEAD ${XFREE86}`, `GET ${XFREE86}.sha256sum`]);
  });

  it('goes on to the data centre tree', async () => {
    const files = { [TESLA]: BYTES, [`${TESLA}.sha256sum`]: SHA256 };
    expect(await locate(files)).toMatchObject({ url: TESLA, sha256: SHA256 });
  });

  it('asks for no published checksum where the user gives one', async () => {
    expect(await locate({ [XFREE86]: BYTES }, { sha256: OTHER })).toMatchObject({
      sha256: OTHER,
      checksum: 'given',
    });
    expect(asked).toEqual([`HEAD ${XFREE86}`]);
  });

  it('does without a checksum only where the user says so', async () => {
    const failure = await failureOf(() => locate({ [XFREE86]: BYTES }));
    expect(failure.code).toBe('RUNFILE_NO_CHECKSUM');
    expect(failure.remedy).toContain('self-check');
    expect(asked).not.toContain(`DOWNLOAD ${XFREE86}`);
    expect(await locate({ [XFREE86]: BYTES }, { integrity: 'self-check' })).toMatchObject({ checksum: 'none' });
  });

  it('downloads a runfile for its checksum no longer than there is time, and leaves nothing of it', async () => {
    const late = () => {
      throw new Error('no time is left');
    };
    await expect(locate({ [XFREE86]: BYTES }, { integrity: 'self-check' }, late)).rejects.toThrow('no time is left');
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('refuses a checksum file that holds none, also with self-check', async () => {
    const files = { [XFREE86]: BYTES, [`${XFREE86}.sha256sum`]: '<html>Log in</html>' };
    for (const integrity of ['checksum', 'self-check'] as const) {
      expect((await failureOf(() => locate(files, { integrity }))).code).toBe('DOWNLOAD_FAILED');
    }
  });

  it('names every address that it tried', async () => {
    const failure = await failureOf(() => locate({}));
    expect(failure.code).toBe('RUNFILE_NOT_FOUND');
    expect(failure.message).toContain(XFREE86);
    expect(failure.message).toContain(TESLA);
  });

  it('shows no password of an address', async () => {
    const url = `https://me:s3cret@mirror.example/{version}/${NAME}?token=s3cret`;
    const address = { kind: 'template', url, source: 'x' } as const;
    const filled = url.replace('{version}', DRIVER);
    for (const files of [{}, { [filled]: 'x' }, { [filled]: 'x', [`${filled}.sha256sum`]: 'x' }]) {
      expect((await failureOf(() => locate(files, { address }))).message).not.toContain('s3cret');
    }
  });

  const published = { [XFREE86]: BYTES, [`${XFREE86}.sha256sum`]: SHA256 };

  it('asks once: what a source said is kept on this host, as soon as the bytes were compared with it', async () => {
    const first = await locate(published);
    asked = [];
    expect(await locate(published)).toEqual(first);
    expect(asked).not.toEqual([]);
    await obtain({ [XFREE86]: BYTES });
    asked = [];
    expect(await locate({})).toEqual(first);
    expect(await locate({}, { sha256: SHA256 })).toEqual(first);
    expect(await locate({}, { integrity: 'self-check' })).toEqual(first);
    expect(asked).toEqual([]);
  });

  it('asks again where the user wants another checksum or address', async () => {
    await locate(published);
    await obtain({ [XFREE86]: BYTES });
    expect(await locate({ [XFREE86]: BYTES }, { sha256: OTHER })).toMatchObject({ sha256: OTHER });
    const address = { kind: 'template', url: `https://mirror.example/${NAME}`, source: 'x' } as const;
    const files = { [address.url]: BYTES, [`${address.url}.sha256sum`]: SHA256 };
    expect(await locate(files, { address })).toMatchObject({ url: address.url, sha256: SHA256 });
  });

  it.each(['given', 'none'] as const)(
    'asks for a published checksum, where the one it knows is from (%s)',
    async (checksum) => {
      await known.note({ version: DRIVER, url: XFREE86, sha256: OTHER, size: 1, checksum }, 'x86_64');
      expect(await locate(published)).toMatchObject({ sha256: SHA256, checksum: 'published' });
    },
  );

  it('asks again when what came had another checksum', async () => {
    await locate({ [XFREE86]: BYTES, [`${XFREE86}.sha256sum`]: OTHER });
    expect((await failureOf(() => obtain({ [XFREE86]: BYTES }, OTHER))).code).toBe('RUNFILE_CHECKSUM_MISMATCH');
    expect(await locate(published)).toMatchObject({ sha256: SHA256 });
  });

  it("goes by the source's checksum, not by what lies in the cache", async () => {
    await obtain({ [XFREE86]: BYTES });
    const evil = runfileOf(Buffer.from('evil'));
    writeFileSync(cachedPath(), evil);
    // What earlier versions kept there, and believed.
    const manifest = { version: DRIVER, url: XFREE86, name: NAME, sha256: sha256Of(evil), size: evil.length };
    writeFileSync(join(dirname(cachedPath()), 'runfile.json'), JSON.stringify(manifest));
    expect(await locate(published)).toMatchObject({ url: XFREE86, sha256: SHA256 });
    rmSync(ARCHIVE());
    expect(readFileSync((await obtain({ [XFREE86]: BYTES })).path)).toEqual(FILES);
    expect(readFileSync(cachedPath())).toEqual(BYTES);
  });

  it('tells nobody what it knows: only this user can read or write it', async () => {
    const secret = `https://me:s3cret@mirror.example/${NAME}?signature=s3cret`;
    const path = join(state, 'runfiles.json');
    await new KnownRunfiles(path).note({ ...(await locate(published)), url: secret }, 'x86_64');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).not.toContain('s3cret');
    const other = join(temporaryDirectory(), 'runfiles.json');
    symlinkSync(path, other);
    expect(await new KnownRunfiles(other).find(secret, DRIVER, 'x86_64')).toBeNull();
    expect(await new KnownRunfiles(path).find(secret, DRIVER, 'x86_64')).toMatchObject({ sha256: SHA256 });
  });

  it('plans also where nothing can be kept', async () => {
    const file = join(temporaryDirectory(), 'a file');
    writeFileSync(file, '');
    known = new KnownRunfiles(join(file, 'runfiles.json'));
    expect(await locate(published)).toMatchObject({ sha256: SHA256 });
  });
});

describe('a runfile of which nobody publishes a checksum', () => {
  const locateAlone = (files: Record<string, Buffer | string>, url = XFREE86) =>
    locate(files, { integrity: 'self-check', address: { kind: 'template', url, source: 'x' } });

  it('is downloaded to plan, and its bytes are pinned', async () => {
    const found = await locateAlone({ [XFREE86]: BYTES });
    expect(found).toEqual({ version: DRIVER, url: XFREE86, sha256: SHA256, size: BYTES.length, checksum: 'none' });
    expect(readdirSync(temporary)).toEqual([]);
    asked = [];
    expect(await locateAlone({})).toEqual(found);
    expect(readFileSync((await obtain({})).path)).toEqual(FILES);
    expect(asked).toEqual([]);
  });

  it('makes another plan when the address gives another one, whatever part of the address differs', async () => {
    const [good, trojan] = ['good', 'trojan'].map((query) => `https://mirror.example/get?f=NVIDIA.run&rev=${query}`);
    const files = { [good as string]: BYTES, [trojan as string]: runfileOf(Buffer.from('trojan')) };
    const digest = async (url: string) =>
      containerDigest(
        makePlan(
          desired(),
          facts({
            container: containerFacts({}, bareGuest()),
            upstream: { ...facts({}).upstream, runfile: await locateAlone(files, url) },
          }),
        ),
      );
    expect(await digest(good as string)).not.toBe(await digest(trojan as string));
    expect(await digest(good as string)).toBe(await digest(good as string));
  });

  it('is refused when its own sum is wrong, or it is of another version', async () => {
    const changed = Buffer.from(BYTES);
    changed[changed.length - 20] = (changed[changed.length - 20] ?? 0) ^ 1;
    expect((await failureOf(() => locateAlone({ [XFREE86]: changed }))).message).toContain('its MD5 sum is');
    const other = { [XFREE86]: runfileOf(FILES, { version: '550.163.01' }) };
    const failure = await failureOf(() => locateAlone(other));
    expect(failure.code).toBe('RUNFILE_UNUSABLE');
    expect(failure.message).toContain(XFREE86);
    expect(existsSync(cachedPath())).toBe(false);
    expect(readdirSync(temporary)).toEqual([]);
    expect(await locateAlone({ [XFREE86]: BYTES })).toMatchObject({ sha256: SHA256 });
  });
});

function editJson(path: string, changes: object): void {
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }));
}

/** Where the runfile lies in the cache. */
const cachedPath = () =>
  join(process.env['RUNNER_TOOL_CACHE'] ?? '', 'nvidia-runfile', cacheKey(DRIVER), 'x86_64', NAME);

const sha256Of = (content: Buffer | string) => createHash('sha256').update(content).digest('hex');

/** The archive's file. */
const ARCHIVE = () => join(state, 'archive.tar');

describe('obtainArchive', () => {
  it('downloads into the cache, unpacks and leaves nothing else behind', async () => {
    const archive = await obtain({ [XFREE86]: BYTES });
    expect(archive.size).toBe(FILES.length);
    expect(readFileSync(archive.path)).toEqual(FILES);
    expect(readFileSync(cachedPath())).toEqual(BYTES);
    expect(readdirSync(temporary)).toEqual([]);
    expect(readdirSync(state).sort()).toEqual(['archive.json', 'archive.tar', 'lock', 'lock.json']);
  });

  it('takes what is unpacked the second time, whatever became of the runfile', async () => {
    await obtain({ [XFREE86]: BYTES });
    writeFileSync(cachedPath(), 'broken');
    asked = [];
    expect(readFileSync((await obtain({})).path)).toEqual(FILES);
    expect(asked).toEqual([]);
    expect(log.lines.at(-1)).toContain('is unpacked on this host already');
  });

  it('holds the bytes that were checked, whatever becomes of the file', async () => {
    const { path } = await obtain({ [XFREE86]: BYTES });
    const other = Buffer.from('files of another driver');
    const url = 'https://x.example/x.run';
    await obtain({ [url]: runfileOf(other) }, sha256Of(runfileOf(other)), url);
    expect(readFileSync(path)).toEqual(FILES);
    expect(readFileSync(ARCHIVE())).toEqual(other);
    rmSync(ARCHIVE());
    expect(readFileSync(path)).toEqual(FILES);
  });

  it.each<[string, (path: string) => void]>([
    ['changed', (path) => writeFileSync(path, 'broken')],
    ['is gone', (path) => rmSync(path)],
    ['was not finished', (path) => writeFileSync(join(dirname(path), 'archive.json'), '{"sha256":')],
    ['is of another runfile', (path) => editJson(join(dirname(path), 'archive.json'), { runfile: OTHER })],
    ['was being made when its run was killed', (path) => renameSync(path, `${path}.partial`)],
  ])('unpacks the cached runfile again when its archive %s', async (_what, spoil) => {
    await obtain({ [XFREE86]: BYTES });
    spoil(ARCHIVE());
    asked = [];
    expect(readFileSync((await obtain({})).path)).toEqual(FILES);
    expect(readdirSync(state).sort()).toEqual(['archive.json', 'archive.tar', 'lock', 'lock.json']);
    expect(asked).toEqual([]);
    expect(log.lines.join('\n')).toContain('The runfile of 580.159.04 comes from the cache');
  });

  it('throws a cached runfile away whose bytes changed, and downloads again', async () => {
    await obtain({ [XFREE86]: BYTES });
    rmSync(ARCHIVE());
    writeFileSync(cachedPath(), 'broken');
    expect(readFileSync((await obtain({ [XFREE86]: BYTES })).path)).toEqual(FILES);
    expect(readFileSync(cachedPath())).toEqual(BYTES);
    expect(log.lines.join('\n')).toContain('thrown away');
  });

  it('throws a cached copy away that is not the wanted one', async () => {
    const another = runfileOf(Buffer.from('another'));
    await obtain({ [XFREE86]: another }, sha256Of(another));
    expect(await obtain({ [XFREE86]: BYTES })).toMatchObject({ size: FILES.length });
  });

  it('takes no runfile of another version into the cache', async () => {
    const other = runfileOf(FILES, { version: '550.163.01' });
    expect((await failureOf(() => obtain({ [XFREE86]: other }, sha256Of(other)))).code).toBe('RUNFILE_UNUSABLE');
    expect(existsSync(cachedPath())).toBe(false);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('throws a runfile away whose archive is damaged, and finds a better one once it is there', async () => {
    const damaged = BYTES.subarray(0, BYTES.length - 20);
    const sha256 = createHash('sha256').update(damaged).digest('hex');
    const failure = await failureOf(() => obtain({ [XFREE86]: damaged }, sha256));
    expect(failure.message).toContain('could not unpack');
    expect(existsSync(cachedPath())).toBe(false);
    expect(readdirSync(state).sort()).toEqual(['lock', 'lock.json']);
    expect(readFileSync((await obtain({ [XFREE86]: BYTES })).path)).toEqual(FILES);
  });

  it('keeps a runfile that only this host could not unpack', async () => {
    const run = async () => ({ exitCode: 127, stdout: '', stderr: 'sh: 1: /usr/bin/gzip: not found' });
    const wanted = { version: DRIVER, url: XFREE86, sha256: SHA256 };
    const failure = await failureOf(() => obtained({ ...world(web({ [XFREE86]: BYTES })), run }, wanted));
    expect(failure.remedy).toContain('apt-get install gzip');
    expect(readFileSync((await obtain({})).path)).toEqual(FILES);
  });

  it('tells when the unpacking takes too long, and leaves nothing behind', async () => {
    let unpacking = false;
    const run = async () => {
      unpacking = true;
      return { exitCode: 124, stdout: '', stderr: '' };
    };
    const left = () => {
      if (unpacking) throw new ActionError('TIMEOUT', 'It took too long.', '');
      return 5;
    };
    const wanted = { version: DRIVER, url: XFREE86, sha256: SHA256 };
    const done = () => obtained({ ...world(web({ [XFREE86]: BYTES })), run }, wanted, left);
    expect((await failureOf(done)).code).toBe('TIMEOUT');
    expect([readdirSync(temporary), readdirSync(state).sort()]).toEqual([[], ['lock', 'lock.json']]);
  });

  it('waits for no unpacking when the run is cancelled', async () => {
    const cancellation = new AbortController();
    const run = () => {
      cancellation.abort(new ActionError('CANCELLED', 'x', ''));
      return new Promise<never>(() => {});
    };
    const wanted = { version: DRIVER, url: XFREE86, sha256: SHA256 };
    const done = () => obtained({ ...world(web({ [XFREE86]: BYTES })), run, cancelled: cancellation.signal }, wanted);
    expect((await failureOf(done)).code).toBe('CANCELLED');
    expect([readdirSync(temporary), readdirSync(state).sort()]).toEqual([[], ['lock', 'lock.json']]);
  });

  it('takes nothing with a wrong checksum into the cache', async () => {
    const failure = await failureOf(() => obtain({ [XFREE86]: BYTES }, OTHER));
    expect(failure.code).toBe('RUNFILE_CHECKSUM_MISMATCH');
    expect(failure.message).toContain(SHA256);
    expect(failure.message).toContain(OTHER);
    expect(existsSync(cachedPath())).toBe(false);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it.each([
    [`https://mirror.example/${DRIVER}/`],
    [`https://mirror.example/get?file=${NAME}`],
    ['https://mirror.example/runfile.json'],
    ['https://mirror.example/a%20b.run'],
  ])('keeps the bytes of %s, which does not end in a runfile name', async (url) => {
    const archive = await obtain({ [url]: BYTES }, SHA256, url);
    expect(readFileSync(archive.path)).toEqual(FILES);
    expect(cachedPath()).toMatch(/\/[^\s/]+\.run$/);
    expect(readFileSync(cachedPath())).toEqual(BYTES);
  });

  it('logs the progress at every tenth', async () => {
    const http = web({ [XFREE86]: BYTES });
    const stepwise: Http = {
      ...http,
      download: async (url, file, code, onProgress) => {
        for (let part = 1; part <= 1000; part++) onProgress(part * 1000, 1_000_000);
        return http.download(url, file, code, () => {});
      },
    };
    const wanted = { version: DRIVER, url: XFREE86, sha256: SHA256 };
    await obtained(world(stepwise), wanted);
    const shown = log.lines.filter((line) => line.includes('% of'));
    expect(shown).toHaveLength(10);
    expect(shown.at(-1)).toContain('100 % of 976.6 KiB');
  });
});

describe('somebody who writes to the tool cache', () => {
  const EVIL = runfileOf(Buffer.from('files of somebody else'));

  /** Puts other bytes into the cache at the worst moment: all is checked, and the archive is about to be decompressed. */
  const attacking = (files: Record<string, Buffer | string>, attack: () => void) => {
    const run: typeof runCommand = (...args) => {
      attack();
      return runCommand(...args);
    };
    return obtained({ ...world(web(files)), run }, { version: DRIVER, url: XFREE86, sha256: SHA256 });
  };

  it.each<[string, () => void]>([
    [
      'renames another runfile over the cached one',
      () => {
        writeFileSync(`${cachedPath()}.evil`, EVIL);
        renameSync(`${cachedPath()}.evil`, cachedPath());
      },
    ],
    ['writes another runfile into the same inode', () => writeFileSync(cachedPath(), EVIL, { flag: 'r+' })],
    ['empties it', () => truncateSync(cachedPath())],
    ['removes it', () => rmSync(cachedPath())],
  ])('%s: what was checked is unpacked', async (_what, attack) => {
    await obtain({ [XFREE86]: BYTES });
    rmSync(ARCHIVE());
    expect(readFileSync((await attacking({}, attack)).path)).toEqual(FILES);
    expect(log.lines.join('\n')).toContain('comes from the cache');
  });

  it('finds nothing there of a download until it is unpacked', async () => {
    let there: boolean | null = null;
    await attacking({ [XFREE86]: BYTES }, () => {
      there = existsSync(cachedPath());
    });
    expect(there).toBe(false);
    expect(readFileSync(cachedPath())).toEqual(BYTES);
  });

  it('keeps on writing there, from another process: nothing else than what is wanted is ever unpacked', async () => {
    await obtain({ [XFREE86]: BYTES });
    const evil = join(temporaryDirectory(), 'evil');
    writeFileSync(evil, EVIL);
    const script =
      'while :; do cat -- "$1" 1<> "$2"; cp -- "$1" "$2.new" && mv -f -- "$2.new" "$2"; cp -- "$3" "$2"; done';
    const good = join(temporaryDirectory(), 'good');
    writeFileSync(good, BYTES);
    const child = spawn('/bin/sh', ['-c', script, 'sh', evil, cachedPath(), good], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    for (let time = 0; time < 10; time++) {
      rmSync(ARCHIVE());
      const archive = await obtained(world(web({ [XFREE86]: BYTES })), {
        version: DRIVER,
        url: XFREE86,
        sha256: SHA256,
      });
      expect(readFileSync(archive.path)).toEqual(FILES);
    }
  }, 60_000);

  it('makes the cache unusable: the run does without', async () => {
    const root = join(process.env['RUNNER_TOOL_CACHE'] ?? '', 'nvidia-runfile');
    writeFileSync(root, 'a file in the way');
    expect(readFileSync((await obtain({ [XFREE86]: BYTES })).path)).toEqual(FILES);
    expect(log.lines.join('\n')).toContain('could not be kept in the tool cache');
  });
});

describe('runs side by side', () => {
  const side = (http: Http, secondsLeft: () => number) =>
    obtained(world(http), { version: DRIVER, url: XFREE86, sha256: SHA256 }, secondsLeft);

  it('download it once: the second one waits and takes it from the cache', async () => {
    const http = web({ [XFREE86]: BYTES });
    const slow: Http = {
      ...http,
      download: async (...args) => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        return http.download(...args);
      },
    };
    const [first, second] = await Promise.all([side(slow, () => 5), side(slow, () => 5)]);
    expect([first, second].map(({ path }) => readFileSync(path))).toEqual([FILES, FILES]);
    expect(asked).toEqual([`DOWNLOAD ${XFREE86}`]);
    expect(log.lines.join('\n')).toContain('is being obtained by unit test (process');
  });

  it('wait no longer than there is time, and name who has it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const http = web({ [XFREE86]: BYTES });
    const stuck: Http = { ...http, download: (...args) => promise.then(() => http.download(...args)) };
    const first = side(stuck, () => 5);
    await new Promise((wait) => setTimeout(wait, 200));
    const failure = await failureOf(() => side(http, () => 0.1));
    expect(failure.code).toBe('TIMEOUT');
    expect(failure.seen).toContain('unit test (process');
    resolve();
    await first;
  });

  it('end a download that takes too long', async () => {
    let calls = 0;
    const over = () => {
      if (calls++ > 0) throw new ActionError('TIMEOUT', 'It took too long.', '');
      return 5;
    };
    expect((await failureOf(() => side(web({ [XFREE86]: BYTES }), over))).code).toBe('TIMEOUT');
    expect(readdirSync(temporary)).toEqual([]);
  });
});

it('the checksum file lies beside the runfile, also where the address has a query', async () => {
  const url = `https://mirror.example/${NAME}?signature=x`;
  const files = { [url]: BYTES, [`https://mirror.example/${NAME}.sha256sum?signature=x`]: SHA256 };
  const address = { kind: 'template', url, source: 'x' } as const;
  expect(await locate(files, { address })).toMatchObject({ url, sha256: SHA256 });
});
