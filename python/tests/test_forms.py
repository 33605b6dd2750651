"""Arrays and tensors, plain and compressed: a load of a name gives what was last saved under it, whoever saves at the same time."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import PACKAGE, Base

import s3dlio


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


@pytest.mark.parametrize("compress", [False, True, 1, 12])
def test_save_in_any_form_is_read_by_its_name(place: tuple[Base, dict[str, Any]], compress: bool | int) -> None:
    base, options = place
    for seed in range(2):
        array = weights(seed)
        saved = s3dlio.save_numpy_array(base.text("x.npy"), array, compress, **options)
        name = "x.npy.zst" if compress else "x.npy"
        assert saved.uri == base.text(name) and keys(base, options) == [name]
        # the checksum is that of what np.save writes
        plain = io.BytesIO()
        np.save(plain, array)
        assert saved == s3dlio.put_bytes("memory://sums/x", plain.getvalue())
        for uri in (base.text("x.npy"), saved.uri):
            assert np.array_equal(s3dlio.load_numpy_array(uri, array.shape, np.float32, saved, **options), array)
        with pytest.raises(s3dlio.ChecksumMismatchError):
            s3dlio.load_numpy_array(base.text("x.npy"), validate_checksum="crc32c:00000000", **options)
    # what was written is an object as any other
    assert s3dlio.exists(saved.uri, **options) and s3dlio.stat(saved.uri, **options).size == saved.stored_size
    assert bytes(s3dlio.get(saved.uri, decompress="auto", **options)) == plain.getvalue()
    s3dlio.delete(saved.uri, **options)
    with pytest.raises(FileNotFoundError, match=r"x\.npy"):
        s3dlio.load_numpy_array(base.text("x.npy"), **options)


@pytest.mark.parametrize("compress", [False, True])
def test_save_tensors_in_any_form_is_read_by_its_name(place: tuple[Base, dict[str, Any]], compress: bool) -> None:
    base, options = place
    tensors = {"a": weights().reshape(300, 1000), "b": weights(10)[:7]}
    checksum = s3dlio.save_tensors(base.text("m"), tensors, {"step": "1"}, compress=compress, **options)
    assert keys(base, options) == ["m.zst" if compress else "m"]
    assert checksum == s3dlio.save_tensors("memory://sums/m", tensors, {"step": "1"})
    for uri in (base.text("m"), checksum.uri):
        found = s3dlio.load_tensors(uri, **options)
        assert all(np.array_equal(found[key], tensors[key]) for key in tensors)
        with s3dlio.open_tensors(uri, **options) as file:
            assert file.metadata() == {"step": "1"}
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


def writes() -> list[Callable[..., Any]]:
    """Everything that puts ``.zst`` behind the name it is given."""

    def stream(uri: str, **options: Any) -> None:
        with s3dlio.open(uri, "wb", compress=True, **options) as file:
            file.write(b"new")

    def own_writer(uri: str, **options: Any) -> None:
        with s3dlio.ObjectWriter(uri, compress=True, **options) as file:
            file.write(b"new")

    return [
        lambda uri, **options: s3dlio.save_numpy_array(uri, weights(1), compress=True, **options),
        lambda uri, **options: s3dlio.save_tensors(uri, {"a": weights(1)}, compress=True, **options),
        lambda uri, **options: s3dlio.save(uri, weights(1), format="npy", compress=3, **options),
        stream,
        own_writer,
    ]


def test_compressed_save_of_a_plain_name_is_refused(place: tuple[Base, dict[str, Any]]) -> None:
    base, options = place
    s3dlio.save_numpy_array(base.text("x.npy"), weights(), **options)
    for write in writes():
        with pytest.raises(s3dlio.AlreadyExistsError, match=r'x\.npy.*Delete it first, or save to "x\.npy\.zst"'):
            write(base.text("x.npy"), **options)
    assert keys(base, options) == ["x.npy"]
    assert np.array_equal(s3dlio.load_numpy_array(base.text("x.npy"), **options), weights())
    # the ways out that the message names
    s3dlio.save_numpy_array(base.text("x.npy.zst"), weights(1), **options)
    assert np.array_equal(s3dlio.load_numpy_array(base.text("x.npy.zst"), **options), weights(1))
    s3dlio.delete(base.text("x.npy"), **options)
    s3dlio.save_numpy_array(base.text("x.npy"), weights(2), compress=True, **options)
    for name in ("x.npy", "x.npy.zst"):
        assert np.array_equal(s3dlio.load_numpy_array(base.text(name), **options), weights(2))


def test_plain_save_beside_a_compressed_object_is_read_first(place: tuple[Base, dict[str, Any]]) -> None:
    base, options = place
    s3dlio.save_numpy_array(base.text("x"), weights(1), compress=True, **options)
    s3dlio.save_numpy_array(base.text("x"), weights(2), **options)
    assert keys(base, options) == ["x", "x.zst"]
    assert np.array_equal(s3dlio.load_numpy_array(base.text("x"), **options), weights(2))
    assert np.array_equal(s3dlio.load_numpy_array(base.text("x.zst"), **options), weights(1))
    # nobody told to delete the older one
    s3dlio.delete(base.text("x"), **options)
    assert np.array_equal(s3dlio.load_numpy_array(base.text("x"), **options), weights(1))


def test_load_of_the_compressed_name_reads_no_other(place: tuple[Base, dict[str, Any]]) -> None:
    base, options = place
    s3dlio.save_numpy_array(base.text("x"), weights(), **options)
    s3dlio.save_tensors(base.text("t"), {"a": weights()}, **options)
    with pytest.raises(FileNotFoundError, match=r"x\.zst"):
        s3dlio.load_numpy_array(base.text("x.zst"), **options)
    with pytest.raises(FileNotFoundError, match=r"t\.zst"):
        s3dlio.load_tensors(base.text("t.zst"), **options)


def test_objects_with_a_generation_are_read(place: tuple[Base, dict[str, Any]]) -> None:
    """Earlier versions kept a number with what was saved over another form."""
    base, options = place
    for name, compress in (("x", False), ("y", True)):
        s3dlio.save_numpy_array(base.text(name), weights(), compress, metadata={"s3dlio-generation": "3"}, **options)
        assert np.array_equal(s3dlio.load_numpy_array(base.text(name), **options), weights())


@pytest.mark.parametrize("server", ["s3", "azure"])
def test_requests_of_loads_and_saves(server: str) -> None:
    """A look costs a request where there is no directory to look at: plain saves and loads make none."""
    import servers_fixture

    uri, options = servers_fixture.s3_server() if server == "s3" else servers_fixture.azure_server()
    base, given = f"{uri}/requests-{os.urandom(6).hex()}", {"storage_options": options}
    small = weights(length=1000)

    def asked(call: Callable[[], Any]) -> int:
        before = sum(store.requests for store in s3dlio.stats().values())
        call()
        return sum(store.requests for store in s3dlio.stats().values()) - before

    try:
        s3dlio.put_bytes(f"{base}/first", b"", **given)
        for array in (small, weights()):
            assert asked(lambda: s3dlio.save_numpy_array(f"{base}/x", array, **given)) == 1
            assert asked(lambda: s3dlio.load_numpy_array(f"{base}/x", **given)) == 1
            assert asked(lambda: s3dlio.save_tensors(f"{base}/t", {"a": array}, **given)) == 1
            assert asked(lambda: s3dlio.load_tensors(f"{base}/t", **given)) == 1
        assert asked(lambda: s3dlio.save_numpy_array(f"{base}/y.zst", small, **given)) == 1
        assert asked(lambda: s3dlio.save_numpy_array(f"{base}/y", small, compress=True, **given)) == 3
        assert asked(lambda: s3dlio.save_numpy_array(f"{base}/z", small, overwrite=False, **given)) == 2
    finally:
        s3dlio.delete(base, recursive=True, **given)


class Save(NamedTuple):
    """One save: its value, whether it was acknowledged, and when it began and ended."""

    value: int
    acknowledged: bool
    begin: float
    end: float


def check_history(saves: list[Save], found: int, begin: float) -> None:
    """A load that began then gave a save that none replaced before.

    None that was acknowledged before the load began after that one ended.
    """
    given = next(save for save in saves if save.value == found)
    newer = [save for save in saves if save.acknowledged and save.end < begin and save.begin > given.end]
    assert not newer, (given, newer, begin)


def test_savers_of_both_forms_at_once_keep_what_was_acknowledged(place: tuple[Base, dict[str, Any]]) -> None:
    base, options = place
    savers, times = 4, 3
    for turn in range(int(os.environ.get("S3DLIO_FORM_ROUNDS", "15"))):
        uri, start, saves = base.text(f"x{turn}"), threading.Barrier(savers + 1), []
        loads: list[tuple[int | None, float]] = []
        running = threading.Event()
        running.set()

        def save(saver: int, uri: str = uri, start: threading.Barrier = start, saves: list[Save] = saves) -> None:
            start.wait()
            for count in range(times):
                value, begin, acknowledged = saver * 100 + count, time.monotonic(), True
                try:
                    written = s3dlio.save_numpy_array(uri, np.full(100, value), saver % 2 == 1, **options)
                    assert written.uri == (f"{uri}.zst" if saver % 2 else uri)
                except s3dlio.AlreadyExistsError:
                    assert saver % 2 == 1, "a plain save is never refused"
                    acknowledged = False
                saves.append(Save(value, acknowledged, begin, time.monotonic()))

        def load(
            uri: str = uri,
            start: threading.Barrier = start,
            loads: list[tuple[int | None, float]] = loads,
            running: threading.Event = running,
        ) -> None:
            start.wait()
            while running.is_set():
                begin = time.monotonic()
                try:
                    found = s3dlio.load_numpy_array(uri, **options)
                    assert (found == found[0]).all()
                    loads.append((int(found[0]), begin))
                except FileNotFoundError:
                    loads.append((None, begin))

        with ThreadPoolExecutor(savers + 1) as threads:
            reader = threads.submit(load)
            for writer in [threads.submit(save, saver) for saver in range(savers)]:
                writer.result()
            running.clear()
            reader.result()
        for found, begin in [*loads, (int(s3dlio.load_numpy_array(uri, **options)[0]), time.monotonic())]:
            if found is None:
                assert not [save for save in saves if save.acknowledged and save.end < begin], "an acknowledged save was not found"
            else:
                check_history(saves, found, begin)
        # plain savers are never refused, so what is left is one's last; nobody's object was taken away
        final = int(s3dlio.load_numpy_array(uri, **options)[0])
        assert final // 100 % 2 == 0 and final % 100 == times - 1
        assert s3dlio.exists(uri, **options)
        if any(save.acknowledged for save in saves if save.value // 100 % 2):
            assert s3dlio.load_numpy_array(f"{uri}.zst", **options)[0] // 100 % 2 == 1


def test_plain_save_during_a_compressed_one_tells_the_other(place: tuple[Base, dict[str, Any]]) -> None:
    """The look before the write found nothing; the one after it does."""
    base, options = place
    writer = s3dlio.ObjectWriter(base.text("x"), compress=True, **options)
    writer.write(b"compressed")
    s3dlio.put_bytes(base.text("x"), b"plain", **options)
    with pytest.raises(s3dlio.AlreadyExistsError, match="another writer"):
        writer.finalize()
    writer.close()
    assert bytes(s3dlio.get(base.text("x"), decompress="auto", **options)) == b"plain"
    assert bytes(s3dlio.get(base.text("x.zst"), decompress="auto", **options)) == b"compressed"


SAVER = textwrap.dedent(
    """
    import sys, time, numpy as np, s3dlio
    folder, saver = sys.argv[1], int(sys.argv[2])
    for count in range(10**6):
        # all savers meet at one name for some milliseconds
        begin = time.monotonic()
        name = f"x{int(begin * 100)}"
        try:
            s3dlio.save_numpy_array(f"{folder}/{name}", np.full(500, saver * 10**6 + count), saver % 2 == 1)
            told = 1
        except s3dlio.AlreadyExistsError:
            told = 0
        print(name, saver * 10**6 + count, told, begin, time.monotonic(), flush=True)
    """
)


def test_savers_of_both_forms_killed_at_once_keep_what_was_acknowledged(tmp_path: Path) -> None:
    """Savers of both forms in processes of their own are killed together at random moments, beside one another at each name."""
    dice = random.Random(11)
    refused = 0
    for turn in range(int(os.environ.get("S3DLIO_KILL_POINTS", "6"))):
        folder = tmp_path / str(turn)
        savers = [
            subprocess.Popen(
                [sys.executable, "-c", SAVER, str(folder), str(saver)],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
            )
            for saver in range(4)
        ]
        lines = []
        for saver in savers:
            assert saver.stdout is not None
            lines.append(saver.stdout.readline())
            assert lines[-1], "the saver ended by itself"
        time.sleep(dice.uniform(0.1, 0.6))
        for saver in savers:
            saver.send_signal(signal.SIGKILL)
        saves: dict[str, list[Save]] = {}
        for first, saver in zip(lines, savers, strict=True):
            text = first + saver.communicate()[0]
            for line in text[: text.rfind("\n")].splitlines():
                name, value, told, begin, end = line.split()
                saves.setdefault(name, []).append(Save(int(value), told == "1", float(begin), float(end)))
                refused += told == "0"
        now = time.monotonic()
        for name, known in saves.items():
            found = s3dlio.load_numpy_array(folder / name)
            assert (found == found[0]).all()
            # what is not known was under way when its saver was killed
            if any(save.value == found[0] for save in known):
                check_history(known, int(found[0]), now)
    assert refused, "no two savers met"


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
