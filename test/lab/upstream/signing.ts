import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runOk } from '../command.ts';

/** An OpenPGP key that signs one of the lab's repositories. */
export interface SigningKey {
  /** 40 hexadecimal digits, upper case. */
  fingerprint: string;
  /** Last 8 digits, as in the names NVIDIA gives its key files (3bf863cc.pub, 8793F200.pub). */
  id: string;
  /** Public key, ASCII armoured. */
  armored: string;
  /** Public key, binary: what apt's signed-by wants in a .gpg file. */
  binary: Buffer;
  home: string;
}

const gpg = (home: string, ...args: string[]): Promise<string> =>
  runOk(['gpg', '--homedir', home, '--batch', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', '', ...args]);

/**
 * Makes an RSA-4096 key, or takes the one already in `dir`.
 *
 * @param selfSignature digest that binds the user id to the key: with SHA1, as in NVIDIA's older key (of Debian 12 and before),
 *   Debian 13's apt refuses everything that the key has signed since 2026-02-01
 */
export async function ensureSigningKey(
  dir: string,
  userId: string,
  selfSignature: 'SHA1' | 'SHA512',
): Promise<SigningKey> {
  const fingerprintFile = join(dir, 'fingerprint');
  if (!existsSync(fingerprintFile)) {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await gpg(dir, '--cert-digest-algo', selfSignature, '--quick-generate-key', userId, 'rsa4096', 'sign', 'never');
    const listing = await gpg(dir, '--with-colons', '--list-keys');
    const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(listing)?.[1];
    if (!fingerprint) throw new Error(`gpg made no key in ${dir}: ${listing}`);
    await gpg(dir, '--output', join(dir, 'public.asc'), '--armor', '--export', fingerprint);
    await gpg(dir, '--output', join(dir, 'public.gpg'), '--export', fingerprint);
    await writeFile(fingerprintFile, fingerprint);
    await stopAgent(dir);
  }
  const fingerprint = await readFile(fingerprintFile, 'utf8');
  const armored = await readFile(join(dir, 'public.asc'), 'utf8');
  const binary = await readFile(join(dir, 'public.gpg'));
  return { fingerprint, id: fingerprint.slice(-8), armored, binary, home: dir };
}

/** The secret half, binary, as whoever owns the key has it. */
export async function secretKey({ home, fingerprint }: SigningKey): Promise<Buffer> {
  const file = join(home, 'secret.gpg');
  await gpg(home, '--yes', '--output', file, '--export-secret-keys', fingerprint);
  await stopAgent(home);
  return await readFile(file);
}

/** Writes Release.gpg and InRelease beside the Release file in `dir`. */
export async function signRelease(dir: string, key: SigningKey): Promise<void> {
  const release = join(dir, 'Release');
  const common = ['--yes', '--digest-algo', 'SHA512', '--local-user', key.fingerprint];
  await gpg(key.home, ...common, '--armor', '--detach-sign', '--output', join(dir, 'Release.gpg'), release);
  await gpg(key.home, ...common, '--clearsign', '--output', join(dir, 'InRelease'), release);
  await stopAgent(key.home);
}

/** gpg starts an agent for every home directory and leaves it running. */
const stopAgent = (home: string): Promise<string> => runOk(['gpgconf', '--homedir', home, '--kill', 'gpg-agent']);
