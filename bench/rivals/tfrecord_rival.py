"""A reader of TFRecord files in Python that compares the checksums: those of lengths and those of records, by crcmod's C code."""

from __future__ import annotations

import struct

import crcmod.predefined
import numpy as np
from contest import Operation
from scene import Scene

NAME = "TFRecord, checked"
VERSION = getattr(crcmod, "__version__", "crcmod")

LARGE = 1024
_crc = crcmod.predefined.mkCrcFun("crc-32c")


def _masked(data: bytes) -> bytes:
    crc = _crc(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF)


def scan(scene: Scene) -> Operation:
    """Length, its masked CRC32C, data, its masked CRC32C; each compared."""
    path, count = scene.path("tfrecord"), scene.size // LARGE
    head, record = struct.pack("<Q", LARGE), np.random.default_rng(1).bytes(LARGE)
    whole = head + _masked(head) + record + _masked(record)
    with open(path, "wb") as file:
        for _ in range(count):
            file.write(whole)

    def run() -> int:
        found = 0
        with open(path, "rb") as file:
            while head := file.read(12):
                data, crc = file.read(struct.unpack_from("<Q", head)[0]), file.read(4)
                if _masked(head[:8]) != head[8:] or _masked(data) != crc:
                    raise ValueError(f"record {found} is damaged")
                found += 1
        return found

    def check(found: int) -> None:
        assert found == count, (found, count)

    return Operation(run=run, check=check, size=count * LARGE)


OPERATIONS = {"scan": scan}
