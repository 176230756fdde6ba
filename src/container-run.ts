import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type ActionRecord, applyPlan } from './apply/apply.ts';
import type { ApplyContext } from './apply/context.ts';
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
import type { ContainerResult, ContainerStatus, Software } from './report/result.ts';
import type { RunfileCache } from './runfile/cache.ts';
import { obtainRunfile } from './runfile/runfile.ts';
import type { FileLock } from './system/lock.ts';
import type { Finding } from './verify/findings.ts';
import { parseSmiQuery } from './verify/nvidia-smi.ts';
import { type Verification, verify } from './verify/verify.ts';
import { cudaText } from './version/cuda.ts';
import type { DriverVersion } from './version/driver.ts';
import type { World } from './world.ts';

interface Setting {
  wish: ContainerWish;
  desired: Desired;
  host: HostFacts;
  driver: DriverVersion;
  world: World;
  pct: Pct;
  cache: RunfileCache;
  upstream: Upstream;
}

/** One container on its way through the flow. The first failure ends it; what was found until then is kept. */
export class ContainerRun {
  readonly #setting: Setting;
  readonly #actions: ActionRecord[] = [];
  #container: ContainerFacts | null = null;
  /** The inside before anything was done, and after it. */
  #before: GuestFacts | null = null;
  #after: GuestFacts | null = null;
  #plan: ContainerPlan | null = null;
  #applied = false;
  #rolledBack = false;
  #lock: FileLock | null = null;
  readonly #journal: Journal;
  #verifications: Verification[] = [];
  #findings: Finding[] = [];
  #failure: Failure | null = null;
  #seconds = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    this.#journal = new Journal(setting.wish.ctid);
  }

  get failed(): boolean {
    return this.#failure !== null;
  }

  /** Takes the container's lock, so that no other run changes it, and puts right what an earlier one left half done. */
  lock(): Promise<void> {
    return this.#step(async ({ wish: { ctid }, desired, world, pct }) => {
      const { log, runName, cancelled } = world;
      this.#lock = await takeContainerLock(ctid, runName, {
        waitSeconds: desired.lockWaitMinutes * 60,
        cancelled,
        onWait: (holder) => log.info(`Container ${ctid} is being worked on by ${holder}: waiting.`),
      });
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
    return this.#step(async ({ wish: { ctid }, world }) => {
      const container = await observeContainer(world.files, ctid);
      const open = container.running && container.lock === null && !container.template;
      this.#before = open ? await this.#observeGuest() : null;
      this.#after = this.#before;
      this.#container = { ...container, guest: this.#before };
    });
  }

  makePlan(): Promise<void> {
    return this.#step(async ({ desired, host, upstream, world: { log } }) => {
      const container = this.#observed();
      const needs = upstreamNeeds(desired, host, container);
      const facts = { host, container, upstream: await upstream.observe(needs, desired.runfile, host.architecture) };
      this.#plan = makePlan(desired, facts);
      const { ctid, actions, safety, warnings } = this.#plan;
      if (actions.length === 0) log.info(`Container ${ctid} is as wanted: nothing to do.`);
      else log.info(`Plan for container ${ctid}:`);
      for (const action of actions) log.info(`  - ${actionTitle(action)} (${action.reason})`);
      if (actions.length > 0) log.info(`  ${safetyText(safety)}`);
      for (const { message, code } of warnings) log.warning(message, code);
    });
  }

  /** Carries the plan out and proves the result; protected, so that a failure leaves nothing half done. */
  apply(): Promise<void> {
    return this.#step(async (setting) => {
      const { world, pct } = setting;
      if (this.#plan === null) throw new Error('apply comes after a plan');
      this.#applied = true;
      const plan = this.#plan;
      if (plan.actions.length === 0) return;
      const protection = new Protection(world, pct, this.#journal, plan);
      try {
        await protection.around(async (record) => {
          await applyPlan(plan, this.#context(setting), this.#actions, record);
          await record('verify');
          this.#container = await observeContainer(world.files, plan.ctid);
          this.#after = await world.log.group(`Container ${plan.ctid}: verify`, () => this.#observeGuest());
          this.#prove(setting);
        });
      } catch (error) {
        this.#rolledBack = protection.recovery === 'rolled-back';
        this.#after = world.cancelled.aborted ? null : await this.#observeGuest().catch(() => null);
        if (this.#rolledBack) this.#compareWithBefore(setting);
        throw error;
      }
    });
  }

  /** A container that was rolled back must be what it was. */
  #compareWithBefore({ wish, world }: Setting): void {
    const software = (guest: GuestFacts | null) => [guest?.packages, guest?.libraries, guest?.links];
    if (isDeepStrictEqual(software(this.#before), software(this.#after))) return;
    world.log.warning(
      `Container ${wish.ctid} was rolled back, but its packages or user space are not what they were.`,
      'ROLLBACK_FAILED',
    );
  }

  /** Judges what was observed of a container in which nothing was to be done. */
  verify(): Promise<void> {
    return this.#step(async (setting) => {
      if (this.#plan?.actions.length === 0) this.#prove(setting);
    });
  }

  /** @throws ActionError VERIFY_… for the first proof that fails */
  #prove({ wish, desired, host, driver, world: { log } }: Setting): void {
    if (this.#after === null) throw new Error('a proof needs an observation');
    const container = { ...this.#observed(), guest: this.#after };
    const { verifications, findings } = verify(desired, wish, host, container, this.#after, driver);
    this.#verifications = verifications;
    this.#findings = findings;
    for (const { level, title, status, seen } of verifications) {
      log.info(`Container ${wish.ctid} ${level} ${title}: ${status} (${seen})`);
    }
    for (const { code, message } of findings) log.warning(message, code);
    const failed = verifications.find(({ failure }) => failure !== undefined);
    if (failed?.failure !== undefined) {
      const { code, remedy, details } = failed.failure;
      const seen = `Container ${wish.ctid}, ${failed.level} (${failed.title}): ${failed.seen}.`;
      throw new ActionError(code, seen, remedy, details);
    }
    const gaps = remainingGaps(desired, host, container);
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
    return {
      ctid: this.#setting.wish.ctid,
      hostname: this.#container?.hostname ?? null,
      status: this.#status(),
      before: software(this.#before),
      after: software(this.#after),
      plan: this.#plan,
      rolledBack: this.#rolledBack,
      actions: this.#actions,
      verifications: this.#verifications,
      findings: this.#findings,
      gpus: smi?.query?.exitCode === 0 ? parseSmiQuery(smi.query.output) : [],
      nvidiaSmi: smi?.table?.output ?? '',
      nvcc: this.#after?.nvcc?.output ?? '',
      failure: this.#failure,
      seconds: this.#seconds,
    };
  }

  #status(): ContainerStatus {
    if (this.failed) return 'failed';
    if (this.#plan?.actions.length === 0) return 'converged';
    if (this.#setting.desired.mode === 'plan') return 'planned';
    return this.#applied ? 'changed' : 'aborted';
  }

  #observed(): ContainerFacts {
    if (this.#container === null) throw new Error('a plan comes after observing');
    return this.#container;
  }

  #observeGuest(): Promise<GuestFacts> {
    const { desired, pct, wish } = this.#setting;
    const toolkit = desired.cuda.kind === 'none' ? '' : `/usr/local/cuda-${cudaText(desired.cuda.version)}`;
    return observeGuest(pct, wish.ctid, toolkit);
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

  #context({ wish, desired, host, world, pct, cache }: Setting): ApplyContext {
    const end = performance.now() + desired.timeoutMinutes * 60_000;
    const secondsLeft = () => {
      const seconds = Math.ceil((end - performance.now()) / 1000);
      if (seconds > 0) return seconds;
      throw new ActionError(
        'TIMEOUT',
        `Container ${wish.ctid} took longer than ${desired.timeoutMinutes} minutes.`,
        'See where the time went in the summary; raise "timeout-minutes" if it was merely slow.',
      );
    };
    return {
      ctid: wish.ctid,
      pct,
      log: world.log,
      secondsLeft,
      wait: async (seconds) => {
        await setTimeout(seconds * 1000, undefined, { signal: world.cancelled }).catch(() => {});
        world.cancelled.throwIfAborted();
      },
      obtainRunfile: (runfile) => obtainRunfile(world, cache, runfile, host.architecture, secondsLeft),
    };
  }
}

function software(guest: GuestFacts | null): Software | null {
  if (guest === null) return null;
  return { driver: userSpaceText(guest), toolkits: guest.toolkits.map((path) => path.replace(/^.*\/cuda-/, '')) };
}
