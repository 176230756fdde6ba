import { describe, expect, it } from 'vitest';
import { Journal } from '../../../src/apply/journal.ts';
import { Protection, type RecordStep } from '../../../src/apply/protection.ts';
import { ActionError } from '../../../src/errors.ts';
import type { ContainerPlan } from '../../../src/plan/actions.ts';
import { State } from '../../../src/system/state.ts';
import type { World } from '../../../src/world.ts';
import { type Answer, FakeHost } from '../helpers/commands.ts';
import { failureOf } from '../helpers/failure.ts';
import { type FileTree, hostFilesOf } from '../helpers/host-files.ts';
import { RecordingLog } from '../helpers/log.ts';
import { pctOf } from '../helpers/pct.ts';
import { containerPlan } from '../helpers/results.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const unused = () => Promise.reject(new Error('not needed'));
const BROKEN = new ActionError('APT_FAILED', 'It failed.', 'x');

interface Situation {
  safety?: ContainerPlan['safety'];
  actions?: ContainerPlan['actions'];
  pct?: (argv: readonly string[], count: number) => Answer;
  cancelled?: AbortSignal;
}

/** A protection of container 901 on a host whose pct really makes and drops snapshots, in its configuration. */
function protection({
  safety = { kind: 'snapshot' },
  actions = [],
  pct,
  cancelled = new AbortController().signal,
}: Situation = {}) {
  const tree: FileTree = {
    '/etc/pve/local': { link: 'nodes/pve1' },
    '/etc/pve/lxc/901.conf': 'hostname: x\n',
    '/proc/net/unix': 'x: 00000002 00000000 00010000 0001 01 1 @/var/lib/lxc/901/command\n',
  };
  const commands: string[] = [];
  const host = new FakeHost(
    () => {
      commands.push('exec');
      return {};
    },
    ({ argv }) => {
      const [, command = '', , name = ''] = argv;
      commands.push(command);
      const answer = pct?.(argv, commands.filter((known) => known === command).length) ?? {};
      if ((answer.exitCode ?? 0) === 0) {
        if (command === 'snapshot') tree['/etc/pve/lxc/901.conf'] = `hostname: x\n[${name}]\nsnaptime: 1\n`;
        if (command === 'delsnapshot') tree['/etc/pve/lxc/901.conf'] = 'hostname: x\n';
      }
      return answer;
    },
  );
  const log = new RecordingLog();
  const journal = new Journal(901, temporaryDirectory());
  const world: World = {
    files: hostFilesOf(tree),
    user: { name: 'root', rights: 'root' },
    state: new State('root', temporaryDirectory()),
    run: host.run,
    runAsRoot: host.run,
    http: { get: unused, head: unused, download: unused },
    log,
    cancelled,
    now: () => new Date(),
    selected: () => {},
    runName: 'local run of process 1',
    machine: 'x86_64',
    temporary: temporaryDirectory(),
  };
  const plan = containerPlan({ actions, safety });
  return { made: new Protection(world, pctOf(host.run), journal, plan), journal, commands, log };
}

describe('Protection', () => {
  it('takes a snapshot before the work and drops it after the proof, and writes everything down before', async () => {
    const { made, journal, commands } = protection();
    await made.around(async (record: RecordStep) => {
      expect(commands).toEqual(['snapshot']);
      await record('one');
      expect(await journal.read()).toMatchObject({
        ctid: 901,
        run: 'local run of process 1',
        phase: 'begun',
        step: 'one',
      });
      expect((await journal.read())?.snapshot).toMatch(/^nvidia-[0-9a-f]{8}$/);
    });
    expect(commands).toEqual(['snapshot', 'delsnapshot']);
    expect(await journal.read()).toBeNull();
    expect(made.recovery).toBeNull();
  });

  it('tells that all is proven when that is written down, before the snapshot is dropped', async () => {
    const { made, journal, commands } = protection();
    const proven = async () => {
      expect(commands).toEqual(['snapshot']);
      expect(await journal.read()).toMatchObject({ phase: 'proven' });
      commands.push('told');
    };
    await made.around(async () => {}, proven);
    expect(commands).toEqual(['snapshot', 'told', 'delsnapshot']);
    await failureOf(() => made.around(() => Promise.reject(BROKEN), proven));
    expect(commands.filter((command) => command === 'told')).toHaveLength(1);
  });

  it('writes down what its plan adds to the configuration, and that it restarts', async () => {
    const entries = [{ key: 'dev3', path: '/dev/nvidia-uvm', value: '/dev/nvidia-uvm,mode=0666' }];
    const { made, journal } = protection({
      actions: [
        { kind: 'configure-passthrough', reason: 'x', entries },
        { kind: 'restart', reason: 'x' },
      ],
    });
    await made.around(async () => {
      expect(await journal.read()).toMatchObject({
        passthrough: [{ key: 'dev3', path: '/dev/nvidia-uvm' }],
        restarts: true,
      });
    });
  });

  it('works without a snapshot where there is none', async () => {
    const { made, journal, commands } = protection({ safety: { kind: 'none', why: 'x' } });
    await made.around((record) => record('one'));
    expect(commands).toEqual([]);
    expect(await journal.read()).toBeNull();
  });

  it('goes back to the snapshot when the work fails', async () => {
    const { made, journal, commands } = protection();
    expect(await failureOf(() => made.around(() => Promise.reject(BROKEN)))).toBe(BROKEN);
    expect(commands).toEqual(['snapshot', 'exec', 'rollback', 'start', 'delsnapshot']);
    expect(made.recovery).toBe('rolled-back');
    expect(await journal.read()).toBeNull();
  });

  it('does not begin the work when the snapshot fails', async () => {
    const { made } = protection({ pct: ([, command]) => (command === 'snapshot' ? { exitCode: 255 } : {}) });
    const failure = await failureOf(() => made.around(() => Promise.reject(new Error('must not be reached'))));
    expect(failure.code).toBe('SNAPSHOT_FAILED');
  });

  it('tells the first failure when going back fails too, and keeps the journal', async () => {
    const { made, journal, log } = protection({
      pct: ([, command]) => (command === 'rollback' ? { exitCode: 255 } : {}),
    });
    expect(await failureOf(() => made.around(() => Promise.reject(BROKEN)))).toBe(BROKEN);
    expect(log.lines.some((line) => line.startsWith('warning ROLLBACK_FAILED'))).toBe(true);
    expect(made.recovery).toBeNull();
    expect(await journal.read()).toMatchObject({ phase: 'begun' });
  });

  it('drops the snapshot at the second try after all was proven, and calls that no failure', async () => {
    const { made, journal, commands } = protection({
      pct: ([, command], count) => (command === 'delsnapshot' && count === 1 ? { exitCode: 255 } : {}),
    });
    await made.around(async () => {});
    expect(commands).toEqual(['snapshot', 'delsnapshot', 'exec', 'delsnapshot']);
    expect(await journal.read()).toBeNull();
  });

  it('leaves everything to the post step when the run is cancelled', async () => {
    const controller = new AbortController();
    const { made, journal, commands } = protection({ cancelled: controller.signal });
    const work = async () => {
      controller.abort(BROKEN);
      throw BROKEN;
    };
    expect(await failureOf(() => made.around(work))).toBe(BROKEN);
    expect(commands).toEqual(['snapshot']);
    expect(await journal.read()).toMatchObject({ phase: 'begun', step: 'begin' });
  });
});
