from __future__ import annotations

import array
import ctypes
import gc
import mmap
import os
import shutil
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PACKAGE, Base

import s3dlio

NUMBERS = bytes(range(256)) * 40


def crc32c(data: bytes) -> str:
    """The definition, bit by bit: what the library must agree with."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return f"crc32c:{crc ^ 0xFFFFFFFF:08x}"


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 4095, 4096, 4097, 10_240])
def test_put_and_get_of_any_size_give_the_same_bytes(base: Base, size: int) -> None:
    data = NUMBERS[:size]
    assert s3dlio.put_bytes(base.at("a.bin"), data) == crc32c(data)
    found = s3dlio.get(base.at("a.bin"))
    assert isinstance(found, s3dlio.BytesView)
    assert bytes(found) == data
    assert s3dlio.stat(base.at("a.bin"))["size"] == size
    if base.folder is not None:
        assert (base.folder / "a.bin").read_bytes() == data
        assert base.files() == ["a.bin"]


def test_put_of_a_large_object_gives_the_same_bytes(base: Base) -> None:
    data = np.random.default_rng(7).integers(0, 256, (64 << 20) + 7, np.uint8)
    checksum = s3dlio.put_bytes(base.at("large"), data)
    assert s3dlio.stat(base.at("large"))["size"] == data.size
    assert np.array_equal(np.asarray(s3dlio.get(base.at("large"), expected_checksum=checksum)), data)
    middle = (8 << 20) - 3
    assert np.array_equal(np.asarray(s3dlio.get_range(base.at("large"), middle, (24 << 20) + 5)), data[middle : middle + (24 << 20) + 5])
    assert np.array_equal(np.asarray(s3dlio.get_range(base.at("large"), data.size - 9)), data[-9:])


def test_put_over_another_object_replaces_it_whole(base: Base) -> None:
    s3dlio.put_bytes(base.at("a"), b"x" * 10_000, metadata={"first": "1"}, content_type="text/plain")
    s3dlio.put_bytes(base.at("a"), b"y")
    found = s3dlio.stat(base.at("a"))
    assert bytes(s3dlio.get(base.at("a"))) == b"y"
    assert (found["size"], found["metadata"], found["content_type"]) == (1, {}, None)


def test_put_makes_the_directories_above(base: Base) -> None:
    s3dlio.put_bytes(base.at("a/b/c/d"), b"deep")
    assert bytes(s3dlio.get(base.at("a/b/c/d"))) == b"deep"


def test_put_without_overwrite_leaves_the_other_object(base: Base) -> None:
    s3dlio.put_bytes(base.at("a"), b"first", overwrite=False)
    with pytest.raises(s3dlio.AlreadyExistsError, match="overwrite"):
        s3dlio.put_bytes(base.at("a"), b"second", overwrite=False)
    assert bytes(s3dlio.get(base.at("a"))) == b"first"


def together(count: int, work: Any) -> list[Any]:
    """What ``work(i)`` gives or raises in each of so many threads that begin at once."""
    results: list[Any] = [None] * count
    gate = threading.Barrier(count)

    def run(i: int) -> None:
        gate.wait()
        try:
            results[i] = work(i)
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_put_without_overwrite_by_many_threads_has_one_winner(base: Base) -> None:
    for attempt in range(10):
        key = f"race-{attempt}"
        results = together(8, lambda i: s3dlio.put_bytes(base.at(key), bytes([i]) * 5000, overwrite=False))
        winners = [i for i, result in enumerate(results) if isinstance(result, str)]
        assert len(winners) == 1, results
        assert all(isinstance(result, (str, s3dlio.AlreadyExistsError)) for result in results), results
        assert bytes(s3dlio.get(base.at(key))) == bytes([winners[0]]) * 5000
    if base.folder is not None:
        assert len(base.files()) == 10


def test_put_by_many_threads_leaves_one_whole_object(base: Base) -> None:
    results = together(8, lambda i: [s3dlio.put_bytes(base.at("same"), bytes([i]) * 300_000) for _ in range(5)])
    assert all(isinstance(result, list) for result in results), results
    found = bytes(s3dlio.get(base.at("same")))
    assert len(found) == 300_000
    assert len(set(found)) == 1


def test_put_if_match_replaces_the_object_of_that_etag_only(base: Base) -> None:
    s3dlio.put_bytes(base.at("a"), b"first")
    etag = s3dlio.stat(base.at("a"))["etag"]
    s3dlio.put_bytes(base.at("a"), b"other", if_match=etag)
    now = s3dlio.stat(base.at("a"))["etag"]
    assert now != etag
    with pytest.raises(s3dlio.PreconditionError) as caught:
        s3dlio.put_bytes(base.at("a"), b"third", if_match=etag)
    assert etag in str(caught.value)
    assert now in str(caught.value)
    assert bytes(s3dlio.get(base.at("a"))) == b"other"
    with pytest.raises(s3dlio.NotFoundError):
        s3dlio.put_bytes(base.at("nothing"), b"x", if_match=etag)
    assert not s3dlio.exists(base.at("nothing"))


def test_put_if_match_by_many_threads_has_one_winner(base: Base) -> None:
    s3dlio.put_bytes(base.at("a"), b"0")
    for _ in range(10):
        etag = s3dlio.stat(base.at("a"))["etag"]
        results = together(6, lambda i: s3dlio.put_bytes(base.at("a"), b"%d" % i, if_match=etag))
        winners = [i for i, result in enumerate(results) if isinstance(result, str)]
        assert len(winners) == 1, results
        assert all(isinstance(result, (str, s3dlio.PreconditionError)) for result in results), results
        assert bytes(s3dlio.get(base.at("a"))) == b"%d" % winners[0]


def test_put_durable_writes_the_object(base: Base) -> None:
    checksum = s3dlio.put_bytes(base.at("new/folder/a"), NUMBERS, durable=True)
    assert checksum == crc32c(NUMBERS)
    assert bytes(s3dlio.get(base.at("new/folder/a"))) == NUMBERS


def test_put_keeps_metadata_and_content_type(base: Base, recorded: None) -> None:
    metadata = {"epoch": "3", "ключ": '日本 "\n\t\\ 😀', "": "empty name", "empty": ""}
    s3dlio.put_bytes(base.at("a"), b"x", metadata=metadata, content_type="application/x-tensor; v=1")
    found = s3dlio.stat(base.at("a"))
    assert (found["metadata"], found["content_type"]) == (metadata, "application/x-tensor; v=1")


class Reports(list):  # type: ignore[type-arg]
    def __call__(self, done: int, total: int) -> None:
        self.append((done, total))


def test_progress_ends_at_the_whole(base: Base) -> None:
    data = bytes(3 << 20)
    put, got, ranged = Reports(), Reports(), Reports()
    s3dlio.put_bytes(base.at("a"), data, progress=put)
    s3dlio.get(base.at("a"), progress=got)
    s3dlio.get_range(base.at("a"), 5, 1000, progress=ranged)
    for reports, size in ((put, len(data)), (got, len(data)), (ranged, 1000)):
        assert reports[-1] == (size, size)
        assert [done for done, _ in reports] == sorted(done for done, _ in reports)


def test_progress_that_raises_ends_the_call(base: Base) -> None:
    def fail(done: int, total: int) -> None:
        raise LookupError("enough")

    s3dlio.put_bytes(base.at("a"), b"abc")
    with pytest.raises(LookupError, match="enough"):
        s3dlio.get(base.at("a"), progress=fail)
    assert bytes(s3dlio.get(base.at("a"))) == b"abc"


def _mapped() -> mmap.mmap:
    area = mmap.mmap(-1, 4096)
    area[:3] = b"abc"
    return area


STRUCTURED = np.array([(1, 2.5), (3, 4.5)], [("a", "<i4"), ("b", "<f8")])

BUFFERS: dict[str, tuple[Any, bytes]] = {
    "bytes": (b"abc", b"abc"),
    "bytearray": (bytearray(b"abc"), b"abc"),
    "memoryview": (memoryview(b"xabcx")[1:4], b"abc"),
    "array": (array.array("i", [1, -2]), array.array("i", [1, -2]).tobytes()),
    "ctypes": ((ctypes.c_uint16 * 2)(1, 2), b"\1\0\2\0"),
    "mmap": (_mapped(), b"abc" + bytes(4093)),
    "float32": (np.array([1.5, 2], "<f4"), np.array([1.5, 2], "<f4").tobytes()),
    "float16": (np.array([1.5], "<f2"), np.array([1.5], "<f2").tobytes()),
    "big endian": (np.array([1, 2], ">i4"), b"\0\0\0\1\0\0\0\2"),
    "complex": (np.array([1j]), np.array([1j]).tobytes()),
    "bool": (np.array([True, False]), b"\1\0"),
    "dates": (np.array(["2024-01-01"], "M8[s]"), np.array(["2024-01-01"], "M8[s]").tobytes()),
    "text": (np.array(["aé"]), np.array(["aé"]).tobytes()),
    "structured": (STRUCTURED, STRUCTURED.tobytes()),
    "2-d": (np.arange(6, dtype=np.int16).reshape(2, 3), np.arange(6, dtype=np.int16).tobytes()),
    "0-d": (np.array(7, np.uint8), b"\7"),
    "scalar": (np.float64(2), np.float64(2).tobytes()),
    "empty array": (np.zeros((0, 3)), b""),
    "empty bytearray": (bytearray(), b""),
    "void": (np.zeros(3, "V0"), b""),
}


@pytest.mark.parametrize("name", BUFFERS)
def test_put_takes_every_kind_of_buffer(name: str, tmp_path: Path) -> None:
    data, expected = BUFFERS[name]
    s3dlio.put_bytes(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == expected


def test_put_takes_a_bytes_view(base: Base) -> None:
    s3dlio.put_bytes(base.at("a"), NUMBERS)
    s3dlio.put_bytes(base.at("b"), s3dlio.get(base.at("a")))
    assert bytes(s3dlio.get(base.at("b"))) == NUMBERS


def test_put_lets_go_of_the_buffer(tmp_path: Path) -> None:
    data = bytearray(b"abc")
    s3dlio.put_bytes(tmp_path / "a", data)
    data.append(0)  # a BufferError if it were still exported
    area = _mapped()
    s3dlio.put_bytes(tmp_path / "b", area)
    area.close()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("text", "encode"),
        (None, "no buffer"),
        (5, "no buffer"),
        ([1, 2], "no buffer"),
        (np.zeros(6)[::2], "not contiguous"),
        (np.zeros((3, 2)).T, "not contiguous"),
        (memoryview(b"abcdef")[::2], "not contiguous"),
        (np.array([object()]), "Python objects"),
        (np.array([(1, None)], [("a", "i4"), ("b", "O")]), "Python objects"),
    ],
    ids=["str", "None", "int", "list", "strided", "transposed", "strided memoryview", "objects", "objects in fields"],
)
def test_put_refuses_what_is_no_plain_memory(data: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        s3dlio.put_bytes(tmp_path / "a", data)
    assert str(tmp_path / "a") in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_put_of_a_closed_mapping_is_refused(tmp_path: Path) -> None:
    area = _mapped()
    area.close()
    with pytest.raises(s3dlio.InvalidArgumentError, match="closed"):
        s3dlio.put_bytes(tmp_path / "a", area)


@pytest.mark.parametrize(
    "key",
    [
        "a b",
        "%41%2F",
        "a?b#c&d=e",
        "+",
        "~",
        "-rf",
        "日本/語",
        "e\u0301",
        "é",
        "\n",
        "'\"`$(x)",
        ".hidden",
        "a.",
        "...",
        "x" * 200,
        "😀",
        "\x01",
    ],
)
def test_put_under_an_odd_key_is_taken_literally(base: Base, key: str) -> None:
    s3dlio.put_bytes(base.at(key), b"odd")
    assert bytes(s3dlio.get(base.at(key))) == b"odd"
    assert s3dlio.list(base.text(), recursive=True) == [base.text(key)]
    if base.folder is not None:
        assert base.files() == [key]
    s3dlio.delete(base.at(key))
    assert not s3dlio.exists(base.at(key))


def test_get_range_gives_exactly_the_bytes_asked_for(base: Base) -> None:
    s3dlio.put_bytes(base.at("a"), NUMBERS)
    for offset, length in [(0, 0), (0, 1), (1, 4095), (511, 2), (4096, 4096), (len(NUMBERS), 0), (0, len(NUMBERS))]:
        assert bytes(s3dlio.get_range(base.at("a"), offset, length)) == NUMBERS[offset : offset + length]
    assert bytes(s3dlio.get_range(base.at("a"), 10_000)) == NUMBERS[10_000:]
    assert bytes(s3dlio.get_range(base.at("a"), len(NUMBERS))) == b""
    assert bytes(s3dlio.get_range(base.at("a"), np.int64(3), np.uint8(2))) == NUMBERS[3:5]


@pytest.mark.parametrize(("offset", "length"), [(0, 11), (10, 1), (11, None), (11, 0), (5, 2**62), (2**62, 1)])
def test_get_range_beyond_the_end_is_refused(base: Base, offset: int, length: int | None) -> None:
    s3dlio.put_bytes(base.at("a"), b"0123456789")
    with pytest.raises(s3dlio.InvalidArgumentError, match=r"outside .* 10 bytes") as caught:
        s3dlio.get_range(base.at("a"), offset, length)
    assert "/a" in caught.value.uri


@pytest.mark.parametrize(
    ("offset", "length"), [(-1, 1), (0, -1), (2**63, 1), (0, 2**63), (2**64, 3), (0, 2**64 + 3), ("0", 1), (0, "1"), (0.0, 1), (None, 1)]
)
def test_get_range_by_what_is_no_count_is_refused(base: Base, offset: Any, length: Any) -> None:
    s3dlio.put_bytes(base.at("a"), b"0123456789")
    with pytest.raises(s3dlio.InvalidArgumentError, match="offset|length"):
        s3dlio.get_range(base.at("a"), offset, length)


@pytest.mark.parametrize(
    "out", [bytearray(4096), np.zeros(4096, np.uint8), np.zeros((16, 32), "<f8"), memoryview(bytearray(5000))[7:4103], _mapped()]
)
def test_get_range_into_memory_fills_it(base: Base, out: Any) -> None:
    s3dlio.put_bytes(base.at("a"), NUMBERS)
    found = s3dlio.get_range(base.at("a"), 3, out=out)
    assert memoryview(out).cast("B") == NUMBERS[3:4099]
    assert bytes(found) == NUMBERS[3:4099]
    flat = np.frombuffer(out, np.uint8)
    flat[0] ^= 255
    assert found[0] == flat[0], "the result is a view of out"
    assert memoryview(found).readonly


def test_get_range_into_memory_fills_dates(tmp_path: Path) -> None:
    dates = np.array(["2024-01-01", "1969-07-20"], "M8[s]")
    s3dlio.put_bytes(tmp_path / "a", dates)
    out = np.zeros_like(dates)
    s3dlio.get_range(tmp_path / "a", 0, out=out)
    assert np.array_equal(out, dates)


@pytest.mark.parametrize(
    ("out", "length", "words"),
    [
        (b"abc", 3, "read-only"),
        (b"", 0, "read-only"),
        (np.float64(0), 8, "read-only"),
        (bytearray(4), 3, "4 bytes"),
        (np.zeros(8, np.uint8)[::2], 4, "not contiguous"),
        ([0, 0], 2, "no buffer"),
    ],
)
def test_get_range_into_what_does_not_fit_is_refused(tmp_path: Path, out: Any, length: int, words: str) -> None:
    s3dlio.put_bytes(tmp_path / "a", b"0123456789")
    with pytest.raises(s3dlio.InvalidArgumentError, match=words):
        s3dlio.get_range(tmp_path / "a", 0, length, out=out)


def test_get_keeps_the_bytes_after_the_object_went(base: Base) -> None:
    s3dlio.put_bytes(base.at("a"), NUMBERS)
    part = s3dlio.get(base.at("a"))[100:200][::3]
    s3dlio.put_bytes(base.at("a"), b"other")
    s3dlio.delete(base.at("a"))
    gc.collect()
    assert bytes(part) == NUMBERS[100:200:3]


def test_get_frees_the_memory(tmp_path: Path) -> None:
    size = 64 << 20
    s3dlio.put_bytes(tmp_path / "a", np.zeros(size, np.uint8))
    for _ in range(3):
        s3dlio.get(tmp_path / "a")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

    before = resident()
    for _ in range(10):
        assert len(s3dlio.get(tmp_path / "a")) == size
    assert resident() - before < 2 * size


def test_get_compares_with_the_checksum_expected(base: Base) -> None:
    checksum = s3dlio.put_bytes(base.at("a"), b"123456789")
    assert checksum == "crc32c:e3069283"
    assert bytes(s3dlio.get(base.at("a"), expected_checksum=checksum)) == b"123456789"
    with pytest.raises(s3dlio.ChecksumMismatchError) as caught:
        s3dlio.get(base.at("a"), expected_checksum="crc32c:00000001")
    assert "crc32c:00000001" in str(caught.value)
    assert checksum in str(caught.value)
    assert bytes(s3dlio.get_range(base.at("a"), 1, 3, expected_checksum=crc32c(b"234"))) == b"234"
    with pytest.raises(s3dlio.ChecksumMismatchError, match="crc32c:00000001"):
        s3dlio.get_range(base.at("a"), 1, 3, expected_checksum="crc32c:00000001")


def test_stat_tells_size_time_and_checksum(base: Base) -> None:
    before = datetime.now(timezone.utc)
    checksum = s3dlio.put_bytes(base.at("a"), NUMBERS)
    found = s3dlio.stat(base.at("a"))
    assert found["size"] == len(NUMBERS)
    assert abs(datetime.fromisoformat(found["last_modified"]) - before) < timedelta(seconds=30)
    assert found["etag"]
    if base.kind == "memory" or "user.s3dlio.crc32c" in os.listxattr(base.folder / "a"):  # type: ignore[operator]
        assert found["checksum"] == checksum
    assert set(found) == {
        "size", "last_modified", "etag", "content_type", "content_language", "content_encoding", "cache_control",
        "content_disposition", "expires", "storage_class", "server_side_encryption", "ssekms_key_id",
        "sse_customer_algorithm", "version_id", "replication_status", "metadata", "checksum",
        "attributes",
    }  # fmt: skip


def test_stat_of_a_file_that_others_wrote_has_no_checksum(file_base: Base) -> None:
    assert file_base.folder is not None
    (file_base.folder / "a").write_bytes(b"abc")
    found = s3dlio.stat(file_base.at("a"))
    assert (found["size"], found["checksum"], found["metadata"]) == (3, None, {})
    assert bytes(s3dlio.get(file_base.at("a"))) == b"abc"


def test_exists_knows_objects_and_prefixes(base: Base) -> None:
    s3dlio.put_bytes(base.at("run1/a"), b"")
    assert s3dlio.exists(base.at("run1/a"))
    assert s3dlio.exists(base.at("run1"))
    assert s3dlio.exists(base.text("run1/"))
    assert not s3dlio.exists(base.at("run"))
    assert not s3dlio.exists(base.at("run1/a/b"))
    assert not s3dlio.exists(base.at("nothing/at/all"))


def test_delete_of_a_prefix_spares_its_longer_neighbours(base: Base) -> None:
    for key in ("run1/a", "run1/b/c", "run1/b/d", "run10/a", "run1.txt", "run"):
        s3dlio.put_bytes(base.at(key), b"x")
    assert s3dlio.delete(base.at("run1"), recursive=True) == 3
    assert s3dlio.list(base.text(), recursive=True) == [base.text(key) for key in ("run", "run1.txt", "run10/a")]
    assert s3dlio.delete(base.at("run1"), recursive=True) == 0
    if base.folder is not None:
        assert not (base.folder / "run1").exists()
    assert s3dlio.delete(base.at("run1.txt"), recursive=True) == 1


def test_delete_of_one_object_leaves_the_others(base: Base) -> None:
    s3dlio.put_bytes(base.at("d/a"), b"x")
    s3dlio.put_bytes(base.at("d/b"), b"x")
    assert s3dlio.delete(base.at("d/a")) == 1
    assert s3dlio.list(base.text(), recursive=True) == [base.text("d/b")]
    with pytest.raises(s3dlio.NotFoundError):
        s3dlio.delete(base.at("d/a"))


def test_delete_of_everything_does_not_follow_links(file_base: Base, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert file_base.folder is not None
    other = tmp_path_factory.mktemp("other")
    (other / "precious").write_bytes(b"x")
    s3dlio.put_bytes(file_base.at("run/a"), b"x")
    (file_base.folder / "run" / "folder").symlink_to(other)
    (file_base.folder / "run" / "file").symlink_to(other / "precious")
    s3dlio.delete(file_base.at("run"), recursive=True)
    assert (other / "precious").read_bytes() == b"x"
    assert not (file_base.folder / "run" / "a").exists()


def test_copy_takes_bytes_metadata_and_checksum(base: Base, recorded: None) -> None:
    checksum = s3dlio.put_bytes(base.at("a"), NUMBERS, metadata={"k": "v"}, content_type="text/plain")
    assert s3dlio.copy(base.at("a"), base.at("d/b")) == checksum
    found = s3dlio.stat(base.at("d/b"))
    assert bytes(s3dlio.get(base.at("d/b"))) == NUMBERS
    assert (found["checksum"], found["metadata"], found["content_type"]) == (checksum, {"k": "v"}, "text/plain")
    assert bytes(s3dlio.get(base.at("a"))) == NUMBERS


def test_copy_between_stores_takes_bytes_metadata_and_checksum(base: Base, recorded: None) -> None:
    other = Base("memory", None)
    data = bytes(9 << 20) + b"end"
    checksum = s3dlio.put_bytes(base.at("a"), data, metadata={"k": "v"})
    assert s3dlio.copy(base.at("a"), other.at("b")) == checksum
    assert s3dlio.copy(other.at("b"), base.at("c")) == checksum
    assert bytes(s3dlio.get(base.at("c"))) == data
    assert s3dlio.stat(base.at("c"))["metadata"] == {"k": "v"}


def test_copy_over_itself_changes_nothing(base: Base) -> None:
    s3dlio.put_bytes(base.at("a"), NUMBERS)
    s3dlio.copy(base.at("a"), base.at("a"))
    s3dlio.rename(base.at("a"), base.at("a"))
    assert bytes(s3dlio.get(base.at("a"))) == NUMBERS


@pytest.mark.parametrize("move", [s3dlio.copy, s3dlio.rename])
def test_move_without_overwrite_leaves_both(base: Base, move: Any) -> None:
    for target in (base, Base("memory", None)):
        s3dlio.put_bytes(base.at("a"), b"source")
        s3dlio.put_bytes(target.at("b"), b"target")
        with pytest.raises(s3dlio.AlreadyExistsError):
            move(base.at("a"), target.at("b"), overwrite=False)
        assert bytes(s3dlio.get(base.at("a"))) == b"source"
        assert bytes(s3dlio.get(target.at("b"))) == b"target"
        assert move(base.at("a"), target.at("c"), overwrite=False) == crc32c(b"source")


@pytest.mark.parametrize("move", [s3dlio.copy, s3dlio.rename])
def test_move_of_nothing_is_an_error_and_makes_nothing(base: Base, move: Any) -> None:
    with pytest.raises(s3dlio.NotFoundError, match="nothing"):
        move(base.at("nothing"), base.at("b"))
    assert s3dlio.list(base.text(), recursive=True) == []


def test_rename_moves_the_object(base: Base) -> None:
    checksum = s3dlio.put_bytes(base.at("a"), NUMBERS)
    assert s3dlio.rename(base.at("a"), base.at("d/b")) == checksum
    assert not s3dlio.exists(base.at("a"))
    assert bytes(s3dlio.get(base.at("d/b"))) == NUMBERS
    other = Base("memory", None)
    s3dlio.rename(base.at("d/b"), other.at("c"))
    assert not s3dlio.exists(base.at("d/b"))
    assert bytes(s3dlio.get(other.at("c"))) == NUMBERS


MOUNTED_TWICE = """
import errno, os, sys
import s3dlio

