import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CUDA_QUERY_PROGRAMS } from '../../src/facts/cuda-query-programs.ts';
import type { Container } from '../lab/container.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { Scenario } from './scenario.ts';

/** The program in the bundle is what its source says: Debian 12's compilers make the same bytes of it. */

let scenario: Scenario;
let container: Container;

beforeAll(async () => {
  scenario = await Scenario.start();
  container = await scenario.container({ base: 'debian12', variant: 'prepared', gpus: 'none' });
  for (const name of ['build', 'cuda-query.c', 'libc.c', 'libdl.c']) {
    const text = await readFile(join(REPOSITORY_DIR, 'native/cuda-query', name), 'utf8');
    await container.writeFile(`/root/cuda-query/${name}`, text, name === 'build' ? '0755' : '0644');
  }
  await container.execOk(['apt-get', 'update']);
  const compilers = ['gcc-12', 'gcc-12-aarch64-linux-gnu', 'binutils-aarch64-linux-gnu'];
  await container.execOk(['apt-get', 'install', '-y', '--no-install-recommends', ...compilers]);
});
afterAll(() => scenario?.end());

test.each([
  ['x86_64', 'gcc-12', 'GLIBC_2.2.5'],
  ['aarch64', 'aarch64-linux-gnu-gcc-12', 'GLIBC_2.17'],
] as const)('cuda-query for %s', async (architecture, compiler, glibc) => {
  const built = await container.execOk({
    script: '/root/cuda-query/build "$1" "$2" /root/built && base64 -w 0 /root/built',
    args: [compiler, glibc],
  });
  expect(built).toBe(CUDA_QUERY_PROGRAMS[architecture].base64);
});
