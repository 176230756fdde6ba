import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Pct } from '../../src/proxmox/pct.ts';
import {
  ANY_CONTAINER,
  isPrivilegedCall,
  MARKER,
  PRIVILEGED_CALLS,
  sampleOf,
} from '../../src/proxmox/privileged-calls.ts';
import { commandRunner } from '../../src/system/command.ts';
import type { Container } from '../lab/container.ts';
import { CUT_OTHERWISE, REFUSED } from '../lab/hostile/host-runner-user.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { type ActionResult, type RunOptions, runAction } from '../lab/runner.ts';
import { leftovers, libraryVersions, Scenario } from './scenario.ts';

/* The runner is the user `runner`; sudo allows it what docs/sudoers says, /etc/pve is closed to it. */

const OLD = '550.163.01';
const NEW = '580.159.04';
const STATE = '/var/lib/proxmox-lxc-nvidia';
const DELAY = '/etc/proxmox-lxc-nvidia-lab/installer-delay';
const IN_THE_MIDDLE = /│ WARNING: You specified/;
const AS_RUNNER = ['/usr/bin/setpriv', '--reuid', 'runner', '--regid', 'runner', '--init-groups', '--'];

let scenario: Scenario;

beforeAll(async () => {
  scenario = await Scenario.start({ driver: OLD });
  await scenario.host.setSudo(true);
});
afterAll(() => scenario?.end());

const driverOnly = ({ ctid }: Container) => ({
  containers: `${ctid}`,
  'cuda-version': 'none',
  'nvidia-container': 'none',
});

/** The call by which the action runs a script in a container. */
function execOf(ctid: number, script: string): [string, ...string[]] {
  const call = PRIVILEGED_CALLS.find(({ args }) => args[0] === 'exec');
  if (call === undefined) throw new Error('no exec in the list');
  const [program, ...args] = sampleOf(call, ctid);
  return [program, ...args.slice(0, -1), script];
}

/** How many processes in a container sleep as the tests here do; the pattern keeps grep from finding itself. */
async function sleeping(container: Container): Promise<number> {
  return Number(await container.execOk({ script: 'grep -lzx "345[6]" /proc/[0-9]*/cmdline 2> /dev/null | wc -l' }));
}

/** A container with driver 550 whose host has 580, and an installer that sleeps in the middle. */
async function behind(storage: 'btrfs' | 'dir'): Promise<Container> {
  await scenario.host.setDriver(OLD, 'open');
  const container = await scenario.container({ storage });
  await scenario.run(driverOnly(container), { user: 'runner', exitCode: 0 });
  await scenario.host.setDriver(NEW, 'open');
  await container.execOk({ script: 'mkdir -p "${1%/*}" && echo "20 after-removal" > "$1"', args: [DELAY] });
  return container;
}

const interrupted = (container: Container, options: RunOptions) =>
  runAction(scenario.host, {
    inputs: { ...scenario.keys(), ...driverOnly(container) },
    user: 'runner',
    ...options,
  });

/** No process, journal, snapshot or leftover of a run; every file of the action's on the host is the runner's. */
async function expectNothingLeft(container: Container): Promise<void> {
  expect(await leftovers(container)).toBe('');
  const config = await scenario.host.pct('config', `${container.ctid}`);
  expect(config.stdout).not.toMatch(/^(lock|parent):/m);
  expect((await scenario.host.pct('listsnapshot', `${container.ctid}`)).stdout).not.toContain('nvidia-');
  expect((await scenario.host.exec(['ls', `${STATE}/runner/journal`])).stdout).toBe('');
  expect((await scenario.host.exec(['find', `${STATE}/runner`, '!', '-user', 'runner'])).stdout).toBe('');
  expect((await scenario.host.exec(['find', `${STATE}/locks`, '!', '-user', 'root'])).stdout).toBe('');
  const script = 'cat /proc/[0-9]*/environ | tr "\\0" "\\n" | grep -c ^PROXMOX_LXC_NVIDIA= || :';
  expect((await container.execOk({ script })).trim()).toBe('0');
}

