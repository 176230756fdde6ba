import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOk } from '../command.ts';
import { mapParallel } from '../upstream/parallel.ts';

const PLACEHOLDER = '@DRIVER_VERSION@';
const PLACEHOLDER_ROOM = 32;

/** SONAMEs as in NVIDIA's driver and toolkit packages. */
const SONAMES = [
  'libcuda.so.1',
  'libnvidia-ml.so.1',
  'libnvidia-ptxjitcompiler.so.1',
  'libnvidia-nvvm.so.4',
  'libnvidia-opencl.so.1',
  'libnvidia-cfg.so.1',
  'libcudadebugger.so.1',
  'libGLX_nvidia.so.0',
  'libEGL_nvidia.so.0',
  'libGL.so.1',
  'libGLX.so.0',
  'libGLdispatch.so.0',
  'libOpenGL.so.0',
  'libcudart.so.12',
  'libcudart.so.13',
  'libnvidia-container.so.1',
] as const;

export type Soname = (typeof SONAMES)[number];

/** The bytes of the library `soname` of the driver (or toolkit) `version`. */
export type Libraries = (soname: Soname, version: string) => Buffer;

/** Compiles each library once; a version's file is a copy with the version written into it. */
export async function buildLibraries(): Promise<Libraries> {
  const dir = await mkdtemp(join(tmpdir(), 'lab-lib-'));
  const compiled = new Map<Soname, Buffer>();
  try {
    await mapParallel(SONAMES, 2, async (soname) => {
      const source = join(import.meta.dirname, soname === 'libcuda.so.1' ? 'libcuda.c' : 'library.c');
      const out = join(dir, soname);
      // Freestanding: no C library, so the machine it is built on may be newer than the containers it runs in.
      const freestanding = [
        '-nostdlib',
        '-ffreestanding',
        '-fno-stack-protector',
        '-fno-tree-loop-distribute-patterns',
      ];
      const linker = ['-Wl,-z,defs', `-Wl,-soname,${soname}`];
      const flags = ['-shared', '-fPIC', '-O2', '-s', '-Wall', '-Werror', ...freestanding, ...linker];
      await runOk(['gcc', ...flags, '-o', out, source]);
      compiled.set(soname, await readFile(out));
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  return (soname, version) => {
    const bytes = Buffer.from(compiled.get(soname) as Buffer);
    const at = bytes.indexOf(PLACEHOLDER);
    if (at < 0) throw new Error(`${soname} has no room for the driver version`);
    bytes.fill(0, at, at + PLACEHOLDER_ROOM);
    bytes.write(version, at, 'latin1');
    return bytes;
  };
}
