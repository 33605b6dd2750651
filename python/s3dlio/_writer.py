"""Objects written as streams, compressed or not."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np

from . import _calls, _native
from ._address import Address, resolve
from ._objects import Buffer, _buffer, _count, compression_options, put_options_of
from ._progress import Progress, watching
from .exceptions import ClosedError, InvalidArgumentError, StoreTimeoutError

#: Smaller writes are gathered to pieces of this many bytes.
_GATHER = 1 << 20


class ObjectWriter(io.RawIOBase):
    """An object in the making: a binary file to write to, of any length, in bounded memory.

    The object appears when the writer is finalized or closed, whole, or never: an exception inside a ``with`` cancels it, and so
    does letting go of the writer. For one thread at a time.

    Args:
        uri: Where to; with ``compress``, ``.zst`` is appended unless the name ends so (see ``uri``).
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
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        self._number = 0
        self._where = resolve(uri, storage_options)
        what = self._where.address(self._where.key)
        options = put_options_of(overwrite, if_match, durable, content_type, metadata) | compression_options(compress, what)
        key = _native.key(self._where.key)
        self._generation = _native.generation
        self._timeout = timeout
        self._uri = what
        opened = self._run("writer_open", self._where.root.number(), key, len(key), _native.options(options))
        self._number = opened["writer"]
        self._uri = self._where.address(opened["key"])
        self._compressed = "compression" in options
        self._gathered = bytearray()
        self._reserved: np.ndarray[Any, Any] | None = None
        self._written = 0
        self._stored = 0
        self._summary: dict[str, Any] | None = None
        self._sent = 0
        self._watched = ExitStack()
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
        if self._number and self._generation == _native.generation:
            self._stored = _native.writer_counts(self._number)[1]
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
        self._open()
        return self._written

    def write(self, data: Buffer) -> int:
        """Takes all of the data; large pieces straight from their memory.

        Returns:
            Its length in bytes.
        """
        self._open()
        address, length, owner = _buffer(data, self._where)
        if length < _GATHER:
            self._gathered += owner.data
            if len(self._gathered) >= _GATHER:
                self.flush()
        else:
            self.flush()
            self._send(address, length, owner)
        self._written += length
        return length

    def reserve(self, length: int) -> memoryview:
        """Memory to produce the next bytes in; ``commit`` writes them without a copy.

        Args:
            length: How many bytes at most.

        Returns:
            Writable memory. It stays valid as long as anything holds it; what is written to it after ``commit`` is not stored.
        """
        self._open()
        self._reserved = np.empty(_count(length, "length", self._where), np.uint8)
        return self._reserved.data

    def commit(self, length: int) -> int:
        """Writes the first ``length`` bytes of the memory last reserved.

        Raises:
            InvalidArgumentError: Nothing is reserved, or less than that.
        """
        self._open()
        reserved, length = self._reserved, _count(length, "length", self._where)
        if reserved is None or length > reserved.size:
            found = "nothing" if reserved is None else f"{reserved.size} bytes"
            raise InvalidArgumentError(f"{self._uri}: commit of {length} bytes, {found} reserved", self._uri)
        self._reserved = None
        self.flush()
        if length:
            self._send(reserved.__array_interface__["data"][0], length, reserved)
        self._written += length
        return length

    def flush(self) -> None:
        """Hands over what was gathered; it is not on the store before the writer is finalized."""
        # RawIOBase.close calls this once more
        gathered = getattr(self, "_gathered", None)
        if gathered and self._number:
            self._gathered = bytearray()
            whole = np.frombuffer(gathered, np.uint8)
            self._send(whole.__array_interface__["data"][0], whole.size, whole)

    def finalize(self) -> dict[str, Any]:
        """Makes the object appear and closes the writer.

        Returns:
            ``uri``, ``size`` and ``checksum`` (of the bytes stored), ``raw_size`` and ``raw_checksum`` (of the bytes written),
            ``ratio``, ``compression`` (``"zstd"`` or ``"none"``), ``etag``.

        Raises:
            AlreadyExistsError, PreconditionError, OutOfSpaceError: As the store says; there is no object then.
        """
        self._open()
        try:
            self.flush()
            summary = self._run("writer_finalize", self._number)
        except BaseException:
            self.cancel()
            raise
        stored = summary["object"]
        self._summary, self._stored = summary, stored["size"]
        if self._progress is not None:
            self._progress(self._written, self._written)
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
        """Ends the writer; nothing is left behind. After the end there is nothing to do."""
        self._let_go()

    def close(self) -> None:
        """Finalizes, unless the writer was finalized or cancelled."""
        if self._number:
            self.finalize()
        super().close()

    def __enter__(self) -> ObjectWriter:
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.cancel()
        self.close()

    def __del__(self) -> None:
        # an object that nobody finished must not appear
        self._let_go()

    def _send(self, address: int, length: int, owner: object) -> None:
        try:
            self._run("writer_write", self._number, address, length, keep=owner)
        except StoreTimeoutError:
            self.cancel()
            raise
        self._sent += length
        if self._progress is not None:
            self._progress(self._sent, -1)

    def _run(self, function: str, *arguments: Any, keep: object = None) -> Any:
        return _calls.run(function, *arguments, keep=keep, about=self._uri, timeout=self._timeout)

    def _let_go(self) -> None:
        number, self._number = getattr(self, "_number", 0), 0
        if number:
            _native.close("writer", number, self._generation)
            self._watched.close()
        self._gathered = bytearray()
        self._reserved = None
        if not self.closed:
            super().close()

    def _open(self) -> None:
        if not self._number:
            raise ClosedError(f"{self._uri}: the writer was finalized, cancelled or closed", self._uri)
        if self._generation != _native.generation:
            raise ClosedError(f"{self._uri}: the writer was begun before this process was forked; it goes on in the parent", self._uri)
