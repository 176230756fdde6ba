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
