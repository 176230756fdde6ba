import * as z from 'zod/mini';
import { CONTAINER_LIMITS } from '../system/limits.ts';

/**
 * The types of all facts. They are schemas because facts are also written to a file and read again elsewhere
 * (src/facts/file.ts).
 */

/** A number that isn't negative and has no fraction. */
const count = z.number().check(z.int(), z.nonnegative());
const { fieldLength, commandOutput, probeBytes, devices, files, aptSources, few } = CONTAINER_LIMITS;
/** A path, a name or a version from inside a container. */
const word = z.string().check(z.maxLength(fieldLength));
/** The text of a file inside. */
const text = z.string().check(z.maxLength(probeBytes));
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

export const GuestFile = z.object({ path: word, text });
export type GuestFile = z.infer<typeof GuestFile>;

export const DirectorySpace = z.object({
  path: word,
  freeBytes: count,
  /** Type of its file system, e.g. `ext4`, `tmpfs`. */
  fileSystem: word,
  /** Its mount point: directories on one mount share their free space. */
  mountPoint: word,
  /** Not mounted with noexec. */
  executable: z.boolean(),
});
export type DirectorySpace = z.infer<typeof DirectorySpace>;

export const GuestPackage = z.object({
  /** Debian Policy, 5.6.1. */
  name: word.check(z.regex(/^[a-z0-9][a-z0-9+.-]*$/)),
  version: word,
  /** `amd64`, `i386`, `all`, … */
  architecture: word,
  /** dpkg's status is "install ok installed". */
  installed: z.boolean(),
});
export type GuestPackage = z.infer<typeof GuestPackage>;

export const GuestDeviceNode = z.object({
  path: word,
  major: count,
  minor: count,
  /** What opening it for reading gave: `ok`, or the error's name. */
  open: z.enum(['ok', 'ENOENT', 'EACCES', 'EPERM', 'ENXIO', 'other']),
});
export type GuestDeviceNode = z.infer<typeof GuestDeviceNode>;

/** What a command inside printed, stdout and stderr together. Untrusted text. */
export const CommandFact = z.object({ exitCode: count, output: z.string().check(z.maxLength(commandOutput)) });
export type CommandFact = z.infer<typeof CommandFact>;

/** A toolkit in its own directory. */
export const InstalledToolkit = z.object({
  /** /usr/local/cuda-X.Y */
  path: word,
  /** The directory's X.Y. */
  version: z.string().check(z.maxLength(32)),
  /** Its `nvcc --version`. */
  nvcc: CommandFact,
});
export type InstalledToolkit = z.infer<typeof InstalledToolkit>;

/** Debian Policy, 11.1: a short name such as `amd64`. */
export const DpkgArchitecture = z.string().check(z.regex(/^[a-z0-9][a-z0-9-]{0,31}$/));

export const GuestLibrary = z.object({ path: word, version: driverVersion });

export const GuestLink = z.object({ soname: word, target: z.nullable(word), version: z.nullable(driverVersion) });

export const GuestKeyring = z.object({
  path: word,
  /** Of its primary keys; none when there is anything else in it. */
  fingerprints: z.array(word).check(z.maxLength(few)),
  /** Of its bytes. */
  sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
});

/** The inside of a container. */
export const GuestFacts = z.object({
  distribution: z.object({
    /** os-release's ID, e.g. `debian`. */
    id: word,
    /** os-release's VERSION_ID, e.g. `12`; `""` for rolling ones. */
    version: word,
    name: word,
  }),
  /** `dpkg --print-architecture`, or null without dpkg. */
  dpkgArchitecture: z.nullable(DpkgArchitecture),
  /** Free space by directory. */
  space: z.array(DirectorySpace).check(z.maxLength(few)),
  /** Files `libcuda.so.*` and `libnvidia-*.so.*` that carry a driver version in their names. */
  libraries: z.array(GuestLibrary).check(z.maxLength(files)),
  /** What the dynamic linker resolves the sonames to. */
  links: z.array(GuestLink).check(z.maxLength(few)),
  /** NVIDIA's and our prerequisite packages that dpkg knows. */
  packages: z.array(GuestPackage).check(z.maxLength(files)),
  /** Broken packages as `dpkg --audit` tells; empty: healthy. */
  dpkgAudit: z.string().check(z.maxLength(commandOutput)),
  /** Text of every apt source file. */
  aptSources: z.array(GuestFile).check(z.maxLength(aptSources)),
  /** Text of the preferences file this action owns, or null. */
  aptPin: z.nullable(text),
  /** Keyrings this action owns. */
  keyrings: z.array(GuestKeyring).check(z.maxLength(few)),
  /** A CA bundle is there, without which apt fetches nothing by https. */
  certificates: z.boolean(),
  /** Oldest first. */
  toolkits: z.array(InstalledToolkit).check(z.maxLength(few)),
  deviceNodes: z.array(GuestDeviceNode).check(z.maxLength(devices)),
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
  sha256: string;
  /** Whose word the checksum is. `none`: nobody's, it is that of the bytes that were downloaded to plan. */
  checksum: 'given' | 'published' | 'none';
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
