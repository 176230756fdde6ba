import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Failure } from '../../../src/errors.ts';
import { jsonParts, report } from '../../../src/report/report.ts';
import type { RunResult } from '../../../src/report/result.ts';
import { anyText } from '../helpers/any-text.ts';
import { runfileFacts } from '../helpers/facts.ts';
import { RecordingLog } from '../helpers/log.ts';
import { containerPlan, containerResult, runResult } from '../helpers/results.ts';

const FAILURE: Failure = {
  code: 'APT_FAILED',
  seen: 'It failed.',
  remedy: 'Try again.',
  details: 'one\n::error::two\n',
};

// One for all tests: @actions/core keeps the first path of the summary that it is given.
const directory = mkdtempSync(join(tmpdir(), 'unit-'));

afterAll(() => rmSync(directory, { recursive: true }));

beforeEach(() => {
  for (const name of ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY']) {
    writeFileSync(join(directory, name), '');
    vi.stubEnv(name, join(directory, name));
  }
});

afterEach(() => {
  vi.unstubAllEnvs();
  process.exitCode = undefined;
});

/** What a report leaves: outputs, the exit code, the runner's commands and the log. */
async function reported(result: RunResult) {
  let written = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    written += String(chunk);
    return true;
  });
  const log = new RecordingLog();
  try {
    await report(
      { result, plan: result.containers[0]?.plan ?? null, facts: null },
      log,
      join(directory, 'not', 'made', 'yet'),
    );
  } finally {
    vi.restoreAllMocks();
  }
  const { exitCode } = process;
  process.exitCode = undefined;
  const text = readFileSync(join(directory, 'GITHUB_OUTPUT'), 'utf8');
  const outputs = Object.fromEntries(
    [...text.matchAll(/^(\S+)<<(ghadelimiter_\S+)\n([\s\S]*?)\n\2$/gm)].map(([, name = '', , value = '']) => [
      name,
      value,
    ]),
  );
  return { outputs, exitCode, written, log, summary: readFileSync(join(directory, 'GITHUB_STEP_SUMMARY'), 'utf8') };
}

describe('report', () => {
  it('writes outputs, summary, report.json and plan.json of a good run', async () => {
    const result = runResult();
    const { outputs, summary, exitCode, written, log } = await reported(result);
    expect(outputs['result']).toBe('converged');
    expect(summary).toContain('## ✅ container 901 in order');
    expect(exitCode).toBeUndefined();
    expect(written).not.toContain('::error');
    expect(log.lines).toEqual(['info Result: converged.']);
    const [plan = '', full = ''] = [outputs['plan'], outputs['report']];
    expect(JSON.parse(readFileSync(full, 'utf8'))).toEqual(result);
    expect(JSON.parse(readFileSync(plan, 'utf8'))).toEqual(result.containers[0]?.plan);
    expect(dirname(plan)).toBe(dirname(full));
  });

  it('makes a failed step and one annotation per failure', async () => {
    const containers = [
      containerResult({ status: 'failed', failure: FAILURE }),
      containerResult({ ctid: 902, status: 'failed', failure: { ...FAILURE, code: 'CONTAINER_LOCKED' } }),
      containerResult({ ctid: 903, plan: null }),
    ];
    const { outputs, exitCode, written, log } = await reported(runResult({ status: 'failed', containers }));
    expect(exitCode).toBe(1);
    expect(outputs['failure-reason']).toBe('APT_FAILED');
    const annotations = written.split('\n').filter((line) => line.startsWith('::'));
    expect(annotations).toEqual([
      '::error title=APT_FAILED::It failed. Try again.%0Aone%0A::error::two',
      '::error title=CONTAINER_LOCKED::It failed. Try again.%0Aone%0A::error::two',
    ]);
    expect(log.lines.filter((line) => line.startsWith('foreign'))).toHaveLength(2);
    expect(log.lines.at(-1)).toBe('info Result: failed (APT_FAILED).');
  });

  it("tells a run's own failure", async () => {
    const { written, exitCode } = await reported(runResult({ status: 'failed', containers: [], failure: FAILURE }));
    expect(written).toContain('::error title=APT_FAILED::It failed.');
    expect(exitCode).toBe(1);
  });

  it('keeps only the last lines of details in an annotation', async () => {
    const details = Array.from({ length: 50 }, (_, index) => `line ${index}`).join('\n');
    const { written } = await reported(runResult({ status: 'failed', failure: { ...FAILURE, details } }));
    expect(written).toContain('%0Aline 42%0A');
    expect(written).not.toContain('line 41%0A');
  });

  it('does without a summary where the runner has none', async () => {
    vi.stubEnv('GITHUB_STEP_SUMMARY', '');
    expect((await reported(runResult())).outputs['result']).toBe('converged');
  });

  it('writes no password of an address into its files', async () => {
    const { sha256, size } = runfileFacts();
    const url = 'https://me:s3cret@mirror.example/x.run';
    const plan = containerPlan({
      actions: [
        {
          kind: 'install-driver',
          reason: 'x',
          version: '580.142',
          runfile: { url, sha256, size },
          directory: '/root',
          flags: [],
        },
      ],
      safety: { kind: 'snapshot' },
    });
    const { outputs, summary } = await reported(
      runResult({ containers: [containerResult({ plan, status: 'planned' })] }),
    );
    for (const path of [outputs['plan'] ?? '', outputs['report'] ?? '']) {
      expect(readFileSync(path, 'utf8')).toContain('https://***@mirror.example/x.run');
      expect(readFileSync(path, 'utf8')).not.toContain('s3cret');
    }
    expect(summary).not.toContain('s3cret');
  });
});

describe('jsonParts', () => {
  it('is the JSON of the whole, whatever texts are in it', () => {
    const document = fc.record({
      a: anyText,
      containers: fc.array(fc.oneof(anyText, fc.constant({}), fc.record({ ctid: fc.nat(), of: fc.array(anyText) }))),
      z: fc.oneof(anyText, fc.constant(null)),
    });
    fc.assert(
      fc.property(document, (value) => {
        const whole = JSON.stringify(value, null, 2);
        fc.pre(!whole.includes('//'));
        expect([...jsonParts(value)].join('')).toBe(`${whole}\n`);
      }),
    );
    expect([...jsonParts({ url: 'https://a:b@x/?c' })].join('')).toBe('{\n  "url": "https://***@x/?***"\n}\n');
  });
});
