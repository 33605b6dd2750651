"""Checkpoints of torch's own writers as s3dlio's: what comes over, what is refused, and that nothing of a source runs unasked."""

from __future__ import annotations

import os
import pickle
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PACKAGE
from servers_fixture import s3_server

import s3dlio
from s3dlio.exceptions import InvalidArgumentError, InvalidDataError, NotFoundError

torch = pytest.importorskip("torch", reason="no torch")
dcp = pytest.importorskip("torch.distributed.checkpoint", reason="no distributed checkpoints in this torch")

from s3dlio.torch import StorageReader, convert  # noqa: E402
from s3dlio.torch._convert import main  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def state() -> dict[str, Any]:
    torch.manual_seed(1)
    return {
        "model": {"w": torch.randn(300, 50), "b": torch.arange(7), "h": torch.ones(3, dtype=torch.bfloat16), "e": torch.zeros(0, 2)},
        "epoch": 3,
        "name": "a run",
        "rates": [0.1, 0.2],
    }


def same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[name], wanted[name]) for name in wanted)
    if isinstance(wanted, torch.Tensor):
        return bool(found.dtype == wanted.dtype and torch.equal(found, wanted))
    return bool(found == wanted)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A checkpoint of torch's FileSystemWriter."""
    dcp.save(state(), storage_writer=dcp.FileSystemWriter(tmp_path / "theirs"), no_dist=True)
    return tmp_path / "theirs"


class Evil:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.path,))


def test_checkpoint_of_torchs_writer_becomes_a_dcp_checkpoint(theirs: Path, tmp_path: Path) -> None:
    assert convert(theirs, tmp_path / "ours") == str(tmp_path / "ours")
    found = state()
    for name in found["model"]:
        found["model"][name] = torch.full_like(found["model"][name], 9)
    found["epoch"] = 0
    dcp.load(found, storage_reader=StorageReader(str(tmp_path / "ours")), no_dist=True)
    assert same(found, state())


def test_checkpoint_of_torchs_writer_becomes_a_state(theirs: Path, tmp_path: Path) -> None:
    convert(theirs, tmp_path / "ours", to="state", step=12)
    found = s3dlio.checkpoint.load(tmp_path / "ours", framework="pt")
    assert found.step == 12 and same(found.state, state())


@pytest.mark.parametrize("kind", ["file", "memory", "s3"])
def test_file_of_torch_save_becomes_a_state(tmp_path: Path, kind: str) -> None:
    torch.save(state(), tmp_path / "x.pt")
    options: Any = None
    source, target = str(tmp_path / "x.pt"), str(tmp_path / "ours")
    if kind != "file":
        start, options = s3_server() if kind == "s3" else (f"memory://{uuid.uuid4()}", None)
        base = f"{start}/{uuid.uuid4()}"
        s3dlio.put_file(source, f"{base}/x.pt", storage_options=options)
        source, target = f"{base}/x.pt", f"{base}/ours"
    assert convert(source, target, step=5, storage_options=options) == target
    found = s3dlio.checkpoint.load(target, framework="pt", storage_options=options)
    assert found.step == 5 and same(found.state, state())


def test_directory_in_a_store_is_copied_here_first(theirs: Path) -> None:
    base = f"memory://{uuid.uuid4()}"
    s3dlio.upload([str(theirs)], f"{base}/")
    convert(f"{base}/theirs", f"{base}/ours", to="state")
    assert same(s3dlio.checkpoint.load(f"{base}/ours", framework="pt").state, state())
    with pytest.raises(NotFoundError):
        convert(f"{base}/gone", f"{base}/other")


def test_tensors_become_safetensors(tmp_path: Path) -> None:
    torch.save({"a": {"w": torch.ones(3)}, "b": torch.zeros(2)}, tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "x.safetensors")
    found = s3dlio.load_tensors(tmp_path / "x.safetensors")
    assert sorted(found) == ["a.w", "b"] and np.array_equal(found["a.w"], np.ones(3))
    torch.save(state(), tmp_path / "y.pt")
    with pytest.raises(InvalidArgumentError, match="'epoch' is int"):
        convert(tmp_path / "y.pt", tmp_path / "y.safetensors")


