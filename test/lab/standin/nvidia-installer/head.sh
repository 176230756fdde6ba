#!/bin/sh
# Stand-in of the lab for nvidia-installer @VERSION@: its options, texts, order, exit codes and traces in the file system as
# far as a container shows them (docs/facts.md, A2 to A10). It installs user space only: no kernel module is ever built.
# Switch: /etc/proxmox-lxc-nvidia-lab/installer-delay holds "SECONDS [STAGE]"; it sleeps there. Stages: before-removal (of
# the old driver), after-removal, copying (the default: some of the new files are there, their links not yet).
LC_ALL=C
export LC_ALL
umask 022

VERSION='@VERSION@'
DESCRIPTION='NVIDIA Accelerated Graphics Driver for Linux-x86_64'
STATE=/var/lib/nvidia
STATE_LOG=$STATE/log
LIBDIR=/usr/lib/x86_64-linux-gnu
BRANCH=${VERSION%%.*}
SWITCHES=/etc/proxmox-lxc-nvidia-lab
PROGRAM=$0

option_table() {
    cat <<'EOF'
@OPTIONS@
EOF
}

usage() {
    cat <<'EOF'
@USAGE@
EOF
}
