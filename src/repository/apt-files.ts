import type { Repository } from './repositories.ts';

/** The one source file this action owns in a container. */
export const SOURCES_PATH = '/etc/apt/sources.list.d/proxmox-lxc-nvidia.sources';
/** The one preferences file this action owns in a container. */
export const PIN_PATH = '/etc/apt/preferences.d/proxmox-lxc-nvidia';

const HEADER = '# Written by proxmox-lxc-nvidia; it is overwritten at its next run.\n';

/**
 * Packages that bring a driver (docs/facts.md, C6), as apt's preferences know globs. Not `libnvidia-*`: that would hit
 * libnvidia-container. Not `nvidia-driver*`: that would hit nvidia-driver-pinning-*, which brings no driver.
 */
const DRIVER_PACKAGES = [
  'cuda-drivers*',
  'libcuda1',
  'libcuda1-*',
  'libcudadebugger1*',
  'libegl-nvidia*',
  'libgl1-nvidia*',
  'libgles-nvidia*',
  'libglx-nvidia*',
  'libnvcuvid1*',
  'libnvidia-allocator*',
  'libnvidia-api*',
  'libnvidia-cfg*',
  'libnvidia-common*',
  'libnvidia-compute*',
  'libnvidia-decode*',
  'libnvidia-eglcore*',
  'libnvidia-encode*',
  'libnvidia-extra*',
  'libnvidia-fbc*',
  'libnvidia-gl*',
  'libnvidia-gpucomp*',
  'libnvidia-ml*',
  'libnvidia-ngx*',
  'libnvidia-nvvm*',
  'libnvidia-opticalflow*',
  'libnvidia-pkcs11*',
  'libnvidia-present*',
  'libnvidia-ptxjitcompiler*',
  'libnvidia-rtcore*',
  'libnvidia-sandboxutils*',
  'libnvidia-tileiras*',
  'libnvidia-vksc*',
  'libnvoptix1*',
  'nvidia-alternative*',
  'nvidia-compute-utils*',
  'nvidia-dkms*',
  'nvidia-driver',
  'nvidia-driver-[0-9]*',
  'nvidia-driver-bin*',
  'nvidia-driver-cuda*',
  'nvidia-driver-full*',
  'nvidia-driver-libs*',
  'nvidia-egl-*',
  'nvidia-firmware*',
  'nvidia-headless*',
  'nvidia-installer-cleanup',
  'nvidia-kernel*',
  'nvidia-legacy*',
  'nvidia-open*',
  'nvidia-opencl-icd*',
  'nvidia-persistenced*',
  'nvidia-smi*',
  'nvidia-utils*',
  'nvidia-vdpau-driver*',
  'nvidia-vulkan-*',
  'xserver-xorg-video-nvidia*',
];

/** The whole names of driver packages, as an extended regular expression (regex(7)). */
export const DRIVER_NAMES = DRIVER_PACKAGES.map((glob) => glob.replaceAll('*', '.*')).join('|');

const DRIVER_PATTERN = new RegExp(`^(?:${DRIVER_NAMES})$`);

/** True for a package that brings NVIDIA's user space or kernel module and so must never come by apt. */
export function isDriverPackage(name: string): boolean {
  return DRIVER_PATTERN.test(name);
}

/**
 * Preferences with which apt never chooses a driver package, whatever recommends it and whoever asks: the version must
 * be the host's, which only the runfile gives (apt_preferences(5): priority < 0 prevents installation).
 */
export const PIN_TEXT = `${HEADER}# The driver's user space comes from the runfile and equals the host's kernel module: apt must not bring another.
Package: ${DRIVER_PACKAGES.join(' ')}
Pin: release *
Pin-Priority: -1
`;

/** The source file for the given repositories, in deb822 form (sources.list(5)); `Suites: /` means a flat repository. */
export function sourcesText(repositories: readonly Repository[]): string {
  const stanzas = repositories.map(
    ({ uri, keyring }) => `Types: deb\nURIs: ${uri}\nSuites: /\nSigned-By: ${keyring}\n`,
  );
  return [HEADER, ...stanzas].join('\n');
}
