# State of an installation: $STATE/log as backup.c writes it: version, description, then entries
#   0: <symlink> / <target>    1: <file> / <crc>    100…: <file that was in the way> / <crc> <mode> <uid> <gid>

installed_version() { sed -n '1s/.*(\(.*\))$/\1/p' "$STATE_LOG" 2>/dev/null; }

crc_of() { cksum <"$1" 2>/dev/null | awk '{print $1}'; }

# remove_installed: takes an installation away by its log; restores what it had moved aside. Altered files stay.
remove_installed() {
    removed_version=$(installed_version)
    altered=n
    log "-> Parsing log file:"
    log "-> done."
    log "-> Validating previous installation:"
    while read -r number path && read -r data; do
        case "$number" in
        0:) if [ "$(readlink "$path")" != "$data" ]; then
                log "The installed file '$path' no longer points at '$data'."
                altered=y
            fi ;;
        1:) if [ "$(crc_of "$path")" != "$data" ]; then
                log "The installed file '$path' has a different checksum than when it was installed."
                altered=y
            fi ;;
        esac
    done <<EOF
$(tail -n +3 "$STATE_LOG")
EOF
    log "-> done."
    if [ $altered = y ]; then
        warning "Your driver installation has been altered since it was initially installed; this may happen, for example, if you have since installed the NVIDIA driver through a mechanism other than nvidia-installer (such as your distribution's native package management system).  nvidia-installer will attempt to uninstall as best it can.  Please see the file '$log_file' for details."
    fi
    run_hook pre-uninstall
    while read -r number path && read -r data; do
        case "$number" in
        0:) if [ "$(readlink "$path")" = "$data" ]; then remove_file "$path"; fi ;;
        1:) if [ "$(crc_of "$path")" = "$data" ]; then remove_file "$path"; fi ;;
        esac
    done <<EOF
$(tail -n +3 "$STATE_LOG")
EOF
    while read -r number path && read -r data; do
        saved=$STATE/${number%:}
        case "$number" in
        [1-9][0-9][0-9]*:) if [ -f "$saved" ] && [ ! -e "$path" ]; then mv "$saved" "$path"; fi ;;
        esac
    done <<EOF
$(tail -n +3 "$STATE_LOG")
EOF
    if [ -f $STATE/dirs ]; then
        while read -r dir; do if [ "$dir" != $STATE ]; then rmdir "$dir" 2>/dev/null; fi; done <$STATE/dirs
    fi
    rm -rf $STATE
    if [ $module_unload = y ]; then rmmod nvidia-drm nvidia-modeset nvidia-uvm nvidia >/dev/null 2>&1; fi
    run_command "$(find_utility ldconfig)"
    if [ $depmod_run = y ]; then run_command "$(find_utility depmod)" -a; fi
    run_hook post-uninstall
    log "-> Uninstallation of existing driver: $DESCRIPTION ($removed_version) is complete."
}

remove_file() {
    message_of_rm=$(rm -f "$1" 2>&1) && return
    warning "Unable to remove installed file '$1' (${message_of_rm##*: })."
}

# run_command ARGV: a command whose failure is answered "continue"
run_command() {
    log "   executing: '$*'..."
    if output=$("$@" 2>&1); then return; fi
    error "Failed to execute \`$*\`: $output"
    log "-> Failed to execute \`$*\` (Answer: Continue installation)"
}
