import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { buildLibraries } from '../standin/libraries.ts';
import { buildRunfile, copyRunfile, standInDriver, writeChecksums } from '../standin/runfile.ts';
import { CONTAINER_TOOLKIT_VERSIONS, containerToolkitPackages } from './container-packages.ts';
import { commonToolkitPackages, toolkitPackages, toolkitReleases } from './cuda-packages.ts';
import { buildDeb, type DebPackage } from './deb.ts';
import { driverPackages } from './driver-packages.ts';
import { CUDA_PIN, cudaKeyringPackage } from './keyring-package.ts';
import { mapParallel } from './parallel.ts';
import { buildRepository, writeRelease } from './repository.ts';
import { ensureSigningKey, type SigningKey } from './signing.ts';

/** Where a driver version's runfile lies at NVIDIA: the general tree, the data centre tree, or both. */
interface RunfilePlace {
  version: string;
  xfree86: boolean;
  tesla: false | 'with checksum' | 'without checksum';
}

const RUNFILES: readonly RunfilePlace[] = [
  { version: '470.256.02', xfree86: true, tesla: 'with checksum' },
  { version: '535.261.03', xfree86: true, tesla: 'with checksum' },
  { version: '550.163.01', xfree86: true, tesla: 'without checksum' },
  { version: '570.133.20', xfree86: false, tesla: 'without checksum' },
  { version: '570.172.08', xfree86: false, tesla: 'with checksum' },
  { version: '580.142', xfree86: true, tesla: false },
  { version: '580.159.04', xfree86: true, tesla: 'with checksum' },
  { version: '590.48.01', xfree86: true, tesla: 'with checksum' },
];

export interface SigningKeys {
  debian12: SigningKey;
  debian13: SigningKey;
  container: SigningKey;
  /** Belongs to none of the repositories: signs the badly signed copies. */
  stranger: SigningKey;
}

export async function ensureSigningKeys(dir: string): Promise<SigningKeys> {
  const [debian12, debian13, container, stranger] = await mapParallel(
    ['debian12', 'debian13', 'container', 'stranger'] as const,
    2,
    (name) => {
      const digest = name === 'debian12' ? 'SHA1' : 'SHA512';
      return ensureSigningKey(join(dir, `${name}-${digest}`), `proxmox-lxc-nvidia lab ${name} <lab@lab.test>`, digest);
    },
  );
  return { debian12, debian13, container, stranger } as SigningKeys;
}

/** What each CUDA repository holds. libnvidia-container is in debian12's and, as at NVIDIA, not in debian13's. */
const CUDA_REPOSITORIES = {
  debian12: { toolkits: ['12.6.3', '12.8.0', '12.8.1', '12.9.1', '13.0.2'], container: true, keyFile: '3bf863cc.pub' },
  debian13: { toolkits: ['13.0.2', '13.1.1'], container: false, keyFile: '8793F200.pub' },
} as const;

const CUDA_ORIGIN = { origin: 'NVIDIA', label: 'NVIDIA CUDA' };
const CONTAINER_ORIGIN = { origin: 'https://nvidia.github.io/libnvidia-container', label: 'NVIDIA CORPORATION' };

/** Builds everything the server serves below `root`: one directory per host name. */
async function buildTree(root: string, keys: SigningKeys, firmwareBytes: number): Promise<void> {
  const libraries = await buildLibraries();
  const nvidia = join(root, 'us.download.nvidia.com');
  await mapParallel(RUNFILES, 2, async ({ version, xfree86, tesla }) => {
    const name = `NVIDIA-Linux-x86_64-${version}.run`;
    const general = join(nvidia, 'XFree86/Linux-x86_64', version, name);
    const dataCentre = join(nvidia, 'tesla', version, name);
    const first = xfree86 ? general : dataCentre;
    await buildRunfile(first, version, await standInDriver(version, libraries, firmwareBytes));
    if (xfree86) await writeChecksums(general, ['sha256', 'md5']);
    if (xfree86 && tesla) await copyRunfile(general, dataCentre);
    if (tesla === 'with checksum') await writeChecksums(dataCentre, ['sha256']);
  });
  const latest = '580.159.04';
  await writeFile(
    join(nvidia, 'XFree86/Linux-x86_64/latest.txt'),
    `${latest} ${latest}/NVIDIA-Linux-x86_64-${latest}.run\n`,
  );

  const containerPackages = CONTAINER_TOOLKIT_VERSIONS.flatMap((v) => containerToolkitPackages(v, libraries));
  const drivers = await driverPackages(libraries);
  for (const distro of ['debian12', 'debian13'] as const) {
    const { toolkits, container, keyFile } = CUDA_REPOSITORIES[distro];
    const releases = toolkitReleases(...toolkits);
    const packages: DebPackage[] = [
      ...uniquePackages(releases.flatMap((release) => toolkitPackages(release, libraries))),
      ...commonToolkitPackages(releases),
      ...drivers,
      ...(container ? containerPackages : []),
    ];
    const dir = join(root, 'developer.download.nvidia.com/compute/cuda/repos', distro, 'x86_64');
    await buildRepository(dir, { packages, gzip: true, ...CUDA_ORIGIN }, keys[distro]);
    // NVIDIA names the file after its key. The lab's key has another id, so it lies there under both names.
    const { id, armored, binary } = keys[distro];
    for (const name of [keyFile, `${id}.pub`, `${id.toLowerCase()}.pub`]) await writeFile(join(dir, name), armored);
    await writeFile(join(dir, `cuda-${distro}.pin`), CUDA_PIN);
    await buildDeb(cudaKeyringPackage(distro, binary), dir);
  }

  const github = join(root, 'nvidia.github.io/libnvidia-container');
  await buildRepository(
    join(github, 'stable/deb/amd64'),
    { packages: containerPackages, gzip: false, ...CONTAINER_ORIGIN },
    keys.container,
  );
  await writeFile(join(github, 'gpgkey'), keys.container.armored);
  const sources = (suite: string) => `deb https://nvidia.github.io/libnvidia-container/${suite}/deb/$(ARCH) /\n`;
  await writeFile(
    join(github, 'stable/deb/nvidia-container-toolkit.list'),
    `${sources('stable')}#${sources('experimental')}`,
  );
  await buildMirror(root, keys);
}

