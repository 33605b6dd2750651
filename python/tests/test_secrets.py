"""Secrets never get out: not by errors of any kind, even where a server sends them back, nor by logs, reprs, pickles or the environment."""

from __future__ import annotations

import base64
import copy
import functools
import http.server
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import traceback
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CHECKOUT, Child
from test_timeout import CALLS

import s3dlio
from s3dlio import _config

#: Each is told from all others, and from everything that is no secret.
KEY_ID, SECRET, TOKEN = "AKIAPLANTEDID", "PlantedSecretKey/with+signs", "PlantedSessionToken/with+signs=="
CUSTOMER_KEY = base64.b64encode(b"PlantedCustomerKeyOf32BytesLong!").decode()
ACCOUNT_KEY = base64.b64encode(b"PlantedAccountKey of any length").decode()
SIGNATURE = "PlantedSasSignature+with/signs="
LOGIN = "PlantedProxyPassword"
SECRETS = [SECRET, TOKEN, CUSTOMER_KEY, ACCOUNT_KEY, SIGNATURE, LOGIN]
SAS = f"sv=2021-12-02&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&sig={urllib.parse.quote(SIGNATURE, safe='')}"


def forms(secret: str) -> set[str]:
    """How it may be written."""
    quoted = urllib.parse.quote(secret, safe="")
    return {
        secret,
        quoted,
        re.sub("%..", lambda part: part[0].lower(), quoted),
        base64.b64encode(secret.encode()).decode().rstrip("="),
        ascii(secret)[1:-1],
    }


def assert_clean(text: str, where: str) -> None:
    for secret in SECRETS:
        for form in forms(secret):
            assert form not in text, f"{where} shows a secret:\n{text}"


def told(error: BaseException) -> str:
    """Everything that an error says, to whoever looks."""
    parts = [*traceback.format_exception(error), repr(error), repr(error.args), repr(vars(error)), repr(pickle.loads(pickle.dumps(error)))]
    return "\n".join(parts)


