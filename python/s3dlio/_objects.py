"""Whole objects: put, get, stat, delete, copy, rename."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

import numpy as np

from . import _native, _progress
from ._address import Address, Location, resolve
from ._calls import blocking
from ._progress import Progress
from ._view import BytesView
from .exceptions import InvalidArgumentError

#: Anything that exports a buffer: bytes, bytearray, memoryview, array.array, NumPy arrays.
Buffer: TypeAlias = Any

_STAT_KEYS = (
    "size",
    "last_modified",
    "etag",
    "content_type",
    "content_language",
    "content_encoding",
    "cache_control",
    "content_disposition",
    "expires",
    "storage_class",
    "server_side_encryption",
    "ssekms_key_id",
    "sse_customer_algorithm",
    "version_id",
    "replication_status",
    "metadata",
    "checksum",
    "attributes",
)

#: What the library's description of an object holds under names of its own.
_NOT_ATTRIBUTES = ("key", "last_modified_ns")


@blocking
async def put_bytes(
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
    storage_options: dict[str, Any] | None = None,
) -> str:
    """Writes an object, atomically: a reader sees the old one or the new one, whole.

    Args:
        uri: Where to.
        data: The bytes, as anything that exports a contiguous buffer, which is not copied, or has ``__bytes__``.
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
        The object's checksum, ``crc32c:xxxxxxxx``.

    Raises:
        AlreadyExistsError: ``overwrite=False`` and the object exists.
        PreconditionError: The object's ETag is another.
        InvalidArgumentError: An attribute that the store does not have; the message names the nearest.
        PermissionDeniedError, OutOfSpaceError, IsDirectoryError: As the store says; nothing was changed.

    Example:
        >>> import s3dlio
        >>> s3dlio.put_bytes("memory://doc/a.bin", b"123456789")
        'crc32c:e3069283'
    """
    where = resolve(uri, storage_options)
    address, length, owner = _buffer(data, where)
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
    return str(result["checksum"])


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
    """The options that writes take, as JSON; ``max_in_flight`` is for those of many objects, ``compression`` for what can be compressed, ``background`` leaves a program that computes its cores."""
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
    if not isinstance(compress, int) or not 1 <= compress <= 22:
        raise InvalidArgumentError(f"{what}: compress is False, True or a level from 1 to 22, found {compress!r}", what)
    return {"compression": "zstd", "level": compress}


def form_options(compress: bool | int | None, where: Location) -> dict[str, Any]:
    """What ``compress`` stands for where a name has two forms, plain and with ``.zst``; None is the one that is named."""
    what = where.address(where.key)
    named = where.key.endswith(".zst")
    if compress is False and named:
        raise InvalidArgumentError(f"{what}: names that end in .zst are of compressed objects; save it under another one, or with compress=True", what)
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
    validate: bool = True,
    expected_checksum: str | None = None,
    decompress: bool | str = False,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> BytesView:
    """Reads a whole object.

    Args:
        uri: Which.
        validate: Compare with the checksum that was recorded when the object was written, where there is one.
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/b", b"abc")
        >>> bytes(s3dlio.get("memory://doc/b"))
        b'abc'
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    chosen = None if decompress is False else decompress_option(decompress, where.address(where.key))
    settings = validation_options(validate, expected_checksum, chosen)
    if progress is None:
        memory = await _native.run("object_get", where.root.number(), key, len(key), settings, data=True)
    else:
        memory = await _progress.run(progress, "get", "object_get", where.root.number(), key, len(key), settings, data=True)
    return BytesView._over(memory)


