import { ActionError } from '../errors.ts';
import type { HostAccess } from '../system/access.ts';
import { timeLimited } from '../system/command.ts';
import { firstUnusable, STATE_DIRECTORY } from '../system/state.ts';
import { lastLines } from '../system/text.ts';

/** Any file that the cluster file system always has and that only root may read. */
const PRIVILEGED_FILE = '/etc/pve/.vmlist';

/** The rules of docs/sudoers for a user. */
export function sudoersFor(user: string): string {
  return [
    `User_Alias PROXMOX_LXC_NVIDIA_RUNNER = ${user}`,
    'Cmnd_Alias PROXMOX_LXC_NVIDIA = /usr/bin/timeout -k 10 * /usr/sbin/pct *, /usr/bin/timeout -k 10 * /usr/bin/lxc-freeze -n *, /usr/bin/timeout -k 10 * /usr/bin/lxc-unfreeze -n *, /usr/bin/timeout -k 10 * /bin/cat -- /etc/pve/*',
    'Defaults!PROXMOX_LXC_NVIDIA env_reset, !requiretty, !use_pty',
    'PROXMOX_LXC_NVIDIA_RUNNER ALL=(root) NOPASSWD: PROXMOX_LXC_NVIDIA',
  ].join('\n');
}

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
  const time = { timeoutSeconds: 30 };
  // Told by doing it: what `sudo -l` lists can still ask for a password. Starting pct would cost half a second of Perl.
  const read = await runAsRoot(['/bin/cat', '--', PRIVILEGED_FILE], time);
  const listed = ['/usr/bin/sudo', '-n', '-l', '--', ...timeLimited(60, ['/usr/sbin/pct', 'list'])] as const;
  const refused = read.exitCode === 0 ? await run(listed, time) : read;
  if (refused.exitCode !== 0) {
    const sudo = lastLines(refused.stderr, 3) || `exit code ${refused.exitCode}`;
    throw new ActionError(
      'HOST_NOT_ROOT',
      `The user ${user.name} may not run pct and read /etc/pve by sudo without a password (${sudo}).`,
      'As root, install sudo and put these lines into /etc/sudoers.d/proxmox-lxc-nvidia; docs/sudoers says what they mean.',
      sudoersFor(user.name),
    );
  }
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
