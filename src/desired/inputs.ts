import { ActionError } from '../errors.ts';
import { shownUrl } from '../system/text.ts';
import { parseCudaVersion, WHOLE_TOOLKIT } from '../version/cuda.ts';
import { isDriverVersion } from '../version/driver.ts';
import { parseContainerList } from './containers.ts';
import {
  type ApprovedPlan,
  type ContainerProxy,
  type ContainerSelection,
  type CudaWish,
  type Desired,
  type DriverWish,
  MODES,
  type Mode,
  NVIDIA_CONTAINER,
  ON_FAILURE,
  PASSTHROUGH,
  RESTART,
  type RepositoryWish,
  ROLLBACK,
  RUNFILE_INTEGRITY,
  type RunfileAddress,
  SUDO,
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
  'cuda-packages',
  'nvidia-container',
  'phoenix-lxc-config',
  'phoenix-hypervisor-config',
  'verify',
  'cuda-repository',
  'cuda-repository-key',
  'nvidia-container-repository',
  'nvidia-container-repository-key',
  'container-proxy',
  'container-no-proxy',
  'rollback',
  'approved-plan',
  'plan-valid-days',
  'facts',
  'facts-max-age-hours',
  'max-parallel',
  'on-failure',
  'passthrough',
  'restart',
  'timeout-minutes',
  'lock-wait-minutes',
  'sudo',
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

  const mode = choice('mode', given('mode'), MODES, 'apply');
  const cuda = readCuda(given('cuda-version'), phoenix, mode);
  const verify = choice('verify', given('verify'), VERIFY_LEVELS, 'cuda');
  return {
    mode,
    containers: readContainers(given('containers'), phoenix, mode),
    gpus: phoenix.gpuAssignments(),
    facts: readFacts(given('facts'), given('facts-max-age-hours'), mode),
    approvedPlan: readApprovedPlan(given('approved-plan'), mode),
    planValidDays: readNumber('plan-valid-days', given('plan-valid-days'), { least: 1, most: 365 }, 7),
    maxParallel: readNumber('max-parallel', given('max-parallel'), { least: 1, most: 64 }, 2),
    onFailure: choice('on-failure', given('on-failure'), ON_FAILURE, 'stop'),
    driver: readDriver(given('driver-version'), phoenix),
    runfile: {
      address: readRunfileAddress(given('runfile-url'), phoenix),
      sha256: readSha256(given('runfile-sha256')),
      integrity: choice('runfile-integrity', given('runfile-integrity'), RUNFILE_INTEGRITY, 'checksum'),
    },
    cuda,
    cudaPackages: readCudaPackages(given('cuda-packages')),
    nvidiaContainer: choice('nvidia-container', given('nvidia-container'), NVIDIA_CONTAINER, 'library'),
    verify: cuda.kind === 'none' ? 'driver' : verify,
    cudaRepository: readRepository(given, 'cuda-repository', CUDA_REPOSITORY),
    nvidiaContainerRepository: readRepository(given, 'nvidia-container-repository', NVIDIA_CONTAINER_REPOSITORY),
    containerProxy: readContainerProxy(given('container-proxy'), given('container-no-proxy')),
    rollback: choice('rollback', given('rollback'), ROLLBACK, 'auto'),
    timeoutMinutes: readNumber('timeout-minutes', given('timeout-minutes'), { least: 1, most: 1440 }, 60),
    lockWaitMinutes: readNumber('lock-wait-minutes', given('lock-wait-minutes'), { least: 0, most: 1440 }, 10),
    passthrough: choice('passthrough', given('passthrough'), PASSTHROUGH, 'check'),
    restart: choice('restart', given('restart'), RESTART, 'never'),
    sudo: choice('sudo', given('sudo'), SUDO, 'auto'),
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

function readContainers(list: string | undefined, phoenix: PhoenixFiles, mode: Mode): ContainerSelection {
  const assigned = list === undefined ? phoenix.containers() : undefined;
  const selection = list === undefined ? { ctids: assigned ?? [], tags: [], all: false } : parseContainerList(list);
  if (selection.ctids.length > 0 || selection.tags.length > 0) return selection;
  if (mode === 'facts' && list === undefined && assigned === undefined) return { ...selection, all: true };
  throw new ActionError(
    'NO_CONTAINER_NAMED',
    list !== undefined
      ? `${INPUT('containers')} names no container.`
      : assigned === undefined
        ? 'No container is named.'
        : 'No container in the file given as "phoenix-lxc-config" has a gpu_assignment other than "none".',
    'Give container ids or a tag in the input "containers", e.g. 901, 901-904 or tag:gpu.',
  );
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
  const filled = wish.value.replaceAll('{version}', '1.2').replaceAll('{arch}', 'x');
  if (!/^file:\/\/\/[^?#]*$/.test(filled)) checkUrl(filled, wish.source, wish.value);
  return { kind: 'template', url: wish.value, source: wish.source };
}

function readSha256(input: string | undefined): string | null {
  if (input === undefined) return null;
  const sha256 = input.toLowerCase();
  if (/^[0-9a-f]{64}$/.test(sha256)) return sha256;
  throw new ActionError('INPUT_INVALID', `${INPUT('runfile-sha256')} is "${input}".`, 'Give 64 hexadecimal digits.');
}

function readCuda(input: string | undefined, phoenix: PhoenixFiles, mode: Mode): CudaWish {
  const wish = input === undefined ? phoenix.cudaVersion() : { value: input, source: INPUT('cuda-version') };
  // Facts are the same whatever is wanted.
  if (wish === undefined && mode === 'facts') return { kind: 'none' };
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

function readCudaPackages(input: string | undefined): string[] {
  const names = (input ?? WHOLE_TOOLKIT).split(/[\s,]+/).filter(Boolean);
  const wrong = names.find((name) => !/^[a-z][a-z0-9+-]+$/.test(name) || /-\d+-\d+$/.test(name));
  if (wrong === undefined && names.length > 0) return [...new Set(names)];
  throw new ActionError(
    'INPUT_INVALID',
    wrong === undefined ? `${INPUT('cuda-packages')} names no package.` : `${INPUT('cuda-packages')} holds "${wrong}".`,
    "Give names of NVIDIA's packages without the toolkit's version, e.g. cuda-nvcc, cuda-cudart-dev; or cuda-toolkit for all.",
  );
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

function readContainerProxy(url: string | undefined, direct: string | undefined): ContainerProxy | null {
  const source = INPUT('container-proxy');
  if (url === undefined) {
    if (direct === undefined) return null;
    throw new ActionError(
      'INPUT_INVALID',
      `${INPUT('container-no-proxy')} is given without "container-proxy".`,
      'Give the address of the proxy as well, or neither.',
    );
  }
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol) || /\s/.test(url)) {
    throw new ActionError(
      'URL_INVALID',
      `${source} is "${shownUrl(url)}", which is no address of a proxy.`,
      'Write http://host:port, with user:password@ before the host where it asks for them.',
    );
  }
  const names = (direct ?? '').split(/[\s,]+/).filter(Boolean);
  return { url, direct: names };
}

function readNumber(
  name: InputName,
  input: string | undefined,
  { least, most }: { least: number; most: number },
  otherwise: number,
): number {
  if (input === undefined) return otherwise;
  const number = Number(input);
  if (/^\d+$/.test(input) && number >= least && number <= most) return number;
  throw new ActionError(
    'INPUT_INVALID',
    `${INPUT(name)} is "${input}".`,
    `Give a whole number from ${least} to ${most}.`,
  );
}

function readFacts(path: string | undefined, maxAge: string | undefined, mode: Mode): Desired['facts'] {
  const maxAgeHours = readNumber('facts-max-age-hours', maxAge, { least: 1, most: 8760 }, 24);
  if (path === undefined) return null;
  if (mode === 'plan') return { path, maxAgeHours };
  throw new ActionError(
    'INPUT_INVALID',
    `${INPUT('facts')} is given, but "mode" is "${mode}".`,
    'A facts file is for planning only: leave it out, or set "mode: plan".',
  );
}

function readApprovedPlan(input: string | undefined, mode: Mode): ApprovedPlan | null {
  if (input === undefined) return null;
  if (mode !== 'apply') {
    throw new ActionError(
      'INPUT_INVALID',
      `${INPUT('approved-plan')} is given, but "mode" is "${mode}".`,
      'An approved plan is for "mode: apply".',
    );
  }
  const digest = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(input)?.[1];
  return digest === undefined
    ? { kind: 'file', path: input }
    : { kind: 'digest', digest: `sha256:${digest.toLowerCase()}` };
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
