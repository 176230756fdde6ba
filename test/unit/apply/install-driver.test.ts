import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { installDriver } from '../../../src/apply/install-driver.ts';
import { ActionError } from '../../../src/errors.ts';
import { GUEST_PROBE } from '../../../src/facts/guest-probe.ts';
import type { Action } from '../../../src/plan/actions.ts';
import { runCommand } from '../../../src/system/command.ts';
import { applyContext, RUNFILE } from '../helpers/apply.ts';
import { type Answer, type GuestCall, scriptOf } from '../helpers/commands.ts';
import { bareGuest, DRIVER, guestFacts, NO_USER_SPACE, userSpace } from '../helpers/facts.ts';
import { failureOf } from '../helpers/failure.ts';
import { probeRecords } from '../helpers/probe.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const ACTION: Extract<Action, { kind: 'install-driver' }> = {
  kind: 'install-driver',
  reason: 'x',
  version: DRIVER,
  runfile: { url: RUNFILE.url, sha256: RUNFILE.sha256, size: RUNFILE.size },
  directory: '/var/tmp',
  flags: ['--silent', '--no-kernel-module'],
};
const DIRECTORY = '/var/tmp/proxmox-lxc-nvidia';

type Step = 'receive' | 'install' | 'probe' | 'log' | 'clean-up';

function stepOf({ argv, stdinFile }: GuestCall): Step {
  if (stdinFile !== undefined) return 'receive';
  if (argv.includes(GUEST_PROBE)) return 'probe';
  if (argv[2]?.includes('TMPDIR')) return 'install';
  if (argv[2]?.includes('nvidia-installer.log')) return 'log';
  if (argv[2] === 'rm -rf -- "$1"') return 'clean-up';
  throw new Error(`unknown step: ${argv.join(' ')}`);
}

/** Installs into a container whose answers are those of a smooth installation, but for the given ones. */
async function install(answers: Partial<Record<Step, Answer | (() => never)>> = {}) {
  const smooth: Record<Step, Answer> = {
    receive: { stdout: `${RUNFILE.size}\n${RUNFILE.sha256}\n` },
    install: { stdout: 'Verifying archive integrity... OK\n' },
    probe: { stdout: probeRecords(guestFacts()) },
    log: { stdout: '' },
    'clean-up': {},
  };
  const { context, host, log } = applyContext((call) => {
    const answer = answers[stepOf(call)] ?? smooth[stepOf(call)];
    return typeof answer === 'function' ? answer() : answer;
  });
  const done = installDriver(context, ACTION);
  return { done, host, log, steps: () => host.calls.map(stepOf) };
}

/** How an installation with these answers fails; the working directory must be gone afterwards. */
async function failure(answers: Parameters<typeof install>[0]): Promise<ActionError> {
  const { done, host, steps } = await install(answers);
  const found = await failureOf(() => done);
  expect(steps().at(-1)).toBe('clean-up');
  expect(host.calls.at(-1)?.argv.slice(-1)).toEqual([DIRECTORY]);
  return found;
}

describe('a smooth installation', () => {
  it('delivers, installs, looks and cleans up', async () => {
    const { done, host, steps, log } = await install();
    await done;
    expect(steps()).toEqual(['receive', 'install', 'probe', 'clean-up']);
    const [receive, installation, probe, cleanUp] = host.calls;
    if (!receive || !installation || !probe || !cleanUp) throw new Error('calls are missing');
    expect(receive.stdinFile).toBe(RUNFILE.path);
    expect(scriptOf(receive).args).toEqual([DIRECTORY, RUNFILE.name]);
    expect(scriptOf(installation).args).toEqual([DIRECTORY, RUNFILE.name, '--silent', '--no-kernel-module']);
    expect(scriptOf(cleanUp).args).toEqual([DIRECTORY]);
    expect(host.calls.map(({ ctid }) => ctid)).toEqual([901, 901, 901, 901]);
    for (const call of [receive, installation, cleanUp]) expect(scriptOf(call).script).not.toContain(DIRECTORY);
    expect(log.lines.join('\n')).toContain('379.6 MiB');
    expect(log.lines.join('\n')).toContain('--silent --no-kernel-module');
    expect(log.lines).toContain('foreign 901 Verifying archive integrity... OK');
  });

  it('only warns when it can not clean up', async () => {
    const { done, log } = await install({
      'clean-up': () => {
        throw new ActionError('PCT_FAILED', 'pct is gone.', '');
      },
    });
    await done;
    expect(log.lines.at(-1)).toContain(`warning Left behind: ${DIRECTORY}`);
  });

  it('touches nothing when the runfile can not be had', async () => {
    const { context, host } = applyContext(() => ({}));
    const missing = new ActionError('RUNFILE_CHECKSUM_MISMATCH', 'It differs.', '');
    const done = installDriver({ ...context, obtainRunfile: () => Promise.reject(missing) }, ACTION);
    expect(await failureOf(() => done)).toBe(missing);
    expect(host.calls).toEqual([]);
  });
});

