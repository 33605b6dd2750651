"""The sizes around which things go wrong, on every backend, plain and compressed, up to 2 GiB (``S3DLIO_LARGE_MIB=2048``).

And what memory that takes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PACKAGE, Base
from test_streams import KIB, MIB

import s3dlio

SIZES = [0, 1, 4 * KIB - 1, 4 * KIB, 4 * KIB + 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 64 * MIB + 7]
#: Bytes of what is large; S3DLIO_LARGE_MIB=2048 takes minutes, and is beyond what 31 bits count.
LARGE = int(os.environ.get("S3DLIO_LARGE_MIB", "200")) * MIB


@pytest.fixture(params=["uri", "direct", "s3", "azure"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[Base, dict[str, Any]]]:
    """A place of its own on each backend, with its storage options; what was put there is gone afterwards."""
    if request.param in ("s3", "azure"):
        import servers_fixture

        uri, options = servers_fixture.s3_server() if request.param == "s3" else servers_fixture.azure_server()
        base = Base("memory", None)
        base.uri = f"{uri}/{base.uri.removeprefix('memory://')}"
        yield base, {"storage_options": options}
        s3dlio.delete(base.uri, recursive=True, storage_options=options)
        return
    yield Base(request.param, request.getfixturevalue("disk" if request.param == "direct" else "tmp_path")), {}


def pieces(size: int) -> Iterator[np.ndarray]:
    """Text and noise in turns, without holding all of it."""
    dice = np.random.default_rng(size)
    words = dice.integers(97, 101, MIB, np.uint8)
    noise = dice.integers(0, 256, MIB, np.uint8)
    for at in range(0, size, MIB):
        piece = words if at // MIB % 3 else noise
        piece[:8] = np.frombuffer(at.to_bytes(8, "little"), np.uint8)
        yield piece[: min(MIB, size - at)]


def check(place: tuple[Base, dict[str, Any]], size: int, compress: bool, tmp_path: Path) -> None:
    base, options = place
    with s3dlio.ObjectWriter(base.text("r"), compress=compress, **options) as writer:
        for piece in pieces(size):
            writer.write(piece)
        done = writer.finalize()
    assert (done["raw_size"], done["uri"]) == (size, base.text("r.zst" if compress else "r"))
    out = bytearray(MIB)
    with s3dlio.open(base.text("r"), **options) as file:
        assert file.size == size
        for piece in pieces(size):
            assert file.readinto(memoryview(out)[: piece.size]) == piece.size
            assert np.array_equal(np.frombuffer(out, np.uint8)[: piece.size], piece)
        assert file.read(1) == b""
    if size <= 64 * MIB + 7:
        assert bytes(s3dlio.get_with_validation(base.text("r"), done["raw_checksum"], **options)) == b"".join(
            piece.tobytes() for piece in pieces(size)
        )
    if compress and (program := shutil.which("zstd")):
        (tmp_path / "checked").mkdir(exist_ok=True)
        s3dlio.download(done["uri"], tmp_path / "checked", **options)
        subprocess.run([program, "-q", "-t", tmp_path / "checked" / "r.zst"], check=True)
        (tmp_path / "checked" / "r.zst").unlink()


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
@pytest.mark.parametrize("size", SIZES)
def test_sizes_around_which_things_go_wrong(place: tuple[Base, dict[str, Any]], size: int, compress: bool, tmp_path: Path) -> None:
    check(place, size, compress, tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
def test_large(place: tuple[Base, dict[str, Any]], compress: bool, tmp_path: Path) -> None:
    check(place, LARGE, compress, tmp_path)


def rise(script: str, *arguments: object) -> int:
    """Runs a script that prints how much higher its memory's peak was than before."""
    prologue = """
    import json, sys
    import numpy as np, s3dlio

    def peak(name):
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))

    def begin():
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
        return peak("VmHWM")

    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(prologue) + textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=1700,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return int(ended.stdout)


UPLOAD = """
uri, options, size, compress = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True"
piece = np.random.default_rng(0).integers(0, 256, 1 << 20, np.uint8)
with s3dlio.ObjectWriter(uri + "/warm", compress=compress, storage_options=options) as writer:
    writer.write(piece)
before = begin()
with s3dlio.ObjectWriter(uri + "/big", compress=compress, storage_options=options) as writer:
    for at in range(0, size, piece.size):
        writer.write(piece)
print(peak("VmHWM") - before)
assert writer.bytes_written == size
s3dlio.delete(uri, recursive=True, storage_options=options)
"""


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
@pytest.mark.parametrize("size", sorted({256 * MIB, LARGE} if LARGE > 256 * MIB else {256 * MIB}))
def test_memory_of_an_upload_is_that_of_its_parts(size: int, compress: bool) -> None:
    import json

    import servers_fixture

    uri, options = servers_fixture.s3_server()
    part_size, in_flight = 8 * MIB, 4
    given = {**options, "part_size": part_size, "max_in_flight": in_flight}
    found = rise(UPLOAD, f"{uri}/memory-{size}-{compress}", json.dumps(given), size, compress)
    # a core's frame as it was and as it becomes, and one more of each
    frames = (min(os.cpu_count() or 1, 16) + 1) * 9 * MIB if compress else 0
    assert found <= in_flight * part_size + frames + 64 * MIB
