"""From what users write (URIs, paths, ``pathlib``) to a store and a key."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from hashlib import blake2b
else:
    try:
        # hashlib, which has the same function, sets OpenSSL up: milliseconds of each first use
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b

from .._config import completed, merged, without_secrets
from ..exceptions import InvalidArgumentError
from . import _native
from ._options import StorageOptions
from ._warnings import warn_unverified

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
#: A server, as an S3 address may begin with one: with a port, since no bucket's name has a colon.
_SERVER = re.compile(r".+:[0-9]{1,5}", re.ASCII)

#: What ``pathlib`` and ``os.path.normpath`` make of an address.
_LOST_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")


class Root:
    """An opened store by its configuration: pickles, survives forks, opens itself again where it has to."""

    def __init__(self, uri: str, options: dict[str, Any] | None = None, asks: bool = False) -> None:
        self.uri = uri
        self.options = dict(options or {})
        #: Whether what the options lack is to be found in the process that opens it.
        self.asks = asks
        self._number = 0
        self._generation = -1

    def number(self) -> int:
        """The native store's number in this process."""
        if self._generation != _native.generation:
            with _opening:
                if self._generation != _native.generation:
                    generation = _native.generation
                    options = completed(self.options) if self.asks else self.options
                    if options.get("verify_tls") is False:
                        warn_unverified()
                    self._number = _native.open_store(self.uri, options)
                    self._generation = generation
        return self._number

    def __reduce__(self) -> tuple[Any, ...]:
        return Root, (self.uri, self.options, self.asks)

    def without_secrets(self) -> Root:
        """The same without credentials: whoever opens it brings its own."""
        return Root(self.uri, without_secrets(self.options), asks=True)

    def __del__(self, close: Any = _native.close) -> None:
        # the interpreter takes modules' names away before the last objects
        if getattr(self, "_generation", -1) >= 0:
            close("store", self._number, self._generation)


class Location(NamedTuple):
    """An object or prefix within a store."""

    root: Root
    key: str
    #: What comes before a key in the addresses handed back to the user.
    base: str

    def address(self, key: str) -> str:
        """The address of a key, in the form the user gave."""
        return self.base + key


Address: TypeAlias = str | os.PathLike[str] | Location

#: A Windows path: a drive's or a share's.
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")

#: What other programs put behind an address, and keys do not end in.
_QUERY = re.compile(r"\?(?:[^/?=]+=[^/?]*&)*(?:versionId|partNumber|region|endpoint|endpoint_url|profile|sv|sig|X-Amz-[A-Za-z-]+)=")

#: Stores that the next call with the same address and options gets again. Those used since the last time there were ``_MOST`` are in the
#: first dictionary, those used in the time before that in the second; what is in neither is closed when no call holds it any more, and its
#: options, secrets among them, are let go. So tokens that change with each call do not pile up.
_roots: dict[tuple[str, bytes], Root] = {}
_older: dict[tuple[str, bytes], Root] = {}
_SALT = os.urandom(16)
_MOST = 32
#: One lock for all roots, those of ``Store`` objects too; reentrant, because a signal's handler may call anything at any moment.
_opening = threading.RLock()


def _after_fork_in_child() -> None:
    global _opening
    # a lock that another thread of the parent held stays locked for ever in the child
    _opening = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)


def shared_root(uri: str, options: StorageOptions | None) -> Root:
    """The store of that root: one for each configuration, as long as it is used."""
    global _roots, _older
    chosen = merged(options, uri)
    name = (uri, _digest(repr(sorted(chosen.items()))) if chosen else b"")
    found = _roots.get(name)
    if found is None:
        found = _roots.setdefault(name, _older.get(name) or Root(uri, chosen))
        if len(_roots) >= _MOST:
            # each step is whole by itself: several threads that come here at once make the past shorter, no more
            _roots, _older = {name: found}, _roots
    return found


