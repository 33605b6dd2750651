#!/usr/bin/env bash
# azurite.sh start|stop|status DIR: a throw-away Azure Blob server on 127.0.0.1, in memory, its log in DIR. start ends what runs in DIR.
#   AZURITE_ROOT  what azurite-root.sh made
#   AZURITE_PORT  a free port
#   ACCOUNT ACCOUNT_KEY (base64)
#   AZURITE_TLS_DIR  speaks https with tls.crt and tls.key of that directory, and takes bearer tokens, of which it judges all but the signature
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
command=${1:?start|stop|status} dir=$(realpath -m "${2:?directory}")
server=("--diagnostic-dir=$dir" --inMemoryPersistence)
case $command in
  start) end_processes "${server[@]}" ;;
  stop) end_processes "${server[@]}"; exit ;;
  status) processes "${server[@]}"; exit ;;
  *) exit 2 ;;
esac
: "${AZURITE_ROOT:?}" "${AZURITE_PORT:?}" "${ACCOUNT:?}" "${ACCOUNT_KEY:?}"
rm -f "$dir/azurite.log"
mkdir -p "$dir"
scheme=http tls=()
if [ "${AZURITE_TLS_DIR:-}" ]; then
  scheme=https tls=(--oauth basic --cert "$AZURITE_TLS_DIR/tls.crt" --key "$AZURITE_TLS_DIR/tls.key")
fi
export AZURITE_ROOT
AZURITE_ACCOUNTS=$ACCOUNT:$ACCOUNT_KEY setsid -f node "--diagnostic-dir=$dir" \
  --require "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/azurite-sweep.cjs" "$AZURITE_ROOT/node_modules/azurite/dist/src/blob/main.js" \
  --blobHost 127.0.0.1 --blobPort "$AZURITE_PORT" --inMemoryPersistence \
  --disableTelemetry --skipApiVersionCheck --silent "${tls[@]}" </dev/null >"$dir/azurite.log" 2>&1
for ((i = 0; i < 300; i++)); do
  sleep .1
  [ "$(processes "${server[@]}")" ] || [ "$i" -lt 10 ] || break
  # any answer will do; it refuses what is not signed
  ! curl --noproxy '*' -kso /dev/null --max-time 2 "$scheme://127.0.0.1:$AZURITE_PORT/" || exit 0
done
end_processes "${server[@]}"
echo "Azurite did not start: $(grep -m 1 . "$dir/azurite.log" || echo "see $dir/azurite.log")" >&2
exit 1
