import * as z from 'zod/mini';
import type { PackageSize } from '../repository/package-index.ts';
import { bytesText } from '../system/text.ts';

/** The types of a plan. They are schemas because a plan is also written to a file and read again (src/plan/file.ts). */

/** A change of one file in a container. */
const FileChange = z.discriminatedUnion('kind', [
  /** Written with mode 0644, owner root; directories above are made. `content` is base64. */
  z.object({ kind: z.literal('write'), path: z.string(), content: z.string() }),
  /** Renamed to `<path>.disabled`, a name that apt passes over in silence. */
  z.object({ kind: z.literal('put-aside'), path: z.string() }),
]);
export type FileChange = z.infer<typeof FileChange>;

const PackageVersion = z.object({
  name: z.string(),
  /** Exactly this one; null: the distribution's candidate. */
  version: z.nullable(z.string()),
});
export type PackageVersion = z.infer<typeof PackageVersion>;

/** A `devN` line of a container's configuration that passes a device node of the host through. */
const PassthroughEntry = z.object({
  /** `dev3` */
  key: z.string(),
  path: z.string(),
  /** The path with its options. */
  value: z.string(),
});
export type PassthroughEntry = z.infer<typeof PassthroughEntry>;

/** One step of a plan: what is done, and why in words for people. Every action can be repeated safely. */
const Action = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('configure-apt'),
    reason: z.string(),
    /** In this order: the pin, what is put aside, keyrings. */
    before: z.array(FileChange),
    /** ca-certificates are missing and come from the distribution first: without them apt fetches nothing by https. */
    installCertificates: z.boolean(),
    /** The sources, when everything they need is there. */
    after: z.array(FileChange),
    /** Which keys the keyrings hold, by their paths. */
    keys: z.array(z.object({ path: z.string(), fingerprints: z.array(z.string()) })),
  }),
  z.object({ kind: z.literal('remove-packages'), reason: z.string(), packages: z.array(z.string()) }),
  z.object({
    kind: z.literal('install-packages'),
    reason: z.string(),
    purpose: z.enum(['prerequisites', 'toolkit']),
    packages: z.array(PackageVersion),
    /** What comes along from NVIDIA's repository because a package needs it. */
    dependencies: z.array(PackageVersion),
    /** Bytes with what comes along; null: not known before, the distribution's own. */
    size: z.nullable(z.object({ download: z.number(), installed: z.number() })),
    /** The package lists are fetched first: they may be old, or were cleaned away, and nothing else in the plan does it. */
    update: z.boolean(),
  }),
  z.object({
    kind: z.literal('install-driver'),
    reason: z.string(),
    version: z.string(),
    runfile: z.object({
      url: z.string(),
      sha256: z.string(),
      size: z.nullable(z.number()),
    }),
    /** Parent of the working directory in the container: executable, with room. */
    directory: z.string(),
    flags: z.array(z.string()),
  }),
  z.object({
    kind: z.literal('configure-passthrough'),
    reason: z.string(),
    /** `devN` entries that are added; others are never touched. They take effect with the restart that follows. */
    entries: z.array(PassthroughEntry),
  }),
  z.object({ kind: z.literal('restart'), reason: z.string() }),
]);
export type Action = z.infer<typeof Action>;

/** Something to know that stands in nobody's way. Its code is a FailureCode or one of a warning alone. */
const PlanWarning = z.object({ code: z.string(), message: z.string() });
export type PlanWarning = z.infer<typeof PlanWarning>;

/** What a container falls back on when something goes wrong. */
const Safety = z.discriminatedUnion('kind', [
  /** A snapshot, taken before the first change and dropped after the proof: going back loses what was written since. */
  z.object({ kind: z.literal('snapshot') }),
  /** Nothing: what failed is cleaned up, and the next run goes on from there. */
  z.object({ kind: z.literal('none'), why: z.string() }),
]);
export type Safety = z.infer<typeof Safety>;

/** A plan's safety in words. */
export function safetyText(safety: Safety): string {
  return safety.kind === 'snapshot'
    ? 'If a step fails, the container goes back to a snapshot: what is written in it meanwhile is lost.'
    : `If a step fails, there is no snapshot to go back to: ${safety.why}.`;
}

/** What will be done to one container. No actions: it is as wanted. */
export const ContainerPlan = z.object({
  ctid: z.number(),
  /** What the container was when the plan was made. */
  found: z.object({
    /** `debian 12` */
    distribution: z.string(),
    /** `none`, a version, or several when it is a mixture. */
    userSpace: z.string(),
  }),
  actions: z.array(Action),
  safety: Safety,
  warnings: z.array(PlanWarning),
});
export type ContainerPlan = z.infer<typeof ContainerPlan>;

/** An action's headline, for log, summary and plan. */
export function actionTitle(action: Action): string {
  switch (action.kind) {
    case 'configure-apt':
      return "set up NVIDIA's repositories and keep apt from bringing a driver";
    case 'remove-packages':
      return `remove ${action.packages.length} driver ${action.packages.length === 1 ? 'package' : 'packages'}`;
    case 'install-packages':
      return action.purpose === 'toolkit'
        ? `install ${action.packages.map(packageText).join(', ')}${sizeText(action.size)}`
        : 'install prerequisites and NVIDIA container packages';
    case 'install-driver':
      return `install the user space of driver ${action.version}`;
    case 'configure-passthrough':
      return `pass ${action.entries.map(({ path }) => path).join(', ')} through`;
    case 'restart':
      return 'restart the container';
  }
}

function sizeText(size: PackageSize | null): string {
  return size === null ? '' : ` (${bytesText(size.download)} to download, ${bytesText(size.installed)} on disk)`;
}

/** `name=version` as apt-get takes it. */
export function packageText({ name, version }: PackageVersion): string {
  return version === null ? name : `${name}=${version}`;
}
