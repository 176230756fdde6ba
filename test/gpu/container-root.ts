import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runOk } from '../lab/command.ts';
import type { Host } from '../lab/host.ts';
import { CA_IN_CONTAINER, GATEWAY, IMPERSONATED_NAMES, LAB_DIR } from '../lab/paths.ts';

/** What a container must have beside NVIDIA's software; a machine without a network can't install what it lacks. */
const PREREQUISITES = ['kmod', 'ca-certificates', 'gnupg', 'curl', 'wget', 'build-essential'];
/** Programs of kmod that nvidia-installer looks for and, without kernel modules, never runs. */
const KMOD = ['modprobe', 'rmmod', 'lsmod', 'depmod'];

/** NVIDIA's packages: in the container they come from the action alone. */
const NVIDIA_PACKAGE =
  /^(cuda(-|$)|libcu(blas|dnn|fft|file|rand|solver|sparse|tensor|dss)|libnv(idia|jpeg|jitlink|fatbin|vm)|libnpp|libnccl|nvidia-|nsight-|gds-tools)/;

/** Driver files on a machine's own file system; toolkits; apt's sources, which lead nowhere. */
const HIDDEN = [
  { directory: '/usr/lib/x86_64-linux-gnu', name: /^lib(cuda|cudadebugger|nvcuvid|nvidia-.*)\.so/ },
  { directory: '/usr/lib64', name: /^lib(cuda|cudadebugger|nvcuvid|nvidia-.*)\.so/ },
  { directory: '/usr/bin', name: /^nvidia-/ },
  { directory: '/usr/local', name: /^(cuda|nvidia)/ },
  { directory: '/var/lib', name: /^nvidia$/ },
  { directory: '/etc/apt', name: /^sources\.list/ },
  { directory: '/etc/apt/preferences.d', name: /./ },
  { directory: '/var/lib/apt', name: /^lists$/ },
];

/** Arguments: where the root is to be, a directory for the overlay, paths to hide. */
const MOUNT = `
set -eu
root=$1 overlay=$2; shift 2
mkdir -p "$overlay"
mountpoint -q "$overlay" || mount -t tmpfs -o mode=755 tmpfs "$overlay"
mkdir "$overlay/upper" "$overlay/work"
for path; do
  mkdir -p "$overlay/upper$(dirname "$path")"
  mknod "$overlay/upper$path" c 0 0
done
mount -t overlay -o "lowerdir=/,upperdir=$overlay/upper,workdir=$overlay/work" overlay "$root"
`;

/** Runs in the new root. Arguments: lines for /etc/hosts, PACKAGES that are made up, then kmod's programs. */
const SET_UP = `
set -eu
hosts=$1 made_up=$2 init=$3; shift 3
mkdir -p /etc/apt/sources.list.d /etc/apt/preferences.d /var/lib/apt/lists/partial /usr/local/share/ca-certificates
rm -f /etc/hosts /etc/hostname /etc/resolv.conf
printf '127.0.0.1 localhost\\n%s' "$hosts" > /etc/hosts
echo gpu > /etc/hostname
: > /etc/resolv.conf
printf '%s' "$init" > /usr/sbin/init.new
chmod 755 /usr/sbin/init.new
mv /usr/sbin/init.new /usr/sbin/init
for name in $made_up; do : > "/var/lib/dpkg/info/$name.list"; : > "/var/lib/dpkg/info/$name.md5sums"; done
for name; do
  command -v "$name" > /dev/null || { printf '#!/bin/sh\\n' > "/usr/sbin/$name"; chmod 755 "/usr/sbin/$name"; }
done
rm -rf /var/cache/proxmox-lxc-nvidia
ldconfig
`;

/** What a container's root lacks of a real distribution, for the record. */
interface Made {
  /** Prerequisites the machine lacks: dpkg believes in them, nothing is behind them. */
  madeUpPackages: string[];
}

/**
 * Mounts, in the host's namespace, a throw-away overlay of the machine's own `/` as a container's root: without driver,
 * toolkit and NVIDIA's packages, and with the lab's servers and authority.
 */
