import { CONTAINER_LIMITS } from '../system/limits.ts';

const { devices, fieldLength } = CONTAINER_LIMITS;

/** A GPU as nvidia-smi shows it in a container. Untrusted text. */
export interface SmiGpu {
  index: number;
  uuid: string;
  name: string;
  driverVersion: string;
  bus: string;
  memory: string;
}

/** The GPUs, as many as there can be, in the lines of `nvidia-smi --query-gpu=index,uuid,name,driver_version,pci.bus_id,memory.total --format=csv,noheader`. */
export function parseSmiQuery(output: string): SmiGpu[] {
  const gpus: SmiGpu[] = [];
  for (const line of output.split('\n')) {
    const gpu = line.length <= fieldLength ? parseSmiLine(line) : null;
    if (gpu !== null) gpus.push(gpu);
    if (gpus.length === devices) break;
  }
  return gpus;
}

function parseSmiLine(line: string): SmiGpu | null {
  const [index = '', uuid = '', ...rest] = line.split(', ').map((field) => field.trim());
  // The name stands in the middle and could hold a comma itself: what follows it is counted from the end.
  const [driverVersion = '', bus = '', memory] = rest.slice(-3);
  if (!/^\d{1,9}$/.test(index) || !uuid.startsWith('GPU-') || memory === undefined) return null;
  return { index: Number(index), uuid, name: rest.slice(0, -3).join(', '), driverVersion, bus, memory };
}
