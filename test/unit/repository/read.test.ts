import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readRepository } from '../../../src/repository/read.ts';
import type { Repository } from '../../../src/repository/repositories.ts';
import { runCommand } from '../../../src/system/command.ts';
import type { Http } from '../../../src/system/http.ts';
import { failureOf } from '../helpers/failure.ts';
import { fixture } from '../helpers/fixtures.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const ONE = '81464A4A8AC2BB428377C0EA7F586458091BE790';
const TWO = '4D1E912DF971C2B39BA84ABEE400B4924F78C311';
const URI = 'https://mirror.example/cuda/debian12/x86_64/';
const MEMBER = 'usr/share/keyrings/cuda-archive-keyring.gpg';
const INDEX = 'Package: cuda-toolkit-12-8\nVersion: 12.8.1-1\nSize: 7\n';

const BARE: Repository = {
  name: 'nvidia-container',
  uri: URI,
  keySource: { kind: 'key', url: `${URI}gpgkey` },
  keys: [TWO],
  keyring: '/etc/apt/keyrings/x.gpg',
};
const PACKAGED: Repository = {
  ...BARE,
  name: 'cuda',
  keySource: { kind: 'keyring-package', url: `${URI}cuda-keyring_1.1-1_all.deb`, member: MEMBER },
};

function web(files: Record<string, Buffer>): Http {
  return {
    get: async (url) => files[url.replace(URI, '')] ?? null,
    head: () => Promise.reject(new Error('not needed')),
    download: () => Promise.reject(new Error('not needed')),
  };
}

/** A keyring package as NVIDIA's: one file, or a link to another. */
async function keyringPackage(content: Buffer | string): Promise<Buffer> {
  const root = temporaryDirectory();
  mkdirSync(join(root, 'p/DEBIAN'), { recursive: true });
  mkdirSync(join(root, 'p/usr/share/keyrings'), { recursive: true });
  writeFileSync(
    join(root, 'p/DEBIAN/control'),
    'Package: cuda-keyring\nVersion: 1.1-1\nArchitecture: all\nMaintainer: x <x@example.invalid>\nDescription: x\n',
  );
  if (typeof content === 'string') symlinkSync(content, join(root, 'p', MEMBER));
  else writeFileSync(join(root, 'p', MEMBER), content);
  const { exitCode, stderr } = await runCommand(
    ['/usr/bin/dpkg-deb', '--root-owner-group', '-Zgzip', '-b', join(root, 'p'), join(root, 'p.deb')],
    { timeoutSeconds: 20 },
  );
  expect([exitCode, stderr]).toEqual([0, '']);
  return readFile(join(root, 'p.deb'));
}

const noCommand = () => Promise.reject(new Error('no command is needed'));

const index = { 'Packages.gz': gzipSync(INDEX) };
const key = { gpgkey: fixture('keys/two.gpg') };

