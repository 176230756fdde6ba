import type { FailureCode } from '../errors.ts';
import type { DriverVersion } from '../version/driver.ts';

/** A change of one file in a container. */
export type FileChange =
  /** Written with mode 0644, owner root; directories above are made. `content` is base64. */
  | { kind: 'write'; path: string; content: string }
  /** Renamed to `<path>.disabled`, a name that apt passes over in silence. */
  | { kind: 'put-aside'; path: string };

export interface PackageVersion {
  name: string;
  /** Exactly this one; null: the distribution's candidate. */
  version: string | null;
}

/** A `devN` line of a container's configuration that passes a device node of the host through. */
export interface PassthroughEntry {
  /** `dev3` */
  key: string;
  path: string;
  /** The path with its options. */
  value: string;
}

/** One step of a plan: what is done, and why in words for people. Every action can be repeated safely. */
export type Action =
  | {
      kind: 'configure-apt';
      reason: string;
      /** In this order: the pin, what is put aside, keyrings. */
      before: FileChange[];
      /** ca-certificates are missing and come from the distribution first: without them apt fetches nothing by https. */
      installCertificates: boolean;
      /** The sources, when everything they need is there. */
      after: FileChange[];
    }
  | { kind: 'remove-packages'; reason: string; packages: string[] }
  | {
      kind: 'install-packages';
      reason: string;
      purpose: 'prerequisites' | 'toolkit';
      packages: PackageVersion[];
      /** The package lists are fetched first: they may be old, or were cleaned away, and nothing else in the plan does it. */
      update: boolean;
    }
  | {
      kind: 'install-driver';
      reason: string;
      version: DriverVersion;
      runfile: { url: string; sha256: string | null; size: number | null };
      /** Parent of the working directory in the container: executable, with room. */
      directory: string;
      flags: string[];
    }
  | {
      kind: 'configure-passthrough';
      reason: string;
      /** `devN` entries that are added; others are never touched. They take effect with the restart that follows. */
      entries: PassthroughEntry[];
    }
  | { kind: 'restart'; reason: string };

export interface PlanWarning {
  code: FailureCode | 'CUDA_LIMITED' | 'LITTLE_MEMORY' | 'NO_CHECKSUM';
  message: string;
}

/** What a container falls back on when something goes wrong. */
export type Safety =
  /** A snapshot, taken before the first change and dropped after the proof: going back loses what was written since. */
  | { kind: 'snapshot' }
  /** Nothing: what failed is cleaned up, and the next run goes on from there. */
  | { kind: 'none'; why: string };

/** A plan's safety in words. */
export function safetyText(safety: Safety): string {
  return safety.kind === 'snapshot'
    ? 'If a step fails, the container goes back to a snapshot: what is written in it meanwhile is lost.'
    : `If a step fails, there is no snapshot to go back to: ${safety.why}.`;
}

/** What will be done to one container. No actions: it is as wanted. */
export interface ContainerPlan {
  ctid: number;
  actions: Action[];
  safety: Safety;
  warnings: PlanWarning[];
}

/** An action's headline, for log, summary and plan. */
export function actionTitle(action: Action): string {
  switch (action.kind) {
    case 'configure-apt':
      return "set up NVIDIA's repositories and keep apt from bringing a driver";
    case 'remove-packages':
      return `remove ${action.packages.length} driver ${action.packages.length === 1 ? 'package' : 'packages'}`;
    case 'install-packages':
      return action.purpose === 'toolkit'
        ? `install ${action.packages.map(packageText).join(', ')}`
        : 'install prerequisites and NVIDIA container packages';
    case 'install-driver':
      return `install the user space of driver ${action.version}`;
    case 'configure-passthrough':
      return `pass ${action.entries.map(({ path }) => path).join(', ')} through`;
    case 'restart':
      return 'restart the container';
  }
}

/** `name=version` as apt-get takes it. */
export function packageText({ name, version }: PackageVersion): string {
  return version === null ? name : `${name}=${version}`;
}
