import { diagnose } from '../diagnosis/cause.ts';
import { INSTALLER_CAUSES } from '../diagnosis/installer.ts';
import { ActionError } from '../errors.ts';
import type { UserSpace } from '../facts/facts.ts';
import { parseUserSpace } from '../facts/guest.ts';
import { RECORD, USER_SPACE_RECORDS } from '../facts/user-space-records.ts';
import type { Action } from '../plan/actions.ts';
import { userSpaceText, userSpaceVersion } from '../plan/gaps.ts';
import type { GuestResult } from '../proxmox/pct.ts';
import type { Archive } from '../runfile/archive-store.ts';
import { bytesText, lastLines, NO_SPACE, printable } from '../system/text.ts';
import type { ApplyContext } from './context.ts';

/**
 * Unpacks the archive on standard input and runs the installer in it; whatever happens, the working directory is removed. What
 * the installer prints goes to standard error, so that standard output is this script's own: `unpacked`, then after a success
 * the records of the user space, after a failure the end of the installer's log.
 *
 * Arguments: working directory, options of the installer.
 */
const INSTALL = `
set -eu
# Read-only: whatever comes below, nothing else is ever removed.
readonly working=$1; shift
${RECORD}
trap 'cd / && rm -rf -- "$working" || echo "WARNING: $working could not be removed" >&2' EXIT
# dash runs no EXIT trap when a signal ends it, which is how time limits and cancelling come.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
umask 077
rm -rf -- "$working"
mkdir -- "$working"
cd -- "$working"
tar -x --no-same-owner -f -
# An archive can have an entry for this directory, with another mode.
chmod 700 .
echo unpacked
umask 022
# It is always the same file, which also holds what an earlier run left.
rm -f /var/log/nvidia-installer.log
code=0
TMPDIR=$working ./nvidia-installer "$@" < /dev/null >&2 || code=$?
if [ "$code" -ne 0 ]; then
  tail -n 200 /var/log/nvidia-installer.log 2> /dev/null || :
  exit "$code"
fi
${USER_SPACE_RECORDS}`;

const UNPACKED = 'unpacked\n';

/** Lines of the installer's errors that are told; the first ones say what was wrong. */
const MOST_DETAILS = 60;

/**
 * Delivers the driver's files into the container, runs NVIDIA's installer there and proves that it did what it should, in one
 * call of pct.
 *
 * The container's tar is fed, through a pipe, from the very file of this host whose checksum was compared, and tells what it can't
 * write; a checksum of what it wrote would be another read of the same memory.
 *
 * Neither exit code 0 nor the installer's log is proof (docs/facts.md, A10): what counts is that both libraries resolve to
 * exactly this version and that no file of another version is left.
 *
 * @throws ActionError DELIVERY_FAILED, INSTALLER_…, CONTAINER_SPACE
 */
export async function installDriver(
  context: ApplyContext,
  action: Extract<Action, { kind: 'install-driver' }>,
): Promise<void> {
  const { ctid, pct, log, archive, secondsLeft } = context;
  if (archive === null) throw new Error("the plan needs the driver's files, which were not obtained");
  const directory = workingPath(action);
  log.info(`Unpacking driver ${action.version} (${bytesText(archive.size)}) in ${directory} of container ${ctid}.`);
  log.info(`Running nvidia-installer with ${action.flags.join(' ')}`);
  const result = await pct.script(ctid, INSTALL, [directory, ...action.flags], {
    purpose: "running NVIDIA's installer",
    timeoutSeconds: secondsLeft(),
    stdinFile: archive.path,
    onLine: (line, stream) => {
      if (stream === 'stderr') log.foreign(String(ctid), line);
    },
  });
  if (!result.stdout.startsWith(UNPACKED)) throw deliveryFailure(ctid, archive, result);
  const told = result.stdout.slice(UNPACKED.length);
  if (result.exitCode !== 0) throw installerFailure(ctid, action.version, result.exitCode, result.stderr, told);
  checkUserSpace(ctid, action.version, parseUserSpace(told));
}

/** Where in the container an action works; gone afterwards. */
export function workingPath(action: Extract<Action, { kind: 'install-driver' }>): string {
  return `${action.directory}/proxmox-lxc-nvidia`;
}

function deliveryFailure(ctid: number, archive: Archive, { exitCode, stderr }: GuestResult): ActionError {
  if (NO_SPACE.test(stderr)) {
    return new ActionError(
      'CONTAINER_SPACE',
      `Container ${ctid} has no room for the driver's files of ${bytesText(archive.size)}.`,
      'Enlarge its disk (pct resize) and run this again.',
    );
  }
  // Too little memory, a read-only file system: as for the installer itself.
  const found = diagnose(INSTALLER_CAUSES, { exitCode, output: stderr }, ctid);
  return new ActionError(
    found?.code ?? 'DELIVERY_FAILED',
    `The driver's files could not be unpacked in container ${ctid} (exit code ${exitCode})${found === null ? '' : `: ${found.cause}`}.`,
    found?.remedy ?? "Nothing was installed. Run this again; if it stays so, check the container's disk.",
    lastLines(stderr, 10),
  );
}

/** @throws ActionError INSTALLER_INCOMPLETE */
function checkUserSpace(ctid: number, version: string, found: UserSpace): void {
  if (userSpaceVersion(found) === version) return;
  throw new ActionError(
    'INSTALLER_INCOMPLETE',
    `NVIDIA's installer ended with exit code 0, but container ${ctid} has user space ${userSpaceText(found)}, not ${version} alone.`,
    'Files of other versions that no installer owns must be removed by hand; a read-only /usr leaves the old ones.',
    found.libraries
      .filter((library) => library.version !== version)
      .map(({ path }) => path)
      .slice(0, MOST_DETAILS)
      .join('\n'),
  );
}

/**
 * The installer's errors, each with the lines it goes on in: a block ends at a blank line or where the next entry begins
 * (in the log there are no blank lines between entries). The last lines where there is none.
 */
export function installerErrors(output: string, log: string): string {
  const text = printable(`${output}\n\n${log}`);
  const errors = new Set<string>();
  let block: string[] = [];
  for (const line of [...text.split('\n'), '']) {
    const begins = line.startsWith('ERROR: ');
    if (begins || line.trim() === '' || /^(?:->|WARNING:|ERROR:|nvidia-installer)/.test(line)) {
      if (block.length > 0) errors.add(block.join('\n'));
      block = begins ? [line] : [];
    } else if (block.length > 0) {
      block.push(line);
    }
  }
  return errors.size > 0 ? [...errors].join('\n').split('\n').slice(0, MOST_DETAILS).join('\n') : lastLines(text, 20);
}

/** What a failed installer means, with its own errors. */
function installerFailure(ctid: number, version: string, exitCode: number, output: string, log: string): ActionError {
  const found = diagnose(INSTALLER_CAUSES, { exitCode, output: `${output}\n${log}` }, ctid);
  return new ActionError(
    found?.code ?? 'INSTALLER_FAILED',
    `NVIDIA's installer of ${version} failed in container ${ctid} with exit code ${exitCode}${found === null ? '' : `: ${found.cause}`}.`,
    found?.remedy ?? 'See its errors below; the whole log is /var/log/nvidia-installer.log in the container.',
    installerErrors(output, log),
  );
}
