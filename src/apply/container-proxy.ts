import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ContainerProxy } from '../desired/desired.ts';
import type { GuestOptions } from '../proxmox/pct.ts';
import type { InputFile } from '../system/command.ts';

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
  readonly #file: InputFile | null;

  private constructor(file: InputFile | null) {
    this.#file = file;
  }

  /** @param temporary a directory to make it in; no proxy: nothing is made */
  static async write(proxy: ContainerProxy | null, temporary: string): Promise<ProxyFile> {
    if (proxy === null) return new ProxyFile(null);
    await mkdir(temporary, { recursive: true });
    const directory = await mkdtemp(join(temporary, 'container-proxy-'));
    const [path, text] = [join(directory, 'proxy'), `${proxy.url}\n${proxy.direct.join(',')}\n`];
    await writeFile(path, text, { mode: 0o600 });
    return new ProxyFile({ path, size: Buffer.byteLength(text) });
  }

  /** A command that may use the network, as it is to be run in a container. */
  through(argv: readonly string[]): { argv: readonly string[]; options: Pick<GuestOptions, 'stdin'> } {
    if (this.#file === null) return { argv, options: {} };
    return {
      argv: ['/bin/sh', '-c', WITH_PROXY, 'proxmox-lxc-nvidia', ...argv],
      options: { stdin: this.#file },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#file !== null) await rm(dirname(this.#file.path), { recursive: true, force: true });
  }
}
