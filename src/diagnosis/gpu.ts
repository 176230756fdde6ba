import type { ContainerFacts, GuestDeviceNode, GuestFacts, HostFacts } from '../facts/facts.ts';
import { UVM } from '../system/device-nodes.ts';
import type { Cause } from './cause.ts';
import { missingNodes, ownNodes, staleNode } from './device-nodes.ts';

/** How a GPU showed that it can't be used in a container. */
export type GpuSymptom =
  /** Nothing was tried yet: what is known from the device nodes alone will fail. */
  | { kind: 'untried' }
  | { kind: 'nvidia-smi'; exitCode: number; output: string }
  /** Number of a CUresult or cudaError, which agree; `no-library`: libcuda.so.1 can't be loaded. */
  | { kind: 'cuda'; error: number | 'no-library' };

/** What a diagnosis of a GPU is made from. */
export interface GpuEvidence {
  symptom: GpuSymptom;
  host: HostFacts;
  container: ContainerFacts;
  guest: GuestFacts;
}

const RECORDINGS = 'recordings of H100 in LXC';
const NVML = 'nvidia-smi(1), nvml.h';
const CUDA = 'cuda.h';

const PASS_NODES =
  'Pass the nodes through (pct set CTID -dev0 /dev/nvidia0,mode=0666 -dev1 /dev/nvidiactl,mode=0666 -dev2 /dev/nvidia-uvm,mode=0666 …) and restart the container; or "passthrough: configure".';

const smi = ({ symptom }: GpuEvidence, ...exitCodes: number[]): boolean =>
  symptom.kind === 'nvidia-smi' && exitCodes.includes(symptom.exitCode);

const smiSays = ({ symptom }: GpuEvidence, words: RegExp): boolean =>
  symptom.kind === 'nvidia-smi' && words.test(symptom.output);

const cuda = ({ symptom }: GpuEvidence, ...errors: (number | 'no-library')[]): boolean =>
  symptom.kind === 'cuda' && errors.includes(symptom.error);

/** Errors that CUDA gives when it can't use a node: none is found (100), or something of the system failed. */
const nodeFailure = (evidence: GpuEvidence): boolean => cuda(evidence, 100, 304, 999);

/** The container's own nodes that the symptom can come from: nvidia-smi doesn't use nvidia-uvm. */
function suspects({ symptom, container, guest }: GpuEvidence): GuestDeviceNode[] {
  const nodes = ownNodes(container, guest);
  return symptom.kind === 'nvidia-smi' ? nodes.filter(({ path }) => !path.startsWith(UVM)) : nodes;
}

/** Nodes can be the cause of whatever wasn't tried yet, of NVML that doesn't start, and of a CUDA that finds nothing. */
const nodesMatter = (evidence: GpuEvidence): boolean =>
  evidence.symptom.kind === 'untried' || smi(evidence, 4, 6, 9, 17, 255) || nodeFailure(evidence);

function denied(evidence: GpuEvidence, open: GuestDeviceNode['open'], by: string): string | false {
  const node = nodesMatter(evidence) && suspects(evidence).find((candidate) => candidate.open === open);
  return node ? `${by} denies ${node.path}` : false;
}

const hasMig = ({ host }: GpuEvidence): boolean => host.health?.gpus?.some(({ mig }) => mig) ?? false;

const otherVersion = ({ host, guest }: GpuEvidence): boolean =>
  guest.libraries.some(({ version }) => version !== host.driver?.version);

