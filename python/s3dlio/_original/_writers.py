"""Writers under the names that the original library gives them."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from .._core import _native
from .._core._address import Address
from .._core._warnings import warn_ignored
from .._objects import Buffer, buffer_of
from .._writer import ObjectWriter, place_of, refuse_while_unwinding
from ..exceptions import InvalidArgumentError


class PyWriterOptions:
    """Options of ``create_*_writer``; each method gives the options back, so that calls can be chained.

    Example:
        >>> import s3dlio
        >>> options = s3dlio.PyWriterOptions().with_compression("zstd", 5)
    """

    def __init__(self) -> None:
        self._compress: bool | int = False

    def with_compression(self, compression_type: str, level: int | None = None) -> PyWriterOptions:
        """``"zstd"`` at a level from 1 to 22 (3), or ``"none"``, in capitals or not."""
        if not isinstance(compression_type, str) or compression_type.lower() not in ("zstd", "none"):
            raise InvalidArgumentError(f"compression is 'zstd' or 'none', found {compression_type!r}")
        self._compress = False if compression_type.lower() == "none" else True if level is None else level
        return self

    def with_buffer_size(self, size: int) -> PyWriterOptions:
        """Taken for compatibility: buffers are as large as the store's parts. Warns once."""
        warn_ignored("PyWriterOptions.with_buffer_size(size)", "buffers are as large as the store's parts")
        return self


class PyObjectWriter:
    """An object in the making; see :class:`s3dlio.ObjectWriter`, which also is a file."""

    def __init__(self, writer: ObjectWriter) -> None:
        self._writer = writer
        self._crc = 0

    def write_chunk(self, data: Buffer) -> None:
        """Takes the next bytes."""
        address, length, owner = buffer_of(data, place_of(self._writer))
        self._writer.write(owner)
        self._crc = _native.crc32c_append(self._crc, address, length)

    def write_owned_bytes(self, data: Buffer) -> None:
        """As ``write_chunk``: large pieces are never copied."""
        self.write_chunk(data)

    def finalize(self) -> tuple[int, int]:
        """Makes the object appear.

        Returns:
            Bytes written and bytes stored.
        """
        summary = self._writer.finalize()
        return summary["raw_size"], summary["size"]

    def cancel(self) -> None:
        """Ends the writer; nothing is left behind."""
        self._writer.cancel()

    def bytes_written(self) -> int:
        """Bytes before compression."""
        return self._writer.bytes_written

    def compressed_bytes(self) -> int:
        """Bytes that went to the store; all of them once it is finalized."""
        return self._writer.stored_bytes

    def checksum(self) -> str | None:
        """CRC32C of the bytes written so far, ``crc32c:xxxxxxxx``; once it is finalized, of the object's before compression."""
        return self._writer.checksum or f"crc32c:{self._crc:08x}"

    def compression(self) -> str:
        """``"zstd"`` or ``"none"``."""
        return "zstd" if self._writer.is_compressed else "none"

    def compression_ratio(self) -> float | None:
        """Bytes stored for each byte written; None before it is finalized."""
        ratio = self._writer.compression_ratio
        return None if ratio is None else 1 / ratio

    def __enter__(self) -> PyObjectWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.__exit__(kind, error, trace)


def _create(scheme: str, uri: Address, options: PyWriterOptions | None, storage_options: dict[str, Any] | None) -> PyObjectWriter:
    text = str(uri)
    if scheme == "direct" and text.startswith("file://"):
        uri = f"direct{text[len('file') :]}"
    elif "://" not in text and scheme in ("file", "direct"):
        uri = text if scheme == "file" else f"direct://{text}"
    elif not text.startswith(f"{scheme}://"):
        raise InvalidArgumentError(f"{text}: a {scheme}:// address is wanted", text)
    compress = options._compress if options is not None else False
    return PyObjectWriter(ObjectWriter(uri, compress=compress, storage_options=storage_options))


def create_filesystem_writer(
    uri: Address, options: PyWriterOptions | None = None, *, storage_options: dict[str, Any] | None = None
) -> PyObjectWriter:
    """A writer of a file.

    Args:
        uri: ``file:///path`` or a path; ``.zst`` is appended when it is compressed.
        options: Compression; None writes the bytes as they are.
        storage_options: Settings of the store.

    Returns:
        The writer.

    Raises:
        InvalidArgumentError: The address is of another store.
        PermissionDeniedError, AuthenticationError: As the store says.

    Example:
        >>> import s3dlio, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     writer = s3dlio.create_filesystem_writer(f"file://{folder}/a")
        ...     writer.write_chunk(b"123456789")
        ...     writer.finalize(), writer.checksum()
        ((9, 9), 'crc32c:e3069283')
    """
    return _create("file", uri, options, storage_options)


def create_direct_filesystem_writer(
    uri: Address, options: PyWriterOptions | None = None, *, storage_options: dict[str, Any] | None = None
) -> PyObjectWriter:
    """A writer of a file past the page cache (``direct://``).

    Args:
        uri: ``direct:///path``, ``file:///path`` or an absolute path; ``.zst`` is appended when it is compressed.
        options: Compression; None writes the bytes as they are.
        storage_options: Settings of the store.

    Returns:
        The writer.

    Raises:
        InvalidArgumentError: The address is of another store.
        PermissionDeniedError, AuthenticationError: As the store says.

    Example:
        >>> import s3dlio
        >>> writer = s3dlio.create_direct_filesystem_writer("direct:///data/a")  # doctest: +SKIP
    """
    return _create("direct", uri, options, storage_options)


