"""Calls of the C ABI that watch what comes back, for the attacks on it."""

from __future__ import annotations

import ctypes as c
import json
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import abi_header

from s3dlio._core import _native

OK, PENDING, END, NOT_FOUND, INVALID, CLOSED, CANCELLED, INTERNAL = 0, -1, -2, 1, 6, 13, 12, 14
LETS_GO = {
    "store_close",
    "op_free",
    "op_abandon",
    "list_close",
    "file_close",
    "buffer_free",
    "writer_close",
    "queue_close",
    "close_behind",
    "log_close",
    "table_close",
    "table_scan_close",
    "oplog_end",
    "cache_settle",
}
NOUNS = {
    "store": "store",
    "source_store": "store",
    "op": "op",
    "list": "list",
    "file": "file",
    "buffer": "buffer",
    "writer": "writer",
    "queue": "queue",
    "log": "log",
    "table": "table",
    "scan": "table_scan",
}
STATUSES = set(abi_header.statuses().values())

Names = dict[str, int]

#: Every function that was called.
CALLED: set[str] = set()

#: Where queues write to.
EVENTS: int = os.eventfd(0, os.EFD_NONBLOCK)


def call(name: str, *arguments: Any) -> int:
    CALLED.add(name)
    status: int = getattr(_native.library(), f"s3dlio_{name}")(*arguments)
    assert status in STATUSES, f"{name} gave {status}"
    if status == INTERNAL:
        raise AssertionError(f"{name}{arguments}: {last_message()}")
    return status


def last_message() -> str:
    error = _native._Error(struct_size=c.sizeof(_native._Error))
    _native.library().s3dlio_last_error(c.byref(error))
    return (error.message or b"").decode()


def expect(allowed: set[int], name: str, *arguments: Any) -> int:
    status = call(name, *arguments)
    assert status in allowed, f"{name}{arguments} gave {status}, expected one of {allowed}: {last_message()}"
    return status


def begun(name: str, *arguments: Any) -> int:
    number = c.c_uint64(0)
    expect({OK}, f"{name}_begin", *arguments, c.byref(number))
    return number.value


def opened(uri: bytes) -> int:
    number = c.c_uint64(0)
    expect({OK}, "store_open", uri, None, c.byref(number))
    return number.value


def result(op: int) -> Any:
    expect({OK}, "op_wait", op, -1)
    answer = _native._Result(struct_size=c.sizeof(_native._Result))
    expect({OK}, "op_result", op, c.byref(answer))
    return json.loads(c.string_at(answer.json, answer.json_length)) if answer.json else None


def put(store: int, key: bytes, data: bytes) -> None:
    expect({OK}, "object_put", store, key, len(key), data, len(data), None)


def alive() -> None:
    """An ordinary program still works."""
    store, got, size = opened(b"memory://alive"), c.create_string_buffer(8), c.c_uint64(0)
    put(store, b"k", b"12345678")
    expect({OK}, "object_get", store, b"k", 1, got, 8, c.byref(size))
    assert (got.raw, size.value) == (b"12345678", 8)
    expect({OK}, "store_close", store)


def in_threads(count: int, body: Callable[[int], None]) -> None:
    """Runs the body side by side; a failure of any is the caller's."""
    failures: list[BaseException] = []

    def guarded(index: int) -> None:
        try:
            body(index)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def one_of_each(folder: Path) -> Names:
    """Ids of all nouns, each in use."""
    store = opened(f"file://{folder}/each".encode())
    put(store, b"k", b"x" * 16)
    op = begun("array_save", store, b"a.npy", 5, b'{"descr":"\'<f4\'","shape":[4]}', b"y" * 16, 16, None)
    result(op)
    cursor = c.c_uint64(0)
    expect({OK}, "list_open", store, b"", 0, None, c.byref(cursor))
    array = begun("array_open", store, b"a.npy", 5)
    taken = (_native._Item * 1)(_native._Item(_native._ITEM_SIZE))
    many = begun("objects_get", (_native._Object * 1)(_native._Object(_native._OBJECT_SIZE, 0, store, b"k", 1)), 1, None)
    result(many)
    expect({OK}, "op_take_items", many, 1, taken)
    expect({OK}, "op_free", many)
    writer = begun("writer_open", store, b"w", 1, None)
    queue = c.c_uint64(0)
    expect({OK}, "queue_open", EVENTS, c.byref(queue))
    ids = {"store": store, "op": op, "list": cursor.value, "file": result(array)["file"], "buffer": taken[0].buffer}
    log = begun("log_open", f"file://{folder}/log".encode(), b'{"mode":"a"}')
    table = result(begun("table_open", f"file://{folder}/table".encode(), b'{"mode":"a","dimension":4}'))["table"]
    ids |= {"table": table, "table_scan": result(begun("table_scan_open", table))["table_scan"]}
    return {**ids, "writer": result(writer)["writer"], "queue": queue.value, "log": result(log)["log"]}


