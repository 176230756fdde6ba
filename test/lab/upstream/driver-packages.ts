import type { Libraries, Soname } from '../standin/libraries.ts';
import { nvidiaSmi } from '../standin/runfile.ts';
import type { DebPackage } from './deb.ts';

/**
 * The driver in NVIDIA's repositories is newer or older than the host's kernel module, never just right: installing any of
 * these in a container is what the product must prevent. No runfile of the lab has this version.
 */
export const PACKAGED_DRIVER = '580.95.05';

const LIB = '/usr/lib/x86_64-linux-gnu';

/** `libcuda.so.<packaged version>` and the link that makes it the one programs load. */
function library(soname: Soname, libraries: Libraries): NonNullable<DebPackage['files']> {
  const real = soname.replace(/\.so\..*/, `.so.${PACKAGED_DRIVER}`);
  return { [`${LIB}/${real}`]: libraries(soname, PACKAGED_DRIVER), [`${LIB}/${soname}`]: { symlink: real } };
}

/** nvidia-installer's hook in Debian's nvidia-installer-cleanup: counts down, then ends the installer (seen as exit 143). */
const PRE_INSTALL_HOOK = `#!/bin/sh
echo "WARNING: this system's NVIDIA driver is managed by packages; the installer is stopped in 10 seconds." >&2
sleep 10
kill $PPID
`;

/** Packages that bring a driver into a container (docs/facts.md, C6), traps for an apt call that isn't careful. */
export async function driverPackages(libraries: Libraries): Promise<DebPackage[]> {
  const version = `${PACKAGED_DRIVER}-1`;
  const same = (name: string) => `${name} (= ${version})`;
  const section = 'contrib/libs';
  return [
    {
      name: 'cuda-drivers',
      version,
      summary: 'CUDA Driver meta-package, branch-agnostic',
      depends: [`cuda-drivers-580 (= ${version})`],
    },
    {
      name: 'cuda-drivers-580',
      version,
      summary: 'CUDA Driver meta-package, branch-specific',
      depends: [same('nvidia-driver-libs'), same('nvidia-smi')],
    },
    {
      name: 'nvidia-open',
      version,
      summary: 'NVIDIA open kernel driver meta-package',
      depends: [same('nvidia-driver-libs'), same('nvidia-smi')],
    },
    {
      name: 'nvidia-driver-libs',
      version,
      section,
      summary: 'NVIDIA metapackage (OpenGL/GLX/EGL/GLES libraries)',
      depends: [same('libcuda1'), same('libnvidia-ml1')],
    },
    {
      name: 'libcuda1',
      version,
      section,
      summary: 'NVIDIA CUDA Driver Library',
      depends: ['nvidia-installer-cleanup'],
      files: library('libcuda.so.1', libraries),
      postinst: 'ldconfig',
    },
    {
      name: 'libnvidia-ml1',
      version,
      section,
      summary: 'NVIDIA Management Library (NVML) runtime library',
      depends: ['nvidia-installer-cleanup'],
      files: library('libnvidia-ml.so.1', libraries),
      postinst: 'ldconfig',
    },
    {
      name: 'nvidia-smi',
      version,
      section,
      summary: 'NVIDIA System Management Interface',
      depends: [same('libnvidia-ml1')],
      files: { '/usr/bin/nvidia-smi': await nvidiaSmi(PACKAGED_DRIVER) },
      executable: ['/usr/bin/nvidia-smi'],
    },
    {
      name: 'nvidia-installer-cleanup',
      version: '20220217+3',
      architecture: 'all',
      section,
      summary: 'cleanup after driver installation with the nvidia-installer',
      files: {
        '/usr/lib/nvidia/alternate-install-present':
          'The NVIDIA driver packages of this distribution are installed. Remove them before using nvidia-installer.\n',
        '/usr/lib/nvidia/pre-install': PRE_INSTALL_HOOK,
      },
      executable: ['/usr/lib/nvidia/pre-install'],
    },
  ];
}
