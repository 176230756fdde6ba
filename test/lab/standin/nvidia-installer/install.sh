# Installation

pause_at() {
    if [ ! -f $SWITCHES/installer-delay ]; then return; fi
    read -r seconds stage <$SWITCHES/installer-delay
    if [ "${stage:-copying}" = "$1" ]; then sleep "$seconds" </dev/null >/dev/null 2>&1; fi
}

# Under --silent a failed step is answered "continue": exit 0 doesn't mean that everything is there (docs/facts.md, A5).
continue_after_error() {
    error "$1"
    log "-> $2 (Answer: Continue installation)"
}

make_directory() {
    if [ -d "$1" ]; then return 0; fi
    make_directory "$(dirname "$1")" || return 1
    mkdir "$1" 2>/dev/null || return 1
    echo "$1" >>$STATE/dirs
}

backup_number=100
move_aside() {
    if [ $backup = n ]; then rm -f "$1" 2>/dev/null; return; fi
    if [ -L "$1" ]; then rm -f "$1"; return; fi
    entry="$(crc_of "$1") $(stat -c '%f %u %g' "$1")"
    mv "$1" $STATE/$backup_number 2>/dev/null || return
    printf '%s: %s\n%s\n' $backup_number "$1" "$entry" >>$STATE_LOG
    backup_number=$((backup_number + 1))
}

# Files of other installations (a distribution's packages, leftovers of a killed run) are moved out of the way.
move_conflicting_files() {
    info "Searching for conflicting files:"
    for dir in /usr/lib /usr/lib64 $LIBDIR; do
        for file in "$dir"/libcuda.* "$dir"/libnvidia-ml.* "$dir"/libnvidia-cfg.* "$dir"/libnvidia-compiler.* \
            "$dir"/libnvcuvid.* "$dir"/libnvidia-encode.*; do
            if [ -e "$file" ] || [ -L "$file" ]; then move_aside "$file"; fi
        done
    done
    info "done."
}

destination() {
    case "$1" in
    *_LIB | *_SYMLINK) echo "$LIBDIR/$2" ;;
    *_BINARY | *_BINARY_LINK) echo "/usr/bin/$2" ;;
    FIRMWARE) echo "/lib/firmware/nvidia/$VERSION/${2#firmware/}" ;;
    MANPAGE) echo "/usr/share/man/man1/$2" ;;
    SYSTEMD_UNIT) echo "/usr/lib/systemd/system/${2#systemd/}" ;;
    DOCUMENTATION) echo "/usr/share/doc/NVIDIA_GLX-1.0/$2" ;;
    esac
}

# wanted TYPE: whether files of this type are installed at all
wanted() {
    case "$1" in
    OPENGL_*) [ $opengl = y ] ;;
    GLVND_*) [ $opengl = y ] && [ "$libglvnd" = y ] ;;
    NVIDIA_MODPROBE_BINARY) [ $modprobe_helper = y ] ;;
    SYSTEMD_UNIT) [ $systemd = y ] && find_utility systemctl >/dev/null ;;
    *) true ;;
    esac
}

# The real one writes through a memory map, so that a full disk is a SIGBUS and not a failed copy.
install_file() {
    to=$(destination "$3" "$1")
    if ! make_directory "$(dirname "$to")"; then
        continue_after_error "Unable to create directory '$(dirname "$to")'" "Cannot install $to"
        return
    fi
    if [ -e "$to" ] || [ -L "$to" ]; then move_aside "$to"; fi
    problem=$(cp "$1" "$to" 2>&1) || {
        case "$problem" in
        *'No space left on device'*)
            echo "Received signal SIGBUS; aborting." >&2
            kill -BUS $$ ;;
        esac
        continue_after_error "Unable to create '$to' for copying (${problem##*: })" "Cannot install $to"
        return
    }
    chmod "$2" "$to"
    printf '1: %s\n%s\n' "$to" "$(crc_of "$to")" >>$STATE_LOG
}

