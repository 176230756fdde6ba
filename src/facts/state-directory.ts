import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ActionError } from '../errors.ts';
import type { HostAccess } from '../system/access.ts';
import { firstUnusable } from '../system/state.ts';

/** Permission to write for the group, or for all. */
const OTHERS_WRITE = 0o022;

/** A directory that must be there. */
interface Part {
  path: string;
  /** Whose it must be. */
  uid: number;
  /** The command that makes it, or gives one that is there its owner and mode. */
  make: string;
  /** This user must be able to list it. */
  shared: boolean;
}

/** What is wrong with one. */
interface Problem {
  part: Part;
  seen: string;
  /** Somebody else than root can have put something into it, or in its place: nothing in there may be followed. */
  foreign: boolean;
  /** Whose it is instead; null: not another user's. */
  owner: number | null;
}

/**
 * Whether what this action keeps on the host is where nobody else can put something in its place: not only for a user, who could
 * lose it, but also for root, who would follow a link there or believe what is written. Touches nothing.
 *
 * @throws ActionError HOST_NOT_ROOT with the commands that mend it: they destroy nothing, and follow nothing that a user can have
 * made
 */
export async function checkStateDirectory({ user, state, run }: HostAccess): Promise<void> {
  const { root, locks, own } = state;
  const uid = process.getuid?.() ?? 0;
  const rootUid = user.rights === 'root' ? uid : 0;
  const name = basename(own);
  // A user without an entry in the user database has no group that `id` knows.
  const group = /^\d+$/.test(name) ? String(process.getgid?.() ?? 0) : `"$(id -gn ${name})"`;
  const parts: Part[] = [
    { path: root, uid: rootUid, shared: true, make: `install -d -m 0755 -o root -g root ${root}` },
    { path: locks, uid: rootUid, shared: true, make: `install -d -m 0750 -o root -g ${group} ${locks}` },
    { path: own, uid, shared: false, make: `install -d -m 0711 -o ${name} -g ${group} ${own}` },
  ];
  const problems: Problem[] = [];
  for (const part of parts) {
    const problem = await problemOf(part, user.name, user.rights === 'root', name);
    if (problem !== null) problems.push(problem);
  }
  const [first] = problems;
  if (first !== undefined) {
    const commands = first.part.path === root && first.foreign ? await anew(first, parts, run) : problems.flatMap(mend);
    throw new ActionError('HOST_NOT_ROOT', `${first.part.path} ${first.seen}.`, `As root: ${commands.join(' && ')}`);
  }
  const unusable = user.rights === 'root' ? null : await firstUnusable(own);
  if (unusable !== null) {
    throw new ActionError(
      'HOST_NOT_ROOT',
      `The user ${user.name} can't read and write ${unusable}.`,
      `As root: chown -R ${name} ${own}`,
    );
  }

  /** A directory that was foreign is never mended in place, but makes room. */
  function mend({ part: { path, make }, foreign }: Problem): string[] {
    return foreign ? [`mv -T ${path} ${root}.${basename(path)}.aside`, make] : [make];
  }
}

async function problemOf(part: Part, user: string, isRoot: boolean, owner: string): Promise<Problem | null> {
  const { path, uid, shared } = part;
  const problem = (seen: string, rest: Partial<Problem> = {}): Problem => ({
    ...{ part, seen, foreign: false, owner: null },
    ...rest,
  });
  const found = await lstat(path).catch(() => null);
  // Root makes what isn't there yet when it is needed.
  if (found === null) return isRoot ? null : problem(`is not there for the user ${user}`);
  if (!found.isDirectory()) return problem('is not a directory', { foreign: true });
  if ((found.mode & OTHERS_WRITE) !== 0) return problem('can be written to by other users', { foreign: true });
  if (found.uid !== uid) {
    const seen = `belongs to the user with the id ${found.uid}, not ${uid}`;
    return problem(seen, { foreign: found.uid !== 0, owner: found.uid });
  }
  if (!shared || isRoot) return null;
  return access(path, constants.R_OK | constants.X_OK).then(
    () => null,
    () => {
      const seen = `is closed to the user ${user}`;
      if (found.gid === 0 || /^\d+$/.test(owner)) return problem(seen);
      // It is another user's way in: that one must keep it.
      const make = `usermod -aG "$(stat -c %G ${path})" ${owner} && systemctl restart 'actions.runner.*'`;
      return problem(seen, { part: { ...part, make } });
    },
  );
}

/**
 * The commands for a root directory that isn't root's, as one of an earlier version was: as a whole it becomes the part of the user
 * that it belongs to. Not mended where it is: that user can have put a link where one of the commands would make a directory.
 */
async function anew(
  { part, owner }: Problem,
  [, ...below]: readonly Part[],
  run: HostAccess['run'],
): Promise<string[]> {
  const { path: root, make } = part;
  const aside = `${root}.aside`;
  const commands = [`mv -T ${root} ${aside}`, make];
  const old = owner === null ? null : join(root, await nameOf(owner, run));
  commands.push(...below.filter(({ path }) => path !== old).map((one) => one.make));
  if (old !== null) commands.push(`mv -T ${aside} ${old}`, `chmod 0711 ${old}`);
  return commands;
}

/** The login name of an id, as its own run calls its part; the id where it has none. */
async function nameOf(uid: number, run: HostAccess['run']): Promise<string> {
  const { stdout } = await run(['/usr/bin/getent', 'passwd', String(uid)], { timeoutSeconds: 30 });
  return /^(\w[\w.-]*):/.exec(stdout)?.[1] ?? String(uid);
}
