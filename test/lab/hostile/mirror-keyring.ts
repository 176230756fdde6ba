import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CACHE_DIR } from '../paths.ts';
import { buildDeb } from '../upstream/deb.ts';
import { cudaKeyringPackage } from '../upstream/keyring-package.ts';
import { writeRelease } from '../upstream/repository.ts';
import { secretKey } from '../upstream/signing.ts';
import { ensureSigningKeys } from '../upstream/tree.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { copyOfCudaRepository, type HostileMirror } from './mirror-copy.ts';

export interface SmugglingMirror extends HostileMirror {
  /** The repository's true key alone. */
  honest: Buffer;
  /** The true key, and behind it the secret key of the mirror's owner: to Sequoia two certificates. */
  smuggled: Buffer;
  /** What the mirror's owner signed, and nobody else. */
  release: string;
  /** The same repository as its owner signed it. */
  honestRelease: string;
}

/**
 * A mirror whose owner signed it, with a keyring package in which the true key comes first. Who compares the fingerprint of that
 * key and installs the rest with it has sqv (Debian 13) trust the mirror's owner.
 */
export async function mirrorWithSmuggledKey(
  upstream: Upstream,
  distribution: 'debian12' | 'debian13',
): Promise<SmugglingMirror> {
  const keys = await ensureSigningKeys(join(CACHE_DIR, 'upstream/keys'));
  const honest = keys[distribution].binary;
  const smuggled = Buffer.concat([honest, await secretKey(keys.stranger)]);
  const mirror = await copyOfCudaRepository(upstream, distribution);
  const signed = () => readFile(join(mirror.directory, 'InRelease'), 'utf8');
  const honestRelease = await signed();
  await buildDeb(cudaKeyringPackage(distribution, smuggled), mirror.directory);
  await writeRelease(mirror.directory, { origin: 'NVIDIA', label: 'NVIDIA CUDA' }, keys.stranger);
  return { ...mirror, honest, smuggled, release: await signed(), honestRelease };
}
