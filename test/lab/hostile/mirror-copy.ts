import { randomUUID } from 'node:crypto';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Upstream } from '../upstream/upstream.ts';

/** A mirror of a CUDA repository that somebody hostile runs. */
export interface HostileMirror extends AsyncDisposable {
  /** For the input `cuda-repository`. */
  address: string;
  /** Where the repository of the one distribution lies on this machine. */
  directory: string;
}

/** A copy of a distribution's CUDA repository at an address of its own, to be changed. Disposing of it removes it. */
export async function copyOfCudaRepository(
  upstream: Upstream,
  distribution: 'debian12' | 'debian13',
): Promise<HostileMirror> {
  const path = `hostile/${randomUUID()}`;
  const top = join(upstream.root, 'mirror.lab.test', path);
  const directory = join(top, distribution, 'x86_64');
  const original = join(upstream.root, 'developer.download.nvidia.com/compute/cuda/repos', distribution, 'x86_64');
  await cp(original, directory, { recursive: true });
  return {
    address: `https://mirror.lab.test/${path}`,
    directory,
    [Symbol.asyncDispose]: () => rm(top, { recursive: true }),
  };
}
