import type { Desired, RepositoryWish } from '../desired/desired.ts';
import { type Architecture, cudaRepositoryArchitecture, debianArchitecture } from '../version/architecture.ts';
import { type Distribution, NVIDIA_CONTAINER_KEY } from './distribution.ts';

export type RepositoryName = 'cuda' | 'nvidia-container';

/** One of NVIDIA's apt repositories as a container of a given distribution and architecture uses it. */
export interface Repository {
  name: RepositoryName;
  /** A flat repository: packages and index lie right below. Ends in a slash. */
  uri: string;
  /** Where its key comes from: a package that holds a keyring, or the bare key. */
  keySource: { kind: 'keyring-package'; url: string; member: string } | { kind: 'key'; url: string };
  /** Fingerprints of the keys it may be signed with. */
  keys: string[];
  /** Where this action keeps its keyring in the container. */
  keyring: string;
}

/** The CUDA repository (layout: docs/facts.md, C1). */
export function cudaRepository(
  wish: RepositoryWish,
  distribution: Distribution,
  architecture: Architecture,
): Repository {
  const uri = `${wish.base}/${distribution.cudaName}/${cudaRepositoryArchitecture(architecture)}/`;
  return {
    name: 'cuda',
    uri,
    keySource: {
      kind: 'keyring-package',
      url: `${uri}cuda-keyring_1.1-1_all.deb`,
      member: 'usr/share/keyrings/cuda-archive-keyring.gpg',
    },
    keys: wish.keys.length > 0 ? wish.keys : [distribution.cudaKey],
    keyring: '/etc/apt/keyrings/proxmox-lxc-nvidia-cuda.gpg',
  };
}

/** The repository of libnvidia-container and the container toolkit, one for all distributions (docs/facts.md, C4). */
export function nvidiaContainerRepository(wish: RepositoryWish, architecture: Architecture): Repository {
  return {
    name: 'nvidia-container',
    uri: `${wish.base}/stable/deb/${debianArchitecture(architecture)}/`,
    keySource: { kind: 'key', url: `${wish.base}/gpgkey` },
    keys: wish.keys.length > 0 ? wish.keys : [NVIDIA_CONTAINER_KEY],
    keyring: '/etc/apt/keyrings/proxmox-lxc-nvidia-container.gpg',
  };
}

/** The repositories that a container needs for what is wanted. */
export function wantedRepositories(
  desired: Desired,
  distribution: Distribution,
  architecture: Architecture,
): Repository[] {
  const repositories: Repository[] = [];
  if (desired.cuda.kind !== 'none') {
    repositories.push(cudaRepository(desired.cudaRepository, distribution, architecture));
  }
  if (desired.nvidiaContainer !== 'none') {
    repositories.push(nvidiaContainerRepository(desired.nvidiaContainerRepository, architecture));
  }
  return repositories;
}
