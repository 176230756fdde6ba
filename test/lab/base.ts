import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandOptions, runOk } from './command.ts';
import { type MirrorSuite, machineAptSettings, machineMirror } from './mirror.ts';
import { CA_IN_CONTAINER, CACHE_DIR, GATEWAY, IMPERSONATED_NAMES, LAB_DIR } from './paths.ts';
import { BASES_DIR, createSubvolume, deleteTree, entries, snapshotSubvolume } from './storage.ts';

export type BaseName = 'debian12' | 'debian13' | 'alpine';
export type Variant = 'minimal' | 'prepared';

/** What a container needs before NVIDIA's installer and repositories can be used; `prepared` has it already. */
const PREREQUISITES = ['build-essential', 'ca-certificates', 'curl', 'gnupg', 'kmod', 'wget'];
const CODENAMES = { debian12: 'bookworm', debian13: 'trixie' } as const;
/** Proxmox's default mapping of unprivileged containers: id 0 inside is 100000 outside. */
const ID_OFFSET = '100000';

export interface BaseWish {
  readonly base: BaseName;
  readonly variant: Variant;
  readonly unprivileged: boolean;
  /** The lab's CA certificate (a path); trusted in `prepared`, only lying there in `minimal`. */
  readonly caCertificate: string | null;
}

/**
 * Returns the subvolume to snapshot for a new container, building it and what it rests on when missing:
 * minimal (debootstrap) → prepared (apt-get) → with the lab's CA → with shifted owners. Each step is kept, named by
 * a hash of its recipe, so a changed recipe builds anew. Safe in parallel processes only under the caller's lock.
 */
export async function ensureBase(wish: BaseWish): Promise<string> {
  if (wish.base === 'alpine') {
    const alpine = await step('alpine', [await readLabFile('container-init')], null, buildAlpine);
    return await shifted(alpine, wish.unprivileged);
  }
  const codename = CODENAMES[wish.base];
  const mirror = await machineMirror();
  const settings = await machineAptSettings();
  const recipe = [codename, JSON.stringify(mirror), settings, await readLabFile('container-init'), ...PREREQUISITES];
  let path = await step(`${wish.base}-minimal`, recipe, null, (root) => buildMinimal(root, codename, mirror, settings));
  if (wish.variant === 'prepared') path = await step(`${wish.base}-prepared`, recipe, path, buildPrepared);
  if (wish.caCertificate !== null) {
    const certificate = await readFile(wish.caCertificate, 'utf8');
    path = await step(`${wish.base}-${wish.variant}-ca`, [certificate], path, async (root) => {
      await writeFile(join(root, CA_IN_CONTAINER), certificate);
      if (wish.variant === 'prepared') await inChroot(root, ['update-ca-certificates']);
    });
  }
  return await shifted(path, wish.unprivileged);
}

function shifted(path: string, unprivileged: boolean): Promise<string> | string {
  if (!unprivileged) return path;
  const name = path.slice(BASES_DIR.length + 1).replace(/\.[0-9a-f]+$/, '');
  return step(`${name}-unprivileged`, ['1'], path, async (root) => {
    await runOk([join(LAB_DIR, 'shift-owner'), root, ID_OFFSET]);
  });
}

