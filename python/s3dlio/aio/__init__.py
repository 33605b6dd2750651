"""The functions of s3dlio for asyncio, under the same names; written by python/generate.py.

Nothing here takes a thread, and thousands may be under way at once. Cancelling the task cancels the operation and waits until its buffers
are free, one second at most where the system holds it.

Example:
    >>> import asyncio
    >>> from s3dlio import aio
    >>> async def main() -> bytes:
    ...     await aio.put("memory://doc/aio", b"123456789")
    ...     return bytes(await aio.get_range("memory://doc/aio", 2, 3))
    >>> asyncio.run(main())
    b'345'
"""

from __future__ import annotations

import builtins
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np

from .. import _arrays, _bulk, _list, _objects, _stats, _tensors, _whole
from .._open_async import AsyncObjectReader, AsyncObjectWriter, Opening, open_async
from .._core._address import Address
from .._arrays import Array
from .._core._calls import awaited, awaited_each
from .._objects import Buffer, Verify
from .._core._options import StorageOptions
from .._core._progress import Progress
from .._reader import Decompress, READ_AHEAD
from .._core._results import ObjectMeta, WriteResult
from .._stats import StoreStats
from .._tensors import Framework, TensorFile
from .._core._view import BytesView
from .._whole import Format
from . import admin as admin
from . import checkpoint as checkpoint

__all__ = [
    "admin",
    "checkpoint",
    "copy",
    "delete",
    "download",
    "exists",
    "get",
    "get_file",
    "get_many",
    "get_range",
    "get_ranges",
    "list_stream",
    "load",
    "load_numpy_array",
    "load_tensors",
    "mkdir",
    "move",
    "open_tensors",
    "put",
    "put_file",
    "put_many",
    "save",
    "save_numpy_array",
    "save_tensors",
    "stat",
    "stat_many",
    "stats",
    "upload",
]


def __dir__() -> builtins.list[str]:
    return sorted([*__all__, "list", "open"])


