#!/usr/bin/env bash
# Runs the tests that need no server for Linux on ARM, in an emulator: those of the core, in .NET's runtime of that processor, and Python's with
# the library, in Debian's Python and NumPy of that processor. build.ps1 test-arm64 builds the library and calls it.
# Without arguments: the core, and Python's short form. S3DLIO_FULL=1: all of Python's modules that need no server. With arguments of pytest:
# that alone. With "core" and how names begin: those tests of the core. tests/arm64/skipped.txt names what cannot work there, and why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
here=$PWD/build/arm64
root=$here/root
suite=trixie
[ "$(. /etc/os-release; echo "$ID")" != debian ] || suite=$(. /etc/os-release; echo "$VERSION_CODENAME")

if [ ! -e "$root/.ready" ]; then
    echo "==> unpacking Debian's Python and NumPy for ARM into build/arm64/root"
    rm -rf --one-file-system "$root"
    # nothing of it is run before the emulator is: packages are unpacked, not installed
    debootstrap --arch=arm64 --foreign --variant=minbase --include=python3-numpy,python3-pytest "$suite" "$root" >"$here/debootstrap.log"
    for package in "$root"/var/cache/apt/archives/*.deb; do
        dpkg-deb -x "$package" "$root"
    done
    libraries=$root/usr/lib/aarch64-linux-gnu
    ln -sf blas/libblas.so.3 lapack/liblapack.so.3 "$libraries/"
    # absolute links would lead into this machine
    rm -rf "$root"/var/cache/apt/archives
    touch "$root/.ready"
fi

if [ $# -eq 0 ] || [ "$1" = core ]; then
    echo "==> building the tests of the core for ARM into build/arm64/core"
    dotnet publish tests/arm64 -c Release -o "$here/core" --nologo -v quiet
    echo "==> testing the core (.NET), in the emulator"
    # the emulator does not see code change that is written through another mapping of its pages
    DOTNET_EnableWriteXorExecute=0 qemu-aarch64 -cpu max -L "$root" "$here/core/core-tests" "$PWD/tests/arm64/skipped.txt" "${@:2}"
    [ $# -eq 0 ] || exit 0
fi

# as sys.executable it starts itself in children, too
cat >"$here/python" <<END
#!/bin/sh
exec qemu-aarch64 -cpu max -L "$root" -0 "$here/python" "$root/usr/bin/python3" "\$@"
END
chmod +x "$here/python"

rm -rf "$here/site"
mkdir -p "$here/site"
cp -r python/s3dlio "$here/site/s3dlio"
cp build/arm64/package/* "$here/site/s3dlio/"

modules=(test_crc32c test_mapped test_npy_headers test_numpy test_address)
# heavy loops take their short forms; what depends on how fast a machine is has no place in an emulator
[ -z "${S3DLIO_FULL:-}" ] || modules+=(test_tensors test_objects test_state test_streams
    test_forms test_checkpoint test_model_files test_round_trips)
if [ $# -eq 0 ]; then
    # the emulator ends with an error of its own in children that a process with threads forked
    set -- -q -m 'not heavy' -k 'not another_process and not fork'
    while read -r name reason; do
        echo "left out: $name: $reason"
        set -- "$@" --deselect "$name"
    done < <(grep '^python/' tests/arm64/skipped.txt)
    for module in "${modules[@]}"; do
        set -- "$@" "python/tests/$module.py"
    done
fi
echo "==> testing Python, in the emulator"
PYTHONPATH=$here/site "$here/python" -m pytest -p no:cacheprovider "$@"
