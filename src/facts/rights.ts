import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import { ActionError } from '../errors.ts';
import type { HostAccess } from '../system/access.ts';
import { firstUnusable, type State } from '../system/state.ts';
import type { User } from '../system/user.ts';
import { type Rules, sudoRules } from './sudo-rules.ts';

/** Permission to write for the group, or for all. */
const OTHERS_WRITE = 0o022;

/**
 * Whether this user may do everything that a run could need, so that none of it is missing in the middle. Costs root nothing but
 * looks at a few directories, others a call of sudo; touches nothing.
 *
 * @param ctids containers by which sudo may be asked, where its rules are not the newest
 * @returns what sudo's rules are; null: they don't matter
 * @throws ActionError HOST_NOT_ROOT with what is missing and what to do
 */
export async function checkRights(host: HostAccess, ctids: readonly number[]): Promise<Rules | null> {
  const { user, state, files } = host;
  if (user.rights === 'none') {
    throw new ActionError(
      'HOST_NOT_ROOT',
      `This runs as the user ${user.name}, and the input "sudo" is "never".`,
      'pct works for root only: run the runner as root, or allow sudo.',
    );
  }
  const rules = user.rights === 'sudo' ? await sudoRules(host, ctids) : null;
  if (user.rights === 'sudo' && (await files.read('/proc/1/cmdline').catch(() => null)) === null) {
    throw new ActionError(
      'HOST_NOT_ROOT',
      `The user ${user.name} doesn't see root's processes in /proc.`,
      'Calls of pct that an interrupted run left behind could not be found: mount /proc without hidepid, and run the service without ProtectProc.',
    );
  }
  await checkState(user, state);
  return rules;
}

/**
 * Whether what this action keeps on the host is where nobody else can put something in its place: not only for a user, who could
 * lose it, but also for root, who would follow a link there or believe what is written.
 *
 * @throws ActionError HOST_NOT_ROOT with the commands that mend it
 */
async function checkState({ name, rights }: User, { root, locks, own }: State): Promise<void> {
  const uid = process.getuid?.() ?? 0;
  const rootUid = rights === 'root' ? uid : 0;
  const owner = name.replace('#', '');
  const group = `"$(id -gn ${owner})"`;
  const refuse = (path: string, problem: string, before = '') =>
    new ActionError(
      'HOST_NOT_ROOT',
      `${path} ${problem}.`,
      `As root: ${before}install -d -m 0755 -o root -g root ${root} && install -d -m 0750 -o root -g ${group} ${locks} && install -d -m 0711 -o ${owner} -g ${group} ${own}`,
    );
  for (const [path, expected] of [
    [root, rootUid],
    [locks, rootUid],
    [own, uid],
  ] as const) {
    const found = await lstat(path).catch(() => null);
    // Root makes what isn't there yet when it is needed.
    if (found === null && rights === 'root') continue;
    if (found === null) throw refuse(path, `is not there for the user ${name}`);
    if (!found.isDirectory()) throw refuse(path, 'is not a directory', `mv ${path} ${path}.aside && `);
    if (found.uid !== expected) throw refuse(path, `belongs to the user with the id ${found.uid}, not ${expected}`);
    if ((found.mode & OTHERS_WRITE) !== 0) throw refuse(path, 'can be written to by other users');
  }
  const closed = await access(locks, constants.R_OK | constants.X_OK).then(
    () => false,
    () => rights !== 'root',
  );
  if (closed) throw refuse(locks, `is closed to the user ${name}`);
  const unusable = rights === 'root' ? null : await firstUnusable(own);
  if (unusable !== null) {
    throw new ActionError(
      'HOST_NOT_ROOT',
      `The user ${name} can't read and write ${unusable}.`,
      `As root: chown -R ${owner}: ${own}`,
    );
  }
}
