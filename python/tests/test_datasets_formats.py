"""Data sets of files that hold many samples: what is read, indexes, and files that are damaged or hostile."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Base

import s3dlio
from s3dlio import datasets

S3dlioError = s3dlio.S3dlioError


def _tar(members: list[tuple[str, bytes]], kind: int = tarfile.GNU_FORMAT) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=kind) as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return memory.getvalue()


def _samples(count: int, seed: int = 0) -> list[tuple[str, bytes]]:
    choose = random.Random(seed)
    return [
        (f"dir.v1/{i:04}.{extension}", choose.randbytes(choose.randrange(2000)))
        for i in range(count)
        for extension in ("jpg", "cls", "seg.png")
    ]


# ---- gzip and zstd ----


def _zstd(data: bytes) -> bytes:
    with s3dlio.open("memory://packing/y.zst", "wb", compress=True) as out:
        out.write(data)
    return s3dlio.get("memory://packing/y.zst", decompress=False).to_bytes()


PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": _zstd}


@pytest.mark.parametrize("suffix", PACKERS)
def test_members_and_objects_are_unpacked_where_that_is_asked_for(base: Base, suffix: str) -> None:
    pack = PACKERS[suffix]
    texts = [f"text {i} ".encode() * 100 for i in range(10)]
    members = [(f"{i}.{name}", data) for i, text in enumerate(texts) for name, data in ((f"txt{suffix}", pack(text)), ("raw", text))]
    uri = base.text(f"members{suffix}.tar")
    s3dlio.put(uri, _tar(members))
    data = datasets.tar(uri, decompress=True)
    assert [(sample["txt"], sample["raw"]) for sample in data] == [(text, text) for text in texts]
    assert datasets.tar(uri)[3][f"txt{suffix}"] == members[6][1]
    folder = base.text(f"objects{suffix}/")
    s3dlio.put_many([(f"{folder}{i}.txt{suffix}", pack(text)) for i, text in enumerate(texts)])
    s3dlio.put(f"{folder}plain", b"as it is")
    found = datasets.objects(folder, decompress=True)
    assert [view.to_bytes() for view in found] == [*texts, b"as it is"]
    assert sorted(view.to_bytes() for batch in datasets.Loader(found, 3, True, 1) for view in batch) == sorted([*texts, b"as it is"])


@pytest.mark.parametrize("suffix", PACKERS)
def test_files_that_are_packed_as_a_whole_give_the_same_samples(base: Base, suffix: str) -> None:
    pack = PACKERS[suffix]
    plain, packed = base.text(f"whole{suffix}/plain/"), base.text(f"whole{suffix}/packed/")
    for number in range(6):
        shard = _tar(_samples(9, number))
        s3dlio.put(f"{plain}{number}.tar", shard)
        s3dlio.put(f"{packed}{number}.tar{suffix}", pack(shard))
    want, data = datasets.tar(plain), datasets.tar(packed)
    assert len(data) == len(want) == 54

    def bytes_of(sample: dict[str, Any]) -> dict[str, bytes]:
        return {name: bytes(value) for name, value in sample.items() if not name.startswith("__")}

    assert [bytes_of(sample) for sample in data] == [bytes_of(sample) for sample in want]
    # the index beside each was written, and is of the file that lies there
    assert len(datasets.tar(packed, index="require")) == 54
    loader = datasets.Loader(data, 4, True, 7)
    numbers = [index for batch in loader for index in batch.indices.tolist()]
    assert sorted(numbers) == list(range(54)) and numbers != list(range(54))
    state = loader.state_dict()
    loader.load_state_dict(state)
    # shuffled, one file is used before the next: none is read twice
    assert len({tuple(sorted({index // 9 for index in numbers[at : at + 9]})) for at in range(0, 54, 9)}) >= 3
    s3dlio.put(f"{packed}0.tar{suffix}", pack(_tar(_samples(4, 99))))
    assert len(datasets.tar(packed)) == 49
    with pytest.raises(s3dlio.InvalidArgumentError, match="make a data set of each kind"):
        datasets.tar([f"{plain}0.tar", f"{packed}0.tar{suffix}"])

    records = [random.Random(i).randbytes(i * 7) for i in range(30)]
    file = b"".join(datasets.tfrecord_frame(one) for one in records)
    uri = base.text(f"whole{suffix}/x.tfrecord{suffix}")
    s3dlio.put(uri, pack(file))
    assert [view.to_bytes() for view in datasets.tfrecord(uri)] == records


@pytest.mark.parametrize("suffix", PACKERS)
def test_damaged_packed_files_are_refused_with_their_name(tmp_path: Path, suffix: str) -> None:
    shard = _tar([("a.txt", random.Random(2).randbytes(5000)), ("b.txt", b"b" * 3000)])
    good = PACKERS[suffix](shard)
    file = tmp_path / f"x.tar{suffix}"
    choose = random.Random(4)
    refused = 0
    for case in range(60):
        damaged = bytearray(good)
        if case % 3 == 0:
            del damaged[choose.randrange(len(good)) :]
        else:
            damaged[choose.randrange(len(good))] ^= 1 << choose.randrange(8)
        file.write_bytes(damaged)
        try:
            # flags and times of a gzip header mean nothing
            assert [bytes(sample["txt"]) for sample in datasets.tar(file, index="memory")][1] == b"b" * 3000
        except S3dlioError as error:
            refused += 1
            assert isinstance(error, s3dlio.InvalidDataError) and str(file) in str(error)
    assert refused > 40
    file.write_bytes(good)
    data = datasets.tar(file)
    file.write_bytes(PACKERS[suffix](shard[:512]))
    with pytest.raises(s3dlio.InvalidDataError, match="index it again|cut short"):
        data.read([0, 1])
    loader = datasets.Loader(data, 2, on_error="skip")
    assert [len(batch) for batch in loader] == [0] and loader.stats.skipped == 2


# ---- safetensors ----


def test_rows_and_tensors_of_safetensors_files(base: Base) -> None:
    folder = base.text("st/")
    made = []
    for number, rows in enumerate((5, 1, 12)):
        chance = np.random.default_rng(number)
        tensors = {
            "x": chance.standard_normal((rows, 3, 2)).astype(np.float32),
            "y": chance.integers(0, 9, rows),
            "name": chance.integers(0, 99, (rows, 7)).astype(np.uint8),
        }
        s3dlio.save_tensors(f"{folder}{number}.safetensors", tensors)
        made.append(tensors)
    want = {name: np.concatenate([tensors[name] for tensors in made]) for name in made[0]}
    data = datasets.safetensors(folder)
    assert len(data) == 18 and set(data.names) == set(want)
    seen = []
    for batch in datasets.Loader(data, 4, True, 5):
        for index, sample in zip(batch.indices.tolist(), batch, strict=True):
            seen.append(index)
            assert all((sample[name] == want[name][index]).all() and sample[name].dtype == want[name].dtype for name in want)
    assert sorted(seen) == list(range(18))
    assert set(datasets.safetensors(folder, ["y"])[17]) == {"y"}
    tensors = datasets.safetensors(folder, ["x", "y"], rows=False)
    assert len(tensors) == 6
    assert [next(iter(sample)) for sample in tensors] == ["x", "y"] * 3
    assert (tensors[4]["x"] == made[2]["x"]).all() and (tensors[5]["y"] == made[2]["y"]).all()
    with pytest.raises(s3dlio.InvalidDataError, match="rows=False"):
        s3dlio.save_tensors(f"{folder}z.safetensors", {"x": np.zeros(3), "y": np.zeros(4), "name": np.zeros(())})
        datasets.safetensors(folder)
    with pytest.raises(s3dlio.exceptions.UnknownTensorError, match="'w'"):
        datasets.safetensors(f"{folder}0.safetensors", ["w"])
    # an object that was cut short after it was listed
    s3dlio.put(f"{folder}0.safetensors", b"x" * 100)
    with pytest.raises(S3dlioError, match="0.safetensors"):
        data.read([0])


# ---- tar ----


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_samples_are_the_members_that_tarfile_finds(base: Base, kind: int) -> None:
    long = "x" * 60 + "/" + "y" * (60 if kind == tarfile.USTAR_FORMAT else 200)
    files = [[("folder/", b""), *_samples(20, 1), (f"{long}.txt", b"long"), (".hidden", b"no"), ("README", b"no")], _samples(7, 2)]
    for number, members in enumerate(files):
        s3dlio.put(base.text(f"tars{kind}/{number}.tar"), _tar(members, kind))
    data = datasets.tar(base.text(f"tars{kind}/"))
    assert len(data) == 28 and data.key(20) == long and data[20]["txt"] == b"long"
    for number, place in ((0, 0), (3, 3), (22, 1)):
        members = dict(files[number > 20])
        sample = data[number]
        key = f"dir.v1/{place:04}"
        assert sample["__key__"] == key and sample["__url__"].endswith(f"{int(number > 20)}.tar")
        assert {name: bytes(sample[name]) for name in ("jpg", "cls", "seg.png")} == {
            name: members[f"{key}.{name}"] for name in ("jpg", "cls", "seg.png")
        }
    loader = datasets.Loader(data, 5, True, 3, block=4, window=2)
    assert sorted(sample["__key__"] + sample["__url__"] for batch in loader for sample in batch) == sorted(
        data[i]["__key__"] + data[i]["__url__"] for i in range(28)
    )
    # the second time the indexes beside the files are used
    assert s3dlio.exists(base.text(f"tars{kind}/0.tar.s3index"))
    again = datasets.tar(base.text(f"tars{kind}/"), index="require")
    assert again.digest == data.digest and again[22]["jpg"] == data[22]["jpg"]
    s3dlio.put(base.text(f"tars{kind}/1.tar"), _tar(_samples(9, 2), kind))
    with pytest.raises(s3dlio.InvalidDataError, match="index='rebuild'"):
        datasets.tar(base.text(f"tars{kind}/"), index="require")
    assert len(datasets.tar(base.text(f"tars{kind}/"))) == 30


def test_wids_index_names_the_files(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.tar").write_bytes(_tar(_samples(3)))
    (tmp_path / "index.json").write_text(
        json.dumps({"wids_version": 1, "shardlist": [{"url": "0.tar", "nsamples": 3}, {"url": str(tmp_path / "1.tar"), "nsamples": 3}]})
    )
    assert len(datasets.tar(tmp_path / "index.json", index="memory")) == 6
    assert not (tmp_path / "0.tar.s3index").exists()
    (tmp_path / "index.json").write_text('{"shardlist": [{}]}')
    with pytest.raises(s3dlio.InvalidDataError, match="no JSON index of wids"):
        datasets.tar(tmp_path / "index.json")


def _with(data: bytes, at: int, new: bytes, again: bool = True) -> bytes:
    changed = bytearray(data)
    changed[at : at + len(new)] = new
    if again:
        changed[148:156] = b" " * 8
        changed[148:156] = b"%06o\0 " % sum(changed[:512])
    return bytes(changed)


GOOD_TAR = _tar([("a.txt", b"one"), ("a.cls", b"2")])
HOSTILE_TARS: dict[str, tuple[bytes, str]] = {
    "cut in a header": (GOOD_TAR[:1100], "cut short"),
    "cut in a member": (_tar([("a.bin", bytes(5000))])[:3000], "cut short"),
    "sum that is wrong": (_with(GOOD_TAR, 0, b"b", again=False), "no tar file, or it is damaged"),
    "no tar file at all": (b"PK\x03\x04" + bytes(range(256)) * 40, "byte 0"),
    "size that is no number": (_with(GOOD_TAR, 124, b"99999999999\0"), "not octal"),
    "size beyond the file": (_with(GOOD_TAR, 124, b"77777777777\0"), "cut short"),
    "size of 64 bits": (_with(GOOD_TAR, 124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), "cut short"),
    "size below zero": (_with(GOOD_TAR, 124, b"\xff" * 12), "cut short"),
    "name of a gigabyte": (_with(_with(GOOD_TAR, 156, b"L"), 124, b"10000000000\0"), "at byte 0"),
    "unknown kind": (_with(GOOD_TAR, 156, b"S"), "sparse"),
    "one name twice": (_tar([("a.txt", b"1"), ("a.txt", b"2")]), "two members 'txt'"),
    "attributes that are none": (_with(_tar([("x", b"9 path\n\0\0\0")]), 156, b"x"), "attributes that begin"),
    "attributes with a size that is none": (_with(_tar([("x", b"12 size=abc\n")]), 156, b"x"), "attributes"),
    "empty": (b"", "no sample"),
    "only zeros": (bytes(10240), "no sample"),
}


@pytest.mark.parametrize("case", HOSTILE_TARS)
def test_hostile_tar_files_are_refused_with_the_place(case: str, tmp_path: Path) -> None:
    data, told = HOSTILE_TARS[case]
    file = tmp_path / "hostile.tar"
    file.write_bytes(data)
    with pytest.raises(s3dlio.InvalidDataError, match=told) as caught:
        datasets.tar(file)
    assert str(file) in str(caught.value)
    assert not (tmp_path / "hostile.tar.s3index").exists()


def _fuzz(good: bytes, read: Callable[[], Any], file: Path, rounds: int = 150, seed: int = 1) -> int:
    """Reads damaged files: it works or raises one of ours, and does not take long."""
    choose = random.Random(seed)
    refused = 0
    for _ in range(rounds):
        damaged = bytearray(good)
        for _ in range(choose.randrange(1, 5)):
            at = choose.randrange(max(1, len(damaged)))
            kind = choose.randrange(4)
            if kind == 0 and damaged:
                damaged[at % len(damaged)] ^= 1 << choose.randrange(8)
            elif kind == 1:
                del damaged[at:]
            elif kind == 2:
                damaged[at : at + 8] = struct.pack("<Q", choose.choice([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]))
            else:
                damaged[at:at] = damaged[: choose.randrange(64)]
        file.write_bytes(damaged)
        try:
            read()
        except S3dlioError:
            refused += 1
    return refused


def test_damaged_files_of_each_format_work_or_are_refused(tmp_path: Path) -> None:
    memory = io.BytesIO()
    np.savez_compressed(memory, x=np.arange(50.0), y=np.arange(5))
    array = io.BytesIO()
    np.save(array, np.arange(60, dtype=np.int16).reshape(20, 3))
    records = b"".join(datasets.tfrecord_frame(bytes([i]) * i) for i in range(30))
    (tmp_path / "i.tar").write_bytes(_tar(_samples(3)))
    datasets.tar(tmp_path / "i.tar")
    cases: list[tuple[str, bytes, Callable[[], Any]]] = [
        ("a.tar", _tar(_samples(3)), lambda: list(datasets.tar(tmp_path / "a.tar", index="memory"))),
        ("a.tfrecord", records, lambda: list(datasets.tfrecord(tmp_path / "a.tfrecord", index="memory"))),
        ("a.npz", memory.getvalue(), lambda: list(datasets.npz(str(tmp_path / "a.npz")))),
        ("a.npy", array.getvalue(), lambda: list(datasets.npy(tmp_path / "a.npy"))),
        ("i.tar.s3index", (tmp_path / "i.tar.s3index").read_bytes(), lambda: list(datasets.tar(tmp_path / "i.tar", index="require"))),
    ]
    for name, good, read in cases:
        (tmp_path / name).write_bytes(good)
        read()
        assert _fuzz(good, read, tmp_path / name) > 20, name


# ---- TFRecord ----


def test_tfrecord_payloads_and_indexes(base: Base) -> None:
    payloads = [[bytes([i]) * (i * 13 % 97) for i in range(40)], [b"", b"x" * 70_000]]
    for number, those in enumerate(payloads):
        s3dlio.put(base.text(f"rec/{number}.tfrecord"), b"".join(map(datasets.tfrecord_frame, those)))
    data = datasets.tfrecord(base.text("rec/"))
    assert [bytes(sample) for sample in data] == payloads[0] + payloads[1]
    text = bytes(s3dlio.get(base.text("rec/0.tfrecord.idx"))).decode()
    assert text.splitlines()[:3] == ["0 16", "16 29", "45 42"]
    assert s3dlio.read_tfrecord_index(base.text("rec/0.tfrecord.idx")) == s3dlio.get_tfrecord_index_entries(
        s3dlio.get(base.text("rec/0.tfrecord"))
    )
    assert s3dlio.index_tfrecord_bytes(s3dlio.get(base.text("rec/0.tfrecord"))) == text
    assert s3dlio.create_tfrecord_index(base.text("rec/0.tfrecord"), base.text("rec/other.idx")) == 40
    assert datasets.tfrecord(base.text("rec/"), index="require").digest == data.digest


def test_tfrecord_framing_is_that_of_tensorflow() -> None:
    """A record that TensorFlow 2 wrote.

    Its masked CRC32C values of length 3 and of b"abc" are computed here from the published definition.
    """
    record = datasets.tfrecord_frame(b"abc")

    def crc(data: bytes) -> int:
        value = 0xFFFFFFFF
        for byte in data:
            value ^= byte
            for _ in range(8):
                value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        return value ^ 0xFFFFFFFF

    def masked(value: int) -> bytes:
        return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    assert record == struct.pack("<Q", 3) + masked(crc(struct.pack("<Q", 3))) + b"abc" + masked(crc(b"abc"))


def test_damaged_records_are_named_and_can_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "a.tfrecord"
    good = b"".join(datasets.tfrecord_frame(bytes([i]) * 10) for i in range(10))
    file.write_bytes(good)
    data = datasets.tfrecord(file)
    file.write_bytes(_flip(good, 26 * 4 + 15))
    with pytest.raises(s3dlio.ChecksumMismatchError, match=r"payload of the record at byte 104"):
        data[4]
    file.write_bytes(_flip(good, 26 * 4))
    with pytest.raises(s3dlio.InvalidDataError, match="record at byte 104"):
        data[4]
    loader = datasets.Loader(data, 10, on_error="skip")
    assert next(iter(loader)).indices.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9] and loader.stats.skipped == 1
    for damaged, told in ((good[:-1], "cut short"), (good[:5], "12"), (_flip(good, 0), "length"), (b"\xff" * 40, "no TFRecord file")):
        file.write_bytes(damaged)
        with pytest.raises(s3dlio.InvalidDataError, match=told):
            datasets.tfrecord(file, index="rebuild")
    for text in (b"1", b"a b", b"0 3", b"0 20\n10 20", b"0 99999999999999999999", b"-1 20"):
        (tmp_path / "bad.idx").write_bytes(text)
        with pytest.raises(s3dlio.InvalidDataError, match="line"):
            s3dlio.read_tfrecord_index(tmp_path / "bad.idx")


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# ---- NumPy ----


def test_npz_of_every_dtype(tmp_path: Path) -> None:
    arrays = {kind: np.arange(6).astype(kind).reshape(2, 3) for kind in "?bBhHiIlLefdgFD"}
    arrays |= {
        "text": np.array(["a", "bcd"]),
        "bytes": np.array([b"x", b"yz"]),
        "when": np.array(["2020-01-01"], "M8[D]"),
        "big": np.arange(3, dtype=">i4"),
    }
    arrays |= {
        "struct": np.zeros(3, [("a", "f4"), ("b", "i2", (2,))]),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "none": np.zeros((0, 4)),
        "one": np.array(5),
    }
    for name, save in (("plain", np.savez), ("packed", np.savez_compressed)):
        save(tmp_path / f"{name}.npz", **arrays)
        found = datasets.npz(str(tmp_path / f"{name}.npz"))[0]
        assert found.keys() == arrays.keys()
        for key, array in arrays.items():
            assert found[key].dtype == array.dtype and np.array_equal(found[key], array), key
    assert datasets.npz(tmp_path, names=["e"])[0].keys() == {"e"}
    assert s3dlio.read_npz(tmp_path / "plain.npz", "h").dtype == np.int16 and s3dlio.read_npz(tmp_path / "plain.npz").dtype == np.bool_
    with pytest.raises(s3dlio.InvalidArgumentError, match="there is no array 'nope'"):
        s3dlio.read_npz(tmp_path / "plain.npz", "nope")


def _zip(members: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return memory.getvalue()


def _npy(array: Any, **options: Any) -> bytes:
    memory = io.BytesIO()
    np.save(memory, array, **options)
    return memory.getvalue()


def _header(text: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def test_hostile_npz_and_npy_files_are_refused(tmp_path: Path) -> None:
    good = _zip({"x.npy": _npy(np.arange(1000))})
    hostile = {
        "objects": (_zip({"x.npy": _npy(np.array([{}], object), allow_pickle=True)}), "pickled objects"),
        "no arrays": (_zip({"readme": b"x"}), "without arrays"),
        "no zip": (b"hello" * 100, "no .npz file"),
        "cut": (good[:-30], "no .npz file"),
        "damaged": (_flip(good, 200), "no .npz file"),
        "too long": (_zip({"x.npy": _npy(np.arange(3)) + b"zz"}), "bytes of elements"),
        "shape beyond memory": (
            _zip({"x.npy": _header("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 16), }\n")}),
            "cannot be",
        ),
        "shape of a terabyte": (
            _zip({"x.npy": _header("{'descr': '<f8', 'fortran_order': False, 'shape': (137438953472,), }\n", bytes(8))}),
            "bytes of elements",
        ),
        "code": (_zip({"x.npy": _header("__import__('os').system('true')\n")}), "no .npy file"),
    }
    for case, (data, told) in hostile.items():
        (tmp_path / "a.npz").write_bytes(data)
        with pytest.raises(s3dlio.InvalidDataError, match=told):
            print(case, datasets.npz(str(tmp_path / "a.npz"))[0])
    info = bytearray(good)
    at = good.rindex(b"PK\x01\x02")
    info[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFF00)
    (tmp_path / "a.npz").write_bytes(info)
    with pytest.raises(s3dlio.InvalidDataError, match="no compression does that"):
        datasets.npz(str(tmp_path / "a.npz"))[0]


def test_rows_of_npy_files_land_in_one_array(base: Base) -> None:
    whole = np.random.default_rng(1).standard_normal((100, 3, 4)).astype(np.float32)
    s3dlio.save(base.text("rows/a.npy"), whole[:37])
    s3dlio.save(base.text("rows/b.npy"), whole[37:])
    data = datasets.npy(base.text("rows/"))
    assert len(data) == 100 and data.dtype == np.float32 and data.shape == (3, 4)
    for batch in datasets.Loader(data, 16, True, 5, block=8):
        assert np.array_equal(batch.array, whole[batch.indices]) and batch.array.flags.writeable
        assert np.array_equal(batch[0], whole[batch.indices[0]])
    s3dlio.save(base.text("rows/c.npy"), whole.astype(np.float64))
    with pytest.raises(s3dlio.InvalidDataError, match="those of"):
        datasets.npy(base.text("rows/"))


def test_npy_files_without_rows_are_refused(tmp_path: Path) -> None:
    for case, array, told in (
        ("scalar", np.array(3), "without axes"),
        ("fortran", np.asfortranarray(np.zeros((3, 4))), "Fortran"),
        ("empty", np.zeros((0, 4)), "no rows"),
    ):
        np.save(tmp_path / f"{case}.npy", array)
        with pytest.raises(s3dlio.InvalidDataError, match=told):
            datasets.npy(tmp_path / f"{case}.npy")
    (tmp_path / "cut.npy").write_bytes(_npy(np.zeros((30, 4)))[:-1])
    with pytest.raises(s3dlio.InvalidDataError, match="bytes of elements"):
        datasets.npy(tmp_path / "cut.npy")


# ---- Parquet ----


def test_parquet_row_groups_are_what_pyarrow_reads(base: Base) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    tables = []
    for number in range(2):
        table = arrow.table({"x": np.arange(100) + number, "name": [f"n{i}" for i in range(100)], "y": np.arange(100) / 7})
        memory = io.BytesIO()
        parquet.write_table(table, memory, row_group_size=30)
        s3dlio.put(base.text(f"parquet/{number}.parquet"), memory.getvalue())
        tables.append(table)
    data = datasets.parquet(base.text("parquet/"))
    assert len(data) == 8 and [data.rows(index) for index in range(4)] == [30, 30, 30, 10]
    assert data[1].equals(tables[0].slice(30, 30)) and data[7].equals(tables[1].slice(90, 10))
    some = datasets.parquet(base.text("parquet/"), columns=["y", "x"])
    assert some[4].column_names in (["x", "y"], ["y", "x"]) and some[4].column("x").to_pylist() == list(range(1, 31))
    rows = [row for batch in datasets.Loader(some, 2, True, 3) for table in batch for row in table.column("x").to_pylist()]
    assert sorted(rows) == sorted([*range(100), *range(1, 101)])
    for wrong in ("z", 3, -1):
        with pytest.raises(s3dlio.InvalidArgumentError, match=f"no column {wrong!r}"):
            datasets.parquet(base.text("parquet/"), columns=[wrong])
    # the original's loader counts columns
    numbered = s3dlio.create_async_loader(base.text("parquet/"), {"format": "parquet", "decode": "arrow", "columns": [2, 0, 2]})
    assert arrow.ipc.open_stream(next(iter(numbered)).bytes().to_bytes()).read_all().column_names == ["x", "y"]
    items = list(s3dlio.create_async_loader(base.text("parquet/"), {"format": "parquet", "decode": "arrow"}))
    assert [item.rg_idx for item in items] == [0, 1, 2, 3] * 2 and arrow.ipc.open_stream(
        items[0].bytes().to_bytes()
    ).read_all().num_rows == 30


def test_damaged_parquet_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow
    import pyarrow.parquet

    file = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"x": np.arange(1000)}), file, row_group_size=100)
    good = file.read_bytes()

    def read() -> Any:
        return [table.num_rows for table in datasets.parquet(file)]

    assert read() == [100] * 10
    assert _fuzz(good, read, file, 100) > 20


# ---- logs ----


def test_records_of_a_log(tmp_path: Path) -> None:
    with s3dlio.Log.open(tmp_path / "log", "a") as writer:
        writer.append_batch([bytes([i]) * i for i in range(50)])
        writer.commit()
        data = datasets.log(tmp_path / "log")
        writer.append(b"later")
        writer.commit()
    assert len(data) == 50 and [bytes(record) for record in data] == [bytes([i]) * i for i in range(50)]
    seen = {
        index: bytes(record)
        for batch in datasets.Loader(data, 7, True, 3)
        for index, record in zip(batch.indices.tolist(), batch, strict=True)
    }
    assert seen == {i: bytes([i]) * i for i in range(50)}
    with s3dlio.Log.open(tmp_path / "rows", "a", dtype=np.float32, shape=(3,)) as writer:
        writer.append_batch(np.arange(60, dtype=np.float32).reshape(20, 3))
        writer.commit()
    rows = datasets.log(tmp_path / "rows", begin=5)
    assert np.array_equal(next(iter(datasets.Loader(rows, 15))).array, np.arange(15, 60, dtype=np.float32).reshape(15, 3))
    with pytest.raises(s3dlio.InvalidArgumentError, match="the log has 0..20"):
        datasets.log(tmp_path / "rows", end=21)


def _sections_by_hand(data: bytes, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Reads such a file by docs/formats.md alone."""
    length, crc = struct.unpack_from("<II", data, 8)
    assert data[:8] == b"S3DLIOST" and (16 + length) % 64 == 0
    text = data[16 : 16 + length]
    assert s3dlio.put_bytes("memory://by-hand/x", text) == f"crc32c:{crc:08x}"
    header = json.loads(text)
    assert header["version"] == 1 and header["kind"] == kind
    types = {"u8": "u1", "u32": "<u4", "u64": "<u8", "i64": "<i8"}
    arrays = {}
    for name, section in header["sections"].items():
        begin = 16 + length + section["offset"]
        raw = data[begin : begin + section["length"]]
        assert begin % 64 == 0 and s3dlio.put_bytes("memory://by-hand/x", raw) == f"crc32c:{section['crc32c']:08x}"
        arrays[name] = np.frombuffer(raw, types[section["type"]])
    return header, arrays