install_link() {
    link=$(destination "$3" "$1")
    if [ -L "$link" ] || [ -e "$link" ]; then rm -f "$link" 2>/dev/null; fi
    if problem=$(ln -s "$4" "$link" 2>&1); then
        printf '0: %s\n%s\n' "$link" "$4" >>$STATE_LOG
    else
        continue_after_error "Unable to create symlink '$link' to '$4' (${problem##*: })" "Cannot create symlink $link"
    fi
}

# Which libglvnd libraries the system has: none, partial or all. The newest installers take "partial" as fatal by default.
libglvnd_state() {
    have=0
    for name in libGL.so.1 libGLX.so.0 libGLdispatch.so.0 libOpenGL.so.0; do
        for dir in /usr/lib $LIBDIR; do if [ -e "$dir/$name" ]; then have=$((have + 1)); break; fi; done
    done
    case $have in 0) echo none ;; 4) echo all ;; *) echo partial ;; esac
}

check_libglvnd() {
    if [ "$libglvnd" ] || [ $opengl = n ]; then return; fi
    case $(libglvnd_state) in
    none) libglvnd=y ;;
    all)
        libglvnd=n
        info "Skipping GLVND file: \"libGL.so.1\"" ;;
    partial)
        log "-> An incomplete installation of libglvnd was found. Do you want to install a full copy of libglvnd? This will overwrite any existing libglvnd libraries. (Answer: Abort installation.)"
        failed ;;
    esac
}

check_existing_driver() {
    existing=$(installed_version)
    if [ "$existing" ]; then
        info "There appears to already be a driver installed on your system (version: $existing).  As part of installing this driver (version: $VERSION), the existing driver will be uninstalled.  Are you sure you want to continue? (Answer: Continue installation)"
    fi
}

remove_existing_driver() {
    if [ ! -f $STATE_LOG ]; then return; fi
    if [ -x /usr/bin/nvidia-uninstall ]; then
        info "Uninstalling the previous installation with /usr/bin/nvidia-uninstall."
        uninstall_log=$(mktemp)
        /usr/bin/nvidia-uninstall -s --log-file-name="$uninstall_log" >/dev/null 2>&1
        rm -f "$uninstall_log"
    else
        remove_installed
    fi
}

kernel_module_warning() {
    if [ "$BRANCH" -ge 515 ]; then
        warning "You specified the '--no-kernel-modules' command line option, nvidia-installer will not install any kernel modules as part of this driver installation, and it will not remove existing NVIDIA kernel modules not part of an earlier NVIDIA driver installation.  Please ensure that NVIDIA kernel modules matching this driver version are installed separately."
    else
        warning "You specified the '--no-kernel-module' command line option, nvidia-installer will not install a kernel module as part of this driver installation, and it will not remove existing NVIDIA kernel modules not part of an earlier NVIDIA driver installation.  Please ensure that an NVIDIA kernel module matching this driver version is installed separately."
    fi
}

