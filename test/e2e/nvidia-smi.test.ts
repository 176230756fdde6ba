import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { UVM_MAJOR } from '../lab/driver.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';

/**
 * The stand-in nvidia-smi and libcuda answer as the real ones did in fifteen containers with two H100 and kernel module
 * 580.159.04 (test/fixtures/nvidia/lxc-2xh100-580.159.04), and on the single-GPU machine (h100-580.159.04).
 */

interface Run {
  run: string;
  command: string;
  exit: number;
  stdout: string;
}
interface Recording {
  container: string;
  kind: 'privileged' | 'unprivileged';
  deviceCgroup: string;
  nodes: string;
  what: string;
  runs: Run[];
}

const fixture = <T>(path: string): T =>
  JSON.parse(readFileSync(new URL(`../fixtures/nvidia/${path}`, import.meta.url), 'utf8')) as T;
const recordings = fixture<Recording[]>('lxc-2xh100-580.159.04/containers.json');
const singleGpu = fixture<(Run & { case: string })[]>('h100-580.159.04/cases.json');

let lab: Lab;
let host: Host;
beforeAll(async () => {
  lab = await Lab.connect();
  host = await lab.host({ driver: '580.159.04', kernelModule: 'open' });
  await host.exec(['mknod', '-m', '666', '/dev/nvidia-uvm-stale', 'c', '538', '0']);
});
afterAll(() => lab?.down());

/** Rules of the device cgroup as the recording names them, for the lab's nvidia-uvm. */
function cgroupRules(recorded: string): string[] {
  if (recorded === 'none') return [];
  const access = /\brwm?\b/.exec(recorded)?.[0] ?? 'rwm';
  const devices = recorded.replaceAll('UVM', String(UVM_MAJOR)).match(/\d+:(?:\d+|\*)/g) ?? [];
  return devices.map((device) => `lxc.cgroup2.devices.allow: c ${device} ${access}`);
}

function nodeMounts(recorded: string): string[] {
  if (recorded === '(none)') return [];
  return recorded.split(' ').map((name) => {
    const target = name.replace('(wrong major)', '');
    const source = name.endsWith('(wrong major)') ? `${target}-stale` : target;
    return `lxc.mount.entry: /dev/${source} dev/${target} none bind,optional,create=file`;
  });
}

async function install(container: Container, version: string): Promise<void> {
  const tree = join(lab.upstream?.root ?? '', 'us.download.nvidia.com/XFree86/Linux-x86_64', version);
  await container.writeFile('/root/driver.run', await readFile(join(tree, `NVIDIA-Linux-x86_64-${version}.run`)));
  await container.execOk(['sh', '/root/driver.run', '--silent', '--no-kernel-module']);
}

/** Date, temperatures and power differ from run to run. */
const normalised = (text: string): string =>
  text
    .replace(/^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}/gm, '<date>')
    .replace(/\d+C {4}P0 +\d+W/g, '<temperature and power>')
    .replace(/GPU-[0-9a-f-]{36}/g, (uuid) => (text.includes('GPU-0a264593') ? '<uuid>' : uuid))
    .replace(/(?<=9\.0, )\d+(?=, 0 %)/g, '<temperature>');

const PROBE = `
#include <dlfcn.h>
#include <stdio.h>
int main(void)
{
    void *lib = dlopen("libcuda.so.1", RTLD_NOW);
    int n = -1, count;
    if (!lib) { printf("dlopen %s\\n", dlerror()); return 2; }
    int init = ((int (*)(unsigned))dlsym(lib, "cuInit"))(0);
    int got = ((int (*)(int *))dlsym(lib, "cuDeviceGetCount"))(&n);
    printf("cuInit %d cuDeviceGetCount %d count %d\\n", init, got, n);
    ((int (*)(int *))dlsym(lib, "cuDriverGetVersion"))(&count);
    printf("driver %d", count);
    return init ? 3 : 0;
}
`;

/** The part of the recorded CUDA probe that libcuda alone answers: up to "driver 13000". */
const driverPart = (stdout: string): string => stdout.replace(/ runtime [\s\S]*/, '');

