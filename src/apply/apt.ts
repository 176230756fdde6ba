import { ActionError, type FailureCode } from '../errors.ts';
import type { PackageVersion } from '../plan/actions.ts';
import { packageText } from '../plan/actions.ts';
import type { GuestResult } from '../proxmox/pct.ts';
import { isDriverPackage } from '../repository/apt-files.ts';
import { lastLines } from '../system/text.ts';
import type { ApplyContext } from './context.ts';

/**
 * apt-get without questions: a busy dpkg lock is waited for, a configuration file that was changed is kept, and an index
 * that can't be fetched is an error. No word holds a blank: fixed scripts take them as they are.
 */
export const APT_GET = [
  'apt-get',
  '-y',
  '-o',
  'DPkg::Lock::Timeout=300',
  '-o',
  'Acquire::Retries=3',
  '-o',
  'APT::Update::Error-Mode=any',
  '-o',
  'Dpkg::Use-Pty=0',
  '-o',
  'Dpkg::Options::=--force-confdef',
  '-o',
  'Dpkg::Options::=--force-confold',
];

/** Which failure a text of apt or dpkg means; the first that matches. */
const CAUSES: readonly { pattern: RegExp; code: FailureCode; remedy: string }[] = [
  {
    pattern: /No space left on device|You don't have enough free space/,
    code: 'CONTAINER_SPACE',
    remedy: "Enlarge the container's disk (pct resize) and run this again.",
  },
  {
    pattern: /SHA1 is not considered secure/,
    code: 'APT_SIGNATURE',
    remedy:
      "The repository is signed by a key that this distribution no longer accepts: use the repository of the container's own release.",
  },
  {
    pattern: /NO_PUBKEY|is not signed|BADSIG|EXPKEYSIG|REVKEYSIG|invalid signature|Sub-process .*sqv/i,
    code: 'APT_SIGNATURE',
    remedy: "The repository isn't signed by the key that was set up: a mirror may be stale or tampered with.",
  },
  {
    pattern: /Certificate verification failed|certificate is NOT trusted|No system certificates/i,
    code: 'APT_FAILED',
    remedy:
      "The container doesn't trust the server's certificate: put your CA into /usr/local/share/ca-certificates there and run update-ca-certificates.",
  },
  {
    pattern: /Could not get lock|Unable to acquire the dpkg frontend lock/,
    code: 'APT_LOCKED',
    remedy: 'Another apt or dpkg runs in the container (unattended-upgrades?): wait for it, then run this again.',
  },
];

/**
 * Installs packages with exactly the versions named, never a recommended one, never a driver.
 *
 * @throws ActionError APT_DRIVER_PULLED before anything is changed; APT_… and CONTAINER_SPACE otherwise
 */
export async function installPackages(context: ApplyContext, packages: readonly PackageVersion[]): Promise<void> {
  const wanted = packages.map(packageText);
  const install = [...APT_GET, '--no-install-recommends', 'install'];
  const rehearsal = await aptGet(context, [...install, '-s', ...wanted], 'rehearse the installation', false);
  const drivers = [...rehearsal.stdout.matchAll(/^Inst (\S+)/gm)].flatMap(([, name]) =>
    name !== undefined && isDriverPackage(name.replace(/:.*/, '')) ? [name] : [],
  );
  if (drivers.length > 0) {
    throw new ActionError(
      'APT_DRIVER_PULLED',
      `Installing ${wanted.join(', ')} in container ${context.ctid} would bring driver packages: ${drivers.join(', ')}.`,
      'Nothing was installed. See what in the container allows them: apt-cache policy, /etc/apt/preferences.d.',
    );
  }
  await aptGet(context, [...install, ...wanted], `install ${wanted.join(', ')}`, true);
}

/** Removes packages with their configuration. @throws ActionError APT_… */
export async function removePackages(context: ApplyContext, packages: readonly string[]): Promise<void> {
  await aptGet(context, [...APT_GET, 'purge', ...packages], `remove ${packages.join(', ')}`, true);
}

async function aptGet(
  { ctid, pct, log, secondsLeft }: ApplyContext,
  argv: readonly string[],
  purpose: string,
  shown: boolean,
): Promise<GuestResult> {
  const result = await pct.exec(ctid, argv, {
    purpose: `apt-get: ${purpose}`,
    timeoutSeconds: secondsLeft(),
    ...(shown ? { onLine: (line) => log.foreign(String(ctid), line) } : {}),
  });
  if (result.exitCode !== 0) throw aptFailure(ctid, purpose, result.exitCode, `${result.stdout}\n${result.stderr}`);
  return result;
}

/** What a failed apt-get means, with the lines of its output that matter. */
export function aptFailure(ctid: number, purpose: string, exitCode: number, text: string): ActionError {
  const cause = CAUSES.find(({ pattern }) => pattern.test(text));
  return new ActionError(
    cause?.code ?? 'APT_FAILED',
    `In container ${ctid}, apt-get could not ${purpose} (exit code ${exitCode}).`,
    cause?.remedy ?? "See apt's own words below.",
    errorLines(text),
  );
}

/** apt's errors and warnings, or the last lines where it printed none. */
function errorLines(text: string): string {
  const errors = text.split('\n').filter((line) => /^(?:E|W|Err|dpkg): ?/.test(line));
  return lastLines(errors.length > 0 ? errors.join('\n') : text, 15);
}
