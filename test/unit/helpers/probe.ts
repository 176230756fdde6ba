import type { CommandFact, GuestFacts } from '../../../src/facts/facts.ts';

const encoded = (text: string | Buffer) => Buffer.from(text).toString('base64');

/**
 * The records that the probe prints in a container with these facts. A keyring's record needs its bytes, which facts
 * don't hold: they are given by path.
 */
export function probeRecords(guest: GuestFacts, keyrings: Record<string, Buffer> = {}): string {
  const record = (...fields: (string | number)[]) => fields.join('\t');
  const command = (name: string, fact: CommandFact | null) =>
    fact === null ? [] : [record(name, fact.exitCode, encoded(fact.output))];
  const { distribution } = guest;
  const release = `PRETTY_NAME="${distribution.name}"\nID=${distribution.id}\nVERSION_ID="${distribution.version}"\n`;
  return [
    record('os-release', '/etc/os-release', encoded(release)),
    ...(guest.dpkgArchitecture === null ? [] : [record('dpkg-architecture', guest.dpkgArchitecture)]),
    record('dpkg-audit', encoded(guest.dpkgAudit)),
    ...guest.space.map(({ path, freeBytes, fileSystem, mountPoint, executable }) =>
      record('space', path, freeBytes / 1024, fileSystem, mountPoint, `rw${executable ? '' : ',noexec'}`),
    ),
    ...guest.libraries.map(({ path }) => record('library', path)),
    ...guest.links.map(({ soname, target }) => record('link', soname, target ?? '')),
    ...guest.packages.map(({ name, version, architecture, installed }) =>
      record('package', installed ? 'installed' : 'config-files', name, version, architecture),
    ),
    ...guest.aptSources.map(({ path, text }) => record('apt-source', path, encoded(text))),
    ...(guest.aptPin === null
      ? []
      : [record('apt-pin', '/etc/apt/preferences.d/proxmox-lxc-nvidia', encoded(guest.aptPin))]),
    ...Object.entries(keyrings).map(([path, bytes]) => record('keyring', path, encoded(bytes))),
    ...(guest.certificates ? [record('certificates', 'yes')] : []),
    ...guest.toolkits.flatMap(({ path, nvcc }) => command(`toolkit\t${path}`, nvcc)),
    ...guest.deviceNodes.map(({ path, major, minor, open }) =>
      record('node', path, major.toString(16), minor.toString(16), open),
    ),
    ...command('smi-query', guest.nvidiaSmi.query),
    ...command('smi-table', guest.nvidiaSmi.table),
    ...command('cuda-query', guest.cuda),
    ...command('cuda-proof', guest.proof),
    record('end'),
    '',
  ].join('\n');
}
