import type { Desired } from '../../../src/desired/desired.ts';
import type {
  ContainerFacts,
  Facts,
  GpuHealth,
  GuestFacts,
  GuestPackage,
  HostFacts,
  HostHealth,
  InstalledToolkit,
  RepositoryFacts,
  RunfileFacts,
  UpstreamFacts,
} from '../../../src/facts/facts.ts';
import { PIN_TEXT, SOURCES_PATH, sourcesText } from '../../../src/repository/apt-files.ts';
import { nvidiaKeyring } from '../../../src/repository/nvidia-keys.ts';
import { keyringFacts } from '../../../src/repository/openpgp.ts';
import { cudaRepository, nvidiaContainerRepository } from '../../../src/repository/repositories.ts';

/** The version of the recordings in test/fixtures/nvidia. */
export const DRIVER = '580.159.04';
export const GPU0 = 'GPU-e37561c6-1450-88f3-251a-6e09235c19d6';
export const GPU1 = 'GPU-fe7df50f-0d5b-d418-5b3f-9e713d9829d3';
export const CUDA_KEY = 'EB693B3035CD5710E231E123A4B469963BF863CC';
export const CONTAINER_KEY = 'C95B321B61E88C1809C4F759DDCAE044F796ECB0';
export const GIB = 1024 ** 3;
export const MIB = 1024 ** 2;

/** Container 901, driver as the host, CUDA 12.8, libnvidia-container1: action.yml's defaults. */
export function desired(changes: Partial<Desired> = {}): Desired {
  return {
    mode: 'apply',
    containers: { ctids: [901], tags: [], all: false },
    gpus: {},
    facts: null,
    approvedPlan: null,
    planValidDays: 7,
    maxParallel: 2,
    onFailure: 'stop',
    driver: { kind: 'host' },
    runfile: { address: { kind: 'derived' }, sha256: null, integrity: 'checksum' },
    cuda: { kind: 'version', version: { major: 12, minor: 8 } },
    cudaPackages: ['cuda-toolkit'],
    nvidiaContainer: 'library',
    verify: 'cuda',
    cudaRepository: { base: 'https://developer.download.nvidia.com/compute/cuda/repos', keys: [] },
    nvidiaContainerRepository: { base: 'https://nvidia.github.io/libnvidia-container', keys: [] },
    containerProxy: null,
    rollback: 'auto',
    passthrough: 'check',
    restart: 'never',
    timeoutMinutes: 60,
    lockWaitMinutes: 10,
    sudo: 'auto',
    ...changes,
  };
}

/** The recorded host with two H100. */
export function hostFacts(changes: Partial<HostFacts> = {}): HostFacts {
  return {
    node: 'pve1',
    proxmoxVersion: '8.4.1',
    architecture: 'x86_64',
    driver: { version: DRIVER, kernelModule: 'open' },
    gpus: [
      { name: 'NVIDIA H100 80GB HBM3', uuid: GPU0, bus: '0000:00:06.0', minor: 0 },
      { name: 'NVIDIA H100 80GB HBM3', uuid: GPU1, bus: '0000:00:07.0', minor: 1 },
    ],
    deviceNodes: [
      { path: '/dev/nvidia-uvm', major: 238, minor: 0 },
      { path: '/dev/nvidia-uvm-tools', major: 238, minor: 1 },
      { path: '/dev/nvidia0', major: 195, minor: 0 },
      { path: '/dev/nvidia1', major: 195, minor: 1 },
      { path: '/dev/nvidiactl', major: 195, minor: 255 },
    ],
    health: null,
    ...changes,
  };
}

/** The recorded host's GPUs, idle and in order. */
export function hostHealth(changes: Partial<HostHealth> = {}): HostHealth {
  const gpu = (uuid: string): GpuHealth => ({
    uuid,
    persistence: true,
    computeMode: 'Default',
    mig: false,
    eccErrors: { volatile: 0, aggregate: 0 },
    processes: 0,
  });
  return { installedDriver: DRIVER, xids: [], smiHangs: false, gpus: [gpu(GPU0), gpu(GPU1)], ...changes };
}

export function installed(name: string, version = '1.0-1'): GuestPackage {
  return { name, version, architecture: 'amd64', installed: true };
}

const PREREQUISITES = ['build-essential', 'ca-certificates', 'curl', 'gnupg', 'kmod', 'wget'];

/** Libraries and links of one driver version, as an installation leaves them. */
export function userSpace(version: string): Pick<GuestFacts, 'libraries' | 'links'> {
  const directory = '/usr/lib/x86_64-linux-gnu';
  const file = (name: string) => `${directory}/${name}.so.${version}`;
  return {
    libraries: ['libcuda', 'libnvidia-ml', 'libnvidia-ptxjitcompiler'].map((name) => ({ path: file(name), version })),
    links: [
      { soname: 'libcuda.so.1', target: file('libcuda'), version },
      { soname: 'libnvidia-ml.so.1', target: file('libnvidia-ml'), version },
    ],
  };
}

