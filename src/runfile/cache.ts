import { randomUUID } from 'node:crypto';
import { constants, copyFile, mkdir, mkdtemp, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RUNFILE_LIMITS } from '../system/limits.ts';
import { whyNotPrivate } from '../system/private-directory.ts';
import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';
import { runfileName } from './address.ts';
import { copyHashed, openPlain } from './files.ts';

const TOOL = 'nvidia-runfile';

/** A file that nobody else writes to: below a directory of this user alone. */
export interface PrivateFile {
  path: string;
  /** Hexadecimal, of the bytes as they were written. */
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

/**
 * Runfiles in the runner's tool cache (RUNNER_TOOL_CACHE), one per version and architecture: bytes that were downloaded before,
 * and nothing else. Other jobs and hosts may share that directory and write there at any time, so nothing of it is
 * believed: what is in it is copied out, and the copy is compared with a checksum that comes from elsewhere.
 */
export class RunfileCache {
  readonly #temporary: string;

  /** @param temporary the runner's RUNNER_TEMP: it is emptied by the runner before and after each job. */
  constructor(temporary: string) {
    this.#temporary = temporary;
  }

  /**
   * Copies a cached runfile out, hashing in the same pass.
   *
   * @param path a new file
   * @param onProgress called again and again meanwhile; what it throws ends the copying
   * @returns null when none is there, or something that is no plain file of a runfile's size
   */
  async copy(
    version: DriverVersion,
    architecture: Architecture,
    path: string,
    onProgress: () => void,
  ): Promise<PrivateFile | null> {
    const directory = await this.#find(version, architecture);
    if (directory === null) return null;
    await using file = await openPlain(join(directory, runfileName(version, architecture)));
    if (file === null) return null;
    const copied = await copyHashed(file, path, RUNFILE_LIMITS.bytes, onProgress);
    return copied === null ? null : { path, ...copied };
  }

  /** Throws a cached runfile away, where nobody else can lead that elsewhere: what stays isn't believed either. */
  async remove(version: DriverVersion, architecture: Architecture): Promise<void> {
    const directory = await this.#find(version, architecture);
    if (directory === null || whyNotPrivate(dirname(directory), uid()) !== null) return;
    for (const path of [`${directory}.complete`, directory]) {
      await rm(path, { recursive: true, force: true }).catch(() => {});
    }
  }

  /** A new directory of this user alone, for runfiles on their way; removed by the caller. */
  async workspace(): Promise<string> {
    await mkdir(this.#temporary, { recursive: true });
    return mkdtemp(join(this.#temporary, 'nvidia-runfile-'));
  }

  /**
   * Moves a runfile into the cache, when nothing is done with it any more.
   *
   * @param workspace where it lies
   * @throws Error where others can write to the cache: tool-cache would follow the links that they put there
   */
  async store(
    { path }: PrivateFile,
    workspace: string,
    version: DriverVersion,
    architecture: Architecture,
  ): Promise<void> {
    // tool-cache copies what it is given: it gets an empty directory, and the runfile is moved to it.
    const entry = await mkdtemp(join(workspace, 'entry-'));
    const key = cacheKey(version);
    await makePrivate(process.env['RUNNER_TOOL_CACHE'] ?? '', TOOL, key);
    const cached = await (await toolCache()).cacheDir(entry, TOOL, key, architecture);
    await move(path, join(cached, runfileName(version, architecture)));
  }

  /** The directory of a version, at its place; a link on the way there, or none at all: null. */
  async #find(version: DriverVersion, architecture: Architecture): Promise<string | null> {
    const root = process.env['RUNNER_TOOL_CACHE'];
    if (!root) return null;
    const key = cacheKey(version);
    const directory = (await toolCache()).find(TOOL, key, architecture);
    if (directory === '') return null;
    const place = join(await realpath(root), TOOL, key, architecture);
    return (await realpath(directory)) === place ? directory : null;
  }
}

const uid = () => process.getuid?.() ?? 0;

/**
 * Makes a directory below another, step by step: in one that nobody else can write to, nobody puts anything at the next name.
 *
 * @throws Error where others can
 */
async function makePrivate(root: string, ...names: string[]): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o755 });
  for (let path = root, left = names; ; [path, left] = [join(path, left[0] ?? ''), left.slice(1)]) {
    const reason = whyNotPrivate(path, uid());
    if (reason !== null) throw new Error(`${reason}.`);
    if (left.length === 0) return;
    await mkdir(join(path, left[0] ?? ''), { recursive: true, mode: 0o755 });
  }
}

/** Copies only where the tool cache is on another file system; under its own name there is never a part. */
async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    // Neither a name that others could put a link at, nor through a link.
    const partial = `${to}.${randomUUID()}`;
    await copyFile(from, partial, constants.COPYFILE_EXCL);
    await rename(partial, to);
  }
}
