import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { installDriver } from '../../../src/apply/install-driver.ts';
import type { ActionError } from '../../../src/errors.ts';
import type { GuestFacts } from '../../../src/facts/facts.ts';
import type { Action } from '../../../src/plan/actions.ts';
import { runCommand } from '../../../src/system/command.ts';
import { ARCHIVE, applyContext } from '../helpers/apply.ts';
import { type Answer, scriptOf } from '../helpers/commands.ts';
import { bareGuest, DRIVER, guestFacts, NO_USER_SPACE, userSpace } from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';
import { probeRecords } from '../helpers/probe.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const ACTION: Extract<Action, { kind: 'install-driver' }> = {
  kind: 'install-driver',
  reason: 'x',
  version: DRIVER,
  runfile: { url: 'https://x.example/x.run', sha256: 'ab'.repeat(32), size: 398_016_015 },
  directory: '/var/tmp',
  flags: ['--silent', '--no-kernel-module'],
};
const DIRECTORY = '/var/tmp/proxmox-lxc-nvidia';

/** Installs into a container that gives this answer. */
async function install(answer: Answer) {
  const { context, host, log } = applyContext(() => answer);
  const done = installDriver(context, ACTION);
  return { done, host, log };
}

const smooth = (guest = guestFacts()): Answer => ({
  stdout: `unpacked\n${probeRecords(guest)}`,
  stderr: 'WARNING: No X.\n',
});

/** How an installation with this answer fails. */
async function failure(answer: Answer): Promise<ActionError> {
  return failureOf(async () => (await install(answer)).done);
}

describe('a smooth installation', () => {
  it('delivers, installs, looks and cleans up in one call', async () => {
    const { done, host, log } = await install(smooth());
    await done;
    const [call] = host.calls;
    if (call === undefined || host.calls.length !== 1) throw new Error('one call is expected');
    expect(call.stdinFile).toBe(ARCHIVE.path);
    expect(scriptOf(call).args).toEqual([DIRECTORY, '--silent', '--no-kernel-module']);
    expect(call.ctid).toBe(901);
    expect(scriptOf(call).script).not.toContain(DIRECTORY);
    expect(log.lines.join('\n')).toContain('1.5 GiB');
    expect(log.lines.join('\n')).toContain('--silent --no-kernel-module');
    expect(log.lines.filter((line) => line.startsWith('foreign'))).toEqual(['foreign 901 WARNING: No X.']);
  });
});

describe('a failed delivery', () => {
  it.each<[string, Answer, string, string]>([
    ['an archive that ends too early', { exitCode: 2, stderr: 'tar: Unexpected EOF' }, 'DELIVERY_FAILED', 'code 2'],
    ['a full disk', { exitCode: 2, stderr: 'tar: x: No space left on device' }, 'CONTAINER_SPACE', '1.5 GiB'],
    ['a quota', { exitCode: 2, stderr: 'tar: x: Disk quota exceeded' }, 'CONTAINER_SPACE', '1.5 GiB'],
    ['too little memory', { exitCode: 137 }, 'INSTALLER_KILLED', '2 GiB of memory'],
    ['a read-only disk', { exitCode: 2, stderr: 'tar: x: Read-only file system' }, 'INSTALLER_FAILED', 'findmnt'],
  ])('%s', async (_what, answer, code, named) => {
    const found = await failure(answer);
    expect(found.code).toBe(code);
    expect(found.message).toContain(named);
  });
});

describe('a failed installer', () => {
  const LOG = [
    "nvidia-installer log file '/var/log/nvidia-installer.log'",
    '-> License accepted.',
    'ERROR: Unable to find the module utility `modprobe`; please make sure you have the package',
    "       'module-init-tools' or 'kmod' installed.",
    '',
    '-> done',
    '',
  ].join('\n');

  /** After the files were unpacked; standard output has the log then. */
  const failed = ({ stdout = '', ...answer }: Answer): Answer => ({ ...answer, stdout: `unpacked\n${stdout}` });

  it.each<[string, Answer, string]>([
    ['1: it says why', { exitCode: 1, stderr: '\nERROR: It failed.\n' }, 'INSTALLER_FAILED'],
    ['1: unknown option', { exitCode: 1, stderr: 'unrecognized option: "--no-systemd"' }, 'INSTALLER_FAILED'],
    ['126: noexec', { exitCode: 126, stderr: './nvidia-installer: Permission denied' }, 'INSTALLER_FAILED'],
    [
      '135: full disk while installing',
      { exitCode: 135, stderr: 'Received signal SIGBUS; aborting.' },
      'INSTALLER_NO_SPACE',
    ],
    ['1: full disk', { exitCode: 1, stderr: 'ERROR: x: No space left on device' }, 'INSTALLER_NO_SPACE'],
    ['137: killed', { exitCode: 137 }, 'INSTALLER_KILLED'],
    ['255', { exitCode: 255 }, 'INSTALLER_FAILED'],
  ])('with %s', async (_what, answer, code) => {
    const found = await failure(failed(answer));
    expect(found.code).toBe(code);
    expect(found.message).toContain(DRIVER);
    expect(found.message).toContain('901');
  });

  it('says of 135 that the old driver is gone', async () => {
    expect((await failure(failed({ exitCode: 135 }))).message).toContain('already removed');
    expect((await failure(failed({ exitCode: 1 }))).message).not.toContain('already removed');
  });

  it('quotes the errors of output and log, each once, with the lines they go on in', async () => {
    const stderr = '\nERROR: Unable to\nload it.\n\nWARNING: x\n\nERROR: Second.\n';
    const found = await failure(failed({ exitCode: 1, stderr, stdout: `${LOG}\nERROR: Second.\n` }));
    expect(found.details).toBe(
      "ERROR: Unable to\nload it.\nERROR: Second.\nERROR: Unable to find the module utility `modprobe`; please make sure you have the package\n       'module-init-tools' or 'kmod' installed.",
    );
  });

  it('quotes the last lines where there is no error', async () => {
    const found = await failure(failed({ exitCode: 1, stderr: 'one\n\ntwo\n', stdout: 'three\n' }));
    expect(found.details).toBe('one\ntwo\nthree');
  });
});

