import { join } from 'node:path';
import { AppliedPlan } from './apply/applied.ts';
import { ContainerRun } from './container-run.ts';
import { selectContainers } from './desired/containers.ts';
import type { Desired } from './desired/desired.ts';
import { ActionError, type Failure, type FailureCode, messageOf, toFailure } from './errors.ts';
import type { ContainerFacts, HostFacts } from './facts/facts.ts';
import { type FactsFile, parseFactsFile } from './facts/file.ts';
import { observeHealth } from './facts/health.ts';
import { observeHost } from './facts/host.ts';
import { checkRights } from './facts/rights.ts';
import { refusedContainers } from './facts/sudo-rules.ts';
import { Upstream } from './facts/upstream.ts';
import { type Approval, checkApproval, compareWithApproval, doneUnder } from './plan/approval.ts';
import { type Plan, parsePlan } from './plan/file.ts';
import { containerDigest, type Identified, planDigest } from './plan/identity.ts';
import { checkHost } from './plan/refusals.ts';
import { listContainers } from './proxmox/node.ts';
import { Pct } from './proxmox/pct.ts';
import type { ContainerStatus, RunResult } from './report/result.ts';
import { ArchiveStore } from './runfile/archive-store.ts';
import { RunfileCache } from './runfile/cache.ts';
import { KnownRunfiles } from './runfile/known-runfiles.ts';
import { ContainerLogs } from './system/container-log.ts';
import { CONTAINER_LIMITS, share } from './system/limits.ts';
import { sideBySide } from './system/side-by-side.ts';
import { hostFindings } from './verify/findings.ts';
import { cudaText } from './version/cuda.ts';
import type { DriverVersion } from './version/driver.ts';
import { newHead } from './version/format.ts';
import type { World } from './world.ts';

/** What a run leaves: what is told of it, and the files it makes. */
export interface Outcome {
  result: RunResult;
  /** Of `plan` and `apply`, when there is a plan for every container. */
  plan: Plan | null;
  /** Of `facts`. */
  facts: FactsFile | null;
}

/** Where the facts come from: this host, or a file. */
interface Scene {
  host: HostFacts;
  /** The containers that are meant, each with its facts where they come from a file, and why it can't be worked on here. */
  containers: { ctid: number; known: ContainerFacts | null; refusal: ActionError | null }[];
}

/** What all containers have in common, when they are worked on. */
interface Stage {
  host: HostFacts;
  driver: DriverVersion;
  containers: readonly ContainerRun[];
  approval: Approval | null;
  logs: ContainerLogs;
}

const DAY = 24 * 3600 * 1000;

/**
 * The whole flow: facts → plan → apply → verify. Never throws for what a report should tell: the result carries it.
 *
 * Every container is observed and planned before the first one is touched: with "on-failure: stop" a refusal of any leaves
 * all as they were.
 */
export async function run(desired: Desired, world: World): Promise<Outcome> {
  const started = performance.now();
  let containers: ContainerRun[] = [];
  let host: HostFacts | null = null;
  let plan: Plan | null = null;
  let failure: Failure | null = null;

  try {
    const approval = await readApproval(desired, world);
    const scene = desired.facts === null ? await observeScene(desired, world) : await readScene(desired, world);
    host = scene.host;
    const driver = desired.mode === 'facts' ? (host.driver?.version ?? '') : checkHost(desired, host);
    tellHost(host, world);
    const logs = new ContainerLogs(world.log);
    containers = containerRuns(desired, world, scene, driver, logs);
    plan = await work(desired, world, { host, driver, containers, approval, logs });
  } catch (error) {
    failure = toFailure(error);
  } finally {
    for (const container of containers) await container.unlock();
  }

  const results = containers.map((container) => container.result());
  const statuses = results.map(({ status }) => status);
  const { cuda, mode } = desired;
  return {
    result: {
      ...newHead('report'),
      mode,
      status: failure === null ? overall(statuses) : 'failed',
      host,
      cudaVersion: cuda.kind === 'none' ? null : cudaText(cuda.version),
      planDigest: plan?.digest ?? null,
      containers: results,
      findings: host === null ? [] : hostFindings(host),
      failure,
      seconds: (performance.now() - started) / 1000,
    },
    plan,
    facts: mode === 'facts' && host !== null && failure === null ? factsFile(world, host, containers) : null,
  };
}

