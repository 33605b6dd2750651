"""Tensor dictionaries as safetensors objects: every type and layout, the peers' files, slices, checksums and failures."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors_reference as reference
from numpy_cases import LAYOUTS, lay, same

import s3dlio
from s3dlio import load_tensors, open_tensors, save_tensors

CHECKSUM = "user.s3dlio.crc32c"
SEED = 20240817

DTYPES = ["?", "u1", "i1", *(order + kind for kind in ("i2", "u2", "f2", "i4", "u4", "f4", "c8", "f8", "i8", "u8") for order in "<>")]
ML_DTYPES = {
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
}
TORCH = [
    "bool",
    *(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("u", "")),
    *("float16", "bfloat16", "float32", "float64", "complex64"),
    *("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float8_e4m3fnuz", "float8_e5m2fnuz", "float4_e2m1fn_x2"),
]


@pytest.fixture
def unrecorded() -> Iterator[Path]:
    """A folder in memory, for files whose extended attributes the test removes."""
    folder = tempfile.mkdtemp(prefix="s3dlio-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    yield Path(folder)
    shutil.rmtree(folder)


def little(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("<"))


def unrecord(path: Path) -> None:
    if CHECKSUM in os.listxattr(path):
        os.removexattr(path, CHECKSUM)


def header_of(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    parsed: dict[str, Any] = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    return parsed


def random_name(random: np.random.Generator) -> str:
    """Names as models have them, and as nobody should: Unicode of all planes, quotes, control characters."""
    alphabets = ["abcdefgh._0123", "äß名前\U0001f600é\u0301\u200d\ufeff\uffff\u2028", "".join(map(chr, range(32))) + '"\\/\x7f\x80']
    alphabet = alphabets[random.integers(len(alphabets))]
    return "".join(random.choice(list(alphabet)) for _ in range(random.integers(0, 12)))


def random_tensors(random: np.random.Generator, dtypes: list[str]) -> dict[str, np.ndarray]:
    shapes = [(), (0,), (1,), (3,), (2, 3), (0, 4), (4, 0, 2), (1, 1, 1), (5, 2, 3), (2,) * 6]
    tensors = {}
    for _ in range(random.integers(0, 9)):
        shape, dtype = shapes[random.integers(len(shapes))], np.dtype(dtypes[random.integers(len(dtypes))])
        raw = random.integers(0, 2 if dtype.kind == "b" else 256, (*shape, dtype.itemsize), np.uint8)
        tensors[random_name(random)] = np.frombuffer(raw.tobytes(), dtype).reshape(shape)
    return tensors


# NumPy arrays


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_save_numpy_any_dtype_and_layout(tmp_path: Path, dtype: str, layout: str) -> None:
    array = lay(np.dtype(dtype), layout)
    path = tmp_path / "t.safetensors"
    save_tensors(path, {"a": array})
    back = load_tensors(path)["a"]
    assert same(back, little(array))
    assert back.flags.c_contiguous
    assert back.flags.writeable
    assert same(reference.read(path.read_bytes())[0]["a"], little(array))
    save_tensors(path, {"a": array}, checksums=False)
    assert path.read_bytes() == reference.write({"a": array})
    assert same(load_tensors(path)["a"], little(array))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ML_DTYPES)
def test_save_ml_dtypes_any_layout(tmp_path: Path, name: str, layout: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="types of the ml_dtypes package")
    dtype = np.dtype(getattr(ml_dtypes, name))
    array = lay(dtype, layout)
    save_tensors(tmp_path / "t", {"a": array})
    assert same(load_tensors(tmp_path / "t")["a"], array)
    assert header_of(tmp_path / "t")["a"]["dtype"] == ML_DTYPES[name]
    swapped = np.arange(5).astype(dtype).astype(dtype.newbyteorder(">"))
    save_tensors(tmp_path / "t", {"a": swapped})
    assert same(load_tensors(tmp_path / "t")["a"], np.arange(5).astype(dtype))


def test_load_ml_dtypes_without_the_package_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    text = b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"F4","shape":[2],"data_offsets":[4,5]}}'
    (tmp_path / "t").write_bytes(reference.framed(text, b"12345"))
    with pytest.raises(s3dlio.InvalidDataError, match="tensor 'a'.*bfloat16.*ml_dtypes package; install it.*framework='pt'"):
        load_tensors(tmp_path / "t", ["a"])
    with pytest.raises(s3dlio.InvalidDataError, match="NumPy has no type for F4; load it with framework='pt'"):
        load_tensors(tmp_path / "t", ["b"])


def test_save_scalars_subclasses_and_maps(tmp_path: Path) -> None:
    base = np.arange(12, dtype=np.float32).reshape(3, 4)
    mapped = np.memmap(tmp_path / "raw", np.int16, "w+", shape=(5, 7))
    mapped[...] = np.arange(35).reshape(5, 7)
    given = {"scalar": np.float64(2.5), "matrix": base.view(np.matrix), "map": mapped[::2], "bool": np.True_}
    save_tensors(tmp_path / "t", given)
    back = load_tensors(tmp_path / "t")
    for name, value in given.items():
        assert type(back[name]) is np.ndarray
        assert same(back[name], np.asarray(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.zeros(2, "c16"), "no type for dtype complex128; view it as float64 with one more dimension of 2"),
        (np.zeros(2, "g"), "no type for dtype float128"),
        (np.zeros(2, "G"), r"no type for dtype complex256 \(it has"),
        (np.zeros(2, object), "no type for dtype object"),
        (np.zeros(2, "U3"), "no type for dtype <U3"),
        (np.zeros(2, "M8[s]"), "no type for dtype datetime64"),
        (np.zeros(2, [("a", "f4")]), "no type for dtype"),
        (np.zeros(2, "V4"), "no type for dtype"),
        (np.ma.masked_array([1.0], [True]), "holds no mask"),
        ([1.0, 2.0], "a NumPy array or a torch tensor is wanted, found list"),
        (3.0, "found float"),
        (None, "found NoneType"),
    ],
)
def test_save_what_the_format_cannot_hold_is_refused(tmp_path: Path, value: object, text: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match=text) as caught:
        save_tensors(tmp_path / "t", {"fine": np.zeros(3), "layer.7": value})
    assert "layer.7" in str(caught.value)
    assert str(tmp_path / "t") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tensors", "metadata", "text"),
    [
        ({3: np.zeros(2)}, None, "tensor names are text, found 3"),
        ({"__metadata__": np.zeros(2)}, None, "__metadata__, which the format keeps for itself"),
        ({"a\ud800": np.zeros(2)}, None, "half of a surrogate pair"),
        ({"x" * 65_537: np.zeros(2)}, None, "names of at most 65536 bytes"),
        ([np.zeros(2)], None, "a dictionary of tensors by name is wanted, found list"),
        ({}, {"a": 3}, "metadata is text to text, found 'a': 3"),
        ({}, {1: "b"}, "metadata is text to text"),
        ({}, {"a": "\udfff"}, "half of a surrogate pair"),
        ({}, {"s3dlio.mine": "b"}, "s3dlio keeps those with s3dlio. for itself"),
    ],
)
def test_save_names_and_metadata_that_cannot_be_are_refused(tmp_path: Path, tensors: Any, metadata: Any, text: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match=text):
        save_tensors(tmp_path / "t", tensors, metadata)
    assert list(tmp_path.iterdir()) == []


# the file


def test_save_without_checksums_is_the_file_of_the_reference(unrecorded: Path) -> None:
    print(f"seed {SEED}")
    random = np.random.default_rng(SEED)
    path = unrecorded / "t"
    for _ in range(150):
        tensors = random_tensors(random, DTYPES)
        metadata = [None, {}, {random_name(random): random_name(random)}][random.integers(3)]
        save_tensors(path, tensors, metadata, checksums=False)
        assert path.read_bytes() == reference.write(tensors, metadata)
        check_load(path, tensors, metadata)
        save_tensors(path, tensors, metadata)
        check_load(path, tensors, metadata)
        theirs, kept = reference.read(path.read_bytes())
        assert theirs.keys() == tensors.keys()
        assert {key: value for key, value in kept.items() if not key.startswith("s3dlio.")} == (metadata or {})
        path.write_bytes(reference.write(tensors, metadata))
        unrecord(path)
        check_load(path, tensors, metadata)


def check_load(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None) -> None:
    back = load_tensors(path)
    assert back.keys() == tensors.keys()
    assert all(same(back[name], little(tensors[name])) for name in tensors)
    with open_tensors(path) as file:
        assert file.metadata() == (metadata or {})


def test_save_without_checksums_is_the_file_of_safetensors_numpy(unrecorded: Path) -> None:
    peer = pytest.importorskip("safetensors.numpy", reason="the safetensors package to compare with")
    print(f"seed {SEED + 1}")
    random = np.random.default_rng(SEED + 1)
    ours, theirs = unrecorded / "ours", unrecorded / "theirs"
    # without big-endian: it swaps the arrays in place
    dtypes = [dtype for dtype in DTYPES if not dtype.startswith(">")]
    for _ in range(300):
        tensors = {name: np.array(array, order="C") for name, array in random_tensors(random, dtypes).items()}
        # safetensors 0.8 writes '{},"__metadata__":{}}' for neither tensors nor metadata, which is no JSON
        metadata = [None, {} if tensors else None, {random_name(random): random_name(random)}][random.integers(3)]
        peer.save_file(tensors, theirs, metadata)
        save_tensors(ours, tensors, metadata, checksums=False)
        assert ours.read_bytes() == theirs.read_bytes()
        check_load(theirs, tensors, metadata)
        save_tensors(ours, tensors, metadata)
        back = peer.load_file(ours)
        assert back.keys() == tensors.keys()
        assert all(same(back[name], tensors[name]) for name in tensors)


def test_checksums_in_the_header_are_the_tensors(tmp_path: Path) -> None:
    tensors = {"a": np.arange(10), "b": np.zeros(0), "c": np.float32(1)}
    whole = save_tensors(tmp_path / "t", tensors, {"x": "y"})
    assert whole == s3dlio.put_bytes(tmp_path / "copy", (tmp_path / "t").read_bytes())
    metadata = header_of(tmp_path / "t")["__metadata__"]
    assert set(metadata) == {"x", "s3dlio.format", "s3dlio.crc32c", "s3dlio.crc32c/a", "s3dlio.crc32c/b", "s3dlio.crc32c/c"}
    with open_tensors(tmp_path / "t") as file:
        for name, array in tensors.items():
            wanted = s3dlio.put_bytes(tmp_path / "data", np.asarray(array).tobytes())
            assert metadata[f"s3dlio.crc32c/{name}"] == file[name].checksum == wanted
    save_tensors(tmp_path / "t", tensors, checksums=False)
    with open_tensors(tmp_path / "t") as file:
        assert [file[name].checksum for name in file] == [None] * 3


def test_metadata_round_trip_hides_ours(tmp_path: Path) -> None:
    metadata = {"step": "10", "": "", "ünï": '\n\x00"\\ 名前', "format": "pt"}
    for checksums in (True, False):
        save_tensors(tmp_path / "t", {"a": np.arange(3)}, metadata, checksums=checksums)
        with open_tensors(tmp_path / "t") as file:
            assert file.metadata() == metadata
            file.metadata()["step"] = "11"
            assert file.metadata()["step"] == "10"


def test_save_overwrite_false_leaves_the_object(tmp_path: Path) -> None:
    save_tensors(tmp_path / "t", {"a": np.arange(3)}, overwrite=False)
    with pytest.raises(FileExistsError):
        save_tensors(tmp_path / "t", {"b": np.arange(3)}, overwrite=False)
    assert list(load_tensors(tmp_path / "t")) == ["a"]


# loading


def test_load_names_and_out(tmp_path: Path) -> None:
    path = tmp_path / "t"
    tensors = {f"w{i}": np.full((i, 2), i, np.float32) for i in range(5)}
    save_tensors(path, tensors)
    back = load_tensors(path, ["w3", "w1", "w1"])
    assert list(back) == ["w3", "w1"]
    assert same(back["w3"], tensors["w3"])
    assert load_tensors(path, []) == {}
    assert list(load_tensors(path, (name for name in ("w2",)))) == ["w2"]

    out = {"w4": np.zeros((4, 2), np.float32), "w2": np.zeros((10, 2), np.float32)[4:6]}
    back = load_tensors(path, out=out)
    assert list(back) == list(tensors)
    assert back["w4"] is out["w4"]
    assert back["w2"] is out["w2"]
    assert all(same(back[name], tensors[name]) for name in tensors)
    seen: list[tuple[int, int]] = []
    load_tensors(path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (80, 80)


def test_load_unknown_name_gives_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "t"
    save_tensors(path, {"layer.0.weight": np.zeros(2), "layer.0.bias": np.zeros(2)})
    for call in (
        lambda: load_tensors(path, ["layer.0.wieght"]),
        lambda: load_tensors(path, out={"layer.0.wieght": np.zeros(2)}),
        lambda: open_tensors(path)["layer.0.wieght"],
    ):
        with pytest.raises(s3dlio.InvalidArgumentError, match="no tensor 'layer.0.wieght'; did you mean 'layer.0.weight'") as caught:
            call()
        assert str(path) in str(caught.value)
    with pytest.raises(s3dlio.InvalidArgumentError, match="no tensor 'zzz'; the file has 2"):
        load_tensors(path, ["zzz"])
    with pytest.raises(s3dlio.InvalidArgumentError, match=r"names is the text 'layer.0.bias'; give a list, as in names=\['layer.0.bias'\]"):
        load_tensors(path, "layer.0.bias")
    with pytest.raises(s3dlio.InvalidArgumentError, match="framework 'tf' is not known"):
        load_tensors(path, framework="tf")  # type: ignore[arg-type]


def test_unknown_name_among_very_many_is_told_at_once(unrecorded: Path) -> None:
    save_tensors(unrecorded / "t", {f"model.layers.{i}.mlp.weight": np.zeros(0, np.uint8) for i in range(20_000)})
    with open_tensors(unrecorded / "t") as file:
        begin = time.perf_counter()
        with pytest.raises(s3dlio.InvalidArgumentError, match="the file has 20000"):
            file["model.layers.x.mlp.weight"]
        assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize(
    ("out", "text"),
    [
        (np.zeros((3, 4), ">f4"), "has dtype >f4"),
        (np.zeros((3, 4), "f8"), r"has dtype float64 and shape \(3, 4\), the file has float32 and \(3, 4\)"),
        (np.zeros((4, 3), "f4"), r"shape \(4, 3\), the file has float32 and \(3, 4\)"),
        (np.zeros(12, "f4"), "shape"),
        (np.zeros((3, 4), "f4", order="F"), "writable C-contiguous array, found one that is not contiguous"),
        (np.zeros((3, 4), "f4")[::-1], "not contiguous"),
        (np.frombuffer(bytes(48), "f4").reshape(3, 4), "read-only"),
        ([[0.0] * 4] * 3, "must be a NumPy array or a torch tensor, found list"),
        (bytearray(48), "found bytearray"),
        (np.ma.masked_array(np.zeros((3, 4), "f4")), "masked array"),
    ],
)
def test_load_out_that_does_not_fit_is_refused_and_left(tmp_path: Path, out: Any, text: str) -> None:
    save_tensors(tmp_path / "t", {"w": np.ones((3, 4), "f4"), "a": np.ones(3, "f4"), "z": np.ones(3, "f4")})
    fits = {"a": np.zeros(3, "f4"), "z": np.zeros(3, "f4")}
    with pytest.raises(s3dlio.InvalidArgumentError, match=text) as caught:
        load_tensors(tmp_path / "t", out={"w": out, **fits})
    assert "tensor 'w'" in str(caught.value)
    assert not any(array.any() for array in fits.values())
    assert not np.any(np.frombuffer(out) if isinstance(out, bytearray) else np.asarray(out))


def test_load_out_of_a_name_that_is_not_asked_for_is_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / "t", {"w": np.ones(3), "b": np.ones(2)})
    out = {"w": np.zeros(3), "b": np.zeros(2)}
    with pytest.raises(s3dlio.InvalidArgumentError, match="'b', which is not among the names"):
        load_tensors(tmp_path / "t", ["w"], out=out)
    assert not out["w"].any()
    with pytest.raises(s3dlio.InvalidArgumentError, match="out is a dictionary"):
        load_tensors(tmp_path / "t", out=[np.zeros(3)])  # type: ignore[arg-type]


def test_file_is_a_mapping_of_lazy_tensors(tmp_path: Path) -> None:
    tensors = {"b": np.arange(6.0).reshape(2, 3), "a": np.float32(3), "c": np.zeros((0, 2), np.int8)}
    save_tensors(tmp_path / "t", tensors)
    with open_tensors(tmp_path / "t") as file:
        assert sorted(file) == sorted(file.keys()) == ["a", "b", "c"]
        assert len(file) == 3
        assert "a" in file
        assert "z" not in file
        assert 3 not in file
        for name, array in tensors.items():
            lazy = file[name]
            assert (lazy.name, lazy.shape, lazy.ndim, lazy.nbytes, lazy.dtype) == (name, array.shape, array.ndim, array.nbytes, array.dtype)
            assert same(lazy.load(), np.asarray(array))
        assert len(file["b"]) == 2
        with pytest.raises(TypeError, match="no dimensions"):
            len(file["a"])
        assert repr(file["b"]) == "LazyTensor('b', F64, shape=(2, 3))"
        assert "3 tensors" in repr(file)
    assert "closed" in repr(file)


def test_closed_file_says_so(tmp_path: Path) -> None:
    save_tensors(tmp_path / "t", {"a": np.arange(6)})
    with open_tensors(tmp_path / "t") as file:
        lazy = file["a"]
        # one whose tensor is kept stays open
    for call in (lambda: lazy[2:3], lambda: lazy[...], lazy.load, file.load, lambda: file.load(["a"]), lambda: file["a"][0]):
        with pytest.raises(s3dlio.ClosedError, match="the tensor file was closed") as caught:
            call()
        assert str(tmp_path / "t") in str(caught.value)
    file.close()
    assert (lazy.shape, file.keys(), file.metadata()) == ((6,), ["a"], {})
    kept = open_tensors(tmp_path / "t")["a"]
    assert kept[2] == 2


def test_file_that_is_dropped_is_closed(tmp_path: Path) -> None:
    def opened() -> int:
        found = 0
        for fd in os.listdir("/proc/self/fd"):
            try:
                found += os.readlink(f"/proc/self/fd/{fd}").startswith(str(tmp_path))
            except FileNotFoundError:
                pass
        return found

    save_tensors(tmp_path / "t", {"a": np.arange(6)})
    (tmp_path / "bad").write_bytes(b"not it, and rather short of it")
    for _ in range(20):
        open_tensors(tmp_path / "t")["a"][1:2]
        with pytest.raises(s3dlio.InvalidDataError):
            open_tensors(tmp_path / "bad")
        with pytest.raises(s3dlio.InvalidArgumentError):
            load_tensors(tmp_path / "t", ["z"])
    assert opened() == 0


def test_file_replaced_while_open_shows_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "t"
    save_tensors(path, {"a": np.arange(100_000)})
    with open_tensors(path) as file:
        save_tensors(path, {"a": np.zeros(5), "b": np.zeros(3)})
        assert same(file["a"].load(), np.arange(100_000))
        assert file["a"][99_999] == 99_999
        s3dlio.delete(path)
        assert same(file.load()["a"], np.arange(100_000))
    with pytest.raises(FileNotFoundError):
        open_tensors(path)


def test_file_changed_in_place_while_open_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "t"
    save_tensors(path, {"a": np.arange(1000), "b": np.arange(1000.0)})
    with open_tensors(path) as file:
        with open(path, "r+b") as raw:
            raw.seek(-8, os.SEEK_END)
            raw.write(b"\xff")
        with pytest.raises(
            s3dlio.ChecksumMismatchError, match=r'tensor "b" \(8000 bytes\): crc32c:\w{8} recorded .*, crc32c:\w{8} found'
        ) as caught:
            file["b"].load()
        assert str(path) in str(caught.value)
        assert caught.value.offset is not None
        assert same(file["a"].load(), np.arange(1000))
        os.truncate(path, 100)
        with pytest.raises(s3dlio.InvalidDataError, match="was changed while being read"):
            file["b"].load()


def test_load_validate_false_reads_damaged_data(tmp_path: Path) -> None:
    path = tmp_path / "t"
    for checksums in (True, False):
        save_tensors(path, {"a": np.arange(1000), "b": np.arange(5)}, checksums=checksums)
        with open_tensors(path) as file:
            damaged = file.keys()[-1]
        with open(path, "r+b") as raw:
            raw.seek(-1, os.SEEK_END)
            raw.write(b"\x7f")
        # without checksums of its own the whole object's stands in
        with pytest.raises(s3dlio.ChecksumMismatchError):
            load_tensors(path)
        assert load_tensors(path, verify=False)[damaged][-1] >> 56 == 0x7F
        with open_tensors(path) as file:
            assert file[damaged].load(verify=False)[-1] >> 56 == 0x7F
            assert file.load(verify=False).keys() == {"a", "b"}
            # a part is read unchecked
            assert file[damaged][-1] >> 56 == 0x7F
            if checksums:
                with pytest.raises(s3dlio.ChecksumMismatchError):
                    file[damaged][:]
                assert file.load([({"a", "b"} - {damaged}).pop()])


@pytest.mark.parametrize("metadata", [None, {"step": "10"}], ids=["plain", "metadata"])
def test_any_changed_byte_is_detected_by_the_checksums_in_the_file(unrecorded: Path, metadata: dict[str, str] | None) -> None:
    path = unrecorded / "t"
    tensors = {"w": np.arange(6, dtype=np.int16).reshape(2, 3), "s": np.float32(1.5), "e": np.zeros((0, 2)), 'q"é': np.array([True])}
    save_tensors(path, tensors, metadata)
    unrecord(path)
    whole = path.read_bytes()
    assert load_tensors(path).keys() == tensors.keys()
    undetected = []
    with open(path, "r+b", buffering=0) as file:
        for place, byte in enumerate(whole):
            for other in {byte ^ 0x01, byte ^ 0x20, byte ^ 0x80, byte ^ 0xFF, 0x00, 0x20, 0x30, 0x22} - {byte}:
                os.pwrite(file.fileno(), bytes([other]), place)
                try:
                    load_tensors(path)
                    undetected.append((place, byte, other))
                except s3dlio.InvalidDataError as error:
                    assert str(path) in str(error)
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert undetected == []
    assert path.read_bytes() == whole


def test_any_truncation_or_tail_is_refused(unrecorded: Path) -> None:
    path = unrecorded / "t"
    for checksums in (True, False):
        save_tensors(path, {"w": np.arange(6, dtype=np.int16), "s": np.float32(1.5)}, checksums=checksums)
        whole = path.read_bytes()
        for content in [*(whole[:length] for length in range(len(whole))), whole + b"\0", whole + whole]:
            path.write_bytes(content)
            unrecord(path)
            with pytest.raises(s3dlio.InvalidDataError) as caught:
                open_tensors(path)
            assert str(path) in str(caught.value)


# lazy slices


def random_index(random: np.random.Generator, shape: tuple[int, ...]) -> Any:
    def bound(extent: int) -> int | None:
        return None if random.random() < 0.3 else int(random.integers(-extent - 3, extent + 4))

    items: list[Any] = []
    for extent in shape[: random.integers(0, len(shape) + 1)]:
        if extent and random.random() < 0.3:
            place = int(random.integers(-extent, extent))
            items.append(place if random.random() < 0.7 else np.int16(place))
        else:
            step = [None, 1, 2, 3, -1, -2, 7, -(2**70), 2**64 + 2, 2**63][
                random.choice(10, p=[0.3, 0.1, 0.15, 0.1, 0.15, 0.1, 0.04, 0.02, 0.02, 0.02])
            ]
            items.append(slice(bound(extent), bound(extent), step))
    if random.random() < 0.4:
        # what follows '...' indexes the last dimensions
        at = int(random.integers(0, len(items) + 1))
        for back, extent in zip(range(len(items) - 1, at - 1, -1), reversed(shape), strict=False):
            if not isinstance(items[back], slice):
                items[back] = slice(None) if extent == 0 else int(random.integers(-extent, extent))
        items.insert(at, Ellipsis)
    for _ in range(random.integers(0, 3)):
        items.insert(int(random.integers(0, len(items) + 1)), None)
    return items[0] if len(items) == 1 and random.random() < 0.5 else tuple(items)


SHAPES = [(), (1,), (7,), (0,), (3, 5), (5, 0, 2), (4, 1, 6), (1, 1), (2, 3, 4, 5), (6, 33, 17), (3000,), (2, 1, 2, 1, 2, 1, 2)]


def test_slices_are_those_of_numpy(unrecorded: Path) -> None:
    print(f"seed {SEED + 2}")
    random = np.random.default_rng(SEED + 2)
    tensors = {}
    for number, shape in enumerate(SHAPES):
        for dtype in ("<f4", "u1", "<c8", "<i2"):
            raw = random.integers(0, 256, (*shape, np.dtype(dtype).itemsize), np.uint8)
            tensors[f"{number} {dtype}"] = np.frombuffer(raw.tobytes(), dtype).reshape(shape)
    save_tensors(unrecorded / "t", tensors)
    empty = 0
    with open_tensors(unrecorded / "t") as file:
        for _ in range(60):
            for name, array in tensors.items():
                index = random_index(random, array.shape)
                wanted, found = np.asarray(array[index]), file[name][index]
                assert type(found) is np.ndarray
                assert found.flags.writeable
                assert same(found, wanted), (name, array.shape, index)
                empty += wanted.size == 0
    assert empty > 100


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (3, "index 3 is out of range for dimension 0 of size 3"),
        (-4, "index -4 is out of range"),
        ((0, 2**70), "is out of range for dimension 1"),
        ((0, 0, 0), "3 indices for 2 dimensions"),
        ((..., 0, ...), r"can have one '\.\.\.'"),
        ([0, 1], r"integers, slices, '...' and None can index a lazy tensor, found list; load it first"),
        (np.array([True, False, True]), "found ndarray|only integer scalar arrays"),
        (True, "found bool"),
        ("x", "found str"),
        (1.0, "found float"),
    ],
)
def test_slice_by_what_cannot_index_is_refused(index: Any, text: str) -> None:
    save_tensors("memory://tensors/t", {"a": np.zeros((3, 4))})
    with open_tensors("memory://tensors/t") as file, pytest.raises((IndexError, TypeError), match=text):
        file["a"][index]


def test_slice_by_a_zero_step_is_refused() -> None:
    save_tensors("memory://tensors/t", {"a": np.zeros((3, 4))})
    with open_tensors("memory://tensors/t") as file, pytest.raises(ValueError, match="slice step cannot be zero"):
        file["a"][::0]


def bytes_read() -> int:
    with open("/proc/self/io") as io:
        return int(io.readline().split()[1])


def test_slice_reads_only_what_it_needs(unrecorded: Path) -> None:
    path = unrecorded / "t"
    array = np.arange(16 << 20, dtype=np.float32).reshape(1024, 16384)
    save_tensors(path, {"big": array, "small": np.arange(10)})
    # a header's first guess is 64 KiB
    overhead = 80 << 10
    before = bytes_read()
    with open_tensors(path) as file:
        assert bytes_read() - before < overhead
        for index, needed in [
            (slice(5, 7), 128 << 10),
            ((slice(None), slice(0, 8)), 32 << 10),
            ((slice(None, None, -1), slice(8, 0, -1)), 32 << 10),
            ((0, 0), 4),
            ((slice(None, None, 100), slice(None, None, 8192)), 88),
            ((512, slice(100, 9000)), 8900 * 4),
            ((slice(3, 3),), 0),
            ((slice(0, 2), slice(None, None, 3)), 128 << 10),
        ]:
            before = bytes_read()
            found = file["big"][index]
            taken = bytes_read() - before
            assert same(found, array[index])
            assert needed <= taken <= needed + (8 << 10), (index, taken)
        before = bytes_read()
        assert file["small"].load().sum() == 45
        assert file.load(["small"])["small"].sum() == 45
        assert bytes_read() - before < 4096
    before = bytes_read()
    assert load_tensors(path, ["small"])["small"].sum() == 45
    assert bytes_read() - before < overhead


# threads


def test_one_file_loaded_by_many_threads(unrecorded: Path) -> None:
    random = np.random.default_rng(SEED)
    tensors = {f"t{i}": random.integers(0, 1 << 40, (64, 100 + 700 * i)) for i in range(8)}
    save_tensors(unrecorded / "t", tensors)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            mine = np.random.default_rng(number)
            for _ in range(30):
                name = f"t{mine.integers(8)}"
                assert same(file[name].load(), tensors[name])
                step = int(mine.integers(1, 9))
                assert same(file[name][::step, ::-step], tensors[name][::step, ::-step])
                pair = [f"t{mine.integers(4)}", "t5"]
                assert all(same(array, tensors[key]) for key, array in file.load(pair).items())
        except BaseException as error:
            failures.append(error)

    with open_tensors(unrecorded / "t") as file:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_file_closed_while_other_threads_load_is_an_error_of_theirs(unrecorded: Path) -> None:
    save_tensors(unrecorded / "t", {"a": np.arange(1 << 18)})
    wanted = np.arange(1 << 18)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while True:
                assert same(file["a"].load(), wanted)
                assert same(file["a"][::3], wanted[::3])
        except s3dlio.ClosedError:
            pass
        except BaseException as error:
            failures.append(error)

    for round_ in range(40):
        file = open_tensors(unrecorded / "t")
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.002 * (round_ % 5))
        file.close()
        for thread in threads:
            thread.join()
    assert failures == []


# torch


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="tensors of torch")


def torch_tensor(torch: Any, name: str, shape: tuple[int, ...]) -> Any:
    dtype = getattr(torch, name, None)
    if dtype is None:
        pytest.skip(f"torch {torch.__version__} has no {name}")
    if 0 in shape:
        return torch.empty(shape, dtype=dtype)
    size = torch.empty(0, dtype=dtype).element_size()
    raw = torch.from_numpy(np.random.default_rng(SEED).integers(0, 2 if name == "bool" else 256, (*shape, size), np.uint8))
    return raw.view(dtype).reshape(shape)


def equal(torch: Any, a: Any, b: Any) -> bool:
    """Same dtype, shape and bits."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    a, b = a.detach().contiguous().reshape(-1), b.detach().contiguous().reshape(-1)
    return a.numel() == 0 or bool(torch.equal(a.view(torch.uint8), b.view(torch.uint8)))


