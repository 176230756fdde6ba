import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sideBySide } from '../../../src/system/side-by-side.ts';

/** Work that notes how many were running at once. */
function watched(fails: readonly number[] = []) {
  const begun: number[] = [];
  const ended: number[] = [];
  let running = 0;
  let most = 0;
  const work = async (item: number) => {
    begun.push(item);
    most = Math.max(most, ++running);
    await setTimeout(5);
    running--;
    if (fails.includes(item)) throw new Error(`item ${item}`);
    ended.push(item);
  };
  return { begun, ended, work, most: () => most };
}

describe('sideBySide', () => {
  it.each([
    [1, 1],
    [2, 2],
    [10, 5],
  ])('works on all, begun in order, at most %d at once', async (limit, most) => {
    const seen = watched();
    await sideBySide([1, 2, 3, 4, 5], limit, seen.work);
    expect(seen.begun).toEqual([1, 2, 3, 4, 5]);
    expect(seen.ended.toSorted()).toEqual([1, 2, 3, 4, 5]);
    expect(seen.most()).toBe(most);
  });

  it('does nothing with nothing', async () => {
    await sideBySide([], 3, () => Promise.reject(new Error('never')));
  });

  it('starts no more when told so, and lets what was started end', async () => {
    const seen = watched();
    await sideBySide([1, 2, 3, 4], 2, seen.work, () => seen.ended.length === 0);
    expect(seen.begun).toEqual([1, 2]);
    expect(seen.ended.toSorted()).toEqual([1, 2]);
  });

  it('throws the first error when all that was started has ended', async () => {
    const seen = watched([1]);
    await expect(sideBySide([1, 2, 3, 4], 2, seen.work)).rejects.toThrow('item 1');
    expect(seen.ended).toContain(2);
    expect(seen.begun).not.toContain(4);
  });
});
