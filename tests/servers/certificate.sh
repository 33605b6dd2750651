#!/usr/bin/env bash
# certificate.sh DIR: a certificate authority of its own (DIR/ca.crt) and a certificate that it signed for this machine's loopback
# names (DIR/tls.crt, DIR/tls.key). The authority's key is thrown away: nothing else can ever be signed with it.
set -euo pipefail
cd "${1:?directory}"
umask 077
trap 'rm -f ca.key ca.srl tls.csr tls.ext' EXIT
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
openssl req -x509 "${key[@]}" -keyout ca.key -out ca.crt -days 30 -subj '/CN=s3dlio test authority' \
  -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign'
openssl req "${key[@]}" -keyout tls.key -out tls.csr -subj '/CN=localhost'
cat >tls.ext <<EXT
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:s3.localhost,DNS:*.s3.localhost
authorityKeyIdentifier=keyid
subjectKeyIdentifier=hash
EXT
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile tls.ext -out tls.crt
