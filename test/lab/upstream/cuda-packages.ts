import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Libraries, Soname } from '../standin/libraries.ts';
import type { DebPackage } from './deb.ts';

/** One CUDA toolkit release as its Debian packages name it. */
export interface ToolkitRelease {
  /** `12.8` */
  release: string;
  /** Version of the meta package cuda-toolkit-X-Y without Debian revision: `12.8.1` */
  version: string;
  /** Version of cuda-nvcc-X-Y, printed by `nvcc --version`: `12.8.93` */
  nvcc: string;
  /** Version of cuda-cudart-X-Y: `12.8.90` */
  cudart: string;
  /** The `Built on` and `Build` lines of `nvcc --version`. */
  builtOn: string;
  build: string;
  /** Compute capabilities nvcc compiles for, its default first. */
  architectures: string;
  /** Driver that this toolkit's `cuda-drivers` dependency asks for (release notes, table 3). */
  driver: string;
  /** Makes cuda-toolkit-X-Y recommend cuda-drivers. Not so in NVIDIA's packages: a trap of the lab's own. */
  recommendsDriver?: boolean;
}

const TO_HOPPER = '52 50 53 60 61 62 70 72 75 80 86 87 89 90';
const TO_BLACKWELL = `${TO_HOPPER} 100 101 120`;
/** CUDA 13 dropped Maxwell, Pascal and Volta. */
const FROM_TURING = '75 80 86 87 88 89 90 100 103 110 120 121';

/** Only 13.0's nvcc lines are recorded (test/fixtures/nvidia); the others follow the same form. */
const RELEASES: Readonly<Record<string, ToolkitRelease>> = {
  '12.6.3': {
    release: '12.6',
    version: '12.6.3',
    nvcc: '12.6.85',
    cudart: '12.6.77',
    builtOn: 'Tue_Oct_29_23:50:19_PDT_2024',
    build: 'cuda_12.6.r12.6/compiler.35059454_0',
    architectures: TO_HOPPER,
    driver: '560.35.05',
  },
  '12.8.0': {
    release: '12.8',
    version: '12.8.0',
    nvcc: '12.8.61',
    cudart: '12.8.57',
    builtOn: 'Wed_Jan_15_19:20:09_PST_2025',
    build: 'cuda_12.8.r12.8/compiler.35404655_0',
    architectures: TO_BLACKWELL,
    driver: '570.86.10',
  },
  '12.8.1': {
    release: '12.8',
    version: '12.8.1',
    nvcc: '12.8.93',
    cudart: '12.8.90',
    builtOn: 'Fri_Feb_21_20:23:50_PST_2025',
    build: 'cuda_12.8.r12.8/compiler.35583870_0',
    architectures: TO_BLACKWELL,
    driver: '570.124.06',
  },
  '12.9.1': {
    release: '12.9',
    version: '12.9.1',
    nvcc: '12.9.86',
    cudart: '12.9.79',
    builtOn: 'Tue_May_27_02:21:03_PDT_2025',
    build: 'cuda_12.9.r12.9/compiler.36037853_0',
    architectures: `${TO_BLACKWELL} 103 121`,
    driver: '575.57.08',
    recommendsDriver: true,
  },
  '13.0.2': {
    release: '13.0',
    version: '13.0.2',
    nvcc: '13.0.88',
    cudart: '13.0.96',
    builtOn: 'Wed_Aug_20_01:58:59_PM_PDT_2025',
    build: 'cuda_13.0.r13.0/compiler.36424714_0',
    architectures: FROM_TURING,
    driver: '580.95.05',
  },
  '13.1.1': {
    release: '13.1',
    version: '13.1.1',
    nvcc: '13.1.115',
    cudart: '13.1.80',
    builtOn: 'Tue_Dec_16_07:23:41_PM_PST_2025',
    build: 'cuda_13.1.r13.1/compiler.37061995_0',
    architectures: FROM_TURING,
    driver: '590.48.01',
  },
};

export const toolkitReleases = (...versions: string[]): ToolkitRelease[] =>
  versions.map((version) => {
    const release = RELEASES[version];
    if (!release) throw new Error(`no toolkit ${version} in the lab; there are ${Object.keys(RELEASES).join(', ')}`);
    return release;
  });

const STANDIN = join(import.meta.dirname, '..', 'standin');

