import type { Desired } from '../desired/desired.ts';
import { ActionError } from '../errors.ts';
import type {
  ContainerFacts,
  Facts,
  HostFacts,
  RepositoryFacts,
  RepositoryPackage,
  UpstreamFacts,
} from '../facts/facts.ts';
import type { UpstreamNeeds } from '../facts/upstream.ts';
import { isDriverPackage, PIN_PATH, PIN_TEXT, SOURCES_PATH, sourcesText } from '../repository/apt-files.ts';
import type { SourceConflict } from '../repository/apt-sources.ts';
import { totalSize, withDependencies } from '../repository/package-index.ts';
import { type Repository, type RepositoryName, wantedRepositories } from '../repository/repositories.ts';
import { shownUrl } from '../system/text.ts';
import { compareCudaVersions, cudaOfPackage, cudaText } from '../version/cuda.ts';
import type { DriverVersion } from '../version/driver.ts';
import type { Action, ContainerPlan, FileChange, PackageVersion, PlanWarning, Safety } from './actions.ts';
import { compatibility } from './compatibility.ts';
import { findGaps, type Gaps, gapReasons, missingText, userSpaceText } from './gaps.ts';
import { installerFlags } from './installer-flags.ts';
import { guestAfterRestart, type PassthroughGap, passthroughGap, passthroughWarnings } from './passthrough.ts';
import { checkContainer, checkDeviceNodes, checkHost, type ReadyContainer } from './refusals.ts';
import { checkSpace, compilerNeeds, driverNeeds, toolkitNeeds, workingDirectory } from './space.ts';

/** Below this installations of a real runfile were seen to be killed (docs/facts.md, A8). */
const LITTLE_MEMORY_MIB = 2048;

/** What is already known before anything was looked up on the web. */
interface Situation extends ReadyContainer {
  driver: DriverVersion;
  repositories: Repository[];
  gaps: Gaps;
  /** What is to be passed through; null: nothing. */
  passthrough: PassthroughGap | null;
}

function assess(desired: Desired, host: HostFacts, container: ContainerFacts): Situation {
  const driver = checkHost(desired, host);
  const ready = checkContainer(host, container);
  const passthrough = passthroughGap(desired, host, container);
  checkDeviceNodes(host, container, guestAfterRestart(ready.guest, host, passthrough));
  const repositories = wantedRepositories(desired, ready.distribution, host.architecture);
  return { ...ready, driver, passthrough, repositories, gaps: findGaps(desired, ready.guest, driver, repositories) };
}

/**
 * What a plan needs to know of NVIDIA's servers: nothing for a container that is as wanted. Pure.
 *
 * @throws ActionError for every refusal that host and container alone give reason for
 */
export function upstreamNeeds(desired: Desired, host: HostFacts, container: ContainerFacts): UpstreamNeeds {
  const { driver, repositories, gaps } = assess(desired, host, container);
  const needed: Record<RepositoryName, boolean> = {
    cuda: gaps.apt !== null || gaps.toolkit.length > 0,
    'nvidia-container': gaps.apt !== null || gaps.nvidiaContainer.length > 0,
  };
  return {
    driver: gaps.driver === null ? null : driver,
    repositories: repositories.filter(({ name }) => needed[name]),
  };
}

/** What still differs from what is wanted, in words; empty: converged. @throws ActionError as {@link upstreamNeeds} does */
export function remainingGaps(desired: Desired, host: HostFacts, container: ContainerFacts): string[] {
  const { gaps, passthrough } = assess(desired, host, container);
  return [...gapReasons(gaps), ...(passthrough === null ? [] : [passthrough.reason])];
}

/**
 * The plan for one container. Pure: the same wishes and facts give the same plan.
 *
 * @throws ActionError for every wish that is impossible or dangerous, before anything is touched
 */
