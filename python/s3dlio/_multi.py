"""Several endpoints as one store."""

from __future__ import annotations

import builtins
import itertools
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ._config import without_secrets
from ._core import _calls
from ._core._address import SCHEME, Address, Location, resolve
from ._core._awaitable import AwaitableCount, AwaitableList, AwaitableResult, AwaitableView
from ._core._view import view_of
from ._store import Store
from .exceptions import InvalidArgumentError

Strategy = Literal["round_robin", "least_connections"]

_RANGE = re.compile(r"\{(\d+)\.\.\.?(\d+)\}")

#: The library's limit, and the original's.
_MOST = 32


class MultiEndpointStore(Store):
    """A store whose calls are spread over several endpoints; see :func:`create_multi_endpoint_store`.

    Where a key is taken, so is a whole address that begins with one of the endpoints: it names the key below it, wherever that is,
    and listings of it give whole addresses. Other addresses are refused.

    The results of ``put``, ``get``, ``get_range``, ``list`` and ``delete`` may be awaited, as the original's scripts do; the calls block
    all the same, and ``get_async`` and the like do not.

    Example:
        >>> import s3dlio
        >>> store = s3dlio.create_multi_endpoint_store(["memory://whole-a/p/", "memory://whole-b/p/"])
        >>> _ = store.put("memory://whole-a/p/k", b"1")
        >>> bytes(store.get("k")), store.list(), store.list("memory://whole-b/p/")
        (b'1', ['k'], ['memory://whole-b/p/k'])
    """

    def __init__(
        self,
        endpoints: Iterable[str | Mapping[str, Any]],
        strategy: Strategy | None = "round_robin",
        *,
        uri: str | os.PathLike[str] | None = None,
        replicas: bool = False,
        durable: bool | None = None,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        if isinstance(endpoints, (str, Mapping)):
            raise InvalidArgumentError("endpoints is a list of addresses or URLs, found one alone")
        chosen = builtins.list(endpoints)
        #: What was given, in its order.
        self.endpoints: builtins.list[str | Mapping[str, Any]] = chosen
        if uri is None:
            first = chosen[0] if chosen else None
            uri = first.get("uri") if isinstance(first, Mapping) else first
            if not isinstance(uri, str) or uri.startswith(("http://", "https://")):
                raise InvalidArgumentError("the first endpoint is no store's address such as 's3://bucket/prefix/'; give one as uri")
        self._strategy: Strategy = strategy or "round_robin"
        settings = {
            **(storage_options or {}),
            "endpoints": [dict(one) if isinstance(one, Mapping) else one for one in chosen],
            "strategy": self._strategy,
            "replicas": replicas,
        }
        super().__init__(uri, durable=durable, storage_options=settings)
        given = [one.get("uri", self.uri) if isinstance(one, Mapping) else one for one in chosen]
        below = {self.uri, *(one for one in given if isinstance(one, str) and not one.startswith(("http://", "https://")))}
        #: Store and prefix of each endpoint, the longest first.
        self._bases = sorted({(where.root.uri, _folder(where.key)) for where in map(resolve, below)}, key=lambda base: -len(base[1]))

    def put(self, key: str, data: Any, **options: Any) -> AwaitableResult:
        """As ``put_bytes``, by the original's name.

        Example:
            >>> import s3dlio
            >>> s3dlio.create_multi_endpoint_store(["memory://put-a/", "memory://put-b/"]).put("k", b"123456789").checksum
            'crc32c:e3069283'
        """
        return AwaitableResult.of(self.put_bytes(key, data, **options))

    def get(self, key: str, **options: Any) -> AwaitableView:
        """See :func:`s3dlio.get`."""
        return view_of(super().get(key, **options), AwaitableView)

    def get_range(self, key: str, offset: int, length: int | None = None, **options: Any) -> AwaitableView:
        """See :func:`s3dlio.get_range`."""
        return view_of(super().get_range(key, offset, length, **options), AwaitableView)

    def list(self, prefix: str = "", recursive: bool = False, pattern: str | None = None, **options: Any) -> AwaitableList:
        """See :func:`s3dlio.list`: keys for a key, whole addresses for a whole address."""
        return AwaitableList(super().list(prefix, recursive, pattern, **options))

    def delete(self, key: str, recursive: bool = False, **options: Any) -> AwaitableCount:
        """See :func:`s3dlio.delete`."""
        return AwaitableCount(super().delete(key, recursive, **options))

    def endpoint_count(self) -> int:
        """How many endpoints there are."""
        return len(self.endpoints)

    def strategy(self) -> str:
        """``"round_robin"`` or ``"least_connections"``."""
        return self._strategy

    def get_endpoint_stats(self) -> builtins.list[dict[str, Any]]:
        """What each endpoint did, by the original's names; see ``endpoint_stats`` for all that is known.

        Returns:
            For each endpoint ``uri``, ``total_requests``, ``bytes_read``, ``bytes_written``, ``error_count`` and
            ``active_requests``. Requests are calls, those among them that look where a key is.

        Example:
            >>> import s3dlio
            >>> store = s3dlio.create_multi_endpoint_store(["memory://counted-a/"])
            >>> _ = store.put("k", b"123"), store.get("k")
            >>> [(one["bytes_read"], one["bytes_written"], one["error_count"]) for one in store.get_endpoint_stats()]
            [(3, 3, 0)]
        """
        return [
            {
                "uri": one["uri"],
                "total_requests": one["requests"],
                "bytes_read": one["bytes_read"],
                "bytes_written": one["bytes_written"],
                "error_count": one["errors"],
                "active_requests": one["in_flight"],
            }
            for one in self.endpoint_stats()
        ]

    def get_total_stats(self) -> dict[str, Any]:
        """The sums of ``get_endpoint_stats``, without ``uri``."""
        each = self.get_endpoint_stats()
        return {name: sum(one[name] for one in each) for name in each[0] if name != "uri"}

    def _at(self, key: str) -> Address:
        if not isinstance(key, str) or not SCHEME.match(key):
            return super()._at(key)
        where = resolve(key)
        for root, prefix in self._bases:
            if where.root.uri == root and _folder(where.key).startswith(prefix):
                below = where.key[len(prefix) :]
                return Location(self._root, below, key.removesuffix(below) if below else key.rstrip("/") + "/")
        known = ", ".join(root + prefix for root, prefix in self._bases)
        raise InvalidArgumentError(
            f"{key}: the address is below none of the endpoints; give a key, or an address below one of {known}", key
        )

    def endpoint_stats(self) -> builtins.list[dict[str, Any]]:
        """What each endpoint was asked for by this process so far.

        Returns:
            For each endpoint, in the order in which they were given: ``uri``, ``name`` (its URL where it has one),
            ``requests`` (calls, those among them that look where a key is), ``failures`` (those that it did not answer),
            ``errors`` (those that failed in any way), ``bytes_read``, ``bytes_written``, ``in_flight`` and ``avoided`` (it
            failed a moment ago, and others are asked first).

        Example:
            >>> import s3dlio
            >>> store = s3dlio.create_multi_endpoint_store(["memory://stats-a/", "memory://stats-b/"], replicas=True)
            >>> _ = store.put_bytes("k", b"1"), store.put_bytes("l", b"2")
            >>> [endpoint["requests"] for endpoint in store.endpoint_stats()]
            [1, 1]
        """
        found: builtins.list[dict[str, Any]] = _calls.run("store_endpoints", self._root.number())
        return found

    def without_secrets(self) -> MultiEndpointStore:
        """See :meth:`Store.without_secrets`; dictionaries of endpoints lose theirs too."""
        made = super().without_secrets()
        made.endpoints = [without_secrets(one) if isinstance(one, Mapping) else one for one in self.endpoints]
        return made

    def __repr__(self) -> str:
        return f"MultiEndpointStore({self.uri!r}, {len(self.endpoints)} endpoints)"


def create_multi_endpoint_store(
    uris: Iterable[str | Mapping[str, Any]],
    strategy: Strategy | None = "round_robin",
    *,
    uri: str | os.PathLike[str] | None = None,
    replicas: bool = False,
    storage_options: dict[str, Any] | None = None,
) -> MultiEndpointStore:
    """Makes one store of several endpoints.

    With ``replicas=True`` all endpoints show the same objects, as the gateways of one cluster do: any call goes to any of
    them, and to the next when one is down. With ``replicas=False`` each has objects of its own: a new key goes where the
    strategy says, and from then on it is read, replaced and deleted there; a key that did not pass through this store is
    looked for at each endpoint, where several have it the newest counts, and a listing merges all of them. An endpoint that is
    down is then passed over by new keys alone; what may be there is never said to be missing.

    Args:
        uris: 1 to 32 endpoints: addresses of stores (``s3://bucket-1/prefix/``), URLs of servers that ``uri`` is at
            (``http://10.0.0.1:7480``), or dictionaries of storage options that differ, with ``uri`` for another address.
        strategy: ``"round_robin"``, or ``"least_connections"``: the one with the fewest calls under way.
        uri: The address of the whole; by default that of the first endpoint.
        replicas: Whether all endpoints show the same objects.
        storage_options: Settings of all endpoints; ``endpoint_cooldown`` is how many seconds one that failed is passed over.

    Returns:
        A store; it can be pickled like any other.

    Raises:
        InvalidArgumentError: No endpoint, more than 32, one that cannot be understood, or different schemes.

    Example:
        >>> import s3dlio
        >>> store = s3dlio.create_multi_endpoint_store(["memory://bucket-1/", "memory://bucket-2/"])
        >>> _ = store.put_bytes("a", b"1"), store.put_bytes("b", b"2")
        >>> store.list(), bytes(store.get("b"))
        (['a', 'b'], b'2')
        >>> s3dlio.list("memory://bucket-1/"), s3dlio.list("memory://bucket-2/")
        (['memory://bucket-1/a'], ['memory://bucket-2/b'])
    """
    return MultiEndpointStore(uris, strategy, uri=uri, replicas=replicas, storage_options=storage_options)


def create_multi_endpoint_store_from_template(
    uri_template: str,
    strategy: Strategy | None = "round_robin",
    *,
    uri: str | os.PathLike[str] | None = None,
    replicas: bool = False,
    storage_options: dict[str, Any] | None = None,
) -> MultiEndpointStore:
    """The same with endpoints numbered in a template.

    Args:
        uri_template: An address or URL with ranges ``{1...4}`` or ``{01..16}``, which keep leading zeros; with several,
            every combination.
        strategy: As for ``create_multi_endpoint_store``.
        uri: Likewise.
        replicas: Likewise.
        storage_options: Likewise.

    Returns:
        A store; it can be pickled like any other.

    Raises:
        InvalidArgumentError: No range, an empty one, or more than 32 endpoints.

    Example:
        >>> import s3dlio
        >>> s3dlio.create_multi_endpoint_store_from_template("memory://shard-{08...10}/").endpoints
        ['memory://shard-08/', 'memory://shard-09/', 'memory://shard-10/']
    """
    return MultiEndpointStore(_expanded(uri_template), strategy, uri=uri, replicas=replicas, storage_options=storage_options)


def create_multi_endpoint_store_from_file(
    file_path: str | os.PathLike[str],
    strategy: Strategy | None = "round_robin",
    *,
    uri: str | os.PathLike[str] | None = None,
    replicas: bool = False,
    storage_options: dict[str, Any] | None = None,
) -> MultiEndpointStore:
    r"""The same with endpoints from a file: one a line; empty lines and lines that begin with ``#`` are passed over.

    Args:
        file_path: A local file in UTF-8.
        strategy: As for ``create_multi_endpoint_store``.
        uri: Likewise.
        replicas: Likewise.
        storage_options: Likewise.

    Returns:
        A store; it can be pickled like any other.

    Raises:
        FileNotFoundError: There is no such file.
        InvalidArgumentError: It names no endpoint.

    Example:
        >>> import pathlib, tempfile, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = pathlib.Path(folder, "endpoints").write_text("# two\nmemory://file-1/\nmemory://file-2/\n")
        ...     len(s3dlio.create_multi_endpoint_store_from_file(folder + "/endpoints").endpoints)
        2
    """
    with open(file_path, encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    given = [line for line in lines if line and not line.startswith("#")]
    if not given:
        raise InvalidArgumentError(f"{os.fspath(file_path)!s}: no endpoint is named in it")
    return MultiEndpointStore(given, strategy, uri=uri, replicas=replicas, storage_options=storage_options)


def create_multi_endpoint_store_from_env(
    strategy: Strategy | None = "round_robin",
    *,
    uri: str | os.PathLike[str] | None = None,
    replicas: bool = False,
    storage_options: dict[str, Any] | None = None,
) -> MultiEndpointStore:
    """The same with endpoints from the environment variable ``S3_ENDPOINT_URIS``, separated by commas.

    Args:
        strategy: As for ``create_multi_endpoint_store``.
        uri: Likewise.
        replicas: Likewise.
        storage_options: Likewise.

    Returns:
        A store; it can be pickled like any other.

    Raises:
        InvalidArgumentError: The variable is not set or names no endpoint, or more than 32.

    Example:
        >>> import os, s3dlio
        >>> os.environ["S3_ENDPOINT_URIS"] = "memory://env-1/, memory://env-2/"
        >>> s3dlio.create_multi_endpoint_store_from_env().endpoint_count()
        2
        >>> del os.environ["S3_ENDPOINT_URIS"]
    """
    given = [text for part in os.environ.get("S3_ENDPOINT_URIS", "").split(",") if (text := part.strip())]
    if not given:
        raise InvalidArgumentError(
            "S3_ENDPOINT_URIS names no endpoint; set it to addresses separated by commas, such as s3://bucket-1/,s3://bucket-2/"
        )
    return MultiEndpointStore(given, strategy, uri=uri, replicas=replicas, storage_options=storage_options)


def _folder(key: str) -> str:
    """A key as the prefix of what is below it."""
    return key.rstrip("/") + "/" if key.strip("/") else ""


def _expanded(template: str) -> builtins.list[str]:
    pieces = _RANGE.split(template)
    if len(pieces) == 1:
        raise InvalidArgumentError(f"{template}: a template has a range such as {{1...4}}", template)
    texts, ranges = pieces[::3], []
    total = 1
    for first, last in zip(pieces[1::3], pieces[2::3], strict=True):
        width = len(first) if first.startswith("0") else 0
        numbers = range(int(first), int(last) + 1)
        total *= len(numbers)
        if not 0 < total <= _MOST:
            raise InvalidArgumentError(f"{template}: {{{first}...{last}}} makes {total} endpoints; 1 to {_MOST} are taken", template)
        ranges.append([str(number).zfill(width) for number in numbers])
    return ["".join(itertools.chain.from_iterable(zip(texts, [*chosen, ""], strict=True))) for chosen in itertools.product(*ranges)]
