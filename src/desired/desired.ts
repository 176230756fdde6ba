import { type CudaVersion, cudaText, WHOLE_TOOLKIT } from '../version/cuda.ts';
import type { DriverVersion } from '../version/driver.ts';

/** `facts` says what is, `plan` what would be done; `apply` does it; `verify` says whether all is still as wanted. */
export const MODES = ['apply', 'plan', 'verify', 'facts'] as const;
export type Mode = (typeof MODES)[number];

/** Which of libnvidia-container's packages a container gets; `toolkit` is for Docker inside the container. */
export const NVIDIA_CONTAINER = ['library', 'toolkit', 'none'] as const;
export type NvidiaContainer = (typeof NVIDIA_CONTAINER)[number];

/** How far a container is proven: the driver alone, that the toolkit is there, or by a kernel that it compiles. */
export const VERIFY_LEVELS = ['driver', 'toolkit', 'cuda'] as const;
export type VerifyLevel = (typeof VERIFY_LEVELS)[number];

/** What to do where NVIDIA publishes no checksum of a runfile: refuse, or let the runfile check itself. */
export const RUNFILE_INTEGRITY = ['checksum', 'self-check'] as const;
export type RunfileIntegrity = (typeof RUNFILE_INTEGRITY)[number];

/** Whether a snapshot is taken to go back to: where storage can, always (else refuse), or never. */
export const ROLLBACK = ['auto', 'require', 'never'] as const;
export type Rollback = (typeof ROLLBACK)[number];

/** How a runner that isn't root gets root's rights: by `sudo -n`, or not at all. */
export const SUDO = ['auto', 'never'] as const;
export type Sudo = (typeof SUDO)[number];

/** Whether missing device nodes are only told, or passed through to the container. */
export const PASSTHROUGH = ['check', 'configure'] as const;
export type PassthroughWish = (typeof PASSTHROUGH)[number];

/** Whether a container is restarted after a change, so that the proof shows what its next start would. */
export const RESTART = ['never', 'after-change'] as const;
export type Restart = (typeof RESTART)[number];

/** The driver version asked for, and who asked (an input's name, or file and key): `host` follows the kernel module. */
export type DriverWish = { kind: 'host' } | { kind: 'exact'; version: DriverVersion; source: string };

/** Where the runfile comes from: NVIDIA's two trees, or an address that may hold `{version}` and `{arch}`. */
export type RunfileAddress = { kind: 'derived' } | { kind: 'template'; url: string; source: string };

/** The toolkit asked for. */
export type CudaWish = { kind: 'none' } | { kind: 'version'; version: CudaVersion };

/** A repository's base address and the keys it may be signed with; no keys: those this action knows for the distribution. */
export interface RepositoryWish {
  /** Without a trailing slash. */
  base: string;
  /** Fingerprints, 40 upper-case hexadecimal digits each. */
  keys: string[];
}

/** What to do when a container fails: start no other, or go on. */
export const ON_FAILURE = ['stop', 'continue'] as const;
export type OnFailure = (typeof ON_FAILURE)[number];

/** Which containers are meant: those with these ids, and every one on the host that has one of these tags. */
export interface ContainerSelection {
  /** Ascending. */
  ctids: number[];
  /** Lower case. */
  tags: string[];
  /** Every container of the host. */
  all: boolean;
}

/** What was approved: a plan's digest, or a plan file that holds it. */
export type ApprovedPlan = { kind: 'digest'; digest: string } | { kind: 'file'; path: string };

/** A proxy for what apt fetches in a container; never written there. */
export interface ContainerProxy {
  /** May hold a user name and password. */
  url: string;
  /** Names of hosts that are reached without it. */
  direct: string[];
}

/** One container that is meant, with what a Phoenix file says of it. */
export interface ContainerWish {
  ctid: number;
  /** Minor numbers of the GPUs meant for it; null: those its configuration passes through. */
  gpus: number[] | null;
}

/** Everything the user asked for, checked as far as that goes without looking at the host. */
export interface Desired {
  mode: Mode;
  containers: ContainerSelection;
  /** Minor numbers of the GPUs meant for a container, by its id, where a Phoenix file tells. */
  gpus: Record<string, number[]>;
  /** A facts file to plan from, instead of this host; null: this host. */
  facts: { path: string; maxAgeHours: number } | null;
  /** Nothing but this may be applied; null: whatever the plan is. */
  approvedPlan: ApprovedPlan | null;
  /** How long a plan made now can be applied. */
  planValidDays: number;
  /** How many containers are worked on at once. */
  maxParallel: number;
  onFailure: OnFailure;
  driver: DriverWish;
  runfile: {
    address: RunfileAddress;
    /** Lower-case hexadecimal, or null. */
    sha256: string | null;
    integrity: RunfileIntegrity;
  };
  cuda: CudaWish;
  /** Packages of the toolkit without its version, e.g. `cuda-toolkit` for all of it, or `cuda-nvcc`. */
  cudaPackages: string[];
  nvidiaContainer: NvidiaContainer;
  verify: VerifyLevel;
  cudaRepository: RepositoryWish;
  nvidiaContainerRepository: RepositoryWish;
  /** null: containers reach their repositories themselves. */
  containerProxy: ContainerProxy | null;
  rollback: Rollback;
  passthrough: PassthroughWish;
  restart: Restart;
  /** Per container, for all its actions. */
  timeoutMinutes: number;
  /** How long another run's work on a container is waited for. */
  lockWaitMinutes: number;
  sudo: Sudo;
}

/** What was understood of a user's wish, in a line: `Wanted (apply): container 901 with driver as on the host, CUDA toolkit 12.8.`. */
export function desiredText({ mode, containers, driver, cuda, cudaPackages }: Desired): string {
  const meant = [...containers.ctids, ...containers.tags.map((tag) => `tag:${tag}`)];
  if (mode === 'facts') return `Wanted: facts of ${containers.all ? 'every container' : meant.join(', ')}.`;
  const parts = cudaPackages.includes(WHOLE_TOOLKIT) ? '' : ` (${cudaPackages.join(', ')})`;
  const wishes = [
    `driver ${driver.kind === 'host' ? 'as on the host' : driver.version}`,
    cuda.kind === 'none' ? 'no CUDA toolkit' : `CUDA toolkit ${cudaText(cuda.version)}${parts}`,
  ];
  return `Wanted (${mode}): container${meant.length === 1 ? '' : 's'} ${meant.join(', ')} with ${wishes.join(', ')}.`;
}