/** One kept building step: a snapshot of `parent` (or a new subvolume) that `build` has worked on. */
async function step(
  name: string,
  recipe: readonly string[],
  parent: string | null,
  build: (root: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256')
    .update(JSON.stringify([recipe, parent, build.toString()]))
    .digest('hex');
  const target = join(BASES_DIR, `${name}.${hash.slice(0, 12)}`);
  if (existsSync(target)) return target;
  for (const stale of (await entries(BASES_DIR)).filter((entry) => entry.replace(/\.[^.]*$/, '') === name)) {
    await deleteTree(join(BASES_DIR, stale));
  }
  const unfinished = join(BASES_DIR, `${name}.unfinished`);
  if (parent === null) await createSubvolume(unfinished);
  else await snapshotSubvolume(parent, unfinished);
  await build(unfinished);
  await rename(unfinished, target);
  return target;
}

async function buildMinimal(
  root: string,
  codename: string,
  mirror: readonly MirrorSuite[],
  settings: string,
): Promise<void> {
  const downloads = join(CACHE_DIR, 'debootstrap', codename);
  await mkdir(downloads, { recursive: true });
  const main = mirror.find((suite) => suite.suffix === '');
  const from = main ? [main.uri] : [];
  await runOk(['debootstrap', '--variant=minbase', `--cache-dir=${downloads}`, codename, root, ...from], {
    env: cleanEnvironment(),
  });
  if (mirror.length > 0) {
    const lines = mirror.map(
      ({ uri, suffix, components }) => `deb ${uri} ${codename}${suffix} ${components.join(' ')}\n`,
    );
    await writeFile(join(root, 'etc/apt/sources.list'), lines.join(''));
  }
  if (settings) await writeFile(join(root, 'etc/apt/apt.conf.d/90machine'), settings);
  // Containers live for minutes: what a power cut would lose doesn't matter.
  await writeFile(join(root, 'etc/dpkg/dpkg.cfg.d/unsafe-io'), 'force-unsafe-io\n');
  await writeFile(join(root, 'etc/hostname'), 'container\n');
  await writeHosts(root);
  await mkdir(join(root, 'usr/local/share/ca-certificates'), { recursive: true });
  await installInit(root);
  await rm(join(root, 'dev'), { recursive: true, force: true });
  await mkdir(join(root, 'dev'));
  // The prerequisites' archives lie in apt's cache, so that a container that installs them needn't download them again.
  await inChroot(root, ['apt-get', 'update']);
  await inChroot(root, ['apt-get', 'install', '-y', '--no-install-recommends', '--download-only', ...PREREQUISITES]);
  for (const list of await entries(join(root, 'var/lib/apt/lists'))) {
    await rm(join(root, 'var/lib/apt/lists', list), { recursive: true, force: true });
  }
}

async function buildPrepared(root: string): Promise<void> {
  await inChroot(root, ['apt-get', 'update']);
  await inChroot(root, ['apt-get', 'install', '-y', '--no-install-recommends', ...PREREQUISITES]);
}

/** Just enough of Alpine for a refusal: its os-release, busybox as /bin/sh. */
async function buildAlpine(root: string): Promise<void> {
  const download = join(CACHE_DIR, 'busybox');
  await rm(download, { recursive: true, force: true });
  await mkdir(download, { recursive: true });
  await chmod(download, 0o777); // apt downloads as the user _apt
  await runOk(['apt-get', 'download', 'busybox-static'], { cwd: download });
  const archive = (await entries(download)).find((name) => name.endsWith('.deb'));
  if (!archive) throw new Error(`apt-get download busybox-static left no .deb in ${download}`);
  await runOk(['dpkg-deb', '-x', join(download, archive), join(download, 'tree')]);
  for (const directory of 'bin sbin usr/bin usr/sbin etc dev proc sys tmp root run var/tmp home lib'.split(' ')) {
    await mkdir(join(root, directory), { recursive: true });
  }
  await chmod(join(root, 'tmp'), 0o1777);
  const tree = join(download, 'tree');
  const busybox = [join(tree, 'bin/busybox'), join(tree, 'usr/bin/busybox')].find((path) => existsSync(path));
  if (!busybox) throw new Error('busybox-static holds no busybox where it was expected');
  await copyFile(busybox, join(root, 'bin/busybox'));
  await chmod(join(root, 'bin/busybox'), 0o755);
  await runOk(['chroot', root, '/bin/busybox', '--install', '-s', '/bin']);
  await writeFile(
    join(root, 'etc/os-release'),
    'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME="Alpine Linux v3.22"\n',
  );
  await writeFile(join(root, 'etc/alpine-release'), '3.22.1\n');
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n');
  await writeHosts(root);
  await installInit(root);
}

async function writeHosts(root: string): Promise<void> {
  const names = IMPERSONATED_NAMES.map((name) => `${GATEWAY} ${name}\n`).join('');
  await writeFile(join(root, 'etc/hosts'), `127.0.0.1 localhost\n::1 localhost\n${names}`);
}

async function installInit(root: string): Promise<void> {
  await copyFile(join(LAB_DIR, 'container-init'), join(root, 'sbin/init'));
  await chmod(join(root, 'sbin/init'), 0o755);
}

const CHROOT = `
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
cp --dereference --remove-destination /etc/resolv.conf "$1/etc/resolv.conf"
root=$1
shift
exec chroot "$root" "$@"
`;

/** Runs a program in a base system that isn't started, in a mount namespace of its own. */
export function inChroot(root: string, argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  return runOk(['unshare', '--mount', '--pid', '--fork', 'sh', '-c', CHROOT, 'sh', root, ...argv], {
    env: cleanEnvironment(),
    ...options,
  });
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
  };
}

function readLabFile(name: string): Promise<string> {
  return readFile(join(LAB_DIR, name), 'utf8');
}
