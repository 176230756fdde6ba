import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';

/** The host: what the kernel runs, and which GPUs and device nodes there are. */
export interface HostFacts {
  /** The Proxmox node's name. */
  node: string;
  /** Version of pve-manager, or null when dpkg doesn't know it. */
  proxmoxVersion: string | null;
  architecture: Architecture;
  /** The loaded NVIDIA kernel module; null: none is loaded. */
  driver: { version: DriverVersion; kernelModule: 'open' | 'proprietary' } | null;
  gpus: HostGpu[];
  deviceNodes: HostDeviceNode[];
  /** How the host's driver and GPUs do; changes at any time, so that no plan depends on it. null: not asked. */
  health: HostHealth | null;
}

/** What the host tells of its GPUs. Null is what it doesn't tell. */
export interface HostHealth {
  /** Version of the kernel module on the host's disk, which a restart of the host loads. */
  installedDriver: DriverVersion | null;
  /** Errors that the driver wrote to the kernel's log since the host started. */
  xids: Xid[] | null;
  /** The host's nvidia-smi gives no answer. */
  smiHangs: boolean;
  gpus: GpuHealth[] | null;
}

/** An error of a GPU in the kernel's log: `NVRM: Xid (PCI:0000:00:06): 79, …`. */
export interface Xid {
  /** PCI address without the function. */
  bus: string;
  code: number;
}

export interface GpuHealth {
  uuid: string;
  /** The driver stays loaded for it when nobody uses it. */
  persistence: boolean | null;
  /** `Default`, `Exclusive_Process` or `Prohibited`. */
  computeMode: string | null;
  /** It is divided into instances (MIG). */
  mig: boolean | null;
  /** Errors of its memory that could not be corrected: since the driver was loaded, and ever. */
  eccErrors: { volatile: number | null; aggregate: number | null };
  /** Processes that compute on it. */
  processes: number | null;
}

export interface HostGpu {
  name: string;
  /** `GPU-…`; null while the driver doesn't know it: it shows question marks until the GPU was used for the first time. */
  uuid: string | null;
  /** PCI address, e.g. `0000:00:06.0`. */
  bus: string;
  /** N of /dev/nvidiaN; null where an old driver doesn't tell. */
  minor: number | null;
}

export interface HostDeviceNode {
  path: string;
  major: number;
  minor: number;
}

/** A container as Proxmox knows it. */
export interface ContainerFacts {
  ctid: number;
  /** Where the id was found: only `here` has anything below. */
  presence:
    | { kind: 'here' }
    | { kind: 'vm' }
    | { kind: 'other-node'; node: string; type: 'container' | 'vm' }
    | { kind: 'absent' };
  hostname: string | null;
  running: boolean;
  /** Proxmox' `lock:`, e.g. `backup`. */
  lock: string | null;
  template: boolean;
  unprivileged: boolean;
  /** MiB, Proxmox' `memory:` (512 when absent). */
  memoryMib: number;
  /** Minor numbers of the GPUs that `devN` and `lxc.mount.entry` lines pass through. */
  passedGpus: number[];
  passthrough: Passthrough;
  /** Why Proxmox can't snapshot it, in words; null: it can. */
  snapshotObstacle: string | null;
  /** Names of its snapshots. */
  snapshots: string[];
  /** Those among them that are being made, or were left so. */
  incompleteSnapshots: string[];
  /** What is inside; null when it isn't running here. */
  guest: GuestFacts | null;
}

/** What a container's configuration says of the GPUs' device nodes. */
export interface Passthrough {
  nodes: PassedNode[];
  /** What `lxc.cgroup2.devices.allow` lines allow, e.g. `c 195:* rwm`. */
  rules: string[];
  /** The keys `devN` that are in use, for whatever device. */
  taken: string[];
}

/** A node of NVIDIA's that is passed through. */
export interface PassedNode {
  /** `dev3`, or `lxc.mount.entry`. */
  key: string;
  /** On the host. */
  path: string;
  /** It takes effect at the container's next start. */
  pending: boolean;
}

