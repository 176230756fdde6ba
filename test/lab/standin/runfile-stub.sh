#!/bin/sh
CRCsum=0000000000
MD5=00000000000000000000000000000000
# Stand-in for the shell stub at the head of NVIDIA's .run files (their makeself 1.6.0-nv2). Written anew; the behaviour,
# texts and exit codes are those of docs/facts.md, A8 and A10. The sums above cover everything from line 4 on.
# Differences: no --add-this-kernel and --apply-patch; the decompressor is a script and always the embedded one.
skip=@SKIP@
skip_decompress=@SKIP_DECOMPRESS@
size_decompress=@SIZE_DECOMPRESS@
label="NVIDIA Accelerated Graphics Driver for Linux-x86_64 @VERSION@"
version_string=@VERSION@
targetdir=NVIDIA-Linux-x86_64-@VERSION@
script=./nvidia-installer
scriptargs=""
TMPROOT=${TMPDIR:=/tmp}
TARGET_OS="Linux"
TARGET_ARCH="x86_64"

case "$1" in
-h | -help | --help)
    cat <<EOF

$0 [options]

@HELP@
EOF
    exit 0 ;;
-A | --advanced-options)
    cat <<EOF

$0 [options]

@ADVANCED_HELP@
EOF
    exit 0 ;;
--lsm) echo "no LSM"; exit 0 ;;
--pkg-history) echo; echo; exit 0 ;;
--label) echo "$label"; exit 0 ;;
--version-string) echo "$version_string"; exit 0 ;;
--target-os) echo "$TARGET_OS"; exit 0 ;;
--target-arch) echo "$TARGET_ARCH"; exit 0 ;;
--target-directory) echo "$targetdir"; exit 0 ;;
--script) echo "$script $scriptargs"; exit 0 ;;
--info)
    cat <<EOF

  Identification    : $label
  Target directory  : $targetdir
  Uncompressed size : @UNCOMPRESSED_KB@ KB
  Compression       : @COMPRESSION@
  Date of packaging : @DATE@
  Application run after extraction : $script $scriptargs

  The directory $targetdir will be removed after extraction.

EOF
    exit 0 ;;
esac

location="$(pwd)"

# The decompressor goes where TMPDIR says; --tmpdir is not looked at yet, hence its failure when /tmp is noexec.
embedded_decompressor() { tail -n +$skip_decompress "$0" | head -n $size_decompress; }
decompress_dir=$(mktemp -d "$TMPDIR/makeself.XXXXXXXX" 2>/dev/null)
remove_decompressor() {
    if [ -d "$decompress_dir" ]; then rm -r "$decompress_dir"; fi
    decompress_dir=""
}
[ -z "$decompress_dir" ] || embedded_decompressor >"$decompress_dir/@COMPRESSION@"
[ -z "$decompress_dir" ] || chmod +x "$decompress_dir/@COMPRESSION@"
trap remove_decompressor EXIT
decompress() { "$decompress_dir/@COMPRESSION@"; }

archive_crc() { tail -n +4 "$0" | cksum | awk '{print $1}'; }
archive_md5() { tail -n +4 "$0" | md5sum | cut -b-32; }

case "$1" in
--list)
    echo "Target directory: $targetdir"
    tail -n +$skip "$0" | decompress | tar tvf - 2>/dev/null
    exit 0 ;;
--extract-decompress) embedded_decompressor; exit 0 ;;
--check)
    sum=$(archive_crc)
    if [ "$sum" != "$CRCsum" ]; then echo "Error in checksums $sum $CRCsum"; exit 2; fi
    sum=$(archive_md5)
    if [ "$sum" != "$MD5" ]; then echo "Error in md5 sums $sum $MD5"; exit 2; fi
    echo "check sums and md5 sums are ok"
    exit 0 ;;
esac

