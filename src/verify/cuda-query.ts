import type { GuestFacts } from '../facts/facts.ts';
import { lastLines } from '../system/text.ts';
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
  const gpus = [...output.matchAll(/^gpu (GPU-[0-9a-f-]{36}) (\d+\.\d+) (.*)$/gm)];
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

const UVM =
  'Pass /dev/nvidia-uvm through and restart the container; if the host has none: nvidia-modprobe -u -c 0 there.';
const NODES = "Pass the GPU's node and /dev/nvidiactl through and restart the container.";

/** CUresult, from NVIDIA's cuda.h, of what initialising CUDA can answer; remedies from recordings (test/fixtures/nvidia). */
const ERRORS: Record<number, { name: string; remedy: string }> = {
  2: { name: 'OUT_OF_MEMORY', remedy: "Another program uses up the GPU's memory, or the container has too little." },
  46: {
    name: 'DEVICE_UNAVAILABLE',
    remedy: 'Another program has the GPU for itself, or its compute mode forbids any: nvidia-smi -q -d COMPUTE.',
  },
  100: { name: 'NO_DEVICE', remedy: NODES },
  101: { name: 'INVALID_DEVICE', remedy: NODES },
  304: { name: 'OPERATING_SYSTEM', remedy: UVM },
  802: {
    name: 'SYSTEM_NOT_READY',
    remedy: "GPUs with NVSwitch need nvidia-fabricmanager of the driver's version on the host: see its log.",
  },
  803: {
    name: 'SYSTEM_DRIVER_MISMATCH',
    remedy: 'libcuda is not of the kernel module\'s version: run this with mode "apply".',
  },
  804: {
    name: 'COMPAT_NOT_SUPPORTED_ON_DEVICE',
    remedy: 'A libcuda of a cuda-compat package is in front: remove that package from the container.',
  },
  999: { name: 'UNKNOWN', remedy: UVM },
};

const REMEDY = "See the host's kernel log (dmesg) for NVRM and Xid lines.";

/** L3: what nvidia-smi can't tell, since it never opens /dev/nvidia-uvm. CUDA starts and sees every GPU that nvidia-smi sees. */
export function verifyCuda({ cuda, nvidiaSmi }: GuestFacts): Verification {
  const base = { level: 'L3', title: 'CUDA sees the GPUs' } as const;
  if (cuda === null) return { ...base, status: 'inconclusive', seen: 'not tried, since nvidia-smi hangs' };
  const fail = (seen: string, remedy: string): Verification => ({
    ...base,
    status: 'fail',
    seen,
    failure: { code: 'VERIFY_CUDA', remedy },
  });
  if (cuda.exitCode === 124 || cuda.exitCode === 137) return fail('cuInit hangs', REMEDY);
  const answer = parseCudaQuery(cuda.output);
  switch (answer.kind) {
    case 'other':
      return {
        ...base,
        status: 'inconclusive',
        seen: `it could not be tried (exit code ${cuda.exitCode}): ${lastLines(cuda.output, 1)}`,
      };
    case 'not-loaded':
      return fail(
        `libcuda can't be loaded: ${answer.message}`,
        'Run this with mode "apply"; if a file of another library is missing, install its package.',
      );
    case 'failed': {
      const error = ERRORS[answer.code];
      const name = error === undefined ? '' : ` (CUDA_ERROR_${error.name})`;
      return fail(`${answer.call} answers ${answer.code}${name}`, error?.remedy ?? REMEDY);
    }
    case 'gpus': {
      if (answer.gpus.length === 0) return fail('CUDA sees no GPU', NODES);
      const seen = answer.gpus.map(({ uuid }) => uuid);
      const missing = parseSmiQuery(nvidiaSmi.query?.output ?? '')
        .map(({ uuid }) => uuid)
        .filter((uuid) => !seen.includes(uuid));
      if (missing.length > 0) {
        return {
          ...base,
          status: 'fail',
          seen: `nvidia-smi shows ${missing.join(', ')}, CUDA doesn't`,
          failure: { code: 'VERIFY_GPU_MISSING', remedy: 'See nvidia-smi -q for its compute mode and MIG mode.' },
        };
      }
      return {
        ...base,
        status: 'pass',
        seen: `CUDA ${cudaVersionText(answer.driver)} starts and sees ${seen.length} GPU${seen.length > 1 ? 's' : ''}`,
      };
    }
  }
}
