#!/bin/sh
# Stand-in of the lab for nvidia-smi @VERSION@. It answers from the state of the container: the version of the NVML library
# that is in effect, the kernel module's version and GPUs in /proc/driver/nvidia, and whether the device nodes can be opened.
# Texts and exit codes are those recorded in test/fixtures/nvidia (messages of failures go to stdout).
# No kernel driver stands behind the lab's nodes: opening one that is permitted gives ENXIO, which counts as open.
LC_ALL=C
export LC_ALL
SMI_VERSION='@VERSION@'
PROC=/proc/driver/nvidia
NVIDIA_MAJOR=195

fail() {
    printf '%s\n' "$2"
    exit "$1"
}

# Library, kernel module, nodes

find_nvml() {
    for dir in $(printf '%s' "$LD_LIBRARY_PATH" | tr : ' '); do
        if [ -e "$dir/libnvidia-ml.so.1" ]; then echo "$dir/libnvidia-ml.so.1"; return; fi
    done
    if [ -x /sbin/ldconfig ]; then
        cached=$(/sbin/ldconfig -p | sed -n 's/^[[:space:]]*libnvidia-ml\.so\.1 .* => //p' | head -n 1)
        if [ -e "$cached" ]; then echo "$cached"; return; fi
    fi
    for dir in /lib/x86_64-linux-gnu /usr/lib/x86_64-linux-gnu /lib /usr/lib; do
        if [ -e "$dir/libnvidia-ml.so.1" ]; then echo "$dir/libnvidia-ml.so.1"; return; fi
    done
}

# condition KEY DEFAULT: what the condition of the host's GPUs says (test/lab/gpu-condition.ts)
condition() {
    value=$(sed -n "s/^$1 //p" $PROC/lab-condition 2>/dev/null)
    echo "${value:-$2}"
}

two_parts() { echo "$1" | cut -d . -f 1,2; }

# open_node PATH MAJOR MINOR: prints open, absent, denied (cgroup), forbidden (mode) or other (not this device).
# A missing node is made first, as the driver does wherever it may (root with CAP_MKNOD).
open_node() {
    if [ ! -e "$1" ]; then mknod -m 666 "$1" c "$2" "$3" 2>/dev/null; fi
    if [ ! -e "$1" ]; then echo absent; return; fi
    answer=$( (: <>"$1") 2>&1)
    case "$answer" in
    *'Operation not permitted'*) echo denied ;;
    *'Permission denied'*) echo forbidden ;;
    '' | *'No such device or address'*)
        if [ "$(stat -c %t:%T "$1")" = "$(printf '%x:%x' "$2" "$3")" ]; then echo open; else echo other; fi ;;
    *) echo other ;;
    esac
}

init() {
    nvml=$(find_nvml)
    if [ -z "$nvml" ]; then
        fail 12 "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver is properly installed and present in your system.
Please also try adding directory that contains libnvidia-ml.so to your system PATH."
    fi
    nvml=$(readlink -f "$nvml")
    NVML_VERSION=${nvml##*.so.}
    if [ ! -r $PROC/version ]; then not_communicating; fi
    case $(open_node /dev/nvidiactl $NVIDIA_MAJOR 255) in
    absent) not_communicating ;;
    denied) fail 255 "Failed to initialize NVML: Unknown Error" ;;
    forbidden) fail 4 "Failed to initialize NVML: Insufficient Permissions" ;;
    other) fail 17 "Failed to initialize NVML: GPU access blocked by the operating system" ;;
    esac
    DRIVER_VERSION=$(sed -n 's/^NVRM version:.*[^0-9.]\([0-9][0-9][0-9]\.[0-9][0-9.]*\).*/\1/p' $PROC/version)
    if [ "$NVML_VERSION" != "$DRIVER_VERSION" ]; then
        fail 18 "Failed to initialize NVML: Driver/library version mismatch
NVML library version: $(two_parts "$NVML_VERSION")"
    fi
    code=$(condition smi-exit 0)
    if [ "$code" != 0 ]; then fail "$code" "$(condition smi-words)"; fi
}

not_communicating() {
    fail 9 "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.
"
}

# The CUDA version a driver branch supports (release notes, table 3).
cuda_version() {
    case ${DRIVER_VERSION%%.*} in
    4[0-9][0-9]) echo 11.4 ;; 52[5-9]) echo 12.0 ;; 53[0-4]) echo 12.1 ;; 53[5-9]) echo 12.2 ;; 54[5-9]) echo 12.3 ;;
    55[0-4]) echo 12.4 ;; 555) echo 12.5 ;; 56[0-4]) echo 12.6 ;; 56[5-9]) echo 12.7 ;; 57[0-4]) echo 12.8 ;;
    57[5-9]) echo 12.9 ;; 58[0-9]) echo 13.0 ;; 59[0-4]) echo 13.1 ;; *) echo 13.2 ;;
    esac
}
