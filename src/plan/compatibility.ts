import { type CudaVersion, cudaText } from '../version/cuda.ts';
import { atLeast, type DriverVersion } from '../version/driver.ts';

/**
 * The oldest driver that runs a toolkit of a major version at all, by CUDA's minor-version compatibility
 * (docs.nvidia.com, CUDA Compatibility; CUDA Toolkit Release Notes, table 2).
 */
const MAJOR_MINIMUM: Record<number, DriverVersion> = { 11: '450.80.02', 12: '525.60.13', 13: '580.65.06' };

/** 11.0 came before that promise. */
const MINIMUM: Record<string, DriverVersion> = { '11.0': '450.36.06' };

/**
 * The driver a toolkit was released with, for the newest release of each minor version (CUDA Toolkit Release Notes,
 * table 3). Older drivers of the same major version run it with limits: newer PTX isn't compiled.
 */
const RELEASED_WITH: Record<string, DriverVersion> = {
  '11.0': '450.51.06',
  '11.1': '455.32',
  '11.2': '460.32.03',
  '11.3': '465.19.01',
  '11.4': '470.82.01',
  '11.5': '495.29.05',
  '11.6': '510.47.03',
  '11.7': '515.48.07',
  '11.8': '520.61.05',
  '12.0': '525.85.12',
  '12.1': '530.30.02',
  '12.2': '535.104.05',
  '12.3': '545.23.08',
  '12.4': '550.54.15',
  '12.5': '555.42.06',
  '12.6': '560.35.05',
  '12.8': '570.124.06',
  '12.9': '575.57.08',
  '13.0': '580.95.05',
  '13.1': '590.48.01',
  '13.2': '595.71.05',
  '13.3': '610.43.02',
};

export type Compatibility =
  | { kind: 'full' }
  /** It runs, with the limits of minor-version compatibility. */
  | { kind: 'limited'; releasedWith: DriverVersion }
  | { kind: 'impossible'; minimum: DriverVersion; newestPossible: string | null };

/** Whether a driver can run programs built with a toolkit. A major version we don't know counts as full. */
export function compatibility(driver: DriverVersion, toolkit: CudaVersion): Compatibility {
  const minimum = MINIMUM[cudaText(toolkit)] ?? MAJOR_MINIMUM[toolkit.major];
  if (minimum !== undefined && !atLeast(driver, minimum)) {
    return { kind: 'impossible', minimum, newestPossible: newestReleasedWith(driver) };
  }
  const releasedWith = RELEASED_WITH[cudaText(toolkit)];
  return releasedWith === undefined || atLeast(driver, releasedWith)
    ? { kind: 'full' }
    : { kind: 'limited', releasedWith };
}

/** The newest toolkit that a driver runs without limits, e.g. `12.4`; null when it is older than all we know. */
function newestReleasedWith(driver: DriverVersion): string | null {
  return Object.entries(RELEASED_WITH).findLast(([, release]) => atLeast(driver, release))?.[0] ?? null;
}
