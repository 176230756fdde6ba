import { createHash } from 'node:crypto';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BaseName, ensureBase, type Variant } from './base.ts';
import { type CommandOptions, type CommandResult, run, runOk } from './command.ts';
import type { Host } from './host.ts';
import { withLock } from './lock.ts';
import { BRIDGE, GATEWAY, STATE_DIR } from './paths.ts';
import { deleteTree, snapshotSubvolume, VOLUMES_DIR } from './storage.ts';

export interface ContainerOptions {
  /** Default: the next free one from 900 on, unique on this machine. */
  readonly ctid?: number;
  readonly base?: BaseName;
  /** `minimal`: debootstrap's minbase as it is. `prepared` (default): kmod, curl, gnupg, build-essential… installed. */
  readonly variant?: Variant;
  readonly unprivileged?: boolean;
  /** Minor numbers of the GPUs passed through by `devN` (with nvidiactl and nvidia-uvm*); default `'all'`. */
  readonly gpus?: readonly number[] | 'all' | 'none';
  /** `btrfs` can snapshot, `dir` can't. */
  readonly storage?: 'btrfs' | 'dir';
  /** Size of the root file system, e.g. `900M`: makes it an ext4 image of its own on `dir` storage (a disk that can be full). */
  readonly disk?: string;
  /** Makes the root volume out of an empty directory, instead of a copy of a base system. */
  readonly volume?: (host: Host, directory: string) => Promise<void>;
  /** Another container, stopped, whose root volume is copied instead of a base system's. */
  readonly copyOf?: Container;
  readonly hostname?: string;
  /** Further lines for the configuration file. */
  readonly config?: readonly string[];
  readonly start?: boolean;
}

export interface ExecOptions extends CommandOptions {
  /** Environment inside; PATH is LXC's default. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** What to run inside: an argv, or a fixed sh script with positional arguments. */
export type Program = readonly string[] | { readonly script: string; readonly args?: readonly string[] };

/** One container of a lab host. Its methods don't go through `pct`, so they don't show among the action's calls. */
export class Container {
  readonly host: Host;
  readonly ctid: number;

  constructor(host: Host, ctid: number) {
    this.host = host;
    this.ctid = ctid;
  }

  /** Runs a program inside as root with a clean environment. */
  exec(program: Program, options: ExecOptions = {}): Promise<CommandResult> {
    return run(this.attach(program, options.variables), options);
  }

  /** As `exec`, but rejects unless the exit code is 0. Resolves with stdout. */
  execOk(program: Program, options: ExecOptions = {}): Promise<string> {
    return runOk(this.attach(program, options.variables), options);
  }

  async readFile(path: string): Promise<string> {
    return await this.execOk(['cat', '--', path]);
  }

  /** Writes a file inside, making its directory. */
  async writeFile(path: string, content: string | Uint8Array, mode = '0644'): Promise<void> {
    const script = 'mkdir -p -- "$(dirname -- "$1")" && cat >"$1" && chmod "$2" "$1"';
    await this.execOk({ script, args: [path, mode] }, { input: content });
  }

  /**
   * Every path of the root file system (mounts in it left out) with type, mode, size and time of modification: two
   * equal trees mean that nothing was written in between.
   */
  async fileTree(): Promise<{ readonly hash: string; readonly paths: readonly string[] }> {
    const pid = await this.initPid();
    const volume = await this.volumePath();
    const root = pid === null ? volume : `/proc/${pid}/root`;
    const list = await runOk(['find', `${root}/`, '-xdev', '-printf', '%P\\t%y\\t%m\\t%s\\t%T@\\n']);
    const paths = list.split('\n').filter((line) => line !== '' && !isMountPoint(line));
    paths.sort();
    return { hash: createHash('sha256').update(paths.join('\n')).digest('hex'), paths };
  }

  async isRunning(): Promise<boolean> {
    return (await readFile('/proc/net/unix', 'utf8')).includes(`@/var/lib/lxc/${this.ctid}/command`);
  }

  /** The container's process 1 as seen from the machine; null when stopped. */
  async initPid(): Promise<number | null> {
    if (!(await this.isRunning())) return null;
    const info = await this.host.exec(['lxc-info', '-n', String(this.ctid), '-pH']);
    const pid = Number(info.stdout.trim());
    return pid > 0 ? pid : null;
  }

