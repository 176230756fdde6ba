import { describe, expect, it } from 'vitest';
import { Report } from '../../../src/report/schema.ts';
import { fixtureText } from '../helpers/fixtures.ts';

const RECORDING = 'gpu/2xh100-580.159.04';
interface Run {
  name: string;
  failureReason: string;
  pctCalls: number;
  wrong: string[];
  container: { gpus: { uuid: string }[]; verifications: { level: string; status: string; seen: string }[] };
}
const runs = JSON.parse(fixtureText(`${RECORDING}/runs.json`)) as Run[];
const run = (name: string): Run => {
  const found = runs.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no run ${name}`);
  return found;
};
const levels = ({ container }: Run) => container.verifications.map(({ level, status }) => `${level} ${status}`);
const ALL = ['L1 pass', 'L2 pass', 'L3 pass', 'L4 pass', 'L5 pass'];

describe('the recording of real GPUs', () => {
  it('is a report of the format that is published', () => {
    const report = Report.parse(JSON.parse(fixtureText(`${RECORDING}/report.json`)));
    expect(report.status).toBe('changed');
    expect(report.host?.health?.gpus).toHaveLength(2);
  });

  it('proves every level, with numbers, and in one call when nothing is to be done', () => {
    expect(levels(run('apply'))).toEqual(ALL);
    expect(levels(run('again'))).toEqual(ALL);
    expect(run('again').pctCalls).toBe(1);
    const proof = run('apply').container.verifications.find(({ level }) => level === 'L5');
    const speeds = [...(proof?.seen ?? '').matchAll(/to the GPU (\d+\.\d) GB\/s, on it (\d+\.\d) GB\/s/g)];
    expect(speeds).toHaveLength(2);
    for (const [, bus, memory] of speeds) expect(Number(memory)).toBeGreaterThan(Number(bus));
  });

  it.each([
    ['library-of-another-version', 'VERIFY_USER_SPACE'],
    ['no-uvm', 'CONTAINER_UVM_MISSING'],
    ['nvidiactl-denied', 'CONTAINER_GPU_NODE_DENIED'],
    ['gpu-not-passed', 'CONTAINER_GPU_NODES_MISSING'],
    ['gpu-hidden', 'CONTAINER_GPU_NODE_STALE'],
  ])('tells the cause of %s', (name, code) => {
    expect(run(name)).toMatchObject({ failureReason: code, wrong: [] });
  });

  it('gives a container one of two GPUs, and that one alone', () => {
    const [first, second] = ['only-gpu-0', 'only-gpu-1'].map((name) =>
      run(name).container.gpus.map(({ uuid }) => uuid),
    );
    expect(first).toHaveLength(1);
    expect(second).toHaveLength(1);
    expect(first).not.toEqual(second);
  });
});