async function expectConverges(container: Container): Promise<void> {
  await container.execOk(['rm', '-f', DELAY]);
  await scenario.run(driverOnly(container), { user: 'runner', exitCode: 0 });
  expect(await libraryVersions(container)).toEqual([NEW]);
  await expectNothingLeft(container);
}

test('brings a container to what is wanted; runs as root and as the user take turns', async () => {
  await scenario.host.setDriver(OLD, 'open');
  const container = await scenario.container({ storage: 'btrfs' });
  const inputs = { containers: `${container.ctid}`, 'cuda-version': '12.6' };
  const first = await scenario.run(inputs, { user: 'runner', exitCode: 0 });
  expect(first.outputs['result']).toBe('changed');
  expect(await libraryVersions(container)).toEqual([OLD]);
  const own = first.pctCalls.filter(({ env }) => env['SUDO_USER'] === 'runner');
  expect(own.map(({ subcommand }) => subcommand)).toEqual(expect.arrayContaining(['snapshot', 'exec', 'delsnapshot']));
  expect(new Set(own.map(({ uid }) => uid))).toEqual(new Set([0]));
  expect(own.filter(({ argv }) => !isPrivilegedCall(['/usr/sbin/pct', ...argv]))).toEqual([]);
  await expectNothingLeft(container);

  const again = await scenario.run(inputs, { user: 'runner', exitCode: 0 });
  expect(again.outputs['result']).toBe('converged');
  expect(again.pctCalls).toHaveLength(1);

  await scenario.host.setDriver(NEW, 'open');
  expect((await scenario.run(inputs)).outputs['result']).toBe('changed');
  await expectNothingLeft(container);
  expect((await scenario.run(inputs, { user: 'runner', exitCode: 0 })).outputs['result']).toBe('converged');
});

/** Makes sudo put a pseudo-terminal of its own before the command, as the newer one of Proxmox VE 9 does, or not. */
function usePty(setting: 'use_pty' | '!use_pty'): void {
  const rules = () => scenario.host.path('/etc/sudoers.d/zz-pty');
  beforeAll(() => writeFile(rules(), `Defaults ${setting}\n`, { mode: 0o440 }));
  afterAll(() => rm(rules(), { force: true }));
}

describe.each(['use_pty', '!use_pty'] as const)('with %s, what hangs', (setting) => {
  usePty(setting);
  const asRunner = () => {
    const [program = '', ...way] = scenario.host.enter([...AS_RUNNER, '/usr/bin/sudo', '-n', '--']);
    expect(program).toBe('nsenter');
    return commandRunner(['/usr/bin/nsenter', ...way]);
  };

  test('has no terminal, and pipes alone', async () => {
    const container = await scenario.container({ storage: 'dir' });
    const pct = new Pct(asRunner(), new AbortController().signal);
    const options = { purpose: 'looking', timeoutSeconds: 20 };
    const { stdout, stderr } = await pct.script(
      container.ctid,
      'true < /dev/tty; cat; ls -l /proc/self/fd',
      [],
      options,
    );
    expect(stderr).toContain('/dev/tty: No such device or address');
    expect([...stdout.matchAll(/ [012] -> (\w+)/g)].map(([, kind]) => kind)).toEqual(['pipe', 'pipe', 'pipe']);
  });

  test('is ended in the container when pct is', async () => {
    const container = await scenario.container({ storage: 'dir' });
    const argv = execOf(container.ctid, 'sleep 3456');
    const running = asRunner()(argv, { timeoutSeconds: 2 });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await sleeping(container)).toBe(1);
    expect((await running).exitCode).toBe(124);
    expect(await sleeping(container)).toBe(0);
  });

  test('and does not heed TERM is killed', async () => {
    const container = await scenario.container({ storage: 'dir' });
    const failure = await new Pct(asRunner(), new AbortController().signal)
      .script(container.ctid, 'trap "" TERM; while :; do sleep 3456; done', [], {
        purpose: 'being stubborn',
        timeoutSeconds: 1,
      })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'TIMEOUT' });
    expect(await sleeping(container)).toBe(0);
  });
});

