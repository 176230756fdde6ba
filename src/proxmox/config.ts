import type { Passthrough } from '../facts/facts.ts';
import { gpuMinor } from '../system/device-nodes.ts';

/** The section of changes that wait for a start, which comes before the snapshots'. */
const PENDING = 'pve:pending';

/** The configuration of a container, /etc/pve/lxc/<ctid>.conf: what is in effect stands before the first `[section]`. */
export interface ContainerConfig {
  /** `key: value` lines, raw `lxc.*` ones excepted. */
  values: Map<string, string>;
  /** Changed `key: value` lines that take effect at the next start; `delete` names those that go. */
  pending: Map<string, string>;
  /** Raw `lxc.*` lines in file order. */
  raw: { key: string; value: string }[];
  /** The snapshots' sections: `incomplete` while Proxmox is making one, or when that was interrupted. */
  snapshots: { name: string; incomplete: boolean }[];
}

/**
 * Parses a container's configuration file as pve-container does (PVE::LXC::Config, parse_pct_config): `key: value`, raw
 * `lxc.x.y: v` or `lxc.x.y = v`, `#` lines are the description; pending changes and snapshots follow in sections.
 */
export function parseContainerConfig(text: string): ContainerConfig {
  const values = new Map<string, string>();
  const raw: ContainerConfig['raw'] = [];
  const snapshots: ContainerConfig['snapshots'] = [];
  const pending = new Map<string, string>();
  let section = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('[')) {
      section = /^\[([^\]]+)\]\s*$/.exec(line)?.[1] ?? line;
      if (section !== PENDING) snapshots.push({ name: section, incomplete: false });
    }
    const snapshot = snapshots.at(-1);
    if (snapshot !== undefined && /^snapstate:/.test(line)) snapshot.incomplete = true;
    if (section !== '' && section !== PENDING) continue;
    const rawLine = /^(lxc\.[a-zA-Z0-9_.]+)\s*[:=](.*)$/.exec(line);
    if (rawLine?.[1] !== undefined) {
      if (section === '') raw.push({ key: rawLine[1], value: rawLine[2]?.trim() ?? '' });
      continue;
    }
    const keyLine = /^([a-z][a-zA-Z0-9_-]*):(.*)$/.exec(line);
    if (keyLine?.[1] !== undefined) (section === '' ? values : pending).set(keyLine[1], keyLine[2]?.trim() ?? '');
  }
  return { values, pending, raw, snapshots };
}

/**
 * What a configuration says of NVIDIA's device nodes: `devN: /dev/nvidia0,gid=44` (Proxmox 8.1 and later) and
 * `lxc.mount.entry: /dev/nvidia0 dev/nvidia0 none bind,…`. An entry that is to be deleted counts as deleted.
 */
export function passthroughOf({ values, pending, raw }: ContainerConfig): Passthrough {
  const deleted = (pending.get('delete') ?? '').split(',');
  const entries = (from: ReadonlyMap<string, string>) =>
    [...from].filter(([key]) => /^dev\d+$/.test(key) && !deleted.includes(key));
  const nodes = [
    ...entries(values).map(([key, value]) => ({ key, path: devicePath(value) ?? '', pending: false })),
    ...entries(pending).map(([key, value]) => ({ key, path: devicePath(value) ?? '', pending: true })),
    ...raw
      .filter(({ key }) => key === 'lxc.mount.entry')
      .map(({ key, value }) => ({ key, path: value.split(/\s+/)[0] ?? '', pending: false })),
  ];
  return {
    nodes: nodes.filter(({ path }) => path.startsWith('/dev/nvidia')),
    rules: raw.filter(({ key }) => /^lxc\.cgroup2?\.devices\.allow$/.test(key)).map(({ value }) => value),
    taken: [...new Set([...entries(values), ...entries(pending)].map(([key]) => key))],
  };
}

/** The minor numbers of the GPUs that are passed through now, ascending. */
export function passedGpus({ nodes }: Passthrough): number[] {
  const minors = nodes.filter(({ pending }) => !pending).flatMap(({ path }) => gpuMinor(path) ?? []);
  return [...new Set(minors)].sort((a, b) => a - b);
}

/** The tags of a container (`tags: gpu;production`); Proxmox separates them by `;`, and takes `,` and blanks as well. */
export function tags({ values }: ContainerConfig): string[] {
  return (values.get('tags') ?? '')
    .split(/[;,\s]+/)
    .filter(Boolean)
    .map((tag) => tag.toLowerCase());
}

/** The path of a `devN` property string, whose parts may come in any order: `/dev/nvidia0,gid=44`, `gid=44,path=/dev/nvidia0`. */
function devicePath(value: string): string | undefined {
  const parts = value.split(',').map((part) => part.trim());
  return (
    parts.find((part) => part.startsWith('path='))?.slice('path='.length) ?? parts.find((part) => !part.includes('='))
  );
}
