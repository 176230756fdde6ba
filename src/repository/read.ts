import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { ActionError, messageOf } from '../errors.ts';
import type { RepositoryFacts, RepositoryPackage } from '../facts/facts.ts';
import type { RunCommand } from '../system/command.ts';
import type { Http } from '../system/http.ts';
import { NETWORK_LIMITS } from '../system/limits.ts';
import { lastLines, shownUrl } from '../system/text.ts';
import { primaryKeys } from './openpgp.ts';
import { NotAnIndex, PackageIndex } from './package-index.ts';
import type { KeySource, Repository } from './repositories.ts';

/**
 * Prints a plain file out of a Debian package without unpacking the rest or running anything of it. Arguments: the package, the
 * file, how many bytes of it at most. What takes more memory (512 MiB of addresses) or processor time (20 s) than any honest
 * package is ended by the kernel: what is packed into a few kilobytes may have no end.
 */
const MEMBER_OF_PACKAGE = `
set -e
ulimit -v 524288
ulimit -t 20
dpkg-deb --fsys-tarfile "$1" | tar -xO --occurrence=1 "./$2" | head -c "$3" | base64 -w 0
`;

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
  const found = primaryKeys(await keyringBytes(http, run, temporary, name, keySource));
  const known = found.filter(({ fingerprint }) => keys.includes(fingerprint));
  if (known.length === 0) {
    const seen = found.map(({ fingerprint }) => fingerprint).join(', ') || 'no key at all';
    const where = keySource.kind === 'carried' ? 'What this action carries' : shownUrl(keySource.url);
    throw new ActionError(
      'REPOSITORY_KEY_UNKNOWN',
      `${where} holds ${seen}; known for this repository is ${keys.join(', ')}.`,
      `If NVIDIA or your mirror changed the key, check it and give its fingerprint as "${name}-repository-key".`,
    );
  }
  return {
    keyring: Buffer.concat(known.map(({ packets }) => packets)).toString('base64'),
    fingerprints: known.map(({ fingerprint }) => fingerprint),
  };
}

async function keyringBytes(
  http: Http,
  run: RunCommand,
  temporary: string,
  name: string,
  source: KeySource,
): Promise<Buffer> {
  if (source.kind === 'carried') return source.keyring;
  const body = await required(http, source.url, name, NETWORK_LIMITS.keyBytes);
  return source.kind === 'key' ? body : await memberOfPackage(run, temporary, body, source.member, source.url);
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
    const most = NETWORK_LIMITS.keyBytes;
    const { exitCode, stdout, stderr } = await run(
      ['/bin/sh', '-c', MEMBER_OF_PACKAGE, 'sh', file, member, String(most + 1)],
      { timeoutSeconds: 60 },
    );
    const keyring = Buffer.from(stdout, 'base64');
    if (exitCode !== 0 || keyring.length === 0 || keyring.length > most) {
      throw new ActionError(
        'REPOSITORY_UNREACHABLE',
        `${shownUrl(url)} is not a Debian package with ${member} of at most ${most} bytes.`,
        'A proxy or captive page may have answered: open the address in a browser.',
        lastLines(stderr, 5),
      );
    }
    return keyring;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function readIndex(http: Http, { name, uri }: Repository): Promise<RepositoryPackage[]> {
  const packed = await http.get(`${uri}Packages.gz`, 'REPOSITORY_UNREACHABLE', NETWORK_LIMITS.indexBytes);
  const index = `${uri}Packages${packed === null ? '' : '.gz'}`;
  try {
    return packed === null
      ? await parsed([await required(http, index, name, NETWORK_LIMITS.indexBytes)])
      : await parsed(unpacked(packed));
  } catch (error) {
    if (error instanceof ActionError) throw error;
    throw new ActionError(
      'REPOSITORY_UNREACHABLE',
      error instanceof NotAnIndex
        ? `${shownUrl(index)} is not a package index: ${error.message}.`
        : `${shownUrl(index)} is not a gzip file: ${messageOf(error)}.`,
      'A proxy or captive page may have answered: open the address in a browser.',
    );
  }
}

/** Bytes that are read at a time: what they unpack to is gone before the next come. */
const PIECE = 128 * 1024;

/** The content of a gzip file, piece by piece. @throws NotAnIndex when it is more than an index has, and what zlib throws */
async function* unpacked(packed: Buffer): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: PIECE });
  gunzip.end(packed);
  let size = 0;
  for await (const piece of gunzip as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > NETWORK_LIMITS.unpackedIndexBytes) {
      throw new NotAnIndex(`it unpacks to more than ${NETWORK_LIMITS.unpackedIndexBytes} bytes`);
    }
    yield piece;
  }
}

async function parsed(content: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<RepositoryPackage[]> {
  const index = new PackageIndex();
  for await (const bytes of content) {
    for (let at = 0; at < bytes.length; at += PIECE) index.push(bytes.toString('latin1', at, at + PIECE));
  }
  return index.packages();
}

async function required(http: Http, url: string, name: string, most: number): Promise<Buffer> {
  const body = await http.get(url, 'REPOSITORY_UNREACHABLE', most);
  if (body !== null) return body;
  throw new ActionError(
    'REPOSITORY_UNREACHABLE',
    `${shownUrl(url)} is not there (HTTP 404).`,
    `Check "${name}-repository", and that NVIDIA serves this distribution and architecture.`,
  );
}