  async start(): Promise<void> {
    await runOk(this.host.enter(['perl', '/etc/proxmox-lxc-nvidia-lab/pct/start-container', String(this.ctid)]));
    await this.waitUntilUp();
  }

  /** Kills it, as `pct stop`. */
  async stop(): Promise<void> {
    if (!(await this.isRunning())) return;
    await this.host.exec(['lxc-stop', '-k', '-n', String(this.ctid)]);
    for (let round = 0; (await this.isRunning()) && round < 200; round++) await delay(10);
  }

  async destroy(): Promise<void> {
    await this.stop();
    const { host, ctid } = this;
    await rm(host.configPath(ctid), { force: true });
    for (const storage of ['local-btrfs', 'local']) {
      await deleteTree(join(VOLUMES_DIR, host.name, storage, 'images', String(ctid)));
    }
    await rm(join(host.directory, 'lxc', String(ctid)), { recursive: true, force: true });
    await releaseAddress(ctid);
    await host.writeVmlist();
  }

  /** The root volume: a directory on btrfs or dir storage, or an image file (`disk`). */
  async volumePath(): Promise<string> {
    const config = await readFile(this.host.configPath(this.ctid), 'utf8');
    const [, storage, volume] = /^rootfs: ([^:]+):([^,\n]+)/m.exec(config) ?? [];
    if (!storage || !volume) throw new Error(`Container ${this.ctid} has no rootfs in its configuration:\n${config}`);
    return join(VOLUMES_DIR, this.host.name, storage, 'images', volume);
  }

  private attach(program: Program, variables: Readonly<Record<string, string>> = {}): string[] {
    const argv = 'script' in program ? ['sh', '-c', program.script, 'sh', ...(program.args ?? [])] : program;
    const sets = Object.entries(variables).flatMap(([name, value]) => ['--set-var', `${name}=${value}`]);
    return this.host.enter(['lxc-attach', '-n', String(this.ctid), '--clear-env', ...sets, '--', ...argv]);
  }

