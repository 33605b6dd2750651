"""Progress: a callback that the user gives, or tqdm's bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from . import _native

#: ``progress(done, total)``, where total is -1 until it is known; True shows tqdm's bar where tqdm is installed.
Progress: TypeAlias = Callable[[int, int], object] | bool | None


async def run(progress: Progress, what: str, function: str, *arguments: Any, **options: Any) -> Any:
    """One operation that counts bytes, watched; see ``_native.run``.

    Args:
        progress: What the user gave.
        what: What the bar says.
        function: The operation.
        arguments: Its arguments.
        options: Those of ``_native.run``.
    """
    with watching(progress, what, "B") as callback:
        return await _native.run(function, *arguments, progress=callback, **options)


@contextmanager
def watching(progress: Progress, what: str, unit: str) -> Iterator[Callable[[int, int], object] | None]:
    """The callback to give to the library.

    Args:
        progress: What the user gave.
        what: What the bar says.
        unit: ``"B"`` for bytes, else the name of the items.
    """
    if progress is None or progress is False:
        yield None
        return
    if progress is not True:
        yield progress
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield None
        return
    with tqdm(desc=what, unit=unit, unit_scale=unit == "B", unit_divisor=1024) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total if total >= 0 else None
            bar.update(done - bar.n)

        yield show