install() {
    check_gpu
    check_x
    run_hook pre-unload || { error "The pre-unload script failed."; failed; }
    if [ $kernel_modules = n ]; then
        log "-> Not installing any kernel modules; skipping the \"is an NVIDIA kernel module loaded?\" test."
    else
        if [ -e /proc/driver/nvidia/version ]; then
            error "An NVIDIA kernel module 'nvidia' appears to be already loaded in your kernel.  This may be because it is in use (for example, by an X server, a CUDA program, or the NVIDIA Persistence Daemon), but this may also happen if your kernel was configured without support for module unloading.  Please be sure to exit any programs that may be using the GPU(s) before attempting to upgrade your driver.  If no GPU-based programs are running, you know that your kernel supports module unloading, and you still receive this message, then an error may have occurred that has corrupted an NVIDIA kernel module's usage count, for which the simplest remedy is to reboot your computer."
            failed
        fi
        error "Unable to find the kernel source tree for the currently running kernel.  Please make sure you have installed the kernel source files for your kernel and that they are properly configured; on Red Hat Linux systems, for example, be sure you have the 'kernel-source' or 'kernel-devel' RPM installed.  If you know the correct kernel source files are installed, you may specify the kernel source path with the '--kernel-source-path' command line option."
        failed
    fi
    info "Installing NVIDIA driver version $VERSION."
    check_existing_driver
    check_alternate_installs
    if ! run_hook pre-install; then
        info "The distribution-provided pre-install script failed!  Are you sure you want to continue? (Answer: Continue installation)"
    fi
    kernel_module_warning
    if [ $opengl = y ]; then
        warning "nvidia-installer was forced to guess the X library path '/usr/lib' and X module path '/usr/lib/xorg/modules'; these paths were not queryable from the system.  If X fails to find the NVIDIA X driver module, please install the \`pkg-config\` utility and the X.Org SDK/development package for your distribution and reinstall the driver."
    fi
    if [ $compat32 = y ]; then
        warning "Unable to find a suitable destination to install 32-bit compatibility libraries. Your system may not be set up for 32-bit compatibility. 32-bit compatibility files will not be installed; if you wish to install them, re-run the installation and set a valid directory with the --compat32-libdir option."
    fi
    if [ $opengl = y ] && [ "$BRANCH" -ge 515 ] && ! ldconfig -p | grep -q 'libvulkan\.so\.1'; then
        warning "This NVIDIA driver package includes Vulkan components, but no Vulkan ICD loader was detected on this system. The NVIDIA Vulkan ICD will not function without the loader. Most distributions package the Vulkan loader; try installing the \"vulkan-loader\", \"vulkan-icd-loader\", or \"libvulkan1\" package."
    fi
    pause_at before-removal
    remove_existing_driver
    pause_at after-removal

    # The old driver is gone by now; what fails from here on leaves the container without one.
    rm -rf $STATE
    mkdir -p -m 700 $STATE || failed
    (umask 077 && printf '1.0-1001 (%s)\n%s\n' "$VERSION" "$DESCRIPTION" >$STATE_LOG)
    check_libglvnd
    move_conflicting_files

    info "Installing '$DESCRIPTION' ($VERSION):"
    copied=0
    while read -r name mode type target; do
        if [ "$target" ] || ! wanted "$type"; then continue; fi
        install_file "$name" "$mode" "$type"
        copied=$((copied + 1))
        if [ $copied = 2 ]; then pause_at copying; fi
    done <.manifest
    while read -r name mode type target; do
        if [ "$target" ] && wanted "$type"; then install_link "$name" "$mode" "$type" "$target"; fi
    done <.manifest
    run_command "$(find_utility ldconfig)"
    if systemctl=$(find_utility systemctl) && [ $systemd = y ]; then run_command "$systemctl" daemon-reload; fi
    info "done."
    info "Driver file installation is complete."
    run_hook post-install
    post_install_check
    info "Installation of the $DESCRIPTION (version: $VERSION) is now complete."
}

# Its result isn't looked at: it only logs. Without libglvnd, and told not to bring it, the installer misses libGL.so.1.
post_install_check() {
    info "Running post-install sanity check:"
    sane=y
    while read -r number path && read -r data; do
        case "$number" in
        0:) if [ ! -e "$path" ]; then log "The symbolic link '$path' does not point at a file."; sane=n; fi ;;
        1:) if [ ! -e "$path" ]; then log "The file '$path' is missing."; sane=n; fi ;;
        esac
    done <<EOF
$(tail -n +3 "$STATE_LOG")
EOF
    if [ "$libglvnd" = n ] && [ $opengl = y ] && [ "$(libglvnd_state)" != all ]; then
        log "ERROR: Unable to find the file '/usr/lib/libGL.so.1'."
        case $BRANCH in 535 | 550) sane=n ;; esac
    fi
    info "done."
    if [ $sane = y ]; then info "Post-install sanity check passed."; else info "Post-install sanity check failed."; fi
}
