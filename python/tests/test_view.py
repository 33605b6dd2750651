from __future__ import annotations

import copy
import gc
import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import s3dlio


@pytest.fixture
def view(tmp_path: Path) -> s3dlio.BytesView:
    s3dlio.put_bytes(tmp_path / "a", np.arange(6, dtype="<f4"))
    return s3dlio.get(tmp_path / "a")


DATA = np.arange(6, dtype="<f4").tobytes()


def test_compare_with_bytes_is_by_content(view: s3dlio.BytesView) -> None:
    for same in (DATA, bytearray(DATA), memoryview(DATA), np.frombuffer(DATA, np.uint8), np.arange(6, dtype="<f4"), view):
        assert (view == same) is True
        assert (view != same) is False
        assert (same == view) is True
    for other in (
        b"",
        DATA[:-1],
        DATA[1:] + b"x",
        "text",
        3,
        None,
        np.zeros(24, np.uint8),
        np.zeros(3, "M8[s]"),
        np.zeros(48, np.uint8)[::2],
    ):
        assert (view == other) is False
        assert (view != other) is True
    assert view[::2] == DATA[::2]


def test_hash_is_that_of_the_bytes(view: s3dlio.BytesView) -> None:
    assert hash(view) == hash(DATA) and hash(view[4:8]) == hash(DATA[4:8])


def test_contain_and_iterate_as_bytes_do(view: s3dlio.BytesView) -> None:
    assert b"\x80\x3f" in view
    assert 0x3F in view
    assert b"absent" not in view
    assert list(view) == list(DATA)
    assert type(next(iter(view))) is int
    assert len(view) == 24
    assert bool(view)
    assert not view[:0]


def test_slice_shares_the_memory_and_stays_read_only(view: s3dlio.BytesView) -> None:
    part = view[4:8]
    assert isinstance(part, s3dlio.BytesView)
    assert part.to_bytes() == DATA[4:8]
    assert np.shares_memory(part, view)
    with pytest.raises(TypeError):
        part[0] = 1  # type: ignore[index]
    assert view.memoryview().readonly and memoryview(view).readonly
    with pytest.raises((TypeError, BufferError), match="read-write|writable"):
        io.BytesIO(b"abc").readinto(view)  # type: ignore[arg-type]
    assert view[3] == DATA[3] and type(view[3]) is int and view[-1] == DATA[-1] and view[np.int64(3)] == DATA[3]
    with pytest.raises(IndexError):
        view[24]
    for wrong in (None, ..., (0, 1), 1.0, [0]):
        with pytest.raises(TypeError, match="integers or slices"):
            view[wrong]  # type: ignore[call-overload]


def test_view_is_a_buffer_and_no_array(view: s3dlio.BytesView) -> None:
    assert not isinstance(view, np.ndarray)
    array = np.asarray(view)
    assert type(array) is np.ndarray and array.dtype == np.uint8 and array.tolist() == list(DATA)
    assert np.shares_memory(array, view) and not array.flags.writeable
    floats = np.frombuffer(view, "<f4")
    assert np.shares_memory(floats, view) and floats.tolist() == [0, 1, 2, 3, 4, 5] and not floats.flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        array.setflags(write=True)
    for call in (lambda: view + 1, lambda: view > 3, lambda: np.sqrt(view), lambda: view + "x", lambda: -view, lambda: np.array(1) + view):
        with pytest.raises(TypeError):
            call()
    assert array.sum() == sum(DATA)


def test_memory_outlives_the_view(tmp_path: Path) -> None:
    data = np.random.default_rng(1).bytes(1 << 20)
    s3dlio.put(tmp_path / "a", data)
    held = [np.asarray(s3dlio.get(tmp_path / "a")), memoryview(s3dlio.get(tmp_path / "a")), s3dlio.get(tmp_path / "a")[10:]]
    gc.collect()
    # what was let go would be given out again here
    others = [s3dlio.get(tmp_path / "a") for _ in range(4)]
    assert bytes(held[0]) == bytes(held[1]) == data and held[2] == data[10:] and others[0] == data


