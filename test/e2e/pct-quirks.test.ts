import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { killGroup } from '../lab/command.ts';
import type { Container } from '../lab/container.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';

// What domain knowledge says of pct beyond the recorded calls: that the stand-in has these quirks too.

const DONE = { exitCode: 0, stdout: '', stderr: '' };

let lab: Lab;
let host: Host;
let container: Container;
let directory: string;

beforeAll(async () => {
  lab = await Lab.connect();
  host = await lab.host({ pve: 9 });
  directory = await mkdtemp('/tmp/pct-quirks-');
  container = await host.createContainer({ variant: 'minimal' });
});

afterAll(async () => {
  await lab?.down();
  if (directory) await rm(directory, { recursive: true });
});

describe('environment of pct exec', () => {
  const secret = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    GITHUB_TOKEN: 'ghs_secret',
    HOME: '/home/runner',
    TERM: 'xterm',
  };

  test('the whole environment of the caller reaches the container, PATH is replaced', async () => {
    const result = await host.exec(['/usr/sbin/pct', 'exec', id(), '--', 'env'], { env: secret });
    expect(variables(result.stdout)).toMatchObject({
      GITHUB_TOKEN: 'ghs_secret',
      HOME: '/home/runner',
      PATH: '/sbin:/bin:/usr/sbin:/usr/bin',
      TERM: 'linux',
      container: 'lxc',
    });
  });

  test('with --keep-env 0 there are PATH, TERM and container only', async () => {
    const result = await host.exec(['/usr/sbin/pct', 'exec', id(), '--keep-env', '0', '--', 'env'], { env: secret });
    expect(variables(result.stdout)).toEqual({
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      TERM: 'linux',
      container: 'lxc',
    });
  });

  test('SSL_CERT_FILE and SSL_CERT_DIR are the only ones taken out', async () => {
    const env = { SSL_CERT_FILE: '/a', SSL_CERT_DIR: '/b', OTHER: '1' };
    const result = await host.exec(['/usr/sbin/pct', 'exec', id(), '--', 'env'], { env });
    expect(Object.keys(variables(result.stdout)).sort()).toEqual(['OTHER', 'PATH', 'TERM', 'container']);
  });

  test('before pve-container 5.0.9 there is no --keep-env, and everything leaks', async () => {
    await host.setPve(7);
    const refused = await host.pct('exec', id(), '--keep-env', '0', '--', 'true');
    const leaked = await host.exec(['/usr/sbin/pct', 'exec', id(), '--', 'env'], { env: secret });
    await host.setPve(9);
    expect(refused).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'Unknown option: keep-env\n400 unable to parse option\npct exec <vmid> [<extra-args>]\n',
    });
    expect(variables(leaked.stdout)['GITHUB_TOKEN']).toBe('ghs_secret');
  });

  test('the log shows calls with the environment they were given', async () => {
    await host.clearPctCalls();
    await host.exec(['/usr/sbin/pct', 'status', id()], { env: { TOKEN: 'x' } });
    const [call] = await host.pctCalls();
    expect(call).toMatchObject({ argv: ['status', id()], env: { TOKEN: 'x' }, exitCode: 0, stdin: 'null', uid: 0 });
  });
});

describe('command line', () => {
  test('arguments go through untouched, a second -- included', async () => {
    const odd = ['', 'a b', '"$HOME"', '*', 'x\ny', 'ü', '--', '-n'];
    const result = await host.pct('exec', id(), '--', 'printf', '<%s>', ...odd);
    expect(result.stdout).toBe(odd.map((text) => `<${text}>`).join(''));
  });

  test('subcommands and options may be abbreviated, -v is --vmid', async () => {
    expect(await host.pct('stat', id())).toMatchObject({ exitCode: 0, stdout: 'status: running\n' });
    expect(await host.pct('exec', '-v', id(), '--', 'true')).toMatchObject({ exitCode: 2 });
    expect(await host.pct('exec', id(), 'echo', '-k', '0', 'x')).toMatchObject({ exitCode: 0, stdout: 'x\n' });
    expect(await host.pct('foo')).toMatchObject({
      exitCode: 255,
      stderr: expect.stringMatching(/^ERROR: unknown command 'pct foo'\nUSAGE/),
    });
    expect(await host.pct()).toMatchObject({
      exitCode: 255,
      stderr: expect.stringMatching(/^ERROR: no command specified\n/),
    });
  });

  test.each([
    ['99', 'vmid: invalid format - value does not look like a valid VM ID'],
    ['abc', "vmid: type check ('integer') failed - got 'abc'"],
  ])('container id %s is refused', async (wrong, reason) => {
    expect(await host.pct('status', wrong)).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `400 Parameter verification failed.\n${reason}\n\npct status <vmid> [OPTIONS]\n`,
    });
  });

  test('list shows lock and name in columns', async () => {
    await host.setLock(container.ctid, 'snapshot-delete');
    const result = await host.pct('list');
    await host.setLock(container.ctid, null);
    expect(result.stdout).toBe(
      `VMID       Status     Lock         Name                \n${id()}        running    snapshot-delete ct${id()}               \n`,
    );
  });
});

