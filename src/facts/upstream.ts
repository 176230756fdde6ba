import type { Desired } from '../desired/desired.ts';
import { ActionError } from '../errors.ts';
import { readRepository } from '../repository/read.ts';
import type { Repository, RepositoryName } from '../repository/repositories.ts';
import { locateRunfile, type RunfileStores } from '../runfile/runfile.ts';
import type { RunCommand } from '../system/command.ts';
import { deadline } from '../system/deadline.ts';
import type { Http } from '../system/http.ts';
import type { Log } from '../system/log.ts';
import type { Architecture } from '../version/architecture.ts';
import type { DriverVersion } from '../version/driver.ts';
import type { RepositoryFacts, RunfileFacts, UpstreamFacts } from './facts.ts';

/** What must be looked up to plan for a container. */
export interface UpstreamNeeds {
  driver: DriverVersion | null;
  repositories: Repository[];
}

/** What decides how a runfile is looked up. */
type LookUp = Pick<Desired, 'runfile' | 'timeoutMinutes'>;

/** Looks things up on NVIDIA's servers, each once per run however many containers need it. */
export class Upstream {
  readonly #http: Http;
  readonly #run: RunCommand;
  readonly #log: Log;
  readonly #stores: RunfileStores;
  readonly #temporary: string;
  readonly #runfiles = new Map<DriverVersion, Promise<RunfileFacts>>();
  readonly #repositories = new Map<string, Promise<RepositoryFacts>>();
  /** The look-up of a repository that was begun last. */
  #latest: Promise<unknown> = Promise.resolve();

  constructor({ http, run, log }: { http: Http; run: RunCommand; log: Log }, stores: RunfileStores, temporary: string) {
    this.#http = http;
    this.#run = run;
    this.#log = log;
    this.#stores = stores;
    this.#temporary = temporary;
  }

  /** What the needs name, and null for the rest. @throws ActionError as the look-ups do */
  async observe(needs: UpstreamNeeds, desired: LookUp, architecture: Architecture): Promise<UpstreamFacts> {
    const repository = (name: RepositoryName) => {
      const wanted = needs.repositories.find((candidate) => candidate.name === name);
      return wanted === undefined ? null : this.#repository(wanted);
    };
    const [runfile, cuda, nvidiaContainer] = await Promise.all([
      needs.driver === null ? null : this.#runfile(needs.driver, desired, architecture),
      repository('cuda'),
      repository('nvidia-container'),
    ]);
    return { runfile, cuda, nvidiaContainer };
  }

  #runfile(version: DriverVersion, desired: LookUp, architecture: Architecture): Promise<RunfileFacts> {
    const { runfile, timeoutMinutes } = desired;
    const over = () =>
      new ActionError(
        'TIMEOUT',
        `The runfile of driver ${version} was not downloaded within ${timeoutMinutes} minutes, to learn its checksum.`,
        'Give the checksum as "runfile-sha256"; raise "timeout-minutes" if the download is merely slow.',
      );
    return once(this.#runfiles, version, () =>
      locateRunfile(
        { http: this.#http, log: this.#log },
        this.#stores,
        runfile,
        version,
        architecture,
        deadline(timeoutMinutes, over),
      ),
    );
  }

  /** One after the other: of several indexes each as large as may be, only one is in memory. */
  #repository(repository: Repository): Promise<RepositoryFacts> {
    return once(this.#repositories, repository.uri, () => {
      const read = () => readRepository(this.#http, this.#run, this.#temporary, repository);
      const reading = this.#latest.then(read, read);
      this.#latest = reading;
      return reading;
    });
  }
}

function once<K, V>(known: Map<K, Promise<V>>, key: K, look: () => Promise<V>): Promise<V> {
  const found = known.get(key) ?? look();
  known.set(key, found);
  return found;
}
