import { describe, expect, it } from 'vitest';
import { sudoersDocuments } from '../../../scripts/sudoers.ts';
import { checkRights } from '../../../src/facts/rights.ts';
import type { HostAccess } from '../../../src/system/access.ts';
import type { CommandResult } from '../../../src/system/command.ts';
import { PRIVILEGED_CALLS } from '../../../src/system/privileged-calls.ts';
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
}

function host({ rights = 'sudo', read = {}, allows = () => true, hidden = false }: Situation = {}) {
  const calls: string[] = [];
  const answer = (who: string, result: (call: string) => Partial<CommandResult>) => async (argv: readonly string[]) => {
    const call = argv.join(' ');
    calls.push(`${who}: ${call}`);
    return { exitCode: 0, stdout: '', stderr: '', ...result(call) };
  };
  const access: HostAccess = {
    user: { name: 'runner', rights },
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
    await checkRights(access, '/nonexistent');
    expect(calls).toEqual([]);
  });

  it('reads as root and asks whether the rules are of this version', async () => {
    const { access, calls } = host();
    await checkRights(access, temporaryDirectory());
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
    const failure = await failureOf(() => checkRights(host(situation).access, temporaryDirectory()));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT', details: sudoersFor({ user: 'runner', kind: 'fence' }) });
    expect(failure.seen).toContain(seen);
    expect(failure.remedy).toContain('/etc/sudoers.d/proxmox-lxc-nvidia');
  });

  it('is content with rules of its own that allow every call', async () => {
    const { access, calls } = host({ allows: (call) => !call.includes(LIST_CALL[0]) });
    await checkRights(access, temporaryDirectory());
    expect(calls).toHaveLength(2 + PRIVILEGED_CALLS.length);
  });

  it('names the lines that rules of another version lack', async () => {
    const allows = (call: string) => !/ (?:\/bin\/true|\/usr\/sbin\/pct unlock|\/usr\/bin\/touch) /.test(call);
    const failure = await failureOf(() => checkRights(host({ allows }).access, temporaryDirectory()));
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
    const failure = await failureOf(() => checkRights(access, temporaryDirectory()));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT' });
    expect(failure.seen).toContain('"sudo" is "never"');
    expect(calls).toEqual([]);
  });

  it("refuses where root's processes are hidden: what a killed run left could not be waited for", async () => {
    const failure = await failureOf(() => checkRights(host({ hidden: true }).access, temporaryDirectory()));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT' });
    expect(failure.remedy).toContain('hidepid');
  });

  it("refuses without the action's directory, with the command that makes it", async () => {
    const failure = await failureOf(() => checkRights(host().access, '/nonexistent/state'));
    expect(failure).toMatchObject({
      code: 'HOST_NOT_ROOT',
      seen: "The user runner can't read and write /nonexistent/state.",
      remedy: 'As root: install -d -m 0700 /nonexistent/state && chown -R runner: /nonexistent/state',
    });
  });
});

it('docs/sudoers and docs/sudoers-open hold the rules of the list of calls', async () => {
  for (const { current, wanted } of await sudoersDocuments()) expect(current).toBe(wanted);
});
