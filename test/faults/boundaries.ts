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
  'installing prerequisites': exec(' libnvidia-container1='),
  'removing driver packages': exec(' purge libcuda1'),
  // Delivers, installs, looks and cleans up.
  'installing the driver': exec('TMPDIR=\\$working'),
  'installing the toolkit': exec(' cuda-toolkit-'),
  proof: exec('smi-query nvidia-smi', 2),
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
const FAILED_INSTALLER: PctFault = {
  ...CALLS['installing the driver'],
  exitCode: 255,
  stderr: 'lxc-attach: connection refused\n',
};

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
  at('during', 'setting up apt', { duringMs: 700 }),
  at('after', 'setting up apt'),
  at('before', 'installing prerequisites'),
  at('during', 'installing prerequisites', { duringMs: 700 }),
  at('after', 'installing prerequisites'),
  at('before', 'removing driver packages'),
  at('after', 'removing driver packages'),
  at('before', 'installing the driver'),
  { ...at('during', 'installing the driver', { duringMs: 100 }), name: 'during delivery' },
  at('during', 'installing the driver', { duringMs: 350 }),
  at('after', 'installing the driver'),
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
