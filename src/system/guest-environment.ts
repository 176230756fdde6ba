/** The variable by which everything that this action starts in a container can be found again there. */
export const MARK = 'PROXMOX_LXC_NVIDIA';

/** What every command in a container gets beside the mark, and nothing else: neither the host's nor the runner's environment. */
export const GUEST_ENVIRONMENT = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LC_ALL=C.UTF-8',
  'TERM=dumb',
  'DEBIAN_FRONTEND=noninteractive',
] as const;
