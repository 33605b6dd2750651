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
from servers_fixture import s3_server

POINTS = int(os.environ.get("S3DLIO_KILL_POINTS", "25"))
SEED = int(os.environ.get("S3DLIO_KILL_SEED", "1"))

KILL = """
import os, random, signal, struct, sys, threading, time
import s3dlio
target, mode, points, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(seed)
durable = mode == "durable"
# on S3 some are of several parts
LARGEST, STEP, BUSY = (900_000, 409_609, 0.3) if mode == "s3" else (60_000, 7919, 0.02)

def content(version):
    return struct.pack("<Q", version) * (1 + version * STEP % LARGEST)

def version_of(data):
    version = struct.unpack("<Q", bytes(data[:8]))[0]
    assert data == content(version), f"a mix of versions in {len(data)} bytes that begin with version {version}"
    return version

def read_whole():
    while True:
        try:
            return s3dlio.get(target)
        except s3dlio.PreconditionError:
            # replaced while its parts were read, which is told and not mixed
            if mode != "s3":
                raise

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
    end = time.monotonic() + chance.random() * BUSY
    seen = struct.unpack("<Q", begun)[0]
    while time.monotonic() < end:
        # what is read while it is being replaced is one version, and never an older one than was seen before
        found = version_of(read_whole())
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
    if mode == "s3":
        # what the server had been sent whole it still brings to an end
        time.sleep(0.05)
    found = version_of(read_whole())
    assert found in (told, told + 1), f"point {point} of seed {seed}: {told} was acknowledged and {found} is there"
    killed_at_work += found == told + 1
    last = found
folder = os.path.dirname(target)
assert s3dlio.list(folder) == [target], s3dlio.list(folder)
left = len(s3dlio.list_uploads(folder)) if mode == "s3" else len(os.listdir(folder.removeprefix("direct://"))) - 1
print(reads, left, last)
"""


@pytest.mark.parametrize("mode", ["durable", "quick", "direct"])
def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path, child: Child, mode: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    if mode == "direct":
        probe = folder / "probe"
        try:
            os.close(os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT))
        except OSError:
            pytest.skip("the file system of the temporary directory refuses O_DIRECT")
        finally:
            probe.unlink(missing_ok=True)
    ended = child(KILL, f"direct://{folder}/x" if mode == "direct" else folder / "x", mode, POINTS, SEED, timeout=60 + POINTS)
    reads, left, last = map(int, ended.stdout.split())
    assert last > POINTS and reads > POINTS / 2
    names = [name for name in files_below(folder) if name != "x"]
    assert len(names) == left <= POINTS
    assert all(re.fullmatch(r"\.s3dlio-\d+-[0-9a-f]{16}\.tmp", name) for name in names), names


def test_killed_writers_to_s3_leave_nothing_but_uploads_that_can_be_aborted(child: Child) -> None:
    import json

    import s3dlio

    uri, options = s3_server()
    place = f"{uri}/killed-{SEED}-{os.getpid()}"
    script = "import json, os\nimport s3dlio\ns3dlio.configure(**json.loads(os.environ['OPTIONS']))\n" + KILL
    points = max(POINTS // 3, 8) if POINTS < 100 else POINTS
    given = {**options, "part_size": 5 << 20}
    ended = child(script, f"{place}/x", "s3", points, SEED, timeout=120 + 4 * points, environment={"OPTIONS": json.dumps(given)})
    reads, left, last = map(int, ended.stdout.split())
    assert last > points and reads > points / 2
    aborted = s3dlio.abort_uploads(place, older_than=0, storage_options=options)
    assert len(aborted) == left <= points
    assert s3dlio.list_uploads(place, storage_options=options) == []
    assert s3dlio.delete(place, recursive=True, storage_options=options) == 1


def test_temporaries_of_dead_writers_are_cleaned_with_their_folder(tmp_path: Path, child: Child) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    child(KILL, folder / "x", "quick", 10, SEED)
    # a maker needs a moment between creating a file and locking it, so one of this minute is left alone
    for name in files_below(folder):
        os.utime(folder / name, (time.time() - 120,) * 2)
    # on some network file systems another host's lock is not seen, so its temporaries are given a day
    foreign = folder / ".s3dlio-1-0123456789abcdef.tmp"
    foreign.write_bytes(b"perhaps alive")
    os.utime(foreign, (time.time() - 7200,) * 2)
    import s3dlio

    assert s3dlio.delete(folder, recursive=True) == 1
    assert files_below(folder) == [foreign.name]
    os.utime(foreign, (time.time() - 90_000,) * 2)
    assert s3dlio.delete(folder, recursive=True) == 0
    assert not folder.exists()


def test_temporary_of_a_live_writer_is_left_alone_however_old(tmp_path: Path) -> None:
    import s3dlio

    folder = tmp_path / "data"
    with s3dlio.ObjectWriter(folder / "x") as writer:
        writer.write(b"begun")
        (name,) = files_below(folder)
        os.utime(folder / name, (time.time() - 900_000,) * 2)
        s3dlio.put_bytes(folder / "y", b"1")
        assert s3dlio.delete(folder, recursive=True) == 1
        assert files_below(folder) == [name]
        writer.write(b" and ended")
    assert s3dlio.get(folder / "x") == b"begun and ended"


PROGRAM = """
import os, sys
sys.path[:0] = {path!r}
import s3dlio
target = sys.argv[1]
assert s3dlio.get(target) == b"old"
open(target + "-mark", "w").close()
try:
    {save}
except s3dlio.S3dlioError as error:
    print(type(error).__name__, error.errno if isinstance(error, OSError) else "", error, sep="|")
else:
    print("written")
"""


PUT = 's3dlio.put_bytes(target, b"n" * 3_000_000, durable=True)'
PUT_NOISE = """
    with s3dlio.ObjectWriter(target, compress=True) as writer:
        writer.write(os.urandom(9_000_000))
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
@pytest.mark.parametrize("call", ["pwrite64", "pwritev", "fdatasync,fsync", "rename,renameat,renameat2"])
def test_device_that_fails_keeps_the_old_object(tmp_path: Path, call: str, error: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    name = "x.zst" if call == "pwritev" else "x"
    target = folder / name
    import s3dlio

    s3dlio.put_bytes(target, b"old")
    program = PROGRAM.format(path=sys.path, save=PUT_NOISE.strip() if call == "pwritev" else PUT)
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
    assert files_below(folder) == [name, f"{name}-mark"]
