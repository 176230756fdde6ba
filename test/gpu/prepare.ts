import { cp, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runOk } from '../lab/command.ts';
import { GATEWAY, REPOSITORY_DIR } from '../lab/paths.ts';
import { ensureCertificates } from '../lab/upstream/certificates.ts';
import { buildDeb } from '../lab/upstream/deb.ts';
import { ensureSigningKeys } from '../lab/upstream/tree.ts';

/**
 * Gathers in test/gpu/carry what test/gpu/run may not find on a machine without a network. Runs on Debian 12, whose packages
 * these are; they are small and old enough for every later Debian and Ubuntu.
 */
const CARRY = join(import.meta.dirname, 'carry');

/** Programs that a machine may lack, each with the packages of its own that it needs beside what every machine has. */
const TOOLS = {
  lxc: ['lxc', 'liblxc1', 'liblxc-common', 'libapparmor1', 'libcap2', 'libcap2-bin', 'libseccomp2', 'libselinux1'],
  gpg: [
    ...['gpg', 'gpgconf', 'gpg-agent', 'libassuan0', 'libgcrypt20', 'libgpg-error0', 'libksba8', 'libnpth0'],
    ...['libreadline8', 'libsqlite3-0'],
  ],
  iproute2: ['iproute2', 'libbpf1', 'libelf1', 'libmnl0', 'libbsd0', 'libmd0', 'libtirpc3', 'libxtables12', 'libdb5.3'],
  perl: ['perl-base', 'perl-modules-5.36', 'libperl5.36', 'libgdbm6', 'libgdbm-compat4'],
} as const;

async function download(tool: string, packages: readonly string[]): Promise<void> {
  const directory = join(CARRY, tool);
  await mkdir(directory, { recursive: true });
  await runOk(['apt-get', '-o', 'APT::Sandbox::User=root', 'download', ...packages], { cwd: directory });
}

await rm(CARRY, { recursive: true, force: true });
await mkdir(CARRY);
for (const [tool, packages] of Object.entries(TOOLS)) await download(tool, packages);
await ensureCertificates(join(CARRY, 'upstream/authority'), [GATEWAY]);
await ensureSigningKeys(join(CARRY, 'upstream/keys'));
await cp(join(REPOSITORY_DIR, 'node_modules/yaml'), join(CARRY, 'yaml'), { recursive: true });
// As a package, because dpkg-deb unpacks xz by itself.
const node = { name: 'node', version: process.versions.node, summary: 'Node.js' };
const file = await buildDeb({ ...node, copies: { '/bin/node': process.execPath }, compression: 'xz' }, CARRY);
await rename(join(CARRY, file), join(CARRY, 'node.deb'));

let bytes = 0;
for (const entry of await readdir(CARRY, { recursive: true, withFileTypes: true })) {
  if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
}
console.log(`${CARRY}: ${(bytes / 2 ** 20).toFixed(1)} MiB`);
