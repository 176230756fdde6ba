import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { ActionRecord } from '../../../src/apply/apply.ts';
import type { Failure } from '../../../src/errors.ts';
import { CONTAINER_WORDS, OUTPUTS, renderOutputs } from '../../../src/report/outputs.ts';
import { firstFailure } from '../../../src/report/result.ts';
import { DRIVER, GPU0, hostFacts } from '../helpers/facts.ts';
import { containerResult, runResult } from '../helpers/results.ts';

const PATHS = { plan: '/tmp/x/plan.json', facts: '', report: '/tmp/x/report.json' };
const FAILURE: Failure = { code: 'CONTAINER_STOPPED', seen: 'Container 902 is not running.', remedy: 'Start it.' };

const record = (status: ActionRecord['status']): ActionRecord => ({
  action: { kind: 'remove-packages', reason: 'x', packages: ['libcuda1'] },
  status,
  startedAt: 1,
  seconds: 1.23456,
});

describe('renderOutputs', () => {
  it("has exactly action.yml's outputs", () => {
    const action = parse(readFileSync(join(import.meta.dirname, '../../../action.yml'), 'utf8'));
    expect(Object.keys(action.outputs)).toEqual([...OUTPUTS]);
    expect(Object.keys(renderOutputs(runResult(), PATHS))).toEqual([...OUTPUTS]);
  });

  it('lets a container speak in those outputs that say so, and in no other', () => {
    const words = 'a-containers-words';
    const container = containerResult({
      hostname: words,
      status: 'failed',
      before: { driver: words, toolkits: [words] },
      after: { driver: words, toolkits: [words] },
      verifications: [{ level: 'L2', title: words, status: 'fail', seen: words }],
      findings: [{ code: 'GPU_ISOLATION', message: words }],
      gpus: [{ index: 0, uuid: words, name: words, driverVersion: words, bus: words, memory: words }],
      nvidiaSmi: words,
      nvcc: words,
      failure: { code: 'APT_FAILED', seen: words, remedy: words, details: words },
    });
    for (const containers of [[container], [container, { ...container, ctid: 902 }]]) {
      const outputs = renderOutputs(runResult({ status: 'failed', containers }), PATHS);
      const speaking = OUTPUTS.filter((name) => outputs[name].includes(words));
      expect(speaking).toEqual([...CONTAINER_WORDS]);
    }
  });

  it("gives one container's own values", () => {
    const outputs = renderOutputs(runResult(), PATHS);
    expect(outputs).toMatchObject({
      result: 'converged',
      changed: 'false',
      'failure-reason': '',
      plan: PATHS.plan,
      'plan-digest': '',
      facts: '',
      report: PATHS.report,
      'driver-version': DRIVER,
      'cuda-version': '12.8',
      'nvidia-smi': 'NVIDIA-SMI 580.159.04\n',
      nvcc: 'release 12.8\n',
    });
    expect(JSON.parse(outputs.gpus)).toMatchObject([{ index: 0, uuid: GPU0 }]);
    expect(JSON.parse(outputs.containers)).toEqual({
      901: {
        status: 'converged',
        before: { driver: DRIVER, toolkits: ['12.8'] },
        after: { driver: DRIVER, toolkits: ['12.8'] },
        verification: { L1: 'pass', L4: 'skipped' },
        failure: null,
        rolledBack: false,
        actions: [],
        seconds: 1.235,
      },
    });
  });

  it('gives the values of several containers by ctid', () => {
    const containers = [
      containerResult(),
      containerResult({
        ctid: 902,
        status: 'failed',
        failure: FAILURE,
        actions: [record('done'), record('failed'), record('not-started')],
        gpus: [],
        nvidiaSmi: '',
        nvcc: '',
        verifications: [],
        after: null,
      }),
    ];
    const outputs = renderOutputs(runResult({ status: 'failed', containers }), PATHS);
    expect(outputs['failure-reason']).toBe('CONTAINER_STOPPED');
    expect(outputs.changed).toBe('true');
    expect(JSON.parse(outputs.gpus)).toMatchObject({ 901: [{ uuid: GPU0 }], 902: [] });
    expect(JSON.parse(outputs['nvidia-smi'])).toEqual({ 901: 'NVIDIA-SMI 580.159.04\n', 902: '' });
    expect(JSON.parse(outputs.nvcc)).toEqual({ 901: 'release 12.8\n', 902: '' });
    expect(JSON.parse(outputs.containers)['902']).toEqual({
      status: 'failed',
      before: { driver: DRIVER, toolkits: ['12.8'] },
      after: null,
      verification: {},
      failure: 'CONTAINER_STOPPED',
      rolledBack: false,
      actions: [
        { kind: 'remove-packages', status: 'done', seconds: 1.235 },
        { kind: 'remove-packages', status: 'failed', seconds: 1.235 },
        { kind: 'remove-packages', status: 'not-started', seconds: 1.235 },
      ],
      seconds: 1.235,
    });
  });

  it.each<[ActionRecord['status'][], string]>([
    [[], 'false'],
    [['not-started'], 'false'],
    [['failed', 'not-started'], 'true'],
    [['done'], 'true'],
  ])('says of actions that are %j: changed %s', (statuses, changed) => {
    const containers = [containerResult({ actions: statuses.map(record) })];
    expect(renderOutputs(runResult({ containers }), PATHS).changed).toBe(changed);
  });

  it('is complete for a run that ended at its inputs', () => {
    const nothing = { host: null, cudaVersion: null, mode: null, containers: [], status: 'failed' } as const;
    const outputs = renderOutputs(runResult({ ...nothing, containers: [], failure: FAILURE }), PATHS);
    expect(outputs).toEqual({
      result: 'failed',
      changed: 'false',
      'failure-reason': 'CONTAINER_STOPPED',
      plan: PATHS.plan,
      'plan-digest': '',
      facts: '',
      report: PATHS.report,
      'driver-version': '',
      'cuda-version': '',
      gpus: '{}',
      'nvidia-smi': '{}',
      nvcc: '{}',
      containers: '{}',
    });
  });

  it('is without driver version where none is loaded', () => {
    expect(renderOutputs(runResult({ host: hostFacts({ driver: null }) }), PATHS)['driver-version']).toBe('');
  });

  it('makes container text harmless and short', () => {
    const nvidiaSmi = `\u001b[31m${'x'.repeat(1000)}\n`.repeat(100);
    const outputs = renderOutputs(runResult({ containers: [containerResult({ nvidiaSmi })] }), PATHS);
    expect(outputs['nvidia-smi']).not.toContain('\u001b');
    expect(outputs['nvidia-smi'].length).toBeLessThanOrEqual(32 * 1024);
  });

  const total = (outputs: Record<string, string>) => Object.values(outputs).join('').length;

  it('stays below the 1 MiB that all outputs of a job may have, for as many containers as may be named', () => {
    const containers = Array.from({ length: 256 }, (_, index) =>
      containerResult({ ctid: 1000 + index, nvidiaSmi: 'x'.repeat(80).concat('\n').repeat(40) }),
    );
    const outputs = renderOutputs(runResult({ containers }), PATHS);
    expect(total(outputs) * 2).toBeLessThan(1024 ** 2);
    expect(Object.values<unknown[]>(JSON.parse(outputs.gpus)).every((gpus) => gpus.length === 1)).toBe(true);
    expect(Object.values<string>(JSON.parse(outputs['nvidia-smi'])).every((text) => text.length >= 256)).toBe(true);
  });

  it.each([1, 2, 16, 256])('stays below that whatever %d containers say', (count) => {
    const hostile = '"\\\u001b<&'.repeat(20_000);
    const gpus = Array.from({ length: 256 }, (_, index) => ({
      index,
      uuid: `GPU-${index}${hostile.slice(0, 200)}`,
      name: hostile.slice(0, 200),
      driverVersion: 'x',
      bus: 'x',
      memory: 'x'.repeat(400),
    }));
    const software = { driver: '1'.repeat(80), toolkits: Array.from({ length: 64 }, () => '"'.repeat(32)) };
    const containers = Array.from({ length: count }, (_, index) =>
      containerResult({
        ctid: 1000 + index,
        gpus,
        nvidiaSmi: hostile,
        nvcc: hostile,
        before: software,
        after: software,
        actions: [record('done'), record('failed'), record('not-started')],
      }),
    );
    const outputs = renderOutputs(runResult({ containers }), PATHS);
    expect(total(outputs) * 2).toBeLessThan(0.85 * 1024 ** 2);
    for (const name of ['gpus', 'containers'] as const) JSON.parse(outputs[name]);
  });
});

describe('firstFailure', () => {
  const other: Failure = { ...FAILURE, code: 'CONTAINER_LOCKED' };

  it.each([
    ['the run has one', runResult({ failure: other, containers: [containerResult({ failure: FAILURE })] }), other],
    [
      'a container has one',
      runResult({ containers: [containerResult(), containerResult({ failure: FAILURE })] }),
      FAILURE,
    ],
    ['there is none', runResult(), null],
  ])('when %s', (_what, result, failure) => {
    expect(firstFailure(result)).toEqual(failure);
  });
});
