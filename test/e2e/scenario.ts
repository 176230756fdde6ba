import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Container, ContainerOptions } from '../lab/container.ts';
import type { Host, HostOptions } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { type ActionResult, type RunOptions, runAction, SECRETS } from '../lab/runner.ts';
import type { Upstream } from '../lab/upstream/upstream.ts';

/** One simulated host with what a scenario needs to run the action on it. */
export class Scenario {
  readonly lab: Lab;
  readonly host: Host;
  readonly upstream: Upstream;
  readonly #temporary: string[] = [];

  private constructor(lab: Lab, host: Host, upstream: Upstream) {
    this.lab = lab;
    this.host = host;
    this.upstream = upstream;
  }

  static async start(options: HostOptions = {}): Promise<Scenario> {
    const lab = await Lab.connect();
    if (lab.upstream === null) throw new Error('the lab is up without its upstream servers');
    return new Scenario(lab, await lab.host(options), lab.upstream);
  }

  container(options: ContainerOptions = {}): Promise<Container> {
    return this.host.createContainer({ gpus: [0], ...options });
  }

  /** The lab's servers can't sign with NVIDIA's keys: their fingerprints come as inputs, as those of a mirror would. */
  keys(distribution: 'debian12' | 'debian13' = 'debian12'): Record<string, string> {
    const { fingerprints } = this.upstream;
    return {
      'cuda-repository-key': fingerprints[distribution],
      'nvidia-container-repository-key': fingerprints.container,
    };
  }

  /** Runs the action with the lab's keys and shows its log when the exit code isn't the one expected. */
  async run(
    inputs: Record<string, string>,
    expected: { exitCode: number } & RunOptions = { exitCode: 0 },
  ): Promise<ActionResult> {
    const { exitCode, ...options } = expected;
    const result = await runAction(this.host, { ...options, inputs: { ...this.keys(), ...inputs } });
    expect(result.exitCode, `${result.stdout}\n${result.stderr}`).toBe(exitCode);
    expectNoSecrets(result);
    return result;
  }

  /** The action without its post step, as when the machine it ran on went down. */
  async actionWithoutPost(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'proxmox-lxc-nvidia-action-'));
    const manifest = await readFile(join(REPOSITORY_DIR, 'action.yml'), 'utf8');
    await writeFile(join(directory, 'action.yml'), manifest.replace(/^ {2}post: .*$/m, ''));
    await symlink(join(REPOSITORY_DIR, 'dist'), join(directory, 'dist'));
    this.#temporary.push(directory);
    return directory;
  }

  async end(): Promise<void> {
    for (const directory of this.#temporary) await rm(directory, { recursive: true, force: true });
    await this.host.destroy();
  }
}

/** No value of the runner's that must stay secret, and no input, may enter a container: pct would pass it on. */
export function expectNoSecrets({ pctCalls }: ActionResult): void {
  for (const { env, argv } of pctCalls) {
    const text = JSON.stringify([env, argv]);
    for (const secret of Object.values(SECRETS)) expect(text).not.toContain(secret);
    expect(Object.keys(env).filter((name) => /^(INPUT_|GITHUB_|RUNNER_|ACTIONS_|NODE_)/.test(name))).toEqual([]);
  }
}

/** What a container has on disk of NVIDIA's user space, by version. */
export async function libraryVersions(container: Container): Promise<string[]> {
  const names = await container.execOk({
    script:
      'ls /usr/lib/x86_64-linux-gnu | sed -n "s/^lib\\(cuda\\|nvidia-ml\\)\\.so\\.\\([0-9]\\{3\\}.*\\)/\\2/p" | sort -u',
  });
  return names.split('\n').filter((name) => name !== '');
}

/** Paths that no run may leave behind. */
export async function leftovers(container: Container): Promise<string> {
  return container.execOk({
    script:
      'find /var/tmp /tmp /root /opt -mindepth 1 -name "*nvidia*" ; find /etc/apt -name "*.new" -o -name "*.partial"; dpkg --audit',
  });
}