/** What the mode asks for, container by container. @returns the plan, if there is one for every container */
async function work(desired: Desired, world: World, stage: Stage): Promise<Plan | null> {
  const { host, driver, containers, approval, logs } = stage;
  const { mode, maxParallel, onFailure } = desired;
  const each = (step: (container: ContainerRun) => Promise<void>, goOn?: () => boolean) =>
    sideBySide(containers, maxParallel, (container) => logs.working(() => step(container)), goOn);
  const goOn = () => onFailure === 'continue' || containers.every(({ failed }) => !failed);

  if (mode === 'apply') {
    const here = { action: newHead('plan').action, node: host.node, ctids: containers.map(({ ctid }) => ctid) };
    if (approval !== null) checkApproval(approval, { ...here, now: world.now() });
    world.selected(here.ctids);
    if (world.user.rights === 'root') await world.state.make();
    // One after the other and by their ids: two runs that want the same containers can't wait for each other.
    for (const container of containers) await container.lock();
  }
  // Beside the looks into containers, because nvidia-smi can take its time; nothing is planned by it.
  const health = desired.facts === null ? observeHealth(world.run) : host.health;
  await each((container) => container.observe());
  host.health = await health;
  for (const { code, message } of hostFindings(host)) world.log.warning(message, code);
  if (mode === 'facts') return null;
  if (mode === 'verify') {
    await each((container) => container.checkDrift());
    return null;
  }
  await each((container) => container.makePlan());
  const plan = wholePlan(desired, world, host, driver, containers);
  if (mode === 'apply' && goOn()) {
    const applied =
      approval === null ? null : await AppliedPlan.load(approval.digest, world.state.directory('applied'));
    if (approval !== null && applied !== null) gate(approval, plan, applied, world);
    await each(async (container) => {
      await container.apply(async (part) => {
        const [run, at, digest] = [world.runName, world.now().toISOString(), containerDigest(part)];
        // The container is as approved; that this can't be noted only matters for whoever applies the same plan again.
        await applied?.add(part.ctid, { run, at, digest }).catch((error: unknown) => {
          const { code, seen, remedy } = toFailure(error);
          world.log.warning(`${seen} ${remedy}`, code);
        });
      });
    }, goOn);
  }
  await each((container) => container.verify());
  return plan;
}

/** @throws ActionError PLAN_CHANGED, PLAN_USED */
function gate(approval: Approval, plan: Plan | null, applied: AppliedPlan, { log }: World): void {
  if (plan === null) {
    throw new ActionError(
      'PLAN_CHANGED',
      'What was approved was a plan for every container; now there is none for some of them. Nothing was touched.',
      'See the failures of the containers, or make a new plan and have that approved.',
    );
  }
  const done = doneUnder(approval, applied.parts);
  compareWithApproval(approval, plan, done);
  const parts = [...done.values()];
  const [first] = parts;
  if (first !== undefined && plan.containers.every(({ actions }) => actions.length === 0)) {
    log.info(`The approved plan was applied already, by ${first.run} at ${first.at}: nothing to do.`);
  } else {
    log.info(`The plan is the approved one: ${approval.digest}.`);
  }
}

/** @throws ActionError PLAN_UNREADABLE and as {@link parsePlan} */
async function readApproval({ approvedPlan }: Desired, { files }: World): Promise<Approval | null> {
  if (approvedPlan === null) return null;
  if (approvedPlan.kind === 'digest') return approvedPlan;
  const { path } = approvedPlan;
  const remedy = 'Give the path of an approved plan.json, or its digest (sha256:…).';
  const plan = parsePlan(await readGiven(files, path, 'approved-plan', 'PLAN_UNREADABLE', remedy), path);
  return { kind: 'plan', digest: plan.digest, source: path, plan };
}

/** The text of a file that an input names. @throws ActionError with the given code */
async function readGiven(
  files: World['files'],
  path: string,
  input: string,
  code: FailureCode,
  remedy: string,
): Promise<string> {
  let why = 'it is not there';
  const text = await files.read(path).catch((error: unknown) => {
    why = messageOf(error);
    return null;
  });
  if (text !== null) return text;
  throw new ActionError(code, `${path}, given as "${input}", can't be read: ${why}.`, remedy);
}

async function observeScene(desired: Desired, world: World): Promise<Scene> {
  const host = await observeHost(world.files, world.run, world.machine);
  const rules = await checkRights(world, desired.containers.ctids);
  const known =
    desired.containers.tags.length === 0 && !desired.containers.all ? [] : await listContainers(world.files);
  const ctids = selectContainers(desired.containers, known);
  const refused = rules === null ? null : await refusedContainers(world, rules, ctids);
  return { host, containers: ctids.map((ctid) => ({ ctid, known: null, refusal: refused?.get(ctid) ?? null })) };
}

