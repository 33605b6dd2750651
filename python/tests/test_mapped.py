"""Tensors in a mapping of their file: what is shared, what is compared and when, what is read in its place; tensors for a device."""

from __future__ import annotations

import json
import logging
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors_reference as reference
from conftest import keeps_attributes
from numpy_cases import same

import s3dlio
from s3dlio import _device, load_tensors, open_tensors, save_tensors
from s3dlio.exceptions import ChecksumMismatchError, ClosedError, InvalidArgumentError, PreconditionError

STATE = {
    "a": np.arange(100_000, dtype=np.float32).reshape(100, 1000),
    "b": np.arange(7, dtype=np.int8),
    "empty": np.zeros((0, 3), np.float64),
    "scalar": np.float64(2.5) * np.ones(()),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.safetensors"
    save_tensors(path, STATE)
    return path


def damage(path: Path, value: bytes = b"\x7f") -> None:
    """Changes the last byte of tensor ``a`` in place; its record stays."""
    with open_tensors(path) as opened:
        at = opened._data_offset
        for name, lazy in opened.items():
            at += lazy.nbytes
            if name == "a":
                break
    with path.open("r+b") as open_file:
        open_file.seek(at - 1)
        open_file.write(value)


def mappings(path: Path) -> list[str]:
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path))]


@pytest.mark.parametrize("verify", ["auto", "require", True, False])
def test_tensors_lie_in_a_mapping_and_are_equal(file: Path, verify: Any) -> None:
    found = load_tensors(file, mmap=True, verify=verify)
    assert list(found) == list(load_tensors(file))
    for name, array in STATE.items():
        assert same(found[name], array), name
    assert mappings(file)
    del found
    assert not mappings(file)


def test_names_and_models_of_several_files(tmp_path: Path) -> None:
    save_tensors(tmp_path / "model", STATE, max_shard_size=400_000)
    found = load_tensors(tmp_path / "model", ["b", "a"], mmap=True)
    assert list(found) == ["b", "a"] and same(found["a"], STATE["a"])
    assert mappings(tmp_path / "model" / "model-00001-of-00002.safetensors")
    with pytest.raises(InvalidArgumentError, match="no tensor 'c'"):
        load_tensors(tmp_path / "model", ["c"], mmap=True)


def test_writing_changes_neither_the_file_nor_other_loads(file: Path) -> None:
    before = file.read_bytes()
    one, other = load_tensors(file, mmap=True), load_tensors(file, mmap=True)
    one["a"][:] = -1
    assert file.read_bytes() == before
    assert same(other["a"], STATE["a"]) and same(load_tensors(file)["a"], STATE["a"])


def test_mapping_outlives_a_replaced_file(file: Path) -> None:
    found = load_tensors(file, mmap=True)
    save_tensors(file, {"a": np.zeros(3)})
    assert same(found["a"], STATE["a"])
    file.unlink()
    assert same(found["a"], STATE["a"])


def test_pages_are_shared_until_they_are_written(file: Path) -> None:
    found = load_tensors(file, mmap=True)

    def private() -> int:
        """KiB of the mapping that are this process's own."""
        inside, total = False, 0
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if "-" in line.split(" ", 1)[0]:
                inside = line.endswith(str(file))
            elif inside and line.startswith("Anonymous:"):
                total += int(line.split()[1])
        return total

    assert found["a"].sum() > 0 and private() == 0
    found["a"][0, 0] = 1
    assert 4 <= private() <= 64


@pytest.mark.parametrize("framework", ["np", "pt"])
def test_damage_is_found_in_one_pass_over_the_mapping(file: Path, framework: Any) -> None:
    if framework == "pt":
        pytest.importorskip("torch", reason="no torch")
    damage(file)
    with pytest.raises(ChecksumMismatchError, match='tensor "a"') as raised:
        load_tensors(file, framework=framework, mmap=True)
    assert raised.value.uri == f"file://{file}" and raised.value.offset is not None
    assert len(load_tensors(file, framework=framework, mmap=True, verify=False)) == len(STATE)
    assert same(np.asarray(load_tensors(file, ["b"], framework, mmap=True)["b"]), STATE["b"])


