"""Settings that calls have when they do not say: of the whole process, or of a ``with`` block."""

from __future__ import annotations

import numbers
import os
import warnings
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from ._core import _native
from ._core._options import StorageOptions
from .exceptions import InvalidArgumentError

_defaults: dict[str, Any] = {}
_timeout: float | None = None

#: What the blocks around the current code of this thread or task say, together: options of stores, and seconds.
_scoped: ContextVar[tuple[dict[str, Any], float | None]] = ContextVar("s3dlio_config")
_NOTHING: tuple[dict[str, Any], float | None] = ({}, None)

#: Options that are secrets, or of no use without one.
_SECRET = {
    "access_key_id",
    "secret_access_key",
    "session_token",
    "sse_customer_key",
    "connection_string",
    "account_key",
    "sas_token",
}


class config:  # noqa: N801 (used as a function)
    """Settings of the calls in a ``with`` block, of this thread or task alone and of the tasks that begin in it.

    What a call says itself wins, then the innermost block, then what :meth:`set` or the environment say for the whole process. Stores and
    files that were opened before keep their settings.

    Args:
        timeout: Seconds for each call that has no ``timeout`` of its own.
        storage_options: Settings of stores; each store takes those that it knows.
        cache: The directory of a cache in front of every store that is reached over a network; see :func:`s3dlio.cache`.
        cache_size: Bytes that it may take, or text such as ``"200GiB"``.

    Raises:
        InvalidArgumentError: No store knows such an option, or the timeout is no time.

    Example:
        >>> import s3dlio
        >>> with s3dlio.config(timeout=60, storage_options={"region": "eu-west-1"}):
        ...     _ = s3dlio.put("memory://doc/configured", b"data")
        >>> s3dlio.config.set(storage_options={"max_in_flight": 16})
        >>> s3dlio.config.set(storage_options={"max_in_flight": None})
    """

    def __init__(
        self,
        *,
        timeout: float | None = None,
        storage_options: StorageOptions | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_size: int | str | None = None,
    ) -> None:
        self._entered = True
        self._tokens: list[Token[tuple[dict[str, Any], float | None]]] = []
        self._timeout = seconds(timeout)
        self._options = _checked({**(storage_options or {}), **_of_cache(cache, cache_size)}, {})
        self._entered = False

    @staticmethod
    def set(
        *,
        timeout: float | None = None,
        storage_options: StorageOptions | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_size: int | str | None = None,
    ) -> None:
        """Sets what calls of the whole process have when neither they nor a block say. Calls add to what was set before.

        Args:
            timeout: Seconds for each call; None leaves it as it is, ``float("inf")`` is no limit.
            storage_options: Settings of stores; one set to None is unset.
            cache: The directory of a cache in front of every store that is reached over a network; None leaves it as it is.
            cache_size: Bytes that it may take, or text such as ``"200GiB"``.
        """
        global _timeout
        chosen = seconds(timeout)
        configure(**{**(storage_options or {}), **_of_cache(cache, cache_size)})
        if chosen is not None:
            _timeout = None if chosen == float("inf") else chosen

    def __enter__(self) -> config:
        options, timeout = _scoped.get(_NOTHING)
        chosen = {name: value for name, value in {**options, **self._options}.items() if value is not None}
        self._entered = True
        self._tokens.append(_scoped.set((chosen, timeout if self._timeout is None else self._timeout)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _scoped.reset(self._tokens.pop())

    def __del__(self) -> None:
        if not self._entered:
            warnings.warn("s3dlio.config(…) sets nothing by itself; write 'with s3dlio.config(…):', or s3dlio.config.set(…)", stacklevel=2)


def configure(**options: Any) -> None:
    """Sets what stores are opened with when a call does not say.

    Options of all stores can be given together: each store takes those that it knows. A call's own ``storage_options`` win. Calls
    add to what was set before; an option set to None is unset. Stores that were opened before keep their settings.

    Args:
        options: Settings of stores, such as ``region="eu-west-1"`` or ``max_attempts=4``.

    Raises:
        InvalidArgumentError: No store knows such an option; nothing was changed.

    Example:
        >>> import s3dlio
        >>> s3dlio.configure(region="eu-west-1", max_in_flight=16)
        >>> s3dlio.configure(region=None, max_in_flight=None)
    """
    chosen = _checked(options, _defaults)
    _defaults.clear()
    _defaults.update({name: value for name, value in chosen.items() if value is not None})


def _of_cache(directory: str | os.PathLike[str] | None, size: int | str | None) -> dict[str, Any]:
    """The options of a cache that were given by name."""
    chosen: dict[str, Any] = {}
    if directory is not None:
        path = os.fspath(directory)
        if not isinstance(path, str) or not path:
            raise InvalidArgumentError(f"cache is the path of a directory, found {directory!r}")
        chosen["cache"] = os.path.abspath(path)
    if size is not None:
        chosen["cache_size"] = size
    return chosen


def _checked(options: dict[str, Any], behind: dict[str, Any]) -> dict[str, Any]:
    """Options over others, all of which some store knows."""
    chosen = {**behind, **options}
    # opening a store is what checks them
    number = _native.open_store(
        "memory://s3dlio-configure/", {"defaults": {name: value for name, value in chosen.items() if value is not None}}
    )
    _native.close("store", number, _native.generation)
    return chosen


def seconds(timeout: Any) -> float | None:
    """A timeout as a call has to give it: a number of any library, or None.

    Raises:
        InvalidArgumentError: It is none.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, numbers.Real) or not float(timeout) >= 0:
        raise InvalidArgumentError(f"timeout is a number of seconds, or None for no limit, found {timeout!r}")
    return float(timeout)


def default_timeout() -> float | None:
    """Seconds of a call that has none of its own."""
    found = _scoped.get(_NOTHING)[1]
    return _timeout if found is None else found


def defaults() -> dict[str, Any]:
    """Options behind those of a call: the blocks', and the process's behind them."""
    scoped = _scoped.get(_NOTHING)[0]
    return {**_defaults, **scoped} if scoped else _defaults


def merged(options: Mapping[str, Any] | None, uri: str) -> dict[str, Any]:
    """A call's options with the process's behind them.

    Raises:
        InvalidArgumentError: They are no dictionary of options by name.
    """
    if options is not None and not (isinstance(options, Mapping) and all(isinstance(name, str) for name in options)):
        # not its contents: they may be secret
        raise InvalidArgumentError(f"{uri}: storage_options must be a dictionary with names of text, found {type(options).__name__}", uri)
    behind = defaults()
    if not behind:
        return dict(options or {})
    return {**(options or {}), "defaults": dict(behind)}


def without_secrets(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options less those that are secret, those of endpoints and the process's too; a proxy goes when it has a login."""
    kept = {name: value for name, value in options.items() if name not in _SECRET and not (name == "proxy" and "@" in str(value))}
    if "endpoints" in kept:
        kept["endpoints"] = [without_secrets(one) if isinstance(one, Mapping) else one for one in kept["endpoints"]]
    if "defaults" in kept:
        kept["defaults"] = without_secrets(kept["defaults"])
    return kept


def completed(options: dict[str, Any]) -> dict[str, Any]:
    """Options from another process with this one's behind them."""
    behind = {**options.get("defaults", {}), **defaults()}
    return {**options, "defaults": behind} if behind else options
