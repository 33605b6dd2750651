"""Keys and names that mean to lead somewhere else: out of a store, into a device, into what the library keeps for itself."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import files_below

import s3dlio

#: Every call that makes, reads or removes what a key of a store names.
CALLS: dict[str, Callable[[s3dlio.Store, str], Any]] = {
    "put_bytes": lambda store, key: store.put_bytes(key, b"evil"),
    "put_many": lambda store, key: s3dlio.put_many([(f"{store.uri}{key}", b"evil")]),
    "write": lambda store, key: _write(store, key),
    "save_numpy_array": lambda store, key: store.save_numpy_array(key, np.zeros(3)),
    "save_tensors": lambda store, key: store.save_tensors(key, {"a": np.zeros(3)}),
    "get": lambda store, key: store.get(key),
    "get_range": lambda store, key: store.get_range(key, 0, 1),
    "load_numpy_array": lambda store, key: store.load_numpy_array(key),
    "load_tensors": lambda store, key: store.load_tensors(key),
    "stat": lambda store, key: store.stat(key),
    "delete": lambda store, key: store.delete(key),
    "copy from": lambda store, key: store.copy(key, "copied"),
    "copy to": lambda store, key: store.copy("there", key),
    "rename from": lambda store, key: store.rename(key, "renamed"),
    "rename to": lambda store, key: store.rename("there", key),
    "mkdir": lambda store, key: store.mkdir(key),
}
ERRORS = (s3dlio.InvalidArgumentError, s3dlio.BulkError)


def _write(store: s3dlio.Store, key: str) -> None:
    with s3dlio.ObjectWriter(f"{store.uri}{key}") as writer:
        writer.write(b"evil")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store's folder with one object, beside something precious."""
    (tmp_path / "precious").write_bytes(b"precious")
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "there").write_bytes(b"there")
    return folder


def untouched(root: Path) -> None:
    assert files_below(root.parent) == ["precious", "store/there"]
    assert (root.parent / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("scheme", ["file", "direct"])
@pytest.mark.parametrize("key", ["../precious", "a/../../precious", "..", "x/..", "./../precious", "/../precious"])
def test_key_that_climbs_is_refused(root: Path, scheme: str, key: str) -> None:
    store = s3dlio.Store(f"{scheme}://{root}")
    for name, call in CALLS.items():
        # an address has no dots to climb with once it is one text: the whole of it is the key
        with pytest.raises(ERRORS):
            call(store, key)
            raise AssertionError(f"{name} took {key!r}")
    untouched(root)


@pytest.mark.parametrize("key", ["a\0b", "\0", "../\0", "\udc7f", "a/\ud800"])
def test_key_that_is_no_name_is_refused(root: Path, key: str) -> None:
    store = s3dlio.Store(f"file://{root}")
    for name, call in CALLS.items():
        with pytest.raises(ERRORS):
            call(store, key)
            raise AssertionError(f"{name} took {key!r}")
    untouched(root)


def test_key_of_an_object_in_the_making_is_refused(root: Path) -> None:
    """Such an object would be in no listing, and removed as what a dead process left."""
    store = s3dlio.Store(f"file://{root}")
    for key in (".s3dlio-1-0123456789abcdef.tmp", "a/.s3dlio-77-0123456789abcdef.tmp/b"):
        for name, call in CALLS.items():
            with pytest.raises(ERRORS) as caught:
                call(store, key)
                raise AssertionError(f"{name} took {key!r}")
            assert "in the making" in str(caught.value), name
    untouched(root)
    # names that only look like it are like any other
    store.put_bytes(".s3dlio-x.tmp", b"1")
    assert store.list() == [".s3dlio-x.tmp", "there"]


@pytest.mark.parametrize(
    "key",
    [
        "a\nb",
        "tab\tand\rreturn",
        "-rf",
        "*",
        "~",
        "a\\..\\b",
        "％2e％2e",
        "%2e%2e",
        "\u202eevil",
        "\x7f",
        "$(touch x)",
        "'\"`;|&",
        "\udcff",
    ],
)
def test_odd_key_is_taken_literally(root: Path, key: str) -> None:
    store = s3dlio.Store(f"file://{root}")
    store.put_bytes(key, b"odd")
    assert bytes(store.get(key)) == b"odd" and (root / key).read_bytes() == b"odd"
    assert sorted(store.list()) == sorted([key, "there"])
    assert store.delete(key) == 1
    untouched(root)


@pytest.mark.parametrize("key", ["x" * 256, "y/" * 3000 + "z"])
def test_key_that_is_too_long_for_the_file_system_says_so(root: Path, key: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="long"):
        s3dlio.put_bytes(f"file://{root}/{key}", b"x")
    assert files_below(root) == ["there"]


@pytest.mark.parametrize("key", ["../precious", "a/../../precious", "/precious", "..", "a/./b", "a//b", "x/.."])
def test_download_of_a_key_that_climbs_writes_nothing(root: Path, key: str) -> None:
    source = s3dlio.Store(f"memory://hostile-{os.getpid()}-{root.parent.name}")
    source.put_bytes(key, b"evil")
    with pytest.raises(s3dlio.S3dlioError):
        s3dlio.download(source.uri, root / "into")
    assert not (root / "into").exists() or files_below(root / "into") == []
    source.delete(key)
    untouched(root)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


SPECIAL: dict[str, Callable[[Path], Any]] = {
    "fifo": os.mkfifo,
    "socket": _socket,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to a fifo": lambda path: (os.mkfifo(path.parent / "pipe"), path.symlink_to("pipe")),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_file_is_neither_read_nor_replaced(root: Path, kind: str) -> None:
    """None of them waits for the other end of a pipe, reads without an end, or puts a file in a device's place."""
    place = root / "special"
    SPECIAL[kind](place)
    before = os.lstat(place)
    store = s3dlio.Store(f"file://{root}")
    for name, call in CALLS.items():
        if name == "delete" and kind.startswith("link"):
            # the link goes, not what it leads to
            continue
        with pytest.raises((*ERRORS, s3dlio.AlreadyExistsError, s3dlio.NotDirectoryError)):
            call(store, "special")
            raise AssertionError(f"{name} took a {kind}")
    after = os.lstat(place)
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert store.list(recursive=True) == ["there"]


def test_link_in_a_circle_ends(root: Path) -> None:
    (root / "circle").symlink_to("circle")
    (root / "loop").symlink_to(".")
    for call in (s3dlio.get, s3dlio.stat, lambda at: s3dlio.put_bytes(at, b"x")):
        with pytest.raises(s3dlio.InvalidArgumentError, match="loop"):
            call(root / "circle")
    assert s3dlio.list(root, recursive=True) == [str(root / "there")]
    assert s3dlio.delete(root, recursive=True) >= 1
    assert (root.parent / "precious").exists()


def test_files_of_the_kernel_are_no_empty_objects() -> None:
    """They say that they have no bytes; an object that is silently empty would be wrong bytes."""
    assert os.stat("/proc/version").st_size == 0
    for read in (s3dlio.get, lambda at: s3dlio.copy(at, "memory://kernel/x")):
        with pytest.raises(s3dlio.InvalidDataError, match="holds some"):
            read("/proc/version")
