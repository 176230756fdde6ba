import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { killContainers } from '../lab/cgroups.ts';
import { createHost, type Host, removeHost } from '../lab/host.ts';
import { takeLock } from '../lab/lock.ts';
import { bridgeDown, bridgeUp } from '../lab/network.ts';
import { CACHE_DIR, GATEWAY, HOSTS_DIR, STATE_DIR } from '../lab/paths.ts';
import { entries } from '../lab/storage.ts';
import { startUpstream, stopUpstream, type Upstream } from '../lab/upstream/upstream.ts';
import type { Machine } from './machine.ts';
import { buildServedTree } from './served-tree.ts';

const UPSTREAM_STATE = join(STATE_DIR, 'upstream');

/** The lab around a machine's own driver and GPUs: bridge, servers, one host. No base systems, no storage of its own. */
export class MachineLab {
  readonly host: Host;
  readonly upstream: Upstream;
  readonly #release: () => void;

  private constructor(host: Host, upstream: Upstream, release: () => void) {
    this.host = host;
    this.upstream = upstream;
    this.#release = release;
  }

  /** @param carried authority and keys that test/gpu/prepare.ts made, because making them takes programs */
  static async up(machine: Machine, carried: string, log: (line: string) => void): Promise<MachineLab> {
    const release = await takeLock(join(CACHE_DIR, 'lab.lock'), {
      what: 'test/gpu/run',
      timeoutSeconds: machine.real ? 10 : 600,
      log,
    });
    try {
      await clean();
      await mkdir(HOSTS_DIR, { recursive: true });
      log('bridge');
      await bridgeUp();
      log("servers with the machine's own driver and toolkit");
      const cacheDir = join(STATE_DIR, 'gpu');
      await cp(carried, cacheDir, { recursive: true, filter: (path) => !/\/S\.[^/]*$/.test(path) });
      const upstream = await startUpstream({
        stateDir: UPSTREAM_STATE,
        cacheDir,
        address: GATEWAY,
        tree: async (keys) => {
          const root = join(cacheDir, 'tree');
          await buildServedTree(root, machine, keys);
          return root;
        },
      });
      log('host');
      const host = await createHost({
        caCertificate: upstream.caCertificate,
        driver: machine.driver.version,
        kernelModule: machine.driver.kernelModule,
        gpus: machine.gpus,
        realDriver: machine.real,
      });
      return new MachineLab(host, upstream, release);
    } catch (error) {
      await clean().catch(() => {});
      release();
      throw error;
    }
  }

  async down(): Promise<void> {
    await clean();
    this.#release();
  }
}

/** Removes everything, also what a killed run left. */
async function clean(): Promise<void> {
  await killContainers();
  for (const host of await entries(HOSTS_DIR)) await removeHost(host);
  await stopUpstream(UPSTREAM_STATE);
  await bridgeDown();
  await rm(STATE_DIR, { recursive: true, force: true });
}
