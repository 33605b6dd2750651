"""fsspec's own suite for file systems, all of it, over each store."""

import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

suite = pytest.importorskip("fsspec.tests.abstract", reason="no fsspec with its abstract suite")
if not hasattr(suite, "AbstractPipeTests"):
    pytest.skip("a fsspec older than those that are supported", allow_module_level=True)

from servers_fixture import azure_server, s3_moto_server, s3_server  # noqa: E402

import s3dlio.fsspec  # noqa: E402


def _memory() -> tuple[Any, str]:
    return s3dlio.fsspec.MemoryFileSystem(), str(uuid.uuid4())


def _served(kind: type[Any], server: Callable[[], tuple[str, dict[str, Any]]]) -> Callable[[], tuple[Any, str]]:
    def make() -> tuple[Any, str]:
        uri, options = server()
        return kind(**options), f"{uri.partition('://')[2]}/{uuid.uuid4()}"

    return make


class Fixtures(suite.AbstractFixtures):  # type: ignore[misc, name-defined]
    make: Any = None
    empty_directories = False

    @pytest.fixture
    def place(self) -> Iterator[tuple[Any, str]]:
        made = type(self).make()
        yield made
        fs, path = made
        if fs.exists(path):
            fs.rm(path, recursive=True)

    @pytest.fixture
    def fs(self, place: tuple[Any, str]) -> Any:
        return place[0]

    @pytest.fixture
    def fs_path(self, place: tuple[Any, str]) -> str:
        return place[1]

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(str(part) for part in parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return self.empty_directories


class All(
    suite.AbstractCopyTests,
    suite.AbstractGetTests,
    suite.AbstractPutTests,
    suite.AbstractOpenTests,
    suite.AbstractPipeTests,  # type: ignore[misc, name-defined]
):
    pass


class TestMemory(Fixtures, All):
    make = staticmethod(_memory)


class TestFile(Fixtures, All):
    empty_directories = True

    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[tuple[Any, str]]:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            yield s3dlio.fsspec.PosixFileSystem(), folder


class TestS3(Fixtures, All):
    make = staticmethod(_served(s3dlio.fsspec.S3FileSystem, s3_server))


class TestS3Moto(Fixtures, All):
    make = staticmethod(_served(s3dlio.fsspec.S3FileSystem, s3_moto_server))


class TestAzure(Fixtures, All):
    make = staticmethod(_served(s3dlio.fsspec.AzureFileSystem, azure_server))
