import { describe, expect, it } from 'vitest';
import { parseContainerConfig, passedGpus, passthroughOf } from '../../../src/proxmox/config.ts';

const CONFIG = `# cuda container%3A dev0%3A not this
#dev9: /dev/nvidia9
arch: amd64
cores: 4
dev0: /dev/nvidia1,gid=44,mode=0660
dev1: /dev/nvidiactl
dev2: /dev/nvidia-uvm,gid=44
features: nesting=1,keyctl=1
hostname: cuda-901
lock: backup
memory: 4096
mp0: /srv/models,mp=/models
net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth
rootfs: local-lvm:vm-901-disk-0,size=16G
tags: gpu;llm
unprivileged: 1
lxc.cgroup2.devices.allow: c 195:* rwm
lxc.mount.entry: /dev/nvidia0 dev/nvidia0 none bind,optional,create=file
lxc.mount.entry = /dev/nvidia3 dev/nvidia3 none bind,optional,create=file
lxc.mount.entry: /proc/driver/nvidia proc/driver/nvidia none bind

[pve:pending]
dev3: /dev/nvidia5
memory: 9999

[before-update]
dev0: /dev/nvidia7
hostname: old
lxc.mount.entry: /dev/nvidia8 dev/nvidia8 none bind
snaptime: 1700000000
`;

describe('parseContainerConfig', () => {
  const config = parseContainerConfig(CONFIG);

  it('reads the values before the first section', () => {
    expect(config.values.get('hostname')).toBe('cuda-901');
    expect(config.values.get('memory')).toBe('4096');
    expect(config.values.get('dev0')).toBe('/dev/nvidia1,gid=44,mode=0660');
    expect(config.values.get('net0')).toBe('name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth');
    expect(config.values.has('dev3')).toBe(false);
    expect(config.values.has('snaptime')).toBe(false);
  });

  it('takes no line of the description for a value', () => {
    expect([...config.values.keys()].filter((key) => key.includes('9') || key.includes('#'))).toEqual([]);
  });

  it('reads raw lines in both forms and in their order', () => {
    expect(config.raw).toEqual([
      { key: 'lxc.cgroup2.devices.allow', value: 'c 195:* rwm' },
      { key: 'lxc.mount.entry', value: '/dev/nvidia0 dev/nvidia0 none bind,optional,create=file' },
      { key: 'lxc.mount.entry', value: '/dev/nvidia3 dev/nvidia3 none bind,optional,create=file' },
      { key: 'lxc.mount.entry', value: '/proc/driver/nvidia proc/driver/nvidia none bind' },
    ]);
  });

  it('reads the names of snapshots, and whether they were finished', () => {
    expect(config.snapshots).toEqual([{ name: 'before-update', incomplete: false }]);
    expect(parseContainerConfig('[pve:pending]\nsnapstate: x\n[a]\nsnapstate: prepare\n[b]\n').snapshots).toEqual([
      { name: 'a', incomplete: true },
      { name: 'b', incomplete: false },
    ]);
  });

  it.each(['', '\n\n', 'no key here\n', '[pve:pending]\nlxc.mount.entry: x\n'])('finds nothing in %j', (text) => {
    expect(parseContainerConfig(text)).toEqual({ values: new Map(), pending: new Map(), raw: [], snapshots: [] });
  });
});

describe('passthroughOf', () => {
  it('finds what passes nodes of NVIDIA, in effect and pending, and the rules beside them', () => {
    expect(passthroughOf(parseContainerConfig(CONFIG))).toEqual({
      nodes: [
        { key: 'dev0', path: '/dev/nvidia1', pending: false },
        { key: 'dev1', path: '/dev/nvidiactl', pending: false },
        { key: 'dev2', path: '/dev/nvidia-uvm', pending: false },
        { key: 'dev3', path: '/dev/nvidia5', pending: true },
        { key: 'lxc.mount.entry', path: '/dev/nvidia0', pending: false },
        { key: 'lxc.mount.entry', path: '/dev/nvidia3', pending: false },
      ],
      rules: ['c 195:* rwm'],
      taken: ['dev0', 'dev1', 'dev2', 'dev3'],
    });
  });

  it('counts what is deleted at the next start as deleted, and other devices as taken', () => {
    const config = 'dev0: /dev/nvidia0\ndev1: /dev/ttyUSB0\ndev2: /dev/nvidiactl\n[pve:pending]\ndelete: dev0,memory\n';
    const { nodes, taken } = passthroughOf(parseContainerConfig(config));
    expect(nodes.map(({ path }) => path)).toEqual(['/dev/nvidiactl']);
    expect(taken).toEqual(['dev1', 'dev2']);
  });
});

describe('passedGpus', () => {
  it('finds devN and mount entries, not pending ones and snapshots', () => {
    expect(passedGpus(passthroughOf(parseContainerConfig(CONFIG)))).toEqual([0, 1, 3]);
  });

  it.each([
    ['dev0: /dev/nvidia0\ndev1: /dev/nvidia0', [0]],
    ['dev0: path=/dev/nvidia2,gid=44', [2]],
    ['dev0: gid=44,path=/dev/nvidia2', [2]],
    ['dev10: /dev/nvidia10\ndev2: /dev/nvidia2', [2, 10]],
    ['dev0: /dev/nvidiactl\ndev1: /dev/nvidia-uvm\ndev2: /dev/dri/renderD128', []],
    ['dev0: /dev/nvidia0x', []],
    ['device0: /dev/nvidia0', []],
    ['lxc.mount.entry: tmpfs dev/nvidia0 tmpfs rw', []],
    ['mp0: /dev/nvidia0,mp=/dev/nvidia0', []],
  ])('of %j are %j', (text, minors) => {
    expect(passedGpus(passthroughOf(parseContainerConfig(text)))).toEqual(minors);
  });
});
