import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import { ActionError } from '../errors.ts';
import type { HostAccess } from '../system/access.ts';
import { type RunCommand, timeLimited } from '../system/command.ts';
import { PRIVILEGED_CALLS, type PrivilegedCall } from '../system/privileged-calls.ts';
import { firstUnusable, type State } from '../system/state.ts';
import { exactly, LIST_CALL, sudoersFor } from '../system/sudoers.ts';
import { lastLines } from '../system/text.ts';
import type { User } from '../system/user.ts';

/** Any file that the cluster file system always has and that only root may read. */
const PRIVILEGED_FILE = '/etc/pve/.vmlist';

const TIME = { timeoutSeconds: 30 };

/** Permission to write for the group, or for all. */
const OTHERS_WRITE = 0o022;

/**
 * Whether this user may do everything that a run could need, so that none of it is missing in the middle. Costs root nothing but
 * looks at a few directories, others two calls of sudo; touches nothing.
 *
 * @throws ActionError HOST_NOT_ROOT with what is missing and what to do
 */
export async function checkRights({ user, state, files, run, runAsRoot }: HostAccess): Promise<void> {
  if (user.rights === 'none') {
    throw new ActionError(
      'HOST_NOT_ROOT',
      `This runs as the user ${user.name}, and the input "sudo" is "never".`,
      'pct works for root only: run the runner as root, or allow sudo.',
    );
  }
  if (user.rights === 'sudo') {
    await checkSudo(user.name, run, runAsRoot);
    if ((await files.read('/proc/1/cmdline').catch(() => null)) === null) {
      throw new ActionError(
        'HOST_NOT_ROOT',
        `The user ${user.name} doesn't see root's processes in /proc.`,
        'Calls of pct that an interrupted run left behind could not be found: mount /proc without hidepid, and run the service without ProtectProc.',
      );
    }
  }
  await checkState(user, state);
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

/** @throws ActionError HOST_NOT_ROOT */
async function checkSudo(user: string, run: RunCommand, runAsRoot: RunCommand): Promise<void> {
  const refuse = (seen: string, remedy: string, rules: string) => new ActionError('HOST_NOT_ROOT', seen, remedy, rules);
  const allowed = async (argv: readonly string[]) =>
    (await run(['/usr/bin/sudo', '-n', '-l', '--', ...timeLimited(60, argv)], TIME)).exitCode === 0;
  // Told by doing it: what `sudo -l` lists can still ask for a password.
  const { exitCode, stderr } = await runAsRoot(['/bin/cat', '--', PRIVILEGED_FILE], TIME);
  if (exitCode !== 0) {
    throw refuse(
      `The user ${user} may not read /etc/pve by sudo without a password (${lastLines(stderr, 3) || `exit code ${exitCode}`}).`,
      'As root, install sudo and put these lines into /etc/sudoers.d/proxmox-lxc-nvidia; docs/sudoers says what they mean, and has the ones for Proxmox VE 7.',
      sudoersFor({ user, kind: 'fence' }),
    );
  }
  if (await allowed(LIST_CALL)) return;
  const missing: PrivilegedCall[] = [];
  for (const call of PRIVILEGED_CALLS) if (!(await allowed([call.program, ...call.sample]))) missing.push(call);
  if (missing.length === 0) return;
  const purposes = [...new Set(missing.map(({ purpose }) => purpose))];
  throw refuse(
    `By the rules for sudo on this host the user ${user} may not ${purposes.join(', nor ')}.`,
    'They are of another version of this action: as root, put those of its docs/sudoers into /etc/sudoers.d/proxmox-lxc-nvidia. These lines are missing.',
    missing.map((call) => exactly(call)).join('\n'),
  );
}
