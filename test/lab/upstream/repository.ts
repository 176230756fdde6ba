import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runOk } from '../command.ts';
import { buildDeb, type DebPackage } from './deb.ts';
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
  await mapParallel(repository.packages, 3, (pkg) => buildDeb(pkg, dir));
  const packages = await runOk(['apt-ftparchive', 'packages', '.'], { cwd: dir });
  await writeFile(join(dir, 'Packages'), packages);
  if (repository.gzip) await writeFile(join(dir, 'Packages.gz'), gzipSync(packages));
  await writeRelease(dir, repository, key);
}

/** Writes Release and signs it; used alone for a second copy of a repository with another signature. */
export async function writeRelease(
  dir: string,
  repository: Pick<FlatRepository, 'origin' | 'label'>,
  key: SigningKey,
): Promise<void> {
  const field = (name: string, value: string) => ['-o', `APT::FTPArchive::Release::${name}=${value}`];
  const fields = [...field('Origin', repository.origin), ...field('Label', repository.label)];
  const release = await runOk(['apt-ftparchive', ...fields, 'release', '.'], { cwd: dir });
  await writeFile(join(dir, 'Release'), release);
  await signRelease(dir, key);
}