def test_manifests_and_tar_indexes_are_as_their_page_says() -> None:
    s3dlio.put_many([("memory://laid-out/d/a", b"one"), ("memory://laid-out/d/bb", b"three")])
    s3dlio.datasets.index("memory://laid-out/d/", "memory://laid-out/m", checksums="read")
    header, found = _sections_by_hand(s3dlio.get("memory://laid-out/m").to_bytes(), "manifest")
    assert header["samples"] == 2 and header["bases"] == ["memory://laid-out/d/"] and header["created"].endswith("Z")
    assert found["keys"].tobytes() == b"abb" and found["starts"].tolist() == [0, 1, 3]
    assert found["sizes"].tolist() == [3, 5] and len(found["etags"]) == 32 and found["known"].tolist() == [1, 1]
    assert [f"crc32c:{one:08x}" for one in found["crc32c"].tolist()] == [
        s3dlio.stat(f"memory://laid-out/d/{name}")["checksum"] for name in ("a", "bb")
    ]

    packed = _tar([("d.e/a.b.txt", b"one"), ("d.e/a.cls", b"0"), ("d.e/b.txt", b"three")])
    s3dlio.put("memory://laid-out/x.tar", packed)
    s3dlio.datasets.tar("memory://laid-out/x.tar")
    header, found = _sections_by_hand(s3dlio.get("memory://laid-out/x.tar.s3index").to_bytes(), "tar index")
    assert header["tar"] == "x.tar" and header["tar_size"] == len(packed) and header["samples"] == 2
    assert found["first"].tolist() == [0, 2, 3] and found["sizes"].tolist() == [3, 1, 5]
    assert [packed[at : at + size] for at, size in zip(found["offsets"], found["sizes"], strict=True)] == [b"one", b"0", b"three"]
    assert found["keys"].tobytes() == b"d.e/ad.e/b" and found["key_starts"].tolist() == [0, 5, 10]
    assert found["extensions"].tobytes() == b"b.txtclstxt" and found["extension_starts"].tolist() == [0, 5, 8, 11]


