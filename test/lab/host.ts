import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandOptions, type CommandResult, run, runOk } from './command.ts';
import { Container, type ContainerOptions, createContainer } from './container.ts';
import {
  type Gpu,
  type KernelModule,
  makeDeviceNodes,
  RECORDED_GPUS,
  writeProcDevices,
  writeProcDriver,
} from './driver.ts';
import { type GpuCondition, writeGpuCondition } from './gpu-condition.ts';
import { holdNamespace, killNamespace } from './namespace.ts';
import { GATEWAY, HOSTS_DIR, IMPERSONATED_NAMES, LAB_DIR, REPOSITORY_DIR } from './paths.ts';
import { type PctCall, type PctSwitches, readPctCalls } from './pct.ts';
import { nvidiaSmi } from './standin/runfile.ts';
import { deleteTree, entries, VOLUMES_DIR } from './storage.ts';
import { PVE_RELEASES, type PveVersion, packageVersions, proxmoxPackages } from './versions.ts';

export interface HostOptions {
  /** Version of the loaded kernel module; null = no driver loaded. */
  readonly driver?: string | null;
  readonly kernelModule?: KernelModule;
  readonly gpus?: readonly Gpu[];
  readonly pve?: PveVersion;
  /** Node name; the recordings' is `vm`. */
  readonly node?: string;
  /** CA of the upstream server, put into every container. */
  readonly caCertificate?: string | null;
  /** The host has the machine's own driver and GPUs, which `driver`, `kernelModule` and `gpus` then describe. */
  readonly realDriver?: boolean;
}

interface HostState {
  readonly name: string;
  readonly node: string;
  readonly holder: number;
  readonly caCertificate: string | null;
  readonly realDriver: boolean;
  driver: string | null;
  kernelModule: KernelModule;
  gpus: readonly Gpu[];
  pve: PveVersion;
}

/** One simulated Proxmox VE host: a mount and UTS namespace of this machine, held open by a process. */
export class Host {
  private readonly state: HostState;
  readonly directory: string;

  constructor(state: HostState) {
    this.state = state;
    this.directory = join(HOSTS_DIR, state.name);
  }

  get name(): string {
    return this.state.name;
  }
  get node(): string {
    return this.state.node;
  }
  get pve(): PveVersion {
    return this.state.pve;
  }
  get driver(): string | null {
    return this.state.driver;
  }
  get gpus(): readonly Gpu[] {
    return this.state.gpus;
  }
  get caCertificate(): string | null {
    return this.state.caCertificate;
  }

  /** A path of the host as seen from outside its namespace. */
  path(path: string): string {
    return join(`/proc/${this.state.holder}/root`, path);
  }

  /** argv that runs another argv inside the host's namespaces, without a process in between. */
  enter(argv: readonly string[]): string[] {
    return ['nsenter', '--target', String(this.state.holder), '--mount', '--uts', '--', ...argv];
  }

  /** Runs a program on the host as root. */
  exec(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return run(this.enter(argv), options);
  }

  /** Runs the host's `pct` (logged like the action's own calls). */
  pct(...args: string[]): Promise<CommandResult> {
    return this.exec(['/usr/sbin/pct', ...args]);
  }

  /** Loads another kernel module (or none); running containers see it at once in /proc/driver. */
  async setDriver(version: string | null, kernelModule: KernelModule = this.state.kernelModule): Promise<void> {
    this.state.driver = version;
    this.state.kernelModule = kernelModule;
    await this.applyDriver();
    await this.save();
  }

  /** What is wrong with the GPUs, until it is set again or the driver is loaded anew; null: nothing. Containers see it at once. */
  async setGpuCondition(condition: GpuCondition | null): Promise<void> {
    await writeGpuCondition(join(this.directory, 'driver'), condition);
  }

  /** Puts the driver's nvidia-smi on the host, as Proxmox hosts have it; a new one has none. */
  async installNvidiaSmi(): Promise<void> {
    if (this.driver === null) throw new Error('A host without a driver has no nvidia-smi.');
    const library = `/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.${this.driver}`;
    await writeFile(this.path(library), '');
    await this.exec(['ln', '-sf', library, '/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1']);
    await writeFile(this.path('/usr/bin/nvidia-smi'), await nvidiaSmi(this.driver), { mode: 0o755 });
  }

  /** What the kernel has logged since it started, as journalctl shows it. */
  async setKernelLog(lines: readonly string[]): Promise<void> {
    const log = lines.map((line) => `${line}\n`).join('');
    await writeFile(this.path('/usr/bin/journalctl'), `#!/bin/sh\ngrep 'NVRM: Xid' <<'END'\n${log}END\n`, {
      mode: 0o755,
    });
  }

