"""Settings for the whole process, given once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _native
from .exceptions import InvalidArgumentError

_defaults: dict[str, Any] = {}

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
    chosen = {name: value for name, value in {**_defaults, **options}.items() if value is not None}
    # opening a store is what checks them
    number = _native.open_store("memory://s3dlio-configure/", {"defaults": chosen})
    _native.close("store", number, _native.generation)
    _defaults.clear()
    _defaults.update(chosen)


def merged(options: dict[str, Any] | None, uri: str) -> dict[str, Any]:
    """A call's options with the process's behind them.

    Raises:
        InvalidArgumentError: They are no dictionary of options by name.
    """
    if options is not None and not (isinstance(options, Mapping) and all(isinstance(name, str) for name in options)):
        # not its contents: they may be secret
        raise InvalidArgumentError(f"{uri}: storage_options must be a dictionary with names of text, found {type(options).__name__}", uri)
    if not _defaults:
        return dict(options or {})
    return {**(options or {}), "defaults": dict(_defaults)}


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
    behind = {**options.get("defaults", {}), **_defaults}
    return {**options, "defaults": behind} if behind else options
