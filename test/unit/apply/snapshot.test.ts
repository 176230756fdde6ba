import { beforeEach, describe, expect, it, vi } from 'vitest';
import { dropSnapshot, rollBack, takeSnapshot, thaw, unlock } from '../../../src/apply/snapshot.ts';
import type { Pct } from '../../../src/proxmox/pct.ts';
import { type Answer, FakeHost } from '../helpers/commands.ts';
import { failureOf } from '../helpers/failure.ts';
import { pctOf } from '../helpers/pct.ts';

const waits: number[] = [];
vi.mock('node:timers/promises', () => ({ setTimeout: async (milliseconds: number) => void waits.push(milliseconds) }));

beforeEach(() => {
  waits.length = 0;
});

/** A pct whose n-th command gets the n-th answer, or success. */
function host(...answers: Answer[]) {
  let count = 0;
  const made = new FakeHost(
    () => ({}),
    () => answers[count++] ?? {},
  );
  return { pct: pctOf(made.run), commands: () => made.raw.map(({ argv }) => argv.join(' ')) };
}

const LOCKED: Answer = {
  exitCode: 4,
  stderr: "trying to acquire lock...\ncan't lock file '/run/lock/lxc/pve-config-901.lock' - got timeout\n",
};

describe('pct commands', () => {
  it.each<[string, (pct: Pct) => Promise<void>, string[]]>([
    [
      'takeSnapshot',
      (pct) => takeSnapshot(pct, 901, 'nvidia-00000001', 'https://x/;$(id)'),
      ['/usr/sbin/pct snapshot 901 nvidia-00000001 --description proxmox-lxc-nvidia: https://x/;$(id)'],
    ],
    [
      'dropSnapshot',
      (pct) => dropSnapshot(pct, 901, 'nvidia-00000001'),
      ['/usr/sbin/pct delsnapshot 901 nvidia-00000001'],
    ],
    [
      'dropSnapshot of one that was not finished',
      (pct) => dropSnapshot(pct, 901, 'nvidia-00000001', true),
      ['/usr/sbin/pct delsnapshot 901 nvidia-00000001 --force 1'],
    ],
    [
      'rollBack, which also starts the container',
      (pct) => rollBack(pct, 901, 'nvidia-00000001'),
      ['/usr/sbin/pct rollback 901 nvidia-00000001', '/usr/sbin/pct start 901'],
    ],
    ['unlock', (pct) => unlock(pct, 901), ['/usr/sbin/pct unlock 901']],
    ['thaw', (pct) => thaw(pct, 901), ['/usr/bin/lxc-freeze -n 901', '/usr/bin/lxc-unfreeze -n 901']],
  ])('of %s', async (_what, work, commands) => {
    const made = host();
    await work(made.pct);
    expect(made.commands()).toEqual(commands);
  });

  it.each<[string, (pct: Pct) => Promise<void>, string, string]>([
    [
      'taking',
      (pct) => takeSnapshot(pct, 901, 'nvidia-00000001', 'https://x'),
      'SNAPSHOT_FAILED',
      'Nothing was changed',
    ],
    [
      'dropping',
      (pct) => dropSnapshot(pct, 901, 'nvidia-00000001'),
      'SNAPSHOT_FAILED',
      'pct delsnapshot 901 nvidia-00000001',
    ],
    [
      'rolling back',
      (pct) => rollBack(pct, 901, 'nvidia-00000001'),
      'ROLLBACK_FAILED',
      'pct rollback 901 nvidia-00000001',
    ],
    ['unlocking', (pct) => unlock(pct, 901), 'ROLLBACK_FAILED', 'pct unlock 901'],
  ])("tell pct's words when %s fails", async (_what, work, code, remedy) => {
    const made = host({ exitCode: 255, stderr: 'snapshot feature is not available\n' });
    const failure = await failureOf(() => work(made.pct));
    expect(failure.code).toBe(code);
    expect(failure.remedy).toContain(remedy);
    expect(failure.details).toBe('snapshot feature is not available');
    expect(made.commands()).toHaveLength(1);
    expect(waits).toEqual([]);
  });

  it('do not start what could not be rolled back, and say so when it does not start', async () => {
    const made = host({}, { exitCode: 255, stderr: "startup for container '901' failed\n" });
    const failure = await failureOf(() => rollBack(made.pct, 901, 'nvidia-00000001'));
    expect(failure.code).toBe('ROLLBACK_FAILED');
    expect(failure.remedy).toContain('pct rollback 901 nvidia-00000001');
    expect(failure.details).toContain('startup for container');
  });

  it('wait for another pct that holds the configuration', async () => {
    const made = host(LOCKED, LOCKED, {});
    await dropSnapshot(made.pct, 901, 'nvidia-00000001');
    expect(made.commands()).toHaveLength(3);
    expect(waits).toEqual([2000, 5000]);
  });

  it('do not wait for it for ever', async () => {
    const made = host(LOCKED, LOCKED, LOCKED, LOCKED, LOCKED);
    expect((await failureOf(() => dropSnapshot(made.pct, 901, 'nvidia-00000001'))).details).toContain('got timeout');
    expect(waits).toEqual([2000, 5000, 10_000]);
  });
});
