import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyringFacts, primaryKeys } from '../../../src/repository/openpgp.ts';
import { fixture } from '../helpers/fixtures.ts';

const ONE = '81464A4A8AC2BB428377C0EA7F586458091BE790';
const TWO = '4D1E912DF971C2B39BA84ABEE400B4924F78C311';

const fingerprints = (keyring: Buffer) => primaryKeys(keyring).map(({ fingerprint }) => fingerprint);

/** The packets of a keyring whose headers have the old format with two octets of length, or one. */
function packetsOf(keyring: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at < keyring.length; ) {
    const wide = (keyring.readUInt8(at) & 3) === 1;
    const end = wide ? at + 3 + keyring.readUInt16BE(at + 1) : at + 2 + keyring.readUInt8(at + 1);
    packets.push(keyring.subarray(at, end));
    at = end;
  }
  return packets;
}

describe('primaryKeys', () => {
  it.each([
    ['one.gpg', [ONE]],
    ['two.gpg', [TWO]],
    ['both.gpg', [ONE, TWO]],
    ['one.asc', [ONE]],
    ['both.asc', [ONE, TWO]],
    ['one-new-format.gpg', [ONE]],
  ])('of %s are %j: no subkey is among them', (file, keys) => {
    expect(fingerprints(fixture(`keys/${file}`))).toEqual(keys);
  });

  it('hand out each key with all its packets and nothing else', () => {
    const [one, two] = primaryKeys(fixture('keys/both.gpg'));
    expect(one?.packets.equals(fixture('keys/one.gpg'))).toBe(true);
    expect(two?.packets.equals(fixture('keys/two.gpg'))).toBe(true);
    expect(primaryKeys(fixture('keys/one-new-format.gpg'))[0]?.packets).toEqual(fixture('keys/one-new-format.gpg'));
  });

  it('are the same of armoured and binary keyrings', () => {
    expect(primaryKeys(fixture('keys/both.asc'))).toEqual(primaryKeys(fixture('keys/both.gpg')));
  });

  it.each<[string, (text: string) => string]>([
    ['line ends of Windows', (text) => text.replaceAll('\n', '\r\n')],
    ['headers', (text) => text.replace('\n\n', '\nVersion: GnuPG v2.0.22\nComment: a: b\n\n')],
    ['an empty header', (text) => text.replace('\n\n', '\nComment:\n\n')],
    ['no checksum', (text) => text.replace(/\n=[A-Za-z0-9+/]{4}\n/, '\n')],
    ['blank lines around', (text) => `\n\n${text}\n\n`],
    ['words before it', (text) => `pub   rsa2048 2026-01-01\n\n${text}`],
  ])('are found in armour with %s', (_what, change) => {
    expect(fingerprints(Buffer.from(change(fixture('keys/one.asc').toString())))).toEqual([ONE]);
  });

  it('are found in every one of several armoured blocks', () => {
    const second = fixture('keys/both.asc');
    expect(fingerprints(Buffer.concat([fixture('keys/one.asc'), second]))).toEqual([ONE, ONE, TWO]);
  });

  it('leave out keys of versions other than 4, with their packets', () => {
    const old = Buffer.from(fixture('keys/one.gpg'));
    old.writeUInt8(3, 3);
    const [key, ...others] = primaryKeys(Buffer.concat([old, fixture('keys/two.gpg')]));
    expect(key).toEqual({ fingerprint: TWO, packets: fixture('keys/two.gpg') });
    expect(others).toEqual([]);
  });

  it.each([0, 1, 2, 3, 100, 271])('are none in the first %d bytes of a keyring', (length) => {
    expect(fingerprints(fixture('keys/one.gpg').subarray(0, length))).toEqual([]);
  });

  it('of a keyring that is cut off are those that came whole', () => {
    const both = fixture('keys/both.gpg');
    const whole = fixture('keys/one.gpg').length;
    expect(fingerprints(both.subarray(0, whole + 20))).toEqual([ONE]);
  });

  it.each([
    '',
    'not a key\n',
    '<!DOCTYPE html><html><body>Log in</body></html>',
    '-----BEGIN PGP PUBLIC KEY BLOCK-----\n',
    '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n',
    '-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n',
  ])('are none in %j', (text) => {
    expect(fingerprints(Buffer.from(text))).toEqual([]);
  });

  it('are none of more than 64', () => {
    const many = (count: number) => Buffer.concat(Array<Buffer>(count).fill(fixture('keys/two.gpg')));
    expect(fingerprints(many(64))).toHaveLength(64);
    expect(fingerprints(many(65))).toEqual([]);
  });

  it('are none in more than 256 KiB', () => {
    expect(fingerprints(Buffer.concat([fixture('keys/one.gpg'), Buffer.alloc(256 * 1024)]))).toEqual([]);
  });

  describe('keep of a key', () => {
    const one = fixture('keys/one.gpg');
    const two = fixture('keys/two.gpg');
    /** The packets of the fixture: key, user id, signature, subkey, signature. */
    const [key = one, userId = one, signature = one, subkey = one, binding = one] = packetsOf(one);
    const packet = (tag: number, body = Buffer.from('04', 'hex')) =>
      Buffer.concat([Buffer.from([0xc0 | tag, body.length]), body]);

    it('what a public key is made of, in its order', () => {
      const attribute = packet(17);
      for (const parts of [
        [key],
        [key, signature],
        [key, signature, userId, signature, signature, attribute, signature, userId, subkey, binding, subkey, binding],
      ]) {
        expect(primaryKeys(Buffer.concat(parts))).toEqual([{ fingerprint: ONE, packets: Buffer.concat(parts) }]);
      }
    });

    it.each<[string, Buffer]>([
      ['a secret key', packet(5)],
      ['a secret subkey', packet(7)],
      ['a key of the experimental range', packet(60)],
      ['encrypted data', packet(9)],
      ['compressed data', packet(8)],
      ['a one-pass signature', packet(4)],
      ['a subkey of another version', packet(14, Buffer.from('06', 'hex'))],
      ['a packet of the reserved type', packet(0)],
    ])('nothing from %s on, and of the next key all', (_what, foreign) => {
      const before = Buffer.concat([key, userId, signature]);
      const keyring = Buffer.concat([before, foreign, userId, signature, two]);
      expect(primaryKeys(keyring)).toEqual([
        { fingerprint: ONE, packets: before },
        { fingerprint: TWO, packets: two },
      ]);
      expect(keyringFacts(keyring).fingerprints).toEqual([]);
    });

    it('no user id after a subkey', () => {
      const keyring = Buffer.concat([one, userId, signature]);
      expect(primaryKeys(keyring)).toEqual([{ fingerprint: ONE, packets: one }]);
    });

    it.each([10, 12, 21])('no packet of type %d, which says nothing', (tag) => {
      const keyring = Buffer.concat([packet(tag), key, packet(tag), userId, signature, packet(tag), subkey, binding]);
      expect(primaryKeys(keyring)).toEqual([{ fingerprint: ONE, packets: one }]);
      expect(keyringFacts(keyring).fingerprints).toEqual([]);
    });
  });

  it('never come with an exception, whatever the bytes', () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
    const changed = fc.tuple(fc.nat(1500), fc.nat(255)).map(([at, value]) => {
      const keyring = Buffer.from(fixture('keys/one.gpg'));
      keyring.writeUInt8(value, at);
      return keyring;
    });
    fc.assert(
      fc.property(fc.oneof(bytes, changed), (keyring) => {
        for (const key of primaryKeys(keyring)) expect(key.fingerprint).toMatch(/^[0-9A-F]{40}$/);
      }),
    );
  });

  it('change when any byte of the key changes', () => {
    // The first packet's body: 269 bytes after a header of 3.
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 271 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const keyring = Buffer.from(fixture('keys/one.gpg'));
        keyring.writeUInt8(keyring.readUInt8(at) ^ change, at);
        expect(fingerprints(keyring)).not.toContain(ONE);
      }),
    );
  });
});

describe('keyringFacts', () => {
  it('tell the keys of a keyring and its checksum', () => {
    expect(keyringFacts(fixture('keys/both.gpg'))).toEqual({
      fingerprints: [ONE, TWO],
      sha256: createHash('sha256').update(fixture('keys/both.gpg')).digest('hex'),
    });
  });

  it.each<[string, Buffer]>([
    ['is armoured, which is not what this action writes', fixture('keys/one.asc')],
    ['is cut off', fixture('keys/both.gpg').subarray(0, -1)],
    ['has a byte too many', Buffer.concat([fixture('keys/both.gpg'), Buffer.alloc(1)])],
    ['is empty', Buffer.alloc(0)],
  ])('tell no key of one that %s', (_what, keyring) => {
    expect(keyringFacts(keyring).fingerprints).toEqual([]);
  });
});
