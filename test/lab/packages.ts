import { run } from './command.ts';

/** Debian/Ubuntu packages the lab's own programs come from. */
const LAB_PACKAGES = [
  'btrfs-progs',
  'ca-certificates',
  'debian-archive-keyring',
  'debootstrap',
  'dpkg-dev',
  'e2fsprogs',
  'gcc',
  'gnupg',
  'iproute2',
  'iptables',
  'libc6-dev',
  'lxc',
  'makeself',
  'openssl',
  'perl',
  'sudo',
  'uidmap',
  'util-linux',
  'xz-utils',
  'zstd',
] as const;

/** Installs packages by apt-get (without a list, what the lab needs); one `dpkg-query` when all is there. */
export async function installPackages(packages: readonly string[] = LAB_PACKAGES): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error('The lab makes containers, mounts and a bridge: run it as root (for example with `sudo -E`).');
  }
  const missing = await missingPackages(packages);
  if (missing.length === 0) return;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
  let result = await run(install, { env });
  if (result.exitCode !== 0) {
    await run(['apt-get', 'update'], { env });
    result = await run(install, { env });
  }
  if (result.exitCode !== 0) {
    throw new Error(
      `apt-get could not install ${missing.join(', ')} (exit code ${result.exitCode}).\n${result.stderr.trim()}\n` +
        'The lab needs Debian or Ubuntu with a reachable package mirror; install these packages by hand and try again.',
    );
  }
}

async function missingPackages(packages: readonly string[]): Promise<string[]> {
  const query = await run(['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\\n', ...packages]).catch(() => {
    throw new Error('The lab runs on Debian or Ubuntu only: dpkg-query was not found.');
  });
  const installed = new Set(
    query.stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return packages.filter((name) => !installed.has(name));
}
