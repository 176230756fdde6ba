import { join } from 'node:path';

/** The running lab: hosts, containers, the upstream's tree and logs. Removed by `Lab.down()`. */
export const STATE_DIR = '/var/lib/proxmox-lxc-nvidia-lab';

/** Kept between runs: base systems, downloaded archives, the storage image. */
export const CACHE_DIR = '/var/cache/proxmox-lxc-nvidia-lab';

/** The bridge that containers and the upstream server share. */
export const BRIDGE = 'pxlab0';
export const GATEWAY = '10.87.91.1';
export const SUBNET = '10.87.91.0/24';

/** Names the upstream server answers for, in the host's and every container's /etc/hosts. */
export const IMPERSONATED_NAMES = [
  'us.download.nvidia.com',
  'developer.download.nvidia.com',
  'nvidia.github.io',
  'mirror.lab.test',
] as const;

/** Where every container holds the lab's CA; in effect once the package ca-certificates is installed. */
export const CA_IN_CONTAINER = '/usr/local/share/ca-certificates/proxmox-lxc-nvidia-lab.crt';

export const LAB_DIR = import.meta.dirname;
export const REPOSITORY_DIR = join(LAB_DIR, '..', '..');

/** One btrfs file system holds base systems and container volumes, so that a container is a snapshot. */
export const STORAGE_IMAGE = join(CACHE_DIR, 'storage.img');
export const STORAGE_DIR = join(STATE_DIR, 'storage');
export const HOSTS_DIR = join(STATE_DIR, 'hosts');
