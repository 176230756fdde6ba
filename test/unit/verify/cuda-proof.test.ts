import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Desired } from '../../../src/desired/desired.ts';
import { CUDA_PROOF_SOURCE } from '../../../src/facts/cuda-proof-source.ts';
import type { CommandFact } from '../../../src/facts/facts.ts';
import { parseCudaProof, verifyProof } from '../../../src/verify/cuda-proof.ts';
import { anyText } from '../helpers/any-text.ts';
import { containerFacts, cudaProof, desired, GPU0, GPU1, guestFacts, hostFacts } from '../helpers/facts.ts';

const judge = (proof: CommandFact | null, wish: Partial<Desired> = {}) =>
  verifyProof(desired(wish), hostFacts(), containerFacts(), guestFacts({ proof }));

describe('the source', () => {
  it('in the bundle is the one in native/', () => {
    const file = new URL('../../../native/cuda-proof/cuda-proof.cu', import.meta.url);
    expect(CUDA_PROOF_SOURCE).toBe(readFileSync(file, 'utf8'));
  });
});

describe('parseCudaProof', () => {
  it('reads GPUs', () => {
    expect(parseCudaProof(cudaProof([GPU0]))).toEqual([
      { uuid: GPU0, wrongIntegers: 0, wrongFloats: 0, hostToDevice: 24.1, deviceToDevice: 1290.4 },
    ]);
  });

  it('never throws, and reads whole lines only', () => {
    fc.assert(
      fc.property(anyText, anyText, (before, after) => {
        expect(parseCudaProof(`${before}x${cudaProof([GPU0]).trim()}x${after}`)).toEqual([]);
      }),
    );
  });
});

describe('L5', () => {
  it('passes when every GPU computes right, and tells how fast copies are', () => {
    expect(judge({ exitCode: 0, output: cudaProof([GPU0, GPU1]) })).toMatchObject({
      level: 'L5',
      status: 'pass',
      seen: expect.stringContaining(
        `right on ${GPU0}, copies: to the GPU 24.1 GB/s, on it 1290.4 GB/s; right on ${GPU1}`,
      ),
    });
  });

  it('passes where there was no room to measure', () => {
    const output = cudaProof([GPU0, GPU1]).replaceAll('24.1', '0.0');
    expect(judge({ exitCode: 0, output }).seen).toContain('to the GPU not measured');
  });

  it.each([
    ['wrong integers', 1, cudaProof([GPU0]).replace('integers 0', 'integers 7'), 'VERIFY_KERNEL', 'wrong: 7 integers'],
    ['wrong floats', 1, cudaProof([GPU0]).replace('floats 0', 'floats 2'), 'VERIFY_KERNEL', '2 floats'],
    [
      'wrong floats, exit code 0',
      0,
      cudaProof([GPU0, GPU1]).replace('floats 0', 'floats 2'),
      'VERIFY_KERNEL',
      '2 floats',
    ],
    ['a call', 1, 'failed cudaMalloc 1 invalid argument\n', 'VERIFY_KERNEL', 'cudaMalloc answers 1 (invalid argument)'],
    ['memory', 1, 'failed cudaMalloc 2 out of memory\n', 'GPU_BUSY', "2 (out of memory): the GPU's memory is taken"],
    ['exclusive mode', 1, 'failed cudaSetDevice 46 devices unavailable\n', 'GPU_BUSY', 'takes no further process'],
    ['an ECC error', 1, 'failed cudaDeviceSynchronize 214 ECC\n', 'GPU_ECC_ERROR', "can't be corrected"],
    [
      'an old driver',
      1,
      'failed cudaGetDeviceCount 35 insufficient\n',
      'CUDA_NEEDS_NEWER_DRIVER',
      'older than the toolkit',
    ],
    ['a crash', 139, 'Segmentation fault\n', 'VERIFY_KERNEL', 'exit code 139'],
    ['a hang', 124, '', 'VERIFY_KERNEL', 'hangs'],
    ['a GPU left out', 0, cudaProof([GPU1]), 'VERIFY_KERNEL', 'it ran on 1 of 2 GPUs'],
    ['no line at all', 0, '', 'VERIFY_KERNEL', 'it ran on 0 of 2 GPUs'],
    ['the compiler', 1, 'not compiled\nerror -- unsupported GNU version!\n', 'VERIFY_COMPILE', 'could not compile'],
  ])('fails for %s', (_, exitCode, output, code, seen) => {
    const found = judge({ exitCode, output });
    expect(found).toMatchObject({ status: 'fail', failure: { code } });
    expect(found.seen).toContain(seen);
    expect(found.failure?.details ?? '').not.toContain('not compiled');
  });

  it('is skipped where it is not asked for, and no pass where it did not run', () => {
    const passed = { exitCode: 0, output: cudaProof([GPU0, GPU1]) };
    expect(judge(passed, { verify: 'toolkit' }).status).toBe('skipped');
    expect(judge(passed, { cuda: { kind: 'none' } }).status).toBe('skipped');
    expect(judge(null).status).toBe('inconclusive');
  });
});
