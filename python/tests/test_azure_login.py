"""Tokens and shared access signatures that end while they are in use, before a real server that judges them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import random
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from conftest import Child
from faults.proxy import Request
from identity import Identity
from servers_fixture import azure_server, azure_tls_server
from test_faults import Bench

import s3dlio

SIZE = 6 << 20
PART = 256 << 10
#: A child's time, beyond which it hangs.
LIMIT = 60

LOGIN = """
import hashlib, json, sys, time
import s3dlio

call, uri, options = sys.argv[1], sys.argv[2], {**eval(sys.argv[3]), "credential": "default"}
begin, data = time.monotonic(), bytes(6 << 20)
try:
    if call == "get":
        print(hashlib.sha256(s3dlio.get(uri, storage_options=options)).hexdigest())
    else:
        s3dlio.put_bytes(uri, data, storage_options=options)
        print("put")
except s3dlio.S3dlioError as error:
    print(type(error).__name__, error)
"""


class Slow:
    """A server whose every answer takes its time, so that a call outlives what it logged in with."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.asked: list[str] = []

    def __call__(self, request: Request) -> str:
        self.asked.append(request.headers.get("authorization", request.target))
        return f"wait {self._seconds}"


def behind(bench: Bench, login: str, in_flight: int) -> dict[str, Any]:
    """Options of the way through the proxy without those that log in."""
    return {name: value for name, value in bench.broken.items() if name not in ("account_key", login)} | {
        "part_size": PART,
        "max_in_flight": in_flight,
        "total_timeout": 30,
        "read_timeout": 20,
    }


@pytest.fixture(scope="module")
def tls() -> Any:
    bench = Bench(*azure_tls_server())
    yield bench
    bench.proxy.close()


def log_in(child: Child, bench: Bench, identity: Identity, call: str, key: str, in_flight: int) -> str:
    options = {name: value for name, value in behind(bench, "credential", in_flight).items() if name != "ca_bundle"}
    environment = identity.environment | {"PYTHONPATH": str(Path(__file__).parents[1])}
    return str(child(LOGIN, call, f"{bench.uri}/{key}", repr(options), timeout=LIMIT, environment=environment).stdout.strip())


@pytest.mark.parametrize(("call", "in_flight", "seconds"), [("get", 1, 0.2), ("get", 8, 1.6), ("put", 1, 0.7), ("put", 8, 1.6)])
def test_token_that_ends_in_the_middle_is_renewed(tls: Bench, child: Child, call: str, in_flight: int, seconds: float) -> None:
    data = random.Random(1).randbytes(SIZE) if call == "get" else bytes(SIZE)
    if call == "get":
        s3dlio.put_bytes(f"{tls.uri}/{call}{in_flight}", data, storage_options=tls.options)
    tls.proxy.script = slow = Slow(seconds)
    began = time.monotonic()
    with Identity(life=3) as identity:
        said = log_in(child, tls, identity, call, f"{call}{in_flight}", in_flight)
    took = time.monotonic() - began
    assert said == ("put" if call == "put" else hashlib.sha256(data).hexdigest())
    assert s3dlio.get(f"{tls.uri}/{call}{in_flight}", storage_options=tls.options) == data
    sent = {f"Bearer {token}" for token in identity.given}
    assert set(slow.asked) <= sent
    # once for each that ended, whoever was under way with it
    assert 2 <= len(identity.given) <= 2 + took / 2, f"{len(identity.given)} tokens for {len(slow.asked)} requests in {took:.1f} s"


# the SDK asks a service that is down for half a minute before it gives up
@pytest.mark.parametrize("is_up", [True, pytest.param(False, marks=pytest.mark.heavy)])
def test_token_that_cannot_be_renewed_is_an_error_that_says_so(tls: Bench, child: Child, is_up: bool) -> None:
    s3dlio.put_bytes(f"{tls.uri}/stuck", random.Random(1).randbytes(SIZE), storage_options=tls.options)
    tls.proxy.script = Slow(0.15)
    identity = Identity(life=2, most=1)
    with identity:
        if not is_up:

            def end() -> None:
                while not identity.given:
                    time.sleep(0.01)
                time.sleep(0.5)
                identity.close()

            threading.Thread(target=end, daemon=True).start()
        said = log_in(child, tls, identity, "get", "stuck", 1)
    assert (
        said.startswith("ExpiredCredentialsError") and f"{tls.uri}/stuck" in said and "gives no new one" in said and "az login" in said
    ), said
    assert not any(token in said for token in identity.given)


@pytest.mark.parametrize("call", ["get", "put"])
def test_tokens_that_have_ended_before_they_are_given_are_an_error(tls: Bench, child: Child, call: str) -> None:
    s3dlio.put_bytes(f"{tls.uri}/late", b"old", storage_options=tls.options)
    tls.proxy.script = slow = Slow(0)
    with Identity(life=-10) as identity:
        said = log_in(child, tls, identity, call, "late", 1)
    assert said.startswith("ExpiredCredentialsError") and f"{tls.uri}/late" in said and "The token is expired" in said, said
    assert len(slow.asked) == len(identity.given) == 2
    assert s3dlio.get(f"{tls.uri}/late", storage_options=tls.options) == b"old"


def signature(options: dict[str, Any], seconds: float) -> str:
    """A shared access signature of the account that ends in so many seconds."""
    account = options["endpoint_url"].rsplit("/", 1)[1]
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    fields = {"sp": "rwdlac", "ss": "b", "srt": "sco", "st": "", "se": end, "sip": "", "spr": "", "sv": "2018-11-09"}
    signed = "".join(f"{text}\n" for text in [account, *fields.values()])
    made = hmac.digest(base64.b64decode(options["account_key"]), signed.encode(), "sha256")
    return urlencode({name: value for name, value in fields.items() if value} | {"sig": base64.b64encode(made).decode()}, quote_via=quote)


@pytest.mark.parametrize("call", ["get", "put"])
def test_signature_that_ends_in_the_middle_is_an_error_that_says_when(call: str) -> None:
    bench = Bench(*azure_server())
    key, data = f"{bench.uri}/signed-{call}", random.Random(1).randbytes(SIZE)
    s3dlio.put_bytes(key, data, storage_options=bench.options)
    bench.proxy.script = slow = Slow(0.7)
    options = behind(bench, "sas_token", 1) | {"sas_token": signature(bench.options, 3)}
    with pytest.raises(
        s3dlio.ExpiredCredentialsError, match=r"shared access signature .*option sas_token ended at 2\d\d\d-.* UTC; make a new one"
    ) as failure:
        if call == "get":
            s3dlio.get(key, storage_options=options)
        else:
            s3dlio.put_bytes(key, os.urandom(SIZE), storage_options=options)
    assert failure.value.uri == key and "sig=" not in str(failure.value)
    # it began well, and what was refused was not asked for again and again
    assert 2 <= len(slow.asked) <= SIZE // PART
    bench.proxy.close()
    assert s3dlio.get(key, storage_options=bench.options) == data
