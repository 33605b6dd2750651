#!/usr/bin/env bash
# Runs Python's tests that need no server with the library for Linux on ARM, in an emulator, with Debian's Python and NumPy of that processor.
# build.ps1 test-arm64 builds the library and calls it. Without arguments: the short form. S3DLIO_FULL=1: all modules that need no server.
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
    for module in "${modules[@]}"; do
        set -- "$@" "python/tests/$module.py"
    done
fi
PYTHONPATH=$here/site "$here/python" -m pytest -p no:cacheprovider "$@"
