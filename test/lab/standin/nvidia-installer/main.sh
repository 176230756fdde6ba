# --sanity looks at the entries of the log only: a partial installation passes.
sanity() {
    if [ -z "$(installed_version)" ]; then
        message "There is no NVIDIA driver currently installed."
        exit 1
    fi
    while read -r number path && read -r data; do
        case "$number" in
        0:) [ "$(readlink "$path")" = "$data" ] || altered_installation ;;
        1:) [ "$(crc_of "$path")" = "$data" ] || altered_installation ;;
        esac
    done <<EOF
$(tail -n +3 "$STATE_LOG")
EOF
    message "'$DESCRIPTION' (version: $(installed_version)) appears to be installed correctly."
}

altered_installation() {
    error "The '$DESCRIPTION' (version: $(installed_version)) installation has been altered since it was originally installed.  It is recommended that you reinstall."
    exit 1
}

driver_info() {
    if [ -z "$(installed_version)" ]; then
        message "There is no NVIDIA driver currently installed."
        exit 1
    fi
    message "The currently installed driver is: '$DESCRIPTION' (version: $(installed_version))."
}

uninstall() {
    if [ -z "$(installed_version)" ]; then
        message "There is no NVIDIA driver currently installed."
        return
    fi
    remove_installed
    message "Uninstallation of existing driver: $DESCRIPTION ($removed_version) is complete."
}

case "$0" in *nvidia-uninstall) action=uninstall ;; esac
parse_command_line "$@"
if [ $action = uninstall ] && [ "$log_name_given" != y ]; then log_name=/var/log/nvidia-uninstall.log; fi
open_log "$@"
if [ $action = install ]; then cd "$(dirname "$0")" || exit 1; fi
check_utilities
case $action in
install) install ;;
sanity) sanity ;;
driver-info) driver_info ;;
uninstall) uninstall ;;
esac
exit 0
