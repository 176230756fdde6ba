import type { RepositoryPackage } from '../facts/facts.ts';
import { compareDebianVersions } from './debian-version.ts';

/** The newest version of each wanted package in the text of a `Packages` index (deb822, repository format). */
export function parsePackageIndex(text: string): RepositoryPackage[] {
  const newest = new Map<string, RepositoryPackage>();
  for (const stanza of text.split(/\n{2,}/)) {
    const entry = parseStanza(stanza);
    if (entry === null) continue;
    const known = newest.get(entry.name);
    if (known === undefined || compareDebianVersions(known.version, entry.version) < 0) newest.set(entry.name, entry);
  }
  return [...newest.values()];
}

function parseStanza(stanza: string): RepositoryPackage | null {
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'mi').exec(stanza)?.[1]?.trim();
  const name = field('Package');
  const version = field('Version');
  if (name === undefined || version === undefined) return null;
  const relations = [field('Pre-Depends'), field('Depends')]
    .filter((value) => value !== undefined && value !== '')
    .join(', ');
  return {
    name,
    version,
    downloadSize: Number(field('Size') ?? 0),
    installedSize: Number(field('Installed-Size') ?? 0) * 1024,
    depends: relations.split(',').flatMap((relation) => /^[a-z0-9][a-z0-9+.-]*/.exec(relation.trim())?.[0] ?? []),
  };
}

/** Packages with all they need from the same index, each once, by name; names that it doesn't have are left out. */
export function withDependencies(
  packages: readonly RepositoryPackage[],
  names: readonly string[],
): RepositoryPackage[] {
  const byName = new Map(packages.map((entry) => [entry.name, entry]));
  const found = new Set<RepositoryPackage>();
  const open = [...names];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const entry = byName.get(next);
    if (entry === undefined || found.has(entry)) continue;
    found.add(entry);
    open.push(...entry.depends);
  }
  return [...found].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Bytes that packages take. */
export interface PackageSize {
  download: number;
  /** Unpacked, on the disk. */
  installed: number;
}

export function totalSize(packages: readonly RepositoryPackage[]): PackageSize {
  return {
    download: packages.reduce((sum, { downloadSize }) => sum + downloadSize, 0),
    installed: packages.reduce((sum, { installedSize }) => sum + installedSize, 0),
  };
}
