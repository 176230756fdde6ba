import fc from 'fast-check';
import { describe, it } from 'vitest';
import { compareDebianVersions, isDebianVersion } from '../../../src/repository/debian-version.ts';
import { keyringFacts, primaryKeys } from '../../../src/repository/openpgp.ts';
import { NotAnIndex, PackageIndex } from '../../../src/repository/package-index.ts';
import { parseSha256Sum } from '../../../src/runfile/address.ts';
import { fixture } from '../helpers/fixtures.ts';
import { expectLinear } from '../helpers/linear-time.ts';

/* What servers send is read in time in proportion to it, whatever it holds. */

/** The parsers, each with the most bytes that are tried and pieces of which its texts are made. */
const PARSERS: { name: string; bytes: number; parse: (text: string) => void; pieces: string[] }[] = [
  {
    name: 'primaryKeys',
    bytes: 256 * 1024,
    parse: (text) => {
      const keyring = Buffer.from(text, 'latin1');
      primaryKeys(keyring);
      keyringFacts(keyring);
    },
    pieces: [
      '-----BEGIN PGP PUBLIC KEY BLOCK-----\n',
      '-----END PGP PUBLIC KEY BLOCK-----\n',
      '-----BEGIN PGP ',
      'Comment: a\n',
      'AAAA\n',
      '=AAA\n',
      'A',
      '=',
      '\n',
      '\r',
      ' ',
      '-',
      // Packets: a key of version 4, a user id, a signature, a trust packet, a secret key.
      '\xc6\x01\x04',
      '\xc6\x01\x03',
      '\xcd\x00',
      '\xc2\x00',
      '\xcc\x00',
      '\xc5\x00',
      '\x98\x01\x04',
      fixture('keys/two.gpg').toString('latin1'),
    ],
  },
  {
    name: 'PackageIndex',
    bytes: 1024 * 1024,
    parse: (text) => {
      try {
        const index = new PackageIndex();
        for (let at = 0; at < text.length; at += 65_536) index.push(text.slice(at, at + 65_536));
        index.packages();
      } catch (error) {
        if (!(error instanceof NotAnIndex)) throw error;
      }
    },
    pieces: [
      '\n',
      '\n\n',
      'a\n\n',
      'Package: p\n',
      'Package: q\nVersion: 1\nDepends: a, b | c, d (>= 1)\n\n',
      'Version: 1.2-3\n',
      'Depends: a,,,, b\n',
      'Depends: ',
      ' ',
      ',',
      ':',
      'a',
      '\r',
      'Size: 9\n',
    ],
  },
  {
    name: 'compareDebianVersions',
    bytes: 128 * 1024,
    parse: (text) => {
      isDebianVersion(text);
      compareDebianVersions(text, `${text}1`);
      compareDebianVersions(`1:${text}~`, `1:${text}`);
    },
    pieces: ['0', '1', '9', 'a', '.', '-', ':', '~', '+', '1.', '00', 'a1', ' '],
  },
  {
    name: 'parseSha256Sum',
    bytes: 1024 * 1024,
    parse: (text) => void parseSha256Sum(text),
    pieces: [' ', '\n', 'a', '0', 'g', 'ab'.repeat(32), '  x.run\n'],
  },
];

describe.each(PARSERS)('$name', { timeout: 120_000 }, ({ parse, pieces, bytes }) => {
  const piece = fc.constantFrom(...pieces);
  // A beginning, and what comes again and again.
  const texts = fc
    .tuple(fc.array(piece, { maxLength: 2 }), fc.array(piece, { minLength: 1, maxLength: 3 }))
    .map(([first, repeated]) => {
      const unit = repeated.join('');
      return (first.join('') + unit.repeat(Math.ceil(bytes / unit.length))).slice(0, bytes);
    });

  it.each(pieces.map((unit) => [unit.slice(0, 20), unit]))('takes no longer per byte of many %j', (_shown, unit) => {
    expectLinear(parse, unit.repeat(Math.ceil(bytes / unit.length)).slice(0, bytes));
  });

  it('takes no longer per byte of a larger text', () => {
    fc.assert(
      fc.property(texts, (text) => expectLinear(parse, text)),
      { numRuns: 20, endOnFailure: true },
    );
  });
});
