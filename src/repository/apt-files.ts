import type { Repository } from './repositories.ts';

/** The one source file this action owns in a container. */
export const SOURCES_PATH = '/etc/apt/sources.list.d/proxmox-lxc-nvidia.sources';
/** The one preferences file this action owns in a container. */
export const PIN_PATH = '/etc/apt/preferences.d/proxmox-lxc-nvidia';

const HEADER = '# Written by proxmox-lxc-nvidia; it is overwritten at its next run.\n';

/**
 * Packages that bring a driver (domain fact C6), as apt's preferences know globs. Not `libnvidia-*`: that would hit
 * libnvidia-container. Not `nvidia-driver*`: that would hit nvidia-driver-pinning-*, which brings no driver.
 */
const DRIVER_PACKAGES = [
  'cuda-drivers*',
  'cuda-compat-*',
  'libcuda1',
  'libcuda1-*',
  'libnvidia-cfg1*',
  'libnvidia-compute*',
  'libnvidia-decode*',
  'libnvidia-encode*',
  'libnvidia-fbc1*',
  'libnvidia-gl*',
  'libnvidia-ml1*',
  'libnvidia-ptxjitcompiler1*',
  'nvidia-compute-utils*',
  'nvidia-dkms*',
  'nvidia-driver',
  'nvidia-driver-[0-9]*',
  'nvidia-driver-bin*',
  'nvidia-driver-cuda*',
  'nvidia-driver-libs*',
  'nvidia-headless*',
  'nvidia-installer-cleanup',
  'nvidia-kernel*',
  'nvidia-open*',
  'nvidia-smi',
  'nvidia-utils*',
  'xserver-xorg-video-nvidia*',
];

const DRIVER_PATTERN = new RegExp(`^(?:${DRIVER_PACKAGES.map((glob) => glob.replaceAll('*', '.*')).join('|')})$`);

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
