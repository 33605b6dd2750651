# Sourced by the server scripts. A server is found by what its command line says, not by a file with its process id: that id may be
# another's by now, and a start that was killed half-way has written none.

# processes ARGUMENT...: the ids of the processes that have each of these as one whole argument.
processes() {
  local files=(/proc/[0-9]*/cmdline) argument
  for argument; do
    mapfile -t files < <(grep -lzxF -- "$argument" "${files[@]}" 2>/dev/null)
    [ ${#files[@]} -gt 0 ] || return 0
  done
  printf '%s\n' "${files[@]}" | cut -d / -f 3
}

# end_processes ARGUMENT...: kills them, and returns when they are gone.
end_processes() {
  local ids i
  for ((i = 0; i < 200; i++)); do
    mapfile -t ids < <(processes "$@")
    [ ${#ids[@]} -gt 0 ] || return 0
    kill -KILL "${ids[@]}" 2>/dev/null || true
    sleep .02
  done
  echo "cannot end the processes ${ids[*]}" >&2
  return 1
}