@pytest.mark.parametrize("shape", [(3, 4), (), (0,), (0, 4), (17,), (1, 1, 2)], ids=str)
@pytest.mark.parametrize("name", TORCH)
def test_torch_any_dtype(torch: Any, unrecorded: Path, name: str, shape: tuple[int, ...]) -> None:
    tensor = torch_tensor(torch, name, shape)
    path = unrecorded / "t"
    if name == "float4_e2m1fn_x2" and not shape:
        with pytest.raises(s3dlio.InvalidArgumentError):
            save_tensors(path, {"a": tensor})
        return
    save_tensors(path, {"a": tensor})
    back = load_tensors(path, framework="pt")["a"]
    assert equal(torch, back, tensor)
    assert back.is_contiguous()
    out = torch.empty(shape, dtype=tensor.dtype)
    assert load_tensors(path, framework="pt", out={"a": out})["a"] is out
    assert equal(torch, out, tensor)
    with open_tensors(path, "pt") as file:
        assert file["a"].dtype == tensor.dtype
        assert equal(torch, file["a"][...], tensor)
        assert equal(torch, file["a"][None], tensor[None])
        if shape:
            assert equal(torch, file["a"][:], tensor)
    peer = pytest.importorskip("safetensors.torch", reason="the safetensors package to compare with")
    assert equal(torch, peer.load_file(path)["a"], tensor)
    save_tensors(path, {"a": tensor}, checksums=False)
    peer.save_file({"a": tensor}, unrecorded / "theirs")
    assert path.read_bytes() == (unrecorded / "theirs").read_bytes()
    assert equal(torch, load_tensors(unrecorded / "theirs", framework="pt")["a"], tensor)


