"""Arrays as .npy objects: what we write NumPy reads, what NumPy writes we read, and the type is never lost."""

from __future__ import annotations

import os
import pickle
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy_cases import DTYPES, LAYOUTS, ML_DTYPES, fill, lay, same

import s3dlio
from s3dlio import load_numpy_array as load, save_numpy_array as save

CHECKSUM = "user.s3dlio.crc32c"


def header(text: str, major: int = 1) -> bytes:
    """A .npy head with that dictionary."""
    raw = text.encode("utf8" if major == 3 else "latin1")
    raw += b" " * (-(len(raw) + 1 + (10 if major == 1 else 12)) % 64) + b"\n"
    return b"\x93NUMPY" + bytes((major, 0)) + struct.pack("<H" if major == 1 else "<I", len(raw)) + raw


def described(descr: object, shape: object, order: bool = False) -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", DTYPES)
def test_save_any_dtype_and_layout_gives_the_file_of_np_save(tmp_path: Path, name: str, layout: str) -> None:
    array = lay(DTYPES[name], layout)
    save(tmp_path / "ours.npy", array)
    with warnings.catch_warnings():
        # NumPy says that version 3.0 is new
        warnings.simplefilter("ignore", UserWarning)
        np.save(tmp_path / "theirs.npy", array)
    ours, theirs = (tmp_path / "ours.npy").read_bytes(), (tmp_path / "theirs.npy").read_bytes()
    assert len(ours) == len(theirs)
    if array.dtype.fields is None:
        assert ours == theirs
    else:
        # the bytes between fields are nobody's
        length = 10 + int.from_bytes(ours[8:10], "little")
        assert ours[:length] == theirs[:length]

    for back in (load(tmp_path / "ours.npy"), load(tmp_path / "theirs.npy"), np.load(tmp_path / "ours.npy")):
        assert same(back, array)
    back = load(tmp_path / "ours.npy")
    assert back.flags.writeable
    if array.dtype.itemsize:
        assert back.flags.f_contiguous if array.flags.f_contiguous and not array.flags.c_contiguous else back.flags.c_contiguous


@pytest.mark.parametrize("name", ["aligned", "padded"])
def test_save_strided_padded_fields_writes_no_memory_of_others(name: str) -> None:
    array = lay(DTYPES[name], "strided")
    first = save("memory://numpy/padded.npy", array)
    for _ in range(20):
        junk = [np.full(array.nbytes, 0xAB, np.uint8) for _ in range(50)]
        del junk
        assert save("memory://numpy/padded.npy", array) == first


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ML_DTYPES)
def test_save_ml_dtypes_keeps_the_type(tmp_path: Path, name: str, layout: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="types of the ml_dtypes package")
    if not hasattr(ml_dtypes, name):
        pytest.skip(f"ml_dtypes {ml_dtypes.__version__} has no {name}")
    dtype = np.dtype(getattr(ml_dtypes, name))
    array = lay(dtype, layout)
    save(tmp_path / "a.npy", array)
    back = load(tmp_path / "a.npy", dtype=dtype, shape=array.shape)
    assert same(back, array)
    out = np.zeros(array.shape, dtype, order="F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C")
    assert load(tmp_path / "a.npy", out=out) is out
    assert same(out, array)
    raw = np.load(tmp_path / "a.npy")
    assert raw.dtype == np.dtype(f"V{dtype.itemsize}")
    assert raw.tobytes() == array.tobytes()
    assert (tmp_path / "a.npy").stat().st_size % 64 == array.nbytes % 64


@pytest.mark.parametrize("name", ["bfloat16", "float8_e5m2", "int4"])
def test_save_big_endian_ml_dtypes_keeps_the_values(name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="types of the ml_dtypes package")
    array = np.arange(-3, 4).astype(getattr(ml_dtypes, name))
    swapped = array.astype(array.dtype.newbyteorder(">"))
    save("memory://numpy/swapped.npy", swapped)
    assert same(load("memory://numpy/swapped.npy"), array)


