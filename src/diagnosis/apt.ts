import { NO_SPACE } from '../system/text.ts';
import type { Cause } from './cause.ts';

/** What apt-get and dpkg printed, stdout and stderr together. */
type Output = string;

function says(pattern: RegExp): (output: Output) => boolean {
  return (output) => pattern.test(output);
}

/** Code of the one cause that is worth another try soon. */
export const OUT_OF_SYNC = 'APT_OUT_OF_SYNC';

/**
 * Why apt-get failed. Words of packages' own scripts are among its output: where they could be taken for apt's, only lines
 * that begin as apt's messages do count.
 */
export const APT_CAUSES: readonly Cause<Output>[] = [
  {
    code: 'CONTAINER_SPACE',
    symptom: "`No space left on device`, `Disk quota exceeded`, `You don't have enough free space`",
    cause: "the container's disk is full",
    remedy: 'Enlarge it (pct resize CTID rootfs +10G) and run this again.',
    source: 'seen',
    shows: (output) => NO_SPACE.test(output) || /You don't have enough free space/.test(output),
  },
  {
    code: 'APT_SIGNATURE',
    symptom: '`SHA1 is not considered secure` (Debian 13)',
    cause: "the repository's key is certified by SHA-1, which this distribution no longer accepts",
    remedy: "Use the repository of the container's own release.",
    source: 'NVIDIA/cuda-repo-management issues 30, 34, 39',
    shows: says(/SHA1 is not considered secure/),
  },
  {
    code: 'APT_SIGNATURE',
    symptom: '`NO_PUBKEY`, `BADSIG`, `EXPKEYSIG`, `is not signed`, `sqv returned an error`',
    cause: "the repository isn't signed by the key that was set up",
    remedy:
      'A mirror may be stale or tampered with; one that signs itself needs its fingerprint in "…-repository-key".',
    source: 'seen; apt-secure(8)',
    shows: says(/NO_PUBKEY|is not signed|BADSIG|EXPKEYSIG|REVKEYSIG|invalid signature|Sub-process .*sqv/i),
  },
  {
    code: 'APT_CERTIFICATE',
    symptom: '`Certificate verification failed`, `The certificate is NOT trusted`',
    cause: "the container doesn't trust the server's certificate",
    remedy: 'Put your CA into /usr/local/share/ca-certificates there and run update-ca-certificates.',
    source: 'seen',
    shows: says(/Certificate verification failed|certificate is NOT trusted|No system certificates/i),
  },
  {
    code: 'APT_LOCKED',
    symptom: '`Could not get lock`, for five minutes',
    cause: 'another apt or dpkg runs in the container (unattended-upgrades?)',
    remedy: 'Wait for it, then run this again.',
    source: 'seen',
    shows: says(/Could not get lock|Unable to acquire the dpkg frontend lock/),
  },
  {
    code: 'CONTAINER_DPKG_BROKEN',
    symptom: '`dpkg was interrupted`',
    cause: 'dpkg was interrupted before',
    remedy: 'Repair it: pct exec CTID -- dpkg --configure -a, then apt-get -f install.',
    source: 'apt-get(8)',
    shows: says(/^E: dpkg was interrupted/m),
  },
  {
    code: 'CONTAINER_REPOSITORY_CONFLICT',
    symptom: '`Conflicting values set for option Signed-By`',
    cause: 'two entries of one repository name different keys',
    remedy: "Take the other entry of NVIDIA's repository out of /etc/apt/sources.list.d in the container.",
    source: 'sources.list(5)',
    shows: says(/^E: Conflicting values set for option Signed-By/m),
  },
  {
    code: 'REPOSITORY_UNREACHABLE',
    symptom: '`does not have a Release file`',
    cause: 'there is no repository at an address that the container asks',
    remedy: 'Its sources name a release or a mirror that is gone: see /etc/apt/sources.list.d in the container.',
    source: 'apt-secure(8)',
    shows: says(/^E: The repository .* does not have a Release file/m),
  },
  {
    code: 'APT_FILE_NOT_FOUND',
    symptom: '`404  Not Found`',
    cause: 'the mirror lacks a file that its own index names, or the index in the container is an old one',
    remedy: 'Run this again, which fetches the index anew; a mirror that keeps failing is incomplete.',
    source: 'seen',
    shows: says(/^[EW]: .*\b404\b/m),
  },
  {
    code: OUT_OF_SYNC,
    symptom: '`File has unexpected size`, `Hash Sum mismatch`, `Mirror sync in progress?`',
    cause: "the mirror's index and files don't belong together, also after several tries: it is being synchronised",
    remedy: 'Run this again later.',
    source: 'seen',
    shows: says(/^[EW]: .*(?:File has unexpected size|Hash Sum mismatch|Mirror sync in progress)/m),
  },
  {
    code: 'PACKAGE_NOT_AVAILABLE',
    symptom: '`Unable to locate package`, `has no installation candidate`, `Version … was not found`',
    cause: 'no repository of the container has a package, or not in that version',
    remedy:
      "See pct exec CTID -- apt-cache policy; a minimal template may lack the distribution's own repositories in sources.list.",
    source: 'seen',
    shows: says(
      /^E: (?:Unable to locate package|Package '.*' has no installation candidate|Version '.*' for '.*' was not found)/m,
    ),
  },
  {
    code: 'APT_DEPENDENCIES',
    symptom: '`unmet dependencies`, `held broken packages`',
    cause: "the container's packages don't fit together: held, pinned, or from another release",
    remedy: 'See the packages below: apt-mark showhold, /etc/apt/preferences.d, and sources of another release.',
    source: 'apt-get(8)',
    shows: says(/^E: .*(?:[Uu]nmet dependencies|held broken packages)/m),
  },
  {
    code: 'REPOSITORY_UNREACHABLE',
    symptom: '`Temporary failure resolving`, `Could not connect`, `Connection timed out`',
    cause: 'the container reaches a server not at all, though the host may',
    remedy: "Check the container's network, DNS and proxy: pct exec CTID -- apt-get update.",
    source: 'seen',
    shows: says(
      /^[ \t]*(?:[EW]: .*)?(?:Temporary failure resolving|Could not resolve|Could not connect to|Cannot initiate the connection|Connection timed out|Connection failed|Network is unreachable)/m,
    ),
  },
];
