import { describe, expect, it } from 'vitest';
import { type ActionRecord, applyPlan } from '../../../src/apply/apply.ts';
import type { Action } from '../../../src/plan/actions.ts';
import { applyContext } from '../helpers/apply.ts';
import { failureOf } from '../helpers/failure.ts';
import { containerPlan } from '../helpers/results.ts';

const ACTIONS: Action[] = [
  { kind: 'configure-apt', reason: 'no pin', before: [], installCertificates: false, after: [], keys: [] },
  {
    kind: 'install-packages',
    reason: 'no kmod',
    purpose: 'prerequisites',
    packages: [{ name: 'kmod', version: null }],
    dependencies: [],
    size: null,
    update: false,
  },
  { kind: 'remove-packages', reason: 'apt owns it', packages: ['libcuda1'] },
];
const PLAN = containerPlan({ actions: ACTIONS });

const noted = () => {
  const steps: string[] = [];
  return { steps, beforeStep: async (step: string) => void steps.push(step) };
};

describe('applyPlan', () => {
  it('carries out every action in its order and says why', async () => {
    const { context, host, log } = applyContext(() => ({}));
    const records: ActionRecord[] = [];
    const { steps, beforeStep } = noted();
    await applyPlan(PLAN, context, records, beforeStep);
    expect(records.map(({ action, status }) => [action.kind, status])).toEqual([
      ['configure-apt', 'done'],
      ['install-packages', 'done'],
      ['remove-packages', 'done'],
    ]);
    for (const { seconds } of records) expect(seconds).toBeGreaterThan(0);
    const [first = 0, second = 0] = records.map(({ startedAt }) => startedAt ?? Number.NaN);
    expect(second).toBeGreaterThanOrEqual(first + (records[0]?.seconds ?? Number.NaN));
    expect(second).toBeLessThanOrEqual(performance.now() / 1000);
    // One for each action.
    expect(host.calls).toHaveLength(3);
    expect(log.lines.filter((line) => /^(group|info Why)/.test(line))).toEqual([
      "group Container 901: set up NVIDIA's repositories and keep apt from bringing a driver",
      'info Why: no pin',
      'group Container 901: install prerequisites and NVIDIA container packages',
      'info Why: no kmod',
      'group Container 901: remove 1 driver package',
      'info Why: apt owns it',
    ]);
    expect(steps).toHaveLength(3);
  });

  it('starts nothing more after a failure, and tells how far it came', async () => {
    const { context, host } = applyContext((_call, index) => (index === 1 ? { exitCode: 100, stderr: 'E: no' } : {}));
    const records: ActionRecord[] = [];
    const failure = await failureOf(() => applyPlan(PLAN, context, records, noted().beforeStep));
    expect(failure.code).toBe('APT_FAILED');
    expect(records.map(({ status }) => status)).toEqual(['done', 'failed', 'not-started']);
    expect(records[2]).toMatchObject({ startedAt: null, seconds: 0 });
    expect(host.calls).toHaveLength(2);
  });

  it('does nothing to a container before the step was noted', async () => {
    const { context, host } = applyContext(() => ({}));
    const records: ActionRecord[] = [];
    const full = Promise.reject(new Error('disk full'));
    await expect(applyPlan(PLAN, context, records, () => full)).rejects.toThrow('disk full');
    expect(host.calls).toEqual([]);
    expect(records.map(({ status }) => status)).toEqual(['failed', 'not-started', 'not-started']);
  });

  it('stops when the time is up', async () => {
    const { context, host } = applyContext(() => ({}));
    let left = 2;
    const secondsLeft = () => {
      if (left-- > 0) return 10;
      throw new Error('time is up');
    };
    await expect(applyPlan(PLAN, { ...context, secondsLeft }, [], noted().beforeStep)).rejects.toThrow('time is up');
    expect(host.calls).toHaveLength(2);
    expect(host.calls.map(({ seconds }) => seconds)).toEqual([10, 10]);
  });

  it('does nothing for an empty plan', async () => {
    const { context, host, log } = applyContext(() => ({}));
    await applyPlan({ ...PLAN, actions: [] }, context, [], noted().beforeStep);
    expect([host.calls, log.lines]).toEqual([[], []]);
  });
});
