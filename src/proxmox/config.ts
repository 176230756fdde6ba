/** The current configuration of a container: the part of /etc/pve/lxc/<ctid>.conf before the first `[section]`. */
export interface ContainerConfig {
  /** `key: value` lines, raw `lxc.*` ones excepted. */
  values: Map<string, string>;
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
  let inSections = false;
  for (const line of text.split('\n')) {
    const section = /^\[([^\]:]+)\]\s*$/.exec(line)?.[1];
    if (section !== undefined) snapshots.push({ name: section, incomplete: false });
    const snapshot = snapshots.at(-1);
    if (snapshot !== undefined && /^snapstate:/.test(line)) snapshot.incomplete = true;
    // `[pve:pending]`, with its colon, comes before the snapshots.
    inSections ||= line.startsWith('[');
    if (inSections) continue;
    const rawLine = /^(lxc\.[a-zA-Z0-9_.]+)\s*[:=]\s*(.*?)\s*$/.exec(line);
    if (rawLine?.[1] !== undefined) {
      raw.push({ key: rawLine[1], value: rawLine[2] ?? '' });
      continue;
    }
    const keyLine = /^([a-z][a-zA-Z0-9_-]*):\s*(.*?)\s*$/.exec(line);
    if (keyLine?.[1] !== undefined) values.set(keyLine[1], keyLine[2] ?? '');
  }
  return { values, raw, snapshots };
}

/**
 * The minor numbers of the GPUs a configuration passes through, ascending: `devN: /dev/nvidia0,gid=44` (Proxmox 8.1 and
 * later) and `lxc.mount.entry: /dev/nvidia0 dev/nvidia0 none bind,…`.
 */
export function passedGpus({ values, raw }: ContainerConfig): number[] {
  const paths = [
    ...[...values].filter(([key]) => /^dev\d+$/.test(key)).map(([, value]) => devicePath(value)),
    ...raw.filter(({ key }) => key === 'lxc.mount.entry').map(({ value }) => value.split(/\s+/)[0]),
  ];
  const minors = paths.flatMap((path) => {
    const minor = /^\/dev\/nvidia(\d+)$/.exec(path ?? '')?.[1];
    return minor === undefined ? [] : [Number(minor)];
  });
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
