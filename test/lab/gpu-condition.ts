import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What is wrong with a host's GPUs, as the stand-in's programs tell it on the host and in its containers. CUDA's answers are
 * numbers of CUresult, nvidia-smi's are in its own words.
 */
export interface GpuCondition {
  /** What starting CUDA answers. */
  readonly cuInit?: number;
  /** What the first use of a GPU answers; CUDA has started and counts it. */
  readonly context?: number;
  /** What waiting for a kernel answers. */
  readonly kernel?: number;
  readonly nvidiaSmi?: { readonly exitCode: number; readonly words: string };
  readonly computeMode?: 'Exclusive_Process' | 'Prohibited';
  readonly mig?: boolean;
  /** Errors of the memory since the driver was loaded that couldn't be corrected. */
  readonly eccErrors?: number;
}

/** Beside the kernel module's own files, where programs in containers see it too: a line for each answer. */
export async function writeGpuCondition(procDriver: string, condition: GpuCondition | null): Promise<void> {
  const path = join(procDriver, 'nvidia', 'lab-condition');
  if (condition === null) return await rm(path, { force: true });
  const { cuInit, context, kernel, nvidiaSmi, computeMode, mig, eccErrors } = condition;
  const lines = {
    cuInit,
    context,
    kernel,
    'smi-exit': nvidiaSmi?.exitCode,
    'smi-words': nvidiaSmi?.words,
    'compute-mode': computeMode,
    mig: mig ? 'Enabled' : undefined,
    'ecc-errors': eccErrors,
  };
  const set = Object.entries(lines).filter(([, value]) => value !== undefined);
  await writeFile(path, set.map(([key, value]) => `${key} ${value}\n`).join(''));
}
