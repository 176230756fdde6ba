import type { Desired, NvidiaContainer } from '../desired/desired.ts';
import type { GuestFacts, GuestPackage, UserSpace } from '../facts/facts.ts';
import { isDriverPackage, PIN_PATH, PIN_TEXT, SOURCES_PATH, sourcesText } from '../repository/apt-files.ts';
import { type SourceConflict, sourceConflicts } from '../repository/apt-sources.ts';
import type { KeyringFacts } from '../repository/openpgp.ts';
import type { Repository } from '../repository/repositories.ts';
import { sha256Of } from '../system/sha256.ts';
import { toolkitPackage } from '../version/cuda.ts';
import type { DriverVersion } from '../version/driver.ts';

/**
 * What a container must have before NVIDIA's software: the installer refuses without kmod's tools even when no module is
 * installed (docs/facts.md, A4), nvcc needs a host compiler when it is used, apt needs certificates and keys.
 */
const PREREQUISITES = ['kmod', 'ca-certificates', 'gnupg', 'curl', 'wget', 'build-essential'];

const NVIDIA_CONTAINER_PACKAGES: Record<NvidiaContainer, readonly string[]> = {
  none: [],
  library: ['libnvidia-container1'],
  toolkit: ['libnvidia-container1', 'nvidia-container-toolkit'],
};

/** Versions of a mixture that are named. */
const MOST_VERSIONS = 5;

/** Where a container differs from what is wanted, each with the reason in words; empty or null: no difference. */
export interface Gaps {
  apt: { reason: string; conflicts: SourceConflict[] } | null;
  /** Packages that own driver files and must go before the runfile comes. */
  driverPackages: string[];
  prerequisites: string[];
  /** Missing packages of libnvidia-container's repository. */
  nvidiaContainer: string[];
  driver: string | null;
  /** Missing packages of the toolkit. */
  toolkit: string[];
}

/** Compares a container with what is wanted. Pure. */
export function findGaps(
  desired: Desired,
  guest: GuestFacts,
  driver: DriverVersion,
  repositories: readonly Repository[],
): Gaps {
  const missing = (names: readonly string[]) => names.filter((name) => !isInstalled(guest.packages, name));
  const driverPackages = guest.packages
    .filter(({ name, installed }) => installed && isDriverPackage(name))
    .map(qualifiedName);
  return {
    apt: aptGap(guest, repositories),
    driverPackages,
    prerequisites: missing(PREREQUISITES),
    nvidiaContainer: missing(NVIDIA_CONTAINER_PACKAGES[desired.nvidiaContainer]),
    driver: driverGap(guest, driver, driverPackages),
    toolkit: missing(wantedToolkit(desired)),
  };
}

function wantedToolkit({ cuda, cudaPackages }: Desired): string[] {
  return cuda.kind === 'none' ? [] : cudaPackages.map((name) => toolkitPackage(name, cuda.version));
}

/** Every difference in words. */
export function gapReasons(gaps: Gaps): string[] {
  return [
    gaps.apt?.reason,
    gaps.driverPackages.length > 0 ? `apt packages own driver files: ${gaps.driverPackages.join(', ')}` : null,
    missingText([...gaps.prerequisites, ...gaps.nvidiaContainer]),
    gaps.driver,
    missingText(gaps.toolkit),
  ].filter((reason) => typeof reason === 'string');
}

/** `kmod, gnupg are not installed`, or null when nothing is missing. */
export function missingText(names: readonly string[]): string | null {
  return names.length === 0 ? null : `not installed: ${names.join(', ')}`;
}

/** The one version that both libraries resolve to, with no file of another version beside them; else null. */
export function userSpaceVersion(guest: UserSpace): DriverVersion | null {
  const versions = new Set([
    ...guest.libraries.map(({ version }) => version),
    ...guest.links.map(({ version }) => version ?? 'none'),
  ]);
  const [version] = versions;
  return versions.size === 1 && version !== undefined && version !== 'none' ? version : null;
}

/** What to call the user space in words, also when it is a mixture: `580.159.04`, `550.163.01 and 580.159.04`, `none`. */
export function userSpaceText(guest: UserSpace): string {
  const versions = [...new Set(guest.libraries.map(({ version }) => version))].sort();
  const left = versions.length - MOST_VERSIONS;
  const named = versions.slice(0, MOST_VERSIONS).join(' and ');
  return versions.length === 0 ? 'none' : `${named}${left > 0 ? ` and ${left} more` : ''}`;
}

/** As apt-get takes it: a package can be there for two architectures. */
function qualifiedName({ name, architecture }: GuestPackage): string {
  return architecture === 'all' ? name : `${name}:${architecture}`;
}

function isInstalled(packages: readonly GuestPackage[], wanted: string): boolean {
  return packages.some(({ name, installed }) => name === wanted && installed);
}

function driverGap(guest: GuestFacts, driver: DriverVersion, driverPackages: readonly string[]): string | null {
  if (guest.libraries.length === 0) return `no user space is installed, the host's driver is ${driver}`;
  const found = userSpaceText(guest);
  if (found !== driver) return `user space ${found} ≠ host driver ${driver}`;
  const unlinked = guest.links.filter(({ version }) => version !== driver).map(({ soname }) => soname);
  if (unlinked.length > 0)
    return `${unlinked.join(', ')} of ${driver} can't be loaded: an installation was not finished`;
  if (guest.nvidiaSmi.query === null) return `nvidia-smi of ${driver} is missing`;
  if (driverPackages.length > 0) return 'the driver comes from apt packages, which are removed';
  return null;
}

/**
 * Whether a keyring is what would be written: byte for byte where the bytes are known without asking a server, else public keys
 * that may sign the repository and nothing besides.
 */
function isInPlace({ fingerprints, sha256 }: KeyringFacts, { keySource, keys }: Repository): boolean {
  if (keySource.kind === 'carried') return sha256 === sha256Of(keySource.keyring);
  return fingerprints.length > 0 && fingerprints.every((fingerprint) => keys.includes(fingerprint));
}

function aptGap(guest: GuestFacts, repositories: readonly Repository[]): Gaps['apt'] {
  const conflicts = sourceConflicts(guest.aptSources, repositories, guest.dpkgArchitecture ?? '');
  const reasons: string[] = [];
  if (guest.aptPin !== PIN_TEXT) reasons.push(`${PIN_PATH} doesn't keep apt from bringing a driver`);
  const sources = guest.aptSources.find(({ path }) => path === SOURCES_PATH)?.text;
  if (repositories.length > 0 ? sources !== sourcesText(repositories) : sources !== undefined) {
    reasons.push("NVIDIA's repositories are not set up as wanted");
  }
  for (const repository of repositories) {
    const found = guest.keyrings.find(({ path }) => path === repository.keyring);
    if (found === undefined || !isInPlace(found, repository)) {
      reasons.push(`the ${repository.name} repository's key is not in place`);
    }
  }
  if (!guest.certificates) reasons.push('ca-certificates are missing');
  for (const { path } of conflicts) reasons.push(`${path} holds an entry that would conflict`);
  return reasons.length === 0 ? null : { reason: reasons.join('; '), conflicts };
}
