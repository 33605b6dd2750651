#!/usr/bin/env bash
# The real servers of the tests: two generations of Ceph's S3 gateway, moto and an Azure Blob server, on free ports of 127.0.0.1.
#   servers.sh up DIR [OWNER]         bring them up, empty, all files in DIR; taken down when the process OWNER ends, however it ends
#   servers.sh down DIR
#   servers.sh env DIR                what tests need to know, for a shell: eval "$(tests/servers/servers.sh env DIR)"
#   servers.sh with DIR COMMAND...    up, the command with those variables, down
# The programs are fetched once, into build/servers; nothing is installed and nothing needs root. S3DLIO_CEPH_ROOT, S3DLIO_CEPH_OLD_ROOT
# and S3DLIO_AZURITE_ROOT name places that several checkouts share.
# moto is not fetched: a python3 on PATH has it, or there is none.
# Each server X of S3, S3_TLS, S3_OLD, S3_MOTO, AZURE and AZURE_TLS is told by S3DLIO_TEST_X_URI and S3DLIO_TEST_X_OPTIONS, or by S3DLIO_TEST_X_SKIP, which
# says why it cannot be had here. An S3DLIO_TEST_X_URI that is set already, such as a real account's, is used in its server's place.
set -euo pipefail
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
command=$1 dir=$(realpath -m "$2")
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
servers=$here/../../build/servers
region=us-east-1 bucket=s3dlio-test account=devstoreaccount1

say() { echo "==> $*"; }
random() { od -An -N "$1" -tx1 -v /dev/urandom | tr -d ' \n'; }
setting() { printf '%s=%s\n' "S3DLIO_TEST_$1" "$2" >>"$dir/env.$part"; }
skip() { setting "$1_SKIP" "$2"; say "$1: none, its tests are skipped: $2"; }
given() { local uri=S3DLIO_TEST_$1_URI; [ "${!uri:-}" ] && say "$1: using ${!uri}"; }

# below the ports that the system gives to outgoing connections
free_port() {
  local port
  while :; do
    port=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return; }
  done
}

# fetch WHAT MARK SCRIPT ARGUMENT...: the script with a line about it where MARK is not there; its last line is why it failed
fetch() {
  local what=$1 mark=$2 said
  shift 2
  [ -e "$mark" ] || say "fetching $what (once)" >&2
  said=$("$@" 2>&1) || { echo "${said##*$'\n'}"; return 1; }
}

