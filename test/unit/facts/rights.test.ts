import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sudoersDocuments } from '../../../scripts/sudoers.ts';
import { checkRights } from '../../../src/facts/rights.ts';
import type { HostAccess } from '../../../src/system/access.ts';
import type { CommandResult } from '../../../src/system/command.ts';
import { PRIVILEGED_CALLS } from '../../../src/system/privileged-calls.ts';
import { State } from '../../../src/system/state.ts';
import { LIST_CALL, sudoersFor } from '../../../src/system/sudoers.ts';
import { failureOf } from '../helpers/failure.ts';
import { hostFilesOf } from '../helpers/host-files.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

interface Situation {
  rights?: 'root' | 'sudo' | 'none';
  /** What reading as root gives. */
  read?: Partial<CommandResult>;
  /** Whether sudo would allow a call, in one line. */
  allows?: (call: string) => boolean;
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

function host({
  rights = 'sudo',
  read = {},
  allows = () => true,
  hidden = false,
  root = stateOf('runner'),
}: Situation = {}) {
  const calls: string[] = [];
  const answer = (who: string, result: (call: string) => Partial<CommandResult>) => async (argv: readonly string[]) => {
    const call = argv.join(' ');
    calls.push(`${who}: ${call}`);
    return { exitCode: 0, stdout: '', stderr: '', ...result(call) };
  };
  const access: HostAccess = {
    user: { name: 'runner', rights },
    state: new State('runner', root),
    files: hostFilesOf(hidden ? {} : { '/proc/1/cmdline': '/sbin/init\0' }),
    run: answer('user', (call) => ({ exitCode: allows(call) ? 0 : 1 })),
    runAsRoot: answer('root', () => read),
  };
  return { access, calls };
}

const PASSWORD = { exitCode: 1, stderr: 'sudo: a password is required\n' };

describe('checkRights', () => {
  it('asks root nothing', async () => {
    const { access, calls } = host({ rights: 'root', hidden: true });
    await checkRights(access);
    expect(calls).toEqual([]);
  });

  it('reads as root and asks whether the rules are of this version', async () => {
    const { access, calls } = host();
    await checkRights(access);
    expect(calls).toEqual([
      'root: /bin/cat -- /etc/pve/.vmlist',
      `user: /usr/bin/sudo -n -l -- /usr/bin/timeout -k 10 60 ${LIST_CALL.join(' ')}`,
    ]);
  });

  it.each([
    ['sudo asks for a password', { read: PASSWORD }, 'sudo: a password is required'],
    ['there is no sudo', { read: { exitCode: 127, stderr: 'sh: 1: exec: /usr/bin/sudo: not found' } }, 'not found'],
    ['reading fails without a word', { read: { exitCode: 1 } }, 'exit code 1'],
  ] satisfies [string, Situation, string][])('refuses with the rules to paste when %s', async (_, situation, seen) => {
    const failure = await failureOf(() => checkRights(host(situation).access));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT', details: sudoersFor({ user: 'runner', kind: 'fence' }) });
    expect(failure.seen).toContain(seen);
    expect(failure.remedy).toContain('/etc/sudoers.d/proxmox-lxc-nvidia');
  });

  it('is content with rules of its own that allow every call', async () => {
    const { access, calls } = host({ allows: (call) => !call.includes(LIST_CALL[0]) });
    await checkRights(access);
    expect(calls).toHaveLength(2 + PRIVILEGED_CALLS.length);
  });

  it('names the lines that rules of another version lack', async () => {
    const allows = (call: string) => !/ (?:\/bin\/true|\/usr\/sbin\/pct unlock|\/usr\/bin\/touch) /.test(call);
    const failure = await failureOf(() => checkRights(host({ allows }).access));
    expect(failure).toMatchObject({
      code: 'HOST_NOT_ROOT',
      seen: 'By the rules for sudo on this host the user runner may not take away the lock of a killed pct, nor make the file that runs lock a container by.',
    });
    const lines = failure.details?.split('\n') ?? [];
    expect(lines).toHaveLength(2);
    const rules = sudoersFor({ user: 'runner', kind: 'fence' });
    for (const line of lines) expect(rules).toContain(line);
  });

  it('refuses a user that may not use sudo', async () => {
    const { access, calls } = host({ rights: 'none' });
    const failure = await failureOf(() => checkRights(access));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT' });
    expect(failure.seen).toContain('"sudo" is "never"');
    expect(calls).toEqual([]);
  });

  it("refuses where root's processes are hidden: what a killed run left could not be waited for", async () => {
    const failure = await failureOf(() => checkRights(host({ hidden: true }).access));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT' });
    expect(failure.remedy).toContain('hidepid');
  });

  it.each([
    [
      'is not there',
      (root: string) => rmSync(join(root, 'runner'), { recursive: true }),
      'runner is not there for the user runner',
    ],
    [
      'has no locks',
      (root: string) => rmSync(join(root, 'locks'), { recursive: true }),
      'locks is not there for the user runner',
    ],
    ["isn't root's", (root: string) => chownSync(root, 1500, 1500), 'belongs to the user with the id 1500, not 0'],
    [
      "has locks that aren't root's",
      (root: string) => chownSync(join(root, 'locks'), 1500, 1500),
      'belongs to the user with the id 1500',
    ],
    [
      "has another user's part",
      (root: string) => chownSync(join(root, 'runner'), 1500, 1500),
      'belongs to the user with the id 1500',
    ],
    [
      'can be written to by a group',
      (root: string) => chmodSync(join(root, 'locks'), 0o770),
      'can be written to by other users',
    ],
    ['can be written to by all', (root: string) => chmodSync(root, 0o777), 'can be written to by other users'],
  ])('refuses where the directory %s, with the commands that mend it', async (_, damage, seen) => {
    if (process.getuid?.() !== 0) return expect(process.getuid?.(), 'not tested: needs root').toBeGreaterThan(0);
    const root = stateOf('runner');
    damage(root);
    const failure = await failureOf(() => checkRights(host({ root }).access));
    expect(failure.code).toBe('HOST_NOT_ROOT');
    expect(failure.seen).toContain(seen);
    expect(failure.remedy).toBe(
      `As root: install -d -m 0755 -o root -g root ${root} && install -d -m 0750 -o root -g "$(id -gn runner)" ${root}/locks && install -d -m 0711 -o runner -g "$(id -gn runner)" ${root}/runner`,
    );
  });

  it("refuses root, too, a directory that isn't root's: it would follow what lies there", async () => {
    if (process.getuid?.() !== 0) return expect(process.getuid?.(), 'not tested: needs root').toBeGreaterThan(0);
    const root = stateOf('runner');
    chownSync(root, 1500, 1500);
    const failure = await failureOf(() => checkRights(host({ rights: 'root', root }).access));
    expect(failure.seen).toBe(`${root} belongs to the user with the id 1500, not 0.`);
    rmSync(join(root, 'runner'), { recursive: true });
    chownSync(root, 0, 0);
    symlinkSync('/etc', join(root, 'runner'));
    const link = await failureOf(() => checkRights(host({ rights: 'root', root }).access));
    expect(link.seen).toBe(`${root}/runner is not a directory.`);
    expect(link.remedy).toContain(`As root: mv ${root}/runner ${root}/runner.aside && install -d`);
  });

  it('lets root make what is not there yet', async () => {
    const root = join(temporaryDirectory(), 'none');
    await checkRights(host({ rights: 'root', root }).access);
    expect(existsSync(root)).toBe(false);
  });
});

it('docs/sudoers and docs/sudoers-open hold the rules of the list of calls', async () => {
  for (const { current, wanted } of await sudoersDocuments()) expect(current).toBe(wanted);
});
