"""Seeded faults between the library and real servers: every call ends in the right bytes or the right error, in time.

A failure prints its seed. ``S3DLIO_FAULT_SEED=123 pytest python/tests/test_faults.py`` runs that one alone,
``S3DLIO_FAULT_COUNT=5000`` as many for each server.
"""

from __future__ import annotations

import json
import os
import queue
import random
import ssl
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import Child
from faults.proxy import FAULTS, Proxy, Request
from identity import Identity
from servers_fixture import azure_server, azure_tls_server, s3_old_server, s3_server

import s3dlio

#: Schedules for each server; the short form's.
COUNT = int(os.environ.get("S3DLIO_FAULT_COUNT", "170"))
#: Seconds within which every call ends: its timeout, and what a loaded machine needs to give up.
BUDGET, GRACE = 8.0, 15.0
#: Quick to give up, so that hundreds of schedules take minutes.
PATIENCE = {"connect_timeout": 2, "read_timeout": 0.7, "total_timeout": 6, "max_attempts": 6, "max_in_flight": 4}
#: What a call may end in when its connections break; anything else is a fault of the library.
RIGHT = (s3dlio.UnavailableError, s3dlio.StoreTimeoutError, s3dlio.InvalidDataError)
#: What those end in that say of credentials which have expired; an answer of Azure to a HEAD does not say more than that it refuses them.
EXPIRED = {"expired": s3dlio.ExpiredCredentialsError, "token_expired": s3dlio.AuthenticationError}
#: Faults that say something false, after which a call may end in any error; never in wrong bytes.
LIES = {"flip", "307", "repeat_page"}
#: Whoever repeats these may find that they have been done.
ONCE = ("delete", "rename")
ACTIONS = ("put", "large", "get", "get_range", "list", "delete", "copy", "rename", "stat")
LARGE = (5 << 20) + 4321


class Script:
    """What happens to the requests of one schedule."""

    def __init__(self, seed: int, is_azure: bool, names: list[str] | None = None) -> None:
        chance = random.Random(seed)
        self.action = ACTIONS[seed % len(ACTIONS)]
        names = names or [name for name in FAULTS if not (is_azure and name in ("error_in_200", "repeat_page"))]
        count = chance.choice([1, 1, 1, 2, 3, 40])
        first = chance.randrange(4)
        self.faults: dict[int, str] = {first + i: chance.choice(names) for i in range(count)}
        self.count = count
        self._seen = -1

    def __call__(self, request: Request) -> str | None:
        self._seen += 1
        fault = self.faults.get(self._seen)
        asked = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
        if fault == "error_in_200" and not (request.method == "POST" and "uploadId" in asked):
            return None
        if fault == "repeat_page" and "list-type" not in asked:
            return None
        return fault


class Bench:
    """A server behind the proxy, and a way to it that is not broken."""

    def __init__(self, uri: str, options: dict[str, Any], credentials: dict[str, Any] | None = None) -> None:
        self.uri, self.options = uri, options
        where = urlsplit(options["endpoint_url"])
        assert where.hostname and where.port
        trust = ssl.create_default_context(cafile=options["ca_bundle"]) if where.scheme == "https" else None
        self.proxy = Proxy((where.hostname, where.port), lambda request: None, trust)
        endpoint = options["endpoint_url"].replace(f"{where.scheme}://{where.netloc}", f"http://127.0.0.1:{self.proxy.port}", 1)
        self.broken = {**options, **PATIENCE, "endpoint_url": endpoint}
        if credentials is not None:
            self.broken = {
                name: value for name, value in self.broken.items() if "access_key" not in name and name != "account_key"
            } | credentials
        if uri.startswith("s3://"):
            self.broken["part_size"] = 5 << 20
        self.is_azure = uri.startswith("az://")
        self.large = random.Random(1).randbytes(LARGE)


@pytest.fixture(scope="module", params=[s3_server, s3_old_server, azure_server], ids=["s3", "s3-old", "azure"])
def benches(request: pytest.FixtureRequest) -> Iterator[list[Bench]]:
    """As many as schedules run side by side, each with a proxy of its own."""
    made = [Bench(*request.param()) for _ in range(4)]
    yield made
    for bench in made:
        bench.proxy.close()


