import { describe, expect, it } from 'vitest';
import type { Action } from '../../../src/plan/actions.ts';
import type { RunResult } from '../../../src/report/result.ts';
import { renderSummary, SUMMARY_LIMIT } from '../../../src/report/summary.ts';
import { containerPlan, containerResult, runResult } from '../helpers/results.ts';
import { SAMPLES } from '../helpers/sample-results.ts';

const MIB = 1024 ** 2;
const bytes = (text: string) => Buffer.byteLength(text);
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

describe('the order', () => {
  it('is what is read first: verdict, failures, containers, GPUs, time, the rest', () => {
    const summary = renderSummary(SAMPLES.failed);
    const places = [
      '## ❌ INSTALLER_NO_SPACE: 1 failed',
      '❌ <b>NVIDIA&#39;s installer',
      'ERROR: Unable to write',
      '<th>Container</th>',
      '### GPUs',
      '### Where the time went',
      '### Details',
    ].map((part) => summary.indexOf(part));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });

  it('puts the steps of a plan and their reasons in the open', () => {
    const summary = renderSummary(SAMPLES.plan);
    expect(summary.startsWith('## 📝 2 to change, 3 in order\n')).toBe(true);
    const open = summary.replace(/<details>[\s\S]*?<\/details>/g, '');
    expect(open).toContain('<h3>Container 901 ollama</h3>');
    expect(open).toContain('<td>install the user space of driver 580.159.04</td><td>user space 550.163.01 ≠ host');
    expect(open).toContain('there is no snapshot to go back to: storage local has no snapshots');
    expect(open).toContain('⚠️ Container 901 has 1024 MiB of memory');
  });

  it('is complete for a run that ended at its inputs', () => {
    const failure = { code: 'INPUT_INVALID', seen: 'Input "mode" is "x".', remedy: 'Write apply.' } as const;
    const nothing = { host: null, mode: null, cudaVersion: null, containers: [] };
    const summary = renderSummary(runResult({ status: 'failed', ...nothing, failure }));
    expect(summary).toBe(
      '## ❌ INPUT_INVALID: nothing was touched\n\n<p>❌ <b>Input &quot;mode&quot; is &quot;x&quot;.</b><br>➡️ Write apply. (<code>INPUT_INVALID</code>)</p>\n',
    );
  });
});

