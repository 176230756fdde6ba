import { createHash } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ActionError } from '../errors.ts';
import type { RunCommand } from '../system/command.ts';
import { RUNFILE_LIMITS } from '../system/limits.ts';
import { bytesText, lastLines, NO_SPACE } from '../system/text.ts';
import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';
import { readStub, unusable } from './stub.ts';

/*
 * A runfile is a shell script (the stub), perhaps a decompressor, and a compressed tar archive with NVIDIA's installer and all
 * files of the driver. Nothing of it is executed on the host: the archive is cut out and decompressed here, once for all
 * containers. Source: `makeself.sh` 1.6.0-nv2, which NVIDIA's runfiles carry and are made by (docs/facts.md, A8).
 */

/**
 * Arguments: runfile, number of the archive's first byte (from 1), new file to write, largest size of it in units of 512 bytes,
 * decompressor with its options. The kernel stops what writes more than that.
 */
const DECOMPRESS =
  'set -C; in=$1 from=$2 out=$3; ulimit -f "$4"; shift 4; tail -c "+$from" -- "$in" | "$@" -dc > "$out"';

/** The unit of `ulimit -f` (POSIX). */
const BLOCK = 512;

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

/** Bytes that a runfile of a size may unpack to: what there must be room for, and where unpacking stops. */
export function unpackedLimit(size: number): number {
  return size * UNPACKED_FACTOR + RUNFILE_LIMITS.unpackedReserveBytes;
}

/** @throws ActionError RUNFILE_UNUSABLE when a directory has too little room for what a runfile of that size may hold */
export async function checkRoom(directory: string, size: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize < unpackedLimit(size)) throw noRoom(directory, size);
}

/** The archive in a runfile is damaged, whatever its checksum: nothing can be made of it. */
export class DamagedArchive extends ActionError {}

/**
 * Decompresses a runfile's archive into a new file, with limits of output and memory. What was written of it is removed when it
 * fails.
 *
 * @param run runs a program of this host
 * @param runfile out of reach of others: it is read several times
 * @param limit bytes that it may write
 * @throws ActionError RUNFILE_UNUSABLE, as {@link DamagedArchive} where another copy could help
 */
export async function unpackArchive(
  run: RunCommand,
  runfile: string,
  archive: string,
  timeoutSeconds: number,
  limit?: number,
): Promise<void> {
  const { offset, decompressor } = await readStub(runfile, runfile);
  const { program, options, debianPackage } = decompressor;
  const { size } = await stat(runfile);
  const blocks = Math.ceil((limit ?? unpackedLimit(size)) / BLOCK);
  const { exitCode, stderr } = await run(
    [
      ...(['/bin/sh', '-c', DECOMPRESS, 'sh'] as const),
      ...[runfile, String(offset + 1), archive, String(blocks)],
      ...[program, ...options],
    ],
    { timeoutSeconds },
  );
  if (exitCode === 0) return;
  const written = (await stat(archive).catch(() => null))?.size ?? 0;
  await rm(archive, { force: true });
  if (NO_SPACE.test(stderr)) throw noRoom(dirname(archive), size);
  const details = lastLines(stderr, 10);
  if (written >= blocks * BLOCK) {
    throw new DamagedArchive(
      'RUNFILE_UNUSABLE',
      `${runfile} (${bytesText(size)}) unpacks to more than ${bytesText(written)}: no driver does.`,
      'It is thrown away. Check what the address in "runfile-url" (or the mirror) gives.',
      details,
    );
  }
  const seen = `${program} could not unpack ${runfile} on this host (exit code ${exitCode}).`;
  throw exitCode === 127
    ? new ActionError('RUNFILE_UNUSABLE', seen, `Install it: apt-get install ${debianPackage}.`, details)
    : new DamagedArchive('RUNFILE_UNUSABLE', seen, 'It is thrown away: run this again.', details);
}

function noRoom(directory: string, size: number): ActionError {
  return new ActionError(
    'RUNFILE_UNUSABLE',
    `This host has no room in ${directory} to unpack a runfile of ${bytesText(size)}.`,
    `Make room for some ${bytesText(unpackedLimit(size))} there, then run this again.`,
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
