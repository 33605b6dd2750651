"""Handles closed and freed while other threads use them, and random calls from eight threads."""

from __future__ import annotations

import ctypes as c
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from attacks.abi_calls import (
    CANCELLED,
    CLOSED,
    END,
    EVENTS,
    INTERNAL,
    NOUNS,
    OK,
    PENDING,
    SHARD,
    STATUSES,
    begun,
    call,
    expect,
    in_threads,
    last_message,
    names_of,
    opened,
    put,
    result,
)
from attacks.abi_inputs import BAD_ARRAYS, BAD_UTF8
from s3dlio._core import _native

SEED = 20240229
SECONDS = 2.0


def freed_operations(folder: Path) -> None:
    """Freed twice at once, waited for by many meanwhile, cancelled and asked after the end."""
    store = opened(f"file://{folder}".encode())
    data = bytes(8 << 20)
    address, length = c.cast(data, c.c_void_p).value, len(data)
    assert address is not None
    for round_ in range(60):
        op = begun("object_put", store, b"k", 1, _native.segments([(address, length)]), 1, None)
        answer = _native._Result(struct_size=c.sizeof(_native._Result))

        def attack(index: int, op: int = op, answer: Any = answer, round_: int = round_) -> None:
            time.sleep((round_ % 7) / 1000 * (index % 2))
            if index < 3:
                expect({OK, CANCELLED, CLOSED}, "op_wait", op, -1)
            elif index < 6:
                expect({OK}, "op_free", op)
                expect({CLOSED}, "op_wait", op, 0)
            elif index == 6:
                expect({OK, CLOSED}, "op_cancel", op)
            else:
                expect({OK, PENDING, CANCELLED, CLOSED}, "op_result", op, c.byref(answer))

        in_threads(8, attack)


def closed_lists(folder: Path) -> None:
    """Lists used by four threads and closed by two."""
    store = opened(b"memory://lists")
    for i in range(2000):
        put(store, b"%05d" % i, b"")
    for _ in range(100):
        cursor = c.c_uint64(0)
        expect({OK}, "list_open", store, b"", 0, b'{"page_size":3}', c.byref(cursor))
        number = cursor.value

        def attack(index: int, number: int = number) -> None:
            if index >= 6:
                time.sleep(0.002)
                expect({OK}, "list_close", number)
                expect({CLOSED}, "list_page_begin", number, c.byref(c.c_uint64()))
            for _ in range(200):
                if index % 2:
                    entry = _native._Entry(struct_size=c.sizeof(_native._Entry))
                    if expect({OK, END, CLOSED, CANCELLED}, "list_next", number, c.byref(entry)) == CLOSED:
                        return
                else:
                    op = c.c_uint64(0)
                    if expect({OK, CLOSED}, "list_page_begin", number, c.byref(op)) == CLOSED:
                        return
                    expect({OK}, "op_cancel", op) if index == 2 else None
                    expect({OK, CLOSED, CANCELLED}, "op_wait", op, -1)
                    expect({OK}, "op_free", op)

        in_threads(8, attack)
    # half a listing never passes as a whole one
    expect({OK}, "list_open", store, b"", 0, b'{"page_size":3}', c.byref(cursor))
    for _ in range(1000):
        op = begun("list_page", cursor.value)
        expect({OK}, "op_cancel", op)
        status = expect({OK, CANCELLED}, "op_wait", op, -1)
        expect({OK}, "op_free", op)
        if status == CANCELLED:
            break
    for _ in range(3 if status == CANCELLED else 0):
        entry = _native._Entry(struct_size=c.sizeof(_native._Entry))
        status = call("list_next", cursor, c.byref(entry))
        # cancelled before it began: the listing goes on; later: it never ends well
        assert status in (OK, CANCELLED), status


