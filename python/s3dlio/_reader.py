"""Objects read as files, compressed or not."""

from __future__ import annotations

import io
import operator
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, overload

import numpy as np

from ._core import _calls, _native
from ._core._address import Address, resolve
from ._core._options import StorageOptions
from ._core._progress import Progress, watching
from ._objects import Buffer, buffer_of, decompress_option
from ._writer import ObjectWriter
from .exceptions import ClosedError, InvalidArgumentError, PreconditionError

#: ``"auto"`` decompresses objects whose name ends in ``.zst``, and finds those where the plain name is not there.
Decompress: TypeAlias = bool | Literal["auto"]

_Bytes: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"

#: Bytes that a small read reads ahead.
READ_AHEAD = 1 << 20

#: Bytes to which that grows while reads go on one after the other; there are two such pieces, one of them on its way.
_MOST_AHEAD = 8 << 20

#: Pieces in which an object of unknown size is read to its end.
_PIECE = 4 << 20

#: Bytes among which the end of a line is looked for at once.
_LINE = 4096

#: No object reaches so far.
_BEYOND = (1 << 63) - 1


def meta_of(reader: ObjectReader) -> dict[str, Any]:
    """What the store told of an object when it was opened."""
    found: dict[str, Any] = reader._opened["meta"]
    return found


