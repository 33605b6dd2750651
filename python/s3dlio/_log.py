"""Durable logs: records appended by one process, read by number and followed by any."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Union

import numpy as np

from . import _calls, _native
from ._log_reads import MOST, LogFollower, read, scan
from ._log_records import Bytes, Elements
from .exceptions import ClosedError, ForkError, InvalidArgumentError

if TYPE_CHECKING:
    from typing import TypeAlias

    from typing_extensions import Self

_Path: TypeAlias = "Union[str, os.PathLike[str]]"


class Log:
    """An append-only log of records, in a directory of a local file system.

    The first record has the number 0, and no number is given twice: ``log[17]`` is the same record for ever, until it is truncated.
    One process writes, any number read and follow. What :meth:`commit` returned for survives a crash of the process and of the machine;
    of what was appended later a crash may take the last records, never one from the middle. Every record has a checksum that each
    read compares. Any number of threads may use a log.

    In a forked child a reader opens the log again; a writer stays its parent's and raises ForkError. Readers can be pickled.

    Example:
        >>> import tempfile, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder, s3dlio.Log.open(folder + "/events", "a") as log:
        ...     number = log.append(b"first")
        ...     batch = log.append_batch([b"second", b"third"])
        ...     committed = log.commit()
        ...     number, batch, committed, log[-1], log[0:2]
        (0, range(1, 3), 3, b'third', [b'first', b'second'])
    """

    def __init__(
        self,
        path: _Path,
        mode: Literal["r", "a"] = "r",
        *,
        dtype: Any = None,
        shape: int | tuple[int, ...] = (),
        create: bool = True,
        segment_size: int = 64 << 20,
        commit_align: int = 8,
        on_damage: Literal["raise", "skip", "cut"] = "raise",
    ) -> None:
        self._number = 0
        self._generation = _native.generation
        self._what = _directory(path)
        self._mode = mode
        self._kind: Bytes | Elements = Bytes() if dtype is None else Elements(dtype, shape, self._what)
        self._settings = {
            "mode": mode,
            "record_size": self._kind.size,
            "schema": self._kind.schema,
            "check_schema": dtype is not None,
            "segment_size": segment_size,
            "commit_align": commit_align,
            "on_damage": on_damage,
            "create": create,
        }
        opened = self._open()
        size = opened["record_size"]
        if size:
            found = Elements.of(opened["schema"], size, self._what)
            if dtype is not None and (found.dtype, found.shape) != (self._kind.dtype, self._kind.shape):
                self.close()
                raise InvalidArgumentError(
                    f"{self._what}: its records have dtype {found.dtype} and shape {found.shape}, not {self._kind.dtype} and {self._kind.shape}", self._what
                )
            self._kind = found
        elif dtype is not None:
            self.close()
            raise InvalidArgumentError(f"{self._what}: its records are bytes, not of dtype {self._kind.dtype}; open it without dtype", self._what)
        #: What recovery found damaged and, by ``on_damage``, went on with; in words.
        self.damage: list[str] = opened["damage"]
        #: The log's UUID.
        self.id: str = opened["id"]

    @classmethod
    def open(
        cls,
        path: _Path,
        mode: Literal["r", "a"] = "r",
        *,
        dtype: Any = None,
        shape: int | tuple[int, ...] = (),
        create: bool = True,
        segment_size: int = 64 << 20,
        commit_align: int = 8,
        on_damage: Literal["raise", "skip", "cut"] = "raise",
    ) -> Self:
        """Opens a log, to read it or to append to it.

        Args:
            path: Its directory: a path or ``file:///path``.
            mode: ``"r"`` reads and follows what is committed; ``"a"`` appends too, and makes the log where there is none.
            dtype: Of records that are arrays, structured ones too. None: what the log has; in a new one records are bytes.
            shape: Of such a record.
            create: False fails where there is no log.
            segment_size: Bytes of one of its files.
            commit_align: 4096 begins each commit in a block of its own, so that no sector is written twice.
            on_damage: About committed records that are damaged: ``"raise"`` says where and changes nothing, ``"skip"`` leaves their
                numbers out, ``"cut"`` ends the log there.

        Returns:
            The log.

        Raises:
            NotFoundError: There is no log.
            UnavailableError: Another writer has it.
            ChecksumMismatchError: Committed records are damaged.
            InvalidArgumentError: ``dtype`` or ``shape`` is not the log's.

        Example:
            >>> import tempfile, numpy as np, s3dlio
            >>> step = np.dtype([("obs", "f4", (3,)), ("reward", "f4")])
            >>> with tempfile.TemporaryDirectory() as folder, s3dlio.Log.open(folder, "a", dtype=step) as log:
            ...     _ = log.append_batch(np.zeros(100, step))
            ...     log[10:20]["obs"].shape, log.sample(32, np.random.default_rng(0)).shape
            ((10, 3), (32,))
        """
        return cls(
            path, mode, dtype=dtype, shape=shape, create=create, segment_size=segment_size, commit_align=commit_align, on_damage=on_damage
        )

    def _open(self) -> dict[str, Any]:
        generation = _native.generation
        opened: dict[str, Any] = _calls.run("log_open", _native.key(self._what), _native.options(self._settings), about=self._what)
        self._number, self._generation = opened["log"], generation
        return opened

    def _live(self) -> int:
        """The native number; a reader of another process is opened here."""
        if not self._number:
            raise ClosedError(f"{self._what}: the log was closed", self._what)
        if self._generation != _native.generation:
            if self._mode == "a":
                raise ForkError(f"{self._what}: the writer stayed with the process that opened it; give each process a log of its own, or read with mode \"r\"")
            self._open()
        return self._number

    @property
    def path(self) -> str:
        """The log's directory."""
        return self._what

    @property
    def mode(self) -> str:
        """``"r"`` or ``"a"``."""
        return self._mode

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Of the records; None where they are bytes."""
        return self._kind.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a record that is an array."""
        return self._kind.shape

    @property
    def begin(self) -> int:
        """The number of the first record that is left."""
        return _native.log_info(self._live())[0]

    @property
    def end(self) -> int:
        """The number that the next record gets. A reader looks for new ones."""
        return _native.log_info(self._live())[1]

    @property
    def committed(self) -> int:
        """Records below this number survive any crash."""
        return _native.log_info(self._live())[2]

    def __len__(self) -> int:
        begin, end, *_ = _native.log_info(self._live())
        return end - begin

    def append(self, record: Any) -> int:
        """Appends one record: bytes, or an array of the log's dtype and shape.

        Returns:
            Its number. It is durable when a later :meth:`commit` has returned.

        Raises:
            OutOfSpaceError: The disk is full; the record was not taken, and the call may be repeated.
        """
        held = self._kind.one(record, self._what)
        if type(held) is bytes:
            return _native.log_append(self._live(), held, len(held))
        return _native.log_append(self._live(), held.__array_interface__["data"][0], held.nbytes)

    def append_batch(self, records: Any) -> range:
        """Appends a list of records, or an array whose first dimension they are; at most 64 MiB. After a crash all of them are there, or none.

        Returns:
            Their numbers.
        """
        data, ends = self._kind.many(records, self._what)
        if isinstance(data, bytes):
            count, first = len(ends), _native.log_append_batch(self._live(), data, len(data), ends)
        else:
            count = len(ends) or len(data)
            first = _native.log_append_batch(self._live(), data.__array_interface__["data"][0], data.nbytes, ends)
        return range(first, first + count)

    def commit(self, timeout: float | None = None) -> int:
        """Makes durable what was appended before. Commits of several threads share a flush.

        Args:
            timeout: Seconds; when they are over it raises StoreTimeoutError, and the records may become durable later.

        Returns:
            How many records are durable.

        Raises:
            UnavailableError: The device failed. This writer takes no more records; open the log again.
        """
        return int(_calls.run("log_commit", self._live(), about=self._what, timeout=timeout)["committed"])

    async def acommit(self, timeout: float | None = None) -> int:
        """The same in an event loop, without a thread."""
        return int((await _calls.run_in_loop("log_commit", self._live(), about=self._what, timeout=timeout))["committed"])

    def __getitem__(self, which: int | slice) -> Any:
        begin, end, *_ = _native.log_info(self._live())
        if isinstance(which, slice):
            start, stop, step = which.indices(end)
            numbers = range(max(start, begin), stop, step) if step > 0 else range(start, max(stop, begin - 1), step)
            return self._consecutive(numbers.start, len(numbers)) if step == 1 else self.read(np.array(numbers, np.int64))
        number = operator.index(which)
        number += end if number < 0 else 0
        if not begin <= number < end:
            raise IndexError(f"{self._what}: record {number} is not there: the log has records {begin} to {end - 1}")
        return scan(self, number, 1)[1][0]

    def _consecutive(self, first: int, count: int) -> Any:
        parts = []
        last = first + count
        while first < last:
            _, records, first = scan(self, first, min(last - first, MOST))
            parts.append(records)
        if self._kind.dtype is None:
            return [record for part in parts for record in part]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty((0, *self._kind.shape), self._kind.dtype)

    def read(self, numbers: Any, out: np.ndarray[Any, Any] | None = None) -> Any:
        """Records by number, in any order; one may come more than once.

        Args:
            numbers: A list or an array of integers.
            out: A contiguous array of ``(len(numbers), *shape)`` and the log's dtype to read into.

        Returns:
            An array, ``out`` where it was given; a list of bytes where records are bytes.

        Raises:
            NotFoundError: One was truncated, or is not there yet.
        """
        wanted = np.array(numbers, np.int64).reshape(-1)
        whole = (len(wanted), *self._kind.shape)
        if self._kind.dtype is None:
            if out is not None:
                raise InvalidArgumentError(f"{self._what}: out is for logs with a dtype; the records of this one are bytes")
            return [record for at in range(0, len(wanted), MOST) for record in read(self, wanted[at : at + MOST], None)]
        target = np.empty(whole, self._kind.dtype) if out is None else out
        if target.shape != whole or target.dtype != self._kind.dtype or not target.flags.c_contiguous or not target.flags.writeable:
            raise InvalidArgumentError(
                f"{self._what}: out must be a contiguous, writable array of shape {whole} and dtype {self._kind.dtype}, found {target.shape} and {target.dtype}"
            )
        for at in range(0, len(wanted), MOST):
            read(self, wanted[at : at + MOST], target[at : at + MOST])
        return target

    def sample(self, n: int, rng: np.random.Generator | None = None) -> Any:
        """So many records, drawn uniformly and with replacement; ``rng`` makes the draw repeatable."""
        begin, end, *_ = _native.log_info(self._live())
        if begin == end:
            raise InvalidArgumentError(f"{self._what}: the log is empty, nothing can be drawn from it")
        return self.read((rng or np.random.default_rng()).integers(begin, end, n))

    def batches(self, n: int = 1024) -> Iterator[Any]:
        """The records that are there now, so many at once: arrays, or lists of bytes."""
        first, end, *_ = _native.log_info(self._live())
        while first < end:
            count = min(n, end - first)
            yield self._consecutive(first, count)
            first += count

    def __iter__(self) -> Iterator[Any]:
        for batch in self.batches():
            yield from batch

    def follow(self, start: int | None = None, timeout: float | None = None) -> LogFollower:
        """Committed records, those that are there and those that come, from this or another process; for ``for`` and ``async for``.

        Args:
            start: The first one's number; None: the next that is appended.
            timeout: Seconds without a new record after which it ends. None: never.
        """
        return LogFollower(self, self.committed if start is None else operator.index(start), timeout)

    def cursor(self, name: str) -> LogCursor:
        """The place of a consumer of that name (A-Z, a-z, 0-9, ``.``, ``_``, ``-``), kept durably with the log."""
        return LogCursor(self, name)

    def truncate_before(self, number: int) -> int:
        """Drops the records before a number and gives their room back; at most the committed ones. Numbers stay as they are.

        Returns:
            Where the log begins now; no lower than before.
        """
        return int(_calls.run("log_truncate", self._live(), operator.index(number), about=self._what)["begin"])

    def reclaimable_space(self, before: int | None = None) -> int:
        """Bytes of the disk that truncating before this record, or before all committed ones, would give back."""
        return _native.log_reclaimable(self._live(), self.committed if before is None else operator.index(before))

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return not self._number

    def close(self) -> None:
        """Commits what was appended, and closes. The log is closed whatever the commit raises."""
        if not self._number:
            return
        here = self._generation == _native.generation
        try:
            if here and self._mode == "a":
                self.commit()
        finally:
            number, self._number = self._number, 0
            _native.close("log", number, self._generation)

    def __enter__(self) -> Self:
        self._live()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        kind = "bytes" if self._kind.dtype is None else f"{self._kind.dtype} {self._kind.shape}"
        return f"<Log {self._what!r} mode={self._mode!r} of {kind}{', closed' if self.closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._mode == "a":
            raise TypeError(f"{self._what}: a log's writer cannot be pickled; a reader can: Log.open(path)")
        return _reader, (type(self), self._what, self._settings["on_damage"])


