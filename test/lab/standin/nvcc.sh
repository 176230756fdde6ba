#!/bin/sh
# Stand-in of the lab for nvcc @RELEASE@. It answers its version as recorded for 13.0, and compiles with the C++ compiler:
# kernel launches become calls of the lab's runtime (cuda_runtime.h), which runs kernels on the processor. The architectures
# asked for are checked and kept, so that the program fails where a real one has no code for its GPU.
LC_ALL=C
export LC_ALL
root=$(dirname "$(dirname "$(readlink -f "$0")")")

fatal() {
    echo "nvcc fatal   : $1" >&2
    exit 1
}

# Compute capabilities that this toolkit compiles for, the default first.
ARCHITECTURES='@ARCHITECTURES@'

# add_code CODE: sm_90 or compute_90
add_code() {
    number=${1#*_}
    case " $ARCHITECTURES " in
    *" ${number%[af]} "*) ;;
    *) fatal "Unsupported gpu architecture 'compute_$number'" ;;
    esac
    case "$1" in
    sm_*) cubins="$cubins${number%[af]}," ;;
    compute_*) ptx="$ptx${number%[af]}," ;;
    esac
}

# add_architecture VALUE: of -arch
add_architecture() {
    case "$1" in
    sm_*) add_code "$1"; add_code "compute_${1#sm_}" ;;
    compute_*) add_code "$1" ;;
    all | all-major)
        for number in $ARCHITECTURES; do add_code "sm_$number"; done
        add_code "compute_${ARCHITECTURES##* }" ;;
    native)
        capabilities=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d .)
        case "$capabilities" in
        [0-9]*) for number in $capabilities; do add_code "sm_$number"; done ;;
        *) echo "nvcc warning : Cannot find valid GPU for '-arch=native', default arch is used" >&2 ;;
        esac ;;
    *) fatal "Value '$1' is not defined for option 'gpu-architecture'" ;;
    esac
}

# add_gencode VALUE: arch=compute_90,code=sm_90 or code=[sm_90,compute_90]
add_gencode() {
    codes=${1##*code=}
    codes=$(echo "$codes" | tr -d '[]"' | tr , ' ')
    for code in $codes; do add_code "$code"; done
}

cubins=
ptx=
output=
sources=
libraries=
host_options=
run=n
link=y
while [ $# -gt 0 ]; do
    option=$1
    value=
    # Options with a value take it after "=" or as the next argument.
    case "$option" in
    -o | --output-file | -arch | --gpu-architecture | -gencode | --generate-code | -std | --std | -Xcompiler | \
        --compiler-options | -ccbin | --compiler-bindir | -x | --x | -cudart | --cudart | -I | -L | -l | -D | -t | --threads | -O)
        if [ $# -lt 2 ]; then fatal "Missing argument for option '$option'"; fi
        value=$2
        shift ;;
    -[A-Za-z]*=* | --*=*)
        value=${option#*=}
        option=${option%%=*} ;;
    esac
    case "$option" in
    -V | --version)
        cat <<EOF
nvcc: NVIDIA (R) Cuda compiler driver
Copyright (c) 2005-@YEAR@ NVIDIA Corporation
Built on @BUILT_ON@
Cuda compilation tools, release @RELEASE@, V@VERSION@
Build @BUILD@
EOF
        exit 0 ;;
    -o | --output-file) output=$value ;;
    -arch | --gpu-architecture) add_architecture "$value" ;;
    -gencode | --generate-code) add_gencode "$value" ;;
    -std | --std) host_options="$host_options -std=$value" ;;
    -Xcompiler | --compiler-options) host_options="$host_options $(echo "$value" | tr , ' ')" ;;
    -ccbin | --compiler-bindir) CXX=$value ;;
    -l) libraries="$libraries -l$value" ;;
    -l?*) libraries="$libraries $option" ;;
    -I | -L | -D | -O) host_options="$host_options $option$value" ;;
    -[ILDO]?* | -g | -w) host_options="$host_options $option" ;;
    -c | --compile) link=n; host_options="$host_options -c" ;;
    -run | --run) run=y ;;
    -G | -lineinfo | -m64 | -x | --x | -cudart | --cudart | -t | --threads | --use_fast_math | -use_fast_math) ;;
    -*) fatal "Unknown option '$option'" ;;
    *) sources="$sources $option" ;;
    esac
    shift
done
if [ -z "$sources" ]; then fatal "No input files specified; use option --help for more information"; fi
if [ -z "$cubins$ptx" ]; then add_architecture "sm_${ARCHITECTURES%% *}"; fi
CXX=${CXX:-g++}
if ! command -v "$CXX" >/dev/null; then
    echo "sh: 1: $CXX: not found" >&2
    fatal 'Failed to preprocess host compiler properties.'
fi

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
translated=
for source in $sources; do
    if [ ! -f "$source" ]; then fatal "Could not open input file '$source' (No such file or directory)"; fi
    cpp=$work/$(basename "$source").cpp
    {
        printf '#include <cuda_runtime.h>\n#line 1 "%s"\n' "$source"
        perl -0777 -pe 's/([A-Za-z_][\w:]*(?:<[^<>;]*>)?)\s*<<<(.*?)>>>\s*\((.*?)\)\s*;/lab::Launch($2)([=] { $1($3); });/gs' "$source"
    } >"$cpp"
    translated="$translated $cpp"
done
if [ -z "$output" ]; then
    output=a.out
    if [ $link = n ]; then output=$(basename "${sources# }" .cu).o; fi
fi
"$CXX" -std=c++17 $host_options -D__CUDACC__ -D__NVCC__ -DLAB_CUBINS="$cubins" -DLAB_PTX="$ptx" \
    -I"$root/include" -I"$(dirname "$source")" -o "$output" $translated $libraries -L"$root/lib64/stubs" -ldl -lpthread || exit 2
if [ $run = y ]; then "$(readlink -f "$output")"; fi
