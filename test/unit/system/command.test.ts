import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text as buffers } from 'node:stream/consumers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { commandRunner, runCommand } from '../../../src/system/command.ts';
import { CONTAINER_LIMITS } from '../../../src/system/limits.ts';
import { failureOf } from '../helpers/failure.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const sh = (script: string, ...args: string[]) => ['/bin/sh', '-c', script, 'sh', ...args] as const;

const COMMAND = join(import.meta.dirname, '../../../src/system/command.ts');

/** Fields of /proc/PID/stat from the third on: state, parent, group, session, terminal. */
const statOf = (stat: string) => stat.slice(stat.lastIndexOf(')') + 2).split(' ');

afterEach(() => {
  delete process.env['GITHUB_TOKEN_OF_THE_TEST'];
});

describe('runCommand', () => {
  it('keeps exit code, stdout and stderr apart', async () => {
    expect(await runCommand(sh('echo out; echo err >&2; exit 3'), { timeoutSeconds: 10 })).toEqual({
      exitCode: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  it('hands arguments over as they are', async () => {
    const args = ['a b', '$(id)', '"q"', "'s'", '*', '', 'two\nlines', ';', '-n', 'ö'];
    const { stdout } = await runCommand(sh(`for a; do printf '%s\\0' "$a"; done`, ...args), { timeoutSeconds: 10 });
    expect(stdout.split('\0').slice(0, -1)).toEqual(args);
  });

  it("passes nothing of this process's environment on", async () => {
    process.env['GITHUB_TOKEN_OF_THE_TEST'] = 's3cret';
    const { stdout } = await runCommand(['/usr/bin/env'], { timeoutSeconds: 10 });
    const names = stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/=.*/, ''));
    // Three are the shell's own.
    expect(names.filter((name) => !['PWD', 'SHLVL', '_'].includes(name)).sort()).toEqual(['LC_ALL', 'PATH']);
  });

  it('gives an empty standard input where none is named', async () => {
    const { exitCode, stdout } = await runCommand(sh('cat; echo end'), { timeoutSeconds: 10 });
    expect([exitCode, stdout]).toEqual([0, 'end\n']);
  });

  it('reads standard input from a file, bytes as they are', async () => {
    const file = join(temporaryDirectory(), "a file's name $(id)");
    writeFileSync(file, Buffer.from([0, 255, 10, 13]));
    const { stdout } = await runCommand(sh('od -An -tx1 | tr -d " \\n"; printf %s "$1"', 'x y'), {
      timeoutSeconds: 10,
      stdinFile: file,
    });
    expect(stdout).toBe('00ff0a0dx y');
  });

  it.each([
    ['is missing', () => '/nonexistent'],
    ['can not be read', () => temporaryDirectory()],
  ])('fails where that file %s', async (_, file) => {
    const failure = await failureOf(() => runCommand(sh('cat; exit 0'), { timeoutSeconds: 10, stdinFile: file() }));
    expect(failure.code).toBe('HOST_FILE_UNREADABLE');
    expect(failure.details).toMatch(/no such file|Is a directory/);
  });

  it('fails where that file has become shorter meanwhile, whatever the command says', async () => {
    const file = join(temporaryDirectory(), 'input');
    writeFileSync(file, Buffer.alloc(1024 * 1024));
    const options = { timeoutSeconds: 10, stdinFile: file };
    const failure = await failureOf(() => runCommand(sh('head -c 1 > /dev/null; : > "$1"; exit 0', file), options));
    expect(failure.code).toBe('HOST_FILE_UNREADABLE');
  });

  it.each([0, 9])('is content with a command that reads only the beginning and exits with %d', async (code) => {
    const file = join(temporaryDirectory(), 'input');
    writeFileSync(file, Buffer.alloc(8 * 1024 * 1024));
    const options = { timeoutSeconds: 10, stdinFile: file };
    expect(await runCommand(sh('head -c 1 | wc -c; exit "$1"', `${code}`), options)).toMatchObject({
      exitCode: code,
      stdout: '1\n',
    });
  });

  it('starts a command in a session without a terminal, with no process between Node and its leader', async () => {
    const { stdout } = await runCommand(sh('cat "/proc/$$/stat"'), { timeoutSeconds: 10 });
    const [, , , session = '', terminal] = statOf(stdout);
    expect(terminal).toBe('0');
    expect(session).not.toBe(statOf(readFileSync('/proc/self/stat', 'utf8'))[3]);
    const leader = await runCommand(sh('cat "/proc/$(cut -d " " -f 6 "/proc/$$/stat")/stat"'), { timeoutSeconds: 10 });
    expect(Number(statOf(leader.stdout)[1])).toBe(process.pid);
  });

  it.each([undefined, '/etc/passwd'])('gives a command three pipes and nothing else (input: %s)', async (stdinFile) => {
    const left = openSync('/etc/hostname', 'r');
    // What Node opens is closed on exec; what a runner leaves to Node isn't.
    const keeper = `process.stdout.write(JSON.stringify(await (await import(${JSON.stringify(COMMAND)})).runCommand(
      ['/bin/ls', '-l', '/proc/self/fd'], { timeoutSeconds: 10 ${stdinFile === undefined ? '' : `, stdinFile: '${stdinFile}'`} })))`;
    const stdio = [...Array<'pipe'>(3).fill('pipe'), left, ...Array<'ignore'>(20).fill('ignore'), left];
    const child = spawn(process.execPath, ['--input-type=module', '-e', keeper], { stdio });
    const [text] = await Promise.all([buffers(child.stdout as Readable), once(child, 'close')]);
    closeSync(left);
    const { stdout } = JSON.parse(text) as { stdout: string };
    const links = [...stdout.matchAll(/ (\d+) -> (\S+)$/gm)].map(([, number, target = '']) => [
      Number(number),
      target.replace(/\d{2,}/, 'N'),
    ]);
    // 3 is what ls lists.
    expect(links).toEqual([
      [0, 'pipe:[N]'],
      [1, 'pipe:[N]'],
      [2, 'pipe:[N]'],
      [3, '/proc/N/fd'],
    ]);
  });

  it('ends although something left behind keeps its output open, and leaves nothing that copies it', async () => {
    const started = performance.now();
    const script = 'sleep 3471 & echo "$!"; cut -d " " -f 6 "/proc/$$/stat"; exit 3';
    const { exitCode, stdout } = await runCommand(sh(script), { timeoutSeconds: 60 });
    expect(performance.now() - started).toBeLessThan(40_000);
    expect(exitCode).toBe(3);
    const [left, session] = stdout.trim().split('\n');
    const ofSession = () => execFileSync('ps', ['-s', `${session}`, '-o', 'pid='], { encoding: 'utf8' }).trim();
    try {
      await vi.waitFor(() => expect(ofSession().split(/\s+/)).toEqual([left]), 20_000);
    } finally {
      process.kill(Number(left), 'SIGKILL');
    }
  }, 60_000);

  it('ends although something left behind keeps its input open, unread', async () => {
    const file = join(temporaryDirectory(), 'input');
    writeFileSync(file, Buffer.alloc(1024 * 1024));
    const script = 'exec 3<&0; sleep 3472 <&3 > /dev/null 2>&1 & echo "$!"';
    const { exitCode, stdout } = await runCommand(sh(script), { timeoutSeconds: 60, stdinFile: file });
    process.kill(Number(stdout), 'SIGKILL');
    expect(exitCode).toBe(0);
  });

  it('tells a command that something killed from one whose time was up', async () => {
    const { exitCode } = await runCommand(sh('kill -KILL "$$"'), { timeoutSeconds: 60 });
    expect(exitCode).toBe(255);
  });

  it('tells each line as it comes', async () => {
    const lines: string[] = [];
    await runCommand(sh('echo one; echo two >&2; printf three'), {
      timeoutSeconds: 10,
      onLine: (line, stream) => lines.push(`${stream} ${line}`),
    });
    expect(lines.sort()).toEqual(['stderr two', 'stdout one', 'stdout three']);
  });

  it('ends a command and its children when the time is up', async () => {
    const started = performance.now();
    const { exitCode, stdout } = await runCommand(sh('sleep 30 & echo begun; wait'), { timeoutSeconds: 0.3 });
    expect([exitCode, stdout]).toEqual([124, 'begun\n']);
    expect(performance.now() - started).toBeLessThan(8000);
  });

  it('answers a program that is not there with an exit code', async () => {
    const { exitCode, stderr } = await runCommand(['/nonexistent/pct'], { timeoutSeconds: 10 });
    expect(exitCode).toBe(127);
    expect(stderr).toContain('/nonexistent/pct');
  });

  it('reads a line of 16 MB in time and memory that a line of 50 bytes has', async () => {
    const before = process.memoryUsage().rss;
    const started = performance.now();
    const lines: string[] = [];
    const { stdout } = await runCommand(sh('head -c 16000000 /dev/zero | tr "\\0" x; echo; echo end'), {
      timeoutSeconds: 30,
      onLine: (line) => lines.push(line),
    });
    expect(performance.now() - started).toBeLessThan(5000);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 ** 2);
    expect(lines).toEqual([`${'x'.repeat(1960)}… (a line of 16000000 bytes)`, 'end']);
    expect(new Set(stdout)).toEqual(new Set('x'));
  });

  it.each([
    [undefined, 2 * 1024 ** 2, 2 * 1024 ** 2],
    [{ stdout: 1000, stderr: 0 }, 1000, 0],
  ])('keeps the beginning of each stream and reads the rest: %j', async (kept, out, errors) => {
    const script = 'yes "$1" | head -c 5000000; yes "$1" | head -c 5000000 >&2; exit 5';
    const { exitCode, stdout, stderr } = await runCommand(sh(script, 'x'.repeat(999)), {
      timeoutSeconds: 30,
      ...(kept === undefined ? {} : { kept }),
    });
    expect([exitCode, stdout.length, stderr.length]).toEqual([5, out, errors]);
  });

  it.each(['', '>&2'])('cuts off what prints without end, long before its time is up: yes %s', async (where) => {
    let handedOn = 0;
    const result = await runCommand(sh(`yes "$1" ${where}`, 'x'.repeat(999)), {
      timeoutSeconds: 3600,
      onLine: (line) => {
        handedOn += line.length + 1;
      },
    });
    expect(result).toMatchObject({ exitCode: 141, endless: true });
    expect(handedOn).toBeLessThanOrEqual(CONTAINER_LIMITS.readBytes);
  });

  it('says of what prints much, and ends, that it is not without end', async () => {
    const script = 'head -c 8000000 /dev/zero | tr "\\0" x; head -c 8000000 /dev/zero >&2';
    const result = await runCommand(sh(script), { timeoutSeconds: 60 });
    expect(result.exitCode).toBe(0);
    expect(result).not.toHaveProperty('endless');
  });
});

describe('commandRunner', () => {
  it('lets the time limit and the command go through another program', async () => {
    const way = ['/bin/sh', '-c', 'echo "$1 $4"; shift 4; exec "$@" < /dev/stdin', 'way'];
    const file = join(temporaryDirectory(), 'input');
    writeFileSync(file, 'what is read');
    const { stdout } = await commandRunner(way)(sh('cat'), { timeoutSeconds: 7, stdinFile: file });
    expect(stdout).toBe('/usr/bin/timeout 7\nwhat is read');
  });
});
