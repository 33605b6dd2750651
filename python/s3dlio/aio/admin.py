"""The functions of :mod:`s3dlio.admin` for asyncio; written by python/generate.py."""

from __future__ import annotations

import builtins
from typing import Any, Literal

from .. import _containers
from .._core._address import Address
from .._core._calls import awaited
from .._core._options import StorageOptions

__all__ = [
    "abort_uploads",
    "create_bucket",
    "delete_bucket",
    "list_containers",
    "list_uploads",
    "presign",
]


def __dir__() -> builtins.list[str]:
    return sorted(__all__)


async def create_bucket(
    name: str,
    *,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> None:
    """Makes a bucket or container; one that is already yours is no error.

    Args:
        name: ``s3://bucket``, ``az://account/container``, or just a bucket's name for S3.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Raises:
        AlreadyExistsError: Another account has a bucket of that name.
        InvalidArgumentError: The store has no buckets, or none can have that name.
    """
    return await awaited("aio.admin.create_bucket", _containers.create_bucket, name, timeout=timeout, storage_options=storage_options)


async def delete_bucket(
    name: str,
    *,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> None:
    """Removes an empty bucket or container.

    Args:
        name: As for ``create_bucket``.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Raises:
        NotFoundError: There is no such bucket.
        PreconditionError: Something is in it; ``delete(uri, recursive=True)`` empties it.
    """
    return await awaited("aio.admin.delete_bucket", _containers.delete_bucket, name, timeout=timeout, storage_options=storage_options)


async def list_containers(
    uri: str = "s3://",
    *,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[str]:
    """The names of the buckets or containers that the credentials may list.

    Args:
        uri: ``s3://``, or ``az://account``; what follows is not looked at.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        Names, in the service's order.

    Raises:
        AuthenticationError: The credentials are missing or wrong.
        PermissionDeniedError: They may not list.
    """
    return await awaited("aio.admin.list_containers", _containers.list_containers, uri, timeout=timeout, storage_options=storage_options)


async def presign(
    uri: Address,
    method: Literal["GET", "PUT", "HEAD", "DELETE"] = "GET",
    expires_in: int = 3600,
    *,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> str:
    """A presigned URL: it gives access to the object for a limited time without credentials.

    Args:
        uri: Which object, on S3 or Azure.
        method: What it allows.
        expires_in: Seconds, at most seven days.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        An https address. Keep it as you keep a password.

    Raises:
        InvalidArgumentError: The store has no such addresses.
    """
    return await awaited(
        "aio.admin.presign", _containers.presign, uri, method, expires_in, timeout=timeout, storage_options=storage_options
    )


async def list_uploads(
    uri: Address,
    older_than: float = 0,
    *,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[dict[str, Any]]:
    """Multipart uploads that were begun and not ended: those under way, and what processes that died left behind.

    They are in no listing of objects and are paid for all the same.

    Args:
        uri: The object, prefix or bucket that they are of; ``run1`` does not mean ``run10``.
        older_than: Seconds; only those begun at least so long ago.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        For each its object's address as ``uri``, the server's ``upload_id``, and ``begun`` (ISO 8601, UTC, or None). Stores
        without such a thing have none.

    Raises:
        PermissionDeniedError: The credentials may not list them.
    """
    return await awaited(
        "aio.admin.list_uploads", _containers.list_uploads, uri, older_than, timeout=timeout, storage_options=storage_options
    )


async def abort_uploads(
    uri: Address,
    older_than: float = 86400,
    *,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[dict[str, Any]]:
    """Aborts unfinished multipart uploads.

    An upload that is still being written fails for its writer, so only uploads older than a day are aborted by default.

    Args:
        uri: The object, prefix or bucket that they are of.
        older_than: Seconds; only those begun at least so long ago.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        Those that were aborted, as ``list_uploads`` gives them.

    Raises:
        PermissionDeniedError: The credentials may not list or abort them.
    """
    return await awaited(
        "aio.admin.abort_uploads", _containers.abort_uploads, uri, older_than, timeout=timeout, storage_options=storage_options
    )
