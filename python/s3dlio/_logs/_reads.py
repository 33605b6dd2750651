"""How records of a log come to Python: consecutive ones, ones by number, and those that are still to come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._core import _calls, _native
from .._core._calls import blocking
from .._core._memory import address_of, empty_array
from ..exceptions import StoreTimeoutError

if TYPE_CHECKING:
    from ._records import Bytes, Elements

#: Records and bytes of one call.
MOST = 65_536
MOST_BYTES = 64 << 20


class Reading(NamedTuple):
    """What reads need of a log.

    Attributes:
        what: Its directory or address.
        kind: What its records are.
        live: Gives its native number, with all records handed over.
    """

    what: str
    kind: Bytes | Elements
    live: Callable[[], int]


@blocking
async def scan(log: Reading, first: int, most: int, skip: bool = False, timeout: float | None = None) -> tuple[Any, Any, int]:
    """Consecutive records: their numbers, themselves, and the number that comes next."""
    kind = log.kind
    options = _native.options({"skip_damaged": True}) if skip else None
    if kind.dtype is None:
        memory, told = await _native.run("log_scan", log.live(), first, most, MOST_BYTES, None, 0, options, data=True, both=True)
        numbers, records = _apart(memory, told["count"])
        return numbers, records, told["next"]
    most = max(1, min(most, MOST_BYTES // kind.size, _native.log_info(log.live())[1] - first))
    out = empty_array((most, *kind.shape), kind.dtype)
    place = (address_of(out), out.nbytes)
    memory, told = await _native.run(
        "log_scan", log.live(), first, most, out.nbytes, *place, options, keep=out, lent=True, data=True, both=True
    )
    count = told["count"]
    return np.asarray(memory).view(np.int64)[:count], out[:count], told["next"]


@blocking
async def read(log: Reading, numbers: np.ndarray[Any, Any], out: np.ndarray[Any, Any] | None, timeout: float | None = None) -> Any:
    """Records by number, in the order given."""
    place = (None, 0) if out is None else (address_of(out), out.nbytes)
    wanted = _native.numbers_at(address_of(numbers))
    keep = (numbers, out)
    memory, told = await _native.run(
        "log_read", log.live(), wanted, len(numbers), *place, keep=keep, lent=out is not None, data=True, both=True
    )
    return _apart(memory, told["count"])[1] if out is None else out


def _apart(memory: Any, count: int) -> tuple[Any, list[bytes]]:
    held = np.asarray(memory)
    table = held[: 16 * count].view(np.int64)
    data = held[16 * count :].tobytes()
    ends = table[count:].tolist()
    return table[:count], [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=False)] if count else []


class LogFollower:
    """The committed records of a log, each as soon as it is there; for ``for`` and ``async for``.

    It ends when no record came for ``timeout`` seconds, or when the log that it follows is closed here.
    """

    def __init__(self, log: Reading, start: int, timeout: float | None) -> None:
        self._log = log
        self._what = log.what
        self._timeout = timeout
        self._numbers: list[int] = []
        self._records: Any = ()
        self._at = 0
        self._next = start

    @property
    def next(self) -> int:
        """The number of the record that comes next: what a cursor is set to."""
        return self._numbers[self._at] if self._at < len(self._numbers) else self._next

    def __iter__(self) -> Iterator[Any]:
        return self

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    def __next__(self) -> Any:
        while self._at >= len(self._numbers):
            committed: int | None
            try:
                committed = _wait(self, timeout=self._timeout)
            except StoreTimeoutError:
                committed = None if self._timeout is None else self._next
            if committed == self._next:
                raise StopIteration
            if committed is not None:
                _fetch(self, committed)
        return self._take()

    async def __anext__(self) -> Any:
        while self._at >= len(self._numbers):
            committed: int | None
            try:
                committed = await _calls.awaited("follow", _wait, self, timeout=self._timeout)
            except StoreTimeoutError:
                committed = None if self._timeout is None else self._next
            if committed == self._next:
                raise StopAsyncIteration
            if committed is not None:
                await _calls.awaited("follow", _fetch, self, committed)
        return self._take()

    def _take(self) -> Any:
        self._at += 1
        return self._records[self._at - 1]


@blocking
async def _wait(follower: LogFollower, timeout: float | None = None) -> int:
    """Waits for the next record.

    Gives the number that the next commit will begin with, which is the follower's own where the log was closed.
    """
    committed = (await _native.run("log_wait", follower._log.live(), follower._next))["committed"]
    return max(int(committed), follower._next)


@blocking
async def _fetch(follower: LogFollower, committed: int) -> None:
    """Reads the next records.

    The follower's timeout is for the wait alone: records that are there are given, however long their reading takes.
    """
    log, at = follower._log, follower._next
    numbers, records, after = await scan.body(log, at, min(committed - at, 1024))  # type: ignore[attr-defined]
    follower._numbers, follower._records, follower._next, follower._at = numbers.tolist(), records, after, 0
