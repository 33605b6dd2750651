"""LMDB by python3-lmdb: records under keys of eight bytes. It has no checksums of data."""

from __future__ import annotations

import itertools
import shutil
import struct
from typing import Any

import lmdb
import numpy as np
from contest import Operation
from scene import Scene

from rivals import ours_table

NAME = "LMDB"
VERSION = ".".join(map(str, lmdb.version()))

SMALL, MIDDLE, LARGE, BATCH = 64, 256, 1024, 1024
_KEY = struct.Struct(">Q").pack


def _putting(scene: Scene, record: bytes) -> Operation:
    paths = (scene.path(f"lmdb-{i}") for i in itertools.count())
    held: list[Any] = []

    def before() -> None:
        if held:
            environment, path = held.pop()
            environment.close()
            shutil.rmtree(path)
        path = next(paths)
        held.append((lmdb.open(path, map_size=4 << 30), path))

    def run() -> None:
        with held[0][0].begin(write=True) as transaction:
            put = transaction.put
            for number in range(scene.calls):
                put(_KEY(number), record, append=True)

    return Operation(run=run, before=before, calls=scene.calls)


def append(scene: Scene) -> Operation:
    """One put for each record in one transaction, in the order of the keys, which is its fastest way."""
    return _putting(scene, bytes(range(SMALL)))


def batches(scene: Scene) -> Operation:
    return _putting(scene, bytes(range(MIDDLE)))


def commit(scene: Scene) -> Operation:
    """A record of 128 bytes in a transaction of its own, flushed."""
    environment = lmdb.open(scene.path("lmdb-commit"), map_size=1 << 30)
    numbers, record = itertools.count(), bytes(128)

    def run() -> None:
        for _ in range(scene.calls):
            with environment.begin(write=True) as transaction:
                transaction.put(_KEY(next(numbers)), record, append=True)

    return Operation(run=run, calls=scene.calls)


def read(scene: Scene) -> Operation:
    """Records by number into rows of an array that is there."""
    count = scene.size // LARGE
    environment = lmdb.open(scene.path("lmdb-filled"), map_size=4 << 30)
    values = np.random.default_rng(1).bytes(count * LARGE)
    with environment.begin(write=True) as transaction:
        for number in range(count):
            transaction.put(_KEY(number), values[number * LARGE : (number + 1) * LARGE], append=True)
    numbers = np.random.default_rng(2).integers(0, count, (max(1, scene.calls // BATCH), BATCH)).tolist()
    out = np.empty((BATCH, LARGE), np.uint8)

    def run() -> None:
        with environment.begin(buffers=True) as transaction:
            for batch in numbers:
                for row, number in zip(out, batch, strict=True):
                    row[:] = transaction.get(_KEY(number))

    return Operation(run=run, calls=len(numbers) * BATCH)


def _rows(scene: Scene, path: str, flushed: bool = True) -> Any:
    """The rows of a table, in one transaction."""
    environment = lmdb.open(path, map_size=16 << 30, sync=flushed)
    count = ours_table.rows_of(scene)
    with environment.begin(write=True) as transaction:
        for at in range(0, count, ours_table.LARGE):
            end = min(count, at + ours_table.LARGE)
            for number, row in enumerate(ours_table.rows(scene, at, end), at):
                transaction.put(_KEY(number), row, append=True)
    return environment


def table_load(scene: Scene) -> Operation:
    """All rows into a new environment, flushed once."""
    paths = (scene.path(f"lmdb-rows-{i}") for i in itertools.count())
    held: list[Any] = []

    def before() -> None:
        if held:
            environment, path = held.pop()
            environment.close()
            shutil.rmtree(path)

    def run() -> None:
        path = next(paths)
        held.append((_rows(scene, path), path))

    return Operation(run=run, before=before, calls=ours_table.rows_of(scene))


def table_gather(scene: Scene) -> Operation:
    """Rows by key into an array that is there; the map is in the page cache, whose memory has no limit here."""
    environment = _rows(scene, scene.path("lmdb-rows"), flushed=False)
    batches = [keys.tolist() for keys in ours_table.keys_of(scene, ours_table.LARGE)]
    out = np.empty((ours_table.LARGE, ours_table.ROW), np.uint8)

    def run() -> None:
        with environment.begin(buffers=True) as transaction:
            for keys in batches:
                for row, number in zip(out, keys, strict=True):
                    row[:] = transaction.get(_KEY(number))

    return Operation(run=run, calls=len(batches) * ours_table.LARGE)


OPERATIONS = {"append": append, "batches": batches, "commit": commit, "read": read, "table_load": table_load, "table_gather": table_gather}
