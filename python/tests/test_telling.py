"""What goes on behind calls is told: to the log, in numbers by store, and to OpenTelemetry."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import logging
import sys
import threading
import time
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Child, takes_direct

import s3dlio
from s3dlio import telemetry
from s3dlio.errors import CheckpointWarning, NotFoundError, UnavailableError

SECRET, TOKEN = "PlantedSecretKeyOfTheLog", "PlantedTokenOfTheLog"


class _Flaky(http.server.BaseHTTPRequestHandler):
    """An S3 object whose server fails as often as it is told to, and repeats in its answer what it was sent."""

    protocol_version = "HTTP/1.1"
    failures = 0
    data = b"0123456789"

    def do_GET(self) -> None:
        if type(self).failures > 0:
            type(self).failures -= 1
            self._answer(503, f"<Error><Code>SlowDown</Code><Message>not now: {self.headers}</Message></Error>".encode())
        else:
            self._answer(200, self.data)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", '"e"')
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def flaky() -> Iterator[tuple[type[_Flaky], s3dlio.Store]]:
    handler = type("Flaky", (_Flaky,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options: Any = {
        "endpoint_url": f"http://127.0.0.1:{server.server_port}",
        "region": "r1",
        "access_key_id": "me",
        "secret_access_key": SECRET,
        "session_token": TOKEN,
        "max_attempts": 4,
    }
    yield handler, s3dlio.Store(f"s3://telling-{uuid.uuid4()}", storage_options=options)
    server.shutdown()
    server.server_close()


def test_retries_are_told_with_levels_and_without_secrets(flaky: Any, caplog: pytest.LogCaptureFixture) -> None:
    handler, store = flaky
    caplog.set_level(logging.DEBUG, "s3dlio")
    handler.failures = 3
    assert store.get("key") == b"0123456789"
    told = [record for record in caplog.records if record.name == "s3dlio" and "attempt" in record.getMessage()]
    assert [record.levelno for record in told] == [logging.INFO, logging.WARNING, logging.WARNING]
    assert all(
        record.getMessage().startswith(f"{store.uri}key: attempt {i} failed, the next comes in ") for i, record in enumerate(told, 1)
    )
    assert "SlowDown" in told[0].getMessage()
    # a call that fails tells what came before, too
    handler.failures = 99
    with pytest.raises(UnavailableError):
        store.get("key")
    assert len([record for record in caplog.records if "attempt" in record.getMessage()]) == 6
    for secret in (SECRET, TOKEN):
        assert secret not in caplog.text


def test_retries_are_told_while_the_call_waits(flaky: Any, caplog: pytest.LogCaptureFixture) -> None:
    handler, store = flaky
    caplog.set_level(logging.INFO, "s3dlio")
    handler.failures = 99
    seen: list[str] = []

    def look() -> None:
        end = time.monotonic() + 10
        while not seen and time.monotonic() < end:
            seen.extend(record.getMessage() for record in list(caplog.records) if "attempt 1" in record.getMessage())
            time.sleep(0.01)

    slow = s3dlio.Store(store.uri, storage_options={**store._root.options, "max_attempts": 8})
    looking = threading.Thread(target=look)
    looking.start()
    with pytest.raises(s3dlio.errors.S3dlioError):
        slow.get("key", timeout=8)
    looking.join()
    assert seen


def test_retries_in_an_event_loop_are_told(flaky: Any, caplog: pytest.LogCaptureFixture) -> None:
    handler, store = flaky
    caplog.set_level(logging.INFO, "s3dlio")
    handler.failures = 2
    assert asyncio.run(store.aio.get("key")) == b"0123456789"
    assert len([record for record in caplog.records if "attempt" in record.getMessage()]) == 2


def test_handler_that_uses_the_package_is_no_endless_loop(flaky: Any) -> None:
    handler, store = flaky
    seen: list[str] = []

    class Uploading(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())
            handler.failures = 1
            store.get("other")

    log = logging.getLogger("s3dlio")
    own, level = Uploading(), log.level
    log.addHandler(own)
    log.setLevel(logging.INFO)
    try:
        handler.failures = 1
        store.get("key")
    finally:
        log.removeHandler(own)
        log.setLevel(level)
    assert 1 <= len(seen) <= 3


def test_fallback_of_o_direct_is_told_once(tmp_path: Path, child: Child) -> None:
    place = Path("/dev/shm")
    if not place.is_dir() or takes_direct(place):
        pytest.skip("there is no file system that refuses O_DIRECT")
    folder = place / f"s3dlio-{uuid.uuid4()}"
    script = """
