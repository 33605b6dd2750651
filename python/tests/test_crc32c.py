"""CRC32C as the library computes it on this processor, against the definition bit by bit; an emulator runs it for other processors."""

from __future__ import annotations

import numpy as np
import pytest

from s3dlio._core import _native

POLYNOMIAL = 0x82F63B78


def _table() -> list[int]:
    made = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        made.append(value)
    return made


TABLE = _table()


def plain(data: bytes, before: int = 0) -> int:
    crc = before ^ 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def ours(data: np.ndarray, before: int | None = None) -> int:
    at = data.__array_interface__["data"][0]
    return _native.crc32c(at, data.size) if before is None else _native.crc32c_append(before, at, data.size)


#: RFC 3720, B.4.
KNOWN = [
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (b"123456789", 0xE3069283),
]


@pytest.mark.parametrize(("data", "crc"), KNOWN)
def test_known_values(data: bytes, crc: int) -> None:
    assert plain(data) == crc
    assert ours(np.frombuffer(data, np.uint8)) == crc


def test_every_short_length_at_every_alignment() -> None:
    data = np.random.default_rng(1).integers(0, 256, 1024, np.uint8)
    for start in range(17):
        expected = 0
        for length in range(1, 300):
            expected = plain(bytes(data[start + length - 1 : start + length]), expected)
            assert ours(data[start : start + length]) == expected, (start, length)


@pytest.mark.parametrize("length", [511, 512, 513, 1023, 1024, 4095, 4096, 8191, 8192 + 7, 24576, 65536 + 3, 300_001])
def test_lengths_around_the_kernels_blocks(length: int) -> None:
    data = np.random.default_rng(length).integers(0, 256, length + 5, np.uint8)
    for start in (0, 1, 5):
        assert ours(data[start : start + length]) == plain(data[start : start + length].tobytes())


def test_parts_follow_each_other() -> None:
    data = np.random.default_rng(2).integers(0, 256, 50_000, np.uint8)
    whole = plain(data.tobytes())
    for cut in (0, 1, 7, 64, 255, 4096, 25_001, 49_999, 50_000):
        assert ours(data[cut:], ours(data[:cut])) == whole
