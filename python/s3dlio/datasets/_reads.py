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


class Stretches(NamedTuple):
    """Where samples lie whose sizes are known."""

    table: ObjectTable
    #: The object of each sample.
    objects: Numbers
    #: Where each begins there.
    offsets: Any
    #: Bytes of each.
    lengths: Numbers
    #: CRC32C of each; None where none is known.
    crcs: Numbers | None = None
    #: Which of them are known; None: all.
    checked: Numbers | None = None


class _Work:
    """One operation that reads one or several batches; its report is asked for once."""

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


class SizedRead(BatchRead):
    """A batch of samples whose sizes are known, in one piece of memory; letting go of all batches of its operation cancels that."""

    def __init__(self, work: _Work, room: _Room, first: int) -> None:
        super().__init__(work.work)
        self._operation, self._room, self._first = work, room, first
        self.nbytes = room.nbytes

    def finish(self) -> tuple[list[Any], dict[int, S3dlioError], Any]:
        hedged, failures = self._operation.finish()
        # counted once, with the batch that comes first
        self.hedged = 0 if self._first else hedged
        samples, together = self._room.samples()
        mine = range(self._first, self._first + len(self._room))
        return samples, {place - self._first: failure for place, failure in failures.items() if place in mine}, together


def read_sized(counts: list[int], stretches: Stretches, whole: bool, verify: bool, settings: ReadSettings) -> list[BatchRead]:
    """Begins to read one or several batches by one operation, in which stretches that lie near each other come in one request.

    Args:
        counts: Samples of each batch.
        stretches: Those of all batches, one batch behind the other.
        whole: Each is a whole object.
        verify: Whether whole objects are compared with what is recorded with them.
        settings: How they are read.

    Returns:
        A read for each batch.
    """
    table, objects, offsets, lengths, crcs, checked = stretches
    ends = np.cumsum(counts).tolist()
    rooms = [_Room(lengths[end - count : end], settings) for count, end in zip(counts, ends, strict=True)]
    if whole:
        references, opened = table.references(objects)
        numbers: Any = np.arange(len(lengths), dtype=np.uint64)
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
    memory = [room.memory for room in rooms]
    work = _Work(Background("samples_read", references, opened, reads, len(lengths), chosen, keep=memory))
    return [SizedRead(work, room, end - count) for room, count, end in zip(rooms, counts, ends, strict=True)]


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
