import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ActionError } from '../../../src/errors.ts';
import { END_PROCESSES } from '../../../src/proxmox/end-processes.ts';
import { Pct } from '../../../src/proxmox/pct.ts';
import type { RunCommand, Stream } from '../../../src/system/command.ts';
import { runCommand } from '../../../src/system/command.ts';
import { type Answer, FakeHost, play, takeApart } from '../helpers/commands.ts';
import { failureOf } from '../helpers/failure.ts';
import { pctOf } from '../helpers/pct.ts';

const OPTIONS = { purpose: 'doing it', timeoutSeconds: 30 };

/** A pct that never starts the command. */
function failing(answer: Answer): Pct {
  return pctOf((argv, options) => play({ argv, options }, answer));
}

/** A pct whose stderr is made of the word that marks begin and end. */
function marked(exitCode: number, stderr: (word: string) => string, wait = 0): Pct {
  return pctOf(async (argv, options) => {
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    return play(
      { argv, options },
      { exitCode, stdout: 'last words\n', stderr: stderr(takeApart({ argv, options }).word) },
    );
  });
}

describe('exec', () => {
  it('starts pct with nothing of the environment and the command as it is', async () => {
    const host = new FakeHost(() => ({}));
    await pctOf(host.run).exec(901, ['apt-get', 'install', 'a b', '$(id)', ''], OPTIONS);
    const [call] = host.raw;
    if (call === undefined) throw new Error('no call');
    const { word } = takeApart(call);
    const wrapper = call.argv[call.argv.indexOf('-c') + 1];
    expect(call.argv).toEqual([
      '/usr/sbin/pct',
      'exec',
      '901',
      '--',
      'env',
      '-i',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOME=/root',
      'LC_ALL=C.UTF-8',
      'TERM=dumb',
      'DEBIAN_FRONTEND=noninteractive',
      `PROXMOX_LXC_NVIDIA=${word}`,
      '/bin/sh',
      '-c',
      wrapper,
      'proxmox-lxc-nvidia',
      word,
      '30',
      'apt-get',
      'install',
      'a b',
      '$(id)',
      '',
    ]);
    expect(word).toMatch(/^[0-9a-f-]{36}$/);
    expect(wrapper).not.toContain('901');
    expect(wrapper).not.toContain(word);
    expect(call.options.timeoutSeconds).toBeGreaterThan(30);
    expect(call.options.stdinFile).toBeUndefined();
  });

  it('marks every call with another word', async () => {
    const host = new FakeHost(() => ({}));
    const pct = pctOf(host.run);
    await pct.exec(901, ['true'], OPTIONS);
    await pct.exec(901, ['true'], OPTIONS);
    expect(new Set(host.raw.map((call) => takeApart(call).word)).size).toBe(2);
  });

  it.each([0, 1, 2, 100, 124, 137, 255])('gives exit code %d of the command back', async (exitCode) => {
    const host = new FakeHost(() => ({ exitCode, stdout: 'out\n', stderr: 'err' }));
    expect(await pctOf(host.run).exec(901, ['x'], OPTIONS)).toEqual({ exitCode, stdout: 'out\n', stderr: 'err' });
  });

  it('goes by the marker where pct itself gives another exit code', async () => {
    const pct = marked(255, (word) => `${word} began\nfailed: x\n\n${word} ended 100\n`);
    expect(await pct.exec(901, ['x'], OPTIONS)).toMatchObject({ exitCode: 100, stderr: 'failed: x' });
  });

  it('hands lines on as they come, without the markers', async () => {
    const lines: [string, Stream][] = [];
    const host = new FakeHost(() => ({ stdout: 'out 1\n\nout 2\n', stderr: 'err 1' }));
    await pctOf(host.run).exec(901, ['x'], { ...OPTIONS, onLine: (...line) => lines.push(line) });
    expect(lines).toEqual([
      ['out 1', 'stdout'],
      ['', 'stdout'],
      ['out 2', 'stdout'],
      ['err 1', 'stderr'],
    ]);
  });

  it('hands a file over as standard input', async () => {
    const host = new FakeHost(() => ({}));
    await pctOf(host.run).exec(901, ['x'], { ...OPTIONS, stdinFile: '/tmp/file' });
    expect(host.calls[0]?.stdinFile).toBe('/tmp/file');
  });

  it('is not deceived by markers with another word, or on stdout', async () => {
    const pct = pctOf(async (argv, options) => {
      const { word } = takeApart({ argv, options });
      const other = '00000000-0000-4000-8000-000000000000';
      return play(
        { argv, options },
        { exitCode: 1, stdout: `${word} ended 0\n`, stderr: `${word} began\n${other} ended 0\n` },
      );
    });
    expect((await failureOf(() => pct.exec(901, ['x'], OPTIONS))).code).toBe('PCT_FAILED');
  });
});

