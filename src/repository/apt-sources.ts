import type { GuestFile } from '../facts/facts.ts';
import { CONTAINER_LIMITS } from '../system/limits.ts';
import { withoutEnding } from '../system/text.ts';
import { SOURCES_PATH } from './apt-files.ts';
import type { Repository, RepositoryName } from './repositories.ts';

/**
 * Addresses that stand for the same repository as ours: NVIDIA's own, for whatever distribution, and what came before
 * them (the machine learning repository ended in 2022, nvidia-docker's in 2023).
 */
const PREDECESSORS: Record<RepositoryName, RegExp> = {
  cuda: /^https?:\/\/developer\.download\.nvidia\.(?:com|cn)\/compute\/(?:cuda|machine-learning)\//,
  'nvidia-container': /^https?:\/\/nvidia\.github\.io\//,
};

/** What a source file, not ours, means for NVIDIA's repositories. */
export type SourceConflict =
  /** Every entry is NVIDIA's: the file is put aside. */
  | { kind: 'whole-file'; path: string }
  /** Some entries are: only those lines are disabled (one-line format). */
  | { kind: 'lines'; path: string; text: string }
  /** A deb822 file that mixes: left to its owner. */
  | { kind: 'mixed'; path: string };

/**
 * Source files that conflict with the ones this action writes: apt refuses to read two entries of one repository with
 * different `Signed-By` ("Conflicting values set for option Signed-By").
 *
 * @param dpkgArchitecture what apt puts for `$(ARCH)` in an address
 */
export function sourceConflicts(
  files: readonly GuestFile[],
  repositories: readonly Repository[],
  dpkgArchitecture: string,
): SourceConflict[] {
  const plain = (uri: string) => `${withoutEnding(uri.replaceAll('$(ARCH)', dpkgArchitecture), '/')}/`;
  const wanted = repositories.map(({ name, uri }) => ({ uri: plain(uri), predecessors: PREDECESSORS[name] }));
  const conflicts = (given: string) => {
    if (given.length > CONTAINER_LIMITS.addressLength) return false;
    const found = plain(given);
    return wanted.some(({ uri, predecessors }) => found === uri || predecessors.test(found));
  };
  return files.filter(({ path }) => path !== SOURCES_PATH).flatMap((file) => conflict(file, conflicts) ?? []);
}

function conflict({ path, text }: GuestFile, conflicts: (uri: string) => boolean): SourceConflict | null {
  if (path.endsWith('.sources')) {
    const uris = deb822Uris(text);
    const hits = uris.filter(conflicts).length;
    if (hits === 0) return null;
    return { kind: hits === uris.length ? 'whole-file' : 'mixed', path };
  }
  const lines = text.split('\n');
  const isEntry = (line: string) => /^\s*deb(-src)?\s/.test(line);
  const hits = lines.map((line) => isEntry(line) && (line.match(/https?:\/\/\S+/g) ?? []).some(conflicts));
  if (!hits.includes(true)) return null;
  if (lines.every((line, index) => !isEntry(line) || hits[index])) return { kind: 'whole-file', path };
  const disabled = lines.map((line, index) => (hits[index] ? `# disabled by proxmox-lxc-nvidia: ${line}` : line));
  return { kind: 'lines', path, text: disabled.join('\n') };
}

/** All addresses of a deb822 source file; a field goes on in lines that begin with a blank (deb822(5)). */
function deb822Uris(text: string): string[] {
  const unfolded = text.replace(/^#.*\n/gm, '').replace(/\n[ \t]+/g, ' ');
  return [...unfolded.matchAll(/^URIs:(.*)$/gim)].flatMap(([, value = '']) =>
    value.trim().split(/\s+/).filter(Boolean),
  );
}
