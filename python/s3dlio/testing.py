"""Fixtures for the tests of programs that use s3dlio: a pytest plugin.

It is there where s3dlio is installed; elsewhere ``pytest_plugins = ["s3dlio.testing"]`` in a ``conftest.py`` brings it.

===================  ==================================================================================================
``memory_store``     an empty store in memory
``tmp_store``        an empty store of files, below ``tmp_path``
``faulty_store``     a store of files that fails, stalls, truncates and flips bits as the test says; see :class:`FaultyStore`
``s3_server``        an empty bucket on a server of this process, where moto is installed; see :class:`S3Server`
===================  ==================================================================================================

Example:
    >>> def test_training_goes_on(faulty_store):  # doctest: +SKIP
    ...     faulty_store.fail("put", times=2)
    ...     train(faulty_store, retries=3)
    ...     assert faulty_store.calls("put") == 3
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import importlib.util
import inspect
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ._store import Store
from ._store_methods import AsyncStore, StoreMethods
from .exceptions import InvalidArgumentError, S3dlioError, StoreTimeoutError, UnavailableError

__all__ = ["FaultyStore", "S3Server", "faulty_store", "memory_store", "s3_server", "tmp_store"]

_OPERATIONS = frozenset(name for name, made in vars(StoreMethods).items() if inspect.isfunction(made) and not name.startswith("_"))


@dataclass
class _Fault:
    operation: str
    key: str
    left: int
    error: type[S3dlioError] | None
    seconds: float

    def fits(self, operation: str, key: str) -> bool:
        return self.left > 0 and self.operation in (operation, "*") and fnmatch.fnmatchcase(key, self.key)


class FaultyStore(Store):
    """A store of files that does what a test says: it fails and stalls, and its objects are damaged where they lie.

    Faults are of the calls of this object, blocking or by ``aio``; damage is in the files, and found by whoever reads them.

    Example:
        >>> import tempfile, s3dlio
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = s3dlio.testing.FaultyStore(folder.name)
        >>> _ = store.put("a", b"data")
        >>> store.fail("get", times=1)
        >>> try:
        ...     store.get("a")
        ... except s3dlio.errors.UnavailableError:
        ...     bytes(store.get("a"))
        b'data'
        >>> store.flip("a")
        >>> try:
        ...     store.get("a")
        ... except s3dlio.errors.ChecksumMismatchError:
        ...     print("found")
        found
        >>> folder.cleanup()
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder)
        self.folder = Path(folder)
        self._faults: list[_Fault] = []
        self._calls: list[tuple[str, str]] = []

    @property
    def aio(self) -> AsyncStore:
        """The same methods as coroutines, with the same faults."""
        return _FaultyAsyncStore(self)

    def fail(
        self, operation: str = "*", key: str = "*", *, error: type[S3dlioError] = UnavailableError, times: int = 1_000_000_000
    ) -> None:
        """Lets calls fail before they do anything.

        Args:
            operation: The method, such as ``"put"``; ``"*"`` is any.
            key: Which keys, with ``*`` and ``?``.
            error: What they raise.
            times: How many of them; those after that do what they always do.
        """
        self._add(operation, key, times, error, 0)

    def stall(self, operation: str = "*", key: str = "*", *, seconds: float, times: int = 1_000_000_000) -> None:
        """Lets calls take their time; those whose ``timeout`` is shorter raise StoreTimeoutError when that is over, and do nothing.

        Args:
            operation: The method, such as ``"put"``; ``"*"`` is any.
            key: Which keys, with ``*`` and ``?``.
            seconds: How long they wait before they do anything.
            times: How many of them.
        """
        self._add(operation, key, times, None, seconds)

    def truncate(self, key: str, size: int) -> None:
        """Cuts an object where it lies, past everything that this library records of it."""
        with (self.folder / key).open("r+b") as file:
            file.truncate(size)

    def flip(self, key: str, offset: int = 0, bit: int = 0) -> None:
        """Flips one bit of an object where it lies.

        Args:
            key: Which object.
            offset: Which byte; a negative one counts from the end.
            bit: Which bit, 0 to 7.
        """
        with (self.folder / key).open("r+b") as file:
            at = file.seek(offset, 0 if offset >= 0 else 2)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ (1 << bit)]))

    def heal(self) -> None:
        """Takes all faults back; damaged objects stay damaged."""
        self._faults.clear()

    def calls(self, operation: str | None = None) -> int:
        """How many calls there were, of one method or of all; those that failed are among them."""
        return sum(operation in (None, name) for name, _ in self._calls)

    def _add(self, operation: str, key: str, times: int, error: type[S3dlioError] | None, seconds: float) -> None:
        if operation != "*" and operation not in _OPERATIONS:
            raise InvalidArgumentError(f"{self.uri}: there is no operation {operation!r}; there are {', '.join(sorted(_OPERATIONS))}")
        self._faults.append(_Fault(operation, key, times, error, seconds))

    def _meets(self, operation: str, key: str, timeout: float | None) -> float:
        """Takes the next fault of a call: raises it, or says how long the call is to wait."""
        self._calls.append((operation, key))
        found = next((fault for fault in self._faults if fault.fits(operation, key)), None)
        if found is None:
            return 0
        found.left -= 1
        if found.error is not None:
            raise found.error(
                f"{self.uri}{key}: {operation} fails, as the test says", self.uri + key, f"{operation} fails, as the test says"
            )
        return found.seconds if timeout is None else min(found.seconds, timeout)

    def _waited(self, operation: str, key: str, seconds: float, timeout: float | None) -> None:
        if timeout is not None and seconds >= timeout:
            raise StoreTimeoutError(
                f"{self.uri}{key}: {operation} did not end within timeout={timeout} seconds, as the test says", self.uri + key
            )