def _digest(text: str) -> bytes:
    """What stands for options in a dictionary's keys: they hold secrets, which would be shown wherever the keys are."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=_SALT).digest()


def resolve_all(addresses: Iterable[Address], storage_options: StorageOptions | None = None) -> list[Location]:
    """The same for many: each store is looked up once."""
    roots: dict[str, Root] = {}
    return [resolve(address, storage_options, roots) for address in addresses]


def resolve(address: Address, storage_options: StorageOptions | None = None, known: dict[str, Root] | None = None) -> Location:
    """Finds the store and the key of an address.

    Args:
        address: ``file:///path``, ``direct:///path``, ``memory://name/key``, ``s3://bucket/key``, ``s3://host:port/bucket/key``,
            ``az://account/container/key``, a plain path, or anything with ``__fspath__``.
        storage_options: Settings of the store.
        known: Stores that were found with the same settings before; gets those that were not among them.

    Raises:
        InvalidArgumentError: The address cannot be understood.
    """
    if isinstance(address, Location):
        return address
    text = os.fspath(address)
    if not isinstance(text, str):
        raise InvalidArgumentError(f"an address is text or a path of text, found {type(text).__name__}: {text!r}")
    scheme = SCHEME.match(text)
    if scheme is None:
        require_slashes(text)
        path = absolute_path(text)
        return Location(shared_root("file:///", storage_options), path[1:], "/")
    name = scheme.group(1).lower()
    rest = text[scheme.end() :]
    if name in ("file", "direct"):
        if rest.startswith("localhost/"):
            rest = rest[len("localhost") :]
        if not rest.startswith("/"):
            raise InvalidArgumentError(f"{text}: the path is relative; write {name}:///absolute/path", text)
        return Location(shared_root(f"{name}:///", storage_options), rest[1:], f"{name}:///")
    container, _, key = rest.partition("/")
    if name == "az" or (name == "s3" and is_server(container)):
        below, _, key = key.partition("/")
        container = f"{container}/{below}"
    base = f"{name}://{container}/"
    _require_no_query(base, key)
    root = known.get(base) if known is not None else None
    if root is None:
        root = shared_root(base, storage_options)
        if known is not None:
            known[base] = root
    return Location(root, key, base)


def is_server(name: str) -> bool:
    """Whether the first part of an S3 address is ``host:port`` and no bucket."""
    return _SERVER.fullmatch(name) is not None


def _require_no_query(base: str, key: str) -> None:
    """Refuses what other programs write behind an address; it would be part of the key, and may be a secret."""
    found = _QUERY.search(key) if "?" in key else None
    if found is not None:
        name = base + key[: found.start()]
        raise InvalidArgumentError(
            f"{name}: the address has a query behind it, which is not looked at; settings are given as storage_options={{…}}, and an "
            "object "
            f"whose key looks like that is found by Store({base!r})",
            name,
        )


def require_slashes(path: str) -> None:
    """Refuses an address that lost a slash, which would be a file's name.

    Raises:
        InvalidArgumentError: With the right spelling.
    """
    if _WINDOWS.match(path):
        raise InvalidArgumentError(
            f"{path}: a Windows path; this system's paths are written /like/this, and a file of such a name is {'./' + path!r}", path
        )
    lost = _LOST_SLASH.match(path)
    if lost is not None:
        name = lost[1].lower()
        meant = f"{name}://{'/' if name in ('file', 'direct') else ''}{path[lost.end() :]}"
        raise InvalidArgumentError(
            f"{path}: a slash of the address is missing, as pathlib.Path and os.path.normpath leave one out; write {meant!r} as text, "
            f"or {'./' + path!r} for a file",
            path,
        )


def absolute_path(path: str) -> str:
    """An absolute path, as the kernel would walk it: ``..`` after a symbolic link leaves the link's target, not its name."""
    if not path:
        raise InvalidArgumentError("the address is empty")
    if path.startswith("~"):
        raise InvalidArgumentError(f"{path}: '~' is not expanded; use pathlib.Path(...).expanduser()", path)
    whole = os.path.join(os.getcwd(), path)
    if ".." in whole.split("/"):
        head, _, tail = whole.rstrip("/").rpartition("/")
        whole = os.path.realpath(whole) if tail == ".." else os.path.join(os.path.realpath(head), tail)
    plain = os.path.normpath(whole)
    # POSIX lets two leading slashes stand for something else; Linux does not
    plain = "/" + plain.lstrip("/")
    return plain + "/" if path.endswith("/") and plain != "/" else plain
