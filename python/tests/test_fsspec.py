"""The file systems for fsspec, beyond what fsspec's own suite looks at."""

from __future__ import annotations

import asyncio
import datetime
import io
import os
import pickle
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boto3_side import boto3_client
from conftest import CHECKOUT, IN_CHILD, Child, keeps_attributes
from servers_fixture import azure_server, s3_moto_server, s3_server

fsspec = pytest.importorskip("fsspec", reason="no fsspec")
if not hasattr(pytest.importorskip("fsspec.tests.abstract", reason="a fsspec older than those that are supported"), "AbstractPipeTests"):
    pytest.skip("a fsspec older than those that are supported", allow_module_level=True)

import s3dlio  # noqa: E402
import s3dlio.fsspec as ours  # noqa: E402


class Place:
    """A file system and a directory of this test's own in it."""

    def __init__(self, fs: Any, path: str) -> None:
        self.fs = fs
        self.path = path

    def at(self, name: str) -> str:
        return f"{self.path}/{name}"


def _served(kind: Any, server: Callable[[], tuple[str, dict[str, Any]]]) -> Place:
    uri, options = server()
    return Place(kind(**options), f"{uri.partition('://')[2]}/{uuid.uuid4()}")


@pytest.fixture(params=["memory", "file", "s3", "moto", "azure"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "file":
        yield Place(ours.PosixFileSystem(), str(tmp_path))
        return
    made = {
        "memory": lambda: Place(ours.MemoryFileSystem(), str(uuid.uuid4())),
        "s3": lambda: _served(ours.S3FileSystem, s3_server),
        "moto": lambda: _served(ours.S3FileSystem, s3_moto_server),
        "azure": lambda: _served(ours.AzureFileSystem, azure_server),
    }[request.param]()
    yield made
    if made.fs.exists(made.path):
        made.fs.rm(made.path, recursive=True)


SLICES = [
    (None, None),
    (0, 4),
    (3, 7),
    (3, None),
    (None, 5),
    (-4, None),
    (-4, -1),
    (2, -2),
    (0, 100),
    (9, 100),
    (10, 20),
    (12, 20),
    (-100, 3),
    (5, 5),
    (7, 3),
    (0, -10),
]


@pytest.mark.parametrize(("start", "end"), SLICES)
def test_cat_file_gives_what_a_slice_gives(place: Place, start: int | None, end: int | None) -> None:
    data = b"0123456789"
    place.fs.pipe_file(place.at("ten"), data)
    assert place.fs.cat_file(place.at("ten"), start, end) == data[start:end]
    assert asyncio.run(place.fs._cat_file(place.at("ten"), start, end)) == data[start:end]


def test_cat_ranges_gives_slices_and_failures_in_their_order(place: Place) -> None:
    place.fs.pipe({place.at("a"): b"abcdef", place.at("b"): b"ghijkl"})
    asked = [place.at("b"), place.at("gone"), place.at("a"), place.at("a")]
    found = place.fs.cat_ranges(asked, [0, 0, -2, 1], [2, 2, None, 3])
    assert found[0] == b"gh" and found[2:] == [b"ef", b"bc"]
    assert isinstance(found[1], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        place.fs.cat_ranges(asked, [0] * 4, [2] * 4, on_error="raise")
    assert place.fs.cat_ranges(asked[:1], 1, 3) == [b"hi"]
    awaited = asyncio.run(place.fs._cat_ranges(asked, [0, 0, -2, 1], [2, 2, None, 3]))
    assert awaited[0] == b"gh" and awaited[2:] == [b"ef", b"bc"] and isinstance(awaited[1], FileNotFoundError)


def test_what_is_missing_raises_the_builtin_of_the_standard_library(place: Place) -> None:
    fs, gone = place.fs, place.at("gone")
    for call in (
        fs.info,
        fs.cat_file,
        fs.rm_file,
        fs.ls,
        fs.open,
        fs.size,
        lambda path: fs.rm(path, recursive=True),
        lambda path: fs.cp_file(path, place.at("x")),
    ):
        with pytest.raises(FileNotFoundError):
            call(gone)
    assert not fs.exists(gone) and not fs.isfile(gone) and not fs.isdir(gone)
    assert fs.find(gone) == [] and fs.glob(gone) == []
    fs.pipe_file(place.at("there"), b"1")
    with pytest.raises(FileExistsError):
        fs.open(place.at("there"), "xb")
    with pytest.raises(FileExistsError):
        fs.pipe_file(place.at("there"), b"2", mode="create")
    assert fs.cat_file(place.at("there")) == b"1"


def test_exclusive_writers_that_race_leave_one_winner(place: Place) -> None:
    first, second = place.fs.open(place.at("x"), "xb"), place.fs.open(place.at("x"), "xb")
    first.write(b"first")
    second.write(b"second")
    first.close()
    if "moto" in os.environ.get("PYTEST_CURRENT_TEST", ""):
        # moto completes what should fail
        second.discard()
    else:
        with pytest.raises(FileExistsError):
            second.close()
    assert place.fs.cat_file(place.at("x")) == b"first"


def test_info_tells_size_type_and_version(place: Place) -> None:
    path = place.at("d/o")
    place.fs.pipe_file(path, b"abc")
    found = place.fs.info(path)
    assert (found["name"], found["size"], found["type"]) == (path, 3, "file")
    assert found["ETag"] and isinstance(found["LastModified"], datetime.datetime)
    assert place.fs.modified(path) == found["LastModified"]
    before = place.fs.ukey(path), place.fs.checksum(path)
    assert before == (place.fs.ukey(path), place.fs.checksum(path))
    time.sleep(0.01)
    place.fs.pipe_file(path, b"abd")
    assert before[0] != place.fs.ukey(path) and before[1] != place.fs.checksum(path)
    assert place.fs.info(place.at("d")) == {"name": place.at("d"), "size": 0, "type": "directory"}
    assert place.fs.info(place.fs.unstrip_protocol(path))["name"] == path


def test_listings_are_never_old(place: Place) -> None:
    fs = place.fs
    fs.pipe_file(place.at("d/a"), b"1")
    assert fs.ls(place.at("d"), detail=False) == [place.at("d/a")]
    # as another program would
    where = fs._operations.at(place.at("d/b"))
    s3dlio.put(where, b"22")
    assert fs.ls(place.at("d"), detail=False) == [place.at("d/a"), place.at("d/b")]
    assert fs.exists(place.at("d/b"))
    s3dlio.put(where, b"333")
    assert fs.size(place.at("d/b")) == 3 and fs.cat_file(place.at("d/b")) == b"333"
    s3dlio.delete(where)
    assert not fs.exists(place.at("d/b")) and fs.find(place.path) == [place.at("d/a")]


def test_listing_walking_and_finding_agree(place: Place) -> None:
    fs = place.fs
    names = ["a", "b/c", "b/d/e", "b2", "f/g"]
    fs.pipe({place.at(name): b"x" for name in names})
    assert fs.find(place.path) == sorted(map(place.at, names))
    assert sorted(fs.find(place.path, withdirs=True)) == sorted([place.path, *map(place.at, [*names, "b", "b/d", "f"])])
    assert fs.find(place.path, maxdepth=1) == [place.at("a"), place.at("b2")]
    assert fs.find(place.at("b")) == [place.at("b/c"), place.at("b/d/e")]
    assert fs.find(place.at("a")) == [place.at("a")]
    walked = {(folder, name) for folder, _, files in fs.walk(place.path) for name in files}
    assert {f"{folder}/{name}" for folder, name in walked} == set(map(place.at, names))
    assert fs.glob(place.at("b*")) == [place.at("b"), place.at("b2")]
    assert fs.glob(place.at("**/e")) == [place.at("b/d/e")]
    assert fs.du(place.path) == 5
    assert asyncio.run(fs._find(place.path)) == sorted(map(place.at, names))
    assert asyncio.run(fs._glob(place.at("b*"))) == [place.at("b"), place.at("b2")]
    assert sorted(asyncio.run(fs._ls(place.path, detail=False))) == list(map(place.at, ["a", "b", "b2", "f"]))


def test_names_that_are_patterns_or_odd_are_found(place: Place) -> None:
    names = ["a b", "ä", "%20", "x+y", "q#1", "[1]", "s*"]
    for name in names:
        place.fs.pipe_file(place.at(name), name.encode())
    for name in names:
        assert place.fs.cat_file(place.at(name)) == name.encode()
        assert place.fs.isfile(place.at(name))
    assert place.fs.ls(place.path, detail=False) == sorted(map(place.at, names))


def test_rm_takes_whole_names(place: Place) -> None:
    fs = place.fs
    fs.pipe({place.at(name): b"" for name in ("run1/a", "run1/b/c", "run10/a", "one", "two")})
    with pytest.raises(IsADirectoryError):
        fs.rm(place.at("run1"))
    fs.rm(place.at("run1"), recursive=True)
    assert fs.find(place.path) == [place.at("one"), place.at("run10/a"), place.at("two")]
    fs.rm([place.at("one"), place.at("two")])
    asyncio.run(fs._rm(place.at("run10"), recursive=True))
    assert fs.find(place.path) == []


def test_mv_moves_and_copies_nothing_else(place: Place) -> None:
    fs = place.fs
    fs.pipe({place.at("a"): b"1", place.at("t/x"): b"2", place.at("t/y/z"): b"3"})
    fs.mv(place.at("a"), place.at("b"))
    assert not fs.exists(place.at("a")) and fs.cat_file(place.at("b")) == b"1"
    fs.mv(place.at("t"), place.at("u"), recursive=True)
    assert fs.find(place.path) == [place.at("b"), place.at("u/x"), place.at("u/y/z")]


def test_cat_takes_objects_that_are_named_as_directories() -> None:
    name = f"{uuid.uuid4()}/t"
    fs = ours.MemoryFileSystem()
    fs.pipe({f"{name}/a": b"1", f"{name}/a/b": b"2"})
    wanted = {f"{name}/a": b"1", f"{name}/a/b": b"2"}
    assert fs.cat(name, recursive=True) == wanted == asyncio.run(fs._cat(name, recursive=True))
    assert fs.cat([f"{name}/a"]) == {f"{name}/a": b"1"} and fs.cat(f"{name}/a") == b"1"
    assert fs.cat([f"{name}/a", f"{name}/x"], on_error="omit") == {f"{name}/a": b"1"}
    assert isinstance(fs.cat([f"{name}/a", f"{name}/x"], on_error="return")[f"{name}/x"], FileNotFoundError)
    fs.mv(name, f"{name}-2", recursive=True)
    assert fs.cat(f"{name}-2", recursive=True) == {f"{name}-2/a": b"1", f"{name}-2/a/b": b"2"} and not fs.exists(name)


def test_move_of_a_tree_takes_what_it_copied_and_no_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = place.fs
    fs.pipe({place.at("t/x"): b"1", place.at("t/y/z"): b"2"})
    copy = type(fs._operations).cp_file
    late: list[str] = []

    async def copied(self: Any, source: str, target: str, options: Any) -> None:
        await copy(self, source, target, options)
        if not late:
            late.append(place.at("t/y/late"))
            await self.pipe_file(late[0], b"3", True, {})

    monkeypatch.setattr(type(fs._operations), "cp_file", copied)
    fs.mv(place.at("t"), place.at("u"), recursive=True)
    assert fs.find(place.path) == [place.at("t/y/late"), place.at("u/x"), place.at("u/y/z")]


def test_files_are_read_at_any_place(place: Place) -> None:
    data = bytes(range(256)) * 20000
    place.fs.pipe_file(place.at("big"), data)
    with place.fs.open(place.at("big")) as file:
        assert file.size == len(data) and file.seekable()
        assert file.read(10) == data[:10]
        file.seek(-6, 2)
        assert file.read() == data[-6:] and file.tell() == len(data)
        file.seek(1_000_000)
        target = bytearray(3_000_000)
        assert file.readinto(target) == len(target) and target == data[1_000_000:4_000_000]
        file.seek(5)
        assert file.readuntil(b"\x10") == data[5:17] and file.tell() == 17
        assert file.info()["size"] == len(data) and file.path == place.at("big")
        again = pickle.loads(pickle.dumps(file))
        assert again.tell() == 17 and again.read(3) == data[17:20]
    with place.fs.open(place.at("big"), block_size=16) as file:
        assert b"".join(iter(lambda: file.read(100_001), b"")) == data
    assert place.fs.head(place.at("big"), 3) == data[:3] and place.fs.tail(place.at("big"), 3) == data[-3:]
    assert place.fs.read_block(place.at("big"), 10, 5) == data[10:15]


def test_buffers_are_handed_over_as_reads_are(place: Place) -> None:
    data = np.random.default_rng(5).integers(0, 256, 3_000_001, np.uint8).tobytes()
    place.fs.pipe_file(f"{place.path}/buffers", data)
    with place.fs.open(f"{place.path}/buffers") as file:
        for at, size in ((0, 10), (5, 2_500_000), (2_999_990, 100), (3_000_001, 4), (7, 0)):
            file.seek(at)
            assert bytes(file.read_buffer(size)) == data[at : at + size] and file.tell() == min(at + size, len(data))
        file.seek(2_000_000)
        assert bytes(file.read_buffer()) == data[2_000_000:]
        file.seek(9)
        first, second = file.read_buffer(1000), file.read_buffer(1000)
        assert bytes(first) == data[9:1009] and bytes(second) == data[1009:2009]


def test_text_and_compression_go_through_fsspec(place: Place) -> None:
    url = place.fs.unstrip_protocol(place.at("lines.gz"))
    options = place.fs.storage_options
    with fsspec.open(url, "wt", compression="gzip", **options) as file:
        file.write("one\ntwo\n")
    with fsspec.open(url, "rt", compression="infer", **options) as file:
        assert file.readlines() == ["one\n", "two\n"]
    place.fs.write_text(place.at("t"), "ä\n")
    assert place.fs.read_text(place.at("t")) == "ä\n"


def test_append_adds_to_what_is_there(place: Place) -> None:
    for part in (b"one", b"two"):
        with place.fs.open(place.at("log"), "ab") as file:
            file.write(part)
    assert place.fs.cat_file(place.at("log")) == b"onetwo"


def test_append_to_what_another_replaced_fails(place: Place) -> None:
    if "moto" in os.environ.get("PYTEST_CURRENT_TEST", ""):
        pytest.skip("moto completes what should fail")
    place.fs.pipe_file(place.at("log"), b"one")
    file = place.fs.open(place.at("log"), "ab")
    file.write(b"two")
    time.sleep(0.01)
    place.fs.pipe_file(place.at("log"), b"other")
    with pytest.raises(OSError, match="log"):
        file.close()
    assert place.fs.cat_file(place.at("log")) == b"other"


def test_file_that_an_exception_leaves_never_appears(place: Place) -> None:
    def fail(path: str, **how: Any) -> None:
        with place.fs.open(path, **how) as file:
            file.write("text" if how["mode"] == "wt" else b"half")
            raise RuntimeError("on the way")

    for how in ({"mode": "wb"}, {"mode": "wt"}, {"mode": "wb", "compression": "gzip"}, {"mode": "ab"}):
        with pytest.raises(RuntimeError, match="on the way"):
            fail(place.at("half"), **how)
        assert not place.fs.exists(place.at("half"))
    with pytest.raises(RuntimeError), fsspec.open(place.fs.unstrip_protocol(place.at("half")), "wb", **place.fs.storage_options) as file:
        file.write(b"half")
        raise RuntimeError
    assert not place.fs.exists(place.at("half"))


def test_transaction_shows_all_at_its_end_or_nothing(place: Place) -> None:
    fs = place.fs
    with fs.transaction:
        with fs.open(place.at("a"), "wb") as file:
            file.write(b"1")
        assert file.closed
        with pytest.raises(ValueError, match="transaction"):
            file.write(b"2")
        fs.pipe_file(place.at("b"), b"2")
        fs.pipe({place.at("c"): b"3"})
        with fs.open(place.at("t"), "w") as text:
            text.write("text")
        assert fs.find(place.path) == []
    assert fs.cat(place.path, recursive=True) == {place.at("a"): b"1", place.at("b"): b"2", place.at("c"): b"3", place.at("t"): b"text"}
    with pytest.raises(RuntimeError), fs.transaction:
        fs.pipe_file(place.at("d"), b"4")
        raise RuntimeError
    assert not fs.exists(place.at("d"))
    with fs.transaction:
        with pytest.raises(RuntimeError), fs.open(place.at("e"), "wb") as file:
            file.write(b"half")
            raise RuntimeError
        fs.pipe_file(place.at("f"), b"6")
    assert not fs.exists(place.at("e")) and fs.exists(place.at("f"))


def test_transfers_tell_callbacks_and_check(place: Place, tmp_path: Path) -> None:
    from fsspec.callbacks import Callback

    folder = tmp_path / "local"
    (folder / "sub").mkdir(parents=True)
    for number in range(20):
        (folder / "sub" / f"{number:02}").write_bytes(b"x" * number)
    told = Callback()
    place.fs.put(str(folder), place.at("up"), recursive=True, callback=told)
    assert told.value == told.size == 22
    told = Callback()
    place.fs.get(place.at("up"), str(tmp_path / "down"), recursive=True, callback=told)
    assert told.value == told.size
    assert sorted(file.name for file in (tmp_path / "down").rglob("*") if file.is_file()) == [f"{number:02}" for number in range(20)]
    one = Callback()
    place.fs.get_file(place.at("up/sub/19"), str(tmp_path / "one"), callback=one)
    assert one.size == one.value == 19
    memory = io.BytesIO()
    place.fs.get_file(place.at("up/sub/03"), memory)
    assert memory.getvalue() == b"xxx"
    with pytest.raises(FileNotFoundError):
        place.fs.get_file(place.at("gone"), str(tmp_path / "gone"))
    assert not (tmp_path / "gone").exists()


def test_instances_pickle_and_are_shared(place: Place) -> None:
    fs = place.fs
    again = pickle.loads(pickle.dumps(fs))
    assert again == fs and again is fs
    other = type(fs)(**fs.storage_options, skip_instance_cache=True)
    assert other is not fs
    fs.pipe_file(place.at("p"), b"1")
    assert other.cat_file(place.at("p")) == b"1"
    from fsspec.spec import AbstractFileSystem

    assert AbstractFileSystem.from_json(fs.to_json()).cat_file(place.at("p")) == b"1"


def test_blocking_calls_need_no_loop_and_no_thread(place: Place) -> None:
    before = set(threading.enumerate())
    place.fs.pipe_file(place.at("a"), b"1")

    async def use() -> bytes:
        # where a loop runs, as in notebooks
        place.fs.pipe({place.at("b"): b"2"})
        return bytes(place.fs.cat_file(place.at("b")))

    assert asyncio.run(use()) == b"2"
    assert not {thread for thread in set(threading.enumerate()) - before if "fsspec" in thread.name}


def test_coroutines_belong_to_no_loop(place: Place) -> None:
    fs = type(place.fs)(**place.fs.storage_options, asynchronous=True, skip_instance_cache=True)

    async def use(name: str) -> bytes:
        await fs._pipe_file(place.at(name), name.encode())
        await asyncio.gather(*[fs._pipe_file(place.at(f"many/{number}"), b"x") for number in range(20)])
        await fs._copy(place.at(name), place.at(f"{name}2"))
        found = await fs._cat([place.at(name), place.at(f"{name}2")])
        assert len(await fs._find(place.at("many"))) == 20
        async with await fs.open_async(place.at(name), "rb") as file:
            assert await file.read() == name.encode()
        return bytes(found[place.at(f"{name}2")])

    assert asyncio.run(use("one")) == b"one"
    assert asyncio.run(use("two")) == b"two"
    assert fs.cat_file(place.at("two")) == b"two"
    assert fsspec.asyn.sync(fs.loop, fs._cat_file, place.at("one")) == b"one"


def test_get_mapper_is_a_dictionary(place: Place) -> None:
    mapper = place.fs.get_mapper(place.at("map"))
    mapper["x/y"] = b"1"
    assert dict(mapper) == {"x/y": b"1"} and "z" not in mapper
    del mapper["x/y"]
    assert list(mapper) == []


def test_options_that_nobody_knows_are_refused(place: Place) -> None:
    with pytest.raises(ValueError, match="no_such_option"):
        type(place.fs)(**place.fs.storage_options, no_such_option=1)
    with pytest.raises(ValueError, match="colour"):
        place.fs.open(place.at("x"), "wb", colour="red")
    with pytest.raises(ValueError, match="'r\\+b'"):
        place.fs.open(place.at("x"), "r+b")


def test_reads_are_checked(tmp_path: Path) -> None:
    if not keeps_attributes(tmp_path):
        pytest.skip("no checksums are kept with files here")
    fs = ours.PosixFileSystem()
    fs.pipe_file(f"{tmp_path}/a", b"0123456789")
    before = (tmp_path / "a").stat()
    with (tmp_path / "a").open("r+b") as file:
        file.write(b"X")
    # as a disk damages it, which leaves the time
    os.utime(tmp_path / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    # within a machine the system copies, and what was recorded goes along
    fs.get_file(f"{tmp_path}/a", f"{tmp_path}/b")
    for name in "ab":
        for read in (lambda path: fs.cat_file(path), lambda path: fs.cat([path]), lambda path: asyncio.run(fs._cat_file(path))):
            with pytest.raises(s3dlio.errors.ChecksumMismatchError, match=f"{tmp_path}/{name}"):
                read(f"{tmp_path}/{name}")
    assert ours.PosixFileSystem(verify=False).cat_file(f"{tmp_path}/a") == b"X123456789"


def test_keys_with_an_empty_part_do_not_lead_in_circles() -> None:
    name = str(uuid.uuid4())
    s3dlio.put(f"memory://{name}/a//b", b"1")
    s3dlio.put(f"memory://{name}/a/c", b"2")
    fs = ours.MemoryFileSystem()
    assert [folder for folder, _, _ in fs.walk(name)] == [name, f"{name}/a"]
    assert fs.find(name) == [f"{name}/a//b", f"{name}/a/c"]
    assert fs.cat_file(f"{name}/a//b") == b"1"


def test_markers_of_folders_are_directories() -> None:
    uri, options = s3_server()
    base = f"{uri}/{uuid.uuid4()}"
    bucket, _, key = base.partition("://")[2].partition("/")
    with boto3_client(options) as s3:
        s3("put_object", Bucket=bucket, Key=f"{key}/made/", Body=b"")
    fs = ours.S3FileSystem(**options)
    path = base.partition("://")[2]
    assert fs.isdir(f"{path}/made") and fs.ls(f"{path}/made") == []
    assert fs.ls(path, detail=False) == [f"{path}/made"] and fs.find(path) == []
    assert list(fs.find(path, withdirs=True)) == [path, f"{path}/made"]
    fs.rm(path, recursive=True)
    assert not fs.exists(path)


def test_directories_of_files_are_real(tmp_path: Path) -> None:
    fs = ours.PosixFileSystem()
    fs.mkdir(f"{tmp_path}/a/b")
    assert (tmp_path / "a" / "b").is_dir() and fs.isdir(f"{tmp_path}/a/b")
    for call in (lambda: fs.mkdir(f"{tmp_path}/a"), lambda: fs.makedirs(f"{tmp_path}/a")):
        with pytest.raises(FileExistsError):
            call()
    with pytest.raises(FileNotFoundError):
        fs.mkdir(f"{tmp_path}/x/y", create_parents=False)
    assert fs.find(str(tmp_path), withdirs=True) == [str(tmp_path), f"{tmp_path}/a", f"{tmp_path}/a/b"]
    fs.pipe_file(f"{tmp_path}/a/f", b"")
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir(f"{tmp_path}/a")
    fs.rmdir(f"{tmp_path}/a/b")
    assert fs.ls(f"{tmp_path}/a", detail=False) == [f"{tmp_path}/a/f"]
    with pytest.raises(ValueError, match="root"):
        fs.rm("/", recursive=True)


def test_paths_of_files_are_as_the_system_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    fs = ours.PosixFileSystem()
    for text in (
        "x",
        "./x",
        f"{tmp_path}/x",
        f"file://{tmp_path}/x",
        f"file:{tmp_path}/x",
        f"s3dlio+file://{tmp_path}/x/",
        "~/x",
        tmp_path / "x",
    ):
        assert fs._strip_protocol(text) == f"{tmp_path}/x"
    assert fs._strip_protocol("file:///") == "/"


def test_buckets_are_made_listed_and_removed() -> None:
    _uri, options = s3_server()
    fs = ours.S3FileSystem(**options)
    bucket = f"fs-{uuid.uuid4()}"
    assert not fs.exists(bucket)
    fs.mkdir(bucket)
    try:
        assert bucket in fs.ls("", detail=False) and fs.isdir(bucket) and fs.ls(bucket) == []
        with pytest.raises(FileExistsError):
            fs.mkdir(bucket)
        fs.makedirs(bucket, exist_ok=True)
        fs.pipe_file(f"{bucket}/a/b", b"1")
        assert fs.find(bucket) == [f"{bucket}/a/b"]
        with pytest.raises(OSError, match=bucket):
            fs.rmdir(bucket)
        fs.rm(bucket, recursive=True)
    finally:
        fs.rmdir(bucket)
    assert not fs.exists(bucket)


def test_azure_paths_with_and_without_the_account() -> None:
    uri, options = azure_server()
    account, container, _ = uri.partition("://")[2].split("/", 2)
    fs = ours.AzureFileSystem(**options)
    short = ours.AzureFileSystem(account_name=account, **options)
    name = str(uuid.uuid4())
    fs.pipe_file(f"{account}/{container}/{name}/x", b"1")
    assert short.cat_file(f"az://{container}/{name}/x") == b"1"
    assert short.find(f"{container}/{name}") == [f"{container}/{name}/x"]
    assert container in short.ls("", detail=False)
    assert f"{account}/{container}" in fs.ls(account, detail=False)
    hadoop = f"abfs://{container}@{account}.dfs.core.windows.net/{name}/x"
    assert ours.AzureFileSystem._get_kwargs_from_urls(hadoop) == {"account_name": account}
    assert short.cat_file(hadoop) == b"1"
    short.rm(f"{container}/{name}", recursive=True)
    assert not fs.exists(f"{account}/{container}/{name}")


def test_options_of_s3fs_are_understood() -> None:
    uri, options = s3_server()
    fs = ours.S3FileSystem(
        key=options["access_key_id"],
        secret=options["secret_access_key"],
        client_kwargs={"endpoint_url": options["endpoint_url"], "region_name": "us-east-1"},
        use_listings_cache=False,
        default_block_size=1 << 20,
    )
    path = f"{uri.partition('://')[2]}/{uuid.uuid4()}"
    fs.pipe_file(path, b"1")
    assert fs.cat_file(path) == b"1"
    assert fs.sign(path).startswith("http")
    fs.rm(path)
    with pytest.raises(ValueError, match="use_dualstack"):
        ours.S3FileSystem(client_kwargs={"use_dualstack": True})


REGISTER = """
import fsspec, sys
import s3dlio.fsspec
before = fsspec.get_filesystem_class("file")
assert before.__module__.startswith("fsspec"), before
s3dlio.fsspec.register(["file", "s3", "az", "abfs"])
assert fsspec.get_filesystem_class("file") is s3dlio.fsspec.PosixFileSystem
with fsspec.open("file://" + sys.argv[1] + "/x", "wb") as file:
    file.write(b"1")
assert fsspec.filesystem("file").cat_file(sys.argv[1] + "/x") == b"1"
assert type(fsspec.filesystem("s3", anon=True)) is s3dlio.fsspec.S3FileSystem
assert type(fsspec.filesystem("abfs", account_name="a", anon=True)) is s3dlio.fsspec.AzureFileSystem
try:
    s3dlio.fsspec.register(["s3", "gopher"])
except ValueError as error:
    assert "gopher" in str(error)
else:
    raise AssertionError
"""


def test_register_takes_others_over_by_choice(child: Child, tmp_path: Path) -> None:
    child(REGISTER, tmp_path)


FORK = (
    IN_CHILD
    + """
import sys, uuid
import s3dlio.fsspec

def fork():
    import fsspec
    protocol, path, options = sys.argv[1], sys.argv[2], eval(sys.argv[3])
    fs = fsspec.filesystem(protocol, **options)
    fs.pipe_file(path + "/a", b"parent")
    file = fs.open(path + "/a")
    def work():
        # the instance and the file of the parent
        assert fs.cat_file(path + "/a") == b"parent"
        assert file.read() == b"parent"
        assert path + "/a" in fsspec.filesystem(protocol, **options).find(path)
        fs.pipe_file(path + "/b", b"child")
        import asyncio
        assert asyncio.run(fs._cat_file(path + "/b")) == b"child"
        assert fsspec.asyn.sync(fs.loop, fs._cat_file, path + "/b") == b"child"
    for _ in range(2):
        in_child(work)
    assert fs.cat_file(path + "/b") == b"child"
    import multiprocessing
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(fs.cat_file, [path + "/a", path + "/b"]) == [b"parent", b"child"]
    fs.rm(path, recursive=True)

if __name__ == "__main__":
    fork()
"""
)


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_forked_and_spawned_processes_use_it(child: Child, tmp_path: Path, kind: str) -> None:
    if kind == "file":
        child(FORK, "s3dlio+file", tmp_path / "x", {})
    else:
        uri, options = s3_server()
        child(FORK, "s3dlio+s3", f"{uri.partition('://')[2]}/{uuid.uuid4()}", options)


def test_entry_points_name_classes_that_are_there() -> None:
    file = CHECKOUT / "pyproject.toml"
    if not file.is_file():
        pytest.skip("the package is not in a checkout")
    block = file.read_text(encoding="utf-8").partition('[project.entry-points."fsspec.specs"]\n')[2].partition("\n\n")[0]
    told = dict(line.replace('"', "").split(" = ") for line in block.splitlines())
    assert {name: getattr(ours, path.partition(":")[2]) for name, path in told.items()} == ours._protocols._CLASSES  # type: ignore[attr-defined]
    assert all(path.startswith("s3dlio.fsspec:") for path in told.values())


@pytest.mark.parametrize("mode", ["read", "through", "back"])
def test_cache_option_keeps_what_is_read(tmp_path: Path, mode: str) -> None:
    far, data = tmp_path / "far", os.urandom(300_000)
    far.mkdir()
    fs = ours.PosixFileSystem(cache=str(tmp_path / "cache"), cache_mode=mode, cache_validate="never", skip_instance_cache=True)
    fs.pipe(f"{far}/a", data)
    assert fs.cat(f"{far}/a") == data
    with fs.open(f"{far}/a", "rb") as file:
        file.seek(100_000)
        assert file.read(50_000) == data[100_000:150_000]
    assert [one.rsplit("/", 1)[1] for one in fs.find(str(far))] == ["a"]
    # a journal is of the address that was opened, and a file system's is the root
    store = s3dlio.cache("file:///", tmp_path / "cache", mode=mode, validate="never")  # type: ignore[arg-type]
    assert store.flush(timeout=60)["writes"] == 0
    assert bytes(store.get(str(far / "a").lstrip("/"))) == data and store.stats()["hits"] > 0
    assert (far / "a").read_bytes() == data
    fs.rm(f"{far}/a")
    assert not fs.exists(f"{far}/a")
