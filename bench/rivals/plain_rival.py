"""Loops over the system's calls, as dd has them: no checksum, no temporary file but where it says so."""

from __future__ import annotations

import mmap
import os
import platform
from typing import Any

from contest import Operation
from scene import Scene

NAME = "plain loop"
VERSION = platform.python_version()

BLOCK = 4 << 20


def write(scene: Scene) -> Operation:
    path = scene.path("plain.bin")

    def run() -> None:
        fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o666)
        try:
            for at in range(0, scene.size, BLOCK):
                os.pwrite(fd, scene.data[at : at + BLOCK], at)
        finally:
            os.close(fd)

    return Operation(run=run, before=lambda: scene.place(path), check=lambda _: scene.same_file(path), size=scene.size)


def read(scene: Scene) -> Operation:
    path = scene.blob

    def run() -> Any:
        memory = mmap.mmap(-1, scene.size)
        _fill(path, os.O_RDONLY, memory, scene.size)
        return memory

    return Operation(run=run, check=scene.same_bytes, size=scene.size)


def direct_write(scene: Scene) -> Operation:
    """``dd oflag=direct bs=4M``: an aligned buffer is filled and written, in turns."""
    path = scene.path("plain.bin")

    def run() -> None:
        buffer = mmap.mmap(-1, BLOCK)
        fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_DIRECT, 0o666)
        try:
            for at in range(0, scene.size, BLOCK):
                count = min(BLOCK, scene.size - at)
                buffer[:count] = scene.data[at : at + count]
                with memoryview(buffer) as view:
                    os.pwrite(fd, view[:count], at)
        finally:
            os.close(fd)

    return Operation(run=run, before=lambda: scene.place(path), check=lambda _: scene.same_file(path), size=scene.size)


def direct_read(scene: Scene) -> Operation:
    """``dd iflag=direct bs=4M``, straight into aligned memory."""
    path = scene.blob

    def run() -> Any:
        memory = mmap.mmap(-1, scene.size)
        _fill(path, os.O_RDONLY | os.O_DIRECT, memory, scene.size)
        return memory

    return Operation(run=run, check=scene.same_bytes, size=scene.size)


def small_put(scene: Scene) -> Operation:
    """What a careful program does for each file: a temporary, then a rename."""
    data = bytes(scene.data)
    temporary = scene.path("plain.tmp")

    def run() -> None:
        for i in range(scene.calls):
            with open(temporary, "wb") as file:
                file.write(data)
            os.replace(temporary, scene.path(f"plain-{i % 100}"))

    return Operation(run=run, check=lambda _: scene.same_file(scene.path("plain-0")), calls=scene.calls)


def small_get(scene: Scene) -> Operation:
    for i in range(100):
        with open(scene.path(f"plain-{i}"), "wb") as file:
            file.write(scene.data)

    def run() -> bytes:
        found = b""
        for i in range(scene.calls):
            with open(scene.path(f"plain-{i % 100}"), "rb") as file:
                found = file.read()
        return found

    return Operation(run=run, check=scene.same_bytes, calls=scene.calls)


def _fill(path: str, flags: int, memory: mmap.mmap, size: int) -> None:
    fd = os.open(path, flags)
    try:
        with memoryview(memory) as view:
            for at in range(0, size, BLOCK):
                if os.preadv(fd, [view[at : at + BLOCK]], at) != min(BLOCK, size - at):
                    raise OSError(f"{path}: a short read at {at}")
    finally:
        os.close(fd)


OPERATIONS = {
    "write": write,
    "read": read,
    "direct_write": direct_write,
    "direct_read": direct_read,
    "small_put": small_put,
    "small_get": small_get,
}
