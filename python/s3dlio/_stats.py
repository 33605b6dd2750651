"""What the stores of this process have been asked for."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from ._core import _native
from ._core._calls import blocking


@dataclass(frozen=True)
class StoreStats:
    """What one store has been asked for since the process began; the difference of two is what came between.

    Attributes:
        requests: Requests that were sent, those that were sent again among them. Of files and memory: calls.
        retries: Requests that were sent again because one before failed.
        bytes_read: Bytes that came from the store; of services also those of listings and errors.
        bytes_written: Bytes that were given to the store, once more for each retry.
        cache_hits: Reads that memory answered and that were no request.
    """

    requests: int = 0
    retries: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    cache_hits: int = 0

    def __sub__(self, before: StoreStats) -> StoreStats:
        if not isinstance(before, StoreStats):
            return NotImplemented
        return StoreStats(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


@blocking
async def stats(*, timeout: float | None = None) -> dict[str, StoreStats]:
    """What each store has been asked for since the process began; a forked child begins anew.

    Args:
        timeout: Seconds for the call.

    Returns:
        By the store's address: a bucket's or container's, a memory store's, ``file:///`` for all files and ``direct:///`` for those
        past the page cache. Only stores that were asked for something are there.

    Raises:
        StoreTimeoutError: ``timeout`` seconds were over.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://doc-stats/a", b"123456789")
        >>> _ = s3dlio.get("memory://doc-stats/a")
        >>> s3dlio.stats()["memory://doc-stats/"]
        StoreStats(requests=2, retries=0, bytes_read=9, bytes_written=9, cache_hits=0)
    """
    return by_store(await _native.run("stats"))


def by_store(found: list[dict[str, Any]]) -> dict[str, StoreStats]:
    """What the library tells, by store."""
    return {one.pop("uri"): StoreStats(**{name: int(one.get(name, 0)) for name in StoreStats.__annotations__}) for one in found}