import logging, s3dlio, sys
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
for _ in range(3):
    s3dlio.put(f"direct://{sys.argv[1]}/a", b"1", storage_options={"direct_fallback": True})
"""
    try:
        told = child(script, folder).stdout.splitlines()
    finally:
        (folder / "a").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
    assert told == [
        f"WARNING s3dlio direct://{folder}/a: the file system refuses O_DIRECT; the page cache is used, as direct_fallback allows"
    ]


def test_skipped_checkpoints_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for step in (1, 2):
        s3dlio.checkpoint.save(tmp_path, {"w": np.ones(100)}, step)
    newest = max((tmp_path / "shards").rglob("rank-0*"), key=lambda file: file.stat().st_mtime_ns)
    data = newest.read_bytes()
    newest.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.warns(CheckpointWarning):
        assert s3dlio.checkpoint.load(tmp_path, on_damage="previous").step == 1
    assert [record.levelno for record in caplog.records if record.name == "s3dlio" and "passed over" in record.getMessage()] == [
        logging.WARNING
    ]


def test_log_is_quiet_until_a_program_listens(child: Child) -> None:
    # a child fails where anything is written to stderr
    child("import s3dlio, logging; s3dlio.put('memory://a/b', b'1'); logging.getLogger('s3dlio').warning('nobody hears this')")


def test_stats_count_requests_retries_and_bytes_by_store(flaky: Any) -> None:
    handler, store = flaky
    handler.failures = 2
    store.get("key")
    found = s3dlio.stats()[store.uri]
    assert (found.requests, found.retries, found.bytes_written, found.cache_hits) == (3, 2, 0, 0)
    assert 10 <= found.bytes_read <= 5000
    store.put("key", b"x" * 1000)
    later = s3dlio.stats()[store.uri] - found
    assert (later.requests, later.retries, later.bytes_written) == (1, 0, 1000)


def test_stats_of_files_and_memory_are_calls(tmp_path: Path) -> None:
    def of(uri: str) -> s3dlio.types.StoreStats:
        return s3dlio.stats().get(uri, s3dlio.types.StoreStats())

    before = of("file:///")
    s3dlio.put(tmp_path / "a", b"12345")
    s3dlio.get_range(tmp_path / "a", 1, 2)
    s3dlio.stat(tmp_path / "a")
    now = of("file:///") - before
    assert (now.requests, now.retries, now.bytes_read, now.bytes_written) == (3, 0, 2, 5)
    name = f"memory://{uuid.uuid4()}/"
    assert name not in s3dlio.stats()
    with pytest.raises(NotFoundError):
        s3dlio.get(name + "none")
    assert of(name).requests == 1 and asyncio.run(s3dlio.aio.stats()) == s3dlio.stats()


def test_stats_count_frames_that_memory_had() -> None:
    name = f"memory://{uuid.uuid4()}/"
    data = np.random.default_rng(0).integers(0, 8, 3 << 20, np.uint8)
    s3dlio.save_numpy_array(name + "a.npy", data, compress=True)
    with s3dlio.open(name + "a.npy.zst", decompress=True, buffering=0) as file:
        before = s3dlio.stats()[name]
        for offset in range(0, 1000, 100):
            file.seek(offset)
            file.read(10)
        # of one frame, which is fetched and decoded once
        spent = s3dlio.stats()[name] - before
        assert spent.cache_hits == 9 and 0 < spent.bytes_read < data.nbytes


def test_stats_of_a_forked_child_begin_anew(child: Child) -> None:
    child("""
