import { readdir, readFile, readlink, stat } from 'node:fs/promises';

/** A character device of the host. */
export interface DeviceNode {
  major: number;
  minor: number;
  /** Permission bits, e.g. 0o666. */
  mode: number;
}

/** The host's files as facts need them. Absence is an answer, not an error; any other error is thrown. */
export interface HostFiles {
  /** The text of a file, or null when it isn't there. */
  read(path: string): Promise<string | null>;
  /** The names in a directory, sorted; empty when it isn't there. */
  list(path: string): Promise<string[]>;
  /** The target of a symbolic link, or null when it isn't there. */
  link(path: string): Promise<string | null>;
  /** The device behind a path, or null when it isn't there or isn't a character device. */
  device(path: string): Promise<DeviceNode | null>;
}

async function orWhenAbsent<T, A>(work: Promise<T>, absent: A): Promise<T | A> {
  try {
    return await work;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return absent;
    throw error;
  }
}

/** {@link HostFiles} of the machine this runs on. */
export const hostFiles: HostFiles = {
  read: (path) => orWhenAbsent(readFile(path, 'utf8'), null),
  list: async (path) => (await orWhenAbsent(readdir(path), [])).sort(),
  link: (path) => orWhenAbsent(readlink(path), null),
  device: async (path) => {
    const found = await orWhenAbsent(stat(path), null);
    if (!found?.isCharacterDevice()) return null;
    return { ...splitDeviceNumber(found.rdev), mode: found.mode & 0o7777 };
  },
};

/** Linux' encoding of a device number (makedev(3)): 12 bits of major, 20 of minor, interleaved. */
function splitDeviceNumber(rdev: number): { major: number; minor: number } {
  const number = BigInt(rdev);
  return {
    major: Number(((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn)),
    minor: Number((number & 0xffn) | ((number >> 12n) & ~0xffn)),
  };
}
