"""Files whose names are not UTF-8: each call takes and gives them as ``os.fsdecode`` does."""

from __future__ import annotations

import ctypes as c
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import IN_CHILD, Base, Child

import s3dlio
from s3dlio._core import _native

#: Not UTF-8 at all, in its middle, cut short, overlong, halves of surrogate pairs, beyond Unicode, beside what JSON escapes and what is
#: UTF-8.
NAMES = [
    b"\xff", b"a\x80b", b"\xe2\x82", b"\xc0\xaf", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf4\x90\x80\x80", b'"\\\xfe\n\x01',
    "é😀".encode() + b"\xf0\x9f\x90", b"\xc3" + "é".encode(), b"x" * 150 + b"\xff" * 80,
]  # fmt: skip


def folder_of(base: Base) -> bytes:
    assert base.folder is not None
    return os.fsencode(base.folder)


def make(base: Base, *names: bytes) -> None:
    for name in names:
        path = folder_of(base) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(name)


def below(folder: bytes) -> dict[bytes, bytes]:
    """The files below a folder with what is in them."""
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            found[os.path.relpath(path, folder)] = Path(os.fsdecode(path)).read_bytes()
    return found


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_file_is_reached_by_the_name_that_its_bytes_decode_to(file_base: Base, name: bytes) -> None:
    key = os.fsdecode(b"d\xfe/" + name)
    uri = file_base.text(key)
    s3dlio.put_bytes(uri, b"one")
    assert below(folder_of(file_base)) == {b"d\xfe/" + name: b"one"}
    assert bytes(s3dlio.get(uri)) == bytes(s3dlio.get_many([uri])[0][1]) == b"one"
    assert s3dlio.stat(uri)["size"] == 3 and s3dlio.exists(uri)
    with s3dlio.open(uri, "wb") as file:
        file.write(b"second")
    with s3dlio.open(uri) as file:
        assert file.read() == b"second"
    for found in (s3dlio.list(file_base.text(), recursive=True), s3dlio.list(file_base.text(os.fsdecode(b"d\xfe/"))), s3dlio.list(uri)):
        assert found == [uri]
    assert [item["uri"] for item in s3dlio.list_stream(file_base.text())] == [uri]
    s3dlio.copy(uri, uri + "-copied")
    s3dlio.rename(uri + "-copied", uri + "-moved")
    assert below(folder_of(file_base)) == {b"d\xfe/" + name + end: b"second" for end in (b"", b"-moved")}
    assert s3dlio.delete(uri) == 1
    with pytest.raises(s3dlio.NotFoundError) as caught:
        s3dlio.get(uri)
    assert caught.value.uri == uri
    # the message can be printed anywhere
    assert str(caught.value).encode()
    assert s3dlio.delete(file_base.text(), recursive=True) == 1


def test_array_and_store_below_such_a_folder_round_trip(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/run\xff")
    s3dlio.save_numpy_array(f"{folder}/a.npy", np.arange(5))
    assert np.array_equal(s3dlio.load_numpy_array(f"{folder}/a.npy"), np.load(f"{folder}/a.npy"))
    store = s3dlio.Store(f"file://{folder}")
    store.put_bytes("b\udcfe", b"x")
    assert store.list("") == ["a.npy", "b\udcfe"]


def test_tree_is_copied_whole_and_deleted_whole(file_base: Base, tmp_path: Path) -> None:
    names = [b"t/ok", *(b"t/" + name for name in NAMES), *(b"t/sub\xff/" + name for name in NAMES)]
    make(file_base, *names)
    expected = {name[2:]: name for name in names}
    down, up = tmp_path / "down", tmp_path / "up"
    assert len(s3dlio.download(file_base.text("t"), down)) == len(names)
    assert below(os.fsencode(down)) == expected
    assert len(s3dlio.upload(down, f"file://{up}")) == len(names)
    assert below(os.fsencode(up) + b"/down") == expected
    assert s3dlio.delete(file_base.text("t"), recursive=True) == len(names)
    assert not os.path.exists(folder_of(file_base) + b"/t")


def test_list_is_in_the_order_of_the_bytes_and_goes_on_after_any(file_base: Base) -> None:
    names = sorted([*NAMES, b"a", "é".encode(), "\uffff".encode(), "😀".encode(), b"z"])
    make(file_base, *names)
    found = [os.fsencode(uri.removeprefix(file_base.text())) for uri in s3dlio.list(file_base.text(), recursive=True)]
    assert found == names
    os.mkdir(folder_of(file_base) + b"/\xfe")
    found = [os.fsencode(uri.removeprefix(file_base.text())) for uri in s3dlio.list(file_base.text())]
    assert found == sorted([*names, b"\xfe/"])
    for at, name in enumerate(names):
        after = s3dlio.list(file_base.text(), recursive=True, start_after=file_base.text(os.fsdecode(name)))
        assert [os.fsencode(uri.removeprefix(file_base.text())) for uri in after] == names[at + 1 :], name


@pytest.mark.parametrize(
    "call", [s3dlio.get, s3dlio.stat, s3dlio.exists, s3dlio.list, s3dlio.delete, lambda uri: s3dlio.put_bytes(uri, b"x")]
)
@pytest.mark.parametrize("store", ["memory://names", "s3://bucket", "az://account/container"])
def test_other_stores_refuse_such_a_name_and_say_which(store: str, call: object) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match=r"/a\\xffb: .*not valid Unicode.*Only local files") as caught:
        call(f"{store}/a\udcffb")  # type: ignore[operator]
    assert "\udcff" not in str(caught.value)