describe('what it means when the command never began', () => {
  const recorded = JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/pct/recorded.json'), 'utf8')) as {
    command: string;
    exit: number;
    stderr: string;
  }[];

  const stopped = recorded.find(({ stderr }) => stderr.includes('not running!'));
  const absent = recorded.find(({ command, stderr }) => command.includes('exec 9999') && stderr !== '');

  it('knows the recorded texts', () => {
    expect(stopped?.command).toContain('exec');
    expect(absent?.stderr).toContain('does not exist');
  });

  it.each<[string, Answer, string, string]>([
    [
      'recorded: stopped',
      { exitCode: stopped?.exit ?? 0, stderr: stopped?.stderr ?? '' },
      'CONTAINER_STOPPED',
      'pct start',
    ],
    ['recorded: absent', { exitCode: absent?.exit ?? 0, stderr: absent?.stderr ?? '' }, 'CONTAINER_NOT_FOUND', '901'],
    [
      'not root',
      {
        exitCode: 255,
        stderr:
          'ipcc_send_rec[1] failed: Unknown error -1\nipcc_send_rec[2] failed: Unknown error -1\nUnable to load access control list: Unknown error -1\n',
      },
      'HOST_NOT_ROOT',
      'root',
    ],
    ['refused by sudo', { exitCode: 1, stderr: 'sudo: a password is required\n' }, 'HOST_NOT_ROOT', 'docs/sudoers'],
    [
      'with a warning of sudo before its own words',
      {
        exitCode: 2,
        stderr: 'sudo: unable to resolve host vm: Name or service not known\n400 unable to parse option\n',
      },
      'PCT_FAILED',
      'exit code 2',
    ],
    ['hanging', { exitCode: 124 }, 'TIMEOUT', '1 min 30 s'],
    ['hanging and killed', { exitCode: 137 }, 'TIMEOUT', '901'],
    [
      'an old grammar',
      { exitCode: 2, stderr: 'Unknown option: x\n400 unable to parse option\n' },
      'PCT_FAILED',
      'code 2',
    ],
    [
      'no shell inside',
      {
        exitCode: 127,
        stderr:
          'lxc-attach: 901: ../src/lxc/attach.c: lxc_attach_run_command: 1841 No such file or directory - Failed to exec "/usr/bin/env"\n',
      },
      'PCT_FAILED',
      'code 127',
    ],
    ['silence', { exitCode: 0 }, 'PCT_FAILED', 'code 0'],
  ])('%s', async (_what, answer, code, named) => {
    const failure = await failureOf(() => failing(answer).exec(901, ['x'], OPTIONS));
    expect(failure.code).toBe(code);
    expect(failure.message).toContain(named);
  });

  it("keeps pct's own words as details", async () => {
    const failure = await failureOf(() => failing({ exitCode: 4, stderr: 'got timeout\n' }).exec(901, ['x'], OPTIONS));
    expect(failure.details).toBe('got timeout');
  });
});

