import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../lab/command.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { type Machine, readMachine } from './machine.ts';
import { MachineLab } from './machine-lab.ts';
import { Recording } from './recording.ts';
import { Scenarios } from './scenarios.ts';
import { standInMachine } from './stand-in-machine.ts';

/** `test/gpu/run RESULTS [rehearse]`: see README.md. The exit code is 0 when everything came as expected. */
const [results, mode] = process.argv.slice(2);
if (results === undefined || (mode !== undefined && mode !== 'rehearse')) {
  console.error('usage: test/gpu/run RESULTS [rehearse]');
  process.exit(2);
}

const recording = await Recording.in(results);
let temporary: string | null = null;
let lab: MachineLab | null = null;
let ended: Promise<void> | null = null;
const end = () => {
  ended ??= (async () => {
    recording.log('cleaning up');
    await lab?.down();
    if (temporary !== null) await rm(temporary, { recursive: true, force: true });
    await recording.end();
  })();
  return ended;
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void end().finally(() => process.exit(1)));
}

try {
  let machine: Machine;
  if (mode === 'rehearse') ({ machine, directory: temporary } = await standInMachine());
  else machine = await readMachine();
  await recording.keep('versions.json', await versions(machine));
  recording.log(
    `${machine.gpus.length} × ${machine.gpus[0]?.name}, driver ${machine.driver.version}, CUDA ${machine.toolkit.release}`,
  );
  lab = await MachineLab.up(machine, join(import.meta.dirname, 'carry/upstream'), (line) => recording.log(line));
  await new Scenarios(machine, lab, recording).all();
  process.exitCode = recording.runs.every(({ wrong }) => wrong.length === 0) ? 0 : 1;
} catch (error) {
  recording.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
} finally {
  await end();
}

async function versions(machine: Machine): Promise<object> {
  const said = async (...argv: string[]) => (await run(argv).catch(() => ({ stdout: '' }))).stdout.trim();
  const bundle = await readFile(join(REPOSITORY_DIR, 'dist/index.js'));
  return {
    ...machine,
    libraries: machine.libraries.map((path) => path.split('/').at(-1)),
    node: process.versions.node,
    lxc: await said('lxc-start', '--version'),
    hostCompiler: (await said('g++', '--version')).split('\n')[0],
    bundleSha256: createHash('sha256').update(bundle).digest('hex'),
  };
}
