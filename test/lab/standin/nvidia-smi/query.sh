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
    compute_mode) condition compute-mode Default ;;
    temperature.gpu) echo 34 ;;
    utilization.gpu | utilization.memory) echo "0 %" ;;
    power.draw) echo "70.12 W" ;;
    power.limit) echo "700.00 W" ;;
    pstate) echo P0 ;;
    persistence_mode) echo Enabled ;;
    mig.mode.current | mig.mode.pending) condition mig Disabled ;;
    ecc.mode.current) echo Enabled ;;
    ecc.errors.uncorrected.volatile.total | ecc.errors.uncorrected.aggregate.total) condition ecc-errors 0 ;;
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
