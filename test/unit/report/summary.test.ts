import { describe, expect, it } from 'vitest';
import type { ActionRecord } from '../../../src/apply/apply.ts';
import type { Failure } from '../../../src/errors.ts';
import type { Action } from '../../../src/plan/actions.ts';
import type { ContainerResult, RunResult } from '../../../src/report/result.ts';
import { renderSummary, SUMMARY_LIMIT } from '../../../src/report/summary.ts';
import { DRIVER, GPU0, GPU1, hostFacts, hostHealth } from '../helpers/facts.ts';
import { containerResult, runResult } from '../helpers/results.ts';

const FAILURE: Failure = {
  code: 'APT_FAILED',
  seen: 'In container 901, apt-get could not install kmod (exit code 100).',
  remedy: "See apt's own words below.",
  details: 'E: Unable to locate package kmod\n\nE: <b>second</b>',
};
const ACTION: Action = { kind: 'remove-packages', reason: 'apt owns driver files', packages: ['libcuda1'] };
const records = (...statuses: ActionRecord['status'][]): ActionRecord[] =>
  statuses.map((status) => ({ action: ACTION, status, seconds: 61 }));

const one = (changes: Partial<ContainerResult>, run: Partial<RunResult> = {}) =>
  renderSummary(runResult({ containers: [containerResult(changes)], ...run }));

describe('the verdict', () => {
  const planned = containerResult({ ctid: 902, status: 'planned' });

  it.each<[string, Partial<RunResult>, string]>([
    ['nothing to do', {}, '## ✅ Nothing to do: container 901 as wanted\n'],
    [
      'nothing to do for several',
      { containers: [containerResult(), containerResult({ ctid: 902 })] },
      '## ✅ Nothing to do: 2 containers as wanted\n',
    ],
    ['changed', { status: 'changed' }, '## ✅ Done: container 901 changed and verified\n'],
    [
      'planned',
      { status: 'planned', containers: [containerResult(), planned] },
      '## 📝 Plan: 1 to change, 1 in order\n',
    ],
    ['failed', { status: 'failed', containers: [containerResult({ failure: FAILURE })] }, '## ❌ Failed: APT_FAILED\n'],
  ])('of a run with %s', (_what, changes, verdict) => {
    expect(renderSummary(runResult(changes))).toContain(verdict);
    expect(renderSummary(runResult(changes)).startsWith('## ')).toBe(true);
  });

  it('names driver, toolkit and time', () => {
    expect(renderSummary(runResult())).toContain(`Driver ${DRIVER}, CUDA 12.8 — verified in 2.5 s.`);
    expect(renderSummary(runResult({ cudaVersion: null }))).toContain(`Driver ${DRIVER} — verified`);
  });
});

