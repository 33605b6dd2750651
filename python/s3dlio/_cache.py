"""A cache in front of a store: a directory of this machine that all processes of a user share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from . import _objects
from ._core import _native
from ._core._address import Address, resolve
from ._core._calls import blocking
from ._core._failures import error_class
from ._core._options import StorageOptions
from ._core._results import WriteResult, written
from ._store import Store
from .exceptions import InvalidArgumentError, StoreTimeoutError, UnavailableError


def cache(
    uri: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    size: int | str | None = None,
    mode: Literal["read", "through", "back", "offline"] = "read",
    validate: Literal["always", "ttl", "never"] = "always",
    ttl: float | None = None,
    min_free: int | str | None = None,
    block_size: int | str | None = None,
    eviction: Literal["s3-fifo", "none"] | None = None,
    journal_size: int | str | None = None,
    durable: bool | None = None,
    storage_options: StorageOptions | None = None,
) -> CachedStore:
    """A store whose objects are kept in a directory of this machine as they are read.

    All processes of a user share the directory, without a service that runs beside them: what one has read the others find, and of those
    that want the same at once one fetches it. What comes out of the directory was compared with its checksums; whatever is wrong there is
    fetched anew. docs/cache.md has all that it promises.

    Args:
        uri: Where the keys begin: ``s3://bucket/run``.
        directory: Where the cache lies; made where there is none. It must belong to this user and be closed to others.
        size: Bytes that it may take, or text such as ``"200GiB"``. None: what ``min_free`` leaves.
        mode: ``"read"``: what is read is kept. ``"through"``: what is written, too. ``"back"``: a write ends when it is durable in a
            journal of the directory, and is sent to the store behind the caller's back. ``"offline"``: the same, and the store is not asked
            at all.
        validate: When the store is asked whether an object is still the one that was kept: ``"always"``, when it is opened; ``"ttl"``, when
            the last answer is older than ``ttl``; ``"never"``, for objects that do not change.
        ttl: Seconds, 60 unless given.
        min_free: Bytes that stay free on the directory's file system; a twentieth of it unless given.
        block_size: Bytes that are fetched and kept at least, a power of two from 64 KiB to 4 MiB; 1 MiB unless given.
        eviction: ``"s3-fifo"``: what was read once goes before what was read again. ``"none"``: what is in stays and nothing more is
            kept, for epochs over more than the cache holds.
        journal_size: Bytes of writes that may wait for the store; more go to it directly. None: as free space allows.
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
    optional = {
        "cache_size": size,
        "cache_ttl": ttl,
        "cache_min_free": min_free,
        "cache_block_size": block_size,
        "cache_eviction": eviction,
    }
    optional["cache_journal_size"] = journal_size
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
            ``directory``; ``bytes`` that lie there and ``limit``, how many there may be (absent without a size); ``hits`` and ``hit_bytes``
            that came from there; ``misses`` and ``miss_bytes``, blocks that were fetched; ``waits`` for another's fetch; ``validations``,
            requests whether an object is still the same; ``fills`` and ``fills_failed``, entries that were kept and that could not be;
            ``damaged`` entries that were found and removed; ``evicted`` and ``evicted_bytes``; ``rests``, how often the directory's device
            failed and was left alone for a minute. Of writes that wait for the store, of all processes: ``pending``, ``pending_bytes``,
            ``pending_milliseconds`` (the age of the oldest) and ``parked``. Of this process: ``accepted`` and ``accepted_bytes``, ``sent``
            and ``sent_bytes``, ``superseded`` by later writes, ``send_failures``, ``bypassed`` writes that the journal could not take and
            the store got directly, ``adopted`` journals of processes that died, ``journal_failures``. Counts are of all stores of this
            process with that directory.

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
            raise InvalidArgumentError(
                f"{self.uri}: keys are text, found {next(key for key in wanted if not isinstance(key, str))!r}", self.uri
            )
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

    def flush(self, prefix: str = "", *, timeout: float | None = None) -> dict[str, Any]:
        """Waits until the writes that were acknowledged before are at the store, those of other processes of this machine too.

        Args:
            prefix: Of the keys that matter; ``""`` is all of the store.
            timeout: Seconds; None waits as long as it takes.

        Returns:
            What :meth:`pending` gives then: with ``writes`` 0 everything is there.

        Raises:
            The error with which the store refused a write: it is parked, and waits for :meth:`unpark`.
            StoreTimeoutError: The time is over and something waits still; it goes on being sent.
            UnavailableError: The mode is ``"offline"`` and something waits.

        Example:
            >>> import s3dlio, tempfile
            >>> with tempfile.TemporaryDirectory() as directory:
            ...     store = s3dlio.cache("memory://flush", directory, mode="back")
            ...     _ = store.put("a", b"data")
            ...     store.flush()["writes"]
            0
        """
        name = _native.key(prefix)
        found: dict[str, Any] = flush_of(self._root.number(), name, {} if timeout is None else {"timeout": timeout})
        for write in found["first"]:
            if write["parked"]:
                detail = (
                    f"{write['error']} ({found['writes']} writes are left, {found['parked']} of them parked; store.pending() tells of them)"
                )
                raise error_class(write["status"], 0)(f"{write['uri']}: {detail}", write["uri"], detail)
        if found["writes"] > 0 and self._root.options.get("cache_mode") == "offline":
            detail = (
                f'{found["writes"]} writes wait, and the mode is "offline": a store in the mode "back" or \'s3dlio cache drain\' sends them'
            )
            raise UnavailableError(f"{self.uri}: {detail}", self.uri, detail)
        if found["writes"] > 0:
            raise StoreTimeoutError(
                f"{self.uri}: after {timeout} seconds {found['writes']} writes of {found['bytes']} bytes wait still", self.uri
            )
        return found

    def pending(self, prefix: str = "") -> dict[str, Any]:
        """What was acknowledged, by any process of this machine, and is not at the store yet.

        Args:
            prefix: Of the keys that matter; ``""`` is all of the store.

        Returns:
            ``writes`` and their ``bytes``; how many of them are ``parked``: the store refused them for a reason that waiting does not mend;
            the age of the oldest in ``seconds``; ``first``, up to 1000 of them, parked ones first, each with ``uri``, ``kind`` ("put" or
            "delete"), ``size``, ``time_ns``, ``parked``, ``attempts`` of this process and, where there was one, the ``error`` and
            its ``status``.

        Example:
            >>> import s3dlio, tempfile
            >>> with tempfile.TemporaryDirectory() as directory:
            ...     store = s3dlio.cache("memory://pending", directory, mode="offline")
            ...     _ = store.put("a", b"data")
            ...     store.pending()["writes"]
            1
        """
        found: dict[str, Any] = pending_of(self._root.number(), _native.key(prefix))
        return found

    def unpark(self, prefix: str = "", *, discard: bool = False) -> int:
        """Tries parked writes again.

        Args:
            prefix: Of the keys that matter; ``""`` is all of the store.
            discard: Gives them up instead: what they were to write is lost, and readers see what the store has.

        Returns:
            How many. Those of other live processes stay as they are.

        Example:
            >>> import s3dlio, tempfile
            >>> with tempfile.TemporaryDirectory() as directory:
            ...     s3dlio.cache("memory://unpark", directory, mode="back").unpark()
            0
        """
        found: dict[str, int] = unpark_of(self._root.number(), _native.key(prefix), {"discard": discard})
        return found["writes"]

    def put_barrier(
        self, key: str, data: Any, *, content_type: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> WriteResult:
        """As ``put``, of an object that nobody may see without what was written before it: a manifest, a pointer to the newest.

        It is sent when everything that this process wrote before through the journal is at the store, and what other processes of this
        machine wrote below the key's folder.

        Args:
            key: The object.
            data: The bytes, as for ``put``.
            content_type: Kept with the object.
            metadata: The user's own pairs of text, kept with the object.

        Returns:
            What was written, as ``put``.

        Example:
            >>> import s3dlio, tempfile
            >>> with tempfile.TemporaryDirectory() as directory:
            ...     with s3dlio.cache("memory://barrier", directory, mode="back") as store:
            ...         _ = store.put("run/part-0", b"data")
            ...         store.put_barrier("run/manifest", b"part-0").size
            6
        """
        return barrier_of(self._at(key), data, content_type, metadata)

    def close(self, timeout: float | None = None) -> None:
        """Waits as :meth:`flush` does. What is left stays in the journal, and the next process that opens the cache sends it.

        Args:
            timeout: Seconds; None waits as long as it takes.

        Raises:
            As :meth:`flush`.
        """
        if self._root.options.get("cache_mode") == "back":
            self.flush(timeout=timeout)

    def __enter__(self) -> CachedStore:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        # what is under way is not delayed by an error that ends the block
        if error is None:
            self.close()

    def __repr__(self) -> str:
        return f"CachedStore({self.uri!r}, cache={self._root.options.get('cache')!r})"


@blocking
async def stats_of(store: int) -> Any:
    return await _native.run("cache_stats", store)


@blocking
async def barrier_of(uri: Address, data: Any, content_type: str | None, metadata: Mapping[str, str] | None) -> WriteResult:
    where = resolve(uri)
    address, length, owner = _objects.buffer_of(data, where)
    settings = _native.options({**_objects.put_options_of(True, None, None, content_type, metadata), "barrier": True})
    key = _native.key(where.key)
    segments = _native.segments([(address, length)])
    result = await _native.run("object_put", where.root.number(), key, len(key), segments, 1, settings, keep=owner)
    return written(where.address(where.key), result, length)


@blocking
async def flush_of(store: int, prefix: bytes, settings: Mapping[str, Any]) -> Any:
    return await _native.run("cache_flush", store, prefix, len(prefix), _native.options(dict(settings)))


@blocking
async def pending_of(store: int, prefix: bytes) -> Any:
    return await _native.run("cache_pending", store, prefix, len(prefix))


@blocking
async def unpark_of(store: int, prefix: bytes, settings: Mapping[str, Any]) -> Any:
    return await _native.run("cache_unpark", store, prefix, len(prefix), _native.options(dict(settings)))


@blocking
async def warm_of(store: int, settings: Mapping[str, Any]) -> Any:
    return await _native.run("cache_warm", store, _native.options(dict(settings)))


@blocking
async def evict_of(store: int, prefix: bytes) -> Any:
    return await _native.run("cache_evict", store, prefix, len(prefix))