describe('a command that began but did not end by itself', () => {
  it('is a failure of its own when it was cut off because it printed without end', async () => {
    const pct = pctOf(async (argv, options) => {
      const stderr = `${takeApart({ argv, options }).word} began\n`;
      return { ...(await play({ argv, options }, { exitCode: 141, stdout: 'x\nyy\n', stderr })), endless: true };
    });
    const failure = await failureOf(() => pct.exec(901, ['x'], OPTIONS));
    expect(failure.code).toBe('CONTAINER_OUTPUT_ENDLESS');
    expect(failure.seen).toContain('printed more than 16.0 MiB and was cut off');
    expect(failure.details).toContain('yy');
  });

  it('is a failure of the container when no end was seen', async () => {
    const pct = marked(137, (word) => `${word} began\nhalf of it\n`);
    const failure = await failureOf(() => pct.exec(901, ['x'], OPTIONS));
    expect(failure.code).toBe('PCT_FAILED');
    expect(failure.message).toContain('while doing it');
    expect(failure.message).toContain('137');
    expect(failure.details).toBe('half of it');
  });

  it.each([124, 137])('is TIMEOUT when %d comes at the end of the time', async (code) => {
    const pct = marked(code, (word) => `${word} began\nwaiting\n\n${word} ended ${code}\n`, 30);
    const failure = await failureOf(() => pct.exec(901, ['x'], { ...OPTIONS, timeoutSeconds: 0.02 }));
    expect(failure.code).toBe('TIMEOUT');
    expect(failure.message).toContain('doing it');
    expect(failure.details).toBe('last words\nwaiting');
  });

  it('is no TIMEOUT when another code comes late', async () => {
    const pct = marked(1, (word) => `${word} began\n\n${word} ended 1\n`, 30);
    expect(await pct.exec(901, ['x'], { ...OPTIONS, timeoutSeconds: 0.02 })).toMatchObject({ exitCode: 1 });
  });
});

describe('the wrapper in a real shell', () => {
  /** A pct that runs the command on this machine. */
  const here: RunCommand = (argv, options) => {
    const [program = '', ...rest] = argv.slice(4);
    return runCommand([program, ...rest], options);
  };

  it('marks begin and end, and passes output, arguments and exit code on', async () => {
    const script = 'printf "%s|" "$@"; printf "no end of line" >&2; exit 7';
    expect(await pctOf(here).script(901, script, ['a b', '$(id)', ''], OPTIONS)).toEqual({
      exitCode: 7,
      stdout: 'a b|$(id)||',
      stderr: 'no end of line',
    });
  });

  it('gives the command a clean environment and an empty standard input', async () => {
    const { stdout } = await pctOf(here).script(901, 'cat; env | sort', [], OPTIONS);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('=')[0]),
    ).toEqual(expect.arrayContaining(['DEBIAN_FRONTEND', 'HOME', 'LC_ALL', 'PATH', 'TERM']));
    expect(stdout).not.toMatch(/GITHUB_|RUNNER_|INPUT_|NODE/);
  });

  it('ends a command whose time is up', async () => {
    const failure = await failureOf(() =>
      pctOf(here).script(901, 'echo waiting for it; exec sleep 30', [], { ...OPTIONS, timeoutSeconds: 0.3 }),
    );
    expect(failure.code).toBe('TIMEOUT');
    expect(failure.details).toBe('waiting for it');
  });

  it('tells a command that was not found from pct that failed', async () => {
    expect(await pctOf(here).exec(901, ['no-such-command'], OPTIONS)).toMatchObject({ exitCode: 127 });
  });
});

describe('a command that prints without end', () => {
  /** What is handed on of a command's lines, where some containers are worked on at one time. */
  async function handedOn(stdout: string, atOnce = 1): Promise<string[]> {
    const lines: string[] = [];
    const host = new FakeHost(() => ({ stdout }));
    const pct = new Pct(host.run, new AbortController().signal, atOnce);
    await pct.exec(901, ['yes'], { ...OPTIONS, onLine: (line) => lines.push(line) });
    return lines;
  }
  const LEFT_OUT = '(what this command prints from here on is left out: it is too much)';

  it('is shown in its first 20,000 lines, and says so', async () => {
    const lines = await handedOn('y\n'.repeat(30_000));
    expect(lines).toHaveLength(20_001);
    expect(lines.at(-1)).toBe(LEFT_OUT);
  });

  it('is shown in its first bytes, fewer where many containers share them', async () => {
    const text = `${'€'.repeat(333)}\n`.repeat(19_000);
    const alone = await handedOn(text);
    expect(alone).toHaveLength(Math.floor((2 * 1024 ** 2) / 1000) + 1);
    expect(alone.at(-1)).toBe(LEFT_OUT);
    expect((await handedOn(text, 64)).length).toBeLessThan(alone.length / 2);
  });

  it('is kept in its first bytes, and of its errors nothing but what is told and their end', async () => {
    const host = new FakeHost(() => ({}));
    await new Pct(host.run, new AbortController().signal, 64).exec(901, ['yes'], OPTIONS);
    expect(host.raw[0]?.options.kept).toEqual({ stdout: (32 * 1024 ** 2) / 64, stderr: 0 });
  });

  it('is remembered by the end of its errors', async () => {
    const host = new FakeHost(() => ({ exitCode: 1, stderr: `${`${'x'.repeat(9999)}\n`.repeat(500)}the cause` }));
    const { stderr } = await pctOf(host.run).exec(901, ['x'], OPTIONS);
    expect(stderr.endsWith('the cause')).toBe(true);
    expect(stderr.length).toBeLessThanOrEqual(256 * 1024);
  });
});

