#!/usr/bin/env bash
# unpack.sh SUITE DIR PACKAGE...: the packages of a Debian suite with all they depend on, unpacked below DIR and installed nowhere.
# Needs no root. They come from the mirror that apt uses on this machine; DIR/.ok says that DIR is complete.
set -euo pipefail
suite=${1:?suite} root=$(realpath -m "${2:?directory}")
shift 2
fail() { echo "$*" >&2; exit 1; }

[ ! -e "$root/.ok" ] || exit 0
command -v apt-get dpkg >/dev/null || fail "needs apt-get and dpkg"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e $keys ] || fail "needs $keys (package debian-archive-keyring)"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | grep -v security | head -n 1) || true
[ "$mirror" ] || fail "apt knows no Debian mirror here (apt-get update may help)"

mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock 9
[ ! -e "$root/.ok" ] || exit 0
# made beside its place and renamed when complete: what an interrupted run leaves is never taken for the whole
new=$root.new apt=$root.apt
rm -rf "$new" "$apt"
trap 'rm -rf "$new" "$apt"' EXIT
mkdir -p "$apt"/{lists,cache/archives}/partial "$new"/usr/{bin,sbin,lib,lib64}
for link in bin sbin lib lib64; do ln -s usr/$link "$new/$link"; done # as on an installed Debian, where /bin is /usr/bin
: >"$apt/status" # an empty one: no package counts as installed, so all dependencies come along
echo "deb [signed-by=$keys] $mirror $suite main" >"$apt/sources.list"
get() {
  apt-get -qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State="$apt" \
    -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User= \
    -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none -o Acquire::http::Timeout=20 \
    -o Acquire::Retries=2 "$@" >"$apt/log" 2>&1 ||
    fail "apt-get $1: $(grep '^E:' "$apt/log" | head -n 1 || true)"
}
get update -o APT::Update::Error-Mode=any
get install -y --no-install-recommends --download-only "$@"
# not dpkg -x, which would put a folder in the place of each of those links; without owners and set-user-id bits
export new
printf '%s\0' "$apt"/cache/archives/*.deb | xargs -0 -n 1 -P "$(nproc)" bash -o pipefail -c 'dpkg-deb --fsys-tarfile "$0" |
  tar -x -C "$new" --keep-directory-symlink --no-same-owner --no-same-permissions' ||
  fail "cannot unpack the packages of $suite"
touch "$new/.ok"
rm -rf "$root"
mv "$new" "$root"
