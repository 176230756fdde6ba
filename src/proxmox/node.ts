import { ActionError } from '../errors.ts';
import type { ContainerFacts } from '../facts/facts.ts';
import type { HostFiles } from '../system/files.ts';
import { parseContainerConfig, passedGpus, passthroughOf, tags } from './config.ts';
import { parseStorageTypes, snapshotObstacle } from './storage.ts';

/** The cluster file system (pmxcfs(8)): configurations of all nodes, `local` links to this one. */
const PVE = '/etc/pve';

/** The name of this Proxmox node. @throws ActionError HOST_NOT_PROXMOX */
export async function nodeName(files: HostFiles): Promise<string> {
  const local = await files.link(`${PVE}/local`);
  if (local === null) {
    throw new ActionError(
      'HOST_NOT_PROXMOX',
      `${PVE}/local is not there.`,
      'Run this step on a self-hosted runner on a Proxmox VE host whose pve-cluster service runs.',
    );
  }
  return local.replace(/^nodes\//, '');
}

/** The ids of this node's containers, in no order. Only reads, and needs no rights. */
export async function listContainerIds(files: HostFiles): Promise<number[]> {
  const names = await files.list(`${PVE}/lxc`);
  return names.flatMap((name) => /^([1-9]\d*)\.conf$/.exec(name)?.[1] ?? []).map(Number);
}

/** Every container of this node with its tags, ascending. Only reads, and starts no `pct`. */
export async function listContainers(files: HostFiles): Promise<{ ctid: number; tags: string[] }[]> {
  const found = await Promise.all(
    (await listContainerIds(files)).map(async (ctid) => {
      const text = await files.read(`${PVE}/lxc/${ctid}.conf`);
      return { ctid, tags: tags(parseContainerConfig(text ?? '')) };
    }),
  );
  return found.sort((a, b) => a.ctid - b.ctid);
}

/** A container as Proxmox knows it, without its inside (`guest` is null). Only reads, and starts no `pct`. */
export async function observeContainer(files: HostFiles, ctid: number): Promise<ContainerFacts> {
  const text = await files.read(`${PVE}/lxc/${ctid}.conf`);
  const config = parseContainerConfig(text ?? '');
  const passthrough = passthroughOf(config);
  const flag = (key: string) => config.values.get(key) === '1';
  return {
    ctid,
    presence: text === null ? await presenceElsewhere(files, ctid) : { kind: 'here' },
    hostname: config.values.get('hostname') ?? null,
    tags: tags(config),
    running: text !== null && (await isRunning(files, ctid)),
    lock: config.values.get('lock') ?? null,
    template: flag('template'),
    unprivileged: flag('unprivileged'),
    memoryMib: Number(config.values.get('memory') ?? 512),
    passedGpus: passedGpus(passthrough),
    passthrough,
    snapshotObstacle: snapshotObstacle(config, parseStorageTypes((await files.read(`${PVE}/storage.cfg`)) ?? '')),
    snapshots: config.snapshots.map(({ name }) => name),
    incompleteSnapshots: config.snapshots.filter(({ incomplete }) => incomplete).map(({ name }) => name),
    guest: null,
  };
}

/** What an id is that isn't a container of this node. */
async function presenceElsewhere(files: HostFiles, ctid: number): Promise<ContainerFacts['presence']> {
  const local = await nodeName(files);
  for (const node of await files.list(`${PVE}/nodes`)) {
    for (const [folder, type] of [
      ['lxc', 'container'],
      ['qemu-server', 'vm'],
    ] as const) {
      const names = await files.list(`${PVE}/nodes/${node}/${folder}`);
      if (names.includes(`${ctid}.conf`)) return node === local ? { kind: 'vm' } : { kind: 'other-node', node, type };
    }
  }
  return { kind: 'absent' };
}

/** Proxmox' own test (PVE::LXC::check_running): the command socket of the container's monitor is there. */
async function isRunning(files: HostFiles, ctid: number): Promise<boolean> {
  const sockets = (await files.read('/proc/net/unix')) ?? '';
  return sockets.split('\n').some((line) => line.endsWith(` @/var/lib/lxc/${ctid}/command`));
}
