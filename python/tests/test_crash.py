"""Writers that are killed, and devices that fail: nothing acknowledged is lost or torn, the old object stays, nothing is left over.

``S3DLIO_KILL_POINTS=500`` kills that often in each mode, ``S3DLIO_KILL_SEED`` chooses other moments.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Child, files_below

POINTS = int(os.environ.get("S3DLIO_KILL_POINTS", "25"))
SEED = int(os.environ.get("S3DLIO_KILL_SEED", "1"))

KILL = """
import os, random, signal, struct, sys, threading, time
import s3dlio
target, durable, points, seed = sys.argv[1], sys.argv[2] == "durable", int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(seed)

def content(version):
    return struct.pack("<Q", version) * (1 + version * 7919 % 60_000)

def version_of(data):
    version = struct.unpack("<Q", bytes(data[:8]))[0]
    assert data == content(version), f"a mix of versions in {len(data)} bytes that begin with version {version}"
    return version

def write(after, pipe):
    while True:
        after += 1
        s3dlio.put_bytes(target, content(after), durable=durable)
        os.write(pipe, struct.pack("<Q", after))

s3dlio.put_bytes(target, content(1), durable=durable)
last, reads, killed_at_work = 1, 0, 0
for point in range(points):
    read, written = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            write(last, written)
        finally:
            os._exit(1)
    os.close(written)
    # the first write comes after the child has loaded its copy of the library
    begun = os.read(read, 8)
    assert len(begun) == 8, "the writer failed by itself"
    end = time.monotonic() + chance.random() * 0.02
    seen = struct.unpack("<Q", begun)[0]
    while time.monotonic() < end:
        # what is read while it is being replaced is one version, and never an older one than was seen before
        found = version_of(s3dlio.get(target))
        assert found >= seen, f"version {seen} was there before version {found}"
        seen, reads = found, reads + 1
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the writer ended by itself: {status}"
    acknowledged = begun
    while more := os.read(read, 65536):
        acknowledged += more
    os.close(read)
    told = struct.unpack("<Q", acknowledged[-8:])[0]
    found = version_of(s3dlio.get(target))
    assert found in (told, told + 1), f"point {point} of seed {seed}: {told} was acknowledged and {found} is there"
    killed_at_work += found == told + 1
    last = found
folder = os.path.dirname(target)
left = sorted(os.listdir(folder))
assert s3dlio.list(folder) == [target], s3dlio.list(folder)
print(reads, len(left) - 1, last)
"""


@pytest.mark.parametrize("mode", ["durable", "quick"])
def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path, child: Child, mode: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    ended = child(KILL, folder / "x", mode, POINTS, SEED, timeout=60 + POINTS)
    reads, left, last = map(int, ended.stdout.split())
    assert last > POINTS and reads > POINTS / 2
    names = [name for name in files_below(folder) if name != "x"]
    assert len(names) == left <= POINTS
    assert all(re.fullmatch(r"\.s3dlio-\d+-[0-9a-f]{16}\.tmp", name) for name in names), names


def test_temporaries_of_dead_writers_are_cleaned_with_their_folder(tmp_path: Path, child: Child) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    child(KILL, folder / "x", "quick", 10, SEED)
    orphan = folder / ".s3dlio-1-0123456789abcdef.tmp"
    orphan.write_bytes(b"left")
    # a maker needs a moment between creating a file and locking it, so one of this minute is left alone
    for name in files_below(folder):
        os.utime(folder / name, (time.time() - 120,) * 2)
    import s3dlio

    assert s3dlio.delete(folder, recursive=True) == 1
    assert not folder.exists()


PROGRAM = """
import os, sys
sys.path[:0] = {path!r}
import s3dlio
target = sys.argv[1]
assert s3dlio.get(target) == b"old"
open(target + "-mark", "w").close()
try:
    s3dlio.put_bytes(target, b"n" * 3_000_000, durable=True)
except s3dlio.S3dlioError as error:
    print(type(error).__name__, error.errno if isinstance(error, OSError) else "", error, sep="|")
else:
    print("written")
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync,fsync", "rename,renameat,renameat2"])
def test_device_that_fails_keeps_the_old_object(tmp_path: Path, call: str, error: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    target = folder / "x"
    import s3dlio

    s3dlio.put_bytes(target, b"old")
    program = PROGRAM.format(path=sys.path)
    command = ["strace", "-f", "-qq", "-o", str(tmp_path / "log"), "-e", f"trace={call}", "-e", f"inject={call}:error={error}",
               sys.executable, "-c", program, str(target)]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if ran.returncode != 0 and ("PTRACE" in ran.stderr or "Operation not permitted" in ran.stderr):
        pytest.skip(f"strace may not trace here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    assert "(INJECTED)" in (tmp_path / "log").read_text(), "the call was not made"
    said = ran.stdout.strip()
    assert said != "written"
    assert str(target) in said
    if error in ("ENOSPC", "EDQUOT"):
        assert said.startswith("OutOfSpaceError|28|"), said
    else:
        assert "OutOfSpace" not in said and re.search(r"EIO|errno 5|[Ii]nput/output|device", said), said
    assert s3dlio.get(target) == b"old"
    assert files_below(folder) == ["x", "x-mark"]
