import { setTimeout } from 'node:timers/promises';
import type { CommandResult, RunCommand } from '../system/command.ts';
import { isDriverVersion } from '../version/driver.ts';
import type { GpuHealth, HostHealth, Xid } from './facts.ts';

/** Seconds for one look; nvidia-smi alone can take ten where no persistence daemon runs. */
const LIMIT_SECONDS = 30;

/** Seconds after which a command is given up that even KILL doesn't end: one that hangs in the kernel. */
const GIVE_UP_SECONDS = LIMIT_SECONDS + 15;

const FIELDS = [
  'uuid',
  'persistence_mode',
  'compute_mode',
  'mig.mode.current',
  'ecc.errors.uncorrected.volatile.total',
  'ecc.errors.uncorrected.aggregate.total',
];

const MESSAGE = /NVRM: Xid \(PCI:([0-9a-fA-F:.]+)\): (\d+)/g;

/**
 * Looks how the host's driver and GPUs do. Never fails: what the host doesn't tell is null. Only reads.
 *
 * @param giveUpSeconds after which a command isn't waited for any more
 */
export async function observeHealth(run: RunCommand, giveUpSeconds = GIVE_UP_SECONDS): Promise<HostHealth> {
  const look = (...argv: [string, ...string[]]): Promise<CommandResult> => {
    const ended = run(argv, { timeoutSeconds: LIMIT_SECONDS }).catch(() => nothing(127));
    return Promise.race([ended, setTimeout(giveUpSeconds * 1000, nothing(137), { ref: false })]);
  };
  const [module, xids, gpus, processes] = await Promise.all([
    look('/sbin/modinfo', '-F', 'version', 'nvidia'),
    observeXids(look),
    look('/usr/bin/nvidia-smi', `--query-gpu=${FIELDS.join(',')}`, '--format=csv,noheader,nounits'),
    look('/usr/bin/nvidia-smi', '--query-compute-apps=gpu_uuid,pid', '--format=csv,noheader'),
  ]);
  const installed = module.stdout.trim();
  return {
    installedDriver: module.exitCode === 0 && isDriverVersion(installed) ? installed : null,
    xids,
    smiHangs: [gpus, processes].some(({ exitCode }) => exitCode === 124 || exitCode === 137),
    gpus: gpus.exitCode === 0 ? parseGpuHealth(gpus.stdout, processes.exitCode === 0 ? processes.stdout : null) : null,
  };
}

const nothing = (exitCode: number): CommandResult => ({ exitCode, stdout: '', stderr: '' });

/** From the journal, which keeps all since the start; where there is none, from the kernel's own, shorter memory. */
async function observeXids(look: (...argv: [string, ...string[]]) => Promise<CommandResult>): Promise<Xid[] | null> {
  const journal = await look('/usr/bin/journalctl', '-k', '-b', '-q', '-o', 'cat', '--no-pager', '--grep=NVRM: Xid');
  // It also ends with 1 when nothing matches.
  if (journal.exitCode === 0) return parseXids(journal.stdout);
  const memory = await look('/bin/dmesg');
  return memory.exitCode === 0 ? parseXids(memory.stdout) : null;
}

/** The Xid messages in a kernel's log (docs/facts.md, E2). */
export function parseXids(log: string): Xid[] {
  return [...log.matchAll(MESSAGE)].map(([, bus = '', code]) => ({
    bus: bus.replace(/\.\d$/, ''),
    code: Number(code),
  }));
}

/**
 * GPUs from the csv of nvidia-smi's two queries.
 *
 * @param processes lines of `gpu_uuid, pid`; null: not known
 */
export function parseGpuHealth(gpus: string, processes: string | null): GpuHealth[] {
  const users = processes?.split('\n').map((line) => line.split(',')[0]?.trim());
  return gpus.split('\n').flatMap((line) => {
    const [uuid = '', persistence, computeMode = '', mig, volatile, aggregate] = line
      .split(',')
      .map((field) => field.trim());
    if (!uuid.startsWith('GPU-')) return [];
    return [
      {
        uuid,
        persistence: enabled(persistence),
        computeMode: /^\w+$/.test(computeMode) ? computeMode : null,
        mig: enabled(mig),
        eccErrors: { volatile: count(volatile), aggregate: count(aggregate) },
        processes: users === undefined ? null : users.filter((user) => user === uuid).length,
      },
    ];
  });
}

/** `[N/A]`, `[Not Supported]`, `[Unknown Error]` can stand in any field. */
function enabled(field: string | undefined): boolean | null {
  return field === 'Enabled' ? true : field === 'Disabled' ? false : null;
}

function count(field: string | undefined): number | null {
  return field !== undefined && /^\d+$/.test(field) ? Number(field) : null;
}
