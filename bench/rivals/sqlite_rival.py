"""SQLite in WAL mode, synchronous FULL: a table of numbered blobs."""

from __future__ import annotations

import itertools
import os
import sqlite3

from contest import Operation
from scene import Scene

NAME = "SQLite WAL"
VERSION = sqlite3.sqlite_version


def commit(scene: Scene) -> Operation:
    """A record of 128 bytes in a transaction of its own, flushed."""
    paths = (scene.path(f"sqlite-{i}") for i in itertools.count())
    held: list[sqlite3.Connection] = []

    def before() -> None:
        if held:
            held.pop().close()
        base = sqlite3.connect(next(paths), isolation_level=None)
        base.execute("pragma journal_mode=wal")
        base.execute("pragma synchronous=full")
        base.execute("create table log (id integer primary key, data blob)")
        held.append(base)

    def run() -> None:
        base, record = held[0], bytes(128)
        for _ in range(scene.calls):
            base.execute("insert into log (data) values (?)", (record,))

    return Operation(run=run, before=before, check=lambda _: os.sync(), calls=scene.calls)


OPERATIONS = {"commit": commit}