describe('push and pull', () => {
  test('onto a full disk the file is cut off, without a word and with exit code 0', async () => {
    const small = await host.createContainer({
      variant: 'minimal',
      config: ['lxc.mount.entry: tmpfs mnt tmpfs size=1m,create=dir 0 0'],
    });
    const big = join(directory, 'big');
    await writeFile(big, Buffer.alloc(3_000_000, 'x'));
    expect(await host.pct('push', String(small.ctid), big, '/mnt/big')).toEqual(DONE);
    const size = Number(await small.execOk(['stat', '-c', '%s', '/mnt/big']));
    expect(size).toBeGreaterThan(0);
    expect(size).toBeLessThanOrEqual(1_048_576);
    await small.destroy();
  });

  test('a new file gets 0644, an existing one keeps its mode, --perms and --user are heeded', async () => {
    const source = join(directory, 'source');
    await writeFile(source, 'one\n', { mode: 0o755 });
    const pushed = (destination: string, ...options: string[]) =>
      host.pct('push', id(), source, destination, ...options);
    expect(await pushed('/root/new')).toEqual(DONE);
    expect(await pushed('/root/mine', '--perms', '0700', '--user', 'daemon', '--group', '2')).toEqual(DONE);
    await writeFile(source, 'two\n');
    expect(await pushed('/root/mine')).toEqual(DONE);
    expect(await pushed('/root/a', '--perms', 'u+x')).toEqual({ ...DONE, stderr: "invalid mode: '0u+x'\n" });
    expect(await pushed('/root/a', '--user', 'nosuchuser')).toEqual({
      ...DONE,
      stderr: 'failed to get uid for: nosuchuser\n',
    });
    expect(await pushed('/root')).toEqual({ ...DONE, stderr: 'failed to create file: /root: Is a directory\n' });
    const script = 'stat -c "%n %a %U %G %s" /root/new /root/mine; cat /root/mine; ls /root';
    expect(await container.execOk({ script })).toBe(
      '/root/new 644 root root 4\n/root/mine 700 daemon bin 4\ntwo\nmine\nnew\n',
    );
  });

  test('a directory is pushed as an empty file', async () => {
    expect(await host.pct('push', id(), directory, '/root/directory')).toEqual(DONE);
    expect(await container.execOk(['stat', '-c', '%F', '/root/directory'])).toBe('regular empty file\n');
  });

  test('a failed pull leaves an empty local file', async () => {
    const local = join(directory, 'pulled');
    const result = await host.pct('pull', id(), '/root/nosuch', local);
    expect(result).toEqual({ ...DONE, stderr: 'failed to open /root/nosuch: No such file or directory\n' });
    expect(await readFile(local, 'utf8')).toBe('');
  });
});

