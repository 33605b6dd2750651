"""A store: the functions of this package for the keys below one address."""

from __future__ import annotations

import builtins
import copy
import os
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from . import _objects, _open_async
from ._config import merged
from ._core import _twins
from ._core._address import Address, Location, Root, resolve
from ._core._calls import keyed
from ._core._options import StorageOptions
from ._core._results import ObjectMeta, WriteResult
from ._core._view import BytesView
from ._store_methods import AsyncStore, StoreMethods
from .exceptions import InvalidArgumentError

S = TypeVar("S", bound="Store")


def root_of(store: Store) -> Root:
    """The root of a store's keys."""
    return store._root


def place_in(store: Store, key: str) -> Address:
    """Where a key of a store is."""
    return store._at(key)


class Store(StoreMethods):
    """The objects below one address.

    Holds its address and options, not native state: it can be pickled, sent to other processes and used after a fork. What it pickles is
    what it was given, by :func:`s3dlio.configure` too, credentials included; credentials that it finds by itself are found anew in each
    process. See :meth:`without_secrets`.

    Args:
        uri: Where the keys begin: ``file:///data/run1``, ``/data/run1``, ``direct:///data``, ``memory://name/prefix``.
        durable: What writes do when the call does not say.
        storage_options: Settings of the store.

    Raises:
        InvalidArgumentError: An address that cannot be understood, or an option that is not known.

    Example:
        >>> import s3dlio
        >>> store = s3dlio.Store("memory://doc/run1")
        >>> _ = store.put("a", b"xyz")
        >>> bytes(store.get("a")), store.list()
        (b'xyz', ['a'])
    """

    def __init__(self, uri: str | os.PathLike[str], *, durable: bool | None = None, storage_options: StorageOptions | None = None) -> None:
        where = resolve(uri)
        prefix = where.key.rstrip("/")
        self.uri = f"{where.root.uri}{prefix}/" if prefix else where.root.uri
        self._root = Root(self.uri, merged(storage_options, self.uri))
        if durable is not None:
            self._root.options["durable"] = durable
        # an address or an option that is wrong is told here, not at the first use
        self._root.number()

    @property
    def aio(self) -> AsyncStore:
        """The same methods as coroutines: ``await store.aio.get(key)``."""
        return AsyncStore(self)

    def without_secrets(self: S) -> S:
        """The same store without the credentials that it was given, to be pickled to places that must not see them.

        Keys, tokens, connection strings, customers' encryption keys and proxies with a login are left out. Whoever uses it needs
        their own, from :func:`s3dlio.configure`, the environment, a profile or the machine.

        Example:
            >>> import pickle, s3dlio
            >>> options = {"region": "us-east-1", "access_key_id": "me", "secret_access_key": "mine"}
            >>> store = s3dlio.Store("s3://bucket", storage_options=options)
            >>> b"mine" in pickle.dumps(store), b"mine" in pickle.dumps(store.without_secrets())
            (True, False)
        """
        made = copy.copy(self)
        made._root = self._root.without_secrets()
        return made

    def put_bytes(self, key: str, data: Any, **options: Any) -> WriteResult:
        """Puts bytes under a key: the older name of :meth:`put`, which has the same options by name."""
        return _objects.put_bytes(self._at(key), data, **options)

    def get_with_validation(self, key: str, expected_checksum: str | None = None, **options: Any) -> BytesView:
        """Reads an object that has to have a checksum: the original's name of :meth:`get` with ``expected_checksum``."""
        return _objects.get_with_validation(self._at(key), expected_checksum, **options)

    def get_range_with_validation(
        self, key: str, offset: int, length: int | None = None, expected_checksum: str | None = None, **options: Any
    ) -> BytesView:
        """Reads a part that has to have a checksum: the original's name of :meth:`get_range` with ``expected_checksum``."""
        return _objects.get_range_with_validation(self._at(key), offset, length, expected_checksum, **options)

    def open_async(self, key: str, mode: str = "rb", **options: Any) -> Any:
        """See :func:`s3dlio.open_async`."""
        return _open_async.open_async(self._at(key), mode, **options)

    def rename(self, src: str, dst: str, **options: Any) -> WriteResult:
        """Gives an object another key in this store: the original's name of :meth:`move`, which has the same options by name."""
        return _objects.rename(self._at(src), self._at(dst), **options)

    async def copy_async(self, src: str, dst: str, **options: Any) -> WriteResult:
        """See :func:`s3dlio.copy_async`; both are keys of this store."""
        return await _twins.copy_async(self._at(src), self._at(dst), **options)

    async def rename_async(self, src: str, dst: str, **options: Any) -> WriteResult:
        """See :func:`s3dlio.rename_async`; both are keys of this store."""
        return await _twins.rename_async(self._at(src), self._at(dst), **options)

    async def exists_async(self, key: str = "", **options: Any) -> bool:
        """See :func:`s3dlio.exists_async`."""
        return await _twins.exists_async(self._at(key), **options)

    async def list_async(self, prefix: str = "", recursive: bool = False, pattern: str | None = None, **options: Any) -> builtins.list[str]:
        """The keys at and below ``prefix``; see :func:`s3dlio.list_async`."""
        return await _twins.list_async(self._at(prefix), recursive, pattern, **options)

    def list_stream_async(
        self, prefix: str = "", recursive: bool = True, pattern: str | None = None, **options: Any
    ) -> AsyncIterator[ObjectMeta]:
        """See :func:`s3dlio.list_stream_async`; ``uri`` holds keys."""
        return _twins.list_stream_async(self._at(prefix), recursive, pattern, **options)

    async def list_uploads_async(self, prefix: str = "", older_than: float = 0, **options: Any) -> builtins.list[dict[str, Any]]:
        """See :func:`s3dlio.list_uploads_async`; ``uri`` holds keys."""
        return await _twins.list_uploads_async(self._at(prefix), older_than, **options)

    async def abort_uploads_async(self, prefix: str = "", older_than: float = 86400, **options: Any) -> builtins.list[dict[str, Any]]:
        """See :func:`s3dlio.abort_uploads_async`; ``uri`` holds keys."""
        return await _twins.abort_uploads_async(self._at(prefix), older_than, **options)

    put_bytes_async = keyed(_twins.put_bytes_async)
    get_async = keyed(_twins.get_async)
    get_range_async = keyed(_twins.get_range_async)
    get_with_validation_async = keyed(_twins.get_with_validation_async)
    get_range_with_validation_async = keyed(_twins.get_range_with_validation_async)
    stat_async = keyed(_twins.stat_async)
    delete_async = keyed(_twins.delete_async)
    mkdir_async = keyed(_twins.mkdir_async)
    save_numpy_array_async = keyed(_twins.save_numpy_array_async)
    load_numpy_array_async = keyed(_twins.load_numpy_array_async)
    save_tensors_async = keyed(_twins.save_tensors_async)
    load_tensors_async = keyed(_twins.load_tensors_async)
    open_tensors_async = keyed(_twins.open_tensors_async)

    def _at(self, key: str) -> Address:
        if not isinstance(key, str):
            raise InvalidArgumentError(f"{self.uri}: a key is text, found {type(key).__name__}: {key!r}", self.uri)
        return Location(self._root, key, "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and (self.uri, self._root.options) == (other.uri, other._root.options)

    def __hash__(self) -> int:
        return hash(self.uri)

    def __repr__(self) -> str:
        return f"Store({self.uri!r})"
