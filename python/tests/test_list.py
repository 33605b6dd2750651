from __future__ import annotations

import os
import tracemalloc
from datetime import datetime

import pytest
from conftest import Base

import s3dlio


def fill(base: Base, keys: list[str]) -> None:
    for key in keys:
        s3dlio.put_bytes(base.at(key), key.encode())


def test_list_of_nothing_is_empty(base: Base) -> None:
    assert s3dlio.list(base.text(), recursive=True) == []
    assert s3dlio.list(base.at("nothing")) == []
    assert list(s3dlio.list_stream(base.at("nothing"))) == []


def test_list_without_recursion_folds_what_is_below(base: Base) -> None:
    fill(base, ["a", "b/c", "b/d/e", "b.txt", "z"])
    assert s3dlio.list(base.text()) == [base.text(key) for key in ("a", "b.txt", "b/", "z")]
    assert s3dlio.list(base.at("b")) == [base.text(key) for key in ("b/c", "b/d/")]


def test_list_with_recursion_gives_every_object(base: Base) -> None:
    keys = ["a", "b.txt", "b/c", "b/d/e", "z"]
    fill(base, keys)
    assert s3dlio.list(base.text(), recursive=True) == [base.text(key) for key in keys]
    assert s3dlio.list(base.at("b"), True) == [base.text(key) for key in ("b/c", "b/d/e")]
    assert s3dlio.list(base.text("b/"), True) == [base.text(key) for key in ("b/c", "b/d/e")]


def test_list_of_a_prefix_leaves_out_its_longer_neighbours(base: Base) -> None:
    fill(base, ["run1/a", "run10/a", "run1.txt"])
    assert s3dlio.list(base.at("run1"), recursive=True) == [base.text("run1/a")]
    assert s3dlio.list(base.at("run"), recursive=True) == []


def test_list_of_an_object_gives_it(base: Base) -> None:
    fill(base, ["a"])
    assert s3dlio.list(base.at("a")) == [base.text("a")]
    assert [item["uri"] for item in s3dlio.list_stream(base.at("a"))] == [base.text("a")]


@pytest.mark.parametrize("recursive", [True, False])
def test_list_is_in_the_order_of_utf8_bytes(base: Base, recursive: bool) -> None:
    keys = ["A", "Z", "a!", "a-b/x", "a/x", "a0", "b", "\u00e9", "\uff5e", "\U0001f600/x", " "]
    fill(base, keys)
    found = s3dlio.list(base.text(), recursive=recursive)
    assert len(found) == len(keys)
    assert found == sorted(found, key=str.encode)


@pytest.mark.parametrize("base", ["uri", "memory"], indirect=True)
@pytest.mark.parametrize("recursive", [True, False])
def test_list_of_many_gives_each_once_in_order(base: Base, recursive: bool) -> None:
    """More than the page that the library fetches at once, files and folders mixed."""
    keys = [f"{i:04d}/x" if i % 3 == 0 else f"{i:04d}" for i in range(1200)]
    for key in keys:
        if base.folder is None:
            s3dlio.put_bytes(base.at(key), b"")
        else:
            (base.folder / key).parent.mkdir(exist_ok=True)
            (base.folder / key).touch()
    expected = [base.text(key if recursive else key.replace("/x", "/")) for key in keys]
    assert s3dlio.list(base.text(), recursive=recursive) == expected
    if recursive:
        assert [item["uri"] for item in s3dlio.list_stream(base.text())] == expected
        assert s3dlio.delete(base.text(), recursive=True) == 1200


def test_list_with_a_pattern_gives_the_objects_it_is_found_in(base: Base) -> None:
    fill(base, ["step-1.npy", "step-1.txt", "step-20.npy", "d/step-3.npy"])
    found = s3dlio.list(base.text(), recursive=True, pattern=r"step-\d\.npy$")
    assert found == [base.text("d/step-3.npy"), base.text("step-1.npy")]


def test_list_with_a_pattern_begins_below_the_path(base: Base) -> None:
    for key in ("run/ckpt-1", "run/old/ckpt-2", "run/not-ckpt"):
        s3dlio.put_bytes(base.at(key), b"")
    assert s3dlio.list(base.text("run"), recursive=True, pattern="^ckpt") == [base.text("run/ckpt-1")]
    assert s3dlio.list(base.text("run"), recursive=True, pattern="run") == []
    assert s3dlio.list(base.text("run/ckpt-1"), pattern="^ckpt") == [base.text("run/ckpt-1")]


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "*"])
def test_list_with_a_wrong_pattern_says_so(base: Base, pattern: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError) as caught:
        s3dlio.list(base.text(), pattern=pattern)
    assert pattern in str(caught.value)


def test_list_after_an_address_goes_on_behind_it(base: Base) -> None:
    keys = ["a", "b", "b/c", "d"] if base.kind == "memory" else ["a", "b", "c/c", "d"]
    fill(base, keys)
    for i, key in enumerate(keys):
        assert s3dlio.list(base.text(), recursive=True, start_after=base.text(key)) == [base.text(after) for after in keys[i + 1 :]]
    assert s3dlio.list(base.text(), recursive=True, start_after=base.text("aa")) == [base.text(key) for key in keys[1:]]


def test_list_stream_tells_size_and_time(base: Base) -> None:
    s3dlio.put_bytes(base.at("a"), b"xyz")
    (item,) = s3dlio.list_stream(base.text())
    whole = s3dlio.stat(base.at("a"))
    assert (item["uri"], item["size"], item["last_modified"], item["etag"]) == (base.text("a"), 3, whole["last_modified"], whole["etag"])
    assert datetime.fromisoformat(item["last_modified"]).utcoffset() is not None
    assert set(item) == {"uri", *whole}


def test_list_stream_left_early_can_be_begun_again(base: Base) -> None:
    fill(base, ["a", "b", "c"])
    for _ in range(50):
        assert next(iter(s3dlio.list_stream(base.text())))["uri"] == base.text("a")
    assert len(list(s3dlio.list_stream(base.text()))) == 3


def test_list_stream_of_many_keeps_one_page_in_memory() -> None:
    base = Base("memory", None)
    for i in range(3000):
        s3dlio.put_bytes(base.at(f"{i:04d}"), b"")

    def peak(count: int) -> int:
        tracemalloc.start()
        for i, _ in enumerate(s3dlio.list_stream(base.text())):
            if i == count - 1:
                break
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(3000) < 2 * peak(1000)


def test_list_leaves_out_what_is_no_object(file_base: Base) -> None:
    folder = file_base.folder
    assert folder is not None
    fill(file_base, ["a"])
    (folder / ".s3dlio-1-0123456789abcdef.tmp").touch()
    os.mkfifo(folder / "fifo")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "circle").symlink_to(".")
    assert s3dlio.list(file_base.text(), recursive=True) == [file_base.text("a")]
    assert s3dlio.list(file_base.text()) == [file_base.text("a"), file_base.text("circle/")]


def test_list_shows_empty_folders_and_linked_files(file_base: Base) -> None:
    assert file_base.folder is not None
    fill(file_base, ["a"])
    s3dlio.mkdir(file_base.at("empty"))
    (file_base.folder / "link").symlink_to("a")
    assert s3dlio.list(file_base.text()) == [file_base.text(key) for key in ("a", "empty/", "link")]
    assert bytes(s3dlio.get(file_base.at("link"))) == b"a"
