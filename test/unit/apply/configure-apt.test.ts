import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { configureApt } from '../../../src/apply/configure-apt.ts';
import type { Action, FileChange } from '../../../src/plan/actions.ts';
import { runCommand } from '../../../src/system/command.ts';
import { applyContext } from '../helpers/apply.ts';
import { type Answer, scriptOf } from '../helpers/commands.ts';
import { failureOf } from '../helpers/failure.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

type ConfigureApt = Extract<Action, { kind: 'configure-apt' }>;

const encoded = (text: string) => Buffer.from(text).toString('base64');
const write = (path: string, text: string): FileChange => ({ kind: 'write', path, content: encoded(text) });

function action(changes: Partial<ConfigureApt> = {}): ConfigureApt {
  return {
    kind: 'configure-apt',
    reason: 'x',
    before: [],
    installCertificates: false,
    after: [],
    keys: [],
    ...changes,
  };
}

describe('configureApt', () => {
  it('hands changes over as arguments of a fixed script', async () => {
    const { context, host } = applyContext(() => ({}));
    const hostile = '/etc/apt/sources.list.d/$(id); x.list';
    await configureApt(
      context,
      action({
        before: [write('/a', 'A'), { kind: 'put-aside', path: hostile }],
        installCertificates: true,
        after: [write('/b', 'B')],
      }),
    );
    await configureApt(context, action({ after: [write('/b', 'B')] }));
    const [first, second] = host.calls.map(scriptOf);
    expect(first?.args).toEqual([
      'write',
      '/a',
      'QQ==',
      'put-aside',
      hostile,
      '-',
      'certificates',
      '-',
      '-',
      'write',
      '/b',
      'Qg==',
    ]);
    expect(second?.args).toEqual(['write', '/b', 'Qg==']);
    expect(second?.script).toBe(first?.script);
    expect(first?.script).not.toContain(hostile);
  });

  it('says what apt said when it fails', async () => {
    const { context, log } = applyContext(() => ({ exitCode: 100, stdout: 'E: The repository x is not signed.\n' }));
    const failure = await failureOf(() => configureApt(context, action()));
    expect(failure.code).toBe('APT_SIGNATURE');
    expect(failure.details).toBe('E: The repository x is not signed.');
    expect(log.lines).toEqual(['foreign 901 E: The repository x is not signed.']);
  });
});

