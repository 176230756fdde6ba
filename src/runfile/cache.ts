import { copyFile, mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { FileLock, type LockOptions } from '../system/lock.ts';
import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';
import { Checksums, openIfThere } from './checksums.ts';
import { readManifest } from './manifest.ts';

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

/** A runfile in the cache, not yet checked. */
export interface CachedRunfile extends Manifest {
  path: string;
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
  readonly #checksums = new Checksums();

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
    const manifest = await readManifest(join(directory, MANIFEST), Manifest);
    if (manifest?.version !== version) return null;
    return { ...manifest, path: join(directory, manifest.name) };
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
    await using file = await open(path, 'r');
    await this.#checksums.note(file, manifest.sha256);
    return { ...manifest, path };
  }

  /** The sha256 of a cached runfile's bytes, or null when it isn't there. Read once per run, unless it changes. */
  async sha256({ path }: CachedRunfile): Promise<string | null> {
    await using file = await openIfThere(path);
    return file === null ? null : await this.#checksums.of(file);
  }
}

/** Copies only where the tool cache is on another file system; under its own name there is never a part. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(from, `${to}.partial`);
    await rename(`${to}.partial`, to);
  }
}