describe('readRepository', { timeout: 60_000 }, () => {
  it('keeps of a keyring only the keys that are known', async () => {
    const files = { gpgkey: fixture('keys/both.asc'), 'Packages.gz': gzipSync(INDEX) };
    expect(await readRepository(web(files), noCommand, temporaryDirectory(), BARE)).toEqual({
      keyring: fixture('keys/two.gpg').toString('base64'),
      fingerprints: [TWO],
      packages: [{ name: 'cuda-toolkit-12-8', version: '12.8.1-1', downloadSize: 7, installedSize: 0, depends: [] }],
    });
  });

  it('takes the keyring out of a package without running anything of it', async () => {
    const temporary = temporaryDirectory();
    const files = {
      'cuda-keyring_1.1-1_all.deb': await keyringPackage(fixture('keys/both.gpg')),
      'Packages.gz': gzipSync(INDEX),
    };
    const facts = await readRepository(web(files), runCommand, temporary, { ...PACKAGED, keys: [ONE, TWO] });
    expect(facts.fingerprints).toEqual([ONE, TWO]);
    expect(facts.keyring).toBe(fixture('keys/both.gpg').toString('base64'));
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('asks nobody for a key that is carried', async () => {
    const carried: Repository = { ...BARE, keySource: { kind: 'carried', keyring: fixture('keys/two.gpg') } };
    const facts = await readRepository(web({ 'Packages.gz': gzipSync(INDEX) }), noCommand, 'nowhere', carried);
    expect(facts).toMatchObject({ keyring: fixture('keys/two.gpg').toString('base64'), fingerprints: [TWO] });
  });

  it('keeps nothing of what a server puts behind the known key', async () => {
    const smuggled = Buffer.concat([fixture('keys/two.gpg'), Buffer.from('c50104', 'hex'), fixture('keys/one.gpg')]);
    const facts = await readRepository(web({ gpgkey: smuggled, ...index }), noCommand, 'nowhere', BARE);
    expect(facts.keyring).toBe(fixture('keys/two.gpg').toString('base64'));
  });

  it('reads the plain index where there is no packed one', async () => {
    const files = { gpgkey: fixture('keys/two.gpg'), Packages: Buffer.from(INDEX) };
    const facts = await readRepository(web(files), noCommand, temporaryDirectory(), BARE);
    expect(facts.packages).toHaveLength(1);
  });

  it.each<[string, Record<string, Buffer>, Repository, string, string[]]>([
    [
      'a key that is not known',
      { ...index, gpgkey: fixture('keys/one.asc') },
      BARE,
      'REPOSITORY_KEY_UNKNOWN',
      [ONE, TWO, 'nvidia-container-repository-key'],
    ],
    [
      'an index that unpacks to more than 64 MiB',
      { ...key, 'Packages.gz': Buffer.concat(Array<Buffer>(65).fill(gzipSync(Buffer.alloc(1024 * 1024, 'a\n\n')))) },
      BARE,
      'REPOSITORY_UNREACHABLE',
      ['Packages.gz', '67108864 bytes'],
    ],
    ['no key at all', { ...index, gpgkey: Buffer.from('<html>') }, BARE, 'REPOSITORY_KEY_UNKNOWN', ['no key at all']],
    ['a key that is not there', index, BARE, 'REPOSITORY_UNREACHABLE', ['gpgkey', '404']],
    [
      'an index that is not there',
      key,
      BARE,
      'REPOSITORY_UNREACHABLE',
      ['Packages', '404', 'nvidia-container-repository'],
    ],
    [
      'an index that is no gzip',
      { ...key, 'Packages.gz': Buffer.from('<html>') },
      BARE,
      'REPOSITORY_UNREACHABLE',
      ['Packages.gz'],
    ],
    [
      'a package that is none',
      { ...index, 'cuda-keyring_1.1-1_all.deb': Buffer.from('<html>') },
      PACKAGED,
      'REPOSITORY_UNREACHABLE',
      ['cuda-keyring_1.1-1_all.deb'],
    ],
  ])('refuses %s', async (_what, files, repository, code, named) => {
    const temporary = temporaryDirectory();
    const failure = await failureOf(() => readRepository(web(files), runCommand, temporary, repository));
    expect(failure.code).toBe(code);
    for (const name of named) expect(failure.message).toContain(name);
  });

  it('takes no keyring out of a package that is larger than a keyring', async () => {
    const files = { ...index, 'cuda-keyring_1.1-1_all.deb': await keyringPackage(Buffer.alloc(30 * 1024 * 1024)) };
    const failure = await failureOf(() => readRepository(web(files), runCommand, temporaryDirectory(), PACKAGED));
    expect(failure).toMatchObject({
      code: 'REPOSITORY_UNREACHABLE',
      seen: expect.stringContaining('of at most 262144 bytes'),
    });
  });

  it('takes no link for a keyring', async () => {
    const files = { ...index, 'cuda-keyring_1.1-1_all.deb': await keyringPackage('/etc/passwd') };
    const failure = await failureOf(() => readRepository(web(files), runCommand, temporaryDirectory(), PACKAGED));
    expect(failure.code).toBe('REPOSITORY_UNREACHABLE');
  });

  it('refuses a package without the keyring', async () => {
    const files = { ...index, 'cuda-keyring_1.1-1_all.deb': await keyringPackage(fixture('keys/one.gpg')) };
    const other: Repository = {
      ...PACKAGED,
      keySource: {
        kind: 'keyring-package',
        url: `${URI}cuda-keyring_1.1-1_all.deb`,
        member: 'usr/share/keyrings/other.gpg',
      },
    };
    const failure = await failureOf(() => readRepository(web(files), runCommand, temporaryDirectory(), other));
    expect(failure.code).toBe('REPOSITORY_UNREACHABLE');
    expect(failure.message).toContain('usr/share/keyrings/other.gpg');
  });
});
