import { ContainerRun } from './container-run.ts';
import type { Desired } from './desired/desired.ts';
import { type Failure, toFailure } from './errors.ts';
import type { HostFacts } from './facts/facts.ts';
import { observeHealth } from './facts/health.ts';
import { observeHost } from './facts/host.ts';
import { Upstream } from './facts/upstream.ts';
import { checkHost } from './plan/refusals.ts';
import { Pct } from './proxmox/pct.ts';
import type { ContainerStatus, RunResult } from './report/result.ts';
import { RunfileCache } from './runfile/cache.ts';
import { type Finding, hostFindings } from './verify/findings.ts';
import { cudaText } from './version/cuda.ts';
import type { World } from './world.ts';

/**
 * The whole flow: facts → plan → apply → verify. Never throws for what a report should tell: the result carries it.
 *
 * Every container is observed and planned before the first one is touched, so a refusal of any leaves all as they were.
 */
export async function run(desired: Desired, world: World): Promise<RunResult> {
  const started = performance.now();
  const { log } = world;
  const pct = new Pct(world.run, world.cancelled);
  const cache = new RunfileCache(world.temporary);
  const upstream = new Upstream(world.http, world.run, cache, world.temporary);
  let containers: ContainerRun[] = [];
  let host: HostFacts | null = null;
  let findings: Finding[] = [];
  let failure: Failure | null = null;

  try {
    const observed = await observeHost(world.files, world.run, world.machine);
    host = observed;
    const driver = checkHost(desired, observed);
    log.info(
      `Host ${host.node}: driver ${driver} (${host.driver?.kernelModule} kernel module), ${host.gpus.length} GPU(s), Proxmox VE ${host.proxmoxVersion ?? 'unknown'}.`,
    );
    containers = desired.containers.map(
      (wish) => new ContainerRun({ wish, desired, host: observed, driver, world, pct, cache, upstream }),
    );
    if (desired.mode === 'apply') for (const container of containers) await container.lock();
    // Beside the looks into containers, because nvidia-smi can take its time; nothing is planned by it.
    const health = observeHealth(world.run);
    for (const container of containers) await container.observe();
    observed.health = await health;
    findings = hostFindings(observed);
    for (const { code, message } of findings) log.warning(message, code);
    for (const container of containers) await container.makePlan();
    if (desired.mode === 'apply' && containers.every(({ failed }) => !failed)) {
      for (const container of containers) {
        await container.apply();
        if (container.failed) break;
      }
    }
    for (const container of containers) await container.verify();
  } catch (error) {
    failure = toFailure(error);
  } finally {
    for (const container of containers) await container.unlock();
  }

  const results = containers.map((container) => container.result());
  const statuses = results.map(({ status }) => status);
  return {
    schema: '1.0',
    mode: desired.mode,
    status: failure === null ? overall(statuses) : 'failed',
    host,
    cudaVersion: desired.cuda.kind === 'none' ? null : cudaText(desired.cuda.version),
    containers: results,
    findings,
    failure,
    seconds: (performance.now() - started) / 1000,
  };
}

function overall(statuses: readonly ContainerStatus[]): RunResult['status'] {
  for (const status of ['failed', 'changed', 'planned'] as const) {
    if (statuses.includes(status)) return status;
  }
  return 'converged';
}