class _FaultyAsyncStore(AsyncStore):
    """What ``FaultyStore.aio`` gives."""

    _store: FaultyStore


def _key(name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> str:
    # of put_file and upload the file comes first
    given = arguments[1:] if name in ("put_file", "upload") else arguments
    found = given[0] if given else next((options[one] for one in ("key", "prefix", "src") if one in options), "")
    return found if isinstance(found, str) else ""


def _faulty(name: str) -> Callable[..., Any]:
    plain = vars(StoreMethods)[name]

    @functools.wraps(plain)
    def call(self: FaultyStore, *args: Any, **options: Any) -> Any:
        key, timeout = _key(name, args, options), options.get("timeout")
        seconds = self._meets(name, key, timeout)
        if seconds:
            time.sleep(seconds)
            self._waited(name, key, seconds, timeout)
        return plain(self, *args, **options)

    return call


def _faulty_coroutine(name: str) -> Callable[..., Any]:
    plain = vars(AsyncStore)[name]

    async def meet(store: FaultyStore, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        import asyncio

        key, timeout = _key(name, args, options), options.get("timeout")
        seconds = store._meets(name, key, timeout)
        if seconds:
            await asyncio.sleep(seconds)
            store._waited(name, key, seconds, timeout)

    if inspect.iscoroutinefunction(plain):

        @functools.wraps(plain)
        async def call(self: _FaultyAsyncStore, *args: Any, **options: Any) -> Any:
            await meet(self._store, args, options)
            return await plain(self, *args, **options)

        return call
    if inspect.isasyncgenfunction(plain):

        @functools.wraps(plain)
        async def each(self: _FaultyAsyncStore, *args: Any, **options: Any) -> Any:
            await meet(self._store, args, options)
            async for item in plain(self, *args, **options):
                yield item

        return each
    # open begins nothing before it is awaited; what it opens is the plain store's
    return functools.wraps(plain)(lambda self, *args, **options: plain(self, *args, **options))


for _name in _OPERATIONS:
    setattr(FaultyStore, _name, _faulty(_name))
    setattr(_FaultyAsyncStore, _name, _faulty_coroutine(_name))


@dataclass(frozen=True)
class S3Server:
    """A server of S3 in this process, with an empty bucket.

    Attributes:
        uri: The bucket's address.
        storage_options: What calls need to reach it; there is nothing secret in them.
    """

    uri: str
    storage_options: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The bucket as a store."""
        return Store(self.uri, storage_options=self.storage_options)


@pytest.fixture
def memory_store() -> Iterator[Store]:
    """An empty store in memory, which ends with the test."""
    store = Store(f"memory://pytest-{uuid.uuid4()}")
    yield store
    with contextlib.suppress(S3dlioError):
        for key in store.list(recursive=True):
            store.delete(key, missing_ok=True)


@pytest.fixture
def tmp_store(tmp_path: Path) -> Store:
    """An empty store of files, below ``tmp_path``."""
    return Store(tmp_path / "store")


@pytest.fixture
def faulty_store(tmp_path: Path) -> FaultyStore:
    """An empty store of files that fails, stalls and damages as the test says."""
    return FaultyStore(tmp_path / "faulty-store")


@pytest.fixture(scope="session")
def _s3_server_of_the_session() -> Iterator[str]:
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        pytest.skip("there is no S3 server: install moto[server]")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_server(_s3_server_of_the_session: str) -> S3Server:
    """An empty bucket on a server of S3 in this process; skips where moto is not installed."""
    from ._containers import create_bucket

    options = {"endpoint_url": _s3_server_of_the_session, "region": "us-east-1", "access_key_id": "pytest", "secret_access_key": "pytest"}
    uri = f"s3://pytest-{uuid.uuid4()}"
    create_bucket(uri, storage_options=options)
    return S3Server(uri, options)
