import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NVIDIA_CONTAINER_KEY } from '../../../src/repository/distribution.ts';
import { nvidiaKeyring } from '../../../src/repository/nvidia-keys.ts';
import { keyringFacts } from '../../../src/repository/openpgp.ts';
import { carriedKeyring } from '../helpers/facts.ts';
import { fixture } from '../helpers/fixtures.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const DEBIAN13 = '02182E60104FCDC26EAE1B8597A5D4CB8793F200';

describe("NVIDIA's keys", () => {
  it.each([
    ['EB693B3035CD5710E231E123A4B469963BF863CC', '2022-04-14', 'cudatools <cudatools@nvidia.com>'],
    [DEBIAN13, '2025-08-15', 'Kitmaker (Debian 13 Trixie) <kitmaker@nvidia.com>'],
    [NVIDIA_CONTAINER_KEY, '2017-09-28', 'NVIDIA CORPORATION (Open Source Projects) <cudatools@nvidia.com>'],
  ])('%s is what gpg says it is', (fingerprint, created, userId) => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o700);
    const file = join(directory, 'key.gpg');
    writeFileSync(file, carriedKeyring(fingerprint));
    const gpg = (...args: string[]) =>
      execFileSync('gpg', ['--homedir', directory, '--batch', '--no-tty', '--with-colons', ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    gpg('--import', file);
    const records = gpg('--check-signatures')
      .split('\n')
      .map((line) => line.split(':'));
    const of = (type: string) => records.filter((record) => record[0] === type);
    expect(of('fpr').map((record) => record[9])).toEqual([fingerprint]);
    expect(of('uid').map((record) => record[9])).toEqual([userId]);
    // Its own signature, and a good one.
    expect(of('sig').map((record) => [record[1], record[4]])).toEqual([['!', fingerprint.slice(-16)]]);
    const [, , , , , madeAt = '', expiresAt] = of('pub')[0] ?? [];
    expect(new Date(Number(madeAt) * 1000).toISOString().slice(0, 10)).toBe(created);
    expect(expiresAt).toBe('');
    expect(keyringFacts(carriedKeyring(fingerprint)).fingerprints).toEqual([fingerprint]);
  });

  it('are no others', () => {
    expect(nvidiaKeyring('14BAFBC7562AD710CA04E69905FBB6DA60DF8A40')).toBeNull();
  });

  it("check what NVIDIA's repository of libnvidia-container was signed with", () => {
    const directory = temporaryDirectory();
    const [keyring, release] = [join(directory, 'keyring.gpg'), join(directory, 'InRelease')];
    writeFileSync(keyring, carriedKeyring(NVIDIA_CONTAINER_KEY));
    writeFileSync(release, fixture('keys/libnvidia-container-InRelease'));
    execFileSync('gpgv', ['--keyring', keyring, release], { stdio: 'ignore' });
    writeFileSync(keyring, carriedKeyring(DEBIAN13));
    expect(() => execFileSync('gpgv', ['--keyring', keyring, release], { stdio: 'ignore' })).toThrow();
  });
});
