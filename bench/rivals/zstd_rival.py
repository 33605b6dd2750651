"""The zstd program, on one thread and on two, from a file to a file."""

from __future__ import annotations

import re
import shutil
import subprocess

from contest import Operation
from scene import Scene

if shutil.which("zstd") is None:
    raise ModuleNotFoundError("the program zstd is not installed", name="the program zstd")

NAME = "zstd"
VERSION = (re.findall(r"v(\d[\d.]+)", subprocess.run(["zstd", "--version"], capture_output=True, text=True, check=True).stdout) or ["?"])[0]


def _run(*arguments: str) -> None:
    subprocess.run(["zstd", "-q", "-f", *arguments], check=True)


def _compress(scene: Scene, threads: int) -> Operation:
    source, path = scene.text, scene.path("theirs.zst")
    return Operation(
        run=lambda: _run("-3", f"-T{threads}", source, "-o", path),
        before=lambda: scene.place(path),
        check=lambda _: scene.same_text(path),
        size=scene.size,
    )


def compress_one(scene: Scene) -> Operation:
    return _compress(scene, 1)


def compress_two(scene: Scene) -> Operation:
    return _compress(scene, 2)


def decompress(scene: Scene) -> Operation:
    source, path = scene.packed, scene.path("theirs.txt")
    return Operation(run=lambda: _run("-d", source, "-o", path), before=lambda: scene.place(path), size=scene.size)


OPERATIONS = {"compress_one": compress_one, "compress_two": compress_two, "decompress": decompress}
