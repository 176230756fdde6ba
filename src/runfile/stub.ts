import { open } from 'node:fs/promises';
import { ActionError } from '../errors.ts';
import { RUNFILE_LIMITS } from '../system/limits.ts';

/** The line that a runfile's own sums begin at: the lines before hold them. */
const FIRST_SUMMED_LINE = 4;

const NO_SUM = '0'.repeat(32);

/** A variable of the stub: its name, and its value without quotes. For one line, which is short. */
const VARIABLE = /^(\w+)="?([^"]*)"?$/;

/** The programs that decompress, by what the archive begins with: NVIDIA took xz until 525, and zstd since 530. */
const DECOMPRESSORS: readonly Decompressor[] = [
  {
    magic: '28b52ffd',
    program: '/usr/bin/zstd',
    options: ['--no-sparse', `--memory=${RUNFILE_LIMITS.memoryBytes}`],
    debianPackage: 'zstd',
  },
  {
    magic: 'fd377a585a00',
    program: '/usr/bin/xz',
    options: ['--no-sparse', `--memlimit-decompress=${RUNFILE_LIMITS.memoryBytes}`],
    debianPackage: 'xz-utils',
  },
  // Its window is always 32 KiB.
  { magic: '1f8b', program: '/usr/bin/gzip', options: [], debianPackage: 'gzip' },
];

interface Decompressor {
  magic: string;
  program: string;
  /** What keeps its memory within the limit; and it leaves no holes, so that what it wrote is what the file has. */
  options: readonly string[];
  debianPackage: string;
}

/** What a runfile's stub says, and where its archive begins. Nobody vouches for any of it. */
export interface Stub {
  /** Bytes before the archive. */
  offset: number;
  /** Bytes before what its own sums are of. */
  summedFrom: number;
  md5: string | null;
  version: string | null;
  architecture: string | null;
  decompressor: Decompressor;
}

/**
 * Reads a runfile's stub, in time linear in its size whatever it holds.
 *
 * @param source where the runfile came from, for the message
 * @throws ActionError RUNFILE_UNUSABLE
 */
export async function readStub(runfile: string, source: string): Promise<Stub> {
  await using file = await open(runfile, 'r');
  const { headBytes } = RUNFILE_LIMITS;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
  return parseStub(buffer.subarray(0, bytesRead), source);
}

/** @param head what a runfile begins with @throws ActionError RUNFILE_UNUSABLE */
export function parseStub(head: Buffer, source: string): Stub {
  if (!head.subarray(0, 2).equals(Buffer.from('#!'))) throw unusable(source, 'it is no script');
  const variables = variablesOf(head);
  const skip = variables.get('skip') ?? '';
  const line = /^\d{1,9}$/.test(skip) ? Number(skip) : 0;
  const offset = line > 1 ? startOfLine(head, line) : null;
  if (offset === null) throw unusable(source, 'its stub does not say where the archive begins');
  const magic = head.subarray(offset, offset + 8).toString('hex');
  const decompressor = DECOMPRESSORS.find((candidate) => magic.startsWith(candidate.magic));
  if (decompressor === undefined) throw unusable(source, `its archive begins with ${magic || 'nothing'}`);
  const md5 = variables.get('MD5') ?? NO_SUM;
  return {
    offset,
    summedFrom: startOfLine(head, FIRST_SUMMED_LINE) ?? 0,
    md5: md5 === NO_SUM ? null : md5,
    // What follows the numbers names an edition, e.g. of vGPU.
    version: /^\d{3}\.\d+(?:\.\d+)?/.exec(variables.get('version_string') ?? '')?.[0] ?? null,
    architecture: variables.get('TARGET_ARCH') ?? null,
    decompressor,
  };
}

/** The stub's variables, of each the first. */
function variablesOf(head: Buffer): Map<string, string> {
  const found = new Map<string, string>();
  const { stubLines, stubLineBytes } = RUNFILE_LIMITS;
  for (let start = 0, number = 0; start < head.length && number < stubLines; number++) {
    const newline = head.indexOf('\n', start);
    const end = newline < 0 ? head.length : newline;
    if (end - start <= stubLineBytes) {
      const [, name, value] = VARIABLE.exec(head.toString('latin1', start, end)) ?? [];
      if (name !== undefined && value !== undefined && !found.has(name)) found.set(name, value);
    }
    start = end + 1;
  }
  return found;
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

/** A failure that says why something is not the runfile that is wanted. */
export function unusable(source: string, why: string): ActionError {
  return new ActionError(
    'RUNFILE_UNUSABLE',
    `${source} is not the runfile that is wanted: ${why}.`,
    'Nothing was delivered. Check what the address in "runfile-url" (or the mirror) gives.',
  );
}
