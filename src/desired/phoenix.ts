import type * as z from 'zod/mini';
import { ActionError, messageOf } from '../errors.ts';
import { isCtid } from './containers.ts';
import type { HypervisorConfig, LxcConfig } from './phoenix-schema.ts';

type PhoenixLxcConfig = z.infer<typeof LxcConfig>;
type PhoenixHypervisorConfig = z.infer<typeof HypervisorConfig>;

/** A wish a file states, with the words to name its place in a message: `file: key`. */
export interface PhoenixValue {
  value: string;
  source: string;
}

/** The same wish looked up in each file that may state it. */
interface Place {
  source: string;
  value: string | null | undefined;
}

/** What the given Phoenix files wish. */
export class PhoenixFiles {
  readonly #lxc: { path: string; config: PhoenixLxcConfig } | null;
  readonly #hypervisor: { path: string; config: PhoenixHypervisorConfig } | null;

  private constructor(
    lxc: { path: string; config: PhoenixLxcConfig } | null,
    hypervisor: { path: string; config: PhoenixHypervisorConfig } | null,
  ) {
    this.#lxc = lxc;
    this.#hypervisor = hypervisor;
  }

  /**
   * @param read gives a file's text.
   * @throws ActionError PHOENIX_FILE_UNREADABLE, PHOENIX_FILE_INVALID
   */
  static async load(
    lxcPath: string | undefined,
    hypervisorPath: string | undefined,
    read: (path: string) => Promise<string>,
  ): Promise<PhoenixFiles> {
    if (lxcPath === undefined && hypervisorPath === undefined) return new PhoenixFiles(null, null);
    const { HypervisorConfig, LxcConfig } = await import(/* webpackMode: "eager" */ './phoenix-schema.ts');
    const lxc = lxcPath === undefined ? null : await load(lxcPath, LxcConfig, read);
    const hypervisor = hypervisorPath === undefined ? null : await load(hypervisorPath, HypervisorConfig, read);
    return new PhoenixFiles(lxc, hypervisor);
  }

