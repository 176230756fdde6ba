import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Upstream } from '../upstream/upstream.ts';
import { copyOfCudaRepository, type HostileMirror } from './mirror-copy.ts';

/** A mirror whose index has some 300 KB and unpacks to 300 MiB of stanzas that hold next to nothing. */
export async function mirrorWithIndexBomb(
  upstream: Upstream,
  distribution: 'debian12' | 'debian13',
): Promise<HostileMirror> {
  const mirror = await copyOfCudaRepository(upstream, distribution);
  const stanzas = gzipSync('a\n\n'.repeat((1024 * 1024) / 3));
  await writeFile(join(mirror.directory, 'Packages.gz'), Buffer.concat(Array<Buffer>(300).fill(stanzas)));
  return mirror;
}
