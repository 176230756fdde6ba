import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CommandResult } from '../lab/command.ts';
import type { Container, ContainerOptions, Program } from '../lab/container.ts';
import type { Host } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';

/** What real installers did in containers (docs/facts.md, A10): the stand-in runfile must do the same. */

let lab: Lab;
let host: Host;

beforeAll(async () => {
  lab = await Lab.connect();
  host = await lab.host({ driver: '580.159.04' });
});
afterAll(() => lab?.down());

/** The reference script's flags, which the experiments used. */
const FLAGS = [
  ...['--silent', '--accept-license', '--no-kernel-module', '--no-x-check', '--no-nouveau-check'],
  '--no-nvidia-modprobe',
];
const LIBRARIES = '/usr/lib/x86_64-linux-gnu';
const LOG = '/var/log/nvidia-installer.log';
const runfile = (version: string): string => `/root/NVIDIA-Linux-x86_64-${version}.run`;

async function createContainer(options: ContainerOptions, ...versions: string[]): Promise<Container> {
  const container = await host.createContainer({ variant: 'prepared', ...options });
  for (const version of versions) await pushRunfile(container, version);
  return container;
}

async function pushRunfile(container: Container, version: string): Promise<void> {
  const tree = join(lab.upstream?.root ?? '', 'us.download.nvidia.com/XFree86/Linux-x86_64');
  const file = join(tree, version, `NVIDIA-Linux-x86_64-${version}.run`);
  await container.writeFile(runfile(version), await readFile(file));
}

const install = (container: Container, version: string, ...more: string[]): Promise<CommandResult> =>
  container.exec(['sh', runfile(version), ...FLAGS, ...more]);

const sh = (container: Container, script: string, ...args: string[]): Promise<CommandResult> =>
  container.exec({ script, args });

const exitCode = async (container: Container, program: Program): Promise<number> =>
  (await container.exec(program)).exitCode;

/** What libcuda.so.1 is, and which versions' files are there. */
async function libcuda(container: Container): Promise<{ inEffect: string; files: string[] }> {
  const { stdout } = await sh(
    container,
    `cd ${LIBRARIES} && readlink libcuda.so.1; ls | grep '^libcuda\\.so\\.[0-9][0-9]'`,
  );
  const lines = stdout.split('\n').filter(Boolean);
  const link = (await sh(container, `readlink ${LIBRARIES}/libcuda.so.1`)).stdout.trim();
  const version = (name: string) => name.replace('libcuda.so.', '');
  return { inEffect: version(link), files: lines.slice(link ? 1 : 0).map(version) };
}

const only = (version: string) => ({ inEffect: version, files: [version] });
const none = { inEffect: '', files: [] };

