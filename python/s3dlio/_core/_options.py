"""The options of stores by name, for editors and type checkers; docs/configuration.md tells of each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict


class OptionNames(TypedDict, total=False):
    """What ``storage_options`` may hold; each store refuses what it does not know."""

    durable: bool
    direct_fallback: bool
    part_size: int
    max_in_flight: int
    memory_limit: int
    max_attempts: int
    connect_timeout: float
    read_timeout: float
    total_timeout: float
    ca_bundle: str | os.PathLike[str]
    proxy: str
    verify_tls: bool
    endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str
    profile: str
    anonymous: bool
    addressing_style: Literal["auto", "path", "virtual"]
    requester_pays: bool
    checksum: Literal["auto", "native", "metadata", "off"]
    payload_signing: Literal["auto", "always", "never"]
    sse_customer_key: str
    list_concurrency: int
    connection_string: str
    account_key: str
    sas_token: str
    credential: Literal["default", "anonymous"]
    emulator: bool
    transfer_check: Literal["auto", "crc64", "md5", "none"]
    delete_snapshots: bool
    endpoints: Sequence[str | Mapping[str, Any]]
    strategy: Literal["round_robin", "least_connections"]
    replicas: bool
    endpoint_cooldown: float
    cache: str
    cache_size: int | str
    cache_mode: Literal["read", "through", "back", "offline"]
    cache_journal_size: int | str
    cache_validate: Literal["always", "ttl", "never"]
    cache_ttl: float
    cache_min_free: int | str
    cache_block_size: int | str
    cache_eviction: Literal["s3-fifo", "none"]


#: Settings of a store: the names above in a literal are completed; any dictionary is taken.
StorageOptions: TypeAlias = OptionNames | dict[str, Any]
