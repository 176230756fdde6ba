import { APT_CAUSES, OUT_OF_SYNC } from '../diagnosis/apt.ts';
import { diagnose } from '../diagnosis/cause.ts';
import { ActionError } from '../errors.ts';
import type { PackageVersion } from '../plan/actions.ts';
import { packageText } from '../plan/actions.ts';
import type { GuestResult } from '../proxmox/pct.ts';
import { isDriverPackage } from '../repository/apt-files.ts';
import { lastLines, printable } from '../system/text.ts';
import { aptLog, isAptStatus, STATUS_OPTIONS } from './apt-progress.ts';
import type { ApplyContext } from './context.ts';

/**
 * apt-get without questions: a busy dpkg lock is waited for, a configuration file that was changed is kept, and an index
 * that can't be fetched is an error. No word holds a blank: fixed scripts take them as they are.
 *
 * In the locale C, because apt compares every package with every glob of the pin: with multibyte characters each call took
 * 2.4 seconds of CPU longer, with single bytes 0.3 (Debian 12, 100,000 packages).
 */
export const APT_GET = [
  'env',
  'LC_ALL=C',
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

/** Waits between tries while a mirror is synchronised, in seconds. */
const MIRROR_WAITS = [5, 20, 60];

/** Characters of output, from its end, in which the cause of a failure is looked for. */
const SEARCHED = 1024 * 1024;

/**
 * Installs packages with exactly the versions named, never a recommended one, never a driver.
 *
 * @param update fetches the package lists first
 *
 * @throws ActionError APT_DRIVER_PULLED before anything is changed; APT_… and CONTAINER_SPACE otherwise
 */
export async function installPackages(
  context: ApplyContext,
  packages: readonly PackageVersion[],
  update: boolean,
): Promise<void> {
  if (update) await aptGet(context, [...APT_GET, 'update'], 'fetch its package lists', true);
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
  context: ApplyContext,
  argv: readonly string[],
  purpose: string,
  shown: boolean,
): Promise<GuestResult> {
  const { ctid, pct, log, proxy, secondsLeft } = context;
  const run = (command: readonly string[]) => {
    const { argv, options } = proxy.through([...command, ...(shown ? STATUS_OPTIONS : [])]);
    return pct.exec(ctid, argv, {
      ...options,
      purpose: `apt-get: ${purpose}`,
      timeoutSeconds: secondsLeft(),
      ...(shown ? { onLine: aptLog(log, ctid) } : {}),
    });
  };
  const result = await untilMirrorIsInSync(
    context,
    () => run(argv),
    () => run([...APT_GET, 'update']),
  );
  if (result.exitCode !== 0) throw aptFailure(ctid, purpose, result);
  return result;
}

/**
 * Runs apt until it doesn't fail for a mirror in the middle of its synchronisation: a few times, with growing waits. Every
 * other failure is left as it is.
 *
 * @param beforeRetry what is done before another try, however it ends
 */
export async function untilMirrorIsInSync(
  { ctid, log, wait }: ApplyContext,
  run: () => Promise<GuestResult>,
  beforeRetry: () => Promise<unknown> = async () => {},
): Promise<GuestResult> {
  for (const seconds of MIRROR_WAITS) {
    const result = await run();
    if (result.exitCode === 0 || diagnose(APT_CAUSES, endOf(result), ctid)?.code !== OUT_OF_SYNC) return result;
    log.info(`Container ${ctid}: a mirror is being synchronised, next try in ${seconds} s.`);
    await wait(seconds);
    await beforeRetry();
  }
  return run();
}

/** The end of a command's output without status lines, its lines cut to a length that is searched in no time, whatever it holds. */
function endOf({ stdout, stderr }: Pick<GuestResult, 'stdout' | 'stderr'>): string {
  return printable(`${stdout.slice(-SEARCHED)}\n${stderr.slice(-SEARCHED)}`)
    .split('\n')
    .filter((line) => !isAptStatus(line))
    .join('\n');
}

/** What a failed apt-get means, with the lines of its output that matter. */
export function aptFailure(ctid: number, purpose: string, result: GuestResult): ActionError {
  const text = endOf(result);
  const found = diagnose(APT_CAUSES, text, ctid);
  return new ActionError(
    found?.code ?? 'APT_FAILED',
    `In container ${ctid}, apt-get could not ${purpose} (exit code ${result.exitCode})${found === null ? '' : `: ${found.cause}`}.`,
    found?.remedy ?? "See apt's own words below.",
    errorLines(text),
  );
}

/** apt's errors and warnings, or the last lines where it printed none. */
function errorLines(text: string): string {
  const errors = text.split('\n').filter((line) => /^(?:E|W|Err|dpkg): ?/.test(line));
  return lastLines(errors.length > 0 ? errors.join('\n') : text, 15);
}
