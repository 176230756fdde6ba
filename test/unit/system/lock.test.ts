import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileLock, type LockOptions, ownerNow, ownLock } from '../../../src/system/lock.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const OWNER = { ...ownerNow('run 1'), since: '2026-11-22T22:00:00.000Z' };

/** Takes a lock; who is told of a holder, and what is thrown, can be looked at. */
function take(path: string, changes: Partial<LockOptions> = {}, told: string[] = []): Promise<FileLock> {
  return FileLock.take(ownLock(path), {
    owner: OWNER,
    waitSeconds: 0.1,
    cancelled: new AbortController().signal,
    onWait: (holder) => told.push(holder),
    busy: (holder) => new Error(`busy: ${holder}`),
    ...changes,
  });
}

describe('FileLock', () => {
  it('is free again when it was released', async () => {
    const path = join(temporaryDirectory(), 'not/made/yet/x.lock');
    const told: string[] = [];
    await (await take(path, {}, told)).release();
    await (await take(path, {}, told)).release();
    expect(told).toEqual([]);
  });

  it('is refused to others as long as it is held, naming the holder', async () => {
    const path = join(temporaryDirectory(), 'x.lock');
    const lock = await take(path);
    const told: string[] = [];
    const holder = `run 1 (process ${process.pid}, since 2026-11-22T22:00:00.000Z)`;
    await expect(take(path, {}, told)).rejects.toThrow(`busy: ${holder}`);
    expect(told).toEqual([holder]);
    await lock.release();
    await (await take(path)).release();
  });

  it.each([
    ['half a rec', 'what can not be read'],
    [JSON.stringify({ ...OWNER, pid: 2 ** 22 + 1 }), 'a process that is gone'],
    [JSON.stringify({ ...OWNER, bootId: 'another' }), 'a process from before a restart'],
  ])('names nobody when the note is of %s', async (note) => {
    const path = join(temporaryDirectory(), 'x.lock');
    const lock = await take(path);
    writeFileSync(`${path}.json`, note);
    await expect(take(path)).rejects.toThrow('busy: another process');
    await lock.release();
  });

  it('is handed over to who waits', async () => {
    const path = join(temporaryDirectory(), 'x.lock');
    const lock = await take(path);
    const waiting = take(path, { waitSeconds: 10 });
    setTimeout(() => lock.release(), 50);
    await (await waiting).release();
  });

  it('is waited for no longer when the run is cancelled', async () => {
    const path = join(temporaryDirectory(), 'x.lock');
    const lock = await take(path);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('cancelled')), 50);
    const cancelled = controller.signal;
    await expect(take(path, { waitSeconds: 10, cancelled })).rejects.toThrow('cancelled');
    await expect(take(path, { waitSeconds: 10, cancelled })).rejects.toThrow('cancelled');
    await lock.release();
    await (await take(path)).release();
  });

  it('has this process as its owner', () => {
    expect(ownerNow('run 2')).toMatchObject({ run: 'run 2', pid: process.pid });
    expect(Date.parse(ownerNow('').since)).toBeLessThanOrEqual(Date.now());
  });
});