export async function makeContainerRoot(host: Host, root: string): Promise<Made> {
  const hidden: string[] = [];
  for (const { directory, name } of HIDDEN) {
    const names = existsSync(directory) ? await readdir(directory) : [];
    hidden.push(...names.filter((entry) => name.test(entry)).map((entry) => join(directory, entry)));
  }
  const overlay = join(host.directory, 'roots', String(root.split('/').at(-2)));
  await runOk(host.enter(['sh', '-c', MOUNT, 'sh', root, overlay, ...hidden]));

  const status = dpkgStatus(await readFile('/var/lib/dpkg/status', 'utf8'), await toolkitOwners());
  const madeUp = PREREQUISITES.filter((name) => !status.installed.has(name));
  const inRoot = (argv: readonly string[], input?: string | Buffer) =>
    runOk(host.enter(['chroot', root, ...argv]), input === undefined ? {} : { input });
  const write = (path: string, content: string | Buffer) =>
    inRoot(['sh', '-c', 'mkdir -p "$(dirname "$1")" && cat > "$1"', 'sh', path], content);

  const hosts = IMPERSONATED_NAMES.map((name) => `${GATEWAY} ${name}\n`).join('');
  const init = await readFile(join(LAB_DIR, 'container-init'), 'utf8');
  await inRoot(['sh', '-c', SET_UP, 'sh', hosts, madeUp.join(' '), init, ...KMOD]);
  await write('/var/lib/dpkg/status', `${status.text}${madeUp.map(madeUpPackage).join('')}`);
  if (host.caCertificate !== null) {
    const certificate = await readFile(host.caCertificate, 'utf8');
    const bundle = '/etc/ssl/certs/ca-certificates.crt';
    const others = existsSync(bundle) ? await readFile(bundle, 'utf8') : '';
    await write(CA_IN_CONTAINER, certificate);
    await write(bundle, `${others}\n${certificate}`);
  }
  return { madeUpPackages: madeUp };
}

/** Packages that own files of a toolkit, whatever they are called (libnvptxcompiler-13-0). */
async function toolkitOwners(): Promise<Set<string>> {
  const directory = '/var/lib/dpkg/info';
  const lists = (await readdir(directory)).filter((name) => name.endsWith('.list'));
  const owners = await Promise.all(
    lists.map(async (name) => {
      const owns = /^\/usr\/local\/cuda/m.test(await readFile(join(directory, name), 'utf8'));
      return owns ? [name.replace(/(:\w+)?\.list$/, '')] : [];
    }),
  );
  return new Set(owners.flat());
}

/** dpkg's status without NVIDIA's packages and whatever needs them. */
function dpkgStatus(text: string, owners: ReadonlySet<string>): { text: string; installed: Set<string> } {
  let paragraphs = text
    .split(/\n\n+/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1] ?? '';
      const depends = `${field('Depends')}, ${field('Pre-Depends')}`
        .split(',')
        .filter((entry) => !entry.includes('|'))
        .map((entry) => entry.trim().split(/[\s:(]/)[0] ?? '');
      return { name: field('Package'), status: field('Status'), depends, paragraph };
    });
  const removed = new Set(
    paragraphs.map(({ name }) => name).filter((name) => owners.has(name) || NVIDIA_PACKAGE.test(name)),
  );
  for (let before = -1; before !== removed.size; ) {
    before = removed.size;
    for (const { name, depends } of paragraphs) if (depends.some((needed) => removed.has(needed))) removed.add(name);
  }
  paragraphs = paragraphs.filter(({ name }) => !removed.has(name));
  return {
    text: paragraphs.map(({ paragraph }) => `${paragraph}\n\n`).join(''),
    installed: new Set(paragraphs.filter(({ status }) => status.endsWith(' installed')).map(({ name }) => name)),
  };
}

function madeUpPackage(name: string): string {
  return (
    `Package: ${name}\nStatus: install ok installed\nPriority: optional\nSection: misc\n` +
    `Maintainer: test/gpu <lab@lab.test>\nArchitecture: all\nVersion: 0~made-up\nDescription: nothing is behind it\n\n`
  );
}
