import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { APT_CAUSES } from '../../../src/diagnosis/apt.ts';
import { diagnose } from '../../../src/diagnosis/cause.ts';

/** apt's own words for each cause, in the table's order. */
const WORDS: [string, string][] = [
  ['CONTAINER_SPACE', "E: You don't have enough free space in /var/cache/apt/archives/."],
  [
    'APT_SIGNATURE',
    "W: OpenPGP signature verification failed: https://x InRelease: Sub-process /usr/bin/sqv returned an error code (1), error message is: because: SHA1 is not considered secure since 2026-02-01T00:00:00Z\nE: The repository 'https://x InRelease' is not signed.",
  ],
  [
    'APT_SIGNATURE',
    "W: GPG error: https://x  InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY DDCAE044F796ECB0",
  ],
  ['APT_CERTIFICATE', 'E: Failed to fetch https://x  Certificate verification failed: The certificate is NOT trusted.'],
  ['APT_LOCKED', 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1423 (unattended-upgr)'],
  [
    'CONTAINER_DPKG_BROKEN',
    "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.",
  ],
  [
    'CONTAINER_REPOSITORY_CONFLICT',
    'E: Conflicting values set for option Signed-By regarding source https://x/ /: /a != /b',
  ],
  [
    'REPOSITORY_UNREACHABLE',
    "Err:2 https://x Release\n  404  Not Found [IP: 10.0.0.1 443]\nE: The repository 'https://x Release' does not have a Release file.",
  ],
  ['APT_FILE_NOT_FOUND', 'E: Failed to fetch https://x/kmod.deb  404  Not Found [IP: 10.0.0.1 443]'],
  [
    'APT_OUT_OF_SYNC',
    'E: Failed to fetch https://x/Packages.gz  File has unexpected size (1 != 2). Mirror sync in progress?',
  ],
  ['PACKAGE_NOT_AVAILABLE', "E: Version '12.8.1-1' for 'cuda-toolkit-12-8' was not found"],
  ['APT_DEPENDENCIES', 'E: Unable to correct problems, you have held broken packages.'],
  ['REPOSITORY_UNREACHABLE', "Err:1 https://x InRelease\n  Temporary failure resolving 'x'"],
];

describe('why apt failed', () => {
  it.each(WORDS)('%s: %s', (code, words) => {
    const found = diagnose(APT_CAUSES, words, 901);
    expect(found?.code).toBe(code);
    expect(found?.remedy).not.toContain('CTID');
  });

  it('has words for every cause', () => {
    const found = WORDS.map(([, words]) => APT_CAUSES.find(({ shows }) => shows(words) !== false));
    expect(found).toEqual(APT_CAUSES);
  });

  it.each(["E: Package 'kmod' has no installation candidate", 'E: Unable to locate package kmod'])('%s', (words) => {
    expect(diagnose(APT_CAUSES, words, 901)?.code).toBe('PACKAGE_NOT_AVAILABLE');
  });

  it('is not told by what a package says of itself', () => {
    const sayings = WORDS.slice(5).map(([, words]) => `Setting up x: ${words.replaceAll('\n', ' ')}`);
    for (const saying of sayings) expect(diagnose(APT_CAUSES, saying, 901)).toBeNull();
  });

  it('is always one of the table, or unknown', () => {
    const pieces = fc.constantFrom(...WORDS.flatMap(([, words]) => words.split(/(?<= )/)), '\n', 'E: ', 'W: ');
    fc.assert(
      fc.property(fc.array(pieces), (words) => {
        const found = diagnose(APT_CAUSES, words.join(''), 901);
        if (found !== null) expect(APT_CAUSES.map(({ code }) => code)).toContain(found.code);
      }),
    );
  });
});