class LogCursor:
    """The next record that a consumer needs, under the consumer's name, in a file beside the log.

    Example:
        >>> import tempfile, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder, s3dlio.Log.open(folder, "a") as log:
        ...     numbers = log.append_batch([b"a", b"b", b"c"])
        ...     log.cursor("trainer").set(2)
        ...     log.cursor("trainer").get(), log.cursor("another").get()
        (2, 0)
    """

    def __init__(self, log: Log, name: str) -> None:
        self._log = log
        self.name = name

    def get(self) -> int:
        """The number that was set; where the log begins when none was, or when what it had not read was truncated."""
        return _native.log_cursor(self._log._live(), _native.key(self.name))

    def set(self, number: int) -> None:
        """Notes, durably, the next record that the consumer needs."""
        _calls.run("log_cursor_set", self._log._live(), _native.key(self.name), operator.index(number), about=self._log._what)


def _reader(kind: type[Log], path: str, on_damage: Any) -> Log:
    return kind(path, on_damage=on_damage)


def _directory(path: _Path) -> str:
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidArgumentError(f"a log is named by a path of text, found {path!r:.100}")
    text = text.removeprefix("file://")
    if "://" in text:
        raise InvalidArgumentError(f"{text}: a log is a directory of a local file system; give a path or file:///path", text)
    return os.path.abspath(text)
