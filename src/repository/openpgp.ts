import { createHash } from 'node:crypto';
import { CONTAINER_LIMITS, NETWORK_LIMITS } from '../system/limits.ts';
import { sha256Of } from '../system/sha256.ts';

/** A primary key of a keyring with everything that belongs to it: user ids, signatures, subkeys. */
export interface PrimaryKey {
  /** 40 upper-case hexadecimal digits (version 4 keys). */
  fingerprint: string;
  /** The key's packets, binary: those that a public key is made of, and no others. */
  packets: Buffer;
}

/** What is to be known of a keyring that lies in a container. */
export interface KeyringFacts {
  /** Of its primary keys, in their order. None when anything but public keys is in it: then nobody knows whom apt would trust. */
  fingerprints: string[];
  /** Of its bytes, hexadecimal. */
  sha256: string;
}

interface Packet {
  tag: number;
  body: Buffer;
  /** With its header. */
  whole: Buffer;
}

/** Packet types (RFC 9580, 5). */
const SIGNATURE = 2;
const PUBLIC_KEY = 6;
const MARKER = 10;
const TRUST = 12;
const USER_ID = 13;
const PUBLIC_SUBKEY = 14;
const USER_ATTRIBUTE = 17;
const PADDING = 21;

/** What says nothing and may stand anywhere (RFC 9580, 5.8, 5.10, 5.14): it is left out. */
const MEANINGLESS = [MARKER, TRUST, PADDING];

/** More than this is no keyring, wherever it comes from. */
const MOST_KEYS = 64;
const MOST_BYTES = Math.max(CONTAINER_LIMITS.keyringBytes, NETWORK_LIMITS.keyBytes);

/**
 * The primary keys of an OpenPGP keyring, binary or ASCII-armoured, in their order. Bytes that are no keyring give none.
 *
 * Of each key only that is kept which a public key is made of, in its order (RFC 9580, 10.1): signatures, user ids with theirs,
 * subkeys with theirs. Anything else ends it, up to the next primary key: a secret key, for one, is a key of its own to
 * Sequoia's sqv, which Debian 13's apt asks, and whoever holds it would be trusted beside the key that was looked for.
 *
 * Written out here because neither Proxmox nor a minimal container has gpg, and a fingerprint is no more than a SHA-1
 * over the key's packet (RFC 9580, 4.2 packet headers, 5.5.4.2 fingerprints of version 4 keys).
 */
export function primaryKeys(keyring: Buffer): PrimaryKey[] {
  if (keyring.length > MOST_BYTES) return [];
  const keys: GrowingKey[] = [];
  let current = null as GrowingKey | null;
  for (const packet of packets(dearmoured(keyring))) {
    if (MEANINGLESS.includes(packet.tag)) continue;
    if (packet.tag === PUBLIC_KEY) {
      current = packet.body[0] === 4 ? new GrowingKey(packet) : null;
      if (current !== null) keys.push(current);
      if (keys.length > MOST_KEYS) return [];
    } else if (current?.take(packet) === false) {
      current = null;
    }
  }
  return keys.map(({ fingerprint, packets }) => ({ fingerprint, packets: Buffer.concat(packets) }));
}

/** What is to be known of a keyring's bytes. */
export function keyringFacts(keyring: Buffer): KeyringFacts {
  const keys = primaryKeys(keyring);
  const isPure = Buffer.concat(keys.map(({ packets }) => packets)).equals(keyring);
  return {
    fingerprints: isPure ? keys.map(({ fingerprint }) => fingerprint) : [],
    sha256: sha256Of(keyring),
  };
}

/** A key to which the packets after its first one are added, as long as they may follow. */
class GrowingKey {
  readonly fingerprint: string;
  readonly packets: Buffer[];
  #hasSubkey = false;

  constructor({ body, whole }: Packet) {
    this.fingerprint = fingerprint(body);
    this.packets = [whole];
  }

  /** @returns false when the packet can't belong to the key */
  take({ tag, body, whole }: Packet): boolean {
    if (!this.#mayFollow(tag, body)) return false;
    this.#hasSubkey ||= tag === PUBLIC_SUBKEY;
    this.packets.push(whole);
    return true;
  }

  #mayFollow(tag: number, body: Buffer): boolean {
    if (tag === USER_ID || tag === USER_ATTRIBUTE) return !this.#hasSubkey;
    return tag === SIGNATURE || (tag === PUBLIC_SUBKEY && body[0] === 4);
  }
}

function fingerprint(body: Buffer): string {
  const head = Buffer.from([0x99, body.length >> 8, body.length & 0xff]);
  return createHash('sha1').update(head).update(body).digest('hex').toUpperCase();
}

/** Each packet with its tag; stops at the first byte that can't begin one or at a body that is cut off. */
function* packets(data: Buffer): Generator<Packet> {
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

const BEGIN = '-----BEGIN PGP PUBLIC KEY BLOCK-----';
const END = '-----END PGP PUBLIC KEY BLOCK-----';

/**
 * The binary of all armoured blocks in a text, one after the other (RFC 9580, 6); binary input is handed back as it is. In
 * one pass over its lines: of a block count those that stand between its headers (`Comment: …`) and its checksum (`=…`).
 */
function dearmoured(data: Buffer): Buffer {
  if (!data.includes(BEGIN)) return data;
  const blocks: Buffer[] = [];
  let block: string[] | null = null;
  for (const line of data.toString('latin1').split('\n')) {
    const text = line.trim();
    if (text === BEGIN) {
      block = [];
    } else if (text === END) {
      if (block !== null) blocks.push(Buffer.from(block.join(''), 'base64'));
      block = null;
    } else if (/^[A-Za-z0-9+/]+=*$/.test(text)) {
      block?.push(text);
    }
  }
  return Buffer.concat(blocks);
}
