"""Logs on small file systems of their own: a full disk, holes, and what the device has at any moment while a writer works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGE

#: Bytes of an image: a little more than what the file system must have. Files are sparse.
FILE_SYSTEMS = {
    "ext4": (16 << 20, ["mkfs.ext4", "-q", "-F"], "commit=300"),
    "xfs": (320 << 20, ["mkfs.xfs", "-q", "-f"], "defaults"),
    "btrfs": (128 << 20, ["mkfs.btrfs", "-q", "-f"], "commit=300"),
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root, to mount images")

#: The mounts are the program's own and end with it.
HEAD = """
import os, shutil, signal, subprocess, sys, time
import s3dlio

work, kind, options = sys.argv[1:4]


def mount(image, name):
    folder = f"{work}/{name}"
    os.makedirs(folder, exist_ok=True)
    again = f"{work}/mounted"
    if subprocess.run(["mount", "-t", kind, "-o", f"loop,{options}", image, folder]).returncode != 0:
        sys.exit(1 if os.path.exists(again) else 77)
    open(again, "w").close()
    return folder


def record(number):
    return (b"%d " % number) + bytes([number % 251]) * (number * 37 % 900)
"""

FULL = """
folder = mount(f"{work}/image", "disk")
log = s3dlio.Log.open(folder + "/log", "a", segment_size=1 << 20)
committed, record = 0, lambda number: (b"%d " % number) + bytes([number % 251]) * 20_000
try:
    for _ in range(100_000):
        assert log.append(record(log.end)) == log.end - 1
        if log.end % 100 == 0:
            committed = log.commit()
except s3dlio.OutOfSpaceError as error:
    assert error.errno == 28, error
else:
    raise AssertionError("the disk was never full")
assert committed > 100
assert all(log[number] == record(number) for number in range(0, committed, 37))
# a full disk ends nothing: room is given back, and the log goes on
half = committed // 2
os.sync()
blocks = lambda: sum(os.stat(f"{folder}/log/{name}").st_blocks * 512 for name in os.listdir(folder + "/log") if name.startswith("seg-"))
promised, before = log.reclaimable_space(half), blocks()
assert log.truncate_before(half) == half
os.sync()
assert abs(before - blocks() - promised) <= 4096 * 4, (before, blocks(), promised)
for _ in range(20):
    log.append(record(log.end))
end = log.commit()
log.close()
held = [place for place in map(os.path.realpath, (f"/proc/self/fd/{one}" for one in os.listdir("/proc/self/fd"))) if folder in place]
assert held == [], held
subprocess.run(["umount", folder], check=True)
with s3dlio.Log.open(mount(f"{work}/image", "disk") + "/log", "a") as log:
    assert (log.begin, log.end, log.damage) == (half, end, [])
    assert all(log[number] == record(number) for number in range(half, end))
print("whole", flush=True)
"""

#: The image is copied while the writer is stopped: that is what the device has when the power goes, for what the file system holds back in
#: memory is not in it.
CUT = """
folder, cuts = mount(f"{work}/image", "disk"), 0
writer = '''
import sys
import s3dlio
log = s3dlio.Log.open(sys.argv[1], "a", segment_size=65536)
def record(number):
    return (b"%d " % number) + bytes([number % 251]) * (number * 37 % 900)
while True:
    for _ in range(5):
        log.append(record(log.end))
    log.append_batch([record(log.end + i) for i in range(5)])
    print(log.commit(), flush=True)
    if log.end > 3000:
        log.truncate_before(log.end - 2000)
'''
for turn in range(int(sys.argv[4])):
    child = subprocess.Popen([sys.executable, "-c", writer, folder + "/log"], stdout=subprocess.PIPE, text=True)
    acknowledged = int(child.stdout.readline())
    for _ in range(turn % 5 * 3):
        acknowledged = int(child.stdout.readline())
    child.send_signal(signal.SIGSTOP)
    time.sleep(0.05)
    shutil.copyfile(f"{work}/image", f"{work}/cut")
    child.kill()
    child.wait()
    subprocess.run(["umount", folder], check=True)
    # and the machine goes on with what the device has
    os.replace(f"{work}/cut", f"{work}/image")
    assert mount(f"{work}/image", "disk") == folder
    with s3dlio.Log.open(folder + "/log", "a", create=False) as log:
        assert log.damage == [] and log.end >= acknowledged, (turn, log.end, acknowledged, log.damage)
        assert log.end % 10 <= 5, f"a batch is there in part: {log.end} records"
        for number in range(log.begin, log.end):
            assert log[number] == record(number), (turn, number)
        while log.end % 10:
            log.append(record(log.end))
    cuts += 1
print("whole", cuts, flush=True)
"""


def run(tmp_path: Path, kind: str, program: str, *arguments: object) -> str:
    """Runs a program beside a new file system's image and gives what it said last."""
    size, make, options = FILE_SYSTEMS[kind]
    if shutil.which(make[0]) is None:
        pytest.skip(f"{make[0]} is not installed")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run([*make, str(image)], check=True, capture_output=True)
    (tmp_path / "program.py").write_text(HEAD + program)
    apart = ["unshare", "--mount", "--propagation", "private"]
    command = [*apart, sys.executable, tmp_path / "program.py", tmp_path, kind, options, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    ended = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, env=environment, check=False)
    if ended.returncode == 77 or "unshare:" in ended.stderr:
        pytest.skip(f"no image can be mounted here: {ended.stderr.strip()}")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    return ended.stdout.strip()


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_full_disk_is_told_and_the_log_goes_on_where_room_was_given_back(kind: str, tmp_path: Path) -> None:
    assert run(tmp_path, kind, FULL) == "whole"


@pytest.mark.parametrize("kind", FILE_SYSTEMS)
def test_device_has_what_was_committed_at_any_moment(kind: str, tmp_path: Path) -> None:
    cuts = int(os.environ.get("S3DLIO_LOG_CUTS", "4"))
    assert run(tmp_path, kind, CUT, cuts) == f"whole {cuts}"
