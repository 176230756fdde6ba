import { expect } from 'vitest';
import { leftovers } from '../e2e/scenario.ts';
import type { Container } from '../lab/container.ts';
import type { ActionResult } from '../lab/runner.ts';
import { JOURNAL } from './faults.ts';
import { type Prepared, softwareOf } from './prepared.ts';

/** What the host knows of a container after a run. */
interface HostState {
  /** `<step>` of the journal's entry, or null: nothing is left to be put right. */
  readonly journal: string | null;
  readonly snapshots: string;
  /** Proxmox' own lock. */
  readonly lock: string | null;
  /** Somebody has the container's lock. */
  readonly busy: boolean;
  readonly running: boolean;
}

export async function hostState(container: Container): Promise<HostState> {
  const { host, ctid } = container;
  const journal = await host.exec(['cat', `${JOURNAL}/${ctid}.json`]);
  const config = (await host.pct('config', String(ctid), '--current')).stdout;
  const list = (await host.pct('listsnapshot', String(ctid))).stdout;
  const lockFile = `/var/lib/proxmox-lxc-nvidia/locks/container-${ctid}.lock`;
  return {
    journal: journal.exitCode === 0 ? journal.stdout : null,
    snapshots: list
      .split('\n')
      .filter((line) => line.includes('nvidia-'))
      .join('\n'),
    lock: /^lock: (.*)$/m.exec(config)?.[1] ?? null,
    busy: (await host.exec(['flock', '--nonblock', lockFile, 'true'])).exitCode !== 0,
    running: await container.isRunning(),
  };
}

/** Nothing of a run is left on the host or in the container, and no process of it runs there. */
async function expectNothingLeft(container: Container, log: string): Promise<void> {
  const { running, ...host } = await hostState(container);
  expect(host, log).toEqual({ journal: null, snapshots: '', lock: null, busy: false });
  if (!running) return;
  expect(await leftovers(container), log).toBe('');
  const processes = await container.execOk({
    script: 'cat /proc/[0-9]*/environ 2> /dev/null | tr "\\0" "\\n" | grep -c ^PROXMOX_LXC_NVIDIA= || :',
  });
  expect(processes.trim(), log).toBe('0');
}

/**
 * What is promised after a run and its post step: the container is as it was or as planned, with nothing left half done;
 * or the run or its post step says what is wrong, and the journal keeps what the next run has to put right.
 */
export async function expectSafe(prepared: Prepared, container: Container, result: ActionResult): Promise<void> {
  const log = logOf(result);
  const { journal, busy, running } = await hostState(container);
  expect(busy, log).toBe(false);
  const warnings = [...result.annotations, ...(result.post?.annotations ?? [])];
  if (journal !== null) {
    expect(
      warnings.map(({ properties }) => properties['title']),
      log,
    ).toContainEqual(expect.stringMatching(/^(RECOVERY|ROLLBACK|SNAPSHOT|CONTAINER)_/));
    return;
  }
  await expectNothingLeft(container, log);
  if (!running) return;
  const software = await softwareOf(container);
  if (software === prepared.was || software === prepared.planned) return;
  // Without a snapshot it may be between both, which the failed run said.
  expect(await hasSnapshots(container), log).toBe(false);
  expect(result.exitCode, log).not.toBe(0);
}

async function hasSnapshots(container: Container): Promise<boolean> {
  return (await container.host.pct('config', String(container.ctid))).stdout.includes('rootfs: local-btrfs:');
}

/** What is promised after one more clean run: as planned, with nothing left. */
export async function expectConverged(prepared: Prepared, container: Container, log: string): Promise<void> {
  await expectNothingLeft(container, log);
  expect(await container.isRunning(), log).toBe(true);
  expect(await softwareOf(container), log).toBe(prepared.planned);
}

export function logOf({ stdout, stderr, post }: ActionResult): string {
  return `main:\n${stdout}${stderr}\npost:\n${post?.stdout ?? 'none'}${post?.stderr ?? ''}`;
}