describe('text from containers', () => {
  const HOSTILE =
    '</pre></details>\n\n<img src=x onerror=alert(1)>\n\n# h\n| a |\n```\n::error::x\n\u001b[31m@team ![x](https://evil.example/x)';
  const action: Action = { kind: 'remove-packages', reason: HOSTILE, packages: ['libcuda1'] };
  const hostile = containerResult({
    hostname: HOSTILE,
    before: { driver: HOSTILE, toolkits: [HOSTILE] },
    after: { driver: `${HOSTILE}2`, toolkits: [`${HOSTILE}2`] },
    failure: { code: 'APT_FAILED', seen: HOSTILE, remedy: HOSTILE, details: HOSTILE.repeat(20) },
    actions: [{ action, status: 'failed', startedAt: 1, seconds: 1 }],
    verifications: [{ level: 'L2', title: HOSTILE, status: 'fail', seen: HOSTILE }],
    findings: [{ code: 'GPU_ISOLATION', message: HOSTILE }],
    gpus: [{ index: 0, uuid: HOSTILE, name: HOSTILE, driverVersion: HOSTILE, bus: HOSTILE, memory: HOSTILE }],
    nvidiaSmi: HOSTILE,
    nvcc: HOSTILE,
  });
  const planned = containerResult({
    hostname: HOSTILE,
    status: 'planned',
    plan: containerPlan({ actions: [action], safety: { kind: 'none', why: HOSTILE } }),
  });
  const summary = renderSummary(runResult({ status: 'failed', containers: [hostile, planned] }));

  it('brings no tag of its own', () => {
    const tags = new Set([...summary.matchAll(/<\/?([a-z0-9]+)[^>]*>/g)].map(([, tag]) => tag));
    expect([...tags].sort()).toEqual(
      ['b', 'br', 'code', 'details', 'h3', 'p', 'pre', 'sub', 'summary', 'table', 'td', 'th', 'tr'].sort(),
    );
    expect(summary).not.toContain('\u001b');
    for (const tag of ['pre', 'details', 'table', 'tr', 'td', 'p', 'b', 'code', 'summary', 'sub', 'h3']) {
      expect(summary.split(`<${tag}>`).length, tag).toBe(summary.split(`</${tag}>`).length);
    }
  });

  it('stands inside HTML blocks only, where Markdown is not read: <pre>, or lines without blank ones', () => {
    // What is left when the blocks are taken out are our own headings, sentences and the chart.
    const outside = summary
      .replace(/^<pre>[\s\S]*?<\/pre>$/gm, '')
      .replace(/^<table>\n(?:<tr>.*\n)*<\/table>$/gm, '')
      .replace(/^<(p|h3|details)>.*<\/(p|h3|summary)>$/gm, '');
    expect(outside).not.toContain('evil');
    expect(outside.match(/^#.*$/gm)).toEqual([
      '## ❌ APT_FAILED: 1 to change, 1 in order',
      '### GPUs',
      '### Where the time went',
      '### Details',
    ]);
    expect(outside.match(/^```.*$/gm)).toEqual(['```mermaid', '```']);
  });

  it('is plain words in the chart', () => {
    const [chart = ''] = /```mermaid\n[\s\S]*?\n```/.exec(summary) ?? [];
    expect(chart.split('\n').slice(4, -1)).toEqual([
      '  section 901 pre details img src x o',
      '  remove packages 1.0 s :crit, 1000, 2000',
    ]);
  });
});

describe('the limit', () => {
  /** A run whose summary has exactly so many bytes when nothing is left out. */
  function runOf(size: number): RunResult {
    // A fold holds at most 64 KiB: 17 containers with full ones are over 1 MiB together, and the last is filled up.
    const outputs = (length: number) => ({
      nvidiaSmi: 'x'
        .repeat(1999)
        .concat('\n')
        .repeat(length / 2000),
      nvcc: '',
    });
    const run = (last: string) =>
      runResult({
        containers: Array.from({ length: Math.floor(size / 64_500) + 1 }, (_, index) =>
          containerResult({ ctid: 1000 + index, ...(index === 0 ? { nvidiaSmi: last, nvcc: '' } : outputs(62_000)) }),
        ),
      });
    const missing = size - bytes(renderSummary(run('x'), NO_LIMIT)) + 1;
    const lines = 'y'.repeat(99).concat('\n').repeat(700).slice(0, missing);
    return run(lines.endsWith('\n') ? `${lines.slice(0, -1)}y` : lines);
  }

  it.each([MIB - 1, MIB, MIB + 1])('of 1 MiB is met with margin by a summary of %d bytes', (size) => {
    const run = runOf(size);
    expect(bytes(renderSummary(run, NO_LIMIT))).toBe(size);
    const summary = renderSummary(run);
    expect(bytes(summary)).toBeLessThanOrEqual(SUMMARY_LIMIT);
    expect(SUMMARY_LIMIT).toBeLessThan(MIB);
    expect(summary).toContain('was shortened');
  });

  it.each([MIB - 1, MIB, MIB + 1])('is kept to the byte at 1 MiB by a summary of %d bytes', (size) => {
    const summary = renderSummary(runOf(size), MIB);
    expect(bytes(summary)).toBeLessThanOrEqual(MIB);
    expect(summary.includes('was shortened')).toBe(size > MIB);
  });

  it('takes away step by step, and never the verdict', () => {
    const containers = Array.from({ length: 256 }, (_, index) =>
      containerResult({
        ctid: 1000 + index,
        status: 'failed',
        nvidiaSmi: 'ä\n'.repeat(100),
        failure: {
          code: 'APT_FAILED',
          seen: `It failed ${index}.`,
          remedy: 'Try again.',
          details: `E: ${index} €\n`.repeat(20),
        },
      }),
    );
    const run = runResult({ status: 'failed', containers });
    const seen: string[] = [];
    for (let limit = NO_LIMIT; limit > 0; ) {
      const summary = renderSummary(run, limit);
      if (seen.at(-1) === summary) break;
      seen.push(summary);
      limit = bytes(summary) - 1;
    }
    const has = (part: string) => seen.map((summary) => summary.includes(part));
    expect(has('## ❌ APT_FAILED: 256 failed')).toEqual([true, true, true, true, true, true]);
    expect(has('was shortened')).toEqual([false, true, true, true, true, true]);
    expect(has('<code>nvidia-smi</code>')).toEqual([true, false, false, false, false, false]);
    expect(has('### Details')).toEqual([true, true, false, false, false, false]);
    expect(has('<b>1255</b> cuda-901</td>')).toEqual([true, true, true, false, false, false]);
    expect(has('156 more containers')).toEqual([false, false, false, true, true, false]);
    expect(has('It failed 255.')).toEqual([true, true, true, true, false, false]);
    const sizes = seen.map(bytes);
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    expect(sizes.at(-1)).toBeLessThan(200);
  });
});
