"""Spans and counters for OpenTelemetry, where the package ``opentelemetry-api`` is installed (``pip install s3dlio[opentelemetry]``).

Each call of a function or of a method of a store is a span ``s3dlio.get``, ``s3dlio.put`` and so on, with the address that it is about and
the error that it ended with. The counters are those of :func:`s3dlio.stats`, one time series for each store:

=========================  ============  ==============================================================
``s3dlio.requests``        ``{request}``  requests that were sent
``s3dlio.retries``         ``{request}``  requests that were sent again because one before failed
``s3dlio.io``              ``By``        bytes, by ``s3dlio.direction`` ``read`` or ``write``
``s3dlio.cache.hits``      ``{read}``    reads that memory answered
=========================  ============  ==============================================================

Example:
    >>> from s3dlio import telemetry  # doctest: +SKIP
    >>> telemetry.instrument()  # doctest: +SKIP
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._core import _calls
from ._stats import StoreStats, by_store
from ._version import find_version

__all__ = ["instrument", "uninstrument"]

#: The last one that told its counters; meters keep callbacks for ever.
_counting: object = None


def instrument(*, tracer_provider: Any = None, meter_provider: Any = None) -> None:
    """Begins to tell spans and counters; a second call takes the place of the first.

    Args:
        tracer_provider: Where spans go; None: the one that the program set for all.
        meter_provider: Where counters go; None: the one that the program set for all.

    Raises:
        ImportError: ``opentelemetry-api`` is not installed.
    """
    from opentelemetry import metrics, trace

    version = find_version()
    tracer = trace.get_tracer("s3dlio", version, tracer_provider)
    meter = metrics.get_meter("s3dlio", version, meter_provider)
    global _counting
    _counting = mine = object()

    def counter(name: str, unit: str, description: str, *series: tuple[Callable[[StoreStats], int], dict[str, str]]) -> None:
        def observe(_: object) -> Iterable[Any]:
            if _counting is not mine:
                return []
            return [
                metrics.Observation(value(found), {"s3dlio.store": uri, **attributes})
                for uri, found in by_store(_calls.run("stats")).items()
                for value, attributes in series
            ]

        meter.create_observable_counter(name, callbacks=[observe], unit=unit, description=description)

    counter("s3dlio.requests", "{request}", "Requests that were sent", (lambda found: found.requests, {}))
    counter("s3dlio.retries", "{request}", "Requests that were sent again because one before failed", (lambda found: found.retries, {}))
    counter(
        "s3dlio.io",
        "By",
        "Bytes that came from and were given to stores",
        (lambda found: found.bytes_read, {"s3dlio.direction": "read"}),
        (lambda found: found.bytes_written, {"s3dlio.direction": "write"}),
    )
    counter("s3dlio.cache.hits", "{read}", "Reads that memory answered", (lambda found: found.cache_hits, {}))

    @contextlib.contextmanager
    def span(name: str, address: str) -> Iterator[None]:
        with tracer.start_as_current_span(f"s3dlio.{name}", attributes={"s3dlio.address": _shown(address)} if address else {}):
            yield

    _calls.trace(span)


def _shown(address: str) -> str:
    """An address less what must not be in one, and would be a secret: the call refuses it, and a span is made before that."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address
    login, at, _ = rest.partition("/")[0].rpartition("@")
    return f"{scheme}://{'…' if at else ''}{rest[len(login) :] if at else rest}".partition("?")[0]


def uninstrument() -> None:
    """Ends what :func:`instrument` began."""
    global _counting
    _counting = None
    _calls.trace(None)


def __dir__() -> list[str]:
    return sorted(__all__)
