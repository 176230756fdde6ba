import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type ActionRecord, applyPlan } from './apply/apply.ts';
import { ProxyFile } from './apply/container-proxy.ts';
import type { ApplyContext } from './apply/context.ts';
import { compileProof } from './apply/cuda-proof.ts';
import { Journal } from './apply/journal.ts';
import { Protection } from './apply/protection.ts';
import { recover } from './apply/recover.ts';
import type { ContainerWish, Desired } from './desired/desired.ts';
import { ActionError, type Failure, toFailure } from './errors.ts';
import type { ContainerFacts, GuestFacts, HostFacts } from './facts/facts.ts';
import { observeGuest } from './facts/guest.ts';
import type { Upstream } from './facts/upstream.ts';
import { actionTitle, type ContainerPlan, safetyText } from './plan/actions.ts';
import { userSpaceText } from './plan/gaps.ts';
import { makePlan, remainingGaps, upstreamNeeds } from './plan/plan.ts';
import { takeContainerLock } from './proxmox/lock.ts';
import { observeContainer } from './proxmox/node.ts';
import type { Pct } from './proxmox/pct.ts';
import type { ContainerResult, ContainerStatus, Obtained, Software } from './report/result.ts';
import type { Archive, ArchiveStore } from './runfile/archive-store.ts';
import { obtainArchive, type RunfileStores } from './runfile/runfile.ts';
import { deadline } from './system/deadline.ts';
import type { FileLock } from './system/lock.ts';
import { userArgument } from './system/state.ts';
import { verifyProof } from './verify/cuda-proof.ts';
import { parseCudaQuery } from './verify/cuda-query.ts';
import type { Finding } from './verify/findings.ts';
import { parseSmiQuery } from './verify/nvidia-smi.ts';
import { type Verification, verify, wantedToolkit } from './verify/verify.ts';
import { cudaText } from './version/cuda.ts';
import type { DriverVersion } from './version/driver.ts';
import type { World } from './world.ts';

interface Setting {
  /** What is known of it from a facts file; null: it is observed here. */
  known: ContainerFacts | null;
  /** Why it can't be worked on, whatever is wanted; null: it can. */
  refusal: ActionError | null;
  wish: ContainerWish;
  desired: Desired;
  host: HostFacts;
  driver: DriverVersion;
  world: World;
  pct: Pct;
  /** What its inside may answer at most when it is observed. */
  probeBytes: number;
  runfiles: RunfileStores & { archives: ArchiveStore };
  upstream: Upstream;
}

/** What is compared with afterwards: the rest of what was observed isn't kept as long. */
type Installed = Pick<GuestFacts, 'packages' | 'libraries' | 'links' | 'toolkits'>;

function installedIn({ packages, libraries, links, toolkits }: GuestFacts): Installed {
  return { packages, libraries, links, toolkits };
}

