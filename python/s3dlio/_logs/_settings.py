"""When a log commits by itself and what it keeps, as users write it."""

from __future__ import annotations

import math
import re

from ..exceptions import InvalidArgumentError

_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")
_SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def commit_settings(every: float | str | None) -> dict[str, int]:
    """From seconds, ``"100ms"`` or ``"8MiB"``."""
    if every is None:
        return {}
    if isinstance(every, str):
        found = _AMOUNT.fullmatch(every)
        amount, unit = (float(found[1]), found[2]) if found else (0.0, "")
        if unit in _BYTES and amount > 0:
            return {"commit_bytes": max(1, int(amount * _BYTES[unit]))}
        every = amount * _SECONDS.get(unit, 0.0)
    if not isinstance(every, (int, float)) or not 0 < every <= 86400:
        raise InvalidArgumentError(
            f"commit_every is seconds up to a day, or text such as '100ms', '2s', '1min', '8MiB' or '1MB', found {every!r}"
        )
    return {"commit_after_ms": max(1, math.ceil(every * 1000))}


def compression_settings(compress: bool | int) -> dict[str, int]:
    """A level of zstd, where there is one."""
    level = 3 if compress is True else int(compress)
    if not 0 <= level <= 22:
        raise InvalidArgumentError(f"compress is True, False or a level of zstd from 1 to 22, found {compress!r}")
    return {"compression": level} if level else {}


def retention_settings(size: int | None, records: int | None, seconds: float | None) -> dict[str, int]:
    """Limits of what is kept; None for no limit."""
    given = {"retain_bytes": size, "retain_records": records, "retain_seconds": None if seconds is None else math.ceil(seconds)}
    for name, value in given.items():
        if value is not None and value < 1:
            raise InvalidArgumentError(f"{name} is 1 or more, or None for no limit, found {value}")
    return {name: value for name, value in given.items() if value is not None}
