/*
 * Parts of shell scripts that run in containers: what is printed here is read by facts/guest.ts.
 */

/** Defines `record NAME FIELD...`, which prints a line of fields separated by tabs. */
export const RECORD = String.raw`record() { printf '%s' "$1"; shift; for field; do printf '\t%s' "$field"; done; printf '\n'; }`;

/**
 * Records every file of the driver's libraries, and what the loader takes the two that count for. In a subshell, so that its
 * variables are its own.
 */
export const USER_SPACE_RECORDS = `
(
for directory in /usr/lib/*-linux-gnu /usr/lib64 /usr/lib /usr/local/lib; do
  for file in "$directory"/libcuda.so.* "$directory"/libnvidia-*.so.*; do
    case $file in *[!A-Za-z0-9._+/-]*) continue ;; esac
    if [ -f "$file" ] && [ ! -L "$file" ]; then record library "$file"; fi
  done
done
# The loader's own cache decides; the first entry of a soname is the native one on a Debian system.
for soname in libcuda.so.1 libnvidia-ml.so.1; do
  path=$(ldconfig -p 2> /dev/null | while read -r name rest; do
    case "$name $rest" in
      "$soname "*x86-64*|"$soname "*AArch64*) printf '%s' "\${rest##* => }"; break ;;
    esac
  done)
  record link "$soname" "$(if [ -n "$path" ]; then readlink -f -- "$path"; fi)"
done
)
`;
