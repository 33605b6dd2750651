"""The package zstandard: one frame with a checksum, without a seek table."""

from __future__ import annotations

import pinned
import zstandard
from contest import Operation
from scene import Scene

NAME = "zstandard"
VERSION = zstandard.__version__


def _compress(scene: Scene, cores: int) -> Operation:
    threads = 0 if cores == 1 else cores
    setup = f"import zstandard\nmake = lambda: zstandard.ZstdCompressor(level=3, write_checksum=True, threads={threads})"
    return pinned.compress(scene, cores, setup, 'open(target, "wb").write(make().compress(data))')


def compress_one(scene: Scene) -> Operation:
    return _compress(scene, 1)


def compress_two(scene: Scene) -> Operation:
    return _compress(scene, 2)


OPERATIONS = {"compress_one": compress_one, "compress_two": compress_two}
