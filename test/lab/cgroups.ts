import { existsSync } from 'node:fs';
import { readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = '/sys/fs/cgroup';

/** What the lab's containers and their monitors are called there (`lxc.cgroup.dir.*` in PctStandIn::Lxc). */
const PREFIX = 'pxlab-';

/**
 * Kills all containers of the lab by their cgroups and removes these: works without the hosts' namespaces and LXC's
 * monitors, as after a lab that was killed. LXC refuses to start a container whose cgroup is there already.
 */
export async function killContainers(): Promise<void> {
  for (let round = 0; ; round++) {
    const groups = await labGroups();
    if (groups.length === 0) return;
    if (round === 250) throw new Error(`These cgroups of dead containers can't be removed: ${groups.join(', ')}.`);
    for (const group of groups) {
      for (const pid of await processesOf(group)) kill(pid);
      // A frozen one, as a snapshot that was killed leaves it, doesn't die before it is let go on.
      await setFrozen(group, false);
      await rmdir(group).catch(() => {}); // busy until its processes are gone: next round
    }
    await sleep(20);
  }
}

/** Freezes a container as a freeze that was killed leaves it, or Proxmox' own: LXC doesn't know of it. */
export async function freezeBehindLxc(ctid: number): Promise<void> {
  const groups = (await labGroups()).filter((group) => basename(group) === `${PREFIX}${ctid}`);
  // Where both versions of cgroups are there, LXC freezes by the older one.
  const older = groups.filter((group) => existsSync(join(group, 'freezer.state')));
  for (const group of older.length > 0 ? older : groups) await setFrozen(group, true);
}

/** All cgroups of the lab, innermost first, in every hierarchy (cgroup v1 has one for each controller). */
async function labGroups(): Promise<string[]> {
  const hierarchies = existsSync(join(ROOT, 'cgroup.controllers'))
    ? [ROOT]
    : (await readdir(ROOT)).map((name) => join(ROOT, name));
  return (await Promise.all(hierarchies.map((hierarchy) => groupsBelow(hierarchy)))).flat();
}

/** LXC makes its cgroups below the one it was started in, wherever that is. */
async function groupsBelow(parent: string): Promise<string[]> {
  const below = await readdir(parent, { withFileTypes: true }).catch(() => []);
  const groups = await Promise.all(
    below
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => (name.startsWith(PREFIX) ? withChildren : groupsBelow)(join(parent, name))),
  );
  return groups.flat();
}

async function withChildren(group: string): Promise<string[]> {
  const below = await readdir(group, { withFileTypes: true }).catch(() => []);
  const children = await Promise.all(
    below.filter((entry) => entry.isDirectory()).map((entry) => withChildren(join(group, entry.name))),
  );
  return [...children.flat(), group];
}

async function setFrozen(group: string, frozen: boolean): Promise<void> {
  for (const [file, state] of [
    ['freezer.state', frozen ? 'FROZEN' : 'THAWED'],
    ['cgroup.freeze', frozen ? '1' : '0'],
  ] as const) {
    if (existsSync(join(group, file))) await writeFile(join(group, file), state).catch(() => {});
  }
}

async function processesOf(group: string): Promise<number[]> {
  const text = await readFile(join(group, 'cgroup.procs'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean).map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ended meanwhile
  }
}
