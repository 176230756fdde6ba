import { describe, expect, it } from 'vitest';
import { parseContainerConfig } from '../../../src/proxmox/config.ts';
import { parseStorageTypes, snapshotObstacle } from '../../../src/proxmox/storage.ts';

const STORAGE = `dir: local
	path /var/lib/vz
	content iso,vztmpl,backup

lvmthin: local-lvm
	thinpool data
	vgname pve

zfspool: tank
	pool rpool/data
	sparse 1

nfs: share
	server 10.0.0.2
	export /srv

btrfs: fast
	path /fast
`;
const types = parseStorageTypes(STORAGE);
const obstacle = (config: string) => snapshotObstacle(parseContainerConfig(config), types);

describe('parseStorageTypes', () => {
  it('reads ids and types, not properties', () => {
    expect([...types]).toEqual([
      ['local', 'dir'],
      ['local-lvm', 'lvmthin'],
      ['tank', 'zfspool'],
      ['share', 'nfs'],
      ['fast', 'btrfs'],
    ]);
  });
});

describe('snapshotObstacle', () => {
  it.each([
    'rootfs: local-lvm:vm-901-disk-0,size=16G',
    'rootfs: volume=tank:subvol-901-disk-0,size=16G',
    'rootfs: fast:901/vm-901-disk-0.subvol,size=16G\nmp0: tank:subvol-901-disk-1,mp=/data,backup=1',
    'rootfs: tank:subvol-901-disk-0\nunused0: share:901/old.raw\nmpx: /srv',
  ])('sees none in %j', (config) => {
    expect(obstacle(config)).toBeNull();
  });

  it.each([
    ['rootfs: local:901/vm-901-disk-0.raw,size=8G', ['rootfs', '"local"', 'dir']],
    ['rootfs: share:901/vm-901-disk-0.raw', ['"share"', 'nfs']],
    ['rootfs: tank:subvol-901-disk-0\nmp0: /srv/models,mp=/models', ['mp0', '/srv/models']],
    ['rootfs: tank:subvol-901-disk-0\nmp3: /dev/sdb1,mp=/data', ['mp3', '/dev/sdb1']],
    ['rootfs: gone:subvol-901-disk-0', ['"gone"', 'storage.cfg']],
    ['rootfs: tank:subvol-901-disk-0\nmp0: local:901/x.raw,mp=/x', ['mp0', '"local"']],
  ])('sees one in %j', (config, named) => {
    for (const name of named) expect(obstacle(config)).toContain(name);
  });
});