describe('a failed delivery', () => {
  it.each<[string, Answer, string, string]>([
    ['fewer bytes', { stdout: `761266176\n${RUNFILE.sha256}\n` }, 'DELIVERY_FAILED', '761266176 bytes'],
    ['other bytes', { stdout: `${RUNFILE.size}\n${'cd'.repeat(32)}\n` }, 'DELIVERY_FAILED', 'cd'.repeat(32)],
    ['nothing said', { stdout: '' }, 'DELIVERY_FAILED', 'no bytes'],
    ['an exit code', { exitCode: 1, stdout: `${RUNFILE.size}\n${RUNFILE.sha256}\n` }, 'DELIVERY_FAILED', '901'],
    [
      'a full disk',
      { exitCode: 1, stderr: 'cat: write error: No space left on device' },
      'CONTAINER_SPACE',
      '379.6 MiB',
    ],
  ])('%s', async (_what, receive, code, named) => {
    const { done, steps } = await install({ receive });
    const found = await failureOf(() => done);
    expect(found.code).toBe(code);
    expect(found.message).toContain(named);
    expect(steps()).toEqual(['receive', 'clean-up']);
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

  it.each<[string, Answer, string]>([
    ['1: it says why', { exitCode: 1, stderr: '\nERROR: It failed.\n' }, 'INSTALLER_FAILED'],
    ['1: unknown option', { exitCode: 1, stdout: 'unrecognized option: "--no-systemd"' }, 'INSTALLER_FAILED'],
    ['2: the runfile refuses itself', { exitCode: 2, stdout: 'Error in check sums 1 2' }, 'DELIVERY_FAILED'],
    ['15: full disk while unpacking', { exitCode: 15 }, 'INSTALLER_NO_SPACE'],
    [
      '135: full disk while installing',
      { exitCode: 135, stderr: 'Received signal SIGBUS; aborting.' },
      'INSTALLER_NO_SPACE',
    ],
    ['1: full disk', { exitCode: 1, stderr: 'ERROR: x: No space left on device' }, 'INSTALLER_NO_SPACE'],
    ['137: killed', { exitCode: 137 }, 'INSTALLER_KILLED'],
    ['255', { exitCode: 255 }, 'INSTALLER_FAILED'],
  ])('with %s', async (_what, answer, code) => {
    const found = await failure({ install: answer });
    expect(found.code).toBe(code);
    expect(found.message).toContain(DRIVER);
    expect(found.message).toContain('901');
  });

  it('says of 135 that the old driver is gone', async () => {
    expect((await failure({ install: { exitCode: 135 } })).message).toContain('already removed');
    expect((await failure({ install: { exitCode: 15 } })).message).not.toContain('already removed');
  });

  it('quotes the errors of output and log, each once, with the lines they go on in', async () => {
    const found = await failure({
      install: { exitCode: 1, stderr: '\nERROR: Unable to\nload it.\n\nWARNING: x\n\nERROR: Second.\n' },
      log: { stdout: `${LOG}\nERROR: Second.\n` },
    });
    expect(found.details).toBe(
      "ERROR: Unable to\nload it.\nERROR: Second.\nERROR: Unable to find the module utility `modprobe`; please make sure you have the package\n       'module-init-tools' or 'kmod' installed.",
    );
  });

  it('quotes the last lines where there is no error', async () => {
    const found = await failure({ install: { exitCode: 1, stdout: 'one\n\ntwo\n' }, log: { stdout: 'three\n' } });
    expect(found.details).toBe('one\ntwo\nthree');
  });

  it('is told even when its log can not be read', async () => {
    const found = await failure({
      install: { exitCode: 1, stderr: 'ERROR: It failed.\n' },
      log: () => {
        throw new ActionError('CONTAINER_STOPPED', 'Container 901 is not running.', '');
      },
    });
    expect(found.code).toBe('INSTALLER_FAILED');
    expect(found.details).toBe('ERROR: It failed.');
  });
});

describe('an installer that claims to be done', () => {
  it.each<[string, string, string]>([
    ['other libraries', probeRecords(guestFacts(userSpace('550.163.01'))), '550.163.01'],
    [
      'libraries of two versions',
      probeRecords(guestFacts({ libraries: [...userSpace(DRIVER).libraries, ...userSpace('550.163.01').libraries] })),
      '550.163.01 and 580.159.04',
    ],
    ['libraries without links', probeRecords(guestFacts({ links: NO_USER_SPACE.links })), DRIVER],
    ['nothing', probeRecords(bareGuest()), 'none'],
    ['half a probe', 'machine\tx86_64\n', 'unknown'],
  ])('but left %s', async (_what, stdout, named) => {
    const found = await failure({ probe: { stdout } });
    expect(found.code).toBe('INSTALLER_INCOMPLETE');
    expect(found.message).toContain(named);
  });

  it('names the files of other versions', async () => {
    const libraries = [...userSpace(DRIVER).libraries, ...userSpace('550.163.01').libraries.slice(0, 1)];
    const found = await failure({ probe: { stdout: probeRecords(guestFacts({ libraries })) } });
    expect(found.details).toBe('/usr/lib/x86_64-linux-gnu/libcuda.so.550.163.01');
  });
});

describe('its scripts in a real shell', () => {
  /** The scripts as an installation starts them, with their arguments. */
  async function scripts() {
    const { done, host } = await install();
    await done;
    const [receive, installation, , cleanUp] = host.calls.map(scriptOf);
    if (!receive || !installation || !cleanUp) throw new Error('calls are missing');
    return { receive: receive.script, install: installation.script, cleanUp: cleanUp.script };
  }
  const sh = (script: string, args: string[], stdinFile?: string) =>
    runCommand(['/bin/sh', '-c', script, 'sh', ...args], { timeoutSeconds: 20, ...(stdinFile ? { stdinFile } : {}) });

  it('receive: makes an empty private directory and tells size and sha256', async () => {
    const root = temporaryDirectory();
    const content = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 256));
    writeFileSync(join(root, 'source'), content);
    const directory = join(root, 'a directory');
    mkdirSync(directory);
    writeFileSync(join(directory, 'left'), '');
    const { receive } = await scripts();
    const { exitCode, stdout } = await sh(receive, [directory, 'x.run'], join(root, 'source'));
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`5000\n${createHash('sha256').update(content).digest('hex')}\n`);
    expect(readdirSync(directory)).toEqual(['x.run']);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  it('receive: a target that can not be made is an error', async () => {
    const { receive } = await scripts();
    const root = temporaryDirectory();
    writeFileSync(join(root, 'file'), '');
    expect((await sh(receive, [join(root, 'file/below'), 'x.run'])).exitCode).not.toBe(0);
  });

  it('install: runs the runfile there with the flags and TMPDIR, and passes its exit code on', async () => {
    const root = temporaryDirectory();
    writeFileSync(join(root, 'x.run'), 'echo "$PWD $TMPDIR"; for a; do echo "<$a>"; done; exit 7\n');
    const { install: script } = await scripts();
    // The one thing of this machine that the script touches is a log that isn't there.
    expect(existsSync('/var/log/nvidia-installer.log')).toBe(false);
    const { exitCode, stdout } = await sh(script, [root, 'x.run', '--silent', '--a=b c']);
    expect([exitCode, stdout]).toEqual([7, `${root} ${root}\n<--silent>\n<--a=b c>\n`]);
  });

  it('clean up: removes the directory, and is content when it is gone', async () => {
    const root = join(temporaryDirectory(), 'proxmox-lxc-nvidia');
    mkdirSync(root);
    writeFileSync(join(root, 'x.run'), '');
    const { cleanUp } = await scripts();
    expect((await sh(cleanUp, [root])).exitCode).toBe(0);
    expect((await sh(cleanUp, [root])).exitCode).toBe(0);
    expect(existsSync(root)).toBe(false);
  });
});
