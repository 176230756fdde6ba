#!/bin/bash
# What a careful administrator would write: user space, libnvidia-container1 and CUDA toolkit for containers, one after
# the other. Idempotent: asks a container for its packages, its driver and its nvcc, and does what is missing.
#
#   converge.sh CUDA_VERSION CACHE_DIRECTORY CA_FILE CTID...
set -euo pipefail

cuda=$1 cache=$2 ca=$3
shift 3
prerequisites=(build-essential wget curl gnupg kmod ca-certificates)
toolkit=cuda-toolkit-${cuda//./-}
driver=$(sed -n 's/^NVRM version:.* \([0-9]\{3,\}\.[0-9.]*\) .*/\1/p' /proc/driver/nvidia/version)
runfile=NVIDIA-Linux-x86_64-$driver.run
address=https://us.download.nvidia.com/XFree86/Linux-x86_64/$driver/$runfile

# Standard input of this script is not for the containers.
inside() { pct exec "$ctid" -- "$@" </dev/null; }
say() { printf '%s: %s\n' "$ctid" "$*"; }

fetch_runfile() {
  [ -f "$cache/$runfile" ] && return
  mkdir -p "$cache"
  curl -fsSL --cacert "$ca" -o "$cache/$runfile.partial" "$address"
  curl -fsSL --cacert "$ca" "$address.sha256sum" | (cd "$cache" && sed "s/ .*/  $runfile.partial/" | sha256sum -c --quiet)
  mv "$cache/$runfile.partial" "$cache/$runfile"
}

set_up_repositories() {
  inside sh -c '
    set -e
    . /etc/os-release
    cd /tmp
    curl -fsSLO "https://developer.download.nvidia.com/compute/cuda/repos/$ID$VERSION_ID/x86_64/cuda-keyring_1.1-1_all.deb"
    dpkg -i cuda-keyring_1.1-1_all.deb
    rm cuda-keyring_1.1-1_all.deb
    keyring=/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg
    curl -fsSL https://nvidia.github.io/libnvidia-container/gpgkey | gpg --dearmor --yes -o "$keyring"
    echo "deb [signed-by=$keyring] https://nvidia.github.io/libnvidia-container/stable/deb/amd64 /" \
      > /etc/apt/sources.list.d/nvidia-container-toolkit.list
    apt-get update'
}

install_packages() { inside env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }

install_driver() {
  fetch_runfile
  pct push "$ctid" "$cache/$runfile" "/var/tmp/$runfile"
  inside env TMPDIR=/var/tmp sh "/var/tmp/$runfile" --silent --accept-license --no-kernel-module --no-x-check \
    --no-nouveau-check --no-nvidia-modprobe
  inside rm "/var/tmp/$runfile"
}

driver_inside() { inside nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>&1 | sort -u; }
nvcc_inside() { inside "/usr/local/cuda-$cuda/bin/nvcc" --version 2>&1 | sed -n 's/.*release \([0-9.]*\),.*/\1/p'; }

for ctid; do
  say "driver $driver and $toolkit are wanted"
  installed=$(inside dpkg-query -W -f '${Package} ${db:Status-Status}\n' | sed -n 's/ installed$//p')
  missing() { for name; do grep -qxF "$name" <<<"$installed" || echo "$name"; done; }

  mapfile -t packages < <(missing "${prerequisites[@]}")
  if [ ${#packages[@]} -gt 0 ]; then
    inside apt-get update
    install_packages "${packages[@]}"
  fi
  if [ -n "$(missing cuda-keyring)" ]; then set_up_repositories; fi
  if [ -n "$(missing libnvidia-container1)" ]; then install_packages libnvidia-container1; fi
  if [ "$(driver_inside || true)" != "$driver" ]; then
    install_driver
    [ "$(driver_inside)" = "$driver" ]
  fi
  if [ -n "$(missing "$toolkit")" ]; then install_packages "$toolkit"; fi
  [ "$(nvcc_inside)" = "$cuda" ]
  say 'as wanted'
done