  private async waitUntilUp(): Promise<void> {
    for (let round = 0; round < 300; round++) {
      if ((await this.exec(['true'])).exitCode === 0) return;
      await delay(10);
    }
    throw new Error(`Container ${this.ctid} did not come up within 3 s.`);
  }
}

/** Directories on which LXC mounts something; their times change by that alone. */
function isMountPoint(line: string): boolean {
  return /^(dev|proc|sys|tmp|run)?\t/.test(line) || line.startsWith('dev/');
}

/** Makes (and by default starts) a container: a snapshot of a base system plus a configuration file. */
export async function createContainer(host: Host, options: ContainerOptions): Promise<Container> {
  const unprivileged = options.unprivileged ?? true;
  const base = options.base ?? 'debian12';
  const source = (): Promise<string> =>
    options.copyOf?.volumePath() ??
    withLock(join(STATE_DIR, 'bases.lock'), 'building a base system', () =>
      ensureBase({ base, variant: options.variant ?? 'prepared', unprivileged, caCertificate: host.caCertificate }),
    );
  const { ctid, address } = await allocate(options.ctid);
  const rootfs = options.volume
    ? await ownVolume(host, ctid, options.volume)
    : await makeVolume(host, ctid, await source(), options);
  const devices = deviceEntries(host, options.gpus ?? 'all');
  const lines = [
    'arch: amd64',
    'cores: 2',
    ...(host.pve >= 8 ? devices.map((device, index) => `dev${index}: ${device}`) : []),
    `hostname: ${options.hostname ?? `ct${ctid}`}`,
    'memory: 2048',
    `net0: name=eth0,bridge=${BRIDGE},gw=${GATEWAY},hwaddr=${hardwareAddress(address)},ip=${address}/24,type=veth`,
    `ostype: ${base === 'alpine' ? 'alpine' : 'debian'}`,
    `rootfs: ${rootfs}`,
    'swap: 512',
    ...(unprivileged ? ['unprivileged: 1'] : []),
    ...(options.config ?? []),
    ...(host.pve >= 8 ? [] : rawDeviceEntries(devices)),
  ];
  await mkdir(join(host.directory, 'lxc', String(ctid)), { recursive: true });
  await host.writeConfig(join('nodes', host.node, 'lxc', `${ctid}.conf`), `${lines.join('\n')}\n`);
  const container = new Container(host, ctid);
  if (options.start ?? true) await container.start();
  return container;
}

function deviceEntries(host: Host, gpus: readonly number[] | 'all' | 'none'): string[] {
  if (gpus === 'none') return [];
  const minors = gpus === 'all' ? host.gpus.map((gpu) => gpu.minor) : gpus;
  const names = [...minors.map((minor) => `nvidia${minor}`), 'nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools'];
  return names.map((name) => `/dev/${name}`);
}

/** Before Proxmox VE 8.1 devices are passed through by raw LXC keys. */
function rawDeviceEntries(devices: readonly string[]): string[] {
  return [
    'lxc.cgroup2.devices.allow: c 195:* rwm',
    'lxc.cgroup2.devices.allow: c 510:* rwm',
    ...devices.map((path) => `lxc.mount.entry: ${path} ${path.slice(1)} none bind,optional,create=file`),
  ];
}

async function makeVolume(host: Host, ctid: number, source: string, options: ContainerOptions): Promise<string> {
  const storage = options.disk || options.storage === 'dir' ? 'local' : 'local-btrfs';
  const directory = join(VOLUMES_DIR, host.name, storage, 'images', String(ctid));
  await mkdir(directory, { recursive: true });
  if (options.disk) {
    const image = join(directory, `vm-${ctid}-disk-0.raw`);
    if (statSync(source).isFile()) {
      await runOk(['cp', '--reflink=always', source, image]);
    } else {
      await runOk(['truncate', '-s', options.disk, image]);
      const { uid, gid } = statSync(source); // mkfs takes over all owners but that of the root directory
      const extended = `lazy_itable_init=1,root_owner=${uid}:${gid}`;
      await runOk(['mkfs.ext4', '-q', '-F', '-m', '0', '-E', extended, '-d', source, image]);
    }
    return `${storage}:${ctid}/vm-${ctid}-disk-0.raw,size=${options.disk}`;
  }
  const volume = `subvol-${ctid}-disk-0.subvol`;
  await snapshotSubvolume(source, join(directory, volume));
  return `${storage}:${ctid}/${volume},size=8G`;
}

async function ownVolume(host: Host, ctid: number, make: NonNullable<ContainerOptions['volume']>): Promise<string> {
  const name = `${ctid}/subvol-${ctid}-disk-0.subvol`;
  const directory = join(VOLUMES_DIR, host.name, 'local', 'images', name);
  await mkdir(directory, { recursive: true });
  await make(host, directory);
  return `local:${name},size=8G`;
}

const ADDRESSES = join(STATE_DIR, 'addresses');
const FIRST_CTID = 900;

/** Takes a container id and an address on the bridge nobody on this machine has. */
async function allocate(wanted: number | undefined): Promise<{ ctid: number; address: string }> {
  await mkdir(ADDRESSES, { recursive: true });
  return await withLock(join(STATE_DIR, 'addresses.lock'), 'taking a container id', async () => {
    const taken = (await readdir(ADDRESSES)).map((name) => name.split('-').map(Number));
    const ctids = new Set(taken.map(([ctid]) => ctid));
    const hosts = new Set(taken.map(([, host]) => host));
    const ctid = wanted ?? firstFree(FIRST_CTID, 8999, ctids);
    const host = firstFree(2, 254, hosts);
    if (ctids.has(ctid))
      throw new Error(`Container id ${ctid} is in use on this machine; destroy that container first.`);
    writeFileSync(join(ADDRESSES, `${ctid}-${host}`), '');
    return { ctid, address: GATEWAY.replace(/\d+$/, String(host)) };
  });
}

async function releaseAddress(ctid: number): Promise<void> {
  if (!existsSync(ADDRESSES)) return;
  for (const name of await readdir(ADDRESSES)) {
    if (name.startsWith(`${ctid}-`)) await rm(join(ADDRESSES, name), { force: true });
  }
}

function firstFree(from: number, to: number, taken: ReadonlySet<number | undefined>): number {
  for (let number = from; number <= to; number++) if (!taken.has(number)) return number;
  throw new Error(`All of ${from}–${to} are in use: destroy containers of the lab first.`);
}

/** Proxmox's own prefix, then the address, so that it is unique on the bridge. */
function hardwareAddress(address: string): string {
  const last = Number(address.split('.').at(-1)).toString(16).padStart(2, '0').toUpperCase();
  return `BC:24:11:87:91:${last}`;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
