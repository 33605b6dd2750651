"""``timeout=`` on every call: the operation is cancelled, its buffers are free, the error says what was under way."""

from __future__ import annotations

import inspect
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import NAMES

import s3dlio

LIMIT = 0.3
#: Beyond the limit: what a loaded machine needs to cancel and to say so.
GRACE = 5.0


@pytest.fixture
def deaf() -> Iterator[dict[str, Any]]:
    """An S3 server that takes connections and never answers."""
    server = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                held.append(server.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield {
        "endpoint_url": f"http://127.0.0.1:{server.getsockname()[1]}",
        "region": "us-east-1",
        "access_key_id": "nobody",
        "secret_access_key": "nothing",
        "read_timeout": 60,
    }
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    for connection in held:
        connection.close()


#: What a rank gives to whoever finalizes.
SHARD = {"rank": 0, "key": "shards/ckpt-1-x/rank-0.bin", "size": 4, "save_id": "x"}
#: The same of a state.
STATE_SHARD = s3dlio.save_state_shard("memory://timeouts", {"a": np.ones(3)}, 1, rank=0, world_size=1, save_id="x")

CALLS: dict[str, Any] = {
    "put_bytes": lambda how: s3dlio.put_bytes("s3://b/x", b"data", **how),
    "put": lambda how: s3dlio.put("s3://b/x", b"data", **how),
    "put_file": lambda how: s3dlio.put_file(__file__, "s3://b/x", **how),
    "get_file": lambda how: s3dlio.get_file("s3://b/x", "/nowhere/x", **how),
    "get_ranges": lambda how: s3dlio.get_ranges("s3://b/x", [(0, 4), (8, 4)], **how),
    "move": lambda how: s3dlio.move("s3://b/x", "s3://b/y", **how),
    "save": lambda how: s3dlio.save("s3://b/x.npy", np.ones(4), **how),
    "load": lambda how: s3dlio.load("s3://b/x.safetensors", **how),
    "get": lambda how: s3dlio.get("s3://b/x", **how),
    "get_range": lambda how: s3dlio.get_range("s3://b/x", 0, 4, **how),
    "get_range_with_validation": lambda how: s3dlio.get_range_with_validation("s3://b/x", 0, 4, **how),
    "get_with_validation": lambda how: s3dlio.get_with_validation("s3://b/x", **how),
    "exists": lambda how: s3dlio.exists("s3://b/x", **how),
    "stat": lambda how: s3dlio.stat("s3://b/x", **how),
    "delete": lambda how: s3dlio.delete("s3://b/x", **how),
    "copy": lambda how: s3dlio.copy("s3://b/x", "s3://b/y", **how),
    "rename": lambda how: s3dlio.rename("s3://b/x", "s3://b/y", **how),
    "list": lambda how: s3dlio.list("s3://b/x", **how),
    "list_stream": lambda how: list(s3dlio.list_stream("s3://b/x", **how)),
    "get_many": lambda how: s3dlio.get_many(["s3://b/x", "s3://b/y"], **how),
    "put_many": lambda how: s3dlio.put_many([("s3://b/x", b"1")], **how),
    "stat_many": lambda how: s3dlio.stat_many(["s3://b/x"], **how),
    "upload": lambda how: s3dlio.upload(__file__, "s3://b/x/", **how),
    "download": lambda how: s3dlio.download("s3://b/x", "/nowhere", **how),
    "create_bucket": lambda how: s3dlio.create_bucket("s3://b", **how),
    "delete_bucket": lambda how: s3dlio.delete_bucket("s3://b", **how),
    "list_containers": lambda how: s3dlio.list_containers("s3://", **how),
    "list_uploads": lambda how: s3dlio.list_uploads("s3://b/x", **how),
    "abort_uploads": lambda how: s3dlio.abort_uploads("s3://b/x", **how),
    "save_numpy_array": lambda how: s3dlio.save_numpy_array("s3://b/x", np.ones(4), **how),
    "load_numpy_array": lambda how: s3dlio.load_numpy_array("s3://b/x", **how),
    "save_tensors": lambda how: s3dlio.save_tensors("s3://b/x", {"a": np.ones(4)}, **how),
    "load_tensors": lambda how: s3dlio.load_tensors("s3://b/x", **how),
    "open_tensors": lambda how: s3dlio.open_tensors("s3://b/x", **how),
    "save_checkpoint": lambda how: s3dlio.save_checkpoint("s3://b/x", 1, 0, "torch", b"data", **how),
    "load_checkpoint": lambda how: s3dlio.load_checkpoint("s3://b/x", **how),
    "load_checkpoint_with_validation": lambda how: s3dlio.load_checkpoint_with_validation("s3://b/x", **how),
    "save_distributed_shard": lambda how: s3dlio.save_distributed_shard("s3://b/x", 1, 0, "torch", b"data", 2, 0, **how),
    "finalize_distributed_checkpoint": lambda how: s3dlio.finalize_distributed_checkpoint("s3://b/x", 1, 0, "torch", [SHARD], 1, 0, **how),
    "save_state": lambda how: s3dlio.save_state("s3://b/x", {"a": np.ones(3)}, 1, **how),
    "save_state_shard": lambda how: s3dlio.save_state_shard("s3://b/x", {"a": np.ones(3)}, 1, rank=0, world_size=2, **how),
    "finalize_state": lambda how: s3dlio.finalize_state("s3://b/x", 1, [STATE_SHARD], **how),
    "load_state": lambda how: s3dlio.load_state("s3://b/x", **how),
}
#: Neither begins an operation that can wait for anything.
WITHOUT = {"configure", "presign", "mkdir"}

#: They make objects whose methods block; stores and files have the timeouts of their options.
MAKERS = {name for name in NAMES if name.startswith("create_") and name.endswith(("_writer", "_store", "_file", "_template", "_env"))} | {
    "open"
}

#: Their arguments are the original's, which has no timeouts, or they ask no server.
ORIGINAL = {
    "configure_s3",
    "configure_tokio_threads",
    "create_async_loader",
    "create_dataset",
    "create_tfrecord_index",
    "finalize_op_log",
    "generate_and_write_parquet",
    "generate_and_write_parquet_schema",
    "generate_and_write_parquet_schema_streaming",
    "generate_data",
    "generate_data_with_threads",
    "generate_into_buffer",
    "generate_npz_bytes",
    "generate_parquet_bytes",
    "generate_parquet_bytes_schema",
    "get_by_key",
    "get_many_stats",
    "get_object",
    "get_tfrecord_index_entries",
    "index_tfrecord_bytes",
    "init_logging",
    "init_op_log",
    "is_op_log_active",
    "list_full_uris",
    "list_keys",
    "list_keys_from_s3",
    "list_uris",
    "mp_get",
    "parquet_cache_clear",
    "parquet_cache_invalidate",
    "parquet_cache_len",
    "parquet_get_rg",
    "parquet_rg_row_offsets",
    "parse_s3_uri_full",
    "put_objects",
    "py_default_data_gen_threads",
    "py_total_cpus",
    "read_npz",
    "read_tfrecord_index",
    "stat_key",
    "stat_object",
    "stats",
}


def test_every_public_function_takes_a_timeout_and_is_tried_here() -> None:
    found = {name for name in NAMES if inspect.isfunction(getattr(s3dlio, name)) and not name.endswith("_async")} - ORIGINAL
    assert found - WITHOUT - MAKERS == set(CALLS)
    for name in found - {"configure"} - MAKERS:
        for twin in (getattr(s3dlio, name), getattr(s3dlio.aio, name, None) or getattr(s3dlio, f"{name}_async")):
            assert "timeout" in inspect.signature(twin).parameters, twin


@pytest.mark.parametrize("name", CALLS)
def test_call_to_a_server_that_never_answers_times_out(deaf: dict[str, Any], name: str) -> None:
    begin = time.monotonic()
    with pytest.raises(s3dlio.StoreTimeoutError) as caught:
        CALLS[name]({"timeout": LIMIT, "storage_options": deaf})
    assert LIMIT * 0.9 <= time.monotonic() - begin < LIMIT + GRACE
    assert isinstance(caught.value, TimeoutError)
    message = str(caught.value)
    assert name in message and f"timeout={LIMIT}" in message
    assert "nothing" not in message.replace("nothing was", ""), "a secret"


def test_buffers_are_free_after_a_timeout(deaf: dict[str, Any]) -> None:
    data = bytearray(b"x" * (1 << 20))
    with pytest.raises(s3dlio.StoreTimeoutError):
        s3dlio.put_bytes("s3://b/x", data, timeout=0.1, storage_options=deaf)
    data.extend(b"y")  # BufferError while anything exports it
    with pytest.raises(s3dlio.StoreTimeoutError) as caught:
        s3dlio.get("s3://b/x", timeout=0, storage_options=deaf)
    assert caught.value.uri == "s3://b/x"


def test_call_that_ends_in_time_is_not_touched(tmp_path: Path) -> None:
    store = s3dlio.Store(tmp_path)
    store.save_tensors("m", {"a": np.arange(1000)}, timeout=60)
    with store.open_tensors("m", timeout=60) as file:
        assert (file["a"].read(slice(0, 10), timeout=60) == np.arange(10)).all()
        assert (file["a"].load(timeout=60) == np.arange(1000)).all()
        assert (file.load(timeout=60)["a"] == np.arange(1000)).all()


@pytest.mark.parametrize("wrong", [-1, "1", True, float("nan")])
def test_timeout_that_is_no_time_is_refused(wrong: Any) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="timeout"):
        s3dlio.get("memory://m/x", timeout=wrong)
