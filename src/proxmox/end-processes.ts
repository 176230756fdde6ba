import { MARK } from '../system/guest-environment.ts';

/**
 * Ends processes in a container that carry the mark, with all their children: first kindly, after two seconds not.
 * Argument 1: the mark's value, or `any` for every one but this script's own. Exits with 1 when some are left.
 *
 * Killing `pct exec` doesn't end what it started (docs/facts.md, P6), and through sudo it couldn't even be killed.
 */
export const END_PROCESSES = String.raw`
set -u
wanted=$1
own=${'$'}${MARK}
# The environment is entries that end in NUL, which is what grep -z reads; one pass over all processes takes milliseconds.
marked() {
  if [ "$wanted" = any ]; then
    files=$(grep -lz '^${MARK}=' /proc/[0-9]*/environ)
    if [ -n "$files" ]; then grep -Lzx "${MARK}=$own" $files; fi
  else
    grep -lzx "${MARK}=$wanted" /proc/[0-9]*/environ
  fi | sed 's|^/proc/\([0-9]*\)/.*|\1|'
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
