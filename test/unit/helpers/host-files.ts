import type { DeviceNode, HostFiles } from '../../../src/system/files.ts';

/** A host's files: a text, a link (`{ link }`) or a character device (`{ major, minor }`) by path. */
export type FileTree = Record<string, string | { link: string } | Pick<DeviceNode, 'major' | 'minor'>>;

/** {@link HostFiles} of a made-up host; directories are those that the paths imply. */
export function hostFilesOf(tree: FileTree): HostFiles {
  return {
    read: async (path) => {
      const found = tree[path];
      return typeof found === 'string' ? found : null;
    },
    link: async (path) => {
      const found = tree[path];
      return typeof found === 'object' && 'link' in found ? found.link : null;
    },
    list: async (path) => {
      const names = Object.keys(tree)
        .filter((candidate) => candidate.startsWith(`${path}/`))
        .map((candidate) => candidate.slice(path.length + 1).split('/')[0] ?? '');
      return [...new Set(names)].sort();
    },
    device: async (path) => {
      const found = tree[path];
      return typeof found === 'object' && 'major' in found ? { ...found, mode: 0o666 } : null;
    },
  };
}
