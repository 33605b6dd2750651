"""The same objects, arrays and tensors on real servers: two generations of Ceph, TLS, and Azurite."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers_fixture import azure_server, s3_old_server, s3_server, s3_tls_server

import s3dlio

Place = tuple[str, dict[str, Any]]


@pytest.fixture(params=[s3_server, s3_tls_server, s3_old_server, azure_server], ids=["s3", "s3-tls", "s3-old", "azure"])
def place(request: pytest.FixtureRequest) -> Place:
    """A prefix of this test's own on a server, and how to reach it."""
    server: Callable[[], Place] = request.param
    uri, options = server()
    # with the parameter: http and https lead to one bucket
    return f"{uri.rstrip('/')}/{request.node.name.replace('[', '/').rstrip(']')}", options


def test_objects_come_back(place: Place) -> None:
    uri, options = place
    for name, data in (
        ("empty", b""),
        ("small", b"123456789"),
        ("odd ü %/k//e", b"x" * 1000),
        ("large", np.random.default_rng(1).bytes((20 << 20) + 3)),
    ):
        checksum = s3dlio.put_bytes(f"{uri}/{name}", data, metadata={"epoch": "3"}, storage_options=options)
        assert s3dlio.get(f"{uri}/{name}", storage_options=options) == data
        found = s3dlio.stat(f"{uri}/{name}", storage_options=options)
        assert (found["size"], found["checksum"], found["metadata"]) == (len(data), checksum, {"epoch": "3"})
    assert bytes(s3dlio.get_range(f"{uri}/large", 10 << 20, 5, storage_options=options)) == data[10 << 20 :][:5]
    into = bytearray(9)
    s3dlio.get_range(f"{uri}/small", 0, out=into, storage_options=options)
    assert into == b"123456789"


@pytest.mark.parametrize("size", [3 << 20, (20 << 20) + 3])
@pytest.mark.parametrize("verify", ["auto", True, "require", False])
def test_ranges_come_back_however_they_are_checked(place: Place, size: int, verify: Any) -> None:
    uri, options = place
    data = np.random.default_rng(4).bytes(size)
    s3dlio.put_bytes(f"{uri}/r", data, storage_options=options)
    for offset, length in ((0, size), (1, size - 2), (262_144, 524_288), (262_143, 2), (size - 1, 1), (size, 0)):
        read = s3dlio.get_range(f"{uri}/r", offset, length, verify=verify, storage_options=options)
        assert read == data[offset : offset + length]
    # what this library keeps beside the user's metadata does not show
    assert s3dlio.stat(f"{uri}/r", storage_options=options)["metadata"] == {}


def test_listing_and_deleting_take_whole_segments(place: Place) -> None:
    uri, options = place
    s3dlio.put_many([(f"{uri}/run1/{i}", b"") for i in range(12)] + [(f"{uri}/run10/x", b"")], storage_options=options)
    assert s3dlio.list(uri, storage_options=options) == [f"{uri}/run1/", f"{uri}/run10/"]
    assert s3dlio.delete(f"{uri}/run1", recursive=True, storage_options=options) == 12
    assert s3dlio.list(uri, recursive=True, storage_options=options) == [f"{uri}/run10/x"]
    assert not s3dlio.exists(f"{uri}/run1", storage_options=options) and s3dlio.exists(f"{uri}/run10", storage_options=options)


def test_arrays_and_tensors_come_back(place: Place) -> None:
    store = s3dlio.Store(place[0], storage_options=place[1])
    weights = np.random.default_rng(2).standard_normal((1500, 2048), dtype=np.float32)
    checksum = store.save_numpy_array("x.npy", weights)
    np.testing.assert_array_equal(store.load_numpy_array("x.npy", validate_checksum=checksum), weights)
    store.save_tensors("m.safetensors", {"w": weights, "b": weights[0].copy()}, metadata={"step": "1"})
    again = pickle.loads(pickle.dumps(store)).load_tensors("m.safetensors", names=["w"])
    np.testing.assert_array_equal(again["w"], weights)
    with store.open_tensors("m.safetensors") as file:
        np.testing.assert_array_equal(file["w"][100:200, ::-3], weights[100:200, ::-3])


def test_copy_and_rename_between_stores(place: Place, tmp_path: Path) -> None:
    uri, options = place
    data = np.random.default_rng(3).bytes((9 << 20) + 1)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.bin").write_bytes(data)
    s3dlio.upload(tmp_path / "tree", uri, storage_options=options)
    checksum = s3dlio.stat(f"{uri}/tree/a.bin", storage_options=options)["checksum"]
    s3dlio.copy(f"{uri}/tree/a.bin", f"{uri}/b.bin", storage_options=options)
    s3dlio.rename(f"{uri}/b.bin", f"{uri}/c.bin", storage_options=options)
    assert not s3dlio.exists(f"{uri}/b.bin", storage_options=options)
    assert s3dlio.get(f"{uri}/c.bin", expected_checksum=checksum, storage_options=options) == data
    s3dlio.download(f"{uri}/tree", tmp_path / "back", storage_options=options)
    assert (tmp_path / "back" / "a.bin").read_bytes() == data


def test_create_only_writes_refuse_existing(place: Place) -> None:
    uri, options = place
    s3dlio.put_bytes(f"{uri}/once", b"old", overwrite=False, storage_options=options)
    with pytest.raises(FileExistsError):
        s3dlio.put_bytes(f"{uri}/once", b"new", overwrite=False, storage_options=options)
    assert s3dlio.get(f"{uri}/once", storage_options=options) == b"old"


def test_missing_objects_and_wrong_secrets_say_so(place: Place) -> None:
    uri, options = place
    with pytest.raises(FileNotFoundError, match="no such"):
        s3dlio.get(f"{uri}/none", storage_options=options)
    secret = "secret_access_key" if "secret_access_key" in options else "account_key"
    with pytest.raises(s3dlio.AuthenticationError) as caught:
        s3dlio.get(f"{uri}/none", storage_options={**options, secret: "d3Jvbmc="})
    assert options[secret] not in str(caught.value) and "d3Jvbmc=" not in str(caught.value)