def test_load_numpys_own_bfloat16_gives_what_np_load_gives(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="types of the ml_dtypes package")
    np.save(tmp_path / "a.npy", np.arange(5).astype(ml_dtypes.bfloat16))
    assert same(load(tmp_path / "a.npy"), np.load(tmp_path / "a.npy"))


def test_save_fields_of_ml_dtypes_is_refused() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="types of the ml_dtypes package")
    for dtype in ([("a", ml_dtypes.bfloat16)], [("a", [("b", ml_dtypes.int4, (2,))])]):
        with pytest.raises(s3dlio.InvalidArgumentError, match="fields of a type that a .npy file cannot name"):
            save("memory://numpy/no.npy", np.zeros(3, dtype))


def test_load_extension_without_ml_dtypes_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.npy").write_bytes(header(described("'|V2'", "(2,)") + " # s3dlio-dtype: bfloat16") + b"abcd")
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    with pytest.raises(s3dlio.InvalidDataError, match="bfloat16, which NumPy has only with the ml_dtypes package; install it"):
        load(tmp_path / "a.npy")
    assert np.load(tmp_path / "a.npy").tobytes() == b"abcd"


@pytest.mark.parametrize("name", ["finfo", "iinfo", "__version__", "__builtins__", "_finfo", "no_such", "int4"])
def test_load_extension_name_that_is_no_type_of_that_size_is_refused(tmp_path: Path, name: str) -> None:
    # np.dtype(ml_dtypes.finfo) is object: the file's bytes would become pointers
    pytest.importorskip("ml_dtypes", reason="types of the ml_dtypes package")
    (tmp_path / "a.npy").write_bytes(header(described("'|V8'", "(2,)") + f" # s3dlio-dtype: {name}") + b"\x41" * 16)
    with pytest.raises(s3dlio.InvalidDataError, match=f"has no type {name}|which differ in size"):
        load(tmp_path / "a.npy")


class Extended(np.ndarray):
    pass


def test_save_what_np_asarray_takes() -> None:
    uri = "memory://numpy/given.npy"
    base = np.arange(12, dtype="<i4").reshape(3, 4)
    for given, wanted in [
        (base.view(np.matrix), base),
        (base.view(Extended), base),
        (np.float32(2.5), np.array(2.5, np.float32)),
        (np.datetime64("2020-01-01"), np.array("2020-01-01", "M8[D]")),
        (3, np.array(3)),
        (True, np.array(True)),
        ([[1.0, 2.0], [3.0, 4.0]], np.array([[1.0, 2.0], [3.0, 4.0]])),
        ((1, 2, 3), np.array([1, 2, 3])),
        ("text", np.array("text")),
        (b"bytes", np.array(b"bytes")),
        (memoryview(b"abc"), np.frombuffer(b"abc", np.uint8)),
        (range(5), np.arange(5)),
        ([], np.array([])),
    ]:
        save(uri, given)
        back = load(uri)
        assert type(back) is np.ndarray
        assert same(back, wanted)
    records = np.rec.array([(1, 2.0), (3, 4.0)], dtype=[("a", "<i4"), ("b", "<f8")])
    save(uri, records)
    assert same(load(uri), np.asarray(records))


def test_save_memory_mapped(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "raw", np.int16, "w+", shape=(5, 7))
    mapped[...] = np.arange(35).reshape(5, 7)
    save(tmp_path / "a.npy", mapped[1:])
    assert same(load(tmp_path / "a.npy"), np.asarray(mapped[1:]))
    # onto the file that is mapped itself: the rename leaves the old one to the map
    np.save(tmp_path / "b.npy", np.arange(10))
    own = np.load(tmp_path / "b.npy", mmap_mode="r")
    save(tmp_path / "b.npy", own[::-1])
    assert same(load(tmp_path / "b.npy"), np.arange(10)[::-1])
    assert own[0] == 0


