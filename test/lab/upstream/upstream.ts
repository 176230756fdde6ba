import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ensureCertificates } from './certificates.ts';
import type { Fault } from './faults.ts';
import type { LoggedRequest, ServerConfiguration } from './server.ts';
import { ensureSigningKeys, ensureTree, type SigningKeys } from './tree.ts';

export type { Fault } from './faults.ts';
export type { LoggedRequest } from './server.ts';

export interface UpstreamOptions {
  /** Directory of the running server's own: address, request log, faults. Removed with the lab. */
  stateDir: string;
  /** Directory of the upstream's own that is kept between runs: authority, keys, the tree that is served. */
  cacheDir: string;
  address: string;
  /** Default 443: the product's URLs have no port. */
  port?: number;
  /** Makes the directory that is served, one subdirectory per host name. Default: the lab's stand-ins. */
  tree?: (keys: SigningKeys) => Promise<string>;
}

/** What a test needs to know of NVIDIA's stand-in servers, and its switches. Usable from any process of the machine. */
export interface Upstream {
  /** Path of the lab authority's certificate (PEM). */
  caCertificate: string;
  /** Fingerprints of the keys that sign the CUDA repositories of both distributions and the container toolkit's. */
  fingerprints: { debian12: string; debian13: string; container: string };
  address: string;
  port: number;
  /** Directory that is served, one subdirectory per host name. Read only: it is kept between runs. */
  root: string;
  /** All requests since the start or this handle's last clearRequests, in the order in which they ended. */
  requests(): Promise<LoggedRequest[]>;
  /** Forgets the requests so far, for this handle only: test files that run at the same time don't disturb each other. */
  clearRequests(): Promise<void>;
  /**
   * Replaces the faults set by this handle; counts of `times` begin anew. Faults of several handles add up, so test files
   * that run at the same time must fault different paths (another driver version, the mirror's paths).
   */
  setFaults(faults: readonly Fault[]): Promise<void>;
  /** Ends the server. The cache stays. */
  stop(): Promise<void>;
}

interface ServerState {
  pid: number;
  address: string;
  port: number;
  root: string;
  caCertificate: string;
  fingerprints: Upstream['fingerprints'];
}

/** Size of the stand-ins' runfiles, nearly: their part that does not compress. The real ones have some 300 to 400 MiB. */
const RUNFILE_BYTES = 8 * 1024 * 1024;

const stateFile = (stateDir: string): string => join(stateDir, 'server.json');
const faultsDir = (stateDir: string): string => join(stateDir, 'faults');
const requestsFile = (stateDir: string): string => join(stateDir, 'requests.jsonl');

/** Builds what is missing in the cache (about 10 s the first time, then none), and starts the server. */
export async function startUpstream(options: UpstreamOptions): Promise<Upstream> {
  const stateDir = resolve(options.stateDir);
  const cacheDir = resolve(options.cacheDir);
  await mkdir(stateDir, { recursive: true });
  await endServer(stateDir);
  const certificates = await ensureCertificates(join(cacheDir, 'authority'), [options.address]);
  const keys = await ensureSigningKeys(join(cacheDir, 'keys'));
  const root = await (options.tree?.(keys) ?? ensureTree(cacheDir, keys, RUNFILE_BYTES));
  await rm(faultsDir(stateDir), { recursive: true, force: true });
  await mkdir(faultsDir(stateDir));
  await writeFile(requestsFile(stateDir), '');
  const configuration: ServerConfiguration = {
    address: options.address,
    port: options.port ?? 443,
    certificate: certificates.certificate,
    key: certificates.key,
    root,
    faultsDir: faultsDir(stateDir),
    requestsFile: requestsFile(stateDir),
  };
  const { pid, port } = await startServer(stateDir, configuration);
  const state: ServerState = {
    pid,
    address: options.address,
    port,
    root,
    caCertificate: certificates.ca,
    fingerprints: {
      debian12: keys.debian12.fingerprint,
      debian13: keys.debian13.fingerprint,
      container: keys.container.fingerprint,
    },
  };
  await writeAtomically(stateFile(stateDir), JSON.stringify(state, null, 2));
  return handle(stateDir, state);
}

/** The running server's handle, for another process than the one that started it. */
export async function connectUpstream(stateDir: string): Promise<Upstream> {
  const dir = resolve(stateDir);
  const state = await readState(dir);
  if (!state) throw new Error(`no upstream server in ${dir}: start the lab first`);
  return handle(dir, state);
}

/** Ends a server left over in `stateDir`, if there is one. */
export async function stopUpstream(stateDir: string): Promise<void> {
  await endServer(resolve(stateDir));
}

function handle(stateDir: string, state: ServerState): Upstream {
  const { address, port, root, caCertificate, fingerprints } = state;
  const ownFaults = join(faultsDir(stateDir), `${process.pid}-${randomUUID()}.json`);
  let seen = 0;
  return {
    ...{ address, port, root, caCertificate, fingerprints },
    async requests() {
      const log = await readFile(requestsFile(stateDir));
      return log
        .subarray(seen)
        .toString()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as LoggedRequest);
    },
    async clearRequests() {
      seen = (await stat(requestsFile(stateDir))).size;
    },
    setFaults: (faults) => writeAtomically(ownFaults, JSON.stringify(faults)),
    stop: () => endServer(stateDir),
  };
}

async function startServer(
  stateDir: string,
  configuration: ServerConfiguration,
): Promise<{ pid: number; port: number }> {
  const configurationFile = join(stateDir, 'configuration.json');
  await writeFile(configurationFile, JSON.stringify(configuration));
  const errors = openSync(join(stateDir, 'server.log'), 'a');
  const child = spawn(process.execPath, [join(import.meta.dirname, 'server.ts'), configurationFile], {
    detached: true,
    stdio: ['ignore', 'pipe', errors],
  });
  closeSync(errors);
  const port = await listeningPort(child, stateDir);
  child.stdout?.destroy();
  child.unref();
  return { pid: child.pid as number, port };
}

async function listeningPort(child: ChildProcess, stateDir: string): Promise<number> {
  const { promise, resolve: found, reject } = Promise.withResolvers<number>();
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk;
    const match = /^listening (\d+)$/m.exec(output);
    if (match) found(Number(match[1]));
  });
  child.once('error', reject);
  child.once('exit', async (code) => {
    const log = await readFile(join(stateDir, 'server.log'), 'utf8').catch(() => '');
    reject(new Error(`the upstream server ended with ${code} before it listened: ${log.trim().split('\n').at(-1)}`));
  });
  return promise;
}

async function readState(stateDir: string): Promise<ServerState | undefined> {
  const text = await readFile(stateFile(stateDir), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as ServerState);
}

async function endServer(stateDir: string): Promise<void> {
  const state = await readState(stateDir);
  if (!state) return;
  // The number may belong to another process by now: only ours has the server's file and this state directory on its
  // command line. The file's folder may be another checkout's.
  const commandLine = await readFile(`/proc/${state.pid}/cmdline`, 'utf8').catch(() => '');
  if (commandLine.includes('test/lab/upstream/server.ts') && commandLine.includes(stateDir)) {
    process.kill(state.pid, 'SIGTERM');
    await gone(state.pid);
  }
  await rm(stateFile(stateDir), { force: true });
}

async function gone(pid: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    if (status === '' || /\) Z /.test(status)) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`the upstream server (process ${pid}) does not end`);
}

async function writeAtomically(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}
