import { createHash } from 'node:crypto';

/** A primary key of a keyring with everything that belongs to it: user ids, signatures, subkeys. */
export interface PrimaryKey {
  /** 40 upper-case hexadecimal digits (version 4 keys). */
  fingerprint: string;
  /** The key's packets, binary. */
  packets: Buffer;
}

const PUBLIC_KEY = 6;

/**
 * The primary keys of an OpenPGP keyring, binary or ASCII-armoured, in their order. Bytes that are no keyring give none.
 *
 * Written out here because neither Proxmox nor a minimal container has gpg, and a fingerprint is no more than a SHA-1
 * over the key's packet (RFC 9580, 4.2 packet headers, 5.5.4.2 fingerprints of version 4 keys).
 */
export function primaryKeys(keyring: Buffer): PrimaryKey[] {
  const keys: PrimaryKey[] = [];
  let current: { fingerprint: string; packets: Buffer[] } | null = null;
  const finish = () => {
    if (current !== null) keys.push({ fingerprint: current.fingerprint, packets: Buffer.concat(current.packets) });
  };
  for (const { tag, body, whole } of packets(dearmoured(keyring))) {
    if (tag === PUBLIC_KEY) {
      finish();
      current = body[0] === 4 ? { fingerprint: fingerprint(body), packets: [] } : null;
    }
    current?.packets.push(whole);
  }
  finish();
  return keys;
}

function fingerprint(body: Buffer): string {
  const head = Buffer.from([0x99, body.length >> 8, body.length & 0xff]);
  return createHash('sha1').update(head).update(body).digest('hex').toUpperCase();
}

/** Each packet with its tag; stops at the first byte that can't begin one or at a body that is cut off. */
function* packets(data: Buffer): Generator<{ tag: number; body: Buffer; whole: Buffer }> {
  let position = 0;
  while (position + 2 <= data.length) {
    const head = data.readUInt8(position);
    if ((head & 0x80) === 0) return;
    const length = (head & 0x40) !== 0 ? newLength(data, position + 1) : oldLength(data, position + 1, head & 3);
    if (length === null || length.end + length.value > data.length) return;
    const end = length.end + length.value;
    yield {
      tag: (head & 0x40) !== 0 ? head & 0x3f : (head >> 2) & 0xf,
      body: data.subarray(length.end, end),
      whole: data.subarray(position, end),
    };
    position = end;
  }
}

function newLength(data: Buffer, at: number): { value: number; end: number } | null {
  const first = data.readUInt8(at);
  if (first < 192) return { value: first, end: at + 1 };
  if (first < 224 && at + 2 <= data.length) {
    return { value: ((first - 192) << 8) + data.readUInt8(at + 1) + 192, end: at + 2 };
  }
  if (first === 255 && at + 5 <= data.length) return { value: data.readUInt32BE(at + 1), end: at + 5 };
  return null;
}

function oldLength(data: Buffer, at: number, type: number): { value: number; end: number } | null {
  const bytes = [1, 2, 4][type];
  if (bytes === undefined || at + bytes > data.length) return null;
  return { value: data.readUIntBE(at, bytes), end: at + bytes };
}

/** The binary of all armoured blocks in a text, one after the other (RFC 9580, 6); binary input is handed back as it is. */
function dearmoured(data: Buffer): Buffer {
  const text = data.toString('latin1');
  if (!text.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----')) return data;
  const blocks = text.matchAll(
    /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\s\S]*?)-----END PGP PUBLIC KEY BLOCK-----/g,
  );
  return Buffer.concat([...blocks].map(([, block = '']) => Buffer.from(armouredData(block), 'base64')));
}

/** What stands between an armour's headers (`Comment: …`) and its checksum (`=…`). */
function armouredData(block: string): string {
  const lines = block.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => /^[A-Za-z0-9+/]+=*$/.test(line)).join('');
}
