#!/bin/sh
# Stand-in of the lab for nvcc @RELEASE@. Answers its version as recorded for 13.0. Compiling isn't supported yet.
case "$1" in
--version | -V)
    cat <<EOF
nvcc: NVIDIA (R) Cuda compiler driver
Copyright (c) 2005-@YEAR@ NVIDIA Corporation
Built on @BUILT_ON@
Cuda compilation tools, release @RELEASE@, V@VERSION@
Build @BUILD@
EOF
    exit 0 ;;
'')
    echo "nvcc fatal   : No input files specified; use option --help for more information" >&2
    exit 1 ;;
esac
echo "nvcc fatal   : the lab's nvcc can't compile" >&2
exit 1
