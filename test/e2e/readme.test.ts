import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { run } from '../lab/command.ts';
import type { Container } from '../lab/container.ts';
import { REPOSITORY_DIR } from '../lab/paths.ts';
import { libraryVersions, Scenario } from './scenario.ts';

/* Every block of commands in README.md is run as it stands there; tests here only say where and after what. */

const DRIVER = '580.159.04';
const CHECKOUT = '/home/proxmox-lxc-nvidia';
const README = await readFile(join(REPOSITORY_DIR, 'README.md'), 'utf8');

const ROOT_ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
  NEEDRESTART_SUSPEND: '1',
};

/** Fenced blocks in one language, in the order of their section. */
function blocks(section: string, language: string): string[] {
  const text = README.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? '';
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, block = '']) => block,
  );
}

test('README.md has no block of commands that is not run here', () => {
  const sections = [...README.matchAll(/^## (.*)$/gm)].map(([, title = '']) => title);
  const counts = sections.map((title) => [title, blocks(title, 'sh').length] as const).filter(([, count]) => count > 0);
  expect(counts).toEqual([
    ['Try it', 2],
    ['On a real host, from zero', 5],
  ]);
  expect(README.match(/```(?:sh|bash|shell|console)\b/g)).toHaveLength(7);
});

describe('Try it', () => {
  const [demo = '', tests = ''] = blocks('Try it', 'sh').map((block) => block.trim());

  test('the demo, in the lab that is up already', async () => {
    const [, command = ''] = /^npm ci && (npm run demo)$/.exec(demo) ?? [];
    const started = Date.now();
    const result = await run(['bash', '-c', `${command} -- --connect`], { cwd: REPOSITORY_DIR, timeout: 280_000 });
    expect(result.exitCode, result.stdout + result.stderr).toBe(0);
    expect(result.stdout).toMatch(/Wanted \(apply\): container \d+ with driver as on the host, CUDA toolkit 13\.0\./);
    expect(result.stdout).toContain('\n  result: changed\n');
    for (const [name, content] of [
      ['summary.md', /^## ✅ container \d+ changed/],
      ['summary.html', /^<!doctype html>/i],
    ] as const) {
      const path = join(REPOSITORY_DIR, 'demo-results', name);
      expect(result.stdout).toContain(`demo-results/${name}\n`);
      expect((await stat(path)).mtimeMs).toBeGreaterThanOrEqual(started);
      expect(await readFile(path, 'utf8')).toMatch(content);
    }
  });

  test('the tests, which can not run themselves: CI runs this very line', async () => {
    expect(tests).toBe('npm ci && npm test');
    expect((await readFile(join(REPOSITORY_DIR, '.ci/run'), 'utf8')).split('\n')).toContain(tests);
  });
});

describe('On a real host, from zero', () => {
  const [driver = '', passthrough = '', user = '', runner = '', rights = ''] = blocks(
    'On a real host, from zero',
    'sh',
  );
  let machine: unknown;
  let scenario: Scenario;
  let container: Container;

  beforeAll(async () => {
    machine = await machineState();
    scenario = await Scenario.start({ driver: DRIVER });
    await likeNew(scenario);
    container = await scenario.container({ gpus: 'none' });
  });
  afterAll(() => scenario?.end());

  /** Types a block on the host as root, line after line; README.md's container is the one of this test. */
  async function type(block: string, directory = '/root'): Promise<string> {
    const lines = block
      .trim()
      .split('\n')
      .join(' || exit\n')
      .replace(/\b901\b/g, String(container.ctid));
    const result = await scenario.host.exec(['bash', '-c', `cd "$0" || exit\n${lines} || exit`, directory], {
      env: ROOT_ENVIRONMENT,
      timeout: 120_000,
    });
    expect(result.exitCode, `${lines}\n${result.stdout}${result.stderr}`).toBe(0);
    return result.stdout;
  }
  const onHost = async (script: string) => (await scenario.host.exec(['bash', '-c', script])).stdout;

  test('1. the driver: both nodes are listed', async () => {
    const listed = await type(driver);
    expect(listed).toContain(DRIVER);
    expect(listed).toMatch(/ \/dev\/nvidiactl$/m);
    expect(listed).toMatch(/ \/dev\/nvidia-uvm$/m);
  });

  test('2. the container gets the GPU', async () => {
    expect((await container.exec(['ls', '/dev/nvidiactl'])).exitCode).not.toBe(0);
    await type(passthrough);
    const nodes = await container.execOk({ script: 'stat -c "%n %a" /dev/nvidia*' });
    expect(nodes.trim().split('\n')).toEqual([
      '/dev/nvidia-uvm 666',
      '/dev/nvidia-uvm-tools 666',
      '/dev/nvidia0 666',
      '/dev/nvidiactl 666',
    ]);
  });

  test('3. a runner as a user of its own', async () => {
    await type(user);
    expect(await onHost('id -Gn runner')).toBe('runner systemd-journal\n');
    expect(await onHost('stat -c %U /home/runner/actions-runner')).toBe('runner\n');
    await unpackRunner(scenario);
    await type(runner);
    const calls = (await onHost('cat /home/runner/calls')).trim().split('\n');
    expect(calls.map((call) => call.split(' ').slice(0, 3).join(' '))).toEqual([
      'root /home/runner/actions-runner ./bin/installdependencies.sh',
      'runner /home/runner/actions-runner ./config.sh',
      'root /home/runner/actions-runner ./svc.sh',
      'root /home/runner/actions-runner ./svc.sh',
    ]);
    expect(calls[1]).toContain(' --url https://github.com/OWNER/REPOSITORY --token TOKEN --labels proxmox');
    expect(calls.slice(2).map((call) => call.split(' ').slice(3))).toEqual([['install', 'runner'], ['start']]);
  });

  test('4. what it may do as root', async () => {
    expect(await onHost('command -v sudo visudo')).toBe('');
    await scenario.host.exec(['mkdir', CHECKOUT]);
    await scenario.host.exec(['cp', '-r', join(REPOSITORY_DIR, 'docs'), CHECKOUT]);
    await type(rights, CHECKOUT);
    const paths = ['', '/locks', '/runner'].map((path) => `/var/lib/proxmox-lxc-nvidia${path}`);
    expect(await onHost(`stat -c "%U %G %a" /etc/sudoers.d/proxmox-lxc-nvidia ${paths.join(' ')}`)).toBe(
      'root root 440\nroot root 755\nroot runner 750\nrunner runner 711\n',
    );
  });

  test('5. the workflow leads to what is wanted', async () => {
    const [workflow = ''] = blocks('On a real host, from zero', 'yaml');
    const { nvidia } = parse(workflow).jobs;
    expect(nvidia['runs-on']).toEqual(['self-hosted', 'proxmox']);
    const [{ with: inputs }] = nvidia.steps;
    expect(String(inputs.containers)).toBe('901');
    const result = await scenario.run({ ...inputs, containers: `${container.ctid}` }, { user: 'runner', exitCode: 0 });
    expect(result.outputs['result']).toBe('changed');
    expect(await libraryVersions(container)).toEqual([DRIVER]);
    expect(await container.execOk(['/usr/local/cuda/bin/nvcc', '--version'])).toContain('release 12.8');
    expect(new Set(result.pctCalls.map(({ env }) => env['SUDO_USER']))).toEqual(new Set(['runner']));
  });

  test('nothing of it reached the machine that the tests run on', async () => {
    expect(await machineState()).toEqual(machine);
  });
});

/** What a command that got out of the host's overlays would change. */
async function machineState(): Promise<unknown> {
  const files = ['passwd', 'shadow', 'group', 'login.defs'].map((name) => readFile(`/etc/${name}`, 'utf8'));
  const folders = ['/home', '/etc/sudoers.d'].map((path) => readdir(path));
  const installed = ['/usr/bin/sudo', '/var/lib/dpkg/info/sudo.list'].map(async (path) => (await stat(path)).ctimeMs);
  return Promise.all([...files, ...folders, ...installed]);
}

/** A Proxmox host whose driver was just installed: no nvidia-uvm yet, no user `runner`, no sudo; apt knows its packages. */
async function likeNew({ host }: Scenario): Promise<void> {
  await host.installNvidiaSmi();
  const script = `
set -e
rm /dev/nvidia-uvm /dev/nvidia-uvm-tools
cat > /usr/bin/nvidia-modprobe <<'END'
#!/bin/sh
[ "$*" = '-c 0 -u' ] || exit 1
mknod -m 666 /dev/nvidia-uvm c 510 0
mknod -m 666 /dev/nvidia-uvm-tools c 510 1
END
chmod 755 /usr/bin/nvidia-modprobe

# Homes, packages and logs of its own: a host shares all but /etc and /usr with the machine. An overlay doesn't show what
# is mounted below, which this checkout may be.
own=/etc/proxmox-lxc-nvidia-lab/overlay
mkdir "$own/checkout"
mount --rbind "$1" "$own/checkout"
umount /var/lib/dpkg/status
for path in /home /var/lib/dpkg /var/lib/apt /var/lib/sudo /var/cache /var/log; do
  [ -d "$path" ] || continue
  mkdir -p "$own$path" "$own$path.work"
  mount -t overlay -o "lowerdir=$path,upperdir=$own$path,workdir=$own$path.work" overlay "$path"
done
if [ ! -e "$1/action.yml" ]; then mkdir -p "$1" && mount --rbind "$own/checkout" "$1"; fi

# The next user gets the number of the one that goes: where the machine has a runner itself, its home is there already.
sed -i -E "s/^(UID_M(IN|AX)).*/\\1 $(id -u runner)/" /etc/login.defs
rm -rf /home/runner/actions-runner
for name in passwd shadow group gshadow; do
  [ ! -f "/etc/$name" ] || sed -i /^runner:/d "/etc/$name"
done
getent group systemd-journal > /dev/null || groupadd --system systemd-journal

# Neither apt nor su tells the machine's init.
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
sed -i /pam_systemd/d /etc/pam.d/common-session*
dpkg -L sudo | while read -r path; do [ -d "$path" ] || rm -f "$path"; done
rm -f /var/lib/dpkg/info/sudo.*
perl -00 -ne 'print unless /^Package: sudo$/m' /etc/proxmox-lxc-nvidia-lab/dpkg-status > /var/lib/dpkg/status
apt-get update
`;
  const result = await host.exec(['sh', '-c', script, 'sh', REPOSITORY_DIR], { env: ROOT_ENVIRONMENT });
  expect(result.exitCode, result.stdout + result.stderr).toBe(0);
}

/**
 * What GitHub's page has the runner's user download and unpack. Scripts stand in that are as particular as the runner's
 * about who calls them and where, and note it; svc.sh isn't there before config.sh was run.
 */
async function unpackRunner({ host }: Scenario): Promise<void> {
  const script = `
set -e
cd ~/actions-runner
mkdir bin
script() {
  printf '%s\\n' '#!/bin/bash' 'refuse() { echo "$1"; exit 1; }' "$2" 'echo "$(id -un) $PWD $0 $*" >> /home/runner/calls' "$3" > "$1"
  chmod 755 "$1"
}
script bin/installdependencies.sh '[ "$(id -u)" = 0 ] || refuse "Need to run with sudo privilege"' ''
script config.sh '[ "$(id -u)" != 0 ] || refuse "Must not run with sudo"' 'cp bin/svc.sh.template svc.sh && touch .runner'
script bin/svc.sh.template '[ "$(id -u)" = 0 ] || refuse "Must run as sudo"; [ -e .runner ] || refuse "Must run from runner root"' ''
touch ~/calls
`;
  const result = await host.exec(['su', '-', 'runner', '-c', script]);
  expect(result.exitCode, result.stdout + result.stderr).toBe(0);
}
