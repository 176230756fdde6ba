import { ActionError } from '../errors.ts';
import type { DirectorySpace, GuestFacts, RunfileFacts } from '../facts/facts.ts';
import type { PackageSize } from '../repository/package-index.ts';
import { UNPACKED_FACTOR } from '../runfile/archive.ts';
import { bytesText } from '../system/text.ts';

/** A runfile's size where the server doesn't tell: the largest published so far is about this. */
const ASSUMED_RUNFILE = 450 * 1024 * 1024;

/** Directories to work in, best first. Never /tmp: on Debian 13 it lies in memory (docs/facts.md, A8). */
const WORKING_DIRECTORIES = ['/var/tmp', '/root', '/opt'];

interface Need {
  directory: string;
  bytes: number;
  what: string;
}

/**
 * The directory that the driver's files are unpacked in: executable, and not in memory.
 *
 * @throws ActionError CONTAINER_TEMPORARY_DIRECTORY
 */
export function workingDirectory(ctid: number, guest: GuestFacts): string {
  const usable = WORKING_DIRECTORIES.map((path) => guest.space.find((space) => space.path === path)).find(
    (space) => space?.executable && space.fileSystem !== 'tmpfs',
  );
  if (usable === undefined) {
    throw new ActionError(
      'CONTAINER_TEMPORARY_DIRECTORY',
      `In container ${ctid}, none of ${WORKING_DIRECTORIES.join(', ')} allows programs to run (noexec) on a disk.`,
      'The installer is unpacked and runs there: mount one of them without noexec.',
    );
  }
  return usable.path;
}

/** What the driver takes: what its runfile unpacks to, then the installed files. */
export function driverNeeds(runfile: RunfileFacts, directory: string): Need[] {
  const size = runfile.size ?? ASSUMED_RUNFILE;
  return [
    { directory, bytes: size * UNPACKED_FACTOR, what: "the driver's files" },
    { directory: '/usr', bytes: size * UNPACKED_FACTOR, what: 'the installed driver' },
  ];
}

/** What build-essential and the other prerequisites take at most, packed and unpacked; seen on Debian 12 and 13. */
const PREREQUISITES = { download: 100 * 1024 * 1024, installed: 400 * 1024 * 1024 };

/** What a host compiler takes, by far the largest of the prerequisites. */
export function compilerNeeds(): Need[] {
  return [
    { directory: '/var/cache/apt', bytes: PREREQUISITES.download, what: 'the packages of build-essential' },
    { directory: '/usr', bytes: PREREQUISITES.installed, what: 'build-essential' },
  ];
}

/** What a toolkit takes. */
export function toolkitNeeds({ download, installed }: PackageSize, name: string): Need[] {
  return [
    { directory: '/var/cache/apt', bytes: download, what: `the packages of ${name}` },
    { directory: '/usr', bytes: installed, what: name },
  ];
}

/** @throws ActionError CONTAINER_SPACE when a file system can't hold the sum of what is needed on it. */
export function checkSpace(ctid: number, guest: GuestFacts, needs: readonly Need[]): void {
  const spaceOf = (directory: string): DirectorySpace | undefined => guest.space.find(({ path }) => path === directory);
  const byMount = Map.groupBy(needs, ({ directory }) => spaceOf(directory)?.mountPoint ?? '');
  for (const [mountPoint, here] of byMount) {
    const space = guest.space.find((candidate) => candidate.mountPoint === mountPoint);
    const bytes = here.reduce((sum, need) => sum + need.bytes, 0);
    if (space === undefined || space.freeBytes >= bytes) continue;
    throw new ActionError(
      'CONTAINER_SPACE',
      `Container ${ctid} has ${bytesText(space.freeBytes)} free on ${mountPoint}, but needs about ${bytesText(bytes)}: ` +
        `${here.map((need) => `${bytesText(need.bytes)} for ${need.what}`).join(', ')}.`,
      `Enlarge it, e.g. pct resize ${ctid} rootfs +10G.`,
    );
  }
}