/** @throws ActionError FACTS_UNREADABLE, FACTS_INCOMPLETE and as {@link parseFactsFile} */
async function readScene({ facts, containers }: Desired, { files, now }: World): Promise<Scene> {
  if (facts === null) throw new Error('there is no facts file to read');
  const { path, maxAgeHours } = facts;
  const remedy = 'Check the path: it is relative to the workspace.';
  const text = await readGiven(files, path, 'facts', 'FACTS_UNREADABLE', remedy);
  const file = parseFactsFile(text, path, now(), maxAgeHours);
  const ctids = selectContainers(containers, file.containers);
  return {
    host: file.host,
    containers: ctids.map((ctid) => {
      const known = file.containers.find((container) => container.ctid === ctid);
      if (known !== undefined) return { ctid, known, refusal: null };
      throw new ActionError(
        'FACTS_INCOMPLETE',
        `${path} has no facts of container ${ctid}; it has ${file.containers.map((container) => container.ctid).join(', ') || 'none'}.`,
        'Name the container when the facts file is made ("mode: facts").',
      );
    }),
  };
}

function containerRuns(
  desired: Desired,
  world: World,
  { host, containers }: Scene,
  driver: DriverVersion,
  logs: ContainerLogs,
): ContainerRun[] {
  const pct = new Pct(world.runAsRoot, world.cancelled, Math.min(desired.maxParallel, containers.length));
  const probeBytes = share(CONTAINER_LIMITS.probeBytes, CONTAINER_LIMITS.allProbeBytes, containers.length);
  const runfiles = {
    cache: new RunfileCache(world.temporary),
    known: new KnownRunfiles(join(world.state.directory('archive'), 'runfiles.json')),
    archives: new ArchiveStore(world.state.directory('archive')),
  };
  const upstream = new Upstream(world, runfiles, world.temporary);
  return containers.map(({ ctid, known, refusal }) => {
    const wish = { ctid, gpus: desired.gpus[String(ctid)] ?? null };
    const own = { ...world, log: logs.forContainer() };
    return new ContainerRun({
      known,
      refusal,
      wish,
      desired,
      host,
      driver,
      world: own,
      pct,
      probeBytes,
      runfiles,
      upstream,
    });
  });
}

function wholePlan(
  { cuda, cudaPackages, nvidiaContainer, verify, rollback, planValidDays }: Desired,
  world: World,
  host: HostFacts,
  driver: DriverVersion,
  runs: readonly ContainerRun[],
): Plan | null {
  const containers = runs.flatMap(({ plan }) => plan ?? []);
  if (containers.length < runs.length) return null;
  const identified: Identified = {
    ...newHead('plan'),
    host: { node: host.node, architecture: host.architecture, driver },
    wish: {
      cuda: cuda.kind === 'none' ? null : cudaText(cuda.version),
      cudaPackages: cuda.kind === 'none' ? [] : cudaPackages,
      nvidiaContainer,
      verify,
      rollback,
    },
    containers,
  };
  const now = world.now();
  const plan: Plan = {
    kind: 'plan',
    ...identified,
    createdAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + planValidDays * DAY).toISOString(),
    digest: planDigest(identified),
  };
  world.log.info(`The plan's digest is ${plan.digest}.`);
  return plan;
}

function factsFile(world: World, host: HostFacts, runs: readonly ContainerRun[]): FactsFile {
  return {
    ...newHead('facts'),
    observedAt: world.now().toISOString(),
    host,
    containers: runs.flatMap(({ facts }) => facts ?? []),
  };
}

function tellHost({ node, driver, gpus, proxmoxVersion }: HostFacts, { log }: World): void {
  const module = driver === null ? 'no driver' : `driver ${driver.version} (${driver.kernelModule} kernel module)`;
  log.info(`Host ${node}: ${module}, ${gpus.length} GPU(s), Proxmox VE ${proxmoxVersion ?? 'unknown'}.`);
}

function overall(statuses: readonly ContainerStatus[]): RunResult['status'] {
  if (statuses.includes('drifted')) return 'failed';
  for (const status of ['failed', 'changed', 'planned', 'observed'] as const) {
    if (statuses.includes(status)) return status;
  }
  return 'converged';
}
