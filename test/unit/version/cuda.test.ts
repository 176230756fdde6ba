import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareCudaVersions,
  cudaOfPackage,
  cudaText,
  parseCudaVersion,
  toolkitPackage,
} from '../../../src/version/cuda.ts';

const anyCuda = fc.record({ major: fc.integer({ min: 1, max: 99 }), minor: fc.integer({ min: 0, max: 9 }) });

describe('CUDA versions', () => {
  it.each([
    ['12.8', { major: 12, minor: 8 }],
    ['13.0', { major: 13, minor: 0 }],
    ['9.2', { major: 9, minor: 2 }],
  ])('parses %s', (text, version) => {
    expect(parseCudaVersion(text)).toEqual(version);
  });

  it.each([
    '',
    '12',
    '12.',
    '12.8.1',
    '12-8',
    'latest',
    'null',
    'none',
    '012.8',
    '0.8',
    '12.08',
    ' 12.8',
    '12.8\n',
    '١٢.٨',
  ])('refuses %j', (text) => {
    expect(parseCudaVersion(text)).toBeNull();
  });

  it('names the toolkit package and finds its way back', () => {
    expect(toolkitPackage('cuda-toolkit', { major: 12, minor: 8 })).toBe('cuda-toolkit-12-8');
    fc.assert(
      fc.property(anyCuda, (version) => {
        expect(cudaOfPackage(toolkitPackage('cuda-toolkit', version))).toEqual(version);
        expect(parseCudaVersion(cudaText(version))).toEqual(version);
      }),
    );
  });

  it.each([
    'cuda-toolkit',
    'cuda-toolkit-12',
    'cuda-toolkit-12-8-config-common',
    'cuda-12-8',
    'nvidia-cuda-toolkit-12-8',
  ])('takes %s for no toolkit', (name) => {
    expect(cudaOfPackage(name)).toBeNull();
  });

  it('orders by number, not by text', () => {
    const sorted = ['9.2', '11.8', '12.0', '12.8', '13.0'].map(
      (text) => parseCudaVersion(text) ?? { major: 0, minor: 0 },
    );
    expect([...sorted].reverse().sort(compareCudaVersions).map(cudaText)).toEqual(sorted.map(cudaText));
  });
});
