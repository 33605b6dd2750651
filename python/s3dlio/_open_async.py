"""Objects read and written as files in an event loop, without a thread."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar, overload

import numpy as np

from ._core import _calls, _native
from ._core._address import Address, Location, resolve
from ._core._options import StorageOptions
from ._core._output import Output
from ._core._progress import Progress, watching
from ._objects import Buffer, buffer_of, compression_options, decompress_option, put_options_of
from ._reader import READ_AHEAD, Decompress
from .exceptions import ClosedError, InvalidArgumentError

#: Smaller writes are gathered to pieces of this many bytes.
_GATHER = 1 << 20

#: Pieces in which an object of unknown size is read to its end.
_PIECE = 4 << 20

_BEYOND = (1 << 63) - 1

F = TypeVar("F", bound="_AsyncFile")


class _AsyncFile:
    """What both have: an object's file in the native library."""

    _kind = ""

    def __init__(self, where: Location, key: str, number: int, timeout: float | None, progress: Progress, what: str) -> None:
        self._where = where
        self._uri = where.address(key)
        self._number = number
        self._generation = _native.generation
        self._timeout = timeout
        self._watched = ExitStack()
        self._progress = self._watched.enter_context(watching(progress, what, "B"))

    @property
    def uri(self) -> str:
        """The object's address, with the suffix where the compressed one is meant."""
        return self._uri

    @property
    def closed(self) -> bool:
        """Whether the file was closed."""
        return not self._number

    async def _run(self, function: str, *arguments: Any, keep: object = None, lent: bool = False) -> Any:
        return await _calls.run_in_loop(function, *arguments, keep=keep, lent=lent, about=self._uri, timeout=self._timeout)

    def _open(self) -> int:
        if not self._number:
            raise ClosedError(f"{self._uri}: the file was closed", self._uri)
        if self._generation != _native.generation:
            raise ClosedError(f"{self._uri}: the file was opened before this process was forked; open it here", self._uri)
        return self._number

    def _let_go(self) -> None:
        number, self._number = getattr(self, "_number", 0), 0
        if number:
            _native.close(self._kind, number, self._generation)
            self._watched.close()

    def close(self) -> Coroutine[Any, Any, None]:
        """Lets go of the object."""
        return self._closed()

    async def _closed(self) -> None:
        self._let_go()

    async def __aenter__(self: F) -> F:
        self._open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def __del__(self) -> None:
        self._let_go()


