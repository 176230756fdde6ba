import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod/mini';
import { FileLock, type LockOptions } from '../system/lock.ts';
import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';

const TOOL = 'nvidia-runfile';
const MANIFEST = 'runfile.json';

/** What is kept beside a cached runfile: tool-cache itself stores no checksum. */
const Manifest = z.object({
  version: z.string(),
  /** Where it came from, as shown: without user name, password and query. */
  url: z.string(),
  name: z.string(),
  sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  size: z.number(),
});
type Manifest = z.infer<typeof Manifest>;

const ARCHIVE = 'archive.tar';
const ARCHIVE_MANIFEST = 'archive.json';

/** What is kept beside an unpacked archive. */
const ArchiveManifest = z.object({
  /** sha256 of the runfile that it came from. */
  runfile: z.string(),
  sha256: z.string(),
  /** Bytes. */
  size: z.number(),
});

/** A runfile in the cache, not yet checked. */
export interface CachedRunfile extends Manifest {
  path: string;
}

/** What a runfile holds, decompressed: a tar archive with NVIDIA's installer and the driver's files. */
export interface CachedArchive {
  /** The runfile's name. */
  name: string;
  path: string;
  sha256: string;
  /** Bytes. */
  size: number;
}

/**
 * The key of a driver version in the tool cache. tool-cache finds strict semantic versions only, and most driver versions
 * aren't (`580.142`, `580.159.04`): the numbers are made one, and the exact text follows as a pre-release label, so that
 * no two versions share a key. `580.159.04` → `580.159.4-nvidia-580-159-04`.
 */
export function cacheKey(version: DriverVersion): string {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  return `${major}.${minor}.${patch}-nvidia-${version.replaceAll('.', '-')}`;
}

/** Loaded when a runfile is needed: most runs need none. */
const toolCache = () => import(/* webpackMode: "eager" */ '@actions/tool-cache');

/** Runfiles in the runner's tool cache (RUNNER_TOOL_CACHE), one per version and architecture. */
export class RunfileCache {
  readonly #temporary: string;
  /** Checksums that this run has computed, by the file's path, and the state of the file that they are of. */
  readonly #checksums = new Map<string, { state: string; sha256: string }>();

  /** @param temporary the runner's RUNNER_TEMP: it is emptied by the runner before and after each job. */
  constructor(temporary: string) {
    this.#temporary = temporary;
  }

  /**
   * Takes the lock of a version's place, so that runs side by side download it once. It lies beside the tools, because
   * who shares the cache must share the lock.
   */
  lock(version: DriverVersion, architecture: Architecture, options: LockOptions): Promise<FileLock> {
    const root = process.env['RUNNER_TOOL_CACHE'] || this.#temporary;
    return FileLock.take(join(root, `${TOOL}-locks`, `${version}-${architecture}.lock`), options);
  }

  /** The cached runfile, or null. One whose manifest can't be read counts as not there. */
  async find(version: DriverVersion, architecture: Architecture): Promise<CachedRunfile | null> {
    const directory = (await toolCache()).find(TOOL, cacheKey(version), architecture);
    if (directory === '') return null;
    const text = await readFile(join(directory, MANIFEST), 'utf8').catch(() => '');
    const manifest = Manifest.safeParse(parseJson(text));
    if (!manifest.success || manifest.data.version !== version) return null;
    return { ...manifest.data, path: join(directory, manifest.data.name) };
  }

  /** Throws a cached runfile away. */
  async remove(version: DriverVersion, architecture: Architecture): Promise<void> {
    const directory = (await toolCache()).find(TOOL, cacheKey(version), architecture);
    if (directory === '') return;
    await rm(`${directory}.complete`, { force: true });
    await rm(directory, { recursive: true, force: true });
  }

  /** A new directory to download into; removed by the caller. */
  async workspace(): Promise<string> {
    await mkdir(this.#temporary, { recursive: true });
    return mkdtemp(join(this.#temporary, 'nvidia-runfile-'));
  }

  /** Takes a file that was downloaded and checked into the cache. @param workspace where it lies */
  async store(
    partial: string,
    workspace: string,
    architecture: Architecture,
    manifest: Manifest,
  ): Promise<CachedRunfile> {
    // tool-cache copies what it is given: it gets the manifest alone, and the runfile is moved to it.
    const entry = await mkdtemp(join(workspace, 'entry-'));
    await writeFile(join(entry, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
    const cached = await (await toolCache()).cacheDir(entry, TOOL, cacheKey(manifest.version), architecture);
    const path = join(cached, manifest.name);
    await move(partial, path);
    this.#checksums.set(path, { state: await stateOf(path), sha256: manifest.sha256 });
    return { ...manifest, path };
  }

  /** The archive of a cached runfile, or null when it wasn't unpacked yet. Not yet checked. */
  async findArchive({ name, path, sha256 }: CachedRunfile): Promise<CachedArchive | null> {
    const directory = dirname(path);
    const text = await readFile(join(directory, ARCHIVE_MANIFEST), 'utf8').catch(() => '');
    const manifest = ArchiveManifest.safeParse(parseJson(text));
    if (!manifest.success || manifest.data.runfile !== sha256) return null;
    return { name, path: join(directory, ARCHIVE), sha256: manifest.data.sha256, size: manifest.data.size };
  }

  /**
   * Takes an archive that was just unpacked into the cache, in place of those of other versions: a host has one driver, and an
   * archive has some 1.5 GB. @param unpacked is moved
   */
  async storeArchive(runfile: CachedRunfile, unpacked: string, architecture: Architecture): Promise<CachedArchive> {
    const { find, findAllVersions } = await toolCache();
    for (const version of findAllVersions(TOOL, architecture)) {
      const directory = find(TOOL, version, architecture);
      for (const name of [ARCHIVE_MANIFEST, ARCHIVE]) await rm(join(directory, name), { force: true });
    }
    const directory = dirname(runfile.path);
    const path = join(directory, ARCHIVE);
    await move(unpacked, path);
    const sha256 = (await this.sha256({ path })) ?? '';
    const { size } = await stat(path);
    const manifest: z.infer<typeof ArchiveManifest> = { runfile: runfile.sha256, sha256, size };
    await writeFile(join(directory, ARCHIVE_MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
    return { name: runfile.name, path, sha256, size };
  }

  /** The sha256 of a cached file's bytes, or null when it isn't there. Read once per run, unless it changes. */
  async sha256({ path }: { path: string }): Promise<string | null> {
    const known = this.#checksums.get(path);
    const state = await stateOf(path);
    if (known?.state === state) return known.sha256;
    const sha256 = await hashFile(path);
    if (sha256 !== null) this.#checksums.set(path, { state, sha256 });
    return sha256;
  }
}

/** What changes when a file is written or replaced; empty when it isn't there. */
async function stateOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found === null ? '' : [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ');
}

/** Copies only where the tool cache is on another file system. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(from, to);
  }
}

/** The sha256 of a file in lower-case hexadecimal, or null when it isn't there. */
export async function hashFile(path: string): Promise<string | null> {
  const hash = createHash('sha256');
  // One buffer for the whole file: a stream makes a new one for every 64 KiB.
  const buffer = Buffer.alloc(1024 * 1024);
  try {
    await using file = await open(path, 'r');
    for (;;) {
      const { bytesRead } = await file.read(buffer);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
