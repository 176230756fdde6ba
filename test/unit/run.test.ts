import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Desired } from '../../src/desired/desired.ts';
import { ActionError } from '../../src/errors.ts';
import type { GuestFacts } from '../../src/facts/facts.ts';
import { run } from '../../src/run.ts';
import type { Http } from '../../src/system/http.ts';
import { State, writeDurably } from '../../src/system/state.ts';
import type { World } from '../../src/world.ts';
import { FakeHost } from './helpers/commands.ts';
import {
  bareGuest,
  CONTAINER_KEY,
  CUDA_KEY,
  carriedKeyring,
  DRIVER,
  desired,
  guestFacts,
  installedToolkit,
  userSpace,
} from './helpers/facts.ts';
import { fixtureText } from './helpers/fixtures.ts';
import { type FileTree, hostFilesOf } from './helpers/host-files.ts';
import { RecordingLog } from './helpers/log.ts';
import { probeRecords } from './helpers/probe.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

const recorded = JSON.parse(fixtureText('nvidia/lxc-2xh100-580.159.04/host.json')) as {
  driverVersionFile: string;
  gpus: string;
};
const [, gpu0 = '', gpu1 = ''] = recorded.gpus.split(/^# .*\n/m);
const config = (name: string) =>
  `hostname: ${name}\nmemory: 8192\nrootfs: tank:subvol\nunprivileged: 1\ndev0: /dev/nvidia0\ndev1: /dev/nvidia1\n`;
const socket = (ctid: number) => `x: 00000002 00000000 00010000 0001 01 1 @/var/lib/lxc/${ctid}/command\n`;

const HOST: FileTree = {
  '/etc/pve/local': { link: 'nodes/pve1' },
  '/etc/pve/storage.cfg': 'zfspool: tank\n',
  '/etc/pve/lxc/901.conf': config('one'),
  '/etc/pve/lxc/902.conf': config('two'),
  '/proc/net/unix': socket(901) + socket(902),
  '/proc/driver/nvidia/version': recorded.driverVersionFile,
  '/proc/driver/nvidia/gpus/0000:00:06.0/information': gpu0,
  '/proc/driver/nvidia/gpus/0000:00:07.0/information': gpu1,
  '/dev/nvidia-uvm': { major: 238, minor: 0 },
  '/dev/nvidia0': { major: 195, minor: 0 },
  '/dev/nvidia1': { major: 195, minor: 1 },
  '/dev/nvidiactl': { major: 195, minor: 255 },
};

const KEYRINGS = {
  '/etc/apt/keyrings/proxmox-lxc-nvidia-cuda.gpg': carriedKeyring(CUDA_KEY),
  '/etc/apt/keyrings/proxmox-lxc-nvidia-container.gpg': carriedKeyring(CONTAINER_KEY),
};
const WISH: Partial<Desired> = { mode: 'plan' };

beforeEach(() => {
  process.env['RUNNER_TOOL_CACHE'] = temporaryDirectory();
});

const NOW = new Date('2026-11-23T12:00:00Z');

interface Situation {
  wish?: Partial<Desired>;
  tree?: FileTree;
  files?: World['files'];
  guests?: Record<number, GuestFacts>;
  cancelled?: AbortSignal;
  user?: World['user'];
  /** What programs of the host print, by path. */
  other?: Record<string, string>;
  state?: State;
}

/** A host on which a run of another user was interrupted in a container. */
async function leftByRunner(ctid: number): Promise<State> {
  const state = new State('root', temporaryDirectory());
  await writeDurably(join(new State('runner', state.root).directory('journal'), `${ctid}.json`), '');
  return state;
}

const ROOT: World['user'] = { name: 'root', rights: 'root' };

/** Plans on a made-up host, without a web: a container needs nothing of it, or the run fails. */
async function plan({
  wish,
  tree = HOST,
  files = hostFilesOf(tree),
  guests = {},
  cancelled = new AbortController().signal,
  user = ROOT,
  other = {},
  state = new State(user.name, temporaryDirectory()),
}: Situation = {}) {
  const asked: string[] = [];
  const selected: number[] = [];
  const refuse = (url: string) => {
    asked.push(url);
    return Promise.reject(new ActionError('DOWNLOAD_FAILED', `${url} can't be reached.`, 'x'));
  };
  const http: Http = { get: refuse, head: refuse, download: refuse };
  const host = new FakeHost(
    ({ ctid }) => {
      const guest = guests[ctid] ?? guestFacts();
      return { stdout: probeRecords(guest, guest.keyrings.length === 0 ? {} : KEYRINGS) };
    },
    ({ argv }) => ({ stdout: other[argv[0] ?? ''] ?? 'pve-manager\t8.4.1\n' }),
  );
  const log = new RecordingLog();
  const world: World = {
    files,
    user,
    state,
    run: host.run,
    runAsRoot: host.run,
    http,
    log,
    cancelled,
    now: () => NOW,
    selected: (ctids) => void selected.push(...ctids),
    runName: 'unit test',
    machine: 'x86_64',
    temporary: temporaryDirectory(),
  };
  const outcome = await run(desired({ ...WISH, ...wish }), world);
  return { ...outcome, host, log, asked, selected };
}

const BOTH: Partial<Desired> = {
  containers: { ctids: [901, 902], tags: [], all: false },
};

describe('run, planning', () => {
  it('refuses a user without the rights of root before it looks into a container', async () => {
    const { result, host } = await plan({ user: { name: 'runner', rights: 'none' } });
    expect(result).toMatchObject({ status: 'failed', containers: [], failure: { code: 'HOST_NOT_ROOT' } });
    expect(host.calls).toEqual([]);
  });

  it('finds a container as wanted and proves it, with one pct exec and nothing of the web', async () => {
    const { result, host, asked, log } = await plan();
    expect(result).toMatchObject({
      schema: '1.0',
      mode: 'plan',
      status: 'converged',
      cudaVersion: '12.8',
      failure: null,
    });
    expect(result.containers).toMatchObject([
      {
        ctid: 901,
        hostname: 'one',
        status: 'converged',
        before: { driver: DRIVER, toolkits: ['12.8'] },
        failure: null,
        actions: [],
      },
    ]);
    expect(result.containers[0]?.verifications.map(({ level, status }) => `${level} ${status}`)).toEqual([
      'L1 pass',
      'L2 pass',
      'L3 pass',
      'L4 pass',
      'L5 pass',
    ]);
    expect(result.containers[0]?.gpus).toHaveLength(2);
    expect(host.calls).toHaveLength(1);
    expect(asked).toEqual([]);
    expect(log.lines).toContain('info Container 901 is as wanted: nothing to do.');
  });

  it('asks how the host does, once, and warns of what is not right', async () => {
    const { result, host, log } = await plan({ other: { '/sbin/modinfo': '580.142\n' }, wish: BOTH });
    expect(result.status).toBe('converged');
    expect(result.host?.health?.installedDriver).toBe('580.142');
    expect(result.findings.map(({ code }) => code)).toEqual(['HOST_DRIVER_PENDING']);
    expect(log.lines.filter((line) => line.includes('next restart loads driver 580.142'))).toHaveLength(1);
    expect(host.raw.filter(({ argv }) => argv[0] === '/usr/bin/nvidia-smi')).toHaveLength(2);
  });

  it('says of a verification that failed which it was', async () => {
    const guest = guestFacts({ toolkits: [installedToolkit('12.8', 'release 11.8')] });
    const { result } = await plan({ guests: { 901: guest } });
    expect(result.status).toBe('failed');
    expect(result.containers[0]?.failure).toMatchObject({ code: 'VERIFY_NVCC' });
    expect(result.containers[0]?.failure?.seen).toContain('Container 901, L4');
  });

  it('plans for one container although the other can not be', async () => {
    const tree = { ...HOST, '/proc/net/unix': socket(902) };
    const withoutPin = guestFacts({ packages: guestFacts().packages.filter(({ name }) => name !== 'kmod') });
    const { result, host } = await plan({ wish: BOTH, tree, guests: { 902: withoutPin } });
    expect(result.status).toBe('failed');
    expect(result.containers.map(({ status }) => status)).toEqual(['failed', 'planned']);
    expect(result.containers[0]?.failure?.code).toBe('CONTAINER_STOPPED');
    expect(result.containers[1]?.plan?.actions).toMatchObject([{ kind: 'install-packages' }]);
    expect(result.containers[1]?.plan?.safety).toEqual({ kind: 'snapshot' });
    expect(host.calls.map(({ ctid }) => ctid)).toEqual([902]);
  });

  it('plans for no container that a run of another user has left half done, but for the others', async () => {
    const { result } = await plan({ wish: BOTH, state: await leftByRunner(901) });
    expect(result.containers.map(({ status }) => status)).toEqual(['failed', 'converged']);
    expect(result.containers[0]?.failure).toMatchObject({
      code: 'CONTAINER_LEFT_BY_OTHER_USER',
      seen: expect.stringContaining('A run of the user runner works on container 901, or was interrupted'),
      remedy: expect.stringContaining('sudo -u runner'),
    });
  });

  it('does not judge what is only planned', async () => {
    const guest = guestFacts({ packages: guestFacts().packages.filter(({ name }) => name !== 'kmod') });
    const { result } = await plan({ guests: { 901: guest } });
    expect(result.status).toBe('planned');
    expect(result.containers[0]?.verifications).toEqual([]);
  });

  it('tells a failed look-up as the container’s', async () => {
    const { result, asked } = await plan({ guests: { 901: bareGuest() } });
    expect(result.containers[0]).toMatchObject({ status: 'failed', failure: { code: 'DOWNLOAD_FAILED' }, plan: null });
    expect(result.failure).toBeNull();
    expect(asked.length).toBeGreaterThan(0);
  });

  it.each<[string, Situation, string]>([
    ['no Proxmox', { tree: { ...HOST, '/etc/pve/local': '' } }, 'HOST_NOT_PROXMOX'],
    ['no driver', { tree: { ...HOST, '/proc/driver/nvidia/version': { link: '' } } }, 'HOST_DRIVER_NOT_LOADED'],
    [
      'a wish that does not fit',
      { wish: { driver: { kind: 'exact', version: '580.142', source: 'x' } } },
      'DRIVER_VERSION_MISMATCH',
    ],
  ])('looks into no container on a host with %s', async (_what, situation, code) => {
    const { result, host } = await plan(situation);
    expect(result).toMatchObject({ status: 'failed', failure: { code }, containers: [] });
    expect(host.calls).toEqual([]);
  });

  it.each([
    ['locked', { '/etc/pve/lxc/901.conf': `${config('one')}lock: backup\n` }, 'CONTAINER_LOCKED'],
    ['a template', { '/etc/pve/lxc/901.conf': `${config('one')}template: 1\n` }, 'CONTAINER_IS_TEMPLATE'],
    ['stopped', { '/proc/net/unix': '' }, 'CONTAINER_STOPPED'],
  ])('looks into no container that is %s', async (_what, changes, code) => {
    const { result, host } = await plan({ tree: { ...HOST, ...changes } });
    expect(result.containers).toMatchObject([{ status: 'failed', failure: { code }, before: null }]);
    expect(host.calls).toEqual([]);
  });

  it('does nothing more when it was cancelled', async () => {
    const reason = new ActionError('CANCELLED', 'It was cancelled.', 'x');
    const { result, host } = await plan({ cancelled: AbortSignal.abort(reason) });
    expect(result.status).toBe('failed');
    expect(result.containers[0]?.failure?.code ?? result.failure?.code).toBe('CANCELLED');
    expect(host.calls).toEqual([]);
  });

  it('calls what no one foresaw a bug, and still gives a result', async () => {
    const { result } = await plan({ tree: { ...HOST, '/proc/driver/nvidia/version': 'x' } });
    expect(result.failure?.code).toBe('HOST_DRIVER_UNREADABLE');
    const guests = { 901: null as unknown as GuestFacts };
    const broken = await plan({
      guests: Object.defineProperty(guests, 901, {
        get: () => {
          throw new TypeError('oops');
        },
      }),
    });
    expect(broken.result.containers[0]?.failure).toMatchObject({ code: 'BUG', seen: 'oops' });
  });
});

describe('run, from a facts file', () => {
  const FACTS = 'facts/pve1.json';
  /** What `mode: facts` writes on the host. */
  const observed = async (situation: Situation = {}): Promise<string> => {
    const { facts } = await plan({ ...situation, wish: { ...BOTH, mode: 'facts', cuda: { kind: 'none' } } });
    return JSON.stringify(facts);
  };
  const fromFile = (text: string, wish: Partial<Desired> = {}, tree: FileTree = {}) =>
    plan({ wish: { ...BOTH, facts: { path: FACTS, maxAgeHours: 24 }, ...wish }, tree: { ...tree, [FACTS]: text } });

  it('observes without judging, also what could not be worked on', async () => {
    const tree = { ...HOST, '/proc/net/unix': socket(902) };
    const { result, facts, selected } = await plan({ tree, wish: { ...BOTH, mode: 'facts' } });
    expect(result.status).toBe('observed');
    expect(facts?.containers).toMatchObject([
      { ctid: 901, running: false, guest: null },
      { ctid: 902, running: true, guest: { dpkgArchitecture: 'amd64' } },
    ]);
    expect(selected).toEqual([]);
  });

  it('observes every container of the host where none is named', async () => {
    const { facts } = await plan({ wish: { mode: 'facts', containers: { ctids: [], tags: [], all: true } } });
    expect(facts?.containers.map(({ ctid }) => ctid)).toEqual([901, 902]);
  });

  it('plans elsewhere as on the host: the same plan and digest, without a call on the machine', async () => {
    const here = await plan({ wish: BOTH });
    const there = await fromFile(await observed());
    expect(there.result).toMatchObject({ status: 'converged', failure: null });
    expect(there.plan?.digest).toBe(here.plan?.digest);
    expect(there.host.calls).toEqual([]);
    expect(there.result.host?.node).toBe('pve1');
  });

  it('selects by tag in the file', async () => {
    const tree = { ...HOST, '/etc/pve/lxc/902.conf': `${config('two')}tags: a;gpu\n` };
    const { result } = await fromFile(await observed({ tree }), {
      containers: { ctids: [], tags: ['gpu'], all: false },
    });
    expect(result.containers.map(({ ctid }) => ctid)).toEqual([902]);
  });

  it.each<[string, (text: string) => string, Partial<Desired>, string, string]>([
    ['no JSON', () => 'facts', {}, 'FACTS_INVALID', FACTS],
    ['a truncated file', (text) => text.slice(0, -10), {}, 'FACTS_INVALID', FACTS],
    ['another kind of file', (text) => text.replace('"facts"', '"plan"'), {}, 'FACTS_INVALID', 'plan file'],
    ['a missing part', (text) => text.replace('"gpus"', '"cpus"'), {}, 'FACTS_INVALID', 'host.gpus'],
    ['another major format', (text) => text.replace('"1.0"', '"2.0"'), {}, 'FACTS_SCHEMA_UNSUPPORTED', '2.0'],
    [
      'an old file',
      (text) => text.replace('2026-11-23T', '2026-11-22T11:59:59.000Z"+"').replace(/"\+"[^"]*/, ''),
      {},
      'FACTS_EXPIRED',
      '24 hours',
    ],
    [
      'a container that it has not',
      (text) => text,
      { containers: { ctids: [905], tags: [], all: false } },
      'FACTS_INCOMPLETE',
      '905',
    ],
    [
      'a tag that nothing has',
      (text) => text,
      { containers: { ctids: [], tags: ['gpu'], all: false } },
      'SELECTION_EMPTY',
      'gpu',
    ],
  ])('refuses %s', async (_what, change, wish, code, named) => {
    const { result } = await fromFile(change(await observed()), wish);
    expect(result.failure).toMatchObject({ code });
    expect(result.failure?.seen).toContain(named);
  });

  it('refuses a file that is not there', async () => {
    const { result } = await plan({ wish: { ...BOTH, facts: { path: FACTS, maxAgeHours: 24 } } });
    expect(result.failure?.code).toBe('FACTS_UNREADABLE');
  });
});

describe('run, verifying', () => {
  const verify = (guests: Record<number, GuestFacts> = {}) => plan({ wish: { ...BOTH, mode: 'verify' }, guests });

  it('finds all as wanted, and makes no plan', async () => {
    const { result, plan: made } = await verify();
    expect(result).toMatchObject({ status: 'converged', failure: null, planDigest: null });
    expect(result.containers.map(({ status }) => status)).toEqual(['converged', 'converged']);
    expect(made).toBeNull();
  });

  it('judges what a run of another user has left half done all the same, and says so', async () => {
    const { result, log } = await plan({ wish: { ...BOTH, mode: 'verify' }, state: await leftByRunner(901) });
    expect(result.status).toBe('converged');
    const warnings = log.lines.filter((line) => line.includes('CONTAINER_LEFT_BY_OTHER_USER'));
    expect(warnings).toEqual([expect.stringContaining('container 901')]);
  });

  it('fails for a container whose user space is not the driver of the host any more', async () => {
    const { result } = await verify({ 902: guestFacts(userSpace('580.95.05')) });
    expect(result.status).toBe('failed');
    expect(result.containers.map(({ status }) => status)).toEqual(['converged', 'drifted']);
    const failure = result.containers[1]?.failure;
    expect(failure?.code).toBe('DRIFT');
    expect(failure?.seen).toContain(`Host pve1 runs driver ${DRIVER}, container 902 has 580.95.05`);
    expect(failure?.details).toContain('L1');
  });

  it('fails for any other difference, and names it', async () => {
    const { result } = await verify({ 901: guestFacts({ aptPin: null }) });
    expect(result.containers[0]?.failure).toMatchObject({ code: 'DRIFT' });
    expect(result.containers[0]?.failure?.seen).toContain('keep apt from bringing a driver');
  });

  it('says of a proof that fails which it was', async () => {
    const guest = guestFacts({ toolkits: [installedToolkit('12.8', 'release 11.8')] });
    const { result } = await verify({ 901: guest });
    expect(result.containers[0]).toMatchObject({ status: 'failed', failure: { code: 'VERIFY_NVCC' } });
  });
});

describe('run, with an approved plan', () => {
  const PATH = 'plan.json';
  const approved = async (situation: Situation = {}) => (await plan({ ...situation, wish: BOTH })).plan;
  const apply = (text: string, situation: Situation = {}) =>
    plan({
      ...situation,
      wish: { ...BOTH, mode: 'apply', approvedPlan: { kind: 'file', path: PATH }, ...situation.wish },
      tree: { ...(situation.tree ?? HOST), [PATH]: text },
    });

  it.each<[string, (text: string) => string, Partial<Desired>, string]>([
    ['no JSON', () => 'plan', {}, 'PLAN_INVALID'],
    ['a truncated plan', (text) => text.slice(0, -1), {}, 'PLAN_INVALID'],
    ['another major format', (text) => text.replace('"1.0"', '"2.0"'), {}, 'PLAN_SCHEMA_UNSUPPORTED'],
    ['an edited plan', (text) => text.replace('"library"', '"toolkit"'), {}, 'PLAN_EDITED'],
    [
      'a plan of other containers',
      (text) => text,
      { containers: { ctids: [903], tags: [], all: false } },
      'PLAN_OTHER_CONTAINERS',
    ],
    ['one that expired', (text) => text.replace('2026-11-30T', '2026-11-20T'), {}, 'PLAN_EXPIRED'],
  ])('refuses %s before anything is looked at in a container', async (_what, change, wish, code) => {
    const { result, host, selected } = await apply(change(JSON.stringify(await approved())), { wish });
    expect(result.failure?.code).toBe(code);
    expect(host.calls).toEqual([]);
    expect(selected).toEqual([]);
  });

  it('refuses a plan of another host', async () => {
    const text = JSON.stringify(await approved({ tree: { ...HOST, '/etc/pve/local': { link: 'nodes/pve2' } } }));
    expect((await apply(text)).result.failure?.code).toBe('PLAN_OTHER_HOST');
  });

  it('refuses a plan that can not be read', async () => {
    const files = { ...hostFilesOf(HOST), read: () => Promise.reject(new Error('EISDIR: illegal operation')) };
    const { result } = await plan({ files, wish: { mode: 'apply', approvedPlan: { kind: 'file', path: PATH } } });
    expect(result.failure).toMatchObject({ code: 'PLAN_UNREADABLE' });
    expect(result.failure?.seen).toContain('EISDIR');
  });

  it('refuses a plan that is not there', async () => {
    const { result } = await plan({ wish: { mode: 'apply', approvedPlan: { kind: 'file', path: PATH } } });
    expect(result.failure?.code).toBe('PLAN_UNREADABLE');
  });
});
