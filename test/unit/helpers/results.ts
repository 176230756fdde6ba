import type { ContainerPlan } from '../../../src/plan/actions.ts';
import type { ContainerResult, RunResult } from '../../../src/report/result.ts';
import { DRIVER, GPU0, hostFacts } from './facts.ts';

/** The plan of a container that is as wanted. */
export function containerPlan(changes: Partial<ContainerPlan> = {}): ContainerPlan {
  return {
    ctid: 901,
    found: { distribution: 'debian 12', userSpace: DRIVER },
    actions: [],
    safety: { kind: 'none', why: 'nothing is to be done' },
    warnings: [],
    ...changes,
  };
}

/** A container that was as wanted. */
export function containerResult(changes: Partial<ContainerResult> = {}): ContainerResult {
  return {
    ctid: 901,
    hostname: 'cuda-901',
    status: 'converged',
    before: { driver: DRIVER, toolkits: ['12.8'] },
    after: { driver: DRIVER, toolkits: ['12.8'] },
    plan: containerPlan(),
    rolledBack: false,
    obtained: null,
    actions: [],
    verifications: [
      { level: 'L1', title: 'user space equals the kernel module', status: 'pass', seen: 'both are equal' },
      { level: 'L4', title: 'nvcc is the wanted toolkit', status: 'skipped', seen: 'not asked for' },
    ],
    findings: [],
    gpus: [
      {
        index: 0,
        uuid: GPU0,
        name: 'NVIDIA H100 80GB HBM3',
        driverVersion: DRIVER,
        bus: '00000000:00:06.0',
        memory: '81559 MiB',
      },
    ],
    nvidiaSmi: 'NVIDIA-SMI 580.159.04\n',
    nvcc: 'release 12.8\n',
    failure: null,
    seconds: 1.23456,
    ...changes,
  };
}

/** A run over one container that was as wanted. */
export function runResult(changes: Partial<RunResult> = {}): RunResult {
  return {
    kind: 'report',
    schema: '1.0',
    action: '0.1.0',
    mode: 'apply',
    status: 'converged',
    host: hostFacts(),
    cudaVersion: '12.8',
    planDigest: null,
    containers: [containerResult()],
    findings: [],
    failure: null,
    seconds: 2.5,
    ...changes,
  };
}