def run(bench: Bench, seed: int, names: list[str] | None = None) -> None:
    script = Script(seed, bench.is_azure, names)
    place = f"{bench.uri}/fault-{seed}-{uuid.uuid4().hex[:6]}"
    clean, broken = {"storage_options": bench.options}, {"storage_options": bench.broken, "timeout": BUDGET}
    old, new = random.Random(seed).randbytes(3000), random.Random(seed + 1).randbytes(5000)
    if script.action == "large":
        new = bench.large
    s3dlio.put_bytes(f"{place}/a", old, **clean)
    if script.action == "list":
        s3dlio.put_many([(f"{place}/l/{i}", b"") for i in range(5)], **clean)
    bench.proxy.script = script
    begin, failure = time.monotonic(), None
    found: Any = None
    try:
        if script.action in ("put", "large"):
            found = s3dlio.put_bytes(f"{place}/a", new, **broken)
        elif script.action == "get":
            found = bytes(s3dlio.get(f"{place}/a", **broken))
        elif script.action == "get_range":
            found = bytes(s3dlio.get_range(f"{place}/a", 1000, 1500, **broken))
        elif script.action == "list":
            found = s3dlio.list(f"{place}/l/", **broken)
        elif script.action == "delete":
            found = s3dlio.delete(f"{place}/a", **broken)
        elif script.action == "copy":
            found = s3dlio.copy(f"{place}/a", f"{place}/b", **broken)
        elif script.action == "rename":
            found = s3dlio.rename(f"{place}/a", f"{place}/b", **broken)
        else:
            found = s3dlio.stat(f"{place}/a", **broken)
    except s3dlio.S3dlioError as error:
        failure = error
    finally:
        took = time.monotonic() - begin
        bench.proxy.script = lambda request: None
    happened = set(script.faults.values())
    told = f"{script.action} with {script.faults}, met {bench.proxy.done[-5:]}: {failure!r}"
    assert took < BUDGET + GRACE, f"a hang of {took:.1f} s: {told}"
    if failure is not None:
        # a bit that flips in an XML answer or in a status line can make of it any other failure; in an object it is a mismatch
        lied = happened & LIES
        assert not isinstance(failure, s3dlio.InternalError), f"a fault of the library's own: {told}"
        # those that were renewed and expire again at once
        right = (*RIGHT, *(kind for name, kind in EXPIRED.items() if name in happened))
        assert isinstance(failure, right) or lied or script.action in ONCE, f"the wrong error: {told}"
        # a server that copies or puts parts together may rightly be silent for longer than this test has patience
        waited = isinstance(failure, s3dlio.StoreTimeoutError) and "stall" in happened and script.action in ("copy", "large")
        assert script.count > 1 or lied or waited or script.action in ONCE, f"one fault was not survived: {told}"
    check(bench, script, place, old, new, failure, found, told)
    if not bench.is_azure:
        assert s3dlio.list_uploads(place, **clean) == [] or failure is not None or script.count > 1, f"an orphaned upload: {told}"
        s3dlio.abort_uploads(place, 0, **clean)
        assert s3dlio.list_uploads(place, **clean) == []
    s3dlio.delete(place, recursive=True, **clean)


def check(bench: Bench, script: Script, place: str, old: bytes, new: bytes, failure: Any, found: Any, told: str) -> None:
    """What lies in the store afterwards, seen without faults, and what the call gave."""

    def stored(key: str) -> bytes | None:
        try:
            return bytes(s3dlio.get(f"{place}/{key}", storage_options=bench.options))
        except FileNotFoundError:
            return None

    action = script.action
    if action in ("put", "large"):
        now = stored("a")
        assert now == new if failure is None else now in (old, new), f"wrong bytes: {told}"
    elif action == "delete":
        assert stored("a") in ((None,) if failure is None else (None, old)), told
    elif action == "copy":
        assert stored("a") == old and stored("b") in ((old,) if failure is None else (None, old)), told
    elif action == "rename":
        source, target = stored("a"), stored("b")
        assert old in (source, target), f"the object is lost: {told}"
        assert {source, target} <= {old, None} and (failure is not None or (source, target) == (None, old)), told
    elif failure is None:
        if action == "get":
            assert found == old, f"wrong bytes: {told}"
        elif action == "get_range":
            # a part cannot be compared with the checksum of the whole, and a flipped bit is not seen; everything else is
            assert found == old[1000:2500] or "flip" in script.faults.values(), f"wrong bytes: {told}"
        elif action == "list":
            whole = found == [f"{place}/l/{i}" for i in range(5)]
            assert whole or "flip" in script.faults.values(), f"wrong listing: {told}"
        else:
            assert found["size"] == len(old), told


