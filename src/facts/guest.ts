import type * as z from 'zod/mini';
import { ActionError } from '../errors.ts';
import type { Pct } from '../proxmox/pct.ts';
import { keyringFacts } from '../repository/openpgp.ts';
import { CONTAINER_LIMITS } from '../system/limits.ts';
import { bytesText, lastLines } from '../system/text.ts';
import type { Architecture } from '../version/architecture.ts';
import { versionInFileName } from '../version/driver.ts';
import { CUDA_QUERY_PROGRAMS } from './cuda-query-programs.ts';
import {
  CommandFact,
  DirectorySpace,
  DpkgArchitecture,
  GuestDeviceNode,
  type GuestFacts,
  GuestFile,
  GuestKeyring,
  GuestLibrary,
  GuestLink,
  GuestPackage,
  InstalledToolkit,
  type UserSpace,
} from './facts.ts';
import { GUEST_PROBE } from './guest-probe.ts';
import { CUDA_PROOF_ID } from './kept-proof.ts';

const { devices, files, aptSources, few } = CONTAINER_LIMITS;

/** The probe's records by name, and how many there may be of each. */
const RECORDS = {
  'os-release': 1,
  'dpkg-architecture': 1,
  'dpkg-audit': 1,
  space: few,
  library: files,
  link: few,
  package: files,
  'apt-source': aptSources,
  'apt-pin': 1,
  keyring: few,
  certificates: 1,
  toolkit: few,
  node: devices,
  'smi-query': 1,
  'smi-table': 1,
  'cuda-query': 1,
  'cuda-proof': 1,
  end: 1,
} as const;
type RecordName = keyof typeof RECORDS;

/** What a record counts for at least in the length of an answer: as a fact it takes more than its letters. */
const RECORD_BYTES = 64;

/** More fields than any record has. */
const MOST_FIELDS = 8;

/** Seconds the probe may take: nvidia-smi alone can take ten where no persistence daemon runs. */
const LIMIT_SECONDS = 240;

/**
 * Observes the inside of a running container in one `pct exec`. Only reads.
 *
 * @param architecture the host's, which is also a supported container's
 * @param toolkit directory of the toolkit whose kept proof is run (`/usr/local/cuda-12.8`); null: none
 * @param limit bytes of its answer at most
 * @throws ActionError PCT_FAILED, PROBE_FAILED, TIMEOUT and what pct's own failures mean
 */
export async function observeGuest(
  pct: Pct,
  ctid: number,
  architecture: Architecture,
  toolkit: string | null,
  limit: number = CONTAINER_LIMITS.probeBytes,
): Promise<GuestFacts> {
  const cudaQuery = Buffer.from(CUDA_QUERY_PROGRAMS[architecture].base64, 'base64').toString('hex');
  const result = await pct.script(
    ctid,
    GUEST_PROBE,
    [cudaQuery, ...(toolkit === null ? [] : [toolkit, CUDA_PROOF_ID])],
    {
      purpose: 'observing it',
      timeoutSeconds: LIMIT_SECONDS,
    },
  );
  const answer = recordsIn(result.stdout);
  const excess = excessOf(answer, Buffer.byteLength(result.stdout), limit);
  if (excess !== null) {
    throw new ActionError(
      'PROBE_FAILED',
      `Container ${ctid} could not be observed: its answer has ${excess}, far more than any that is in order.`,
      'Look for what prints or makes it: programs in /usr/local/sbin and /usr/local/bin of the container, a very large file in /etc/apt.',
      lastLines(result.stderr, 10),
    );
  }
  const facts = factsIn(answer.records);
  if (facts === null) {
    throw new ActionError(
      'PROBE_FAILED',
      `Container ${ctid} could not be observed: the probe ended with exit code ${result.exitCode} before its last record.`,
      'Check that /bin/sh and the base tools work in the container: pct enter.',
      lastLines(result.stderr, 10),
    );
  }
  return facts;
}

/**
 * The facts in a probe's records, or null when the records are incomplete. A record that isn't as the probe makes it is no
 * fact, and of each kind there are at most as many as allowed: what comes of it is always fit for facts.json. Takes time
 * and memory in proportion to the text.
 */
export function parseProbe(probed: string): GuestFacts | null {
  return factsIn(recordsIn(probed).records);
}

