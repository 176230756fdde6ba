import { BOUNDARIES } from './boundaries.ts';
import type { Case } from './case.ts';
import { FAULTS } from './faults.ts';
import type { Storage } from './prepared.ts';

/**
 * Every boundary with every fault. Storages take turns, so that each fault is met with snapshots and without; a full
 * disk needs a container with a disk of its own, and where snapshots matter it is the host's that gets full.
 */
export const MATRIX: readonly Case[] = BOUNDARIES.flatMap((boundary, row) =>
  FAULTS.flatMap((fault, column): Case[] => {
    const turn: Storage = boundary.storage ?? ((row + column) % 2 === 0 ? 'btrfs' : 'dir');
    const other: Storage = boundary.storage ?? (turn === 'btrfs' ? 'dir' : 'btrfs');
    if (fault === 'ENOSPC')
      return [{ boundary, fault, storage: boundary.storage === 'btrfs' ? 'btrfs' : 'disk', post: true }];
    if (fault === 'SIGKILL') {
      return [
        { boundary, fault, storage: turn, post: true },
        { boundary, fault, storage: other, post: false },
      ];
    }
    return [{ boundary, fault, storage: turn, post: true }];
  }),
);

/** A fixed sample that has every boundary and every fault: for each boundary another fault. */
export const SAMPLE: readonly Case[] = BOUNDARIES.map((boundary, row) => {
  const cases = MATRIX.filter((entry) => entry.boundary === boundary);
  const entry = cases[(row * 3) % cases.length];
  if (entry === undefined) throw new Error(`no case for ${boundary.name}`);
  return entry;
});
