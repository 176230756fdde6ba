import type { ActionRecord } from '../../../src/apply/apply.ts';
import type { Action, ContainerPlan } from '../../../src/plan/actions.ts';
import type { ContainerResult, RunResult } from '../../../src/report/result.ts';
import type { Verification } from '../../../src/verify/verify.ts';
import type { DriverVersion } from '../../../src/version/driver.ts';
import { DRIVER, GPU0, GPU1, hostFacts, hostHealth } from './facts.ts';
import { recordedCase } from './fixtures.ts';
import { containerResult, runResult } from './results.ts';

const OLD = '550.163.01';

const APT: Action = {
  kind: 'configure-apt',
  reason: "NVIDIA's repositories are not set up as wanted",
  before: [],
  installCertificates: false,
  after: [],
  keys: [],
};
const PREREQUISITES: Action = {
  kind: 'install-packages',
  reason: 'not installed: kmod, gnupg, build-essential, libnvidia-container1',
  purpose: 'prerequisites',
  packages: [{ name: 'kmod', version: null }],
  dependencies: [],
  size: null,
  update: false,
};
const DRIVER_ACTION: Action = {
  kind: 'install-driver',
  reason: `user space ${OLD} ≠ host driver ${DRIVER}`,
  version: DRIVER as DriverVersion,
  runfile: { url: 'https://us.download.nvidia.com/x.run', sha256: 'a'.repeat(64), size: 398_016_015 },
  directory: '/var/tmp',
  flags: ['--silent', '--no-kernel-modules'],
};
const TOOLKIT: Action = {
  kind: 'install-packages',
  reason: 'not installed: cuda-toolkit-12-8',
  purpose: 'toolkit',
  packages: [{ name: 'cuda-toolkit-12-8', version: '12.8.1-1' }],
  dependencies: [],
  size: { download: 3_310_000_000, installed: 6_840_000_000 },
  update: false,
};
const ACTIONS = [APT, PREREQUISITES, DRIVER_ACTION, TOOLKIT];
const SECONDS = [6.3, 19.1, 48.6, 171.4];

const plan = (ctid: number, actions: Action[], changes: Partial<ContainerPlan> = {}): ContainerPlan => ({
  ctid,
  found: { distribution: 'debian 12', userSpace: OLD },
  actions,
  safety: actions.length === 0 ? { kind: 'none', why: 'nothing is to be done' } : { kind: 'snapshot' },
  warnings: [],
  ...changes,
});

/** All four steps one after the other, the last so many of them as given. */
function records(startedAt: number, ...ends: ActionRecord['status'][]): ActionRecord[] {
  let at = startedAt;
  return ACTIONS.map((action, index) => {
    const status = ends[index] ?? 'done';
    if (status === 'not-started') return { action, status, startedAt: null, seconds: 0 };
    const seconds = SECONDS[index] ?? 1;
    const record = { action, status, startedAt: at, seconds };
    at += seconds;
    return record;
  });
}

const PROOFS: Verification[] = [
  {
    level: 'L1',
    title: 'user space equals the kernel module',
    status: 'pass',
    seen: `libcuda and libnvidia-ml are ${DRIVER}, as the host's kernel module`,
  },
  { level: 'L2', title: 'nvidia-smi sees the GPUs', status: 'pass', seen: '1 GPU, as meant' },
  { level: 'L3', title: 'CUDA sees the GPUs', status: 'pass', seen: 'CUDA 13.0 starts and sees 1 GPU' },
  { level: 'L4', title: 'nvcc is the wanted toolkit', status: 'pass', seen: 'release 12.8' },
  {
    level: 'L5',
    title: 'a kernel compiled there computes right',
    status: 'pass',
    seen: `right on ${GPU0}, copies: to the GPU 54.9 GB/s, on it 1244.4 GB/s`,
  },
];
/** A host that tells all of itself. */
const HOST = { host: hostFacts({ health: hostHealth() }) };
const DIGEST = 'sha256:7dc05dd5db66f964a6e66fb71775cda27749ad5659f079cd52138f2d38783f51';
const gpu = (index: number) => ({
  index: 0,
  uuid: index === 0 ? GPU0 : GPU1,
  name: 'NVIDIA H100 80GB HBM3',
  driverVersion: DRIVER,
  bus: `00000000:00:0${6 + index}.0`,
  memory: '81559 MiB',
});

