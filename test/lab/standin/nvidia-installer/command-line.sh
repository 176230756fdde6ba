# Command line

log_name=/var/log/nvidia-installer.log
action=install
kernel_modules=y
x_check=y
modprobe_helper=y
backup=y
compat32=y
opengl=y
distro_scripts=y
alternate_check=y
libglvnd=
systemd=y
module_unload=y
depmod_run=y

invalid_command_line() {
    { echo; wrap 'ERROR: ' "Invalid commandline, please run \`$PROGRAM --help\` for usage information."; echo; } >&2
    exit 1
}

# known NAME: prints "yes" or "argument" when this version has the option
known() {
    option_table | awk -v name="$1" '{
        split($0, part, "|"); n = split(part[1], names, " ")
        for (i = 1; i <= n; i++) if (names[i] == name) { print part[2] ~ /[A-Z]/ ? "argument" : "yes"; exit }
    }'
}

parse_command_line() {
    while [ $# -gt 0 ]; do
        given=$1
        shift
        name=${given%%=*}
        kind=$(known "$name")
        case "$given" in -*) ;; *) kind= ;; esac
        if [ -z "$kind" ]; then
            printf '%s: unrecognized option: "%s"\n' "$PROGRAM" "$given" >&2
            invalid_command_line
        fi
        value=
        if [ $kind = argument ]; then
            case "$given" in
            *=*) value=${given#*=} ;;
            *)
                if [ $# -eq 0 ]; then
                    printf '%s: option "%s" requires an argument.\n' "$PROGRAM" "$given" >&2
                    invalid_command_line
                fi
                value=$1
                shift ;;
            esac
        fi
        apply_option "$name" "$value"
    done
}

apply_option() {
    case "$1" in
    -v | --version) printf '\nnvidia-installer:  version %s\n  The NVIDIA Software Installer for Unix/Linux.\n\n' "$VERSION"; exit 0 ;;
    -h | --help | -A | --advanced-options) usage; exit 0 ;;
    -s | --silent) silent=y ;;
    -i | --driver-info) action=driver-info ;;
    --sanity) action=sanity ;;
    --uninstall) action=uninstall ;;
    --log-file-name) log_name=$2; log_name_given=y ;;
    --no-kernel-module | --no-kernel-modules) kernel_modules=n ;;
    --no-x-check) x_check=n ;;
    --no-nvidia-modprobe) modprobe_helper=n ;;
    -b | --no-backup) backup=n ;;
    --no-install-compat32-libs) compat32=n ;;
    --no-opengl-files) opengl=n ;;
    --no-distro-scripts) distro_scripts=n ;;
    --no-check-for-alternate-installs) alternate_check=n ;;
    --install-libglvnd) libglvnd=y ;;
    --no-install-libglvnd) libglvnd=n ;;
    --no-systemd) systemd=n ;;
    --skip-module-unload) module_unload=n ;;
    --skip-depmod) depmod_run=n ;;
    esac
}

open_log() {
    if ! (: >"$log_name") 2>/dev/null; then
        echo "nvidia-installer: Error opening log file '$log_name' for writing; disabling logging." >&2
        return
    fi
    log_file=$log_name
    {
        echo "nvidia-installer log file '$log_name'"
        echo "creation time: $(date '+%a %b %e %H:%M:%S %Y')"
        echo "installer version: $VERSION"
        echo
        echo "PATH: $PATH"
        echo
        echo "nvidia-installer command line:"
        for argument in "$PROGRAM" "$@"; do printf '    %s\n' "$argument"; done
        echo
        echo "Using built-in stream user interface"
    } >>"$log_file"
}