def closed_files(folder: Path) -> None:
    """A file closed while reads run on it, and other files opened at once that get its descriptor's number."""
    store = opened(f"file://{folder}".encode())
    count = 16 << 20
    data = b"\x11" * count
    shape = json.dumps({"descr": "'|u1'", "shape": [count]}).encode()
    op = begun("array_save", store, b"a.npy", 5, shape, data, count, None)
    result(op)
    expect({OK}, "op_free", op)
    other = folder / "other"
    other.write_bytes(b"\x22" * count)
    for _ in range(20):
        op = begun("array_open", store, b"a.npy", 5)
        number = result(op)["file"]
        expect({OK}, "op_free", op)
        targets = [c.create_string_buffer(count) for _ in range(2)]
        reads = [begun("array_read", number, target, count, b'{"validate":false}') for target in targets]
        time.sleep(0.001)
        expect({OK}, "file_close", number)
        others = [os.open(other, os.O_RDONLY) for _ in range(8)]
        for read, target in zip(reads, targets, strict=True):
            expect({OK, CLOSED}, "op_wait", read, -1)
            expect({OK}, "op_free", read)
            assert b"\x22" not in target.raw, "bytes of another file"
        for fd in others:
            os.pread(fd, 1, 0)
            os.close(fd)
        expect({CLOSED}, "array_read_begin", number, targets[0], count, None, c.byref(c.c_uint64()))
    # an open that is freed before its result was taken leaves no descriptor behind
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        op = begun("array_open", store, b"a.npy", 5)
        expect({OK}, "op_wait", op, -1)
        expect({OK}, "op_free", op)
    assert len(os.listdir("/proc/self/fd")) == before


def closed_stores(folder: Path) -> None:
    """A store closed while operations run on it."""
    data = bytes(16 << 20)
    address, length = c.cast(data, c.c_void_p).value, len(data)
    assert address is not None
    for uri in (b"memory://closed", f"file://{folder}".encode()):
        for _ in range(10):
            store = opened(uri)
            ops = [begun("object_put", store, b"k%d" % i, 2, _native.segments([(address, length)]), 1, None) for i in range(3)]
            expect({OK}, "store_close", store)
            expect({CLOSED}, "object_exists", store, b"k0", 2, c.byref(c.c_int32()))
            for op in ops:
                expect({OK}, "op_wait", op, -1)
                expect({OK}, "op_free", op)


