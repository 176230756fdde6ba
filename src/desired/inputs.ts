import { ActionError } from '../errors.ts';
import { shownUrl } from '../system/text.ts';
import { parseCudaVersion } from '../version/cuda.ts';
import { isDriverVersion } from '../version/driver.ts';
import { parseContainerList } from './containers.ts';
import {
  type ContainerWish,
  type CudaWish,
  type Desired,
  type DriverWish,
  MODES,
  NVIDIA_CONTAINER,
  PASSTHROUGH,
  RESTART,
  type RepositoryWish,
  ROLLBACK,
  RUNFILE_INTEGRITY,
  type RunfileAddress,
  VERIFY_LEVELS,
} from './desired.ts';
import { PhoenixFiles } from './phoenix.ts';

/** The inputs of action.yml. */
export const INPUTS = [
  'mode',
  'containers',
  'driver-version',
  'runfile-url',
  'runfile-sha256',
  'runfile-integrity',
  'cuda-version',
  'nvidia-container',
  'phoenix-lxc-config',
  'phoenix-hypervisor-config',
  'verify',
  'cuda-repository',
  'cuda-repository-key',
  'nvidia-container-repository',
  'nvidia-container-repository-key',
  'rollback',
  'passthrough',
  'restart',
  'timeout-minutes',
  'lock-wait-minutes',
] as const;
export type InputName = (typeof INPUTS)[number];

/** The value of an input as the runner hands it over; `""` means: not given. */
export type GetInput = (name: InputName) => string;

/** NVIDIA's own addresses. */
const CUDA_REPOSITORY = 'https://developer.download.nvidia.com/compute/cuda/repos';
const NVIDIA_CONTAINER_REPOSITORY = 'https://nvidia.github.io/libnvidia-container';

/** Where an input wins over the Phoenix files, these are the words in messages. */
const INPUT = (name: InputName) => `Input "${name}"`;

/**
 * What the user asks for, from the inputs and the Phoenix files; inputs win.
 *
 * @param read gives the text of a Phoenix file.
 * @throws ActionError for anything that isn't understood, before anything was looked at or touched.
 */
export async function readDesired(get: GetInput, read: (path: string) => Promise<string>): Promise<Desired> {
  const given = (name: InputName): string | undefined => get(name).trim() || undefined;
  const phoenix = await PhoenixFiles.load(given('phoenix-lxc-config'), given('phoenix-hypervisor-config'), read);

  const cuda = readCuda(given('cuda-version'), phoenix);
  const verify = choice('verify', given('verify'), VERIFY_LEVELS, 'toolkit');
  return {
    mode: choice('mode', given('mode'), MODES, 'apply'),
    containers: readContainers(given('containers'), phoenix),
    driver: readDriver(given('driver-version'), phoenix),
    runfile: {
      address: readRunfileAddress(given('runfile-url'), phoenix),
      sha256: readSha256(given('runfile-sha256')),
      integrity: choice('runfile-integrity', given('runfile-integrity'), RUNFILE_INTEGRITY, 'checksum'),
    },
    cuda,
    nvidiaContainer: choice('nvidia-container', given('nvidia-container'), NVIDIA_CONTAINER, 'library'),
    verify: cuda.kind === 'none' ? 'driver' : verify,
    cudaRepository: readRepository(given, 'cuda-repository', CUDA_REPOSITORY),
    nvidiaContainerRepository: readRepository(given, 'nvidia-container-repository', NVIDIA_CONTAINER_REPOSITORY),
    rollback: choice('rollback', given('rollback'), ROLLBACK, 'auto'),
    passthrough: choice('passthrough', given('passthrough'), PASSTHROUGH, 'check'),
    restart: choice('restart', given('restart'), RESTART, 'never'),
    timeoutMinutes: readMinutes('timeout-minutes', given('timeout-minutes'), 1, 60),
    lockWaitMinutes: readMinutes('lock-wait-minutes', given('lock-wait-minutes'), 0, 10),
  };
}

function choice<const T extends string>(
  name: InputName,
  value: string | undefined,
  valid: readonly T[],
  otherwise: T,
): T {
  if (value === undefined) return otherwise;
  const found = valid.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw new ActionError('INPUT_INVALID', `${INPUT(name)} is "${value}".`, `Valid values are: ${valid.join(', ')}.`);
}

function readContainers(list: string | undefined, phoenix: PhoenixFiles): ContainerWish[] {
  const ctids = list === undefined ? phoenix.containers() : parseContainerList(list);
  if (ctids === undefined || ctids.length === 0) {
    throw new ActionError(
      'NO_CONTAINER_NAMED',
      ctids === undefined
        ? 'No container is named.'
        : list === undefined
          ? 'No container in the file given as "phoenix-lxc-config" has a gpu_assignment other than "none".'
          : `${INPUT('containers')} names no container.`,
      'Give the container ids in the input "containers", e.g. 901 or 901-904.',
    );
  }
  return ctids.map((ctid) => ({ ctid, gpus: phoenix.gpus(ctid) }));
}

