"""Bytes that all loaders of a process read ahead together."""

from __future__ import annotations

import os
import threading

from .._core import _native


class _Budget:
    def __init__(self) -> None:
        self.limit = max(256 << 20, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
        self._used = 0
        self._generation = _native.generation
        self._lock = threading.Lock()

    def take(self, nbytes: int, anyhow: bool) -> bool:
        """Counts so many bytes; False where there is no room and it is not for a batch that somebody waits for."""
        self._look()
        with self._lock:
            if not anyhow and self._used + nbytes > self.limit:
                return False
            self._used += nbytes
            return True

    def give(self, nbytes: int, generation: int) -> None:
        """What was taken is free again."""
        self._look()
        if generation == self._generation:
            with self._lock:
                self._used -= nbytes

    @property
    def used(self) -> int:
        """Bytes that are taken now."""
        self._look()
        return self._used

    def _look(self) -> None:
        """In a forked child nothing is read ahead yet, and a thread of the parent may have held the lock."""
        if self._generation != _native.generation:
            self._lock, self._used, self._generation = threading.Lock(), 0, _native.generation


budget = _Budget()


def limit_read_ahead(memory: int | str | None = None) -> int:
    """Bounds what all loaders of this process read ahead together, beside the bound that each has itself.

    Each loader reads one batch in any case. Worker processes have a bound of their own, of the same size.

    Args:
        memory: Bytes, a number or text such as ``"8GiB"``; None changes nothing. At first it is a quarter of the machine's memory.

    Returns:
        The bound before.

    Raises:
        InvalidArgumentError: ``memory`` is no number of bytes.

    Example:
        >>> import s3dlio
        >>> before = s3dlio.datasets.limit_read_ahead("512MiB")
        >>> s3dlio.datasets.limit_read_ahead(before) == 512 << 20
        True
    """
    from ._loader import byte_count

    before = budget.limit
    if memory is not None:
        budget.limit = byte_count(memory)
    return before
