import { afterAll, beforeAll, describe, test } from 'vitest';
import { type Case, caseName, runCase } from './case.ts';
import { Prepared } from './prepared.ts';

/** Tests of cells of the matrix, one after the other on one host; files run beside each other. */
export function matrixTests(cases: readonly Case[]): void {
  let prepared: Prepared;
  beforeAll(async () => {
    prepared = await Prepared.make();
  });
  afterAll(() => prepared?.scenario.end());

  describe('fault matrix', () => {
    for (const entry of cases) test(caseName(entry), () => runCase(prepared, entry));
  });
}