  async setPve(version: PveVersion): Promise<void> {
    this.state.pve = version;
    const release = PVE_RELEASES[version];
    await writeFile(join(this.directory, 'pve-manager'), `${release.manager}\n`);
    await writeFile(join(this.directory, 'pve-kernel'), `${release.kernel}\n`);
    const status = await readFile('/var/lib/dpkg/status', 'utf8');
    await writeFile(join(this.directory, 'dpkg-status'), `${status.trimEnd()}\n${proxmoxPackages(release)}`);
    await writeFile(join(this.directory, 'pve-version'), `${version}\n`);
    await writeFile(join(this.directory, 'pve-packages'), packageVersions(release));
    await this.save();
  }

  /** Delay and faults of `pct`; replaces earlier ones and restarts their counting. */
  async setSwitches(switches: PctSwitches): Promise<void> {
    await rm(join(this.directory, 'counters'), { recursive: true, force: true });
    await mkdir(join(this.directory, 'counters'));
    await writeFile(join(this.directory, 'switches.json'), JSON.stringify(switches));
  }

  /** Every call of `pct` since the host was made or `clearPctCalls`, in order of their start. */
  pctCalls(): Promise<PctCall[]> {
    return readPctCalls(join(this.directory, 'pct.jsonl'));
  }

  async clearPctCalls(): Promise<void> {
    await truncate(join(this.directory, 'pct.jsonl'));
  }

  createContainer(options: ContainerOptions = {}): Promise<Container> {
    return createContainer(this, options);
  }

  /** A container made earlier on this host, possibly by another process. */
  container(ctid: number): Container {
    return new Container(this, ctid);
  }

  /** A virtual machine's configuration: its id is taken, but `pct` doesn't know it. */
  async addVm(vmid: number): Promise<void> {
    await this.writeConfig(join('nodes', this.node, 'qemu-server', `${vmid}.conf`), `name: vm${vmid}\nmemory: 512\n`);
  }

  /** A container of another node of the cluster. */
  async addForeignContainer(ctid: number, node = 'other'): Promise<void> {
    await this.writeConfig(join('nodes', node, 'lxc', `${ctid}.conf`), `arch: amd64\nhostname: ct${ctid}\n`);
  }

