import { describe, expect, it } from 'vitest';
import type { Desired } from '../../../src/desired/desired.ts';
import type { ContainerFacts, GuestDeviceNode, GuestFacts, HostFacts } from '../../../src/facts/facts.ts';
import { checkContainer, checkDeviceNodes, checkHost } from '../../../src/plan/refusals.ts';
import { containerFacts, desired, guestFacts, hostFacts } from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';
import { recordedContainers } from '../helpers/fixtures.ts';
import { recordedNodes, recordedPassedGpus } from '../helpers/recorded-containers.ts';

describe('checkHost', () => {
  const template = (url: string): Desired['runfile'] => ({
    ...desired().runfile,
    address: { kind: 'template', url, source: 'Input "runfile-url"' },
  });

  it.each<[string, Partial<Desired>]>([
    ['follows the kernel module', {}],
    ['takes an exact version that is equal', { driver: { kind: 'exact', version: '580.159.04', source: 'x' } }],
    ['takes a runfile of that version', { runfile: template('https://x.example/NVIDIA-Linux-x86_64-580.159.04.run') }],
    ['takes an address with {version}', { runfile: template('https://x.example/{version}/latest.run') }],
    ['takes no toolkit', { cuda: { kind: 'none' } }],
  ])('%s', (_what, wish) => {
    expect(checkHost(desired(wish), hostFacts())).toBe('580.159.04');
  });

  it.each<[string, string, Partial<Desired>, Partial<HostFacts>, string[]]>([
    ['no module is loaded', 'HOST_DRIVER_NOT_LOADED', {}, { driver: null }, ['pve1', 'modprobe nvidia']],
    [
      'another version is wished',
      'DRIVER_VERSION_MISMATCH',
      { driver: { kind: 'exact', version: '580.142', source: 'lxc.json: nvidia_driver_version' } },
      {},
      ['lxc.json: nvidia_driver_version', '580.142', '580.159.04'],
    ],
    [
      'versions differ in a zero only',
      'DRIVER_VERSION_MISMATCH',
      { driver: { kind: 'exact', version: '580.159.4', source: 'x' } },
      {},
      ['580.159.4,'],
    ],
    [
      'the runfile is of another version',
      'RUNFILE_VERSION_MISMATCH',
      { runfile: template('https://x.example/580.159.04/NVIDIA-Linux-x86_64-550.163.01.run') },
      {},
      ['Input "runfile-url"', 'version 550.163.01', '580.159.04'],
    ],
    [
      'the runfile names no version',
      'RUNFILE_VERSION_MISMATCH',
      { runfile: template('https://x.example/580.159.04/latest.run') },
      {},
      ['no version', '{version}'],
    ],
    [
      'the toolkit needs a newer driver',
      'CUDA_NEEDS_NEWER_DRIVER',
      { cuda: { kind: 'version', version: { major: 13, minor: 0 } } },
      { driver: { version: '550.163.01', kernelModule: 'open' } },
      ['CUDA 13.0', '580.65.06', '550.163.01', 'up to 12.4'],
    ],
    [
      'no toolkit that we know runs',
      'CUDA_NEEDS_NEWER_DRIVER',
      {},
      { driver: { version: '390.157', kernelModule: 'proprietary' } },
      ['Update the driver on the host first.'],
    ],
  ])('refuses when %s', async (_what, code, wish, host, named) => {
    const failure = await failureOf(() => checkHost(desired(wish), hostFacts(host)));
    expect(failure.code).toBe(code);
    for (const name of named) expect(failure.message).toContain(name);
  });
});

/** Everything that is refused of a container, its device nodes included. */
function checkAll(host: HostFacts, container: ContainerFacts) {
  const ready = checkContainer(host, container);
  checkDeviceNodes(host, container, ready.guest);
  return ready;
}

