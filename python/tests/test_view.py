from __future__ import annotations

import copy
import io
import pickle
import struct
from pathlib import Path

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
    for other in (b"", DATA[:-1], DATA[1:] + b"x", "text", 3, None, np.zeros(24, np.uint8), np.zeros(3, "M8[s]"), np.zeros(48, np.uint8)[::2]):
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
    with pytest.raises(ValueError, match="read-only"):
        part[0] = 1  # type: ignore[index]
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.setflags(write=True)
    assert view.memoryview().readonly
    assert view[3] == DATA[3]


def test_convert_gives_plain_arrays(view: s3dlio.BytesView) -> None:
    floats = view.view("<f4")
    assert type(floats) is np.ndarray
    assert np.shares_memory(floats, view)
    assert not floats.flags.writeable
    assert (floats == 3.0).tolist() == [False, False, False, True, False, False]
    for made in (view.reshape(2, 12), view.astype(float), view + 1, view[None], view[..., 0], view > 3, np.sqrt(view), view.copy(), -view):
        assert type(made) is np.ndarray
    assert view.copy().flags.writeable
    assert type(view.view()) is s3dlio.BytesView


def test_reduce_gives_scalars(view: s3dlio.BytesView) -> None:
    numbers = np.frombuffer(DATA, np.uint8)
    assert (view.sum(), view.max(), view.mean()) == (numbers.sum(), numbers.max(), numbers.mean())
    assert np.add.reduce(view) == numbers.sum()
    assert np.bincount(view).tolist() == np.bincount(numbers).tolist()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_gives_an_equal_view(view: s3dlio.BytesView, protocol: int) -> None:
    back = pickle.loads(pickle.dumps(view[4:20], protocol))
    assert type(back) is s3dlio.BytesView
    assert back == DATA[4:20]
    assert not back.flags.writeable


def test_copy_gives_an_equal_read_only_view(view: s3dlio.BytesView) -> None:
    for made in (copy.copy(view), copy.deepcopy(view)):
        assert type(made) is s3dlio.BytesView
        assert made == DATA
        assert not made.flags.writeable
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