describe('a container without kmod', () => {
  test.each([FLAGS, ['--sanity'], ['--uninstall']])('%s ends with 1', async (...options) => {
    const container = await createContainer({ variant: 'minimal' }, '580.159.04');
    const { exitCode, stdout, stderr } = await container.exec(['sh', runfile('580.159.04'), ...options]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('Verifying archive integrity... OK\nUncompressing NVIDIA Accelerated Graphics Driver');
    expect(stderr).toMatch(/^\nERROR: Unable to find the module utility `modprobe`;/);
    expect(stderr).not.toContain('Installation has failed');
  });
});

describe.each([true, false])('installing, unprivileged: %s', (unprivileged) => {
  let container: Container;
  const versions = ['470.256.02', '535.261.03', '550.163.01', '580.142', '590.48.01'];
  beforeAll(async () => {
    container = await createContainer({ unprivileged }, ...versions);
  });

  test('fresh, repeated, up and down between branches', async () => {
    for (const version of [
      '535.261.03',
      '535.261.03',
      '550.163.01',
      '535.261.03',
      '580.142',
      '590.48.01',
      '470.256.02',
    ]) {
      const { exitCode, stderr } = await install(container, version);
      expect(exitCode).toBe(0);
      const warnings = stderr.match(/^WARNING: /gm)?.length ?? 0;
      expect(warnings).toBeGreaterThanOrEqual(2);
      expect(warnings).toBeLessThanOrEqual(5);
      expect(stderr).not.toContain('ERROR');
      expect(await libcuda(container)).toEqual(only(version));
      expect((await sh(container, 'ldconfig -p | grep -c libnvidia-ml.so.1')).stdout).toBe('1\n');
    }
  });

  test('firmware comes along although no kernel module does', async () => {
    await install(container, '580.142');
    const { stdout } = await sh(container, 'ls /lib/firmware/nvidia/580.142');
    expect(stdout).toBe('gsp_ga10x.bin\ngsp_tu10x.bin\n');
  });

  test('sanity, driver-info and uninstall', async () => {
    await install(container, '580.142');
    const log = await container.readFile(LOG);
    expect(log).toMatch(/^nvidia-installer log file '\/var\/log\/nvidia-installer\.log'\ncreation time: /);
    expect(log).toContain('-> Driver file installation is complete.\n');
    expect(await exitCode(container, ['nvidia-installer', '--sanity', '--silent'])).toBe(0);
    // Each run truncates the log of the one before.
    expect(await container.readFile(LOG)).not.toContain('Driver file installation');
    expect((await container.exec(['nvidia-installer', '--driver-info'])).stdout).toContain('(version: 580.142)');
    expect((await container.exec(['nvidia-installer', '--driver-info', '--silent'])).stdout).toBe('');
    expect(await exitCode(container, ['nvidia-uninstall', '--silent', '--skip-module-unload'])).toBe(0);
    expect(await libcuda(container)).toEqual(none);
    expect(await exitCode(container, ['sh', runfile('580.142'), '--uninstall'])).toBe(0);
    expect(await exitCode(container, ['sh', runfile('580.142'), '--sanity'])).toBe(1);
  });
});

describe('what stops it before anything is changed', () => {
  let container: Container;
  beforeAll(async () => {
    container = await createContainer({}, '470.256.02', '535.261.03', '550.163.01', '580.159.04', '590.48.01');
    await install(container, '580.159.04');
  });

  test.each([
    ['470.256.02', '--no-kernel-modules', 'unknown'],
    ['470.256.02', '--no-kernel-module', 'known'],
    ['535.261.03', '--no-kernel-modules', 'known'],
    ['535.261.03', '--no-rebuild-initramfs', 'unknown'],
    ['535.261.03', '--skip-module-load', 'unknown'],
    ['550.163.01', '--skip-module-load', 'known'],
    ['550.163.01', '--kernel-module-type=open', 'unknown'],
    ['590.48.01', '--kernel-module-type=open', 'known'],
    ['590.48.01', '--no-such-option', 'unknown'],
  ])('%s: %s is %s', async (version, option, known) => {
    await container.execOk(['rm', '-f', LOG]);
    const { exitCode, stdout, stderr } = await container.exec(['sh', runfile(version), '--silent', option, '--sanity']);
    if (known === 'known') {
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      return;
    }
    expect(exitCode).toBe(1);
    expect(stdout).toContain('Uncompressing');
    expect(stderr).toContain(
      `./nvidia-installer: unrecognized option: "${option}"\n\nERROR: Invalid commandline, please run`,
    );
    expect(await exitCodeOfTest(LOG)).toBe(1);
  });

  const exitCodeOfTest = (path: string) => exitCode(container, ['test', '-e', path]);

  test.each([
    ['ldconfig is missing', 'mv /sbin/ldconfig /sbin/x; sh "$@"; r=$?; mv /sbin/x /sbin/ldconfig; exit $r'],
    ['it is not root', 'chmod 755 /root; setpriv --reuid=65534 --regid=65534 --clear-groups sh "$@"'],
    ['the machine is of another kind', 'setarch i686 sh "$@"'],
    [
      'a package of the distribution is there',
      'mkdir -p /usr/lib/nvidia; f=/usr/lib/nvidia/alternate-install-present; echo x >$f; sh "$@"; r=$?; rm $f; exit $r',
    ],
  ])('%s: 1, and the old driver stays', async (_, script) => {
    const result = await sh(container, script, runfile('590.48.01'), ...FLAGS);
    expect(result.exitCode, `${result.stdout}${result.stderr}`).toBe(1);
    expect(await libcuda(container)).toEqual(only('580.159.04'));
  });

  test('an X server runs: 1 without --no-x-check', async () => {
    await sh(container, 'echo "         1" >/tmp/.X0-lock');
    const flags = FLAGS.filter((flag) => flag !== '--no-x-check');
    expect(await exitCode(container, ['sh', runfile('590.48.01'), ...flags])).toBe(1);
    expect(await libcuda(container)).toEqual(only('580.159.04'));
    expect(await exitCode(container, ['sh', runfile('580.159.04'), ...FLAGS])).toBe(0);
    await container.execOk(['rm', '/tmp/.X0-lock']);
  });
});

describe('a damaged runfile', () => {
  let container: Container;
  beforeAll(async () => {
    container = await createContainer({}, '580.159.04');
  });

  test.each([
    ['truncated', 'head -c 1000000 "$1" >/root/x.run', 2],
    ['flipped', 'cp "$1" /root/x.run; printf XXXX | dd of=/root/x.run bs=1 seek=2000000 conv=notrunc 2>/dev/null', 2],
    ['a page of HTML', 'echo "<!DOCTYPE html><html><body>(sorry)</body></html>" >/root/x.run', 2],
    ['empty', ': >/root/x.run', 0],
  ])('%s', async (what, script, code) => {
    await sh(container, script, runfile('580.159.04'));
    const run = await container.exec(['sh', '/root/x.run', ...FLAGS]);
    const check = await container.exec(['sh', '/root/x.run', '--check']);
    expect([run.exitCode, check.exitCode]).toEqual([code, code]);
    if (what === 'truncated' || what === 'flipped') {
      expect(run.stdout).toMatch(/^Verifying archive integrity\.\.\. Error in check sums \d+ \d+\n$/);
      expect(check.stdout).toMatch(/^Error in checksums \d+ \d+\n$/);
    }
    expect(await libcuda(container)).toEqual(none);
  });
});

describe('unpacking', () => {
  let container: Container;
  beforeAll(async () => {
    container = await createContainer({ unprivileged: false }, '580.159.04');
  });
  // Lazily unmounted: the rest of the stub's pipeline may outlive it for a moment.
  const inTmp = (options: string, script: string, ...args: string[]) =>
    sh(container, `mount -t tmpfs -o ${options} none /tmp; ${script}; r=$?; umount -l /tmp; exit $r`, ...args);

  test('the disk is full: 15, with -x 143, no log', async () => {
    const run = await inTmp('size=3m', 'sh "$@"', runfile('580.159.04'), ...FLAGS);
    expect(run.exitCode).toBe(15);
    const extract = await inTmp('size=3m', 'cd /tmp && sh "$@"; r=$?; cd /; (exit $r)', runfile('580.159.04'), '-x');
    expect(extract.exitCode).toBe(143);
    expect(await exitCode(container, ['test', '-e', LOG])).toBe(1);
  });

  test('/tmp is noexec: 1; --tmpdir alone does not help; TMPDIR does', async () => {
    await container.execOk(['mkdir', '-p', '/root/t']);
    const plain = await inTmp('noexec', 'sh "$@"', runfile('580.159.04'), ...FLAGS);
    expect(plain.exitCode).toBe(1);
    expect(plain.stdout).toContain('ERROR: Temporary directory /tmp is not executable - use the');
    const option = await inTmp('noexec', 'sh "$@"', runfile('580.159.04'), ...FLAGS, '--tmpdir', '/root/t');
    expect(option.exitCode).toBe(15);
    const environment = await inTmp('noexec', 'TMPDIR=/root/t sh "$@"', runfile('580.159.04'), ...FLAGS);
    expect(environment.exitCode).toBe(0);
  });

  test('-x --target, then the installer by itself', async () => {
    await container.execOk(['sh', runfile('580.159.04'), '-x', '--target', '/root/tree']);
    expect(await exitCode(container, ['sh', runfile('580.159.04'), '-x', '--target', '/root/tree'])).toBe(1);
    expect(await exitCode(container, ['/root/tree/nvidia-installer', ...FLAGS])).toBe(0);
    expect(await libcuda(container)).toEqual(only('580.159.04'));
  });
});

describe('an installation that goes wrong', () => {
  let container: Container;
  beforeEach(async () => {
    container = await createContainer({ unprivileged: false }, '550.163.01', '580.142');
    expect((await install(container, '550.163.01')).exitCode).toBe(0);
  });

  test('partial libglvnd: 1, the old driver gone and the new one absent', async () => {
    await container.execOk(['nvidia-uninstall', '--silent']);
    expect((await install(container, '550.163.01', '--no-install-libglvnd')).exitCode).toBe(0);
    await container.execOk(['touch', `${LIBRARIES}/libGL.so.1`]);
    const { exitCode: code, stderr } = await install(container, '580.142');
    expect(code).toBe(1);
    expect(stderr).toContain('ERROR: Installation has failed.');
    expect(await libcuda(container)).toEqual(none);
    expect((await container.exec(['sh', runfile('580.142'), '--driver-info'])).stdout).toContain('(version: 580.142)');
  });

  test('the disk is full while installing: 135, and --sanity sees nothing wrong', async () => {
    await sh(
      container,
      'mkdir -p /lib/firmware/nvidia/580.142; mount -t tmpfs -o size=3m none /lib/firmware/nvidia/580.142',
    );
    const { exitCode: code, stderr } = await install(container, '580.142');
    expect(code).toBe(135);
    expect(stderr).toContain('Received signal SIGBUS; aborting.\n');
    const log = await container.readFile(LOG);
    expect(log).not.toContain('ERROR');
    expect(log).toMatch(/-> Installing 'NVIDIA Accelerated Graphics Driver for Linux-x86_64' \(580\.142\):\n$/);
    expect(await libcuda(container)).toEqual({ inEffect: '', files: ['580.142'] });
    expect(await exitCode(container, ['sh', runfile('580.142'), '--sanity'])).toBe(0);
  });

  test('/usr is read-only: 0, and the old libcuda stays', async () => {
    await sh(container, 'mount --bind /usr /usr && mount -o remount,ro,bind /usr');
    expect((await install(container, '580.142')).exitCode).toBe(0);
    expect(await container.readFile(LOG)).toContain('(Answer: Continue installation)');
    expect(await libcuda(container)).toEqual(only('550.163.01'));
    expect(await exitCode(container, ['sh', runfile('580.142'), '--sanity'])).toBe(0);
  });

  test.each([
    ['TERM', 143],
    ['KILL', 137],
  ])('SIG%s: %i, between two drivers', async (signal, code) => {
    await container.writeFile('/etc/proxmox-lxc-nvidia-lab/installer-delay', '30\n');
    const running = install(container, '580.142');
    await expect.poll(() => libcuda(container), { timeout: 5_000 }).toEqual({ inEffect: '', files: ['580.142'] });
    const kill = `for process in /proc/[0-9]*; do
      if grep -aqzx ./nvidia-installer $process/cmdline 2>/dev/null; then kill -$1 $(basename $process); fi
    done`;
    await sh(container, kill, signal);
    expect((await running).exitCode).toBe(code);
    await container.execOk(['rm', '/etc/proxmox-lxc-nvidia-lab/installer-delay']);
    // The next run clears up what is left.
    expect((await install(container, '580.142')).exitCode).toBe(0);
    expect(await libcuda(container)).toEqual(only('580.142'));
  });

  test('two at once: both 0, the last one wins', async () => {
    const results = await Promise.all([install(container, '550.163.01'), install(container, '580.142')]);
    expect(results.map((result) => result.exitCode)).toEqual([0, 0]);
  });

  test('without libglvnd and without leave to bring it: an ERROR in the log, and 0', async () => {
    await container.execOk(['nvidia-uninstall', '--silent']);
    expect((await install(container, '550.163.01', '--no-install-libglvnd')).exitCode).toBe(0);
    const log = await container.readFile(LOG);
    expect(log).toMatch(/^ERROR: .*libGL\.so\.1/m);
    expect(log).toContain('-> Post-install sanity check failed.');
  });

  test('altered files are kept, and put back by an uninstallation', async () => {
    await sh(container, 'echo "# mine" >>/usr/bin/nvidia-smi');
    expect(await exitCode(container, ['nvidia-installer', '--sanity', '--silent'])).toBe(1);
    expect((await install(container, '580.142')).exitCode).toBe(0);
    expect(await exitCode(container, ['grep', '-q', '# mine', '/usr/bin/nvidia-smi'])).toBe(1);
    await container.execOk(['nvidia-uninstall', '--silent']);
    expect(await exitCode(container, ['grep', '-q', '# mine', '/usr/bin/nvidia-smi'])).toBe(0);
  });
});

test("the distribution's driver packages stop the installer, by two means", async () => {
  const container = await createContainer({}, '580.142');
  const repository = 'developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64';
  for (const name of ['nvidia-installer-cleanup_20220217+3_all', 'libcuda1_580.95.05-1_amd64']) {
    await container.writeFile(
      `/root/${name}.deb`,
      await readFile(join(lab.upstream?.root ?? '', repository, `${name}.deb`)),
    );
    await container.execOk(['dpkg', '-i', `/root/${name}.deb`]);
  }
  await sh(container, 'sed -i "s/sleep 10/sleep 1/" /usr/lib/nvidia/pre-install');
  expect(await libcuda(container)).toEqual(only('580.95.05'));
  expect((await install(container, '580.142')).exitCode).toBe(1);
  expect((await install(container, '580.142', '--no-check-for-alternate-installs')).exitCode).toBe(143);
  expect(await libcuda(container)).toEqual(only('580.95.05'));
  const both = await install(container, '580.142', '--no-check-for-alternate-installs', '--no-distro-scripts');
  expect(both.exitCode).toBe(0);
  expect(await libcuda(container)).toEqual(only('580.142'));
});
