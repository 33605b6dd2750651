"""What a checkpoint of a table is, as its users see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class TableCheckpoint:
    """A checkpoint of an embedding table: of each session exactly the batches up to a serial.

    Attributes:
        version: 1 for a table's first.
        parent: The version before it; 0 where there is none.
        table: The table's UUID.
        created: When it was made.
        rows: Rows in it.
        step: Batches of gradients in it.
        sessions: The last serial of each session in it.
        bytes: Of all files that it names.
        new_bytes: Of those, what its parent did not have.
        segments: Files that it names.
        uri: Where it is: the table's directory, or the place in a store.
    """

    version: int
    parent: int
    table: str
    created: datetime
    rows: int
    step: int
    sessions: dict[str, int]
    bytes: int
    new_bytes: int
    segments: int
    uri: str


def checkpoint_of(found: dict[str, Any], uri: str) -> TableCheckpoint:
    """From what the library says."""
    names = ("version", "parent", "table", "rows", "step", "sessions", "bytes", "new_bytes", "segments")
    created = _EPOCH + timedelta(microseconds=found["created_ns"] // 1000)
    return TableCheckpoint(**{name: found[name] for name in names}, created=created, uri=uri)