/** Causes that the device nodes alone show. */
export const NODE_CAUSES: readonly Cause<GpuEvidence>[] = [
  {
    code: 'CONTAINER_GPU_NODE_STALE',
    symptom: 'nvidia-smi 17 "GPU access blocked by the operating system", or CUDA 999 while nvidia-smi works',
    cause: 'a node in the container is not the device that the host has by that name',
    remedy:
      'The number changed with a restart of the host (that of nvidia-uvm does), or something lies over the node: pass it by devN instead of fixed numbers, then restart the container.',
    source: `${RECORDINGS} (918; noctl); jammsen/proxmox-setup-scripts issue 7`,
    shows: (evidence) => {
      const found = nodesMatter(evidence) ? staleNode(suspects(evidence), evidence.host) : null;
      if (found === null) return smi(evidence, 17);
      const { node, onHost } = found;
      return `${node.path} is device ${node.major}:${node.minor} in the container, on the host it is ${onHost.major}:${onHost.minor}`;
    },
  },
  {
    code: 'CONTAINER_GPU_NODE_DENIED',
    symptom: 'nvidia-smi 255 "Unknown Error", CUDA 100; CUDA 999 when it is nvidia-uvm alone',
    cause: 'the device cgroup denies a GPU node',
    remedy:
      'Pass the node by devN, which allows it as well (pct set CTID -devN /dev/nvidia…,mode=0666), instead of raw lxc lines, and restart the container.',
    source: `${RECORDINGS} (905, 906, 915); NVIDIA/nvidia-container-toolkit issue 251`,
    shows: (evidence) =>
      denied(evidence, 'EPERM', 'the device cgroup') || (smi(evidence, 255) && smiSays(evidence, /Unknown Error/)),
  },
  {
    code: 'CONTAINER_GPU_NODE_DENIED',
    symptom: 'nvidia-smi 4 "Insufficient Permissions"',
    cause: "a GPU node's mode or owner denies it",
    remedy: 'Pass the node with mode=0666 (pct set CTID -devN /dev/nvidia…,mode=0666) and restart the container.',
    source: `${RECORDINGS} (noperm)`,
    shows: (evidence) => denied(evidence, 'EACCES', 'mode or owner') || smi(evidence, 4),
  },
  {
    code: 'CONTAINER_GPU_NODES_MISSING',
    symptom: 'nvidia-smi 9 "couldn\'t communicate with the NVIDIA driver" or 6 "No devices were found"; CUDA 100',
    cause: 'the container has no GPU node, or no /dev/nvidiactl',
    remedy: PASS_NODES,
    source: `${RECORDINGS} (914, 917; nogpu0); canonical/lxd issue 5433`,
    shows: (evidence) => {
      const { symptom, container, guest } = evidence;
      // A privileged container's driver makes nodes itself once it is there (recorded containers 902 to 907).
      if (symptom.kind === 'untried' ? !container.unprivileged : !(smi(evidence, 6, 9) || cuda(evidence, 100)))
        return false;
      const missing = missingNodes(guest);
      return missing.length > 0 && `the container has no ${missing.join(' and no ')}`;
    },
  },
  {
    code: 'HOST_UVM_MISSING',
    symptom: 'nvidia-smi works, CUDA 999, on the host too',
    cause: 'the host has no /dev/nvidia-uvm',
    remedy:
      'On the host: nvidia-modprobe -c 0 -u, and a unit that does it before containers start (docs/passthrough.md); then pass the node through.',
    source: 'apptainer/singularity issue 1441; games-on-whales/wolf issue 361',
    shows: (evidence) =>
      (evidence.symptom.kind === 'untried' || cuda(evidence, 304, 999)) &&
      !evidence.host.deviceNodes.some(({ path }) => path === UVM),
  },
  {
    code: 'CONTAINER_UVM_MISSING',
    symptom: 'nvidia-smi works, CUDA 999',
    cause: 'the container has no /dev/nvidia-uvm',
    remedy:
      'Pass it through (pct set CTID -devN /dev/nvidia-uvm,mode=0666) and restart the container; or "passthrough: configure".',
    source: `${RECORDINGS} (913)`,
    shows: (evidence) =>
      // As above, a privileged container's driver makes the node.
      (evidence.symptom.kind === 'untried' ? evidence.container.unprivileged : cuda(evidence, 304, 999)) &&
      !evidence.guest.deviceNodes.some(({ path }) => path === UVM),
  },
];

