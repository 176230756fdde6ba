import { describe, expect, it } from 'vitest';
import { checkRights } from '../../../src/facts/rights.ts';
import { markerFor } from '../../../src/proxmox/privileged-calls.ts';
import { sudoersFor } from '../../../src/proxmox/sudoers.ts';
import type { HostAccess } from '../../../src/system/access.ts';
import type { CommandResult } from '../../../src/system/command.ts';
import { failureOf } from '../helpers/failure.ts';
import { hostFilesOf } from '../helpers/host-files.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

interface Situation {
  rights?: 'root' | 'sudo' | 'none';
  /** What running as root, and listing what may be run, give. */
  asRoot?: Partial<CommandResult>;
  listed?: Partial<CommandResult>;
  hidden?: boolean;
}

function host({ rights = 'sudo', asRoot = {}, listed = {}, hidden = false }: Situation = {}) {
  const calls: string[] = [];
  const answer = (who: string, result: Partial<CommandResult>) => async (argv: readonly string[]) => {
    calls.push(`${who}: ${argv.join(' ')}`);
    return { exitCode: 0, stdout: '', stderr: '', ...result };
  };
  const access: HostAccess = {
    user: { name: 'runner', rights },
    files: hostFilesOf(hidden ? {} : { '/proc/1/cmdline': '/sbin/init\0' }),
    run: answer('user', listed),
    runAsRoot: answer('root', asRoot),
  };
  return { access, calls };
}

describe('checkRights', () => {
  it('asks root nothing', async () => {
    const { access, calls } = host({ rights: 'root', hidden: true });
    await checkRights(access, [], '/nonexistent');
    expect(calls).toEqual([]);
  });

  it('asks others once, by doing it', async () => {
    const { access, calls } = host();
    expect(await checkRights(access, [901], temporaryDirectory())).toMatchObject({ kind: 'current', allowed: [901] });
    expect(calls).toEqual([`root: ${markerFor([901]).join(' ')}`]);
  });

  it.each([
    ['sudo asks for a password', 'sudo: a password is required', 1],
    ['there is no sudo', 'sh: 1: exec: /usr/bin/sudo: not found', 127],
  ])('refuses with the rules to paste when %s', async (_, stderr, exitCode) => {
    const { access } = host({ asRoot: { exitCode, stderr }, listed: { exitCode } });
    const failure = await failureOf(() => checkRights(access, [901], temporaryDirectory()));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT', details: sudoersFor('runner') });
    expect(failure.seen).toContain(stderr);
    expect(failure.remedy).toContain('/etc/sudoers.d/proxmox-lxc-nvidia');
  });

  it('refuses a user that may not use sudo', async () => {
    const { access, calls } = host({ rights: 'none' });
    const failure = await failureOf(() => checkRights(access, [], temporaryDirectory()));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT' });
    expect(failure.seen).toContain('"sudo" is "never"');
    expect(calls).toEqual([]);
  });

  it("refuses where root's processes are hidden: what a killed run left could not be waited for", async () => {
    const failure = await failureOf(() => checkRights(host({ hidden: true }).access, [], temporaryDirectory()));
    expect(failure).toMatchObject({ code: 'HOST_NOT_ROOT' });
    expect(failure.remedy).toContain('hidepid');
  });

  it("refuses without the action's directory, with the command that makes it", async () => {
    const failure = await failureOf(() => checkRights(host().access, [], '/nonexistent/state'));
    expect(failure).toMatchObject({
      code: 'HOST_NOT_ROOT',
      seen: "The user runner can't read and write /nonexistent/state.",
      remedy: 'As root: install -d -m 0700 /nonexistent/state && chown -R runner: /nonexistent/state',
    });
  });
});
