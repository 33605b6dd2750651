"""A log of every operation on every store: written, read, and done again.

::

    import s3dlio

    s3dlio.oplog.start("run.tsv.zst")
    ...                                   # everything that reads or writes objects
    s3dlio.oplog.stop()
    slow = [row for row in s3dlio.oplog.read("run.tsv.zst") if row.duration_ns > 1_000_000]

A log has a line for each operation, parted by tabs, with the columns of the original s3dlio, which MinIO's warp reads too; docs/cli.md
tells what they hold. The program ``s3dlio oplog`` sums logs up and converts them.
"""

from __future__ import annotations

import atexit
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from ._core import _native
from .exceptions import InvalidDataError, S3dlioError

__all__ = ["OpRecord", "is_active", "read", "replay", "start", "stop"]

#: Other names of columns, as the original's reader takes them.
_SYNONYMS = {"operation": "op", "t_start": "start", "t_end": "end", "t_first_byte": "first_byte"}


class OpRecord(NamedTuple):
    """One operation."""

    #: Position in the order of writing.
    idx: int
    #: A small number for each thread.
    thread: int
    #: ``GET``, ``PUT``, ``STAT``, ``LIST``, ``DELETE``, ``COPY`` or ``MOVE``; of another program's log its own word.
    op: str
    #: Who did it: host and process.
    client_id: str
    #: Objects listed or deleted; else 1.
    n_objects: int
    #: Bytes of objects.
    bytes: int
    #: ``s3://bucket``, ``az://account/container``, ``file://``.
    endpoint: str
    #: The address without its scheme.
    file: str
    #: What it failed with; empty where it did not.
    error: str
    #: Nanoseconds since 1970, UTC.
    start: int
    #: When the first byte was there; None where there was none.
    first_byte: int | None
    #: Nanoseconds since 1970, UTC.
    end: int
    #: Nanoseconds.
    duration_ns: int
    #: Where a part of an object begins; None for all of it.
    offset: int | None
    #: Bytes that came from a cache of the machine; None where none stands before the store.
    cached: int | None = None


def start(path: str | os.PathLike[str], *, level: int = 1, client_id: str | None = None) -> None:
    """Records every operation of this process from now on, on stores that are open already too.

    Nothing is dropped, memory is bounded, and no secret is written. What was done a second ago is in the file, whatever becomes of the
    process. A process that is forked later writes a file of its own, with its number in the name: ``run.tsv.zst`` becomes
    ``run-4711.tsv.zst``.

    Args:
        path: A local file, which is replaced. It is compressed with zstd where the name ends with ``.zst``.
        level: Of zstd, 1 to 22.
        client_id: What the column of that name holds; by default host and process.

    Raises:
        AlreadyExistsError: Operations are recorded already.
        InvalidArgumentError: The file cannot be made.

    Example:
        >>> import os, tempfile, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log = os.path.join(folder, "ops.tsv.zst")
        ...     s3dlio.oplog.start(log)
        ...     _ = s3dlio.put("memory://doc-oplog/a", b"abc")
        ...     s3dlio.oplog.stop()
        ...     [(row.op, row.bytes) for row in s3dlio.oplog.read(log)]
        [('PUT', 3)]
    """
    global _worker
    settings: dict[str, Any] = {"level": level}
    if client_id is not None:
        settings["client_id"] = client_id
    _native.op_log_begin(os.path.abspath(os.fspath(path)), settings)
    if _worker is None:
        from multiprocessing import util

        _worker = _Worker()
        util.register_after_fork(_worker, _Worker.begin)


def stop() -> None:
    """Ends the log; all of it is in the file when this returns. Without a log nothing happens.

    Raises:
        OutOfSpaceError: The file could not take all of it.
    """
    _native.op_log_end()


def is_active() -> bool:
    """Whether operations are recorded now."""
    return _native.op_log_rows() >= 0


def read(path: str | os.PathLike[str]) -> Iterator[OpRecord]:
    """The rows of a log, one by one, in flat memory.

    Args:
        path: A log of s3dlio, of the original or of MinIO warp, parted by tabs or commas or as lines of JSON, compressed with zstd or not.
            One that a process left when it died is read as far as it goes.

    Raises:
        NotFoundError: There is no such file.
        InvalidDataError: It is no log of operations.
    """
    name = os.fspath(path)
    with _lines(name) as text:
        first = text.readline()
        while first.startswith("#") or (first and not first.strip()):
            first = text.readline()
        if first.startswith("{"):
            for line in _chain(first, text):
                if line.strip():
                    yield _record({key.lower(): "" if value is None else str(value) for key, value in json.loads(line).items()}, name)
            return
        separator = "\t" if "\t" in first else ","
        columns = [
            _SYNONYMS.get(column.strip().lower(), column.strip().lower()) for column in next(csv.reader([first], delimiter=separator), [])
        ]
        if not {"op", "start"} <= set(columns):
            raise InvalidDataError(f"{name}: no op log: its first line names no columns 'op' and 'start'", name)
        rows = (line for line in text if not line.startswith("#"))
        for fields in csv.reader(rows, delimiter=separator):
            if len(fields) == len(columns):
                yield _record(dict(zip(columns, fields, strict=True)), name)


