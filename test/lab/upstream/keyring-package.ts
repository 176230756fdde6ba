import type { DebPackage } from './deb.ts';

/** `cuda-<distro>.pin`: prefers everything of NVIDIA's repository, its driver packages included (docs/facts.md, C1). */
export const CUDA_PIN = `Package: nsight-compute
Pin: origin *ubuntu.com*
Pin-Priority: -1

Package: nsight-systems
Pin: origin *ubuntu.com*
Pin-Priority: -1

Package: *
Pin: release l=NVIDIA CUDA
Pin-Priority: 600
`;

/** cuda-keyring_1.1-1_all.deb: the same name and version in every repository, with other contents in each. */
export const cudaKeyringPackage = (distro: string, key: Buffer): DebPackage => ({
  name: 'cuda-keyring',
  version: '1.1-1',
  architecture: 'all',
  section: 'contrib/utils',
  summary: 'GPG keyring for the CUDA repository',
  files: {
    '/usr/share/keyrings/cuda-archive-keyring.gpg': key,
    [`/etc/apt/sources.list.d/cuda-${distro}-x86_64.list`]:
      `deb [signed-by=/usr/share/keyrings/cuda-archive-keyring.gpg] ` +
      `https://developer.download.nvidia.com/compute/cuda/repos/${distro}/x86_64/ /\n`,
    '/etc/apt/preferences.d/cuda-repository-pin-600': CUDA_PIN,
  },
});
