import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkRights } from '../../../src/facts/rights.ts';
import { markerFor } from '../../../src/proxmox/privileged-calls.ts';
import { sudoersFor } from '../../../src/proxmox/sudoers.ts';
import type { HostAccess } from '../../../src/system/access.ts';
import type { CommandResult } from '../../../src/system/command.ts';
import { State } from '../../../src/system/state.ts';
import { failureOf } from '../helpers/failure.ts';
import { hostFilesOf } from '../helpers/host-files.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

interface Situation {
  rights?: 'root' | 'sudo' | 'none';
  /** What running as root, and listing what may be run, give. */
  asRoot?: Partial<CommandResult>;
  listed?: Partial<CommandResult>;
  hidden?: boolean;
  /** Below which it keeps its state; made whole by default. */
  root?: string;
}

/** What the commands of docs/sudoers make, for a user with the id of this process. */
function stateOf(user: string): string {
  const root = temporaryDirectory();
  for (const [path, mode] of [
    [root, 0o755],
    [join(root, 'locks'), 0o750],
    [join(root, user), 0o711],
  ] as const) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
  }
  return root;
}

function host({ rights = 'sudo', asRoot = {}, listed = {}, hidden = false, root = stateOf('runner') }: Situation = {}) {
  const calls: string[] = [];
  const answer = (who: string, result: Partial<CommandResult>) => async (argv: readonly string[]) => {
    calls.push(`${who}: ${argv.join(' ')}`);
    return { exitCode: 0, stdout: '', stderr: '', ...result };
  };
  const access: HostAccess = {
    user: { name: 'runner', rights },
    state: new State('runner', root),
    files: hostFilesOf(hidden ? {} : { '/proc/1/cmdline': '/sbin/init\0' }),
    run: answer('user', listed),
    runAsRoot: answer('root', asRoot),
  };
  return { access, calls };
}

/** The commands of docs/sudoers, as they are told. */
const ROOT = 'install -d -m 0755 -o root -g root /state';
const LOCKS = 'install -d -m 0750 -o root -g GROUP /state/locks';
const OWN = 'install -d -m 0711 -o runner -g GROUP /state/runner';

