"""Reads that give checked bytes or none: every backend, plain and compressed, whole and in part."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Base
from test_streams import MIB, noise, text, write

import s3dlio
from s3dlio._core import _calls, _native

DAMAGE = (s3dlio.ChecksumMismatchError, s3dlio.InvalidDataError)


@pytest.fixture(params=["uri", "direct", "memory", "s3", "s3_old", "azure"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[Base, dict[str, Any]]]:
    """A place of its own on each backend, with its storage options; what was put there is gone afterwards."""
    if request.param in ("s3", "s3_old", "azure"):
        import servers_fixture

        uri, options = getattr(servers_fixture, f"{request.param}_server")()
        base = Base("memory", None)
        base.uri = f"{uri}/{base.uri.removeprefix('memory://')}"
        yield base, {"storage_options": options}
        s3dlio.delete(base.uri, recursive=True, storage_options=options)
        return
    folder = {"uri": "tmp_path", "direct": "disk"}.get(request.param)
    yield Base(request.param, None if folder is None else request.getfixturevalue(folder)), {}


def ranges(length: int, seed: int, count: int) -> Iterator[tuple[int, int]]:
    dice = random.Random(seed)
    yield from ((0, 0), (0, length), (length, 0), (length - 1, 1), (0, 1))
    for _ in range(count):
        offset = dice.randrange(length)
        yield offset, dice.choice([1, 100, 70_000, length]) if dice.random() < 0.5 else dice.randrange(length - offset)


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
@pytest.mark.parametrize("length", [1000, 3 * MIB + 5, 20 * MIB + 7])
def test_validated_reads_give_what_was_written(place: tuple[Base, dict[str, Any]], length: int, compress: bool) -> None:
    base, options = place
    data = text(length // 2) + noise(length - length // 2)
    if compress:
        checksum = write(base.text("v"), data, True, **options)["raw_checksum"]
    else:
        checksum = s3dlio.put_bytes(base.text("v"), data, **options)
    assert bytes(s3dlio.get_with_validation(base.text("v"), **options)) == data
    assert bytes(s3dlio.get_with_validation(base.text("v"), checksum, **options)) == data
    with pytest.raises(s3dlio.ChecksumMismatchError, match=f"/v.*crc32c:00000000 expected, {checksum} found") as caught:
        s3dlio.get_with_validation(base.text("v"), "crc32c:00000000", **options)
    assert caught.value.offset == 0
    for offset, count in ranges(length, length, 6):
        count = min(count, length - offset)
        part = data[offset : offset + count]
        assert bytes(s3dlio.get_range_with_validation(base.text("v"), offset, count, **options)) == part
        known = s3dlio.put_bytes("memory://sums/v", part)
        assert bytes(s3dlio.get_range_with_validation(base.text("v"), offset, count, known, **options)) == part
        with pytest.raises(s3dlio.ChecksumMismatchError, match=f"{known} found"):
            s3dlio.get_range_with_validation(base.text("v"), offset, count, "crc32c:12345678", **options)
    assert bytes(s3dlio.get_range_with_validation(base.text("v"), length - 5, **options)) == data[-5:]
    with pytest.raises(s3dlio.InvalidArgumentError, match="outside"):
        s3dlio.get_range_with_validation(base.text("v"), length, 1, **options)


def test_validated_read_of_a_damaged_file_gives_nothing(tmp_path: Path, recorded: None) -> None:
    data = noise(3 * MIB)
    s3dlio.put_bytes(tmp_path / "d", data)
    for at in (0, 1_000_000, len(data) - 1):
        with open(tmp_path / "d", "r+b") as file:
            file.seek(at)
            file.write(bytes([data[at] ^ 1]))
        with pytest.raises(s3dlio.ChecksumMismatchError, match=r"/d: at byte 0: .*crc32c:\w{8} recorded .* crc32c:\w{8} found"):
            s3dlio.get_with_validation(tmp_path / "d")
        # a file has one checksum: a range is judged by all of it, wherever the damage is
        for offset, count in ((0, 10), (at, 1), (2 * MIB, MIB)):
            with pytest.raises(s3dlio.ChecksumMismatchError):
                s3dlio.get_range_with_validation(tmp_path / "d", offset, count)
        assert bytes(s3dlio.get_range(tmp_path / "d", 10, 3)) == data[10:13]
        with open(tmp_path / "d", "r+b") as file:
            file.seek(at)
            file.write(data[at : at + 1])
    assert bytes(s3dlio.get_range_with_validation(tmp_path / "d", 5, 7)) == data[5:12]


def test_damage_of_a_compressed_object_is_told_by_the_ranges_that_touch_it(tmp_path: Path) -> None:
    data = text(10 * MIB)
    uri = write(tmp_path / "z", data, True)["uri"]
    stored = bytearray(Path(uri).read_bytes())
    # in the second of three frames of 4 MiB
    stored[len(stored) // 2] ^= 8
    s3dlio.put_bytes(uri, stored)
    assert bytes(s3dlio.get_range_with_validation(tmp_path / "z", 0, 4 * MIB)) == data[: 4 * MIB]
    assert bytes(s3dlio.get_range_with_validation(tmp_path / "z", 9 * MIB, MIB)) == data[9 * MIB :]
    for offset, count in ((4 * MIB, 1), (3 * MIB, 3 * MIB), (8 * MIB - 1, 10), (0, 10 * MIB)):
        with pytest.raises(
            s3dlio.ChecksumMismatchError, match=r"z\.zst: at byte \d+: frame 1.*crc32c:\w{8} recorded.*crc32c:\w{8} found"
        ) as caught:
            s3dlio.get_range_with_validation(tmp_path / "z", offset, count)
        assert caught.value.offset is not None and 0 < caught.value.offset < len(stored)
    with pytest.raises(s3dlio.ChecksumMismatchError, match="frame 1"):
        s3dlio.get_with_validation(tmp_path / "z")


def test_nothing_is_recorded_so_nothing_is_given(tmp_path: Path) -> None:
    data = noise(2 * MIB)
    (tmp_path / "foreign").write_bytes(data)
    for read in (
        lambda **more: s3dlio.get_with_validation(tmp_path / "foreign", **more),
        lambda **more: s3dlio.get_range_with_validation(tmp_path / "foreign", 0, len(data), **more),
    ):
        with pytest.raises(s3dlio.NoChecksumError, match="foreign.*no checksum is recorded.*expected_checksum"):
            read()
        assert bytes(read(expected_checksum=s3dlio.put_bytes("memory://sums/f", data))) == data
    with pytest.raises(s3dlio.NoChecksumError):
        s3dlio.get_range_with_validation(tmp_path / "foreign", 5, 5)
    with pytest.raises(s3dlio.NoChecksumError):
        s3dlio.get_range_with_validation(tmp_path / "foreign", 5, 0)
    assert (
        bytes(s3dlio.get_range_with_validation(tmp_path / "foreign", 5, 5, s3dlio.put_bytes("memory://sums/g", data[5:10]))) == data[5:10]
    )
    assert bytes(s3dlio.get(tmp_path / "foreign")) == data


def test_twins_and_stores_have_them_too(tmp_path: Path) -> None:
    store = s3dlio.Store(tmp_path)
    checksum = store.put_bytes("a", b"0123456789")

    async def read() -> tuple[bytes, bytes, bytes]:
        whole = await s3dlio.get_with_validation_async(tmp_path / "a", checksum, timeout=30)
        part = await s3dlio.get_range_with_validation_async(tmp_path / "a", 2, 3)
        return bytes(whole), bytes(part), bytes(await store.get_with_validation_async("a"))

    assert asyncio.run(read()) == (b"0123456789", b"234", b"0123456789")
    assert bytes(store.get_with_validation("a", checksum)) == b"0123456789"
    assert bytes(store.get_range_with_validation("a", 8, 2)) == b"89"


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
def test_a_flipped_byte_on_each_backend_is_found(place: tuple[Base, dict[str, Any]], compress: bool) -> None:
    """Every byte of a small object, random ones of a large: stored as copies, and read against what the first writer recorded or said."""
    base, options = place
    for data, places in ((text(300) + noise(60), None), (text(5 * MIB) + noise(5 * MIB), 4)):
        if compress:
            done = write(base.text("f"), data, True, **options)
            uri, checksum = done["uri"], done["checksum"]
        else:
            uri, checksum = base.text("f"), s3dlio.put_bytes(base.text("f"), data, **options)
        stored = bytes(s3dlio.get(uri, **options))
        copies = {}
        for at in random.Random(1).sample(range(len(stored)), places) if places else range(len(stored)):
            flipped = bytearray(stored)
            flipped[at] ^= 1 << (at % 8)
            copies[base.text(f"flipped/{at}.zst" if compress else f"flipped/{at}")] = flipped
        # what the store records is then right: only the object itself, or who knows its checksum, can tell
        s3dlio.put_many(list(copies.items()), **options)
        if compress:
            assert asyncio.run(untold(copies, None, DAMAGE, options)) == []
        assert asyncio.run(untold(copies, checksum, (s3dlio.ChecksumMismatchError,), options | {"decompress": False})) == []
        s3dlio.delete(base.text("flipped/"), recursive=True, **options)


async def untold(uris: Iterable[str], checksum: str | None, damage: tuple[type[Exception], ...], options: dict[str, Any]) -> list[str]:
    """Those whose damage was not told, many read at a time."""
    turns = asyncio.Semaphore(32)

    async def is_told(uri: str) -> bool:
        async with turns:
            try:
                await s3dlio.get_with_validation_async(uri, checksum, **options)
            except damage as error:
                return uri in str(error)
            return False

    uris = list(uris)
    told = await asyncio.gather(*(is_told(uri) for uri in uris))
    return [uri for uri, found in zip(uris, told, strict=True) if not found]


def test_every_byte_flipped_in_place_is_found(file_base: Base, recorded: None) -> None:
    """As a failing disk does it: below the record that the file system keeps."""
    assert file_base.folder is not None
    data = noise(5000)
    s3dlio.put_bytes(file_base.text("p"), data)
    handle = os.open(file_base.folder / "p", os.O_RDWR)
    try:
        for at in range(len(data)):
            os.pwrite(handle, bytes([data[at] ^ 0x80]), at)
            with pytest.raises(s3dlio.ChecksumMismatchError):
                s3dlio.get(file_base.text("p"))
            os.pwrite(handle, data[at : at + 1], at)
    finally:
        os.close(handle)
    assert bytes(s3dlio.get(file_base.text("p"))) == data


def test_get_many_decompresses_and_keeps_failures_apart(place: tuple[Base, dict[str, Any]]) -> None:
    base, options = place
    datas = [text(100_000 * (i + 1), i) for i in range(6)]
    for i, data in enumerate(datas):
        write(base.text(f"m{i}"), data, i % 2 == 0, **options)
    uris = [base.text(f"m{i}") for i in range(6)]
    assert [bytes(view) for _, view in s3dlio.get_many(uris, decompress="auto", **options)] == datas
    with pytest.raises(s3dlio.BulkError) as caught:
        s3dlio.get_many([*uris, base.text("none")], decompress="auto", **options)
    assert list(caught.value.failures) == [base.text("none")] and len(caught.value.results) == 6
    found = s3dlio.get_many([base.text("m0.zst"), base.text("m1")], **options)
    assert bytes(found[0][1])[:4] == b"\x28\xb5\x2f\xfd" and bytes(found[1][1]) == datas[1]
    with pytest.raises(s3dlio.InvalidArgumentError, match="decompress"):
        s3dlio.get_many(uris, decompress="perhaps", **options)


def test_progress_and_bars_of_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.arange(1 << 21)
    checksum = s3dlio.put_bytes(tmp_path / "p", data)
    seen: list[tuple[int, int]] = []
    s3dlio.get_with_validation(tmp_path / "p", checksum, progress=lambda *counts: seen.append(counts))
    assert seen[-1] == (data.nbytes, data.nbytes)
    with s3dlio.open(tmp_path / "s", "wb", compress=True, progress=lambda *counts: seen.append(counts)) as file:
        file.write(data)
        assert seen[-1] == (data.nbytes, -1)
    assert seen[-1] == (data.nbytes, data.nbytes)
    with s3dlio.open(tmp_path / "s", progress=lambda *counts: seen.append(counts)) as file:
        file.read(100)
        assert seen[-1] == (100, data.nbytes)
    # bars, with a tqdm of the test's own where none is installed
    bars: list[Any] = []

    class Bar:
        def __init__(self, **named: Any) -> None:
            self.total, self.n, self.named, self.closed = None, 0, named, False
            bars.append(self)

        def update(self, count: int) -> None:
            self.n += count

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            self.closed = True

    import sys
    import types

    module = types.ModuleType("tqdm.auto")
    module.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    s3dlio.get(tmp_path / "p", progress=True)
    s3dlio.save_numpy_array(tmp_path / "a", data, progress=True)
    s3dlio.load_numpy_array(tmp_path / "a", progress=True)
    with s3dlio.open(tmp_path / "b", "wb", progress=True) as file:
        file.write(data)
    with s3dlio.open(tmp_path / "b", progress=True) as file:
        file.read()
    s3dlio.get_many([tmp_path / "a", tmp_path / "b"], progress=True)
    assert [bar.named["desc"] for bar in bars] == ["get", "save", "load", "write", "read", "get"]
    assert all(bar.closed and bar.n == bar.total for bar in bars)
    assert [bar.n for bar in bars] == [data.nbytes, data.nbytes + 128, data.nbytes, data.nbytes, data.nbytes, 2]


def test_arrays_are_checked_or_refused_where_that_is_demanded(tmp_path: Path) -> None:
    plain, recorded = tmp_path / "plain.npy", tmp_path / "recorded.npy"
    array = np.arange(1000)
    np.save(plain, array)
    s3dlio.save_numpy_array(str(recorded), array)
    out = np.zeros_like(array)
    with pytest.raises(s3dlio.NoChecksumError):
        s3dlio.load_numpy_array(str(plain), validate_checksum=True, out=out)
    assert not out.any()
    assert np.array_equal(s3dlio.load_numpy_array(str(plain)), array)
    assert np.array_equal(s3dlio.load_numpy_array(str(recorded), validate_checksum=True), array)
    for name, (kind, at) in {"a": ("array", 0), "t": ("tensors", 0)}.items():
        # the option of the C ABI, for both kinds of files
        path = tmp_path / f"{name}.bin"
        if kind == "array":
            np.save(path.open("wb"), array)
        else:
            s3dlio.save_tensors(str(path), {"w": array}, checksums=False)
            path.write_bytes(path.read_bytes())
            for attribute in os.listxattr(path):
                os.removexattr(path, attribute)
        store, key = _native.open_store("file:///", {}), str(path)[1:].encode()
        file = _calls.run(f"{kind}_open", store, key, len(key))["file"]
        memory = np.zeros_like(array)
        address, options = memory.__array_interface__["data"][0], _native.options({"require_validation": True})
        arguments = [address, memory.nbytes] if kind == "array" else [_native.tensor_reads([(address, memory.nbytes, at)]), 1]
        with pytest.raises(s3dlio.NoChecksumError):
            _calls.run(f"{kind}_read", file, *arguments, options, keep=memory)
        _calls.run(f"{kind}_read", file, *arguments, None, keep=memory)
        assert np.array_equal(memory, array)
