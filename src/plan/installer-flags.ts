import { atLeast, type DriverVersion } from '../version/driver.ts';

/**
 * Options of nvidia-installer for a user space without kernel module, and the first version that knows each; an unknown
 * option ends the installer before it does anything. From `option_table.h` of NVIDIA/nvidia-installer, read at every tag
 * from 390.12 to 590.48.01.
 */
const FLAGS: readonly { flag: string; since?: DriverVersion; why: string }[] = [
  { flag: '--silent', why: 'no questions; every prompt takes its default' },
  { flag: '--no-kernel-module', why: 'the host owns the module; this spelling is known to every version' },
  { flag: '--no-x-check', why: 'an X lock file in the container is no reason to refuse' },
  { flag: '--no-nouveau-check', why: 'it would look at the PCI devices of the host' },
  { flag: '--no-nvidia-modprobe', why: 'a setuid helper that can do nothing in a container' },
  { flag: '--no-drm', why: 'kernel side only' },
  { flag: '--no-backup', why: 'backups of files would be restored by a later uninstall' },
  { flag: '--no-rpms', why: 'no rpm on Debian and Ubuntu' },
  { flag: '--no-distro-scripts', why: "Debian's nvidia-installer-cleanup hook would stop the installer" },
  {
    flag: '--no-check-for-alternate-installs',
    why: "packages that own driver files were removed before; their marker isn't",
  },
  { flag: '--no-install-compat32-libs', why: 'the silent default is yes' },
  { flag: '--no-install-libglvnd', why: 'a partial libglvnd would abort after the old driver is gone' },
  { flag: '--no-libglx-indirect', why: 'belongs to libglvnd' },
  { flag: '--skip-depmod', since: '418.30', why: 'there are no modules to index' },
  { flag: '--no-systemd', since: '465.19.01', why: 'suspend units and a daemon-reload have no place in a container' },
  { flag: '--no-wine-files', since: '470.42.01', why: 'not for compute' },
];

/** The installer's command line options for a driver version, in a fixed order. */
export function installerFlags(version: DriverVersion): string[] {
  return FLAGS.filter(({ since }) => since === undefined || atLeast(version, since)).map(({ flag }) => flag);
}