def test_upload_of_such_a_file_to_another_store_names_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    base = Base("uri", tree)
    make(base, b"good", b"bad\xff")
    with pytest.raises(s3dlio.BulkError, match=r"bad\\xff.*not valid Unicode"):
        s3dlio.upload(tree, "memory://upload-names")
    assert s3dlio.list("memory://upload-names", recursive=True) == ["memory://upload-names/tree/good"]


def test_half_of_a_pair_that_stands_for_no_byte_is_refused(tmp_path: Path) -> None:
    for text in ("\ud800", "a\udc00", "\udc7f", "\udd00"):
        with pytest.raises(s3dlio.InvalidArgumentError, match="not valid Unicode"):
            s3dlio.put_bytes(f"{tmp_path}/{text}", b"x")
        with pytest.raises(s3dlio.InvalidArgumentError, match="not valid Unicode"):
            s3dlio.list(tmp_path, start_after=text)


def test_abi_gives_and_takes_the_bytes(file_base: Base) -> None:
    make(file_base, b"one\xff", b"two\xed\xa0\x80")
    library, store, cursor = _native.library(), c.c_uint64(), c.c_uint64()
    assert library.s3dlio_store_open(file_base.uri.encode(), None, c.byref(store)) == 0
    assert library.s3dlio_list_open(store, b"", 0, None, c.byref(cursor)) == 0
    found = []
    entry = _native._Entry(struct_size=c.sizeof(_native._Entry))
    while library.s3dlio_list_next(cursor, c.byref(entry)) == 0:
        found.append(c.string_at(entry.key, entry.key_length))
    assert found == [b"one\xff", b"two\xed\xa0\x80"]
    for name in found:
        assert library.s3dlio_object_delete(store, name, len(name)) == 0
        assert library.s3dlio_object_delete(store, name, len(name)) != 0
        error = _native._Error(struct_size=c.sizeof(_native._Error))
        assert library.s3dlio_last_error(c.byref(error)) == 0
        assert error.uri == f"{file_base.uri}/".encode() + name
        assert b"\\x" in error.message and error.message.decode()
    assert library.s3dlio_list_close(cursor) == library.s3dlio_store_close(store) == 0


def test_forked_child_reads_and_lists_such_files(child: Child, tmp_path: Path) -> None:
    tree = Base("uri", tmp_path / "tree")
    make(tree, b"a\xff", b"d\xfe/b\x80")
    child(
        IN_CHILD
        + """
import sys
import s3dlio

def work():
    found = s3dlio.list(sys.argv[1], recursive=True)
    assert [os.fsencode(uri)[len(os.fsencode(sys.argv[1])) + 1:] for uri in found] == [b"a\\xff", b"d\\xfe/b\\x80"], found
    assert [bytes(s3dlio.get(uri)) for uri in found] == [b"a\\xff", b"d\\xfe/b\\x80"]

work()
in_child(work)
in_child(lambda: s3dlio.put_bytes(sys.argv[1] + "/new\\udcff", b"from the child"))
""",
        str(tree.folder),
    )
    assert below(folder_of(tree))[b"new\xff"] == b"from the child"


def test_name_given_on_a_command_line_is_the_file(child: Child, tmp_path: Path) -> None:
    make(Base("uri", tmp_path / "tree"), b"a\xff")
    ended = child(
        "import s3dlio, sys; assert bytes(s3dlio.get(sys.argv[1])) == b'a\\xff'", os.fsdecode(os.fsencode(tmp_path) + b"/tree/a\xff")
    )
    assert ended.returncode == 0 and sys.version_info
