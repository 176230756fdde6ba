import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Container } from '../lab/container.ts';
import { RECORDED_GPUS } from '../lab/driver.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';

/** The stand-in toolkit compiles a vector addition and runs it, and fails as the real one was recorded to. */

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/nvidia/h100-580.159.04/cases.json', import.meta.url), 'utf8'),
) as { case: string; exit: number; stdout: string }[];
/** What the program itself printed in a recorded case. */
function recordedRun(name: string): { exitCode: number; stdout: string } {
  const { exit, stdout } = recorded.find((run) => run.case === name) ?? { exit: -1, stdout: '' };
  const program = stdout.match(/^(driver|ok) .*\n/gm)?.join('') ?? '';
  return { exitCode: stdout.includes('rc=3') ? 3 : exit, stdout: program };
}

const VECTOR_ADDITION = `
#include <cstdio>
__global__ void add(const float *a, const float *b, float *c, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}
int main()
{
    const int n = 1 << 16;
    int driver = 0, runtime = 0, count = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    cudaError_t error = cudaGetDeviceCount(&count);
    printf("driver %d runtime %d count %d err %d %s\\n", driver, runtime, count, error, cudaGetErrorString(error));
    if (error) return 3;
    float *a, *b, *c;
    cudaMallocManaged(&a, n * sizeof *a);
    cudaMallocManaged(&b, n * sizeof *b);
    cudaMallocManaged(&c, n * sizeof *c);
    for (int i = 0; i < n; i++) { a[i] = i; b[i] = 2 * i; }
    add<<<(n + 255) / 256, 256>>>(a, b, c, n);
    error = cudaDeviceSynchronize();
    int bad = 0;
    for (int i = 0; i < n; i++) bad += c[i] != 3.0f * i;
    printf("%s %s\\n", bad ? "bad" : "ok", cudaGetErrorString(error));
    return bad != 0;
}
`;

let lab: Lab;
let host: Host;
let container: Container;

async function install(version: string): Promise<void> {
  const tree = join(lab.upstream?.root ?? '', 'us.download.nvidia.com/XFree86/Linux-x86_64', version);
  await container.writeFile('/root/driver.run', await readFile(join(tree, `NVIDIA-Linux-x86_64-${version}.run`)));
  await container.execOk(['sh', '/root/driver.run', '--silent', '--no-kernel-module']);
}

beforeAll(async () => {
  lab = await Lab.connect();
  host = await lab.host({ driver: '580.159.04', kernelModule: 'open', gpus: RECORDED_GPUS.slice(0, 1) });
  container = await host.createContainer({ base: 'debian12', variant: 'prepared' });
  await install('580.159.04');
  const repository = 'developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64';
  const keyring = await readFile(join(lab.upstream?.root ?? '', repository, 'cuda-keyring_1.1-1_all.deb'));
  await container.writeFile('/root/cuda-keyring.deb', keyring);
  await container.execOk(['dpkg', '-i', '/root/cuda-keyring.deb']);
  await container.execOk({
    script: `apt-get update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/cuda-debian12-x86_64.list \\
      -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0`,
  });
  const packages = ['cuda-toolkit-13-0', 'cuda-toolkit-12-8'];
  await container.execOk(['apt-get', 'install', '-y', '--no-install-recommends', ...packages]);
  await container.writeFile('/root/t.cu', VECTOR_ADDITION);
});
afterAll(() => lab?.down());

const compile = (toolkit: string, ...options: string[]) =>
  container.exec([`/usr/local/cuda-${toolkit}/bin/nvcc`, ...options, '-o', '/root/t', '/root/t.cu']);

describe('with 13.0', () => {
  beforeAll(async () => {
    expect(await compile('13.0')).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });

  test('healthy', async () => {
    expect(await container.exec(['/root/t'])).toMatchObject(recordedRun('cuda_run'));
  });

  test.each([
    ['nouvm', 'nvidia-uvm'],
    ['nogpu0', 'nvidia0'],
  ])('%s: another device in place of %s', async (name, node) => {
    const script = 'mount --bind /dev/null "/dev/$1"; /root/t; r=$?; umount "/dev/$1"; exit $r';
    expect(await container.exec({ script, args: [node] })).toMatchObject(recordedRun(name));
  });

  test('libraries of another version', async () => {
    await install('550.163.01');
    expect(await container.exec(['/root/t'])).toMatchObject(recordedRun('cuda_mismatch'));
    await install('580.142');
    expect((await container.exec(['/root/t'])).stdout).toContain('count 0 err 803 ');
    await install('580.159.04');
  });

  test('architectures', async () => {
    expect(await compile('13.0', '-arch=sm_52')).toMatchObject({
      exitCode: 1,
      stderr: "nvcc fatal   : Unsupported gpu architecture 'compute_52'\n",
    });
    expect((await compile('13.0', '-gencode', 'arch=compute_100,code=sm_100')).exitCode).toBe(0);
    expect((await container.exec(['/root/t'])).stdout).toMatch(
      /^bad no kernel image is available for execution on the device$/m,
    );
    expect(await compile('13.0', '-arch=native', '-O2', '--run')).toMatchObject(recordedRun('cuda_run'));
  });

  test('errors in the source', async () => {
    await container.writeFile('/root/bad.cu', '__global__ void f(int *a) { a[0] = undeclared; }\nint main() {}\n');
    const { exitCode, stderr } = await container.exec(['/usr/local/cuda/bin/nvcc', '/root/bad.cu']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('/root/bad.cu:1:');
  });
});

test('a driver older than the toolkit runs its machine code, but not its PTX', async () => {
  await host.setDriver('550.163.01');
  await install('550.163.01');
  expect((await compile('12.8', '-arch=sm_90')).exitCode).toBe(0);
  expect((await container.exec(['/root/t'])).stdout).toBe(
    'driver 12040 runtime 12080 count 1 err 0 no error\nok no error\n',
  );
  expect((await compile('12.8')).exitCode).toBe(0);
  expect((await container.exec(['/root/t'])).stdout).toContain(
    'bad the provided PTX was compiled with an unsupported toolchain.',
  );
});