/** No driver at all. */
export const NO_USER_SPACE: Pick<GuestFacts, 'libraries' | 'links' | 'nvidiaSmi'> = {
  libraries: [],
  links: [
    { soname: 'libcuda.so.1', target: null, version: null },
    { soname: 'libnvidia-ml.so.1', target: null, version: null },
  ],
  nvidiaSmi: { query: null, table: null },
};

/** `nvidia-smi --query-gpu` of the recorded host for the given GPUs. */
export function smiQuery(uuids: readonly string[], driver = DRIVER): string {
  return uuids
    .map((uuid, index) => {
      const bus = uuid === GPU1 ? '00000000:00:07.0' : '00000000:00:06.0';
      return `${index}, ${uuid}, NVIDIA H100 80GB HBM3, ${driver}, ${bus}, 81559 MiB\n`;
    })
    .join('');
}

/** What native/cuda-query prints on the recorded host for the given GPUs. */
export function cudaQuery(uuids: readonly string[]): string {
  return `driver 13000\n${uuids.map((uuid) => `gpu ${uuid} 9.0 NVIDIA H100 80GB HBM3\n`).join('')}`;
}

/** What native/cuda-proof prints on the given GPUs. */
export function cudaProof(uuids: readonly string[]): string {
  return uuids.map((uuid) => `gpu ${uuid} integers 0 floats 0 host-to-device 24.1 device-to-device 1290.4\n`).join('');
}

/** What native/cuda-query prints where there is no driver. */
export const CUDA_NOT_LOADED = 'not loaded libcuda.so.1: cannot open shared object file: No such file or directory\n';

const DEBIAN12 = { id: 'debian', version: '12', cudaName: 'debian12', cudaKey: CUDA_KEY } as const;

/** The apt files that {@link desired} wants in a Debian 12 container. */
export function aptAsWanted(): Pick<GuestFacts, 'aptSources' | 'aptPin' | 'keyrings'> {
  const wish = desired();
  const repositories = [
    cudaRepository(wish.cudaRepository, DEBIAN12, 'x86_64'),
    nvidiaContainerRepository(wish.nvidiaContainerRepository, 'x86_64'),
  ];
  return {
    aptSources: [
      { path: '/etc/apt/sources.list', text: 'deb http://mirror.example/debian bookworm main\n' },
      { path: SOURCES_PATH, text: sourcesText(repositories) },
    ],
    aptPin: PIN_TEXT,
    keyrings: [
      { path: '/etc/apt/keyrings/proxmox-lxc-nvidia-cuda.gpg', ...keyringFacts(carriedKeyring(CUDA_KEY)) },
      { path: '/etc/apt/keyrings/proxmox-lxc-nvidia-container.gpg', ...keyringFacts(carriedKeyring(CONTAINER_KEY)) },
    ],
  };
}

/** A key of NVIDIA's that the action carries. */
export function carriedKeyring(fingerprint: string): Buffer {
  const keyring = nvidiaKeyring(fingerprint);
  if (keyring === null) throw new Error(`${fingerprint} isn't carried`);
  return keyring;
}

/** A toolkit whose nvcc answers. */
export function installedToolkit(
  version: string,
  output = `Cuda compilation tools, release ${version}, V${version}.93\n`,
): InstalledToolkit {
  return { path: `/usr/local/cuda-${version}`, version, nvcc: { exitCode: 0, output } };
}

/** A Debian 12 container in which everything is as {@link desired} wants it. */
export function guestFacts(changes: Partial<GuestFacts> = {}): GuestFacts {
  const space = (path: string) => ({
    path,
    freeBytes: 40 * GIB,
    fileSystem: 'ext4',
    mountPoint: '/',
    executable: true,
  });
  return {
    distribution: { id: 'debian', version: '12', name: 'Debian GNU/Linux 12 (bookworm)' },
    dpkgArchitecture: 'amd64',
    dpkgAudit: '',
    space: ['/', '/usr', '/var/tmp', '/root', '/opt'].map(space),
    ...userSpace(DRIVER),
    packages: [
      ...PREREQUISITES.map((name) => installed(name)),
      installed('libnvidia-container1', '1.17.8-1'),
      installed('cuda-toolkit-12-8', '12.8.1-1'),
    ],
    ...aptAsWanted(),
    certificates: true,
    toolkits: [installedToolkit('12.8')],
    deviceNodes: hostFacts().deviceNodes.map((node) => ({ ...node, open: 'ok' as const })),
    nvidiaSmi: {
      query: { exitCode: 0, output: smiQuery([GPU0, GPU1]) },
      table: { exitCode: 0, output: 'NVIDIA-SMI 580.159.04\n' },
    },
    cuda: { exitCode: 0, output: cudaQuery([GPU0, GPU1]) },
    proof: { exitCode: 0, output: cudaProof([GPU0, GPU1]) },
    ...changes,
  };
}

