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
# no install scripts: nothing here needs one
(cd "$new" && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error >npm.log 2>&1 9>&-) ||
  fail "npm ci: $(grep -m 1 -i 'npm err' "$new/npm.log" || tail -n 1 "$new/npm.log")"
touch "$new/.ok"
rm -rf "$root"
mv "$new" "$root"
