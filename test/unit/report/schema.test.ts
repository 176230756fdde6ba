import { describe, expect, expectTypeOf, it } from 'vitest';
import type * as z from 'zod/mini';
import type { RunResult } from '../../../src/report/result.ts';
import { Report } from '../../../src/report/schema.ts';
import { containerResult, runResult } from '../helpers/results.ts';

describe('the schema of report.json', () => {
  it('takes what a run gives', () => {
    expectTypeOf<RunResult>().toExtend<z.input<typeof Report>>();
    const failure = { code: 'CONTAINER_STOPPED', seen: 'x', remedy: 'y', details: 'z' } as const;
    for (const result of [
      runResult(),
      runResult({ containers: [containerResult({ status: 'failed', failure, plan: null, before: null })] }),
      runResult({ host: null, mode: null, containers: [], status: 'failed', failure }),
    ]) {
      expect(Report.parse(JSON.parse(JSON.stringify(result)))).toMatchObject({ status: result.status });
    }
  });
});
