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
    --query-compute-apps=*) view=processes ;;
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
processes) ;; # nothing computes in the lab
table) print_table ;;
esac
exit 0
