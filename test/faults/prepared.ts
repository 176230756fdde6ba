import { Scenario } from '../e2e/scenario.ts';
import type { Container } from '../lab/container.ts';
import { JOURNAL } from './faults.ts';

const OLD_DRIVER = '550.163.01';
const NEW_DRIVER = '580.159.04';
/** Twice what the prepared system takes: a clean run has room enough. */
const DISK = '1600M';

/** Where a container's root volume lies: with snapshots, without, or in an image of its own that can get full. */
export type Storage = 'btrfs' | 'dir' | 'disk';

/** Everything of NVIDIA's, of apt and dpkg in a container: two equal texts mean the same state. */
const SOFTWARE = `
dpkg-query -W -f '\${Package} \${Version} \${db:Status-Abbrev}\\n'
find /etc/apt -type f | sort | xargs sha256sum
find /usr/lib /usr/bin ! -type d \\( -name '*nvidia*' -o -name 'libcuda*' \\) -printf '%p %s %l\\n' | sort
ls -d /usr/local/cuda* 2> /dev/null
:`;

export function softwareOf(container: Container): Promise<string> {
  return container.execOk({ script: SOFTWARE });
}

/**
 * A host with driver 580 and a prepared system to copy: it has driver 550, a driver package from apt that must go, and
 * nothing of NVIDIA's repositories. A run then has every kind of action to do, and takes a few seconds, because apt
 * knows no repository but NVIDIA's.
 */
export class Prepared {
  readonly scenario: Scenario;
  readonly #systems: Record<Storage, Container>;
  /** {@link softwareOf} before a run and after one. */
  readonly was: string;
  readonly planned: string;

  private constructor(scenario: Scenario, systems: Record<Storage, Container>, was: string, planned: string) {
    this.scenario = scenario;
    this.#systems = systems;
    this.was = was;
    this.planned = planned;
  }

  static async make(): Promise<Prepared> {
    const scenario = await Scenario.start({ driver: OLD_DRIVER });
    const { host } = scenario;
    // A disk of the host's own for the journal, small enough to be filled.
    await host.exec(['mkdir', '-p', JOURNAL]);
    await host.exec(['mount', '-t', 'tmpfs', '-o', 'size=256k,mode=700', 'tmpfs', JOURNAL]);
    const system = await scenario.container({ storage: 'btrfs' });
    await system.execOk({
      script: 'rm -rf /etc/apt/sources.list /var/lib/apt/lists && mkdir -p /var/lib/apt/lists/partial',
    });
    await scenario.run({ containers: `${system.ctid}`, 'cuda-version': 'none', 'nvidia-container': 'none' });
    await installDriverPackage(system);
    const was = await softwareOf(system);
    await system.stop();
    await host.setDriver(NEW_DRIVER);
    const image = await scenario.container({ copyOf: system, disk: DISK, start: false });
    const systems = { btrfs: system, dir: system, disk: image };
    const clean = new Prepared(scenario, systems, was, '');
    const container = await clean.copy('btrfs');
    await scenario.run(inputs(container));
    const prepared = new Prepared(scenario, systems, was, await softwareOf(container));
    await container.destroy();
    return prepared;
  }

  /** A new container like the prepared one, running. */
  copy(storage: Storage): Promise<Container> {
    const copyOf = this.#systems[storage];
    return this.scenario.container(storage === 'disk' ? { copyOf, disk: DISK } : { copyOf, storage });
  }
}

/** What is wanted of a copy. */
export function inputs(container: Container): Record<string, string> {
  return { containers: `${container.ctid}`, 'cuda-version': '12.8' };
}

/** A package by name only, so that its removal takes no file of the driver's away. */
async function installDriverPackage(container: Container): Promise<void> {
  const control =
    'Package: libcuda1\nVersion: 550.163.01-1\nArchitecture: amd64\nMaintainer: Lab <lab@lab.test>\nDescription: stand-in\n';
  const script = `
    set -eu
    directory=$(mktemp -d)
    mkdir "$directory/DEBIAN"
    printf '%s' "$1" > "$directory/DEBIAN/control"
    dpkg-deb --build "$directory" /root/package.deb
    dpkg --install /root/package.deb
    rm -rf "$directory" /root/package.deb`;
  await container.execOk({ script, args: [control] });
}
