import { describe, expect, it } from 'vitest';
import { parseSmiQuery } from '../../../src/verify/nvidia-smi.ts';
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

  it('reads no more GPUs than there can be, and none that is longer than any', () => {
    const gpus = Array.from({ length: 70_000 }, (_, index) => `${index}, GPU-${index}, A, 580.142, b, m`);
    expect(parseSmiQuery(gpus.join('\n'))).toHaveLength(256);
    expect(parseSmiQuery(`0, GPU-${'x'.repeat(2000)}, A, 580.142, b, m\n${gpus[1]}`)).toMatchObject([
      { uuid: 'GPU-1' },
    ]);
  });

  it('reads no GPU in what a failing nvidia-smi was recorded to print', () => {
    for (const { stdout } of recordedCases().filter(({ exit }) => exit !== 0))
      expect(parseSmiQuery(stdout)).toEqual([]);
  });
});
