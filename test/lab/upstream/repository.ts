import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runOk } from '../command.ts';
import { buildDeb, type DebPackage, SOURCE_DATE_EPOCH } from './deb.ts';
import { mapParallel } from './parallel.ts';
import { type SigningKey, signRelease } from './signing.ts';

export interface FlatRepository {
  packages: readonly DebPackage[];
  origin: string;
  label: string;
  /** Whether Packages.gz is offered beside Packages. NVIDIA's CUDA repositories do, its GitHub pages don't. */
  gzip: boolean;
}

/**
 * Builds a flat apt repository (`deb <url> /`) in `dir`, as both of NVIDIA's are: packages, Packages, Release, and the
 * signature in both forms.
 */
export async function buildRepository(dir: string, repository: FlatRepository, key: SigningKey): Promise<void> {
  await mkdir(dir, { recursive: true });
  const files = await mapParallel(repository.packages, 3, (pkg) => buildDeb(pkg, dir));
  const packages = (await mapParallel([...files].sort(), 3, (file) => packageEntry(dir, file))).join('\n');
  await writeFile(join(dir, 'Packages'), packages);
  if (repository.gzip) await writeFile(join(dir, 'Packages.gz'), gzipSync(packages));
  await writeRelease(dir, repository, key);
}

/** Writes Release and signs it; used alone for a second copy of a repository with another signature. */
export async function writeRelease(
  dir: string,
  { origin, label }: Pick<FlatRepository, 'origin' | 'label'>,
  key: SigningKey,
): Promise<void> {
  const indexes = (await readdir(dir)).filter((name) => /^Packages(\.gz)?$/.test(name)).sort();
  const sums = async (algorithm: string) => {
    const lines = indexes.map(async (name) => {
      const bytes = await readFile(join(dir, name));
      return ` ${sum(algorithm, bytes)} ${bytes.length} ${name}\n`;
    });
    return (await Promise.all(lines)).join('');
  };
  const date = new Date(SOURCE_DATE_EPOCH * 1000).toUTCString();
  const release =
    `Origin: ${origin}\nLabel: ${label}\nDate: ${date}\n` +
    `MD5Sum:\n${await sums('md5')}SHA1:\n${await sums('sha1')}SHA256:\n${await sums('sha256')}`;
  await writeFile(join(dir, 'Release'), release);
  await signRelease(dir, key);
}

/** A package's paragraph in Packages: its control file, and where and what its file is. */
async function packageEntry(dir: string, file: string): Promise<string> {
  const control = await runOk(['dpkg-deb', '--field', join(dir, file)]);
  const bytes = await readFile(join(dir, file));
  return (
    `${control}Filename: ./${file}\nSize: ${bytes.length}\n` +
    `MD5sum: ${sum('md5', bytes)}\nSHA1: ${sum('sha1', bytes)}\nSHA256: ${sum('sha256', bytes)}\n`
  );
}

function sum(algorithm: string, bytes: Buffer): string {
  return createHash(algorithm).update(bytes).digest('hex');
}