@pytest.mark.parametrize("settings", [{}, {"hedge_after": 600}, {"ordered": False}, {"memory": 1}, {"prefetch": 3}], ids=str)
def test_batches_that_are_read_together_hold_what_samples_read_one_by_one_do(tmp_path: Path, settings: Any) -> None:
    choose = random.Random(11)
    for count in range(12):
        rows = [bytes(choose.choices(range(256), k=choose.choice([16, 16, choose.randrange(0, 900)]))) for _ in range(200)]
        shards = []
        for first in range(0, 200, 50):
            shards.append(str(tmp_path / f"{count}-{first}.tar"))
            with tarfile.open(shards[-1], "w") as file:
                for number in range(first, first + 50):
                    info = tarfile.TarInfo(f"{number:04}.bin")
                    info.size = len(rows[number])
                    file.addfile(info, io.BytesIO(rows[number]))
        data = datasets.tar(shards, index="memory")
        block, window, seed = choose.randrange(1, 20), choose.randrange(2, 12), choose.getrandbits(60)
        world, size = choose.randrange(1, 4), choose.randrange(1, 30)
        given: list[int] = []
        for rank in range(world):
            share = {"rank": rank, "world_size": world, "uneven": "allow", "block": block, "window": window}
            loader = datasets.Loader(data, size, True, seed, **share, **settings)
            found = list(loader)
            if settings.get("ordered", True):
                order = datasets.Order(200, True, seed, 0, block, window).indices(0, 200).tolist()
                positions = datasets.Share(200, 0, rank, world, size, "allow")
                assert [batch.indices.tolist() for batch in found] == [
                    [order[at] for at in positions.positions(number)] for number in range(len(positions))
                ]
            for batch in found:
                given += batch.indices.tolist()
                assert [bytes(sample["bin"]) for sample in batch] == [rows[index] for index in batch.indices]
        assert sorted(given) == list(range(200))


