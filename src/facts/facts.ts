import * as z from 'zod/mini';

/**
 * The types of all facts. They are schemas because facts are also written to a file and read again elsewhere
 * (src/facts/file.ts).
 */

/** A number that isn't negative and has no fraction. */
const count = z.number().check(z.int(), z.nonnegative());
const driverVersion = z.string().check(z.regex(/^\d{3,4}\.\d{1,4}(?:\.\d{1,4})?$/));

const HostGpu = z.object({
  name: z.string(),
  /** `GPU-…`; null while the driver doesn't know it: it shows question marks until the GPU was used for the first time. */
  uuid: z.nullable(z.string()),
  /** PCI address, e.g. `0000:00:06.0`. */
  bus: z.string(),
  /** N of /dev/nvidiaN; null where an old driver doesn't tell. */
  minor: z.nullable(count),
});
export type HostGpu = z.infer<typeof HostGpu>;

const HostDeviceNode = z.object({ path: z.string(), major: count, minor: count });
export type HostDeviceNode = z.infer<typeof HostDeviceNode>;

const Xid = z.object({
  /** PCI address without the function. */
  bus: z.string(),
  code: count,
});
/** An error of a GPU in the kernel's log: `NVRM: Xid (PCI:0000:00:06): 79, …`. */
export type Xid = z.infer<typeof Xid>;

const GpuHealth = z.object({
  uuid: z.string(),
  /** The driver stays loaded for it when nobody uses it. */
  persistence: z.nullable(z.boolean()),
  /** `Default`, `Exclusive_Process` or `Prohibited`. */
  computeMode: z.nullable(z.string()),
  /** It is divided into instances (MIG). */
  mig: z.nullable(z.boolean()),
  /** Errors of its memory that could not be corrected: since the driver was loaded, and ever. */
  eccErrors: z.object({ volatile: z.nullable(count), aggregate: z.nullable(count) }),
  /** Processes that compute on it. */
  processes: z.nullable(count),
});
export type GpuHealth = z.infer<typeof GpuHealth>;

/** What the host tells of its GPUs. Null is what it doesn't tell. */
const HostHealth = z.object({
  /** Version of the kernel module on the host's disk, which a restart of the host loads. */
  installedDriver: z.nullable(driverVersion),
  /** Errors that the driver wrote to the kernel's log since the host started. */
  xids: z.nullable(z.array(Xid)),
  /** The host's nvidia-smi gives no answer. */
  smiHangs: z.boolean(),
  gpus: z.nullable(z.array(GpuHealth)),
});
export type HostHealth = z.infer<typeof HostHealth>;

/** The host: what the kernel runs, and which GPUs and device nodes there are. */
export const HostFacts = z.object({
  /** The Proxmox node's name. */
  node: z.string(),
  /** Version of pve-manager, or null when dpkg doesn't know it. */
  proxmoxVersion: z.nullable(z.string()),
  architecture: z.enum(['x86_64', 'aarch64']),
  /** The loaded NVIDIA kernel module; null: none is loaded. */
  driver: z.nullable(z.object({ version: driverVersion, kernelModule: z.enum(['open', 'proprietary']) })),
  gpus: z.array(HostGpu),
  deviceNodes: z.array(HostDeviceNode),
  /** How the host's driver and GPUs do; changes at any time, so that no plan depends on it. null: not asked. */
  health: z.nullable(HostHealth),
});
export type HostFacts = z.infer<typeof HostFacts>;

const GuestFile = z.object({ path: z.string(), text: z.string() });
export type GuestFile = z.infer<typeof GuestFile>;

const DirectorySpace = z.object({
  path: z.string(),
  freeBytes: count,
  /** Type of its file system, e.g. `ext4`, `tmpfs`. */
  fileSystem: z.string(),
  /** Its mount point: directories on one mount share their free space. */
  mountPoint: z.string(),
  /** Not mounted with noexec. */
  executable: z.boolean(),
});
export type DirectorySpace = z.infer<typeof DirectorySpace>;

const GuestPackage = z.object({
  name: z.string(),
  version: z.string(),
  /** `amd64`, `i386`, `all`, … */
  architecture: z.string(),
  /** dpkg's status is "install ok installed". */
  installed: z.boolean(),
});
export type GuestPackage = z.infer<typeof GuestPackage>;

const GuestDeviceNode = z.object({
  path: z.string(),
  major: count,
  minor: count,
  /** What opening it for reading gave: `ok`, or the error's name. */
  open: z.enum(['ok', 'ENOENT', 'EACCES', 'EPERM', 'ENXIO', 'other']),
});
export type GuestDeviceNode = z.infer<typeof GuestDeviceNode>;

/** What a command inside printed, stdout and stderr together. Untrusted text. */
const CommandFact = z.object({ exitCode: count, output: z.string() });
export type CommandFact = z.infer<typeof CommandFact>;

/** A toolkit in its own directory. */
const InstalledToolkit = z.object({
  /** /usr/local/cuda-X.Y */
  path: z.string(),
  /** The directory's X.Y. */
  version: z.string(),
  /** Its `nvcc --version`. */
  nvcc: CommandFact,
});
export type InstalledToolkit = z.infer<typeof InstalledToolkit>;

