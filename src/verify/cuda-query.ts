import { diagnose } from '../diagnosis/cause.ts';
import { GPU_CAUSES } from '../diagnosis/gpu.ts';
import type { ContainerFacts, GuestFacts, HostFacts } from '../facts/facts.ts';
import { CONTAINER_LIMITS } from '../system/limits.ts';
import { lastLines, namesText } from '../system/text.ts';
import { parseSmiQuery } from './nvidia-smi.ts';
import type { Verification } from './verify.ts';

/** A GPU as CUDA shows it in a container. Untrusted text. */
export interface CudaGpu {
  /** `GPU-…`; of a MIG instance, that of its GPU. */
  uuid: string;
  /** Compute capability, e.g. `9.0`. */
  capability: string;
  name: string;
}

/** What native/cuda-query learned. `other`: it printed nothing that it prints. */
export type CudaQuery =
  | { kind: 'gpus'; driver: number; gpus: CudaGpu[] }
  | { kind: 'failed'; call: string; code: number }
  | { kind: 'not-loaded'; message: string }
  | { kind: 'other' };

/** Reads what native/cuda-query printed; its source tells the lines. */
export function parseCudaQuery(output: string): CudaQuery {
  const failed = /^failed (\w+) (-?\d+)$/m.exec(output);
  if (failed) return { kind: 'failed', call: failed[1] ?? '', code: Number(failed[2]) };
  const message = /^not loaded (.*)$/m.exec(output)?.[1];
  if (message !== undefined) return { kind: 'not-loaded', message };
  const driver = /^driver (\d+)$/m.exec(output)?.[1];
  if (driver === undefined) return { kind: 'other' };
  const gpus = [...output.matchAll(/^gpu (GPU-[0-9a-f-]{36}) (\d+\.\d+) (.*)$/gm)].slice(0, CONTAINER_LIMITS.devices);
  return {
    kind: 'gpus',
    driver: Number(driver),
    gpus: gpus.map(([, uuid = '', capability = '', name = '']) => ({ uuid, capability, name })),
  };
}

/** `13000` → `13.0`: CUDA's versions are 1000 × major + 10 × minor. */
export function cudaVersionText(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}

/** CUresult, from NVIDIA's cuda.h: the names of what initialising CUDA answers most often. */
const ERRORS: Record<number, string> = {
  2: 'OUT_OF_MEMORY',
  34: 'STUB_LIBRARY',
  46: 'DEVICE_UNAVAILABLE',
  100: 'NO_DEVICE',
  101: 'INVALID_DEVICE',
  304: 'OPERATING_SYSTEM',
  802: 'SYSTEM_NOT_READY',
  803: 'SYSTEM_DRIVER_MISMATCH',
  804: 'COMPAT_NOT_SUPPORTED_ON_DEVICE',
  999: 'UNKNOWN',
};

const REMEDY = "See the host's kernel log (dmesg) for NVRM and Xid lines.";

/** L3: what nvidia-smi can't tell, since it never opens /dev/nvidia-uvm. CUDA starts and sees every GPU that nvidia-smi sees. */
export function verifyCuda(host: HostFacts, container: ContainerFacts, guest: GuestFacts): Verification {
  const base = { level: 'L3', title: 'CUDA sees the GPUs' } as const;
  const { cuda, nvidiaSmi } = guest;
  if (cuda === null) return { ...base, status: 'inconclusive', seen: 'not tried, since nvidia-smi hangs' };
  /** A failure with the cause that the number, and everything else that is known, shows. */
  const fail = (seen: string, error: number | 'no-library' | null): Verification => {
    const found =
      error === null
        ? null
        : diagnose(GPU_CAUSES, { symptom: { kind: 'cuda', error }, host, container, guest }, container.ctid);
    return {
      ...base,
      status: 'fail',
      seen: found === null ? seen : `${seen}: ${found.cause}`,
      failure: { code: found?.code ?? 'VERIFY_CUDA', remedy: found?.remedy ?? REMEDY },
    };
  };
  if (cuda.exitCode === 124 || cuda.exitCode === 137) return fail('cuInit hangs', null);
  const answer = parseCudaQuery(cuda.output);
  switch (answer.kind) {
    case 'other':
      return {
        ...base,
        status: 'inconclusive',
        seen: `it could not be tried (exit code ${cuda.exitCode}): ${lastLines(cuda.output, 1)}`,
      };
    case 'not-loaded':
      return fail(`libcuda can't be loaded (${answer.message})`, 'no-library');
    case 'failed': {
      const name = ERRORS[answer.code];
      return fail(
        `${answer.call} answers ${answer.code}${name === undefined ? '' : ` (CUDA_ERROR_${name})`}`,
        answer.code,
      );
    }
    case 'gpus': {
      if (answer.gpus.length === 0) return fail('CUDA sees no GPU', 100);
      const seen = new Set(answer.gpus.map(({ uuid }) => uuid));
      const missing = parseSmiQuery(nvidiaSmi.query?.output ?? '')
        .map(({ uuid }) => uuid)
        .filter((uuid) => !seen.has(uuid));
      if (missing.length > 0) {
        return {
          ...base,
          status: 'fail',
          seen: `nvidia-smi shows ${namesText(missing)}, CUDA doesn't`,
          failure: { code: 'VERIFY_GPU_MISSING', remedy: 'See nvidia-smi -q for its compute mode and MIG mode.' },
        };
      }
      return {
        ...base,
        status: 'pass',
        seen: `CUDA ${cudaVersionText(answer.driver)} starts and sees ${answer.gpus.length} GPU${answer.gpus.length > 1 ? 's' : ''}`,
      };
    }
  }
}
