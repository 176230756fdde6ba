# What must be there

find_utility() {
    for dir in $(printf '%s' "$PATH:/bin:/usr/bin:/sbin:/usr/sbin" | tr : ' '); do
        if [ -x "$dir/$1" ] && [ ! -d "$dir/$1" ]; then echo "$dir/$1"; return 0; fi
    done
    return 1
}

need_utility() {
    find_utility "$1" >/dev/null && return
    error "Unable to find the system utility \`$1\`; please make sure you have the package '$2' installed.  If you do have $2 installed, then please check that \`$1\` is in your PATH."
    exit 1
}

need_module_utility() {
    find_utility "$1" >/dev/null && return
    error "Unable to find the module utility \`$1\`; please make sure you have the package 'module-init-tools' or 'kmod' installed.  If you do have 'module-init-tools' or 'kmod' installed, then please check that \`$1\` is in your PATH."
    exit 1
}

check_utilities() {
    if [ "$(id -u)" != 0 ]; then
        error "nvidia-installer must be run as root"
        exit 1
    fi
    need_utility ldconfig glibc
    need_utility grep grep
    need_utility dmesg util-linux
    need_utility tail coreutils
    if [ "$BRANCH" -lt 500 ]; then
        need_utility ldd glibc
        need_utility cut coreutils
        need_utility tr coreutils
        need_utility sed sed
    fi
    for utility in modprobe rmmod lsmod depmod; do need_module_utility $utility; done
}

run_hook() {
    hook=/usr/lib/nvidia/$1
    if [ $distro_scripts = n ] || [ ! -x "$hook" ]; then return 0; fi
    info "Running distribution scripts"
    log "   executing: '$hook'..."
    "$hook" </dev/null
    code=$?
    info "done."
    return $code
}

check_gpu() {
    for gpu in /proc/driver/nvidia/gpus/*; do if [ -e "$gpu" ]; then return; fi; done
    warning "You do not appear to have an NVIDIA GPU supported by the $VERSION NVIDIA Linux graphics driver installed in this system.  For further details, please see the appendix SUPPORTED NVIDIA GRAPHICS CHIPS in the README available on the Linux driver download page at www.nvidia.com."
}

check_x() {
    if [ $x_check = n ]; then return; fi
    for lock in /tmp/.X*-lock; do
        if [ ! -f "$lock" ]; then continue; fi
        pid=$(tr -dc 0-9 <"$lock")
        if [ "$pid" ] && [ -d "/proc/$pid" ]; then
            error "You appear to be running an X server; please exit X before installing.  For further details, please see the section INSTALLING THE NVIDIA DRIVER in the README available on the Linux driver download page at www.nvidia.com."
            failed
        fi
    done
}

check_alternate_installs() {
    if [ $alternate_check = n ]; then return; fi
    if [ -f /usr/lib/nvidia/alternate-install-present ]; then
        text="The NVIDIA driver appears to have been installed previously using a different installer. To prevent potential conflicts, it is recommended either to update the existing installation using the same mechanism by which it was originally installed, or to uninstall the existing installation before installing this driver."
        log "-> $text"
        log "$(cat /usr/lib/nvidia/alternate-install-present)"
        log "-> Please review the message provided by the maintainer of this alternate installation method and decide how to proceed: (Answer: Abort installation)"
        error "The installation was canceled due to the availability or presence of an alternate driver installation. Please see $log_file for more details."
        exit 1
    fi
    if [ -f /usr/lib/nvidia/alternate-install-available ]; then
        info "An alternate method of installing the NVIDIA driver was detected. (This is usually a package provided by your distributor.) A driver installed via that method may integrate better with your system than a driver installed by nvidia-installer. (Answer: Continue installation)"
    fi
}