function factsIn(records: Records): GuestFacts | null {
  if (!records.has('end')) return null;
  const all = (name: RecordName) => records.get(name) ?? [];
  const first = (name: RecordName) => all(name)[0];

  const release = parseOsRelease(decoded(first('os-release')?.[1]));
  const id = word(release.get('ID')) ?? 'unknown';
  const facts: GuestFacts = {
    distribution: {
      id,
      version: word(release.get('VERSION_ID')) ?? '',
      name: word(release.get('PRETTY_NAME')) ?? id,
    },
    dpkgArchitecture: fitting(DpkgArchitecture, [first('dpkg-architecture')?.[0]])[0] ?? null,
    dpkgAudit: decoded(first('dpkg-audit')?.[0]).trim().slice(0, CONTAINER_LIMITS.commandOutput),
    space: fitting(
      DirectorySpace,
      all('space').map(([path, free = '', fileSystem, mountPoint, options = '']) => ({
        path,
        freeBytes: wholeNumber(free, 10) * 1024,
        fileSystem,
        mountPoint,
        executable: !options.split(',').includes('noexec'),
      })),
    ),
    ...userSpaceOf(records),
    packages: fitting(
      GuestPackage,
      all('package').map(([status, name, version, architecture]) => ({
        name,
        version,
        architecture,
        installed: status === 'installed',
      })),
    ),
    aptSources: fitting(
      GuestFile,
      all('apt-source').map(([path, content]) => ({ path, text: decoded(content) })),
    ),
    aptPin: first('apt-pin') === undefined ? null : decoded(first('apt-pin')?.[1]),
    keyrings: fitting(
      GuestKeyring,
      all('keyring').map(([path, content = '']) => ({ path, ...keyringIn(content) })),
    ),
    certificates: first('certificates') !== undefined,
    toolkits: fitting(
      InstalledToolkit,
      all('toolkit').map(([path = '', ...fact]) => ({
        path,
        version: path.slice(path.lastIndexOf('/cuda-') + '/cuda-'.length),
        nvcc: commandFact(fact),
      })),
    ).sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true })),
    deviceNodes: fitting(
      GuestDeviceNode,
      all('node').map(([path, major = '', minor = '', open]) => ({
        path,
        major: wholeNumber(major, 16),
        minor: wholeNumber(minor, 16),
        open,
      })),
    ),
    nvidiaSmi: { query: commandFact(first('smi-query')), table: commandFact(first('smi-table')) },
    cuda: commandFact(first('cuda-query')),
    proof: commandFact(first('cuda-proof')),
  };
  // Parts of a text hold on to all of it: these facts are kept until the end of the run.
  return JSON.parse(JSON.stringify(facts));
}

/** What a probe's answer of so many bytes has too much of, in words; null: nothing. */
function excessOf({ excess, count }: Answer, bytes: number, limit: number): string | null {
  if (Math.max(bytes, count * RECORD_BYTES) > limit) return `more than ${bytesText(limit)}`;
  return excess === null ? null : `more than ${RECORDS[excess]} records "${excess}"`;
}

/** The user space in the records of a script that made no others. */
export function parseUserSpace(text: string): UserSpace {
  return userSpaceOf(recordsIn(text).records);
}

function userSpaceOf(records: Records): UserSpace {
  const versionIn = (path: string) => versionInFileName(path.slice(path.lastIndexOf('/') + 1));
  return {
    libraries: fitting(
      GuestLibrary,
      (records.get('library') ?? []).map(([path = '']) => ({ path, version: versionIn(path) })),
    ),
    links: fitting(
      GuestLink,
      (records.get('link') ?? []).map(([soname, target = '']) => ({
        soname,
        target: target === '' ? null : target,
        version: versionIn(target),
      })),
    ),
  };
}

/** The fields of every record by its name. */
type Records = Map<RecordName, string[][]>;

/** What a script printed: its records, how many there were before any was left out, and of which there were too many. */
interface Answer {
  records: Records;
  count: number;
  excess: RecordName | null;
}

/** Reads line by line: a container can send a million empty ones. @returns what there is more of than allowed, if anything */
function recordsIn(text: string): Answer {
  const records: Records = new Map();
  let count = 0;
  let excess: RecordName | null = null;
  for (let start = 0, end = 0; start < text.length; start = end + 1) {
    end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    if (end === start) continue;
    const [name = '', ...fields] = text.slice(start, end).split('\t', MOST_FIELDS);
    if (!isRecordName(name)) continue;
    count++;
    const same = records.get(name) ?? [];
    if (same.length === 0) records.set(name, same);
    if (same.length < RECORDS[name]) same.push(fields);
    else excess ??= name;
  }
  return { records, count, excess };
}

function isRecordName(name: string): name is RecordName {
  return Object.hasOwn(RECORDS, name);
}

/** What is as the schema of facts.json wants it. */
function fitting<S extends z.ZodMiniType>(schema: S, values: readonly unknown[]): z.infer<S>[] {
  return values.flatMap((value) => {
    const parsed = schema.safeParse(value);
    return parsed.success ? [parsed.data] : [];
  });
}

/** A text that isn't too long for a name. */
function word(value: string | undefined): string | undefined {
  return value !== undefined && value.length <= CONTAINER_LIMITS.fieldLength ? value : undefined;
}

/** NaN for what isn't a number, which no schema takes. */
function wholeNumber(digits: string, base: 10 | 16): number {
  return (base === 10 ? /^\d{1,15}$/ : /^[0-9a-f]{1,8}$/).test(digits) ? Number.parseInt(digits, base) : Number.NaN;
}

function decoded(base64: string | undefined): string {
  return Buffer.from(base64 ?? '', 'base64').toString('utf8');
}

function commandFact(record: string[] | undefined): CommandFact | null {
  if (record === undefined) return null;
  const [exitCode = '', output] = record;
  const [fact = null] = fitting(CommandFact, [
    { exitCode: wholeNumber(exitCode, 10), output: decoded(output).slice(0, CONTAINER_LIMITS.commandOutput) },
  ]);
  return fact;
}

/** What is known of a keyring; of one that is larger than any of ours, nothing. */
function keyringIn(base64: string): Omit<z.infer<typeof GuestKeyring>, 'path'> {
  const bytes = Buffer.from(base64, 'base64');
  const keyring = bytes.length <= CONTAINER_LIMITS.keyringBytes ? bytes : Buffer.alloc(0);
  return keyringFacts(keyring);
}

/** os-release(5): `KEY=value`, the value perhaps in quotes. */
function parseOsRelease(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const match = /^([A-Z_]+)=(?:"([^"]*)"|'([^']*)'|(.*))$/.exec(line.trim());
      return match?.[1] === undefined ? [] : [[match[1], match[2] ?? match[3] ?? match[4] ?? ''] as const];
    }),
  );
}
