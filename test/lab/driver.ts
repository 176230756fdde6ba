import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runOk } from './command.ts';
import { entries } from './storage.ts';

export interface Gpu {
  readonly minor: number;
  readonly uuid: string;
  readonly name: string;
  /** Bus location as in /proc, e.g. `0000:00:06.0`. */
  readonly pci: string;
}

/** `proprietary` and `open` kernel modules name themselves differently in /proc/driver/nvidia/version. */
export type KernelModule = 'proprietary' | 'open';

/** The two GPUs of the recording fixtures/nvidia/lxc-2xh100-580.159.04. */
export const RECORDED_GPUS: readonly Gpu[] = [
  {
    minor: 0,
    uuid: 'GPU-e37561c6-1450-88f3-251a-6e09235c19d6',
    name: 'NVIDIA H100 80GB HBM3',
    pci: '0000:00:06.0',
  },
  {
    minor: 1,
    uuid: 'GPU-fe7df50f-0d5b-d418-5b3f-9e713d9829d3',
    name: 'NVIDIA H100 80GB HBM3',
    pci: '0000:00:07.0',
  },
];

/** Majors: nvidia's is fixed, nvidia-uvm's is given out by the kernel at load time (238 in the recording). */
export const NVIDIA_MAJOR = 195;
export const UVM_MAJOR = 510;

const VERSION_LINES: Record<KernelModule, (version: string) => string> = {
  open: (version) =>
    `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  ${version}  Release Build  (nixbld@)  \n`,
  proprietary: (version) =>
    `NVRM version: NVIDIA UNIX x86_64 Kernel Module  ${version}  Tue Apr  8 12:41:17 UTC 2025\n`,
};

/**
 * Fills the directory that stands for /proc/driver with what the NVIDIA kernel module shows there; `version: null`
 * empties it, as when no driver is loaded. The directory itself stays: containers have it bind-mounted.
 */
export async function writeProcDriver(
  directory: string,
  version: string | null,
  module: KernelModule,
  gpus: readonly Gpu[],
): Promise<void> {
  for (const name of await entries(directory)) await rm(join(directory, name), { recursive: true });
  if (version === null) return;
  const nvidia = join(directory, 'nvidia');
  await mkdir(nvidia, { recursive: true });
  await writeFile(
    join(nvidia, 'version'),
    `${VERSION_LINES[module](version)}GCC version:  gcc version 12.2.0 (Debian 12.2.0-14+deb12u1) \n`,
  );
  await writeFile(join(nvidia, 'params'), 'ResmanDebugLevel: 4294967295\nModifyDeviceFiles: 1\n');
  for (const gpu of gpus) {
    const information = join(nvidia, 'gpus', gpu.pci, 'information');
    await mkdir(dirname(information), { recursive: true });
    await writeFile(information, gpuInformation(gpu, version));
  }
}

/** Laid out as recorded in fixtures/nvidia, tabs and trailing blanks included. */
function gpuInformation(gpu: Gpu, version: string): string {
  return [
    `Model: \t\t ${gpu.name}`,
    'IRQ:   \t\t 41',
    `GPU UUID: \t ${gpu.uuid}`,
    'Video BIOS: \t 96.00.da.00.0c',
    'Bus Type: \t PCIe',
    'DMA Size: \t 52 bits',
    'DMA Mask: \t 0xfffffffffffff',
    `Bus Location: \t ${gpu.pci}`,
    `Device Minor: \t ${gpu.minor}`,
    `GPU Firmware: \t ${version}`,
    'GPU Excluded:\t No\n',
  ].join('\n');
}

/** /proc/devices of the machine plus the driver's majors while it is loaded. */
export async function writeProcDevices(path: string, loaded: boolean): Promise<void> {
  const machine = await readFile('/proc/devices', 'utf8');
  const lines = [`${NVIDIA_MAJOR} nvidia`, `${NVIDIA_MAJOR} nvidiactl`, `${UVM_MAJOR} nvidia-uvm`];
  const text = loaded ? machine.replace(/\n\nBlock/, `\n${lines.join('\n')}\n\nBlock`) : machine;
  await writeFile(path, text);
}

/** Makes /dev/nvidia* in a host's /dev, or takes them away when no driver is loaded. */
export async function makeDeviceNodes(dev: string, loaded: boolean, gpus: readonly Gpu[]): Promise<void> {
  for (const name of await entries(dev)) {
    if (name.startsWith('nvidia')) await rm(join(dev, name), { recursive: true });
  }
  if (!loaded) return;
  const nodes: [string, number, number][] = [
    ['nvidiactl', NVIDIA_MAJOR, 255],
    ['nvidia-uvm', UVM_MAJOR, 0],
    ['nvidia-uvm-tools', UVM_MAJOR, 1],
    ...gpus.map((gpu): [string, number, number] => [`nvidia${gpu.minor}`, NVIDIA_MAJOR, gpu.minor]),
  ];
  for (const [name, major, minor] of nodes) {
    await runOk(['mknod', '-m', '666', join(dev, name), 'c', String(major), String(minor)]);
  }
}