export function makePlan(desired: Desired, { host, container, upstream }: Facts): ContainerPlan {
  const { guest, driver, repositories, gaps, passthrough } = assess(desired, host, container);
  const { ctid } = container;
  const actions: Action[] = [];
  const needs = [];

  if (gaps.apt !== null) actions.push(configureApt(ctid, gaps.apt, repositories, upstream, guest.certificates));

  const packages = [
    ...gaps.prerequisites.map((name) => ({ name, version: null })),
    ...gaps.nvidiaContainer.map((name) => ({ name, version: offeredVersion(upstream.nvidiaContainer, name) })),
  ];
  const missing = missingText(packages.map(({ name }) => name));
  if (missing !== null) {
    actions.push({
      kind: 'install-packages',
      reason: missing,
      purpose: 'prerequisites',
      packages,
      dependencies: dependencies(upstream.nvidiaContainer?.packages ?? [], gaps.nvidiaContainer),
      size: null,
      update: !fetchesLists(actions),
    });
  }
  if (gaps.prerequisites.includes('build-essential')) needs.push(...compilerNeeds());

  if (gaps.driverPackages.length > 0) {
    actions.push({
      kind: 'remove-packages',
      reason: `they own driver files, which must come from the runfile: ${gaps.driverPackages.join(', ')}`,
      packages: gaps.driverPackages,
    });
  }
  if (gaps.driver !== null) {
    const { runfile } = upstream;
    if (runfile === null) throw new Error('the plan needs the runfile, which was not looked up');
    const directory = workingDirectory(ctid, guest);
    needs.push(...driverNeeds(runfile, directory));
    actions.push({
      kind: 'install-driver',
      reason: gaps.driver,
      version: driver,
      runfile: { url: runfile.url, sha256: runfile.sha256, size: runfile.size },
      directory,
      flags: installerFlags(driver),
    });
  }
  const noToolkit = missingText(gaps.toolkit);
  if (noToolkit !== null) {
    const offered = upstream.cuda?.packages ?? [];
    const toolkit = toolkitPackages(gaps.toolkit, offered, guest.distribution.name);
    const size = totalSize(withDependencies(offered, gaps.toolkit));
    needs.push(...toolkitNeeds(size, gaps.toolkit.join(', ')));
    actions.push({
      kind: 'install-packages',
      reason: noToolkit,
      purpose: 'toolkit',
      packages: toolkit,
      dependencies: dependencies(offered, gaps.toolkit),
      size,
      update: !fetchesLists(actions),
    });
  }
  if (passthrough !== null && passthrough.entries.length > 0) {
    actions.push({ kind: 'configure-passthrough', reason: passthrough.reason, entries: passthrough.entries });
  }
  if (passthrough !== null) {
    actions.push({ kind: 'restart', reason: 'what is passed through takes effect at a start' });
  } else if (desired.restart === 'after-change' && actions.length > 0) {
    actions.push({
      kind: 'restart',
      reason: 'as "restart: after-change" asks: the proof then shows what a start would',
    });
  }
  checkSpace(ctid, guest, needs);
  return {
    ctid,
    found: {
      distribution: `${guest.distribution.id} ${guest.distribution.version}`,
      userSpace: userSpaceText(guest),
    },
    actions,
    safety: safety(desired, container, actions),
    warnings: [
      ...passthroughWarnings(host, container),
      ...warnings(desired, { host, container, upstream }, driver, actions),
    ],
  };
}

/** What comes along with packages, in its newest versions: what apt would take. */
function dependencies(offered: readonly RepositoryPackage[], names: readonly string[]): PackageVersion[] {
  return withDependencies(offered, names)
    .filter(({ name }) => !names.includes(name))
    .map(({ name, version }) => ({ name, version }));
}

/** Whether an action fetches apt's package lists already. */
function fetchesLists(actions: readonly Action[]): boolean {
  return actions.some(({ kind }) => kind === 'configure-apt' || kind === 'install-packages');
}

/** @throws ActionError SNAPSHOT_IMPOSSIBLE when a snapshot is required */
function safety(desired: Desired, container: ContainerFacts, actions: readonly Action[]): Safety {
  if (actions.length === 0) return { kind: 'none', why: 'nothing is to be done' };
  if (desired.rollback === 'never') return { kind: 'none', why: 'none is wanted' };
  if (container.snapshotObstacle === null) return { kind: 'snapshot' };
  if (desired.rollback === 'auto') return { kind: 'none', why: container.snapshotObstacle };
  throw new ActionError(
    'SNAPSHOT_IMPOSSIBLE',
    `Container ${container.ctid} can't be snapshotted: ${container.snapshotObstacle}.`,
    'Move it to a storage with snapshots, or set "rollback: auto" to go on without one where there is none.',
  );
}

