import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { ActionError } from '../errors.ts';
import type { RunCommand } from '../system/command.ts';
import { lastLines } from '../system/text.ts';
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
 * Decompresses a runfile's archive into a new file.
 *
 * @param run runs a program of this host
 * @param wanted what the runfile must say that it is
 * @throws ActionError RUNFILE_UNUSABLE
 */
export async function unpackArchive(
  run: RunCommand,
  runfile: string,
  wanted: { version: DriverVersion; architecture: Architecture },
  archive: string,
  timeoutSeconds: number,
): Promise<void> {
  const { offset, decompressor, ...stub } = await readStub(runfile);
  const { version, architecture } = wanted;
  if ((stub.version ?? version) !== version || (stub.architecture ?? architecture) !== architecture) {
    throw unusable(
      runfile,
      `it is of driver ${stub.version ?? 'unknown'} for ${stub.architecture ?? 'unknown'}, wanted is ${version} for ${architecture}`,
    );
  }
  const { program, debianPackage } = decompressor;
  const { exitCode, stderr } = await run(
    ['/bin/sh', '-c', DECOMPRESS, 'sh', runfile, String(offset + 1), program, archive],
    { timeoutSeconds },
  );
  if (exitCode === 0) return;
  if (stderr.includes('No space left on device')) throw noRoom(runfile);
  throw new ActionError(
    'RUNFILE_UNUSABLE',
    `${program} could not unpack ${runfile} on this host (exit code ${exitCode}).`,
    exitCode === 127
      ? `Install it: apt-get install ${debianPackage}.`
      : 'Remove the runfile from the tool cache and run this again.',
    lastLines(stderr, 10),
  );
}

/** This host's disk is full. */
export function noRoom(runfile: string): ActionError {
  return new ActionError(
    'RUNFILE_UNUSABLE',
    `This host has no room to unpack ${runfile}.`,
    'Make room for some 2 GB where RUNNER_TOOL_CACHE and RUNNER_TEMP are, then run this again.',
  );
}

/**
 * Compares a runfile with the MD5 sum that it carries: what there is where nobody publishes another one.
 *
 * @throws ActionError RUNFILE_UNUSABLE
 */
export async function checkOwnSum(runfile: string): Promise<void> {
  const { md5, summedFrom } = await readStub(runfile);
  if (md5 === null) throw unusable(runfile, 'it carries no MD5 sum of itself');
  await using file = await open(runfile, 'r');
  const hash = createHash('md5');
  for await (const chunk of file.createReadStream({ start: summedFrom, highWaterMark: 1024 * 1024 }))
    hash.update(chunk);
  const found = hash.digest('hex');
  if (found !== md5) throw unusable(runfile, `its MD5 sum is ${found}, it says ${md5}`);
}

/** @throws ActionError RUNFILE_UNUSABLE */
async function readStub(runfile: string): Promise<Stub> {
  await using file = await open(runfile, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  const head = buffer.subarray(0, bytesRead);
  if (!head.subarray(0, 2).equals(Buffer.from('#!'))) throw unusable(runfile, 'it is no script');
  const text = head.toString('latin1');
  const value = (name: string) => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? null;
  const line = Number(value('skip'));
  const offset = line > 1 ? startOfLine(head, line) : null;
  if (offset === null) throw unusable(runfile, 'its stub does not say where the archive begins');
  const magic = head.subarray(offset, offset + 8).toString('hex');
  const decompressor = DECOMPRESSORS.find((candidate) => magic.startsWith(candidate.magic));
  if (decompressor === undefined) throw unusable(runfile, `its archive begins with ${magic || 'nothing'}`);
  const md5 = value('MD5');
  return {
    offset,
    summedFrom: startOfLine(head, FIRST_SUMMED_LINE) ?? 0,
    md5: md5 === NO_SUM ? null : md5,
    version: value('version_string'),
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

function unusable(runfile: string, why: string): ActionError {
  return new ActionError(
    'RUNFILE_UNUSABLE',
    `${runfile} is not the runfile that is wanted: ${why}.`,
    'Nothing was delivered. Check what the address in "runfile-url" (or the mirror) gives.',
  );
}
