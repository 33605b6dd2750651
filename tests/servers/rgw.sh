#!/usr/bin/env bash
# rgw.sh start|stop|status DIR: a throw-away Ceph of one node with its S3 gateway on 127.0.0.1, in memory, all files under DIR.
# start ends what runs in DIR and brings up an EMPTY cluster, in one or two seconds. Needs no root and no mounts.
#   CEPH_ROOT            what ceph-root.sh unpacked
#   RGW_PORT MON_PORT    free ports; several clusters at once need their own
#   ACCESS_KEY SECRET_KEY
#   RGW_TLS_PORT TLS_DIR https too, with TLS_DIR/tls.crt and tls.key (certificate.sh)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
command=${1:?start|stop|status} dir=$(realpath -m "${2:?directory}")
conf=$dir/ceph.conf
cluster=("$conf" --library-path)
alive() { [ "$(processes "${cluster[@]}" "$CEPH_ROOT/usr/bin/$1")" ]; }
# killed, not asked: the memory store would write all it holds to disk first
stop() { end_processes "${cluster[@]}"; }
case $command in
  start) stop ;;
  stop) stop; exit ;;
  status) processes "${cluster[@]}"; exit ;;
  *) exit 2 ;;
esac

: "${CEPH_ROOT:?}" "${RGW_PORT:?}" "${MON_PORT:?}" "${ACCESS_KEY:?}" "${SECRET_KEY:?}"
[ -e "$CEPH_ROOT/.ok" ] || { echo "no Ceph unpacked in $CEPH_ROOT" >&2; exit 1; }
case $dir$CEPH_ROOT in *[[:space:]]*) echo "Ceph's settings allow no spaces in a path" >&2; exit 1 ;; esac
CEPH_ROOT=$(realpath "$CEPH_ROOT")
libraries=$(echo "$CEPH_ROOT"/usr/lib/*-linux-gnu)
loader=$(echo "$libraries"/ld-linux-*.so.?)
unset CEPH_CONF CEPH_ARGS LD_LIBRARY_PATH LD_PRELOAD
# the unpacked programs with their own loader and libraries, so that it does not matter which Linux this is
ceph_run() {
  local program=$CEPH_ROOT/usr/bin/$1
  shift
  timeout 60 "$loader" --library-path "$libraries:$libraries/ceph" "$program" "$@" 3>&-
}
python_run() { PYTHONHOME=$CEPH_ROOT/usr PYTHONPATH=$CEPH_ROOT/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1 ceph_run python3 "$@"; }

rm -rf "$dir"/{mon,osd,rgw,run,log,ceph.conf}
mkdir -p "$dir"/{mon,osd,rgw,run,log}
frontends="beast endpoint=127.0.0.1:$RGW_PORT tcp_nodelay=1"
[ -z "${RGW_TLS_PORT:-}" ] ||
  frontends+=" ssl_endpoint=127.0.0.1:$RGW_TLS_PORT ssl_certificate=${TLS_DIR:?}/tls.crt ssl_private_key=$TLS_DIR/tls.key"
fsid=$(</proc/sys/kernel/random/uuid) osd=$(</proc/sys/kernel/random/uuid)
cat >"$conf" <<CONF
[global]
fsid=$fsid
mon_host=v2:127.0.0.1:$MON_PORT
public_addr=127.0.0.1
cluster_addr=127.0.0.1
auth_cluster_required=none
auth_service_required=none
auth_client_required=none
# the default is encryption, which cannot be without authentication
ms_mon_client_mode=crc
ms_mon_cluster_mode=crc
ms_mon_service_mode=crc
ms_crc_data=false
plugin_dir=$libraries/ceph
erasure_code_dir=$libraries/ceph/erasure-code
osd_class_dir=$libraries/rados-classes
run_dir=$dir/run
pid_file=$dir/run/\$type.pid
admin_socket=
crash_dir=$dir/log
log_file=$dir/log/\$name.log
$(printf 'debug_%s=0/0\n' ms mon paxos osd objecter rgw)
osd_pool_default_size=1
osd_pool_default_min_size=1
osd_pool_default_pg_num=8
osd_pool_default_pg_autoscale_mode=off
osd_crush_chooseleaf_type=0
mon_allow_pool_size_one=true
mon_max_pg_per_osd=1000
mon_data_avail_crit=1
[mon]
mon_data=$dir/mon
mon_cluster_log_file=$dir/log/cluster.log
paxos_propose_interval=0.02
paxos_min_wait=0.01
[osd]
osd_data=$dir/osd
osd_objectstore=memstore
memstore_device_bytes=${SIZE_GB:-8}G
osd_memory_target=1G
osd_class_update_on_start=false
[client.rgw]
rgw_data=$dir/rgw
pid_file=$dir/run/rgw.pid
rgw_frontends=$frontends
rgw_dns_name=s3.localhost
rgw_thread_pool_size=64
rgw_gc_obj_min_wait=2
rgw_gc_processor_period=5
rgw_gc_processor_max_time=5
rgw_run_sync_thread=false
rgw_dynamic_resharding=false
CONF
# daemons keep what they inherit: nothing of the caller's may stay open in them
exec 3>&2 </dev/null >"$dir/log/start.log" 2>&1
trap '[ $? = 0 ] || { stop; echo "Ceph did not start, $dir/log/start.log ends:"; tail -n 5 "$dir/log/start.log"; } >&3' EXIT
cd "$dir"
ceph_run monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$MON_PORT]" "$dir/run/monmap"
ceph_run ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/run/monmap"
ceph_run ceph-mon -c "$conf" -i a
python_run "$CEPH_ROOT/usr/bin/ceph" -c "$conf" osd new "$osd"
ceph_run ceph-osd -c "$conf" -i 0 --osd-uuid "$osd" --mkfs
ceph_run ceph-osd -c "$conf" -i 0
# makes the zone and its pools too
ceph_run radosgw-admin -c "$conf" -n client.rgw user create --uid=test --display-name=test \
  --access-key="$ACCESS_KEY" --secret="$SECRET_KEY"
ceph_run radosgw -c "$conf" -n client.rgw
for ((i = 0; i < 300; i++)); do
  alive radosgw || exit 1
  ! curl --noproxy '*' -fso /dev/null --max-time 2 "http://127.0.0.1:$RGW_PORT/" || break
  sleep .1
done
alive radosgw && alive ceph-osd && alive ceph-mon
