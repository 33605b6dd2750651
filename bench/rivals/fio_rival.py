"""fio, the measure of what a device gives: the same block size and depth as ours, no checksum, no copy, its own clock."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from contest import Operation, Unusable
from scene import Scene

BLOCK = 4 << 20
#: As many as ours has under way: see ``DirectReader`` and ``DirectSink``.
READS, WRITES = 4, 2


def _version() -> str:
    try:
        return subprocess.run(["fio", "--version"], capture_output=True, text=True, check=True).stdout.strip().removeprefix("fio-")
    except FileNotFoundError:
        # told as any other rival's absence is
        raise ModuleNotFoundError("fio is not installed", name="fio") from None


NAME = "fio"
VERSION = _version()


def direct_read(scene: Scene) -> Operation:
    return _operation(scene, "read", scene.blob, "libaio", READS)


def direct_read_uring(scene: Scene) -> Operation:
    return _operation(scene, "read", scene.blob, "io_uring", READS)


def direct_read_threads(scene: Scene) -> Operation:
    """Plain pread on as many threads: what io_uring and libaio save."""
    return _operation(scene, "read", scene.blob, "psync", READS)


def direct_write(scene: Scene) -> Operation:
    return _operation(scene, "write", scene.path("fio.bin"), "libaio", WRITES)


def direct_write_uring(scene: Scene) -> Operation:
    return _operation(scene, "write", scene.path("fio.bin"), "io_uring", WRITES)


def _operation(scene: Scene, kind: str, path: str, engine: str, depth: int) -> Operation:
    block = min(BLOCK, scene.size // depth)
    shape = ["--numjobs=1", f"--iodepth={depth}"]
    size = scene.size
    if engine == "psync":
        size = scene.size // depth
        shape = [f"--numjobs={depth}", "--iodepth=1", "--thread", f"--offset_increment={size}"]
    # the file of a write is laid out by the write itself, as ours is
    layout = ["--create_on_open=1", "--fallocate=keep", "--overwrite=0"] if kind == "write" else []
    command = [
        "fio", "--name=bench", f"--filename={path}", f"--rw={kind}", f"--bs={block}", f"--size={size}", "--direct=1",
        f"--ioengine={engine}", *shape, *layout, "--group_reporting", "--output-format=json", "--invalidate=0",
    ]  # fmt: skip
    spent = 0.0

    def run() -> Any:
        nonlocal spent
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise Unusable(f"fio with {engine} failed: {(ended.stderr.strip() or ended.stdout.strip()).splitlines()[-1]}")
        found: Any = json.loads(ended.stdout[ended.stdout.index("{") :])["jobs"][0]
        return found

    def check(found: Any) -> None:
        if found[kind]["io_bytes"] != scene.size:
            raise AssertionError(f"fio moved {found[kind]['io_bytes']} bytes of {scene.size}")

    def before() -> None:
        if kind == "write":
            Path(path).unlink(missing_ok=True)

    return Operation(run=run, before=before, check=check, size=scene.size, seconds=lambda found: found[kind]["runtime"] / 1e3)


OPERATIONS = {
    operation.__name__: operation for operation in (direct_read, direct_read_uring, direct_read_threads, direct_write, direct_write_uring)
}
