"""Results of blocking calls that may be awaited too.

The original's store of several endpoints has coroutines where this one's calls block. A script that awaits them gets the finished result.
"""

from __future__ import annotations

import builtins
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ._results import WriteResult
from ._view import BytesView

if TYPE_CHECKING:
    from typing_extensions import Self


class _Finished:
    def __await__(self) -> Generator[Any, None, Self]:
        yield from ()
        return self


class AwaitableView(_Finished, BytesView):
    """A :class:`s3dlio.BytesView`; to await it gives itself."""


class AwaitableList(_Finished, builtins.list[str]):
    """A list of text; to await it gives itself."""


class AwaitableCount(_Finished, int):
    """A number; to await it gives itself."""


class AwaitableResult(_Finished, WriteResult):
    """What a write gives; to await it gives itself."""
