import { randomUUID } from 'node:crypto';
import { APT_CAUSES, OUT_OF_SYNC } from '../diagnosis/apt.ts';
import { diagnose } from '../diagnosis/cause.ts';
import { ActionError } from '../errors.ts';
import type { PackageVersion } from '../plan/actions.ts';
import { packageText } from '../plan/actions.ts';
import type { GuestResult } from '../proxmox/pct.ts';
import { DRIVER_NAMES } from '../repository/apt-files.ts';
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

/** {@link APT_GET} with its progress told. */
const SHOWN_APT_GET = [...APT_GET, ...STATUS_OPTIONS];

/** Waits between tries while a mirror is synchronised, in seconds. */
const MIRROR_WAITS = [5, 20, 60];

/** Driver packages that a message names; one is enough to know. */
const MOST_NAMED = 10;

/** Characters of output, from its end, in which the cause of a failure is looked for. */
const SEARCHED = 1024 * 1024;

/**
 * What apt runs just before it changes anything. Given what it is about to do (`VERSION 2`, its configuration, an empty line, then
 * per package `NAME OLD < NEW FILE`), this ends it when a driver package is among what it would install, and names that; also
 * when it is given anything else. It knows more than a rehearsal would. Source: apt.conf(5), DPkg::Pre-Install-Pkgs, version 2
 * of its interface.
 *
 * @param word what a line begins with that names a driver package: one that no package's script can know
 */
function keepDriversOut(word: string): string {
  return `sh -euc '${[
    'input=$(cat)',
    'case $input in "VERSION 2"*) ;; *) echo "apt told something else than its plan" >&2; exit 1 ;; esac',
    'code=0',
    `names=$(printf "%s\\n" "$input" | sed -n "1,/^\\$/d; s,^\\([^ ]*\\) .* /.*,\\1,p" | grep -Ex "${DRIVER_NAMES}") || code=$?`,
    'if [ "$code" -gt 1 ]; then exit 1; fi',
    `for name in $names; do echo "${word} $name" >&2; done`,
    '[ -z "$names" ]',
  ].join('; ')}'`;
}

/** Arguments: `yes` to fetch the package lists first, {@link keepDriversOut}, the packages. */
const INSTALL = `
set -eu
update=$1 hook=$2; shift 2
if [ "$update" = yes ]; then ${SHOWN_APT_GET.join(' ')} update; fi
exec ${SHOWN_APT_GET.join(' ')} --no-install-recommends \
  -o "DPkg::Pre-Install-Pkgs::=$hook" -o "DPkg::Tools::Options::${'$'}{hook%% *}::Version=2" install "$@"
`;

/**
 * Installs packages with exactly the versions named, never a recommended one, never a driver. One call of pct.
 *
 * @param update fetches the package lists first
 *
 * @throws ActionError APT_DRIVER_PULLED before anything is installed; APT_… and CONTAINER_SPACE otherwise
 */
export async function installPackages(
  context: ApplyContext,
  packages: readonly PackageVersion[],
  update: boolean,
): Promise<void> {
  const wanted = packages.map(packageText).join(', ');
  const purpose = `install ${wanted}`;
  const word = randomUUID();
  const script = ['/bin/sh', '-c', INSTALL, 'proxmox-lxc-nvidia'];
  const result = await untilMirrorIsInSync(context, (again) =>
    aptGet(
      context,
      [...script, update || again ? 'yes' : 'no', keepDriversOut(word), ...packages.map(packageText)],
      purpose,
    ),
  );
  if (result.exitCode === 0) return;
  const drivers = result.stderr
    .split('\n')
    .flatMap((line) => (line.startsWith(`${word} `) ? line.slice(word.length + 1) : []));
  if (drivers.length === 0) throw aptFailure(context.ctid, purpose, result);
  // What was downloaded for nothing: with a toolkit it is gigabytes.
  await aptGet(context, [...APT_GET, 'clean'], 'remove what was downloaded').catch(() => {});
  const named = drivers.slice(0, MOST_NAMED).join(', ') + (drivers.length > MOST_NAMED ? ', …' : '');
  throw new ActionError(
    'APT_DRIVER_PULLED',
    `Installing ${wanted} in container ${context.ctid} would bring driver packages: ${named}.`,
    'Nothing was installed. See what in the container allows them: apt-cache policy, /etc/apt/preferences.d.',
  );
}

/** Removes packages with their configuration. @throws ActionError APT_… */
export async function removePackages(context: ApplyContext, packages: readonly string[]): Promise<void> {
  const purpose = `remove ${packages.join(', ')}`;
  const result = await aptGet(context, [...SHOWN_APT_GET, 'purge', ...packages], purpose);
  if (result.exitCode !== 0) throw aptFailure(context.ctid, purpose, result);
}

/** Runs apt-get with its progress shown. */
function aptGet(context: ApplyContext, command: readonly string[], purpose: string): Promise<GuestResult> {
  const { ctid, pct, log, proxy, secondsLeft } = context;
  const { argv, options } = proxy.through(command);
  return pct.exec(ctid, argv, {
    ...options,
    purpose: `apt-get: ${purpose}`,
    timeoutSeconds: secondsLeft(),
    onLine: aptLog(log, ctid),
  });
}

/**
 * Runs apt until it doesn't fail for a mirror in the middle of its synchronisation: a few times, with growing waits. Every
 * other failure is left as it is.
 *
 * @param run told whether it was run before, and should fetch the package lists anew
 */
export async function untilMirrorIsInSync(
  { ctid, log, wait }: ApplyContext,
  run: (again: boolean) => Promise<GuestResult>,
): Promise<GuestResult> {
  let again = false;
  for (const seconds of MIRROR_WAITS) {
    const result = await run(again);
    if (result.exitCode === 0 || diagnose(APT_CAUSES, endOf(result), ctid)?.code !== OUT_OF_SYNC) return result;
    log.info(`Container ${ctid}: a mirror is being synchronised, next try in ${seconds} s.`);
    await wait(seconds);
    again = true;
  }
  return run(again);
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
