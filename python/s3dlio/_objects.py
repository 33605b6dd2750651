"""Whole objects: put, get, stat, delete, copy, move."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from ._core import _native, _progress
from ._core._address import Address, Location, resolve
from ._core._calls import blocking, renamed, together
from ._core._options import StorageOptions
from ._core._progress import Progress
from ._core._results import ObjectMeta, WriteResult, to_stat, written
from ._core._view import BytesView, view_of
from .exceptions import InvalidArgumentError, NotFoundError

#: What is compared when bytes are read: with what is recorded (``"auto"`` or True), the same or else an error (``"require"``), nothing
#: (False).
Verify: TypeAlias = Literal["auto", "require"] | bool

#: Anything that exports a buffer: bytes, bytearray, memoryview, array.array, NumPy arrays.
Buffer: TypeAlias = Any


@blocking
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

    Example:
        >>> import s3dlio
        >>> s3dlio.put("memory://doc/a.bin", b"123456789").checksum
        'crc32c:e3069283'
    """
    where = resolve(uri, storage_options)
    address, length, owner = buffer_of(data, where)
    settings = put_options(
        overwrite,
        if_match=if_match,
        durable=durable,
        content_type=content_type,
        metadata=metadata,
        attributes=attributes,
        tags=tags,
    )
    key = _native.key(where.key)
    result = await _progress.run(
        progress,
        "put",
        "object_put",
        where.root.number(),
        key,
        len(key),
        _native.segments([(address, length)]),
        1,
        settings,
        keep=owner,
    )
    return written(where.address(where.key), result, length)


put_bytes = renamed(put, "put_bytes")


def put_options(
    overwrite: bool,
    *,
    if_match: str | None = None,
    durable: bool | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    max_in_flight: int | None = None,
    compression: Mapping[str, Any] | None = None,
    background: bool = False,
) -> bytes | None:
    """The options that writes take, as JSON.

    ``max_in_flight`` is for those of many objects, ``compression`` for what can be compressed, ``background`` leaves a program that
    computes its cores.
    """
    return _native.options(
        {
            **put_options_of(overwrite, if_match, durable, content_type, metadata, attributes, tags),
            "max_in_flight": max_in_flight,
            "background": background or None,
            **(compression or {}),
        }
    )


