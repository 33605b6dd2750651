"""Memory of results, shared in slabs or used again when large: none is handed out twice, and what nobody keeps goes back to the system."""

from __future__ import annotations

import pickle
import random
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import IN_CHILD, Child

import s3dlio
from s3dlio._core import _native

#: Around the least and the most that slabs take, and in between.
SIZES = [(64 << 10) - 1, 64 << 10, 70_001, 300 << 10, 1 << 20, (2 << 20) - 1, 2 << 20]

#: Around what large memory is rounded to.
LARGE = [2 << 20, (2 << 20) + 1, (4 << 20) - 64, 4 << 20, (5 << 20) + 12_345, 16 << 20, 17 << 20]


def resident() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def test_get_many_kept_and_dropped_results_keep_their_bytes() -> None:
    dice = random.Random(7)
    objects = {f"memory://slabs/{i}": dice.randbytes(size) for i, size in enumerate(SIZES)}
    s3dlio.put_many(list(objects.items()))
    kept: list[tuple[str, s3dlio.BytesView]] = []
    for _ in range(30):
        found = s3dlio.get_many([dice.choice(list(objects)) for _ in range(12)])
        dice.shuffle(found)
        kept += found[:2]
        dice.shuffle(kept)
        del found, kept[16:]
    for uri, view in kept:
        assert bytes(view) == objects[uri]
    # by then the pages of those that were dropped went back
    time.sleep(7.5)
    for uri, view in kept:
        assert bytes(view) == objects[uri]
    again = s3dlio.get_many(list(objects))
    for uri, view in kept + again:
        assert bytes(view) == objects[uri]


def test_get_many_dropped_results_give_their_memory_back() -> None:
    data = random.Random(8).randbytes(1 << 20)
    s3dlio.put_bytes("memory://slabs/large", data)
    found = s3dlio.get_many(["memory://slabs/large"] * 96)
    one, held = found[50][1], resident()
    del found
    limit = time.monotonic() + 60
    # all but the slab that is open, and of the one that is kept its own pages
    while held - resident() < 80 << 20:
        assert time.monotonic() < limit, f"of {held >> 20} MiB {resident() >> 20} are still held"
        time.sleep(0.5)
    assert bytes(one) == data


def address_of(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_load_large_arrays_kept_and_dropped_keep_their_bytes(tmp_path: Path) -> None:
    dice = random.Random(9)
    arrays = {f"{tmp_path}/{i}.npy": np.random.default_rng(i).integers(0, 255, size, np.uint8) for i, size in enumerate(LARGE)}
    for path, array in arrays.items():
        s3dlio.save_numpy_array(path, array)
    kept: list[tuple[str, np.ndarray]] = []
    for _ in range(60):
        path = dice.choice(list(arrays))
        kept.append((path, s3dlio.load_numpy_array(path)))
        dice.shuffle(kept)
        for name, found in kept[5:]:
            # whoever gets this memory next must not find it in use
            found[...] = 0
            assert not found.any(), name
            del found
        del kept[5:]
        for name, found in kept:
            assert np.array_equal(found, arrays[name]), name


def test_load_large_array_is_dropped_serves_the_next_one(tmp_path: Path) -> None:
    path = f"{tmp_path}/a.npy"
    data = np.arange(5 << 20, dtype=np.int32)
    s3dlio.save_numpy_array(path, data)
    found = s3dlio.load_numpy_array(path)
    first = address_of(found)
    view = found[10:]
    del found
    other = s3dlio.load_numpy_array(path)
    # a view keeps it
    assert address_of(other) != first
    assert view[0] == 10
    del view
    again = s3dlio.load_numpy_array(path)
    assert address_of(again) == first
    assert np.array_equal(again, data)
    assert np.array_equal(other, data)


def test_load_large_arrays_dropped_give_their_memory_back(tmp_path: Path) -> None:
    path = f"{tmp_path}/a.safetensors"
    s3dlio.save_tensors(path, {str(i): np.full(8 << 20, i, np.uint8) for i in range(24)})
    before = resident()
    found = s3dlio.load_tensors(path)
    one, held = found["7"], resident()
    assert held - before > 180 << 20
    del found
    limit = time.monotonic() + 60
    while held - resident() < 180 << 20:
        assert time.monotonic() < limit, f"of {held >> 20} MiB {resident() >> 20} are still held"
        time.sleep(0.5)
    assert (one == 7).all()


def test_load_large_array_is_like_any_other(tmp_path: Path) -> None:
    data = np.arange(3 << 20, dtype=np.float64).reshape(3, 1024, 1024)
    for saved in (data, np.asfortranarray(data)):
        s3dlio.save_numpy_array(f"{tmp_path}/a.npy", saved)
        found = s3dlio.load_numpy_array(f"{tmp_path}/a.npy")
        assert type(found) is np.ndarray
        assert found.flags.writeable
        assert found.flags.aligned
        assert found.flags.f_contiguous == saved.flags.f_contiguous
        assert found.shape == data.shape
        found += 1
        assert np.array_equal(pickle.loads(pickle.dumps(found)), data + 1)


def test_new_memory_of_any_length() -> None:
    for length in (0, 1, 4096, 65_536, *LARGE):
        memory = np.asarray(_native.new_memory(length))
        assert memory.nbytes == length
        memory[...] = 255
        assert (memory == 255).all()


@pytest.mark.parametrize("length", [1 << 46, 1 << 47, (1 << 47) + 1, (1 << 64) - 1])
def test_new_memory_that_there_is_not(length: int) -> None:
    with pytest.raises((MemoryError, s3dlio.InvalidArgumentError), match=str(length)):
        _native.new_memory(length)


def test_load_large_array_survives_a_fork_on_both_sides(child: Child, tmp_path: Path) -> None:
    path = f"{tmp_path}/a.npy"
    s3dlio.save_numpy_array(path, np.arange(4 << 20, dtype=np.int64))
    child(
        IN_CHILD
        + """
import sys, s3dlio, numpy as np
path = sys.argv[1]
wanted = np.arange(4 << 20, dtype=np.int64)
kept, dropped = s3dlio.load_numpy_array(path), s3dlio.load_numpy_array(path)
del dropped

def work():
    global kept
    assert np.array_equal(kept, wanted)
    mine = s3dlio.load_numpy_array(path)
    mine += 1
    kept[...] = 0
    kept = None
    assert np.array_equal(s3dlio.load_numpy_array(path), wanted)
    assert np.array_equal(mine, wanted + 1)

for _ in range(3):
    in_child(work)
    assert np.array_equal(kept, wanted)
    assert np.array_equal(s3dlio.load_numpy_array(path), wanted)
""",
        path,
    )
