import { diagnose } from '../diagnosis/cause.ts';
import { INSTALLER_CAUSES } from '../diagnosis/installer.ts';
import { ActionError } from '../errors.ts';
import { parseProbe } from '../facts/guest.ts';
import { GUEST_PROBE } from '../facts/guest-probe.ts';
import type { Action } from '../plan/actions.ts';
import { userSpaceText, userSpaceVersion } from '../plan/gaps.ts';
import type { GuestResult } from '../proxmox/pct.ts';
import { bytesText, lastLines, printable } from '../system/text.ts';
import { type ApplyContext, CLEANUP_SECONDS } from './context.ts';

/** Makes an empty working directory, writes standard input to a file in it and prints the file's size and sha256. */
const RECEIVE = `
set -eu
umask 077
rm -rf -- "$1"
mkdir -- "$1"
cat > "$1/$2"
stat -c %s -- "$1/$2"
sha256sum -- "$1/$2" | cut -d ' ' -f 1
`;

/**
 * Runs the runfile. TMPDIR, not --tmpdir, because the decompressor inside heeds only that (docs/facts.md, A10).
 * The log is the installer's usual one, which also holds what an earlier run left: it is removed first.
 */
const INSTALL = `
set -eu
directory=$1 name=$2; shift 2
rm -f /var/log/nvidia-installer.log
cd -- "$directory"
TMPDIR=$directory; export TMPDIR
exec sh "./$name" "$@"
`;

/** Lines of the installer's errors that are told; the first ones say what was wrong. */
const MOST_DETAILS = 60;

const CLEAN_UP = 'rm -rf -- "$1"';
const INSTALLER_LOG = 'tail -n 200 /var/log/nvidia-installer.log';

/**
 * Delivers the runfile into the container, runs its installer and proves that it did what it should. Whatever happens,
 * the working directory is removed.
 *
 * Neither exit code 0 nor the installer's log is proof (docs/facts.md, A10): what counts is that both libraries resolve to
 * exactly this version and that no file of another version is left.
 *
 * @throws ActionError DELIVERY_FAILED, INSTALLER_…, CONTAINER_SPACE, and what obtaining the runfile throws
 */
export async function installDriver(
  context: ApplyContext,
  action: Extract<Action, { kind: 'install-driver' }>,
): Promise<void> {
  const { ctid, pct, log, secondsLeft } = context;
  const directory = workingPath(action);
  const runfile = await context.obtainRunfile({ version: action.version, ...action.runfile });
  try {
    log.info(`Delivering ${runfile.name} (${bytesText(runfile.size)}) to ${directory} in container ${ctid}.`);
    const received = await pct.script(ctid, RECEIVE, [directory, runfile.name], {
      purpose: 'delivering the runfile',
      timeoutSeconds: secondsLeft(),
      stdinFile: runfile.path,
    });
    checkDelivery(ctid, received, runfile);

    log.info(`Running nvidia-installer with ${action.flags.join(' ')}`);
    const installed = await pct.script(ctid, INSTALL, [directory, runfile.name, ...action.flags], {
      purpose: "running NVIDIA's installer",
      timeoutSeconds: secondsLeft(),
      onLine: (line) => log.foreign(String(ctid), line),
    });
    await checkInstallation(context, action.version, installed);
  } finally {
    await removeDirectory(context, directory);
  }
}

/** Twice where pct fails: no later run would look for what stays, and it may be gigabytes. Only warns. */
async function removeDirectory({ ctid, pct, log }: ApplyContext, directory: string): Promise<void> {
  const remove = () =>
    pct.script(ctid, CLEAN_UP, [directory], {
      purpose: 'cleaning up',
      timeoutSeconds: CLEANUP_SECONDS,
      evenIfCancelled: true,
    });
  await remove()
    .catch(remove)
    .catch((error: unknown) =>
      log.warning(`${directory} in container ${ctid} could not be removed: ${error}`, 'Left behind'),
    );
}

/** Where in the container an action works; gone afterwards. */
export function workingPath(action: Extract<Action, { kind: 'install-driver' }>): string {
  return `${action.directory}/proxmox-lxc-nvidia`;
}

function checkDelivery(ctid: number, result: GuestResult, runfile: { size: number; sha256: string }): void {
  if (result.stderr.includes('No space left on device')) {
    throw new ActionError(
      'CONTAINER_SPACE',
      `Container ${ctid} has no room for the runfile of ${bytesText(runfile.size)}.`,
      'Enlarge its disk (pct resize) and run this again.',
    );
  }
  const [size, sha256] = result.stdout.trim().split('\n');
  if (result.exitCode === 0 && Number(size) === runfile.size && sha256 === runfile.sha256) return;
  throw new ActionError(
    'DELIVERY_FAILED',
    `The runfile arrived in container ${ctid} with ${size || 'no'} bytes and sha256 ${sha256 ?? 'unknown'}, not ${runfile.size} bytes and ${runfile.sha256}.`,
    "Nothing was installed. Run this again; if it stays so, check the container's disk.",
    lastLines(result.stderr, 10),
  );
}

async function checkInstallation(context: ApplyContext, version: string, result: GuestResult): Promise<void> {
  const { ctid, pct } = context;
  const output = `${result.stdout}\n${result.stderr}`;
  if (result.exitCode !== 0) {
    const installerLog = await pct
      .script(ctid, INSTALLER_LOG, [], { purpose: "reading the installer's log", timeoutSeconds: CLEANUP_SECONDS })
      .then(({ stdout }) => stdout)
      .catch(() => '');
    throw installerFailure(ctid, version, result.exitCode, output, installerLog);
  }
  const probe = await pct.script(ctid, GUEST_PROBE, [''], {
    purpose: 'checking it',
    timeoutSeconds: secondsFor(context),
  });
  const guest = parseProbe(probe.stdout);
  if (guest !== null && userSpaceVersion(guest) === version) return;
  throw new ActionError(
    'INSTALLER_INCOMPLETE',
    `NVIDIA's installer ended with exit code 0, but container ${ctid} has user space ${guest === null ? 'unknown' : userSpaceText(guest)}, not ${version} alone.`,
    'Files of other versions that no installer owns must be removed by hand; a read-only /usr leaves the old ones.',
    guest?.libraries
      .filter((library) => library.version !== version)
      .map(({ path }) => path)
      .join('\n'),
  );
}

function secondsFor({ secondsLeft }: ApplyContext): number {
  return Math.max(secondsLeft(), CLEANUP_SECONDS);
}

/**
 * The installer's errors, each with the lines it goes on in: a block ends at a blank line or where the next entry begins
 * (in the log there are no blank lines between entries). The last lines where there is none.
 */
function installerErrors(output: string, log: string): string {
  const text = printable(`${output}\n\n${log}`);
  const errors = text.match(/^ERROR: .*(?:\n(?!\s*$|->|WARNING:|ERROR:|nvidia-installer).*)*/gm) ?? [];
  return errors.length > 0
    ? [...new Set(errors)].join('\n').split('\n').slice(0, MOST_DETAILS).join('\n')
    : lastLines(text, 20);
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
