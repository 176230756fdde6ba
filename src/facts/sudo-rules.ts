import { ActionError } from '../errors.ts';
import { listContainerIds } from '../proxmox/node.ts';
import { MARKER, markerFor, PRIVILEGED_CALLS, type PrivilegedCall, sampleOf } from '../proxmox/privileged-calls.ts';
import { ruleFor, SUDOERS_PATH, type SudoersForm, sudoersFor } from '../proxmox/sudoers.ts';
import type { HostAccess } from '../system/access.ts';
import { timeLimited } from '../system/command.ts';
import { lastLines } from '../system/text.ts';

/** Seconds for one call of sudo's that does nothing. */
const SECONDS = 30;

export interface Rules {
  /** `current`: they were made from this very list of calls. `other`: they weren't, but allow all of them. */
  kind: 'current' | 'other';
  /** Containers that are known to be allowed already. */
  allowed: readonly number[];
}

type Asking = Pick<HostAccess, 'user' | 'files' | 'run' | 'runAsRoot'>;

/**
 * What sudo allows this user. One call of sudo where its rules are of this very list; else each call is asked for.
 *
 * @param ctids containers to ask by; none: all of this host
 * @throws ActionError HOST_NOT_ROOT with the very lines that are missing
 */
export async function sudoRules(access: Asking, ctids: readonly number[]): Promise<Rules> {
  const { user, files, run, runAsRoot } = access;
  // Told by doing it: what `sudo -l` lists can still ask for a password (docs/facts.md, S3).
  let marker = await runAsRoot(markerFor(ctids), { timeoutSeconds: SECONDS });
  if (marker.exitCode === 0) return { kind: 'current', allowed: ctids };
  if (ctids.length > 0) marker = await runAsRoot(markerFor([]), { timeoutSeconds: SECONDS });
  if (marker.exitCode === 0) return { kind: 'current', allowed: [] };

  const [exec, ...others] = PRIVILEGED_CALLS;
  if (exec === undefined) throw new Error('there is nothing to ask for');
  const candidates = ctids.length > 0 ? ctids : await listContainerIds(files);
  const allowed = await firstAllowed(access, exec, candidates);
  const missing: PrivilegedCall[] = allowed === null ? [exec] : [];
  for (const call of others) {
    if (!(await allows(access, sampleOf(call, allowed ?? candidates[0] ?? 100)))) missing.push(call);
  }
  const form = await formOf(run);
  if (missing.length > 0 && missing.length < PRIVILEGED_CALLS.length) {
    const lines = [...new Set([...missing, MARKER].map((call) => ruleFor(user.name, call, form)))];
    throw new ActionError(
      'HOST_NOT_ROOT',
      `Sudo's rules for the user ${user.name} lack ${missing.length} of the ${PRIVILEGED_CALLS.length} calls that this action makes: ${missing.map(nameOf).join(', ')}.`,
      `They are of an older version, or narrower: as root, add these lines to ${SUDOERS_PATH}, or put in its place what docs/sudoers says.`,
      lines.join('\n'),
    );
  }
  const read =
    missing.length === 0
      ? await runAsRoot(['/bin/cat', '--', '/etc/pve/storage.cfg'], { timeoutSeconds: SECONDS })
      : marker;
  if (read.exitCode === 0 || /^\/bin\/cat: /m.test(read.stderr)) return { kind: 'other', allowed: [] };
  throw new ActionError(
    'HOST_NOT_ROOT',
    `The user ${user.name} may not run pct and read /etc/pve by sudo without a password (${lastLines(read.stderr, 3) || `exit code ${read.exitCode}`}).`,
    `As root, install sudo and put these lines into ${SUDOERS_PATH}; docs/sudoers says what they mean.`,
    sudoersFor(user.name, form),
  );
}

/**
 * Which of the containers sudo's rules keep this user from, each with its refusal. At most one call of sudo where that is none.
 *
 * @param rules what {@link sudoRules} found
 */
export async function refusedContainers(
  access: Asking,
  rules: Rules,
  ctids: readonly number[],
): Promise<Map<number, ActionError>> {
  const refused = new Map<number, ActionError>();
  const unknown = ctids.filter((ctid) => !rules.allowed.includes(ctid));
  if (unknown.length === 0) return refused;
  if (rules.kind === 'current') {
    const { exitCode } = await access.runAsRoot(markerFor(unknown), { timeoutSeconds: SECONDS });
    if (exitCode === 0) return refused;
  }
  const [exec = MARKER] = PRIVILEGED_CALLS;
  for (const ctid of unknown) {
    if (await allows(access, sampleOf(rules.kind === 'current' ? MARKER : exec, ctid))) continue;
    refused.set(
      ctid,
      new ActionError(
        'CONTAINER_NOT_ALLOWED',
        `Sudo's rules keep the user ${access.user.name} from container ${ctid}.`,
        `Add its id to the lists in ${SUDOERS_PATH} (visudo -f ${SUDOERS_PATH}), or leave it out of "containers".`,
      ),
    );
  }
  return refused;
}

async function firstAllowed(access: Asking, call: PrivilegedCall, ctids: readonly number[]): Promise<number | null> {
  for (const ctid of ctids) if (await allows(access, sampleOf(call, ctid))) return ctid;
  return null;
}

/** Whether sudo lists a call as allowed. Nothing is run. */
async function allows({ run }: Asking, argv: readonly string[]): Promise<boolean> {
  const { exitCode } = await run(['/usr/bin/sudo', '-n', '-l', '--', ...timeLimited(SECONDS, argv)], {
    timeoutSeconds: SECONDS,
  });
  return exitCode === 0;
}

/** The form that this host's sudo understands: regular expressions from 1.9.10 on. */
async function formOf(run: HostAccess['run']): Promise<SudoersForm> {
  const { stdout } = await run(['/usr/bin/sudo', '-V'], { timeoutSeconds: SECONDS });
  const [, major, minor, patch] = /^Sudo version (\d+)\.(\d+)\.(\d+)/m.exec(stdout)?.map(Number) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) return 'fence';
  return major > 1 || minor > 9 || (minor === 9 && patch >= 10) ? 'fence' : 'open';
}

/** A call as people name it: `pct delsnapshot`. */
function nameOf({ program, args }: PrivilegedCall): string {
  const verb = program.endsWith('/pct') ? [args[0], args.find((arg) => arg === '--delete')] : [];
  return [program.slice(program.lastIndexOf('/') + 1), ...verb.filter((arg) => typeof arg === 'string')].join(' ');
}
