"""Listings."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator
from typing import Any

from ._core import _native
from ._core._address import Address, Location, resolve
from ._core._calls import blocking, blocking_each
from ._core._options import StorageOptions
from ._core._results import ObjectMeta, to_stat
from .exceptions import ClosedError


@blocking
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://ls/a", b""), s3dlio.put_bytes("memory://ls/d/b", b"")
        >>> s3dlio.list("memory://ls/"), s3dlio.list("memory://ls/", recursive=True)
        (['memory://ls/a', 'memory://ls/d/'], ['memory://ls/a', 'memory://ls/d/b'])
    """
    where = resolve(uri, storage_options)
    found: builtins.list[str] = []
    async for page in list_pages(where, recursive, pattern, start_after):
        keys = [item["key"] for item in page["objects"]] + page["prefixes"]
        if page["prefixes"]:
            keys.sort(key=_native.key)
        found.extend(where.address(key) for key in keys)
    return found


@blocking_each
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://stream/a", b"xyz")
        >>> [(item.uri, item.size) for item in s3dlio.list_stream("memory://stream/")]
        [('memory://stream/a', 3)]
    """
    where = resolve(uri, storage_options)
    async for page in list_pages(where, recursive, pattern, start_after):
        for item in page["objects"]:
            yield to_stat(item, where.address(item["key"]))


async def list_pages(where: Location, recursive: bool, pattern: str | None, start_after: str | None) -> AsyncIterator[dict[str, Any]]:
    after = start_after.removeprefix(where.base) if isinstance(start_after, str) else start_after
    settings = {"recursive": recursive, "pattern": pattern, "start_after": after}
    generation = _native.generation
    number = _native.open_list(where.root.number(), _native.key(where.key), settings)
    try:
        while (page := await _native.run("list_page", number)) is not None:
            yield page
            if generation != _native.generation:
                what = where.address(where.key)
                raise ClosedError(f"{what}: the listing was begun before this process was forked; begin it again here", what)
    finally:
        _native.close("list", number, generation)