# The stub's own options may stand anywhere before the installer's; all the rest is joined, unquoted, for the installer.
run_script=y
keep=n
while [ "$1" ]; do
    case "$1" in
    --extract-only | -x) run_script=n; keep=y ;;
    --keep) keep=y ;;
    --target)
        if [ ! "$2" ]; then echo "ERROR: --target: no target directory specified."; exit 1; fi
        targetdir="$2"; keep=y; shift ;;
    --tmpdir)
        scriptargs="$scriptargs $1 $2"
        if [ ! "$2" ]; then echo "ERROR: --tmpdir: no temporary directory specified."; exit 1; fi
        TMPROOT="$2"; shift ;;
    *) scriptargs="$scriptargs $1" ;;
    esac
    shift
done

case "$TMPROOT" in /*) ;; *) TMPROOT="$(pwd)/$TMPROOT" ;; esac
if [ ! -d "$TMPROOT" ]; then
    mkdir -p "$TMPROOT" || { echo "Unable to create temp directory $TMPROOT"; exit 1; }
fi
TMPDIR="$TMPROOT"
TMPFILE=$(mktemp "$TMPDIR/makeself.XXXXXXXX" 2>/dev/null)
if [ ! "$TMPFILE" ]; then echo "Unable to create temporary file in $TMPDIR"; exit 1; fi
chmod +x "$TMPFILE"
"$TMPFILE" >/dev/null 2>&1 || {
    echo "ERROR: Temporary directory $TMPDIR is not executable - use the " \
        "--tmpdir option to specify a different one."
    rm "$TMPFILE"
    exit 1
}
rm "$TMPFILE"

LOCAL_OS=$(uname 2>/dev/null)
LOCAL_ARCH=$(uname -m 2>/dev/null)
if [ "$LOCAL_OS-$LOCAL_ARCH" != "$TARGET_OS-$TARGET_ARCH" ] && [ "$run_script" = y ]; then
    echo
    echo "ERROR: this .run file is intended for the"
    echo "$TARGET_OS-$TARGET_ARCH platform, but you appear to be"
    echo "running on $LOCAL_OS-$LOCAL_ARCH.  Aborting installation."
    echo
    exit 1
fi

if [ "$keep" = y ]; then
    echo "Creating directory $targetdir"
    tmpdir=$targetdir
else
    workingdir="$TMPROOT/selfgz$$"
    tmpdir="$workingdir/$targetdir"
    rm -rf $tmpdir
fi
if [ -d "$tmpdir" ] || [ -f "$tmpdir" ]; then
    echo "The directory '$tmpdir' already exists.  Please either"
    echo "move the existing directory out of the way, or specify a"
    echo "different directory with the '--target' option."
    exit 1
fi
mkdir -p $tmpdir || { echo "Unable to create the target directory '$tmpdir'."; exit 1; }

printf 'Verifying archive integrity... '
sum=$(archive_crc)
if [ "$sum" != "$CRCsum" ]; then echo "Error in check sums $sum $CRCsum"; exit 2; fi
echo "OK"
sum=$(archive_md5)
if [ "$sum" != "$MD5" ]; then echo "Error in md5 sums $sum $MD5"; exit 2; fi

# A failed extraction ends the stub by signal: 15 where the trap below is set, 143 where it isn't (-x).
untar() { tar xvf - 2>/dev/null || { echo "Extraction failed." >/dev/tty; kill -15 $$; }; }

printf 'Uncompressing %s' "$label"
cd $tmpdir
[ "$keep" = y ] || trap 'echo "Signal caught, cleaning up" >/dev/tty; cd $TMPROOT; rm -rf $tmpdir; exit 15' 1 2 15

if (cd "$location"; tail -n +$skip "$0") | decompress | untar | (while read -r _; do printf .; done; echo); then
    chown -Rf "$(id -u):$(id -g)" .
    res=0
    if [ "$run_script" = y ]; then
        $script $scriptargs
        res=$?
    fi
    [ "$keep" = y ] || { cd $TMPROOT; rm -rf $workingdir; }
else
    echo "Cannot decompress $0"
    exit 1
fi
remove_decompressor
exit $res