describe.each(recordings)('$container: $kind, $nodes, cgroup $deviceCgroup', (recording) => {
  let container: Container;
  beforeAll(async () => {
    container = await host.createContainer({
      unprivileged: recording.kind === 'unprivileged',
      gpus: 'none',
      config: [...cgroupRules(recording.deviceCgroup), ...nodeMounts(recording.nodes)],
    });
    await install(container, '580.159.04');
    await container.writeFile('/root/probe.c', PROBE);
    await container.execOk(['gcc', '-o', '/root/probe', '/root/probe.c']);
  });

  const recorded = (name: string): Run | undefined => recording.runs.find((run) => run.run === name);
  const smi = (command: string) => container.exec(command.replace(' (550.163.01)', '').split(' '));

  test('nvidia-smi', async () => {
    for (const run of recording.runs.filter(({ run }) => ['L', 'query', 'plain'].includes(run))) {
      const { exitCode, stdout, stderr } = await smi(run.command);
      expect({ exitCode, stdout: normalised(stdout), stderr }).toEqual({
        exitCode: run.exit,
        stdout: normalised(run.stdout),
        stderr: '',
      });
    }
  });

  test('libcuda', async () => {
    const cuda = recorded('cuda');
    const { exitCode, stdout } = await container.exec(['/root/probe']);
    expect({ exitCode, stdout }).toEqual({ exitCode: cuda?.exit, stdout: driverPart(cuda?.stdout ?? '') });
  });

  if (!recorded('mismatch-smi')) return;
  test('with libraries of another version, and with none', async () => {
    await install(container, '550.163.01');
    const mismatch = recorded('mismatch-smi') as Run;
    expect(await smi(mismatch.command)).toMatchObject({ exitCode: mismatch.exit, stdout: mismatch.stdout });
    const cuda = recorded('mismatch-cuda') as Run;
    expect((await container.exec(['/root/probe'])).stdout).toBe(driverPart(cuda.stdout));
    const smiProgram = await container.readFile('/usr/bin/nvidia-smi');
    await container.execOk(['nvidia-uninstall', '--silent']);
    await container.writeFile('/usr/bin/nvidia-smi', smiProgram, '0755');
    const nolib = recorded('nolib-smi') as Run;
    expect(await smi(nolib.command)).toMatchObject({ exitCode: nolib.exit, stdout: nolib.stdout });
    const nolibCuda = recorded('nolib-cuda') as Run;
    expect(await container.exec(['/root/probe'])).toMatchObject({ exitCode: 2, stdout: nolibCuda.stdout });
  });
});

describe('one GPU', () => {
  let container: Container;
  beforeAll(async () => {
    const single = await lab.host({
      driver: '580.159.04',
      kernelModule: 'open',
      gpus: [
        {
          minor: 0,
          uuid: 'GPU-0a264593-e88f-4a03-a324-35a383b24004',
          name: 'NVIDIA H100 80GB HBM3',
          pci: '0000:00:06.0',
        },
      ],
    });
    container = await single.createContainer({ unprivileged: false });
    await install(container, '580.159.04');
  });

  const cases = ['plain', 'L', 'version', 'query', 'querynou', 'badfield', 'badid', 'badopt'];
  test.each(singleGpu.filter((run) => cases.includes(run.case)))(
    '$case: $command',
    async ({ command, exit, stdout }) => {
      const result = await container.exec(command.split(' '));
      expect([result.exitCode, normalised(result.stdout)]).toEqual([exit, normalised(stdout)]);
    },
  );

  test.each([
    ['noctl', 'nvidiactl'],
    ['nogpu0', 'nvidia0'],
  ])('%s: another device in place of %s', async (name, node) => {
    const expected = singleGpu.find((run) => run.case === name)?.stdout.split('\nrc=')[0];
    const script = 'mount --bind /dev/null "/dev/$1"; nvidia-smi; r=$?; umount "/dev/$1"; exit $r';
    const { exitCode, stdout } = await container.exec({ script, args: [node] });
    expect([exitCode, stdout]).toEqual([name === 'noctl' ? 17 : 6, `${expected}\n`]);
  });

  test('noperm: a node that the user may not open', async () => {
    const script =
      'chmod 600 /dev/nvidiactl; setpriv --reuid=65534 --regid=65534 --clear-groups nvidia-smi; r=$?; chmod 666 /dev/nvidiactl; exit $r';
    expect(await container.exec({ script })).toMatchObject({
      exitCode: 4,
      stdout: 'Failed to initialize NVML: Insufficient Permissions\n',
    });
  });

  test('smi550_lib580: another nvidia-smi than library', async () => {
    const current = await container.readFile('/usr/bin/nvidia-smi');
    const older = current.replaceAll("SMI_VERSION='580.159.04'", "SMI_VERSION='550.163.01'");
    await container.writeFile('/usr/local/bin/nvidia-smi', older, '0755');
    const expected = singleGpu.find((run) => run.case === 'smi550_lib580') as Run;
    const { exitCode, stdout } = await container.exec(['/usr/local/bin/nvidia-smi']);
    expect([exitCode, normalised(stdout)]).toEqual([0, normalised(expected.stdout)]);
  });
});