function container(ctid: number, hostname: string, changes: Partial<ContainerResult> = {}): ContainerResult {
  return containerResult({
    ctid,
    hostname,
    plan: plan(ctid, []),
    verifications: PROOFS,
    gpus: [gpu(ctid % 2)],
    nvidiaSmi: recordedCase('plain').stdout,
    nvcc: 'nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 12.8, V12.8.93\n',
    seconds: 0.7,
    ...changes,
  });
}

/** @param obtaining seconds that the driver's files took: the first container downloads them, others wait for that */
function changed(ctid: number, hostname: string, startedAt: number, obtaining: number): ContainerResult {
  return container(ctid, hostname, {
    status: 'changed',
    before: { driver: OLD, toolkits: ['12.6'] },
    after: { driver: DRIVER, toolkits: ['12.6', '12.8'] },
    plan: plan(ctid, ACTIONS),
    obtained: { startedAt, seconds: obtaining, failed: false },
    actions: records(startedAt + obtaining),
    seconds: 252.3 + obtaining,
  });
}

const NO_SPACE: RunResult['containers'][number]['failure'] = {
  code: 'INSTALLER_NO_SPACE',
  seen: `NVIDIA's installer of ${DRIVER} ended with exit code 135 in container 903, which is what a full disk looks like (the old driver is already removed).`,
  remedy: "Enlarge the container's disk (pct resize) and run this again.",
  details: [
    `ERROR: Unable to write to /usr/lib/x86_64-linux-gnu/libnvidia-eglcore.so.${DRIVER}: No space left on device`,
    'ERROR: Failed to install one of the driver files; the installation is not complete.',
  ].join('\n'),
};

/** Runs as they look to people: what a summary has to tell in each. */
export const SAMPLES = {
  converged: runResult({ ...HOST, containers: [container(901, 'ollama'), container(902, 'comfyui')], seconds: 1.6 }),

  changed: runResult({
    ...HOST,
    status: 'changed',
    containers: [
      changed(901, 'ollama', 2.1, 34.7),
      changed(902, 'comfyui', 2.2, 34.6),
      changed(903, 'vllm', 289.3, 0.1),
      container(904, 'jupyter'),
    ],
    seconds: 543.1,
  }),

  failed: runResult({
    ...HOST,
    status: 'failed',
    containers: [
      changed(901, 'ollama', 2.1, 34.7),
      container(902, 'comfyui'),
      container(903, 'vllm', {
        status: 'failed',
        rolledBack: true,
        before: { driver: OLD, toolkits: ['12.6'] },
        after: { driver: OLD, toolkits: ['12.6'] },
        plan: plan(903, ACTIONS),
        obtained: { startedAt: 289.3, seconds: 0.1, failed: false },
        actions: records(289.4, 'done', 'done', 'failed', 'not-started'),
        verifications: [],
        gpus: [],
        nvcc: '',
        nvidiaSmi: '',
        failure: NO_SPACE,
        seconds: 96.2,
      }),
      container(904, 'jupyter', {
        status: 'aborted',
        before: { driver: OLD, toolkits: [] },
        after: { driver: OLD, toolkits: [] },
        plan: plan(904, ACTIONS),
        verifications: [],
        gpus: [],
        nvcc: '',
        nvidiaSmi: '',
      }),
    ],
    seconds: 386.6,
  }),

  plan: runResult({
    ...HOST,
    planDigest: DIGEST,
    mode: 'plan',
    status: 'planned',
    containers: [
      container(901, 'ollama', {
        status: 'planned',
        before: { driver: OLD, toolkits: ['12.6'] },
        after: { driver: OLD, toolkits: ['12.6'] },
        plan: plan(901, ACTIONS, {
          warnings: [
            {
              code: 'LITTLE_MEMORY',
              message:
                'Container 901 has 1024 MiB of memory; installations were seen to be killed for want of memory below 2048 MiB.',
            },
          ],
        }),
        verifications: [],
        gpus: [],
        nvcc: '',
        nvidiaSmi: '',
      }),
      container(902, 'comfyui'),
      container(903, 'vllm', {
        status: 'planned',
        before: { driver: DRIVER, toolkits: [] },
        after: { driver: DRIVER, toolkits: [] },
        plan: plan(903, [TOOLKIT], {
          safety: { kind: 'none', why: 'storage local has no snapshots of containers' },
        }),
        verifications: [],
        gpus: [],
        nvcc: '',
        nvidiaSmi: '',
      }),
      container(904, 'jupyter'),
      container(905, 'whisper'),
    ],
    seconds: 4.2,
  }),
} satisfies Record<string, RunResult>;
