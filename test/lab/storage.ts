import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run, runOk } from './command.ts';
import { CACHE_DIR, STORAGE_DIR, STORAGE_IMAGE } from './paths.ts';

const SIZE = '40G'; // sparse: it takes what is written, not this

/** Base systems (subvolumes) are kept between runs. */
export const BASES_DIR = join(STORAGE_DIR, 'bases');
/** Volumes of containers, by host and storage; emptied when the lab starts and ends. */
export const VOLUMES_DIR = join(STORAGE_DIR, 'volumes');

/** Mounts the lab's btrfs file system, making it on first use. Can be repeated. */
export async function storageUp(): Promise<void> {
  await mkdir(CACHE_DIR, { recursive: true });
  await mkdir(STORAGE_DIR, { recursive: true });
  if (!(await isMounted(STORAGE_DIR))) {
    if (!existsSync(STORAGE_IMAGE)) await makeFileSystem();
    const mount = ['mount', '-t', 'btrfs', '-o', 'loop,noatime', STORAGE_IMAGE, STORAGE_DIR];
    if ((await run(mount)).exitCode !== 0) {
      // An image that was cut off while it was written holds nothing that can't be built again.
      await makeFileSystem();
      await runOk(mount);
    }
  }
  await deleteTree(VOLUMES_DIR);
  await mkdir(BASES_DIR, { recursive: true });
  await mkdir(VOLUMES_DIR, { recursive: true });
}

/** Deletes the containers' volumes and unmounts; the image with the base systems stays. */
export async function storageDown(): Promise<void> {
  if (!(await isMounted(STORAGE_DIR))) return;
  await deleteTree(VOLUMES_DIR);
  await runOk(['umount', STORAGE_DIR]);
}

export async function createSubvolume(path: string): Promise<void> {
  await runOk(['btrfs', 'subvolume', 'create', path]);
}

/** A writable copy that shares its blocks with the source: takes milliseconds. */
export async function snapshotSubvolume(source: string, target: string): Promise<void> {
  await runOk(['btrfs', 'subvolume', 'snapshot', source, target]);
}

/** Deletes a directory tree, subvolumes in it included; a missing one is no error. */
export async function deleteTree(path: string): Promise<void> {
  if (!existsSync(path)) return;
  for (const subvolume of await subvolumesBelow(path)) {
    await run(['btrfs', 'property', 'set', '-ts', subvolume, 'ro', 'false']);
    await runOk(['btrfs', 'subvolume', 'delete', subvolume]);
  }
  await rm(path, { recursive: true, force: true });
}

/** Subvolumes are directories with inode number 256; containers hold none, so their inside isn't searched. */
async function subvolumesBelow(path: string): Promise<string[]> {
  const found = await run(['find', path, '-xdev', '-type', 'd', '-inum', '256', '-print', '-prune']);
  return found.stdout.split('\n').filter((line) => line.length > 0);
}

async function makeFileSystem(): Promise<void> {
  await rm(STORAGE_IMAGE, { force: true });
  await runOk(['truncate', '-s', SIZE, STORAGE_IMAGE]);
  await runOk(['mkfs.btrfs', '-q', '-L', 'proxmox-lab', STORAGE_IMAGE]);
}

export async function isMounted(path: string): Promise<boolean> {
  return (await run(['mountpoint', '-q', path])).exitCode === 0;
}

/** Names of the entries of a directory that may be missing. */
export async function entries(path: string): Promise<string[]> {
  return existsSync(path) ? await readdir(path) : [];
}
