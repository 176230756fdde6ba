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

# ---------------------------------------------------------------------------------------------------------------------
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

# ---------------------------------------------------------------------------------------------------------------------
# GPUs: one per line, in PCI order: location, minor, UUID, VBIOS, model; tab-separated

list_gpus() {
    for file in $PROC/gpus/*/information; do
        if [ ! -r "$file" ]; then continue; fi
        minor=$(field "$file" 'Device Minor')
        if [ -z "$minor" ]; then continue; fi
        if [ "$(open_node "/dev/nvidia$minor" $NVIDIA_MAJOR "$minor")" != open ]; then continue; fi
        vbios=$(field "$file" 'Video BIOS' | tr a-f A-F)
        printf '%s\t%s\t%s\t%s\t%s\n' "$(field "$file" 'Bus Location')" "$minor" "$(field "$file" 'GPU UUID')" \
            "$vbios" "$(field "$file" 'Model')"
    done
}

field() { sed -n "s/^$2:[[:space:]]*//p" "$1"; }

# What the recordings don't tell of other models is taken from NVIDIA's product tables.
memory_mib() {
    case "$1" in
    *H100*) echo 81559 ;; *H200*) echo 143771 ;; *A100*80GB*) echo 81920 ;; *'RTX 3090'*) echo 24576 ;;
    *'RTX 4090'*) echo 24564 ;; *'RTX 5060 Ti'*) echo 16311 ;; *) echo 16384 ;;
    esac
}
compute_capability() {
    case "$1" in
    *H100* | *H200*) echo 9.0 ;; *A100*) echo 8.0 ;; *'RTX 30'*) echo 8.6 ;; *'RTX 40'*) echo 8.9 ;;
    *'RTX 50'*) echo 12.0 ;; *) echo 7.5 ;;
    esac
}

# each_gpu FUNCTION: calls it with index location minor uuid vbios name, for the GPUs asked for with -i
each_gpu() {
    printf '%s\n' "$GPUS" | {
        index=0
        while IFS='	' read -r location minor uuid vbios name; do
            bus="0000$location"
            case "$only" in '' | "$index" | "$uuid" | "$bus" | "$location") "$1" ;; esac
            index=$((index + 1))
        done
    }
}

print_list() { echo "GPU $index: $name (UUID: $uuid)"; }

# ---------------------------------------------------------------------------------------------------------------------
# --query-gpu

# value_of FIELD: value with unit after a blank, as "81559 MiB"
value_of() {
    case "$1" in
    index) echo "$index" ;;
    count) echo "$COUNT" ;;
    name | gpu_name) echo "$name" ;;
    uuid | gpu_uuid) echo "$uuid" ;;
    driver_version) echo "$DRIVER_VERSION" ;;
    pci.bus_id | gpu_bus_id) echo "$bus" ;;
    pci.domain) echo 0x0000 ;;
    pci.bus) echo "0x$(echo "$location" | cut -d : -f 2)" ;;
    serial | gpu_serial) echo 0000000000000 ;;
    vbios_version) echo "$vbios" ;;
    memory.total) echo "$(memory_mib "$name") MiB" ;;
    memory.used) echo "0 MiB" ;;
    memory.reserved) echo "480 MiB" ;;
    memory.free) echo "$(($(memory_mib "$name") - 480)) MiB" ;;
    compute_cap) compute_capability "$name" ;;
    compute_mode) echo Default ;;
    temperature.gpu) echo 34 ;;
    utilization.gpu | utilization.memory) echo "0 %" ;;
    power.draw) echo "70.12 W" ;;
    power.limit) echo "700.00 W" ;;
    pstate) echo P0 ;;
    persistence_mode) echo Enabled ;;
    mig.mode.current | mig.mode.pending) echo Disabled ;;
    ecc.mode.current) echo Enabled ;;
    ecc.errors.uncorrected.volatile.total) echo 0 ;;
    fan.speed) echo "[N/A]" ;;
    timestamp) date '+%Y/%m/%d %H:%M:%S.000' ;;
    *) return 1 ;;
    esac
}

unit_of() {
    case "$1" in
    memory.*) echo " [MiB]" ;;
    utilization.*) echo " [%]" ;;
    fan.speed) echo " [%]" ;;
    power.*) echo " [W]" ;;
    esac
}

print_query() {
    line=
    for wanted in $(echo "$query" | tr , ' '); do
        value=$(value_of "$wanted")
        case ",$format," in *,nounits,*) case "$(unit_of "$wanted")" in '') ;; *) value=${value%% *} ;; esac ;; esac
        line="$line${line:+, }$value"
    done
    echo "$line"
}

run_query() {
    case ",$format," in
    *,csv,*) ;;
    *) fail 2 'Missing --format= switch with --query-* switches.
' ;;
    esac
    heading=
    index=0 location=0000:00:00.0 bus=$location name=x
    for wanted in $(echo "$query" | tr , ' '); do
        if ! value_of "$wanted" >/dev/null; then fail 2 "Field \"$wanted\" is not a valid field to query.
"; fi
        heading="$heading${heading:+, }$wanted$(unit_of "$wanted")"
    done
    case ",$format," in *,noheader,*) ;; *) echo "$heading" ;; esac
    each_gpu print_query
}

# ---------------------------------------------------------------------------------------------------------------------
# Table, -q, -q -x

print_gpu_rows() {
    printf '| %3s  %-25.25s%8s  |   %-16.16s Off | %20s |\n' "$index" "$name" On "$bus" 0
    printf '| N/A   34C    P0             70W /  700W |       0MiB / %6sMiB |      0%%      Default |\n' "$(memory_mib "$name")"
    echo '|                                         |                        |             Disabled |'
    echo '+-----------------------------------------+------------------------+----------------------+'
}