first, second = sys.argv[1:]
with open(first + "/x", "wb") as file:
    file.write(b"precious" * 1000)
try:
    os.rename(first + "/x", second + "/x")
except OSError as error:
    assert error.errno == errno.EXDEV, error
before = os.stat(first + "/x")
for move in (s3dlio.rename, s3dlio.copy):
    for one, other in ((first, second), (second, first)):
        for scheme in ("file", "direct"):
            move(f"{one}/x", f"{scheme}://{other}/x", storage_options={"direct_fallback": True} if scheme == "direct" else None)
            now = os.stat(first + "/x")
            assert (now.st_ino, now.st_mtime_ns, now.st_size) == (before.st_ino, before.st_mtime_ns, 8000), (move, one, scheme)
with open(first + "/x", "rb") as file:
    assert file.read() == b"precious" * 1000
assert sorted(os.listdir(first)) == ["x"]
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare to mount a directory twice")
def test_move_between_two_mounts_of_one_directory_changes_nothing(tmp_path: Path) -> None:
    first, second, script = tmp_path / "first", tmp_path / "second", tmp_path / "script.py"
    first.mkdir()
    second.mkdir()
    script.write_text(MOUNTED_TWICE)
    # rename(2) says EXDEV between mounts; the namespace, and with it the mount, ends with the process
    mounted = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            'mount --bind "$3" "$4" || exit 77; exec "$1" "$2" "$3" "$4"',
            "sh",
            sys.executable,
            script,
            first,
            second,
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        timeout=120,
        check=False,
    )
    # unshare tells of itself: no rights, or a root directory that is no mount
    if mounted.returncode == 77 or mounted.stderr.startswith("unshare: "):
        pytest.skip(f"nothing may be mounted here: {mounted.stderr.strip()}")
    assert (mounted.returncode, mounted.stderr) == (0, ""), mounted.stderr


def test_mkdir_makes_what_is_missing(base: Base) -> None:
    s3dlio.mkdir(base.at("a/b/c"))
    s3dlio.mkdir(base.at("a/b/c"))
    s3dlio.mkdir(base.text("d/"))
    if base.folder is not None:
        assert (base.folder / "a" / "b" / "c").is_dir()
        assert (base.folder / "d").is_dir()
        assert s3dlio.exists(base.at("a/b"))
        assert s3dlio.list(base.text(), recursive=True) == []
