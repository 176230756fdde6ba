import { existsSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Container } from '../lab/container.ts';
import type { Host } from '../lab/host.ts';
import { type ActionResult, runAction } from '../lab/runner.ts';
import type { Boundary } from './boundaries.ts';
import { CANCEL_FILE, type Fault, FILLER, JOURNAL_FILLER, pctFaults } from './faults.ts';
import { inputs, type Prepared, type Storage } from './prepared.ts';
import { expectConverged, expectSafe, hostState, logOf } from './state.ts';

/** One cell of the matrix. */
export interface Case {
  readonly boundary: Boundary;
  readonly fault: Fault;
  readonly storage: Storage;
  /** Whether the runner gets to run the post step; without it only the next run can put things right. */
  readonly post: boolean;
}

export function caseName({ boundary, fault, storage, post }: Case): string {
  return `${boundary.name}: ${fault} (${storage}${post ? '' : ', no post step'})`;
}

/** A fault at a boundary, the state afterwards, a clean run, the state then. */
export async function runCase(prepared: Prepared, { boundary, fault, storage, post }: Case): Promise<void> {
  const { scenario } = prepared;
  const { host } = scenario;
  const container = await prepared.copy(storage);
  try {
    await host.setSwitches({
      faults: pctFaults(boundary, fault, container.ctid, storage === 'disk' ? 'container' : 'host'),
    });
    const ended = new AbortController();
    const result = await runAction(host, {
      inputs: { ...scenario.keys(), ...inputs(container) },
      ...(fault === 'SIGINT' ? { cancel: { when: cancelAsked(host, ended.signal) } } : {}),
      ...(post ? {} : { action: await scenario.actionWithoutPost() }),
    }).finally(() => ended.abort());
    expect(await happened(host, boundary), `the fault did not happen\n${logOf(result)}`).toBe(true);
    if (fault === 'ENOSPC') expect(await filled(container, storage)).toBe(true);
    await host.setSwitches({});
    expectToldApart(result, fault);
    if (post) await expectSafe(prepared, container, result);
    else expect((await hostState(container)).busy).toBe(false);

    await host.exec(['rm', '-f', JOURNAL_FILLER]);
    if (await container.isRunning()) await container.execOk(['rm', '-f', FILLER]);
    const log = logOf(result);
    await expectConverged(prepared, container, `${log}\n\nnext run:\n${await cleanRun(prepared, container, log)}`);
  } finally {
    await host.setSwitches({});
    await host.exec(['rm', '-f', JOURNAL_FILLER]);
    await container.destroy();
  }
}

/** Whether the last of the faults took place: pct counts the calls that match. */
async function happened(host: Host, { call, provoked }: Boundary): Promise<boolean> {
  const counter = join(host.directory, 'counters', provoked ? '2' : '1');
  const calls = existsSync(counter) ? (await readFile(counter)).length : 0;
  return calls >= (call.nth ?? 1);
}

/** Whether the disk was really filled; not to be seen in a container that is stopped. */
async function filled(container: Container, storage: Storage): Promise<boolean> {
  if (storage === 'btrfs') return existsSync(container.host.path(JOURNAL_FILLER));
  return !(await container.isRunning()) || (await container.exec(['test', '-s', FILLER])).exitCode === 0;
}

/** The next run. A container that is stopped and can't be brought back is refused as such, and then started. */
async function cleanRun({ scenario }: Prepared, container: Container, log: string): Promise<string> {
  const { host } = scenario;
  const action = { inputs: { ...scenario.keys(), ...inputs(container) } };
  let result = await runAction(host, action);
  if (result.exitCode !== 0 && !(await container.isRunning())) {
    expect(result.outputs['failure-reason'], `${log}\n\n${logOf(result)}`).toBe('CONTAINER_STOPPED');
    expect((await host.pct('start', String(container.ctid))).exitCode).toBe(0);
    await setTimeout(300);
    await container.execOk(['rm', '-f', FILLER]);
    result = await runAction(host, action);
  }
  expect(result.exitCode, `${log}\n\nnext run:\n${logOf(result)}`).toBe(0);
  return logOf(result);
}

/** A failure is never called a bug of ours, nobody had to kill the action, and a cancelled one says so. */
function expectToldApart(result: ActionResult, fault: Fault): void {
  const reason = result.outputs['failure-reason'];
  expect(reason, logOf(result)).not.toBe('BUG');
  if (fault === 'SIGKILL') return;
  expect(result.signal, logOf(result)).toBeNull();
  expect(result.exitCode === 0 ? 'success' : reason, logOf(result)).toMatch(/^(success|[A-Z_]+)$/);
}

/** Fulfilled when the fault asks the runner to cancel; it then goes on. */
async function cancelAsked(host: Host, ended: AbortSignal): Promise<void> {
  const file = host.path(CANCEL_FILE);
  while (!existsSync(file)) {
    if (ended.aborted) return new Promise(() => {});
    await setTimeout(10);
  }
  // After the signal, which is sent as soon as this promise is fulfilled.
  setImmediate(() => rmSync(file, { force: true }));
}