/** A file of the stand-in toolkit with this release's values filled in. */
function fromTemplate(file: string, r: ToolkitRelease): string {
  const [major, minor] = r.release.split('.').map(Number) as [number, number];
  return readFileSync(join(STANDIN, file), 'utf8')
    .replaceAll('@RELEASE@', r.release)
    .replaceAll('@VERSION@', r.nvcc)
    .replaceAll('@BUILT_ON@', r.builtOn)
    .replaceAll('@YEAR@', r.builtOn.slice(-4))
    .replaceAll('@BUILD@', r.build)
    .replaceAll('@ARCHITECTURES@', r.architectures)
    .replaceAll('@CUDA_VERSION@', String(major * 1000 + minor * 10));
}

/**
 * The packages of one toolkit, in the shape of NVIDIA's: meta packages on top, one tree /usr/local/cuda-X.Y below, and the
 * links /usr/local/cuda and /usr/local/cuda-X kept by update-alternatives from cuda-toolkit-X-Y-config-common.
 */
export function toolkitPackages(r: ToolkitRelease, libraries: Libraries): DebPackage[] {
  const xy = r.release.replace('.', '-');
  const major = r.release.split('.')[0] as string;
  const root = `/usr/local/cuda-${r.release}`;
  const lib = `${root}/targets/x86_64-linux/lib`;
  const include = `${root}/targets/x86_64-linux/include`;
  const priority = r.release.replace('.', '');
  const meta = `${r.version}-1`;
  const atLeast = (name: string) => `${name}-${xy} (>= ${r.version})`;
  const cudart = `libcudart.so.${major}` as Soname;
  return [
    {
      name: `cuda-toolkit-${xy}`,
      version: meta,
      summary: `CUDA Toolkit ${r.release} meta-package`,
      depends: ['cuda-compiler', 'cuda-libraries', 'cuda-libraries-dev', 'cuda-tools'].map(atLeast),
      ...(r.recommendsDriver ? { recommends: [`cuda-drivers (>= ${r.driver})`] } : {}),
    },
    {
      name: `cuda-compiler-${xy}`,
      version: meta,
      summary: 'CUDA compiler',
      depends: [atLeast('cuda-nvcc'), atLeast('cuda-cuobjdump')],
    },
    {
      name: `cuda-libraries-${xy}`,
      version: meta,
      summary: `CUDA Libraries ${r.release} meta-package`,
      depends: [`cuda-cudart-${xy} (>= ${r.cudart})`],
    },
    {
      name: `cuda-libraries-dev-${xy}`,
      version: meta,
      summary: `CUDA Libraries ${r.release} development meta-package`,
      depends: [`cuda-cudart-dev-${xy} (>= ${r.cudart})`],
    },
    { name: `cuda-tools-${xy}`, version: meta, summary: 'CUDA Tools meta-package' },
    {
      name: `cuda-minimal-build-${xy}`,
      version: meta,
      summary: `Minimal CUDA ${r.release} toolkit build packages.`,
      depends: [`cuda-nvcc-${xy} (>= ${r.nvcc})`, `cuda-cudart-dev-${xy} (>= ${r.cudart})`],
    },
    {
      name: `cuda-nvcc-${xy}`,
      version: `${r.nvcc}-1`,
      summary: 'CUDA nvcc',
      depends: ['build-essential', `cuda-toolkit-${xy}-config-common`],
      files: { [`${root}/bin/nvcc`]: fromTemplate('nvcc.sh', r), [`${root}/bin/nvcc.profile`]: `TOP = $(_HERE_)/..\n` },
      executable: [`${root}/bin/nvcc`],
    },
    {
      name: `cuda-cuobjdump-${xy}`,
      version: `${r.nvcc}-1`,
      summary: 'CUDA cuobjdump',
      depends: [`cuda-toolkit-${xy}-config-common`],
      files: { [`${root}/bin/cuobjdump`]: '#!/bin/sh\necho "cuobjdump: not in the lab" >&2\nexit 1\n' },
      executable: [`${root}/bin/cuobjdump`],
    },
    {
      name: `cuda-cudart-${xy}`,
      version: `${r.cudart}-1`,
      summary: 'CUDA Runtime native Libraries',
      depends: [`cuda-toolkit-${xy}-config-common`, `cuda-toolkit-${major}-config-common`],
      files: {
        [`${lib}/${cudart}.${r.cudart}`]: libraries(cudart, r.cudart),
        [`${lib}/${cudart}`]: { symlink: `${cudart}.${r.cudart}` },
      },
    },
    {
      name: `cuda-cudart-dev-${xy}`,
      version: `${r.cudart}-1`,
      summary: 'CUDA Runtime native dev links, headers',
      depends: [`cuda-cudart-${xy}`, `cuda-driver-dev-${xy}`],
      files: {
        [`${lib}/libcudart.so`]: { symlink: cudart },
        [`${include}/cuda_runtime.h`]: fromTemplate('cuda/cuda_runtime.h', r),
        [`${include}/cuda.h`]: fromTemplate('cuda/cuda.h', r),
      },
    },
    {
      name: `cuda-driver-dev-${xy}`,
      version: `${r.cudart}-1`,
      summary: 'CUDA Driver native dev stub library',
      depends: [`cuda-toolkit-${xy}-config-common`],
      files: { [`${lib}/stubs/libcuda.so`]: libraries('libcuda.so.1', 'stub') },
    },
    {
      name: `cuda-toolkit-${xy}-config-common`,
      version: `${r.cudart}-1`,
      architecture: 'all',
      summary: `Common config package for CUDA Toolkit ${r.release}.`,
      depends: [`cuda-toolkit-${major}-config-common`, 'cuda-toolkit-config-common'],
      files: {
        [`${root}/include`]: { symlink: 'targets/x86_64-linux/include' },
        [`${root}/lib64`]: { symlink: 'targets/x86_64-linux/lib' },
      },
      postinst: [
        `update-alternatives --install /usr/local/cuda cuda ${root} ${priority}`,
        `update-alternatives --install /usr/local/cuda-${major} cuda-${major} ${root} ${priority}`,
      ].join('\n'),
      prerm: [
        `update-alternatives --remove cuda ${root}`,
        `update-alternatives --remove cuda-${major} ${root}`,
        `[ "$1" != upgrade ] || exit 0`,
      ].join('\n'),
    },
    {
      name: `cuda-runtime-${xy}`,
      version: meta,
      summary: `CUDA Runtime ${r.release} meta-package`,
      depends: [`cuda-libraries-${xy} (>= ${r.version})`, `cuda-drivers (>= ${r.driver})`],
    },
    {
      name: `cuda-${xy}`,
      version: meta,
      summary: `CUDA ${r.release} meta-package`,
      depends: [`cuda-runtime-${xy} (>= ${r.version})`, `cuda-toolkit-${xy} (>= ${r.version})`],
    },
  ];
}