describe.each(['use_pty', '!use_pty'] as const)('with %s, an interrupted run', (setting) => {
  usePty(setting);

  test('that is cancelled ends within 7 s; the post step rolls back', async () => {
    const container = await behind('btrfs');
    let seen = 0;
    let ended = 0;
    const result = await interrupted(container, {
      cancel: { when: IN_THE_MIDDLE },
      onOutput: (text) => {
        if (IN_THE_MIDDLE.test(text)) seen = performance.now();
      },
      onEnd: () => {
        ended = performance.now();
      },
    });
    expect(result.outputs['failure-reason'], result.stdout).toBe('CANCELLED');
    expect(result.signal).toBeNull();
    expect(seen).toBeGreaterThan(0);
    expect(ended - seen).toBeLessThan(7000);
    expect(result.post?.stdout).toContain('rolled-back');
    expect(await libraryVersions(container)).toEqual([OLD]);
    await expectNothingLeft(container);
    await expectConverges(container);
  });
});

describe('an interrupted run', () => {
  test.each(['btrfs', 'dir'] as const)('that is killed is put right by the post step (%s)', async (storage) => {
    const container = await behind(storage);
    const result = await killedInTheMiddle(container);
    expect(result.signal).toBe('SIGKILL');
    expect(result.post?.stdout).toContain(storage === 'btrfs' ? 'rolled-back' : 'repaired');
    await expectNothingLeft(container);
    await expectConverges(container);
  });
});

function killedInTheMiddle(container: Container): Promise<ActionResult> {
  let action = 0;
  return interrupted(container, {
    onStart: (pid) => {
      action = pid;
    },
    onOutput: (text) => {
      if (IN_THE_MIDDLE.test(text)) process.kill(action, 'SIGKILL');
    },
  });
}

describe('without rights nothing is touched', () => {
  test.each([
    ['sudo asks for a password', { sudo: false, owner: 'runner' }, {}, 'sudo: a password is required'],
    ['sudo is not to be used', { sudo: true, owner: 'runner' }, { sudo: 'never' }, 'is &quot;never&quot;'],
    ["the directory is not the user's", { sudo: true, owner: 'root' }, {}, 'install -d -m 0711 -o runner'],
  ] as const)('%s', async (_, { sudo, owner }, inputs, told) => {
    const container = await scenario.container({ storage: 'dir' });
    const before = await container.fileTree();
    await scenario.host.setSudo(sudo);
    await scenario.host.exec(['chown', owner, `${STATE}/runner`]);
    try {
      const { outputs, summary, pctCalls, stdout, post } = await scenario.run(
        { ...driverOnly(container), ...inputs },
        { user: 'runner', exitCode: 1 },
      );
      expect(outputs['failure-reason']).toBe('HOST_NOT_ROOT');
      expect(`${summary}${stdout}`).toContain(told);
      expect(pctCalls).toEqual([]);
      expect(post?.exitCode).toBe(0);
      expect((await container.fileTree()).hash).toBe(before.hash);
    } finally {
      await scenario.host.setSudo(true);
    }
  });
});

describe('other rules than docs/sudoers', () => {
  const rules = () => scenario.host.path('/etc/sudoers.d/proxmox-lxc-nvidia');
  afterEach(() => scenario.host.setSudo(true));

  test('that name some containers: another is refused alone, and not looked into', async () => {
    const [named, other] = [await scenario.container({ storage: 'dir' }), await scenario.container({ storage: 'dir' })];
    const text = await readFile(join(REPOSITORY_DIR, 'docs/sudoers'), 'utf8');
    await writeFile(rules(), text.replaceAll(ANY_CONTAINER, `(${named.ctid})`));
    const { outputs, pctCalls } = await scenario.run(
      { ...driverOnly(named), containers: `${named.ctid}, ${other.ctid}`, mode: 'plan' },
      { user: 'runner', exitCode: 1 },
    );
    const results = JSON.parse(outputs['containers'] ?? '[]') as { ctid: number; failure?: { code: string } | null }[];
    expect(JSON.stringify(results)).toContain('CONTAINER_NOT_ALLOWED');
    expect(pctCalls.map(({ argv }) => argv[1])).toEqual([`${named.ctid}`]);
  });

  test('of an older version: the missing line is shown before anything is touched', async () => {
    const container = await scenario.container({ storage: 'dir' });
    const text = await readFile(join(REPOSITORY_DIR, 'docs/sudoers'), 'utf8');
    const touch = text.split('\n').find((line) => line.includes('/usr/bin/touch')) ?? '';
    await writeFile(rules(), text.replace(`${touch}\n`, '').replace(/proxmox-lxc-nvidia-[0-9a-f]{12}/, 'older'));
    const { outputs, summary, stdout, pctCalls } = await scenario.run(driverOnly(container), {
      user: 'runner',
      exitCode: 1,
    });
    expect(outputs['failure-reason']).toBe('HOST_NOT_ROOT');
    expect(`${summary}${stdout}`).toContain(touch.split(': ')[1]);
    expect(pctCalls).toEqual([]);
  });
});

