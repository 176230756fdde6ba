/** Managed memory, without which CUDA doesn't start, while nvidia-smi never opens it. */
export const UVM = '/dev/nvidia-uvm';

/** N of /dev/nvidiaN, or null when the path is another node's. */
export function gpuMinor(path: string): number | null {
  const minor = /^\/dev\/nvidia(\d+)$/.exec(path)?.[1];
  return minor === undefined ? null : Number(minor);
}
