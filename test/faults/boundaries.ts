import type { PctFault } from '../lab/pct.ts';

/**
 * Which call of pct a boundary lies at. Regular expressions are on pct's arguments, which hold the scripts that run in
 * the container; `nth` counts the calls that match.
 */
interface Call {
  readonly subcommand: string;
  readonly match?: string;
  readonly nth?: number;
}

const exec = (match: string, nth = 1): Call => ({ subcommand: 'exec', match, nth });

/** Every call of a whole run that changes something or proves something, in its order. */
const CALLS = {
  snapshot: { subcommand: 'snapshot', nth: 1 },
  'setting up apt': exec('proxmox-lxc-nvidia-apt\\.XXXXXX'),
  'rehearsing prerequisites': exec(' install -s libnvidia-container1'),
  'installing prerequisites': exec(' install libnvidia-container1'),
  'removing driver packages': exec(' purge libcuda1'),
  delivery: exec('cat > "\\$1/\\$2"'),
  installer: exec('TMPDIR=\\$directory'),
  check: exec('smi-query nvidia-smi', 2),
  'clean-up': exec('-c rm -rf -- "\\$1" '),
  'rehearsing the toolkit': exec(' install -s cuda-toolkit'),
  'installing the toolkit': exec(' install cuda-toolkit'),
  proof: exec('smi-query nvidia-smi', 3),
  'compiling the kernel': exec('not compiled'),
  'dropping the snapshot': { subcommand: 'delsnapshot', nth: 1 },
  // Only after a failure.
  rollback: { subcommand: 'rollback', nth: 1 },
  start: { subcommand: 'start', nth: 1 },
  repair: exec('rm -rf -- /var/tmp/proxmox-lxc-nvidia'),
} as const satisfies Record<string, Call>;

export type Moment = 'before' | 'during' | 'after';

/** A place in a run at which something can go wrong. */
export interface Boundary {
  readonly name: string;
  readonly moment: Moment;
  /** The conditions of a fault there. */
  readonly call: Call;
  /** Milliseconds from the begin of the call, for `during`. */
  readonly duringMs?: number;
  /** When pct is killed there, then while the container is frozen. */
  readonly killWhenFrozen?: boolean;
  /** A first fault that leads there. */
  readonly provoked?: PctFault;
  /** Only containers on such a storage get there. */
  readonly storage?: 'btrfs' | 'dir';
}

/** pct itself fails instead of starting the installer: the run fails and goes back. */
const FAILED_INSTALLER: PctFault = { ...CALLS.installer, exitCode: 255, stderr: 'lxc-attach: connection refused\n' };

function at(moment: Moment, what: keyof typeof CALLS, more: Omit<Partial<Boundary>, 'name'> = {}): Boundary {
  return { name: `${moment} ${what}`, moment, call: CALLS[what], ...more };
}

const rollback = { storage: 'btrfs', provoked: FAILED_INSTALLER } as const;
const repair = { storage: 'dir', provoked: FAILED_INSTALLER } as const;

export const BOUNDARIES: readonly Boundary[] = [
  at('before', 'snapshot', { storage: 'btrfs' }),
  at('during', 'snapshot', { storage: 'btrfs', duringMs: 20, killWhenFrozen: true }),
  at('after', 'snapshot', { storage: 'btrfs' }),
  at('before', 'setting up apt'),
  at('after', 'setting up apt'),
  at('before', 'rehearsing prerequisites'),
  at('before', 'installing prerequisites'),
  at('after', 'installing prerequisites'),
  at('before', 'removing driver packages'),
  at('after', 'removing driver packages'),
  at('before', 'delivery'),
  at('after', 'delivery'),
  at('before', 'installer'),
  at('during', 'installer', { duringMs: 350 }),
  at('after', 'installer'),
  at('before', 'check'),
  at('before', 'clean-up'),
  at('after', 'clean-up'),
  at('before', 'rehearsing the toolkit'),
  at('before', 'installing the toolkit'),
  at('during', 'installing the toolkit', { duringMs: 700 }),
  at('after', 'installing the toolkit'),
  at('before', 'proof'),
  at('after', 'proof'),
  at('before', 'compiling the kernel'),
  at('after', 'compiling the kernel'),
  at('before', 'dropping the snapshot', { storage: 'btrfs' }),
  at('after', 'dropping the snapshot', { storage: 'btrfs' }),
  at('before', 'rollback', rollback),
  at('after', 'rollback', rollback),
  at('before', 'start', rollback),
  at('after', 'start', rollback),
  { ...at('before', 'dropping the snapshot', rollback), name: 'before dropping the snapshot after a rollback' },
  { ...at('after', 'dropping the snapshot', rollback), name: 'after dropping the snapshot after a rollback' },
  at('before', 'repair', repair),
  at('after', 'repair', repair),
];