describe('the rest', () => {
  it('tells of host, GPUs, verifications and raw outputs', () => {
    const summary = one({});
    expect(summary).toContain('### Host pve1');
    expect(summary).toContain(`driver ${DRIVER}, open kernel module, Proxmox VE 8.4.1`);
    expect(summary).toContain(`<td>/dev/nvidia1</td><td>NVIDIA H100 80GB HBM3</td><td><code>${GPU1}</code></td>`);
    expect(summary).toContain('<b>901</b> cuda-901');
    expect(summary).toContain('L1 ✅ L4 ➖');
    expect(summary).toContain('<td>✅</td><td>L1 user space equals the kernel module</td><td>both are equal</td>');
    expect(summary).toContain(`<td>81559 MiB</td><td>00000000:00:06.0</td><td><code>${GPU0}</code></td>`);
    expect(summary).toContain(
      '<details><summary>nvidia-smi in container 901</summary>\n\n<pre>NVIDIA-SMI 580.159.04</pre>\n\n</details>',
    );
    expect(summary).toContain('<pre>release 12.8</pre>');
  });

  it('shows what changed', () => {
    const summary = one({
      status: 'changed',
      before: { driver: '550.163.01', toolkits: [] },
      after: { driver: DRIVER, toolkits: ['12.6', '12.8'] },
      actions: records('done'),
    });
    expect(summary).toContain(`550.163.01 → <b>${DRIVER}</b>`);
    expect(summary).toContain('none → <b>12.6, 12.8</b>');
    expect(summary).toContain(
      '<td>✅</td><td>remove 1 driver package</td><td>apt owns driver files</td><td>1 min 1 s</td>',
    );
  });

  it('shows how far a failed container came', () => {
    const summary = one({ status: 'failed', failure: FAILURE, actions: records('done', 'failed', 'not-started') });
    const marks = [...summary.matchAll(/<td>(✅|❌|⏹️)<\/td><td>remove/g)].map(([, mark]) => mark);
    expect(marks).toEqual(['✅', '❌', '⏹️']);
    expect(summary).toContain('<td>apt owns driver files</td><td>–</td>');
  });

  it('says that a container was rolled back', () => {
    expect(one({ status: 'failed', rolledBack: true, failure: FAILURE })).toContain('❌ failed, rolled back');
    expect(one({ status: 'failed', failure: FAILURE })).not.toContain('rolled back');
  });

  it('shows what is planned, and warnings and findings', () => {
    const summary = one({
      status: 'planned',
      verifications: [],
      plan: {
        ctid: 901,
        actions: [ACTION],
        safety: { kind: 'snapshot' },
        warnings: [{ code: 'LITTLE_MEMORY', message: 'Only 512 MiB.' }],
      },
      findings: [{ code: 'GPU_ISOLATION', message: 'One too many.' }],
    });
    expect(summary).toContain('<td>📝</td><td>remove 1 driver package</td>');
    expect(summary).toContain('goes back to a snapshot');
    expect(summary).toContain('<p>⚠️ Only 512 MiB. (<code>LITTLE_MEMORY</code>)</p>');
    expect(summary).toContain('<p>⚠️ One too many. (<code>GPU_ISOLATION</code>)</p>');
  });

  it('tells every failure with its remedy and details', () => {
    const summary = renderSummary(
      runResult({
        status: 'failed',
        containers: [
          containerResult({ failure: FAILURE }),
          containerResult({ ctid: 902, failure: { ...FAILURE, code: 'CONTAINER_LOCKED', seen: 'Second.' } }),
        ],
      }),
    );
    expect(summary).toContain(
      '<p><b>In container 901, apt-get could not install kmod (exit code 100).</b><br>See apt&#39;s',
    );
    expect(summary).toContain('<b>Second.</b>');
    expect(summary).toContain('(<code>CONTAINER_LOCKED</code>)');
    expect(summary).toContain('<pre>E: Unable to locate package kmod\n\nE: &lt;b&gt;second&lt;/b&gt;</pre>');
  });

  it('is complete for a run that ended at its inputs', () => {
    const result = runResult({
      status: 'failed',
      host: null,
      mode: null,
      cudaVersion: null,
      containers: [],
      failure: FAILURE,
    });
    const summary = renderSummary(result);
    expect(summary).toContain('## ❌ Failed: APT_FAILED');
    expect(summary).not.toContain('<table>');
    expect(summary).not.toContain('undefined');
  });

  it('tells how the host does, and what is not right with it', () => {
    const gpus = (hostHealth().gpus ?? []).map((gpu) => ({ ...gpu, processes: 1 }));
    const health = hostHealth({ gpus, xids: [{ bus: '0000:00:06', code: 31 }] });
    const findings = [{ code: 'GPU_XID' as const, message: 'Host pve1: <errors>' }];
    const summary = renderSummary(runResult({ host: hostFacts({ health }), findings }));
    expect(summary).toContain('Proxmox VE 8.4.1, 1 Xid since it started');
    expect(summary).toContain(
      '1 process, persistence on, compute mode Default, MIG off, uncorrected ECC errors 0 (0 ever)',
    );
    expect(summary).toContain('⚠️ Host pve1: &lt;errors&gt; (<code>GPU_XID</code>)');
  });

  it('leaves out what the host does not tell', () => {
    const unknown = { persistence: null, computeMode: null, mig: null, processes: null };
    const gpus = (hostHealth().gpus ?? []).map((gpu) => ({
      ...gpu,
      ...unknown,
      eccErrors: { volatile: null, aggregate: null },
    }));
    const summary = renderSummary(runResult({ host: hostFacts({ health: hostHealth({ gpus, xids: null }) }) }));
    expect(summary).not.toMatch(/null|Xid|ECC|MIG/);
  });

  it('knows hosts without driver and GPUs without UUID', () => {
    const gpus = hostFacts().gpus.map((gpu) => ({ ...gpu, uuid: null, minor: null }));
    const summary = renderSummary(runResult({ host: hostFacts({ driver: null, proxmoxVersion: null, gpus }) }));
    expect(summary).toContain('no driver loaded, Proxmox VE unknown');
    expect(summary).not.toContain('null');
  });
});