class AsyncObjectReader(_AsyncFile):
    """An object as a binary file of an event loop, to read from at any place; what :func:`open_async` gives for mode ``"rb"``.

    As :class:`ObjectReader`, compressed or not, with awaited ``read``, ``readinto``, ``seek`` and ``close``. For one task at a time.
    A read whose task is cancelled leaves the place as it was.
    """

    _kind = "file"

    def __init__(self, where: Location, opened: dict[str, Any], buffering: int, timeout: float | None, progress: Progress) -> None:
        super().__init__(where, opened["meta"]["key"], opened["file"], timeout, progress, "read")
        self._opened = opened
        self._size: int = opened["size"]
        self._buffering = buffering
        self._at = self._window_at = 0
        self._window = np.empty(0, np.uint8)

    @property
    def size(self) -> int:
        """Bytes to read, decompressed; -1 for a compressed object without a seek table until a read or ``seek`` came to its end."""
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

    def tell(self) -> int:
        """Where the next read begins."""
        self._open()
        return self._at

    async def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As files do it; beyond the end there is nothing to read.

        Raises:
            InvalidArgumentError: It leads before the beginning, or ``whence`` is none of the three.
        """
        self._open()
        offset, whence = operator.index(offset), operator.index(whence)
        if whence == os.SEEK_END and self._size < 0:
            await self._fetch(_BEYOND, np.empty(0, np.uint8))
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}.get(whence)
        if base is None or base + offset < 0:
            raise InvalidArgumentError(f"{self._uri}: seek({offset}, {whence}) leads nowhere", self._uri)
        self._at = base + offset
        return self._at

    async def readinto(self, buffer: Buffer) -> int:
        """Fills the buffer as far as the object goes, straight from the store where it is large.

        Returns:
            Bytes read; 0 at the end.
        """
        return await self._fill(buffer, True)

    async def _fill(self, buffer: Buffer, lent: bool) -> int:
        self._open()
        _, length, owner = buffer_of(buffer, self._where, writable=True)
        if self._size >= 0:
            length = max(0, min(length, self._size - self._at))
        done, at = 0, self._at
        while done < length:
            known = self._window[at - self._window_at :] if self._window_at <= at else self._window[:0]
            if known.size:
                count = min(known.size, length - done)
                owner[done : done + count] = known[:count]
            elif length - done >= self._buffering:
                count = await self._fetch(at, owner[done:length], lent)
            else:
                memory = np.empty(self._buffering if self._size < 0 else min(self._buffering, self._size - at), np.uint8)
                count = await self._fetch(at, memory)
                self._window, self._window_at = memory[:count], at
                if count:
                    continue
            if count == 0:
                break
            done, at = done + count, at + count
        self._at = at
        if self._progress is not None:
            self._progress(self._at, self._size)
        return done

    async def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes, fewer at the end only; all that is left when it is negative or None."""
        self._open()
        left = _BEYOND if self._size < 0 else max(0, self._size - self._at)
        wanted = left if size is None or operator.index(size) < 0 else min(operator.index(size), left)
        pieces, begin = [], self._at
        try:
            while wanted:
                # where nobody knows the size, or has found it out on the way
                made = np.empty(min(wanted, _PIECE) if left == _BEYOND else wanted, np.uint8)
                count = await self._fill(made, False)
                if count == 0:
                    break
                pieces.append(made[:count].tobytes())
                wanted -= count
        except BaseException:
            self._at = begin
            raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _fetch(self, at: int, target: np.ndarray[Any, Any], lent: bool = False) -> int:
        """Reads into memory; fewer bytes than fit at the end only."""
        address = target.__array_interface__["data"][0]
        found = await self._run("object_read", self._open(), at, address, target.size, keep=target, lent=lent)
        if found is None:
            return target.size
        if found["size"] >= 0:
            self._size = found["size"]
        return int(found["read"])

    async def close(self) -> None:
        """Lets go of the object."""
        self._window = np.empty(0, np.uint8)
        await super().close()


