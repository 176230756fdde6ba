/** Proxmox VE releases the lab can answer as; `pct` differs where pve-container's changes say so. */
export type PveVersion = 7 | 8 | 9;

export interface PveRelease {
  /** As `pveversion` prints it: version/repoid. */
  readonly manager: string;
  readonly kernel: string;
  /** pve-container's version decides which features `pct` has. */
  readonly container: string;
  readonly lxc: string;
}

/** 8: the release the recordings were made with. 9: what 9.1 prints. 7: before `--keep-env` and `devN`. */
export const PVE_RELEASES: Record<PveVersion, PveRelease> = {
  7: { manager: '7.4-19/f98bf8d4', kernel: '5.15.158-2-pve', container: '4.4-7', lxc: '5.0.2-2' },
  8: { manager: '8.4.14/b502d23c55afcba1', kernel: '6.8.12-16-pve', container: '5.3.5', lxc: '6.0.0-1' },
  9: { manager: '9.1.1/42db4a6cf33dac83', kernel: '6.17.2-1-pve', container: '6.0.18', lxc: '6.0.5-3' },
};

/** What `pveversion -v` prints, as far as it matters here: a line for each package. */
export function packageVersions(release: PveRelease): string {
  const [version] = release.manager.split('/');
  return (
    `proxmox-ve: ${version?.split('.')[0]}.0.0 (running kernel: ${release.kernel})\n` +
    `pve-manager: ${version} (running version: ${release.manager})\n` +
    `lxc-pve: ${release.lxc}\npve-container: ${release.container}\n`
  );
}

/** Stanzas for dpkg's status file, so that dpkg-query knows Proxmox's packages. */
export function proxmoxPackages(release: PveRelease): string {
  const versions = {
    'pve-manager': release.manager.split('/')[0],
    'pve-container': release.container,
    'lxc-pve': release.lxc,
  };
  return Object.entries(versions)
    .map(
      ([name, version]) =>
        `\nPackage: ${name}\nStatus: install ok installed\nPriority: optional\nSection: admin\nInstalled-Size: 1\n` +
        `Maintainer: Proxmox Support Team\nArchitecture: all\nVersion: ${version}\nDescription: stand-in of the lab\n`,
    )
    .join('');
}
