"""Loads that begin anew where the object was replaced under their eyes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..exceptions import PreconditionError
from ._warnings import log

T = TypeVar("T")

#: How often such a call reads at most.
READS = 5


async def while_replaced(load: Callable[[], Awaitable[T]]) -> T:
    """Opens and reads with ``load``, from the start once more when the version that was opened is gone before all of it was read.

    On S3 and Azure the old version ends with the write of the new one. A handle that the user holds keeps to its version and says
    so; a call that opens and reads by itself has handed nothing out yet.
    """
    for attempt in range(READS - 1):
        try:
            return await load()
        except PreconditionError as error:
            log.info("read %d began anew, the object was replaced meanwhile: %s", attempt + 1, error)
    return await load()