def test_made_of_a_buffer_is_a_view_of_it() -> None:
    data = bytearray(b"abc")
    view = s3dlio.BytesView(data)
    assert view == b"abc" and np.shares_memory(view, np.frombuffer(data, np.uint8))
    assert s3dlio.BytesView() == b"" and not s3dlio.BytesView() and len(s3dlio.BytesView(b"")) == 0
    assert not np.asarray(view).flags.writeable


def test_methods_are_those_of_bytes(view: s3dlio.BytesView) -> None:
    data = b"a,b,,c\n a "
    text = s3dlio.BytesView(data)
    calls: list[Callable[[Any], object]] = [
        lambda one: one.split(b","),
        lambda one: one.rsplit(b",", 1),
        lambda one: one.partition(b","),
        lambda one: one.rpartition(b","),
        lambda one: one.splitlines(),
        lambda one: one.strip(),
        lambda one: one.lstrip(b"a"),
        lambda one: one.rstrip(),
        lambda one: one.replace(b",", b";", 1),
        lambda one: (
            one.find(b","),
            one.rfind(b",", 0, 3),
            one.index(b"b"),
            one.rindex(b"a"),
            one.count(b",", 2),
            one.find(b"zz"),
            one.find(44),
        ),
        lambda one: (
            one.startswith(b"a"),
            one.startswith((b"x", b"a,")),
            one.startswith(b",", 1),
            one.startswith(()),
            one.endswith(b" "),
            one.endswith(b"a", 0, -1),
        ),
        lambda one: (one.hex(), one.decode(), one.decode("latin-1"), one[::2].hex(":")),
        lambda one: one + b"x",
        lambda one: b"x" + one,
        lambda one: [one < b"b", one <= data, one > data, one >= b"", one < bytearray(b"a,b")],
        lambda one: list(reversed(one)),
    ]
    for call in calls:
        assert call(text) == call(data)
    assert text < s3dlio.BytesView(b"b") and text.startswith(s3dlio.BytesView(b"a,")) and s3dlio.BytesView(b"b") in text
    assert s3dlio.BytesView(b'{"a": [1]}').json() == {"a": [1]}
    assert text.nbytes == len(data) and text.tobytes() == data


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_gives_an_equal_view(view: s3dlio.BytesView, protocol: int) -> None:
    back = pickle.loads(pickle.dumps(view[4:20], protocol))
    assert type(back) is s3dlio.BytesView
    assert back == DATA[4:20]
    assert memoryview(back).readonly


def test_copy_gives_an_equal_read_only_view(view: s3dlio.BytesView) -> None:
    for made in (copy.copy(view), copy.deepcopy(view)):
        assert type(made) is s3dlio.BytesView
        assert made == DATA
        assert memoryview(made).readonly
    assert not np.shares_memory(copy.deepcopy(view), view)


def test_export_reaches_what_takes_buffers(view: s3dlio.BytesView) -> None:
    assert io.BytesIO(view).read() == DATA
    assert struct.unpack_from("<f", view, 12) == (3.0,)
    assert b"".join([view, view[:2]]) == DATA + DATA[:2]
    assert np.array_equal(np.frombuffer(view, "<f4"), np.arange(6))
    assert int.from_bytes(view[4:8], "little") == 0x3F800000


def test_decode_gives_text(tmp_path: Path) -> None:
    s3dlio.put_bytes(tmp_path / "a", "añb".encode())
    view = s3dlio.get(tmp_path / "a")
    assert view.decode() == "añb"
    assert view[::3].decode("ascii") == "ab"
    with pytest.raises(UnicodeDecodeError):
        view.decode("ascii")
    assert repr(view) == r"BytesView(b'a\xc3\xb1b', 4 bytes)"
    assert str(view) == repr(view)