describe('an installer that claims to be done', () => {
  it.each<[string, GuestFacts, string]>([
    ['other libraries', guestFacts(userSpace('550.163.01')), '550.163.01'],
    [
      'libraries of two versions',
      guestFacts({ libraries: [...userSpace(DRIVER).libraries, ...userSpace('550.163.01').libraries] }),
      '550.163.01 and 580.159.04',
    ],
    ['libraries without links', guestFacts({ links: NO_USER_SPACE.links }), DRIVER],
    ['nothing', bareGuest(), 'none'],
  ])('but left %s', async (_what, guest, named) => {
    const found = await failure(smooth(guest));
    expect(found.code).toBe('INSTALLER_INCOMPLETE');
    expect(found.message).toContain(named);
  });

  it('names the files of other versions', async () => {
    const libraries = [...userSpace(DRIVER).libraries, ...userSpace('550.163.01').libraries.slice(0, 1)];
    const found = await failure(smooth(guestFacts({ libraries })));
    expect(found.details).toBe('/usr/lib/x86_64-linux-gnu/libcuda.so.550.163.01');
  });
});

describe('its script in a real shell', () => {
  let root: string;
  let directory: string;
  beforeEach(() => {
    root = temporaryDirectory();
    directory = join(root, 'a directory');
  });

  /** Runs it with an archive that holds this installer. */
  async function run(installer: string, archive?: string) {
    const { host, done } = await install(smooth());
    await done;
    const { script } = scriptOf(host.calls[0] ?? { argv: [] });
    const tree = temporaryDirectory();
    writeFileSync(join(tree, 'nvidia-installer'), `#!/bin/sh\n${installer}`, { mode: 0o755 });
    const tar = archive ?? join(root, 'archive.tar');
    // As NVIDIA's, without an entry for the directory itself.
    if (archive === undefined) execFileSync('tar', ['-cf', tar, '-C', tree, 'nvidia-installer']);
    // The one thing of this machine that the script touches is a log that isn't there.
    expect(existsSync('/var/log/nvidia-installer.log')).toBe(false);
    return runCommand(['/bin/sh', '-c', script, 'sh', directory, '--silent', '--a=b c'], {
      timeoutSeconds: 20,
      stdinFile: tar,
    });
  }

  it('unpacks into an empty private directory, runs the installer there with TMPDIR, and removes it', async () => {
    mkdirSync(directory);
    writeFileSync(join(directory, 'left'), '');
    const { exitCode, stdout, stderr } = await run(
      'stat -c %a .; umask; ls; echo "$PWD $TMPDIR"; for a; do echo "<$a>"; done; cat\n',
    );
    expect(stderr).toBe(`700\n0022\nnvidia-installer\n${directory} ${directory}\n<--silent>\n<--a=b c>\n`);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^unpacked\n(?:library\t.*\n)*link\tlibcuda\.so\.1\t.*\nlink\tlibnvidia-ml\.so\.1\t.*\n$/);
    expect(existsSync(directory)).toBe(false);
  });

  it("passes the installer's exit code on, and removes the directory", async () => {
    expect(await run('echo no >&2; exit 135\n')).toMatchObject({ exitCode: 135, stdout: 'unpacked\n', stderr: 'no\n' });
    expect(existsSync(directory)).toBe(false);
  });

  it('removes the directory when it is ended', async () => {
    expect((await run('kill -TERM $PPID; sleep 0.2\n')).exitCode).toBe(143);
    expect(existsSync(directory)).toBe(false);
  });

  it('does not run what was not unpacked whole', async () => {
    await run('exit 0\n');
    const cut = join(root, 'cut.tar');
    writeFileSync(cut, readFileSync(join(root, 'archive.tar')).subarray(0, 700));
    const { exitCode, stdout, stderr } = await run('', cut);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Unexpected EOF');
    expect(existsSync(directory)).toBe(false);
  });

  it('a directory that can not be made is an error', async () => {
    writeFileSync(join(root, 'a'), '');
    const { host, done } = await install(smooth());
    await done;
    const { script } = scriptOf(host.calls[0] ?? { argv: [] });
    const { exitCode, stdout } = await runCommand(['/bin/sh', '-c', script, 'sh', join(root, 'a/below')], {
      timeoutSeconds: 20,
    });
    expect([exitCode === 0, stdout]).toEqual([false, '']);
  });
});
