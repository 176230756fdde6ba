import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkRights, sudoersFor } from '../../../src/facts/rights.ts';
import type { HostAccess } from '../../../src/system/access.ts';
import type { CommandResult } from '../../../src/system/command.ts';
import { failureOf } from '../helpers/failure.ts';
import { hostFilesOf } from '../helpers/host-files.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

interface Situation {
  rights?: 'root' | 'sudo' | 'none';
  /** What reading as root and listing pct's rule give. */
  read?: Partial<CommandResult>;
  listed?: Partial<CommandResult>;
  hidden?: boolean;
}

function host({ rights = 'sudo', read = {}, listed = {}, hidden = false }: Situation = {}) {
  const calls: string[] = [];
  const answer = (who: string, result: Partial<CommandResult>) => async (argv: readonly string[]) => {
    calls.push(`${who}: ${argv.join(' ')}`);
    return { exitCode: 0, stdout: '', stderr: '', ...result };
  };
  const access: HostAccess = {
    user: { name: 'runner', rights },
    files: hostFilesOf(hidden ? {} : { '/proc/1/cmdline': '/sbin/init\0' }),
    run: answer('user', listed),
    runAsRoot: answer('root', read),
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

  it('reads as root and asks whether pct would be allowed, in the very form it is called', async () => {
    const { access, calls } = host();
    await checkRights(access, temporaryDirectory());
    expect(calls).toEqual([
      'root: /bin/cat -- /etc/pve/.vmlist',
      'user: /usr/bin/sudo -n -l -- /usr/bin/timeout -k 10 60 /usr/sbin/pct list',
    ]);
  });

  it.each([
    ['sudo asks for a password', { read: PASSWORD }, 'sudo: a password is required'],
    ['there is no sudo', { read: { exitCode: 127, stderr: 'sh: 1: exec: /usr/bin/sudo: not found' } }, 'not found'],
    ['pct is not among what is allowed', { listed: { exitCode: 1 } }, 'exit code 1'],
  ] satisfies [string, Situation, string][])('refuses with the rules to paste when %s', async (_, situation, seen) => {
    const failure = await failureOf(() => checkRights(host(situation).access, temporaryDirectory()));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT', details: sudoersFor('runner') });
    expect(failure.seen).toContain(seen);
    expect(failure.remedy).toContain('/etc/sudoers.d/proxmox-lxc-nvidia');
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

it('docs/sudoers holds the very rules that a refusal shows', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/sudoers'), 'utf8');
  const rules = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(rules.join('\n')).toBe(sudoersFor('runner'));
});