  /** `nvidia_driver_version` or `nvidia_driver.version`; undefined when no file is given. @throws ActionError */
  driverVersion(): PhoenixValue | undefined {
    return this.#pick([
      this.#lxcPlace('nvidia_driver_version', (config) => config.nvidia_driver_version),
      this.#hypervisorPlace('version', (driver) => driver?.version),
    ]);
  }

  /** `nvidia_runfile_url` or `nvidia_driver.runfile_url`; undefined when no file is given. @throws ActionError */
  runfileUrl(): PhoenixValue | undefined {
    return this.#pick([
      this.#lxcPlace('nvidia_runfile_url', (config) => config.nvidia_runfile_url),
      this.#hypervisorPlace('runfile_url', (driver) => driver?.runfile_url),
    ]);
  }

  /** `nvidia_driver.cuda_version`; undefined when the hypervisor file isn't given. @throws ActionError */
  cudaVersion(): PhoenixValue | undefined {
    return this.#pick([this.#hypervisorPlace('cuda_version', (driver) => driver?.cuda_version)]);
  }

  /** Every container whose `gpu_assignment` names a GPU, ascending; undefined when the lxc file isn't given. @throws ActionError */
  containers(): number[] | undefined {
    if (this.#lxc === null) return undefined;
    const { path, config } = this.#lxc;
    if (config.lxc_configs === undefined) throw missing([`${path}: lxc_configs`]);
    const wrong = Object.keys(config.lxc_configs).find((ctid) => !isCtid(ctid));
    if (wrong !== undefined) {
      throw new ActionError(
        'PHOENIX_FILE_INVALID',
        `${path}: lxc_configs has the key "${wrong}", which is no container id.`,
        'Container ids are numbers from 100 to 999999999.',
      );
    }
    return Object.entries(this.gpuAssignments())
      .filter(([, gpus]) => gpus.length > 0)
      .map(([ctid]) => Number(ctid))
      .sort((a, b) => a - b);
  }

  /** Minor numbers of the assigned GPUs of every container the file speaks of, by its id. @throws ActionError PHOENIX_FILE_INVALID */
  gpuAssignments(): Record<string, number[]> {
    const ctids = Object.keys(this.#lxc?.config.lxc_configs ?? {});
    return Object.fromEntries(
      ctids.flatMap((ctid) => {
        const gpus = this.#gpus(ctid);
        return gpus === null ? [] : [[ctid, gpus]];
      }),
    );
  }

  /**
   * Minor numbers of the GPUs assigned to a container; null when no file says anything of it.
   *
   * The form is Phoenix' own: `none`, or numbers separated by commas. @throws ActionError PHOENIX_FILE_INVALID
   */
  #gpus(ctid: string): number[] | null {
    const assignment = this.#lxc?.config.lxc_configs?.[ctid]?.gpu_assignment;
    if (assignment === undefined) return null;
    if (assignment === 'none') return [];
    if (!/^\d+(, ?\d+)*$/.test(assignment)) {
      throw new ActionError(
        'PHOENIX_FILE_INVALID',
        `${this.#lxc?.path}: lxc_configs.${ctid}.gpu_assignment is "${assignment}".`,
        'Write "none" or GPU numbers such as "0" or "0,1".',
      );
    }
    return assignment.split(',').map(Number);
  }

  #lxcPlace(key: string, get: (config: PhoenixLxcConfig) => string | null | undefined): Place | null {
    return this.#lxc && { source: `${this.#lxc.path}: ${key}`, value: get(this.#lxc.config) };
  }

  #hypervisorPlace(
    key: string,
    get: (driver: PhoenixHypervisorConfig['nvidia_driver']) => string | null | undefined,
  ): Place | null {
    if (this.#hypervisor === null) return null;
    const { path, config } = this.#hypervisor;
    return { source: `${path}: nvidia_driver.${key}`, value: get(config.nvidia_driver) };
  }

  /** The one value that the given files state; silence of all of them and disagreement are errors. */
  #pick(places: (Place | null)[]): PhoenixValue | undefined {
    const given = places.filter((place) => place !== null);
    if (given.length === 0) return undefined;
    const stated = given.flatMap(({ source, value }) => (isStated(value) ? [{ source, value }] : []));
    const [first, ...others] = stated;
    if (first === undefined) throw missing(given.map(({ source }) => source));
    const other = others.find(({ value }) => value !== first.value);
    if (other !== undefined) {
      throw new ActionError(
        'PHOENIX_CONFLICT',
        `${first.source} is "${first.value}" but ${other.source} is "${other.value}".`,
        'Make the two files agree, or state the value as an input, which wins over both.',
      );
    }
    return first;
  }
}

/** `null` and `""` state nothing; neither does the text "null", which `jq -r` leaves behind. */
function isStated(value: string | null | undefined): value is string {
  return value !== undefined && value !== null && value !== '' && value !== 'null';
}

function missing(sources: string[]): ActionError {
  return new ActionError(
    'PHOENIX_KEY_MISSING',
    `${sources.join(' and ')} ${sources.length > 1 ? 'are' : 'is'} missing, null or empty.`,
    'Add the key, or state the value as an input of this step.',
  );
}

async function load<S extends z.ZodMiniType>(
  path: string,
  schema: S,
  read: (path: string) => Promise<string>,
): Promise<{ path: string; config: z.infer<S> }> {
  let content: string;
  try {
    content = await read(path);
  } catch (error) {
    throw new ActionError(
      'PHOENIX_FILE_UNREADABLE',
      `${path} can't be read: ${messageOf(error)}.`,
      'Check the path: it is relative to the workspace, so the repository must be checked out first.',
    );
  }
  const { parseJson } = await import(/* webpackMode: "eager" */ '../system/json.ts');
  return { path, config: parseJson(content, schema, path, 'PHOENIX_FILE_INVALID', 'Correct the file.') };
}
