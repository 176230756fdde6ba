import { readFile, writeFile } from 'node:fs/promises';
import type { Container } from '../lab/container.ts';
import { type ActionResult, runAction } from '../lab/runner.ts';
import { makeContainerRoot } from './container-root.ts';
import type { Machine } from './machine.ts';
import type { MachineLab } from './machine-lab.ts';
import { differences, type Recording } from './recording.ts';

interface Expected {
  readonly result: string;
  /** The failure's code; any of several where the kernel decides. */
  readonly failure?: string | RegExp;
  /** Status by level, those that matter. */
  readonly levels?: Readonly<Record<string, string>>;
  readonly pctCalls?: number;
  /** UUIDs in the output `gpus`. */
  readonly gpus?: readonly string[];
}

interface ReportedContainer {
  readonly verifications: readonly { readonly level: string; readonly status: string; readonly seen: string }[];
}

/** A container's way with real GPUs: installed, proven, broken in every way that real hardware shows, put right again. */
export class Scenarios {
  readonly #machine: Machine;
  readonly #lab: MachineLab;
  readonly #recording: Recording;

  constructor(machine: Machine, lab: MachineLab, recording: Recording) {
    this.#machine = machine;
    this.#lab = lab;
    this.#recording = recording;
  }

  async all(): Promise<void> {
    const { gpus } = this.#machine;
    const container = await this.#container();
    await this.#install(container);
    await this.#libraries(container);
    await this.#nodes(container);
    if (gpus.length > 1) await this.#oneOfSeveral(container);
    await container.destroy();
  }

