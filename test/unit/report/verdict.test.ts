import { describe, expect, it } from 'vitest';
import type { ContainerResult, RunResult } from '../../../src/report/result.ts';
import { circumstances, verdict } from '../../../src/report/verdict.ts';
import { DRIVER, hostFacts } from '../helpers/facts.ts';
import { containerResult, runResult } from '../helpers/results.ts';

const FAILURE = { code: 'APT_FAILED', seen: 'x', remedy: 'y' } as const;
const of = (...statuses: ContainerResult['status'][]) => ({
  containers: statuses.map((status, index) => containerResult({ ctid: 901 + index, status })),
});

describe('verdict', () => {
  it.each<[Partial<RunResult>, string]>([
    [{}, '## ✅ container 901 in order'],
    [of('converged', 'converged'), '## ✅ 2 in order'],
    [{ status: 'changed', ...of('changed', 'converged', 'changed') }, '## ✅ 2 changed, 1 in order'],
    [{ status: 'planned', ...of('planned', 'converged', 'planned', 'converged') }, '## 📝 2 to change, 2 in order'],
    [{ status: 'planned', ...of('planned') }, '## 📝 container 901 to change'],
    [
      { status: 'failed', containers: [containerResult({ status: 'failed', rolledBack: true, failure: FAILURE })] },
      '## ❌ APT_FAILED: container 901 failed, rolled back',
    ],
    [
      { status: 'failed', failure: FAILURE, ...of('changed', 'failed', 'aborted') },
      '## ❌ APT_FAILED: 1 failed, 1 not started, 1 changed',
    ],
    [{ status: 'failed', failure: FAILURE, containers: [] }, '## ❌ APT_FAILED: nothing was touched'],
  ])('is one line %#', (changes, line) => {
    expect(verdict(runResult(changes))).toBe(line);
  });
});

describe('circumstances', () => {
  it('names mode, host, driver, toolkit and time', () => {
    expect(circumstances(runResult())).toBe(
      `<p>mode <b>apply</b> · host <b>pve1</b>, Proxmox VE 8.4.1 · driver <b>${DRIVER}</b> · CUDA <b>12.8</b> · 2.5 s</p>`,
    );
  });

  it('has the plan on a line of its own', () => {
    expect(circumstances(runResult({ planDigest: 'sha256:ab' }))).toContain(
      ' · 2.5 s<br>plan <code>sha256:ab</code></p>',
    );
  });

  it('says what there is not', () => {
    const host = hostFacts({ driver: null, proxmoxVersion: null });
    expect(circumstances(runResult({ host, cudaVersion: null }))).toContain(
      'Proxmox VE unknown · no driver loaded · no CUDA toolkit',
    );
    expect(circumstances(runResult({ host: null }))).toBe('');
  });
});