class ObjectReader(io.RawIOBase):
    """An object as a binary file to read from at any place; ``readinto`` lands in the caller's memory.

    A compressed object is read as its raw bytes: only the frames that a read touches are fetched, and each is checked. One that
    another program compressed without a seek table is decompressed from its front in bounded memory: how long it is shows at
    its end, going back begins anew, and damage shows at the end of the frame that has it. For one thread at a time. It can be
    pickled and used in forked children; there it opens the object again, and raises PreconditionError when that is no longer the same.

    Args:
        uri: Which object.
        decompress: ``"auto"``, True or False.
        buffering: Bytes that a smaller read reads ahead; larger ones go straight to the caller's memory. While reads go on one
            after the other, the next bytes are on their way before they are asked for, up to 8 MiB. 0 reads nothing ahead.
        progress: Called with the place reached and the object's size (-1 while it is not known), or True for tqdm's bar where
            tqdm is installed.
        timeout: Seconds for each read; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Raises:
        NotFoundError: There is no such object.
        InvalidDataError: It has to be decompressed and is not what zstd writes.

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
        progress: Progress = None,
        timeout: float | None = None,
        storage_options: StorageOptions | None = None,
    ) -> None:
        self._number = 0
        self._buffering = buffering
        self._timeout = timeout
        self._window = self._spare = np.empty(0, np.uint8)
        self._window_at = self._at = 0
        self._ahead: _Ahead | None = None
        self._reach = buffering
        self._where = resolve(uri, storage_options)
        self._decompress = decompress_option(decompress, self._where.address(self._where.key))
        self._generation = _native.generation
        self._uri = self._where.address(self._where.key)
        opened = self._opened_now()
        self._number = opened["file"]
        self._size: int = opened["size"]
        self._opened = opened
        self._uri = self._where.address(opened["meta"]["key"])
        self._watched = ExitStack()
        self._progress = self._watched.enter_context(watching(progress, "read", "B"))

    def _opened_now(self) -> dict[str, Any]:
        key = _native.key(self._where.key)
        settings = _native.options({"decompress": self._decompress})
        opened: dict[str, Any] = self._run("object_open", self._where.root.number(), key, len(key), settings)
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
        """Bytes to read, decompressed. Of a compressed object without a seek table it is found by reading to the end."""
        if self._size < 0:
            self._open()
            self._fetch(_BEYOND, np.empty(0, np.uint8))
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
        offset, whence = operator.index(offset), operator.index(whence)
        base = 0 if whence == os.SEEK_SET else self._at if whence == os.SEEK_CUR else self.size if whence == os.SEEK_END else None
        if base is None or base + offset < 0:
            raise InvalidArgumentError(f"{self._uri}: seek({offset}, {whence}) leads nowhere", self._uri)
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Fills the buffer as far as the object goes.

        Returns:
            Bytes read; 0 at the end.
        """
        return self._fill(buffer, True)

    def _fill(self, buffer: Buffer, lent: bool) -> int:
        self._open()
        _, length, owner = buffer_of(buffer, self._where, writable=True)
        if self._size >= 0:
            length = max(0, min(length, self._size - self._at))
        done = self._take(owner, 0, length)
        while done < length:
            if self._is_ahead() or length - done < self._buffering:
                self._look_ahead()
                count = self._take(owner, done, length - done)
            else:
                count = self._fetch(self._at, owner[done:length], lent)
                self._at += count
            if count == 0:
                break
            done += count
        if self._progress is not None:
            self._progress(self._at, self._size)
        return done

    def peek(self, size: int = 0) -> bytes:
        """Bytes that come next, at least one before the end, without going there."""
        self._open()
        if not self._known() and (self._size < 0 or self._at < self._size):
            self._look_ahead()
        start = self._at - self._window_at
        return self._window[start : start + self._known()].tobytes()

    def readline(self, size: int | None = -1) -> bytes:
        """Up to the end of the line, and at most ``size`` bytes unless that is negative or None."""
        self._open()
        # io's own may give more than asked for where the end of what was read ahead comes in between
        left = _BEYOND if size is None or operator.index(size) < 0 else operator.index(size)
        pieces: list[bytes] = []
        while left and not (pieces and pieces[-1].endswith(b"\n")):
            if not self._known() and (self._size < 0 or self._at < self._size):
                self._look_ahead()
            start = self._at - self._window_at
            piece = self._window[start : start + min(self._known(), left, _LINE)].tobytes()
            if not piece:
                break
            piece = piece[: piece.find(b"\n") + 1] or piece
            pieces.append(piece)
            self._at += len(piece)
            left -= len(piece)
        if self._progress is not None:
            self._progress(self._at, self._size)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read1(self, size: int = -1) -> bytes:
        """As ``read``; without a size, what one read gives."""
        return self.read(max(self._buffering, 1) if operator.index(size) < 0 else size)

    def _known(self) -> int:
        """Bytes read ahead, from where the next read begins."""
        inside = self._window_at <= self._at < self._window_at + self._window.size
        return self._window_at + self._window.size - self._at if inside else 0

    def _take(self, target: _Bytes, at: int, length: int) -> int:
        """Copies what was read ahead, as far as it goes."""
        count = min(length, self._known())
        start = self._at - self._window_at
        target[at : at + count] = self._window[start : start + count]
        self._at += count
        return count

    def _is_ahead(self) -> bool:
        """Whether what comes next is on its way already."""
        return self._ahead is not None and self._ahead.at <= self._at < self._ahead.at + self._ahead.memory.size

    def _look_ahead(self) -> None:
        """Has the bytes that come next in the window, and those behind them on their way where reads go on one after the other."""
        follows = self._window.size > 0 and self._at == self._window_at + self._window.size
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.at <= self._at < ahead.at + ahead.memory.size:
            count = self._counted(ahead.work.finish(self._uri, self._timeout), ahead.memory.size)
            self._spare, self._window, self._window_at = self._window, ahead.memory[:count], ahead.at
        else:
            if ahead is not None:
                ahead.work.close()
            memory = self._memory(self._at, max(self._buffering, 1))
            self._spare, self._window, self._window_at = self._window, memory[: self._fetch(self._at, memory)], self._at
        if not follows:
            self._reach = self._buffering
        elif self._buffering:
            self._reach = max(self._buffering, min(2 * self._reach, _MOST_AHEAD))
            end = self._window_at + self._window.size
            memory = self._memory(end, self._reach)
            if memory.size and self._window.size:
                address = memory.__array_interface__["data"][0]
                self._ahead = _Ahead(end, memory, _calls.Background("object_read", self._number, end, address, memory.size, keep=memory))

    def _memory(self, at: int, length: int) -> _Bytes:
        """Memory for bytes from there on; that of the window before the last is used again."""
        if self._size >= 0:
            length = max(0, min(length, self._size - at))
        spare, self._spare = self._spare, np.empty(0, np.uint8)
        whole: _Bytes = spare if spare.base is None else spare.base
        return whole[:length] if whole.size >= length else np.empty(length, np.uint8)

    def _fetch(self, at: int, target: _Bytes, lent: bool = False) -> int:
        """Reads into memory; fewer bytes than fit at the end only."""
        address = target.__array_interface__["data"][0]
        return self._counted(self._run("object_read", self._number, at, address, target.size, keep=target, lent=lent), target.size)

    def _counted(self, found: dict[str, int] | None, wanted: int) -> int:
        """How many bytes a read gave."""
        if found is None:
            return wanted
        if found["size"] >= 0:
            self._size = found["size"]
        return found["read"]

    def _run(self, function: str, *arguments: Any, keep: object = None, lent: bool = False) -> Any:
        return _calls.run(function, *arguments, keep=keep, lent=lent, about=self._uri, timeout=self._timeout)

    def readall(self) -> bytes:
        """The rest of the object."""
        return self.read(-1)

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes, fewer at the end only; all that is left when it is negative or None."""
        self._open()
        wanted = None if size is None or operator.index(size) < 0 else operator.index(size)
        if self._size < 0 and (wanted is None or wanted > _PIECE):
            return b"".join(self._pieces(wanted))
        left = max(0, self._size - self._at)
        made = np.empty(left if wanted is None else min(wanted, left) if self._size >= 0 else wanted, np.uint8)
        return made[: self._fill(made, False)].tobytes()

    def _pieces(self, wanted: int | None) -> Iterator[bytes]:
        """What is left, or so many bytes of it, where nobody knows how much there is."""
        while wanted is None or wanted > 0:
            made = np.empty(_PIECE if wanted is None else min(_PIECE, wanted), np.uint8)
            count = self._fill(made, False)
            if count == 0:
                return
            yield made[:count].tobytes()
            wanted = None if wanted is None else wanted - count

    def close(self) -> None:
        """Lets go of the object; what was on its way is cancelled."""
        ahead, self._ahead = getattr(self, "_ahead", None), None
        if ahead is not None:
            ahead.work.close()
        number, self._number = getattr(self, "_number", 0), 0
        self._window = self._spare = np.empty(0, np.uint8)
        if number:
            _native.close("file", number, self._generation)
            self._watched.close()
        super().close()

    def __enter__(self) -> ObjectReader:
        self._open()
        return self

    def __getstate__(self) -> dict[str, Any]:
        if not self._number:
            raise ClosedError(f"{self._uri}: the file was closed; it cannot be pickled", self._uri)
        # what was read ahead can be read again; nobody looks at the progress of another process
        nothing = np.empty(0, np.uint8)
        left_here = {"_window": nothing, "_spare": nothing, "_ahead": None, "_progress": None, "_watched": ExitStack()}
        return {**self.__dict__, **left_here, "_generation": _native.ELSEWHERE}

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self).__new__, (type(self),), self.__getstate__()

    def _open(self) -> None:
        if not self._number:
            raise ClosedError(f"{self._uri}: the file was closed", self._uri)
        if self._generation != _native.generation:
            self._open_again()

    def _open_again(self) -> None:
        """In another process than the one that opened it. What was on its way goes on in that one."""
        generation = _native.generation
        self._ahead = None
        opened = self._opened_now()
        if any(opened["meta"].get(name) != self._opened["meta"].get(name) for name in ("key", "size", "etag")):
            _native.close("file", opened["file"], generation)
            raise PreconditionError(f"{self._uri}: the object was replaced since it was opened; open it again", self._uri)
        self._number, self._generation = opened["file"], generation


@dataclass(frozen=True)
class _Ahead:
    """Bytes on their way: from where, to where, by which operation."""

    at: int
    memory: _Bytes
    work: _calls.Background


@overload
def open(
    uri: Address,
    mode: Literal["rb", "br"] = "rb",
    *,
    compress: bool | int | None = None,
    decompress: Decompress = "auto",
    buffering: int = READ_AHEAD,
    overwrite: bool = True,
    if_match: str | None = None,
    durable: bool | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> ObjectReader: ...
@overload
def open(
    uri: Address,
    mode: Literal["wb", "xb", "bw", "bx"],
    *,
    compress: bool | int | None = None,
    decompress: Decompress = "auto",
    buffering: int = READ_AHEAD,
    overwrite: bool = True,
    if_match: str | None = None,
    durable: bool | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> ObjectWriter: ...
@overload
def open(
    uri: Address,
    mode: str,
    *,
    compress: bool | int | None = None,
    decompress: Decompress = "auto",
    buffering: int = READ_AHEAD,
    overwrite: bool = True,
    if_match: str | None = None,
    durable: bool | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> ObjectReader | ObjectWriter: ...
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
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
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
        progress: Called with bytes read or written so far and in all (-1 while nobody knows), or True for tqdm's bar where tqdm
            is installed.
        timeout: Seconds for each read or write; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        An :class:`ObjectReader` or an :class:`ObjectWriter`.

    Raises:
        NotFoundError, AlreadyExistsError: As the mode says.
        InvalidArgumentError: Another mode, or options of the other mode.

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
            progress=progress,
            timeout=timeout,
            storage_options=storage_options,
        )
    what = resolve(uri, storage_options)
    name = what.address(what.key)
    if mode not in ("rb", "br"):
        raise InvalidArgumentError(
            f"{name}: mode {mode!r} is not supported; use 'rb', 'wb' or 'xb', and for text wrap the file in io.TextIOWrapper", name
        )
    written = {"compress": compress, "if_match": if_match, "durable": durable, "content_type": content_type, "metadata": metadata}
    wrong = [option for option, value in written.items() if value is not None]
    if wrong or not overwrite:
        raise InvalidArgumentError(f"{name}: {', '.join(wrong or ['overwrite'])} is for writing, mode is {mode!r}", name)
    return ObjectReader(
        uri, decompress=decompress, buffering=buffering, progress=progress, timeout=timeout, storage_options=storage_options
    )
