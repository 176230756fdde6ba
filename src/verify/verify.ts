import type { ContainerWish, Desired } from '../desired/desired.ts';
import { diagnose } from '../diagnosis/cause.ts';
import { GPU_CAUSES } from '../diagnosis/gpu.ts';
import type { FailureCode } from '../errors.ts';
import type { ContainerFacts, GuestFacts, HostFacts, HostGpu, InstalledToolkit } from '../facts/facts.ts';
import { userSpaceText, userSpaceVersion } from '../plan/gaps.ts';
import { lastLines, namesText } from '../system/text.ts';
import { cudaText, NVCC_PACKAGES } from '../version/cuda.ts';
import type { DriverVersion } from '../version/driver.ts';
import { verifyProof } from './cuda-proof.ts';
import { verifyCuda } from './cuda-query.ts';
import type { Finding } from './findings.ts';
import { parseSmiQuery, type SmiGpu } from './nvidia-smi.ts';

/** Lines of details that a failure has at most. */
const MOST_DETAILS = 60;

/** `inconclusive`: it could not be tried, which is never a pass. */
export type VerificationStatus = 'pass' | 'fail' | 'inconclusive' | 'skipped';

export interface Verification {
  /** L1 files, L2 nvidia-smi, L3 libcuda, L4 nvcc, L5 a kernel compiled and run. */
  level: 'L1' | 'L2' | 'L3' | 'L4' | 'L5';
  title: string;
  status: VerificationStatus;
  /** What was seen. May hold text from the container. */
  seen: string;
  /** Only of a failure. */
  failure?: { code: FailureCode; remedy: string; details?: string };
}

/**
 * Proves a container from what was observed in it after everything was done. Pure.
 *
 * @param guest its inside, observed with the wanted toolkit's directory
 */
export function verify(
  desired: Desired,
  wish: ContainerWish,
  host: HostFacts,
  container: ContainerFacts,
  guest: GuestFacts,
  driver: DriverVersion,
): { verifications: Verification[]; findings: Finding[] } {
  const meant = meantGpus(wish, host, container);
  const smi = verifySmi(host, container, guest, driver, meant);
  return {
    verifications: [
      verifyFiles(guest, driver),
      smi.verification,
      verifyCuda(host, container, guest),
      verifyNvcc(desired, guest),
      verifyProof(desired, host, container, guest),
    ],
    findings: smi.findings,
  };
}

function verifyFiles(guest: GuestFacts, driver: DriverVersion): Verification {
  const base = { level: 'L1', title: 'user space equals the kernel module' } as const;
  if (userSpaceVersion(guest) === driver) {
    return { ...base, status: 'pass', seen: `libcuda and libnvidia-ml are ${driver}, as the host's kernel module` };
  }
  return {
    ...base,
    status: 'fail',
    seen: `the container has ${userSpaceText(guest)}, the host's kernel module is ${driver}`,
    failure: {
      code: 'VERIFY_USER_SPACE',
      remedy: 'Run this with mode "apply"; files that no installer owns must be removed by hand.',
      details: guest.libraries
        .map(({ path }) => path)
        .slice(0, MOST_DETAILS)
        .join('\n'),
    },
  };
}

/** A GPU meant for a container, as the host knows it; only the minor number when the host has no such GPU. */
type MeantGpu = Pick<HostGpu, 'minor'> & Partial<HostGpu>;

/** The GPUs meant for a container, or null when nothing tells: then any GPU will do. */
function meantGpus(wish: ContainerWish, host: HostFacts, container: ContainerFacts): MeantGpu[] | null {
  const minors = wish.gpus ?? (container.passedGpus.length > 0 ? container.passedGpus : null);
  if (minors === null) return null;
  return minors.map((minor) => host.gpus.find((gpu) => gpu.minor === minor) ?? { minor });
}

/** By UUID; by PCI address as long as the host doesn't know the UUID. Never by index: a container counts its own. */
function isSameGpu(meant: MeantGpu, seen: SmiGpu): boolean {
  if (meant.uuid) return meant.uuid === seen.uuid;
  const plain = (bus: string) => bus.toLowerCase().replace(/^0+/, '');
  return meant.bus !== undefined && plain(meant.bus) === plain(seen.bus);
}

