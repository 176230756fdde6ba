import { mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { release as kernelRelease, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOk } from '../lab/command.ts';
import { RECORDED_GPUS } from '../lab/driver.ts';
import { buildLibraries } from '../lab/standin/libraries.ts';
import { standInDriver } from '../lab/standin/runfile.ts';
import { toolkitPackages, toolkitReleases } from '../lab/upstream/cuda-packages.ts';
import { buildDeb } from '../lab/upstream/deb.ts';
import type { Machine } from './machine.ts';

const DRIVER = '580.159.04';

/** A machine without a GPU played by the lab's stand-ins, to rehearse on. `directory` is to be removed afterwards. */
export async function standInMachine(): Promise<{ machine: Machine; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'gpu-rehearsal-'));
  const libraries = await buildLibraries();
  const driver = join(directory, 'driver');
  await mkdir(driver);
  const paths: string[] = [];
  for (const { name, type, content, target } of await standInDriver(DRIVER, libraries, 0)) {
    if (!type.startsWith('CUDA_') && name !== 'nvidia-smi') continue;
    const path = join(driver, name);
    if (target !== undefined) await symlink(target, path);
    else await writeFile(path, content ?? '', { mode: 0o755 });
    if (name !== 'nvidia-smi') paths.push(path);
  }
  const [release] = toolkitReleases('13.0.2');
  if (release === undefined) throw new Error('no toolkit 13.0.2');
  for (const deb of toolkitPackages(release, libraries)) {
    const file = await buildDeb(deb, directory);
    await runOk(['dpkg-deb', '-x', join(directory, file), join(directory, 'toolkit')]);
  }
  const osRelease = await readFile('/etc/os-release', 'utf8');
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(osRelease)?.[1] ?? '';
  const machine: Machine = {
    distribution: { id: field('ID'), version: field('VERSION_ID') },
    kernel: kernelRelease(),
    driver: { version: DRIVER, kernelModule: 'open' },
    gpus: RECORDED_GPUS,
    libraries: paths,
    nvidiaSmi: join(driver, 'nvidia-smi'),
    toolkit: { directory: join(directory, 'toolkit/usr/local/cuda-13.0'), release: '13.0', nvcc: release.nvcc },
    real: false,
  };
  return { machine, directory };
}
