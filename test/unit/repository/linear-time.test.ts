import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareDebianVersions, isDebianVersion } from '../../../src/repository/debian-version.ts';
import { keyringFacts, primaryKeys } from '../../../src/repository/openpgp.ts';
import { NotAnIndex, PackageIndex } from '../../../src/repository/package-index.ts';
import { parseSha256Sum } from '../../../src/runfile/address.ts';
import { fixture } from '../helpers/fixtures.ts';

/*
 * Eight times the bytes take some eight times as long: what a parser of a server's text takes must not grow with their square,
 * or a file of some MB stops a run for hours. Compared is this thread's processor time within the same moment, so neither the
 * machine's speed nor what else runs on it matters much; below a floor nothing is concluded.
 */

const FLOOR_MS = 30;
/** Eight for what is linear, sixty-four for what is quadratic. */
const TIMES = 8;
const MOST = 28;
const TRIES = 6;

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

/** Milliseconds of processor time of the fastest of some tries, each of the text's first part and of all of it in turn. */
function times(parse: (text: string) => void, text: string): { part: number; whole: number } {
  const fastest = { part: Number.POSITIVE_INFINITY, whole: Number.POSITIVE_INFINITY };
  const measured = (input: string) => {
    const before = process.threadCpuUsage();
    parse(input);
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1000;
  };
  const part = text.slice(0, text.length / TIMES);
  for (let tried = 0; tried < TRIES; tried++) {
    fastest.part = Math.min(fastest.part, measured(part));
    fastest.whole = Math.min(fastest.whole, measured(text));
    // What is that fast needs no second look.
    if (fastest.whole < FLOOR_MS) break;
  }
  return fastest;
}

describe.each(PARSERS)('$name', { timeout: 60_000 }, ({ parse, pieces, bytes }) => {
  const piece = fc.constantFrom(...pieces);
  // A beginning, and what comes again and again.
  const texts = fc
    .tuple(fc.array(piece, { maxLength: 2 }), fc.array(piece, { minLength: 1, maxLength: 3 }))
    .map(([first, repeated]) => {
      const unit = repeated.join('');
      return (first.join('') + unit.repeat(Math.ceil(bytes / unit.length))).slice(0, bytes);
    });

  it.each(pieces.map((unit) => [unit.slice(0, 20), unit]))('takes no longer per byte of many %j', (_shown, unit) => {
    const text = unit.repeat(Math.ceil(bytes / unit.length)).slice(0, bytes);
    const { part, whole } = times(parse, text);
    if (whole >= FLOOR_MS) expect(whole / part).toBeLessThan(MOST);
  });

  it('takes no longer per byte of a larger text', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const { part, whole } = times(parse, text);
        if (whole >= FLOOR_MS) expect(whole / part, JSON.stringify(text.slice(0, 80))).toBeLessThan(MOST);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  });
});
