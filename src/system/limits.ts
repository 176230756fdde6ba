/*
 * What is believed to be the most that an honest container, mirror or runfile gives. All that comes from them is bounded by
 * these numbers, in the one place where it comes in, before anything keeps it: what is over a limit is refused or cut with a
 * note, never taken whole. Each is several times what was seen of the real thing, and far below what this process or the
 * host's disk could not bear.
 */

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** What comes out of a container. */
export const CONTAINER_LIMITS = {
  /** UTF-16 units of one line that are kept, e.g. of a log line. */
  lineLength: 2000,
  /** Lines of one command that are handed on. */
  lines: 20_000,
  /** Bytes of one command's standard output that are kept, and of its lines that are handed on. */
  outputBytes: 2 * MiB,
  /** Bytes of each of its streams that are looked at at all: who prints more is no honest one. */
  readBytes: 16 * MiB,
  /** Seconds of processor time for copying each stream: several GB. An honest command takes milliseconds. */
  copySeconds: 1,
  /** What is kept of one command, of all containers that are worked on at one time, together. */
  allOutputBytes: 32 * MiB,
  /** UTF-16 units of what a command prints to standard error: the end is kept, which says what went wrong. */
  errorLength: 256 * KiB,
  /** UTF-16 units of log lines that wait until it is their container's turn, of all containers together. */
  waitingLog: 8 * MiB,
  /** Bytes of the probe's whole answer: real ones have 30 KB. */
  probeBytes: 1 * MiB,
  /** The same of all containers of a run, together: it is kept until the report is made. */
  allProbeBytes: 16 * MiB,
  /** UTF-16 units of what one command inside printed, e.g. nvidia-smi; the probe itself cuts at as many bytes. */
  commandOutput: 64 * KiB,
  /** UTF-16 units of a path, a name or a version. */
  fieldLength: 1 * KiB,
  /** GPUs, and device nodes. */
  devices: 256,
  /** Libraries of the driver, and packages. */
  files: 4096,
  /** Whatever else there are few of: directories, links, keyrings and their keys, toolkits. */
  few: 64,
  /** Files with apt sources. */
  aptSources: 64,
  /** UTF-16 units of an address in an apt source. */
  addressLength: 2 * KiB,
  /** Bytes of a keyring. */
  keyringBytes: 64 * KiB,
} as const;

/** What comes from the network. */
export const NETWORK_LIMITS = {
  /** Bytes of a checksum, as published beside a runfile. */
  checksumBytes: 64 * KiB,
  /** Bytes of a key, or of the package that carries one. */
  keyBytes: 256 * KiB,
  /** Bytes of a repository's package index as sent, packed or not, and unpacked: NVIDIA's largest unpacks to less than 20 MB. */
  indexBytes: 32 * MiB,
  unpackedIndexBytes: 64 * MiB,
  /** UTF-16 units of a line of it; the longest of NVIDIA's, a metapackage's dependencies, have some thousand. */
  indexLineLength: 64 * KiB,
  /** Packages in it, each version counted: NVIDIA's largest lists some ten thousand. */
  indexEntries: 200_000,
  /**
   * What is kept of it, roughly in bytes: names and versions, those of dependencies counted, with a hundred more for each. Some
   * thousand packages with a few dependencies each, as NVIDIA's, take a tenth to a quarter.
   */
  indexKeptBytes: 20 * MiB,
  /** Bytes of a runfile whose size no server tells: the largest of 2026 has 600 MB. */
  runfileBytes: 2 * GiB,
  /** Seconds for one answer that is kept in memory, from the request to its last byte, redirects and all. */
  answerSeconds: 120,
  /** Seconds without a byte after which a server is given up. */
  silenceSeconds: 30,
  /** Bytes a second that a download has in each such stretch of seconds, or it is given up: at this rate a runfile takes half a day. */
  slowestBytesPerSecond: 10 * KiB,
  slowSeconds: 120,
} as const;

/** What GitHub's runner takes of us. */
export const RUNNER_LIMITS = {
  /**
   * Bytes of a step's summary. The runner drops a whole one that is larger than 1 MiB, and one slightly below it in silence
   * (actions/runner issue 4337), so there is room between.
   */
  summaryBytes: 900 * KiB,
} as const;

/** What a runfile may be, and what its archive may take on this host while it is decompressed. */
export const RUNFILE_LIMITS = {
  /** Bytes of a whole one. */
  bytes: NETWORK_LIMITS.runfileBytes,
  /** Bytes before the archive: stub and decompressor are well within this. */
  headBytes: 8 * MiB,
  /** Lines in which the stub's variables are looked for, and bytes of one: makeself.sh sets them at its top. */
  stubLines: 5000,
  stubLineBytes: 4 * KiB,
  /** Bytes that it may have unpacked beyond four times its own: a real one has 2.2 to 3.8 times. */
  unpackedReserveBytes: 512 * MiB,
  /** Bytes of memory for decompressing: xz takes 65 MiB at its highest level, zstd 128 MiB unless told otherwise. */
  memoryBytes: 256 * MiB,
} as const;

/** What a report hands on. */
export const REPORT_LIMITS = {
  /**
   * UTF-16 units of each output that holds text from containers: 400 Ki together. All outputs of a job may have 1 MiB, in
   * which GitHub counts two bytes for each unit (docs.github.com, "jobs.<job_id>.outputs").
   */
  gpus: 96 * KiB,
  nvidiaSmi: 96 * KiB,
  nvcc: 48 * KiB,
  containers: 160 * KiB,
  /** Of what one command of one container printed, in an output. */
  oneContainer: 32 * KiB,
  /** Of one sentence, and of the lines below it, of a failure. */
  sentence: 4 * KiB,
  details: 64 * KiB,
} as const;

/** What one of several may take: its own limit, or its share of one that holds for all of them together. */
export function share(one: number, all: number, count: number): number {
  return Math.min(one, Math.floor(all / Math.max(count, 1)));
}