def test_file_without_checksums_of_its_own_is_compared_as_a_whole(tmp_path: Path) -> None:
    if not keeps_attributes(tmp_path):
        pytest.skip("no extended attributes here")
    path = tmp_path / "plain.safetensors"
    save_tensors(path, STATE, checksums=False)
    assert same(load_tensors(path, mmap=True, verify="require")["a"], STATE["a"])
    damage(path)
    with pytest.raises(ChecksumMismatchError):
        load_tensors(path, mmap=True)
    # of a part nothing is known
    assert len(load_tensors(path, ["a"], mmap=True)) == 1
    with pytest.raises(ChecksumMismatchError):
        load_tensors(path, ["a"], mmap=True, verify="require")


def test_open_file_compares_each_tensor_when_it_is_asked_for_first(file: Path) -> None:
    damage(file)
    with open_tensors(file, mmap=True) as opened:
        assert same(opened["b"].load(), STATE["b"])
        for _ in range(2):
            with pytest.raises(ChecksumMismatchError, match='tensor "a"'):
                opened["a"].load()
        assert opened["a"].load(verify=False).shape == (100, 1000)


def test_open_file_compares_no_tensor_twice(file: Path) -> None:
    with open_tensors(file, mmap=True) as opened:
        assert same(opened.load()["a"], STATE["a"])
        before = file.stat()
        damage(file)
        with pytest.raises(ChecksumMismatchError):
            # a file of another time is not the one that was opened
            opened["a"].load()
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        # but for the time it is, and it was looked at before
        assert not same(opened["a"].load(), STATE["a"])
    with pytest.raises(ClosedError):
        opened["a"].load()
    with pytest.raises(ClosedError):
        opened["a"].load(verify=False)


