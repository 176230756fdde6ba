import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { FileLock, type LockOptions, ownLock } from '../system/lock.ts';
import { makeStateDirectory } from '../system/state.ts';
import { StateFile } from '../system/state-file.ts';
import { Checksums } from './checksums.ts';
import { openPlain } from './files.ts';

const Manifest = z.object({
  /** sha256 of the runfile that it came from. */
  runfile: z.string(),
  sha256: z.string(),
  /** Bytes. */
  size: z.number(),
});

/** What a runfile holds, decompressed and open: a tar archive with NVIDIA's installer and the driver's files. */
export interface Archive extends AsyncDisposable {
  /** Leads to the bytes that were checked until this is disposed, whatever becomes of the file meanwhile. */
  path: string;
  /** Bytes. */
  size: number;
}

/**
 * The archive of the runfile that was unpacked last: a host has one driver, and an archive has some 1.5 GB. On this host, beside the
 * journal: not in the tool cache, which other hosts may share. What lies here came from a runfile whose checksum was compared
 * on this host, and is believed to have.
 */
export class ArchiveStore {
  readonly #directory: string;
  readonly #path: string;
  readonly #manifest: StateFile<typeof Manifest>;
  readonly #checksums = new Checksums();

  /** @param directory of this user alone */
  constructor(directory: string) {
    this.#directory = directory;
    this.#path = join(directory, 'archive.tar');
    this.#manifest = new StateFile(join(directory, 'archive.json'), Manifest);
  }

  /** Must be held for all that follows. */
  lock(options: LockOptions): Promise<FileLock> {
    return FileLock.take(ownLock(join(this.#directory, 'lock')), options);
  }

  /** The archive of a runfile, checked. `none`: it isn't here; `changed`: its bytes are not what was unpacked. */
  async open(runfile: string): Promise<Archive | 'none' | 'changed'> {
    const manifest = await this.#manifest.read().catch(() => null);
    if (manifest?.runfile !== runfile) return 'none';
    const { sha256, size } = manifest;
    const file = await openPlain(this.#path);
    if (file === null) return 'none';
    if ((await this.#checksums.of(file)) === sha256) {
      return { path: `/proc/${process.pid}/fd/${file.fd}`, size, [Symbol.asyncDispose]: () => file.close() };
    }
    await file.close();
    return 'changed';
  }

  /** Makes room, and says where the next archive is to be written. */
  async prepare(): Promise<string> {
    await makeStateDirectory(this.#directory);
    await this.discard();
    return this.#partial;
  }

  /** Takes what was written there as the archive of a runfile. */
  async store(runfile: string): Promise<Archive> {
    await using file = await openPlain(this.#partial);
    if (file === null) throw new Error('there is nothing to store');
    await rename(this.#partial, this.#path);
    const { size } = await file.stat();
    await this.#manifest.write({ runfile, sha256: await this.#checksums.of(file), size });
    const archive = await this.open(runfile);
    if (typeof archive === 'string') throw new Error(`the archive that was just stored is ${archive}`);
    return archive;
  }

  /** Removes what is here, whole or in part. */
  async discard(): Promise<void> {
    for (const path of [this.#manifest.path, this.#path, this.#partial]) await rm(path, { force: true });
  }

  get #partial(): string {
    return `${this.#path}.partial`;
  }
}