/** The inside of a container. */
export interface GuestFacts {
  distribution: {
    /** os-release's ID, e.g. `debian`. */
    id: string;
    /** os-release's VERSION_ID, e.g. `12`; `""` for rolling ones. */
    version: string;
    name: string;
  };
  /** `uname -m`. */
  machine: string;
  /** `dpkg --print-architecture`, or null without dpkg. */
  dpkgArchitecture: string | null;
  /** Free space by directory. */
  space: DirectorySpace[];
  /** Files `libcuda.so.*` and `libnvidia-*.so.*` that carry a driver version in their names. */
  libraries: { path: string; version: DriverVersion }[];
  /** What the dynamic linker resolves the sonames to. */
  links: { soname: string; target: string | null; version: DriverVersion | null }[];
  /** NVIDIA's and our prerequisite packages that dpkg knows. */
  packages: GuestPackage[];
  /** Broken packages as `dpkg --audit` tells; empty: healthy. */
  dpkgAudit: string;
  /** /usr/lib/nvidia/alternate-install-present or -available exists (docs/facts.md, A6). */
  alternateInstall: boolean;
  /** Text of every apt source file. */
  aptSources: GuestFile[];
  /** Text of the preferences file this action owns, or null. */
  aptPin: string | null;
  /** Keyrings this action owns, with their primary keys' fingerprints. */
  keyrings: { path: string; fingerprints: string[] }[];
  /** A CA bundle is there, without which apt fetches nothing by https. */
  certificates: boolean;
  /** Directories /usr/local/cuda-X.Y with an nvcc. */
  toolkits: string[];
  deviceNodes: GuestDeviceNode[];
  /** Paths an earlier run left behind. */
  leftovers: string[];
  nvidiaSmi: {
    /** `--query-gpu`, null: there is no nvidia-smi. */
    query: CommandFact | null;
    /** The plain table, for people. */
    table: CommandFact | null;
  };
  /** `nvcc --version` of the wanted toolkit; null: not asked or not there. */
  nvcc: CommandFact | null;
}

export interface GuestFile {
  path: string;
  text: string;
}

export interface DirectorySpace {
  path: string;
  freeBytes: number;
  /** Type of its file system, e.g. `ext4`, `tmpfs`. */
  fileSystem: string;
  /** Its mount point: directories on one mount share their free space. */
  mountPoint: string;
  /** Not mounted with noexec. */
  executable: boolean;
}

export interface GuestPackage {
  name: string;
  version: string;
  /** `amd64`, `i386`, `all`, … */
  architecture: string;
  /** dpkg's status is "install ok installed". */
  installed: boolean;
}

export interface GuestDeviceNode {
  path: string;
  major: number;
  minor: number;
  /** What opening it for reading gave: `ok`, or the error's name. */
  open: 'ok' | 'ENOENT' | 'EACCES' | 'EPERM' | 'ENXIO' | 'other';
}

/** What a command inside printed, stdout and stderr together. Untrusted text. */
export interface CommandFact {
  exitCode: number;
  output: string;
}

/** What NVIDIA's servers (or mirrors) offer; only what a plan needs is looked up. */
export interface UpstreamFacts {
  runfile: RunfileFacts | null;
  cuda: RepositoryFacts | null;
  nvidiaContainer: RepositoryFacts | null;
}

export interface RunfileFacts {
  version: DriverVersion;
  url: string;
  /** null: nobody publishes one, and the user accepted the runfile's own check. */
  sha256: string | null;
  /** Bytes; null: the server doesn't tell. */
  size: number | null;
  /** It is in the tool cache already. */
  cached: boolean;
}

export interface RepositoryFacts {
  /** Binary OpenPGP keyring, base64: only keys whose fingerprints are known. */
  keyring: string;
  fingerprints: string[];
  packages: RepositoryPackage[];
}

/** The newest version of a package in a repository. */
export interface RepositoryPackage {
  name: string;
  version: string;
  /** Bytes. */
  downloadSize: number;
  /** Bytes. */
  installedSize: number;
  /** Names only; of alternatives the first. */
  depends: string[];
}

/** Everything a plan is made from, for one container. */
export interface Facts {
  host: HostFacts;
  container: ContainerFacts;
  upstream: UpstreamFacts;
}
