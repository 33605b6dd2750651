"""Objects read as files, compressed or not."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from . import _calls, _native
from ._address import Address, resolve
from ._objects import Buffer, _buffer, decompress_option
from ._writer import ObjectWriter
from .exceptions import ClosedError, InvalidArgumentError, PreconditionError

#: ``"auto"`` decompresses objects whose name ends in ``.zst``, and finds those where the plain name is not there.
Decompress: TypeAlias = "bool | Literal['auto']"

#: Bytes that a small read reads ahead.
READ_AHEAD = 1 << 20


class ObjectReader(io.RawIOBase):
    """An object as a binary file to read from at any place; ``readinto`` lands in the caller's memory.

    A compressed object is read as its raw bytes: only the frames that a read touches are fetched, and each is checked. It can be pickled
    and used in forked children; there it opens the object again, and raises PreconditionError when that is no longer the same.

    Args:
        uri: Which object.
        decompress: ``"auto"``, True or False.
        buffering: Bytes that a smaller read reads ahead; larger ones go straight to the caller's memory. 0 reads nothing ahead.
        storage_options: Settings of the store.

    Raises:
        NotFoundError: There is no such object.
        InvalidDataError: It has to be decompressed and is not what ``ObjectWriter`` writes.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/r", b"0123456789")
        >>> with s3dlio.ObjectReader("memory://doc/r") as file:
        ...     file.seek(4), file.read(3), file.size
        (4, b'456', 10)
    """

    def __init__(
        self,
        uri: Address,
        *,
        decompress: Decompress = "auto",
        buffering: int = READ_AHEAD,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        self._number = 0
        self._buffering = buffering
        self._window: np.ndarray[Any, Any] = np.empty(0, np.uint8)
        self._window_at = 0
        self._where = resolve(uri, storage_options)
        self._decompress = decompress_option(decompress, self._where.address(self._where.key))
        self._generation = _native.generation
        opened = self._opened_now()
        self._number = opened["file"]
        self._size: int = opened["size"]
        self._opened = opened
        self._uri = self._where.address(opened["meta"]["key"])
        self._at = 0

    def _opened_now(self) -> dict[str, Any]:
        key = _native.key(self._where.key)
        settings = _native.options({"decompress": self._decompress})
        opened: dict[str, Any] = _calls.run("object_open", self._where.root.number(), key, len(key), settings)
        return opened

    @property
    def uri(self) -> str:
        """The object's address, with the suffix where the compressed one was found."""
        return self._uri

    @property
    def name(self) -> str:
        """As files have it: the object's address."""
        return self._uri

    @property
    def mode(self) -> str:
        """As files have it."""
        return "rb"

    @property
    def size(self) -> int:
        """Bytes to read, decompressed."""
        return self._size

    @property
    def stored_size(self) -> int:
        """Bytes of the object in its store."""
        return int(self._opened["meta"]["size"])

    @property
    def checksum(self) -> str | None:
        """CRC32C of the bytes to read, where it is recorded."""
        found: str | None = self._opened.get("checksum")
        return found

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        self._open()
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As files do it; beyond the end there is nothing to read."""
        self._open()
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}.get(whence)
        if base is None or base + offset < 0:
            raise InvalidArgumentError(f"{self._uri}: seek({offset}, {whence}) leads nowhere", self._uri)
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Fills the buffer as far as the object goes.

        Returns:
            Bytes read; 0 at the end.
        """
        self._open()
        address, length, owner = _buffer(buffer, self._where, writable=True)
        length = max(0, min(length, self._size - self._at))
        done = self._take(owner, 0, length)
        if length - done >= self._buffering:
            _calls.run("object_read", self._number, self._at, address + done, length - done, keep=owner)
            self._at += length - done
        elif done < length:
            self._look_ahead()
            self._take(owner, done, length - done)
        return length

    def peek(self, size: int = 0) -> bytes:
        """Bytes that come next, at least one before the end, without going there."""
        self._open()
        if not self._known() and self._at < self._size:
            self._look_ahead()
        start = self._at - self._window_at
        return self._window[start : start + self._known()].tobytes()

    def read1(self, size: int = -1) -> bytes:
        """As ``read``; without a size, what one read gives."""
        return self.read(max(self._buffering, 1) if size < 0 else size)

    def _known(self) -> int:
        """Bytes read ahead, from where the next read begins."""
        inside = self._window_at <= self._at < self._window_at + self._window.size
        return self._window_at + self._window.size - self._at if inside else 0

    def _take(self, target: np.ndarray[Any, Any], at: int, length: int) -> int:
        """Copies what was read ahead, as far as it goes."""
        count = min(length, self._known())
        start = self._at - self._window_at
        target[at : at + count] = self._window[start : start + count]
        self._at += count
        return count

    def _look_ahead(self) -> None:
        """Reads from here as far as a buffer goes."""
        window = np.empty(min(max(self._buffering, 1), self._size - self._at), np.uint8)
        _calls.run("object_read", self._number, self._at, window.__array_interface__["data"][0], window.size, keep=window)
        self._window, self._window_at = window, self._at

    def readall(self) -> bytes:
        """The rest of the object."""
        return self.read(-1)

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes, fewer at the end only; all that is left when it is negative or None."""
        self._open()
        left = max(0, self._size - self._at)
        length = left if size is None or size < 0 else min(size, left)
        made = np.empty(length, np.uint8)
        self.readinto(made)
        return made.tobytes()

    def close(self) -> None:
        """Lets go of the object."""
        number, self._number = getattr(self, "_number", 0), 0
        self._window = np.empty(0, np.uint8)
        if number:
            _native.close("file", number, self._generation)
        super().close()

    def __enter__(self) -> ObjectReader:
        self._open()
        return self

    def __getstate__(self) -> dict[str, Any]:
        if not self._number:
            raise ClosedError(f"{self._uri}: the file was closed; it cannot be pickled", self._uri)
        # what was read ahead can be read again
        return {**self.__dict__, "_window": np.empty(0, np.uint8), "_generation": _native.ELSEWHERE}

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self).__new__, (type(self),), self.__getstate__()

    def _open(self) -> None:
        if not self._number:
            raise ClosedError(f"{self._uri}: the file was closed", self._uri)
        if self._generation != _native.generation:
            self._open_again()

    def _open_again(self) -> None:
        """In another process than the one that opened it."""
        generation = _native.generation
        opened = self._opened_now()
        if any(opened["meta"].get(name) != self._opened["meta"].get(name) for name in ("key", "size", "etag")):
            _native.close("file", opened["file"], generation)
            raise PreconditionError(f"{self._uri}: the object was replaced since it was opened; open it again", self._uri)
        self._number, self._generation = opened["file"], generation


def open(
    uri: Address,
    mode: str = "rb",
    *,
    compress: bool | int | None = None,
    decompress: Decompress = "auto",
    buffering: int = READ_AHEAD,
    overwrite: bool = True,
    if_match: str | None = None,
    durable: bool | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    storage_options: dict[str, Any] | None = None,
) -> Any:
    """Opens an object as a binary file.

    Args:
        uri: Which object.
        mode: ``"rb"`` reads, ``"wb"`` writes, ``"xb"`` creates the object or fails.
        compress: For writing, as for :class:`ObjectWriter`. None: compressed if the name ends in ``.zst``.
        decompress: For reading: ``"auto"`` decompresses objects whose name ends in ``.zst``, and finds those where there is none
            of the plain name; True decompresses whatever the name; False gives the bytes as they are stored.
        buffering: For reading: bytes that smaller reads read ahead. Larger ones go straight to the caller's memory.
        overwrite: For writing: False is mode ``"xb"``.
        if_match: For writing: replace only the object with this ETag.
        durable: For writing: have it on the device, name and all, when the file is closed. None: as the store was opened.
        content_type: For writing: kept with the object.
        metadata: For writing: the user's own pairs of text, kept with the object.
        storage_options: Settings of the store.

    Returns:
        An :class:`ObjectReader` or an :class:`ObjectWriter`.

    Raises:
        NotFoundError, AlreadyExistsError: As the mode says.
        InvalidArgumentError: A mode that is none of these, or options of the other one.

    Example:
        >>> import numpy as np, s3dlio
        >>> with s3dlio.open("memory://doc/o.npy", "wb", compress=True) as file:
        ...     np.save(file, np.arange(5))
        >>> with s3dlio.open("memory://doc/o.npy") as file:
        ...     np.load(file)
        array([0, 1, 2, 3, 4])
    """
    if mode in ("wb", "xb", "bw", "bx"):
        if compress is None:
            compress = resolve(uri, storage_options).key.endswith(".zst")
        return ObjectWriter(
            uri,
            compress=compress,
            overwrite=overwrite and "x" not in mode,
            if_match=if_match,
            durable=durable,
            content_type=content_type,
            metadata=metadata,
            storage_options=storage_options,
        )
    what = resolve(uri, storage_options)
    name = what.address(what.key)
    if mode not in ("rb", "br"):
        raise InvalidArgumentError(
            f"{name}: mode {mode!r} is not to be had, only 'rb', 'wb' and 'xb'; for text wrap the file in io.TextIOWrapper", name
        )
    written = {"compress": compress, "if_match": if_match, "durable": durable, "content_type": content_type, "metadata": metadata}
    wrong = [option for option, value in written.items() if value is not None]
    if wrong or not overwrite:
        raise InvalidArgumentError(f"{name}: {', '.join(wrong or ['overwrite'])} is for writing, mode is {mode!r}", name)
    return ObjectReader(uri, decompress=decompress, buffering=buffering, storage_options=storage_options)
