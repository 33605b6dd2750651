"""Objects written and read as files: compressed and plain, on every store; what other libraries make of them."""

from __future__ import annotations

import gc
import io
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Base, Child

import s3dlio

KIB, MIB = 1 << 10, 1 << 20
LENGTHS = [0, 1, 4 * KIB - 1, 4 * KIB, 4 * KIB + 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1]


def text(length: int, seed: int = 0) -> bytes:
    """Words of a few kinds: it shrinks to a fraction."""
    words = [bytes(np.random.default_rng(seed + i).integers(97, 123, 2 + i % 7, np.uint8)) + b" " for i in range(200)]
    picks = np.random.default_rng(seed).integers(0, 200, length // 3 + 1)
    return b"".join(words[i] for i in picks)[:length]


def noise(length: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(length)


def write(uri: Any, data: bytes, compress: bool | int, piece: int = 3 * MIB + 1, **options: Any) -> dict[str, Any]:
    with s3dlio.ObjectWriter(uri, compress=compress, **options) as writer:
        for at in range(0, len(data), piece):
            assert writer.write(data[at : at + piece]) == len(data[at : at + piece])
        return writer.finalize()


@pytest.mark.parametrize("compress", [False, True, 19], ids=["plain", "zstd", "zstd 19"])
@pytest.mark.parametrize("length", LENGTHS)
def test_write_any_length_reads_back(base: Base, length: int, compress: bool | int) -> None:
    if compress == 19 and length > MIB:
        pytest.skip("a minute of the highest levels shows nothing more")
    data = text(length // 2) + noise(length - length // 2)
    done = write(base.at("x"), data, compress, piece=1000 if length < MIB else 3 * MIB + 1)
    stored = bytes(s3dlio.get(done["uri"]))
    assert done["uri"] == base.text("x.zst" if compress else "x")
    assert (done["raw_size"], done["size"]) == (length, len(stored))
    assert done["checksum"] == s3dlio.stat(done["uri"])["checksum"] == s3dlio.put_bytes("memory://sums/a", stored)
    assert done["raw_checksum"] == s3dlio.put_bytes("memory://sums/b", data)
    assert done["ratio"] == (length / len(stored) if length else None)
    with s3dlio.open(base.at("x")) as file:
        assert file.read() == data
    assert bytes(s3dlio.get(base.at("x"), decompress="auto")) == data
    assert (stored == data) == (not compress)


def check_on_server(uri: str, options: dict[str, Any]) -> None:
    for compress in (False, True):
        for data in (b"", b"x", text(64 * MIB + 7), noise(64 * MIB + 7)):
            done = write(f"{uri}/stream", data, compress, storage_options=options)
            assert bytes(s3dlio.get(f"{uri}/stream", decompress="auto", storage_options=options)) == data
            assert done["uri"] == f"{uri}/stream" + ".zst" * compress
            with s3dlio.open(f"{uri}/stream", storage_options=options) as file:
                file.seek(len(data) // 2)
                assert file.read(100_000) == data[len(data) // 2 :][:100_000]
            s3dlio.delete(done["uri"], storage_options=options)
    with pytest.raises(KeyError), s3dlio.ObjectWriter(f"{uri}/left", compress=True, storage_options=options) as writer:
        writer.write(noise(20 * MIB))
        raise KeyError
    assert not s3dlio.exists(f"{uri}/left.zst", storage_options=options)


def test_write_to_s3_reads_back() -> None:
    from servers_fixture import s3_server

    check_on_server(*s3_server())


def test_write_to_azure_reads_back() -> None:
    from servers_fixture import azure_server

    check_on_server(*azure_server())


def test_reads_at_random_places_are_those_of_a_file(base: Base) -> None:
    data = text(5 * MIB) + noise(2 * MIB + 3)
    for compress in (False, True):
        write(base.at("r"), data, compress)
        dice = random.Random(1)
        with s3dlio.open(base.at("r")) as file, io.BytesIO(data) as model:
            for _ in range(100):
                where, whence = dice.randrange(len(data) + 10), dice.choice([os.SEEK_SET, os.SEEK_END, os.SEEK_CUR])
                offset = {os.SEEK_SET: where, os.SEEK_END: -dice.randrange(len(data)), os.SEEK_CUR: dice.randrange(1000)}[whence]
                assert file.seek(offset, whence) == model.seek(offset, whence)
                size = dice.choice([0, 1, 100, 70_000, 5 * MIB])
                assert file.read(size) == model.read(size)
                assert file.tell() == model.tell()
        s3dlio.delete(s3dlio.ObjectReader(base.at("r")).uri)


def test_readinto_fills_the_callers_memory(tmp_path: Path) -> None:
    numbers = np.arange(1 << 20, dtype=np.int64)
    for compress in (False, True):
        done = write(tmp_path / f"n-{compress}", numbers.tobytes(), compress)
        target = np.zeros_like(numbers)
        with s3dlio.open(done["uri"], buffering=0) as file:
            assert file.readinto(target) == numbers.nbytes
            assert file.readinto(target) == 0
        assert np.array_equal(target, numbers)
        frozen = np.zeros(3, np.uint8)
        frozen.flags.writeable = False
        with s3dlio.open(done["uri"], buffering=0) as file, pytest.raises(ValueError, match="read-only"):
            file.readinto(frozen)


@pytest.mark.parametrize("compress", [False, True])
def test_numpy_tar_and_zip_work_on_it(base: Base, compress: bool) -> None:
    array = np.random.default_rng(0).standard_normal((300, 1000))
    with s3dlio.open(base.at("a.npy"), "wb", compress=compress) as file:
        np.save(file, array)
    with s3dlio.open(base.at("a.npy")) as file:
        assert np.array_equal(np.load(file), array)
    with s3dlio.open(base.at("a.npz"), "wb", compress=compress) as file:
        np.savez(file, one=array, two=array[0])
    with s3dlio.open(base.at("a.npz")) as file:
        assert np.array_equal(np.load(file)["two"], array[0])
    with s3dlio.open(base.at("a.tar"), "wb", compress=compress) as file, tarfile.open(fileobj=file, mode="w|") as tar:
        for name in ("a", "b"):
            entry = tarfile.TarInfo(name)
            entry.size = 100_000
            tar.addfile(entry, io.BytesIO(name.encode() * 100_000))
    with s3dlio.open(base.at("a.tar")) as file, tarfile.open(fileobj=file) as tar:
        member = tar.extractfile("b")
        assert member is not None and member.read() == b"b" * 100_000
    with s3dlio.open(base.at("a.zip"), "wb", compress=compress) as file, zipfile.ZipFile(file, "w") as made:
        made.writestr("c", b"c" * 100_000)
    with s3dlio.open(base.at("a.zip")) as file, zipfile.ZipFile(file) as found:
        assert found.testzip() is None and found.read("c") == b"c" * 100_000


@pytest.mark.parametrize("compress", [False, True])
def test_torch_works_on_it(tmp_path: Path, compress: bool) -> None:
    torch = pytest.importorskip("torch")
    saved = {"w": torch.arange(100_000, dtype=torch.float32), "step": 3}
    with s3dlio.open(tmp_path / "m.pt", "wb", compress=compress) as file:
        torch.save(saved, file)
    with s3dlio.open(tmp_path / "m.pt") as file:
        found = torch.load(file)
    assert torch.equal(found["w"], saved["w"]) and found["step"] == 3


@pytest.mark.parametrize("compress", [False, True])
def test_an_exception_inside_cancels_and_propagates(base: Base, compress: bool) -> None:
    with pytest.raises(KeyError, match="mine"), s3dlio.ObjectWriter(base.at("c"), compress=compress) as writer:
        writer.write(noise(10 * MIB))
        raise KeyError("mine")
    assert writer.closed
    for uri in (base.at("c"), base.text("c.zst")):
        assert not s3dlio.exists(uri)
    if base.folder is not None:
        assert base.files() == []
    with pytest.raises(ValueError, match="finalized, cancelled or closed"):
        writer.write(b"x")


def test_a_writer_that_is_let_go_leaves_nothing(tmp_path: Path) -> None:
    writer = s3dlio.ObjectWriter(tmp_path / "g")
    writer.write(b"x" * 2 * MIB)
    del writer
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_the_old_object_stays_until_the_new_is_whole(base: Base) -> None:
    s3dlio.put_bytes(base.at("o"), b"old")
    with s3dlio.ObjectWriter(base.at("o")) as writer:
        writer.write(b"new")
        writer.flush()
        assert bytes(s3dlio.get(base.at("o"))) == b"old"
    assert bytes(s3dlio.get(base.at("o"))) == b"new"
    with pytest.raises(FileExistsError), s3dlio.open(base.at("o"), "xb") as file:
        file.write(b"newer")
    assert bytes(s3dlio.get(base.at("o"))) == b"new"


def test_the_suffix_is_there_once(base: Base) -> None:
    assert write(base.text("s"), b"1", True)["uri"] == base.text("s.zst")
    assert write(base.text("s.zst"), b"2", True)["uri"] == base.text("s.zst")
    with s3dlio.open(base.text("t.zst"), "wb") as file:
        file.write(b"3" * 1000)
    assert file.is_compressed and bytes(s3dlio.get(base.text("t"), decompress="auto")) == b"3" * 1000
    with pytest.raises(FileNotFoundError, match=r"nor one with \.zst"):
        s3dlio.open(base.text("u"))


def test_reserved_memory_is_written_and_outlives_the_writer(base: Base) -> None:
    with s3dlio.ObjectWriter(base.at("v"), compress=True) as writer:
        writer.write(b"ab")
        memory = writer.reserve(2 * MIB)
        memory[:3] = b"cde"
        assert writer.commit(3) == 3
        with pytest.raises(ValueError, match="nothing reserved"):
            writer.commit(1)
        last = writer.reserve(10)
        with pytest.raises(ValueError, match="10 bytes reserved"):
            writer.commit(11)
        last[:] = b"0123456789"
        writer.commit(10)
    # freed memory would not hold what is written to it now
    last[:] = b"9876543210"
    memory[:3] = b"xyz"
    assert (bytes(last), bytes(memory[:3])) == (b"9876543210", b"xyz")
    assert (
        bytes(s3dlio.get(base.at("v"), decompress=True) if base.kind == "none" else s3dlio.get(base.at("v"), decompress="auto"))
        == b"abcde0123456789"
    )


def test_ranges_of_compressed_objects_are_of_the_raw_bytes(base: Base) -> None:
    data = text(9 * MIB)
    done = write(base.at("w"), data, 1)
    part = data[5 * MIB - 3 : 5 * MIB + 70_000]
    checksum = s3dlio.put_bytes("memory://sums/c", part)
    assert bytes(s3dlio.get_range(base.at("w"), 5 * MIB - 3, len(part), decompress="auto", expected_checksum=checksum)) == part
    out = bytearray(len(part))
    s3dlio.get_range(base.at("w"), 5 * MIB - 3, out=out, decompress="auto")
    assert bytes(out) == part
    assert bytes(s3dlio.get(base.at("w"), decompress="auto", expected_checksum=done["raw_checksum"])) == data
    assert bytes(s3dlio.get_range(done["uri"], 0, 4)) == b"\x28\xb5\x2f\xfd"
    with pytest.raises(s3dlio.InvalidArgumentError, match="outside"):
        s3dlio.get_range(base.at("w"), 9 * MIB - 1, 2, decompress="auto")
    with pytest.raises(s3dlio.ChecksumMismatchError):
        s3dlio.get(base.at("w"), decompress="auto", expected_checksum="crc32c:00000000")


def test_every_flipped_byte_of_a_compressed_file_is_told(tmp_path: Path) -> None:
    done = write(tmp_path / "f", text(1500) + noise(250), 3)
    stored = bytearray(Path(done["uri"]).read_bytes())
    for at in range(len(stored)):
        stored[at] ^= 0x41
        # put anew, so that what the file system records of it is right and only the format can tell
        s3dlio.put_bytes(done["uri"], stored)
        with pytest.raises((s3dlio.InvalidDataError, s3dlio.ChecksumMismatchError), match="f.zst"):
            s3dlio.get(done["uri"], decompress=True)
        with pytest.raises((s3dlio.InvalidDataError, s3dlio.ChecksumMismatchError)), s3dlio.open(done["uri"]) as file:
            file.read()
        stored[at] ^= 0x41
    s3dlio.put_bytes(done["uri"], stored)
    assert len(s3dlio.get(done["uri"], decompress=True)) == 1750


def test_the_zstd_program_reads_it(tmp_path: Path) -> None:
    zstd = shutil.which("zstd") or pytest.skip("no zstd on this machine")
    for data in (b"", b"x", text(9 * MIB), noise(9 * MIB)):
        done = write(tmp_path / "z", data, True)
        subprocess.run([zstd, "-q", "-t", done["uri"]], check=True)
        assert subprocess.run([zstd, "-q", "-d", "-c", done["uri"]], check=True, capture_output=True).stdout == data


def test_text_shrinks_as_the_zstd_program_shrinks_it(tmp_path: Path) -> None:
    zstd = shutil.which("zstd") or pytest.skip("no zstd on this machine")
    (tmp_path / "t").write_bytes(text(20 * MIB))
    theirs = len(subprocess.run([zstd, "-q", "-3", "-c", tmp_path / "t"], check=True, capture_output=True).stdout)
    assert write(tmp_path / "u", text(20 * MIB), 3)["size"] <= theirs * 1.02


def test_a_plain_object_is_not_taken_for_a_compressed_one(base: Base) -> None:
    s3dlio.put_bytes(base.text("p.zst"), b"plain")
    with pytest.raises(s3dlio.InvalidDataError, match="no zstd frame begins here"):
        s3dlio.open(base.text("p.zst"))
    with s3dlio.open(base.text("p.zst"), decompress=False) as file:
        assert file.read() == b"plain"


@pytest.mark.parametrize("level", [0, 23, -1, 1.5, "3"])
def test_a_level_that_is_none_is_refused(level: Any, tmp_path: Path) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="1 to 22"):
        s3dlio.ObjectWriter(tmp_path / "l", compress=level)


@pytest.mark.parametrize("mode", ["r", "w", "a", "r+b", "wb+", "", "rt"])
def test_a_mode_that_is_none_is_refused(mode: str, tmp_path: Path) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="mode"):
        s3dlio.open(tmp_path / "m", mode)


@pytest.mark.parametrize("option", [{"compress": True}, {"overwrite": False}, {"durable": True}, {"metadata": {}}, {"if_match": "x"}])
def test_an_option_of_writing_is_refused_for_reading(option: dict[str, Any], tmp_path: Path) -> None:
    s3dlio.put_bytes(tmp_path / "o", b"x")
    with pytest.raises(s3dlio.InvalidArgumentError, match=f"{next(iter(option))} is for writing"):
        s3dlio.open(tmp_path / "o", **option)


def test_text_and_lines_come_through_a_wrapper(tmp_path: Path) -> None:
    lines = [f"line {i}\n" for i in range(5000)]
    with io.TextIOWrapper(s3dlio.open(tmp_path / "t", "wb", compress=True), encoding="utf-8") as file:
        file.writelines(lines)
    with io.TextIOWrapper(s3dlio.open(tmp_path / "t"), encoding="utf-8") as file:
        assert list(file) == lines
    with s3dlio.open(tmp_path / "t") as raw:
        assert [line.decode() for line in raw] == lines
        raw.seek(5)
        assert raw.peek()[:3] == b"0\nl" and raw.read1(2) == b"0\n" and raw.tell() == 7


def test_writer_in_a_forked_child_says_whose_it_is_and_reader_reads_on(child: Child, tmp_path: Path) -> None:
    child(
        """
        import os, sys, s3dlio
        folder = sys.argv[1]
        s3dlio.put_bytes(f"{folder}/a", b"abc")
        writer, reader = s3dlio.ObjectWriter(f"{folder}/b"), s3dlio.ObjectReader(f"{folder}/a")
        writer.write(b"x")
        pid = os.fork()
        if pid == 0:
            try:
                writer.write(b"y")
            except s3dlio.ClosedError as error:
                assert "forked" in str(error)
            else:
                os._exit(1)
            assert reader.read(1) == b"a"
            with s3dlio.open(f"{folder}/a") as again:
                os._exit(0 if again.read() == b"abc" else 2)
        assert os.waitpid(pid, 0)[1] == 0
        writer.close()
        assert bytes(s3dlio.get(f"{folder}/b")) == b"x"
        """.replace("\n        ", "\n"),
        tmp_path,
    )


def test_writers_by_their_original_names(tmp_path: Path) -> None:
    options = s3dlio.PyWriterOptions().with_compression("zstd", 5).with_buffer_size(1 << 20)
    writer = s3dlio.create_filesystem_writer(f"file://{tmp_path}/x", options)
    data = text(MIB)
    writer.write_chunk(data[:1000])
    writer.write_owned_bytes(data[1000:])
    assert (writer.bytes_written(), writer.checksum(), writer.compression()) == (MIB, s3dlio.put_bytes("memory://sums/c", data), "zstd")
    raw, stored = writer.finalize()
    assert (raw, stored) == (MIB, (tmp_path / "x.zst").stat().st_size) == (writer.bytes_written(), writer.compressed_bytes())
    assert writer.compression_ratio() == stored / raw
    assert writer.checksum() == s3dlio.put_bytes("memory://sums/d", data)
    with pytest.raises(KeyError), s3dlio.create_filesystem_writer(tmp_path / "y") as cancelled:
        cancelled.write_chunk(b"x")
        raise KeyError
    assert not (tmp_path / "y").exists()
    with pytest.raises(s3dlio.InvalidArgumentError, match="s3://"):
        s3dlio.create_s3_writer(f"file://{tmp_path}/x")
    with pytest.raises(s3dlio.InvalidArgumentError, match="az://"):
        s3dlio.create_azure_writer("s3://bucket/x")
    with pytest.raises(s3dlio.InvalidArgumentError, match="zstd"):
        s3dlio.PyWriterOptions().with_compression("gzip")


def test_direct_writer_by_its_original_name(disk: Path) -> None:
    writer = s3dlio.create_direct_filesystem_writer(f"direct://{disk}/x")
    writer.write_chunk(b"123456789")
    assert (writer.finalize(), writer.checksum(), writer.compression()) == ((9, 9), "crc32c:e3069283", "none")


def test_multipart_writer_by_its_original_name() -> None:
    from servers_fixture import s3_server

    uri, options = s3_server()
    data = noise(20 * MIB)
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    with s3dlio.MultipartUploadWriter(bucket, f"{key}/m", part_size=8 * MIB, storage_options=options) as writer:
        writer.write(data[:100])
        writer.reserve(100)[:] = data[100:200]
        writer.commit(100)
        writer.write(data[200:])
        done = writer.close()
    assert (done["total_bytes"], done["parts"]) == (20 * MIB, 3)
    assert done["started_at"] <= done["completed_at"] and done["etag"]
    assert bytes(s3dlio.get(f"{uri}/m", storage_options=options)) == data
    with s3dlio.MultipartUploadWriter.from_uri(f"{uri}/n", storage_options=options) as second:
        second.write(data)
        second.abort()
    assert not s3dlio.exists(f"{uri}/n", storage_options=options)
