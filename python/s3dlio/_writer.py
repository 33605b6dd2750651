"""Objects written as streams, compressed or not."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np

from ._core import _calls, _native
from ._core._address import Address, Location, resolve
from ._core._options import StorageOptions
from ._core._output import Output, in_finalizer
from ._core._progress import Progress, watching
from ._objects import Buffer, buffer_of, compression_options, count_of, put_options_of
from .exceptions import ClosedError, InvalidArgumentError

#: Smaller writes are gathered to pieces of this many bytes.
_GATHER = 1 << 20


def place_of(writer: ObjectWriter) -> Location:
    """Where a writer writes to."""
    return writer._where


def refuse_while_unwinding(writer: ObjectWriter) -> None:
    """Ends a writer that is closed because an exception passes; raises what says so."""
    writer._refuse_while_unwinding()


class ObjectWriter(io.RawIOBase):
    """An object in the making: a binary file to write to, of any length, in bounded memory.

    The object appears, whole, when the writer is finalized, when a ``with`` ends well, or by a deliberate ``close``; or never. Nothing
    appears after an exception inside a ``with``, after ``cancel``, when the writer or a file that wraps it is let go, and after a write
    that failed or was interrupted, by Ctrl-C too: then ``close`` raises. Files that wrap it (``io.TextIOWrapper``, ``io.BufferedWriter``)
    and ``contextlib.closing`` do not tell ``close`` of an exception; see there what it does. Calls of several threads take turns.

    Args:
        uri: Where to; with ``compress``, ``.zst`` is appended unless the name ends so (see ``uri``), and there must be no object of the
            name without it.
        compress: False; True for zstd at level 3; or a level from 1 to 22. Data that does not shrink is stored as it is.
        overwrite: False creates the object or fails.
        if_match: Replace only the object with this ETag.
        durable: Have it on the device, name and all, when it is finalized. None: as the store was opened.
        content_type: Kept with the object.
        metadata: The user's own pairs of text, kept with the object.
        progress: Called with bytes written so far, and with how many they are in all, which is -1 before the writer is
            finalized; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for each write and for ``finalize``; when they are over the writer is cancelled and raises
            StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Raises:
        InvalidArgumentError: An address or a level that cannot be.
        PermissionDeniedError: As the store says.

    Example:
        >>> import s3dlio
        >>> with s3dlio.ObjectWriter("memory://doc/log", compress=True) as log:
        ...     for _ in range(1000):
        ...         _ = log.write(b"step done")
        >>> log.uri, log.bytes_written, log.stored_bytes < 1000
        ('memory://doc/log.zst', 9000, True)
        >>> bytes(s3dlio.get("memory://doc/log", decompress=True)[:9])
        b'step done'
    """

    # of a writer whose opening failed
    _output = Output("", 0, 0)
    _gathered = bytearray()
    _abandoned = _ended = False

    def __init__(
        self,
        uri: Address,
        *,
        compress: bool | int = False,
        overwrite: bool = True,
        if_match: str | None = None,
        durable: bool | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress = None,
        timeout: float | None = None,
        storage_options: StorageOptions | None = None,
    ) -> None:
        self._where = resolve(uri, storage_options)
        what = self._where.address(self._where.key)
        options = put_options_of(overwrite, if_match, durable, content_type, metadata) | compression_options(compress, what)
        key = _native.key(self._where.key)
        generation = _native.generation
        self._timeout = timeout
        self._uri = what
        self._gathered = bytearray()
        self._reserved: np.ndarray[Any, Any] | None = None
        self._written = 0
        self._stored = 0
        self._summary: dict[str, Any] | None = None
        self._sent = 0
        self._compressed = "compression" in options
        self._watched = ExitStack()
        # reentrant, because a signal's handler may call anything at any moment; that bytes are torn meanwhile keeps it from doing harm
        self._turn = threading.RLock()
        opened = self._run("writer_open", self._where.root.number(), key, len(key), _native.options(options))
        self._uri = self._where.address(opened["key"])
        self._output = Output(self._uri, opened["writer"], generation)
        self._progress = self._watched.enter_context(watching(progress, "write", "B"))

    @property
    def uri(self) -> str:
        """The object's address, with the suffix of compressed ones."""
        return self._uri

    @property
    def name(self) -> str:
        """As files have it: the object's address."""
        return self._uri

    @property
    def mode(self) -> str:
        """As files have it."""
        return "wb"

    @property
    def is_compressed(self) -> bool:
        """Whether the bytes are compressed on their way."""
        return self._compressed

    @property
    def bytes_written(self) -> int:
        """Bytes given to the writer, before compression."""
        return self._written

    @property
    def stored_bytes(self) -> int:
        """Bytes that went to the store; all of them once it is finalized."""
        number = self._output.number
        if self._output.is_here:
            try:
                self._stored = _native.writer_counts(number)[1]
            except ClosedError:
                # another thread was quicker
                pass
        return self._stored

    @property
    def compression_ratio(self) -> float | None:
        """Bytes written for each byte stored; None before it is finalized, and for an empty object."""
        return self._written / self._stored if self._summary is not None and self._written and self._stored else None

    @property
    def checksum(self) -> str | None:
        """CRC32C of the bytes written, ``crc32c:xxxxxxxx``; None before it is finalized."""
        return None if self._summary is None else self._summary.get("raw_checksum")

    @property
    def stored_checksum(self) -> str | None:
        """CRC32C of the bytes stored; None before it is finalized."""
        return None if self._summary is None else self._summary["object"].get("checksum")

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Bytes written."""
        self._output.require_open()
        return self._written

    def write(self, data: Buffer) -> int:
        """Takes all of the data; large pieces straight from their memory.

        After one that failed or was interrupted, whatever it was that came in between, the writer takes nothing more and cannot be
        finalized: nobody knows how much of the data is in it.

        Returns:
            Its length in bytes.

        Raises:
            ClosedError: The writer has ended, or an earlier write failed or was interrupted.
            OutOfSpaceError, StoreTimeoutError: As the store says.
        """
        address, length, owner = buffer_of(data, self._where)
        if self._abandoned and not self.closed:
            # by a wrapper that is let go with something left in its own buffer
            return length
        self._output.require_open()
        try:
            with self._turn:
                number = self._output.begin()
                if length < _GATHER:
                    self._gathered += owner.data
                    if len(self._gathered) >= _GATHER:
                        self._hand_over(number)
                else:
                    self._hand_over(number)
                    self._send(number, address, length, owner)
                self._written += length
                self._output.torn = False
            return length
        except BaseException:
            # also one that came when all was done: whoever is told of a failure may write the same once more
            self._output.torn = True
            raise

    def reserve(self, length: int) -> memoryview:
        """Memory to produce the next bytes in; ``commit`` writes them without a copy.

        Args:
            length: How many bytes at most.

        Returns:
            Writable memory. It stays valid as long as anything holds it; what is written to it after ``commit`` is not stored.
        """
        self._output.require_open()
        self._reserved = np.empty(count_of(length, "length", self._where), np.uint8)
        return self._reserved.data

    def commit(self, length: int) -> int:
        """Writes the first ``length`` bytes of the memory last reserved.

        Raises:
            InvalidArgumentError: Nothing is reserved, or less than that.
            ClosedError: As ``write``.
        """
        self._output.require_open()
        reserved, length = self._reserved, count_of(length, "length", self._where)
        if reserved is None or length > reserved.size:
            found = "nothing" if reserved is None else f"{reserved.size} bytes"
            raise InvalidArgumentError(f"{self._uri}: commit of {length} bytes, {found} reserved", self._uri)
        try:
            with self._turn:
                number = self._output.begin()
                self._reserved = None
                self._hand_over(number)
                if length:
                    self._send(number, reserved.__array_interface__["data"][0], length, reserved)
                self._written += length
                self._output.torn = False
            return length
        except BaseException:
            self._output.torn = True
            raise

    def flush(self) -> None:
        """Hands over what was gathered; it is not on the store before the writer is finalized.

        Raises:
            ClosedError: As ``write``.
        """
        if (self._abandoned or self._ended) and not self.closed:
            # by a wrapper that is let go; by RawIOBase.close when everything is done
            return
        self._output.require_open()
        with self._turn:
            number = self._output.begin()
            self._hand_over(number)
            self._output.torn = False

    def finalize(self) -> dict[str, Any]:
        """Makes the object appear and closes the writer, also while an exception is being handled.

        Returns:
            ``uri``, ``size`` and ``checksum`` (of the bytes stored), ``raw_size`` and ``raw_checksum`` (of the bytes written),
            ``ratio``, ``compression`` (``"zstd"`` or ``"none"``), ``etag``.

        Raises:
            ClosedError: The writer has ended, or an earlier write failed or was interrupted; there is no object then.
            AlreadyExistsError: ``overwrite=False`` and the object exists; or ``.zst`` was put behind the name, and an object of the name
                without it was written meanwhile: both are there, and reads of that name give the other.
            PreconditionError, OutOfSpaceError: As the store says; there is no object then.
        """
        self._output.require_open()
        with self._turn:
            try:
                number = self._output.begin()
                self._hand_over(number)
                summary = self._run("writer_finalize", number)
                stored = summary["object"]
                self._summary, self._stored = summary, stored["size"]
                self._output.stored = True
                if self._progress is not None:
                    self._progress(self._written, self._written)
            finally:
                # it is there, or it never will be
                self._let_go()
        return {
            "uri": self._uri,
            "size": stored["size"],
            "checksum": stored.get("checksum"),
            "raw_size": summary["raw_size"],
            "raw_checksum": summary.get("raw_checksum"),
            "ratio": self.compression_ratio,
            "compression": summary["compression"],
            "etag": stored.get("etag"),
        }

    def cancel(self) -> None:
        """Ends the writer; nothing is left behind. A write under way in another thread fails. After the end there is nothing to do."""
        self._let_go()

    def close(self) -> None:
        """Finalizes, unless the writer was finalized or cancelled, or what calls this is no deliberate close.

        Nothing is stored, and the writer is cancelled,

        - when an exception is being handled that was not when the writer was opened: a file that wraps this one, ``contextlib.closing``,
          an ``ExitStack`` or a ``finally`` closes because something failed. That exception is raised again, so that an ``except`` block
          that closes on purpose is not told that all is well; there call ``finalize``;
        - when a file that wraps this one, or an object whose ``__del__`` closes it, is let go;
        - after a write that failed or was interrupted.

        Of several threads that close at once, one finalizes and the others wait for it.

        Raises:
            ClosedError: An earlier write failed or was interrupted, or another thread ended the writer meanwhile without the object.
            AlreadyExistsError, PreconditionError, OutOfSpaceError: As ``finalize``.
        """
        if self.closed:
            return
        if self._abandoned or in_finalizer():
            self._let_go()
        else:
            self._refuse_while_unwinding()
            self._finish()

    def _refuse_while_unwinding(self) -> None:
        error = self._output.unwinding()
        try:
            if error is not None:
                self._let_go()
                raise self._output.refusal(error)
        finally:
            # its traceback holds this frame
            del error

    def _finish(self) -> None:
        self._output.require_own()
        with self._turn:
            if self._output.stored:
                self._let_go()
            elif self._output.torn:
                self._let_go()
                raise self._output.loss()
            elif self._output.number:
                self.finalize()
            else:
                raise ClosedError(f"{self._uri}: another thread ended the writer meanwhile; the object is not stored", self._uri)

    def _dealloc_warn(self, source: object) -> None:
        """What io's classes call on what they wrap when they are let go and are about to close it."""
        self._abandoned = True

    def __enter__(self) -> ObjectWriter:
        self._output.require_open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.cancel()
        elif not self.closed:
            # it is told that all went well, so no exception that somebody handles matters
            self._finish()

    def __del__(self) -> None:
        # an object that nobody finished must not appear
        unfinished = self._output.is_here and not self._output.stored and not self._output.torn
        self._let_go()
        if unfinished:
            # told to whoever looks for it: python -X dev, pytest
            warnings.warn(f"{self._uri}: the writer was let go before it was finalized; nothing is stored", ResourceWarning, source=self)

    def _hand_over(self, number: int) -> None:
        """Sends what was gathered."""
        if self._gathered:
            gathered, self._gathered = self._gathered, bytearray()
            whole = np.frombuffer(gathered, np.uint8)
            self._send(number, whole.__array_interface__["data"][0], whole.size, whole)

    def _send(self, number: int, address: int, length: int, owner: object) -> None:
        try:
            self._run("writer_write", number, address, length, keep=owner)
        except BaseException:
            # what it holds is of no use any more
            self._output.end()
            self._gathered = bytearray()
            raise
        self._sent += length
        if self._progress is not None:
            self._progress(self._sent, -1)

    def _run(self, function: str, *arguments: Any, keep: object = None) -> Any:
        return _calls.run(function, *arguments, keep=keep, about=self._uri, timeout=self._timeout)

    def _let_go(self) -> None:
        # whatever thread this is: a write under way elsewhere is cancelled and waited for
        self._ended = True
        self._output.end()
        self._output.torn = False
        self._gathered = bytearray()
        self._reserved = None
        if not self.closed:
            watched = getattr(self, "_watched", None)
            if watched is not None:
                watched.close()
            super().close()