/** The inside of a container. */
const GuestFacts = z.object({
  distribution: z.object({
    /** os-release's ID, e.g. `debian`. */
    id: z.string(),
    /** os-release's VERSION_ID, e.g. `12`; `""` for rolling ones. */
    version: z.string(),
    name: z.string(),
  }),
  /** `dpkg --print-architecture`, or null without dpkg. */
  dpkgArchitecture: z.nullable(z.string()),
  /** Free space by directory. */
  space: z.array(DirectorySpace),
  /** Files `libcuda.so.*` and `libnvidia-*.so.*` that carry a driver version in their names. */
  libraries: z.array(z.object({ path: z.string(), version: driverVersion })),
  /** What the dynamic linker resolves the sonames to. */
  links: z.array(z.object({ soname: z.string(), target: z.nullable(z.string()), version: z.nullable(driverVersion) })),
  /** NVIDIA's and our prerequisite packages that dpkg knows. */
  packages: z.array(GuestPackage),
  /** Broken packages as `dpkg --audit` tells; empty: healthy. */
  dpkgAudit: z.string(),
  /** Text of every apt source file. */
  aptSources: z.array(GuestFile),
  /** Text of the preferences file this action owns, or null. */
  aptPin: z.nullable(z.string()),
  /** Keyrings this action owns: their primary keys' fingerprints (none when there is anything else in it), and the sha256 of their bytes. */
  keyrings: z.array(z.object({ path: z.string(), fingerprints: z.array(z.string()), sha256: z.string() })),
  /** A CA bundle is there, without which apt fetches nothing by https. */
  certificates: z.boolean(),
  /** Oldest first. */
  toolkits: z.array(InstalledToolkit),
  deviceNodes: z.array(GuestDeviceNode),
  nvidiaSmi: z.object({
    /** `--query-gpu`, null: there is no nvidia-smi. */
    query: z.nullable(CommandFact),
    /** The plain table, for people. */
    table: z.nullable(CommandFact),
  }),
  /** What native/cuda-query printed; null: not tried, because nvidia-smi hung. */
  cuda: z.nullable(CommandFact),
  /** What native/cuda-proof printed; null: not asked, or the wanted toolkit has not compiled it yet. */
  proof: z.nullable(CommandFact),
});
export type GuestFacts = z.infer<typeof GuestFacts>;

/** The driver's libraries in a container. */
export type UserSpace = Pick<GuestFacts, 'libraries' | 'links'>;

/** A node of NVIDIA's that is passed through. */
const PassedNode = z.object({
  /** `dev3`, or `lxc.mount.entry`. */
  key: z.string(),
  /** On the host. */
  path: z.string(),
  /** It takes effect at the container's next start. */
  pending: z.boolean(),
});
export type PassedNode = z.infer<typeof PassedNode>;

/** What a container's configuration says of the GPUs' device nodes. */
const Passthrough = z.object({
  nodes: z.array(PassedNode),
  /** What `lxc.cgroup2.devices.allow` lines allow, e.g. `c 195:* rwm`. */
  rules: z.array(z.string()),
  /** The keys `devN` that are in use, for whatever device. */
  taken: z.array(z.string()),
});
export type Passthrough = z.infer<typeof Passthrough>;

/** A container as Proxmox knows it. */
export const ContainerFacts = z.object({
  ctid: count,
  /** Where the id was found: only `here` has anything below. */
  presence: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('here') }),
    z.object({ kind: z.literal('vm') }),
    z.object({ kind: z.literal('other-node'), node: z.string(), type: z.enum(['container', 'vm']) }),
    z.object({ kind: z.literal('absent') }),
  ]),
  hostname: z.nullable(z.string()),
  /** Proxmox' tags, lower case. */
  tags: z.array(z.string()),
  running: z.boolean(),
  /** Proxmox' `lock:`, e.g. `backup`. */
  lock: z.nullable(z.string()),
  template: z.boolean(),
  unprivileged: z.boolean(),
  /** MiB, Proxmox' `memory:` (512 when absent). */
  memoryMib: z.number(),
  /** Minor numbers of the GPUs that `devN` and `lxc.mount.entry` lines pass through. */
  passedGpus: z.array(count),
  passthrough: Passthrough,
  /** Why Proxmox can't snapshot it, in words; null: it can. */
  snapshotObstacle: z.nullable(z.string()),
  /** Names of its snapshots. */
  snapshots: z.array(z.string()),
  /** Those among them that are being made, or were left so. */
  incompleteSnapshots: z.array(z.string()),
  /** What is inside; null when it isn't running here. */
  guest: z.nullable(GuestFacts),
});
export type ContainerFacts = z.infer<typeof ContainerFacts>;

/** What NVIDIA's servers (or mirrors) offer; only what a plan needs is looked up. */
export interface UpstreamFacts {
  runfile: RunfileFacts | null;
  cuda: RepositoryFacts | null;
  nvidiaContainer: RepositoryFacts | null;
}

export interface RunfileFacts {
  version: string;
  url: string;
  /** null: nobody publishes one, and the user accepted the runfile's own check. */
  sha256: string | null;
  /** Bytes; null: the server doesn't tell. */
  size: number | null;
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
