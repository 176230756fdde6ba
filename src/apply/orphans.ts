import type { HostFiles } from '../system/files.ts';
import { MARK } from '../system/guest-environment.ts';

/** Calls of pct that change a container and aren't ended with the run that made them. */
const MANAGING = ['snapshot', 'rollback', 'delsnapshot', 'start', 'unlock', 'set', 'shutdown'];

/** A process of this host that works on a container. */
export interface PctProcess {
  pid: number;
  /** `pct rollback`, `pct exec` */
  what: string;
}

/**
 * What stands before pct in a call of ours, from the outside inwards: each process of the chain shows all that is after it. A
 * text stands for itself, null for anything.
 */
const BEFORE_PCT: readonly (readonly (string | null)[])[] = [
  ['/usr/bin/setsid', '--wait', '--'],
  // The script that gives it pipes, and its argument: a file.
  ['/bin/bash', '--norc', '-c', null, 'bash', null],
  ['/usr/bin/sudo', '-n', '--'],
  ['/usr/bin/timeout', '-k', '10', null],
  ['/usr/bin/perl'],
  ['-T'],
];

/**
 * What still runs on this host of an action that was killed: its calls of pct go on without it, and one that was only just
 * started begins its work when nobody expects it any more. Told by their arguments: an `exec` of ours carries the mark.
 *
 * Whoever is in a container can call a process whatever they like, and the host's /proc shows it: only processes of the host's own
 * that root or this user started count.
 *
 * @param uid of the user whose runs are meant
 */
export async function orphansOf(files: HostFiles, ctid: number, uid = process.getuid?.() ?? 0): Promise<PctProcess[]> {
  // One that ends meanwhile can be unreadable in more ways than not being there (ESRCH).
  const read = async (path: string) => (await files.read(path).catch(() => null)) ?? '';
  const found: PctProcess[] = [];
  for (const name of await files.list('/proc')) {
    if (!/^\d+$/.test(name) || !isOwn(await read(`/proc/${name}/status`), uid)) continue;
    const what = workOn((await read(`/proc/${name}/cmdline`)).split('\0'), String(ctid));
    if (what !== null) found.push({ pid: Number(name), what });
  }
  return found;
}

/**
 * Whether a process belongs to root or a user, and to the pid namespace of this host, by its status (proc_pid_status(5)): a process
 * of a container, a privileged one included, has a number in the container's own namespace, too.
 */
function isOwn(status: string, uid: number): boolean {
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]?.trim().split(/\s+/) ?? [];
  const [real] = field('Uid');
  return field('NSpid').length === 1 && (real === '0' || real === String(uid));
}

/** A container's id counts in its own place only: a time limit in seconds can be the same number. */
function workOn(argv: readonly string[], ctid: string): string | null {
  let rest = argv;
  for (const words of BEFORE_PCT) {
    if (words.every((word, index) => word === null || word === rest[index])) rest = rest.slice(words.length);
  }
  const [program, subcommand = '', target] = rest;
  if (target !== ctid) return null;
  const marked = rest.some((word) => word.startsWith(`${MARK}=`));
  if (program === 'lxc-attach') return subcommand === '-n' && marked ? 'pct exec' : null;
  if (program !== '/usr/sbin/pct') return null;
  return MANAGING.includes(subcommand) || (subcommand === 'exec' && marked) ? `pct ${subcommand}` : null;
}