describe('manage', () => {
  it.each([124, 137])('tells a pct that hangs (%d) from one that fails', async (exitCode) => {
    const options = { timeoutSeconds: 300, remedy: 'Look.' };
    const hanging = await failureOf(() =>
      failing({ exitCode }).manage('SNAPSHOT_FAILED', ['snapshot', '901', 'x'], options),
    );
    expect(hanging.code).toBe('SNAPSHOT_FAILED');
    expect(hanging.seen).toBe("pct snapshot 901 x didn't end within 5 min 0 s and was ended.");
    const failed = await failureOf(() =>
      failing({ exitCode: 2 }).manage('SNAPSHOT_FAILED', ['snapshot', '901', 'x'], options),
    );
    expect(failed.seen).toContain('exit code 2');
  });
});

describe('a run that is cancelled', () => {
  const reason = new ActionError('CANCELLED', 'It was cancelled.', 'x');

  /** Cancels while a command runs, which goes on until something ends it. */
  function cancelling() {
    const controller = new AbortController();
    let finish = (_answer: Answer) => {};
    const host = new FakeHost(({ argv }) => {
      if (argv.includes(END_PROCESSES)) {
        finish({ exitCode: 143 });
        return {};
      }
      controller.abort(reason);
      return new Promise<Answer>((resolve) => {
        finish = resolve;
      });
    });
    return { host, controller, pct: pctOf(host.run, controller.signal) };
  }

  it('ends the command in the container, by its own mark, and throws the reason', async () => {
    const { host, pct } = cancelling();
    expect(await failureOf(() => pct.exec(901, ['apt-get', 'install'], OPTIONS))).toBe(reason);
    const [command, end] = host.raw;
    if (command === undefined || end === undefined) throw new Error('calls are missing');
    expect(host.calls[1]?.argv).toEqual([
      '/bin/sh',
      '-c',
      END_PROCESSES,
      'proxmox-lxc-nvidia',
      takeApart(command).word,
    ]);
    expect(host.calls[1]?.ctid).toBe(901);
  });

  it('starts nothing more in containers but what cleans up', async () => {
    const host = new FakeHost(() => ({ stdout: 'done\n' }));
    const pct = pctOf(host.run, AbortSignal.abort(reason));
    expect(await failureOf(() => pct.exec(901, ['true'], OPTIONS))).toBe(reason);
    expect(host.calls).toHaveLength(0);
    expect(await pct.exec(901, ['true'], { ...OPTIONS, evenIfCancelled: true })).toMatchObject({ stdout: 'done\n' });
  });

  it('ends what a command left behind whose time was up', async () => {
    const ended: boolean[] = [];
    const pct = pctOf(async (argv, options) => {
      const { word, argv: command } = takeApart({ argv, options });
      ended.push(command.includes(END_PROCESSES));
      await new Promise((resolve) => setTimeout(resolve, 30));
      return play({ argv, options }, { exitCode: 124, stderr: `${word} began\n\n${word} ended 124\n` });
    });
    const failure = await failureOf(() => pct.exec(901, ['x'], { ...OPTIONS, timeoutSeconds: 0.02 }));
    expect(failure.code).toBe('TIMEOUT');
    expect(ended).toEqual([false, true]);
  });

  it('is told when not everything could be ended', async () => {
    const stays = new FakeHost(() => ({ exitCode: 1 }));
    expect(await pctOf(stays.run).endProcesses(901, 'any')).toBe(false);
    expect(await failing({ exitCode: 255, stderr: "container '901' not running!" }).endProcesses(901, 'x')).toBe(false);
    const gone = new FakeHost(() => ({}));
    expect(await pctOf(gone.run).endProcesses(901, 'any')).toBe(true);
  });
});
