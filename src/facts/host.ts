import { ActionError } from '../errors.ts';
import { nodeName } from '../proxmox/node.ts';
import type { RunCommand } from '../system/command.ts';
import type { HostFiles } from '../system/files.ts';
import { isArchitecture } from '../version/architecture.ts';
import { parseGpuInformation, parseKernelModule } from './driver-files.ts';
import type { HostDeviceNode, HostFacts, HostGpu } from './facts.ts';

const DRIVER = '/proc/driver/nvidia';

/**
 * Observes the host. Only reads.
 *
 * @param machine `uname -m` of the host.
 * @throws ActionError HOST_NOT_PROXMOX, HOST_ARCHITECTURE_UNSUPPORTED, HOST_DRIVER_UNREADABLE
 */
export async function observeHost(files: HostFiles, run: RunCommand, machine: string): Promise<HostFacts> {
  if (!isArchitecture(machine)) {
    throw new ActionError(
      'HOST_ARCHITECTURE_UNSUPPORTED',
      `This host's architecture is ${machine}.`,
      'NVIDIA ships Linux drivers for x86_64 and aarch64 only.',
    );
  }
  const [node, proxmoxVersion, driver, gpus, deviceNodes] = await Promise.all([
    nodeName(files),
    observeProxmoxVersion(run),
    observeDriver(files),
    observeGpus(files),
    observeDeviceNodes(files),
  ]);
  return { node, proxmoxVersion, architecture: machine, driver, gpus, deviceNodes, health: null };
}

/** From dpkg: `pveversion` costs half a second of Perl for the same answer. */
async function observeProxmoxVersion(run: RunCommand): Promise<string | null> {
  const { exitCode, stdout } = await run(['/usr/bin/dpkg-query', '-W', 'pve-manager'], {
    timeoutSeconds: 30,
  });
  // Name and version, separated by a tab (dpkg-query(1), -f's default).
  return exitCode === 0 ? (stdout.trim().split('\t')[1] ?? null) : null;
}

async function observeDriver(files: HostFiles): Promise<HostFacts['driver']> {
  const text = await files.read(`${DRIVER}/version`);
  if (text === null) return null;
  const driver = parseKernelModule(text);
  if (driver === null) {
    throw new ActionError(
      'HOST_DRIVER_UNREADABLE',
      `${DRIVER}/version holds no driver version: "${text.split('\n')[0]}".`,
      'Please report this line with the driver version you installed.',
    );
  }
  return driver;
}

async function observeGpus(files: HostFiles): Promise<HostGpu[]> {
  const buses = await files.list(`${DRIVER}/gpus`);
  const gpus = await Promise.all(
    buses.map(async (bus) => parseGpuInformation((await files.read(`${DRIVER}/gpus/${bus}/information`)) ?? '', bus)),
  );
  return gpus.filter((gpu) => gpu !== null);
}

async function observeDeviceNodes(files: HostFiles): Promise<HostDeviceNode[]> {
  const names = (await files.list('/dev')).filter((name) => name.startsWith('nvidia'));
  const nodes = await Promise.all(
    names.map(async (name) => {
      const path = `/dev/${name}`;
      const device = await files.device(path);
      return device && { path, major: device.major, minor: device.minor };
    }),
  );
  return nodes.filter((node) => node !== null);
}
