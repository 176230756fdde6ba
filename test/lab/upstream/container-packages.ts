import type { Libraries } from '../standin/libraries.ts';
import type { DebPackage } from './deb.ts';

export const CONTAINER_TOOLKIT_VERSIONS = ['1.17.8', '1.19.1'] as const;

const program = (name: string, version: string) =>
  `#!/bin/sh\n# Stand-in of the lab: answers its version only.\necho '${name} version ${version}'\n`;

/** One release of the NVIDIA Container Toolkit, as https://nvidia.github.io/libnvidia-container has it. */
export function containerToolkitPackages(release: string, libraries: Libraries): DebPackage[] {
  const version = `${release}-1`;
  const lib = '/usr/lib/x86_64-linux-gnu';
  const section = 'utils';
  return [
    {
      name: 'libnvidia-container1',
      version,
      section: 'libs',
      summary: 'NVIDIA container runtime library',
      // Not on, and not used by, libcuda or NVML: it serves container runtimes.
      depends: ['libc6 (>= 2.27)', 'libcap2 (>= 1:2.10)', 'libseccomp2 (>= 2.5.0)'],
      files: {
        [`${lib}/libnvidia-container.so.${release}`]: libraries('libnvidia-container.so.1', release),
        [`${lib}/libnvidia-container.so.1`]: { symlink: `libnvidia-container.so.${release}` },
      },
    },
    {
      name: 'libnvidia-container-tools',
      version,
      section,
      summary: 'NVIDIA container runtime library (command-line tools)',
      depends: [`libnvidia-container1 (>= ${version})`],
      files: { '/usr/bin/nvidia-container-cli': program('cli-version:', release) },
      executable: ['/usr/bin/nvidia-container-cli'],
    },
    {
      name: 'nvidia-container-toolkit-base',
      version,
      section,
      summary: 'NVIDIA Container Toolkit Base',
      files: { '/usr/bin/nvidia-ctk': program('NVIDIA Container Toolkit CLI', release) },
      executable: ['/usr/bin/nvidia-ctk'],
    },
    {
      name: 'nvidia-container-toolkit',
      version,
      section,
      summary: 'NVIDIA Container toolkit',
      depends: [
        `nvidia-container-toolkit-base (= ${version})`,
        `libnvidia-container-tools (>= ${version})`,
        'libseccomp2',
      ],
      files: { '/usr/bin/nvidia-container-runtime': program('NVIDIA Container Runtime', release) },
      executable: ['/usr/bin/nvidia-container-runtime'],
    },
  ];
}
