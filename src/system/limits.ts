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
  /** Bytes of one stream of one command that are kept, lines and all. */
  outputBytes: 2 * MiB,
  /** Bytes of the probe's whole answer. */
  probeBytes: 1 * MiB,
  /** GPUs, and device nodes. */
  devices: 256,
  /** Libraries and links of the driver, and packages. */
  files: 4096,
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
  /** Bytes of a repository's package index as sent, and unpacked: NVIDIA's largest unpacks to less than 20 MB. */
  indexBytes: 16 * MiB,
  unpackedIndexBytes: 64 * MiB,
  /** Bytes of a runfile whose size no server tells: the largest of 2026 has 600 MB. */
  runfileBytes: 2 * GiB,
  /** Seconds for one answer that is kept in memory, from the request to its last byte. */
  answerSeconds: 120,
} as const;

/** What GitHub's runner takes of us. */
export const RUNNER_LIMITS = {
  /**
   * Bytes of a step's summary. The runner drops a whole one that is larger than 1 MiB, and one slightly below it in silence
   * (actions/runner issue 4337), so there is room between.
   */
  summaryBytes: 900 * KiB,
} as const;
