import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { commandRunner, runCommand } from '../../../src/system/command.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const sh = (script: string, ...args: string[]) => ['/bin/sh', '-c', script, 'sh', ...args] as const;

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
    // PWD is the shell's own.
    expect(names.filter((name) => name !== 'PWD').sort()).toEqual(['LC_ALL', 'PATH']);
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
      stdin: { path: file, size: 4 },
    });
    expect(stdout).toBe('00ff0a0dx y');
  });

  it('fails where that file is missing', async () => {
    const stdin = { path: '/nonexistent', size: 1 };
    await expect(runCommand(sh('cat'), { timeoutSeconds: 10, stdin })).rejects.toMatchObject({
      code: 'HOST_FILE_UNREADABLE',
      seen: '/nonexistent could not be opened on this host.',
    });
  });

  it('fails where that file is shorter than it was said to be', async () => {
    const file = join(temporaryDirectory(), 'short');
    writeFileSync(file, 'abc');
    const stdin = { path: file, size: 4 };
    await expect(runCommand(sh('cat'), { timeoutSeconds: 10, stdin })).rejects.toMatchObject({
      code: 'HOST_FILE_UNREADABLE',
      seen: `Of the 4 bytes of ${file} 3 could be read on this host (cat: exit code 0).`,
    });
  });

  it('fails where reading that file fails', async () => {
    const stdin = { path: '/proc/self/mem', size: 1 };
    await expect(runCommand(sh('cat'), { timeoutSeconds: 10, stdin })).rejects.toMatchObject({
      code: 'HOST_FILE_UNREADABLE',
    });
  });

  it('is content with a command that ends before it has read all', async () => {
    const file = join(temporaryDirectory(), 'long');
    writeFileSync(file, Buffer.alloc(1024 * 1024));
    const stdin = { path: file, size: 1024 * 1024 };
    const { exitCode, stdout } = await runCommand(sh('head -c 3 | wc -c; exit 7'), { timeoutSeconds: 10, stdin });
    expect([exitCode, stdout]).toEqual([7, '3\n']);
  });

  it('does not wait for ever for a process that holds standard input and never reads', async () => {
    const file = join(temporaryDirectory(), 'long');
    writeFileSync(file, Buffer.alloc(1024 * 1024));
    const stdin = { path: file, size: 1024 * 1024 };
    // What the time limit can't reach, as a process in a container.
    const { exitCode } = await runCommand(sh('setsid sleep 20 > /dev/null 2>&1 <&0 & exit 3'), {
      timeoutSeconds: 1,
      stdin,
    });
    expect(exitCode).toBe(3);
  });

  it.each([{ stdin: undefined }, { stdin: { path: '/proc/version', size: 0 } }])(
    'has pipes and sockets alone, never a descriptor of a file of this host: $stdin.path',
    async ({ stdin }) => {
      const options = {
        timeoutSeconds: 10,
        ...(stdin && { stdin: { ...stdin, size: readFileSync(stdin.path).length } }),
      };
      // ls reads the directory by a descriptor of its own.
      const { stdout } = await runCommand(['/bin/ls', '-l', '/proc/self/fd'], options);
      const targets = [...stdout.matchAll(/ (\d+) -> (.*)$/gm)].map(([, number, target = '']) => `${number} ${target}`);
      expect(targets.filter((target) => !/^\d+ (?:pipe|socket):\[\d+\]$|^3 \/proc\/\d+\/fd$/.test(target))).toEqual([]);
      expect(targets.length).toBeGreaterThanOrEqual(4);
    },
  );

  it('runs in a session of its own, made without another process in between', async () => {
    const { stdout } = await runCommand(sh('cut -d " " -f 6 /proc/self/stat'), { timeoutSeconds: 10 });
    const session = Number(stdout);
    const own = Number(readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ')[3]);
    expect(session).toBeGreaterThan(0);
    expect(session).not.toBe(own);
  });

  it('is led by the child of this process: setsid did not fork', async () => {
    const { stdout } = await runCommand(
      sh('leader=$(cut -d " " -f 6 /proc/self/stat); cut -d " " -f 4 "/proc/$leader/stat"'),
      { timeoutSeconds: 10 },
    );
    expect(Number(stdout)).toBe(process.pid);
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

  it('reads a line of 50 MB in time and memory that a line of 50 bytes has', async () => {
    const before = process.memoryUsage().rss;
    const started = performance.now();
    const lines: string[] = [];
    const { stdout } = await runCommand(sh('head -c 50000000 /dev/zero | tr "\\0" x; echo; echo end'), {
      timeoutSeconds: 30,
      onLine: (line) => lines.push(line),
    });
    expect(performance.now() - started).toBeLessThan(5000);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 ** 2);
    expect(lines).toEqual([`${'x'.repeat(1960)}… (a line of 50000000 bytes)`, 'end']);
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
});

describe('commandRunner', () => {
  it('lets the time limit and the command go through another program', async () => {
    const way = ['/bin/sh', '-c', 'echo "$1 $4"; shift 4; exec "$@" < /dev/stdin', 'way'];
    const file = join(temporaryDirectory(), 'input');
    writeFileSync(file, 'what is read');
    const { stdout } = await commandRunner(way)(sh('cat'), { timeoutSeconds: 7, stdin: { path: file, size: 12 } });
    expect(stdout).toBe('/usr/bin/timeout 7\nwhat is read');
  });
});
