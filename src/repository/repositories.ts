import type { Desired, RepositoryWish } from '../desired/desired.ts';
import { type Architecture, cudaRepositoryArchitecture, debianArchitecture } from '../version/architecture.ts';
import { type Distribution, NVIDIA_CONTAINER_KEY } from './distribution.ts';
import { nvidiaKeyring } from './nvidia-keys.ts';

export type RepositoryName = 'cuda' | 'nvidia-container';

/** Where a repository's key comes from: it is carried, or lies on the server, bare or in a package that holds a keyring. */
export type KeySource =
  | { kind: 'carried'; keyring: Buffer }
  | { kind: 'keyring-package'; url: string; member: string }
  | { kind: 'key'; url: string };

/** One of NVIDIA's apt repositories as a container of a given distribution and architecture uses it. */
export interface Repository {
  name: RepositoryName;
  /** A flat repository: packages and index lie right below. Ends in a slash. */
  uri: string;
  keySource: KeySource;
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
    ...keyOf(wish, distribution.cudaKey, {
      kind: 'keyring-package',
      url: `${uri}cuda-keyring_1.1-1_all.deb`,
      member: 'usr/share/keyrings/cuda-archive-keyring.gpg',
    }),
    keyring: '/etc/apt/keyrings/proxmox-lxc-nvidia-cuda.gpg',
  };
}

/** The repository of libnvidia-container and the container toolkit, one for all distributions (docs/facts.md, C4). */
export function nvidiaContainerRepository(wish: RepositoryWish, architecture: Architecture): Repository {
  return {
    name: 'nvidia-container',
    uri: `${wish.base}/stable/deb/${debianArchitecture(architecture)}/`,
    ...keyOf(wish, NVIDIA_CONTAINER_KEY, { kind: 'key', url: `${wish.base}/gpgkey` }),
    keyring: '/etc/apt/keyrings/proxmox-lxc-nvidia-container.gpg',
  };
}

/**
 * NVIDIA's key, as this action carries it, unless the user names others: only then, or where it isn't carried, a server is
 * asked for it. A mirror that copies NVIDIA's files is signed by NVIDIA.
 */
function keyOf({ keys }: RepositoryWish, nvidia: string, published: KeySource): Pick<Repository, 'keySource' | 'keys'> {
  if (keys.length > 0) return { keySource: published, keys };
  const keyring = nvidiaKeyring(nvidia);
  return { keySource: keyring === null ? published : { kind: 'carried', keyring }, keys: [nvidia] };
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