def create_s3_writer(
    uri: Address, options: PyWriterOptions | None = None, *, storage_options: dict[str, Any] | None = None
) -> PyObjectWriter:
    """A writer of an object on S3.

    Args:
        uri: ``s3://bucket/key``; ``.zst`` is appended when it is compressed.
        options: Compression; None writes the bytes as they are.
        storage_options: Settings of the store.

    Returns:
        The writer.

    Raises:
        InvalidArgumentError: The address is of another store.
        PermissionDeniedError, AuthenticationError: As the store says.

    Example:
        >>> import s3dlio
        >>> writer = s3dlio.create_s3_writer("s3://bucket/a")  # doctest: +SKIP
    """
    return _create("s3", uri, options, storage_options)


def create_azure_writer(
    uri: Address, options: PyWriterOptions | None = None, *, storage_options: dict[str, Any] | None = None
) -> PyObjectWriter:
    """A writer of a blob on Azure.

    Args:
        uri: ``az://account/container/key``; ``.zst`` is appended when it is compressed.
        options: Compression; None writes the bytes as they are.
        storage_options: Settings of the store.

    Returns:
        The writer.

    Raises:
        InvalidArgumentError: The address is of another store.
        PermissionDeniedError, AuthenticationError: As the store says.

    Example:
        >>> import s3dlio
        >>> writer = s3dlio.create_azure_writer("az://account/container/a")  # doctest: +SKIP
    """
    return _create("az", uri, options, storage_options)


class MultipartUploadWriter:
    """A large object on S3, uploaded by parts; :class:`s3dlio.ObjectWriter` does the same on every store.

    Args:
        bucket: The bucket's name.
        key: The object's.
        part_size: Bytes of a part; None: the store's.
        max_in_flight: Parts on their way at most; None: the store's.
        content_type: Kept with the object.
        abort_on_drop: Taken for compatibility: an upload that nobody closed is always given back.
        storage_options: Settings of the store.
    """

    def __init__(
        self,
        bucket: str,
        key: str,
        part_size: int | None = None,
        max_in_flight: int | None = None,
        content_type: str | None = None,
        abort_on_drop: bool | None = None,
        *,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        self._begin(f"s3://{bucket}/{key}", part_size, max_in_flight, content_type, storage_options, abort_on_drop)

    @classmethod
    def from_uri(
        cls,
        uri: str,
        part_size: int | None = None,
        max_in_flight: int | None = None,
        content_type: str | None = None,
        abort_on_drop: bool | None = None,
        *,
        storage_options: dict[str, Any] | None = None,
    ) -> MultipartUploadWriter:
        """The same, by the object's address."""
        made = cls.__new__(cls)
        made._begin(uri, part_size, max_in_flight, content_type, storage_options, abort_on_drop)
        return made

    def _begin(
        self,
        uri: str,
        part_size: int | None,
        max_in_flight: int | None,
        content_type: str | None,
        storage_options: dict[str, Any] | None,
        abort_on_drop: bool | None,
    ) -> None:
        if abort_on_drop is False:
            warn_ignored("MultipartUploadWriter(abort_on_drop=False)", "an upload that nobody closed is always given back")
        if not uri.startswith("s3://"):
            raise InvalidArgumentError(f"{uri}: an s3:// address is wanted", uri)
        chosen = {"part_size": part_size, "max_in_flight": max_in_flight}
        settings = {**(storage_options or {}), **{name: value for name, value in chosen.items() if value is not None}}
        self._started = time.time()
        self._reserved = False
        self._writer = ObjectWriter(uri, content_type=content_type, storage_options=settings)

    def write(self, data: Buffer) -> int:
        """Takes the next bytes."""
        return self._writer.write(data)

    def reserve(self, size: int) -> memoryview:
        """See :meth:`s3dlio.ObjectWriter.reserve`; one at a time.

        Raises:
            InvalidArgumentError: What was reserved before has not been committed.
        """
        if self._reserved:
            raise InvalidArgumentError(
                f"{self._writer.uri}: memory is reserved already; commit it before more is reserved", self._writer.uri
            )
        memory = self._writer.reserve(size)
        self._reserved = True
        return memory

    def commit(self, nbytes: int) -> int:
        """See :meth:`s3dlio.ObjectWriter.commit`."""
        written = self._writer.commit(nbytes)
        self._reserved = False
        return written

    def flush(self) -> None:
        """Hands over what was gathered."""
        self._writer.flush()

    def abort(self) -> None:
        """Ends the upload; nothing is left behind."""
        self._writer.cancel()

    def close(self) -> dict[str, Any]:
        """Makes the object appear, unless it is called because an exception passes; see :meth:`s3dlio.ObjectWriter.close`.

        Returns:
            ``etag``, ``total_bytes``, ``parts``, ``started_at`` and ``completed_at`` (Unix seconds, ``float``).
        """
        refuse_while_unwinding(self._writer)
        summary = self._writer.finalize()
        # S3 names an object of parts by their number; one that fits a part is put whole
        _, _, parts = (summary["etag"] or "").strip('"').rpartition("-")
        return {
            "etag": summary["etag"],
            "total_bytes": summary["raw_size"],
            "parts": int(parts) if parts.isdigit() and len(parts) < 6 else 1,
            "started_at": self._started,
            "completed_at": time.time(),
        }

    def __enter__(self) -> MultipartUploadWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.__exit__(kind, error, trace)
