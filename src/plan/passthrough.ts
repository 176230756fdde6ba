import type { ContainerWish, Desired } from '../desired/desired.ts';
import { ActionError } from '../errors.ts';
import type { ContainerFacts, GuestFacts, HostDeviceNode, HostFacts } from '../facts/facts.ts';
import { gpuMinor, UVM } from '../system/device-nodes.ts';
import type { PassthroughEntry, PlanWarning } from './actions.ts';

const CONTROL = '/dev/nvidiactl';
/** For profilers; it comes along when something else is passed, and is nothing to restart a container for. */
const UVM_TOOLS = '/dev/nvidia-uvm-tools';

/** Proxmox takes dev0 to dev255. */
const MOST_ENTRIES = 256;

/** What a container's configuration lacks for its GPUs. */
export interface PassthroughGap {
  /** `devN` entries to add. */
  entries: PassthroughEntry[];
  /** Paths that work only from the container's next start on: those to add, and what somebody added without a restart. */
  paths: string[];
  reason: string;
}

/**
 * What must be passed through to a container, or null when all is. Pure.
 *
 * Which GPUs: those that Phoenix assigns; else those that its configuration passes already; else the host's only one. Where
 * the host has several and nothing tells, it is refused: all of them would be more than anybody asked for, and would take
 * away from other containers that they have a GPU to themselves.
 *
 * What the container says of its own nodes only ever keeps something from being added: where all of them work by other
 * means, it is left as it is. Which GPUs it gets, and what is added else, comes from wish, host and configuration alone.
 *
 * @throws ActionError PASSTHROUGH_AMBIGUOUS, PASSTHROUGH_UNSUPPORTED, HOST_GPU_NODES_MISSING, HOST_UVM_MISSING
 */
export function passthroughGap(desired: Desired, host: HostFacts, container: ContainerFacts): PassthroughGap | null {
  const { guest, ctid } = container;
  if (desired.passthrough === 'check' || guest === null) return null;
  const gpus = wantedGpus(desired.gpus[String(ctid)] ?? null, host, container);
  if (gpus === null) {
    const seen = guest.deviceNodes.filter(({ path }) => gpuMinor(path) !== null).map(({ path }) => path);
    if (seen.length > 0 && workInside([...seen, CONTROL, UVM], host, guest)) return null;
    throw ambiguous(host, ctid);
  }
  if (gpus.length === 0) return null;
  const missing = [...gpus, CONTROL, UVM].filter((path) => !isUsable(path, host, container));
  if (missing.length === 0 || workInside(missing, host, guest)) return null;

  const pending = container.passthrough.nodes.filter((node) => node.pending).map(({ path }) => path);
  const tools = [UVM_TOOLS].filter((path) => nodeOf(host, path) !== undefined && !isUsable(path, host, container));
  const absent = missing.filter((path) => !pending.includes(path));
  const added = absent.length === 0 ? [] : [...absent, ...tools.filter((path) => !pending.includes(path))];
  checkHostNodes(host, missing);
  if (added.length > 0) checkProxmox(host, ctid, added);
  return {
    entries: newEntries(container, added),
    paths: [...missing, ...tools],
    reason:
      added.length > 0
        ? `its configuration doesn't pass ${absent.join(', ')}`
        : `${missing.join(', ')} is passed from its next start on`,
  };
}

/** The paths of the GPUs that a container is to have; null: nothing tells which of several. */
function wantedGpus(assigned: ContainerWish['gpus'], host: HostFacts, container: ContainerFacts): string[] | null {
  const paths = (minors: readonly number[]) => minors.map((minor) => `/dev/nvidia${minor}`);
  if (assigned !== null) return paths(assigned);
  const passed = container.passthrough.nodes.flatMap(({ path }) => gpuMinor(path) ?? []);
  if (passed.length > 0) return paths([...new Set(passed)]);
  const onHost = host.deviceNodes.map(({ path }) => path).filter((path) => gpuMinor(path) !== null);
  const usable = onHost.filter((path) => isUsable(path, host, container));
  if (usable.length > 0) return usable;
  if (onHost.length > 1) return null;
  return onHost.length === 1 ? onHost : paths([0]);
}

function ambiguous(host: HostFacts, ctid: number): ActionError {
  const gpus = host.deviceNodes.filter(({ path }) => gpuMinor(path) !== null);
  return new ActionError(
    'PASSTHROUGH_AMBIGUOUS',
    `Container ${ctid} has no GPU, and host ${host.node} has ${gpus.length}.`,
    `Say which: pct set ${ctid} -devN /dev/nvidia…, or gpu_assignment in "phoenix-lxc-config"; this action adds the rest.`,
  );
}

/** All of these nodes are there inside and are the host's, whatever passes them: a hook, say. Only the container's word. */
function workInside(paths: readonly string[], host: HostFacts, guest: GuestFacts): boolean {
  return paths.every((path) => {
    const inside = guest.deviceNodes.find((node) => node.path === path);
    const onHost = nodeOf(host, path);
    if (inside === undefined || onHost === undefined) return false;
    const same = inside.major === onHost.major && inside.minor === onHost.minor;
    return same && inside.open !== 'EPERM' && inside.open !== 'EACCES';
  });
}

/** The configuration lets a node be used: it is passed and in effect, or the driver may make it itself. */
function isUsable(path: string, host: HostFacts, container: ContainerFacts): boolean {
  if (container.passthrough.nodes.some((node) => node.path === path && !node.pending)) return true;
  const onHost = nodeOf(host, path);
  if (onHost === undefined) return false;
  // Recorded containers 902 to 907: a privileged container's driver makes the nodes that a rule lets it make.
  return !container.unprivileged && container.passthrough.rules.some((rule) => allows(rule, onHost, 'rwm'));
}