def test_torch_sub_byte_elements_are_loaded_whole(torch: Any, unrecorded: Path) -> None:
    tensor = torch_tensor(torch, "float4_e2m1fn_x2", (4, 6))
    save_tensors(unrecorded / "t", {"a": tensor})
    assert header_of(unrecorded / "t")["a"] == {"dtype": "F4", "shape": [4, 12], "data_offsets": [0, 24]}
    with (
        open_tensors(unrecorded / "t", "torch") as file,
        pytest.raises(s3dlio.InvalidArgumentError, match="elements of F4 share bytes; load the whole tensor"),
    ):
        file["a"][1:]


def test_torch_dictionaries_are_the_files_of_safetensors_torch(torch: Any, unrecorded: Path) -> None:
    peer = pytest.importorskip("safetensors.torch", reason="the safetensors package to compare with")
    print(f"seed {SEED + 3}")
    random = np.random.default_rng(SEED + 3)
    names = [name for name in TORCH if hasattr(torch, name) and name != "float4_e2m1fn_x2"]
    ours, theirs = unrecorded / "ours", unrecorded / "theirs"
    for _ in range(150):
        tensors = {}
        for _ in range(random.integers(0, 9)):
            shape = [(), (0,), (3,), (2, 3), (0, 4), (5, 2, 3)][random.integers(6)]
            tensors[random_name(random)] = torch_tensor(torch, names[random.integers(len(names))], shape)
        metadata = [None, {"format": "pt"}, {random_name(random): random_name(random)}][random.integers(3)]
        peer.save_file(tensors, theirs, metadata)
        save_tensors(ours, tensors, metadata, checksums=False)
        assert ours.read_bytes() == theirs.read_bytes()
        save_tensors(ours, tensors, metadata)
        back, mine = peer.load_file(ours), load_tensors(theirs, framework="pt")
        assert back.keys() == mine.keys() == tensors.keys()
        assert all(equal(torch, back[name], tensors[name]) and equal(torch, mine[name], tensors[name]) for name in tensors)