# serve_ceph NAME SUITE ROOT TLS-NAME
serve_ceph() {
  local part=$1 root=$3 tls=$4 why='' try
  if given "$1"; then
    [ -z "$tls" ] || skip "$tls" "S3DLIO_TEST_$1_URI names another server"
    return
  fi
  command -v curl >/dev/null || why="needs curl"
  [ "$why" ] || why=$(fetch "Ceph of Debian $2" "$root/.ok" "$here/ceph-root.sh" "$2" "$root") || true
  [ "$why" ] || for try in 1 2 3; do # a port may be taken between the look and the use
    local port mon tls_port='' access secret
    port=$(free_port) mon=$(free_port) access=S3DLIO$(random 7) secret=$(random 20)
    [ -z "$tls" ] || [ ! -e "$dir/tls.crt" ] || tls_port=$(free_port)
    why=$(CEPH_ROOT=$root RGW_PORT=$port MON_PORT=$mon RGW_TLS_PORT=$tls_port TLS_DIR=$dir ACCESS_KEY=$access SECRET_KEY=$secret \
      "$here/rgw.sh" start "$dir/$1" 2>&1) || { why=${why//$'\n'/; }; continue; }
    # the fresh key proves that this server answers, not another that was quicker at the port
    why=$(curl --noproxy '*' -fsS --max-time 20 -X PUT --aws-sigv4 "aws:amz:$region:s3" --user "$access:$secret" \
      -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "http://127.0.0.1:$port/$bucket" 2>&1) && why='' && break
    why="cannot create the bucket: $why"
  done
  if [ "$why" ]; then
    skip "$1" "$why"
    [ -z "$tls" ] || skip "$tls" "$why"
    return
  fi
  local release identity
  release=$(echo "$root"/usr/share/doc/radosgw/changelog.Debian.gz)
  release=$(gzip -dc "$release" 2>/dev/null | sed -n '1s/.*(\([^+~-]*\).*/\1/p') || true
  identity="\"access_key_id\":\"$access\",\"secret_access_key\":\"$secret\",\"region\":\"$region\""
  setting "$1_URI" "s3://$bucket"
  setting "$1_OPTIONS" "{\"endpoint_url\":\"http://127.0.0.1:$port\",$identity}"
  say "$1: Ceph $release at http://127.0.0.1:$port"
  [ "$tls" ] || return 0
  if [ "$tls_port" ]; then
    setting "${tls}_URI" "s3://$bucket"
    setting "${tls}_OPTIONS" "{\"endpoint_url\":\"https://127.0.0.1:$tls_port\",$identity,\"ca_bundle\":\"$dir/ca.crt\"}"
    say "$tls: the same at https://127.0.0.1:$tls_port"
  else
    skip "$tls" "$(tail -n 1 "$dir/certificate.log")"
  fi
}

# serve_moto NAME: it takes any keys
serve_moto() {
  local part=$1 why='' try python='' port
  ! given "$1" || return 0
  command -v curl >/dev/null || why="needs curl"
  [ "$why" ] || python=$("$here/moto.sh" python "$dir/$1" 2>&1) || why=$python
  [ "$why" ] || for try in 1 2 3; do
    port=$(free_port)
    why=$(MOTO_PORT=$port "$here/moto.sh" start "$dir/$1" 2>&1) || continue
    why=$(curl --noproxy '*' -fsS --max-time 20 -X PUT --aws-sigv4 "aws:amz:$region:s3" --user testing:testing "http://127.0.0.1:$port/$bucket" 2>&1) && why='' && break
    why="cannot create the bucket: $why"
  done
  if [ "$why" ]; then
    skip "$1" "$why"
    return
  fi
  setting "$1_URI" "s3://$bucket"
  setting "$1_OPTIONS" "{\"endpoint_url\":\"http://127.0.0.1:$port\",\"access_key_id\":\"testing\",\"secret_access_key\":\"testing\",\"region\":\"$region\"}"
  say "$1: moto $("$python" -c 'import moto; print(moto.__version__)') at http://127.0.0.1:$port"
}

# sign KEY: its HMAC-SHA256 over what is read, in base64; the key is in base64 too
sign() { openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(base64 -d <<<"$1" | od -An -tx1 -v | tr -d ' \n')" -binary | base64 -w 0; }

create_container() { # ENDPOINT KEY
  local date version=2021-12-02
  date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
  local signature
  signature=$(printf 'PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:%s\nx-ms-version:%s\n/%s/%s/%s\nrestype:container' \
    "$date" "$version" $account $account $bucket | sign "$2")
  curl --noproxy '*' -kfsS --max-time 20 -X PUT -H "x-ms-date: $date" -H "x-ms-version: $version" -H 'Content-Length: 0' \
    -H "Authorization: SharedKey $account:$signature" "$1/$bucket?restype=container" 2>&1
}

# serve_azure NAME ROOT: Azurite; NAME AZURE_TLS speaks https and takes bearer tokens
serve_azure() {
  local part=$1 root=$2 why='' try program scheme=http tls='' trust=''
  ! given "$1" || return 0
  for program in curl openssl; do command -v $program >/dev/null || why="needs $program"; done
  if [ "$1" = AZURE_TLS ]; then
    scheme=https tls=$dir trust=",\"ca_bundle\":\"$dir/ca.crt\""
    [ -e "$dir/tls.crt" ] || why=$(tail -n 1 "$dir/certificate.log")
  fi
  [ "$why" ] || why=$(fetch Azurite "$root/.ok" "$here/azurite-root.sh" "$root") || true
  [ "$why" ] || for try in 1 2 3; do
    local port key endpoint
    port=$(free_port) key=$(head -c 64 /dev/urandom | base64 -w 0)
    endpoint=$scheme://127.0.0.1:$port/$account
    why=$(AZURITE_ROOT=$root AZURITE_PORT=$port ACCOUNT=$account ACCOUNT_KEY=$key AZURITE_TLS_DIR=$tls "$here/azurite.sh" start "$dir/$1" 2>&1) || continue
    why=$(create_container "$endpoint" "$key") && why='' && break
    why="cannot create the container: $why"
  done
  if [ "$why" ]; then
    skip "$1" "$why"
    return
  fi
  setting "$1_URI" "az://$account/$bucket"
  setting "$1_OPTIONS" "{\"endpoint_url\":\"$endpoint\",\"account_key\":\"$key\"$trust}"
  setting "$1_CONNECTION_STRING" \
    "DefaultEndpointsProtocol=$scheme;AccountName=$account;AccountKey=$key;BlobEndpoint=$endpoint;"
  say "$1: Azurite $(sed -n 's/^ *"version": "\(.*\)",*$/\1/p' "$root/node_modules/azurite/package.json" | head -n 1) at $endpoint"
}

lock() {
  exec 9>"$dir.lock"
  flock 9
}

end_all() {
  "$here/rgw.sh" stop "$dir/S3"
  "$here/rgw.sh" stop "$dir/S3_OLD"
  "$here/moto.sh" stop "$dir/S3_MOTO"
  "$here/azurite.sh" stop "$dir/AZURE"
  "$here/azurite.sh" stop "$dir/AZURE_TLS"
  rm -rf "$dir"
}

up() {
  local owner=${1:-} generation
  mkdir -p "$(dirname "$dir")"
  lock
  end_all
  mkdir -p "$dir"
  generation=$(random 8)
  echo "$generation" >"$dir/generation"
  trap 'kill $(jobs -p) 2>/dev/null; end_all; exit 130' INT TERM HUP
  if [ "$owner" ]; then
    # outlives whatever ends its caller; a later 'up' in the same place, which has another generation, is none of its business
    setsid -f "$0" watch "$dir" "$owner" "$generation" </dev/null >/dev/null 2>&1 9>&-
  fi
  if [ "${S3DLIO_TEST_SERVERS:-}" = up ]; then # what an earlier 'up' said, which ends here
    unset "${!S3DLIO_TEST_@}"
  fi
  "$here/certificate.sh" "$dir" >"$dir/certificate.log" 2>&1 || command -v openssl >/dev/null || echo "needs openssl" >"$dir/certificate.log"
  serve_ceph S3 sid "${S3DLIO_CEPH_ROOT:-$servers/ceph-sid}" S3_TLS 9>&- &
  serve_ceph S3_OLD bookworm "${S3DLIO_CEPH_OLD_ROOT:-$servers/ceph-bookworm}" '' 9>&- &
  serve_moto S3_MOTO 9>&- &
  { serve_azure AZURE "${S3DLIO_AZURITE_ROOT:-$servers/azurite}"; serve_azure AZURE_TLS "${S3DLIO_AZURITE_ROOT:-$servers/azurite}"; } 9>&- &
  wait
  (umask 077 && cat "$dir"/env.* >"$dir/env" && echo "S3DLIO_TEST_SERVERS=up" >>"$dir/env" && rm "$dir"/env.*)
  exec 9>&-
}

down() { # [GENERATION]
  [ -d "$(dirname "$dir")" ] || return 0
  lock
  [ $# = 0 ] || [ ! -e "$dir/generation" ] || [ "$(<"$dir/generation")" = "$1" ] || return 0
  end_all
  exec 9>&-
}

watch() { # OWNER GENERATION
  while [ -e "/proc/$1" ] && { [ ! -e "$dir/generation" ] || [ "$(<"$dir/generation")" = "$2" ]; }; do sleep 1; done
  down "$2"
}

environment() { [ -e "$dir/env" ] || { echo "no servers are up in $dir" >&2; exit 1; }; sed "s/'/'\\\\''/g; s/=\(.*\)/='\1'/; s/^/export /" "$dir/env"; }

case $command in
  up) up "$@" ;;
  down) down ;;
  watch) watch "$@" ;;
  env) environment ;;
  with)
    up $$
    eval "$(environment)"
    status=0
    "$@" || status=$?
    down
    exit $status
    ;;
  *) usage ;;
esac