def test_schedules_end_in_the_right_bytes_or_the_right_error(benches: list[Bench]) -> None:
    only = os.environ.get("S3DLIO_FAULT_SEED")
    seeds = [int(only)] if only else list(range(COUNT))
    free: queue.Queue[Bench] = queue.Queue()
    for bench in benches:
        free.put(bench)

    def attempt(seed: int) -> str | None:
        bench = free.get()
        try:
            run(bench, seed)
        except Exception as error:
            return f"S3DLIO_FAULT_SEED={seed}: {type(error).__name__}: {error}"
        finally:
            free.put(bench)
        return None

    with ThreadPoolExecutor(len(benches)) as pool:
        failed = [told for told in pool.map(attempt, seeds) if told is not None]
    assert not failed, f"{len(failed)} of {len(seeds)}:\n" + "\n".join(failed[:20])
    assert only or sum(len(bench.proxy.done) for bench in benches) > COUNT // 3, "hardly anything was broken"


def test_every_kind_of_fault_meets_every_kind_of_call() -> None:
    """What the seeds of the short form come to: no action and no fault is left out, for S3 and for Azure."""
    for is_azure in (False, True):
        scripts = [Script(seed, is_azure) for seed in range(170)]
        met = {(script.action, fault) for script in scripts for fault in script.faults.values() if script.count < 40}
        names = {fault for _, fault in met}
        assert names == {name for name in FAULTS if not (is_azure and name in ("error_in_200", "repeat_page"))}
        assert {action for action, _ in met} == set(ACTIONS)
        assert len(met) > len(ACTIONS) * 10


RENEWED = """
import sys
import test_faults

uri, fault, count = sys.argv[1], sys.argv[4], int(sys.argv[5])
bench = test_faults.Bench(uri, eval(sys.argv[2]), eval(sys.argv[3]))
for seed in range(count):
    test_faults.run(bench, seed, [fault] * 4 + ["503"])
bench.proxy.close()
print(sum(name == fault for name, _, _ in bench.proxy.done))
"""
#: Its schedules.
RENEWALS = max(COUNT // 6, 27)


def renew(child: Child, server: tuple[str, dict[str, Any]], credentials: dict[str, str], fault: str, environment: dict[str, str]) -> int:
    """Runs schedules of credentials that expire in a process of its own, where their source is read once; how many answers said so."""
    modules = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parent)])
    uri, options = server
    ended = child(
        RENEWED,
        uri,
        repr(options),
        repr(credentials),
        fault,
        RENEWALS,
        timeout=60 + 4 * RENEWALS,
        environment=environment | {"PYTHONPATH": modules},
    )
    expired = int(ended.stdout)
    assert expired >= RENEWALS // 2, "hardly anything expired"
    return expired


def test_credentials_that_expire_are_had_anew(tmp_path: Path, child: Child) -> None:
    uri, options = s3_server()
    asked, program, config = tmp_path / "asked", tmp_path / "keys", tmp_path / "config"
    keys = {"Version": 1, "AccessKeyId": options["access_key_id"], "SecretAccessKey": options["secret_access_key"]}
    program.write_text(f"#!/bin/sh\necho asked >>{asked}\ncat <<'END'\n{json.dumps(keys)}\nEND\n")
    program.chmod(0o700)
    config.write_text(f"[profile renewed]\ncredential_process = {program}\n")
    environment = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"), "") | {
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    expired = renew(child, (uri, options), {"profile": "renewed"}, "expired", environment)
    renewed = asked.read_text().count("asked")
    # a schedule has up to 40 of them, of which an attempt takes two
    assert renewed >= RENEWALS // 3, f"{expired} answers said that the keys have expired and {renewed} times new ones were asked for"


def test_tokens_that_expire_are_had_anew(child: Child) -> None:
    server = azure_tls_server()
    with Identity() as identity:
        expired = renew(child, server, {"credential": "default"}, "token_expired", identity.environment)
    assert len(identity.given) >= RENEWALS // 3, (
        f"{expired} answers said that the token has expired and {len(identity.given)} were asked for"
    )


def test_proxy_that_breaks_nothing_is_not_noticed(benches: list[Bench]) -> None:
    bench = benches[0]
    before = len(bench.proxy.done)
    s3dlio.put_bytes(f"{bench.uri}/through", bench.large, storage_options=bench.broken)
    assert s3dlio.get(f"{bench.uri}/through", storage_options=bench.broken) == bench.large
    assert len(bench.proxy.done) == before