describe('signals', () => {
  // the process is found by an argument that nothing else has
  const running = async (marker: string) =>
    (await container.exec({ script: 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "' })).stdout.includes(marker);

  test('TERM to the pid leaves the inner process running', async () => {
    const child = startExec('3601');
    await until(() => running('sleep 3601'));
    process.kill(child.pid as number, 'SIGTERM');
    const [code, signal] = await once(child, 'exit');
    expect(code ?? signal).toBe('SIGTERM');
    expect(await running('sleep 3601')).toBe(true);
  });

  test('INT to the pid alone is ignored, KILL to the process group ends both', async () => {
    const child = startExec('3602');
    await until(() => running('sleep 3602'));
    process.kill(child.pid as number, 'SIGINT');
    await sleep(200);
    expect(await running('sleep 3602')).toBe(true);
    expect(child.exitCode).toBeNull();
    killGroup(child.pid as number, 'SIGKILL');
    await once(child, 'exit');
    await until(async () => !(await running('sleep 3602')));
  });

  function startExec(seconds: string) {
    const [program = '', ...args] = host.enter(['/usr/sbin/pct', 'exec', id(), '--', 'sleep', seconds]);
    return spawn(program, args, { detached: true, stdio: 'ignore' });
  }
});

describe('locks', () => {
  test('a busy lock file fails push after 10 s with code 4, exec goes on', async () => {
    const lock = `/run/lock/lxc/pve-config-${id()}.lock`;
    const [program = '', ...args] = host.enter(['flock', lock, 'sleep', '60']);
    const holder = spawn(program, args, { detached: true, stdio: 'ignore' });
    await sleep(300);
    const push = host.pct('push', id(), '/etc/hostname', '/root/late');
    expect(await host.pct('exec', id(), '--', 'true')).toEqual(DONE);
    expect(await push).toEqual({
      exitCode: 4,
      stdout: '',
      stderr: `trying to acquire lock...\ncan't lock file '${lock}' - got timeout\n`,
    });
    killGroup(holder.pid as number, 'SIGKILL');
  });

  test('a lock in the configuration is refused by some and ignored by others', async () => {
    await host.setLock(container.ctid, 'backup');
    const refused = { exitCode: 255, stdout: '', stderr: 'CT is locked (backup)\n' };
    expect(await host.pct('set', id(), '--cores', '1')).toEqual(refused);
    expect(await host.pct('snapshot', id(), 'snap')).toEqual(refused);
    expect(await host.pct('stop', id())).toEqual(refused);
    expect(await host.pct('shutdown', id())).toEqual(refused);
    expect(await host.pct('destroy', id())).toEqual(refused);
    expect(await host.pct('exec', id(), '--', 'true')).toEqual(DONE);
    expect(await host.pct('push', id(), '/etc/hostname', '/root/locked')).toEqual(DONE);
    expect(await host.pct('status', id())).toMatchObject({ exitCode: 0 });
    expect(await host.pct('unlock', id())).toEqual(DONE);
    expect(await host.pct('set', id(), '--cores', '1')).toEqual(DONE);
  });

  test('reboot of a locked container stops it and fails to start it', async () => {
    const other = await host.createContainer({ variant: 'minimal' });
    await host.setLock(other.ctid, 'backup');
    expect(await host.pct('reboot', String(other.ctid))).toMatchObject({
      exitCode: 255,
      stderr: `startup for container '${other.ctid}' failed\n`,
    });
    expect(await other.isRunning()).toBe(false);
    await other.destroy();
  });
});

describe('snapshots', () => {
  test('rollback brings files and configuration back and leaves the container stopped', async () => {
    const other = await host.createContainer({ variant: 'minimal' });
    const ctid = String(other.ctid);
    await other.writeFile('/root/kept', 'before\n');
    expect(await host.pct('snapshot', ctid, 'before', '--description', 'before nvidia')).toEqual(DONE);
    expect(await host.pct('snapshot', ctid, 'before')).toMatchObject({
      exitCode: 255,
      stderr: "snapshot name 'before' already used\n",
    });
    await other.writeFile('/root/kept', 'after\n');
    await other.writeFile('/root/new', 'new\n');
    expect(await host.pct('set', ctid, '--tags', 'B;a,b')).toEqual(DONE);
    expect((await host.pct('config', ctid)).stdout).toMatch(/^tags: a;b$/m);
    expect((await host.pct('listsnapshot', ctid)).stdout).toMatch(
      /^`-> before {22}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {5}before nvidia\n `-> current {44}You are here!\n$/,
    );

    expect(await host.pct('rollback', ctid, 'before')).toEqual(DONE);
    expect(await host.pct('status', ctid)).toMatchObject({ stdout: 'status: stopped\n' });
    expect(await host.pct('start', ctid)).toEqual(DONE);
    expect(await other.readFile('/root/kept')).toBe('before\n');
    expect((await other.exec(['test', '-e', '/root/new'])).exitCode).toBe(1);
    const config = (await host.pct('config', ctid)).stdout;
    expect(config).not.toMatch(/^tags:/m);
    expect(config).toMatch(/^parent: before$/m);

    expect(await host.pct('rollback', ctid, 'before', '--start', '1')).toEqual(DONE);
    expect(await host.pct('status', ctid)).toMatchObject({ stdout: 'status: running\n' });
    expect(await host.pct('delsnapshot', ctid, 'before')).toEqual(DONE);
    expect((await host.pct('listsnapshot', ctid)).stdout).toMatch(/^`-> current {45}You are here!\n$/);
    await other.destroy();
  });

  test('a bind mount makes snapshots impossible', async () => {
    const other = await host.createContainer({
      variant: 'minimal',
      start: false,
      config: [`mp0: ${directory},mp=/mnt/data`],
    });
    expect(await host.pct('snapshot', String(other.ctid), 'snap')).toEqual({
      exitCode: 255,
      stdout: '',
      stderr: 'snapshot feature is not available\n',
    });
    await other.destroy();
  });
});

describe('devices', () => {
  test.each([
    ['/dev/nvidia9', 'Device /dev/nvidia9 does not exist\n'],
    [
      '/etc/passwd',
      '400 Parameter verification failed.\ndev9: invalid format - format error\n' +
        'dev9.path: invalid format - /etc/passwd is not a valid device path\n\npct set <vmid> [OPTIONS]\n',
    ],
  ])('set refuses %s', async (path, stderr) => {
    expect(await host.pct('set', id(), '--dev9', path)).toEqual({ exitCode: 2, stdout: '', stderr });
  });

  test('mode must have four digits', async () => {
    const result = await host.pct('set', id(), '--dev9', '/dev/null,mode=666');
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain('dev9.mode: value does not match the regex pattern\n');
  });

  test('a new device is pending on 8 and there at once on 9', async () => {
    const other = await host.createContainer({ gpus: 'none', variant: 'minimal' });
    const ctid = String(other.ctid);
    const there = async () => (await other.exec(['test', '-c', '/dev/nvidia0'])).exitCode === 0;
    await host.setPve(8);
    expect(await host.pct('set', ctid, '--dev0', '/dev/nvidia0,mode=0666')).toEqual(DONE);
    expect((await host.pct('pending', ctid)).stdout).toContain('new dev0: /dev/nvidia0,mode=0666\n');
    expect(await there()).toBe(false);
    expect(await host.pct('reboot', ctid)).toEqual(DONE);
    expect(await there()).toBe(true);
    expect(await other.execOk(['stat', '-c', '%t:%T %a', '/dev/nvidia0'])).toBe('c3:0 666\n');

    await host.setPve(9);
    expect(await host.pct('set', ctid, '--dev1', '/dev/nvidiactl')).toEqual(DONE);
    // ENXIO: the device cgroup lets it be opened, only there is no kernel driver behind it
    const opened = await other.exec({ script: ': </dev/nvidiactl' });
    expect(opened.stderr).toContain('No such device or address');
    await other.destroy();
  });

  test('without its device a container does not start', async () => {
    const other = await host.createContainer({ variant: 'minimal', start: false });
    await host.setDriver(null);
    expect(await host.pct('start', String(other.ctid))).toEqual({
      exitCode: 255,
      stdout: '',
      stderr: 'Device /dev/nvidia0 does not exist\n',
    });
    await host.setDriver('580.159.04');
    await other.destroy();
  });
});

describe('faults on request', () => {
  test('the second call fails as told, the others do not', async () => {
    await host.setSwitches({ faults: [{ subcommand: 'exec', nth: 2, exitCode: 255, stderr: 'lost quorum\n' }] });
    const results = [];
    for (let call = 0; call < 3; call++) results.push(await host.pct('exec', id(), '--', 'true'));
    await host.setSwitches({});
    expect(results.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual([
      [0, ''],
      [255, 'lost quorum\n'],
      [0, ''],
    ]);
  });
});

test('anybody but root gets no answer from the cluster', async () => {
  const result = await host.exec(['setpriv', '--reuid=65534', '--clear-groups', '/usr/sbin/pct', 'help']);
  expect(result.exitCode).toBe(255);
  expect(result.stderr).toMatch(/^ipcc_send_rec\[1\] failed: Unknown error -1\n/);
});

function id(): string {
  return String(container.ctid);
}

function variables(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 100; round++) {
    if (await condition()) return;
    await sleep(50);
  }
  throw new Error('The condition did not become true within 5 s.');
}
