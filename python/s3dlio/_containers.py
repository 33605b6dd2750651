"""Buckets and containers, and addresses that let others in for a while."""

from __future__ import annotations

import builtins
from typing import Any, Literal

from ._config import merged
from ._core import _native
from ._core._address import Address, Location, is_server, resolve
from ._core._calls import blocking
from ._core._options import StorageOptions
from ._core._results import to_time


@blocking
async def create_bucket(name: str, *, timeout: float | None = None, storage_options: StorageOptions | None = None) -> None:
    """Makes a bucket or container; one that is already yours is no error.

    Args:
        name: ``s3://bucket``, ``az://account/container``, or just a bucket's name for S3.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Raises:
        AlreadyExistsError: Another account has a bucket of that name.
        InvalidArgumentError: The store has no buckets, or none can have that name.

    Example:
        >>> import s3dlio
        >>> s3dlio.create_bucket("s3://my-run", storage_options={"region": "eu-west-1"})  # doctest: +SKIP
    """
    await _native.run("container_create", *_arguments(name, storage_options))


@blocking
async def delete_bucket(name: str, *, timeout: float | None = None, storage_options: StorageOptions | None = None) -> None:
    """Removes an empty bucket or container.

    Args:
        name: As for ``create_bucket``.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Raises:
        NotFoundError: There is no such bucket.
        PreconditionError: Something is in it; ``delete(uri, recursive=True)`` empties it.

    Example:
        >>> import s3dlio
        >>> s3dlio.delete_bucket("s3://my-run")  # doctest: +SKIP
    """
    await _native.run("container_delete", *_arguments(name, storage_options))


@blocking
async def list_containers(
    uri: str = "s3://", *, timeout: float | None = None, storage_options: StorageOptions | None = None
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

    Example:
        >>> import s3dlio
        >>> s3dlio.list_containers("s3://")  # doctest: +SKIP
        ['my-run', 'other']
    """
    scheme, _, rest = uri.partition("://")
    parts = rest.split("/")
    # an address needs a container where its form has one; which, makes no difference here
    within = scheme == "az" or (scheme == "s3" and is_server(parts[0]))
    anchor = f"{scheme}://{parts[0]}/any" if within else f"{scheme}://{parts[0] or 'any'}"
    found = await _native.run("container_list", *_arguments(anchor, storage_options))
    return [item["name"] for item in found]


@blocking
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

    Example:
        >>> import s3dlio
        >>> address = s3dlio.presign("s3://my-run/weights.npy", expires_in=600)  # doctest: +SKIP
    """
    where = resolve(uri, storage_options)
    key = _native.key(where.key)
    settings = _native.options({"method": method, "expires_in": expires_in})
    address: str = await _native.run("object_presign", where.root.number(), key, len(key), settings)
    return address


@blocking
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

    Example:
        >>> import s3dlio
        >>> s3dlio.list_uploads("memory://doc/")
        []
    """
    return await _uploads("uploads_list", resolve(uri, storage_options), older_than)


@blocking
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

    Example:
        >>> import s3dlio
        >>> s3dlio.abort_uploads("memory://doc/", older_than=3600)
        []
    """
    return await _uploads("uploads_abort", resolve(uri, storage_options), older_than)


async def _uploads(function: str, where: Location, older_than: float) -> builtins.list[dict[str, Any]]:
    key = _native.key(where.key)
    found = await _native.run(function, where.root.number(), key, len(key), _native.options({"older_than": older_than}))
    return [
        {
            "uri": where.address(item["key"]),
            "upload_id": item["upload_id"],
            "begun": to_time(item["begun_ns"]) if "begun_ns" in item else None,
        }
        for item in found
    ]


async def create_container_of(where: Location) -> None:
    """Makes the bucket or container that a location lies in; a directory for stores without."""
    if where.root.uri.startswith(("s3://", "az://")):
        await _native.run("container_create", where.root.uri.encode(), _native.options(where.root.options))
    else:
        key = where.key.encode()
        await _native.run("directory_create", where.root.number(), key, len(key))


def _arguments(name: str, storage_options: StorageOptions | None) -> tuple[bytes, bytes | None]:
    uri = name if "://" in name else f"s3://{name}"
    return _native.key(uri), _native.options(merged(storage_options, uri))
