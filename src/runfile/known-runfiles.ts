import * as z from 'zod/mini';
import type { RunfileFacts } from '../facts/facts.ts';
import { sha256Of } from '../system/sha256.ts';
import { StateFile } from '../system/state-file.ts';
import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';

/** So many are kept: a host has one driver, and seldom another one. */
const MOST = 16;

const KnownRunfile = z.object({
  version: z.string(),
  architecture: z.string(),
  /** sha256 of the whole address, which may hold a password; its query and fragment may decide what the server gives. */
  address: z.string(),
  sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  /** Bytes; null: the server didn't tell. */
  size: z.nullable(z.number()),
  /** Whose word the checksum was: the user's, the publisher's; or nobody's, and it is that of the bytes that came. */
  checksum: z.enum(['given', 'published', 'none']),
});
export type KnownRunfile = z.infer<typeof KnownRunfile>;

/**
 * Which checksum the runfile at an address has, of those that were downloaded on this host and compared with their source. In
 * this host's own state directory: what lies there only this user can have written.
 */
export class KnownRunfiles {
  readonly #file: StateFile<z.ZodMiniArray<typeof KnownRunfile>>;
  /** What this run was told of runfiles whose bytes it hasn't seen yet. */
  readonly #told = new Map<string, RunfileFacts>();

  /** @param path in a directory of this user alone */
  constructor(path: string) {
    this.#file = new StateFile(path, z.array(KnownRunfile));
  }

  /** What is known of the runfile at an address; null: nothing. */
  async find(url: string, version: DriverVersion, architecture: Architecture): Promise<KnownRunfile | null> {
    return (await this.#read()).find(isOf(url, version, architecture)) ?? null;
  }

  /** Keeps what a source says of a runfile until its bytes were compared with that. Nothing is written. */
  told(runfile: RunfileFacts): void {
    this.#told.set(runfile.url, runfile);
  }

  /** Notes what was told of a runfile: its bytes have that checksum. */
  async compared(url: string, architecture: Architecture): Promise<void> {
    const runfile = this.#told.get(url);
    if (runfile !== undefined) await this.note(runfile, architecture);
  }

  /**
   * Notes one in place of what was known of that address. It only saves the next run's requests, and a machine that only plans may
   * have no such directory: what can't be written is asked for again.
   */
  async note(runfile: RunfileFacts, architecture: Architecture): Promise<void> {
    const { url, ...known } = runfile;
    const others = await this.#others(url, known.version, architecture);
    await this.#write([{ ...known, architecture, address: sha256Of(url) }, ...others].slice(0, MOST));
  }

  /** Forgets one, when the source has other bytes by now. */
  async forget(url: string, version: DriverVersion, architecture: Architecture): Promise<void> {
    await this.#write(await this.#others(url, version, architecture));
  }

  async #others(url: string, version: string, architecture: string): Promise<KnownRunfile[]> {
    const matches = isOf(url, version, architecture);
    return (await this.#read()).filter((known) => !matches(known));
  }

  async #read(): Promise<KnownRunfile[]> {
    return (await this.#file.read().catch(() => null)) ?? [];
  }

  async #write(known: KnownRunfile[]): Promise<void> {
    await this.#file.write(known).catch(() => {});
  }
}

function isOf(url: string, version: string, architecture: string): (known: KnownRunfile) => boolean {
  const address = sha256Of(url);
  return (known) => known.address === address && known.version === version && known.architecture === architecture;
}
