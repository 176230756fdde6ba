/** A CUDA toolkit as NVIDIA names its packages: major and minor only, e.g. `12.8` → `cuda-toolkit-12-8`. */
export interface CudaVersion {
  major: number;
  minor: number;
}

/** Parses `12.8`; null for anything else (`12.8.1`, `latest`, `null`, `12`). */
export function parseCudaVersion(text: string): CudaVersion | null {
  const match = /^([1-9]\d?)\.(\d)$/.exec(text);
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : null;
}

/** `12.8` */
export function cudaText({ major, minor }: CudaVersion): string {
  return `${major}.${minor}`;
}

/** The whole toolkit: the only package of that kind that never depends on a driver (docs/facts.md, C6). */
export const WHOLE_TOOLKIT = 'cuda-toolkit';

/** Those of a toolkit's packages, without version, that bring nvcc. */
export const NVCC_PACKAGES: readonly string[] = [WHOLE_TOOLKIT, 'cuda-compiler', 'cuda-minimal-build', 'cuda-nvcc'];

/** A package of a toolkit as NVIDIA names it: `cuda-nvcc` of 12.8 is `cuda-nvcc-12-8`. */
export function toolkitPackage(name: string, { major, minor }: CudaVersion): string {
  return `${name}-${major}-${minor}`;
}

/** The CUDA version a toolkit package name stands for, or null: `cuda-toolkit-12-8` → 12.8. */
export function cudaOfPackage(name: string): CudaVersion | null {
  const match = /^cuda-toolkit-(\d{1,2})-(\d)$/.exec(name);
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : null;
}

/** Orders toolkits, older first. */
export function compareCudaVersions(a: CudaVersion, b: CudaVersion): number {
  return a.major - b.major || a.minor - b.minor;
}
