import type { GuestFacts } from '../facts/facts.ts';

/** Keys that sign NVIDIA's CUDA repositories, per distribution (docs/facts.md, C2). */
const CUDATOOLS = 'EB693B3035CD5710E231E123A4B469963BF863CC';
const DEBIAN13 = '02182E60104FCDC26EAE1B8597A5D4CB8793F200';
const UBUNTU2604 = '14BAFBC7562AD710CA04E69905FBB6DA60DF8A40';

/** The key that signs nvidia.github.io/libnvidia-container, for every distribution. */
export const NVIDIA_CONTAINER_KEY = 'C95B321B61E88C1809C4F759DDCAE044F796ECB0';

/** Every key that is known to be NVIDIA's, by fingerprint. */
export const NVIDIA_KEYS: readonly string[] = [CUDATOOLS, DEBIAN13, UBUNTU2604, NVIDIA_CONTAINER_KEY];

export interface Distribution {
  /** os-release's ID and VERSION_ID. */
  id: 'debian' | 'ubuntu';
  version: string;
  /** Its directory in the CUDA repository. */
  cudaName: string;
  cudaKey: string;
}

const SUPPORTED: readonly Distribution[] = [
  { id: 'debian', version: '11', cudaName: 'debian11', cudaKey: CUDATOOLS },
  { id: 'debian', version: '12', cudaName: 'debian12', cudaKey: CUDATOOLS },
  { id: 'debian', version: '13', cudaName: 'debian13', cudaKey: DEBIAN13 },
  { id: 'ubuntu', version: '20.04', cudaName: 'ubuntu2004', cudaKey: CUDATOOLS },
  { id: 'ubuntu', version: '22.04', cudaName: 'ubuntu2204', cudaKey: CUDATOOLS },
  { id: 'ubuntu', version: '24.04', cudaName: 'ubuntu2404', cudaKey: CUDATOOLS },
  { id: 'ubuntu', version: '26.04', cudaName: 'ubuntu2604', cudaKey: UBUNTU2604 },
];

/** For messages: `Debian 11, 12, 13 and Ubuntu 20.04, …`. */
export const SUPPORTED_TEXT = (['debian', 'ubuntu'] as const)
  .map(
    (id) =>
      `${id === 'debian' ? 'Debian' : 'Ubuntu'} ${SUPPORTED.filter((d) => d.id === id)
        .map((d) => d.version)
        .join(', ')}`,
  )
  .join(' and ');

/** The supported distribution that a container runs, or null. */
export function distributionOf({ distribution: { id, version } }: GuestFacts): Distribution | null {
  return SUPPORTED.find((candidate) => candidate.id === id && candidate.version === version) ?? null;
}
