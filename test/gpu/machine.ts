import { existsSync } from 'node:fs';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { arch, release as kernelRelease } from 'node:os';
import { join } from 'node:path';
import { run, runOk } from '../lab/command.ts';
import type { Gpu, KernelModule } from '../lab/driver.ts';

/** What a machine with an NVIDIA GPU has of its own, from which containers and NVIDIA's servers are made. */
export interface Machine {
  /** os-release's ID and VERSION_ID. */
  readonly distribution: { readonly id: string; readonly version: string };
  readonly kernel: string;
  readonly driver: { readonly version: string; readonly kernelModule: KernelModule };
  readonly gpus: readonly Gpu[];
  /** The driver's user space: paths of the libraries, and of nvidia-smi. */
  readonly libraries: readonly string[];
  readonly nvidiaSmi: string;
  readonly toolkit: Toolkit;
  /** False where the lab's stand-ins play the machine. */
  readonly real: boolean;
}

export interface Toolkit {
  /** E.g. `/usr/local/cuda-13.0`. */
  readonly directory: string;
  /** `13.0` */
  readonly release: string;
  /** `13.0.88` */
  readonly nvcc: string;
}

/** Of the driver's libraries those that computing needs; a version or a soname follows. */
const COMPUTE = /^lib(cuda|nvidia-(ml|ptxjitcompiler|nvvm|nvvm70|gpucomp|cfg|opencl|tileiras))\.so\./;

/** Reads this machine. @throws Error that says what is missing */
export async function readMachine(): Promise<Machine> {
  if (arch() !== 'x64') throw new Error(`This machine is ${arch()}; the lab's programs are for x86-64.`);
  const text = await readFile('/proc/driver/nvidia/version', 'utf8').catch(() => {
    throw new Error('No NVIDIA kernel module is loaded: /proc/driver/nvidia/version is not there.');
  });
  const version = /\b(\d{3,}\.\d+(?:\.\d+)?)\b/.exec(text.split('\n')[0] ?? '')?.[1];
  if (version === undefined) throw new Error(`/proc/driver/nvidia/version names no version: ${text}`);
  const osRelease = await readFile('/etc/os-release', 'utf8');
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(osRelease)?.[1] ?? '';
  return {
    distribution: { id: field('ID'), version: field('VERSION_ID') },
    kernel: kernelRelease(),
    driver: { version, kernelModule: text.includes('Open Kernel Module') ? 'open' : 'proprietary' },
    gpus: await readGpus(),
    libraries: await findLibraries(version),
    nvidiaSmi: await findProgram('nvidia-smi', ['/usr/local/nvidia/bin']),
    toolkit: await findToolkit(),
    real: true,
  };
}

async function readGpus(): Promise<Gpu[]> {
  const directory = '/proc/driver/nvidia/gpus';
  const gpus: Gpu[] = [];
  for (const pci of (await readdir(directory)).sort()) {
    const text = await readFile(join(directory, pci, 'information'), 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, 'm').exec(text)?.[1] ?? '';
    const minor = Number(field('Device Minor'));
    // A machine may show GPUs that it wasn't given.
    if (existsSync(`/dev/nvidia${minor}`)) gpus.push({ minor, uuid: field('GPU UUID'), name: field('Model'), pci });
  }
  if (gpus.length === 0) throw new Error(`No GPU of ${directory} has a node in /dev.`);
  return gpus;
}

async function findLibraries(version: string): Promise<string[]> {
  const cache = await run(['ldconfig', '-p']);
  const cached = /libcuda\.so\.1 \(.*x86-64.*\) => (\S+)/.exec(cache.stdout)?.[1];
  const directories = [
    ...(cached === undefined ? [] : [join(await realpath(cached), '..')]),
    ...(process.env['LD_LIBRARY_PATH'] ?? '').split(':').filter((path) => path !== ''),
    ...['/usr/local/nvidia/lib64', '/usr/local/nvidia/lib', '/usr/lib/x86_64-linux-gnu', '/usr/lib64'],
  ];
  const directory = directories.find((path) => existsSync(join(path, `libcuda.so.${version}`)));
  if (directory === undefined) throw new Error(`libcuda.so.${version} is in none of ${directories.join(', ')}.`);
  const names = (await readdir(directory, { withFileTypes: true }))
    .filter((entry) => COMPUTE.test(entry.name) && (entry.isFile() || entry.isSymbolicLink()))
    .map((entry) => entry.name);
  return names.sort().map((name) => join(directory, name));
}

async function findProgram(name: string, more: readonly string[]): Promise<string> {
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/bin', '/usr/sbin', ...more];
  const found = directories.map((path) => join(path, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is in none of ${directories.join(', ')}.`);
  return found;
}

async function findToolkit(): Promise<Toolkit> {
  const nvcc = await realpath(await findProgram('nvcc', ['/usr/local/cuda/bin']));
  const directory = join(nvcc, '../..');
  return { directory, ...(await nvccVersion(nvcc)) };
}

/** Release and version that an nvcc tells. */
async function nvccVersion(nvcc: string): Promise<Pick<Toolkit, 'release' | 'nvcc'>> {
  const text = await runOk([nvcc, '--version']);
  const [, release, version] = /release (\d+\.\d+), V(\d+\.\d+\.\d+)/.exec(text) ?? [];
  if (release === undefined || version === undefined) throw new Error(`nvcc tells no version: ${text}`);
  return { release, nvcc: version };
}

/** The path of the distribution's directory in NVIDIA's CUDA repository, e.g. `ubuntu2404`. */
export function cudaName({ distribution: { id, version } }: Machine): string {
  return `${id}${version.replace('.', '')}`;
}
