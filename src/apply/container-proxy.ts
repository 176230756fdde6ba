import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerProxy } from '../desired/desired.ts';
import type { GuestOptions } from '../proxmox/pct.ts';

/**
 * Runs a command with a proxy, whose address is read from standard input: arguments are seen by everybody on the host, and a
 * file in the container could stay there.
 */
const WITH_PROXY = `
IFS= read -r http_proxy
IFS= read -r no_proxy
https_proxy=$http_proxy
export http_proxy https_proxy no_proxy
exec "$@" < /dev/null
`;

/** The proxy of a container's own downloads, in a file of the host for the time of a run. */
export class ProxyFile {
  readonly #directory: string | null;

  private constructor(directory: string | null) {
    this.#directory = directory;
  }

  /** @param temporary a directory to make it in; no proxy: nothing is made */
  static async write(proxy: ContainerProxy | null, temporary: string): Promise<ProxyFile> {
    if (proxy === null) return new ProxyFile(null);
    await mkdir(temporary, { recursive: true });
    const directory = await mkdtemp(join(temporary, 'container-proxy-'));
    await writeFile(join(directory, 'proxy'), `${proxy.url}\n${proxy.direct.join(',')}\n`, { mode: 0o600 });
    return new ProxyFile(directory);
  }

  /** A command that may use the network, as it is to be run in a container. */
  through(argv: readonly string[]): { argv: readonly string[]; options: Pick<GuestOptions, 'stdinFile'> } {
    if (this.#directory === null) return { argv, options: {} };
    return {
      argv: ['/bin/sh', '-c', WITH_PROXY, 'proxmox-lxc-nvidia', ...argv],
      options: { stdinFile: join(this.#directory, 'proxy') },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#directory !== null) await rm(this.#directory, { recursive: true, force: true });
  }
}