def test_save_leaves_the_array_and_returns_the_whole_files_checksum(tmp_path: Path) -> None:
    for layout in LAYOUTS:
        array = lay(np.dtype(">f4"), layout)
        before = (array.tobytes(), array.strides, array.flags.writeable)
        checksum = save(tmp_path / "a.npy", array)
        assert (array.tobytes(), array.strides, array.flags.writeable) == before
        (tmp_path / "copy").write_bytes((tmp_path / "a.npy").read_bytes())
        assert s3dlio.put_bytes(tmp_path / "copy", (tmp_path / "a.npy").read_bytes()) == checksum


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.array([1, None], object), "holds Python objects, which only pickle can store and pickle can run code"),
        (np.zeros(2, [("a", "i4"), ("b", "O")]), "holds Python objects"),
        (np.zeros(2, [("a", [("b", "O", (2,))])]), "holds Python objects"),
        ([{}, {}], "holds Python objects"),
        (np.zeros(0, object), "holds Python objects"),
        (np.ma.masked_array([1, 2], [True, False]), r"holds no mask; save array\.filled\(\) and array\.mask"),
        (np.ma.masked_array([1, 2]), "holds no mask"),
        (np.zeros(2, {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2]}), "overlapping or out-of-order.*repack_fields"),
        (np.zeros(2, {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [4, 0]}), "overlapping or out-of-order.*repack_fields"),
    ],
)
def test_save_what_the_format_cannot_hold_is_refused(tmp_path: Path, array: object, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("pickle was used")

    monkeypatch.setattr(pickle, "dumps", never)
    monkeypatch.setattr(pickle, "dump", never)
    path = tmp_path / "no.npy"
    with pytest.raises(s3dlio.InvalidArgumentError, match=text) as caught:
        save(path, array)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert not path.exists()


def test_save_string_dtype_is_refused_with_the_reason(tmp_path: Path) -> None:
    kind = getattr(getattr(np, "dtypes", None), "StringDType", None)
    if kind is None:
        pytest.skip("NumPy 2's StringDType")
    for array in (np.array(["a", "bc"], kind()), np.zeros(0, kind())):
        with pytest.raises(
            s3dlio.InvalidArgumentError, match=r"texts of any length, which a .npy file can only keep as a pickle; .*astype\('U20'\)"
        ):
            save(tmp_path / "no.npy", array)
    assert list(tmp_path.iterdir()) == []
    save(tmp_path / "yes.npy", np.array(["a", "bc"], kind()).astype("U20"))
    assert load(tmp_path / "yes.npy").tolist() == ["a", "bc"]


@pytest.mark.parametrize("compress", [23, -1, 0, 2.5, "zstd"])
def test_save_compress_that_is_no_level_is_refused(tmp_path: Path, compress: object) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="level from 1 to 22, found"):
        save(tmp_path / "no.npy", np.zeros(3), compress)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_save_overwrite_false_leaves_the_object(tmp_path: Path) -> None:
    save(tmp_path / "a.npy", np.arange(3), overwrite=False)
    with pytest.raises(FileExistsError):
        save(tmp_path / "a.npy", np.arange(4), overwrite=False)
    assert load(tmp_path / "a.npy").size == 3