def test_open_file_maps_again_in_another_process(file: Path) -> None:
    with open_tensors(file, mmap=True) as opened:
        again = pickle.loads(pickle.dumps(opened))
        assert same(again["a"].load(), STATE["a"]) and mappings(file)
        again.close()
        child = os.fork()
        if child == 0:
            os._exit(0 if same(opened["a"].load(), STATE["a"]) else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_replaced_file_is_not_mapped_in_the_place_of_the_one_that_was_opened(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_tensors(file, mmap=True) as opened, caplog.at_level(logging.INFO, "s3dlio"):
        save_tensors(file, {name: array + 1 for name, array in STATE.items()})
        assert same(opened["a"].load(), STATE["a"])
    assert "another file was put in its place" in caplog.text
    with open_tensors(file, mmap=True) as opened:
        there = pickle.dumps(opened)
        save_tensors(file, STATE)
    with pytest.raises(PreconditionError):
        pickle.loads(there)["a"].load()


@pytest.mark.parametrize("case", ["compressed", "memory", "direct"])
def test_what_cannot_be_mapped_is_read_and_the_log_says_why(tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture) -> None:
    start = {"compressed": str(tmp_path), "memory": f"memory://mapped-{os.getpid()}", "direct": f"direct://{tmp_path}"}[case]
    save_tensors(f"{start}/m.safetensors", STATE, compress=case == "compressed")
    with caplog.at_level(logging.INFO, "s3dlio"):
        found = load_tensors(f"{start}/m.safetensors", mmap=True)
    assert all(same(found[name], array) for name, array in STATE.items())
    assert "is read and not mapped: " + ("it is compressed" if case == "compressed" else f"{case}://") in caplog.text


def test_tensors_that_lie_askew_are_copied(tmp_path: Path) -> None:
    # other writers may put an odd number of bytes before wider elements
    head = {
        "b": {"dtype": "I8", "shape": [3], "data_offsets": [0, 3]},
        "f": {"dtype": "F32", "shape": [2], "data_offsets": [3, 11]},
    }
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    path = tmp_path / "askew.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\x01\x02\x03" + struct.pack("<2f", 1.5, -2.0))
    found = load_tensors(path, mmap=True)
    assert found["f"].tolist() == [1.5, -2.0] and found["f"].flags.aligned
    assert found["b"].tolist() == [1, 2, 3]


def test_files_of_the_reference_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    path.write_bytes(reference.write(STATE))
    found = load_tensors(path, mmap=True)
    assert all(same(found[name], array) for name, array in STATE.items()) and mappings(path)


def test_file_without_any_checksum_is_mapped_and_not_read(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    path.write_bytes(reference.write({"a": np.ones(1 << 20, np.float32)}))
    found = load_tensors(path, mmap=True)

    def resident() -> int:
        """KiB of the mapping that this process has looked at."""
        lines = Path("/proc/self/smaps").read_text().splitlines()
        begin = next(at for at, line in enumerate(lines) if line.endswith(str(path)))
        return next(int(line.split()[1]) for line in lines[begin:] if line.startswith("Rss:"))

    assert resident() <= 64
    assert found["a"].sum() == 1 << 20 and resident() >= 4096


@pytest.mark.parametrize("cut", [1, 4096])
def test_file_that_was_cut_is_refused(file: Path, cut: int) -> None:
    os.truncate(file, file.stat().st_size - cut)
    with pytest.raises(s3dlio.S3dlioError):
        load_tensors(file, mmap=True)


def test_file_that_is_cut_once_it_is_mapped_is_an_error_and_no_signal(tmp_path: Path) -> None:
    if tuple(int(part) for part in os.uname().release.split(".")[:2]) < (5, 14):
        pytest.skip("the kernel cannot be asked for pages: Linux 5.14 has MADV_POPULATE_READ")
    path = tmp_path / "m.safetensors"
    save_tensors(path, {f"t{at}": np.full(1 << 18, at, np.float32) for at in range(4)})
    code = """if True:
        import os, sys, s3dlio
        from s3dlio import _mapped, exceptions
        real = _mapped.map_file
        def cut(where, meta):
            data = real(where, meta)
            os.truncate(sys.argv[1], 1 << 20)
            return data
        _mapped.map_file = cut
        try:
            s3dlio.load_tensors(sys.argv[1], mmap=True)
        except exceptions.InvalidDataError as error:
            # the piece that begins there does not end before the cut
            assert error.offset + (256 << 10) > 1 << 20, error.offset
            print(error)
        """
    environment = {**os.environ, "PYTHONPATH": str(Path(s3dlio.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done
    assert "cut short" in done.stdout and "without mmap" in done.stdout


def test_headers_longer_than_the_first_read(tmp_path: Path) -> None:
    # such a header is read and parsed by another thread than the caller's
    state = {f"tensor of a long name, {'n' * 80}, {at}": np.full(3, at, np.int16) for at in range(1500)}
    save_tensors(tmp_path / "m.safetensors", state)
    found = load_tensors(tmp_path / "m.safetensors", mmap=True)
    assert found.keys() == state.keys() and all(same(found[name], array) for name, array in state.items())


def test_every_type_of_torch_is_mapped(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="no torch")
    from s3dlio._core._dtypes import TORCH_TO_SAFETENSORS

    types = [getattr(torch, name) for name in TORCH_TO_SAFETENSORS if hasattr(torch, name)]
    state = {str(one): torch.arange(96, dtype=torch.uint8).remainder(2).view(one).reshape(3, -1) for one in types}
    save_tensors(tmp_path / "m.safetensors", state)
    found = load_tensors(tmp_path / "m.safetensors", framework="pt", mmap=True)
    for name, tensor in state.items():
        assert found[name].dtype == tensor.dtype and found[name].shape == tensor.shape, name
        assert torch.equal(found[name].contiguous().view(torch.uint8), tensor.view(torch.uint8)), name


def test_torch_tensors_lie_in_the_mapping(file: Path) -> None:
    torch = pytest.importorskip("torch", reason="no torch")
    found = load_tensors(file, framework="pt", mmap=True)
    for name, array in STATE.items():
        assert same(found[name].numpy(), array), name
    found["a"].add_(1)
    assert torch.equal(load_tensors(file, framework="pt", mmap=True)["a"], torch.from_numpy(STATE["a"]))
    assert mappings(file)


def test_places_exclude_each_other(file: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="out and mmap are given"):
        load_tensors(file, out={"b": np.empty(7, np.int8)}, mmap=True)
    with pytest.raises(InvalidArgumentError, match="framework='pt'"):
        load_tensors(file, device="cpu")


def test_another_process_maps_the_file_too(file: Path) -> None:
    code = "import sys, s3dlio; print(float(s3dlio.load_tensors(sys.argv[1], mmap=True)['a'].sum()))"
    environment = {**os.environ, "PYTHONPATH": str(Path(s3dlio.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code, str(file)], check=True, capture_output=True, text=True, env=environment)
    assert float(done.stdout) == float(STATE["a"].sum())


class LateDevice:
    """A device that copies nothing before it has to: whoever fills its memory too early is found out by the values."""

    def __init__(self) -> None:
        self.begun: list[tuple[Any, Any]] = []
        self.pieces: list[int] = []
        self.waits = 0

    def memory(self, nbytes: int) -> Any:
        import torch

        self.pieces.append(nbytes)
        return torch.empty(nbytes, dtype=torch.uint8)

    def take(self, source: Any) -> Any:
        import torch

        target = torch.full(source.shape, 0, dtype=source.dtype)
        self.begun.append((target, source))
        return target

    def mark(self) -> int:
        return len(self.begun)

    def wait(self, mark: int) -> None:
        self.waits += 1
        for at, (target, source) in enumerate(self.begun[:mark]):
            if source is not None:
                target.copy_(source)
                self.begun[at] = (target, None)


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> LateDevice:
    pytest.importorskip("torch", reason="no torch")
    made = LateDevice()
    monkeypatch.setattr(_device, "device_of", lambda name: made)
    return made


@pytest.mark.parametrize("piece", [64, 4096, 1 << 20, 64 << 20])
def test_device_gets_every_tensor_through_few_pieces(tmp_path: Path, late: LateDevice, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(_device, "PIECE", piece)
    state = {f"t{at:02}": np.random.default_rng(at).random((at, 33), np.float32) for at in range(40)} | STATE
    save_tensors(tmp_path / "model", state, max_shard_size=200_000)
    found = load_tensors(tmp_path / "model", framework="pt", device="cuda:0")
    assert found.keys() == state.keys()
    for name, array in state.items():
        assert same(found[name].numpy(), array), name
    assert late.begun and all(source is None for _, source in late.begun)
    files = len(list((tmp_path / "model").glob("*.safetensors")))
    assert len(late.pieces) <= _device.PIECES * files
    assert max(late.pieces) <= max(piece, max(array.nbytes for array in state.values())) + 64


def test_pieces_are_not_filled_before_the_device_took_them(tmp_path: Path, late: LateDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_device, "PIECE", 4096)
    state = {f"t{at:02}": np.full(1000, at, np.float32) for at in range(20)}
    save_tensors(tmp_path / "m.safetensors", state)
    found = load_tensors(tmp_path / "m.safetensors", framework="pt", device="cuda:0")
    assert len(late.pieces) == _device.PIECES and late.waits > len(state) - _device.PIECES
    assert all((found[name].numpy() == at).all() for at, name in enumerate(state))
    # a device that does not wait gives what was read last
    monkeypatch.setattr(late, "wait", lambda mark: None)
    late.begun.clear()
    spoilt = load_tensors(tmp_path / "m.safetensors", framework="pt", device="cuda:0")
    LateDevice.wait(late, len(late.begun))
    assert any((spoilt[name].numpy() != at).any() for at, name in enumerate(state))


def test_device_gets_no_damaged_tensor(file: Path, late: LateDevice) -> None:
    damage(file)
    with pytest.raises(ChecksumMismatchError, match='tensor "a"'):
        load_tensors(file, framework="pt", device="cuda:0")
    assert same(load_tensors(file, ["b"], "pt", device="cuda:0")["b"].numpy(), STATE["b"])


def test_other_devices_of_torch(file: Path) -> None:
    torch = pytest.importorskip("torch", reason="no torch")
    found = load_tensors(file, framework="pt", device="cpu")
    assert all(same(found[name].numpy(), array) for name, array in STATE.items())
    with pytest.raises(InvalidArgumentError, match="'meta'"):
        load_tensors(file, framework="pt", device="meta")
    with pytest.raises(InvalidArgumentError, match="none of torch's"):
        load_tensors(file, framework="pt", device="no such")
    if torch.cuda.is_available():
        there = load_tensors(file, framework="pt", device="cuda:0")
        assert all(same(there[name].cpu().numpy(), array) and there[name].is_cuda for name, array in STATE.items())