def test_batches_that_are_read_together_take_few_requests_and_keep_failures_with_their_samples(tmp_path: Path) -> None:
    base = "memory://joined-batches/"
    for shard in range(4):
        memory = io.BytesIO()
        with tarfile.open(fileobj=memory, mode="w") as file:
            for number in range(128):
                info = tarfile.TarInfo(f"{number:04}.bin")
                info.size = 100
                file.addfile(info, io.BytesIO(bytes([number]) * 100))
        s3dlio.put(f"{base}{shard}.tar", memory.getvalue())
    data = datasets.tar(base, index="memory")
    loader = datasets.Loader(data, 8, True, 5, block=8, window=8, on_error="skip")
    used = datasets._budget.budget.used
    begun: list[int] = []
    together = datasets._loader.begin_joined

    def counted(of: Any, batches: Any, settings: Any) -> Any:
        begun.append(len(batches))
        return together(of, batches, settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets._loader, "begin_joined", counted)
        assert sum(len(batch) for batch in loader) == 512
    # the windows behind the first are read by one operation each
    assert begun.count(8) == 7
    # a file that was cut short: its samples fail, each by itself, and the others come
    whole = bytes(s3dlio.get(f"{base}2.tar"))
    s3dlio.put(f"{base}2.tar", whole[: 64 * 1024 + 512 + 50])
    batches = list(loader)
    failed = sorted(index for batch in batches for index in batch.errors)
    assert failed == list(range(2 * 128 + 64, 3 * 128))
    assert sorted(index for batch in batches for index in batch.indices.tolist()) == [one for one in range(512) if one not in failed]
    with pytest.raises(s3dlio.errors.InvalidDataError):
        list(datasets.Loader(data, 8, True, 5, block=8, window=8))
    # what failed is no longer read ahead, nor are the batches that were begun with it
    assert datasets._budget.budget.used == used