function readDriver(input: string | undefined, phoenix: PhoenixFiles): DriverWish {
  if (input === 'host') return { kind: 'host' };
  const wish = input === undefined ? phoenix.driverVersion() : { value: input, source: INPUT('driver-version') };
  if (wish === undefined) return { kind: 'host' };
  if (!isDriverVersion(wish.value)) {
    throw new ActionError(
      'DRIVER_VERSION_INVALID',
      `${wish.source} is "${wish.value}", which is no driver version.`,
      'Write "host" to follow the host, or an exact version such as 580.159.04.',
    );
  }
  return { kind: 'exact', version: wish.value, source: wish.source };
}

function readRunfileAddress(input: string | undefined, phoenix: PhoenixFiles): RunfileAddress {
  if (input === 'derived') return { kind: 'derived' };
  const wish = input === undefined ? phoenix.runfileUrl() : { value: input, source: INPUT('runfile-url') };
  if (wish === undefined) return { kind: 'derived' };
  // Placeholders aren't valid in every part of an address: what is checked is an address with them filled in.
  checkUrl(wish.value.replaceAll('{version}', '1.2').replaceAll('{arch}', 'x'), wish.source, wish.value);
  return { kind: 'template', url: wish.value, source: wish.source };
}

function readSha256(input: string | undefined): string | null {
  if (input === undefined) return null;
  const sha256 = input.toLowerCase();
  if (/^[0-9a-f]{64}$/.test(sha256)) return sha256;
  throw new ActionError('INPUT_INVALID', `${INPUT('runfile-sha256')} is "${input}".`, 'Give 64 hexadecimal digits.');
}

function readCuda(input: string | undefined, phoenix: PhoenixFiles): CudaWish {
  const wish = input === undefined ? phoenix.cudaVersion() : { value: input, source: INPUT('cuda-version') };
  if (wish === undefined) {
    throw new ActionError(
      'CUDA_VERSION_MISSING',
      'No CUDA version is given.',
      'Set "cuda-version", e.g. 12.8, or "none" for the driver alone.',
    );
  }
  if (wish.value === 'none') return { kind: 'none' };
  const version = parseCudaVersion(wish.value);
  if (version === null) {
    throw new ActionError(
      'CUDA_VERSION_INVALID',
      `${wish.source} is "${wish.value}", which names no toolkit.`,
      'NVIDIA\'s packages are named by major and minor version: write e.g. 12.8 or 13.0, or "none".',
    );
  }
  if (version.major < 11) {
    throw new ActionError(
      'CUDA_VERSION_INVALID',
      `${wish.source} is "${wish.value}": no supported distribution has a repository with that toolkit.`,
      'Ask for 11.0 or newer.',
    );
  }
  return { kind: 'version', version };
}

function readRepository(
  given: (name: InputName) => string | undefined,
  name: 'cuda-repository' | 'nvidia-container-repository',
  otherwise: string,
): RepositoryWish {
  const base = given(name);
  if (base !== undefined) {
    checkUrl(base, INPUT(name));
    if (new URL(base).username !== '' || new URL(base).password !== '' || new URL(base).search !== '') {
      throw new ActionError(
        'URL_INVALID',
        `${INPUT(name)} is ${shownUrl(base)}, which holds a secret or a query.`,
        'The address is written into containers. Use a mirror that asks for no password, or allow this host by its address.',
      );
    }
  }
  const keyInput = `${name}-key` as const;
  const keys = (given(keyInput) ?? '')
    .split(/[\n,]+/)
    .map((key) => key.replace(/\s+/g, '').toUpperCase())
    .filter(Boolean);
  const wrong = keys.find((key) => !/^[0-9A-F]{40}$/.test(key));
  if (wrong !== undefined) {
    throw new ActionError(
      'INPUT_INVALID',
      `${INPUT(keyInput)} holds "${wrong}".`,
      'Give full fingerprints: 40 hexadecimal digits each.',
    );
  }
  return { base: (base ?? otherwise).replace(/\/+$/, ''), keys };
}

function readMinutes(name: InputName, input: string | undefined, least: number, otherwise: number): number {
  if (input === undefined) return otherwise;
  const minutes = Number(input);
  if (/^\d+$/.test(input) && minutes >= least && minutes <= 1440) return minutes;
  throw new ActionError('INPUT_INVALID', `${INPUT(name)} is "${input}".`, `Give whole minutes from ${least} to 1440.`);
}

/** @param shown how the address is quoted in messages, where it isn't written as it is checked. */
function checkUrl(address: string, source: string, shown = address): void {
  if (!URL.canParse(address)) {
    throw new ActionError(
      'URL_INVALID',
      `${source} is "${shownUrl(shown)}", which is no address.`,
      'Write a complete https:// address.',
    );
  }
  const { protocol } = new URL(address);
  if (protocol !== 'https:') {
    throw new ActionError(
      protocol === 'http:' ? 'URL_INSECURE' : 'URL_INVALID',
      `${source} is ${shownUrl(shown)}.`,
      'Only https:// is accepted: what is downloaded runs as root in containers.',
    );
  }
}