class Parrot(http.server.BaseHTTPRequestHandler):
    """Answers every request with a failure that repeats all of what was sent, as services do that help with signatures."""

    protocol_version = "HTTP/1.1"
    answers: dict[str, tuple[int, str]] = {  # noqa: RUF012
        "signature": (403, "<Error><Code>SignatureDoesNotMatch</Code><Message>{0}</Message><StringToSign>{0}</StringToSign></Error>"),
        "token": (400, "<Error><Code>ExpiredToken</Code><Message>expired</Message><Token-0>{0}</Token-0></Error>"),
        "azure": (
            403,
            "<Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate.\nRequestId:1</Message>"
            "<AuthenticationErrorDetail>Signature did not match. String to sign used was {0}</AuthenticationErrorDetail></Error>",
        ),
        "denied": (403, "<Error><Code>AccessDenied</Code><Message>denied</Message><HostId>{0}</HostId></Error>"),
        "missing": (404, "<Error><Code>NoSuchKey</Code><Message>none</Message><Key>k</Key><Detail>{0}</Detail></Error>"),
        "bucket": (404, "<Error><Code>NoSuchBucket</Code><Message>none</Message><Detail>{0}</Detail></Error>"),
        "invalid": (400, "<Error><Code>InvalidRequest</Code><Message>wrong</Message><Detail>{0}</Detail></Error>"),
        "conflict": (409, "<Error><Code>Conflict</Code><Message>wrong</Message><Detail>{0}</Detail></Error>"),
        "condition": (412, "<Error><Code>PreconditionFailed</Code><Message>wrong</Message><Detail>{0}</Detail></Error>"),
        "moved": (301, ""),
        "redirected": (307, ""),
        "broken": (500, "<Error><Code>InternalError</Code><Message>broken</Message><Detail>{0}</Detail></Error>"),
        "busy": (503, "<Error><Code>SlowDown</Code><Message>slow</Message><Detail>{0}</Detail></Error>"),
        "no xml": (403, "{0}"),
        "garbage": (200, "<x>{0}"),
        "nothing": (200, ""),
    }
    mode = ""

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        sent = f"{self.command} {self.path} {' '.join(f'{name}: {value}' for name, value in self.headers.items())}"
        status, body = self.answers[self.mode]
        data = body.format(sent.replace("&", "&amp;").replace("<", "&lt;")).encode()
        self.send_response(status)
        if status in (301, 307):
            self.send_header("Location", f"http://127.0.0.2:9{self.path}&again={urllib.parse.quote(sent)}")
            self.send_header("x-amz-bucket-region", "elsewhere-1")
        self.send_header("x-ms-request-id", "1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def parrot() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def identities(url: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each way to log in, to a server at that URL."""
    keys = {"region": "us-east-1", "access_key_id": KEY_ID, "secret_access_key": SECRET}
    brief = {"max_attempts": 2, "read_timeout": 5, "connect_timeout": 5}
    host = url.partition("://")[2]
    connection = f"DefaultEndpointsProtocol=http;AccountName=account;AccountKey={ACCOUNT_KEY};BlobEndpoint={url}/account;"
    return {
        "keys": ("s3://b", {"endpoint_url": url, **keys, **brief}),
        "token": ("s3://b", {"endpoint_url": url, **keys, "session_token": TOKEN, **brief}),
        "customer key": ("s3://b", {"endpoint_url": url, **keys, "sse_customer_key": CUSTOMER_KEY, **brief}),
        "proxy": ("s3://b", {"endpoint_url": "http://s3.invalid", "proxy": f"http://someone:{LOGIN}@{host}", **keys, **brief}),
        "account key": ("az://account/container", {"endpoint_url": f"{url}/account", "account_key": ACCOUNT_KEY, **brief}),
        "sas": ("az://account/container", {"endpoint_url": f"{url}/account", "sas_token": SAS, **brief}),
        "connection": ("az://account/container", {"connection_string": connection, **brief}),
    }


def calls(uri: str, options: dict[str, Any]) -> dict[str, Any]:
    """One of each kind."""
    return {
        "put": lambda: s3dlio.put_bytes(f"{uri}/k", b"data", storage_options=options),
        "create": lambda: s3dlio.put_bytes(f"{uri}/k", b"data", overwrite=False, storage_options=options),
        "get": lambda: s3dlio.get(f"{uri}/k", storage_options=options),
        "stat": lambda: s3dlio.stat(f"{uri}/k", storage_options=options),
        "list": lambda: s3dlio.list(f"{uri}/k/", storage_options=options),
        "delete": lambda: s3dlio.delete(f"{uri}/k", storage_options=options),
        "copy": lambda: s3dlio.copy(f"{uri}/k", f"{uri}/l", storage_options=options),
        "bulk": lambda: s3dlio.get_many([f"{uri}/k", f"{uri}/l"], storage_options=options),
        "save": lambda: s3dlio.save_tensors(f"{uri}/k", {"a": np.ones(3)}, storage_options=options),
        "uploads": lambda: s3dlio.list_uploads(f"{uri}/", storage_options=options),
    }


IDENTITIES = list(identities("http://127.0.0.1:1"))


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize("mode", Parrot.answers)
def test_errors_show_no_secret_whatever_the_server_says(
    parrot: str, mode: str, identity: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Parrot, "mode", mode)
    uri, options = identities(parrot)[identity]
    failed = 0
    for name, call in calls(uri, options).items():
        try:
            result = call()
        except s3dlio.S3dlioError as error:
            failed += 1
            assert_clean(told(error), f"{name} of {identity}")
            if isinstance(error, s3dlio.BulkError):
                for one in error.failures.values():
                    assert_clean(told(one), f"{name} of {identity}")
        else:
            assert_clean(repr(result), f"the result of {name} of {identity}")
    assert failed > 0
    assert_clean("".join(capfd.readouterr()), "the log")


@pytest.mark.parametrize("identity", IDENTITIES)
def test_errors_of_every_call_that_reaches_no_server_show_no_secret(identity: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing listens: the address, the proxy's too, is in every message."""
    uri, options = identities("http://127.0.0.1:1")[identity]
    every = {name: functools.partial(call, {"storage_options": options}) for name, call in CALLS.items()} if uri.startswith("s3:") else {}
    for name, call in {**calls(uri, options), **every}.items():
        if name == "uploads" and uri.startswith("az:"):
            continue  # Azure has none, and is not asked
        with pytest.raises(s3dlio.S3dlioError) as caught:
            call()
        assert_clean(told(caught.value), name)
    assert_clean("".join(capfd.readouterr()), "the log")


@pytest.mark.parametrize("name", sorted(_config._SECRET | {"proxy"}))
@pytest.mark.parametrize(
    "value", [SECRET.encode(), {"x": SECRET}, [SECRET], f"{SECRET}\udc80", f"{SECRET}\0", f"{SECRET}\n", f"http://x:{LOGIN}@[", 7, ""]
)
def test_secrets_of_a_wrong_form_are_refused_without_being_shown(name: str, value: Any) -> None:
    for uri in ("s3://b/k", "az://account/container/k", "file:///nowhere/k"):
        for given in ({name: value}, {f"{name}x": value}, {f"{name}x": SECRET}, {name: SECRET, "no_such_option": SECRET}):
            try:
                s3dlio.Store(uri, storage_options=given)
            except s3dlio.S3dlioError as error:
                assert_clean(told(error), f"{name} of {uri}")
        with pytest.raises(s3dlio.S3dlioError) as caught:
            s3dlio.configure(**{f"{name}x": SECRET})
        assert_clean(told(caught.value), "configure")


@pytest.mark.parametrize("identity", IDENTITIES)
def test_reprs_show_no_secret(identity: str) -> None:
    uri, options = identities("http://127.0.0.1:1")[identity]
    store = s3dlio.Store(uri, storage_options=options)
    several = s3dlio.create_multi_endpoint_store([{"uri": uri, **options}, {"uri": uri + "/x", **options}])
    for one in (store, several, several.endpoint_stats(), store.put_bytes, copy.copy(store)):
        assert_clean(f"{one!r} {one!s}", type(one).__name__)


@pytest.mark.parametrize("identity", IDENTITIES)
def test_store_without_secrets_pickles_none(identity: str) -> None:
    uri, options = identities("http://127.0.0.1:1")[identity]
    s3dlio.configure(secret_access_key=SECRET, access_key_id=KEY_ID, max_in_flight=7)
    try:
        given = s3dlio.Store(uri, durable=True, storage_options=options)
        several = s3dlio.create_multi_endpoint_store(
            [{"uri": uri, **options}, {"uri": uri + "/x", **options}], storage_options={"endpoint_cooldown": 3}
        )
    finally:
        s3dlio.configure(secret_access_key=None, access_key_id=None, max_in_flight=None)
    assert any(secret in pickle.dumps(given, 0).decode("latin-1") for secret in [*SECRETS, SAS])
    for store in (given, several):
        bare = store.without_secrets()
        assert type(bare) is type(store) and bare.uri == store.uri and bare != store
        pickled = pickle.dumps(bare, 0).decode("latin-1")
        assert_clean(pickled, "the pickle")
        assert KEY_ID not in pickled and KEY_ID not in repr(vars(bare)) + repr(vars(bare._root))
        # what is no secret stays
        back = pickle.loads(pickle.dumps(bare))
        assert back == bare and back._root.options["defaults"] == {"max_in_flight": 7}
        assert store is several or (back._root.options["durable"] is True and back._root.options["read_timeout"] == 5)
        # and the store itself has not changed
        assert any(form in repr(store._root.options) for secret in SECRETS for form in forms(secret))


def test_store_without_secrets_takes_those_of_whoever_opens_it(parrot: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    class Listener(Parrot):
        def answer(self) -> None:
            sent.append(self.headers["Authorization"])
            super().answer()

        do_GET = do_HEAD = answer

    monkeypatch.setattr(Parrot, "mode", "missing")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    store = s3dlio.Store("s3://b", storage_options=identities(url)["keys"][1])
    pickled = pickle.dumps(store.without_secrets())
    s3dlio.configure(access_key_id="THEIRS", secret_access_key="of theirs")
    try:
        with pytest.raises(s3dlio.NotFoundError):
            pickle.loads(pickled).get("k")
    finally:
        s3dlio.configure(access_key_id=None, secret_access_key=None)
        server.shutdown()
        server.server_close()
    assert sent and all("Credential=THEIRS/" in one for one in sent)


def test_every_option_that_looks_secret_is_known_as_one() -> None:
    text = (CHECKOUT / "docs/configuration.md").read_text()
    names = re.findall(r"^\| `(\w+)` \|", text, flags=re.M)
    looks = {name for name in names if re.search("key|token|secret|password|connection|proxy|login|sas", name)}
    assert looks == _config._SECRET | {"proxy"}


def test_environment_of_children_stays_as_it_was(child: Child) -> None:
    child(
        """
import json, os, subprocess, sys
import s3dlio
uri, options = json.loads(sys.argv[1])
def seen():
    # not os.environ: what the C library has is what children get
    return subprocess.run(["env", "-0"], capture_output=True, check=True).stdout.split(b"\\0")
before = sorted(seen())
s3dlio.configure(secret_access_key=options["secret_access_key"], access_key_id="x")
store = s3dlio.Store(uri, storage_options=options)
try:
    store.get("k")
except s3dlio.S3dlioError:
    pass
for scheme in ("s3://b/k", "az://account/c/k"):
    try:
        s3dlio.get(scheme, timeout=5, storage_options={"endpoint_url": "http://127.0.0.1:1/account", "max_attempts": 1})
    except s3dlio.S3dlioError:
        pass
assert sorted(seen()) == before
assert not any(options["secret_access_key"].encode() in one for one in seen())
assert options["secret_access_key"] not in open("/proc/self/environ").read() + open("/proc/self/comm").read()
""",
        json.dumps(identities("http://127.0.0.1:1")["token"]),
    )


@pytest.mark.parametrize("off", [False, True])
def test_tls_is_verified_and_turning_it_off_is_logged(tmp_path: Path, off: bool) -> None:
    """A server with a certificate of nobody's: refused, or spoken to after a line that says what is given up."""
    made = subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            tmp_path / "key",
            "-out",
            tmp_path / "crt",
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("openssl makes no certificate here")
    script = """
import http.server, ssl, sys, threading
import s3dlio
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("crt", "key")
server.socket = context.wrap_socket(server.socket, server_side=True)
http.server.BaseHTTPRequestHandler.log_message = lambda *_: None
server.handle_error = lambda *_: None
threading.Thread(target=server.serve_forever, daemon=True).start()
options = {"endpoint_url": f"https://127.0.0.1:{server.server_address[1]}", "region": "x", "access_key_id": "i", "secret_access_key": "PlantedSecret", "max_attempts": 1}
if sys.argv[1] == "True":
    options["verify_tls"] = False
for bucket in "ab":
    try:
        s3dlio.get(f"s3://{bucket}/k", storage_options={**options, "read_timeout": 5 + (bucket == "b")})
    except s3dlio.S3dlioError as error:
        print(type(error).__name__)
"""  # noqa: E501
    ended = subprocess.run(
        [sys.executable, "-c", script, str(off)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(s3dlio.__file__).parents[1])},
    )
    assert ended.returncode == 0, ended.stderr
    assert ("CertificateError" in ended.stdout) is not off
    # once for the process
    assert ended.stderr.count("verify_tls is false") == off and "PlantedSecret" not in ended.stderr
