import { describe, expect, it } from 'vitest';
import { nodeName, observeContainer } from '../../../src/proxmox/node.ts';
import { failureOf } from '../helpers/failure.ts';
import { type FileTree, hostFilesOf } from '../helpers/host-files.ts';

const socket = (name: string) =>
  `0000000000000000: 00000002 00000000 00010000 0001 01 4711 @/var/lib/lxc/${name}/command`;

const CONFIG =
  'hostname: cuda\nmemory: 4096\nrootfs: tank:subvol-901-disk-0,size=16G\nunprivileged: 1\ndev0: /dev/nvidia0\n';
const NODE: FileTree = {
  '/etc/pve/local': { link: 'nodes/pve1' },
  '/etc/pve/lxc/901.conf': CONFIG,
  '/etc/pve/nodes/pve1/lxc/901.conf': CONFIG,
  '/etc/pve/nodes/pve1/qemu-server/100.conf': '',
  '/etc/pve/nodes/pve2/lxc/902.conf': '',
  '/etc/pve/nodes/pve2/qemu-server/200.conf': '',
  '/etc/pve/storage.cfg': 'dir: local\n\tpath /var/lib/vz\n\tcontent vztmpl\n\nzfspool: tank\n\tpool rpool/data\n',
  '/proc/net/unix': `Num       RefCount Protocol Flags    Type St Inode Path\n${socket('901')}\n${socket('1903')}\n`,
};

describe('nodeName', () => {
  it('is where /etc/pve/local points to', async () => {
    expect(await nodeName(hostFilesOf(NODE))).toBe('pve1');
  });

  it('refuses a machine that is no Proxmox node', async () => {
    expect((await failureOf(() => nodeName(hostFilesOf({})))).code).toBe('HOST_NOT_PROXMOX');
  });
});

describe('observeContainer', () => {
  const observe = (ctid: number, tree: FileTree = NODE) => observeContainer(hostFilesOf(tree), ctid);

  it('observes a running container', async () => {
    expect(await observe(901)).toEqual({
      ctid: 901,
      presence: { kind: 'here' },
      hostname: 'cuda',
      running: true,
      lock: null,
      template: false,
      unprivileged: true,
      memoryMib: 4096,
      passedGpus: [0],
      passthrough: { nodes: [{ key: 'dev0', path: '/dev/nvidia0', pending: false }], rules: [], taken: ['dev0'] },
      snapshotObstacle: null,
      tags: [],
      snapshots: [],
      incompleteSnapshots: [],
      guest: null,
    });
  });

  it('observes what few lines tell, with defaults for the rest', async () => {
    const tree = { ...NODE, '/etc/pve/lxc/903.conf': 'template: 1\nlock: backup\nunprivileged: 0\n' };
    expect(await observe(903, tree)).toMatchObject({
      hostname: null,
      running: false,
      lock: 'backup',
      template: true,
      unprivileged: false,
      memoryMib: 512,
      passedGpus: [],
    });
  });

  it('knows its snapshots and what stands in the way of another one', async () => {
    const sections = '\n[before]\nhostname: old\nsnaptime: 1\n\n[half-done]\nsnapstate: prepare\nsnaptime: 2\n';
    const config = `${CONFIG}mp0: /srv/models,mp=/models\n${sections}`;
    expect(await observe(901, { ...NODE, '/etc/pve/lxc/901.conf': config })).toMatchObject({
      hostname: 'cuda',
      snapshotObstacle: 'mp0 is a bind or device mount (/srv/models)',
      snapshots: ['before', 'half-done'],
      incompleteSnapshots: ['half-done'],
    });
  });

  it('takes the socket of another container for none of its own', async () => {
    expect((await observe(903, { ...NODE, '/etc/pve/lxc/903.conf': '' })).running).toBe(false);
    expect((await observe(901, { ...NODE, '/proc/net/unix': `${socket('901')}-old\n` })).running).toBe(false);
  });

  it.each([
    [100, { kind: 'vm' }],
    [902, { kind: 'other-node', node: 'pve2', type: 'container' }],
    [200, { kind: 'other-node', node: 'pve2', type: 'vm' }],
    [999, { kind: 'absent' }],
  ])('finds %d elsewhere: %j', async (ctid, presence) => {
    expect(await observe(ctid)).toMatchObject({ presence, running: false, passedGpus: [] });
  });
});
