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
 * What still runs on this host of an action that was killed: its calls of pct go on without it, and one that was only just
 * started begins its work when nobody expects it any more. Told by their arguments: an `exec` of ours carries the mark.
 */
export async function orphansOf(files: HostFiles, ctid: number): Promise<PctProcess[]> {
  const found: PctProcess[] = [];
  for (const name of await files.list('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // One that ends meanwhile can be unreadable in more ways than not being there (ESRCH).
    const argv = ((await files.read(`/proc/${name}/cmdline`).catch(() => null)) ?? '').split('\0');
    const what = workOn(argv, String(ctid));
    if (what !== null) found.push({ pid: Number(name), what });
  }
  return found;
}

/** A container's id counts in its own place only: a time limit in seconds can be the same number. */
function workOn(argv: readonly string[], ctid: string): string | null {
  const marked = argv.some((word) => word.startsWith(`${MARK}=`));
  const attach = argv.indexOf('lxc-attach');
  if (attach >= 0 && argv[attach + 1] === '-n' && argv[attach + 2] === ctid) return marked ? 'pct exec' : null;
  const pct = argv.indexOf('/usr/sbin/pct');
  if (pct < 0 || argv[pct + 2] !== ctid) return null;
  const subcommand = argv[pct + 1] ?? '';
  return MANAGING.includes(subcommand) || (subcommand === 'exec' && marked) ? `pct ${subcommand}` : null;
}
