import type { GuestFile } from '../facts/facts.ts';
import { SOURCES_PATH } from './apt-files.ts';
import type { Repository } from './repositories.ts';

/** NVIDIA's own hosts: an entry with one of them would name the same repository with another key file. */
const NVIDIA_ENTRY =
  /^https?:\/\/(?:developer\.download\.nvidia\.(?:com|cn)\/compute\/(?:cuda|machine-learning)\/|nvidia\.github\.io\/)/;

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
 */
export function sourceConflicts(files: readonly GuestFile[], repositories: readonly Repository[]): SourceConflict[] {
  return files.filter(({ path }) => path !== SOURCES_PATH).flatMap((file) => conflict(file, repositories) ?? []);
}

function conflict({ path, text }: GuestFile, repositories: readonly Repository[]): SourceConflict | null {
  const conflicts = (uri: string) => {
    const plain = `${uri.replace(/\/+$/, '')}/`;
    return (
      NVIDIA_ENTRY.test(plain) ||
      repositories.some((repository) => repository.uri.startsWith(plain) || plain.startsWith(repository.uri))
    );
  };
  if (path.endsWith('.sources')) {
    const uris = text.split('\n').flatMap((line) =>
      /^URIs:/i.test(line)
        ? line
            .replace(/^URIs:/i, '')
            .trim()
            .split(/\s+/)
        : [],
    );
    const hits = uris.filter(conflicts).length;
    if (hits === 0) return null;
    return { kind: hits === uris.length ? 'whole-file' : 'mixed', path };
  }
  const lines = text.split('\n');
  const isEntry = (line: string) => /^\s*deb(-src)?\s/.test(line);
  const hits = (line: string) => isEntry(line) && (line.match(/https?:\/\/\S+/g) ?? []).some(conflicts);
  if (!lines.some(hits)) return null;
  if (lines.every((line) => !isEntry(line) || hits(line))) return { kind: 'whole-file', path };
  const disabled = lines.map((line) => (hits(line) ? `# disabled by proxmox-lxc-nvidia: ${line}` : line));
  return { kind: 'lines', path, text: disabled.join('\n') };
}
