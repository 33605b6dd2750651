"""A batch on its way: one operation of the library, into one piece of memory where the sizes are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core import _native
from .._core._calls import Background
from .._core._failures import errors_by_place
from ..exceptions import InvalidArgumentError, S3dlioError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._table import Numbers, ObjectTable

#: Where samples of different sizes begin, so that views of wide elements are aligned.
_ALIGNMENT = 64


class ReadSettings(NamedTuple):
    """How a batch is read."""

    #: Objects that are open at once.
    at_once: int = 64
    #: Seconds after which an object is asked for a second time; None: never.
    hedge_after: float | None = None
    #: Gives so many bytes of memory that can be written to; None: the library's own.
    allocate: Callable[[int], Any] | None = None


NO_SETTINGS = ReadSettings()


class BatchRead:
    """The samples of one batch while they are read; letting go of it cancels.

    Attributes:
        nbytes: Bytes of memory that it takes.
        hedged: Second requests for what took long.
    """

    nbytes = 0
    hedged = 0

    def __init__(self, work: Background) -> None:
        self._work = work

    @property
    def running(self) -> Any:
        """The operation while it runs, else None."""
        return self._work.running

    def close(self) -> None:
        """Cancels it unless it has ended."""
        self._work.close()

    def finish(self) -> tuple[list[Any], dict[int, S3dlioError], Any]:
        """Waits for it.

        Returns:
            The bytes of each sample as writable arrays of uint8, the failures by place in the batch, and all samples as one array where
            they have one size, else None.
        """
        raise NotImplementedError


class _Room:
    """The memory of one batch whose sizes are known, and where each sample lies in it.

    Args:
        lengths: Bytes of each sample.
        settings: Who gives the memory.
    """

    def __init__(self, lengths: Numbers, settings: ReadSettings) -> None:
        count = len(lengths)
        self._even = count > 0 and bool((lengths == lengths[0]).all())
        room = lengths if self._even else (lengths + (_ALIGNMENT - 1)) & ~np.int64(_ALIGNMENT - 1)
        ends = np.cumsum(room)
        self._starts, self._lengths = ends - room, lengths
        self.nbytes = int(ends[-1]) if count else 0
        self.memory = _native.new_memory(self.nbytes) if settings.allocate is None else _lent(settings.allocate(self.nbytes), self.nbytes)

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def addresses(self) -> Numbers:
        """Where in the memory of the process each sample goes."""
        found: Numbers = self._starts.astype(np.uint64) + np.uint64(np.asarray(self.memory).__array_interface__["data"][0])
        return found

    def samples(self) -> tuple[list[Any], Any]:
        """The bytes of each sample, and all of them as one array where they have one size, else None."""
        buffer = np.asarray(self.memory)
        if self._even:
            together = buffer.reshape(len(self._lengths), -1) if self.nbytes else np.empty((len(self._lengths), 0), np.uint8)
            return list(together), together
        starts, lengths = self._starts.tolist(), self._lengths.tolist()
        return [buffer[start : start + length] for start, length in zip(starts, lengths, strict=True)], None


class SizedRead(BatchRead):
    """Samples whose sizes are known, in one piece of memory.

    Args:
        table: The objects.
        objects: The object of each sample.
        offsets: Where each begins there.
        lengths: Bytes of each.
        crcs: CRC32C of each; None where none is known.
        checked: Which of them are known.
        whole: Each is a whole object.
        verify: Whether whole objects are compared with what is recorded with them.
        settings: How it is read.
    """

    def __init__(
        self,
        table: ObjectTable,
        objects: Numbers,
        offsets: Numbers,
        lengths: Numbers,
        crcs: Numbers | None,
        checked: Numbers | None,
        whole: bool,
        verify: bool,
        settings: ReadSettings,
    ) -> None:
        self._room = _Room(lengths, settings)
        self.nbytes = self._room.nbytes
        super().__init__(_samples_read([self._room], table, objects, offsets, lengths, crcs, checked, whole, verify, settings))

    def finish(self) -> tuple[list[Any], dict[int, S3dlioError], Any]:
        report = self._work.finish()
        self.hedged = report.get("hedged", 0)
        samples, together = self._room.samples()
        return samples, errors_by_place(report), together


class _Together:
    """One operation that reads several batches; its report is asked for once."""

    def __init__(self, work: Background) -> None:
        self.work = work
        self._report: tuple[int, dict[int, S3dlioError]] | None = None
        self._error: BaseException | None = None

    def finish(self) -> tuple[int, dict[int, S3dlioError]]:
        """Second requests, and the failures by place in all of the batches."""
        if self._error is not None:
            raise self._error
        if self._report is None:
            try:
                report = self.work.finish()
            except BaseException as error:
                self._error = error
                raise
            self._report = report.get("hedged", 0), errors_by_place(report)
        return self._report


class JoinedRead(BatchRead):
    """A batch that is read with others by one operation, in memory of its own; letting go of all of them cancels it."""

    def __init__(self, together: _Together, room: _Room, first: int) -> None:
        super().__init__(together.work)
        self._together, self._room, self._first = together, room, first
        self.nbytes = room.nbytes

    def finish(self) -> tuple[list[Any], dict[int, S3dlioError], Any]:
        hedged, failures = self._together.finish()
        # counted once, with the batch that comes first
        self.hedged = 0 if self._first else hedged
        samples, together = self._room.samples()
        mine = range(self._first, self._first + len(self._room))
        return samples, {place - self._first: failure for place, failure in failures.items() if place in mine}, together


def read_joined(
    counts: list[int],
    table: ObjectTable,
    objects: Numbers,
    offsets: Numbers,
    lengths: Numbers,
    crcs: Numbers | None,
    checked: Numbers | None,
    settings: ReadSettings,
) -> list[BatchRead]:
    """Begins to read stretches for several batches at once, so that those that lie near each other come in one request.

    Args:
        counts: Samples of each batch; what follows is of all of them, one batch behind the other.
        table: The objects.
        objects: The object of each sample.
        offsets: Where each begins there.
        lengths: Bytes of each.
        crcs: CRC32C of each; None where none is known.
        checked: Which of them are known.
        settings: How they are read.

    Returns:
        A read for each batch.
    """
    ends = np.cumsum(counts).tolist()
    rooms = [_Room(lengths[end - count : end], settings) for count, end in zip(counts, ends, strict=True)]
    work = _Together(_samples_read(rooms, table, objects, offsets, lengths, crcs, checked, False, False, settings))
    return [JoinedRead(work, room, end - count) for room, count, end in zip(rooms, counts, ends, strict=True)]


def _samples_read(
    rooms: list[_Room],
    table: ObjectTable,
    objects: Numbers,
    offsets: Numbers,
    lengths: Numbers,
    crcs: Numbers | None,
    checked: Numbers | None,
    whole: bool,
    verify: bool,
    settings: ReadSettings,
) -> Background:
    """The operation that reads samples into the memory of their batches."""
    count = len(lengths)
    if whole:
        references, opened = table.references(objects)
        numbers: Any = np.arange(count, dtype=np.uint64)
    else:
        distinct, numbers = np.unique(objects, return_inverse=True)
        references, opened = table.references(distinct)
    known: Any = np.uint64(0) if crcs is None else np.uint64(1) if checked is None else checked.astype(np.uint64)
    reads = _native.object_read_array(
        np.concatenate([room.addresses for room in rooms]),
        lengths,
        offsets,
        numbers,
        np.uint64(0) if crcs is None else crcs.astype(np.uint64),
        known,
    )
    chosen = _native.options(
        {
            "whole": whole or None,
            "validate": None if verify else False,
            "max_in_flight": settings.at_once,
            "hedge_after": settings.hedge_after,
        }
    )
    return Background("samples_read", references, opened, reads, count, chosen, keep=[room.memory for room in rooms])


class WholeRead(BatchRead):
    """Whole objects whose sizes are not known, each in memory of its own."""

    def __init__(self, table: ObjectTable, objects: Numbers, verify: bool, settings: ReadSettings) -> None:
        references, count = table.references(objects)
        chosen = _native.options({"max_in_flight": settings.at_once, "validate": None if verify else False})
        super().__init__(Background("objects_get", references, count, chosen, items=count))

    def finish(self) -> tuple[list[Any], dict[int, S3dlioError], Any]:
        report, memories = self._work.finish()
        found = [None if memory is None else np.asarray(memory) for memory in memories]
        self.nbytes = sum(one.nbytes for one in found if one is not None)
        return found, errors_by_place(report), None


def _lent(memory: Any, length: int) -> np.ndarray[Any, Any]:
    """Memory that the caller gave, as bytes that can be written to."""
    found = np.asarray(memory)
    if found.dtype != np.uint8 or found.nbytes != length or not (found.flags.writeable and found.flags.c_contiguous):
        raise InvalidArgumentError(f"allocate({length}) is to give as many writable bytes, found an array of {found.dtype} {found.shape}")
    return found.reshape(-1)
