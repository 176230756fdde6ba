import type { ContainerConfig } from './config.ts';

/**
 * Storage types that can snapshot a container's volumes (pve-storage, `volume_has_feature` of each plug-in). Directories
 * and network shares can't: containers use raw images there.
 */
const WITH_SNAPSHOTS = new Set(['zfspool', 'zfs', 'lvmthin', 'rbd', 'btrfs']);

/** Storage ids and their types from /etc/pve/storage.cfg: `type: id` lines, their properties indented below. */
export function parseStorageTypes(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, type, id] = /^([a-z]+):\s*(\S+)\s*$/.exec(line) ?? [];
      return type === undefined || id === undefined ? [] : [[id, type] as const];
    }),
  );
}

/**
 * Why Proxmox would refuse to snapshot a container, or null when it wouldn't: every volume must lie on a storage that
 * can, and bind and device mounts never can (docs/facts.md, P9).
 */
export function snapshotObstacle(
  { values }: ContainerConfig,
  storageTypes: ReadonlyMap<string, string>,
): string | null {
  for (const [key, value] of values) {
    if (key !== 'rootfs' && !/^mp\d+$/.test(key)) continue;
    const volume = value.split(',')[0]?.replace(/^volume=/, '') ?? '';
    if (volume.startsWith('/')) return `${key} is a bind or device mount (${volume})`;
    const id = volume.split(':')[0] ?? '';
    const type = storageTypes.get(id);
    if (type === undefined) return `${key} lies on the storage "${id}", which is not in storage.cfg`;
    if (!WITH_SNAPSHOTS.has(type))
      return `${key} lies on the storage "${id}" of type ${type}, which has no snapshots of containers`;
  }
  return null;
}
