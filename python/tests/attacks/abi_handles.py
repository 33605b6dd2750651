"""Writers, queues and buffers closed and freed while other threads use them."""

from __future__ import annotations

import ctypes as c
import os
import time
from pathlib import Path

from attacks.abi_calls import CANCELLED, CLOSED, END, INVALID, NOT_FOUND, OK, PENDING, begun, expect, in_threads, opened, put, result
from s3dlio._core import _native

PRECONDITION = 3


def closed_writers(folder: Path) -> None:
    """Written by four threads at once, finalized by two, closed by two: the object is there whole or not at all."""
    data = c.create_string_buffer(b"w" * 5000, 5000)
    for uri in (b"memory://writers", f"file://{folder}/writers".encode()):
        store = opened(uri)
        for round_ in range(30):
            op = begun("writer_open", store, b"k", 1, None)
            writer = result(op)["writer"]
            expect({OK}, "op_free", op)
            codes = {OK, CLOSED, CANCELLED, INVALID, PRECONDITION}

            def attack(index: int, writer: int = writer, round_: int = round_) -> None:
                number, taken, made = c.c_uint64(0), c.c_int64(0), c.c_int64(0)
                time.sleep((round_ % 5) / 1000 * (index % 3))
                if index < 4:
                    for _ in range(20):
                        if expect(codes, "writer_write_begin", writer, data, 5000, c.byref(number)) == OK:
                            expect(codes, "op_wait", number, -1)
                            expect({OK}, "op_free", number)
                        expect(codes, "writer_counts", writer, c.byref(taken), c.byref(made))
                elif index < 6:
                    if expect(codes, "writer_finalize_begin", writer, c.byref(number)) == OK:
                        expect(codes, "op_wait", number, -1)
                        expect({OK}, "op_free", number)
                else:
                    expect({OK}, "writer_close", writer)
                    expect({CLOSED}, "writer_finalize_begin", writer, c.byref(number))

            in_threads(8, attack)
            op = begun("object_head", store, b"k", 1)
            if expect({OK, NOT_FOUND}, "op_wait", op, -1) == OK:
                assert result(op)["size"] % 5000 == 0
            expect({OK}, "op_free", op)


def closed_queues(folder: Path) -> None:
    """Operations that end into a queue while threads take from it and close it, and its descriptor is closed by its owner."""
    store = opened(b"memory://queues")
    put(store, b"k", b"x" * 100)
    for round_ in range(40):
        fd = os.eventfd(0, os.EFD_NONBLOCK)
        queue = c.c_uint64(0)
        expect({OK}, "queue_open", fd, c.byref(queue))
        number = queue.value

        def attack(index: int, number: int = number, round_: int = round_) -> None:
            ended, count = (c.c_uint64 * 16)(), c.c_uint64(0)
            for _ in range(15):
                if index < 4:
                    op = begun("object_head", store, b"k", 1)
                    expect({OK, CLOSED}, "op_notify", op, number)
                    expect({OK}, "op_wait", op, -1)
                    expect({OK}, "op_free", op)
                elif index < 7:
                    expect({OK, CLOSED}, "queue_take", number, 16, ended, c.byref(count))
                else:
                    time.sleep((round_ % 4) / 1000)
                    expect({OK}, "queue_close", number)

        in_threads(8, attack)
        os.close(fd)
        expect({CLOSED}, "queue_take", number, 16, (c.c_uint64 * 16)(), c.byref(c.c_uint64()))


def freed_buffers(folder: Path) -> None:
    """The objects of a bulk read taken by several threads, and freed twice at once."""
    store = opened(b"memory://buffers")
    for i in range(20):
        put(store, b"%02d" % i, b"b" * 1000)
    for _ in range(30):
        keys = [b"%02d" % i for i in range(20)]
        objects = (_native._Object * 20)(*(_native._Object(_native._OBJECT_SIZE, 0, store, key, 2) for key in keys))
        op = begun("objects_get", objects, 20, None)
        buffers: list[int] = []

        def take(index: int, op: int = op, buffers: list[int] = buffers) -> None:
            items = (_native._Item * 20)(_native._Item(_native._ITEM_SIZE))
            expect({OK, PENDING, CLOSED, INVALID, END}, "op_wait", op, 1 if index % 2 else -1)
            if expect({OK, PENDING, CLOSED, INVALID, END}, "op_take_items", op, 20, items) == OK:
                buffers.extend(item.buffer for item in items if item.buffer)

        in_threads(6, take)
        expect({OK}, "op_free", op)
        # whoever took them has them, once
        assert len(buffers) == len(set(buffers)) <= 20

        def free(index: int, buffers: list[int] = buffers) -> None:
            for buffer in buffers:
                expect({OK}, "buffer_free", buffer)

        in_threads(4, free)
