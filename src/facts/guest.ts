import { ActionError } from '../errors.ts';
import type { Pct } from '../proxmox/pct.ts';
import { keyringFacts } from '../repository/openpgp.ts';
import { lastLines } from '../system/text.ts';
import type { Architecture } from '../version/architecture.ts';
import { versionInFileName } from '../version/driver.ts';
import { CUDA_QUERY_PROGRAMS } from './cuda-query-programs.ts';
import type { CommandFact, DirectorySpace, GuestDeviceNode, GuestFacts, InstalledToolkit, UserSpace } from './facts.ts';
import { GUEST_PROBE } from './guest-probe.ts';
import { CUDA_PROOF_ID } from './kept-proof.ts';

/** Seconds the probe may take: nvidia-smi alone can take ten where no persistence daemon runs. */
const LIMIT_SECONDS = 240;

/**
 * Observes the inside of a running container in one `pct exec`. Only reads.
 *
 * @param architecture the host's, which is also a supported container's
 * @param toolkit directory of the toolkit whose kept proof is run (`/usr/local/cuda-12.8`); null: none
 * @throws ActionError PCT_FAILED, PROBE_FAILED, TIMEOUT and what pct's own failures mean
 */
export async function observeGuest(
  pct: Pct,
  ctid: number,
  architecture: Architecture,
  toolkit: string | null,
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
  const facts = parseProbe(result.stdout);
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

/** The facts in a probe's records, or null when the records are incomplete. */
export function parseProbe(text: string): GuestFacts | null {
  const records = recordsIn(text);
  if (!records.some(([name]) => name === 'end')) return null;
  const all = (name: string) => named(records, name);
  const first = (name: string) => all(name)[0];

  const release = parseOsRelease(decoded(first('os-release')?.[1]));
  const mounts = parseMounts(decoded(first('mounts')?.[0]));
  return {
    distribution: {
      id: release.get('ID') ?? 'unknown',
      version: release.get('VERSION_ID') ?? '',
      name: release.get('PRETTY_NAME') ?? release.get('ID') ?? 'unknown',
    },
    dpkgArchitecture: first('dpkg-architecture')?.[0] ?? null,
    dpkgAudit: decoded(first('dpkg-audit')?.[0]).trim(),
    space: all('space').map(([path = '', free = '', fileSystem = '', mountPoint = '']): DirectorySpace => {
      const options = mounts.get(mountPoint) ?? [];
      return { path, freeBytes: Number(free) * 1024, fileSystem, mountPoint, executable: !options.includes('noexec') };
    }),
    ...userSpaceOf(records),
    packages: all('package').map(([status = '', name = '', version = '', architecture = '']) => ({
      name,
      version,
      architecture,
      installed: status === 'installed',
    })),
    aptSources: all('apt-source').map(([path = '', content]) => ({ path, text: decoded(content) })),
    aptPin: first('apt-pin') === undefined ? null : decoded(first('apt-pin')?.[1]),
    keyrings: all('keyring').map(([path = '', content = '']) => ({
      path,
      ...keyringFacts(Buffer.from(content, 'base64')),
    })),
    certificates: first('certificates') !== undefined,
    toolkits: all('toolkit')
      .flatMap(([path = '', ...fact]): InstalledToolkit[] => {
        const nvcc = commandFact(fact);
        return nvcc === null ? [] : [{ path, version: path.replace(/^.*\/cuda-/, ''), nvcc }];
      })
      .sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true })),
    deviceNodes: all('node').map(
      ([path = '', major = '', minor = '', open = '']): GuestDeviceNode => ({
        path,
        major: Number.parseInt(major, 16),
        minor: Number.parseInt(minor, 16),
        open: open as GuestDeviceNode['open'],
      }),
    ),
    nvidiaSmi: { query: commandFact(first('smi-query')), table: commandFact(first('smi-table')) },
    cuda: commandFact(first('cuda-query')),
    proof: commandFact(first('cuda-proof')),
  };
}

/** The user space in the records of a script that made no others. */
export function parseUserSpace(text: string): UserSpace {
  return userSpaceOf(recordsIn(text));
}

function userSpaceOf(records: readonly string[][]): UserSpace {
  return {
    libraries: named(records, 'library').flatMap(([path = '']) => {
      const version = versionInFileName(path.slice(path.lastIndexOf('/') + 1));
      return version === null ? [] : [{ path, version }];
    }),
    links: named(records, 'link').map(([soname = '', target = '']) => ({
      soname,
      target: target === '' ? null : target,
      version: versionInFileName(target.slice(target.lastIndexOf('/') + 1)),
    })),
  };
}

function recordsIn(text: string): string[][] {
  return text.split('\n').map((line) => line.split('\t'));
}

/** The fields of every record of a name. */
function named(records: readonly string[][], name: string): string[][] {
  return records.filter((record) => record[0] === name).map((record) => record.slice(1));
}

function decoded(base64: string | undefined): string {
  return Buffer.from(base64 ?? '', 'base64').toString('utf8');
}

function commandFact(record: string[] | undefined): CommandFact | null {
  if (record === undefined) return null;
  const [exitCode = '', output] = record;
  return { exitCode: Number.parseInt(exitCode, 10), output: decoded(output) };
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

/** /proc/self/mounts: mount point → options; of mounts over each other the last counts. */
function parseMounts(text: string): Map<string, string[]> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, mountPoint, , options] = line.split(' ');
      return mountPoint === undefined || options === undefined ? [] : [[mountPoint, options.split(',')] as const];
    }),
  );
}
