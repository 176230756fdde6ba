import type { CommandFact } from '../facts/facts.ts';

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

/** What a failing nvidia-smi means, by its exit code (its man page, nvml.h, and recordings of each case). */
const MEANINGS: Record<number, { meaning: string; remedy: string }> = {
  4: {
    meaning: 'it may not use the GPU nodes',
    remedy: 'Check mode and owner of /dev/nvidia* in the container (devN: mode=0666, or gid).',
  },
  6: { meaning: 'it finds no GPU', remedy: 'Pass /dev/nvidia0 (or another GPU) through and restart the container.' },
  9: {
    meaning: "it can't reach the kernel module",
    remedy: 'Pass /dev/nvidiactl through and restart the container; on the host, nvidia-smi must work.',
  },
  12: {
    meaning: 'it finds no libnvidia-ml.so',
    remedy: 'The user space is not installed: run this with mode "apply".',
  },
  15: {
    meaning: 'a GPU fell off the bus',
    remedy: "See the host's kernel log for Xid 79; the host usually needs a restart.",
  },
  17: {
    meaning: 'the operating system blocks access to the GPU',
    remedy: 'A node in /dev is not the device it should be: pass the nodes by devN and restart the container.',
  },
  18: {
    meaning: 'user space and kernel module differ',
    remedy: 'The host\'s driver changed: run this with mode "apply" again.',
  },
  124: { meaning: 'it hangs', remedy: "A GPU may be lost: see the host's kernel log." },
  255: {
    meaning: 'NVML could not start',
    remedy: 'The device cgroup denies the GPU nodes: pass them by devN and restart the container.',
  },
};

/** Why nvidia-smi failed and what to do, for any exit code but 0. */
export function explainSmi({ exitCode }: CommandFact): { meaning: string; remedy: string } {
  return MEANINGS[exitCode] ?? { meaning: `it ended with exit code ${exitCode}`, remedy: 'See its output below.' };
}
