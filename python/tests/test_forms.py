"""Arrays and tensors saved plain and compressed under one name: the later save counts, whatever happens in between."""

from __future__ import annotations

import fcntl
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PACKAGE, Base

import s3dlio

FORMS = [False, True, 1, 12]


def weights(seed: int = 0, length: int = 300_000) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(length) * 100).round().astype(np.float32)


@pytest.fixture(params=["uri", "direct", "memory", "s3", "azure"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[Base, dict[str, Any]]]:
    """A place of its own on each backend, with its storage options; what was put there is gone afterwards."""
    if request.param in ("s3", "azure"):
        import servers_fixture

        uri, options = servers_fixture.s3_server() if request.param == "s3" else servers_fixture.azure_server()
        base = Base("memory", None)
        base.uri = f"{uri}/{base.uri.removeprefix('memory://')}"
        yield base, {"storage_options": options}
        s3dlio.delete(base.uri, recursive=True, storage_options=options)
        return
    folder = {"uri": "tmp_path", "direct": "disk"}.get(request.param)
    yield Base(request.param, None if folder is None else request.getfixturevalue(folder)), {}


def keys(base: Base, options: dict[str, Any]) -> list[str]:
    return sorted(key.rsplit("/", 1)[1] for key in s3dlio.list(base.text(), recursive=True, **options))


def test_save_in_any_form_is_read_by_either_name(place: tuple[Base, dict[str, Any]]) -> None:
    base, options = place
    checksums = set()
    for seed, compress in enumerate([False, True, True, 9, False, False, 1]):
        array = weights(seed)
        checksum = s3dlio.save_numpy_array(base.text("x.npy"), array, compress, **options)
        # one form is there, and the checksum is that of what np.save writes
        assert keys(base, options) == ["x.npy.zst" if compress else "x.npy"]
        plain = io.BytesIO()
        np.save(plain, array)
        assert checksum == s3dlio.put_bytes("memory://sums/x", plain.getvalue())
        for name in ("x.npy", "x.npy.zst"):
            assert np.array_equal(s3dlio.load_numpy_array(base.text(name), array.shape, np.float32, checksum, **options), array)
        checksums.add(checksum)
        with pytest.raises(s3dlio.ChecksumMismatchError):
            s3dlio.load_numpy_array(base.text("x.npy"), validate_checksum="crc32c:00000000", **options)
    assert len(checksums) == 7


def test_save_tensors_in_any_form_is_read_by_either_name(place: tuple[Base, dict[str, Any]]) -> None:
    base, options = place
    for seed, compress in enumerate([True, False, 3]):
        tensors = {"a": weights(seed).reshape(300, 1000), "b": weights(seed + 10)[:7]}
        checksum = s3dlio.save_tensors(base.text("m"), tensors, {"step": str(seed)}, compress=compress, **options)
        assert keys(base, options) == ["m.zst" if compress else "m"]
        assert checksum == s3dlio.save_tensors("memory://sums/m", tensors, {"step": str(seed)})
        for name in ("m", "m.zst"):
            found = s3dlio.load_tensors(base.text(name), **options)
            assert all(np.array_equal(found[key], tensors[key]) for key in tensors)
            with s3dlio.open_tensors(base.text(name), **options) as file:
                assert file.metadata() == {"step": str(seed)}
                assert np.array_equal(file["a"][17:290:3, ::-7], tensors["a"][17:290:3, ::-7])


def test_the_name_chooses_where_nothing_is_said(base: Base) -> None:
    s3dlio.save_numpy_array(base.text("a.npy.zst"), weights())
    s3dlio.save_numpy_array(base.text("b.npy"), weights())
    assert [uri.rsplit("/", 1)[1] for uri in s3dlio.list(base.text())] == ["a.npy.zst", "b.npy"]
    assert np.array_equal(s3dlio.load_numpy_array(base.text("a.npy")), weights())
    with pytest.raises(s3dlio.InvalidArgumentError, match=r"\.zst"):
        s3dlio.save_numpy_array(base.text("a.npy.zst"), weights(), compress=False)
    with pytest.raises(s3dlio.InvalidArgumentError, match="1 to 22"):
        s3dlio.save_numpy_array(base.text("a.npy"), weights(), compress=23)
    with pytest.raises(FileNotFoundError, match=r"c\.npy"):
        s3dlio.load_numpy_array(base.text("c.npy"))


def test_create_only_sees_the_other_form(base: Base) -> None:
    s3dlio.save_numpy_array(base.text("x"), weights(), compress=True)
    for compress in (True, False):
        with pytest.raises(FileExistsError):
            s3dlio.save_numpy_array(base.text("x"), weights(1), compress, overwrite=False)
    assert np.array_equal(s3dlio.load_numpy_array(base.text("x")), weights())


@pytest.mark.parametrize("first", [False, True])
def test_both_forms_are_there_the_later_counts(place: tuple[Base, dict[str, Any]], first: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The state between the two steps of a save: the old form is put back as a crash would have left it."""
    base, options = place
    old, new = ("x.zst", "x") if first else ("x", "x.zst")
    s3dlio.save_numpy_array(base.text("x"), weights(1), first, **options)
    s3dlio.copy(base.text(old), base.text("kept"), **options)
    s3dlio.save_numpy_array(base.text("x"), weights(2), not first, **options)
    # it is younger than the new one now, and still the earlier save
    s3dlio.copy(base.text("kept"), base.text(old), **options)
    assert keys(base, options) == sorted(["kept", old, new])
    for name in ("x", "x.zst"):
        assert np.array_equal(s3dlio.load_numpy_array(base.text(name), **options), weights(2))
    # the next saves go on from there, in either form
    s3dlio.save_numpy_array(base.text("x"), weights(3), first, **options)
    assert keys(base, options) == sorted(["kept", old])
    assert np.array_equal(s3dlio.load_numpy_array(base.text("x"), **options), weights(3))


KILLED = """
import os, signal, sys
import numpy as np, s3dlio
from s3dlio import _native

folder, compress = sys.argv[1], sys.argv[2] == "True"
s3dlio.save_numpy_array(f"{folder}/x", np.full(100_000, 1.0), not compress)
print("saved", flush=True)
s3dlio.save_numpy_array(f"{folder}/x", np.full(100_000, 2.0), compress)
print("done", flush=True)
"""


@pytest.mark.parametrize("compress", [False, True])
def test_killed_between_the_steps_the_new_form_counts(tmp_path: Path, compress: bool) -> None:
    """strace stops the process for good at the unlink with which the second step begins."""
    strace = shutil.which("strace") or pytest.skip("no strace on this machine")
    old = "x.zst" if not compress else "x"
    command = [strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=unlink,unlinkat", "-P", str(tmp_path / old), "-e", "inject=unlink,unlinkat:signal=KILL"]
    try:
        ended = subprocess.run(
            [*command, sys.executable, "-c", KILLED, str(tmp_path), str(compress)],
            capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)}, check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.fail("the process that was to be killed did not end")
    if "saved" not in ended.stdout:
        pytest.skip(f"strace cannot be used here: {ended.stderr.strip()[-200:]}")
    assert "done" not in ended.stdout, "it was not killed: the second step unlinks nothing of that name"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("x")) == ["x", "x.zst"]
    for name in ("x", "x.zst"):
        assert s3dlio.load_numpy_array(tmp_path / name)[0] == 2.0
    s3dlio.save_numpy_array(tmp_path / "x", np.full(10, 3.0), not compress)
    assert s3dlio.load_numpy_array(tmp_path / "x")[0] == 3.0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("x")] == [old]


def test_killed_anywhere_an_acknowledged_save_or_the_next_is_there(tmp_path: Path) -> None:
    """A writer that changes the form with every save is killed at random moments."""
    script = textwrap.dedent(
        """
        import sys, numpy as np, s3dlio
        folder, first = sys.argv[1], int(sys.argv[2])
        for i in range(first, first + 100_000):
            s3dlio.save_numpy_array(f"{folder}/x", np.full(20_000, i, np.int64), i % 3 == 0)
            print(i, flush=True)
        """
    )
    dice, last = random.Random(5), 0
    for _ in range(int(os.environ.get("S3DLIO_KILL_POINTS", "15"))):
        writer = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(last + 1)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        )
        assert writer.stdout is not None
        for _ in range(dice.randrange(1, 20)):
            line = writer.stdout.readline()
            assert line, "the writer ended by itself"
        writer.send_signal(signal.SIGKILL)
        last = int(([line] + writer.stdout.read().split())[-1])
        writer.wait()
        for name in ("x", "x.zst"):
            found = s3dlio.load_numpy_array(tmp_path / name)
            assert found[0] in (last, last + 1) and (found == found[0]).all(), (name, found[0], last)
        last = int(found[0])


SAVER = textwrap.dedent(
    """
    import sys, time, numpy as np, s3dlio
    folder, saver, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        count += 1
        s3dlio.save_numpy_array(f"{folder}/x", np.full(5_000, saver * 1_000_000 + count, np.int64), saver % 2 == 1)
        print(count, flush=True)
    """
)


def savers_of(folder: Path, count: int, seconds: float) -> list[subprocess.Popen[str]]:
    """Processes that save one name again and again, every other one compressed."""
    return [
        subprocess.Popen(
            [sys.executable, "-c", SAVER, str(folder), str(saver), str(seconds)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        )
        for saver in range(count)
    ]


def test_savers_of_both_forms_at_once_always_leave_one(tmp_path: Path) -> None:
    s3dlio.save_numpy_array(tmp_path / "x", np.zeros(5_000, np.int64))
    savers = savers_of(tmp_path, 4, 4)
    reads = 0
    try:
        while any(saver.poll() is None for saver in savers):
            found = s3dlio.load_numpy_array(tmp_path / "x")
            assert (found == found[0]).all()
            reads += 1
    finally:
        last = [int(saver.communicate()[0].split()[-1]) for saver in savers]
    assert reads > 10 and [saver.returncode for saver in savers] == [0] * 4
    # what is left is somebody's last save: nobody's earlier one comes back to light
    saver, count = divmod(int(s3dlio.load_numpy_array(tmp_path / "x")[0]), 1_000_000)
    assert count == last[saver]


def test_savers_of_both_forms_killed_at_once_leave_one(tmp_path: Path) -> None:
    """Savers of both forms are killed together at random moments: one form is there, and no older than what its saver acknowledged."""
    s3dlio.save_numpy_array(tmp_path / "x", np.zeros(5_000, np.int64))
    dice = random.Random(11)
    for _ in range(int(os.environ.get("S3DLIO_KILL_POINTS", "6"))):
        savers = savers_of(tmp_path, 4, 1000)
        for saver in savers:
            assert saver.stdout is not None and saver.stdout.readline(), "the saver ended by itself"
        time.sleep(dice.uniform(0, 0.3))
        for saver in savers:
            saver.send_signal(signal.SIGKILL)
        last = [int(([0] + saver.communicate()[0].split())[-1]) for saver in savers]
        found = s3dlio.load_numpy_array(tmp_path / "x")
        assert (found == found[0]).all()
        saver, count = divmod(int(found[0]), 1_000_000)
        assert count >= last[saver], (saver, count, last)


def test_savers_of_both_forms_on_each_backend_leave_one(place: tuple[Base, dict[str, Any]]) -> None:
    base, options = place
    s3dlio.save_numpy_array(base.text("x"), np.zeros(100, np.int64), **options)

    def save(saver: int) -> None:
        for count in range(1, 16):
            s3dlio.save_numpy_array(base.text("x"), np.full(100, saver * 1000 + count), saver % 2 == 1, **options)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(save, range(4)))
    assert int(s3dlio.load_numpy_array(base.text("x"), **options)[0]) % 1000 == 15


def test_save_is_not_held_up_for_ever_by_a_lock(tmp_path: Path) -> None:
    """Whoever holds a file's lock and does not let go, a process forked in the wrong moment, is waited for some seconds."""
    s3dlio.save_numpy_array(tmp_path / "x", np.zeros(10))
    s3dlio.save_numpy_array(tmp_path / "kept", np.ones(10), compress=True)
    os.link(tmp_path / "kept.zst", tmp_path / "x.zst")
    with open(tmp_path / "x") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        s3dlio.save_numpy_array(tmp_path / "x", np.full(10, 2.0), compress=True)
        assert s3dlio.load_numpy_array(tmp_path / "x")[0] == 2.0
        assert len([path for path in tmp_path.iterdir() if path.name.startswith("x")]) == 1


@pytest.mark.parametrize("dtype", ["bool", "i1", "u8", "f2", "c8", "U5", "M8[s]", ">f8"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (5, 7), (1, 2, 3)])
def test_compressed_arrays_of_any_kind_come_back(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(int(np.prod(shape, dtype=int))).reshape(shape).astype(dtype)
    for given in (array, np.asfortranarray(array), array[..., ::2] if array.ndim else array):
        s3dlio.save_numpy_array(tmp_path / "a", given, compress=True)
        back = s3dlio.load_numpy_array(tmp_path / "a")
        assert back.dtype == given.dtype and np.array_equal(back, given)
        with s3dlio.open(tmp_path / "a") as file:
            assert np.array_equal(np.load(file), given)


def test_load_into_memory_of_ones_own(base: Base) -> None:
    array = np.random.default_rng(3).random((700, 3000))
    s3dlio.save_numpy_array(base.text("o"), array, compress=True)
    out = np.zeros_like(array)
    assert s3dlio.load_numpy_array(base.text("o"), out=out) is out
    assert np.array_equal(out, array)


def test_every_flipped_byte_of_a_compressed_array_is_told(tmp_path: Path) -> None:
    array = weights(1, 800)
    s3dlio.save_numpy_array(tmp_path / "x", array, compress=True)
    stored = bytearray((tmp_path / "x.zst").read_bytes())
    for at in range(len(stored)):
        stored[at] ^= 0x10
        s3dlio.put_bytes(tmp_path / "x.zst", stored)
        with pytest.raises((s3dlio.InvalidDataError, s3dlio.ChecksumMismatchError)):
            s3dlio.load_numpy_array(tmp_path / "x")
        stored[at] ^= 0x10


def test_compressed_numbers_need_less(tmp_path: Path) -> None:
    s3dlio.save_numpy_array(tmp_path / "x", np.arange(1_000_000) // 100, compress=True)
    assert (tmp_path / "x.zst").stat().st_size < 8_000_000 / 10


def test_progress_is_told_of_compressed_saves(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    array = np.random.default_rng(0).random(4 << 20)
    s3dlio.save_numpy_array(tmp_path / "x", array, compress=True, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (array.nbytes + 128, array.nbytes + 128)
    seen.clear()
    s3dlio.load_numpy_array(tmp_path / "x", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (array.nbytes, array.nbytes)
