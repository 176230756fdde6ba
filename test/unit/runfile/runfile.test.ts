import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ActionError } from '../../../src/errors.ts';
import { ArchiveStore } from '../../../src/runfile/archive-store.ts';
import { RunfileCache } from '../../../src/runfile/cache.ts';
import { locateRunfile, obtainArchive, type WantedRunfile } from '../../../src/runfile/runfile.ts';
import { runCommand } from '../../../src/system/command.ts';
import type { Http } from '../../../src/system/http.ts';
import { DRIVER, desired } from '../helpers/facts.ts';
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
let log: RecordingLog;
let asked: string[];

beforeEach(() => {
  process.env['RUNNER_TOOL_CACHE'] = temporaryDirectory();
  temporary = temporaryDirectory();
  process.env['RUNNER_TEMP'] = temporary;
  cache = new RunfileCache(temporary);
  state = temporaryDirectory();
  archives = new ArchiveStore(state);
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
const locate = (files: Record<string, Buffer | string>, changes: Partial<typeof wish> = {}) =>
  locateRunfile(web(files), cache, { ...wish, ...changes }, DRIVER, 'x86_64');
async function obtained(world: Parameters<typeof obtainArchive>[0], wanted: WantedRunfile, secondsLeft = () => 5) {
  const archive = await obtainArchive(world, { cache, archives }, wanted, 'x86_64', secondsLeft);
  onTestFinished(() => archive[Symbol.asyncDispose]());
  return archive;
}
const obtain = (files: Record<string, Buffer | string>, sha256: string | null = SHA256, url = XFREE86) =>
  obtained(world(web(files)), { version: DRIVER, url, sha256 });

describe('locateRunfile', () => {
  it('finds runfile and checksum in the first tree', async () => {
    expect(await locate({ [XFREE86]: BYTES, [`${XFREE86}.sha256sum`]: `${SHA256}  ${NAME}\n`, [TESLA]: 'x' })).toEqual({
      version: DRIVER,
      url: XFREE86,
      sha256: SHA256,
      size: BYTES.length,
    });
    expect(asked).toEqual([`HEAD ${XFREE86}`, `GET ${XFREE86}.sha256sum`]);
  });

  it('goes on to the data centre tree', async () => {
    const files = { [TESLA]: BYTES, [`${TESLA}.sha256sum`]: SHA256 };
    expect(await locate(files)).toMatchObject({ url: TESLA, sha256: SHA256 });
  });

  it('asks for no published checksum where the user gives one', async () => {
    expect(await locate({ [XFREE86]: BYTES }, { sha256: OTHER })).toMatchObject({ sha256: OTHER });
    expect(asked).toEqual([`HEAD ${XFREE86}`]);
  });

  it('does without a checksum only where the user says so', async () => {
    const failure = await failureOf(() => locate({ [XFREE86]: BYTES }));
    expect(failure.code).toBe('RUNFILE_NO_CHECKSUM');
    expect(failure.remedy).toContain('self-check');
    expect(await locate({ [XFREE86]: BYTES }, { integrity: 'self-check' })).toMatchObject({ sha256: null });
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

  it('needs no web for what is in the cache', async () => {
    await obtain({ [XFREE86]: BYTES });
    asked = [];
    expect(await locate({})).toEqual({
      version: DRIVER,
      url: XFREE86,
      sha256: SHA256,
      size: BYTES.length,
    });
    expect(await locate({}, { sha256: SHA256 })).toMatchObject({ url: XFREE86, sha256: SHA256 });
    expect(asked).toEqual([]);
  });

  it('looks again where the user wants another checksum or address than the cache has', async () => {
    await obtain({ [XFREE86]: BYTES });
    expect(await locate({ [XFREE86]: BYTES }, { sha256: OTHER })).toMatchObject({ sha256: OTHER });
    const address = { kind: 'template', url: `https://mirror.example/${NAME}`, source: 'x' } as const;
    const files = { [address.url]: BYTES, [`${address.url}.sha256sum`]: SHA256 };
    expect(await locate(files, { address })).toMatchObject({ url: address.url, sha256: SHA256 });
  });
});

function editJson(path: string, changes: object): void {
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }));
}

/** Where the runfile lies in the cache. */
const cachedPath = async () => (await cache.find(DRIVER, 'x86_64'))?.path ?? 'not cached';

/** The archive's file. */
const ARCHIVE = () => join(state, 'archive.tar');

describe('obtainArchive', () => {
  it('downloads into the cache, unpacks and leaves nothing else behind', async () => {
    const archive = await obtain({ [XFREE86]: BYTES });
    expect(archive.size).toBe(FILES.length);
    expect(readFileSync(archive.path)).toEqual(FILES);
    expect(readFileSync(await cachedPath())).toEqual(BYTES);
    expect(readdirSync(temporary)).toEqual([]);
    expect(readdirSync(state).sort()).toEqual(['archive.json', 'archive.tar', 'lock']);
  });

  it('takes what is unpacked the second time, whatever became of the runfile', async () => {
    await obtain({ [XFREE86]: BYTES });
    writeFileSync(await cachedPath(), 'broken');
    asked = [];
    expect(readFileSync((await obtain({})).path)).toEqual(FILES);
    expect(asked).toEqual([]);
    expect(log.lines.at(-1)).toContain('is unpacked on this host already');
  });

  it('holds the bytes that were checked, whatever becomes of the file', async () => {
    const { path } = await obtain({ [XFREE86]: BYTES });
    const other = Buffer.from('files of another driver');
    const url = 'https://x.example/x.run';
    await obtain({ [url]: runfileOf(other) }, null, url);
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
    expect(readdirSync(state).sort()).toEqual(['archive.json', 'archive.tar', 'lock']);
    expect(asked).toEqual([]);
    expect(log.lines.join('\n')).toContain('The runfile of 580.159.04 comes from the cache');
  });

  it('throws a cached runfile away whose bytes changed, and downloads again', async () => {
    await obtain({ [XFREE86]: BYTES });
    rmSync(ARCHIVE());
    writeFileSync(await cachedPath(), 'broken');
    expect(readFileSync((await obtain({ [XFREE86]: BYTES })).path)).toEqual(FILES);
    expect(readFileSync(await cachedPath())).toEqual(BYTES);
    expect(log.lines.join('\n')).toContain('thrown away');
  });

  it('does so even where no checksum is published', async () => {
    await obtain({ [XFREE86]: BYTES }, null);
    asked = [];
    expect(readFileSync((await obtain({}, null)).path)).toEqual(FILES);
    expect(asked).toEqual([]);
    rmSync(ARCHIVE());
    writeFileSync(await cachedPath(), 'broken');
    expect(readFileSync((await obtain({ [XFREE86]: BYTES }, null)).path)).toEqual(FILES);
  });

  it('takes a runfile without published checksum by its own sum only', async () => {
    const changed = Buffer.from(BYTES);
    changed[changed.length - 20] = (changed[changed.length - 20] ?? 0) ^ 1;
    expect((await failureOf(() => obtain({ [XFREE86]: changed }, null))).message).toContain('its MD5 sum is');
    expect(await cache.find(DRIVER, 'x86_64')).toBeNull();
  });

  it('throws a cached copy away that is not the wanted one', async () => {
    await obtain({ [XFREE86]: runfileOf(Buffer.from('another')) }, null);
    expect(await obtain({ [XFREE86]: BYTES })).toMatchObject({ size: FILES.length });
  });

  it('takes no runfile of another version into the cache, and finds the right one once it is there', async () => {
    const failure = await failureOf(() => obtain({ [XFREE86]: runfileOf(FILES, { version: '550.163.01' }) }, null));
    expect(failure.code).toBe('RUNFILE_UNUSABLE');
    expect(failure.message).toContain(XFREE86);
    expect(await cache.find(DRIVER, 'x86_64')).toBeNull();
    expect(readdirSync(temporary)).toEqual([]);
    expect(readFileSync((await obtain({ [XFREE86]: BYTES }, null)).path)).toEqual(FILES);
  });

  it('throws a runfile away whose archive is damaged, and finds a better one once it is there', async () => {
    const damaged = BYTES.subarray(0, BYTES.length - 20);
    const sha256 = createHash('sha256').update(damaged).digest('hex');
    const failure = await failureOf(() => obtain({ [XFREE86]: damaged }, sha256));
    expect(failure.message).toContain('could not unpack');
    expect(await cache.find(DRIVER, 'x86_64')).toBeNull();
    expect(readdirSync(state)).toEqual(['lock']);
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
    expect([readdirSync(temporary), readdirSync(state)]).toEqual([[], ['lock']]);
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
    expect([readdirSync(temporary), readdirSync(state)]).toEqual([[], ['lock']]);
  });

  it('takes nothing with a wrong checksum into the cache', async () => {
    const failure = await failureOf(() => obtain({ [XFREE86]: BYTES }, OTHER));
    expect(failure.code).toBe('RUNFILE_CHECKSUM_MISMATCH');
    expect(failure.message).toContain(SHA256);
    expect(failure.message).toContain(OTHER);
    expect(await cache.find(DRIVER, 'x86_64')).toBeNull();
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
    expect(await cachedPath()).toMatch(/\/[^\s/]+\.run$/);
    expect(readFileSync(await cachedPath())).toEqual(BYTES);
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

it('the cache keeps no password or query of an address, and knows it again without', async () => {
  const url = `https://me:s3cret@mirror.example/${NAME}?signature=s3cret`;
  await obtain({ [url]: BYTES }, SHA256, url);
  expect(readFileSync(join(dirname(await cachedPath()), 'runfile.json'), 'utf8')).not.toContain('s3cret');
  asked = [];
  const address = { kind: 'template', url, source: 'x' } as const;
  expect(await locate({}, { address })).toMatchObject({ url, sha256: SHA256 });
  expect(asked).toEqual([]);
});

it('the checksum file lies beside the runfile, also where the address has a query', async () => {
  const url = `https://mirror.example/${NAME}?signature=x`;
  const files = { [url]: BYTES, [`https://mirror.example/${NAME}.sha256sum?signature=x`]: SHA256 };
  const address = { kind: 'template', url, source: 'x' } as const;
  expect(await locate(files, { address })).toMatchObject({ url, sha256: SHA256 });
});
