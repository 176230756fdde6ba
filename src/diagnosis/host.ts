import type { HostFacts } from '../facts/facts.ts';
import type { Cause } from './cause.ts';

const ECC_XIDS = [48, 63, 64, 94, 95];

const xidsOf = (host: HostFacts, codes: readonly number[]) =>
  (host.health?.xids ?? []).filter(({ code }) => codes.includes(code));

/**
 * What isn't right with the host's GPUs, or won't be for long. Unlike the causes of a failure, all that the facts show are
 * told, and none stops a run.
 */
export const HOST_FINDINGS: readonly Cause<HostFacts>[] = [
  {
    code: 'HOST_DRIVER_PENDING',
    symptom: "The driver on the host's disk isn't the one that is loaded",
    cause: "the host's next restart loads another driver, and every container's user space breaks then",
    remedy: 'Restart the host when it suits, and run this again right after it.',
    source: 'modinfo(8)',
    shows: ({ driver, health }) => {
      const pending = health?.installedDriver ?? null;
      return (
        driver !== null &&
        pending !== null &&
        pending !== driver.version &&
        `the host's next restart loads driver ${pending}: every container with ${driver.version} breaks then`
      );
    },
  },
  {
    code: 'GPU_HANGS',
    symptom: "The host's nvidia-smi gives no answer",
    cause: "the host's own nvidia-smi hangs",
    remedy: "See the host's kernel log (journalctl -k -b) for NVRM and Xid.",
    source: 'seen in the lab only',
    shows: ({ health }) => health?.smiHangs === true,
  },
  {
    code: 'GPU_LOST',
    symptom: "Xid 79 in the host's kernel log",
    cause: 'a GPU fell off the bus',
    remedy: 'Check power, cooling and seat of the card; the host must be restarted.',
    source: "NVIDIA's Xid catalogue; NVIDIA/open-gpu-kernel-modules issue 507",
    shows: (host) => {
      const [lost] = xidsOf(host, [79]);
      return lost !== undefined && `GPU ${lost.bus} fell off the bus (Xid 79)`;
    },
  },
  {
    code: 'GPU_ECC_ERROR',
    symptom: `Xid ${ECC_XIDS.join(', ')}, or uncorrected ECC errors since the driver was loaded`,
    cause: "a GPU's memory had errors that can't be corrected",
    remedy: 'Reset the GPU (nvidia-smi --gpu-reset) or restart the host; when it comes again, have the card replaced.',
    source: "NVIDIA's Xid catalogue",
    shows: (host) => {
      const bad = host.health?.gpus?.find(({ eccErrors }) => (eccErrors.volatile ?? 0) > 0);
      if (bad !== undefined)
        return `the memory of ${bad.uuid} had ${bad.eccErrors.volatile} errors that could not be corrected`;
      return xidsOf(host, ECC_XIDS).length > 0;
    },
  },
  {
    code: 'GPU_XID',
    symptom: "Other Xids in the host's kernel log",
    cause: "the host's driver wrote errors into the kernel's log",
    remedy: 'See journalctl -k -b --grep Xid on the host; many of them are errors of programs, not of the GPU.',
    source: "NVIDIA's Xid catalogue",
    shows: ({ health }) => {
      const codes = (health?.xids ?? []).map(({ code }) => code).filter((code) => ![79, ...ECC_XIDS].includes(code));
      if (codes.length === 0) return false;
      const kinds = [...new Set(codes)].sort((a, b) => a - b).join(', ');
      return `the host's driver wrote ${codes.length} ${codes.length === 1 ? 'error' : 'errors'} into the kernel's log since it started (Xid ${kinds})`;
    },
  },
  {
    code: 'GPU_BUSY',
    symptom: 'Compute mode `Exclusive_Process` or `Prohibited`',
    cause: 'a GPU takes one process at a time, or none',
    remedy: 'If containers are to share it, on the host: nvidia-smi -i N -c DEFAULT.',
    source: 'nvidia-smi(1)',
    shows: ({ health }) => {
      const gpu = health?.gpus?.find(({ computeMode }) => computeMode !== null && computeMode !== 'Default');
      return gpu !== undefined && `${gpu.uuid} is in compute mode ${gpu.computeMode}`;
    },
  },
];
