import type { Action, FileChange } from '../plan/actions.ts';
import { APT_GET, aptFailure, untilMirrorIsInSync } from './apt.ts';
import type { ApplyContext } from './context.ts';

/**
 * Makes the changes in order and updates the package lists; when anything fails, every file is put back as it was.
 * Arguments, three per change: what, path, content in base64.
 *
 * An index that couldn't be fetched is an error: `APT::Update::Error-Mode=any` says so from apt 2.1 on, before that
 * (Ubuntu 20.04) apt only warns and exits with 0.
 */
const CONFIGURE = String.raw`
set -eu
saved=$(mktemp -d /var/tmp/proxmox-lxc-nvidia-apt.XXXXXX)
restore() {
  code=$?
  if [ "$code" -ne 0 ]; then
    for entry in $(ls -r "$saved"); do
      case $entry in *.path) ;; *) continue ;; esac
      path=$(cat "$saved/$entry") was=$saved/${'$'}{entry%.path}.was
      if [ -e "$was" ]; then cp -p -- "$was" "$path"; else rm -f -- "$path"; fi
    done
  fi
  rm -rf -- "$saved"
  exit "$code"
}
trap restore EXIT
# dash runs no EXIT trap when a signal ends it, which is how time limits and cancelling come.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

number=1000
# Keeps a file as it is, or that it isn't there, for restore.
remember() {
  number=$((number + 1))
  if [ -e "$1" ]; then cp -p -- "$1" "$saved/$number.was"; fi
  printf '%s' "$1" > "$saved/$number.path"
}

update() {
  code=0
  output=$(${APT_GET.join(' ')} update 2>&1) || code=$?
  printf '%s\n' "$output"
  if printf '%s\n' "$output" | grep -qE '^(E|W|Err).*(Failed to fetch|not signed|GPG error|index files failed|NO_PUBKEY)'; then code=100; fi
  return "$code"
}

while [ "$#" -gt 0 ]; do
  case $1 in
    write)
      remember "$2"
      mkdir -p -- "${'$'}{2%/*}"
      printf '%s' "$3" | base64 -d > "$saved/new"
      chmod 0644 "$saved/new"
      mv -f -- "$saved/new" "$2"
      ;;
    put-aside)
      if [ -e "$2" ]; then
        remember "$2"
        remember "$2.disabled"
        mv -f -- "$2" "$2.disabled"
      fi
      ;;
    certificates)
      update
      ${APT_GET.join(' ')} --no-install-recommends install ca-certificates
      ;;
  esac
  shift 3
done
update
`;

/** Sets up NVIDIA's repositories and the pin. @throws ActionError APT_…, with the container's files as they were. */
export async function configureApt(
  context: ApplyContext,
  action: Extract<Action, { kind: 'configure-apt' }>,
): Promise<void> {
  const { ctid, pct, log, proxy, secondsLeft } = context;
  const steps = [
    ...action.before.map(changeArguments),
    ...(action.installCertificates ? [['certificates', '-', '-']] : []),
    ...action.after.map(changeArguments),
  ];
  const { argv, options } = proxy.through(['/bin/sh', '-c', CONFIGURE, 'proxmox-lxc-nvidia', ...steps.flat()]);
  const result = await untilMirrorIsInSync(context, () =>
    pct.exec(ctid, argv, {
      ...options,
      purpose: 'setting up apt',
      timeoutSeconds: secondsLeft(),
      onLine: (line) => log.foreign(String(ctid), line),
    }),
  );
  if (result.exitCode !== 0) throw aptFailure(ctid, 'set up its repositories', result);
}

function changeArguments(change: FileChange): string[] {
  return [change.kind, change.path, change.kind === 'write' ? change.content : '-'];
}
