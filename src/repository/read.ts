import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ActionError, messageOf } from '../errors.ts';
import type { RepositoryFacts, RepositoryPackage } from '../facts/facts.ts';
import type { RunCommand } from '../system/command.ts';
import type { Http } from '../system/http.ts';
import { lastLines, shownUrl } from '../system/text.ts';
import { primaryKeys } from './openpgp.ts';
import { parsePackageIndex } from './package-index.ts';
import type { Repository } from './repositories.ts';

/** Prints a file out of a Debian package without unpacking the rest or running anything of it. */
const MEMBER_OF_PACKAGE = 'set -e; dpkg-deb --fsys-tarfile "$1" | tar -xO "./$2" | base64 -w 0';

/** An index unpacks to a few times ten MB; more than this isn't one. */
const INDEX_LIMIT = 512 * 1024 * 1024;

/**
 * Looks up what a plan needs of a repository: its keyring, cut down to the keys that are known, and its packages.
 *
 * The index read here serves planning only; what is installed is checked by apt in the container against the signature.
 *
 * @throws ActionError REPOSITORY_UNREACHABLE, REPOSITORY_KEY_UNKNOWN
 */
export async function readRepository(
  http: Http,
  run: RunCommand,
  temporary: string,
  repository: Repository,
): Promise<RepositoryFacts> {
  const [keyring, packages] = await Promise.all([
    readKeyring(http, run, temporary, repository),
    readIndex(http, repository),
  ]);
  return { ...keyring, packages };
}

async function readKeyring(
  http: Http,
  run: RunCommand,
  temporary: string,
  { name, keySource, keys }: Repository,
): Promise<{ keyring: string; fingerprints: string[] }> {
  const body = await required(http, keySource.url, name);
  const binary =
    keySource.kind === 'key' ? body : await memberOfPackage(run, temporary, body, keySource.member, keySource.url);
  const found = primaryKeys(binary);
  const known = found.filter(({ fingerprint }) => keys.includes(fingerprint));
  if (known.length === 0) {
    const seen = found.map(({ fingerprint }) => fingerprint).join(', ') || 'no key at all';
    throw new ActionError(
      'REPOSITORY_KEY_UNKNOWN',
      `${shownUrl(keySource.url)} holds ${seen}; known for this repository is ${keys.join(', ')}.`,
      `If NVIDIA or your mirror changed the key, check it and give its fingerprint as "${name}-repository-key".`,
    );
  }
  return {
    keyring: Buffer.concat(known.map(({ packets }) => packets)).toString('base64'),
    fingerprints: known.map(({ fingerprint }) => fingerprint),
  };
}

async function memberOfPackage(
  run: RunCommand,
  temporary: string,
  content: Buffer,
  member: string,
  url: string,
): Promise<Buffer> {
  const directory = await mkdtemp(join(temporary, 'nvidia-keyring-'));
  try {
    const file = join(directory, 'keyring.deb');
    await writeFile(file, content);
    const { exitCode, stdout, stderr } = await run(['/bin/sh', '-c', MEMBER_OF_PACKAGE, 'sh', file, member], {
      timeoutSeconds: 60,
    });
    if (exitCode !== 0 || stdout === '') {
      throw new ActionError(
        'REPOSITORY_UNREACHABLE',
        `${shownUrl(url)} is no Debian package with ${member}.`,
        'A proxy or captive page may have answered: open the address in a browser.',
        lastLines(stderr, 5),
      );
    }
    return Buffer.from(stdout, 'base64');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function readIndex(http: Http, { name, uri }: Repository): Promise<RepositoryPackage[]> {
  const packed = await http.get(`${uri}Packages.gz`, 'REPOSITORY_UNREACHABLE');
  if (packed === null) {
    return parsePackageIndex((await required(http, `${uri}Packages`, name)).toString('utf8'));
  }
  try {
    return parsePackageIndex(gunzipSync(packed, { maxOutputLength: INDEX_LIMIT }).toString('utf8'));
  } catch (error) {
    throw new ActionError(
      'REPOSITORY_UNREACHABLE',
      `${shownUrl(uri)}Packages.gz is no gzip file: ${messageOf(error)}.`,
      'A proxy or captive page may have answered: open the address in a browser.',
    );
  }
}

async function required(http: Http, url: string, name: string): Promise<Buffer> {
  const body = await http.get(url, 'REPOSITORY_UNREACHABLE');
  if (body !== null) return body;
  throw new ActionError(
    'REPOSITORY_UNREACHABLE',
    `${shownUrl(url)} is not there (HTTP 404).`,
    `Check "${name}-repository", and that NVIDIA serves this distribution and architecture.`,
  );
}
