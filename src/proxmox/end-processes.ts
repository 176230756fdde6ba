/** The variable by which everything that this action starts in a container can be found again there. */
export const MARK = 'PROXMOX_LXC_NVIDIA';

/**
 * Ends processes in a container that carry the mark, with all their children: first kindly, after two seconds not.
 * Argument 1: the mark's value, or `any` for every one but this script's own. Exits with 1 when some are left.
 *
 * Killing `pct exec` doesn't end what it started (domain fact: pct §6), and through sudo it couldn't even be killed.
 */
export const END_PROCESSES = String.raw`
set -u
wanted=$1
own=${'$'}${MARK}
marked() {
  for directory in /proc/[0-9]*; do
    value=$(tr '\0' '\n' < "$directory/environ" 2> /dev/null | sed -n 's/^${MARK}=//p' 2> /dev/null)
    [ -n "$value" ] && [ "$value" != "$own" ] || continue
    if [ "$wanted" = any ] || [ "$value" = "$wanted" ]; then printf '%s ' "${'$'}{directory#/proc/}"; fi
  done
}
for signal in TERM KILL; do
  turn=0
  while [ "$turn" -lt 20 ]; do
    processes=$(marked 2> /dev/null)
    [ -n "$processes" ] || exit 0
    if [ "$turn" = 0 ] || [ "$signal" = KILL ]; then kill "-$signal" $processes 2> /dev/null; fi
    turn=$((turn + 1))
    sleep 0.1
  done
done
exit 1
`;
