"""Disks that are full, and system calls that write less than they were asked to: the right error, the old object, no debris."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Child

HERE = Path(__file__).parent

#: Every way in which an object comes to a file; each gives the bytes that are then under the name.
WRITES = """
import os, sys
import numpy as np
import s3dlio
chance = np.random.default_rng(7)

def put(at, size):
    data = chance.bytes(size)
    s3dlio.put_bytes(at, data)
    return data

def durable(at, size):
    data = chance.bytes(size)
    s3dlio.put_bytes(at, data, durable=True)
    return data

def stream(at, size):
    data = chance.bytes(size)
    with s3dlio.ObjectWriter(at) as writer:
        for begin in range(0, size, 70_000):
            writer.write(data[begin : begin + 70_000])
    return data

def compressed(at, size):
    data = chance.bytes(size)
    with s3dlio.ObjectWriter(at, compress=True) as writer:
        writer.write(data)
    return data

def array(at, size):
    numbers = chance.integers(0, 255, size, np.uint8)
    s3dlio.save_numpy_array(at, numbers)
    return numbers

def tensors(at, size):
    numbers = chance.integers(0, 255, size, np.uint8)
    s3dlio.save_tensors(at, {"a": numbers[: size // 2], "b": numbers[size // 2 :]})
    return numbers

def copied(at, size):
    data = chance.bytes(size)
    s3dlio.put_bytes("memory://disk/source", data)
    s3dlio.copy("memory://disk/source", at)
    return data

ALL = [put, durable, stream, compressed, array, tensors, copied]

def found(write, at):
    if write is compressed:
        return s3dlio.get(at, decompress=True)
    if write is array:
        return s3dlio.load_numpy_array(at)
    if write is tensors:
        loaded = s3dlio.load_tensors(at)
        return np.concatenate([loaded["a"], loaded["b"]])
    return s3dlio.get(at)

def is_whole(write, at, wanted):
    return bytes(memoryview(found(write, at))) == bytes(memoryview(wanted))

def files(folder):
    return sorted(os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)
"""

FULL = (
    WRITES
    + """
scheme, folder = sys.argv[1], sys.argv[2]
refused = 0
for write in ALL:
    for size in (200_000, 18_000_000):
        for free in (4096, size // 2 // 4096 * 4096):
            # a key with this suffix is what a compressed object is called
            at = f"{scheme}://{folder}/x.zst" if write is compressed else f"{scheme}://{folder}/x"
            old = write(at, 10_000)
            before = files(folder)
            room = os.statvfs(folder)
            with open(folder + "/filler", "wb") as filler:
                os.posix_fallocate(filler.fileno(), 0, max(1, room.f_bavail * room.f_frsize - free))
            try:
                write(at, size)
            except s3dlio.OutOfSpaceError as error:
                assert error.errno == 28 and "/x" in str(error), str(error)
                refused += 1
            else:
                raise AssertionError(f"{write.__name__} of {size} bytes into {free}")
            assert files(folder) == sorted([*before, folder + "/filler"]), (write.__name__, files(folder))
            assert is_whole(write, at, old), f"{write.__name__}: the old object is not what it was"
            os.unlink(folder + "/filler")
            new = write(at, 100_000)
            assert is_whole(write, at, new)
            s3dlio.delete(at)
print(refused)
"""
)


def in_small_disk(tmp_path: Path, script: str, *arguments: object, size: str = "64m") -> subprocess.CompletedProcess[str]:
    """Runs a script whose ``folder`` is a file system of that size, which is gone afterwards."""
    folder, file = tmp_path / "disk", tmp_path / "script.py"
    folder.mkdir()
    file.write_text(script)
    mount = f'mount -t tmpfs -o size={size} none "$1" || exit 77; shift; exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", folder, sys.executable, file, *arguments, folder]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    ended = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, env=environment, check=False)
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip(f"no file system can be mounted here: {ended.stderr.strip()}")
    return ended


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
@pytest.mark.parametrize("scheme", ["file", "direct"])
def test_full_disk_keeps_the_old_object_and_leaves_nothing(tmp_path: Path, scheme: str) -> None:
    ended = in_small_disk(tmp_path, FULL, scheme)
    if scheme == "direct" and "O_DIRECT" in ended.stderr:
        pytest.skip("tmpfs refuses O_DIRECT on this kernel")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    assert int(ended.stdout) == 7 * 4


NO_INODES = (
    WRITES
    + """
folder = sys.argv[1]
old = put(folder + "/x", 1000)
names = []
try:
    while True:
        names.append(f"{folder}/filler{len(names)}")
        open(names[-1], "wb").close()
except OSError as error:
    assert error.errno == 28
    names.pop()
for write in ALL[:4]:
    try:
        write(folder + ("/x.zst" if write is compressed else "/x"), 100_000)
    except s3dlio.OutOfSpaceError:
        pass
    else:
        raise AssertionError(write.__name__)
for at in (folder + "/deep/er/x", folder + "/deep/y"):
    try:
        put(at, 10)
    except s3dlio.OutOfSpaceError:
        pass
    else:
        raise AssertionError(at)
assert is_whole(put, folder + "/x", old)
assert files(folder) == sorted([*names, folder + "/x"]) and not os.path.exists(folder + "/deep")
print("ok")
"""
)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_disk_without_inodes_keeps_the_old_object(tmp_path: Path) -> None:
    ended = in_small_disk(tmp_path, NO_INODES, size="8m,nr_inodes=50")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ok\n", ""), ended.stdout + ended.stderr


def preloaded(folder: Path, name: str) -> Path:
    """A library of faults/, to be preloaded."""
    compiler = shutil.which("gcc") or pytest.skip("no gcc on this machine")
    library = folder / f"{name}.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", library, HERE / f"faults/{name}.c"], check=True)
    return library


@pytest.fixture(scope="module")
def short_writes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preloaded(tmp_path_factory.mktemp("preload"), "short_writes")


@pytest.fixture(scope="module")
def failing_flushes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return preloaded(tmp_path_factory.mktemp("preload"), "failing_flushes")


SHORT = (
    WRITES
    + """
scheme, folder = sys.argv[1], sys.argv[2]
for write in ALL:
    for size in (0, 1, 4096, 200_001, 1_500_000):
        at = f"{scheme}://{folder}/{write.__name__}{size}.zst" if write is compressed else f"{scheme}://{folder}/{write.__name__}{size}"
        assert is_whole(write, at, write(at, size)), (write.__name__, size)
print(len(files(folder)))
"""
)


@pytest.mark.parametrize("scheme", ["file", "direct"])
def test_short_writes_are_gone_on_with(tmp_path: Path, child: Child, short_writes: Path, scheme: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    preload = {"LD_PRELOAD": str(short_writes), "S3DLIO_TEST_STEP": "4096" if scheme == "direct" else "1"}
    ended = child(SHORT, scheme, folder, environment=preload, check=False)
    if scheme == "direct" and "O_DIRECT" in ended.stderr:
        pytest.skip("the file system of the temporary directory refuses O_DIRECT")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "35\n", ""), ended.stdout + ended.stderr


BROKEN = (
    WRITES
    + """
folder, name = sys.argv[1], sys.argv[2]
write = next(write for write in ALL if write.__name__ == name)
at = folder + ("/x.zst" if write is compressed else "/x")
try:
    write(at, 300_000)
except s3dlio.S3dlioError as error:
    print(type(error).__name__, error, sep="|")
else:
    print("written")
"""
)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=["ENOSPC", "EIO", "EDQUOT"])
def test_writes_that_fail_after_some_bytes_keep_the_old_object(tmp_path: Path, child: Child, short_writes: Path, code: int) -> None:
    """The device takes so many bytes, in pieces, and no more."""
    import s3dlio

    chance = random.Random(code)
    folder = tmp_path / "data"
    folder.mkdir()
    names = ["put", "durable", "stream", "compressed", "array", "tensors", "copied"]
    for name in names:
        at = folder / ("x.zst" if name == "compressed" else "x")
        s3dlio.put_bytes(at, b"old")
        room = chance.choice([0, 1, 100, 4096, chance.randrange(300_000), 299_999])
        preload = {"LD_PRELOAD": str(short_writes), "S3DLIO_TEST_ROOM": str(room), "S3DLIO_TEST_ERRNO": str(code)}
        said: Any = child(BROKEN, folder, name, environment=preload).stdout.strip()
        told = f"{name} after {room} bytes: {said}"
        assert str(at) in said, told
        if code == errno.EIO:
            assert not said.startswith("OutOfSpace") and not said.startswith("InternalError"), told
        else:
            assert said.startswith("OutOfSpaceError|"), told
        assert s3dlio.get(at) == b"old", told
        assert [path.name for path in folder.iterdir()] == [at.name], told
        s3dlio.delete(at)


BEHIND = """
import os, sys, numpy as np, s3dlio
folder = sys.argv[1]
state = {"w": np.random.default_rng(1).random(5 << 20)}
saver = s3dlio.AsyncSaver(folder)
try:
    saver.save(state, 1, copy=False).result()
except s3dlio.S3dlioError as error:
    print(type(error).__name__, error, sep="|")
else:
    assert np.array_equal(s3dlio.load_state(folder)["w"], state["w"])
    print("saved")
print(sorted(name for name in os.listdir(folder + "/shards") if name.startswith(".")) if os.path.isdir(folder + "/shards") else [])
"""


@pytest.mark.parametrize(("call", "number"), [("sync_file_range", 0), ("sync_file_range", 4), ("fsync", 0)])
def test_save_behind_whose_device_fails_makes_no_checkpoint(
    tmp_path: Path, child: Child, failing_flushes: Path, call: str, number: int
) -> None:
    import numpy as np

    import s3dlio

    folder = tmp_path / "data"
    s3dlio.save_state(folder, {"w": np.arange(10)}, step=0)
    preload = {
        "LD_PRELOAD": str(failing_flushes),
        "S3DLIO_TEST_CALL": call,
        "S3DLIO_TEST_FROM": str(number),
        "S3DLIO_TEST_ERRNO": str(errno.EIO),
    }
    said, left = child(BEHIND, folder, environment=preload).stdout.splitlines()
    assert said.split("|")[0] not in ("saved", "InternalError"), said
    assert str(folder) in said, said
    assert left == "[]"
    assert np.array_equal(s3dlio.load_state(folder)["w"], np.arange(10))


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL], ids=["ENOSYS", "EINVAL"])
def test_save_behind_does_without_a_call_that_the_file_system_lacks(tmp_path: Path, child: Child, failing_flushes: Path, code: int) -> None:
    preload = {"LD_PRELOAD": str(failing_flushes), "S3DLIO_TEST_CALL": "sync_file_range", "S3DLIO_TEST_ERRNO": str(code)}
    assert child(BEHIND, tmp_path / "data", environment=preload).stdout == "saved\n[]\n"