function configureApt(
  ctid: number,
  gap: { reason: string; conflicts: SourceConflict[] },
  repositories: readonly Repository[],
  upstream: UpstreamFacts,
  certificates: boolean,
): Action {
  const mixed = gap.conflicts.find(({ kind }) => kind === 'mixed');
  if (mixed !== undefined) {
    throw new ActionError(
      'CONTAINER_REPOSITORY_CONFLICT',
      `In container ${ctid}, ${mixed.path} names one of NVIDIA's repositories beside others.`,
      "Take NVIDIA's entry out of that file: it would conflict with the one this action sets up.",
    );
  }
  const before: FileChange[] = [{ kind: 'write', path: PIN_PATH, content: base64(PIN_TEXT) }];
  for (const conflict of gap.conflicts) {
    if (conflict.kind === 'whole-file') before.push({ kind: 'put-aside', path: conflict.path });
    if (conflict.kind === 'lines') before.push({ kind: 'write', path: conflict.path, content: base64(conflict.text) });
  }
  const known: Record<RepositoryName, RepositoryFacts | null> = {
    cuda: upstream.cuda,
    'nvidia-container': upstream.nvidiaContainer,
  };
  const keys = [];
  for (const { name, keyring } of repositories) {
    const facts = known[name];
    if (facts === null) throw new Error(`the plan needs the key of the ${name} repository, which was not looked up`);
    before.push({ kind: 'write', path: keyring, content: facts.keyring });
    keys.push({ path: keyring, fingerprints: facts.fingerprints });
  }
  return {
    kind: 'configure-apt',
    reason: gap.reason,
    before,
    installCertificates: !certificates,
    after:
      repositories.length > 0
        ? [{ kind: 'write', path: SOURCES_PATH, content: base64(sourcesText(repositories)) }]
        : [{ kind: 'put-aside', path: SOURCES_PATH }],
    keys,
  };
}

/** @throws ActionError PACKAGE_NOT_AVAILABLE */
function offeredVersion(repository: RepositoryFacts | null, name: string): string {
  const found = repository?.packages.find((entry) => entry.name === name);
  if (found !== undefined) return found.version;
  throw new ActionError(
    'PACKAGE_NOT_AVAILABLE',
    `The repository of NVIDIA's container packages has no ${name}.`,
    'Check "nvidia-container-repository", or set "nvidia-container: none".',
  );
}

/** @throws ActionError TOOLKIT_NOT_AVAILABLE, APT_DRIVER_PULLED */
function toolkitPackages(
  names: readonly string[],
  offered: readonly RepositoryPackage[],
  distribution: string,
): PackageVersion[] {
  const packages = names.map((name) => {
    const found = offered.find((entry) => entry.name === name);
    if (found === undefined) throw toolkitMissing(name, offered, distribution);
    return { name, version: found.version };
  });
  const driver = withDependencies(offered, names).find(({ name }) => isDriverPackage(name));
  if (driver === undefined) return packages;
  throw new ActionError(
    'APT_DRIVER_PULLED',
    `${names.join(', ')} would bring ${driver.name} ${driver.version}, a driver by apt.`,
    'Leave out of "cuda-packages" what depends on a driver: cuda, cuda-runtime, cuda-demo-suite.',
  );
}

function toolkitMissing(name: string, offered: readonly RepositoryPackage[], distribution: string): ActionError {
  const suffix = /-\d+-\d+$/.exec(name)?.[0] ?? '';
  const parts = offered.flatMap((entry) => (entry.name.endsWith(suffix) ? entry.name.slice(0, -suffix.length) : []));
  const versions = offered
    .flatMap(({ name: candidate }) => cudaOfPackage(candidate) ?? [])
    .sort(compareCudaVersions)
    .map(cudaText);
  return new ActionError(
    'TOOLKIT_NOT_AVAILABLE',
    `NVIDIA's repository for ${distribution} has no ${name}.`,
    parts.length > 0
      ? `"cuda-packages" can be of that version: ${parts.sort().join(', ')}.`
      : versions.length === 0
        ? 'It has no toolkit at all: check "cuda-repository".'
        : `It has: ${versions.join(', ')}.`,
  );
}

function warnings(
  desired: Desired,
  { container, upstream }: Facts,
  driver: DriverVersion,
  actions: readonly Action[],
): PlanWarning[] {
  const found: PlanWarning[] = [];
  if (desired.cuda.kind === 'version') {
    const fit = compatibility(driver, desired.cuda.version);
    if (fit.kind === 'limited') {
      found.push({
        code: 'CUDA_LIMITED',
        message: `CUDA ${cudaText(desired.cuda.version)} was released with driver ${fit.releasedWith}; ${driver} runs it with limits (no compilation of its newer PTX).`,
      });
    }
  }
  if (actions.some(({ kind }) => kind === 'install-driver')) {
    if (container.memoryMib < LITTLE_MEMORY_MIB) {
      found.push({
        code: 'LITTLE_MEMORY',
        message: `Container ${container.ctid} has ${container.memoryMib} MiB of memory; installations were seen to be killed for want of memory below ${LITTLE_MEMORY_MIB} MiB.`,
      });
    }
    if (upstream.runfile?.checksum === 'none') {
      found.push({
        code: 'NO_CHECKSUM',
        message: `Nobody publishes a checksum of ${shownUrl(upstream.runfile.url)}: the plan pins the bytes that came (sha256 ${upstream.runfile.sha256}), as "runfile-integrity: self-check" asks.`,
      });
    }
  }
  return found;
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
