import type { RepositoryPackage } from '../facts/facts.ts';
import { NETWORK_LIMITS } from '../system/limits.ts';
import { compareDebianVersions, isDebianVersion } from './debian-version.ts';

/** A package's name (Debian Policy, 5.6.1). */
const PACKAGE_NAME = /^[a-z0-9][a-z0-9+.-]{0,127}/;

/** The fields that are read; others are passed over. */
type Field = 'package' | 'version' | 'size' | 'installed-size' | 'depends' | 'pre-depends';
const FIELDS: readonly string[] = ['package', 'version', 'size', 'installed-size', 'depends', 'pre-depends'];

/** A text that is too large, or too odd, to be a repository's index. */
export class NotAnIndex extends Error {}

/**
 * Reads a `Packages` index (deb822, repository format) as it comes, piece by piece: kept is the newest version of each package,
 * and nothing of the text. Stanzas without a package's name or with a version that Debian doesn't know are passed over.
 */
export class PackageIndex {
  readonly #newest = new Map<string, RepositoryPackage>();
  #kept = 0;
  #entries = 0;
  #stanza = new Map<Field, string>();
  /** The line that isn't complete yet. */
  #rest = '';

  /** Takes the next piece of the text. @throws NotAnIndex */
  push(text: string): void {
    const lines = text.split('\n');
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
    if (this.#rest.length > NETWORK_LIMITS.indexLineLength) throw new NotAnIndex('one of its lines never ends');
  }

  /** The packages, when all of the text was given. @throws NotAnIndex */
  packages(): RepositoryPackage[] {
    this.#line(this.#rest);
    this.#rest = '';
    this.#endStanza();
    return [...this.#newest.values()];
  }

  #line(line: string): void {
    if (line === '' || line === '\r') {
      this.#endStanza();
      return;
    }
    if (line.length > NETWORK_LIMITS.indexLineLength) throw new NotAnIndex('one of its lines is too long');
    const colon = line.indexOf(':');
    if (colon < 0 || colon > 20) return;
    const name = line.slice(0, colon).toLowerCase();
    if (isField(name) && !this.#stanza.has(name)) this.#stanza.set(name, line.slice(colon + 1).trim());
  }

  #endStanza(): void {
    if (this.#stanza.size === 0) return;
    const entry = packageOf(this.#stanza);
    this.#stanza.clear();
    const { indexEntries, indexKeptBytes } = NETWORK_LIMITS;
    if (++this.#entries > indexEntries) throw new NotAnIndex(`it has more than ${indexEntries} entries`);
    if (entry === null) return;
    const known = this.#newest.get(entry.name);
    if (known !== undefined && compareDebianVersions(known.version, entry.version) >= 0) return;
    this.#newest.set(entry.name, entry);
    this.#kept += weight(entry) - (known === undefined ? 0 : weight(known));
    if (this.#kept > indexKeptBytes) throw new NotAnIndex('it names too many packages');
  }
}

/** About how many bytes of memory a package takes. */
function weight({ name, version, depends }: RepositoryPackage): number {
  return [name, version, ...depends].reduce((sum, text) => sum + text.length + 100, 0);
}

function isField(name: string): name is Field {
  return FIELDS.includes(name);
}

function packageOf(stanza: ReadonlyMap<Field, string>): RepositoryPackage | null {
  const name = stanza.get('package') ?? '';
  const version = stanza.get('version') ?? '';
  if (packageName(name) !== name || !isDebianVersion(version)) return null;
  const relations = [stanza.get('pre-depends') ?? '', stanza.get('depends') ?? ''];
  return {
    name: ownText(name),
    version: ownText(version),
    downloadSize: sizeIn(stanza.get('size')),
    installedSize: sizeIn(stanza.get('installed-size')) * 1024,
    depends: relations.flatMap((relation) => relation.split(',')).flatMap((part) => packageName(part.trim()) ?? []),
  };
}

/** The name that a text begins with. */
function packageName(text: string): string | null {
  const name = PACKAGE_NAME.exec(text)?.[0];
  return name === undefined ? null : ownText(name);
}

function sizeIn(text: string | undefined): number {
  return /^\d{1,12}$/.test(text ?? '') ? Number(text) : 0;
}

/** A copy that doesn't keep the whole text alive that it was cut out of, as V8's slices do. */
function ownText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
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
