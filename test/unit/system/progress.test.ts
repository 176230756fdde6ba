import { describe, expect, it } from 'vitest';
import { Pace } from '../../../src/system/progress.ts';

describe('Pace', () => {
  it('is due at every tenth once, and every 30 seconds between', () => {
    let seconds = 0;
    const pace = new Pace(() => seconds * 1000);
    const due = (at: number, fraction: number | null) => {
      seconds = at;
      return pace.isDue(fraction);
    };
    expect(due(1, 0.05)).toBe(false);
    expect(due(2, 0.1)).toBe(true);
    expect(due(3, 0.11)).toBe(false);
    expect(due(4, 0.35)).toBe(true);
    expect(due(5, 0.39)).toBe(false);
    expect(due(33.9, 0.39)).toBe(false);
    expect(due(34, 0.39)).toBe(true);
    // A download that begins again.
    expect(due(35, 0.1)).toBe(false);
    expect(due(36, null)).toBe(false);
    expect(due(64, null)).toBe(true);
  });

  it('tells the time left from the time so far', () => {
    let now = 0;
    const pace = new Pace(() => now);
    now = 10_000;
    expect(pace.leftText(0.25)).toBe(', about 30.0 s left');
    expect(pace.leftText(0.01)).toBe(', about 16 min 30 s left');
    for (const nothing of [null, 0, 1]) expect(pace.leftText(nothing)).toBe('');
    expect(new Pace(() => 0).seconds).toBeGreaterThan(0);
  });
});