  /** Privileged: the files of the machine's own root belong to its root. */
  async #container(): Promise<Container> {
    const { host } = this.#lab;
    const container = await host.createContainer({
      start: false,
      unprivileged: false,
      volume: async (_, directory) => {
        const made = await makeContainerRoot(host, directory);
        this.#recording.log(`made-up packages: ${made.madeUpPackages.join(', ') || 'none'}`);
        await this.#recording.keep('container.json', made);
      },
    });
    await container.start().catch(async (error: unknown) => {
      const script = 'lxc-start -n "$1" -l DEBUG -o "$2"; cat "$2"';
      const log = await host.exec(['sh', '-c', script, 'sh', String(container.ctid), `${host.directory}/lxc.log`]);
      this.#recording.log(log.stdout);
      throw error;
    });
    this.#recording.log(`container ${container.ctid} is up`);
    const script = 'id; ls -l /dev/nvidia*; cat /proc/driver/nvidia/version; dpkg --audit; apt-get check; df -h / /tmp';
    const nodes = await container.exec({ script });
    this.#recording.log(nodes.stdout + nodes.stderr);
    return container;
  }

  async #install(container: Container): Promise<void> {
    const uuids = this.#machine.gpus.map(({ uuid }) => uuid);
    await this.#run(
      container,
      'plan',
      'a container without driver and toolkit',
      { mode: 'plan' },
      { result: 'planned' },
    );
    const levels = { L1: 'pass', L2: 'pass', L3: 'pass', L4: 'pass', L5: 'pass' };
    const first = await this.#run(container, 'apply', 'the same', {}, { result: 'changed', levels, gpus: uuids });
    await this.#recording.keep('report.json', await readFile(first.outputs['report'] ?? '', 'utf8'));
    await this.#recording.keep('summary.md', first.summary);
    // Nothing after it would tell anything.
    if (first.exitCode !== 0) throw new Error('The installation failed.');
    await this.#run(container, 'again', 'nothing', {}, { result: 'converged', levels, gpus: uuids, pctCalls: 1 });
  }

  async #libraries(container: Container): Promise<void> {
    const { version } = this.#machine.driver;
    const other = otherVersion(version);
    const directory = '/usr/lib/x86_64-linux-gnu';
    // The kernel module compares the version that a library says it is. A real libnvidia-ml has it as text, a real libcuda
    // hasn't; the stand-in's libcuda has, and its nvidia-smi reads the file's name.
    const library = this.#machine.real ? 'libnvidia-ml' : 'libcuda';
    await container.execOk({
      script: 'LC_ALL=C sed -i "s/$(echo "$2" | sed "s/[.]/[.]/g")/$3/g" "$1"',
      args: [`${directory}/${library}.so.${version}`, version, other],
    });
    await this.#run(
      container,
      'library-of-another-version',
      `${library} says it is ${other}, its file name says ${version}`,
      {},
      {
        result: 'failed',
        failure: 'VERIFY_USER_SPACE',
        levels: this.#machine.real ? { L1: 'pass', L2: 'fail' } : { L1: 'pass', L3: 'fail' },
      },
    );
    await container.execOk({
      script:
        'cd "$1"; for name in libcuda libnvidia-ml; do mv $name.so."$2" $name.so."$3"; done; rm -f lib*.so."$2"; ldconfig',
      args: [directory, version, other],
    });
    const levels = { L1: 'pass', L2: 'pass', L3: 'pass', L4: 'pass', L5: 'pass' };
    await this.#run(
      container,
      'older-user-space',
      `the user space is ${other}, also by its file names: as after an update of the host`,
      {},
      { result: 'changed', levels },
    );
  }

  async #nodes(container: Container): Promise<void> {
    const gpus = this.#machine.gpus.map(({ minor }) => `nvidia${minor}`);
    const all = [...gpus, 'nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools'];
    const without = (name: string) => all.filter((node) => node !== name && node !== `${name}-tools`);

    await this.#pass(container, without('nvidia-uvm'));
    const uvm = { result: 'failed', failure: 'CONTAINER_UVM_MISSING', levels: { L2: 'pass', L3: 'fail' } };
    await this.#run(container, 'no-uvm', '/dev/nvidia-uvm is not passed', {}, uvm);

    await this.#pass(container, without('nvidiactl'), [
      'lxc.mount.entry: /dev/nvidiactl dev/nvidiactl none bind,optional,create=file',
    ]);
    const denied = { result: 'failed', failure: 'CONTAINER_GPU_NODE_DENIED' };
    await this.#run(container, 'nvidiactl-denied', 'the device cgroup denies nvidiactl', {}, denied);

    await this.#pass(
      container,
      all.filter((node) => !gpus.includes(node)),
    );
    const hidden = { result: 'failed', failure: /^CONTAINER_GPU_(NODES_MISSING|NODE_DENIED)$/ };
    await this.#run(container, 'gpu-not-passed', 'no GPU is passed, only nvidiactl and nvidia-uvm', {}, hidden);

    await this.#pass(container, all);
    await container.execOk(['mount', '--bind', '/dev/null', `/dev/${gpus[0]}`]);
    const stale = { result: 'failed', failure: 'CONTAINER_GPU_NODE_STALE' };
    await this.#run(container, 'gpu-hidden', `another device lies over /dev/${gpus[0]}`, {}, stale);

    await this.#pass(container, all);
    const levels = { L1: 'pass', L2: 'pass', L3: 'pass', L4: 'pass', L5: 'pass' };
    await this.#run(container, 'nodes-back', 'all nodes are passed again', {}, { result: 'converged', levels });
  }

  async #oneOfSeveral(container: Container): Promise<void> {
    for (const { minor, uuid } of this.#machine.gpus) {
      await this.#pass(container, [`nvidia${minor}`, 'nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools']);
      const levels = { L1: 'pass', L2: 'pass', L3: 'pass', L4: 'pass', L5: 'pass' };
      const expected = { result: 'converged', levels, gpus: [uuid] };
      await this.#run(container, `only-gpu-${minor}`, `only /dev/nvidia${minor} is passed`, {}, expected);
    }
  }

  /** Restarts the container with these nodes, by devN entries, and further lines in its configuration. */
  async #pass(container: Container, nodes: readonly string[], lines: readonly string[] = []): Promise<void> {
    const path = this.#lab.host.configPath(container.ctid);
    await container.stop();
    const kept = (await readFile(path, 'utf8'))
      .split('\n')
      .filter((line) => !/^(dev\d+|lxc\.mount\.entry):|^$/.test(line));
    const devices = nodes.map((name, index) => `dev${index}: /dev/${name}`);
    await writeFile(path, `${[...kept, ...devices, ...lines].join('\n')}\n`);
    await container.start();
  }

  async #run(
    container: Container,
    name: string,
    what: string,
    more: Readonly<Record<string, string>>,
    expected: Expected,
  ): Promise<ActionResult> {
    const inputs = {
      containers: String(container.ctid),
      'cuda-version': this.#machine.toolkit.release,
      'nvidia-container': 'none',
      'cuda-repository-key': this.#lab.upstream.fingerprints.debian13,
      ...more,
    };
    const action = await runAction(this.#lab.host, { inputs });
    this.#recording.addOutput(name, action);
    const { outputs } = action;
    const report = await readFile(outputs['report'] ?? '', 'utf8')
      .then((text) => JSON.parse(text) as { containers: ReportedContainer[] })
      .catch(() => ({ containers: [] }));
    const levels = Object.fromEntries(
      (report.containers[0]?.verifications ?? []).map(({ level, status }) => [level, status]),
    );
    const failure = outputs['failure-reason'] ?? '';
    const gpus = (JSON.parse(outputs['gpus'] || '[]') as { uuid: string }[]).map(({ uuid }) => uuid);
    const calls = action.pctCalls.filter(({ subcommand }) => subcommand === 'exec').length;
    const wrong = [
      ...differences({ result: expected.result }, outputs),
      ...differences(expected.levels ?? {}, levels),
      ...(expected.gpus === undefined ? [] : differences({ gpus: [...expected.gpus].sort() }, { gpus: gpus.sort() })),
      ...(expected.pctCalls === undefined ? [] : differences({ calls: expected.pctCalls }, { calls })),
      ...(matches(failure, expected.failure ?? '')
        ? []
        : [`failure-reason is "${failure}", not ${expected.failure ?? 'empty'}`]),
    ];
    for (const { level, status, seen } of report.containers[0]?.verifications ?? []) {
      this.#recording.log(`      ${level} ${status}: ${seen}`);
    }
    this.#recording.add({
      ...{ name, what, inputs, exitCode: action.exitCode, result: outputs['result'] ?? '', failureReason: failure },
      ...{
        pctCalls: calls,
        seconds: Math.round(action.durationMs / 100) / 10,
        container: report.containers[0] ?? null,
        wrong,
      },
    });
    if (wrong.length > 0)
      for (const line of action.stdout.split('\n').slice(-25)) this.#recording.log(`      | ${line}`);
    return action;
  }
}

function matches(seen: string, expected: string | RegExp): boolean {
  return typeof expected === 'string' ? seen === expected : expected.test(seen);
}

/** A version of the same length that isn't this one. */
function otherVersion(version: string): string {
  const last = Number(version.at(-1));
  return `${version.slice(0, -1)}${last === 0 ? 1 : last - 1}`;
}
