import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readdir, realpath, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { PayloadEntry } from '../lab/standin/payload.ts';
import { buildRunfile, writeChecksums } from '../lab/standin/runfile.ts';
import { buildDeb, type DebPackage } from '../lab/upstream/deb.ts';
import { cudaKeyringPackage } from '../lab/upstream/keyring-package.ts';
import { buildRepository } from '../lab/upstream/repository.ts';
import type { SigningKeys } from '../lab/upstream/tree.ts';
import { cudaName, type Machine, type Toolkit } from './machine.ts';

/**
 * What NVIDIA's servers would offer this machine, made of its own files: a runfile with its driver's user space (stub and
 * installer are the lab's), and a signed repository with its toolkit as one package.
 */
export async function buildServedTree(root: string, machine: Machine, keys: SigningKeys): Promise<void> {
  const { version } = machine.driver;
  const runfile = join(
    root,
    'us.download.nvidia.com/XFree86/Linux-x86_64',
    version,
    `NVIDIA-Linux-x86_64-${version}.run`,
  );
  await buildRunfile(runfile, version, driverEntries(machine));
  await writeChecksums(runfile, ['sha256']);

  const name = cudaName(machine);
  const repository = join(root, 'developer.download.nvidia.com/compute/cuda/repos', name, 'x86_64');
  const packages = [await toolkitPackage(machine.toolkit)];
  await buildRepository(
    repository,
    { packages, gzip: true, origin: 'NVIDIA', label: 'NVIDIA CUDA' },
    keys.debian13, // bound without SHA-1, which every distribution accepts
  );
  await buildDeb(cudaKeyringPackage(name, keys.debian13.binary), repository);
  await mkdir(join(root, 'nvidia.github.io'), { recursive: true });
  await writeFile(join(root, 'nvidia.github.io/README'), 'Nothing is asked of it here.\n');
}

function driverEntries(machine: Machine): PayloadEntry[] {
  const names = new Set(machine.libraries.map((path) => basename(path)));
  const libraries = machine.libraries.map((path): PayloadEntry => {
    const name = basename(path);
    const target = lstatSync(path).isSymbolicLink() ? basename(readlinkSync(path)) : name;
    // A file may also be a link to where it is kept.
    return target !== name && names.has(target)
      ? { name, mode: '0000', type: 'CUDA_SYMLINK', target }
      : { name, mode: '0755', type: 'CUDA_LIB', content: readFileSync(path) };
  });
  const content = readFileSync(machine.nvidiaSmi);
  return [...libraries, { name: 'nvidia-smi', mode: '0755', type: 'UTILITY_BINARY', content }];
}

/** Large parts of a toolkit that compiling and running a kernel doesn't need. */
const LEFT_OUT = /^(ncu|nsys|nsight|cuda-gdb|compute-sanitizer|nvvp|nvprof)/;
const LIBRARIES = /^(libcudart|libcudadevrt|libcudart_static|libculibos|stubs$)/;

/** The part of the machine's toolkit that nvcc works with, as the package that a container is to install. */
async function toolkitPackage({ directory, release, nvcc }: Toolkit): Promise<DebPackage> {
  const target = `/usr/local/cuda-${release}`;
  const copies: Record<string, string> = {};
  const add = async (folder: string, from: string, wanted: (name: string) => boolean) => {
    const source = await realpath(join(directory, from));
    for (const name of (await readdir(source)).filter(wanted))
      copies[`${target}/${folder}/${name}`] = join(source, name);
  };
  await add('bin', 'bin', (name) => !LEFT_OUT.test(name));
  await add('nvvm', 'nvvm', () => true).catch(() => {}); // a stand-in has none
  await add('targets/x86_64-linux/include', 'include', () => true);
  await add('targets/x86_64-linux/lib', 'lib64', (name) => LIBRARIES.test(name));
  return {
    name: `cuda-toolkit-${release.replace('.', '-')}`,
    version: `${nvcc}-1`,
    summary: `CUDA Toolkit ${release} of the machine that this ran on`,
    compression: 'none',
    installedSize: 700_000,
    copies,
    files: {
      [`${target}/include`]: { symlink: 'targets/x86_64-linux/include' },
      [`${target}/lib64`]: { symlink: 'targets/x86_64-linux/lib' },
    },
  };
}
