import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

let scenario: Scenario;
let container: Container;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: '550.163.01', kernelModule: 'proprietary' });
  container = await scenario.container({ base: 'debian12', variant: 'minimal' });
});
afterAll(() => scenario?.end());

describe('one container on its way with its host', () => {
  test('fresh, without curl, certificates or kmod: it is converged, proven and reported', async () => {
    const { outputs, summary, pctCalls } = await scenario.run({
      containers: `${container.ctid}`,
      'cuda-version': '12.6',
    });

    expect(outputs).toMatchObject({
      result: 'changed',
      changed: 'true',
      'failure-reason': '',
      'driver-version': '550.163.01',
      'cuda-version': '12.6',
    });
    const uuid = scenario.host.gpus[0]?.uuid;
    expect(JSON.parse(outputs['gpus'] ?? '')).toMatchObject([{ uuid, driverVersion: '550.163.01' }]);
    expect(outputs['nvidia-smi']).toContain('Driver Version: 550.163.01');
    expect(outputs['nvcc']).toContain('release 12.6');
    expect(JSON.parse(outputs['containers'] ?? '')[container.ctid]).toMatchObject({
      status: 'changed',
      before: { driver: 'none', toolkits: [] },
      after: { driver: '550.163.01', toolkits: ['12.6'] },
      verification: { L1: 'pass', L2: 'pass', L3: 'pass', L4: 'pass', L5: 'pass' },
      failure: null,
    });
    const report = JSON.parse(await readFile(outputs['report'] ?? '', 'utf8'));
    expect(report).toMatchObject({ schema: '1.0', status: 'changed', failure: null });
    expect(summary).toContain('none → <b>550.163.01</b>');

    expect(await libraryVersions(container)).toEqual(['550.163.01']);
    expect(await container.execOk(['readlink', '-f', '/usr/lib/x86_64-linux-gnu/libcuda.so.1'])).toContain(
      'libcuda.so.550.163.01',
    );
    const installed = await container.execOk(['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\n']);
    for (const name of [
      'libnvidia-container1',
      'cuda-toolkit-12-6',
      'kmod',
      'ca-certificates',
      'gnupg',
      'curl',
      'wget',
      'build-essential',
    ]) {
      expect(installed).toContain(`${name} installed`);
    }
    expect(installed).not.toMatch(/^(cuda-drivers|libcuda1|nvidia-open|nvidia-smi|libnvidia-ml1)/m);
    expect(await leftovers(container)).toBe('');
    // Observed; snapshot; apt, prerequisites, driver, toolkit: one call each; proof; its kernel; snapshot dropped.
    expect(pctCalls.map(({ subcommand }) => subcommand)).toEqual([
      'exec',
      'snapshot',
      'exec',
      'exec',
      'exec',
      'exec',
      'exec',
      'exec',
      'delsnapshot',
    ]);
    expect(pctCalls.every(({ stdin }) => stdin !== 'closed' && stdin !== 'tty')).toBe(true);
  });

  test('the same again: an empty plan, one pct call, nothing written', async () => {
    const before = await container.fileTree();
    const { outputs, pctCalls, annotations } = await scenario.run({
      containers: `${container.ctid}`,
      'cuda-version': '12.6',
    });
    expect(outputs).toMatchObject({ result: 'converged', changed: 'false' });
    const plan = JSON.parse(await readFile(outputs['plan'] ?? '', 'utf8'));
    expect(plan.containers).toMatchObject([{ ctid: container.ctid, actions: [] }]);
    expect(pctCalls.map(({ subcommand }) => subcommand)).toEqual(['exec']);
    expect(annotations.filter(({ name }) => name === 'error')).toEqual([]);
    expect((await container.fileTree()).hash).toBe(before.hash);
  });

  test('the host got another driver: plan tells it and writes nothing', async () => {
    await scenario.host.setDriver('580.159.04', 'open');
    const before = await container.fileTree();
    const { outputs, summary } = await scenario.run({
      mode: 'plan',
      containers: `${container.ctid}`,
      'cuda-version': '13.0',
    });
    expect(outputs).toMatchObject({ result: 'planned', changed: 'false' });
    const plan = JSON.parse(await readFile(outputs['plan'] ?? '', 'utf8'));
    expect(plan.containers[0].actions).toMatchObject([
      { kind: 'install-driver', version: '580.159.04', reason: 'user space 550.163.01 ≠ host driver 580.159.04' },
      { kind: 'install-packages', packages: [{ name: 'cuda-toolkit-13-0' }] },
    ]);
    expect(summary).toMatch(/^## 📝 container \d+ to change$/m);
    expect((await container.fileTree()).hash).toBe(before.hash);
  });

  test('apply: the container follows, no file of the old version stays', async () => {
    const { outputs } = await scenario.run({ containers: `${container.ctid}`, 'cuda-version': '13.0' });
    expect(JSON.parse(outputs['containers'] ?? '')[container.ctid]).toMatchObject({
      status: 'changed',
      before: { driver: '550.163.01', toolkits: ['12.6'] },
      after: { driver: '580.159.04', toolkits: ['12.6', '13.0'] },
      verification: { L1: 'pass', L2: 'pass', L3: 'pass', L4: 'pass', L5: 'pass' },
    });
    expect(await libraryVersions(container)).toEqual(['580.159.04']);
    expect(await leftovers(container)).toBe('');
  });

  test('a second container of a host with a two-part version takes the runfile from the cache', async () => {
    await scenario.host.setDriver('580.142', 'open');
    const inputs = { 'cuda-version': 'none', 'nvidia-container': 'none' };
    await scenario.run({ ...inputs, containers: `${container.ctid}` });
    const second = await scenario.container({ base: 'debian12', variant: 'prepared' });
    await scenario.upstream.clearRequests();
    const { stdout } = await scenario.run({ ...inputs, containers: `${second.ctid}` });
    expect(stdout).toContain('is unpacked on this host already');
    const downloads = (await scenario.upstream.requests()).filter(
      ({ host, path }) => host === 'us.download.nvidia.com' && path.endsWith('580.142.run'),
    );
    expect(downloads).toEqual([]);
    expect(await libraryVersions(second)).toEqual(['580.142']);
  });
});
