import { describe, expect, it } from 'vitest';
import { Journal, type JournalEntry } from '../../../src/apply/journal.ts';
import { recover } from '../../../src/apply/recover.ts';
import { END_PROCESSES } from '../../../src/proxmox/end-processes.ts';
import { type Answer, FakeHost, type GuestCall, scriptOf } from '../helpers/commands.ts';
import { failureOf } from '../helpers/failure.ts';
import { hostFilesOf } from '../helpers/host-files.ts';
import { RecordingLog } from '../helpers/log.ts';
import { pctOf } from '../helpers/pct.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const SNAPSHOT = 'nvidia-0a1b2c3d';
const DIRECTORY = '/root/proxmox-lxc-nvidia';
const ENTRY: JournalEntry = {
  ctid: 901,
  run: 'run 1',
  since: '2026-11-22T22:00:00.000Z',
  snapshot: SNAPSHOT,
  directory: DIRECTORY,
  passthrough: [],
  restarts: false,
  phase: 'begun',
  step: 'install the user space',
};
const COMPLETE = `[${SNAPSHOT}]\nsnaptime: 1\n`;
const INCOMPLETE = `[${SNAPSHOT}]\nsnapstate: prepare\nsnaptime: 1\n`;

interface Situation {
  entry?: Partial<JournalEntry>;
  /** The container's configuration; null: it is gone. */
  config?: string | null;
  running?: boolean;
  guest?: (call: GuestCall) => Answer;
  pct?: (argv: readonly string[]) => Answer;
}

async function recovering({ entry, config = COMPLETE, running = true, guest, pct }: Situation) {
  const host = new FakeHost(guest ?? (() => ({})), ({ argv }) => pct?.(argv) ?? {});
  const journal = new Journal(901, temporaryDirectory());
  const written = { ...ENTRY, ...entry };
  await journal.write(written);
  const files = hostFilesOf({
    '/etc/pve/local': { link: 'nodes/pve1' },
    ...(config === null ? {} : { '/etc/pve/lxc/901.conf': config }),
    '/proc/net/unix': running ? 'x: 00000002 00000000 00010000 0001 01 1 @/var/lib/lxc/901/command\n' : '',
  });
  const log = new RecordingLog();
  const steps = () =>
    host.raw.map(({ argv }) => {
      if (argv[1] !== 'exec') return argv.slice(1).join(' ');
      return argv.includes(END_PROCESSES) ? 'end processes' : 'repair';
    });
  return { done: recover({ pct: pctOf(host.run), files, log }, journal, written), journal, host, log, steps };
}

describe('recover', () => {
  it.each<[string, Situation, string, string[]]>([
    [
      'back to the snapshot',
      {},
      'rolled-back',
      ['end processes', `rollback 901 ${SNAPSHOT}`, 'start 901', `delsnapshot 901 ${SNAPSHOT}`],
    ],
    [
      'back to the snapshot of a container that was stopped',
      { running: false },
      'rolled-back',
      [`rollback 901 ${SNAPSHOT}`, 'start 901', `delsnapshot 901 ${SNAPSHOT}`],
    ],
    [
      'a snapshot that was still to be dropped',
      { entry: { phase: 'proven' } },
      'completed',
      ['end processes', `delsnapshot 901 ${SNAPSHOT}`],
    ],
    [
      'a snapshot that was not finished: nothing was changed then',
      { config: INCOMPLETE },
      'completed',
      ['end processes', `delsnapshot 901 ${SNAPSHOT} --force 1`],
    ],
    [
      'the lock of a pct of ours that was killed',
      { config: `lock: snapshot-delete\n${COMPLETE}`, entry: { phase: 'proven' } },
      'completed',
      ['unlock 901', `delsnapshot 901 ${SNAPSHOT}`],
    ],
    [
      'a container that a killed snapshot left frozen',
      { config: `lock: snapshot\n${INCOMPLETE}` },
      'completed',
      ['unlock 901', '-n 901', '-n 901', `delsnapshot 901 ${SNAPSHOT} --force 1`],
    ],
    [
      'no snapshot: what is half done is repaired',
      { entry: { snapshot: null } },
      'repaired',
      ['end processes', 'repair'],
    ],
    [
      'no snapshot: entries that were added are taken back',
      {
        entry: { snapshot: null, passthrough: [{ key: 'dev1', path: '/dev/nvidia-uvm' }], restarts: true },
        config: 'dev0: /dev/nvidia0\ndev1: /dev/nvidia-uvm,mode=0666\n',
      },
      'repaired',
      ['end processes', 'set 901 --delete dev1', 'repair'],
    ],
    [
      'no snapshot: stopped in the middle of its restart',
      { entry: { snapshot: null, restarts: true }, running: false },
      'repaired',
      ['start 901', 'repair'],
    ],
    ['a snapshot that is gone', { config: 'hostname: x\n' }, 'repaired', ['end processes', 'repair']],
    ['everything done', { entry: { snapshot: null, phase: 'proven' } }, 'completed', ['end processes']],
    ['a container that is gone', { config: null }, 'completed', []],
  ])('%s', async (_what, situation, recovery, expected) => {
    const { done, journal, steps } = await recovering(situation);
    expect(await done).toBe(recovery);
    expect(steps()).toEqual(expected);
    expect(await journal.read()).toBeNull();
  });

  it('leaves the lock of somebody else alone', async () => {
    const { done, steps } = await recovering({ config: `lock: backup\n${COMPLETE}` });
    await done;
    expect(steps()).not.toContain('unlock 901');
  });

  it('removes the working directory by an argument, and shows what dpkg says', async () => {
    const { done, host, log } = await recovering({
      entry: { snapshot: null },
      guest: () => ({ stdout: 'Setting up x\n' }),
    });
    await done;
    const call = host.calls.at(-1);
    if (call === undefined) throw new Error('no call');
    const { script, args } = scriptOf(call);
    expect(args).toEqual([DIRECTORY]);
    expect(script).not.toContain(DIRECTORY);
    expect(log.lines).toContain('foreign 901 Setting up x');
  });

  it.each<[string, Situation, string]>([
    [
      'the rollback fails',
      { pct: (argv) => (argv[1] === 'rollback' ? { exitCode: 255, stderr: 'no' } : {}) },
      'ROLLBACK_FAILED',
    ],
    ['the start fails', { pct: (argv) => (argv[1] === 'start' ? { exitCode: 255 } : {}) }, 'ROLLBACK_FAILED'],
    [
      'the snapshot stays',
      { entry: { phase: 'proven' }, pct: () => ({ exitCode: 255, stderr: 'busy' }) },
      'SNAPSHOT_FAILED',
    ],
    ['it was stopped without a snapshot', { entry: { snapshot: null }, running: false }, 'CONTAINER_STOPPED'],
    [
      'dpkg can not be repaired',
      { entry: { snapshot: null }, guest: ({ argv }) => (argv.includes(END_PROCESSES) ? {} : { exitCode: 1 }) },
      'RECOVERY_FAILED',
    ],
  ])('keeps the journal for the next try when %s', async (_what, situation, code) => {
    const { done, journal } = await recovering(situation);
    expect((await failureOf(() => done)).code).toBe(code);
    expect(await journal.read()).toMatchObject({ ctid: 901 });
  });
});
