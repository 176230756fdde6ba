import type { ActionRecord } from '../apply/apply.ts';
import type { Mode } from '../desired/desired.ts';
import type { Failure } from '../errors.ts';
import type { HostFacts } from '../facts/facts.ts';
import type { ContainerPlan } from '../plan/actions.ts';
import type { Finding } from '../verify/findings.ts';
import type { SmiGpu } from '../verify/nvidia-smi.ts';
import type { Verification } from '../verify/verify.ts';

/**
 * `observed`: only its facts were asked for. `drifted`: it isn't as wanted any more, and nothing was to be done about it.
 * `aborted`: nothing was started because another container failed before.
 */
export type ContainerStatus = 'converged' | 'changed' | 'planned' | 'observed' | 'drifted' | 'failed' | 'aborted';

/** Software of a container at one moment. */
export interface Software {
  /** `none`, one version, or several when it is a mixture. */
  driver: string;
  /** Toolkits by version, e.g. `13.0`, oldest first. */
  toolkits: string[];
}

/** How long obtaining the driver's files took: downloading, unpacking, or only checking what is cached. */
export interface Obtained {
  /** When it began, in seconds since this process did. */
  startedAt: number;
  seconds: number;
  failed: boolean;
}

/** Everything a report tells of one container. Text from inside it is untrusted. */
export interface ContainerResult {
  ctid: number;
  hostname: string | null;
  status: ContainerStatus;
  before: Software | null;
  after: Software | null;
  plan: ContainerPlan | null;
  /** It failed and is back at the snapshot taken before the first change. */
  rolledBack: boolean;
  /** Before the first change; null: the plan needs no driver's files. */
  obtained: Obtained | null;
  actions: ActionRecord[];
  verifications: Verification[];
  findings: Finding[];
  gpus: SmiGpu[];
  /** What `nvidia-smi` and `nvcc --version` print at the end; `""` when there is none. */
  nvidiaSmi: string;
  nvcc: string;
  failure: Failure | null;
  seconds: number;
}

/** The one model that outputs, summary, annotations and report.json are made from. */
export interface RunResult {
  kind: 'report';
  /** Format of report.json; the first number changes when a reader must change. */
  schema: string;
  /** Version of this action. */
  action: string;
  mode: Mode | null;
  status: 'converged' | 'changed' | 'planned' | 'observed' | 'failed';
  host: HostFacts | null;
  cudaVersion: string | null;
  /** `sha256:…` of the plan for all containers; null when there is none, or not for all of them. */
  planDigest: string | null;
  containers: ContainerResult[];
  /** What isn't right with the host, though it stops nothing. */
  findings: Finding[];
  /** A failure before any container was looked at, or of no container in particular. */
  failure: Failure | null;
  seconds: number;
}

/** The failure to name first: the run's own, else that of the first failed container. */
export function firstFailure(result: RunResult): Failure | null {
  return result.failure ?? result.containers.find(({ failure }) => failure !== null)?.failure ?? null;
}