/** One container on its way through the flow. The first failure ends it; what was found until then is kept. */
export class ContainerRun {
  readonly #setting: Setting;
  readonly #actions: ActionRecord[] = [];
  #container: ContainerFacts | null = null;
  /** The inside before anything was done, and after it. */
  #before: Installed | null = null;
  #after: GuestFacts | null = null;
  #plan: ContainerPlan | null = null;
  #applied = false;
  #obtained: Obtained | null = null;
  #rolledBack = false;
  #lock: FileLock | null = null;
  readonly #journal: Journal;
  #verifications: Verification[] = [];
  #findings: Finding[] = [];
  #failure: Failure | null = null;
  #seconds = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    this.#failure = setting.refusal === null ? null : toFailure(setting.refusal);
    this.#journal = new Journal(setting.wish.ctid, setting.world.state.directory('journal'));
  }

  get ctid(): number {
    return this.#setting.wish.ctid;
  }

  /** What was observed; null before that, or when it failed. */
  get facts(): ContainerFacts | null {
    return this.#container;
  }

  /** What is to be done; null before that is known, or when it can't be. */
  get plan(): ContainerPlan | null {
    return this.#plan;
  }

  get failed(): boolean {
    return this.#failure !== null;
  }

  /** Takes the container's lock, so that no other run changes it, and puts right what an earlier one left half done. */
  lock(): Promise<void> {
    return this.#step(async ({ wish: { ctid }, desired, world, pct }) => {
      const { log, runName, cancelled } = world;
      this.#lock = await takeContainerLock(ctid, runName, world, {
        waitSeconds: desired.lockWaitMinutes * 60,
        cancelled,
        onWait: (holder) => log.info(`Container ${ctid} is being worked on by ${holder}: waiting.`),
      });
      await refuseLeftByOther(world, ctid);
      const entry = await this.#journal.read();
      if (entry === null) return;
      log.info(`${entry.run} was interrupted at "${entry.step}" in container ${ctid}, begun ${entry.since}.`);
      const recovery = await log.group(`Container ${ctid}: put right`, () =>
        recover({ pct, files: world.files, log }, this.#journal, entry),
      );
      log.warning(`Container ${ctid} was ${recovery} after an interrupted run.`, 'Recovered');
    });
  }

  async unlock(): Promise<void> {
    await this.#lock?.release();
  }

  /** Facts. One `pct exec`, and only into a container that may be worked on. */
  observe(): Promise<void> {
    return this.#step(async ({ known, wish: { ctid }, world }) => {
      if (known !== null) {
        this.#container = known;
        this.#after = known.guest;
        this.#before = known.guest && installedIn(known.guest);
        return;
      }
      const container = await observeContainer(world.files, ctid);
      const open = container.running && container.lock === null && !container.template;
      this.#after = open ? await this.#observeGuest() : null;
      this.#before = this.#after && installedIn(this.#after);
      this.#container = { ...container, guest: this.#after };
    });
  }

  makePlan(): Promise<void> {
    return this.#step(async ({ known, desired, host, upstream, world }) => {
      const container = this.#observed();
      const { log } = world;
      // With "apply" that was done under the container's lock.
      if (known === null && desired.mode === 'plan') await refuseLeftByOther(world, container.ctid);
      const needs = upstreamNeeds(desired, host, container);
      const facts = { host, container, upstream: await upstream.observe(needs, desired, host.architecture) };
      this.#plan = makePlan(desired, facts);
      const { ctid, actions, safety, warnings } = this.#plan;
      if (actions.length === 0) log.info(`Container ${ctid} is as wanted: nothing to do.`);
      else log.info(`Plan for container ${ctid}:`);
      for (const action of actions) log.info(`  - ${actionTitle(action)} (${action.reason})`);
      if (actions.length > 0) log.info(`  ${safetyText(safety)}`);
      for (const { message, code } of warnings) log.warning(message, code);
    });
  }

  /**
   * Carries the plan out and proves the result; protected, so that a failure leaves nothing half done.
   *
   * @param done awaited when the container is proven to be as planned; it must not throw
   */
  apply(done: (plan: ContainerPlan) => Promise<void>): Promise<void> {
    return this.#step(async (setting) => {
      const { world, pct } = setting;
      if (this.#plan === null) throw new Error('apply comes after a plan');
      this.#applied = true;
      const plan = this.#plan;
      if (plan.actions.length === 0) return;
      const secondsLeft = timeLimit(setting);
      await using archive = await this.#obtainArchive(setting, plan, secondsLeft);
      await using proxy = await ProxyFile.write(setting.desired.containerProxy, world.temporary);
      const protection = new Protection(world, pct, this.#journal, plan);
      try {
        await protection.around(
          async (record) => {
            await applyPlan(plan, applyContext(setting, proxy, archive, secondsLeft), this.#actions, record);
            await record('verify');
            this.#container = await observeContainer(world.files, plan.ctid);
            this.#after = await world.log.group(`Container ${plan.ctid}: verify`, () => this.#observeGuest());
            await this.#prove(setting);
          },
          () => done(plan),
        );
      } catch (error) {
        this.#rolledBack = protection.recovery === 'rolled-back';
        this.#after = world.cancelled.aborted ? null : await this.#observeGuest().catch(() => null);
        if (this.#rolledBack) this.#compareWithBefore(setting);
        throw error;
      }
    });
  }

  /** Before anything is touched: a download that fails sends no container back to its snapshot. */
  async #obtainArchive(
    { world, runfiles, host }: Setting,
    { ctid, actions }: ContainerPlan,
    secondsLeft: () => number,
  ): Promise<Archive | null> {
    const install = actions.find((action) => action.kind === 'install-driver');
    if (install === undefined) return null;
    const wanted = { version: install.version, ...install.runfile };
    const started = performance.now();
    let failed = true;
    try {
      const archive = await world.log.group(`Container ${ctid}: obtain driver ${install.version}`, () =>
        obtainArchive(world, runfiles, wanted, host.architecture, secondsLeft),
      );
      failed = false;
      return archive;
    } finally {
      this.#obtained = { startedAt: started / 1000, seconds: (performance.now() - started) / 1000, failed };
    }
  }

  /** A container that was rolled back must be what it was. */
  #compareWithBefore({ wish, world }: Setting): void {
    const software = (guest: Installed | null) => [guest?.packages, guest?.libraries, guest?.links];
    if (isDeepStrictEqual(software(this.#before), software(this.#after))) return;
    world.log.warning(
      `Container ${wish.ctid} was rolled back, but its packages or user space are not what they were.`,
      'ROLLBACK_FAILED',
    );
  }

  /** Judges what was observed of a container in which nothing was to be done. */
  verify(): Promise<void> {
    return this.#step(async (setting) => {
      if (this.#plan?.actions.length === 0) await this.#prove(setting);
    });
  }

  /** Judges whether the container is still as wanted, without a plan. The failure of one that isn't is DRIFT. */
  checkDrift(): Promise<void> {
    return this.#step(async (setting) => {
      const { wish, desired, host, driver, world } = setting;
      await refuseLeftByOther(world, wish.ctid).catch((error: unknown) => {
        const { seen, remedy, code } = toFailure(error);
        world.log.warning(`${seen} ${remedy}`, code);
      });
      const gaps = remainingGaps(desired, host, this.#observed());
      if (gaps.length === 0) {
        await this.#prove(setting);
        return;
      }
      const failed = await this.#judge(setting);
      const guest = this.#after;
      const userSpace = guest === null ? 'unknown' : userSpaceText(guest);
      throw new ActionError(
        'DRIFT',
        userSpace === driver
          ? `Container ${wish.ctid} is not as wanted any more: ${gaps.join('; ')}.`
          : `Host ${host.node} runs driver ${driver}, container ${wish.ctid} has ${userSpace}: CUDA doesn't work in it.`,
        'Bring it back with "mode: apply", or change what is wanted.',
        [...gaps, ...failed.map(({ level, title, seen }) => `${level} (${title}): ${seen}`)].join('\n'),
      );
    });
  }

  /** Verifies what was observed last, and logs it. @returns the proofs that failed */
  async #judge(setting: Setting): Promise<Verification[]> {
    const { wish, desired, host, driver, world } = setting;
    const { log } = world;
    if (this.#after === null) throw new Error('a proof needs an observation');
    this.#after = await this.#withProof(setting, this.#after);
    const container = { ...this.#observed(), guest: this.#after };
    const { verifications, findings } = verify(desired, wish, host, container, this.#after, driver);
    this.#verifications = verifications;
    this.#findings = findings;
    for (const { level, title, status, seen } of verifications) {
      log.info(`Container ${wish.ctid} ${level} ${title}: ${status} (${seen})`);
    }
    for (const { code, message } of findings) log.warning(message, code);
    return verifications.filter(({ failure }) => failure !== undefined);
  }

  /** @throws ActionError VERIFY_… for the first proof that fails */
  async #prove(setting: Setting): Promise<void> {
    const { wish, desired, host } = setting;
    const [failed] = await this.#judge(setting);
    if (failed?.failure !== undefined) {
      const { code, remedy, details } = failed.failure;
      const seen = `Container ${wish.ctid}, ${failed.level} (${failed.title}): ${failed.seen}.`;
      throw new ActionError(code, seen, remedy, details);
    }
    const gaps = remainingGaps(desired, host, { ...this.#observed(), guest: this.#after });
    if (gaps.length > 0) {
      throw new ActionError(
        'VERIFY_FAILED',
        `Container ${wish.ctid} is not as wanted after everything was done: ${gaps.join('; ')}.`,
        'Something else changes the container at the same time: run this again.',
      );
    }
  }

  result(): ContainerResult {
    const smi = this.#after?.nvidiaSmi;
    const toolkit = this.#after === null ? undefined : wantedToolkit(this.#setting.desired, this.#after);
    return {
      ctid: this.#setting.wish.ctid,
      hostname: this.#container?.hostname ?? null,
      status: this.#status(),
      before: software(this.#before),
      after: software(this.#after),
      plan: this.#plan,
      rolledBack: this.#rolledBack,
      obtained: this.#obtained,
      actions: this.#actions,
      verifications: this.#verifications,
      findings: this.#findings,
      gpus: smi?.query?.exitCode === 0 ? parseSmiQuery(smi.query.output) : [],
      nvidiaSmi: smi?.table?.output ?? '',
      nvcc: toolkit?.nvcc.output ?? '',
      failure: this.#failure,
      seconds: this.#seconds,
    };
  }

  #status(): ContainerStatus {
    const { mode } = this.#setting.desired;
    if (this.#failure?.code === 'DRIFT') return 'drifted';
    if (this.failed) return 'failed';
    if (mode === 'facts') return 'observed';
    if (mode === 'verify' || this.#plan?.actions.length === 0) return 'converged';
    if (mode === 'plan') return 'planned';
    return this.#applied ? 'changed' : 'aborted';
  }

  #observed(): ContainerFacts {
    if (this.#container === null) throw new Error('a plan comes after observing');
    return this.#container;
  }

  #observeGuest(): Promise<GuestFacts> {
    const { desired, host, pct, wish, probeBytes } = this.#setting;
    const toolkit = desired.verify === 'cuda' ? toolkitPath(desired) : null;
    return observeGuest(pct, wish.ctid, host.architecture, toolkit, probeBytes);
  }

  /**
   * The container as observed, with a kernel compiled and run where that is wanted and would work, unless the one kept from
   * an earlier run has passed.
   */
  async #withProof({ desired, host, pct, wish, world: { log } }: Setting, guest: GuestFacts): Promise<GuestFacts> {
    const toolkit = toolkitPath(desired);
    if (desired.mode !== 'apply' || desired.verify !== 'cuda' || toolkit === null) return guest;
    if (verifyProof(desired, host, this.#observed(), guest).status === 'pass') return guest;
    const query = parseCudaQuery(guest.cuda?.output ?? '');
    if (query.kind !== 'gpus' || wantedToolkit(desired, guest)?.nvcc.exitCode !== 0) return guest;
    log.info(`Container ${wish.ctid}: compiling and running a kernel`);
    const capabilities = query.gpus.map(({ capability }) => capability);
    return { ...guest, proof: await compileProof(pct, wish.ctid, toolkit, capabilities) };
  }

  /** Runs a step unless an earlier one failed; keeps its failure and its time. */
  async #step(work: (setting: Setting) => Promise<void>): Promise<void> {
    if (this.failed) return;
    const started = performance.now();
    try {
      this.#setting.world.cancelled.throwIfAborted();
      await work(this.#setting);
    } catch (error) {
      this.#failure = toFailure(error);
    } finally {
      this.#seconds += (performance.now() - started) / 1000;
    }
  }
}

/** @throws ActionError CONTAINER_LEFT_BY_OTHER_USER, JOURNAL_FAILED */
async function refuseLeftByOther({ state }: World, ctid: number): Promise<void> {
  const user = await state.leftByOther(ctid);
  if (user === null) return;
  throw new ActionError(
    'CONTAINER_LEFT_BY_OTHER_USER',
    `A run of the user ${user} works on container ${ctid}, or was interrupted and left it half done.`,
    `What that user noted of it is read by no other: when no run is at work, run this once more as that user (by its workflow or by hand, sudo -u ${userArgument(user)}: docs/local-run.md), which puts the container right first. Where there is no such user any more, docs/local-run.md says what to look at.`,
  );
}

/** Seconds left of a container's time, from now on. @throws ActionError TIMEOUT, in the function returned, when none are left */
function timeLimit({ wish, desired }: Setting): () => number {
  const over = () =>
    new ActionError(
      'TIMEOUT',
      `Container ${wish.ctid} took longer than ${desired.timeoutMinutes} minutes.`,
      'See where the time went in the summary; raise "timeout-minutes" if it was merely slow.',
    );
  return deadline(desired.timeoutMinutes, over);
}

function applyContext(
  { wish, world, pct }: Setting,
  proxy: ProxyFile,
  archive: Archive | null,
  secondsLeft: () => number,
): ApplyContext {
  return {
    ctid: wish.ctid,
    pct,
    log: world.log,
    proxy,
    archive,
    secondsLeft,
    wait: async (seconds) => {
      await setTimeout(seconds * 1000, undefined, { signal: world.cancelled }).catch(() => {});
      world.cancelled.throwIfAborted();
    },
  };
}

/** Directory of the wanted toolkit; null: none is wanted. */
function toolkitPath({ cuda }: Desired): string | null {
  return cuda.kind === 'none' ? null : `/usr/local/cuda-${cudaText(cuda.version)}`;
}

function software(guest: Installed | null): Software | null {
  if (guest === null) return null;
  return { driver: userSpaceText(guest), toolkits: guest.toolkits.map(({ version }) => version) };
}
