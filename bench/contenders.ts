import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container } from '../test/lab/container.ts';
import type { Host } from '../test/lab/host.ts';
import type { Lab } from '../test/lab/lab.ts';
import { runAction } from '../test/lab/runner.ts';
import { type Measured, measure, type Started, startProgram } from './measure.ts';

/** The toolkit that all contenders install. */
const CUDA = '12.8';

const BASELINES = join(import.meta.dirname, 'baselines');

/** CPU seconds that the real `pct` takes before it does anything (docs/facts.md, P8). */
export const PCT_STARTUP_SECONDS = 0.65;

/** Without what the script doesn't do either: a snapshot to go back to, a kernel that is compiled and run. */
const NO_MORE_THAN_BASH = { rollback: 'never', verify: 'toolkit' };

/** What a runner or a login shell gives a program. */
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/** One way to bring containers to what is wanted, with a host of its own: their files in a container differ. */
export interface Contender {
  readonly name: string;
  readonly host: Host;
  /** Brings containers to what is wanted and says what it took. @throws Error when it fails */
  run(containers: readonly Container[]): Promise<Measured & { pctCalls: number }>;
  /** Forgets what was downloaded to the host. */
  forgetDownloads(): Promise<void>;
}

/** All contenders, each on a host with a `pct` as slow as the real one. */
export async function makeContenders(lab: Lab, inputs: Readonly<Record<string, string>>): Promise<Contender[]> {
  const upstream = lab.upstream;
  if (upstream === null) throw new Error("the benchmark needs the lab's servers");
  const host = async () => {
    const made = await lab.host();
    await made.setSwitches({ startupDelay: PCT_STARTUP_SECONDS });
    return made;
  };
  const keys = {
    'cuda-repository-key': upstream.fingerprints.debian12,
    'nvidia-container-repository-key': upstream.fingerprints.container,
  };
  const all = { ...keys, 'cuda-version': CUDA, ...inputs };
  return [
    action('action', await host(), all),
    action('action, no more than bash', await host(), { ...all, ...NO_MORE_THAN_BASH }),
    bash(await host(), upstream.caCertificate),
    ansible(await host(), upstream.caCertificate),
  ];
}

/** The action as GitHub's runner starts it: main and post. */
function action(name: string, host: Host, inputs: Readonly<Record<string, string>>): Contender {
  const toolCache = join(host.directory, 'runner', 'tool-cache');
  const start: Started = async (containers, onStart) => {
    let output = '';
    const result = await runAction(host, {
      inputs: { ...inputs, containers: ctids(containers).join(',') },
      onStart,
      onOutput: (text) => {
        output += text;
      },
    });
    return { exitCode: result.exitCode ?? -1, output: output + result.stderr };
  };
  return {
    name,
    host,
    run: (containers) => counted(host, () => measure(start, containers)),
    forgetDownloads: async () => {
      await rm(join(toolCache, 'nvidia-runfile'), { recursive: true, force: true });
      await rm(host.path('/var/lib/proxmox-lxc-nvidia/root/archive'), { recursive: true, force: true });
    },
  };
}

function bash(host: Host, ca: string): Contender {
  const cache = join(host.directory, 'bench-cache');
  const script = join(BASELINES, 'converge.sh');
  return {
    name: 'bash',
    host,
    run: (containers) =>
      counted(host, () => measure(program(host, ['bash', script, CUDA, cache, ca, ...ctids(containers)]), containers)),
    forgetDownloads: () => rm(cache, { recursive: true, force: true }),
  };
}

function ansible(host: Host, ca: string): Contender {
  const cache = join(host.directory, 'bench-cache');
  const inventory = join(host.directory, 'inventory.ini');
  const start: Started = async (containers, onStart) => {
    await mkdir(cache, { recursive: true });
    await writeFile(inventory, `[containers]\n${ctids(containers).join('\n')}\n`);
    const variables = ['-e', JSON.stringify({ cuda: CUDA, cache, ca })];
    const argv = ['ansible-playbook', '-i', inventory, ...variables, join(BASELINES, 'playbook.yml')];
    return program(host, argv)(containers, onStart);
  };
  return {
    name: 'ansible',
    host,
    run: (containers) => counted(host, () => measure(start, containers)),
    forgetDownloads: () => rm(cache, { recursive: true, force: true }),
  };
}

const ctids = (containers: readonly Container[]) => containers.map(({ ctid }) => String(ctid));

const program =
  (host: Host, argv: readonly string[]): Started =>
  (_containers, onStart) =>
    startProgram(host.enter(argv), ENVIRONMENT, onStart);

async function counted<T>(host: Host, work: () => Promise<T>): Promise<T & { pctCalls: number }> {
  await host.clearPctCalls();
  const result = await work();
  return { ...result, pctCalls: (await host.pctCalls()).length };
}
