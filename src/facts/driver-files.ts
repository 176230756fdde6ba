import type { DriverVersion } from '../version/driver.ts';
import { isDriverVersion } from '../version/driver.ts';
import type { HostFacts, HostGpu } from './facts.ts';

/**
 * The loaded kernel module from /proc/driver/nvidia/version, or null when the text isn't its.
 *
 * Two forms exist (docs/facts.md, E1): `… x86_64 Kernel Module  580.95.05  date` and
 * `… Open Kernel Module for x86_64  580.95.05  Release Build …`.
 */
export function parseKernelModule(text: string): HostFacts['driver'] {
  const line = text.split('\n').find((candidate) => candidate.startsWith('NVRM version:'));
  const version: DriverVersion | undefined = line?.split(/\s+/).find((word) => isDriverVersion(word));
  if (line === undefined || version === undefined) return null;
  return { version, kernelModule: line.includes('Open Kernel Module') ? 'open' : 'proprietary' };
}

/** One GPU from /proc/driver/nvidia/gpus/<bus>/information, or null when the text isn't one. */
export function parseGpuInformation(text: string, bus: string): HostGpu | null {
  const fields = new Map(
    text.split('\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const];
    }),
  );
  const uuid = fields.get('GPU UUID');
  if (uuid === undefined) return null;
  const minor = fields.get('Device Minor');
  return {
    name: fields.get('Model') ?? 'unknown',
    uuid: /^GPU-[0-9a-f-]+$/.test(uuid) ? uuid : null,
    bus: fields.get('Bus Location') ?? bus,
    minor: minor !== undefined && /^\d+$/.test(minor) ? Number(minor) : null,
  };
}