/** A Debian 12 container as it comes from a template: no NVIDIA software, no prerequisites, no sources. */
export function bareGuest(changes: Partial<GuestFacts> = {}): GuestFacts {
  return guestFacts({
    ...NO_USER_SPACE,
    packages: [],
    aptSources: [{ path: '/etc/apt/sources.list', text: 'deb http://mirror.example/debian bookworm main\n' }],
    aptPin: null,
    keyrings: [],
    certificates: false,
    toolkits: [],
    cuda: { exitCode: 1, output: CUDA_NOT_LOADED },
    proof: null,
    ...changes,
  });
}

/** A configuration with `devN` entries for the given nodes, from dev0 on. */
export function passedNodes(...paths: string[]): ContainerFacts['passthrough'] {
  const nodes = paths.map((path, index) => ({ key: `dev${index}`, path, pending: false }));
  return { nodes, rules: [], taken: nodes.map(({ key }) => key) };
}

/** Container 901: running, unprivileged, both GPUs passed through. */
export function containerFacts(
  changes: Partial<ContainerFacts> = {},
  guest: GuestFacts | null = guestFacts(),
): ContainerFacts {
  return {
    ctid: 901,
    presence: { kind: 'here' },
    hostname: 'cuda-901',
    tags: ['gpu'],
    running: true,
    lock: null,
    template: false,
    unprivileged: true,
    memoryMib: 8192,
    passedGpus: [0, 1],
    passthrough: passedNodes('/dev/nvidia0', '/dev/nvidia1', '/dev/nvidiactl', '/dev/nvidia-uvm'),
    snapshotObstacle: null,
    snapshots: [],
    incompleteSnapshots: [],
    guest,
    ...changes,
  };
}

export function runfileFacts(changes: Partial<RunfileFacts> = {}): RunfileFacts {
  return {
    version: DRIVER,
    url: `https://us.download.nvidia.com/XFree86/Linux-x86_64/${DRIVER}/NVIDIA-Linux-x86_64-${DRIVER}.run`,
    sha256: 'ab'.repeat(32),
    size: 398_016_015,
    checksum: 'published',
    ...changes,
  };
}

/** Debian 12's CUDA repository, in short. */
export function cudaFacts(changes: Partial<RepositoryFacts> = {}): RepositoryFacts {
  const entry = (name: string, version: string, installedSize: number, depends: string[] = []) => ({
    name,
    version,
    downloadSize: installedSize / 2,
    installedSize,
    depends,
  });
  return {
    keyring: 'Y3VkYQ==',
    fingerprints: [CUDA_KEY],
    packages: [
      entry('cuda-toolkit-12-8', '12.8.1-1', 4096, ['cuda-nvcc-12-8', 'libc6']),
      entry('cuda-nvcc-12-8', '12.8.93-1', 2 * GIB),
      entry('cuda-toolkit-13-0', '13.0.2-1', 4096),
      entry('cuda-toolkit-12-6', '12.6.3-1', 4096),
      entry('cuda-drivers', '580.95.05-1', 4096),
    ],
    ...changes,
  };
}

export function containerRepositoryFacts(changes: Partial<RepositoryFacts> = {}): RepositoryFacts {
  const entry = (name: string) => ({ name, version: '1.19.1-1', downloadSize: 1, installedSize: 1, depends: [] });
  return {
    keyring: 'Y29udGFpbmVy',
    fingerprints: [CONTAINER_KEY],
    packages: [entry('libnvidia-container1'), entry('nvidia-container-toolkit')],
    ...changes,
  };
}

/** Everything a plan could ask NVIDIA's servers for. */
export function upstreamFacts(changes: Partial<UpstreamFacts> = {}): UpstreamFacts {
  return { runfile: runfileFacts(), cuda: cudaFacts(), nvidiaContainer: containerRepositoryFacts(), ...changes };
}

/** Nothing was looked up. */
export const NO_UPSTREAM: UpstreamFacts = { runfile: null, cuda: null, nvidiaContainer: null };

/** A converged container by default. */
export function facts(changes: Partial<Facts> = {}): Facts {
  return { host: hostFacts(), container: containerFacts(), upstream: upstreamFacts(), ...changes };
}

/** Freezes a value and everything in it: writing to it throws. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}