def validation_options(validate: bool, expected_checksum: str | None, decompress: str | None = None) -> bytes | None:
    """The options that every read takes, as JSON."""
    if validate is True and expected_checksum is None and decompress is None:
        return None
    return _native.options({"validate": None if validate is True else validate, "expected_checksum": expected_checksum, "decompress": decompress})


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
    validate: bool | None = None,
    expected_checksum: str | None = None,
    decompress: bool | str = False,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> BytesView:
    """Reads ``length`` bytes from ``offset``; never fewer.

    Stores that keep the checksums of an object's blocks (S3 and Azure, for what was written from 1 MiB on) can check a range.

    Args:
        uri: Which object.
        offset: First byte, from 0.
        length: How many bytes; None reads to the end.
        out: Writable contiguous memory of exactly ``length`` bytes to read into.
        validate: None compares the blocks that lie in the range as a whole; True also reads the rest of the two that it begins
            and ends in, so that every byte is checked; False compares nothing.
        expected_checksum: CRC32C that the range must have.
        decompress: As for :func:`get`. Offset and length are then of the decompressed bytes; only the frames that the range
            touches are fetched, and each is checked.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

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
    settings = _native.options({"validate": validate, "expected_checksum": expected_checksum, "decompress": chosen})
    offset = _count(offset, "offset", where)
    length = None if length is None else _count(length, "length", where)
    address, size, owner = (None, -1 if length is None else length, None) if out is None else _buffer(out, where, writable=True)
    if length is not None and length != size:
        what = where.address(where.key)
        raise InvalidArgumentError(f"{what}: out has {size} bytes, length is {length}", what)
    place = (where.root.number(), key, len(key), offset, size, address, settings)
    found = await _progress.run(progress, "get", "object_get_range", *place, keep=owner, data=out is None, lent=out is not None)
    return BytesView._over(found if out is None else owner)


@blocking
async def get_with_validation(
    uri: Address,
    expected_checksum: str | None = None,
    *,
    decompress: bool | str = "auto",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
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
    return BytesView._over(memory)


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
    storage_options: dict[str, Any] | None = None,
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
    first = _count(offset, "offset", where)
    size = -1 if length is None else _count(length, "length", where)
    place = (where.root.number(), key, len(key), first, size, None, settings)
    return BytesView._over(await _progress.run(progress, "get", "object_get_range", *place, data=True))


@blocking
async def exists(uri: Address, *, timeout: float | None = None, storage_options: dict[str, Any] | None = None) -> bool:
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
async def stat(uri: Address, *, timeout: float | None = None, storage_options: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the store knows of an object.

    Args:
        uri: Which.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        A dictionary with the keys ``size`` (bytes), ``last_modified`` (ISO 8601, UTC), ``etag``, ``content_type``,
        ``content_language``, ``content_encoding``, ``cache_control``, ``content_disposition``, ``expires``,
        ``storage_class``, ``server_side_encryption``, ``ssekms_key_id``, ``sse_customer_algorithm``, ``version_id``,
        ``replication_status``, ``metadata`` (a dictionary), ``checksum`` (``crc32c:xxxxxxxx``) and ``attributes`` (a
        dictionary of what else the store says, such as ``tag_count`` or ``access_tier``); what a store does not have is
        None.

    Raises:
        NotFoundError: There is no such object.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/d", b"abc", metadata={"epoch": "3"})
        >>> found = s3dlio.stat("memory://doc/d")
        >>> found["size"], found["metadata"], found["checksum"]
        (3, {'epoch': '3'}, 'crc32c:364b3fb7')
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    return to_stat(await _native.run("object_head", where.root.number(), key, len(key)))


def to_stat(found: dict[str, Any]) -> dict[str, Any]:
    """The library's description of an object under the names of ``stat``."""
    result: dict[str, Any] = dict.fromkeys(_STAT_KEYS)
    result.update((name, value) for name, value in found.items() if name in result)
    result["last_modified"] = to_time(found["last_modified_ns"])
    result["metadata"] = found.get("metadata", {})
    result["attributes"] = {name: value for name, value in found.items() if name not in result and name not in _NOT_ATTRIBUTES}
    return result