import os, s3dlio
s3dlio.put("memory://stats-fork/a", b"1")
assert s3dlio.stats()["memory://stats-fork/"].requests == 1
pid = os.fork()
if pid == 0:
    os._exit(0 if "memory://stats-fork/" not in s3dlio.stats() else 1)
assert os.waitpid(pid, 0)[1] == 0
""")


class _FakeSpan:
    def __init__(self, name: str, attributes: dict[str, str], parent: _FakeSpan | None) -> None:
        self.name, self.attributes, self.parent = name, attributes, parent
        self.error: BaseException | None = None
        self.ended = False


class _FakeTelemetry:
    """Modules with OpenTelemetry's API, which keep what they are told."""

    def __init__(self) -> None:
        self.spans: list[_FakeSpan] = []
        self.current: list[_FakeSpan] = []
        self.counters: dict[str, Any] = {}
        self.scopes: list[tuple[str, Any]] = []
        trace, metrics = types.ModuleType("opentelemetry.trace"), types.ModuleType("opentelemetry.metrics")

        def get_tracer(name: str, version: str | None = None, provider: Any = None) -> Any:
            self.scopes.append((name, provider))
            return types.SimpleNamespace(start_as_current_span=self.start)

        def get_meter(name: str, version: str | None = None, provider: Any = None) -> Any:
            return types.SimpleNamespace(create_observable_counter=self.count)

        trace.get_tracer = get_tracer  # type: ignore[attr-defined]
        metrics.get_meter = get_meter  # type: ignore[attr-defined]
        metrics.Observation = lambda value, attributes=None: (value, attributes)  # type: ignore[attr-defined]
        package = types.ModuleType("opentelemetry")
        package.__path__ = []
        self.modules = {"opentelemetry": package, "opentelemetry.trace": trace, "opentelemetry.metrics": metrics}

    @contextlib.contextmanager
    def start(self, name: str, attributes: dict[str, str] | None = None, **_: Any) -> Iterator[_FakeSpan]:
        span = _FakeSpan(name, attributes or {}, self.current[-1] if self.current else None)
        self.spans.append(span)
        self.current.append(span)
        try:
            yield span
        except BaseException as error:
            span.error = error
            raise
        finally:
            span.ended = True
            self.current.remove(span)

    def count(self, name: str, callbacks: Any, unit: str = "", description: str = "") -> None:
        self.counters[name] = (callbacks[0], unit)

    def read(self, name: str) -> dict[tuple[str, ...], int]:
        return {tuple(attributes.values()): value for value, attributes in self.counters[name][0](None)}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[_FakeTelemetry]:
    made = _FakeTelemetry()
    for name, module in made.modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    telemetry.instrument()
    yield made
    telemetry.uninstrument()


def test_each_call_is_a_span_with_its_address_and_error(fake: _FakeTelemetry, tmp_path: Path) -> None:
    s3dlio.put("memory://spans/a", b"1")
    with pytest.raises(NotFoundError):
        s3dlio.Store("memory://spans").get("none")
    assert asyncio.run(s3dlio.aio.get("memory://spans/a")) == b"1"
    assert [(span.name, span.attributes) for span in fake.spans] == [
        ("s3dlio.put", {"s3dlio.address": "memory://spans/a"}),
        ("s3dlio.get", {"s3dlio.address": "memory://spans/none"}),
        ("s3dlio.aio.get", {"s3dlio.address": "memory://spans/a"}),
    ]
    assert isinstance(fake.spans[1].error, NotFoundError) and fake.spans[0].error is None and all(span.ended for span in fake.spans)
    telemetry.uninstrument()
    s3dlio.get("memory://spans/a")
    assert len(fake.spans) == 3 and fake.read("s3dlio.requests") == {}


