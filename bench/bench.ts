/**
 * `npm run bench`: this action beside a bash script and an Ansible playbook that do the same, in the lab, with a `pct` as
 * slow as the real one. Results go to bench/results/. Needs root, as the lab does, and installs `ansible` by apt.
 *
 *     npm run bench -- [--rounds 5] [--converged 1,4,8] [--first 1,4] [--input max-parallel=4]
 */
import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runOk } from '../test/lab/command.ts';
import type { Container } from '../test/lab/container.ts';
import { Lab } from '../test/lab/lab.ts';
import { REPOSITORY_DIR } from '../test/lab/paths.ts';
import { type Contender, makeContenders, PCT_STARTUP_SECONDS } from './contenders.ts';
import { secondsToFirstLine } from './measure.ts';
import { type Case, markdown, type Results, type Series, svg } from './report.ts';

const RESULTS = join(import.meta.dirname, 'results');

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    converged: { type: 'string', default: '1,4,8' },
    first: { type: 'string', default: '1,4' },
    input: { type: 'string', multiple: true, default: [] },
  },
});
const rounds = Number(options.rounds);
const counts = (text: string) => text.split(',').filter(Boolean).map(Number);
const inputs = Object.fromEntries(options.input.map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string]));

const say = (text: string) => console.log(text);

await runOk(['apt-get', 'install', '-y', '--no-install-recommends', 'ansible'], {
  env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
});
const lab = await Lab.up({ log: say, bases: [['debian12', 'prepared']] });
try {
  const contenders = await makeContenders(lab, inputs);
  const results: Results = {
    about: [
      `${rounds} rounds; in each, the contenders one after the other, beginning with another one each time; ${cpus().length} processors.`,
      `\`pct\` is the lab's, with ${PCT_STARTUP_SECONDS} s of CPU before each call does anything, as the real one has. NVIDIA's servers are on the same machine, the runfile has 8 MB, the toolkit's packages some KB: what is measured is everything but transfer and unpacking.`,
      '"first" begins with Debian 12 containers that have the prerequisites, and nothing downloaded. The action takes a snapshot before, and compiles and runs a kernel afterwards; bash and Ansible do neither, nor does "no more than bash" (`rollback: never`, `verify: toolkit`).',
      'The action works on two containers at once (`max-parallel`), Ansible on five (`forks`), the script on one.',
      ...(options.input.length > 0 ? [`Inputs of the action besides the defaults: ${options.input.join(', ')}.`] : []),
    ],
    cases: [await startUp()],
  };
  for (const count of counts(options.first)) results.cases.push(await first(contenders, count));
  results.cases.push(...(await converged(contenders, counts(options.converged))));

  await mkdir(RESULTS, { recursive: true });
  await writeFile(join(RESULTS, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(join(RESULTS, 'results.md'), markdown(results));
  await writeFile(join(RESULTS, 'results.svg'), svg(results));
  say(markdown(results));
} finally {
  await lab.down();
}

/** From the start of the process to the first line of the log. An empty script is what Node itself takes. */
async function startUp(): Promise<Case> {
  await using temporary = await mkdtempDisposable(join(tmpdir(), 'proxmox-lxc-nvidia-bench-'));
  const directory = temporary.path;
  const empty = join(directory, 'empty.mjs');
  await writeFile(empty, '');
  const env = {
    INPUT_CONTAINERS: '901',
    'INPUT_CUDA-VERSION': '12.8',
    RUNNER_TEMP: directory,
    RUNNER_TOOL_CACHE: directory,
  };
  const bundle = join(REPOSITORY_DIR, 'dist', 'start.js');
  const programs: [string, string[], NodeJS.ProcessEnv][] = [
    ['empty Node script', [process.execPath, empty], {}],
    ['action', [process.execPath, bundle], env],
    ['action, nothing compiled', [process.execPath, bundle], { ...env, NODE_DISABLE_COMPILE_CACHE: '1' }],
    ['ansible-playbook --version', ['/usr/bin/ansible-playbook', '--version'], { HOME: directory }],
  ];
  // V8's cache is written at the end of a run that is not killed, where root has a state directory on this machine.
  await runOk([process.execPath, bundle], { env }).catch(() => {});
  return await inRounds(
    'start-up',
    programs,
    ([name]) => name,
    async ([, argv, environment]) => ({
      seconds: await secondsToFirstLine(argv, environment),
    }),
  );
}

/** Containers that have nothing of NVIDIA's, made anew for each. */
function first(contenders: readonly Contender[], count: number): Promise<Case> {
  return inRounds(
    `first, ${containersText(count)}`,
    contenders,
    ({ name }) => name,
    async (contender) => {
      const containers = await makeContainers(contender, count);
      await contender.forgetDownloads();
      const measured = await contender.run(containers);
      for (const container of containers) await container.destroy();
      return measured;
    },
  );
}

/** Containers in which nothing is to be done; each contender has its own, since it wrote them. */
async function converged(contenders: readonly Contender[], sizes: readonly number[]): Promise<Case[]> {
  const made = new Map<Contender, Container[]>();
  for (const contender of contenders) {
    const containers = await makeContainers(contender, Math.max(0, ...sizes));
    if (containers.length > 0) await contender.run(containers);
    made.set(contender, containers);
  }
  const cases: Case[] = [];
  for (const size of sizes) {
    cases.push(
      await inRounds(
        `converged, ${containersText(size)}`,
        contenders,
        ({ name }) => name,
        (contender) => contender.run((made.get(contender) ?? []).slice(0, size)),
      ),
    );
  }
  return cases;
}

/** Measures each in every round, in turn, so that a slow time of the machine hits all of them. */
async function inRounds<T>(
  name: string,
  subjects: readonly T[],
  nameOf: (subject: T) => string,
  once: (subject: T) => Promise<{ seconds: number; pctCalls?: number; memory?: number }>,
): Promise<Case> {
  const series = subjects.map(
    (subject): Series => ({ contender: nameOf(subject), seconds: [], pctCalls: [], memory: [] }),
  );
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      const index = (round + turn) % subjects.length;
      const { seconds, pctCalls, memory } = await once(subjects[index] as T);
      series[index]?.seconds.push(seconds);
      if (pctCalls !== undefined) series[index]?.pctCalls.push(pctCalls);
      if (memory !== undefined) series[index]?.memory.push(memory);
    }
    say(
      `${name}, round ${round + 1}: ${series.map((one) => `${one.contender} ${one.seconds.at(-1)?.toFixed(2)} s`).join(', ')}`,
    );
  }
  return { name, series };
}

async function makeContainers(contender: Contender, count: number): Promise<Container[]> {
  const containers: Container[] = [];
  for (let made = 0; made < count; made++) {
    containers.push(await contender.host.createContainer({ base: 'debian12', variant: 'prepared', gpus: [0] }));
  }
  return containers;
}

function containersText(count: number): string {
  return count === 1 ? '1 container' : `${count} containers`;
}
