"""Arguments as Python's own files take them, type hints that resolve, twins that pickle, addresses that lost a slash."""

from __future__ import annotations

import inspect
import io
import pathlib
import pickle
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import NAMES

import s3dlio

FUNCTIONS = [(name, getattr(s3dlio, name)) for name in NAMES if inspect.isfunction(getattr(s3dlio, name))]
METHODS = [
    (f"{name}.{part}", method)
    for name in NAMES
    if inspect.isclass(getattr(s3dlio, name))
    for part, method in vars(getattr(s3dlio, name)).items()
    if inspect.isfunction(method)
]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS + METHODS)
def test_type_hints_resolve(name: str, function: Any) -> None:
    typing.get_type_hints(function)


@pytest.mark.parametrize(("name", "function"), FUNCTIONS)
def test_functions_and_twins_can_be_pickled(name: str, function: Any) -> None:
    assert pickle.loads(pickle.dumps(function)) is function


def test_modules_of_the_inside_are_found_by_their_former_names() -> None:
    from s3dlio import _calls, _native, _state_async  # type: ignore[attr-defined]

    assert _state_async.AsyncSaver is s3dlio.AsyncSaver
    assert (_calls.__name__, _native.__name__) == ("s3dlio._core._calls", "s3dlio._core._native")


def test_every_exception_is_offered_by_its_module() -> None:
    from s3dlio import exceptions

    assert set(exceptions.__all__) == {
        name for name, made in vars(exceptions).items() if inspect.isclass(made) and not name.startswith("_")
    }


def test_places_and_sizes_of_files_are_whole_numbers() -> None:
    s3dlio.put_bytes("memory://small/o", b"0123456789")
    with s3dlio.open("memory://small/o") as file, io.BytesIO(b"0123456789") as model:
        calls: list[Callable[[Any], object]] = [
            lambda f: f.seek(1.5),
            lambda f: f.seek("1"),
            lambda f: f.seek(1, 0.0),
            lambda f: f.read(1.5),
            lambda f: f.read1(1.5),
            lambda f: f.read("1"),
        ]
        for call in calls:
            for one in (file, model):
                with pytest.raises(TypeError):
                    call(one)
        assert file.seek(np.int64(3)) == 3 and file.read(np.uint8(2)) == b"34"


def test_numpy_scalars_are_tensors_of_no_dimensions() -> None:
    s3dlio.save_tensors("memory://small/s.safetensors", {"x": np.float32(3), "i": np.int64(-1)})
    found = s3dlio.load_tensors("memory://small/s.safetensors")
    assert found["x"].shape == () and found["x"] == 3 and found["i"] == -1


def test_array_of_a_lazy_tensor_is_one_checked_read(tmp_path: Path) -> None:
    s3dlio.save_tensors(tmp_path / "t", {"z": np.ones((), "f4"), "m": np.arange(16, dtype="f4").reshape(4, 4)})
    with s3dlio.open_tensors(tmp_path / "t") as file:
        assert np.asarray(file["z"]).dtype == np.float32 and np.asarray(file["z"]).shape == ()
        assert np.array_equal(np.asarray(file["m"]), np.arange(16).reshape(4, 4))
        assert np.asarray(file["m"], dtype="f8").dtype == np.float64
        raw = bytearray((tmp_path / "t").read_bytes())
        # whichever of the two is stored last
        raw[-20] ^= 1
        (tmp_path / "t").write_bytes(raw)
    with s3dlio.open_tensors(tmp_path / "t") as file, pytest.raises(s3dlio.ChecksumMismatchError):
        np.asarray(file["m"])


LOST = {
    pathlib.Path("s3://bucket/x"): "s3://bucket/x",
    "s3:/bucket/x": "s3://bucket/x",
    "file:/tmp/x": "file:///tmp/x",
    pathlib.Path("az://a/c/x"): "az://a/c/x",
    pathlib.Path("direct:///tmp/x"): "direct:///tmp/x",
    "gs:/b/x": "gs://b/x",
}


@pytest.mark.parametrize(("address", "meant"), LOST.items())
def test_address_that_lost_a_slash_is_refused_everywhere(address: Any, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls: list[Callable[[], object]] = [
        lambda: s3dlio.put_bytes(address, b"1"),
        lambda: s3dlio.get(address),
        lambda: s3dlio.exists(address),
        lambda: s3dlio.open(address, "wb"),
        lambda: s3dlio.open_async(address, "wb"),
        lambda: s3dlio.copy("memory://small/x", address),
        lambda: s3dlio.list(address),
        lambda: s3dlio.Store(address),
        lambda: s3dlio.CheckpointStore(address),
        lambda: s3dlio.AsyncSaver(address),
        lambda: s3dlio.save_tensors(address, {}),
        lambda: s3dlio.save_numpy_array(address, np.ones(1)),
        lambda: s3dlio.get_many([address]),
        lambda: s3dlio.put_many([(address, b"1")]),
        lambda: s3dlio.upload(address, "memory://small/y"),
        lambda: s3dlio.download("memory://small/y", address),
        lambda: s3dlio.create_filesystem_writer(address),
    ]
    for call in calls:
        with pytest.raises(s3dlio.InvalidArgumentError, match=meant):
            call()
    assert list(tmp_path.iterdir()) == []


def test_file_below_a_folder_whose_name_looks_like_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    s3dlio.put_bytes("./s3:/x", b"1")
    assert (tmp_path / "s3:" / "x").read_bytes() == b"1"
