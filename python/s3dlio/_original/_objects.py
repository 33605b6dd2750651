"""Functions on objects and of the process under the names that the original library gives them."""

from __future__ import annotations

import builtins
import logging
import re
from collections.abc import Iterable
from typing import Any

from .. import _bulk, _config, _list, _objects
from .._core._results import ObjectMeta
from .._core._view import BytesView
from .._core._warnings import log, warn_ignored
from ..exceptions import InvalidArgumentError

#: What the original's levels are in Python; an unknown one is ``info``.
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure_s3(endpoint_url: str | None = None, region: str | None = None, ca_bundle: str | None = None) -> None:
    """Sets where calls of the whole process find S3; see :meth:`s3dlio.config.set`.

    Unlike the original's it holds for later calls at any time.

    Args:
        endpoint_url: The server.
        region: Its region.
        ca_bundle: A file of certificates to trust.

    Raises:
        InvalidArgumentError: An option's value cannot be.

    Example:
        >>> import s3dlio
        >>> s3dlio.configure_s3(region="us-east-1")
        >>> s3dlio.configure(region=None)
    """
    given = {"endpoint_url": endpoint_url, "region": region, "ca_bundle": ca_bundle}
    _config.configure(**{name: value for name, value in given.items() if value is not None})


def configure_tokio_threads(n: int = 0) -> None:
    """Takes a number of threads for a runtime that is not here; warns once that it is ignored.

    Args:
        n: Ignored.

    Raises:
        InvalidArgumentError: Never.

    Example:
        >>> import s3dlio
        >>> s3dlio.configure_tokio_threads(8)  # doctest: +SKIP
    """
    warn_ignored("configure_tokio_threads(n)", "the library takes threads as it needs them")


def init_logging(level: str) -> None:
    """Has the logger ``s3dlio`` write to standard error; programs that set up Python's logging themselves need no call.

    Args:
        level: ``"error"``, ``"warn"``, ``"info"``, ``"debug"`` or ``"trace"``; another one is ``"info"``.

    Raises:
        InvalidArgumentError: Never.

    Example:
        >>> import s3dlio
        >>> s3dlio.init_logging("warn")  # doctest: +SKIP
    """
    chosen = _LEVELS.get(str(level).lower(), logging.INFO)
    if not any(isinstance(handler, logging.StreamHandler) for handler in log.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)
    log.setLevel(chosen)


def parse_s3_uri_full(uri: str) -> dict[str, str | None]:
    """The parts of an S3 address.

    Args:
        uri: ``s3://bucket/key`` or ``s3://host:port/bucket/key``.

    Returns:
        ``endpoint`` (None for the first form), ``bucket`` and ``key``.

    Raises:
        InvalidArgumentError: It is no address of S3.

    Example:
        >>> import s3dlio
        >>> s3dlio.parse_s3_uri_full("s3://localhost:9000/bucket/a/b")
        {'endpoint': 'localhost:9000', 'bucket': 'bucket', 'key': 'a/b'}
    """
    match = re.fullmatch(r"s3://(?:([^/]+:[0-9]{1,5})/)?([^/]+)/?(.*)", uri, re.S)
    if match is None:
        raise InvalidArgumentError(f"{uri}: an s3:// address with a bucket is wanted", uri)
    return {"endpoint": match[1], "bucket": match[2], "key": match[3]}


def list_full_uris(uri: str) -> builtins.list[str]:
    """The addresses of all objects below one; see :func:`s3dlio.list`.

    Args:
        uri: Where.

    Returns:
        Whole addresses, sorted.

    Raises:
        PermissionDeniedError, UnavailableError: As the store says.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://doc-keys/a/b", b"1")
        >>> s3dlio.list_full_uris("memory://doc-keys/"), s3dlio.list_keys("memory://doc-keys/a/")
        (['memory://doc-keys/a/b'], ['b'])
    """
    return _list.list(uri, recursive=True)


def list_uris(uri: str) -> builtins.list[str]:
    """The same as :func:`s3dlio.list_full_uris`.

    Args:
        uri: Where.

    Returns:
        Whole addresses, sorted.

    Raises:
        PermissionDeniedError, UnavailableError: As the store says.

    Example:
        >>> import s3dlio
        >>> s3dlio.list_uris("memory://doc-none/")
        []
    """
    return list_full_uris(uri)


def list_keys(uri: str) -> builtins.list[str]:
    """The keys of all objects below an address, relative to it; see :func:`s3dlio.list`.

    Args:
        uri: Where.

    Returns:
        The keys, sorted.

    Raises:
        PermissionDeniedError, UnavailableError: As the store says.

    Example:
        >>> import s3dlio
        >>> s3dlio.list_keys("memory://doc-none/")
        []
    """
    begin = uri if uri.endswith("/") else uri[: uri.rfind("/") + 1]
    return [found[len(begin) :] for found in list_full_uris(uri)]


def list_keys_from_s3(uri: str) -> builtins.list[str]:
    """The same as :func:`s3dlio.list_keys`.

    Args:
        uri: Where.

    Returns:
        The keys, sorted.

    Raises:
        PermissionDeniedError, UnavailableError: As the store says.

    Example:
        >>> import s3dlio
        >>> s3dlio.list_keys_from_s3("memory://doc-none/")
        []
    """
    return list_keys(uri)


def get_object(uri: str) -> BytesView:
    """See :func:`s3dlio.get`.

    Args:
        uri: Which.

    Returns:
        The bytes.

    Raises:
        NotFoundError: There is no such object.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://doc/object", b"1")
        >>> bytes(s3dlio.get_object("memory://doc/object"))
        b'1'
    """
    return _objects.get(uri)


def stat_object(uri: str) -> ObjectMeta:
    """See :func:`s3dlio.stat`.

    Args:
        uri: Which.

    Returns:
        What the store knows of it.

    Raises:
        NotFoundError: There is no such object.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://doc/object", b"1")
        >>> s3dlio.stat_object("memory://doc/object")["size"]
        1
    """
    return _objects.stat(uri)


def get_by_key(bucket: str, key: str) -> BytesView:
    """See :func:`s3dlio.get`.

    Args:
        bucket: A bucket of S3.
        key: Which object.

    Returns:
        The bytes.

    Raises:
        NotFoundError: There is no such object.

    Example:
        >>> import s3dlio
        >>> s3dlio.get_by_key("bucket", "key")  # doctest: +SKIP
    """
    return _objects.get(f"s3://{bucket}/{key}")


def stat_key(bucket: str, key: str) -> ObjectMeta:
    """See :func:`s3dlio.stat`.

    Args:
        bucket: A bucket of S3.
        key: Which object.

    Returns:
        What the store knows of it.

    Raises:
        NotFoundError: There is no such object.

    Example:
        >>> import s3dlio
        >>> s3dlio.stat_key("bucket", "key")  # doctest: +SKIP
    """
    return _objects.stat(f"s3://{bucket}/{key}")


def get_many_stats(uris: Iterable[Any], max_in_flight: int = 64) -> tuple[int, int]:
    """Reads many objects and tells how much that was; see :func:`s3dlio.get_many`.

    Args:
        uris: Which.
        max_in_flight: How many at once.

    Returns:
        How many, and their bytes in all.

    Raises:
        BulkError: Some could not be read.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://doc/object", b"123")
        >>> s3dlio.get_many_stats(["memory://doc/object"])
        (1, 3)
    """
    found = _bulk.get_many(uris, max_in_flight)
    return len(found), sum(len(view) for _, view in found)
