import { ActionError } from '../errors.ts';
import type { HostAccess } from '../system/access.ts';
import { checkStateDirectory } from './state-directory.ts';
import { type Rules, sudoRules } from './sudo-rules.ts';

/**
 * Whether this user may do everything that a run could need, so that none of it is missing in the middle. Costs root nothing but
 * looks at a few directories, others a call of sudo; touches nothing.
 *
 * @param ctids containers by which sudo may be asked, where its rules are not the newest
 * @returns what sudo's rules are; null: they don't matter
 * @throws ActionError HOST_NOT_ROOT with what is missing and what to do
 */
export async function checkRights(host: HostAccess, ctids: readonly number[]): Promise<Rules | null> {
  const { user, files } = host;
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
  await checkStateDirectory(host);
  return rules;
}
