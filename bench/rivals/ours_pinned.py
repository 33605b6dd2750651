"""s3dlio on a number of cores."""

from __future__ import annotations

import pinned
from contest import Operation
from scene import Scene

import s3dlio

NAME = "s3dlio"
VERSION = s3dlio.__version__

_WORK = "writer = s3dlio.ObjectWriter(target, compress=3); writer.write(data); writer.finalize()"


def compress_one(scene: Scene) -> Operation:
    return pinned.compress(scene, 1, "import s3dlio", _WORK)


def compress_two(scene: Scene) -> Operation:
    return pinned.compress(scene, 2, "import s3dlio", _WORK)


OPERATIONS = {"compress_one": compress_one, "compress_two": compress_two}
