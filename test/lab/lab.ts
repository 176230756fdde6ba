import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BaseName, ensureBase, type Variant } from './base.ts';
import { killContainers } from './cgroups.ts';
import { createHost, type Host, type HostOptions, removeHost } from './host.ts';
import { takeLock } from './lock.ts';
import { networkDown, networkUp } from './network.ts';
import { installPackages } from './packages.ts';
import { CACHE_DIR, GATEWAY, HOSTS_DIR, STATE_DIR } from './paths.ts';
import { entries, storageDown, storageUp } from './storage.ts';
import { connectUpstream, startUpstream, stopUpstream, type Upstream } from './upstream/upstream.ts';

export interface LabOptions {
  /** Base systems to have ready when `up` returns; others are built when a container first wants them. */
  readonly bases?: readonly (readonly [BaseName, Variant])[];
  /** Without NVIDIA's servers: for tests that need hosts and containers only. */
  readonly upstream?: boolean;
  readonly log?: (line: string) => void;
}

const LOCK = join(CACHE_DIR, 'lab.lock');
const LAB_FILE = join(STATE_DIR, 'lab.json');

/** The lab of this machine: network, storage, base systems, NVIDIA's servers. One at a time. */
export class Lab {
  /** Null when the lab was brought up without it. */
  readonly upstream: Upstream | null;
  private readonly release: (() => void) | undefined;
  private readonly hosts: Host[] = [];
  private ending: Promise<void> | undefined;

  private constructor(upstream: Upstream | null, release?: () => void) {
    this.upstream = upstream;
    this.release = release;
  }

  /**
   * Brings the lab up: removes what a dead lab left, then packages → network → storage → upstream → base systems.
   * Waits while another process has the lab of this machine. `down` is called on SIGINT, SIGTERM and SIGHUP.
   */
  static async up(options: LabOptions = {}): Promise<Lab> {
    const log = options.log ?? (() => {});
    refuseRealProxmox();
    log('packages');
    await installPackages();
    const release = await takeLock(LOCK, { what: process.argv.slice(1).join(' '), timeoutSeconds: 20 * 60, log });
    try {
      await removeLeftovers();
      await mkdir(HOSTS_DIR, { recursive: true });
      log('network and storage');
      await networkUp();
      await storageUp();
      let upstream: Upstream | null = null;
      if (options.upstream ?? true) {
        log("NVIDIA's servers");
        upstream = await startUpstream({
          stateDir: join(STATE_DIR, 'upstream'),
          cacheDir: join(CACHE_DIR, 'upstream'),
          address: GATEWAY,
        });
      }
      const caCertificate = upstream?.caCertificate ?? null;
      for (const [base, variant] of options.bases ?? DEFAULT_BASES) {
        log(`base system ${base} ${variant}`);
        await ensureBase({ base, variant, unprivileged: true, caCertificate });
      }
      await writeFile(LAB_FILE, JSON.stringify({ caCertificate }));
      const lab = new Lab(upstream, release);
      lab.downOnSignal();
      return lab;
    } catch (error) {
      await removeLeftovers().catch(() => {});
      release();
      throw error;
    }
  }

  /** The lab another process has brought up. `down` then only removes the hosts made through this object. */
  static async connect(): Promise<Lab> {
    if (!existsSync(LAB_FILE)) throw new Error('No lab is up on this machine: `Lab.up()` first.');
    const { caCertificate } = JSON.parse(await readFile(LAB_FILE, 'utf8')) as { caCertificate: string | null };
    return new Lab(caCertificate === null ? null : await connectUpstream(join(STATE_DIR, 'upstream')));
  }

  /** A new Proxmox host, trusting the upstream's CA in its containers. Removed by `down` at the latest. */
  async host(options: HostOptions = {}): Promise<Host> {
    const host = await createHost({ caCertificate: this.upstream?.caCertificate ?? null, ...options });
    this.hosts.push(host);
    return host;
  }

  /** Removes the hosts made through this object and, if it brought the lab up, the lab. Can be repeated. */
  down(): Promise<void> {
    this.ending ??= this.end();
    return this.ending;
  }

  private async end(): Promise<void> {
    for (const host of this.hosts) {
      if (existsSync(host.directory)) await host.destroy();
    }
    if (!this.release) return;
    await removeLeftovers();
    this.release();
  }

  private downOnSignal(): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => {
        this.down()
          .catch((error) => console.error(error))
          .finally(() => process.exit(1));
      });
    }
  }
}

const DEFAULT_BASES = [
  ['debian12', 'minimal'],
  ['debian12', 'prepared'],
  ['debian13', 'minimal'],
  ['debian13', 'prepared'],
  ['alpine', 'minimal'],
] as const;

/**
 * Removes what a dead lab left behind; for `node test/lab/down.ts`. A lab that is in use is taken down by the process
 * that brought it up; `force` removes it under that process.
 */
export async function takeDown(force: boolean): Promise<void> {
  const release = force ? () => {} : await takeLock(LOCK, { what: 'taking the lab down', timeoutSeconds: 0 });
  await removeLeftovers();
  release();
}

/** Removes everything of a lab that may be half there: containers, hosts, server, mounts, bridge, state. */
async function removeLeftovers(): Promise<void> {
  await killContainers();
  for (const host of await entries(HOSTS_DIR)) {
    await removeHost(host);
  }
  await stopUpstream(join(STATE_DIR, 'upstream'));
  await storageDown();
  await networkDown();
  await rm(STATE_DIR, { recursive: true, force: true });
}

/** The lab shadows /etc/pve, /var/lib/lxc and GPU nodes in namespaces, but LXC's sockets and the bridge are shared. */
function refuseRealProxmox(): void {
  if (existsSync('/etc/pve/local')) {
    throw new Error('This machine is a Proxmox VE host. The lab stands in for one: run it on another machine.');
  }
}
