#!/usr/bin/env bash
# azurite-root.sh [DIR]: Azurite, the Azure Blob server of the tests, in the pinned versions of azurite/, into DIR (build/servers/azurite).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(realpath -m "${1:-$here/../../build/servers/azurite}")
fail() { echo "$*" >&2; exit 1; }
complete() { [ -e "$root/.ok" ] && cmp -s "$here/azurite/package-lock.json" "$root/package-lock.json"; }

! complete || exit 0
command -v node >/dev/null || fail "needs node (package nodejs)"
command -v npm >/dev/null || fail "needs npm"
mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock 9
! complete || exit 0
new=$root.new
rm -rf "$new"
trap 'rm -rf "$new"' EXIT
cp -r "$here/azurite" "$new"
[ -w "${HOME:-/nowhere}" ] || export npm_config_cache=$new/cache
in_new() { (cd "$new" && timeout 300 "$@" --loglevel=error >npm.log 2>&1 9>&-) || fail "$1 $2: $(why "$new/npm.log")"; }
why() { sed -n '/^npm err/I{s/^npm err[a-z!]* *//I;p;}' "$1" | head -n 2 | paste -sd ' '; }
# one question first: without a network the install would ask in vain for each of its packages, for minutes
in_new npm view "azurite@$(sed -n 's/.*"azurite": "\(.*\)".*/\1/p' "$new/package.json")" version --fetch-retries=1 --fetch-retry-mintimeout=1000 \
  --fetch-timeout=20000
# no install scripts: nothing here needs one
in_new npm ci --ignore-scripts --omit=dev --no-audit --no-fund --prefer-offline \
  --fetch-retries=1 --fetch-retry-mintimeout=1000
rm -rf "$new/cache"
touch "$new/.ok"
rm -rf "$root"
mv "$new" "$root"