def _chain(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _lines(name: str) -> io.TextIOBase:
    """The text of a file, decompressed where it is zstd."""
    with Path(name).open("rb") as file:
        compressed = file.read(4) == b"\x28\xb5\x2f\xfd"
    # the text wrapper closes it
    raw: Any = _Frames(name) if compressed else Path(name).open("rb")  # noqa: SIM115
    return io.TextIOWrapper(io.BufferedReader(raw, 1 << 20) if compressed else raw, encoding="utf-8", errors="surrogateescape", newline="")


class _Frames(io.RawIOBase):
    """zstd frames one after the other; the last may be cut, as a process that died leaves it."""

    def __init__(self, name: str) -> None:
        from ._reader import open as open_object

        self._inner: Any = open_object(os.path.abspath(name), decompress=True)

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        try:
            data = self._inner.read(len(target))
        except InvalidDataError as error:
            if "cut off" not in str(error):
                raise
            return 0
        target[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._inner.close()
        super().close()


def _time(text: str) -> int | None:
    """RFC 3339 with up to nine digits of a second, as nanoseconds."""
    if not text:
        return None
    plain = text[:-1] + "+00:00" if text[-1] in "zZ" else text
    head, dot, rest = plain.partition(".")
    if not dot:
        return round(datetime.fromisoformat(plain).timestamp()) * 1_000_000_000
    digits = len(rest) - len(rest.lstrip("0123456789"))
    whole = datetime.fromisoformat(head + rest[digits:])
    seconds = int((whole - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds())
    return seconds * 1_000_000_000 + int(rest[:digits][:9].ljust(9, "0"))


def _record(row: dict[str, str], name: str) -> OpRecord:
    row = {_SYNONYMS.get(key, key): value for key, value in row.items()}
    try:
        begun = _time(row["start"])
        if begun is None:
            raise ValueError("the start is missing")
        duration = int(row.get("duration_ns") or 0)
        end = _time(row.get("end", ""))
        end = begun + duration if end is None else end
        return OpRecord(
            idx=int(row.get("idx") or 0),
            thread=int(row.get("thread") or 0) & 0xFFFF,
            op=row["op"].upper(),
            client_id=row.get("client_id", ""),
            n_objects=int(row.get("n_objects") or 1),
            bytes=int(row.get("bytes") or 0),
            endpoint=row.get("endpoint", ""),
            file=row.get("file", ""),
            error=row.get("error", ""),
            start=begun,
            first_byte=_time(row.get("first_byte", "")),
            end=end,
            duration_ns=duration or end - begun,
            offset=int(row["offset"]) if row.get("offset") else None,
            cached=int(row["cached"]) if row.get("cached") else None,
        )
    except (KeyError, ValueError) as error:
        raise InvalidDataError(f"{name}: a row is no operation: {error}: {row}", name) from error


def replay(
    log: str | os.PathLike[str],
    target: str | None = None,
    *,
    remap: Iterable[str] = (),
    speed: float | None = 1.0,
    filter: Iterable[str] = (),
    max_in_flight: int = 256,
    prepare: bool = False,
    compress: float = 1.0,
    storage_options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Does the operations of a log again, at their times, against another store.

    Args:
        log: A file that :func:`start`, the original or warp wrote.
        target: Where the operations go, each to its key below it.
        remap: Rules ``FROM=TO`` for what addresses begin with; ``FROM=TO1,TO2`` shares them, ``re:PATTERN=TO`` is a pattern.
        speed: 0.5 is half as fast, 2 twice; None for as fast as it goes.
        filter: Only these operations, such as ``["GET"]``.
        max_in_flight: Operations under way at once, 1 to 65,536.
        prepare: Make the objects that are read, where they are not there or too small.
        compress: How many times smaller the data of PUTs can be made.
        storage_options: Settings of the store.

    Returns:
        What the program ``s3dlio replay --json`` reports: ``operations``, ``errors``, ``skipped``, ``bytes``, ``seconds``,
        ``planned_seconds``, and percentiles in nanoseconds of ``lag_ns`` and, by operation, ``latency_ns``.

    Raises:
        S3dlioError: Nothing could be replayed, with the reason.
    """
    program = Path(__file__).parent / "s3dlio"
    words = [
        str(program),
        "replay",
        "--json",
        os.fspath(log),
        "--jobs",
        str(max_in_flight),
        "--speed",
        "max" if speed is None else repr(float(speed)),
    ]
    words += [] if target is None else ["--target", target]
    words += [word for rule in remap for word in ("--remap", rule)]
    words += [word for op in filter for word in ("--filter", op)]
    words += ["--prepare"] if prepare else []
    words += ["--compress", repr(float(compress))]
    environment = dict(os.environ)
    if storage_options:
        # not as arguments, which every user of the machine can see
        environment["S3DLIO_STORAGE_OPTIONS"] = json.dumps(storage_options)
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False)
    if not ended.stdout:
        raise S3dlioError(ended.stderr.decode("utf-8", "replace").strip() or f"{program} ended with {ended.returncode}")
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def _at_exit() -> None:
    try:
        _native.op_log_end()
    except S3dlioError as error:
        print(f"s3dlio: {error}", file=sys.stderr)


atexit.register(_at_exit)


class _Worker:
    """Stands for this module in the workers of multiprocessing, which end without atexit."""

    def begin(self) -> None:
        from multiprocessing import util

        util.Finalize(None, _at_exit, exitpriority=0)


_worker: _Worker | None = None


def __dir__() -> list[str]:
    return sorted(__all__)
