import { describe, expect, it } from 'vitest';
import { isDriverPackage, PIN_TEXT, sourcesText } from '../../../src/repository/apt-files.ts';
import { cudaRepository, nvidiaContainerRepository } from '../../../src/repository/repositories.ts';
import { CONTAINER_KEY, CUDA_KEY, carriedKeyring, desired } from '../helpers/facts.ts';

const DRIVER_PACKAGES = [
  'cuda-drivers',
  'cuda-drivers-580',
  'libcuda1',
  'libcuda1-i386',
  'libnvidia-cfg1-580',
  'libnvidia-compute-580',
  'libnvidia-compute',
  'libnvidia-ml1',
  'libnvidia-ptxjitcompiler1',
  'libnvidia-gl-580-server',
  'nvidia-dkms-580',
  'nvidia-dkms-open',
  'nvidia-driver',
  'nvidia-driver-580',
  'nvidia-driver-580-open',
  'nvidia-driver-bin',
  'nvidia-driver-cuda',
  'nvidia-driver-libs',
  'nvidia-headless-580',
  'nvidia-installer-cleanup',
  'nvidia-kernel-dkms',
  'nvidia-kernel-open-dkms',
  'nvidia-open',
  'nvidia-open-580',
  'nvidia-smi',
  'nvidia-utils-580',
  'xserver-xorg-video-nvidia',
];
const OTHER_PACKAGES = [
  'cuda-toolkit-12-8',
  'cuda-nvcc-12-8',
  'cuda-cudart-12-8',
  'cuda-keyring',
  'libnvidia-container1',
  'libnvidia-container-tools',
  'nvidia-container-toolkit',
  'nvidia-container-toolkit-base',
  'nvidia-driver-pinning-580.159.04',
  'nvidia-cuda-toolkit',
  'kmod',
  'my-libcuda1',
  'libcuda11',
];

describe('driver packages', () => {
  it.each(DRIVER_PACKAGES)('%s is one', (name) => {
    expect(isDriverPackage(name)).toBe(true);
  });

  it.each(OTHER_PACKAGES)('%s is none', (name) => {
    expect(isDriverPackage(name)).toBe(false);
  });
});

describe('the pin', () => {
  it('is one stanza of preferences that forbids every driver package', () => {
    const lines = PIN_TEXT.split('\n').filter((line) => !line.startsWith('#') && line !== '');
    expect(lines.map((line) => line.split(':')[0])).toEqual(['Package', 'Pin', 'Pin-Priority']);
    expect(lines[2]).toBe('Pin-Priority: -1');
    const globs = lines[0]?.replace('Package: ', '').split(' ') ?? [];
    // apt matches globs as fnmatch does; none of ours has anything but * and [0-9].
    const matches = (name: string) => globs.some((glob) => new RegExp(`^${glob.replaceAll('*', '.*')}$`).test(name));
    expect(DRIVER_PACKAGES.filter((name) => !matches(name))).toEqual([]);
    expect(OTHER_PACKAGES.filter(matches)).toEqual([]);
  });
});

describe('repositories', () => {
  const wish = desired();
  const debian13 = { id: 'debian', version: '13', cudaName: 'debian13', cudaKey: 'A'.repeat(40) } as const;

  it('have their addresses, keys and keyrings', () => {
    const cuda = cudaRepository(wish.cudaRepository, debian13, 'aarch64');
    expect(cuda).toMatchObject({
      uri: 'https://developer.download.nvidia.com/compute/cuda/repos/debian13/sbsa/',
      keySource: {
        url: 'https://developer.download.nvidia.com/compute/cuda/repos/debian13/sbsa/cuda-keyring_1.1-1_all.deb',
      },
      keys: ['A'.repeat(40)],
    });
    expect(nvidiaContainerRepository(wish.nvidiaContainerRepository, 'aarch64')).toMatchObject({
      uri: 'https://nvidia.github.io/libnvidia-container/stable/deb/arm64/',
      keySource: { kind: 'carried', keyring: carriedKeyring(CONTAINER_KEY) },
      keys: [CONTAINER_KEY],
    });
    expect(cudaRepository(wish.cudaRepository, { ...debian13, cudaKey: CUDA_KEY }, 'x86_64').keySource).toEqual({
      kind: 'carried',
      keyring: carriedKeyring(CUDA_KEY),
    });
  });

  it('take the keys of the wish where it names some', () => {
    const keys = [CUDA_KEY];
    const base = 'https://mirror.example/cuda';
    expect(cudaRepository({ base, keys }, debian13, 'x86_64')).toMatchObject({
      keys,
      keySource: { kind: 'keyring-package' },
    });
    expect(nvidiaContainerRepository({ base, keys }, 'x86_64')).toMatchObject({
      keys,
      keySource: { kind: 'key', url: `${base}/gpgkey` },
    });
  });

  it('become a source file of one stanza each', () => {
    const repositories = [
      cudaRepository(wish.cudaRepository, debian13, 'x86_64'),
      nvidiaContainerRepository(wish.nvidiaContainerRepository, 'x86_64'),
    ];
    const stanzas = sourcesText(repositories)
      .replace(/^#.*\n/gm, '')
      .trim()
      .split('\n\n');
    expect(stanzas).toEqual([
      'Types: deb\nURIs: https://developer.download.nvidia.com/compute/cuda/repos/debian13/x86_64/\nSuites: /\nSigned-By: /etc/apt/keyrings/proxmox-lxc-nvidia-cuda.gpg',
      'Types: deb\nURIs: https://nvidia.github.io/libnvidia-container/stable/deb/amd64/\nSuites: /\nSigned-By: /etc/apt/keyrings/proxmox-lxc-nvidia-container.gpg',
    ]);
  });
});