def to_time(nanoseconds: int) -> str:
    """Nanoseconds since 1970 as ISO 8601, UTC."""
    return (_EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat()


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@blocking
async def delete(uri: Address, recursive: bool = False, *, timeout: float | None = None, storage_options: dict[str, Any] | None = None) -> int:
    """Deletes an object, or with ``recursive`` everything at and below a path.

    ``recursive`` takes whole path segments: ``run1`` never touches ``run10``. Directories left empty go too. Of an address that ends
    with ``/`` the objects right below it are deleted; what is below further directories stays. ``*`` and ``?`` are part of a name.

    Args:
        uri: An object; with ``/`` at its end, a directory or prefix; with ``recursive``, any of them.
        recursive: Everything at and below it.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        How many objects were deleted; with ``recursive`` or ``/`` at the end, 0 when there was nothing.

    Raises:
        NotFoundError: There is no such object (without ``recursive`` or ``/`` at the end).
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
    return int(await _native.run("object_delete", where.root.number(), key, len(key), settings))


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
    storage_options: dict[str, Any] | None = None,
) -> str | None:
    """Copies an object, within a store or between any two, with its content type, metadata and checksum.

    Attributes of the content (``cache_control``, ``content_disposition``, ``content_encoding``, ``content_language``,
    ``expires``) go with it. Those of its place (``storage_class``, encryption, ``acl``) do not: the destination's own
    defaults hold unless they are given. Tags go with it within a store; between two stores they are left behind.

    Args:
        src: Which object.
        dst: Where to.
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
        The copy's checksum.

    Raises:
        NotFoundError: There is no source.
        AlreadyExistsError: ``overwrite=False`` and the destination exists.
        ChecksumMismatchError: The source is damaged (found when its bytes pass through, between stores).

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/e", b"abc")
        >>> s3dlio.copy("memory://doc/e", "memory://other/e")
        'crc32c:364b3fb7'
    """
    settings = put_options(
        overwrite, durable=durable, content_type=content_type, metadata=metadata, attributes=attributes, tags=tags
    )
    return await _move("object_copy", src, dst, settings, progress, storage_options)


@blocking
async def rename(
    src: Address,
    dst: Address,
    *,
    overwrite: bool = True,
    durable: bool | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> str | None:
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
        The object's checksum, where one is recorded.

    Raises:
        NotFoundError: There is no source.
        AlreadyExistsError: ``overwrite=False`` and the destination exists.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://doc/f", b"abc")
        >>> s3dlio.rename("memory://doc/f", "memory://doc/g"), s3dlio.exists("memory://doc/f")
        ('crc32c:364b3fb7', False)
    """
    return await _move("object_rename", src, dst, put_options(overwrite, durable=durable), progress, storage_options)


async def _move(
    function: str,
    src: Address,
    dst: Address,
    settings: bytes | None,
    progress: Progress,
    storage_options: dict[str, Any] | None,
) -> str | None:
    source, target = resolve(src, storage_options), resolve(dst, storage_options)
    source_key, key = _native.key(source.key), _native.key(target.key)
    found = await _progress.run(
        progress,
        function.removeprefix("object_"),
        function,
        source.root.number(),
        source_key,
        len(source_key),
        target.root.number(),
        key,
        len(key),
        settings,
    )
    checksum: str | None = found.get("checksum")
    return checksum


@blocking
async def mkdir(uri: Address, *, timeout: float | None = None, storage_options: dict[str, Any] | None = None) -> None:
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


def _buffer(data: Buffer, where: Location, writable: bool = False) -> tuple[int, int, np.ndarray[Any, Any]]:
    """Address, length in bytes and owner of a buffer's memory."""
    if type(data) is bytes and data and not writable:
        # what small objects mostly are: nothing of it can be wrong
        held = np.frombuffer(data, np.uint8)
        at: int = held.__array_interface__["data"][0]
        return at, len(data), held
    what = where.address(where.key)
    if isinstance(data, str):
        raise InvalidArgumentError(f"{what}: the data is str; encode it, as in text.encode()", what)
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


def _count(value: Any, name: str, where: Location) -> int:
    """A number of bytes as the ABI can take it: an integer of any library, not cut to 64 bits in silence."""
    what = where.address(where.key)
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{what}: {name} must be a whole number, found {type(value).__name__}: {value!r}", what) from None
    if not 0 <= number < 1 << 63:
        raise InvalidArgumentError(f"{what}: {name} {number} must not be negative and must fit in 63 bits", what)
    return number
