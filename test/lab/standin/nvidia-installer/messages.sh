# Messages: "-> …" to stdout and log; WARNING and ERROR to the log, and to stderr as a wrapped block between blank lines.

silent=n
log_file=

log() { if [ "$log_file" ]; then printf '%s\n' "$1" >>"$log_file"; fi; }

# wrap PREFIX TEXT: as nv_format_text_rows does on a terminal of 80 columns
wrap() {
    printf '%s\n' "$2" | awk -v prefix="$1" '
        { line = prefix; indent = sprintf("%" length(prefix) "s", ""); empty = 1
          n = split($0, words, " ")
          for (i = 1; i <= n; i++) {
              if (!empty && length(line) + 1 + length(words[i]) > 79) { print line; line = indent; empty = 1 }
              line = line (empty ? "" : " ") words[i]; empty = 0
          }
          print line }'
}

info() {
    log "-> $1"
    if [ $silent = n ]; then printf '%s\n' "$1"; fi
}
# message TEXT: the result a person asked for; under --silent only the log has it
message() {
    log "-> $1"
    if [ $silent = n ]; then printf '\n%s\n\n' "$1"; fi
}
block() {
    log "$1$2"
    { echo; wrap "$1" "$2"; echo; } >&2
}
warning() { block 'WARNING: ' "$1"; }
error() { block 'ERROR: ' "$1"; }

failed() {
    error "Installation has failed.  Please see the file '$log_file' for details.  You may find suggestions on fixing installation problems in the README available on the Linux driver download page at www.nvidia.com."
    run_hook failed-install
    exit 1
}
