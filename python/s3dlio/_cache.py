"""A cache in front of a store: a directory of this machine that all processes of a user share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ._core import _native
from ._core._calls import blocking
from ._core._options import StorageOptions
from ._store import Store
from .exceptions import InvalidArgumentError


def cache(
    uri: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    size: int | str | None = None,
    mode: Literal["read", "through"] = "read",
    validate: Literal["always", "ttl", "never"] = "always",
    ttl: float | None = None,
    min_free: int | str | None = None,
    block_size: int | str | None = None,
    eviction: Literal["s3-fifo", "none"] | None = None,
    durable: bool | None = None,
    storage_options: StorageOptions | None = None,
) -> CachedStore:
    """A store whose objects are kept in a directory of this machine as they are read.

    All processes of a user share the directory, without a service that runs beside them: what one has read the others find, and of those that want
    the same at once one fetches it. What comes out of the directory was compared with its checksums; whatever is wrong there is fetched
    anew. docs/cache.md has all that it promises.

    Args:
        uri: Where the keys begin: ``s3://bucket/run``.
        directory: Where the cache lies; made where there is none. It must belong to this user and be closed to others.
        size: Bytes that it may take, or text such as ``"200GiB"``. None: what ``min_free`` leaves.
        mode: ``"read"``: what is read is kept. ``"through"``: what is written, too.
        validate: When the store is asked whether an object is still the one that was kept: ``"always"``, when it is opened; ``"ttl"``, when
            the last answer is older than ``ttl``; ``"never"``, for objects that do not change.
        ttl: Seconds, 60 unless given.
        min_free: Bytes that stay free on the directory's file system; a twentieth of it unless given.
        block_size: Bytes that are fetched and kept at least, a power of two from 64 KiB to 4 MiB; 1 MiB unless given.
        eviction: ``"s3-fifo"``: what was read once goes before what was read again. ``"none"``: what is in stays and nothing more is
            kept, for epochs over more than the cache holds.
        durable: What writes do when the call does not say.
        storage_options: Further settings of the store.

    Raises:
        InvalidArgumentError: A setting that is wrong.
        PermissionDeniedError: The directory belongs to another user, or is open to others.

    Example:
        >>> import s3dlio, tempfile
        >>> _ = s3dlio.put("memory://cached/a", b"data")
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     store = s3dlio.cache("memory://cached", directory, size="1GiB", validate="never")
        ...     bytes(store.get("a")), bytes(store.get("a")), store.stats()["hits"]
        (b'data', b'data', 1)
    """
    settings: dict[str, Any] = dict(storage_options or {})
    settings.update(cache=_directory(directory), cache_mode=mode, cache_validate=validate)
    optional = {"cache_size": size, "cache_ttl": ttl, "cache_min_free": min_free, "cache_block_size": block_size, "cache_eviction": eviction}
    settings.update({name: value for name, value in optional.items() if value is not None})
    return CachedStore(uri, durable=durable, storage_options=settings)


def _directory(path: str | os.PathLike[str]) -> str:
    name = os.fspath(path)
    if not isinstance(name, str) or not name:
        raise InvalidArgumentError(f"directory is the path of the cache's directory, found {path!r}")
    return os.path.abspath(name)


class CachedStore(Store):
    """A store with a cache in front of it; see :func:`cache`. It pickles, and works after a fork, as every :class:`Store`."""

    def stats(self) -> dict[str, Any]:
        """What the cache did in this process, and what lies in it.

        Returns:
            ``directory``; ``bytes`` that lie there and ``limit``, how many there may be (absent without a size); ``hits`` and ``hit_bytes`` that
            came from there; ``misses`` and ``miss_bytes``, blocks that were fetched; ``waits`` for another's fetch; ``validations``, requests
            whether an object is still the same; ``fills`` and ``fills_failed``, entries that were kept and that could not be;
            ``damaged`` entries that were found and removed; ``evicted`` and ``evicted_bytes``; ``rests``, how often the directory's device
            failed and was left alone for a minute. Counts are of all stores of this process with that directory.

        Example:
            >>> import s3dlio, tempfile
            >>> with tempfile.TemporaryDirectory() as directory:
            ...     s3dlio.cache("memory://stats", directory).stats()["misses"]
            0
        """
        found: dict[str, Any] = stats_of(self._root.number())
        return found

    def warm(self, keys: str | Iterable[str]) -> dict[str, int]:
        """Reads objects so that the cache has them.

        Args:
            keys: Keys, and prefixes that end with a slash for all below; ``""`` is all of the store.

        Returns:
            ``objects`` and their ``bytes``, those that were there before too.

        Raises:
            NotFoundError: There is no such object.

        Example:
            >>> import s3dlio, tempfile
            >>> _ = s3dlio.put("memory://warm/x/a", b"data")
            >>> with tempfile.TemporaryDirectory() as directory:
            ...     s3dlio.cache("memory://warm", directory).warm("x/")
            {'objects': 1, 'bytes': 4}
        """
        wanted = [keys] if isinstance(keys, str) else list(keys)
        if not all(isinstance(key, str) for key in wanted):
            raise InvalidArgumentError(f"{self.uri}: keys are text, found {next(key for key in wanted if not isinstance(key, str))!r}", self.uri)
        found: dict[str, int] = warm_of(self._root.number(), {"keys": wanted})
        return found

    def evict(self, prefix: str = "") -> dict[str, int]:
        """Removes what is kept of the objects whose keys begin with a text; the objects themselves stay where they are.

        Args:
            prefix: The text; ``""`` is all of the store.

        Returns:
            ``entries`` of the cache that were removed, and their ``bytes``.

        Example:
            >>> import s3dlio, tempfile
            >>> _ = s3dlio.put("memory://evict/a", b"data")
            >>> with tempfile.TemporaryDirectory() as directory:
            ...     store = s3dlio.cache("memory://evict", directory)
            ...     _ = store.get("a")
            ...     store.evict()["entries"]
            2
        """
        found: dict[str, int] = evict_of(self._root.number(), _native.key(prefix))
        return found

    def __repr__(self) -> str:
        return f"CachedStore({self.uri!r}, cache={self._root.options.get('cache')!r})"


@blocking
async def stats_of(store: int) -> Any:
    return await _native.run("cache_stats", store)


@blocking
async def warm_of(store: int, settings: Mapping[str, Any]) -> Any:
    return await _native.run("cache_warm", store, _native.options(dict(settings)))


@blocking
async def evict_of(store: int, prefix: bytes) -> Any:
    return await _native.run("cache_evict", store, prefix, len(prefix))
