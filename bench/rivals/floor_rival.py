"""What the device and the interpreter cost without a log: pwrite and fdatasync of a preallocated file, a loop that reads framed records."""

from __future__ import annotations

import os
import platform
import struct

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


OPERATIONS = {"commit": commit, "tfrecord": tfrecord}
