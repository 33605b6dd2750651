"""Forks in the moments in which another thread is about to use what a process has once: OpenSSL, the loader, the resolver.

A forked child has the parent's OpenSSL, with the locks that the parent's threads held. ``S3DLIO_FORK_MOMENTS=500`` forks that often in each
of the four kinds of moments.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from conftest import IN_CHILD, Child
from servers_fixture import s3_tls_server

pytestmark = pytest.mark.every_python

FORKS = int(os.environ.get("S3DLIO_FORK_MOMENTS", "40"))

SCRIPT = (
    IN_CHILD
    + """
import http.server, json, random, sys, threading, time
import s3dlio
kind, options, count = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        keys = b'{"AccessKeyId":"a","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}'
        body = keys if self.path == "/keys" else b"abc"
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        # whoever asked has ended with its connections open
        pass

server = Server(("127.0.0.1", 0), Handler)
serving = os.fork()
if serving == 0:
    server.serve_forever()
    os._exit(0)
address = f"http://127.0.0.1:{server.server_port}"
options = {"endpoint_url": address, "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b", "max_attempts": 1} | options
if kind == "logins":
    del options["access_key_id"], options["secret_access_key"]
    os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = address + "/keys"

#: Seconds from the first call in which the moments lie, and forks of one process: its first use comes once.
SPAN, TIMES = {"first uses": (0.05, 1), "errors": (0.02, 8), "logins": (0.15, 4), "handshakes": (0.05, 8)}[kind]
#: A server whose certificate is not trusted is shaken hands with anew in each call; each login is a store's own.
DISTRUSTED = {name: value for name, value in options.items() if name != "ca_bundle"}

def call(i):
    if kind == "errors" and i % 3 == 0:
        s3dlio.Store("memory://a", storage_options={"nonsense": 1})
    elif kind == "handshakes":
        s3dlio.get(f"s3://b/x{i}", storage_options=DISTRUSTED if i % 2 else options, timeout=5)
    elif kind == "logins":
        s3dlio.Store(f"s3://b{i}", storage_options=options).get("x", timeout=5)
    else:
        s3dlio.get(f"s3://b/{'missing' if kind == 'errors' else 'x'}", storage_options=options, timeout=5)

def fork_in_moments(seed):
    chance, stop = random.Random(seed), threading.Event()
    s3dlio.put_bytes("memory://a/b", b"")
    def use(k):
        i = k
        while not stop.is_set():
            try:
                call(i)
            except s3dlio.S3dlioError:
                pass
            i += 3
    threads = [threading.Thread(target=use, args=(k,), daemon=True) for k in range(3)]
    for thread in threads:
        thread.start()
    def work():
        signal.alarm(20)
        for i in range(2):
            try:
                call(i)
            except s3dlio.S3dlioError as error:
                assert not isinstance(error, (s3dlio.StoreTimeoutError, s3dlio.InternalError)), error
    for _ in range(TIMES):
        time.sleep(chance.uniform(0, SPAN))
        in_child(work)
    stop.set()

# this process itself never loads the library
try:
    for seed in range(0, count, TIMES):
        in_child(fork_in_moments, seed)
finally:
    os.kill(serving, signal.SIGKILL)
    os.waitpid(serving, 0)
"""
)


@pytest.mark.parametrize("kind", ["first uses", "errors", "logins", "handshakes"])
def test_child_forked_in_any_moment_works(child: Child, kind: str) -> None:
    options: dict[str, Any] = s3_tls_server()[1] if kind == "handshakes" else {}
    child(SCRIPT, kind, json.dumps(options), FORKS, timeout=60 + FORKS * 2)