async def put(
    uri: Address,
    data: Buffer,
    *,
    overwrite: bool = True,
    if_match: str | None = None,
    durable: bool | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Writes an object, atomically: a reader sees the old one or the new one, whole.

    Args:
        uri: Address of the object to write.
        data: The bytes, as anything that exports a contiguous buffer, which is not copied, or has ``__bytes__``. A file's:
            :func:`put_file`.
        overwrite: False creates the object or fails.
        if_match: Replace only the object with this ETag.
        durable: Have it on the device, name and all, before this returns. None: as the store was opened.
        content_type: Kept with the object.
        metadata: The user's own pairs of text, kept with the object.
        attributes: What else the store keeps, by the names of ``stat``. Every store: ``cache_control``,
            ``content_disposition``, ``content_encoding``, ``content_language``, ``expires``. S3 also: ``storage_class``,
            ``acl``, ``server_side_encryption``, ``ssekms_key_id`` and others; Azure, which has no ``expires``, also:
            ``access_tier``, ``encryption_scope``.
        tags: Pairs of text beside the object, which policies and lifecycle rules look at; S3 and Azure.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What was written: its checksum, as text, with ``uri``, ``size`` and ``etag``.

    Raises:
        AlreadyExistsError: ``overwrite=False`` and the object exists.
        PreconditionError: The object's ETag is another.
        InvalidArgumentError: An attribute that the store does not have; the message names the nearest.
        PermissionDeniedError, OutOfSpaceError, IsDirectoryError: As the store says; nothing was changed.
    """
    return await awaited(
        "aio.put",
        _objects.put,
        uri,
        data,
        overwrite=overwrite,
        if_match=if_match,
        durable=durable,
        content_type=content_type,
        metadata=metadata,
        attributes=attributes,
        tags=tags,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def get(
    uri: Address,
    *,
    verify: Verify = "auto",
    expected_checksum: str | None = None,
    decompress: bool | Literal["auto"] = False,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> BytesView:
    """Reads a whole object.

    Args:
        uri: Which.
        verify: ``"auto"`` compares with the checksum that was recorded when the object was written, where there is one; ``"require"``
            refuses an object without one; False compares with none.
        expected_checksum: Compare with this one instead.
        decompress: False gives the bytes as they are stored. True gives those that were compressed, and finds the object also
            without ``.zst`` in ``uri``; ``"auto"`` does so for names that end in ``.zst`` and gives others as they are.
            Checksums are then of the bytes given.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The bytes, read-only and without a further copy.

    Raises:
        NotFoundError: There is no such object.
        ChecksumMismatchError: The bytes are not those that were written.
        NoChecksumError: ``verify="require"``, and nothing is recorded to compare with.
    """
    return await awaited(
        "aio.get",
        _objects.get,
        uri,
        verify=verify,
        expected_checksum=expected_checksum,
        decompress=decompress,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def get_range(
    uri: Address,
    offset: int,
    length: int | None = None,
    *,
    out: Buffer | None = None,
    verify: Verify = "auto",
    expected_checksum: str | None = None,
    decompress: bool | Literal["auto"] = False,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
    validate: Verify | None = None,
) -> BytesView:
    """Reads ``length`` bytes from ``offset``; never fewer.

    Stores that keep the checksums of an object's blocks (S3 and Azure, for what was written from 1 MiB on) can check a range.

    Args:
        uri: Which object.
        offset: First byte, from 0.
        length: How many bytes; None reads to the end.
        out: Writable contiguous memory of exactly ``length`` bytes to read into.
        verify: ``"auto"`` compares the blocks that lie in the range as a whole; True also reads the rest of the two that it begins
            and ends in, so that every byte is checked; ``"require"`` is True, and refuses an object without checksums; False compares
            nothing.
        expected_checksum: CRC32C that the range must have.
        decompress: As for :func:`get`. Offset and length are then of the decompressed bytes; only the frames that the range
            touches are fetched, and each is checked.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.
        validate: The first name of ``verify``; it counts where it is given.

    Returns:
        The bytes, read-only; with ``out``, a view of it.

    Raises:
        InvalidArgumentError: The range reaches beyond the object.
        ChecksumMismatchError: The bytes are not those expected, or not those that were written.
    """
    return await awaited(
        "aio.get_range",
        _objects.get_range,
        uri,
        offset,
        length,
        out=out,
        verify=verify,
        expected_checksum=expected_checksum,
        decompress=decompress,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
        validate=validate,
    )


async def get_ranges(
    uri: Address,
    ranges: Iterable[tuple[int, int]],
    max_in_flight: int = 16,
    *,
    verify: Verify = "auto",
    decompress: bool | Literal["auto"] = False,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[BytesView]:
    """Reads several ranges of an object, some at a time.

    Args:
        uri: Which object.
        ranges: ``(offset, length)`` of each; they may overlap and stand in any order.
        max_in_flight: How many at once, 1 to 4096.
        verify: As for :func:`get_range`.
        decompress: As for :func:`get_range`.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The bytes of each range, in the order of ``ranges``.

    Raises:
        InvalidArgumentError: A range reaches beyond the object, or is no pair of numbers.
        ChecksumMismatchError: The bytes are not those that were written.
    """
    return await awaited(
        "aio.get_ranges",
        _objects.get_ranges,
        uri,
        ranges,
        max_in_flight,
        verify=verify,
        decompress=decompress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def put_file(
    path: str | os.PathLike[str],
    uri: Address,
    *,
    overwrite: bool = True,
    durable: bool | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Copies one local file to an object, in bounded memory. Trees and patterns: :func:`upload`.

    Args:
        path: The file.
        uri: The object that it becomes; a name, not a directory.
        overwrite: False creates the object or fails.
        durable: As for :func:`put`.
        content_type: Kept with the object.
        metadata: Kept with the object.
        attributes: As for :func:`put`.
        tags: As for :func:`put`.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What was written, as of :func:`put`.

    Raises:
        NotFoundError: There is no such file.
        AlreadyExistsError: ``overwrite=False`` and the object exists.
    """
    return await awaited(
        "aio.put_file",
        _objects.put_file,
        path,
        uri,
        overwrite=overwrite,
        durable=durable,
        content_type=content_type,
        metadata=metadata,
        attributes=attributes,
        tags=tags,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def get_file(
    uri: Address,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = True,
    durable: bool | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Copies one object to a local file, atomically and in bounded memory. Trees: :func:`download`.

    Args:
        uri: The object.
        path: The file that it becomes; a name, not a directory. Directories that are missing are made.
        overwrite: False creates the file or fails.
        durable: Have it on the device, name and all, before this returns.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What was written, ``uri`` the file's path.

    Raises:
        NotFoundError: There is no such object.
        AlreadyExistsError: ``overwrite=False`` and the file exists.
        ChecksumMismatchError: The bytes are not those that were written; no file is left.
    """
    return await awaited(
        "aio.get_file",
        _objects.get_file,
        uri,
        path,
        overwrite=overwrite,
        durable=durable,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def exists(
    uri: Address,
    *,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> bool:
    """True for an object, for a prefix with something below it, and for a directory.

    An error (no permission, no connection) says nothing about existence and is raised.

    Args:
        uri: An object, a prefix or a directory; ``run1`` is not there because ``run10`` is.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        Whether there is something.

    Raises:
        PermissionDeniedError, UnavailableError: It cannot be known.
    """
    return await awaited("aio.exists", _objects.exists, uri, timeout=timeout, storage_options=storage_options)


async def stat(
    uri: Address,
    *,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> ObjectMeta:
    """What the store knows of an object.

    Args:
        uri: Which.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        A dictionary that has its entries as attributes too: ``size`` (bytes), ``last_modified`` (ISO 8601, UTC; the attribute
        is a ``datetime``), ``etag``, ``content_type``, ``content_language``, ``content_encoding``, ``cache_control``,
        ``content_disposition``, ``expires``, ``storage_class``, ``server_side_encryption``, ``ssekms_key_id``,
        ``sse_customer_algorithm``, ``version_id``, ``replication_status``, ``metadata`` (a dictionary), ``checksum``
        (``crc32c:xxxxxxxx``) and ``attributes`` (a dictionary of what else the store says, such as ``tag_count`` or
        ``access_tier``); what a store does not have is None.

    Raises:
        NotFoundError: There is no such object.
    """
    return await awaited("aio.stat", _objects.stat, uri, timeout=timeout, storage_options=storage_options)


async def delete(
    uri: Address,
    recursive: bool = False,
    *,
    missing_ok: bool = False,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> int:
    """Deletes an object, or with ``recursive`` everything at and below a path.

    ``recursive`` takes whole path segments: ``run1`` never touches ``run10``. Directories left empty go too. Of an address that ends
    with ``/`` the objects right below it are deleted; what is below further directories stays. ``*`` and ``?`` are part of a name.

    Args:
        uri: An object; with ``/`` at its end, a directory or prefix; with ``recursive``, any of them.
        recursive: Everything at and below it.
        missing_ok: True: an object that is not there is no error.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        How many objects were deleted; with ``recursive``, ``missing_ok`` or ``/`` at the end, 0 when there was nothing.

    Raises:
        NotFoundError: There is no such object (without ``recursive``, ``missing_ok`` or ``/`` at the end).
        S3dlioError: The first failure, after everything else was deleted.
    """
    return await awaited(
        "aio.delete", _objects.delete, uri, recursive, missing_ok=missing_ok, timeout=timeout, storage_options=storage_options
    )


async def copy(
    src: Address,
    dst: Address,
    *,
    overwrite: bool = True,
    durable: bool | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Copies an object, within a store or between any two, with its content type, metadata and checksum.

    Attributes of the content (``cache_control``, ``content_disposition``, ``content_encoding``, ``content_language``,
    ``expires``) go with it. Those of its place (``storage_class``, encryption, ``acl``) do not: the destination's own
    defaults hold unless they are given. Tags go with it within a store; between two stores they are left behind.

    Args:
        src: Which object.
        dst: Address of the destination.
        overwrite: False creates the copy or fails.
        durable: Have it on the device, name and all, before this returns. None: as the store was opened.
        content_type: Another than the source's.
        metadata: Other than the source's; all of it is replaced.
        attributes: Others than the source's, by name; those not named stay.
        tags: Others than the source's; all of them are replaced.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of both stores.

    Returns:
        What was written: the copy's checksum, as text, where one is recorded, with ``uri``, ``size`` and ``etag``.

    Raises:
        NotFoundError: There is no source.
        AlreadyExistsError: ``overwrite=False`` and the destination exists.
        ChecksumMismatchError: The source is damaged (found when its bytes pass through, between stores).
    """
    return await awaited(
        "aio.copy",
        _objects.copy,
        src,
        dst,
        overwrite=overwrite,
        durable=durable,
        content_type=content_type,
        metadata=metadata,
        attributes=attributes,
        tags=tags,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def move(
    src: Address,
    dst: Address,
    *,
    overwrite: bool = True,
    durable: bool | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Moves an object; between stores it is copied and then deleted, so that a crash leaves two and never none.

    Args:
        src: Which object.
        dst: Its new address.
        overwrite: False moves it only to where nothing is.
        durable: Have the new name on the device before this returns. None: as the store was opened.
        progress: Called with bytes done and bytes in all, where bytes are copied.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of both stores.

    Returns:
        The object at its new address: its checksum, as text, where one is recorded, with ``uri``, ``size`` and ``etag``.

    Raises:
        NotFoundError: There is no source.
        AlreadyExistsError: ``overwrite=False`` and the destination exists.
    """
    return await awaited(
        "aio.move",
        _objects.move,
        src,
        dst,
        overwrite=overwrite,
        durable=durable,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def mkdir(
    uri: Address,
    *,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> None:
    """Makes a directory and its parents where the store has directories; elsewhere there is nothing to make.

    Args:
        uri: Which directory; that it is there already is no error.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Raises:
        NotDirectoryError: An object stands where the path needs a directory.
        PermissionDeniedError: As the store says.
    """
    return await awaited("aio.mkdir", _objects.mkdir, uri, timeout=timeout, storage_options=storage_options)


async def list(
    uri: Address,
    recursive: bool = False,
    pattern: str | None = None,
    *,
    start_after: str | None = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[str]:
    """Lists what is at and below a path, in the order of the keys' bytes.

    Args:
        uri: An object, a prefix or a directory; ``run1`` does not list ``run10``.
        recursive: Everything below; otherwise one level, where deeper ones appear as prefixes ending in ``/``.
        pattern: A regular expression (without back references) that the part of an object's key below ``uri`` must contain;
            ``^`` is where that part begins.
        start_after: Only what comes after this address or key; it need not exist.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        Addresses in the form of ``uri`` (a URI for a URI, a path for a path). Nothing there gives an empty list.

    Raises:
        InvalidArgumentError: ``pattern`` is no regular expression that can be used.
        PermissionDeniedError: A directory cannot be read.
    """
    return await awaited(
        "aio.list", _list.list, uri, recursive, pattern, start_after=start_after, timeout=timeout, storage_options=storage_options
    )


async def list_stream(
    uri: Address,
    recursive: bool = True,
    pattern: str | None = None,
    *,
    start_after: str | None = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> AsyncIterator[ObjectMeta]:
    """The objects of a listing one by one, a page of them in memory at a time.

    Args:
        uri: An object, a prefix or a directory; ``run1`` does not list ``run10``.
        recursive: Everything below; otherwise only the objects of one level.
        pattern: A regular expression (without back references) that the part of an object's key below ``uri`` must contain;
            ``^`` is where that part begins.
        start_after: Only what comes after this address or key; it need not exist.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Yields:
        For each object what ``stat`` gives as far as the store lists it, and its address as ``uri``.

    Raises:
        InvalidArgumentError: ``pattern`` is no regular expression that can be used.
        PermissionDeniedError: A directory cannot be read.
    """
    async for item in awaited_each(
        "aio.list_stream",
        _list.list_stream,
        uri,
        recursive,
        pattern,
        start_after=start_after,
        timeout=timeout,
        storage_options=storage_options,
    ):
        yield item


async def get_many(
    uris: Iterable[Address],
    max_in_flight: int = 64,
    *,
    verify: Verify = "auto",
    decompress: bool | Literal["auto"] = False,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[tuple[Any, BytesView]]:
    """Reads many objects, several at a time.

    Args:
        uris: Which, of any stores.
        max_in_flight: How many at once, 1 to 4096; with that the memory of what is under way is bounded.
        verify: As for :func:`get`, for each of them.
        decompress: As for :func:`get`, for each of them.
        on_error: ``"raise"`` raises one ``BulkError`` at the end, which holds the failures and everything that was read;
            ``"return"`` puts each failure's exception in the place of its bytes.
        progress: Called with objects done and objects in all, or True for tqdm's bar.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the stores.

    Returns:
        ``(uri, bytes)`` in the order of ``uris``.

    Raises:
        BulkError: Some could not be read; ``errors`` maps their indexes to exceptions, ``failures`` their URIs, and ``results``
            holds the rest.
    """
    return await awaited(
        "aio.get_many",
        _bulk.get_many,
        uris,
        max_in_flight,
        verify=verify,
        decompress=decompress,
        on_error=on_error,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def put_many(
    items: Iterable[tuple[Address, Any]],
    max_in_flight: int = 64,
    *,
    overwrite: bool = True,
    durable: bool | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[tuple[Any, WriteResult]]:
    """Writes many objects, several at a time, each atomically.

    Args:
        items: ``(uri, data)`` pairs.
        max_in_flight: How many at once, 1 to 4096.
        overwrite: False creates each object or fails for it.
        durable: As for ``put_bytes``.
        content_type: Of all of them; kept with each object.
        metadata: Likewise.
        attributes: Likewise; see ``put_bytes``.
        tags: Likewise.
        on_error: As for ``get_many``.
        progress: Called with objects done and objects in all, or True for tqdm's bar.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the stores.

    Returns:
        ``(uri, result)`` in the order of ``items``; the result is what :func:`put` gives, the checksum as text.

    Raises:
        BulkError: Some could not be written; the others were.
    """
    return await awaited(
        "aio.put_many",
        _bulk.put_many,
        items,
        max_in_flight,
        overwrite=overwrite,
        durable=durable,
        content_type=content_type,
        metadata=metadata,
        attributes=attributes,
        tags=tags,
        on_error=on_error,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def stat_many(
    uris: Iterable[Address],
    max_in_flight: int = 64,
    *,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[ObjectMeta]:
    """What the stores know of many objects.

    Args:
        uris: Which, of any stores.
        max_in_flight: How many at once, 1 to 4096.
        on_error: As for ``get_many``.
        progress: Called with objects done and objects in all, or True for tqdm's bar.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the stores.

    Returns:
        What :func:`stat` gives of each, in the order of ``uris``.

    Raises:
        BulkError: Some could not be looked at; its ``results`` are ``(uri, stat)``.
    """
    return await awaited(
        "aio.stat_many",
        _bulk.stat_many,
        uris,
        max_in_flight,
        on_error=on_error,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def upload(
    src_patterns: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    dest_prefix: Address,
    max_in_flight: int = 32,
    create_bucket: bool = False,
    *,
    overwrite: bool = True,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[tuple[Any, WriteResult]]:
    """Copies local files into a store.

    Args:
        src_patterns: Files, directories (taken with all that is below, by their own name) and patterns with ``*``, ``?``,
            ``[…]`` and ``**``.
        dest_prefix: What the keys begin with; a ``/`` is put in between where there is none.
        max_in_flight: How many at once.
        create_bucket: Make the bucket or container first, if it is not there.
        overwrite: False creates each object or fails for it.
        content_type: Of all of them; files have none of their own to take over, but for those that this library wrote.
        metadata: Likewise.
        attributes: Likewise; see ``put_bytes``.
        tags: Likewise.
        on_error: As for ``get_many``.
        progress: Called with objects done and objects in all, or True for tqdm's bar.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the destination.

    Returns:
        ``(uri, checksum)`` of each object written, in the order of the patterns, sorted within each.

    Raises:
        NotFoundError: A pattern matches nothing.
        BulkError: Some files could not be copied; the others were.
    """
    return await awaited(
        "aio.upload",
        _bulk.upload,
        src_patterns,
        dest_prefix,
        max_in_flight,
        create_bucket,
        overwrite=overwrite,
        content_type=content_type,
        metadata=metadata,
        attributes=attributes,
        tags=tags,
        on_error=on_error,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def download(
    src_uri: Address,
    dest_dir: str | os.PathLike[str],
    max_in_flight: int = 64,
    recursive: bool = True,
    *,
    overwrite: bool = True,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[tuple[Any, WriteResult]]:
    """Copies what is at and below an address into a local directory, each file atomically.

    Args:
        src_uri: An object or a prefix.
        dest_dir: The directory; made if it is not there. An object keeps the last part of its key, what is below a prefix
            keeps its path relative to it. Markers of folders become directories: objects of zero bytes whose key ends with
            ``/``, as consoles make them, or is a folder's name itself.
        max_in_flight: How many at once.
        recursive: Take all that is below; otherwise one level.
        overwrite: False leaves existing files and fails for them.
        on_error: As for ``get_many``.
        progress: Called with objects done and objects in all, or True for tqdm's bar.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the source.

    Returns:
        ``(path, checksum)`` of each file written, in the order of the keys.

    Raises:
        NotFoundError: There is nothing at that address.
        InvalidArgumentError: A key cannot be a path below the directory, such as one with ``..`` in it.
        BulkError: Some objects could not be copied; the others were.
    """
    return await awaited(
        "aio.download",
        _bulk.download,
        src_uri,
        dest_dir,
        max_in_flight,
        recursive,
        overwrite=overwrite,
        on_error=on_error,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def save(
    uri: Address,
    value: Any,
    *,
    format: Format | None = None,
    compress: bool | int | None = None,
    overwrite: bool = True,
    durable: bool | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Saves an array as ``.npy``, or a dictionary of arrays and tensors as ``.safetensors``, atomically.

    Args:
        uri: Where to; what it ends in (``.npy``, ``.safetensors``, either with ``.zst``) names the format.
        value: An array, or a dictionary of arrays and tensors by name.
        format: ``"npy"`` or ``"safetensors"``, whatever ``uri`` ends in.
        compress: As for :func:`save_numpy_array`.
        overwrite: False creates the object or fails.
        durable: Have it on the device, name and all, before this returns. None: as the store was opened.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What was written, ``uri`` with ``.zst`` where it is compressed.

    Raises:
        InvalidArgumentError: The name says no format, or the value does not fit it.
        AlreadyExistsError: ``overwrite=False`` and the object exists.
    """
    return await awaited(
        "aio.save",
        _whole.save,
        uri,
        value,
        format=format,
        compress=compress,
        overwrite=overwrite,
        durable=durable,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def load(
    uri: Address,
    *,
    format: Format | None = None,
    framework: Framework = "np",
    verify: Verify = "auto",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> Any:
    """Loads what :func:`save` saved, or any other program: an array of ``.npy``, a dictionary of ``.safetensors``.

    Args:
        uri: Which. Where there is no such object, the compressed one of the name with ``.zst`` behind it.
        format: ``"npy"`` or ``"safetensors"``, whatever ``uri`` ends in.
        framework: What tensors are made as: ``"np"`` or ``"pt"``.
        verify: As for :func:`get`.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The array, or the dictionary in the order of the file. With ``framework="pt"`` an array of ``.npy`` is a tensor, too.

    Raises:
        NotFoundError: There is no such object.
        InvalidArgumentError: The name says no format.
        InvalidDataError: The object is not of that format.
        ChecksumMismatchError: The bytes are not those that were written.
    """
    return await awaited(
        "aio.load",
        _whole.load,
        uri,
        format=format,
        framework=framework,
        verify=verify,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def save_numpy_array(
    uri: Address,
    array: Any,
    compress: bool | int | None = None,
    validate: bool = True,
    *,
    overwrite: bool = True,
    durable: bool | None = None,
    metadata: dict[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Saves an array as a ``.npy`` object that ``np.load`` reads, atomically.

    Contiguous arrays, in C or Fortran order, are written straight from their memory; others are copied once.

    Args:
        uri: Address of the object to write.
        array: An array of any shape and any dtype but object: bool, integers, floats, complex, datetime64, timedelta64,
            strings, structured, either byte order, and ml_dtypes' bfloat16, float8 and so on (``np.load`` reads those as
            raw bytes; ``load_numpy_array`` gives the type back).
        compress: True for zstd at level 3, or a level from 1 to 22: the object is then called ``uri`` with ``.zst`` behind it,
            once, and a load of ``uri`` finds it. False saves it plain. None: compressed if ``uri`` ends in ``.zst``.
        validate: Taken for compatibility: the checksum is always computed.
        overwrite: False creates the object, or fails where a load of ``uri`` would find one.
        durable: Have it on the device, name and all, before this returns. None: as the store was opened.
        metadata: Pairs of text kept with the object.
        attributes: As for ``put_bytes``.
        tags: As for ``put_bytes``.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What was written, ``uri`` with ``.zst`` where it is compressed. As text it is the checksum of the ``.npy`` bytes, header
        included, before any compression: ``crc32c:xxxxxxxx``.

    Raises:
        InvalidArgumentError: A dtype that would need pickle; an invalid level; ``compress=False`` for a name in ``.zst``.
        AlreadyExistsError: ``overwrite=False`` and the object exists; or ``.zst`` is put behind ``uri``, and the plain object of that
            name exists, which a load of ``uri`` would give. Delete that one, or give the name with ``.zst``.
        OutOfSpaceError, PermissionDeniedError: As the store says; nothing was changed.
    """
    return await awaited(
        "aio.save_numpy_array",
        _arrays.save_numpy_array,
        uri,
        array,
        compress,
        validate,
        overwrite=overwrite,
        durable=durable,
        metadata=metadata,
        attributes=attributes,
        tags=tags,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def load_numpy_array(
    uri: Address,
    shape: tuple[int, ...] | int | None = None,
    dtype: Any = None,
    validate_checksum: str | bool | None = None,
    *,
    verify: Verify = "auto",
    expected_checksum: str | None = None,
    out: Array | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> Array:
    """Loads a ``.npy`` object of any writer straight into the array's memory.

    Args:
        uri: Which. Where there is no such object, the compressed one of the name with ``.zst`` behind it.
        shape: The shape that is expected; another in the header is an error before anything is allocated.
        dtype: Likewise for the dtype.
        validate_checksum: The original's name for the next two: a text is ``expected_checksum``, True is ``verify="require"``.
        verify: ``"auto"`` compares with the checksum recorded with the object, where there is one; ``"require"`` refuses an object
            without one; False compares with none.
        expected_checksum: A checksum that the object must have, as ``save_numpy_array`` returned it.
        out: An array of the object's dtype, shape and order to load into.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The array, in the order it was saved in; ``out`` where that was given.

    Raises:
        NotFoundError: There is no such object.
        InvalidDataError: It is no ``.npy`` object, is truncated, or holds Python objects.
        InvalidArgumentError: Shape, dtype or ``out`` do not fit it.
        ChecksumMismatchError: The bytes are not those that were written. ``out`` then holds bytes not to be used.
        NoChecksumError: ``verify="require"``, and nothing is recorded to compare with. ``out`` is as it was.
    """
    return await awaited(
        "aio.load_numpy_array",
        _arrays.load_numpy_array,
        uri,
        shape,
        dtype,
        validate_checksum,
        verify=verify,
        expected_checksum=expected_checksum,
        out=out,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def save_tensors(
    uri: Address,
    tensors: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
    *,
    compress: bool | int | None = None,
    checksums: bool = True,
    max_shard_size: int | str | None = None,
    overwrite: bool = True,
    durable: bool | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Saves NumPy arrays and torch tensors as one safetensors object, atomically, or as a model of several with an index.

    Contiguous tensors are written straight from their memory; others, in Fortran order, strided, big-endian or on another
    device, are copied once and written as the C order that the format demands.

    With ``max_shard_size`` the tensors are split as the Hugging Face libraries do it: ``uri`` is a directory, or the name that the
    model would have in one file, and gets ``model-00001-of-00003.safetensors`` and so on and, last of all,
    ``model.safetensors.index.json``. What fits in one file is ``model.safetensors``. Tensors that are the same memory are stored once;
    the others' names go into the metadata. Files of an earlier save of the same name are removed, its index before anything is written,
    so that no reader sees tensors of two saves.

    Args:
        uri: Address of the object to write.
        tensors: Arrays and tensors by name: bool, integers of 8 to 64 bits, floats of 16 to 64 bits, bfloat16, float8,
            complex64.
        metadata: Pairs of text for the file's ``__metadata__``; names beginning with ``s3dlio.`` are taken.
        compress: As for :func:`save_numpy_array`; lazy slices of a compressed object decompress only the frames they touch.
        checksums: Keep each tensor's CRC32C, and the header's, in the file. False writes byte for byte what the
            safetensors package would.
        max_shard_size: Bytes of tensors in one file at most, or text: ``"5GB"`` is 5 * 10^9, ``"5GiB"`` 5 * 2^30; a larger tensor
            has a file alone. None: one object.
        overwrite: False creates the object or fails.
        durable: Have it on the device, name and all, before this returns. None: as the store was opened.
        attributes: What the store keeps with the object, as for ``put_bytes``.
        tags: As for ``put_bytes``.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What was written, ``uri`` with ``.zst`` where it is compressed. As text it is the checksum of the safetensors bytes, header
        included, before any compression: ``crc32c:xxxxxxxx``.

    Raises:
        InvalidArgumentError: A value that is no tensor, a dtype the format lacks, or a name it cannot hold.
        AlreadyExistsError: ``overwrite=False`` and the object exists; or, compressed, the plain one does, as for
            :func:`save_numpy_array`.
    """
    return await awaited(
        "aio.save_tensors",
        _tensors.save_tensors,
        uri,
        tensors,
        metadata,
        compress=compress,
        checksums=checksums,
        max_shard_size=max_shard_size,
        overwrite=overwrite,
        durable=durable,
        attributes=attributes,
        tags=tags,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def load_tensors(
    uri: Address,
    names: Iterable[str] | None = None,
    framework: Framework = "np",
    *,
    out: Mapping[str, Any] | None = None,
    mmap: bool = False,
    device: Any = None,
    verify: Verify = "auto",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> dict[str, Any]:
    """Loads tensors of a safetensors object of any writer, or of a model in several objects, each straight into its own memory.

    Args:
        uri: Which object; where it is missing, the compressed one of the name with ``.zst`` behind it. Or a model's index
            (``….safetensors.index.json``), or the directory of ``model.safetensors`` or of its index.
        names: Which tensors; None for all. Only their bytes are read.
        framework: ``"np"`` for NumPy arrays, ``"pt"`` for torch tensors.
        out: Arrays or tensors to load into, by name; those not named are allocated.
        mmap: Map a local file in place of reading it: processes share its pages, and one that writes to a tensor gets pages of its own.
            It is compared in one pass over the mapping. What cannot be mapped (an object of a server, a compressed one) is read, and
            the log of ``s3dlio`` says why.
        device: torch's device that the tensors are for, such as ``"cuda:0"``; needs ``framework="pt"``. They pass through three pieces
            of pinned memory of 64 MiB, or of the largest tensor's size: one is read into while the GPU takes the others.
        verify: ``"auto"`` compares each tensor with its checksum, where the file has them; a file without is compared as a whole
            when all of it is read and the store has a checksum for it. ``"require"`` refuses where nothing is recorded. False compares
            nothing.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The tensors by name, in the order of ``names`` or of the file; of a model of several files, file by file.

    Raises:
        NotFoundError: There is no such object, or a file that the index names is not there.
        InvalidDataError: It breaks a rule of the format; an index that names files elsewhere, or tensors that its files do not have.
        InvalidArgumentError: A name it does not hold, ``out`` that does not fit, or a ``device`` that torch does not have.
        ChecksumMismatchError: A tensor's bytes are not those that were written; the error names it.
    """
    return await awaited(
        "aio.load_tensors",
        _tensors.load_tensors,
        uri,
        names,
        framework,
        out=out,
        mmap=mmap,
        device=device,
        verify=verify,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def open_tensors(
    uri: Address,
    framework: Framework = "np",
    *,
    mmap: bool = False,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> TensorFile:
    """Opens a safetensors object: its header is read and checked, its tensors are fetched as they are asked for.

    Args:
        uri: Which object.
        framework: ``"np"`` for NumPy arrays, ``"pt"`` for torch tensors.
        mmap: Map a local file, as ``load_tensors`` does; each tensor is compared when it is asked for the first time.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        A mapping from names to lazy tensors, to be closed or used in a ``with`` statement.

    Raises:
        NotFoundError: There is no such object.
        InvalidDataError: It breaks a rule of the format.
    """
    return await awaited(
        "aio.open_tensors", _tensors.open_tensors, uri, framework, mmap=mmap, timeout=timeout, storage_options=storage_options
    )


async def stats(
    *,
    timeout: float | None = None,
) -> dict[str, StoreStats]:
    """What each store has been asked for since the process began; a forked child begins anew.

    Args:
        timeout: Seconds for the call.

    Returns:
        By the store's address: a bucket's or container's, a memory store's, ``file:///`` for all files and ``direct:///`` for those
        past the page cache. Only stores that were asked for something are there.

    Raises:
        StoreTimeoutError: ``timeout`` seconds were over.
    """
    return await awaited("aio.stats", _stats.stats, timeout=timeout)


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
) -> Opening[AsyncObjectReader]: ...
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
) -> Opening[AsyncObjectWriter]: ...
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
) -> Opening[AsyncObjectReader] | Opening[AsyncObjectWriter]: ...
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
    """
    return open_async(
        uri,
        mode,
        compress=compress,
        decompress=decompress,
        buffering=buffering,
        overwrite=overwrite,
        if_match=if_match,
        durable=durable,
        content_type=content_type,
        metadata=metadata,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )
