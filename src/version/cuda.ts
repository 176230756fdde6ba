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

/** `cuda-toolkit-12-8`: the only toolkit package that never depends on a driver (docs/facts.md, C6). */
export function toolkitPackage({ major, minor }: CudaVersion): string {
  return `cuda-toolkit-${major}-${minor}`;
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
