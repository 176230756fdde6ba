import { createCipheriv, createHash } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runOk } from '../command.ts';
import { SOURCE_DATE_EPOCH } from '../upstream/deb.ts';
import type { Libraries } from './libraries.ts';
import { helpTexts, optionTable } from './options.ts';
import { type PayloadEntry, payload } from './payload.ts';

const script = (name: string): Promise<string> => readFile(join(import.meta.dirname, name), 'utf8');

/** A program is one file when installed; its sources are several, joined in this order. */
const PARTS = {
  'nvidia-installer': ['head', 'messages', 'command-line', 'requirements', 'state', 'install', 'main'],
  'nvidia-smi': ['driver', 'gpus', 'query', 'views', 'main'],
} as const;

async function program(name: keyof typeof PARTS, version: string): Promise<string> {
  const parts = await Promise.all(PARTS[name].map((part) => script(`${name}/${part}.sh`)));
  return parts.join('\n').replaceAll('@VERSION@', version);
}

/** The stand-in's nvidia-smi of a driver version. */
export const nvidiaSmi = (version: string): Promise<string> => program('nvidia-smi', version);

/** The stand-in's nvidia-installer of a driver version, which knows the options that version has. */
async function nvidiaInstaller(version: string): Promise<string> {
  return (await program('nvidia-installer', version))
    .replace('@OPTIONS@', () => optionTable(version))
    .replace('@USAGE@', () => helpTexts(version).advanced);
}

/** Bytes that do not compress and are always the same for one seed. */
function noise(seed: string, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/**
 * What the stand-in runfile of a driver version installs.
 *
 * @param firmwareBytes size of the firmware in it, which does not compress: about the runfile's size. The real one has about
 *   62 MB of it.
 */
export async function standInDriver(
  version: string,
  libraries: Libraries,
  firmwareBytes: number,
): Promise<PayloadEntry[]> {
  const entries = payload(version, libraries, (name, share) =>
    noise(`${version}/${name}`, Math.round(firmwareBytes * share)),
  );
  const smi = { name: 'nvidia-smi', mode: '0755', type: 'UTILITY_BINARY', content: await nvidiaSmi(version) };
  return [...entries, smi];
}

/**
 * Writes the runfile NVIDIA-Linux-x86_64-<version>.run to `file`: the stand-in's stub and installer with `driver` in it.
 * Same sources, same bytes.
 */
export async function buildRunfile(file: string, version: string, driver: readonly PayloadEntry[]): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'lab-run-'));
  try {
    const tree = join(work, 'tree');
    await mkdir(tree);
    const entries = [...driver];
    entries.push({
      name: 'nvidia-installer',
      mode: '0755',
      type: 'INSTALLER_BINARY',
      content: await nvidiaInstaller(version),
    });
    entries.push({ name: 'nvidia-uninstall', mode: '0000', type: 'INSTALLER_BINARY_LINK', target: 'nvidia-installer' });
    for (const { name, mode, content } of entries) {
      if (content === undefined) continue;
      await mkdir(dirname(join(tree, name)), { recursive: true });
      await writeFile(join(tree, name), content);
      await chmod(join(tree, name), Number.parseInt(mode, 8) & 0o777);
    }
    const manifest = entries.map(({ name, mode, type, target }) =>
      [name, mode, type, target].filter(Boolean).join(' '),
    );
    await writeFile(join(tree, '.manifest'), `${manifest.join('\n')}\n`);
    const archive = join(work, 'archive.tar');
    await runOk([
      ...['tar', '--sort=name', `--mtime=@${SOURCE_DATE_EPOCH}`, '--owner=0', '--group=0', '--numeric-owner'],
      ...['--format=gnu', '-C', tree, '-cf', archive, '.'],
    ]);
    const tar = await readFile(archive);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, assemble(await script('runfile-stub.sh'), version, tar));
    await chmod(file, 0o755);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Compression that the real stub names in --info: zstd since 530.30.02, xz before. Here both are gzip behind that name. */
const compressionName = (version: string): string => (Number.parseInt(version, 10) >= 530 ? 'zstd' : 'xz');

const DECOMPRESSOR = '#!/bin/sh\nexec gzip -dc\n';

/** Stub, embedded decompressor, archive; then the sums over all but the first three lines. */
function assemble(stubTemplate: string, version: string, tar: Buffer): Buffer {
  const help = helpTexts(version);
  const stub = stubTemplate
    .replaceAll('@VERSION@', version)
    .replaceAll('@COMPRESSION@', compressionName(version))
    .replaceAll('@UNCOMPRESSED_KB@', String(Math.ceil(tar.length / 1024)))
    .replaceAll('@DATE@', new Date(SOURCE_DATE_EPOCH * 1000).toUTCString())
    .replace('@HELP@', () => help.common)
    .replace('@ADVANCED_HELP@', () => help.stubAdvanced);
  const lines = (text: string) => text.split('\n').length - 1;
  const stubLines = lines(stub);
  const head = stub
    .replace('@SKIP_DECOMPRESS@', String(stubLines + 1))
    .replace('@SIZE_DECOMPRESS@', String(lines(DECOMPRESSOR)))
    .replace('@SKIP@', String(stubLines + lines(DECOMPRESSOR) + 1));
  const whole = Buffer.concat([Buffer.from(head + DECOMPRESSOR), gzipSync(tar, { level: 1 })]);
  let start = 0;
  for (let line = 1; line < 4; line++) start = whole.indexOf('\n', start) + 1;
  const body = whole.subarray(start);
  const md5 = createHash('md5').update(body).digest('hex');
  const sums = `#!/bin/sh\nCRCsum=${posixChecksum(body)}\nMD5=${md5}\n`;
  return Buffer.concat([Buffer.from(sums), body]);
}

/** The CRC that cksum(1) prints. */
function posixChecksum(data: Buffer): number {
  let crc = 0;
  const add = (byte: number) => {
    crc = ((crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ byte] as number)) >>> 0;
  };
  for (const byte of data) add(byte);
  for (let length = data.length; length > 0; length = Math.floor(length / 256)) add(length & 0xff);
  return ~crc >>> 0;
}

const CRC_TABLE = Array.from({ length: 256 }, (_, index) => {
  let value = index << 24;
  for (let bit = 0; bit < 8; bit++) value = value & 0x80000000 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value >>> 0;
});

/** `NVIDIA-Linux-x86_64-<version>.run.sha256sum` and `.md5sum`, as NVIDIA lays them beside a runfile. */
export async function writeChecksums(file: string, algorithms: readonly ('sha256' | 'md5')[]): Promise<void> {
  const content = await readFile(file);
  for (const algorithm of algorithms) {
    const digest = createHash(algorithm).update(content).digest('hex');
    await writeFile(`${file}.${algorithm}sum`, `${digest}  ${basename(file)}\n`);
  }
}

/** Copies a runfile with its name only changed by directory; keeps the executable bit. */
export async function copyRunfile(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to);
  await chmod(to, (await stat(from)).mode);
}