class AsyncObjectWriter(_AsyncFile):
    """An object in the making in an event loop; what :func:`open_async` gives for modes ``"wb"`` and ``"xb"``.

    As :class:`ObjectWriter`: the object appears, whole, when the writer is finalized, when an ``async with`` ends well, or by a
    deliberate ``close``; or never. An exception inside an ``async with``, ``cancel`` and letting go of the writer cancel it. After a
    write that failed or whose task was cancelled ``close`` raises and nothing is stored. Calls of several tasks take turns.
    """

    _kind = "writer"

    def __init__(self, where: Location, opened: dict[str, Any], timeout: float | None, progress: Progress) -> None:
        import asyncio

        super().__init__(where, opened["key"], opened["writer"], timeout, progress, "write")
        self._output = Output(self._uri, opened["writer"], self._generation)
        self._turn = asyncio.Lock()
        self._gathered = bytearray()
        self._written = self._sent = 0

    @property
    def bytes_written(self) -> int:
        """Bytes given to the writer, before compression."""
        return self._written

    def tell(self) -> int:
        """Bytes written."""
        self._open()
        return self._written

    async def write(self, data: Buffer) -> int:
        """Takes all of the data; large pieces straight from their memory.

        After one that failed or whose task was cancelled the writer takes nothing more and cannot be finalized.

        Returns:
            Its length in bytes.

        Raises:
            ClosedError: The writer has ended, or an earlier write failed or was cancelled.
            OutOfSpaceError, StoreTimeoutError: As the store says.
        """
        self._open()
        _, length, owner = buffer_of(data, self._where)
        try:
            async with self._turn:
                number = self._output.begin()
                if length < _GATHER:
                    self._gathered += owner.data
                    if len(self._gathered) >= _GATHER:
                        await self._hand_over(number)
                else:
                    await self._hand_over(number)
                    await self._send(number, owner)
                self._written += length
                self._output.torn = False
            return length
        except BaseException:
            # also one that came when all was done: whoever is told of a failure may write the same once more
            self._output.torn = True
            raise

    async def flush(self) -> None:
        """Hands over what was gathered; it is not on the store before the writer is finalized.

        Raises:
            ClosedError: As ``write``.
        """
        self._open()
        async with self._turn:
            number = self._output.begin()
            await self._hand_over(number)
            self._output.torn = False

    async def finalize(self) -> dict[str, Any]:
        """Makes the object appear and closes the writer, also while an exception is being handled.

        Returns:
            ``uri``, ``size`` and ``checksum`` (of the bytes stored), ``raw_size`` and ``raw_checksum`` (of the bytes written),
            ``etag``.

        Raises:
            ClosedError: The writer has ended, or an earlier write failed or was cancelled; there is no object then.
            AlreadyExistsError, PreconditionError, OutOfSpaceError: As the store says; there is no object then.
        """
        self._open()
        async with self._turn:
            return await self._finalize()

    async def _finalize(self) -> dict[str, Any]:
        try:
            number = self._output.begin()
            await self._hand_over(number)
            summary = await self._run("writer_finalize", number)
            self._output.stored = True
            if self._progress is not None:
                self._progress(self._written, self._written)
        finally:
            # it is there, or it never will be
            self._let_go()
        stored = summary["object"]
        return {
            "uri": self._uri,
            "size": stored["size"],
            "checksum": stored.get("checksum"),
            "raw_size": summary["raw_size"],
            "raw_checksum": summary.get("raw_checksum"),
            "etag": stored.get("etag"),
        }

    async def cancel(self) -> None:
        """Ends the writer; nothing is left behind. A write under way in another task fails. After the end there is nothing to do."""
        self._let_go()

    def close(self) -> Coroutine[Any, Any, None]:
        """Finalizes, unless the writer was finalized or cancelled.

        Nothing is stored when an exception is being handled that was not when the writer was opened, as of :meth:`ObjectWriter.close`:
        the exception is raised again; in an ``except`` block call ``finalize``. It is the call that counts, also where another task
        then awaits it, as for ``asyncio.wait_for(writer.close(), 5)``.

        Raises:
            ClosedError: An earlier write failed or was cancelled, or another task ended the writer meanwhile without the object.
            AlreadyExistsError, PreconditionError, OutOfSpaceError: As ``finalize``.
        """
        return self._finish(None if self.closed else self._output.unwinding())

    async def _finish(self, error: BaseException | None) -> None:
        if self.closed:
            return
        self._output.require_own()
        try:
            if error is not None:
                self._let_go()
                raise self._output.refusal(error)
        finally:
            # its traceback holds this frame
            del error
        async with self._turn:
            if self._output.stored:
                self._let_go()
            elif self._output.torn:
                self._let_go()
                raise self._output.loss()
            elif not self.closed:
                await self._finalize()
            else:
                raise ClosedError(f"{self._uri}: another task ended the writer meanwhile; the object is not stored", self._uri)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            await self.cancel()
        else:
            await self._finish(None)

    async def _hand_over(self, number: int) -> None:
        """Sends what was gathered."""
        if self._gathered:
            gathered, self._gathered = self._gathered, bytearray()
            await self._send(number, np.frombuffer(gathered, np.uint8))

    async def _send(self, number: int, owner: np.ndarray[Any, Any]) -> None:
        try:
            await self._run("writer_write", number, owner.__array_interface__["data"][0], owner.size, keep=owner)
        except BaseException:
            # what it holds is of no use any more
            self._output.end()
            self._gathered = bytearray()
            raise
        self._sent += owner.size
        if self._progress is not None:
            self._progress(self._sent, -1)

    def _open(self) -> int:
        self._output.require_open()
        return self._output.number

    def __del__(self) -> None:
        output = getattr(self, "_output", None)
        unfinished = output is not None and output.is_here and not output.stored and not output.torn
        self._let_go()
        if unfinished:
            # told to whoever looks for it: python -X dev, pytest
            warnings.warn(f"{self._uri}: the writer was let go before it was finalized; nothing is stored", ResourceWarning, source=self)

    def _let_go(self) -> None:
        if hasattr(self, "_output"):
            self._output.end()
            self._output.torn = False
            self._gathered = bytearray()
        super()._let_go()


