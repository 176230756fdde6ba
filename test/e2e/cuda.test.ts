import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { Scenario } from './scenario.ts';

/** What only CUDA itself can tell: L3 asks libcuda, L5 compiles a kernel in the container and runs it. */

let scenario: Scenario;
let container: Container;
const inputs = () => ({ containers: `${container.ctid}`, 'cuda-version': '13.0' });
const levels = (outputs: Readonly<Record<string, string>>) =>
  JSON.parse(outputs['containers'] ?? '')[container.ctid].verification;
const execs = (calls: readonly { subcommand: string }[]) =>
  calls.filter(({ subcommand }) => subcommand === 'exec').length;
const KEPT = '/var/cache/proxmox-lxc-nvidia';
const kept = async () => (await container.exec(['ls', '-A', KEPT])).stdout.trim();

beforeAll(async () => {
  scenario = await Scenario.start({ driver: '580.159.04', kernelModule: 'open' });
  container = await scenario.container({ base: 'debian12', variant: 'prepared', gpus: [0] });
});
afterAll(() => scenario?.end());

describe('a container with CUDA', () => {
  test('is proven by a kernel, whose program is kept', async () => {
    const { outputs, stdout } = await scenario.run(inputs());
    expect(levels(outputs)).toEqual({ L1: 'pass', L2: 'pass', L3: 'pass', L4: 'pass', L5: 'pass' });
    expect(stdout).toMatch(/L3 CUDA sees the GPUs: pass \(CUDA 13\.0 starts and sees 1 GPU\)/);
    expect(stdout).toMatch(
      /L5 .*: pass \(right on GPU-e37561c6.*, copies: to the GPU \d+\.\d GB\/s, on it \d+\.\d GB\/s\)/,
    );
    expect(await kept()).toMatch(/^cuda-13\.0-[0-9a-f]{16}$/);
  });

  test('the same again: one pct call proves it all, nothing is written', async () => {
    const before = await container.fileTree();
    const { outputs, pctCalls } = await scenario.run(inputs());
    expect(outputs['result']).toBe('converged');
    expect(levels(outputs)).toEqual({ L1: 'pass', L2: 'pass', L3: 'pass', L4: 'pass', L5: 'pass' });
    expect(pctCalls.map(({ subcommand }) => subcommand)).toEqual(['exec']);
    expect((await container.fileTree()).hash).toBe(before.hash);
  });

  test('a program that another user could have put there is not run, but made again', async () => {
    const name = await kept();
    await container.execOk({
      script: `printf '#!/bin/sh\\ntouch /root/ran\\n' > "$1"; chown 65534 "$1"`,
      args: [`${KEPT}/${name}`],
    });
    const { outputs, pctCalls } = await scenario.run(inputs());
    expect(levels(outputs)).toMatchObject({ L5: 'pass' });
    expect(execs(pctCalls)).toBe(2);
    expect((await container.exec(['ls', '/root/ran'])).exitCode).not.toBe(0);
    expect(await kept()).toBe(name);
  });

  test('a program that is broken is made again', async () => {
    await container.execOk({ script: `echo broken > "$1"`, args: [`${KEPT}/${await kept()}`] });
    const { outputs, pctCalls } = await scenario.run(inputs());
    expect(levels(outputs)).toMatchObject({ L5: 'pass' });
    expect(execs(pctCalls)).toBe(2);
  });

  test('planning compiles nothing', async () => {
    const name = await kept();
    await container.execOk(['rm', '-r', KEPT]);
    const { outputs, pctCalls } = await scenario.run({ ...inputs(), mode: 'plan' });
    expect(levels(outputs)).toMatchObject({ L4: 'pass', L5: 'inconclusive' });
    expect(execs(pctCalls)).toBe(1);
    await scenario.run(inputs());
    expect(await kept()).toBe(name);
  });
});

describe('what nvidia-smi and nvcc pass over', () => {
  test('a GPU that computes wrong', async () => {
    const name = await kept();
    await container.writeFile('/etc/proxmox-lxc-nvidia-lab/wrong-numbers', '');
    const { outputs, annotations } = await scenario.run(inputs(), { exitCode: 1 });
    expect(outputs['failure-reason']).toBe('VERIFY_KERNEL');
    expect(annotations.find(({ name }) => name === 'error')?.message).toContain('computes wrong: 1 integers');
    await container.execOk(['rm', '-r', '/etc/proxmox-lxc-nvidia-lab/wrong-numbers']);
    expect(await kept()).toBe(name);
  });

  test('a host compiler that does not work: nothing is left', async () => {
    await container.execOk(['rm', '-r', KEPT]);
    await container.execOk(['mv', '/usr/bin/g++', '/usr/bin/g++.away']);
    const { outputs, stdout } = await scenario.run(inputs(), { exitCode: 1 });
    expect(outputs['failure-reason']).toBe('VERIFY_COMPILE');
    expect(stdout).toContain('g++: not found');
    expect((await container.exec(['ls', KEPT])).exitCode).not.toBe(0);
    await container.execOk(['mv', '/usr/bin/g++.away', '/usr/bin/g++']);
    await scenario.run(inputs());
  });

  test('/dev/nvidia-uvm missing: nvidia-smi is content, CUDA is dead', async () => {
    await container.stop();
    await scenario.host.editConfig(container.ctid, 'dev2', null);
    await scenario.host.editConfig(container.ctid, 'dev3', null);
    await container.start();
    const smi = await container.exec(['nvidia-smi', '-L']);
    expect(smi.exitCode).toBe(0);
    const { outputs, annotations } = await scenario.run(inputs(), { exitCode: 1 });
    expect(outputs['failure-reason']).toBe('CONTAINER_UVM_MISSING');
    expect(annotations.find(({ name }) => name === 'error')?.message).toContain('/dev/nvidia-uvm');
  });
});
