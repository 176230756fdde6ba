import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CommandFact, GuestFacts } from '../../../src/facts/facts.ts';
import { cudaVersionText, parseCudaQuery, verifyCuda } from '../../../src/verify/cuda-query.ts';
import { anyText } from '../helpers/any-text.ts';
import { CUDA_NOT_LOADED, containerFacts, cudaQuery, GPU0, GPU1, guestFacts, hostFacts } from '../helpers/facts.ts';
import { recordedContainers } from '../helpers/fixtures.ts';
import { recordedCuda, recordedSmi } from '../helpers/recorded-containers.ts';

const judge = (cuda: CommandFact | null) => judgeGuest(guestFacts({ cuda }));
const judgeGuest = (guest: GuestFacts) => verifyCuda(hostFacts(), containerFacts({}, guest), guest);

describe('parseCudaQuery', () => {
  it('reads GPUs', () => {
    expect(parseCudaQuery(cudaQuery([GPU0, GPU1]))).toEqual({
      kind: 'gpus',
      driver: 13000,
      gpus: [
        { uuid: GPU0, capability: '9.0', name: 'NVIDIA H100 80GB HBM3' },
        { uuid: GPU1, capability: '9.0', name: 'NVIDIA H100 80GB HBM3' },
      ],
    });
  });

  it('reads failures', () => {
    expect(parseCudaQuery(CUDA_NOT_LOADED)).toEqual({
      kind: 'not-loaded',
      message: 'libcuda.so.1: cannot open shared object file: No such file or directory',
    });
    expect(parseCudaQuery('driver 12040\nfailed cuInit 803\n')).toEqual({ kind: 'failed', call: 'cuInit', code: 803 });
    expect(parseCudaQuery('failed cuDeviceGetUuid -1\n')).toMatchObject({ call: 'cuDeviceGetUuid', code: -1 });
    expect(parseCudaQuery('')).toEqual({ kind: 'other' });
  });

  it('never throws, whatever a container prints, and takes no part of a line for a UUID', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(anyText, fc.constantFrom('driver 13000', 'gpu ', `gpu ${GPU0} 9.0 x`))),
        (lines) => {
          const answer = parseCudaQuery(lines.join('\n'));
          if (answer.kind === 'gpus') for (const { uuid } of answer.gpus) expect(uuid).toMatch(/^GPU-[0-9a-f-]{36}$/);
        },
      ),
    );
  });
});

describe('cudaVersionText', () => {
  it.each([
    [13000, '13.0'],
    [12080, '12.8'],
    [11040, '11.4'],
  ])('%d is %s', (version, text) => expect(cudaVersionText(version)).toBe(text));
});

describe('L3', () => {
  it('passes when CUDA sees what nvidia-smi sees', () => {
    expect(judge({ exitCode: 0, output: cudaQuery([GPU1, GPU0]) })).toMatchObject({
      level: 'L3',
      status: 'pass',
      seen: 'CUDA 13.0 starts and sees 2 GPUs',
    });
  });

  it('fails for a GPU that nvidia-smi shows and CUDA does not', () => {
    expect(judge({ exitCode: 0, output: cudaQuery([GPU1]) })).toMatchObject({
      status: 'fail',
      seen: `nvidia-smi shows ${GPU0}, CUDA doesn't`,
      failure: { code: 'VERIFY_GPU_MISSING' },
    });
  });

  it.each([
    ['no GPU', { exitCode: 0, output: 'driver 13000\n' }, 'VERIFY_CUDA', 'CUDA sees no GPU', /kernel log/],
    ['a hang', { exitCode: 124, output: '' }, 'VERIFY_CUDA', 'cuInit hangs', /kernel log/],
    ['a killed hang', { exitCode: 137, output: '' }, 'VERIFY_CUDA', 'cuInit hangs', /kernel log/],
    [
      'no library',
      { exitCode: 1, output: CUDA_NOT_LOADED },
      'VERIFY_USER_SPACE',
      "libcuda can't be loaded (libcuda",
      /apply/,
    ],
    [
      '802',
      { exitCode: 1, output: 'failed cuInit 802\n' },
      'GPU_FABRIC_NOT_READY',
      'answers 802 (CUDA_ERROR_SYSTEM_NOT_',
      /fabric/,
    ],
    [
      'one it does not know',
      { exitCode: 1, output: 'failed cuInit 719\n' },
      'VERIFY_CUDA',
      'cuInit answers 719',
      /kernel log/,
    ],
  ])('fails for %s', (_, cuda, code, seen, remedy) => {
    const found = judge(cuda);
    expect(found).toMatchObject({ status: 'fail', failure: { code } });
    expect(found.seen).toContain(seen);
    expect(found.failure?.remedy).toMatch(remedy);
  });

  it('is no pass when it could not be tried', () => {
    expect(judge(null)).toMatchObject({ status: 'inconclusive' });
    expect(judge({ exitCode: 38, output: 'memfd_create: Function not implemented\n' })).toMatchObject({
      status: 'inconclusive',
      seen: 'it could not be tried (exit code 38): memfd_create: Function not implemented',
    });
  });
});

describe('L3 of the recorded containers', () => {
  /** What cuInit answered in each; 0: CUDA worked. */
  const answers: Record<string, number> = {
    ...{ 901: 0, 902: 0, 903: 0, 904: 0, 905: 100, 906: 999, 907: 0, 908: 0 },
    ...{ 911: 0, 912: 0, 913: 999, 914: 100, 915: 100, 917: 100, 918: 999 },
  };

  it.each(recordedContainers().map((recorded) => [recorded.container, recorded] as const))('%s', (name, recorded) => {
    const nvidiaSmi = { query: recordedSmi(recorded, 'query'), table: null };
    const found = judgeGuest(guestFacts({ nvidiaSmi, cuda: recordedCuda(recorded, 'cuda') }));
    expect(found.status).toBe(answers[name] === 0 ? 'pass' : 'fail');
    if (answers[name] !== 0) expect(found.seen).toContain(`cuInit answers ${answers[name]} (CUDA_ERROR_`);
  });

  it('with libraries of another version, and without', () => {
    const [healthy] = recordedContainers();
    if (healthy === undefined) throw new Error('no recording');
    expect(judge(recordedCuda(healthy, 'mismatch-cuda')).seen).toContain(
      'cuInit answers 803 (CUDA_ERROR_SYSTEM_DRIVER_MISMATCH): ',
    );
    expect(judge(recordedCuda(healthy, 'nolib-cuda')).seen).toContain("libcuda can't be loaded");
  });
});
