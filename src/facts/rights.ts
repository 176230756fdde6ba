import { ActionError } from '../errors.ts';
import type { HostAccess } from '../system/access.ts';
import { type RunCommand, timeLimited } from '../system/command.ts';
import { PRIVILEGED_CALLS, type PrivilegedCall } from '../system/privileged-calls.ts';
import { firstUnusable, STATE_DIRECTORY } from '../system/state.ts';
import { exactly, LIST_CALL, sudoersFor } from '../system/sudoers.ts';
import { lastLines } from '../system/text.ts';

/** Any file that the cluster file system always has and that only root may read. */
const PRIVILEGED_FILE = '/etc/pve/.vmlist';

const TIME = { timeoutSeconds: 30 };

/**
 * Whether this user may do everything that a run could need, so that none of it is missing in the middle. Costs root nothing,
 * others two calls of sudo; touches nothing.
 *
 * @throws ActionError HOST_NOT_ROOT with what is missing and what to do
 */
export async function checkRights(
  { user, files, run, runAsRoot }: HostAccess,
  stateDirectory = STATE_DIRECTORY,
): Promise<void> {
  if (user.rights === 'root') return;
  if (user.rights === 'none') {
    throw new ActionError(
      'HOST_NOT_ROOT',
      `This runs as the user ${user.name}, and the input "sudo" is "never".`,
      'pct works for root only: run the runner as root, or allow sudo.',
    );
  }
  await checkSudo(user.name, run, runAsRoot);
  if ((await files.read('/proc/1/cmdline').catch(() => null)) === null) {
    throw new ActionError(
      'HOST_NOT_ROOT',
      `The user ${user.name} doesn't see root's processes in /proc.`,
      'Calls of pct that an interrupted run left behind could not be found: mount /proc without hidepid, and run the service without ProtectProc.',
    );
  }
  const unusable = await firstUnusable(stateDirectory);
  if (unusable !== null) {
    const owner = user.name.replace('#', '');
    throw new ActionError(
      'HOST_NOT_ROOT',
      `The user ${user.name} can't read and write ${unusable}.`,
      `As root: install -d -m 0700 ${stateDirectory} && chown -R ${owner}: ${stateDirectory}`,
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