function nodeOf(host: HostFacts, path: string): HostDeviceNode | undefined {
  return host.deviceNodes.find((node) => node.path === path);
}

/** Whether a rule of the device cgroup (`c 195:* rwm`, `a`) covers a character device with at least the given access. */
export function allows(rule: string, { major, minor }: HostDeviceNode, access: string): boolean {
  if (/^a\b/.test(rule.trim())) return true;
  const [, ruleMajor, ruleMinor, ruleAccess = ''] = /^c\s+(\*|\d+):(\*|\d+)\s+([rwm]+)$/.exec(rule.trim()) ?? [];
  const covers = (wanted: number, given: string | undefined) => given === '*' || given === String(wanted);
  return covers(major, ruleMajor) && covers(minor, ruleMinor) && [...access].every((kind) => ruleAccess.includes(kind));
}

function checkHostNodes(host: HostFacts, paths: readonly string[]): void {
  const missing = paths.filter((path) => nodeOf(host, path) === undefined);
  if (missing.length === 0) return;
  const onlyUvm = missing.every((path) => path === UVM);
  throw new ActionError(
    onlyUvm ? 'HOST_UVM_MISSING' : 'HOST_GPU_NODES_MISSING',
    `Host ${host.node} has no ${missing.join(', ')}, so it can't be passed to a container.`,
    `On the host: ${onlyUvm ? 'nvidia-modprobe -c 0 -u' : 'nvidia-smi -L && nvidia-modprobe -c 0 -u'}; a unit that does it at every start is in docs/passthrough.md.`,
  );
}

/** `devN` came with pve-container 5.0.7, which is Proxmox VE 8.1 (docs/facts.md, P11). */
function checkProxmox(host: HostFacts, ctid: number, paths: readonly string[]): void {
  const [major = 0, minor = 0] = (host.proxmoxVersion ?? '').split('.').map(Number);
  if (major > 8 || (major === 8 && minor >= 1)) return;
  const nodes = paths.flatMap((path) => nodeOf(host, path) ?? []);
  throw new ActionError(
    'PASSTHROUGH_UNSUPPORTED',
    `Host ${host.node} runs Proxmox VE ${host.proxmoxVersion ?? '(unknown)'}, which has no devN entries: they came with 8.1.`,
    `Add the lines below to /etc/pve/lxc/${ctid}.conf, before its first "[", and restart the container; the major number of nvidia-uvm can change with a restart of the host.`,
    nodes
      .flatMap(({ path, major: number, minor: index }) => [
        `lxc.cgroup2.devices.allow: c ${number}:${index} rw`,
        `lxc.mount.entry: ${path} ${path.slice(1)} none bind,optional,create=file`,
      ])
      .join('\n'),
  );
}

/**
 * Entries by the lowest free N. Mode 0666 is what the driver itself gives its nodes: with Proxmox' own 0660 only the
 * container's root could use the GPU.
 */
function newEntries({ ctid, passthrough }: ContainerFacts, paths: readonly string[]): PassthroughEntry[] {
  const free = Array.from({ length: MOST_ENTRIES }, (_, index) => `dev${index}`).filter(
    (key) => !passthrough.taken.includes(key),
  );
  return paths.map((path, index) => {
    const key = free[index];
    if (key !== undefined) return { key, path, value: `${path},mode=0666` };
    throw new ActionError(
      'PASSTHROUGH_UNSUPPORTED',
      `Container ${ctid} has no devN entry left for ${path}.`,
      'Proxmox takes dev0 to dev255: remove some.',
    );
  });
}

/** The inside as it will be after the container's next start, as far as passing through changes it. */
export function guestAfterRestart(guest: GuestFacts, host: HostFacts, gap: PassthroughGap | null): GuestFacts {
  if (gap === null) return guest;
  const added = gap.paths.flatMap((path) => nodeOf(host, path) ?? []).map((node) => ({ ...node, open: 'ok' as const }));
  return { ...guest, deviceNodes: [...guest.deviceNodes.filter(({ path }) => !gap.paths.includes(path)), ...added] };
}

/** What in a container's configuration will not work, or not any more after the next start. */
export function passthroughWarnings(
  host: HostFacts,
  { ctid, passthrough: { nodes, rules } }: ContainerFacts,
): PlanWarning[] {
  const entries = nodes.filter(({ key }) => key.startsWith('dev'));
  const dead = entries.filter(({ path }) => nodeOf(host, path) === undefined);
  const denied = nodes.flatMap(({ path }) => {
    const onHost = nodeOf(host, path);
    if (onHost === undefined || entries.some((entry) => entry.path === path)) return [];
    return rules.some((rule) => allows(rule, onHost, 'rw')) ? [] : [onHost];
  });
  return [
    ...dead.map(({ key, path }) => ({
      code: 'HOST_GPU_NODES_MISSING' as const,
      message: `Container ${ctid} will not start again: its ${key} passes ${path}, which host ${host.node} doesn't have (docs/passthrough.md).`,
    })),
    ...denied.map(({ path, major, minor }) => ({
      code: 'CONTAINER_GPU_NODE_STALE' as const,
      message: `Container ${ctid} gets ${path} by an lxc.mount.entry, but no lxc.cgroup2.devices.allow covers device ${major}:${minor}, which it is on host ${host.node} now: it is denied at the next start. A devN entry instead keeps up with the number.`,
    })),
  ];
}