def test_save_metadata_and_progress(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    save(tmp_path / "a.npy", np.zeros(300_000), metadata={"step": "7"}, progress=lambda done, total: seen.append((done, total)))
    assert s3dlio.stat(tmp_path / "a.npy")["metadata"] == {"step": "7"}
    assert seen[-1] == (2_400_128, 2_400_128)
    load(tmp_path / "a.npy", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (2_400_000, 2_400_000)


# loading


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("name", ["<f4", ">i8", "nested", "titles"])
def test_load_each_version_of_the_format(tmp_path: Path, version: tuple[int, int], name: str) -> None:
    array = lay(DTYPES[name], "Fortran")
    with open(tmp_path / "a.npy", "wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        np.lib.format.write_array(file, array, version)
    assert same(load(tmp_path / "a.npy"), array)


def test_save_header_beyond_64_kib_is_version_2(tmp_path: Path) -> None:
    array = fill(np.zeros(3, [(f"a rather long name of a field {i}", "<i2") for i in range(2000)]))
    save(tmp_path / "a.npy", array)
    assert (tmp_path / "a.npy").read_bytes()[6] == 2
    assert same(load(tmp_path / "a.npy"), array)
    assert same(np.load(tmp_path / "a.npy", max_header_size=1 << 20), array)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (described("'<i2'", "(2L,)"), [1, 2]),
        ("{'shape':(2,),'descr':'<i2','fortran_order':False}", [1, 2]),
        ('{"descr": "i2", "fortran_order": True, "shape": (2,)}  ', [1, 2]),
        (described("'<i2'", "()"), 1),
        (described("'<i2'", "(2,)") + " # s3dlio-dtype of nothing", [1, 2]),
    ],
)
def test_load_headers_of_other_writers(tmp_path: Path, text: str, wanted: object) -> None:
    (tmp_path / "a.npy").write_bytes(header(text) + np.array([1, 2], "<i2").tobytes())
    assert load(tmp_path / "a.npy").tolist() == wanted
    if "L" not in text:
        assert np.load(tmp_path / "a.npy").tolist() == wanted


def test_load_file_with_a_second_array_gives_the_first_as_np_load_does(tmp_path: Path) -> None:
    path = tmp_path / "two.npy"
    with open(path, "wb") as file:
        np.save(file, np.arange(5))
        np.save(file, np.ones((400, 700)))
    assert same(load(path), np.load(path))
    # a given checksum is the whole object's
    checksum = s3dlio.put_bytes(tmp_path / "copy.npy", path.read_bytes())
    assert same(load(tmp_path / "copy.npy"), np.arange(5))
    assert same(load(path, validate_checksum=checksum), np.arange(5))
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    with pytest.raises(s3dlio.ChecksumMismatchError):
        load(path, validate_checksum=checksum)


def test_load_expected_shape_and_dtype(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    save(path, np.zeros((3, 4), "<f4"))
    for shape, dtype in [((3, 4), "f4"), ([3, 4], np.float32), (None, "<f4"), ((np.int64(3), 4), None)]:
        assert load(path, shape, dtype).shape == (3, 4)
    for shape, dtype, text in [
        ((4, 3), None, r"shape \(4, 3\) was expected, the object has \(3, 4\)"),
        (12, None, r"shape \(12,\) was expected"),
        ((), None, r"shape \(\) was expected"),
        ((3, 4, 1), None, "was expected"),
        (None, "f8", "dtype float64 was expected, the object has float32"),
        (None, ">f4", "dtype >f4 was expected"),
        (None, "i4", "dtype int32 was expected"),
    ]:
        with pytest.raises(s3dlio.InvalidArgumentError, match=text) as caught:
            load(path, shape, dtype)
        assert str(path) in str(caught.value)
    save(path, np.zeros(5))
    assert load(path, 5).size == load(path, np.int64(5)).size == 5


def test_load_expected_shape_is_checked_before_anything_is_allocated(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(header(described("'<f8'", "(1099511627776,)")))
    os.truncate(path, 128 + (1 << 43))
    with pytest.raises(s3dlio.InvalidArgumentError, match="was expected, the object has"):
        load(path, (3,))
    with pytest.raises(s3dlio.InvalidArgumentError, match="out has shape"):
        load(path, out=np.zeros(3))
    # 8 TiB that the object really has: memory is the limit, and says so
    with pytest.raises(MemoryError):
        load(path)


def test_load_out_is_filled_and_returned(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for name in ("<f4", ">i8", "<U5", "aligned", "'S0'"):
        for layout in ("C", "Fortran", "0-d", "(0, 3)", "1-d", "one"):
            array = lay(DTYPES[name], layout)
            save(path, array)
            order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
            out = np.ndarray(array.shape, array.dtype, order=order)
            assert load(path, out=out) is out
            assert same(out, array)
    big = np.zeros((10, 6))
    save(path, np.arange(12.0).reshape(2, 6))
    view = big[4:6]
    assert load(path, out=view) is view
    assert big.sum() == 66
    assert big[4:6].sum() == 66
    mapped = np.memmap(tmp_path / "mapped", float, "w+", shape=(2, 6))
    assert load(path, out=mapped) is mapped
    assert mapped.sum() == 66


@pytest.mark.parametrize(
    ("out", "text"),
    [
        (np.zeros((3, 4), ">f4"), "out has dtype >f4, the object has float32"),
        (np.zeros((3, 4), "f8"), "out has dtype float64"),
        (np.zeros((4, 3), "f4"), r"out has shape \(4, 3\), the object has \(3, 4\)"),
        (np.zeros(12, "f4"), "out has shape"),
        (np.zeros((3, 4), "f4", order="F"), "object is in C order and out is not C-contiguous; make it with np.empty"),
        (np.zeros((3, 8), "f4")[:, ::2], "not C-contiguous"),
        (np.zeros((3, 4), "f4")[::-1], "not C-contiguous"),
        (np.broadcast_to(np.zeros((3, 1), "f4"), (3, 4)), "read-only|not C-contiguous"),
        (np.frombuffer(bytes(48), "f4").reshape(3, 4), "out is read-only"),
        ([[0.0] * 4] * 3, "out must be a NumPy array, found list"),
        (bytearray(48), "out must be a NumPy array, found bytearray"),
    ],
)
def test_load_out_that_does_not_fit_is_refused_and_left(tmp_path: Path, out: object, text: str) -> None:
    save(tmp_path / "a.npy", np.ones((3, 4), "f4"))
    with pytest.raises(s3dlio.InvalidArgumentError, match=text):
        load(tmp_path / "a.npy", out=out)  # type: ignore[arg-type]
    assert not np.any(np.frombuffer(out) if isinstance(out, bytearray) else np.asarray(out))


def test_load_fortran_object_into_c_out_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.npy", np.ones((3, 4), order="F"))
    with pytest.raises(s3dlio.InvalidArgumentError, match=r"in F order and out is not F-contiguous; .*order='F'"):
        load(tmp_path / "a.npy", out=np.zeros((3, 4)))


def test_load_validates_by_the_recorded_or_the_given_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    checksum = save(path, np.arange(1000))
    assert os.getxattr(path, CHECKSUM).decode().startswith(checksum)
    for wanted in (None, checksum, False):
        assert load(path, validate_checksum=wanted).sum() == 499500
    with pytest.raises(s3dlio.ChecksumMismatchError) as caught:
        load(path, validate_checksum="crc32c:00000000")
    assert "crc32c:00000000" in str(caught.value)
    assert checksum in str(caught.value)
    assert str(path) in str(caught.value)
    for text in ("md5:00", "crc32c:xyz", ""):
        with pytest.raises(s3dlio.InvalidArgumentError, match="a checksum such as"):
            load(path, validate_checksum=text)
    with open(path, "r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\xff")
    with pytest.raises(s3dlio.ChecksumMismatchError):
        load(path)
    with pytest.raises(s3dlio.ChecksumMismatchError):
        load(path, validate_checksum=checksum)
    assert load(path, validate_checksum=False)[-1] == 255 + (999 & ~255)
    os.removexattr(path, CHECKSUM)
    assert load(path)[-1] == 255 + (999 & ~255)


@pytest.mark.parametrize(
    "array",
    [np.arange(5, dtype="<u2"), np.zeros((0, 3)), np.array(1.5), np.zeros(2, [("a", "<i4"), ("b", "S3")])],
    ids=["1-d", "empty", "0-d", "fields"],
)
def test_load_file_truncated_anywhere_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    path = tmp_path / "a.npy"
    save(path, array)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if "user.s3dlio.crc32c" in os.listxattr(path):
            os.removexattr(path, CHECKSUM)
        with pytest.raises(s3dlio.InvalidDataError, match="truncated|cut short|magic|found the end|bytes of .npy prefix") as caught:
            load(path)
        assert str(path) in str(caught.value)
    path.write_bytes(whole)
    assert same(load(path), array)


@pytest.mark.parametrize("how", ["recorded", "given"])
def test_load_any_flipped_byte_is_detected(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.npy"
    checksum = save(path, np.arange(7, dtype="<i4"))
    whole = path.read_bytes()
    if how == "given":
        os.removexattr(path, CHECKSUM)
    undetected = []
    for place in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF, 0x10):
            damaged = bytearray(whole)
            damaged[place] ^= flip
            # in place, so that the record stays
            with open(path, "r+b") as file:
                file.write(damaged)
            try:
                load(path, validate_checksum=checksum if how == "given" else None)
                undetected.append((place, flip))
            except s3dlio.InvalidDataError as error:
                assert type(error) in (s3dlio.InvalidDataError, s3dlio.ChecksumMismatchError)
                assert str(path) in str(error)
    assert undetected == []


def test_load_flipped_byte_without_any_checksum_never_escapes_as_another_error(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    names = ["<f4", "nested", "subarray", "<U5", "M8[ns]", "'S0'", "padded"]
    print(f"seed {(seed := 20240817)}")
    random = np.random.default_rng(seed)
    for name in names:
        np.save(path, lay(DTYPES[name], "1-d"))
        whole = path.read_bytes()
        end = 10 + int.from_bytes(whole[8:10], "little")
        for place in [*range(end)] * 2:
            damaged = bytearray(whole)
            damaged[place] = random.choice(list(b"'\",()[]{}0123456789VSUOifbcmM<>|=L-# \n\\") if place >= 10 else range(256))
            path.write_bytes(damaged)
            with warnings.catch_warnings():
                # NumPy says which type strings are going out of use
                warnings.simplefilter("ignore")
                try:
                    back = load(path)
                    assert not back.dtype.hasobject
                except s3dlio.InvalidDataError:
                    pass


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "found an empty object"),
        (b"PK\x03\x04 a zip file", "expected the .npy magic 934e554d5059, found the bytes 504b0304"),
        (pickle.dumps([1, 2]), "expected the .npy magic"),
        (b"\x93NUMPY\x04\x00" + bytes(100), "version 1.0, 2.0 or 3.0, found 4.0"),
        (header(described("'|O'", "(1,)")) + pickle.dumps([1]), "Python objects"),
    ],
)
def test_load_what_is_no_npy_is_refused(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(s3dlio.InvalidDataError, match=text) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_load_missing_is_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        load(tmp_path / "no.npy")
    assert caught.value.filename is not None
    assert "no.npy" in caught.value.filename


def test_load_lets_go_of_the_file(tmp_path: Path) -> None:
    def opened() -> int:
        return sum(
            os.readlink(f"/proc/self/fd/{fd}").startswith(str(tmp_path))
            for fd in os.listdir("/proc/self/fd")
            if os.path.exists(f"/proc/self/fd/{fd}")
        )

    save(tmp_path / "a.npy", np.arange(3))
    (tmp_path / "b.npy").write_bytes(header(described("'<f8'", "(5,)")))
    for _ in range(20):
        load(tmp_path / "a.npy")
        for wrong in ({"shape": (9,)}, {"dtype": "S3"}, {"out": np.zeros(9)}, {"validate_checksum": "crc32c:00000000"}):
            with pytest.raises(ValueError, match="."):
                load(tmp_path / "a.npy", **wrong)  # type: ignore[arg-type]
        with pytest.raises(s3dlio.InvalidDataError):
            load(tmp_path / "b.npy")
    assert opened() == 0
