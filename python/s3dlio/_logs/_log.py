"""Durable logs: records appended by one process, read by number and followed by any."""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

import numpy as np

from .._config import default_timeout
from .._core import _calls, _native
from .._core._address import Location
from .._core._handles import Handle
from .._core._memory import address_of
from .._core._options import StorageOptions
from .._core._places import directory_of, folder_of, text_of
from ..exceptions import InvalidArgumentError, UnavailableError
from ._reads import MOST, LogFollower, Reading, read, scan
from ._records import Bytes, Elements, joined
from ._settings import commit_settings, compression_settings, retention_settings

_Path: TypeAlias = "str | os.PathLike[str]"

#: Records up to this length are gathered before they cross to the library, so many bytes with their entries at once.
_SMALL = 4096
_GATHERED = 64 << 10
#: Shorter ones are counted instead, which is quicker.
_SHORT = 256
_COUNTED = 512


class _Waiting(list[bytes]):
    """Records that were not handed over yet, and the number of the first. Replaced as one, so that no interrupt parts them."""

    __slots__ = ("base",)

    def __init__(self, base: int, records: Iterable[bytes] = ()) -> None:
        super().__init__(records)
        self.base = base


class Log(Handle):
    """An append-only log of records, in a directory of a local file system; its sealed segments can be read from any store.

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

    _KIND, _NOUN = "log", "log"
    _INSTEAD = 'the writer stayed with the process that opened it; give each process a log of its own, or read with mode "r"'

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
        compress: bool | int = False,
        commit_every: float | str | None = None,
        retain_bytes: int | None = None,
        retain_records: int | None = None,
        retain_seconds: float | None = None,
        on_damage: Literal["raise", "skip", "cut"] = "raise",
        storage_options: StorageOptions | None = None,
    ) -> None:
        self._place = _elsewhere(path, mode, storage_options)
        self._what = directory_of(path, "log") if self._place is None else str(path)
        self._mode = mode
        self._gate = threading.RLock()
        self._waiting = _Waiting(0)
        #: Bytes that may wait besides, the longest record that may, and the longest that is only counted; -1 where each record crosses by
        #: itself.
        self._room, self._most, self._short = 0, -1, -1
        self._takes_bytes = dtype is None
        self._kind: Bytes | Elements = Bytes() if dtype is None else Elements(dtype, shape, self._what)
        self._settings = {
            "mode": mode,
            "record_size": self._kind.size,
            "schema": self._kind.schema,
            "check_schema": dtype is not None,
            "segment_size": segment_size,
            "commit_align": commit_align,
            **compression_settings(compress),
            **commit_settings(commit_every),
            **retention_settings(retain_bytes, retain_records, retain_seconds),
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
                    f"{self._what}: its records have dtype {found.dtype} and shape {found.shape}, not {self._kind.dtype} and "
                    f"{self._kind.shape}",
                    self._what,
                )
            self._kind = found
        elif dtype is not None:
            self.close()
            raise InvalidArgumentError(
                f"{self._what}: its records are bytes, not of dtype {self._kind.dtype}; open it without dtype", self._what
            )
        if mode == "a" and commit_every is None:
            self._waiting = _Waiting(_native.log_info(self._number)[1])
            self._room, self._most, self._short = _GATHERED, _SMALL, _SHORT if self._kind.dtype is None else -1
        self._takes_bytes = self._kind.dtype is None
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
        compress: bool | int = False,
        commit_every: float | str | None = None,
        retain_bytes: int | None = None,
        retain_records: int | None = None,
        retain_seconds: float | None = None,
        on_damage: Literal["raise", "skip", "cut"] = "raise",
        storage_options: StorageOptions | None = None,
    ) -> Log:
        """Opens a log, to read it or to append to it.

        Args:
            path: Its directory: a path or ``file:///path``. To read what :meth:`upload` left in a store: the address there.
            mode: ``"r"`` reads and follows what is committed; ``"a"`` appends too, and makes the log where there is none.
            dtype: Of records that are arrays, structured ones too. None: what the log has; in a new one records are bytes.
            shape: Of such a record.
            create: False fails where there is no log.
            segment_size: Bytes of one of its files.
            commit_align: 4096 begins each commit in a block of its own, so that no sector is written twice.
            compress: True, or a level of zstd from 1 to 22: frames that become smaller by it are compressed, from the next segment of the
                log on; readers need not be told. Records are gathered in frames of up to 1 MiB; reading one decompresses its frame.
            commit_every: Commits by itself: seconds or text such as ``"100ms"`` after an append, or after so many bytes, ``"8MiB"``. None:
                only :meth:`commit` and :meth:`close` do.
            retain_bytes: Whole segments are dropped from the beginning while the files take more than this. Looked at when the log is
                opened and when a segment is full; the newest segment stays. None: no limit.
            retain_records: The same while so many records are left without the segment.
            retain_seconds: The same while the segment's newest record is older.
            on_damage: About committed records that are damaged: ``"raise"`` says where and changes nothing, ``"skip"`` leaves their
                numbers out, ``"cut"`` ends the log there.
            storage_options: Settings of the store, where the log is in one.

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
            path,
            mode,
            dtype=dtype,
            shape=shape,
            create=create,
            segment_size=segment_size,
            commit_align=commit_align,
            compress=compress,
            commit_every=commit_every,
            retain_bytes=retain_bytes,
            retain_records=retain_records,
            retain_seconds=retain_seconds,
            on_damage=on_damage,
            storage_options=storage_options,
        )

    @staticmethod
    def inspect(path: _Path) -> dict[str, Any]:
        """What the files of a log say, without its lock and without settings: also of one that is being written, or is damaged.

        Args:
            path: The log's directory.

        Returns:
            ``id``, ``version``, ``state`` (``"open"``, ``"closed"``, ``"ended without a close"``), ``writer`` where one has it, ``begin``,
            ``end``, ``records``, ``epoch``, ``segment_size``, ``record_size``, ``schema``, ``segments`` (each with its name, records,
            frames, bytes and times), ``cursors``, ``whole`` and ``findings``. Counts are exact. ``json.dumps`` takes it as it is.

        Raises:
            NotFoundError: There is no log.

        Example:
            >>> import tempfile, s3dlio
            >>> with tempfile.TemporaryDirectory() as folder, s3dlio.Log.open(folder, "a") as log:
            ...     _, _ = log.append(b"first"), log.commit()
            ...     found = s3dlio.Log.inspect(folder)
            ...     found["records"], found["state"], found["whole"]
            (1, 'open', True)
        """
        what = directory_of(path, "log")
        found: dict[str, Any] = _calls.run("log_inspect", _native.key(what), None, about=what)
        return found

    @staticmethod
    def self_check(
        path: _Path,
        *,
        repair: bool = False,
        dry_run: bool = True,
        copy: str | os.PathLike[str] | None = None,
        timeout: float | None = None,
        storage_options: StorageOptions | None = None,
    ) -> dict[str, Any]:
        """Reads a whole log and compares every record, table, index and header with its checksum. Changes nothing unless asked.

        Args:
            path: The log's directory.
            repair: Mend what can be mended. No record that can be read is given up; the numbers of damaged ones stay missing.
            dry_run: With ``repair`` only tell what would be done: ``repair`` of each finding.
            copy: Where :meth:`upload` left the segments: a damaged one is replaced by its copy there, once every byte of that was checked.
            timeout: Seconds for the whole call.
            storage_options: Settings of the copy's store.

        Returns:
            As :meth:`inspect`, with ``records_checked`` and ``bytes_checked``. ``findings`` has the damage: its ``kind`` (``"damage"``;
            ``"redundant"`` where no record is lost; ``"leftover"`` of a crash), ``path``, ``offset``, ``first_record``, ``end_record``,
            ``what`` and ``repair`` (``"none"``, ``"opening"``, ``"header"``, ``"footer"``, ``"seal"``, ``"copy"``). After a repair
            ``findings`` is what is left and ``repaired`` what was found.

        Raises:
            NotFoundError: There is no log.
            UnavailableError: A writer has the log, and ``repair`` needs its lock.
        """
        what = directory_of(path, "log")
        settings = _native.options({"dry_run": dry_run or not repair})
        if copy is None:
            arguments: tuple[Any, ...] = (0, None, 0)
            keep = None
        else:
            keep = folder_of(copy, storage_options)
            name = _native.key(keep.key)
            arguments = (keep.root.number(), name, len(name))
        found: dict[str, Any] = _calls.run("log_repair", _native.key(what), *arguments, settings, keep=keep, about=what, timeout=timeout)
        return found

    def _opened_now(self) -> dict[str, Any]:
        opened: dict[str, Any]
        if self._place is None:
            opened = _calls.run("log_open", _native.key(self._what), _native.options(self._settings), about=self._what)
        else:
            name = _native.key(self._place.key)
            settings = _native.options({"on_damage": self._settings["on_damage"]})
            opened = _calls.run("log_open_store", self._place.root.number(), name, len(name), settings, keep=self._place, about=self._what)
        return opened

    def _reading(self) -> Reading:
        return Reading(self._what, self._kind, self._live)

    def _live(self) -> int:
        """The native number, with all records handed over."""
        number = self._handle()
        if self._waiting:
            with self._gate:
                self._hand_over()
        return number

    def _hand_over(self) -> None:
        """Gives the library the records that wait. When it fails they wait on, and the next call tries again."""
        number = self._handle()
        waiting = self._waiting
        # an interrupt may have come after the library took them and before that was noted
        taken = _native.log_info(number)[1] - waiting.base
        if taken > 0:
            self._waiting = waiting = _Waiting(waiting.base + taken, waiting[taken:])
        if waiting:
            data, ends = joined(waiting)
            first = _native.log_append_batch(number, data, len(data), address_of(ends), len(ends))
            self._waiting = _Waiting(first + len(waiting))
        self._room = _GATHERED

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
        if type(record) is bytes and len(record) <= self._short and self._generation == _native.generation:
            with self._gate:
                if len(self._waiting) >= _COUNTED:
                    self._hand_over()
                waiting = self._waiting
                waiting.append(record)
                return waiting.base + len(waiting) - 1
        held = record if type(record) is bytes and self._takes_bytes else self._kind.one(record, self._what)
        if not isinstance(held, bytes) and held.nbytes <= _SMALL:
            held = held.tobytes()
        if self._generation != _native.generation:
            self._handle()
        with self._gate:
            if isinstance(held, bytes) and len(held) <= self._most:
                if self._room < len(held):
                    self._hand_over()
                waiting = self._waiting
                waiting.append(held)
                self._room -= len(held) + 8
                return waiting.base + len(waiting) - 1
            live = self._live()
            if isinstance(held, bytes):
                number = _native.log_append(live, held, len(held))
            else:
                number = _native.log_append(live, address_of(held), held.nbytes)
            self._waiting = _Waiting(number + 1)
            return number

    def append_batch(self, records: Any) -> range:
        """Appends a list of records, or an array whose first dimension they are; at most 64 MiB.

        After a crash all of them are there, or none.

        Returns:
            Their numbers.
        """
        data, ends = self._kind.many(records, self._what)
        if self._generation != _native.generation:
            self._handle()
        with self._gate:
            place: bytes | int = data if isinstance(data, bytes) else address_of(data)
            length = len(data) if isinstance(data, bytes) else data.nbytes
            count = len(ends) if isinstance(data, bytes) else len(ends) or len(data)
            first = _native.log_append_batch(self._live(), place, length, address_of(ends), len(ends))
            self._waiting = _Waiting(first + count)
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
        try:
            if timeout is None and default_timeout() is None:
                committed = _native.log_commit(self._live())
                if committed >= 0:
                    return committed
            return int(_calls.run("log_commit", self._live(), about=self._what, timeout=timeout)["committed"])
        except UnavailableError:
            # the writer has ended: the library says so at each append from now on
            self._most = self._short = -1
            raise

    async def acommit(self, timeout: float | None = None) -> int:
        """The same in an event loop, without a thread."""
        try:
            return int((await _calls.run_in_loop("log_commit", self._live(), about=self._what, timeout=timeout))["committed"])
        except UnavailableError:
            self._most = self._short = -1
            raise

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
        return scan(self._reading(), number, 1)[1][0]

    def _consecutive(self, first: int, count: int) -> Any:
        parts = []
        last = first + count
        while first < last:
            _, records, first = scan(self._reading(), first, min(last - first, MOST))
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
            return [record for at in range(0, len(wanted), MOST) for record in read(self._reading(), wanted[at : at + MOST], None)]
        target = np.empty(whole, self._kind.dtype) if out is None else out
        if target.shape != whole or target.dtype != self._kind.dtype or not target.flags.c_contiguous or not target.flags.writeable:
            raise InvalidArgumentError(
                f"{self._what}: out must be a contiguous, writable array of shape {whole} and dtype {self._kind.dtype}, found "
                f"{target.shape} and {target.dtype}"
            )
        for at in range(0, len(wanted), MOST):
            read(self._reading(), wanted[at : at + MOST], target[at : at + MOST])
        return target

    def columns(self, start: int | None = None, stop: int | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Consecutive records of a log of arrays as columns: what ``pandas.DataFrame`` and ``pyarrow.table`` take as it is.

        Args:
            start: The first record; None: the first that is left.
            stop: The one before which it ends; None: the log's end.

        Returns:
            ``number``, and an array for each field of a structured dtype, or ``value``. Fields of several dimensions stay arrays of
            ``(n, …)``; split those for programs whose columns have one dimension.

        Raises:
            InvalidArgumentError: Its records are bytes.
        """
        if self._kind.dtype is None:
            raise InvalidArgumentError(
                f"{self._what}: its records are bytes, and only records with a dtype have columns; decode them first", self._what
            )
        first, last = (self.begin if start is None else start), (self.end if stop is None else stop)
        records = self[first:last]
        begin = max(first, self.begin) if first >= 0 else self.end + first
        names = self._kind.dtype.names
        fields = {"value": records} if names is None else {name: np.ascontiguousarray(records[name]) for name in names}
        return {"number": np.arange(begin, begin + len(records)), **fields}

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
        return LogFollower(self._reading(), self.committed if start is None else operator.index(start), timeout)

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

    def seal(self) -> int:
        """Commits, and ends the newest segment, so that :meth:`upload` takes it too.

        Returns:
            How many records are durable.
        """
        return int(_calls.run("log_seal", self._live(), about=self._what)["committed"])

    def upload(
        self,
        uri: str | os.PathLike[str],
        *,
        seal: bool = False,
        timeout: float | None = None,
        storage_options: StorageOptions | None = None,
    ) -> dict[str, int]:
        """Copies the sealed segments to a store, each once: what is there already is not read again. :meth:`open` reads them there.

        Records that are truncated here later stay there. A damaged segment is not uploaded.

        Args:
            uri: Where to, a prefix of its own: ``s3://bucket/runs/a/metrics``.
            seal: End the newest segment first, so that all records are uploaded. A reader cannot.
            timeout: Seconds for the whole call.
            storage_options: Settings of the store.

        Returns:
            ``uploaded``, the number of segments; ``bytes``; ``end``: records below it are in the store.

        Raises:
            ChecksumMismatchError: A segment is damaged.
            AlreadyExistsError: Another log is there.

        Example:
            >>> import tempfile, s3dlio
            >>> with tempfile.TemporaryDirectory() as folder, s3dlio.Log.open(folder, "a") as log:
            ...     numbers = log.append_batch([b"a", b"b"])
            ...     done = log.upload("memory://doc/log", seal=True)
            >>> done["end"], list(s3dlio.Log.open("memory://doc/log"))
            (2, [b'a', b'b'])
        """
        if seal:
            self.seal()
        if self._place is not None:
            raise InvalidArgumentError(f"{self._what}: the log is in a store already; copy its objects with s3dlio.copy", self._what)
        self._live()
        place = folder_of(uri, storage_options)
        name = _native.key(place.key)
        done: dict[str, int] = _calls.run(
            "log_upload", _native.key(self._what), place.root.number(), name, len(name), keep=place, about=self._what, timeout=timeout
        )
        return done

    def stats(self) -> dict[str, int]:
        """What was done since the log was opened.

        Returns:
            ``begin``, ``end``, ``committed`` and, of a writer, ``segments``, ``bytes_on_disk``, ``buffered_records``, ``buffered_bytes``,
            ``appended_records``, ``appended_bytes``, ``frames``, ``frame_bytes``, ``flushes``, ``flush_ns``, ``slowest_flush_ns``,
            ``rolls`` and ``truncated_records``.
        """
        found: dict[str, int] = _calls.run("log_stats", self._live(), about=self._what)
        return found

    def close(self) -> None:
        """Commits what was appended, and closes. The log is closed whatever the commit raises."""
        if not self._number:
            return
        here = self._is_here()
        try:
            if here and self._mode == "a":
                self.commit()
        finally:
            self._most = self._short = -1
            self._let_go()

    def __enter__(self) -> Log:
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
        options = None if self._place is None else self._place.root.without_secrets().options
        return _reader, (type(self), self._what, self._settings["on_damage"], options)


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


def _reader(kind: type[Log], path: str, on_damage: Any, options: Any) -> Log:
    return kind(path, on_damage=on_damage, storage_options=options)


def reading_of(log: Log) -> Reading:
    """What reads of a log need of it, for the rest of this package."""
    return log._reading()


def _elsewhere(path: _Path, mode: str, storage_options: StorageOptions | None) -> Location | None:
    """The place in a store, where the address is not a local directory's."""
    text = text_of(path, "log")
    if "://" not in text:
        return None
    if mode != "r":
        raise InvalidArgumentError(
            f"{text}: a log is written in a directory of a local file system, and uploaded from there; give a path or file:///path, or "
            'read with mode "r"',
            text,
        )
    return folder_of(text, storage_options)
