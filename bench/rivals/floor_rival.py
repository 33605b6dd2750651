"""What the device and the interpreter cost without a log: pwrite and fdatasync of a preallocated file, a loop that reads framed records."""

from __future__ import annotations

import os
import platform
import statistics
import struct
import subprocess
import sys
import time

from contest import Operation
from scene import Scene

NAME = "device floor"
VERSION = platform.release()

RECORD, LARGE = 128, 1024


def commit(scene: Scene) -> Operation:
    """A record of 128 bytes at the end of a file whose room is there, and fdatasync."""
    path = scene.path("floor")

    def before() -> None:
        fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o666)
        os.posix_fallocate(fd, 0, 64 << 20)
        os.fsync(fd)
        os.close(fd)

    def run() -> None:
        fd, record = os.open(path, os.O_WRONLY), bytes(RECORD + 72)
        for i in range(scene.calls):
            os.pwrite(fd, record, 4096 + i * len(record))
            os.fdatasync(fd)
        os.close(fd)

    return Operation(run=run, before=before, calls=scene.calls)


def tfrecord(scene: Scene) -> Operation:
    """A reader of TFRecord files in Python: length, its CRC, data, its CRC; neither is compared, which takes a further loop."""
    path, count = scene.path("tfrecord"), scene.size // LARGE
    with open(path, "wb") as file:
        for _ in range(count):
            file.write(struct.pack("<QI", LARGE, 0) + bytes(LARGE) + struct.pack("<I", 0))

    def run() -> int:
        found = 0
        with open(path, "rb") as file:
            while head := file.read(12):
                length, _ = struct.unpack("<QI", head)
                data = file.read(length)
                file.read(4)
                found += len(data) == LARGE
        return found

    return Operation(run=run, size=count * LARGE)


HEARER = """
import struct, sys, time
while True:
    record = sys.stdin.buffer.read(8)
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    if not record:
        break
    print(now - struct.unpack("q", record)[0], flush=True)
"""


def follow(scene: Scene) -> Operation:
    """pwrite and fdatasync of a record, which another process is then told through a pipe: the median."""
    path = scene.path("followed")

    def run() -> list[int]:
        fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o666)
        os.posix_fallocate(fd, 0, 1 << 20)
        os.fsync(fd)
        child = subprocess.Popen([sys.executable, "-c", HEARER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin is not None and child.stdout is not None
        found = []
        for i in range(scene.calls):
            record = struct.pack("q", time.clock_gettime_ns(time.CLOCK_MONOTONIC))
            os.pwrite(fd, record, i * 72)
            os.fdatasync(fd)
            child.stdin.write(record)
            child.stdin.flush()
            found.append(int(child.stdout.readline()))
        child.stdin.close()
        child.wait()
        os.close(fd)
        return found

    return Operation(run=run, seconds=lambda found: statistics.median(found) / 1e9)


def reopen(scene: Scene) -> Operation:
    """64 MiB, which is a segment, are read once from the page cache, and a flush is made."""
    path = scene.path("segment")
    with open(path, "wb") as file:
        file.write(bytes(64 << 20))

    def run() -> None:
        with open(path, "r+b", buffering=0) as file:
            while file.read(1 << 20):
                pass
            file.write(bytes(8))
            os.fdatasync(file.fileno())

    return Operation(run=run)


OPERATIONS = {"commit": commit, "follow": follow, "reopen": reopen, "tfrecord": tfrecord}
