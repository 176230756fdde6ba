import type { Desired } from '../desired/desired.ts';
import { diagnose } from '../diagnosis/cause.ts';
import { GPU_CAUSES } from '../diagnosis/gpu.ts';
import type { FailureCode } from '../errors.ts';
import type { ContainerFacts, GuestFacts, HostFacts } from '../facts/facts.ts';
import { CONTAINER_LIMITS } from '../system/limits.ts';
import { lastLines } from '../system/text.ts';
import { parseCudaQuery } from './cuda-query.ts';
import type { Verification } from './verify.ts';

/** What native/cuda-proof found on one GPU. */
export interface ProvenGpu {
  uuid: string;
  wrongIntegers: number;
  wrongFloats: number;
  /** GB/s, 10^9 bytes copied per second; 0: there was no room to measure. */
  hostToDevice: number;
  deviceToDevice: number;
}

const LINE =
  /^gpu (GPU-[0-9a-f-]{36}) integers (\d+) floats (\d+) host-to-device (\d+\.\d) device-to-device (\d+\.\d)$/gm;

/** What stands before nvcc's own words where it failed (apply/cuda-proof.ts). */
const NOT_COMPILED = 'not compiled\n';

/** Reads the lines that native/cuda-proof printed for GPUs; its source tells them. */
export function parseCudaProof(output: string): ProvenGpu[] {
  return [...output.matchAll(LINE)]
    .slice(0, CONTAINER_LIMITS.devices)
    .map(([, uuid = '', integers, floats, hostToDevice, deviceToDevice]) => ({
      uuid,
      wrongIntegers: Number(integers),
      wrongFloats: Number(floats),
      hostToDevice: Number(hostToDevice),
      deviceToDevice: Number(deviceToDevice),
    }));
}

/** L5: kernels that were compiled in the container compute right numbers on every GPU. */
export function verifyProof(
  desired: Desired,
  host: HostFacts,
  container: ContainerFacts,
  guest: GuestFacts,
): Verification {
  const { cuda, proof } = guest;
  const base = { level: 'L5', title: 'a kernel compiled there computes right' } as const;
  if (desired.cuda.kind === 'none' || desired.verify !== 'cuda') {
    return { ...base, status: 'skipped', seen: 'not asked for' };
  }
  if (proof === null) return { ...base, status: 'inconclusive', seen: 'not compiled and run yet' };
  const fail = (seen: string, code: FailureCode, remedy: string, details?: string): Verification => ({
    ...base,
    status: 'fail',
    seen,
    failure: details === undefined ? { code, remedy } : { code, remedy, details },
  });
  if (proof.output.startsWith(NOT_COMPILED)) {
    return fail(
      'nvcc could not compile it',
      'VERIFY_COMPILE',
      'See its output below: a host compiler newer than the toolkit knows is the usual reason.',
      lastLines(proof.output.slice(NOT_COMPILED.length), 20),
    );
  }
  if (proof.exitCode === 124 || proof.exitCode === 137) {
    return fail('the kernel hangs', 'VERIFY_KERNEL', "See the host's kernel log (dmesg) for NVRM and Xid lines.");
  }
  const gpus = parseCudaProof(proof.output);
  const wrong = gpus.find(({ wrongIntegers, wrongFloats }) => wrongIntegers + wrongFloats > 0);
  if (wrong !== undefined) {
    return fail(
      `${wrong.uuid} computes wrong: ${wrong.wrongIntegers} integers, ${wrong.wrongFloats} floats`,
      'VERIFY_KERNEL',
      "Don't use this GPU: see its ECC errors (nvidia-smi -q -d ECC) and the host's kernel log for Xid lines.",
    );
  }
  if (proof.exitCode !== 0) {
    const [, call, error, words] = /^failed (\w+) (\d+) (.*)$/m.exec(proof.output) ?? [];
    const symptom = { kind: 'cuda', error: Number(error) } as const;
    const found =
      error === undefined ? null : diagnose(GPU_CAUSES, { symptom, host, container, guest }, container.ctid);
    return fail(
      `${call === undefined ? `the program ended with exit code ${proof.exitCode}` : `${call} answers ${error} (${words})`}${found === null ? '' : `: ${found.cause}`}`,
      found?.code ?? 'VERIFY_KERNEL',
      found?.remedy ?? "See the host's kernel log (dmesg) for NVRM and Xid lines.",
      lastLines(proof.output, 5),
    );
  }
  const query = parseCudaQuery(cuda?.output ?? '');
  const expected = query.kind === 'gpus' ? Math.max(query.gpus.length, 1) : 1;
  if (gpus.length < expected) {
    return fail(
      `it ran on ${gpus.length} of ${expected} GPUs`,
      'VERIFY_KERNEL',
      'Run this again; if it stays so, see the output below.',
      lastLines(proof.output, 5),
    );
  }
  return { ...base, status: 'pass', seen: gpus.map(gpuText).join('; ') };
}

function gpuText({ uuid, hostToDevice, deviceToDevice }: ProvenGpu): string {
  const speed = (gigabytes: number) => (gigabytes > 0 ? `${gigabytes.toFixed(1)} GB/s` : 'not measured');
  return `right on ${uuid}, copies: to the GPU ${speed(hostToDevice)}, on it ${speed(deviceToDevice)}`;
}