def test_torch_views_are_written_as_they_read(torch: Any, tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(2, 3, 4)
    z = torch.tensor([1 + 2j, 3 - 4j])
    given = {
        "transposed": base.permute(2, 0, 1),
        "strided": base[:, ::2, 1::2],
        "offset": base[1],
        "expanded": torch.arange(3)[:, None].expand(3, 5),
        "channels last": torch.arange(120.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "conjugate": z.conj(),
        "negative": z.conj().imag,
        "parameter": torch.nn.Parameter(base * 2),
        "grown": (torch.nn.Parameter(base) * 3),
        "flipped": base.flip(0),
        "half": base.half().t() if base.ndim == 2 else base[0].half().t(),
        "from numpy": torch.from_numpy(np.arange(6)),
    }
    assert given["conjugate"].is_conj()
    assert given["negative"].is_neg()
    save_tensors(tmp_path / "t", given)
    back = load_tensors(tmp_path / "t", framework="pt")
    for name, tensor in given.items():
        assert torch.equal(back[name], tensor.detach()), name
        assert not back[name].requires_grad
    assert given["parameter"].requires_grad


def test_torch_and_numpy_in_one_file(torch: Any, tmp_path: Path) -> None:
    save_tensors(tmp_path / "t", {"a": torch.arange(3), "b": np.arange(4.0)})
    as_numpy, as_torch = load_tensors(tmp_path / "t"), load_tensors(tmp_path / "t", framework="pt")
    assert same(as_numpy["a"], np.arange(3))
    assert torch.equal(as_torch["b"], torch.arange(4, dtype=torch.float64))
    out = {"a": torch.zeros(3, dtype=torch.int64), "b": np.zeros(4)}
    for framework in ("np", "pt"):
        back = load_tensors(tmp_path / "t", framework=framework, out=out)  # type: ignore[arg-type]
        assert back["a"] is out["a"]
        assert back["b"] is out["b"]
        assert back["a"].tolist() == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:.*(beta state|experimental|prototype):UserWarning")
def test_torch_what_cannot_be_saved_is_refused(torch: Any, tmp_path: Path) -> None:
    eye = torch.eye(3)
    cases = [
        (eye.to_sparse(), r"dense tensors, this one is torch.sparse_coo; use to_dense\(\)"),
        (eye.to_sparse_csr(), "torch.sparse_csr"),
        (torch.empty(3, device="meta"), "device 'meta' has no data"),
        (torch.zeros(3, dtype=torch.complex128), r"no type for torch.complex128; save torch.view_as_real\(tensor\)"),
        (torch.zeros(3, dtype=torch.complex32), "no type for torch.complex32"),
        (torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]), "nested"),
    ]
    for tensor, text in cases:
        with pytest.raises(s3dlio.InvalidArgumentError, match=text) as caught:
            save_tensors(tmp_path / "t", {"layer.7": tensor})
        assert "layer.7" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_torch_out_that_does_not_fit_is_refused(torch: Any, tmp_path: Path) -> None:
    save_tensors(tmp_path / "t", {"w": torch.ones((3, 4)), "z": torch.ones(3, dtype=torch.complex64)})
    cases = [
        ("w", torch.zeros((3, 4), dtype=torch.float64), "has dtype torch.float64"),
        ("w", torch.zeros((4, 3)), "the file has"),
        ("w", torch.zeros((4, 3)).t(), "dense contiguous tensor on the CPU"),
        ("w", torch.empty((3, 4), device="meta"), "on meta"),
        ("w", torch.eye(3).to_sparse(), "torch.sparse_coo"),
        ("z", torch.zeros(3, dtype=torch.complex64).conj(), "conjugates or negates"),
    ]
    for name, out, text in cases:
        with pytest.raises(s3dlio.InvalidArgumentError, match=text):
            load_tensors(tmp_path / "t", framework="pt", out={name: out})


def test_torch_slices_are_those_of_numpy(torch: Any, unrecorded: Path) -> None:
    print(f"seed {SEED + 4}")
    random = np.random.default_rng(SEED + 4)
    arrays = {str(number): random.standard_normal(shape).astype(np.float32) for number, shape in enumerate(SHAPES)}
    save_tensors(unrecorded / "t", {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
    with open_tensors(unrecorded / "t", "pt") as file:
        for _ in range(40):
            for name, array in arrays.items():
                index = random_index(random, array.shape)
                found = file[name][index]
                assert isinstance(found, torch.Tensor)
                assert same(found.numpy(), np.asarray(array[index])), (array.shape, index)