describe('checkContainer and checkDeviceNodes', () => {
  const node = (path: string, major: number, minor: number, open: GuestDeviceNode['open'] = 'ok') => ({
    path,
    major,
    minor,
    open,
  });
  const CTL = node('/dev/nvidiactl', 195, 255);
  const GPU = node('/dev/nvidia0', 195, 0);
  const UVM = node('/dev/nvidia-uvm', 238, 0);

  it('hands out the inside and the distribution', () => {
    const { guest, distribution } = checkAll(hostFacts(), containerFacts());
    expect(guest).toEqual(guestFacts());
    expect(distribution.cudaName).toBe('debian12');
  });

  it.each<[string, string, Partial<ContainerFacts>, Partial<GuestFacts>, string[]]>([
    ['does not exist', 'CONTAINER_NOT_FOUND', { presence: { kind: 'absent' } }, {}, ['901']],
    ['is a virtual machine', 'CONTAINER_IS_VM', { presence: { kind: 'vm' } }, {}, ['901']],
    [
      'is on another node',
      'CONTAINER_ON_OTHER_NODE',
      { presence: { kind: 'other-node', node: 'pve2', type: 'container' } },
      {},
      ['a container of node pve2', 'pve1'],
    ],
    [
      'is a virtual machine of another node',
      'CONTAINER_ON_OTHER_NODE',
      { presence: { kind: 'other-node', node: 'pve2', type: 'vm' } },
      {},
      ['a virtual machine of node pve2'],
    ],
    ['is a template', 'CONTAINER_IS_TEMPLATE', { template: true, running: false }, {}, ['clone']],
    ['is locked', 'CONTAINER_LOCKED', { lock: 'backup' }, {}, ['backup', 'pct unlock 901']],
    ['is stopped', 'CONTAINER_STOPPED', { running: false }, {}, ['pct start 901']],
    [
      'runs another distribution',
      'DISTRIBUTION_UNSUPPORTED',
      {},
      { distribution: { id: 'alpine', version: '3.22.1', name: 'Alpine Linux v3.22' } },
      ['Alpine Linux v3.22', 'Debian 11, 12, 13'],
    ],
    [
      'runs an unsupported release',
      'DISTRIBUTION_UNSUPPORTED',
      {},
      { distribution: { id: 'ubuntu', version: '23.10', name: 'Ubuntu 23.10' } },
      ['ubuntu 23.10'],
    ],
    [
      'has another architecture',
      'CONTAINER_ARCHITECTURE_MISMATCH',
      {},
      { dpkgArchitecture: 'i386' },
      ['i386', 'amd64'],
    ],
    ['has no dpkg', 'CONTAINER_ARCHITECTURE_MISMATCH', {}, { dpkgArchitecture: null }, ['901']],
    ['has broken packages', 'CONTAINER_DPKG_BROKEN', {}, { dpkgAudit: 'half installed: x' }, ['dpkg --configure -a']],
    [
      'has no node at all',
      'CONTAINER_GPU_NODES_MISSING',
      {},
      { deviceNodes: [] },
      ['/dev/nvidia0 (or another GPU) and no /dev/nvidiactl', 'pct set 901'],
    ],
    ['has no nvidiactl', 'CONTAINER_GPU_NODES_MISSING', {}, { deviceNodes: [GPU, UVM] }, ['no /dev/nvidiactl.']],
    ['has no GPU', 'CONTAINER_GPU_NODES_MISSING', {}, { deviceNodes: [CTL, UVM] }, ['another GPU']],
    [
      'has a GPU that its cgroup denies',
      'CONTAINER_GPU_NODE_DENIED',
      {},
      { deviceNodes: [{ ...GPU, open: 'EPERM' }, CTL] },
      ['/dev/nvidia0', 'cgroup'],
    ],
    [
      'has a node that its mode denies',
      'CONTAINER_GPU_NODE_DENIED',
      {},
      { deviceNodes: [GPU, { ...CTL, open: 'EACCES' }] },
      ['/dev/nvidiactl', 'mode'],
    ],
    [
      'has a node with the number of another one',
      'CONTAINER_GPU_NODE_STALE',
      {},
      { deviceNodes: [GPU, node('/dev/nvidiactl', 195, 254)] },
      ['195:254', '195:255'],
    ],
    [
      'has a node with an old number',
      'CONTAINER_GPU_NODE_STALE',
      {},
      { deviceNodes: [GPU, CTL, node('/dev/nvidia-uvm', 511, 0, 'EPERM')] },
      ['511:0', '238:0', 'devN'],
    ],
  ])('refuses one that %s', async (_what, code, container, guest, named) => {
    const failure = await failureOf(() => checkAll(hostFacts(), containerFacts(container, guestFacts(guest))));
    expect(failure.code).toBe(code);
    for (const name of named) expect(failure.message).toContain(name);
    expect(failure.message).not.toContain('null');
  });

  it('refuses what could not be observed', async () => {
    expect((await failureOf(() => checkAll(hostFacts(), containerFacts({}, null)))).code).toBe('CONTAINER_STOPPED');
  });

  it('lets a privileged container be without nodes: the driver makes them', () => {
    const container = containerFacts({ unprivileged: false }, guestFacts({ deviceNodes: [] }));
    expect(checkAll(hostFacts(), container).guest.deviceNodes).toEqual([]);
  });

  it.each(['ENOENT', 'ENXIO', 'other'] as const)('is not stopped by a node that gives %s', (open) => {
    const nodes = [GPU, CTL, { ...UVM, open }];
    expect(() => checkAll(hostFacts(), containerFacts({}, guestFacts({ deviceNodes: nodes })))).not.toThrow();
  });

  it('takes an arm64 container on an aarch64 host', () => {
    const container = containerFacts({}, guestFacts({ dpkgArchitecture: 'arm64' }));
    expect(() => checkAll(hostFacts({ architecture: 'aarch64' }), container)).not.toThrow();
  });
});

describe('the recorded containers', () => {
  const refusals: Record<string, string | null> = {
    901: null,
    902: null,
    903: null,
    904: null,
    905: 'CONTAINER_GPU_NODE_DENIED',
    906: 'CONTAINER_GPU_NODE_DENIED',
    907: null,
    908: null,
    911: null,
    912: null,
    913: 'CONTAINER_UVM_MISSING',
    914: 'CONTAINER_GPU_NODES_MISSING',
    915: 'CONTAINER_GPU_NODE_DENIED',
    917: 'CONTAINER_GPU_NODES_MISSING',
    918: 'CONTAINER_GPU_NODE_STALE',
  };

  it('are all here', () => {
    expect(recordedContainers().map(({ container }) => container)).toEqual(Object.keys(refusals));
  });

  it.each(recordedContainers())('$container ($kind, $what)', async (recorded) => {
    const container = containerFacts(
      {
        ctid: Number(recorded.container),
        unprivileged: recorded.kind === 'unprivileged',
        passedGpus: recordedPassedGpus(recorded),
      },
      guestFacts({ deviceNodes: recordedNodes(recorded) }),
    );
    const check = () => checkAll(hostFacts(), container);
    const code = refusals[recorded.container];
    if (code === null) expect(check).not.toThrow();
    else expect((await failureOf(check)).code).toBe(code);
  });
});
