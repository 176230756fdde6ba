import { NO_SPACE } from '../system/text.ts';
import type { Cause } from './cause.ts';

/** How NVIDIA's installer ended. */
export interface InstallerEvidence {
  exitCode: number;
  /** stdout, stderr and the installer's log. */
  output: string;
}

function says(pattern: RegExp): (evidence: InstallerEvidence) => boolean {
  return ({ output }) => pattern.test(output);
}

/** Why NVIDIA's installer failed. */
export const INSTALLER_CAUSES: readonly Cause<InstallerEvidence>[] = [
  {
    code: 'INSTALLER_NO_SPACE',
    symptom: 'Exit code 135 (SIGBUS)',
    cause: 'the disk got full while files were copied (the old driver is already removed)',
    remedy: "Enlarge the container's disk (pct resize CTID rootfs +10G) and run this again.",
    source: 'docs/facts.md, A10',
    shows: ({ exitCode }) => exitCode === 135,
  },
  {
    code: 'INSTALLER_NO_SPACE',
    symptom: '`No space left on device`, `Disk quota exceeded`',
    cause: 'the disk is full',
    remedy: "Enlarge the container's disk (pct resize CTID rootfs +10G) and run this again.",
    source: 'docs/facts.md, A10',
    shows: says(NO_SPACE),
  },
  {
    code: 'INSTALLER_FAILED',
    symptom: '`Unable to find the module utility`, `Unable to find the system utility`',
    cause: 'a program that the installer needs is not in the container',
    remedy: 'Install again the package that its error names: pct exec CTID -- apt-get --reinstall install kmod.',
    source: 'docs/facts.md, A4',
    shows: says(/Unable to find the (?:module|system) utility/),
  },
  {
    code: 'INSTALLER_FAILED',
    symptom: '`alternate driver installation`',
    cause: 'the driver is marked as installed by other means',
    remedy:
      'Remove that installation, then /usr/lib/nvidia/alternate-install-present in the container, and run this again.',
    source: 'docs/facts.md, A6',
    shows: says(/alternate driver installation/),
  },
  {
    code: 'INSTALLER_FAILED',
    symptom: '`unrecognized option`',
    cause: "this version's installer doesn't know one of the options it was given",
    remedy: 'Nothing was changed. This is a bug in the action: please report it with the driver version.',
    source: 'docs/facts.md, A2 and A10',
    shows: says(/unrecognized option/),
  },
  {
    code: 'INSTALLER_FAILED',
    symptom: '`Read-only file system`',
    cause: 'it could not write: the file system is read-only',
    remedy: "See the container's mounts (pct exec CTID -- findmnt), and the host's kernel log for disk errors.",
    source: 'docs/facts.md, A5',
    shows: says(/Read-only file system/),
  },
  {
    code: 'INSTALLER_FAILED',
    symptom: 'Exit code 126, `Permission denied`',
    cause: 'it may not run where it was unpacked: the directory is mounted noexec',
    remedy: 'Mount /var/tmp (or /root, /opt) in the container without noexec.',
    source: 'docs/facts.md, A8 and A10',
    shows: ({ exitCode }) => exitCode === 126,
  },
  {
    code: 'INSTALLER_KILLED',
    symptom: 'Exit code 137 or 143, `Killed`',
    cause: 'something killed it, most often the kernel for want of memory (the old driver may be removed already)',
    remedy:
      "Give the container 2 GiB of memory (pct set CTID -memory 2048); the host's kernel log names what was killed.",
    source: 'docs/facts.md, A8 and A10',
    shows: ({ exitCode }) => exitCode === 137 || exitCode === 143,
  },
];
