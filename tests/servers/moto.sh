#!/usr/bin/env bash
# moto.sh start|stop|status|python DIR: a throw-away moto server on 127.0.0.1, in memory, its log in DIR. start ends what runs in DIR; python prints the
# interpreter that is used: the first python3 on PATH that has moto's server.
#   MOTO_PORT  a free port
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
command=${1:?start|stop|status|python} dir=$(realpath -m "${2:?directory}")
# an option that Python itself ignores, by which the process is found again
server=("s3dlio=$dir")
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV

find_python() {
  local candidate
  while read -r candidate; do
    "$candidate" -c 'import sys, moto.server, moto.s3; print(sys.executable)' 2>/dev/null && return 0
  done < <(type -ap python3)
  echo "no python3 on PATH has moto's server: pip install 'moto[server]'" >&2
  return 1
}

case $command in
  start) end_processes "${server[@]}" ;;
  stop) end_processes "${server[@]}"; exit ;;
  status) processes "${server[@]}"; exit ;;
  python) find_python; exit ;;
  *) exit 2 ;;
esac
: "${MOTO_PORT:?}"
python=$(find_python)
rm -f "$dir/moto.log"
mkdir -p "$dir"
setsid -f "$python" -X "${server[0]}" -m moto.server -H 127.0.0.1 -p "$MOTO_PORT" </dev/null >"$dir/moto.log" 2>&1
for ((i = 0; i < 300; i++)); do
  sleep .1
  [ "$(processes "${server[@]}")" ] || [ "$i" -lt 10 ] || break
  ! curl --noproxy '*' -fso /dev/null --max-time 2 "http://127.0.0.1:$MOTO_PORT/moto-api/" || exit 0
done
end_processes "${server[@]}"
echo "moto did not start: $(tail -n 1 "$dir/moto.log" | grep . || echo "see $dir/moto.log")" >&2
exit 1