describe('its script in a real shell', () => {
  let root: string;
  let bin: string;
  let script: string;

  beforeEach(async () => {
    root = temporaryDirectory();
    bin = temporaryDirectory();
    const { context, host } = applyContext(() => ({}));
    await configureApt(context, action());
    const [call] = host.calls;
    if (call === undefined) throw new Error('no call');
    script = scriptOf(call).script;
  });

  /** An apt-get that notes how it was called, in $bin/calls. */
  function aptGet(body: string): void {
    writeFileSync(join(bin, 'apt-get'), `#!/bin/sh\necho "$*" >> ${bin}/calls\n${body}\n`, { mode: 0o755 });
  }

  /** Runs the script as configureApt would, with our apt-get. */
  async function run(changes: Partial<ConfigureApt>): Promise<Answer> {
    const { context } = applyContext((call) =>
      runCommand(['/usr/bin/env', `PATH=${bin}:/usr/bin:/bin`, ...call.argv], { timeoutSeconds: 20 }),
    );
    let result: Answer = {};
    const { pct } = context;
    const spied = Object.create(pct, {
      exec: {
        value: async (...args: Parameters<typeof pct.exec>) => {
          const done = await pct.exec(...args);
          result = done;
          return done;
        },
      },
    });
    await configureApt({ ...context, pct: spied }, action(changes)).catch(() => {});
    return result;
  }

  const calls = () => readFileSync(join(bin, 'calls'), 'utf8').trim().split('\n');
  /** What the script keeps below /var/tmp, of this test only: its notes name our directory. */
  const leftovers = () =>
    readdirSync('/var/tmp')
      .filter((name) => name.startsWith('proxmox-lxc-nvidia-apt.'))
      .map((name) => join('/var/tmp', name))
      .filter((saved) => readdirSync(saved).some((name) => readFileSync(join(saved, name), 'utf8').includes(root)));

  it('writes files with mode 0644, puts others aside and updates at the end', async () => {
    aptGet(`[ -e "${root}/sources" ] && echo updated`);
    writeFileSync(join(root, 'cuda.list'), 'deb x\n');
    const { exitCode, stdout } = await run({
      before: [
        write(join(root, 'new/dir/pin'), 'pin\n'),
        { kind: 'put-aside', path: join(root, 'cuda.list') },
        { kind: 'put-aside', path: join(root, 'absent.list') },
      ],
      after: [write(join(root, 'sources'), 'Größe\n')],
    });
    expect([exitCode, stdout]).toEqual([0, 'updated\n']);
    expect(readFileSync(join(root, 'new/dir/pin'), 'utf8')).toBe('pin\n');
    expect(statSync(join(root, 'new/dir/pin')).mode & 0o777).toBe(0o644);
    expect(readFileSync(join(root, 'sources'), 'utf8')).toBe('Größe\n');
    expect(readdirSync(root).sort()).toEqual(['cuda.list.disabled', 'new', 'sources']);
    expect(calls()).toHaveLength(1);
    expect(calls()[0]).toMatch(/ update$/);
    expect(leftovers()).toEqual([]);
  });

  it('installs certificates before the sources are written', async () => {
    aptGet(`echo "sources: $(ls ${root} | tr '\\n' ' ')" >> ${bin}/calls`);
    await run({
      before: [write(join(root, 'pin'), 'x')],
      installCertificates: true,
      after: [write(join(root, 'sources'), 'x')],
    });
    const seen = calls().map((line) => /(update|install ca-certificates|sources: .*)$/.exec(line)?.[1]?.trim());
    expect(seen).toEqual([
      'update',
      'sources: pin',
      'install ca-certificates',
      'sources: pin',
      'update',
      'sources: pin sources',
    ]);
  });

  /** Three files to be changed: one is there, one isn't, one is put aside. */
  function someChanges(): Partial<ConfigureApt> {
    writeFileSync(join(root, 'pin'), 'old pin\n', { mode: 0o640 });
    writeFileSync(join(root, 'cuda.list'), 'deb x\n');
    return {
      before: [write(join(root, 'pin'), 'new pin\n'), { kind: 'put-aside', path: join(root, 'cuda.list') }],
      after: [write(join(root, 'sources'), 'x')],
    };
  }

  function expectAsBefore(): void {
    expect(readdirSync(root).sort()).toEqual(['cuda.list', 'pin']);
    expect(readFileSync(join(root, 'pin'), 'utf8')).toBe('old pin\n');
    expect(statSync(join(root, 'pin')).mode & 0o777).toBe(0o640);
    expect(readFileSync(join(root, 'cuda.list'), 'utf8')).toBe('deb x\n');
    expect(leftovers()).toEqual([]);
  }

  it('puts every file back when apt-get update fails', async () => {
    aptGet('echo "E: no"; exit 100');
    expect(await run(someChanges())).toMatchObject({ exitCode: 100, stdout: 'E: no\n' });
    expectAsBefore();
  });

  it.each([
    'W: Failed to fetch https://x/InRelease  Could not connect',
    'W: GPG error: https://x InRelease: NO_PUBKEY DDCAE044F796ECB0',
    'W: Some index files failed to download. They have been ignored, or old ones used instead.',
    "E: The repository 'x' is not signed.",
    'Err:1 https://x Failed to fetch',
  ])('takes %j for a failure although apt-get exits with 0 (apt before 2.1)', async (line) => {
    aptGet(`echo "${line}"`);
    expect(await run(someChanges())).toMatchObject({ exitCode: 100 });
    expectAsBefore();
  });

  it('puts every file back when a change in the middle fails', async () => {
    aptGet('echo fine');
    const changes = someChanges();
    writeFileSync(join(root, 'file'), 'no directory');
    changes.after = [...(changes.after ?? []), write(join(root, 'file/below'), 'x')];
    const { exitCode } = await run(changes);
    expect(exitCode).not.toBe(0);
    expect(existsSync(join(bin, 'calls'))).toBe(false);
    rmSync(join(root, 'file'));
    expectAsBefore();
  });

  it('leaves a file alone that merely has the name of one put aside', async () => {
    aptGet('exit 100');
    writeFileSync(join(root, 'pin.disabled'), 'mine\n');
    writeFileSync(join(root, 'cuda.list.disabled'), 'mine too\n');
    await run(someChanges());
    expect(readFileSync(join(root, 'pin.disabled'), 'utf8')).toBe('mine\n');
    expect(readFileSync(join(root, 'cuda.list.disabled'), 'utf8')).toBe('mine too\n');
  });

  it('puts every file back when it is ended while apt works, as at the end of its time', async () => {
    aptGet(`touch ${bin}/begun; sleep 20`);
    const changes = someChanges();
    const steps = [...(changes.before ?? []), ...(changes.after ?? [])];
    const args = steps.flatMap((change) => [change.kind, change.path, change.kind === 'write' ? change.content : '-']);
    const child = spawn('/bin/sh', ['-c', script, 'sh', ...args], {
      env: { PATH: `${bin}:/usr/bin:/bin` },
      detached: true,
      stdio: 'ignore',
    });
    while (!existsSync(join(bin, 'begun'))) await new Promise((resolve) => setTimeout(resolve, 10));
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    await once(child, 'exit');
    onTestFinished(() => {
      for (const saved of leftovers()) rmSync(saved, { recursive: true });
    });
    expectAsBefore();
  });
});
