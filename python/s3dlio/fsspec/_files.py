"""The files that a file system opens: s3dlio's own, with what fsspec expects of one."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np

from .._core._address import Location
from .._core._memory import empty_array
from .._core._output import in_finalizer
from .._reader import READ_AHEAD, ObjectReader, meta_of
from .._writer import ObjectWriter
from ..exceptions import ClosedError
from ._operations import described

#: Bytes in which an object that is appended to is copied.
_PIECE = 8 << 20


class ReadFile(ObjectReader):
    """An object of a file system, to read from; see :class:`s3dlio.types.ObjectReader`.

    Args:
        fs: The file system.
        path: The object's path in it.
        where: The object.
        block_size: Bytes that smaller reads read ahead.
        timeout: Seconds for each read.
    """

    def __init__(self, fs: Any, path: str, where: Location, *, block_size: int = READ_AHEAD, timeout: float | None = None) -> None:
        self.fs = fs
        self.path = path
        self.blocksize = block_size
        self._cache: Any = None
        super().__init__(where, decompress=False, buffering=block_size, timeout=timeout)

    @property
    def full_name(self) -> str:
        """The path with its protocol."""
        return str(self.fs.unstrip_protocol(self.path))

    @property
    def details(self) -> dict[str, Any]:
        """What the file system knows of the object, as of when it was opened."""
        found: dict[str, Any] = described(self.path, meta_of(self))
        return found

    def info(self) -> dict[str, Any]:
        """See ``details``."""
        return self.details

    @property
    def loc(self) -> int:
        """Where the next read begins."""
        return self.tell()

    @property
    def closed(self) -> bool:
        """Whether nothing more can be read."""
        return bool(super().closed)

    @closed.setter
    def closed(self, closed: bool) -> None:
        # how fsspec's block cache ends a file
        if closed and not self.closed:
            ObjectReader.close(self)

    @property
    def cache(self) -> Any:
        """What fsspec's block cache puts in front of the object, or None."""
        return self._cache

    @cache.setter
    def cache(self, cache: Any) -> None:
        # what is read ahead would pass it by
        self._cache, self._buffering = cache, 0

    def read_buffer(self, size: int | None = -1) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """As ``read``, in memory of the library that is handed over and not copied. pyarrow asks for it where a file has it.

        Args:
            size: Bytes at most; all that is left when it is negative or None.
        """
        left = max(0, self.size - self.tell())
        made = empty_array((left if size is None or size < 0 else min(size, left),), np.dtype(np.uint8))
        return made[: self.readinto(made) if made.size else 0]

    def _fetch(self, at: int, target: Any, lent: bool = False) -> int:
        if self._cache is None:
            return super()._fetch(at, target, lent)
        found = self._cache._fetch(at, min(at + target.size, self.size))
        target[: len(found)] = np.frombuffer(found, np.uint8)
        return len(found)

    def _fetch_range(self, start: int, end: int) -> bytes:
        memory = np.empty(max(0, min(end, self.size) - start), np.uint8)
        return memory[: super()._fetch(start, memory)].tobytes() if memory.size else b""

    def readuntil(self, char: bytes = b"\n", blocks: int | None = None) -> bytes:
        """All up to ``char``, with it, or to the end.

        Args:
            char: One byte or several.
            blocks: Bytes to look through at a time.
        """
        found = bytearray()
        while piece := self.read(blocks or self.blocksize):
            start = max(0, len(found) - len(char) + 1)
            found += piece
            at = found.find(char, start)
            if at >= 0:
                end = at + len(char)
                self.seek(end - len(found), 1)
                return bytes(found[:end])
        return bytes(found)


class WriteFile(ObjectWriter):
    """An object of a file system in the making; see :class:`s3dlio.types.ObjectWriter`.

    In a transaction a file that was closed waits for the transaction's end: ``commit`` makes the object appear, ``discard`` leaves nothing.
    One that was left by an exception is discarded at once, whatever becomes of the transaction.

    Args:
        fs: The file system.
        path: The object's path in it.
        where: The object.
        autocommit: False in a transaction.
        options: As ``ObjectWriter`` has them.
    """

    _held = False

    def __init__(self, fs: Any, path: str, where: Location, *, autocommit: bool = True, options: Mapping[str, Any]) -> None:
        self.fs = fs
        self.path = path
        self.autocommit = autocommit
        super().__init__(where, **options)

    @property
    def full_name(self) -> str:
        """The path with its protocol."""
        return str(self.fs.unstrip_protocol(self.path))

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._held or super().closed

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self.bytes_written

    def write(self, data: Any) -> int:
        """See ``ObjectWriter``."""
        if self._held:
            raise ClosedError(f"{self._uri}: the file was closed and waits for the end of its transaction", self._uri)
        return super().write(data)

    def close(self) -> None:
        """See ``ObjectWriter``; in a transaction the object appears with its end only."""
        if self._held or self.closed:
            return
        if self.autocommit or self._abandoned or in_finalizer():
            super().close()
            return
        self._refuse_while_unwinding()
        self.flush()
        self._held = True

    def commit(self, length: int | None = None) -> int:
        """Makes the object of a transaction appear; one that was discarded stays away. With a length, as ``ObjectWriter.commit``.

        Returns:
            Bytes committed.
        """
        if length is not None:
            return super().commit(length)
        self._held = False
        if self._output.torn or (self._output.is_here and not self._output.stored):
            self._finish()
        return self.bytes_written

    def discard(self) -> None:
        """Leaves nothing behind."""
        self._held = False
        self.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None or self.autocommit:
            super().__exit__(kind, error, trace)
        elif not self.closed:
            self.flush()
            self._held = True


def appended(fs: Any, path: str, where: Location, *, autocommit: bool, timeout: float | None, options: Mapping[str, Any]) -> WriteFile:
    """An object to append to.

    It is copied into a new one, which takes its place when the file is closed, unless another program was quicker.
    """
    try:
        old = ObjectReader(where, decompress=False, timeout=timeout)
    except FileNotFoundError:
        return WriteFile(fs, path, where, autocommit=autocommit, options={**options, "overwrite": False})
    with old:
        etag = meta_of(old).get("etag")
        made = WriteFile(fs, path, where, autocommit=autocommit, options={**options, "if_match": etag})
        try:
            while piece := old.read(_PIECE):
                made.write(piece)
        except BaseException:
            made.discard()
            raise
    return made
