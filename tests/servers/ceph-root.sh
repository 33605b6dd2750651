#!/usr/bin/env bash
# ceph-root.sh SUITE [DIR]: a Debian suite's Ceph with its S3 gateway, unpacked into DIR (build/servers/ceph-SUITE) for rgw.sh.
# sid has the newest (CRC32C checksums, conditional completes), bookworm Ceph 16.2, which knows neither. 150 MB fetched, 570 MB unpacked.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite=${1:?suite} root=${2:-$here/../../build/servers/ceph-$1}
exec "$here/unpack.sh" "$suite" "$root" ceph-mon ceph-osd radosgw python3-minimal
