import { KEPT_PROOF } from './kept-proof.ts';
import { RECORD, USER_SPACE_RECORDS } from './user-space-records.ts';

/**
 * The probe: one POSIX shell script that observes a container from inside and only reads. It prints records, a line each:
 * a name and its fields, separated by tabs; text that may hold anything is base64. The last record is `end`.
 *
 * Positional arguments, all optional: 1 the program cuda-query in hexadecimal digits; 2 directory of the toolkit that is to be
 * proven (`/usr/local/cuda-12.8`) and 3 the id of the proof's source: the program kept of it is run.
 *
 * cuda-query runs out of memory that has no name in any file system (memfd_create): nothing is written, nothing is left
 * behind when it is killed, and no mount option forbids it. perl-base, which does that, is essential in Debian and Ubuntu.
 */
export const GUEST_PROBE = String.raw`
set -u
cuda_query=${'$'}{1-} toolkit=${'$'}{2-} proof=${'$'}{3-}
${KEPT_PROOF}
${RECORD}
encoded() { base64 | tr -d '\n'; }
# No file that is asked for is ever that large; a part of one could be taken for the whole.
text_file() { if [ -f "$2" ] && [ -z "$(find -L "$2" -size +1024k)" ]; then record "$1" "$2" "$(encoded < "$2")"; fi; }
# Runs a command and records its exit code and the beginning of what it printed; a hang is code 124. Argument 1: fields that come first.
command_output() {
  fields=$1; shift
  output=$({ timeout -k 5 60 "$@" 2>&1; echo "exit=$?"; } | { head -c 65536; tail -c 16; } | tr -d '\0')
  code=${'$'}{output##*exit=}
  record "$fields" "$code" "$(printf '%s' "${'$'}{output%exit=*}" | encoded)"
}

if [ -r /etc/os-release ]; then text_file os-release /etc/os-release; else text_file os-release /usr/lib/os-release; fi
command -v dpkg-query > /dev/null 2>&1 || { record end; exit 0; }
record dpkg-architecture "$(dpkg --print-architecture)"
record dpkg-audit "$(dpkg --audit 2>&1 | head -c 4096 | encoded)"

for directory in / /usr /var/tmp /var/cache/apt /root /opt; do
  [ -d "$directory" ] || continue
  df -P -T -k -- "$directory" | tail -n 1 | while read -r _ type _ _ free _ mount; do
    # Of mounts over each other the last counts. All mounts would be long where Docker runs inside.
    while read -r _ point _ some _; do if [ "$point" = "$mount" ]; then options=$some; fi; done < /proc/self/mounts
    record space "$directory" "$free" "$type" "$mount" "${'$'}{options-}"
  done
done

${USER_SPACE_RECORDS}
dpkg-query -W -f '${'$'}{db:Status-Status}\t${'$'}{Package}\t${'$'}{Version}\t${'$'}{Architecture}\n' \
  kmod ca-certificates gnupg curl wget build-essential 'libcuda1*' 'libnv*' 'nvidia-*' 'cuda-*' '*-nvidia*' \
  2> /dev/null | while read -r status name version architecture; do
    record package "$status" "$name" "$version" "$architecture"
  done

text_file apt-source /etc/apt/sources.list
for file in /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  case $file in *[!A-Za-z0-9._+/-]*) continue ;; esac
  text_file apt-source "$file"
done
text_file apt-pin /etc/apt/preferences.d/proxmox-lxc-nvidia
for file in /etc/apt/keyrings/proxmox-lxc-nvidia-*.gpg; do text_file keyring "$file"; done
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then record certificates yes; fi

for nvcc in /usr/local/cuda-[0-9]*/bin/nvcc; do
  directory=${'$'}{nvcc%/bin/nvcc}
  case $directory in *[!A-Za-z0-9._/-]*) continue ;; esac
  # /usr/local/cuda-12 beside cuda-12.8 is a link of update-alternatives.
  if [ -x "$nvcc" ] && [ ! -L "$directory" ]; then command_output "toolkit	$directory" "$nvcc" --version; fi
done

# A GPU that hangs once isn't waited for again.
code=0
responsive() { case $code in 124|137) return 1 ;; esac; }
for node in /dev/nvidia*; do
  [ -c "$node" ] || continue
  message=$(dd if="$node" of=/dev/null count=0 2>&1) && result=ok || case $message in
    *'No such file or directory'*) result=ENOENT ;;
    *'Permission denied'*) result=EACCES ;;
    *'Operation not permitted'*) result=EPERM ;;
    *'No such device or address'*|*'No such device'*) result=ENXIO ;;
    *) result=other ;;
  esac
  record node "$node" "$(stat -c '%t' "$node")" "$(stat -c '%T' "$node")" "$result"
done

if command -v nvidia-smi > /dev/null 2>&1; then
  command_output smi-query nvidia-smi --query-gpu=index,uuid,name,driver_version,pci.bus_id,memory.total --format=csv,noheader
  if responsive; then command_output smi-table nvidia-smi; fi
fi
if [ -n "$cuda_query" ] && responsive; then
  command_output cuda-query perl -e '
    my %memfd_create = (x86_64 => 319, aarch64 => 279);
    my ($machine, $name, $program) = ($ARGV[0], "cuda-query", pack("H*", $ARGV[1]));
    my $number = $memfd_create{$machine} or die "no memfd_create on $machine\n";
    my $descriptor = syscall($number, $name, 0);
    die "memfd_create: $!\n" if $descriptor < 0;
    open(my $file, ">&=", $descriptor) or die "memfd: $!\n";
    syswrite($file, $program) == length($program) or die "memfd: $!\n";
    exec({ "/proc/self/fd/$descriptor" } $name) or die "exec: $!\n";
  ' "$(uname -m)" "$cuda_query"
fi
if [ -n "$toolkit" ] && [ -x "$toolkit/bin/nvcc" ] && responsive; then
  kept=$(kept_proof "$toolkit" "$proof")
  # A program that another user could have put there isn't run.
  if [ -f "$kept" ] && [ "$(stat -c %u:%a -- "$kept_directory" "$kept" | tr '\n' ' ')" = '0:755 0:755 ' ]; then
    command_output cuda-proof "$kept"
  fi
fi
record end
`;
