"""What users of s3fs and adlfs write as ``storage_options``, under the names that s3dlio's stores have for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..exceptions import InvalidArgumentError

#: Names of s3fs, by ours.
_S3 = {
    "key": "access_key_id",
    "username": "access_key_id",
    "secret": "secret_access_key",
    "password": "secret_access_key",
    "token": "session_token",
    "anon": "anonymous",
}
#: What s3fs hands on to its client, by ours.
_CLIENT = {
    "endpoint_url": "endpoint_url",
    "region_name": "region",
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "verify": "verify_tls",
}
#: What tells how the other library works inside, and changes nothing that a user sees of this one.
_WITHOUT_EFFECT = (
    "use_listings_cache",
    "listings_expiry_time",
    "max_paths",
    "default_fill_cache",
    "default_cache_type",
    "cache_regions",
    "use_ssl",
    "max_concurrency",
)


def of_s3(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an S3 file system as ``storage_options`` of ``s3://`` addresses.

    Raises:
        InvalidArgumentError: A setting of s3fs's client that has no counterpart here.
    """
    chosen = _renamed(given, _S3)
    client = chosen.pop("client_kwargs", None) or {}
    wrong = sorted(client.keys() - _CLIENT.keys())
    if wrong:
        raise InvalidArgumentError(
            f"client_kwargs has {', '.join(wrong)}, which s3dlio has nothing for; it takes {', '.join(_CLIENT)}, and its own options "
            "beside it"
        )
    for name, value in client.items():
        if name == "verify" and isinstance(value, str):
            chosen.setdefault("ca_bundle", value)
        else:
            chosen.setdefault(_CLIENT[name], value)
    return chosen


def of_azure(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of an Azure file system as ``storage_options`` of ``az://`` addresses."""
    chosen = _renamed(given, {})
    if chosen.pop("anon", None):
        chosen["credential"] = "anonymous"
    return chosen


def of_others(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the other stores: as they are."""
    return _renamed(given, {})


def _renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _WITHOUT_EFFECT and value is not None:
            chosen[names.get(name, name)] = value
    return chosen