/** Why a GPU can't be used in a container. */
export const GPU_CAUSES: readonly Cause<GpuEvidence>[] = [
  {
    code: 'HOST_DRIVER_NOT_LOADED',
    symptom: 'nvidia-smi 9 in every container and on the host; CUDA 100',
    cause: 'the host has no NVIDIA kernel module loaded',
    remedy: 'Load it on the host (modprobe nvidia); after a kernel update check dkms status there.',
    source: 'nvidia-smi(1)',
    shows: ({ host }) => host.driver === null,
  },
  {
    code: 'GPU_RESET_REQUIRED',
    symptom: 'nvidia-smi 16 "GPU requires reset"',
    cause: 'a GPU must be reset before it can be used again',
    remedy: 'End everything that uses it, then on the host: nvidia-smi --gpu-reset -i N, or restart the host.',
    source: NVML,
    shows: (evidence) => smi(evidence, 16) || smiSays(evidence, /requires reset/i),
  },
  {
    code: 'GPU_LOST',
    symptom: 'nvidia-smi 15, "GPU is lost", "Unable to determine the device handle"; Xid 79 in the host\'s kernel log',
    cause: 'a GPU fell off the bus',
    remedy: "See the host's kernel log for Xid 79: power, cooling and seat of the card; the host must be restarted.",
    source: `${NVML}; NVIDIA's Xid catalogue`,
    shows: (evidence) => {
      if (smi(evidence, 15) || smiSays(evidence, /GPU is lost|Unable to determine the device handle/)) return true;
      const lost = evidence.host.health?.xids?.find(({ code }) => code === 79);
      const hint = smi(evidence, 6, 9, 124, 137, 255) || nodeFailure(evidence);
      return hint && lost !== undefined && `GPU ${lost.bus} fell off the bus (Xid 79)`;
    },
  },
  {
    code: 'GPU_HANGS',
    symptom: 'nvidia-smi gives no answer within a minute',
    cause: 'it hangs, as with a GPU or kernel module that answers no more',
    remedy: "See the host's kernel log (journalctl -k -b), and whether nvidia-smi answers on the host.",
    source: 'seen in the lab only',
    shows: (evidence) => smi(evidence, 124, 137),
  },
  {
    code: 'VERIFY_USER_SPACE',
    symptom: 'nvidia-smi 12 "couldn\'t find libnvidia-ml.so"; libcuda.so.1 can\'t be loaded',
    cause: 'the user space is not installed, or only in part',
    remedy: 'Run this with mode "apply".',
    source: `${RECORDINGS} (nolib)`,
    shows: (evidence) => smi(evidence, 12) || cuda(evidence, 'no-library'),
  },
  {
    code: 'VERIFY_USER_SPACE',
    symptom: 'nvidia-smi 18 "Driver/library version mismatch"; cuInit 803; CUDA runtime 35',
    cause: 'user space and kernel module differ',
    remedy: 'Run this with mode "apply": it follows the host\'s driver.',
    source: `${RECORDINGS} (mismatch)`,
    shows: (evidence) => smi(evidence, 18) || cuda(evidence, 803) || (cuda(evidence, 35) && otherVersion(evidence)),
  },
  {
    code: 'VERIFY_USER_SPACE',
    symptom: 'CUDA 34',
    cause: "what is loaded as libcuda.so.1 is the toolkit's stub for linking",
    remedy: 'Take the stubs directory of the toolkit out of LD_LIBRARY_PATH and /etc/ld.so.conf.d in the container.',
    source: CUDA,
    shows: (evidence) => cuda(evidence, 34),
  },
  ...NODE_CAUSES,
  {
    code: 'GPU_MIG_UNCONFIGURED',
    symptom: 'nvidia-smi lists the GPU, CUDA 100; MIG mode is enabled',
    cause: 'MIG is enabled on a GPU, and no instance of it can be used here',
    remedy:
      'On the host: nvidia-smi mig -cgi … -C makes instances, whose /dev/nvidia-caps nodes must be passed as well; or nvidia-smi -i N -mig 0.',
    source: "NVIDIA's MIG user guide",
    shows: (evidence) => cuda(evidence, 100) && hasMig(evidence),
  },
  {
    code: 'GPU_BUSY',
    symptom: 'CUDA 46',
    cause: 'the GPU takes no further process: it is in exclusive mode and in use, or in prohibited mode',
    remedy: 'End what uses it (nvidia-smi on the host), or on the host: nvidia-smi -i N -c DEFAULT.',
    source: `${CUDA}; nvidia-smi(1), compute mode`,
    shows: (evidence) => cuda(evidence, 46),
  },
  {
    code: 'GPU_BUSY',
    symptom: 'CUDA 2',
    cause: "the GPU's memory is taken by other processes",
    remedy: 'See nvidia-smi on the host for who has it.',
    source: CUDA,
    shows: (evidence) => cuda(evidence, 2),
  },
  {
    code: 'GPU_ECC_ERROR',
    symptom: "CUDA 214; Xid 48, 63, 64, 94, 95 in the host's kernel log",
    cause: "a GPU's memory had an error that can't be corrected",
    remedy: 'Reset the GPU (nvidia-smi --gpu-reset) or restart the host; when it comes again, have the card replaced.',
    source: `${CUDA}; NVIDIA's Xid catalogue`,
    shows: (evidence) => cuda(evidence, 214),
  },
  {
    code: 'GPU_FABRIC_NOT_READY',
    symptom: 'CUDA 802, on machines with NVSwitch',
    cause: 'the fabric between the GPUs is not set up',
    remedy: "Start nvidia-fabricmanager of the driver's own version on the host.",
    source: `${CUDA}; NVIDIA/NVSentinel issue 883`,
    shows: (evidence) => cuda(evidence, 802),
  },
  {
    code: 'CUDA_NEEDS_NEWER_DRIVER',
    symptom: 'CUDA 35 or 36, 222, 804, with a user space that equals the kernel module',
    cause: 'the driver is older than the toolkit needs',
    remedy: 'Update the driver on the host and run this again, or ask for an older toolkit.',
    source: CUDA,
    shows: (evidence) => cuda(evidence, 35, 36, 222, 804),
  },
];
