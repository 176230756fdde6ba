import { canonicalJson } from '../system/canonical-json.ts';
import { sha256Of } from '../system/sha256.ts';
import type { Action, ContainerPlan, FileChange, PackageVersion } from './actions.ts';
import type { Plan } from './file.ts';

/**
 * What a plan is, as a tree of texts: what would be done, to which container, with which bytes. What varies without making
 * it another plan (times, reasons, sizes, free space, warnings, the address that the same runfile comes from) is not in it.
 *
 * Lists are trees by name, so that their order says nothing and a difference can be named.
 */
export type Identity = { [key: string]: string | Identity };

/** Everything of a plan that is identity. */
export type Identified = Pick<Plan, 'schema' | 'action' | 'host' | 'wish' | 'containers'>;

/** The identity of one container's part. */
export function containerIdentity({ found, actions, safety }: ContainerPlan): Identity {
  return {
    found: { ...found },
    actions: Object.fromEntries(actions.map((action) => [actionName(action), actionIdentity(action)])),
    safety: safety.kind,
  };
}

/** The identity of everything but the containers. */
export function headIdentity({ schema, action, host, wish }: Omit<Identified, 'containers'>): Identity {
  return {
    format: schema.split('.')[0] ?? '',
    action,
    host: { ...host },
    wish: { ...wish, cuda: wish.cuda ?? 'none', cudaPackages: wish.cudaPackages.toSorted().join(', ') },
  };
}

/** `sha256:…` of one container's part. */
export function containerDigest(plan: ContainerPlan): string {
  return digestOf(containerIdentity(plan));
}

/** `sha256:…` of a whole plan, from the digests of its parts by container. */
export function combinedDigest(head: Omit<Identified, 'containers'>, containers: ReadonlyMap<number, string>): string {
  return digestOf({
    ...headIdentity(head),
    containers: Object.fromEntries([...containers].map(([ctid, digest]) => [String(ctid), digest])),
  });
}

/** `sha256:…` of a whole plan: the same for the same wishes and facts, on any machine, in any order, on any day. */
export function planDigest(plan: Identified): string {
  return combinedDigest(plan, new Map(plan.containers.map((part) => [part.ctid, containerDigest(part)])));
}

function digestOf(identity: Identity): string {
  return `sha256:${sha256Of(canonicalJson(identity))}`;
}

/** A plan has at most one action of a kind and purpose. */
function actionName(action: Action): string {
  return action.kind === 'install-packages' ? `${action.kind} (${action.purpose})` : action.kind;
}

function actionIdentity(action: Action): Identity {
  switch (action.kind) {
    case 'configure-apt': {
      const files = [...action.before, ...action.after];
      return {
        // Keyrings are among them: their bytes say more than the fingerprints that were found in them.
        files: Object.fromEntries(files.map((change) => [change.path, fileIdentity(change)])),
        keys: Object.fromEntries(
          action.keys.map(({ path, fingerprints }) => [path, fingerprints.toSorted().join(', ')]),
        ),
        installCertificates: String(action.installCertificates),
      };
    }
    case 'remove-packages':
      return Object.fromEntries(action.packages.map((name) => [name, 'removed']));
    case 'install-packages':
      return { packages: versions(action.packages), dependencies: versions(action.dependencies) };
    case 'install-driver':
      return {
        version: action.version,
        runfile: action.runfile.sha256,
        flags: action.flags.join(' '),
      };
    case 'configure-passthrough':
      return Object.fromEntries(action.entries.map(({ key, value }) => [key, value]));
    case 'restart':
      return { restart: 'yes' };
  }
}

function versions(packages: readonly PackageVersion[]): Identity {
  return Object.fromEntries(packages.map(({ name, version }) => [name, version ?? "the distribution's"]));
}

/** Of a written file the sha256 that `sha256sum` would say of it, as long as its base64 can't be read in two ways. */
function fileIdentity(change: FileChange): string {
  if (change.kind === 'put-aside') return 'put aside';
  const content = Buffer.from(change.content, 'base64');
  const isPlain = content.toString('base64') === change.content;
  return isPlain ? `sha256:${sha256Of(content)}` : `of base64, sha256:${sha256Of(change.content)}`;
}
