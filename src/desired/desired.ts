import type { CudaVersion } from '../version/cuda.ts';
import type { DriverVersion } from '../version/driver.ts';

/** `plan` says what would be done; `apply` does it. */
export const MODES = ['apply', 'plan'] as const;
export type Mode = (typeof MODES)[number];

/** Which of libnvidia-container's packages a container gets; `toolkit` is for Docker inside the container. */
export const NVIDIA_CONTAINER = ['library', 'toolkit', 'none'] as const;
export type NvidiaContainer = (typeof NVIDIA_CONTAINER)[number];

/** How far a container is proven: the user space alone, or the toolkit as well. */
export const VERIFY_LEVELS = ['driver', 'toolkit'] as const;
export type VerifyLevel = (typeof VERIFY_LEVELS)[number];

/** What to do where NVIDIA publishes no checksum of a runfile: refuse, or let the runfile check itself. */
export const RUNFILE_INTEGRITY = ['checksum', 'self-check'] as const;
export type RunfileIntegrity = (typeof RUNFILE_INTEGRITY)[number];

/** Whether a snapshot is taken to go back to: where storage can, always (else refuse), or never. */
export const ROLLBACK = ['auto', 'require', 'never'] as const;
export type Rollback = (typeof ROLLBACK)[number];

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

/** One container that is wanted, with what a Phoenix file says of it. */
export interface ContainerWish {
  ctid: number;
  /** Minor numbers of the GPUs meant for it; null: those its configuration passes through. */
  gpus: number[] | null;
}

/** Everything the user asked for, checked as far as that goes without looking at the host. */
export interface Desired {
  mode: Mode;
  containers: ContainerWish[];
  driver: DriverWish;
  runfile: {
    address: RunfileAddress;
    /** Lower-case hexadecimal, or null. */
    sha256: string | null;
    integrity: RunfileIntegrity;
  };
  cuda: CudaWish;
  nvidiaContainer: NvidiaContainer;
  verify: VerifyLevel;
  cudaRepository: RepositoryWish;
  nvidiaContainerRepository: RepositoryWish;
  rollback: Rollback;
  passthrough: PassthroughWish;
  restart: Restart;
  /** Per container, for all its actions. */
  timeoutMinutes: number;
  /** How long another run's work on a container is waited for. */
  lockWaitMinutes: number;
}
