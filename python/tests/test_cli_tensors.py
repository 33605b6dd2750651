"""The program's views of arrays, safetensors files and checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_program import Cli, needs_program

import s3dlio


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    needs_program()
    return Cli(tmp_path)


def save(path: Path, **tensors: np.ndarray) -> None:
    """A safetensors file with checksums."""
    s3dlio.save_tensors(path, tensors)


A = np.arange(24, dtype=np.float32).reshape(4, 6)


def test_npy_shows_type_and_shape(cli: Cli) -> None:
    np.save(cli.folder / "a.npy", A)
    np.save(cli.folder / "b.npy", np.asfortranarray(A.astype(">i2")))
    (cli.folder / "c.npy").write_bytes(b"no array")
    text = cli("npy", "*.npy", code=1)
    assert text.splitlines() == [
        "<f4     (4, 6)                  C             96 a.npy",
        ">i2     (4, 6)                  F             48 b.npy",
    ]
    assert "c.npy" in cli.errors
    (one,) = cli.lines("npy", "a.npy")
    assert (one["descr"], one["shape"], one["fortran_order"], one["data_offset"]) == ("<f4", [4, 6], False, 128)


def test_tensors_list_and_head(cli: Cli) -> None:
    save(cli.folder / "m.safetensors", w=A, b=np.array([1.5, -2], np.float16), n=np.array(7, np.int64), z=np.zeros((0, 3), np.float32))
    lines = {line.split()[-1]: line.split()[:-1] for line in cli("tensors", "list", "m.safetensors", "-q").splitlines()}
    assert lines["w"] == ["F32", "(4,", "6)", "96"] and lines["b"][0] == "F16" and lines["n"] == ["I64", "()", "8"]
    found = {line["name"]: line for line in cli.lines("tensors", "list", "m.safetensors")}
    assert found["w"]["shape"] == [4, 6] and found["w"]["checksum"].startswith("crc32c:")
    assert (
        cli("tensors", "head", "-n", "3", "m.safetensors", "w", "b", "n", "z")
        == "w F32 (4, 6): 0 1 2 …\nb F16 (2,): 1.5 -2\nn I64 (): 7\nz F32 (0, 3): \n"
    )
    cli("tensors", "head", "m.safetensors", "nothing", code=1)
    assert "there is no tensor 'nothing'" in cli.errors


def test_tensors_diff(cli: Cli) -> None:
    other = A.copy()
    other[2, 2] = -1
    save(cli.folder / "a.safetensors", same=A, other=A, left=A, kind=A, shape=A)
    save(cli.folder / "b.safetensors", same=A, other=other, right=A, kind=A.astype(np.float64), shape=A.reshape(24))
    text = cli("tensors", "diff", "a.safetensors", "b.safetensors", code=3)
    assert sorted(text.splitlines()) == [
        "1 same, 5 different", "bytes differ: other", "only left: left", "only right: right", "shape (4, 6) and (24,): shape", "type F32 and F64: kind"  # noqa: E501
    ]  # fmt: skip
    assert cli("tensors", "diff", "a.safetensors", "a.safetensors") == "5 same, 0 different\n"


def test_tensors_verify_names_the_damaged_one(cli: Cli) -> None:
    save(cli.folder / "m.safetensors", good=A, bad=A * 2)
    assert cli("tensors", "verify", "m.safetensors") == "2 good, 0 damaged, 0 with nothing recorded\n"
    data = (cli.folder / "m.safetensors").read_bytes()
    at = data.index((A * 2).tobytes())
    (cli.folder / "m.safetensors").write_bytes(data[: at + 5] + b"\xff" + data[at + 6 :])
    text = cli("tensors", "verify", "m.safetensors", code=3)
    assert text.startswith("damaged: m.safetensors: bad: ") and text.endswith("1 good, 1 damaged, 0 with nothing recorded\n")


def test_tensors_extract(cli: Cli) -> None:
    save(cli.folder / "m.safetensors", w=A)
    cli("tensors", "extract", "m.safetensors", "w", "w.npy")
    assert np.array_equal(np.load(cli.folder / "w.npy"), A)
    cli("tensors", "extract", "m.safetensors", "w", "s.npy", "--slice", "1:-1,::2")
    assert np.array_equal(np.load(cli.folder / "s.npy"), A[1:-1, ::2])
    cli("tensors", "extract", "m.safetensors", "w", "r.npy", "--slice", "-1")
    assert np.array_equal(np.load(cli.folder / "r.npy"), A[-1:])
    assert cli("tensors", "extract", "m.safetensors", "w", "-", binary=True) == (cli.folder / "w.npy").read_bytes()
    for wrong in ("::-1", "9", "1:2:3:4", "a:b", "1,2,3"):
        cli("tensors", "extract", "m.safetensors", "w", "x.npy", "--slice", wrong, code=2)


def test_checkpoints(cli: Cli) -> None:
    run = cli.folder / "run"
    for step in (10, 20, 30):
        s3dlio.checkpoint.save(run, {"w": A + step}, step=step)
    text = cli("checkpoint", "list", "run")
    assert [line.split()[1] for line in text.splitlines()[:-1]] == ["30", "20", "10"] and "complete" in text
    assert cli.lines("checkpoint", "list", "run")[0]["step"] == 30
    assert json.loads(cli("checkpoint", "show", "run", "20"))["global_step"] == 20
    assert json.loads(cli("checkpoint", "show", "run"))["global_step"] == 30
    assert cli("checkpoint", "verify", "run").startswith("step 30: whole")
    assert cli("checkpoint", "verify", "-a", "run").count("whole") == 3
    cli("checkpoint", "show", "run", "99", code=1)
    cli("checkpoint", "prune", "run", code=2)
    assert cli("checkpoint", "prune", "--keep-last", "2", "-n", "run").count("would delete") >= 1
    cli("checkpoint", "prune", "--keep-last", "2", "run")
    assert [line.split()[1] for line in cli("checkpoint", "list", "-q", "run").splitlines()] == ["30", "20"]
    shard = max((path for path in run.rglob("*") if path.is_file() and "shards" in str(path)), key=lambda path: path.stat().st_mtime)
    data = bytearray(shard.read_bytes())
    data[-3] ^= 1
    shard.write_bytes(bytes(data))
    assert "damaged: rank 0" in cli("checkpoint", "verify", "run", code=3)
