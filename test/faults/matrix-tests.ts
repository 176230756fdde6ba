import { afterAll, beforeAll, describe, test } from 'vitest';
import { type Case, caseName, runCase } from './case.ts';
import { MATRIX } from './matrix.ts';
import { Prepared } from './prepared.ts';

/** The tests of a part of the matrix: every `of`th case from `part` on. A file of its own for each part runs beside the others. */
export function matrixTests(part: number, of: number, cases: readonly Case[] = MATRIX): void {
  let prepared: Prepared;
  beforeAll(async () => {
    prepared = await Prepared.make();
  });
  afterAll(() => prepared?.scenario.end());

  describe('fault matrix', () => {
    for (const entry of cases.filter((_, index) => index % of === part)) {
      test(caseName(entry), () => runCase(prepared, entry));
    }
  });
}