def is_pointer(kind: Any) -> bool:
    return kind in (c.c_char_p, c.c_void_p) or hasattr(kind, "contents")


def names_of(function: str) -> list[str]:
    return [parameter.name for parameter in abi_header.functions()[f"s3dlio_{function}"][1]]


BUFFERS = {"data": c.create_string_buffer(16), "segment": _native.segments([]), "ints": _native.integers([0, 1, 1])}
_one_segment = (_native._Segment * 1)(_native._Segment(_native._SEGMENT_SIZE, 0, c.addressof(BUFFERS["data"]), 16))
_one_read = (_native._TensorRead * 1)(_native._TensorRead(_native._TENSOR_READ_SIZE, 0, c.addressof(BUFFERS["data"]), 16, 0))
_one_range = (_native._ObjectRead * 1)(_native._ObjectRead(_native._OBJECT_READ_SIZE, 0, c.addressof(BUFFERS["data"]), 16, 0, 0, 0, 0))
#: A name that an op log can be written under.
OPLOG = f"{tempfile.mkdtemp()}/oplog.tsv.zst".encode()
SHARD = b'{"rank":0,"key":"shards/x","size":16}'


def good(function: str, ids: Names) -> list[Any]:
    """Arguments that are right as far as types go."""
    made: list[Any] = []
    # the call before may have deleted it
    put(ids["store"], b"k", b"x" * 16)
    if function.startswith("checkpoint_"):
        put(ids["store"], b"shards/x", b"x" * 16)
    for name, kind in zip(names_of(function), _native._FUNCTIONS[function], strict=True):
        if name in NOUNS:
            made.append(ids[NOUNS[name]])
        elif name == "path" and function == "oplog_begin":
            made.append(OPLOG)
        elif name in ("key", "source_key", "path", "prefix"):
            made.append(b"k")
        elif name in ("key_length", "source_key_length", "path_length", "prefix_length", "count", "object_count", "rank"):
            made.append(1)
        elif name in ("length", "capacity"):
            made.append(16)
        elif name in ("number", "offset", "tensor", "timeout_ms", "crc32c", "first", "most", "most_bytes"):
            made.append(1 if function == "table_scan_next_begin" else 0)
        elif name in ("seed", "epoch", "block", "window"):
            made.append(0)
        elif name == "samples":
            made.append(1)
        elif name == "event_fd":
            made.append(EVENTS)
        elif name == "handle":
            made.append(0)
        elif name == "out_ops":
            made.append((c.c_uint64 * 64)())
        elif name == "program":
            made.append(b"")
        elif name == "uri":
            # the checkpoints of a store have no address beside their key
            made.append(None if function == "table_checkpoints_begin" else b"memory://good")
        elif name == "session":
            made.append(b"s")
        elif name == "serial":
            made.append(-1)
        elif name == "skip":
            made.append(0)
        elif name == "live":
            made.append(0.5)
        elif name == "keys":
            made.append(BUFFERS["ints"])
        elif name == "gradients":
            made.append(c.cast(BUFFERS["data"], c.POINTER(c.c_float)))
        elif name == "header_json":
            made.append(b'{"descr":"\'<f4\'","shape":[4]}')
        elif name == "description_json":
            made.append(b'{"tensors":[{"name":"w","dtype":"F32","shape":[4]}]}')
        elif name == "step":
            made.append(1)
        elif name == "shard_json":
            made.append(SHARD if function == "checkpoint_read_begin" else b'{"step":1,"rank":0,"save_id":"good"}')
        elif name == "checkpoint_json":
            validates = function == "checkpoint_validate_begin"
            made.append(b'{"shards":[' + SHARD + (b"]}" if validates else b'],"step":1,"framework":"f","world_size":1,"save_id":"good"}'))
        elif name == "options_json":
            made.append(None)
        elif name == "data":
            made.append(BUFFERS["data"])
        elif name == "segments":
            made.append(_one_segment)
        elif name == "reads":
            made.append(_one_read)
        elif name == "ranges":
            made.append(_one_range)
        elif name in ("objects", "sources"):
            made.append((_native._Object * 1)(_native._Object(_native._OBJECT_SIZE, 0, ids["store"], b"k", 1)))
        elif name == "name":
            made.append(b"c")
        elif name in ("starts", "stops", "steps", "ends", "numbers"):
            made.append(BUFFERS["ints"])
        else:
            assert name.startswith("out_"), f"{function} has a parameter {name} that this test does not know"
            cell = kind._type_()
            if hasattr(cell, "struct_size"):
                cell.struct_size = c.sizeof(cell)
            made.append(c.pointer(cell))
    return made


def finish(function: str, arguments: list[Any], status: int) -> int:
    """Waits for what a call began, and frees it; gives the status in the end."""
    if status == OK and function.endswith("_begin") and function != "oplog_begin":
        number = arguments[-1].contents.value
        status = call("op_wait", number, 10_000)
        assert status != PENDING, function
        expect({OK}, "op_free", number)
    if status == OK and function == "oplog_begin":
        expect({OK}, "oplog_end")
    return status
