"""DLIO's benchmark over s3dlio: the storage type that is installed, in a stand-in for DLIO with the classes that storages derive from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Child

import s3dlio
from s3dlio.integrations import dlio

SOURCES = {
    "common/enumerations.py": """
from enum import Enum

class StorageType(Enum):
    LOCAL_FS = 'local_fs'
    S3 = 's3'

    def __str__(self):
        return self.value

class NamespaceType(Enum):
    FLAT = 'flat'

class MetadataType(Enum):
    FILE = 'file'
    DIRECTORY = 'directory'
""",
    "storage/storage_handler.py": """
from abc import ABC, abstractmethod
import json, os
from types import SimpleNamespace

class Namespace:
    def __init__(self, name, type):
        self.name, self.type = name, type

class DataStorage(ABC):
    def __init__(self, framework=None):
        self._args = SimpleNamespace(**json.loads(os.environ.get("DLIO_ARGUMENTS", "{}")))

    @abstractmethod
    def walk_node(self, id, use_pattern=False): ...
    @abstractmethod
    def get_node(self, id): ...
    @abstractmethod
    def isfile(self, id): ...
""",
    "storage/s3_storage.py": """
from dlio_benchmark.storage.storage_handler import DataStorage

class S3Storage(DataStorage):
    def __init__(self, namespace, framework=None):
        raise AssertionError("the client of DLIO is not made")
""",
    "storage/s3_torch_storage.py": "the original\n",
    "storage/storage_factory.py": """
from dlio_benchmark.common.enumerations import StorageType

class StorageFactory:
    @staticmethod
    def get_storage(storage_type, namespace, framework=None):
        if storage_type == StorageType.LOCAL_FS:
            return None
        elif storage_type == StorageType.S3:
            from dlio_benchmark.storage.s3_torch_storage import S3PyTorchConnectorStorage
            return S3PyTorchConnectorStorage(namespace, framework)
""",
}

USED = """
import io, os, sys
sys.path.insert(0, sys.argv[1])
from dlio_benchmark.common.enumerations import MetadataType, StorageType
from dlio_benchmark.storage.storage_factory import StorageFactory

storage = StorageFactory.get_storage(StorageType(sys.argv[2]), sys.argv[3])
assert storage.namespace.name == sys.argv[3] and storage.create_namespace(exist_ok=True)
assert storage.create_node("train", exist_ok=True) and storage.walk_node("none") == []
for number in range(3):
    held = io.BytesIO(bytes([number]) * 100)
    held.seek(50)
    storage.put_data(f"train/img_{number}.npz", held)
storage.put_data(storage.get_uri("train/sub/x"), b"x" * 50)
assert bytes(storage.get_data("train/img_1.npz")) == bytes([1]) * 100
assert bytes(storage.get_data(storage.get_uri("train/img_1.npz"), None, 10, 20)) == bytes([1]) * 20
names = storage.walk_node("train")
assert [name for name in names if name.endswith(".npz")] == [f"img_{i}.npz" for i in range(3)]
assert storage.walk_node("train/*_2.npz", use_pattern=True) == ["img_2.npz"]
assert storage.get_node("train") is storage.get_namespace() is MetadataType.DIRECTORY and storage.get_node("none") is None
assert storage.get_node("train/img_0.npz") is MetadataType.FILE
assert storage.isfile("train/img_0.npz") and not storage.isfile("train") and storage.get_basename("a/b") == "b"
assert storage.delete_node("train/img_0.npz") and not storage.delete_node("train/img_0.npz") and not storage.isfile("train/img_0.npz")
print(os.environ.get("AWS_ENDPOINT_URL"), os.environ.get("AWS_REGION"))
"""


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        file = tmp_path / "dlio/dlio_benchmark" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "dlio"


@pytest.mark.parametrize("whole", [False, True])
def test_storage_type_is_added_and_works(benchmark: Path, tmp_path: Path, child: Child, whole: bool) -> None:
    added = dlio.install_s3dlio_storage(benchmark if whole else benchmark / "dlio_benchmark")
    assert Path(added).read_text() == dlio.get_s3dlio_storage_content()
    changed = {name: (benchmark / "dlio_benchmark" / name).read_text() for name in SOURCES}
    dlio.install_s3dlio_storage(benchmark)
    assert changed == {name: (benchmark / "dlio_benchmark" / name).read_text() for name in SOURCES}, "twice is once"
    kept = benchmark / "dlio_benchmark/common/enumerations.py.original.bak"
    assert kept.read_text() == SOURCES["common/enumerations.py"]
    assert child(USED, benchmark, "s3dlio", f"file://{tmp_path}/data").stdout.split() == ["None", "None"]


def test_configuration_reaches_the_environment(benchmark: Path, tmp_path: Path, child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    dlio.install_s3dlio_storage(benchmark)
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    endpoints = '"endpoint_uris": ["http://a", "http://b"], "use_mpi_endpoint_distribution": true'
    monkeypatch.setenv("DLIO_ARGUMENTS", '{"storage_options": {"region": "here", "endpoint_url": "http://c"}, ' + endpoints + "}")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "5")
    assert child(USED, benchmark, "s3dlio", f"{tmp_path}/data").stdout.split() == ["http://b", "here"]
    monkeypatch.delenv("OMPI_COMM_WORLD_RANK")
    monkeypatch.setenv("DLIO_ARGUMENTS", '{"storage_options": {"endpoint_url": "http://c"}}')
    assert child(USED, benchmark, "s3dlio", f"{tmp_path}/data2").stdout.split() == ["http://c", "None"]


def test_replacement_of_torchs_storage_works_and_keeps_the_original(benchmark: Path, tmp_path: Path, child: Child) -> None:
    target = Path(dlio.install_dropin_replacement(benchmark))
    dlio.install_to_dlio(benchmark)
    assert target.with_name(target.name + ".original.bak").read_text() == "the original\n"
    assert target.read_text() == dlio.get_storage_file_content()
    child(USED, benchmark, "s3", f"file://{tmp_path}/data")


def test_patch_makes_what_installing_makes(benchmark: Path, tmp_path: Path) -> None:
    if shutil.which("patch") is None:
        pytest.skip("no patch here")
    patch = dlio.generate_patch(benchmark, tmp_path / "p.patch")
    copy = tmp_path / "copy"
    shutil.copytree(benchmark, copy)
    subprocess.run(["patch", "-p1", "-i", patch], cwd=copy, check=True, capture_output=True)
    dlio.install_s3dlio_storage(benchmark)
    for name in [*SOURCES, "storage/s3dlio_storage.py"]:
        assert (copy / "dlio_benchmark" / name).read_text() == (benchmark / "dlio_benchmark" / name).read_text()


def test_other_sources_are_refused_and_left_alone(benchmark: Path, tmp_path: Path) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="no DLIO"):
        dlio.install_s3dlio_storage(tmp_path)
    with pytest.raises(s3dlio.InvalidArgumentError, match="not installed"):
        dlio.generate_patch(None, tmp_path / "p")
    factory = benchmark / "dlio_benchmark/storage/storage_factory.py"
    factory.write_text("other = 1\n")
    with pytest.raises(s3dlio.InvalidArgumentError, match="by hand"):
        dlio.install_s3dlio_storage(benchmark)
    assert (benchmark / "dlio_benchmark/common/enumerations.py").read_text() == SOURCES["common/enumerations.py"]