class Opening(Generic[F]):
    """Awaited it gives the file; ``async with`` opens and closes it."""

    def __init__(self, opens: Callable[[], Awaitable[F]]) -> None:
        self._opens = opens
        self._file: F | None = None

    def __await__(self) -> Generator[Any, Any, F]:
        return self._opens().__await__()

    async def __aenter__(self) -> F:
        self._file = await self._opens()
        return await self._file.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            await self._file.__aexit__(kind, error, trace)


@overload
def open_async(
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
) -> Opening[AsyncObjectReader]: ...
@overload
def open_async(
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
) -> Opening[AsyncObjectWriter]: ...
@overload
def open_async(
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
) -> Opening[AsyncObjectReader] | Opening[AsyncObjectWriter]: ...
def open_async(
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
    """Opens an object as a binary file of an event loop, without a thread. Cancelling a task cancels its read or write.

    Args:
        uri: Which object.
        mode: ``"rb"`` reads, ``"wb"`` writes, ``"xb"`` creates the object or fails.
        compress: For writing, as for :func:`open`.
        decompress: For reading, as for :func:`open`.
        buffering: For reading: bytes that smaller reads read at once.
        overwrite: For writing, False fails when the object exists.
        if_match: For writing, only over the object with this ETag.
        durable: For writing, as for :func:`open`.
        content_type: For writing, as for :func:`open`.
        metadata: For writing, as for :func:`open`.
        progress: As for :func:`open`.
        timeout: Seconds for each read or write.
        storage_options: Settings of the store.

    Returns:
        What gives an :class:`AsyncObjectReader` or an :class:`AsyncObjectWriter` when it is awaited or entered by ``async with``.

    Raises:
        NotFoundError, AlreadyExistsError: When awaited, as the mode says.
        InvalidArgumentError: Another mode, or options of the other mode.

    Example:
        >>> import asyncio, s3dlio
        >>> async def main() -> bytes:
        ...     async with s3dlio.open_async("memory://doc/oa", "wb", compress=True) as file:
        ...         await file.write(b"0123456789")
        ...     async with s3dlio.open_async("memory://doc/oa") as file:
        ...         await file.seek(4)
        ...         return await file.read(3)
        >>> asyncio.run(main())
        b'456'
    """
    where = resolve(uri, storage_options)
    name = where.address(where.key)
    key = _native.key(where.key)

    async def run(function: str, settings: dict[str, Any]) -> dict[str, Any]:
        opened: dict[str, Any] = await _calls.run_in_loop(
            function, where.root.number(), key, len(key), _native.options(settings), about=name, timeout=timeout
        )
        return opened

    if mode in ("wb", "xb", "bw", "bx"):
        packed = where.key.endswith(".zst") if compress is None else compress
        given = put_options_of(overwrite and "x" not in mode, if_match, durable, content_type, metadata) | compression_options(packed, name)

        async def write() -> AsyncObjectWriter:
            opened = await run("writer_open", given)
            return AsyncObjectWriter(where, opened, timeout, progress)

        return Opening(write)
    if mode not in ("rb", "br"):
        raise InvalidArgumentError(f"{name}: mode {mode!r} is not supported; use 'rb', 'wb' or 'xb'", name)
    written = {"compress": compress, "if_match": if_match, "durable": durable, "content_type": content_type, "metadata": metadata}
    wrong = [option for option, value in written.items() if value is not None]
    if wrong or not overwrite:
        raise InvalidArgumentError(f"{name}: {', '.join(wrong or ['overwrite'])} is for writing, mode is {mode!r}", name)
    settings = {"decompress": decompress_option(decompress, name)}

    async def read() -> AsyncObjectReader:
        opened = await run("object_open", settings)
        return AsyncObjectReader(where, opened, buffering, timeout, progress)

    return Opening(read)