def test_spans_hold_no_secrets_of_wrong_addresses(fake: _FakeTelemetry) -> None:
    for address in (
        "s3://bucket/key?X-Amz-Signature=secret",
        "s3://me:secret@host/key",
        "https://account.blob.core.windows.net/c/k?sv=1&sig=secret",
    ):
        with pytest.raises(s3dlio.errors.InvalidArgumentError):
            s3dlio.get(address, timeout=5)
    assert len(fake.spans) == 3 and not any("secret" in repr(span.attributes) for span in fake.spans)


def test_counters_are_those_of_stats(fake: _FakeTelemetry, flaky: Any) -> None:
    handler, store = flaky
    handler.failures = 1
    store.get("key")
    store.put("key", b"x" * 100)
    found = s3dlio.stats()[store.uri]
    assert fake.read("s3dlio.requests")[(store.uri,)] == found.requests == 3
    assert fake.read("s3dlio.retries")[(store.uri,)] == 1
    assert fake.read("s3dlio.io")[(store.uri, "write")] == 100 and fake.read("s3dlio.io")[(store.uri, "read")] == found.bytes_read
    assert fake.counters["s3dlio.io"][1] == "By" and (store.uri,) in fake.read("s3dlio.cache.hits")
    # reading them is no call of the program
    assert not any(span.name == "s3dlio.stats" and span.parent for span in fake.spans)
    assert [span.name for span in fake.spans].count("s3dlio.stats") == 1


def test_second_instrument_takes_the_place_of_the_first(fake: _FakeTelemetry) -> None:
    first = dict(fake.counters)
    provider = object()
    telemetry.instrument(tracer_provider=provider)
    s3dlio.put("memory://spans/b", b"1")
    assert len(fake.spans) == 1 and fake.scopes[-1] == ("s3dlio", provider)
    assert list(first["s3dlio.requests"][0](None)) == [] and fake.read("s3dlio.requests")


def test_package_of_opentelemetry_gets_spans_and_counters() -> None:
    pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, reader, tracers, name = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider(), f"memory://{uuid.uuid4()}/"
    tracers.add_span_processor(SimpleSpanProcessor(spans))

    async def step() -> None:
        with tracers.get_tracer("program").start_as_current_span("step"):
            await s3dlio.aio.get(name + "a")

    telemetry.instrument(tracer_provider=tracers, meter_provider=MeterProvider([reader]))
    try:
        s3dlio.put(name + "a", b"123")
        with pytest.raises(NotFoundError):
            s3dlio.get(name + "none")
        asyncio.run(step())
        told = reader.get_metrics_data()
    finally:
        telemetry.uninstrument()
    s3dlio.get(name + "a")
    put, missed, awaited, program = spans.get_finished_spans()
    assert [span.name for span in (put, missed, awaited)] == ["s3dlio.put", "s3dlio.get", "s3dlio.aio.get"]
    assert dict(put.attributes) == {"s3dlio.address": name + "a"} and put.status.is_unset and awaited.status.is_unset
    assert not missed.status.is_ok and [event.attributes["exception.type"] for event in missed.events] == [
        "s3dlio.exceptions.NotFoundError"
    ]
    assert awaited.parent.span_id == program.context.span_id and put.parent is None
    found = {
        (metric.name, *sorted(point.attributes.values())): (point.value, metric.unit)
        for resource in told.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if point.attributes["s3dlio.store"] == name
    }
    assert found == {
        ("s3dlio.requests", name): (3, "{request}"),
        ("s3dlio.retries", name): (0, "{request}"),
        ("s3dlio.io", name, "read"): (3, "By"),
        ("s3dlio.io", name, "write"): (3, "By"),
        ("s3dlio.cache.hits", name): (0, "{read}"),
    }


def test_instrument_without_the_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    with pytest.raises(ImportError, match="opentelemetry"):
        telemetry.instrument()