  /** Whether the user `runner` may do by `sudo -n` what docs/sudoers allows, and has the directories that its head makes; a new host says no. */
  async setSudo(allowed: boolean): Promise<void> {
    const rules = this.path('/etc/sudoers.d/proxmox-lxc-nvidia');
    await rm(rules, { force: true });
    if (!allowed) return;
    const text = await readFile(join(REPOSITORY_DIR, 'docs/sudoers'), 'utf8');
    await writeFile(rules, text, { mode: 0o440 });
    const commands = text.match(/(?<=^# {3})install -d .*$/gm) ?? [];
    await runOk(this.enter(['/bin/sh', '-ec', commands.join('\n')]));
  }

  /** Sets or (null) removes the configuration lock of a container, as an unfinished backup leaves it. */
  async setLock(ctid: number, lock: string | null): Promise<void> {
    await this.editConfig(ctid, 'lock', lock);
  }

  async setTemplate(ctid: number, template: boolean): Promise<void> {
    await this.editConfig(ctid, 'template', template ? '1' : null);
  }

  /** Sets or (null) removes a key in the current section of a container's configuration file. */
  async editConfig(ctid: number, key: string, value: string | null): Promise<void> {
    const path = this.configPath(ctid);
    const [current = '', ...snapshots] = (await readFile(path, 'utf8')).split(/^(?=\[)/m);
    const lines = current.split('\n').filter((line) => line !== '' && !line.startsWith(`${key}:`));
    if (value !== null) lines.push(`${key}: ${value}`);
    await writeFile(path, `${lines.join('\n')}\n${snapshots.length > 0 ? '\n' : ''}${snapshots.join('')}`);
  }

  configPath(ctid: number): string {
    return join(this.directory, 'pve', 'nodes', this.node, 'lxc', `${ctid}.conf`);
  }

  /** Writes a file below /etc/pve with pmxcfs's owner and mode, and brings .vmlist up to date. */
  async writeConfig(path: string, text: string): Promise<void> {
    const target = join(this.directory, 'pve', path);
    await mkdir(join(target, '..'), { recursive: true });
    await writeFile(target, text);
    await chmod(target, 0o640);
    await run(['chgrp', 'www-data', target]);
    await this.writeVmlist();
  }

  /** Stops everything of this host and removes it. */
  async destroy(): Promise<void> {
    for (const ctid of await entries(join(this.directory, 'lxc'))) await this.container(Number(ctid)).destroy();
    await removeHost(this.name);
  }

  /** @internal */
  async writeVmlist(): Promise<void> {
    const ids: Record<string, unknown> = {};
    const nodes = join(this.directory, 'pve', 'nodes');
    for (const node of await entries(nodes)) {
      for (const [folder, type] of [
        ['lxc', 'lxc'],
        ['qemu-server', 'qemu'],
      ] as const) {
        for (const file of await entries(join(nodes, node, folder))) {
          const id = /^(\d+)\.conf$/.exec(file)?.[1];
          if (id) ids[id] = { node, type, version: 100 + Object.keys(ids).length };
        }
      }
    }
    const path = join(this.directory, 'pve', '.vmlist');
    await writeFile(path, JSON.stringify({ version: 123, ids }));
    await chmod(path, 0o440);
    await run(['chgrp', 'www-data', path]);
  }

  /** @internal */
  async applyDriver(): Promise<void> {
    const { driver, kernelModule, gpus, realDriver } = this.state;
    if (realDriver) return;
    await writeProcDriver(join(this.directory, 'driver'), driver, kernelModule, gpus);
    await writeProcDevices(join(this.directory, 'proc-devices'), driver !== null);
    await makeDeviceNodes(this.path('/dev'), driver !== null, gpus);
  }

  private async save(): Promise<void> {
    await writeFile(join(this.directory, 'host.json'), JSON.stringify(this.state, null, 2));
  }
}

let made = 0;

/** Makes a host. Costs some 100 ms; every test can have one of its own. */
export async function createHost(options: HostOptions = {}): Promise<Host> {
  const name = `host-${process.pid}-${++made}`;
  const node = options.node ?? 'vm';
  const directory = join(HOSTS_DIR, name);
  const driver = options.realDriver ? [] : ['driver'];
  for (const folder of [...driver, 'lxc', 'overlay', 'dev', 'counters', 'runner', `pve/nodes/${node}/lxc`]) {
    await mkdir(join(directory, folder), { recursive: true });
  }
  await mkdir(join(directory, `pve/nodes/${node}/qemu-server`));
  await mkdir(join(VOLUMES_DIR, name, 'local-btrfs', 'images'), { recursive: true });
  await mkdir(join(VOLUMES_DIR, name, 'local', 'images'), { recursive: true });
  await symlink(join('nodes', node), join(directory, 'pve/local'));
  await symlink(join('nodes', node, 'lxc'), join(directory, 'pve/lxc'));
  await symlink(join('nodes', node, 'qemu-server'), join(directory, 'pve/qemu-server'));
  await cp(join(LAB_DIR, 'pct'), join(directory, 'pct'), { recursive: true }); // a checkout need not be readable by all
  await writeFile(join(directory, 'hosts'), IMPERSONATED_NAMES.map((host) => `${GATEWAY} ${host}\n`).join(''));
  await writeFile(join(directory, 'proc-devices'), '');
  await writeFile(join(directory, 'pct.jsonl'), '');
  await chmod(join(directory, 'pct.jsonl'), 0o666); // calls by others than root are refused, but logged
  await writeFile(join(directory, 'dpkg-status'), '');

  const holder = await holdNamespace(directory, node);
  const host = new Host({
    name,
    node,
    holder,
    caCertificate: options.caCertificate ?? null,
    realDriver: options.realDriver ?? false,
    driver: options.driver === undefined ? '580.159.04' : options.driver,
    kernelModule: options.kernelModule ?? 'open',
    gpus: options.gpus ?? RECORDED_GPUS,
    pve: options.pve ?? 9,
  });
  await host.setPve(host.pve);
  await host.setSwitches({});
  await host.writeConfig('storage.cfg', storageConfig(name));
  await host.applyDriver();
  return host;
}

/** The host of that name, made by this or another process. */
export async function openHost(name: string): Promise<Host> {
  const path = join(HOSTS_DIR, name, 'host.json');
  if (!existsSync(path)) {
    throw new Error(
      `There is no lab host ${name}; these are there: ${(await entries(HOSTS_DIR)).join(', ') || 'none'}.`,
    );
  }
  return new Host(JSON.parse(await readFile(path, 'utf8')) as HostState);
}

function storageConfig(name: string): string {
  const path = (storage: string) => join(VOLUMES_DIR, name, storage);
  return (
    `btrfs: local-btrfs\n\tpath ${path('local-btrfs')}\n\tcontent images,rootdir\n\n` +
    `dir: local\n\tpath ${path('local')}\n\tcontent images,rootdir,vztmpl,snippets\n`
  );
}

/** Ends a host's processes and removes its files; also after its lab died. Containers must be gone already. */
export async function removeHost(name: string): Promise<void> {
  const directory = join(HOSTS_DIR, name);
  await killNamespace(directory);
  await deleteTree(join(VOLUMES_DIR, name));
  await rm(directory, { recursive: true, force: true });
}
