import type { ContainerFacts, GuestDeviceNode, GuestFacts, HostDeviceNode, HostFacts } from '../facts/facts.ts';
import { gpuMinor } from '../system/device-nodes.ts';

/**
 * The nodes in a container that its work depends on. Nodes of GPUs that aren't passed to it are left out: the driver makes
 * them by itself in a privileged container, and that they are denied keeps GPUs apart (recorded container 908).
 */
export function ownNodes({ passedGpus }: ContainerFacts, guest: GuestFacts): GuestDeviceNode[] {
  return guest.deviceNodes.filter(({ path }) => {
    const gpu = gpuMinor(path);
    return gpu === null || passedGpus.length === 0 || passedGpus.includes(gpu);
  });
}

/** The first of some nodes that has another number than the host's node of that name. */
export function staleNode(
  nodes: readonly GuestDeviceNode[],
  host: HostFacts,
): { node: GuestDeviceNode; onHost: HostDeviceNode } | null {
  for (const node of nodes) {
    const onHost = host.deviceNodes.find(({ path }) => path === node.path);
    if (onHost !== undefined && (onHost.major !== node.major || onHost.minor !== node.minor)) return { node, onHost };
  }
  return null;
}

/** What a container lacks of the nodes without which no GPU is found, in words. */
export function missingNodes({ deviceNodes }: GuestFacts): string[] {
  return [
    ...(deviceNodes.some(({ path }) => gpuMinor(path) !== null) ? [] : ['/dev/nvidia0 (or another GPU)']),
    ...(deviceNodes.some(({ path }) => path === '/dev/nvidiactl') ? [] : ['/dev/nvidiactl']),
  ];
}