describe('text from containers', () => {
  const HOSTILE =
    '</pre></details>\n\n<img src=x onerror=alert(1)>\n\n# h\n| a |\n::error::x\n\u001b[31m@team ![x](https://evil.example/x)';
  const summary = renderSummary(
    runResult({
      status: 'failed',
      containers: [
        containerResult({
          hostname: HOSTILE,
          before: { driver: HOSTILE, toolkits: [HOSTILE] },
          after: { driver: `${HOSTILE}2`, toolkits: [`${HOSTILE}2`] },
          failure: { code: 'APT_FAILED', seen: HOSTILE, remedy: HOSTILE, details: HOSTILE },
          actions: [{ action: { ...ACTION, reason: HOSTILE }, status: 'done', seconds: 1 }],
          verifications: [{ level: 'L2', title: HOSTILE, status: 'fail', seen: HOSTILE }],
          findings: [{ code: 'GPU_ISOLATION', message: HOSTILE }],
          gpus: [{ index: 0, uuid: HOSTILE, name: HOSTILE, driverVersion: HOSTILE, bus: HOSTILE, memory: HOSTILE }],
          nvidiaSmi: HOSTILE,
          nvcc: HOSTILE,
        }),
      ],
    }),
  );

  it('brings no tag of its own', () => {
    const tags = new Set([...summary.matchAll(/<\/?([a-z]+)[^>]*>/g)].map(([, tag]) => tag));
    expect([...tags].sort()).toEqual(['b', 'br', 'code', 'details', 'p', 'pre', 'summary', 'table', 'td', 'th', 'tr']);
    expect(summary).not.toContain('<img');
    expect(summary).not.toContain('\u001b');
    for (const tag of ['pre', 'details', 'table', 'tr', 'td', 'p', 'b', 'code', 'summary']) {
      expect(summary.split(`<${tag}>`).length, tag).toBe(summary.split(`</${tag}>`).length);
    }
  });

  it('stands inside HTML blocks only, where Markdown is not read: <pre>, or lines without blank ones', () => {
    // What is left when the blocks are taken out are our own headings and sentences.
    const outside = summary
      .replace(/^<pre>[\s\S]*?<\/pre>$/gm, '')
      .replace(/^<table>\n(?:<tr>.*\n)*<\/table>$/gm, '')
      .replace(/^<p>.*<\/p>$/gm, '');
    expect(outside).not.toContain('evil.example');
    expect(outside).not.toContain('# h\n');
  });
});

describe('the limit', () => {
  const large = (index: number) =>
    containerResult({
      ctid: 1000 + index,
      nvidiaSmi: 'ä'.repeat(1000).concat('\n').repeat(40),
      nvcc: '€\n'.repeat(30_000),
    });
  const containers = Array.from({ length: 12 }, (_, index) => large(index));
  const result = runResult({ containers });

  it('is kept below the 1 MiB at which the runner drops everything', () => {
    expect(SUMMARY_LIMIT).toBeLessThan(1024 ** 2);
    expect(Buffer.byteLength(renderSummary(result))).toBeLessThanOrEqual(SUMMARY_LIMIT);
  });

  it('takes the raw outputs first, then all but verdict, failures and table', () => {
    const full = renderSummary(result, 100_000_000);
    const shorter = renderSummary(result, Buffer.byteLength(full) - 1);
    expect(full).not.toContain('shortened');
    expect(shorter).toContain('The summary was shortened');
    expect(shorter).not.toContain('<details>');
    expect(shorter).toContain('### Container 1011');
    const shortest = renderSummary(result, Buffer.byteLength(shorter) - 1);
    expect(shortest).toContain('The summary was shortened');
    expect(shortest).not.toContain('### Container');
    expect(shortest).toContain('## ✅ Nothing to do: 12 containers as wanted');
    expect(shortest).toContain('<b>1011</b> cuda-901');
  });

  it('counts bytes, not characters', () => {
    const full = renderSummary(result, 100_000_000);
    expect(Buffer.byteLength(full)).toBeGreaterThan(full.length);
    expect(renderSummary(result, Buffer.byteLength(full))).toBe(full);
    expect(renderSummary(result, full.length)).not.toBe(full);
  });

  it('still holds when every container fails with a lot to tell', () => {
    const failure = { ...FAILURE, details: '<&>\n'.repeat(100_000) };
    const failed = Array.from({ length: 16 }, (_, index) => containerResult({ ctid: 1000 + index, failure }));
    const summary = renderSummary(runResult({ status: 'failed', containers: failed }));
    expect(Buffer.byteLength(summary)).toBeLessThanOrEqual(SUMMARY_LIMIT);
    expect(summary).toContain('APT_FAILED');
  });
});