def put_options_of(
    overwrite: bool,
    if_match: str | None,
    durable: bool | None,
    content_type: str | None,
    metadata: Mapping[str, str] | None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The options that every write takes, by name."""
    return {
        "overwrite": None if overwrite is True else overwrite,
        "if_match": if_match,
        "durable": durable,
        "content_type": content_type,
        "metadata": _pairs("metadata", metadata),
        "attributes": _pairs("attributes", attributes),
        "tags": _pairs("tags", tags),
    }


def compression_options(compress: bool | int, what: str) -> dict[str, Any]:
    """What ``compress`` stands for: False, True (level 3) or a level."""
    if compress is False or compress is None:
        return {}
    if compress is True:
        return {"compression": "zstd"}
    if not hasattr(compress, "__index__") or not 1 <= operator.index(compress) <= 22:
        raise InvalidArgumentError(f"{what}: compress is False, True or a level from 1 to 22, found {compress!r}", what)
    return {"compression": "zstd", "level": operator.index(compress)}


def form_options(compress: bool | int | None, where: Location) -> dict[str, Any]:
    """What ``compress`` stands for where the name may say it; None: compressed if it ends in ``.zst``."""
    what = where.address(where.key)
    named = where.key.endswith(".zst")
    if compress is False and named:
        raise InvalidArgumentError(
            f"{what}: names that end in .zst are of compressed objects; save it under another one, or with compress=True", what
        )
    return compression_options(named if compress is None else compress, what)


def _pairs(name: str, given: Mapping[str, str] | None) -> dict[str, str] | None:
    if given is None:
        return None
    if not (isinstance(given, Mapping) and all(isinstance(key, str) for key in given)):
        raise InvalidArgumentError(f"{name} must be a dictionary of text by text, found {type(given).__name__}: {given!r}")
    return dict(given)


@blocking
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/b", b"abc")
        >>> bytes(s3dlio.get("memory://doc/b"))
        b'abc'
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    chosen = None if decompress is False else decompress_option(decompress, where.address(where.key))
    settings = verify_options(verify, expected_checksum, chosen)
    if progress is None:
        memory = await _native.run("object_get", where.root.number(), key, len(key), settings, data=True)
    else:
        memory = await _progress.run(progress, "get", "object_get", where.root.number(), key, len(key), settings, data=True)
    return view_of(memory)


def verify_options(verify: Verify, expected_checksum: str | None, decompress: str | None = None, *, ranged: bool = False) -> bytes | None:
    """The options that every read takes, as JSON; of a range True also compares the blocks at its ends."""
    if verify == "auto" and expected_checksum is None and decompress is None:
        return None
    if not isinstance(verify, bool) and verify not in ("auto", "require"):
        raise InvalidArgumentError(f"verify is 'auto', 'require' or False, found {verify!r}")
    told = {
        "validate": False if verify is False else True if verify is True and ranged else None,
        "require_validation": True if verify == "require" else None,
        "expected_checksum": expected_checksum,
        "decompress": decompress,
    }
    return _native.options(told)


def decompress_option(decompress: bool | str, what: str) -> str | None:
    """What ``decompress`` stands for in the library."""
    if decompress is False or decompress is None:
        return None
    if decompress is True:
        return "always"
    if decompress != "auto":
        raise InvalidArgumentError(f"{what}: decompress is True, False or 'auto', found {decompress!r}", what)
    return "auto"


@blocking
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/c", b"0123456789")
        >>> bytes(s3dlio.get_range("memory://doc/c", 2, 3))
        b'234'
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    chosen = decompress_option(decompress, where.address(where.key))
    settings = verify_options(verify if validate is None else validate, expected_checksum, chosen, ranged=True)
    offset = count_of(offset, "offset", where)
    length = None if length is None else count_of(length, "length", where)
    address, size, owner = (None, -1 if length is None else length, None) if out is None else buffer_of(out, where, writable=True)
    if length is not None and length != size:
        what = where.address(where.key)
        raise InvalidArgumentError(f"{what}: out has {size} bytes, length is {length}", what)
    place = (where.root.number(), key, len(key), offset, size, address, settings)
    found = await _progress.run(progress, "get", "object_get_range", *place, keep=owner, data=out is None, lent=out is not None)
    return view_of(found if out is None else owner)


@blocking
async def get_ranges(
    uri: Address,
    ranges: Iterable[tuple[int, int]],
    max_in_flight: int = 16,
    *,
    verify: Verify = "auto",
    decompress: bool | Literal["auto"] = False,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> list[BytesView]:
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://doc/ranges", b"0123456789")
        >>> [bytes(part) for part in s3dlio.get_ranges("memory://doc/ranges", [(6, 2), (0, 3)])]
        [b'67', b'012']
    """
    where = resolve(uri, storage_options)
    what = where.address(where.key)
    if not 1 <= max_in_flight <= 4096:
        raise InvalidArgumentError(f"{what}: max_in_flight is from 1 to 4096, found {max_in_flight!r}", what)
    places: list[tuple[int, int]] = []
    for one in ranges:
        if not hasattr(one, "__len__") or len(one) != 2:
            raise InvalidArgumentError(f"{what}: a range is (offset, length), found {one!r}", what)
        places.append((count_of(one[0], "offset", where), count_of(one[1], "length", where)))
    read: Any = get_range.body  # type: ignore[attr-defined]
    found: list[BytesView] = await together(
        [read(where, offset, length, verify=verify, decompress=decompress) for offset, length in places], max_in_flight
    )
    return found


@blocking
async def get_with_validation(
    uri: Address,
    expected_checksum: str | None = None,
    *,
    decompress: bool | str = "auto",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> BytesView:
    """Reads a whole object whose every byte was compared with a checksum, or raises: no byte comes back unchecked.

    A compressed object is compared frame by frame with what is recorded in it, any other with the checksum that the store
    recorded when it was written.

    Args:
        uri: Which.
        expected_checksum: CRC32C of the bytes to be returned, ``crc32c:xxxxxxxx``; they are then compared with that.
        decompress: As for :func:`get`; ``"auto"`` gives the raw bytes of objects whose name ends in ``.zst``.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The bytes, read-only and without a further copy.

    Raises:
        NotFoundError: There is no such object.
        ChecksumMismatchError: The bytes are not those that were written; names object, offset, expected and found.
        NoChecksumError: Nothing is recorded with the object and ``expected_checksum`` is not given. Objects of other
            programs can be like that, and files on file systems without extended attributes.

    Example:
        >>> import s3dlio
        >>> checksum = s3dlio.put_bytes("memory://doc/v", b"123456789")
        >>> bytes(s3dlio.get_with_validation("memory://doc/v", checksum))
        b'123456789'
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    chosen = decompress_option(decompress, where.address(where.key))
    settings = _native.options({"require_validation": True, "expected_checksum": expected_checksum, "decompress": chosen})
    memory = await _progress.run(progress, "get", "object_get", where.root.number(), key, len(key), settings, data=True)
    return view_of(memory)


@blocking
async def get_range_with_validation(
    uri: Address,
    offset: int,
    length: int | None = None,
    expected_checksum: str | None = None,
    *,
    decompress: bool | str = "auto",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> BytesView:
    """Reads ``length`` bytes from ``offset``, every one of them compared with a checksum, or raises.

    A range of a compressed object is checked by the frames that it touches. A range of another is checked by the recorded
    checksums of the blocks or parts that it touches, where there are some (S3 and Azure), for which the rest of the first and
    last is read; elsewhere by the checksum of the whole object, for which all of it is read.

    Args:
        uri: Which object.
        offset: First byte, from 0.
        length: How many bytes; None reads to the end.
        expected_checksum: CRC32C of the range, ``crc32c:xxxxxxxx``; it is then enough to compare with that.
        decompress: As for :func:`get_with_validation`. Offset and length are then of the decompressed bytes.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The bytes, read-only.

    Raises:
        InvalidArgumentError: The range reaches beyond the object.
        ChecksumMismatchError: The bytes are not those that were written; names object, offset, expected and found.
        NoChecksumError: Nothing is recorded with the object and ``expected_checksum`` is not given.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/w", b"0123456789")
        >>> bytes(s3dlio.get_range_with_validation("memory://doc/w", 2, 3))
        b'234'
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    chosen = decompress_option(decompress, where.address(where.key))
    settings = _native.options({"require_validation": True, "expected_checksum": expected_checksum, "decompress": chosen})
    first = count_of(offset, "offset", where)
    size = -1 if length is None else count_of(length, "length", where)
    place = (where.root.number(), key, len(key), first, size, None, settings)
    return view_of(await _progress.run(progress, "get", "object_get_range", *place, data=True))


@blocking
async def exists(uri: Address, *, timeout: float | None = None, storage_options: StorageOptions | None = None) -> bool:
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

    Example:
        >>> import s3dlio
        >>> s3dlio.exists("memory://doc/nothing-of-that-name")
        False
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    return bool(await _native.run("object_exists", where.root.number(), key, len(key)))


@blocking
async def stat(uri: Address, *, timeout: float | None = None, storage_options: StorageOptions | None = None) -> ObjectMeta:
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/d", b"abc", metadata={"epoch": "3"})
        >>> found = s3dlio.stat("memory://doc/d")
        >>> found.size, found.metadata, found["checksum"]
        (3, {'epoch': '3'}, 'crc32c:364b3fb7')
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    return to_stat(await _native.run("object_head", where.root.number(), key, len(key)))


@blocking
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/run1/a", b""), s3dlio.put_bytes("memory://doc/run10/a", b"")
        >>> s3dlio.delete("memory://doc/run1", recursive=True), s3dlio.exists("memory://doc/run10/a")
        (1, True)
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    settings = _native.options({"recursive": recursive or None})
    try:
        return int(await _native.run("object_delete", where.root.number(), key, len(key), settings))
    except NotFoundError as error:
        # a bucket that is not there is another mistake
        if missing_ok and type(error) is NotFoundError:
            return 0
        raise


@blocking
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/e", b"abc")
        >>> s3dlio.copy("memory://doc/e", "memory://other/e").checksum
        'crc32c:364b3fb7'
    """
    settings = put_options(overwrite, durable=durable, content_type=content_type, metadata=metadata, attributes=attributes, tags=tags)
    return await _move("object_copy", src, dst, settings, progress, storage_options)


@blocking
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/f", b"abc")
        >>> s3dlio.move("memory://doc/f", "memory://doc/g").uri, s3dlio.exists("memory://doc/f")
        ('memory://doc/g', False)
    """
    return await _move("object_rename", src, dst, put_options(overwrite, durable=durable), progress, storage_options)


rename = renamed(move, "rename")


@blocking
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

    Example:
        >>> import pathlib, tempfile, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = pathlib.Path(folder, "a.bin").write_bytes(b"123456789")
        ...     s3dlio.put_file(folder + "/a.bin", "memory://doc/file").checksum
        'crc32c:e3069283'
    """
    settings = put_options(overwrite, durable=durable, content_type=content_type, metadata=metadata, attributes=attributes, tags=tags)
    return await _move("object_copy", _local(path), resolve(uri, storage_options), settings, progress, None)


@blocking
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

    Example:
        >>> import pathlib, tempfile, s3dlio
        >>> _ = s3dlio.put("memory://doc/to-file", b"123456789")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = s3dlio.get_file("memory://doc/to-file", folder + "/a.bin")
        ...     pathlib.Path(folder, "a.bin").read_bytes()
        b'123456789'
    """
    source = resolve(uri, storage_options)
    return await _move("object_copy", source, _local(path), put_options(overwrite, durable=durable), progress, None)


def _local(path: str | os.PathLike[str]) -> Location:
    where = resolve(path)
    if where.base != "/":
        what = where.address(where.key)
        raise InvalidArgumentError(
            f"{what}: a path of a local file is wanted, found an address of a store; copy() takes two addresses", what
        )
    return where


async def _move(
    function: str,
    src: Address,
    dst: Address,
    settings: bytes | None,
    progress: Progress,
    storage_options: StorageOptions | None,
) -> WriteResult:
    source, target = resolve(src, storage_options), resolve(dst, storage_options)
    source_key, key = _native.key(source.key), _native.key(target.key)
    found = await _progress.run(
        progress,
        function.removeprefix("object_").replace("rename", "move"),
        function,
        source.root.number(),
        source_key,
        len(source_key),
        target.root.number(),
        key,
        len(key),
        settings,
    )
    return written(target.address(target.key), found)


@blocking
async def mkdir(uri: Address, *, timeout: float | None = None, storage_options: StorageOptions | None = None) -> None:
    """Makes a directory and its parents where the store has directories; elsewhere there is nothing to make.

    Args:
        uri: Which directory; that it is there already is no error.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Raises:
        NotDirectoryError: An object stands where the path needs a directory.
        PermissionDeniedError: As the store says.

    Example:
        >>> import s3dlio
        >>> s3dlio.mkdir("memory://doc/run2")
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    await _native.run("directory_create", where.root.number(), key, len(key))


def buffer_of(data: Buffer, where: Location, writable: bool = False) -> tuple[int, int, np.ndarray[Any, Any]]:
    """Address, length in bytes and owner of a buffer's memory."""
    if type(data) is bytes and data and not writable:
        # what small objects mostly are: nothing of it can be wrong
        held = np.frombuffer(data, np.uint8)
        at: int = held.__array_interface__["data"][0]
        return at, len(data), held
    what = where.address(where.key)
    if isinstance(data, str):
        raise InvalidArgumentError(f"{what}: the data is str and not bytes; encode it, as in text.encode()", what)
    # not by the buffer protocol, which NumPy refuses for dates and for the types of ml_dtypes
    array = np.asarray(data) if isinstance(data, np.ndarray) else _exported(data, what, writable)
    if array.dtype.hasobject:
        raise InvalidArgumentError(f"{what}: the array holds Python objects, whose memory are addresses; pickle them first", what)
    if writable and not array.flags.writeable:
        raise InvalidArgumentError(f"{what}: out is read-only", what)
    if not array.flags.c_contiguous:
        raise InvalidArgumentError(f"{what}: the buffer is not contiguous; make a copy of it first", what)
    array = array.reshape(-1).view(np.uint8) if array.nbytes else np.empty(0, np.uint8)
    address: int = array.__array_interface__["data"][0]
    return address, array.nbytes, array


def _exported(data: Buffer, what: str, writable: bool) -> np.ndarray[Any, Any]:
    """The bytes of anything with a buffer, as an array over its memory; or those that ``__bytes__`` gives, where they are only read."""
    try:
        view = memoryview(data)
    except TypeError:
        if not writable and hasattr(type(data), "__bytes__"):
            return np.frombuffer(bytes(data), np.uint8)
        raise InvalidArgumentError(
            f"{what}: {type(data).__name__} has no buffer; bytes, bytearray, memoryview or an array is wanted", what
        ) from None
    except (ValueError, BufferError) as error:
        raise InvalidArgumentError(f"{what}: {type(data).__name__} gives no buffer: {error}", what) from None
    with view:
        if not view.nbytes:
            empty = np.empty(0, np.uint8)
            empty.flags.writeable = not view.readonly
            return empty
        if not view.c_contiguous:
            raise InvalidArgumentError(f"{what}: the buffer is not contiguous; make a copy of it first", what)
        return np.frombuffer(view.cast("B"), np.uint8)


def count_of(value: Any, name: str, where: Location) -> int:
    """A number of bytes as the ABI can take it: an integer of any library, not cut to 64 bits in silence."""
    what = where.address(where.key)
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{what}: {name} must be a whole number, found {type(value).__name__}: {value!r}", what) from None
    if not 0 <= number < 1 << 63:
        raise InvalidArgumentError(f"{what}: {name} {number} must not be negative and must fit in 63 bits", what)
    return number
