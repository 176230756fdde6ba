import { runOk } from '../command.ts';
import type { Host } from '../host.ts';

/** A file of root's that the links lead to. */
export const VICTIM = '/etc/proxmox-lxc-nvidia-victim';
export const VICTIM_TEXT = 'root only\n';

const STATE = '/var/lib/proxmox-lxc-nvidia';

/**
 * Arguments: the state directory, a file of root's, containers. Prints what should have been refused.
 *
 * A hard link to a file of root's is refused by fs.protected_hardlinks where that is on, as it is with Debian.
 */
const ATTACK = `
state=$1; victim=$2; shift 2
refused() { if "$@" 2> /dev/null; then echo "$*"; fi; }
own=$state/runner
mkdir -p "$own/journal" "$own/applied" "$own/archive" "$own/holders"
for ctid; do
  lock=$state/locks/container-$ctid.lock
  for place in "$own/journal/$ctid.json" "$own/holders/container-$ctid.json" "$own/archive/archive.tar" "$own/archive/runfiles.json"; do
    ln -sf "$victim" "$place.partial"
  done
  ln -sf "$victim" "$own/holders/container-$ctid.json"
  refused ln -s "$victim" "$state/root/journal/$ctid.json.partial"
  refused ln -s "$victim" "$state/root/holders/container-$ctid.json"
  refused ls "$state/root/journal"
  refused rm -f "$lock"
  refused mv "$lock" "$own/lock"
  refused mv "$own/archive/archive.tar.partial" "$lock"
  refused ln -s "$victim" "$state/locks/container-$ctid.lock.new"
  refused sh -c ': > "$1"' sh "$lock"
  refused chmod 0666 "$lock"
  if [ "$(cat /proc/sys/fs/protected_hardlinks)" = 1 ]; then refused ln "$lock" "$own/lock-$ctid"; fi
done
refused mv "$state/locks" "$own/locks"
refused mv "$state/root" "$own/root"
refused mv "$own" "$state/other"
refused mkdir "$state/other"
refused ln -s "$own" "$state/other"
refused touch "$state/locks/container-1.lock"
`;

/** Arguments: the tool cache, a file of root's, the key of a driver version. */
const CACHE_ATTACK = `
mkdir -p "$1/nvidia-runfile/$3" && chmod 0777 "$1" "$1/nvidia-runfile" "$1/nvidia-runfile/$3"
ln -s "$2" "$1/nvidia-runfile/$3/x86_64.complete"
ln -s "$(dirname "$2")" "$1/nvidia-runfile/$3/x86_64"
`;

/** Somebody else who may write to the tool cache: links to what is root's stand where a runfile and its mark would be kept. */
export async function plantLinksInCache(host: Host, toolCache: string, key: string): Promise<void> {
  const make = 'umask 077; printf "%s" "$2" > "$1"';
  await runOk(host.enter(['/bin/sh', '-c', make, 'sh', VICTIM, VICTIM_TEXT]));
  await runOk(host.enter(['/bin/sh', '-c', CACHE_ATTACK, 'sh', toolCache, VICTIM, key]));
}

/**
 * The user of the runner, who is after root's files: puts links where a run writes, in a directory of its own and in those of root
 * and of all, and tries to replace the files that containers are locked by. A file of root's is made that the links lead to.
 *
 * @returns what it could do and must not be able to, one command a line
 */
export async function plantLinks(host: Host, ctids: readonly number[]): Promise<string> {
  const make = 'umask 077; printf "%s" "$2" > "$1"';
  await runOk(host.enter(['/bin/sh', '-c', make, 'sh', VICTIM, VICTIM_TEXT]));
  return runOk(
    host.enter([
      ...['setpriv', '--reuid', 'runner', '--regid', 'runner', '--init-groups', '--'],
      ...['/bin/sh', '-c', ATTACK, 'sh', STATE, VICTIM, ...ctids.map(String)],
    ]),
  );
}
