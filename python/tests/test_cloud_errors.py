"""What the two clouds refuse, and what cannot be reached: each cause is an exception of its own whose message tells what to do."""

from __future__ import annotations

import contextlib
import http.server
import pickle
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from servers_fixture import azure_server, s3_old_server, s3_server, s3_tls_server

import s3dlio

Place = tuple[str, dict[str, Any]]

#: No second attempt: what is tried again has tests of its own.
ONCE = {"max_attempts": 1}

CALLS: dict[str, Callable[[str, dict[str, Any]], object]] = {
    "get": lambda uri, options: s3dlio.get(uri, storage_options=options),
    "put": lambda uri, options: s3dlio.put_bytes(uri, b"x", storage_options=options),
    "stat": lambda uri, options: s3dlio.stat(uri, storage_options=options),
    "list": lambda uri, options: s3dlio.list(uri, storage_options=options),
}


def failure(kind: type[s3dlio.S3dlioError], uri: str, options: dict[str, Any], call: str = "get", secrets: tuple[str, ...] = ()) -> str:
    """Makes a call that must fail with exactly this class, and returns what it says."""
    with pytest.raises(s3dlio.S3dlioError) as caught:
        CALLS[call](uri, {**options, **ONCE})
    error = caught.value
    assert type(error) is kind, repr(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (kind, str(error))
    for secret in (*secrets, *(options[name] for name in ("secret_access_key", "account_key") if name in options)):
        assert secret not in str(error)
    return str(error)


@pytest.fixture(params=[s3_server, s3_old_server], ids=["s3", "s3-old"])
def s3(request: pytest.FixtureRequest) -> Place:
    server: Callable[[], Place] = request.param
    return server()


@pytest.mark.parametrize("call", CALLS)
def test_unknown_access_key(s3: Place, call: str) -> None:
    said = failure(s3dlio.UnknownAccessKeyError, f"{s3[0]}/x", {**s3[1], "access_key_id": "NOBODY"}, call)
    assert "access_key_id" in said and "AWS_ACCESS_KEY_ID" in said


@pytest.mark.parametrize("call", CALLS)
def test_wrong_secret(s3: Place, call: str) -> None:
    said = failure(s3dlio.WrongSecretError, f"{s3[0]}/x", {**s3[1], "secret_access_key": "not-the-secret"}, call)
    assert "secret_access_key" in said


@pytest.mark.parametrize("call", CALLS)
def test_no_such_bucket(s3: Place, call: str) -> None:
    said = failure(s3dlio.NoSuchBucketError, "s3://s3dlio-no-such-bucket/x/y", s3[1], call)
    assert "'s3dlio-no-such-bucket'" in said and "create" in said


def test_missing_key_of_a_bucket_is_another_matter(s3: Place) -> None:
    said = failure(s3dlio.NotFoundError, f"{s3[0]}/no-such-key", s3[1], "stat")
    assert "no such object" in said and "bucket" not in said.split(": ", 1)[1]


class Service(http.server.BaseHTTPRequestHandler):
    """Answers as a service whose clock is an hour ahead, or whose buckets are elsewhere."""

    protocol_version = "HTTP/1.1"
    seen: list[str] = []  # noqa: RUF012
    answer: Callable[[Service], tuple[int, dict[str, str], bytes]]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, body = type(self).answer(self)
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


Serve = Callable[[Callable[[Service], tuple[int, dict[str, str], bytes]]], tuple[str, list[str]]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a service that answers as told: its URL, and the Authorization headers that it saw."""
    started: list[http.server.ThreadingHTTPServer] = []

    def start(answer: Callable[[Service], tuple[int, dict[str, str], bytes]]) -> tuple[str, list[str]]:
        seen: list[str] = []
        handler = type("Handler", (Service,), {"answer": staticmethod(answer), "seen": seen})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        started.append(server)
        return f"http://127.0.0.1:{server.server_port}", seen

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


KEYS = {"access_key_id": "id", "secret_access_key": "a-secret", "region": "here-1"}


def document(code: str, message: str = "", more: str = "") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>".encode()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("hours", "words"), [(1, "60 minutes slow"), (-2, "120 minutes fast")])
def test_clock_that_is_off_is_measured(serve: Serve, call: str, hours: int, words: str) -> None:
    date = {"Date": formatdate(time.time() + hours * 3600, usegmt=True)}
    url, _ = serve(lambda _: (403, date, document("RequestTimeTooSkewed", "The difference is too large.")))
    said = failure(s3dlio.ClockSkewError, "s3://bucket/x", {**KEYS, "endpoint_url": url}, call)
    assert words in said and "NTP" in said


@pytest.mark.parametrize("answer", [
    (301, {}, document("PermanentRedirect", "The bucket is elsewhere.")),
    (301, {"x-amz-bucket-region": "there-1"}, b""),
    (307, {"x-amz-bucket-region": "there-1"}, document("TemporaryRedirect")),
    (400, {}, document("AuthorizationHeaderMalformed", "the region is wrong", "<Region>there-1</Region>")),
    (400, {}, document("IllegalLocationConstraintException", "incompatible")),
], ids=["301", "301-mute", "307", "malformed", "constraint"])  # fmt: skip
def test_region_that_cannot_be_followed_is_named(serve: Serve, answer: tuple[int, dict[str, str], bytes]) -> None:
    url, seen = serve(lambda _: answer)
    said = failure(s3dlio.WrongRegionError, "s3://bucket/x", {**KEYS, "endpoint_url": url})
    known = "there-1" in str(answer)
    assert ("'there-1'" in said) == known and "option region" in said and "AWS_REGION" in said
    # it is followed once where it is known where to
    assert len(seen) == (2 if known else 1)


@pytest.mark.parametrize("call", CALLS)
def test_region_that_the_service_names_is_followed(serve: Serve, call: str) -> None:
    def answer(request: Service) -> tuple[int, dict[str, str], bytes]:
        if "/there-1/s3/" not in request.headers["Authorization"]:
            return 400, {"x-amz-bucket-region": "there-1"}, document("AuthorizationHeaderMalformed", "no", "<Region>there-1</Region>")
        listing = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>" if "list-type" in request.path else b"x"
        return 200, {"ETag": '"1"'}, listing

    url, seen = serve(answer)
    CALLS[call]("s3://bucket/x", {**KEYS, **ONCE, "endpoint_url": url})
    assert len([one for one in seen if "/here-1/" in one]) == 1


def test_untrusted_certificate_names_the_option() -> None:
    uri, options = s3_tls_server()
    without = {name: value for name, value in options.items() if name != "ca_bundle"}
    for call in CALLS:
        said = failure(s3dlio.CertificateError, f"{uri}/x", without, call)
        assert "not trusted" in said and "ca_bundle" in said and "AWS_CA_BUNDLE" in said


def test_certificate_of_another_host_says_so() -> None:
    _, options = s3_tls_server()
    # that certificate is for 127.0.0.1 and localhost; this server shows it elsewhere
    folder = Path(options["ca_bundle"]).parent
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")

    def shake(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()

    with socket.create_server(("127.0.0.2", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    shake(listener.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        other = f"https://127.0.0.2:{listener.getsockname()[1]}"
        said = failure(s3dlio.CertificateError, "s3://bucket/x", {**KEYS, "endpoint_url": other, "ca_bundle": options["ca_bundle"]})
    assert "another host name" in said


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("cloud", ["s3", "azure"])
def test_refused_connection(cloud: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for call in CALLS:
        said = failure(s3dlio.StoreConnectionRefusedError, *nowhere(cloud, url), call)
        assert "127.0.0.1" in said and "endpoint_url" in said
    assert issubclass(s3dlio.StoreConnectionRefusedError, ConnectionRefusedError)


@pytest.mark.parametrize("cloud", ["s3", "azure"])
def test_name_that_does_not_resolve(cloud: str) -> None:
    for call in CALLS:
        said = failure(s3dlio.NameResolutionError, *nowhere(cloud, "http://no-such-host.invalid:1"), call)
        assert "'no-such-host.invalid'" in said and "DNS" in said and "endpoint_url" in said


def nowhere(cloud: str, url: str) -> Place:
    if cloud == "s3":
        return "s3://bucket/x", {**KEYS, "endpoint_url": url}
    return "az://account/container/x", {"account_key": "c2VjcmV0LWtleQ==", "endpoint_url": url}


def test_failures_of_bulk_calls_have_the_same_classes(s3: Place) -> None:
    wanted = {**s3[1], **ONCE, "access_key_id": "NOBODY"}
    ((_, found),) = s3dlio.get_many([f"{s3[0]}/x"], on_error="return", storage_options=wanted)
    assert type(found) is s3dlio.UnknownAccessKeyError


@pytest.mark.parametrize("call", CALLS)
def test_azure_wrong_key(call: str) -> None:
    uri, options = azure_server()
    said = failure(s3dlio.WrongSecretError, f"{uri}/x", {**with_key(uri, options), "account_key": "d3Jvbmc="}, call)
    assert "key" in said and "account" in said


@pytest.mark.parametrize("call", CALLS)
def test_azure_no_such_container(call: str) -> None:
    uri, options = azure_server()
    account = uri.removeprefix("az://").split("/")[0]
    said = failure(s3dlio.NoSuchBucketError, f"az://{account}/no-such-container/x/y", options, call)
    assert "'no-such-container'" in said


def test_azure_missing_key_of_a_container_is_another_matter() -> None:
    uri, options = azure_server()
    assert "no such object" in failure(s3dlio.NotFoundError, f"{uri}/no-such-key", options, "stat")


def test_azure_account_whose_host_does_not_exist() -> None:
    options = {"account_key": "c2VjcmV0LWtleQ=="}
    for call in CALLS:
        said = failure(s3dlio.NoSuchAccountError, "az://nosuchaccount0.blob.s3dlio.invalid/container/x", options, call)
        assert "'nosuchaccount0'" in said and "DNS" in said


@pytest.mark.parametrize("call", CALLS)
def test_azure_clock_that_is_off_is_measured(serve: Serve, call: str) -> None:
    date = {"Date": formatdate(time.time() + 3600, usegmt=True), "x-ms-error-code": "AuthenticationFailed"}
    url, _ = serve(lambda _: (403, date, document("AuthenticationFailed", "Server failed to authenticate the request.")))
    said = failure(s3dlio.ClockSkewError, "az://account/container/x", {"account_key": "c2VjcmV0LWtleQ==", "endpoint_url": url}, call)
    assert "60 minutes slow" in said


def test_azure_untrusted_certificate() -> None:
    _, tls = s3_tls_server()
    # any server with a certificate of that authority; the handshake is as far as it comes
    said = failure(
        s3dlio.CertificateError, "az://account/container/x", {"account_key": "c2VjcmV0LWtleQ==", "endpoint_url": tls["endpoint_url"]}
    )
    assert "ca_bundle" in said


def with_key(uri: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options without another way to log in."""
    return {name: value for name, value in options.items() if name not in ("emulator", "connection_string", "sas_token", "credential")}


def test_no_certificate_at_all_is_not_a_certificate_error(serve: Serve) -> None:
    url, _ = serve(lambda _: (200, {}, b""))
    said = failure(s3dlio.UnavailableError, "s3://bucket/x", {**KEYS, "endpoint_url": url.replace("http:", "https:")})
    assert "http://" in said