def random_calls(folder: Path) -> None:
    """Eight threads call anything with any id for a while. Only stores that nobody misses are ever opened."""
    uris = [b"memory://random", b"memory://random/below", f"file://{folder}/random".encode()]
    print(f"seed {SEED}")
    counts = [0] * 8
    for uri in uris:
        opened(uri)
    # before the time begins: on a busy machine it may take all of it
    kinds = {function: list(zip(names_of(function), declared, strict=True)) for function, declared in _native._FUNCTIONS.items()}
    end = time.monotonic() + SECONDS
    # destinations outlive everything: operations of one thread are freed by others
    keep: list[Any] = []

    def attack(index: int) -> None:
        chance = random.Random(SEED + index)
        lib = _native.library()
        buffer = c.create_string_buffer(1 << 16)
        segments = (_native._Segment * 4)(
            *(_native._Segment(_native._SEGMENT_SIZE, 0, c.addressof(buffer), 1 << size) for size in (0, 4, 12, 16))
        )
        reads = (_native._TensorRead * 4)(
            *(_native._TensorRead(_native._TENSOR_READ_SIZE, 0, c.addressof(buffer), 16, at) for at in range(4))
        )
        ranges = (_native._ObjectRead * 4)(
            *(_native._ObjectRead(_native._OBJECT_READ_SIZE, 0, c.addressof(buffer), 16, 0, at, 0, at % 2) for at in range(4))
        )
        indices, indices_found = (c.c_int64 * 1_000_001)(), (c.c_uint8 * 1_000_001)()
        keep.append((buffer, segments, reads, ranges))
        highest = 8

        def argument(name: str, kind: Any) -> Any:
            if name in NOUNS or name == "handle":
                return chance.choice(
                    [0, 2**64 - 1, chance.randrange(1, 5), chance.randrange(highest + 8), max(0, highest - chance.randrange(40))]
                )
            if name in ("key", "source_key", "path", "prefix"):
                return chance.choice([b"a\0\0\0", b"b/c\0", b"\xff\xff\xff\xff", b"../x", b"a/..", b"////"])
            if name in ("key_length", "source_key_length", "path_length", "prefix_length"):
                return chance.choice([0, 1, 1, 3, 4, 2**63, 2**64 - 1])
            if name == "event_fd":
                return chance.choice([EVENTS, -1, -(2**31)])
            if name == "out_ops":
                return (c.c_uint64 * 4)()
            if name == "uri":
                return chance.choice([*uris, b"", b"x://y", b"memory://\xff", None])
            if name == "options_json":
                return chance.choice(
                    [None, None, b"{}", b'{"overwrite":false}', b'{"recursive":true}', b"{", b'{"page_size":1}', *BAD_UTF8]
                )
            if name == "header_json":
                return chance.choice([b'{"descr":"\'|u1\'","shape":[16]}', json.dumps(chance.choice(BAD_ARRAYS[:5])).encode()])
            if name == "description_json":
                return chance.choice([b'{"tensors":[{"name":"w","dtype":"U8","shape":[16]}]}', b'{"tensors":[]}', b"{", None])
            if name == "program":
                return chance.choice([b"", b"relative", b"/nowhere/program", None])
            if name == "step":
                return chance.choice([0, 1, -1, 2**63 - 1])
            if name == "shard_json":
                return chance.choice([SHARD, b'{"step":1,"rank":0}', b'{"step":1,"rank":0,"save_id":"a","compression":"zstd"}', b"{", None])
            if name == "checkpoint_json":
                return chance.choice([b'{"manifest_key":"manifests/ckpt-1-a.json"}', b'{"shards":[' + SHARD + b"]}", b"{", None])
            if name in ("length", "capacity", "offset"):
                return chance.choice([0, 1, 16, 4096, 65536, 2**63, 2**64 - 1])
            if name in ("count", "object_count", "rank"):
                return chance.choice([0, 1, 1, 2, 4, 1_000_001, 2**64 - 1]) if name != "rank" else chance.choice([0, 1, 1, 3, 65, 2**63])
            if name in ("starts", "stops", "steps"):
                return _native.integers([chance.choice([0, 1, -1, 16, 2**62, -(2**63)]) for _ in range(3)])
            if name in ("ends", "numbers"):
                return _native.integers([chance.choice([0, 1, -1, 16, 2**62]) for _ in range(4)])
            if name in ("first", "most", "most_bytes"):
                return chance.choice([0, 1, -1, 2**62, -(2**63)])
            if name == "name":
                return chance.choice([b"c", b"", b"../c", None])
            if name == "data":
                return chance.choice([buffer, buffer, buffer, None])
            if name == "keys":
                return indices
            if name == "gradients":
                return c.cast(buffer, c.POINTER(c.c_float))
            if name == "session":
                return chance.choice([b"s", b"", b"\xff", b"x" * 65, None])
            if name in ("serial", "skip"):
                return chance.choice([0, 1, -1, 5])
            if name == "live":
                return chance.choice([0.0, 0.5, 1.0, -1.0, float("nan")])
            if name == "out_found":
                return indices_found
            if name == "segments":
                return segments
            if name == "reads":
                return reads
            if name == "ranges":
                return ranges
            if name in ("objects", "sources"):
                stores = [chance.randrange(highest + 8) for _ in range(4)]
                return (_native._Object * 4)(*(_native._Object(_native._OBJECT_SIZE, 0, store, b"a", 1) for store in stores))
            if name == "out_items":
                return (_native._Item * 4)(_native._Item(_native._ITEM_SIZE))
            if name in ("tensor", "number"):
                return chance.choice([0, 1, 2**31, 2**32 - 1 if name == "number" else 2**64 - 1])
            if name in ("samples", "epoch", "block", "window"):
                return chance.choice([0, 1, 2, 7, 4096, 2**62, -1, -(2**63)])
            if name == "seed":
                return chance.choice([0, 1, 2**64 - 1])
            if name == "out_indices":
                return chance.choice([indices, indices, None])
            if name == "crc32c":
                return chance.choice([0, 1, 2**32 - 1])
            if name == "timeout_ms":
                return chance.choice([0, 1, 5, -1])
            cell = kind._type_()
            if hasattr(cell, "struct_size"):
                cell.struct_size = chance.choice([0, c.sizeof(cell), c.sizeof(cell), c.sizeof(cell), c.sizeof(cell) - 1])
            return chance.choice([c.pointer(cell)] * 9 + [None])

        # an op log goes to whatever path it is given
        functions = [function for function in kinds if function != "oplog_begin"]
        while time.monotonic() < end:
            function = chance.choice(functions)
            arguments = [argument(name, kind) for name, kind in kinds[function]]
            keep_alive.append(arguments)
            status = getattr(lib, f"s3dlio_{function}")(*arguments)
            assert status in STATUSES, (function, status)
            if status == INTERNAL:
                raise AssertionError(f"{function}{arguments}: {last_message()}")
            out = arguments[-1] if arguments else None
            if status == OK and kinds[function] and kinds[function][-1][0] in ("out_op", "out_store", "out_list", "out_queue"):
                highest = max(highest, out.contents.value)
            counts[index] += 1

    keep_alive: list[Any] = []
    in_threads(8, attack)
    print(f"{sum(counts)} calls")
    assert sum(counts) > 500, counts
