/** A GPU as nvidia-smi shows it in a container. Untrusted text. */
export interface SmiGpu {
  index: number;
  uuid: string;
  name: string;
  driverVersion: string;
  bus: string;
  memory: string;
}

/** The lines of `nvidia-smi --query-gpu=index,uuid,name,driver_version,pci.bus_id,memory.total --format=csv,noheader`. */
export function parseSmiQuery(output: string): SmiGpu[] {
  return output.split('\n').flatMap((line) => {
    const [index = '', uuid = '', ...rest] = line.split(', ').map((field) => field.trim());
    // The name stands in the middle and could hold a comma itself: what follows it is counted from the end.
    const [driverVersion, bus, memory] = rest.slice(-3);
    if (!/^\d+$/.test(index) || !uuid.startsWith('GPU-') || memory === undefined) return [];
    return [
      {
        index: Number(index),
        uuid,
        name: rest.slice(0, -3).join(', '),
        driverVersion: driverVersion ?? '',
        bus: bus ?? '',
        memory,
      },
    ];
  });
}
