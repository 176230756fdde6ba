import type { Libraries, Soname } from './libraries.ts';
import { isAtLeast } from './options.ts';

/** One line of the runfile's manifest. The type decides where nvidia-installer puts it. */
export interface PayloadEntry {
  name: string;
  mode: string;
  type: string;
  content?: Buffer | string;
  /** For a symbolic link: what it points at, in the same directory. */
  target?: string;
}

interface LibrarySpec {
  soname: Soname;
  since?: string;
  /** Whether there is a development link libX.so. */
  development: boolean;
}

/** The compute part of the driver. Names and first versions as in NVIDIA's packages. */
const LIBRARIES: readonly LibrarySpec[] = [
  { soname: 'libcuda.so.1', development: true },
  { soname: 'libnvidia-ml.so.1', development: true },
  { soname: 'libnvidia-ptxjitcompiler.so.1', development: true },
  { soname: 'libnvidia-nvvm.so.4', since: '495.29.05', development: true },
  { soname: 'libcudadebugger.so.1', since: '515.43.04', development: false },
  { soname: 'libnvidia-opencl.so.1', development: false },
  { soname: 'libnvidia-cfg.so.1', development: true },
];

const OPENGL: readonly Soname[] = ['libGLX_nvidia.so.0', 'libEGL_nvidia.so.0'];
const GLVND: readonly (readonly [Soname, string])[] = [
  ['libGL.so.1', 'libGL.so.1.7.0'],
  ['libGLX.so.0', 'libGLX.so.0.0.0'],
  ['libGLdispatch.so.0', 'libGLdispatch.so.0.0.0'],
  ['libOpenGL.so.0', 'libOpenGL.so.0.0.0'],
];
const PROGRAMS = ['nvidia-debugdump', 'nvidia-persistenced', 'nvidia-cuda-mps-control', 'nvidia-bug-report.sh'];

const program = (name: string, version: string): string =>
  `#!/bin/sh\n# Stand-in of the lab: answers its version only.\necho '${name} ${version}'\n`;

/** Everything a driver's runfile holds but nvidia-smi and the installer. `firmware(name, share)` makes the blobs. */
export function payload(
  version: string,
  libraries: Libraries,
  firmware: (name: string, share: number) => Buffer,
): PayloadEntry[] {
  const entries: PayloadEntry[] = [];
  const library = (soname: Soname, type: string, development: boolean, file?: string) => {
    const base = soname.replace(/\.so\..*/, '.so');
    const name = file ?? `${base}.${version}`;
    entries.push({ name, mode: '0755', type: `${type}_LIB`, content: libraries(soname, version) });
    entries.push({ name: soname, mode: '0000', type: `${type}_SYMLINK`, target: name });
    if (development) entries.push({ name: base, mode: '0000', type: `${type}_SYMLINK`, target: soname });
  };
  for (const { soname, since, development } of LIBRARIES) {
    if (!since || isAtLeast(version, since)) library(soname, 'CUDA', development);
  }
  for (const soname of OPENGL) library(soname, 'OPENGL', false);
  for (const [soname, file] of GLVND) library(soname, 'GLVND', true, file);
  for (const name of PROGRAMS) {
    entries.push({ name, mode: '0755', type: 'UTILITY_BINARY', content: program(name, version) });
  }
  const modprobe = program('nvidia-modprobe', version);
  entries.push({ name: 'nvidia-modprobe', mode: '4755', type: 'NVIDIA_MODPROBE_BINARY', content: modprobe });
  entries.push({ name: 'nvidia-smi.1.gz', mode: '0644', type: 'MANPAGE', content: '' });
  entries.push({ name: 'LICENSE', mode: '0644', type: 'DOCUMENTATION', content: 'Stand-in of the lab.\n' });
  for (const unit of ['nvidia-suspend.service', 'nvidia-resume.service']) {
    const content = `[Unit]\nDescription=${unit}\n[Service]\nType=oneshot\nExecStart=/bin/true\n`;
    entries.push({ name: `systemd/${unit}`, mode: '0644', type: 'SYSTEMD_UNIT', content });
  }
  // GPU firmware is installed even with --no-kernel-module.
  const blobs = isAtLeast(version, '535.0') ? ['gsp_ga10x.bin', 'gsp_tu10x.bin'] : ['gsp.bin'];
  for (const name of blobs) {
    entries.push({
      name: `firmware/${name}`,
      mode: '0644',
      type: 'FIRMWARE',
      content: firmware(name, 1 / blobs.length),
    });
  }
  return entries;
}
