import { rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ActionError } from '../../../src/errors.ts';
import { HostLock } from '../../../src/proxmox/lock.ts';
import { failureOf } from '../helpers/failure.ts';

/** A name that no other test run on this machine has. */
const NAME = `unit-test-${process.pid}`;
const OWNER = { run: 'run 1', pid: process.pid, since: '2026-11-22T22:00:00.000Z' };
const NEVER = new AbortController().signal;

afterEach(() => {
  rmSync(`/run/lock/proxmox-lxc-nvidia/${NAME}.lock`, { force: true });
});

const take = (waitSeconds = 0.2, cancelled = NEVER, told: string[] = []) =>
  HostLock.take(NAME, OWNER, waitSeconds, cancelled, (holder) => told.push(holder));

describe('HostLock', () => {
  it('is free again when it was released', async () => {
    const told: string[] = [];
    await (await take(0.2, NEVER, told)).release();
    await (await take(0.2, NEVER, told)).release();
    expect(told).toEqual([]);
  });

  it('is refused to others as long as it is held, naming the holder', async () => {
    const lock = await take();
    const told: string[] = [];
    const failure = await failureOf(() => take(0.1, NEVER, told));
    expect(failure.code).toBe('CONTAINER_BUSY');
    expect(failure.message).toContain(`run 1 (process ${process.pid}`);
    expect(told).toEqual([expect.stringContaining('run 1')]);
    await lock.release();
    await (await take()).release();
  });

  it('is handed over to who waits', async () => {
    const lock = await take();
    const waiting = take(10);
    setTimeout(() => lock.release(), 50);
    await (await waiting).release();
  });

  it('is waited for no longer when the run is cancelled', async () => {
    const lock = await take();
    const controller = new AbortController();
    const reason = new ActionError('CANCELLED', 'It was cancelled.', '');
    setTimeout(() => controller.abort(reason), 50);
    expect(await failureOf(() => take(10, controller.signal))).toBe(reason);
    expect(await failureOf(() => take(10, controller.signal))).toBe(reason);
    await lock.release();
    await (await take()).release();
  });
});