describe('checkRights', () => {
  it('asks root nothing', async () => {
    const { access, calls } = host({ rights: 'root', hidden: true });
    await checkRights(access, []);
    expect(calls).toEqual([]);
  });

  it('asks others once, by doing it', async () => {
    const { access, calls } = host();
    expect(await checkRights(access, [901])).toMatchObject({ kind: 'current', allowed: [901] });
    expect(calls).toEqual([`root: ${markerFor([901]).join(' ')}`]);
  });

  it.each([
    ['sudo asks for a password', 'sudo: a password is required', 1],
    ['there is no sudo', 'sh: 1: exec: /usr/bin/sudo: not found', 127],
  ])('refuses with the rules to paste when %s', async (_, stderr, exitCode) => {
    const { access } = host({ asRoot: { exitCode, stderr }, listed: { exitCode } });
    const failure = await failureOf(() => checkRights(access, [901]));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT', details: sudoersFor('runner') });
    expect(failure.seen).toContain(stderr);
    expect(failure.remedy).toContain('/etc/sudoers.d/proxmox-lxc-nvidia');
  });

  it('refuses a user that may not use sudo', async () => {
    const { access, calls } = host({ rights: 'none' });
    const failure = await failureOf(() => checkRights(access, []));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT' });
    expect(failure.seen).toContain('"sudo" is "never"');
    expect(calls).toEqual([]);
  });

  it("refuses where root's processes are hidden: what a killed run left could not be waited for", async () => {
    const failure = await failureOf(() => checkRights(host({ hidden: true }).access, []));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT' });
    expect(failure.remedy).toContain('hidepid');
  });

  it.each([
    [
      'is not there',
      (root: string) => rmSync(join(root, 'runner'), { recursive: true }),
      'runner is not there for the user runner',
      [OWN],
    ],
    [
      'has no locks',
      (root: string) => rmSync(join(root, 'locks'), { recursive: true }),
      'locks is not there for the user runner',
      [LOCKS],
    ],
    [
      "isn't root's",
      (root: string) => chownSync(root, 1500, 1500),
      'belongs to the user with the id 1500, not 0',
      ['mv -T /state /state.aside', ROOT, LOCKS, OWN, 'mv -T /state.aside /state/1500', 'chmod 0711 /state/1500'],
    ],
    [
      "has locks that aren't root's",
      (root: string) => chownSync(join(root, 'locks'), 1500, 1500),
      'belongs to the user with the id 1500',
      ['mv -T /state/locks /state.locks.aside', LOCKS],
    ],
    [
      "has another user's part",
      (root: string) => chownSync(join(root, 'runner'), 1500, 1500),
      'belongs to the user with the id 1500',
      ['mv -T /state/runner /state.runner.aside', OWN],
    ],
    [
      'can be written to by a group',
      (root: string) => chmodSync(join(root, 'locks'), 0o770),
      'can be written to by other users',
      ['mv -T /state/locks /state.locks.aside', LOCKS],
    ],
    [
      'can be written to by all',
      (root: string) => chmodSync(root, 0o777),
      'can be written to by other users',
      ['mv -T /state /state.aside', ROOT, LOCKS, OWN],
    ],
  ])('refuses where the directory %s, with the commands that mend it', async (_, damage, seen, commands) => {
    if (process.getuid?.() !== 0) return expect(process.getuid?.(), 'not tested: needs root').toBeGreaterThan(0);
    const root = stateOf('runner');
    damage(root);
    const failure = await failureOf(() => checkRights(host({ root }).access, []));
    expect(failure.code).toBe('HOST_NOT_ROOT');
    expect(failure.seen).toContain(seen);
    expect(failure.remedy.replaceAll(root, '/state').replaceAll('"$(id -gn runner)"', 'GROUP')).toBe(
      `As root: ${commands.join(' && ')}`,
    );
  });

  it("refuses root, too, a directory that isn't root's: it would follow what lies there", async () => {
    if (process.getuid?.() !== 0) return expect(process.getuid?.(), 'not tested: needs root').toBeGreaterThan(0);
    const root = stateOf('runner');
    chownSync(root, 1500, 1500);
    const failure = await failureOf(() => checkRights(host({ rights: 'root', root }).access, []));
    expect(failure.seen).toBe(`${root} belongs to the user with the id 1500, not 0.`);
    rmSync(join(root, 'runner'), { recursive: true });
    chownSync(root, 0, 0);
    symlinkSync('/etc', join(root, 'runner'));
    const link = await failureOf(() => checkRights(host({ rights: 'root', root }).access, []));
    expect(link.seen).toBe(`${root}/runner is not a directory.`);
    expect(link.remedy).toContain(`As root: mv -T ${root}/runner ${root}.runner.aside && install -d`);
  });

  it.each([
    ["is the runner's", 1500],
    ["is root's and open to all", 0],
  ])('mends one that %s without following a link that lies there', async (_, owner) => {
    if (process.getuid?.() !== 0) return expect(process.getuid?.(), 'not tested: needs root').toBeGreaterThan(0);
    const parent = temporaryDirectory();
    const [root, victim] = [join(parent, 'state'), join(parent, 'victim')];
    for (const path of [root, victim, join(root, 'journal')]) mkdirSync(path, { mode: 0o700 });
    for (const name of ['root', 'locks', '1500', 'runner']) symlinkSync(victim, join(root, name));
    if (owner === 0) chmodSync(root, 0o777);
    chownSync(root, owner, owner);
    const { access } = host({ rights: 'root' });
    const asRoot = { ...access, state: new State('root', root) };
    const { remedy } = await failureOf(() => checkRights(asRoot, []));
    execFileSync('/bin/sh', ['-ec', remedy.replace('As root: ', '')]);
    await checkRights(asRoot, []);
    expect(statSync(victim)).toMatchObject({ uid: 0, gid: 0, mode: 0o40700 });
    expect(readdirSync(victim)).toEqual([]);
    expect(readdirSync(root).sort()).toEqual(owner === 0 ? ['locks', 'root'] : ['1500', 'locks', 'root']);
    expect(lstatSync(join(root, 'locks'))).toMatchObject({ uid: 0, mode: 0o40750 });
    // What was kept is still there.
    const kept = owner === 0 ? `${root}.aside` : join(root, '1500');
    expect(readdirSync(kept)).toContain('journal');
    expect(lstatSync(kept).uid).toBe(owner);
  });

  it('calls the part of whom it belonged to by the login name', async () => {
    if (process.getuid?.() !== 0) return expect(process.getuid?.(), 'not tested: needs root').toBeGreaterThan(0);
    const root = stateOf('runner');
    chownSync(root, 1500, 1500);
    const { access } = host({ rights: 'root' });
    const run: HostAccess['run'] = async (argv) => {
      expect(argv).toEqual(['/usr/bin/getent', 'passwd', '1500']);
      return { exitCode: 0, stdout: 'runner:x:1500:1500::/home/runner:/bin/bash\n', stderr: '' };
    };
    const failure = await failureOf(() => checkRights({ ...access, run, state: new State('root', root) }, []));
    expect(failure.remedy).toContain(`mv -T ${root}.aside ${root}/runner && chmod 0711 ${root}/runner`);
  });

  it('has commands for a user without an entry in the user database', async () => {
    const root = stateOf('1500');
    rmSync(join(root, '1500'), { recursive: true });
    const { access } = host();
    const user = { name: '#1500', rights: 'sudo' } as const;
    const failure = await failureOf(() => checkRights({ ...access, user, state: new State('#1500', root, 1500) }, []));
    expect(failure.remedy).toBe(`As root: install -d -m 0711 -o 1500 -g ${process.getgid?.()} ${root}/1500`);
  });

  it('lets root make what is not there yet', async () => {
    const root = join(temporaryDirectory(), 'none');
    await checkRights(host({ rights: 'root', root }).access, []);
    expect(existsSync(root)).toBe(false);
  });
});