@pytest.mark.parametrize("where", ["file", "value", "metadata"])
def test_nothing_of_a_source_runs_unasked(tmp_path: Path, where: str) -> None:
    mark = tmp_path / "it ran"
    source = tmp_path / "source"
    if where == "file":
        torch.save({"w": torch.ones(2), "x": Evil(mark)}, source)
    elif where == "value":
        dcp.save({"w": torch.ones(2), "x": Evil(mark)}, storage_writer=dcp.FileSystemWriter(source), no_dist=True)
    else:
        dcp.save({"w": torch.ones(2)}, storage_writer=dcp.FileSystemWriter(source), no_dist=True)
        (source / ".metadata").write_bytes(pickle.dumps(Evil(mark)))
    with pytest.raises(InvalidDataError, match="allow_pickle"):
        convert(source, tmp_path / "ours")
    assert not mark.exists() and not (tmp_path / "ours").exists()


class Settings:
    """A class of a training program's own."""

    def __init__(self) -> None:
        self.rate = 0.5


def test_pickles_are_read_on_demand_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    torch.save({"w": torch.ones(2), "pid": _Pid(), "secret": _Secret()}, tmp_path / "x.pt")
    convert(tmp_path / "x.pt", tmp_path / "ours", allow_pickle=True)
    found = s3dlio.checkpoint.load(tmp_path / "ours", framework="pt").state
    assert found["pid"] != os.getpid() and found["secret"] is None
    # what is neither a tensor nor a plain value is not kept, and it is said
    torch.save({"s": Settings()}, tmp_path / "y.pt")
    with pytest.raises(InvalidDataError, match="cannot be unpickled"):
        convert(tmp_path / "y.pt", tmp_path / "other", allow_pickle=True)
    assert not (tmp_path / "other").exists()


class _Pid:
    def __reduce__(self) -> Any:
        return (os.getpid, ())


class _Secret:
    def __reduce__(self) -> Any:
        return (os.getenv, ("AWS_SECRET_ACCESS_KEY",))


@pytest.mark.parametrize(("file", "writer"), [("manifest.ocdbt", "Orbax or TensorStore"), ("zarr.json", "zarr"), ("x", r"no \.metadata")])
def test_other_writers_directories_are_named(tmp_path: Path, file: str, writer: str) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / file).touch()
    with pytest.raises(InvalidDataError, match=writer):
        convert(tmp_path / "source", tmp_path / "ours")


def test_damaged_files_are_refused(theirs: Path, tmp_path: Path) -> None:
    (theirs / ".metadata").write_bytes(b"\x80\x04garbage")
    (tmp_path / "x.pt").write_bytes(b"no zip and no pickle")
    for source in (theirs, tmp_path / "x.pt"):
        with pytest.raises(InvalidDataError):
            convert(source, tmp_path / "ours")


def test_program_converts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(state(), tmp_path / "x.pt")
    assert main([str(tmp_path / "x.pt"), str(tmp_path / "ours"), "--step=3"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/ours\n"
    assert main([str(tmp_path / "gone.pt"), str(tmp_path / "ours")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_command_line_starts_python(tmp_path: Path) -> None:
    from cli_program import Cli, needs_program

    needs_program()
    torch.save(state(), tmp_path / "x.pt")
    run = Cli(tmp_path)
    environment = {"S3DLIO_PYTHON": sys.executable, "PYTHONPATH": str(PACKAGE.parent)}
    assert run("checkpoint", "convert", "--step", "7", "x.pt", "ours", environment=environment) == f"{tmp_path}/ours\n"
    assert s3dlio.checkpoint.latest(tmp_path / "ours").step == 7  # type: ignore[union-attr]
    run("checkpoint", "convert", "gone.pt", "ours", code=1, environment=environment)
    assert "gone.pt" in run.errors