function verifySmi(
  host: HostFacts,
  container: ContainerFacts,
  guest: GuestFacts,
  driver: DriverVersion,
  meant: MeantGpu[] | null,
): { verification: Verification; findings: Finding[] } {
  const base = { level: 'L2', title: 'nvidia-smi sees the GPUs' } as const;
  const fail = (seen: string, code: FailureCode, remedy: string, details?: string) => ({
    verification: {
      ...base,
      status: 'fail' as const,
      seen,
      failure: details === undefined ? { code, remedy } : { code, remedy, details },
    },
    findings: [],
  });
  const { query } = guest.nvidiaSmi;
  if (query === null) {
    return fail('there is no nvidia-smi', 'VERIFY_NVIDIA_SMI', 'Run this with mode "apply".');
  }
  if (query.exitCode !== 0) {
    const { exitCode, output } = query;
    const symptom = { kind: 'nvidia-smi', exitCode, output } as const;
    const found = diagnose(GPU_CAUSES, { symptom, host, container, guest }, container.ctid);
    return fail(
      `nvidia-smi ended with exit code ${exitCode}${found === null ? '' : `: ${found.cause}`}`,
      found?.code ?? 'VERIFY_NVIDIA_SMI',
      found?.remedy ?? 'See its output below.',
      lastLines(output, 5),
    );
  }
  const gpus = parseSmiQuery(query.output);
  const other = gpus.find(({ driverVersion }) => driverVersion !== driver);
  if (other !== undefined) {
    return fail(
      `nvidia-smi says driver ${other.driverVersion}, the host runs ${driver}`,
      'VERIFY_NVIDIA_SMI',
      'The driver was changed meanwhile: run this again.',
    );
  }
  const seen = gpus.map(({ uuid }) => uuid);
  const missing = (meant ?? [])
    .filter((wanted) => !gpus.some((gpu) => isSameGpu(wanted, gpu)))
    .map(({ uuid, minor }) => uuid ?? `/dev/nvidia${minor}`);
  if (gpus.length === 0 || missing.length > 0) {
    return fail(
      gpus.length === 0 ? 'nvidia-smi sees no GPU' : `${namesText(missing)} is meant for it but not there`,
      'VERIFY_GPU_MISSING',
      "Pass the GPU's node through (pct set … -devN /dev/nvidiaN) and restart the container.",
      seen.slice(0, MOST_DETAILS).join('\n'),
    );
  }
  const extra =
    meant === null ? [] : gpus.filter((gpu) => !meant.some((wanted) => isSameGpu(wanted, gpu))).map(({ uuid }) => uuid);
  return {
    verification: {
      ...base,
      status: 'pass',
      seen: `${gpus.length} GPU${gpus.length > 1 ? 's' : ''}: ${namesText(seen)}`,
    },
    findings:
      extra.length === 0
        ? []
        : [
            {
              code: 'GPU_ISOLATION',
              message: `${namesText(extra)} can be used but ${extra.length > 1 ? 'are' : 'is'} not meant for this container: wildcard device rules reach every GPU of the host; pass GPUs by devN instead.`,
            },
          ],
  };
}

function verifyNvcc(desired: Desired, guest: GuestFacts): Verification {
  const base = { level: 'L4', title: 'nvcc is the wanted toolkit' } as const;
  if (desired.cuda.kind === 'none' || desired.verify === 'driver') {
    return { ...base, status: 'skipped', seen: 'not asked for' };
  }
  const wanted = cudaText(desired.cuda.version);
  const remedy = `See whether ${desired.cudaPackages.join(', ')} of ${wanted} is complete: dpkg -V, then run this again.`;
  const nvcc = wantedToolkit(desired, guest)?.nvcc;
  if (nvcc === undefined && !desired.cudaPackages.some((name) => NVCC_PACKAGES.includes(name))) {
    return { ...base, status: 'skipped', seen: `no nvcc in ${desired.cudaPackages.join(', ')}` };
  }
  if (nvcc === undefined) {
    return {
      ...base,
      status: 'fail',
      seen: `/usr/local/cuda-${wanted}/bin/nvcc is not there`,
      failure: { code: 'VERIFY_NVCC', remedy },
    };
  }
  const release = nvccRelease(nvcc.output);
  if (nvcc.exitCode === 0 && release === wanted) {
    return { ...base, status: 'pass', seen: `nvcc is release ${release}` };
  }
  return {
    ...base,
    status: 'fail',
    seen:
      nvcc.exitCode === 0
        ? `nvcc is release ${release ?? 'unknown'}, not ${wanted}`
        : `nvcc --version ended with exit code ${nvcc.exitCode}`,
    failure: { code: 'VERIFY_NVCC', remedy, details: lastLines(nvcc.output, 5) },
  };
}

/** The toolkit that is asked for, when it is there. */
export function wantedToolkit({ cuda }: Desired, guest: GuestFacts): InstalledToolkit | undefined {
  return cuda.kind === 'none' ? undefined : guest.toolkits.find(({ version }) => version === cudaText(cuda.version));
}

/** The release in `nvcc --version`, e.g. `13.0`. */
export function nvccRelease(output: string): string | null {
  return /\brelease (\d+\.\d+)/.exec(output)?.[1] ?? null;
}