print_table() {
    date '+%a %b %e %H:%M:%S %Y       '
    echo '+-----------------------------------------------------------------------------------------+'
    printf '| NVIDIA-SMI %-22s Driver Version: %-14s CUDA Version: %-8s |\n' "$SMI_VERSION" "$DRIVER_VERSION" "$(cuda_version)"
    # 580's table is recorded, and 550's: the two differ in two rules and in one heading.
    if [ "${SMI_VERSION%%.*}" -ge 580 ]; then corner=+; else corner='|'; fi
    cat <<EOF
$corner-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|                                         |                        |               MIG M. |
|=========================================+========================+======================|
EOF
    each_gpu print_gpu_rows
    if [ $corner = + ]; then
        echo
        pid='        PID   Type   Process name                        GPU Memory'
    else
        printf '%89s\n' ''
        pid='  PID   Type   Process name                              GPU Memory'
    fi
    cat <<EOF
+-----------------------------------------------------------------------------------------+
| Processes:                                                                              |
|  GPU   GI   CI      $pid |
|        ID   ID                                                               Usage      |
|=========================================================================================|
|  No running processes found                                                             |
+-----------------------------------------------------------------------------------------+
EOF
}

print_details() {
    cat <<EOF
GPU $bus
    Product Name                                       : $name
    Product Brand                                      : NVIDIA
    Persistence Mode                                   : Enabled
    GPU UUID                                           : $uuid
    Minor Number                                       : $minor
    VBIOS Version                                      : $vbios
    GSP Firmware Version                               : $DRIVER_VERSION
    PCI
        Bus Id                                         : $bus
    FB Memory Usage
        Total                                          : $(memory_mib "$name") MiB
        Reserved                                       : 480 MiB
        Used                                           : 0 MiB
        Free                                           : $(($(memory_mib "$name") - 480)) MiB
    Compute Mode                                       : Default
EOF
}

print_xml() {
    mib=$(memory_mib "$name")
    cat <<EOF
	<gpu id="$bus">
		<product_name>$name</product_name>
		<product_brand>NVIDIA</product_brand>
		<persistence_mode>Enabled</persistence_mode>
		<mig_mode>
			<current_mig>Disabled</current_mig>
			<pending_mig>Disabled</pending_mig>
		</mig_mode>
		<serial>0000000000000</serial>
		<uuid>$uuid</uuid>
		<minor_number>$minor</minor_number>
		<vbios_version>$vbios</vbios_version>
		<gsp_firmware_version>$DRIVER_VERSION</gsp_firmware_version>
		<pci>
			<pci_bus>$(echo "$location" | cut -d : -f 2)</pci_bus>
			<pci_domain>$(echo "$location" | cut -d : -f 1)</pci_domain>
			<pci_bus_id>$bus</pci_bus_id>
		</pci>
		<performance_state>P0</performance_state>
		<fb_memory_usage>
			<total>$mib MiB</total>
			<reserved>480 MiB</reserved>
			<used>0 MiB</used>
			<free>$((mib - 480)) MiB</free>
		</fb_memory_usage>
		<compute_mode>Default</compute_mode>
		<processes>
		</processes>
	</gpu>

EOF
}

run_details() {
    if [ "$xml" = y ]; then
        cat <<EOF
<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v$([ "${DRIVER_VERSION%%.*}" -ge 580 ] && echo 13 || echo 12).dtd">
<nvidia_smi_log>
	<timestamp>$(date '+%a %b %e %H:%M:%S %Y')</timestamp>
	<driver_version>$DRIVER_VERSION</driver_version>
	<cuda_version>$(cuda_version)</cuda_version>
	<attached_gpus>$COUNT</attached_gpus>
EOF
        each_gpu print_xml
        echo '</nvidia_smi_log>'
    else
        cat <<EOF

==============NVSMI LOG==============

Timestamp                                              : $(date '+%a %b %e %H:%M:%S %Y')
Driver Version                                         : $DRIVER_VERSION
CUDA Version                                           : $(cuda_version)

Attached GPUs                                          : $COUNT
EOF
        each_gpu print_details
        echo
    fi
}

# ---------------------------------------------------------------------------------------------------------------------

view=table
only=
query=
format=
xml=n
while [ $# -gt 0 ]; do
    case "$1" in
    -L | --list-gpus) view=list ;;
    --version) view=version ;;
    -q | --query) view=details ;;
    -x | --xml-format) xml=y ;;
    -i | --id) only=$2; shift ;;
    -i=* | --id=*) only=${1#*=} ;;
    --query-gpu=*) view=query; query=$(echo "${1#*=}" | tr -d ' ') ;;
    --format=*) format=$(echo "${1#*=}" | tr -d ' ') ;;
    -h | --help) printf 'NVIDIA System Management Interface -- v%s\n\nNVSMI provides monitoring information for Tesla and select Quadro devices.\n' "$SMI_VERSION"; exit 0 ;;
    *) fail 255 "ERROR: Option $1 is not recognized. Please run 'nvidia-smi -h'.
" ;;
    esac
    shift
done

init
if [ $view = version ]; then
    cat <<EOF
NVIDIA-SMI version  : $SMI_VERSION
NVML version        : $(two_parts "$NVML_VERSION")
DRIVER version      : $DRIVER_VERSION
CUDA Version        : $(cuda_version)
EOF
    exit 0
fi
GPUS=$(list_gpus)
COUNT=$(printf '%s\n' "$GPUS" | grep -c .)
if [ "$COUNT" = 0 ] || { [ "$only" ] && [ -z "$(each_gpu print_list)" ]; }; then fail 6 "No devices were found"; fi
case $view in
list) each_gpu print_list ;;
query) run_query ;;
details) run_details ;;
table) print_table ;;
esac
exit 0
