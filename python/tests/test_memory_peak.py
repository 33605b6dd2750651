"""Nothing is copied that need not be: a gigabyte goes out and in with a few megabytes beside it, and sizes beyond 2 GiB work."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import s3dlio

pytestmark = pytest.mark.heavy

LIMIT = 64 << 20
GIB = 1 << 30

PROLOGUE = """
import sys
import numpy as np
import s3dlio

def peak():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))

def measured(call):
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    before = peak()
    result = call()
    return peak() - before, result

path = sys.argv[1]
# what is loaded and started once
s3dlio.save_numpy_array(path, np.zeros(1000))
s3dlio.load_numpy_array(path)
array = np.arange(1 << 27, dtype=np.int64)
assert array.nbytes == 1 << 30
"""


@pytest.fixture
def big(tmp_path: Path) -> Iterator[Path]:
    """A name for a file of gigabytes, gone after the test."""
    yield tmp_path / "big"
    for path in tmp_path.iterdir():
        path.unlink()


def rises(path: Path, body: str) -> list[int]:
    """Runs the body in a child; the numbers that it prints."""
    child = subprocess.run(
        [sys.executable, "-c", PROLOGUE + textwrap.dedent(body), str(path)],
        capture_output=True,
        text=True,
        timeout=570,
        env={**os.environ, "PYTHONPATH": str(Path(s3dlio.__file__).parents[1])},
    )
    assert child.returncode == 0, child.stderr
    return [int(line) for line in child.stdout.split()]


def test_measuring_sees_a_copy(big: Path) -> None:
    assert rises(big, "print(measured(lambda: array[1:].copy())[0])")[0] > GIB - LIMIT


@pytest.mark.parametrize("order", ["C", "F"])
def test_array_of_a_gibibyte(big: Path, order: str) -> None:
    saved, loaded = rises(
        big,
        f"""
        array = array.reshape((1 << 12, 1 << 15), order={order!r})
        print(measured(lambda: s3dlio.save_numpy_array(path, array))[0])
        out = np.full((1 << 12, 1 << 15), -1, order={order!r})
        print(measured(lambda: s3dlio.load_numpy_array(path, out=out))[0])
        assert np.array_equal(out, array)
        """,
    )
    assert saved < LIMIT
    assert loaded < LIMIT


def test_array_of_a_gibibyte_into_new_memory(big: Path) -> None:
    (loaded,) = rises(
        big,
        """
        s3dlio.save_numpy_array(path, array)
        rise, back = measured(lambda: s3dlio.load_numpy_array(path))
        print(rise)
        assert back[-1] == array[-1]
        """,
    )
    assert GIB - LIMIT < loaded < GIB + LIMIT


@pytest.mark.parametrize("compress", [False, True])
def test_stream_of_a_gibibyte_in_pieces(big: Path, compress: bool) -> None:
    written, read = rises(
        big,
        f"""
        def write():
            with s3dlio.ObjectWriter(path + "s", compress={compress}) as writer:
                for at in range(0, 1 << 30, 1 << 20):
                    writer.write(array.view(np.uint8)[at : at + (1 << 20) - 5])
                    writer.write(array.view(np.uint8)[at + (1 << 20) - 5 : at + (1 << 20)])

        print(measured(write)[0])
        out = bytearray(1 << 20)

        def read():
            with s3dlio.open(path + "s") as file:
                for at in range(0, 1 << 30, 1 << 20):
                    assert file.readinto(out) == 1 << 20
                    assert at % (64 << 20) or out == array.view(np.uint8)[at : at + (1 << 20)].tobytes()

        print(measured(read)[0])
        """,
    )
    # a core's frame as it was and as it becomes, and one more of each
    buffers = (min(os.cpu_count() or 1, 16) + 1) * (9 << 20) if compress else 0
    assert written < LIMIT + buffers
    assert read < LIMIT


@pytest.mark.parametrize("checksums", [True, False])
def test_tensors_of_a_gibibyte(big: Path, checksums: bool) -> None:
    saved, loaded, sliced = rises(
        big,
        f"""
        tensors = {{"a": array[: 1 << 26].reshape(1 << 10, 1 << 16), "b": array[1 << 26 :], "c": np.arange(10)}}
        print(measured(lambda: s3dlio.save_tensors(path, tensors, checksums={checksums}))[0])
        out = {{name: np.full(tensor.shape, -1) for name, tensor in tensors.items()}}
        print(measured(lambda: s3dlio.load_tensors(path, out=out))[0])
        assert all(np.array_equal(out[name], tensors[name]) for name in tensors)
        out = None
        rise, found = measured(lambda: s3dlio.open_tensors(path)["a"][::-7, 3:-5:100])
        print(rise)
        assert np.array_equal(found, tensors["a"][::-7, 3:-5:100])
        """,
    )
    assert saved < LIMIT
    assert loaded < LIMIT
    assert sliced < LIMIT


def test_slices_of_a_tensor_of_a_gibibyte(big: Path) -> None:
    for rise in rises(
        big,
        """
        tensor = array.reshape(1 << 9, 1 << 9, 1 << 9)
        s3dlio.save_tensors(path, {"a": tensor})
        with s3dlio.open_tensors(path) as file:
            for index in (5, np.s_[:, 7], np.s_[:, :, 9], np.s_[::3, ::-5, ::100], np.s_[-1, -1, -1], np.s_[3:5, ...]):
                rise, found = measured(lambda: file["a"][index])
                print(rise)
                assert np.array_equal(found, tensor[index])
        """,
    ):
        assert rise < LIMIT


def test_torch_tensor_of_a_gibibyte(big: Path) -> None:
    pytest.importorskip("torch", reason="tensors of torch")
    saved, loaded = rises(
        big,
        """
        import torch
        tensor = torch.from_numpy(array)
        s3dlio.save_tensors(path, {"a": tensor[:10]})
        out = torch.full_like(tensor, -1)
        print(measured(lambda: s3dlio.save_tensors(path, {"a": tensor}))[0])
        print(measured(lambda: s3dlio.load_tensors(path, framework="pt", out={"a": out}))[0])
        assert torch.equal(out, tensor)
        """,
    )
    assert saved < LIMIT
    assert loaded < LIMIT


SIZE = 5 * (GIB // 2) + 12345
#: Around the numbers at which 31 and 32 bits end, in bytes of the data and of the file.
MARKS = sorted({place + step for place in (0, 1 << 31, SIZE - 200) for step in range(0 if place == 0 else -200, 200)})


def test_array_beyond_2_gib(big: Path) -> None:
    # mapped from a file of holes, so that it takes no memory but the marks'
    sparse = np.memmap(big.with_name("sparse"), np.uint8, "w+", shape=(SIZE,))
    sparse[MARKS] = np.arange(len(MARKS)) % 251 + 1
    checksum = s3dlio.save_numpy_array(big, sparse)
    assert big.stat().st_size == SIZE + 128
    mapped = np.load(big, mmap_mode="r")
    assert np.array_equal(mapped[MARKS], sparse[MARKS])
    del mapped
    back = s3dlio.load_numpy_array(big, SIZE, np.uint8, checksum)
    assert np.array_equal(back[MARKS], sparse[MARKS])
    assert np.count_nonzero(back) == len(MARKS)


def test_tensor_beyond_2_gib(big: Path) -> None:
    sparse = np.memmap(big.with_name("sparse"), np.uint8, "w+", shape=(SIZE,))
    sparse[MARKS] = np.arange(len(MARKS)) % 251 + 1
    s3dlio.save_tensors(big, {"a": sparse, "z": np.arange(5)})
    with s3dlio.open_tensors(big) as file:
        assert np.array_equal(file["z"].load(), np.arange(5))
        for index in (slice((1 << 31) - 100, (1 << 31) + 100), slice(SIZE - 150, None), slice((1 << 31) + 99, (1 << 31) - 99, -3)):
            assert np.array_equal(file["a"][index], sparse[index])
        # results beyond 2 GiB, gathered backwards and in one piece
        back = file["a"][:0:-1]
        assert back.nbytes == SIZE - 1
        assert np.array_equal(back[SIZE - 1 - np.array(MARKS[1:])], sparse[MARKS[1:]])
        assert np.count_nonzero(back) == len(MARKS) - 1
        del back
        back = file["a"][1:]
        assert np.array_equal(back[np.array(MARKS[1:]) - 1], sparse[MARKS[1:]])
        del back
        back = file["a"].load()
        assert np.array_equal(back[MARKS], sparse[MARKS])
        assert np.count_nonzero(back) == len(MARKS)