/** 12.8.0 and 12.8.1 share packages whose version is the same. */
function uniquePackages(packages: readonly DebPackage[]): DebPackage[] {
  return [...new Map(packages.map((pkg) => [`${pkg.name} ${pkg.version}`, pkg])).values()];
}

/** mirror.lab.test: what a closed network's own server would offer, the same files below other paths. */
async function buildMirror(root: string, keys: SigningKeys): Promise<void> {
  const mirror = join(root, 'mirror.lab.test');
  const link = async (path: string, target: string) => {
    await mkdir(dirname(join(mirror, path)), { recursive: true });
    await symlink(relative(dirname(join(mirror, path)), join(root, target)), join(mirror, path));
  };
  const cuda = 'developer.download.nvidia.com/compute/cuda/repos';
  await link('cuda', cuda);
  await link('libnvidia-container', 'nvidia.github.io/libnvidia-container');
  await link('nvidia', 'us.download.nvidia.com/XFree86/Linux-x86_64');
  await link('tesla', 'us.download.nvidia.com/tesla');
  // For a test that changes what a mirror holds, while others ask the first one.
  await link('second/libnvidia-container', 'nvidia.github.io/libnvidia-container');

  const badlySigned = async (from: string, to: string, origin: typeof CUDA_ORIGIN) => {
    const dir = join(mirror, 'bad-signature', to);
    await cp(join(root, from), dir, { recursive: true });
    await writeRelease(dir, origin, keys.stranger);
  };
  await badlySigned(`${cuda}/debian12/x86_64`, 'cuda/debian12/x86_64', CUDA_ORIGIN);
  await badlySigned(`${cuda}/debian13/x86_64`, 'cuda/debian13/x86_64', CUDA_ORIGIN);
  await badlySigned(
    'nvidia.github.io/libnvidia-container/stable/deb/amd64',
    'libnvidia-container/stable/deb/amd64',
    CONTAINER_ORIGIN,
  );
  const key = join(root, 'nvidia.github.io/libnvidia-container/gpgkey');
  await cp(key, join(mirror, 'bad-signature/libnvidia-container/gpgkey'));
}

/** Hash over everything the tree is made from: the lab's sources, the keys, the size. */
async function sourceHash(keys: SigningKeys, firmwareBytes: number): Promise<string> {
  const hash = createHash('sha256').update(String(firmwareBytes));
  for (const dir of [import.meta.dirname, join(import.meta.dirname, '../standin')]) {
    const files = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    for (const path of files.map((entry) => join(entry.parentPath, entry.name)).sort()) {
      if (path.endsWith('.md')) continue;
      hash
        .update(`${relative(dir, path)}\0`)
        .update(await readFile(path))
        .update('\0');
    }
  }
  for (const key of Object.values(keys)) hash.update(key.fingerprint);
  return hash.digest('hex').slice(0, 16);
}

/** The tree in `cacheDir`, built unless one of the same sources is there. Older ones are removed. */
export async function ensureTree(cacheDir: string, keys: SigningKeys, firmwareBytes: number): Promise<string> {
  const trees = join(cacheDir, 'trees');
  const tree = join(trees, await sourceHash(keys, firmwareBytes));
  if (existsSync(tree)) return tree;
  await rm(trees, { recursive: true, force: true });
  const building = `${tree}.building`;
  await mkdir(building, { recursive: true });
  await buildTree(building, keys, firmwareBytes);
  await rename(building, tree);
  return tree;
}
