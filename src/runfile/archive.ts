import { createHash } from 'node:crypto';
import { open, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ActionError } from '../errors.ts';
import type { RunCommand } from '../system/command.ts';
import { bytesText, lastLines, NO_SPACE } from '../system/text.ts';
import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';

/*
 * A runfile is a shell script (the stub), perhaps a decompressor, and a compressed tar archive with NVIDIA's installer and all
 * files of the driver. Nothing of it is executed on the host: the archive is cut out and decompressed here, once for all
 * containers. Source: `makeself.sh` 1.6.0-nv2, which NVIDIA's runfiles carry and are made by (docs/facts.md, A8).
 */

/** Stub and decompressor are well within this. */
const HEAD_BYTES = 8 * 1024 * 1024;

/** The line that a runfile's own sums begin at: the lines before hold them. */
const FIRST_SUMMED_LINE = 4;

const NO_SUM = '0'.repeat(32);

/** The programs that decompress, by what the archive begins with: NVIDIA took xz until 525, and zstd since 530. */
const DECOMPRESSORS: readonly { magic: string; program: string; debianPackage: string }[] = [
  { magic: '28b52ffd', program: '/usr/bin/zstd', debianPackage: 'zstd' },
  { magic: 'fd377a585a00', program: '/usr/bin/xz', debianPackage: 'xz-utils' },
  { magic: '1f8b', program: '/usr/bin/gzip', debianPackage: 'gzip' },
];

/** Arguments: runfile, number of the archive's first byte (from 1), decompressor, file to write. */
const DECOMPRESS = 'tail -c "+$2" -- "$1" | "$3" -dc > "$4"';

/** What a runfile's stub says, and where its archive begins. */
interface Stub {
  /** Bytes before the archive. */
  offset: number;
  /** Bytes before what its own sums are of. */
  summedFrom: number;
  md5: string | null;
  version: string | null;
  architecture: string | null;
  decompressor: (typeof DECOMPRESSORS)[number];
}

/**
 * How many times its size a runfile may have unpacked: one of 398 MB is 1.5 GB; installed it is not more (docs/facts.md, A8).
 */
export const UNPACKED_FACTOR = 4;

/**
 * Looks whether a file is the runfile that is wanted, as far as its stub says.
 *
 * @param source where it came from, for the message
 * @throws ActionError RUNFILE_UNUSABLE
 */
export async function checkRunfile(
  runfile: string,
  source: string,
  wanted: { version: DriverVersion; architecture: Architecture },
): Promise<void> {
  const stub = await readStub(runfile, source);
  const version = stub.version ?? wanted.version;
  const architecture = stub.architecture ?? wanted.architecture;
  if (version === wanted.version && architecture === wanted.architecture) return;
  throw unusable(
    source,
    `it is of driver ${version} for ${architecture}, wanted is ${wanted.version} for ${wanted.architecture}`,
  );
}

/** @throws ActionError RUNFILE_UNUSABLE when a directory has too little room for what a runfile of that size holds */
export async function checkRoom(directory: string, size: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize < size * UNPACKED_FACTOR) throw noRoom(directory, size);
}

/** The archive in a runfile is damaged, whatever its checksum: nothing can be made of it. */
export class DamagedArchive extends ActionError {}

/**
 * Decompresses a runfile's archive into a new file.
 *
 * @param run runs a program of this host
 * @throws ActionError RUNFILE_UNUSABLE, as {@link DamagedArchive} where another copy could help
 */
export async function unpackArchive(
  run: RunCommand,
  runfile: string,
  archive: string,
  timeoutSeconds: number,
): Promise<void> {
  const { offset, decompressor } = await readStub(runfile, runfile);
  const { program, debianPackage } = decompressor;
  const { exitCode, stderr } = await run(
    ['/bin/sh', '-c', DECOMPRESS, 'sh', runfile, String(offset + 1), program, archive],
    { timeoutSeconds },
  );
  if (exitCode === 0) return;
  if (NO_SPACE.test(stderr)) throw noRoom(dirname(archive), (await stat(runfile)).size);
  const seen = `${program} could not unpack ${runfile} on this host (exit code ${exitCode}).`;
  const details = lastLines(stderr, 10);
  throw exitCode === 127
    ? new ActionError('RUNFILE_UNUSABLE', seen, `Install it: apt-get install ${debianPackage}.`, details)
    : new DamagedArchive('RUNFILE_UNUSABLE', seen, 'It is thrown away: run this again.', details);
}

function noRoom(directory: string, size: number): ActionError {
  return new ActionError(
    'RUNFILE_UNUSABLE',
    `This host has no room in ${directory} to unpack a runfile of ${bytesText(size)}.`,
    `Make room for some ${bytesText(size * UNPACKED_FACTOR)} there, then run this again.`,
  );
}

/**
 * Compares a runfile with the MD5 sum that it carries: what there is where nobody publishes another one.
 *
 * @throws ActionError RUNFILE_UNUSABLE
 */
export async function checkOwnSum(runfile: string, source: string): Promise<void> {
  const { md5, summedFrom } = await readStub(runfile, source);
  if (md5 === null) throw unusable(source, 'it carries no MD5 sum of itself');
  await using file = await open(runfile, 'r');
  const hash = createHash('md5');
  for await (const chunk of file.createReadStream({ start: summedFrom, highWaterMark: 1024 * 1024 }))
    hash.update(chunk);
  const found = hash.digest('hex');
  if (found !== md5) throw unusable(source, `its MD5 sum is ${found}, it says ${md5}`);
}

/** @throws ActionError RUNFILE_UNUSABLE */
async function readStub(runfile: string, source: string): Promise<Stub> {
  await using file = await open(runfile, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  const head = buffer.subarray(0, bytesRead);
  if (!head.subarray(0, 2).equals(Buffer.from('#!'))) throw unusable(source, 'it is no script');
  const text = head.toString('latin1');
  const value = (name: string) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? null;
  const line = Number(value('skip'));
  const offset = line > 1 ? startOfLine(head, line) : null;
  if (offset === null) throw unusable(source, 'its stub does not say where the archive begins');
  const magic = head.subarray(offset, offset + 8).toString('hex');
  const decompressor = DECOMPRESSORS.find((candidate) => magic.startsWith(candidate.magic));
  if (decompressor === undefined) throw unusable(source, `its archive begins with ${magic || 'nothing'}`);
  const md5 = value('MD5');
  return {
    offset,
    summedFrom: startOfLine(head, FIRST_SUMMED_LINE) ?? 0,
    md5: md5 === NO_SUM ? null : md5,
    // What follows the numbers names an edition, e.g. of vGPU.
    version: /^\d{3}\.\d+(?:\.\d+)?/.exec(value('version_string') ?? '')?.[0] ?? null,
    architecture: value('TARGET_ARCH'),
    decompressor,
  };
}

/** Bytes before a line, counted from 1; null: there aren't as many. */
function startOfLine(head: Buffer, line: number): number | null {
  let start = 0;
  for (let number = 1; number < line; number++) {
    const end = head.indexOf('\n', start);
    if (end < 0) return null;
    start = end + 1;
  }
  return start;
}

function unusable(source: string, why: string): ActionError {
  return new ActionError(
    'RUNFILE_UNUSABLE',
    `${source} is not the runfile that is wanted: ${why}.`,
    'Nothing was delivered. Check what the address in "runfile-url" (or the mirror) gives.',
  );
}
