import { describe, expect, it } from 'vitest';
import { explainSmi, parseSmiQuery } from '../../../src/verify/nvidia-smi.ts';
import { GPU0, GPU1, smiQuery } from '../helpers/facts.ts';
import { recordedCases, recordedContainers } from '../helpers/fixtures.ts';
import { recordedSmi } from '../helpers/recorded-containers.ts';

describe('parseSmiQuery', () => {
  it('reads the recorded query of two GPUs', () => {
    const [healthy] = recordedContainers();
    if (healthy === undefined) throw new Error('no recording');
    expect(parseSmiQuery(recordedSmi(healthy, 'query').output)).toEqual([
      {
        index: 0,
        uuid: GPU0,
        name: 'NVIDIA H100 80GB HBM3',
        driverVersion: '580.159.04',
        bus: '00000000:00:06.0',
        memory: '81559 MiB',
      },
      expect.objectContaining({ index: 1, uuid: GPU1, bus: '00000000:00:07.0' }),
    ]);
  });

  it('is what the builder of the other tests writes', () => {
    const [healthy] = recordedContainers();
    if (healthy === undefined) throw new Error('no recording');
    expect(smiQuery([GPU0, GPU1])).toBe(recordedSmi(healthy, 'query').output);
  });

  it('reads a name with commas, and fields without a value', () => {
    expect(parseSmiQuery(`3, ${GPU0}, A, B, C, 580.142, [N/A], [N/A]\n`)).toEqual([
      { index: 3, uuid: GPU0, name: 'A, B, C', driverVersion: '580.142', bus: '[N/A]', memory: '[N/A]' },
    ]);
  });

  it.each([
    '',
    'No devices were found\n',
    'index, uuid, name, driver_version, pci.bus_id, memory.total [MiB]\n',
    `x, ${GPU0}, A, 580.142, b, m`,
    '0, MIG-1, A, 580.142, b, m',
    `0, ${GPU0}, A`,
    '<html>',
  ])('reads no GPU in %j', (output) => {
    expect(parseSmiQuery(output)).toEqual([]);
  });

  it('reads no GPU in what a failing nvidia-smi was recorded to print', () => {
    for (const { stdout } of recordedCases().filter(({ exit }) => exit !== 0))
      expect(parseSmiQuery(stdout)).toEqual([]);
  });
});

describe('explainSmi', () => {
  /** What each recorded failure means, by its case. */
  const meanings: Record<string, [number, RegExp]> = {
    badid: [6, /no GPU/],
    noctl: [17, /blocks access/],
    noperm: [4, /may not use/],
    mismatch550: [18, /user space and kernel module differ/],
    mismatch_q: [18, /user space and kernel module differ/],
    mismatch_L: [18, /user space and kernel module differ/],
    mismatch_v: [18, /user space and kernel module differ/],
    nolib: [12, /libnvidia-ml/],
  };

  it.each(Object.entries(meanings))('knows the recorded case %s', (name, [exitCode, meaning]) => {
    const recorded = recordedCases().find((candidate) => candidate.case === name);
    expect(recorded?.exit).toBe(exitCode);
    expect(explainSmi({ exitCode, output: recorded?.stdout ?? '' }).meaning).toMatch(meaning);
  });

  it.each([
    [9, /can't reach the kernel module/, /nvidiactl/],
    [15, /fell off the bus/, /Xid/],
    [124, /hangs/, /kernel log/],
    [255, /could not start/, /cgroup/],
  ])('knows %d', (exitCode, meaning, remedy) => {
    const found = explainSmi({ exitCode, output: '' });
    expect(found.meaning).toMatch(meaning);
    expect(found.remedy).toMatch(remedy);
  });

  it('names a code that it does not know', () => {
    expect(explainSmi({ exitCode: 77, output: '' }).meaning).toContain('77');
  });
});
