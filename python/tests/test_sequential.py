"""Compressed objects of other programs: with a seek table or without; read ahead in the background."""

from __future__ import annotations

import functools
import io
import os
import shutil
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Base, Child
from test_streams import MIB, noise, text, write

import s3dlio


@functools.cache
def zstd(data: bytes, *options: str) -> bytes:
    program = shutil.which("zstd") or pytest.skip("no zstd on this machine")
    return subprocess.run([program, "-q", "-c", *options], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("options", [[], ["-19"], ["--no-check"], ["-3", "--long=27"]], ids=" ".join)
@pytest.mark.parametrize("length", [0, 1, 1000, 4 * MIB + 1, 9 * MIB])
def test_what_the_zstd_program_makes_is_read(base: Base, length: int, options: list[str]) -> None:
    data = text(length // 2) + noise(length - length // 2)
    s3dlio.put_bytes(base.text("o.zst"), zstd(data, *options))
    with s3dlio.open(base.text("o")) as file:
        assert file.read() == data
        # back to the front: it begins anew
        assert file.seek(length // 3) == length // 3 and file.read(100_000) == data[length // 3 :][:100_000]
        assert file.size == length and file.seek(-1000 if length > 1000 else 0, os.SEEK_END) == max(0, length - 1000) * (
            length > 1000
        ) + length * (length <= 1000)
        assert file.read() == data[-1000:] * (length > 1000)
    assert bytes(s3dlio.get(base.text("o"), decompress="auto")) == data
    part = data[length // 4 : length // 2]
    assert bytes(s3dlio.get_range(base.text("o.zst"), length // 4, len(part), decompress=True)) == part


def test_frames_one_behind_the_other_are_one_object(tmp_path: Path) -> None:
    pieces = [text(MIB), b"", noise(10), text(3 * MIB, 1)]
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    s3dlio.put_bytes(tmp_path / "c.zst", skipped.join(zstd(piece) for piece in pieces))
    assert bytes(s3dlio.get(tmp_path / "c.zst", decompress=True)) == b"".join(pieces)


def test_a_flipped_byte_of_it_never_gives_other_bytes(tmp_path: Path) -> None:
    """A few bits of a frame's header mean nothing to the bytes (how large the window is, say); all others are found."""
    data = text(2000) + noise(300)
    stored = bytearray(zstd(data))
    told = 0
    for at in range(len(stored)):
        for bit in (0, 7):
            stored[at] ^= 1 << bit
            s3dlio.put_bytes(tmp_path / "f.zst", stored)
            try:
                assert bytes(s3dlio.get(tmp_path / "f.zst", decompress=True)) == data
                with s3dlio.open(tmp_path / "f") as file:
                    assert file.read() == data
            except (s3dlio.InvalidDataError, s3dlio.ChecksumMismatchError) as error:
                assert "f.zst" in str(error)
                told += 1
            stored[at] ^= 1 << bit
    assert told > 1.96 * len(stored)


def test_every_cut_is_told_of_either_kind(tmp_path: Path) -> None:
    ours = write(tmp_path / "x", text(9 * MIB), 1)["uri"]
    for stored in (zstd(text(6_000)), Path(ours).read_bytes()):
        step = 1 if len(stored) < 6_000 else len(stored) // 100
        for length in range(0, len(stored), step):
            s3dlio.put_bytes(tmp_path / "c.zst", stored[:length])
            with pytest.raises(s3dlio.InvalidDataError, match=r"c\.zst"):
                s3dlio.get(tmp_path / "c.zst", decompress=True)


def test_a_cut_between_two_of_our_frames_is_told(tmp_path: Path) -> None:
    stored = Path(write(tmp_path / "x", noise(9 * MIB), True)["uri"]).read_bytes()
    second = stored.index(b"\x28\xb5\x2f\xfd", 4)
    s3dlio.put_bytes(tmp_path / "c.zst", stored[:second])
    for read in (lambda: s3dlio.get(tmp_path / "c.zst", decompress=True), lambda: s3dlio.open(tmp_path / "c").read(1)):
        with pytest.raises(s3dlio.InvalidDataError, match="cut off"):
            read()


def test_a_bomb_is_read_as_a_stream_and_not_as_a_whole(tmp_path: Path, child: Child) -> None:
    program = shutil.which("zstd") or pytest.skip("no zstd on this machine")
    make = f"head -c 3000000000 /dev/zero | {program} -q -1 -c > {tmp_path}/b.zst"
    subprocess.run(make, shell=True, check=True)
    script = """
        import sys, s3dlio
        uri = sys.argv[1]
        try:
            s3dlio.get(uri, decompress=True)
            raise SystemExit("three gigabytes from a few kilobytes were not refused")
        except s3dlio.InvalidDataError as error:
            assert "as a stream" in str(error), error
        with s3dlio.open(uri) as file:
            out, total = bytearray(4 << 20), 0
            while count := file.readinto(out):
                total += count
        assert total == 3_000_000_000, total
        with open("/proc/self/status") as lines:
            peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        assert peak < 300 << 10, peak
        """
    child(textwrap.dedent(script), f"{tmp_path}/b.zst", timeout=300)


def test_a_window_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    # magic, no single segment, a window of 2 GiB
    s3dlio.put_bytes(tmp_path / "w.zst", b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00" * 10)
    with pytest.raises(s3dlio.InvalidDataError, match="memory"), s3dlio.open(tmp_path / "w") as file:
        file.read(1)


def test_what_the_store_recorded_is_compared_at_the_end(tmp_path: Path, recorded: None) -> None:
    stored = zstd(noise(3 * MIB), "--no-check")
    s3dlio.put_bytes(tmp_path / "r.zst", stored)
    # in a block of noise nothing but the record can tell
    with open(tmp_path / "r.zst", "r+b") as file:
        file.seek(len(stored) // 2)
        file.write(bytes([stored[len(stored) // 2] ^ 1]))
    with pytest.raises(s3dlio.ChecksumMismatchError, match="recorded"):
        s3dlio.get(tmp_path / "r.zst", decompress=True)


def test_validated_reads_want_a_hash_of_it(tmp_path: Path) -> None:
    data = noise(MIB)
    for options, checked in (([], True), (["--no-check"], False)):
        (tmp_path / "n.zst").write_bytes(zstd(data, *options))
        for read in (s3dlio.get_with_validation, lambda uri: s3dlio.get_range_with_validation(uri, 0, MIB)):
            if checked:
                assert bytes(read(tmp_path / "n")) == data
            else:
                with pytest.raises(s3dlio.NoChecksumError):
                    read(tmp_path / "n")


def test_arrays_and_archives_that_others_compressed_are_read(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 9, (500, 700))
    made = io.BytesIO()
    np.save(made, array)
    s3dlio.put_bytes(tmp_path / "a.npy.zst", zstd(made.getvalue()))
    assert np.array_equal(s3dlio.load_numpy_array(tmp_path / "a.npy"), array)
    with s3dlio.open(tmp_path / "a.npy") as file:
        assert np.array_equal(np.load(file), array)
    s3dlio.save_tensors(tmp_path / "plain", {"w": array, "v": array[0]})
    s3dlio.put_bytes(tmp_path / "t.zst", zstd((tmp_path / "plain").read_bytes()))
    with s3dlio.open_tensors(tmp_path / "t") as tensors:
        assert np.array_equal(tensors["w"][5:400:7, 3:9], array[5:400:7, 3:9])
        assert np.array_equal(tensors.load(["v"])["v"], array[0])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar, zipfile.ZipFile(tmp_path / "z.zip", "w") as zipped:
        for name in "abc":
            entry = tarfile.TarInfo(name)
            entry.size = 200_000
            tar.addfile(entry, io.BytesIO(name.encode() * 200_000))
            zipped.writestr(name, name * 100_000)
    s3dlio.put_bytes(tmp_path / "a.tar.zst", zstd(packed.getvalue()))
    s3dlio.put_bytes(tmp_path / "z.zip.zst", zstd((tmp_path / "z.zip").read_bytes()))
    with s3dlio.open(tmp_path / "a.tar") as file, tarfile.open(fileobj=file) as tar:
        assert tar.extractfile("b").read() == b"b" * 200_000  # type: ignore[union-attr]
    with s3dlio.open(tmp_path / "z.zip.zst") as file, zipfile.ZipFile(file) as zipped:
        assert zipped.testzip() is None and zipped.read("c") == b"c" * 100_000


def test_parquet_and_feather_work_on_it(base: Base) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    table = pa.table({"n": list(range(10_000)), "s": [f"row {i % 7}" for i in range(10_000)]})
    for compress in (False, True):
        with s3dlio.open(base.at("t.parquet"), "wb", compress=compress) as file:
            parquet.write_table(table, file)
        with s3dlio.open(base.at("t.parquet")) as file:
            assert parquet.read_table(pa.PythonFile(file, mode="r")).equals(table)
        with s3dlio.open(base.at("t.feather"), "wb", compress=compress) as file:
            feather.write_feather(table, file)
        with s3dlio.open(base.at("t.feather")) as file:
            assert feather.read_table(pa.PythonFile(file, mode="r")).equals(table)
        s3dlio.delete(s3dlio.ObjectReader(base.at("t.parquet")).uri)
        s3dlio.delete(s3dlio.ObjectReader(base.at("t.feather")).uri)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("piece", [1000, 70_001, MIB - 1])
def test_reads_one_after_the_other_are_read_ahead(base: Base, compress: bool, piece: int) -> None:
    data = text(15 * MIB) + noise(9 * MIB + 5)
    write(base.at("q"), data, compress)
    with s3dlio.open(base.at("q")) as file:
        found, ahead = [], 0
        while part := file.read(piece):
            found.append(part)
            ahead += file._ahead is not None
        assert b"".join(found) == data
        assert ahead > len(found) // 2, "the next bytes were not on their way"
        # elsewhere, while the next bytes are on their way
        file.seek(5)
        assert file.read(3 * MIB) == data[5 : 5 + 3 * MIB]
    with s3dlio.open(base.at("q")) as file:
        for _ in range(5):
            file.read(MIB - 1)
        assert file._ahead is not None
        file.seek(20 * MIB)
        assert file.read(10) == data[20 * MIB : 20 * MIB + 10]


def test_what_is_on_its_way_goes_with_the_file(tmp_path: Path) -> None:
    from s3dlio._core import _native

    data = noise(40 * MIB)
    s3dlio.put_bytes(tmp_path / "q", data)
    for close in (lambda file: file.close(), lambda file: file.__del__()):
        file = s3dlio.open(tmp_path / "q")
        for _ in range(4):
            file.read(MIB - 1)
        assert file._ahead is not None
        close(file)
        del file
        assert not _native._in_use
    with pytest.raises(s3dlio.ClosedError):
        closed = s3dlio.open(tmp_path / "q")
        closed.close()
        closed.read(1)


def test_damage_ahead_is_told_when_it_is_reached(tmp_path: Path) -> None:
    uri = write(tmp_path / "d", text(20 * MIB), True)["uri"]
    stored = bytearray(Path(uri).read_bytes())
    stored[len(stored) // 2] ^= 1
    s3dlio.put_bytes(uri, stored)
    with s3dlio.open(tmp_path / "d") as file:
        at = 0
        with pytest.raises(s3dlio.ChecksumMismatchError):
            while part := file.read(MIB // 2):
                at += len(part)
    assert 7 * MIB <= at <= 12 * MIB


def test_a_stream_ends_in_time(tmp_path: Path) -> None:
    """A server that takes the connection and says nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: [server.accept() for _ in range(20)], daemon=True).start()
        options: dict[str, Any] = {
            "endpoint_url": f"http://127.0.0.1:{server.getsockname()[1]}",
            "region": "us-east-1",
            "access_key_id": "a",
            "secret_access_key": "b",
        }
        begin = time.monotonic()
        with pytest.raises(s3dlio.StoreTimeoutError, match="s3://bucket/key"):
            s3dlio.open("s3://bucket/key", timeout=0.3, storage_options=options)
        with (
            pytest.raises(s3dlio.StoreTimeoutError, match="s3://bucket/key"),
            s3dlio.open("s3://bucket/key", "wb", timeout=0.3, storage_options=options) as file,
        ):
            file.write(b"x")
        # far from the minutes that a store would be given otherwise
        assert time.monotonic() - begin < 30


NO_MEMORY = """
import os, resource, sys
sys.path[:0] = {path!r}
import numpy as np
import s3dlio
array = np.frombuffer(os.urandom(1 << 20) * 8, np.uint8)
s3dlio.put_bytes("memory://m/window.zst", open(sys.argv[1], "rb").read())
s3dlio.save_numpy_array("memory://m/a.npy", array, compress=1)
assert np.array_equal(s3dlio.load_numpy_array("memory://m/a.npy"), array)
limit = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (24 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    if sys.argv[2] == "compress":
        s3dlio.save_numpy_array("memory://m/b.npy", array, compress=22)
    else:
        s3dlio.get("memory://m/window.zst", decompress=True)
except s3dlio.S3dlioError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("what", ["compress", "decompress"])
def test_zstd_without_memory_is_no_fault_of_the_caller_or_the_data(tmp_path: Path, what: str) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("the zstd program is not installed")
    # from a pipe, so that the frame asks for the whole window of 128 MiB
    frame = subprocess.run(["zstd", "--long=27", "-c"], input=b"x" * 1000, capture_output=True, check=True).stdout
    (tmp_path / "window").write_bytes(frame)
    ran = subprocess.run(
        [sys.executable, "-c", NO_MEMORY.format(path=sys.path), str(tmp_path / "window"), what],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.stdout.strip(), ran.returncode) == ("OutOfSpaceError", 0), ran.stderr