/** Packages shared by all toolkits of a repository, and the metas that follow the newest one. */
export function commonToolkitPackages(releases: readonly ToolkitRelease[]): DebPackage[] {
  const newest = releases.at(-1);
  if (!newest) return [];
  const version = `${newest.version}-1`;
  const packages: DebPackage[] = [
    {
      name: 'cuda-toolkit-config-common',
      version: `${newest.cudart}-1`,
      architecture: 'all',
      summary: 'Common config package for CUDA Toolkit.',
      files: { '/etc/ld.so.conf.d/000_cuda.conf': '/usr/local/cuda/targets/x86_64-linux/lib\n' },
    },
    {
      name: 'cuda-toolkit',
      version,
      summary: 'CUDA Toolkit meta-package',
      depends: [`cuda-toolkit-${newest.release.replace('.', '-')} (>= ${newest.version})`],
    },
    {
      name: 'cuda',
      version,
      summary: 'CUDA meta-package',
      depends: [`cuda-${newest.release.replace('.', '-')} (>= ${newest.version})`],
    },
  ];
  const majors = new Map(releases.map((r) => [r.release.split('.')[0] as string, r])); // the last of each major wins
  for (const [major, r] of majors) {
    packages.push(
      {
        name: `cuda-toolkit-${major}-config-common`,
        version: `${r.cudart}-1`,
        architecture: 'all',
        summary: `Common config package for CUDA Toolkit ${major}.`,
        files: {
          [`/etc/ld.so.conf.d/988_cuda-${major}.conf`]: `/usr/local/cuda-${major}/targets/x86_64-linux/lib\n`,
        },
      },
      {
        name: `cuda-toolkit-${major}`,
        version: `${r.version}-1`,
        summary: `CUDA Toolkit ${major} meta-package`,
        depends: [`cuda-toolkit-${r.release.replace('.', '-')} (>= ${r.version})`],
      },
    );
  }
  return packages;
}