test('the rules in docs/sudoers are valid as they stand', async () => {
  const check = await scenario.host.exec(['visudo', '-c']);
  expect(check).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('/etc/sudoers.d/proxmox-lxc-nvidia') });
});

/** A container of Debian 13 stands in for a host: its sudo, the rules, and a pct that says what reached it. */
test('they do the same with the sudo of Proxmox VE 9, which makes pseudo-terminals', async () => {
  const container = await scenario.container({ base: 'debian13', gpus: 'none' });
  const install = 'apt-get update && apt-get install -y --no-install-recommends sudo && useradd runner';
  await container.execOk({ script: install }, { variables: { DEBIAN_FRONTEND: 'noninteractive' } });
  expect(await container.execOk(['sudo', '-V'])).toMatch(/^Sudo version 1\.9\.(1[4-9]|[2-9]\d)/);
  const rules = await readFile(join(REPOSITORY_DIR, 'docs/sudoers'));
  await container.writeFile('/etc/sudoers.d/proxmox-lxc-nvidia', rules, '0440');
  await container.writeFile('/input', 'in\r\nput\n');
  await container.writeFile('/etc/pve/storage.cfg', 'secret\n', '0600');
  const pct = 'if [ "$2" = 999 ]; then sleep 3456; fi; printf "%s\\n" "$(id -un) ${TOKEN-} $*"; cat; exit 7';
  await container.writeFile('/usr/sbin/pct', `#!/bin/sh\n${pct}\n`, '0755');
  const quoted = (argv: readonly string[]) => argv.map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(' ');
  const sudo = async (argv: readonly string[], terminal = false) => {
    const way = [...AS_RUNNER, '/usr/bin/sudo', '-n', ...argv];
    await container.writeFile('/run.sh', `TOKEN=secret ${quoted(way)} < /input > /output 2> /errors\n`);
    const shell = terminal ? ['script', '-qec', 'sh /run.sh', '/dev/null'] : ['sh', '/run.sh'];
    const { exitCode } = await container.exec(shell);
    return { exitCode, output: await container.readFile('/output') };
  };
  const limited = (argv: readonly string[]) => ['--', '/usr/bin/timeout', '-k', '10', '2', ...argv];
  for (const terminal of [false, true]) {
    const exec = execOf(901, 'a, b: c=d * \\\n$(id)');
    expect(await sudo(limited(exec), terminal)).toEqual({
      exitCode: 7,
      output: `root  ${exec.slice(1).join(' ')}\nin\r\nput\n`,
    });
    expect((await sudo(limited(execOf(999, ':')), terminal)).exitCode).toBe(124);
    expect(await sleeping(container)).toBe(0);
  }
  expect((await sudo(limited(['/bin/cat', '--', '/etc/pve/storage.cfg']))).output).toBe('secret\n');
  for (const call of [...PRIVILEGED_CALLS, MARKER]) {
    expect((await sudo(['-l', ...limited(sampleOf(call, 901))])).exitCode, call.why).toBe(0);
  }
  for (const [what, argv] of Object.entries(REFUSED)) {
    expect(await sudo(argv), what).toEqual({ exitCode: 1, output: '' });
  }
  for (const [what, argv] of Object.entries(CUT_OTHERWISE)) {
    expect(await sudo(['--', ...argv]), what).toEqual({
      exitCode: expect.toSatisfy((code: number) => code !== 0),
      output: '',
    });
  }
});
