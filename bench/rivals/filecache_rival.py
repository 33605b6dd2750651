"""fsspec's filecache in front of its own S3: the cache that most Python programs meet."""

from __future__ import annotations

import fsspec
from contest import Operation
from s3_scene import S3Scene

from rivals import s3fs_rival

NAME = "fsspec filecache"
VERSION = fsspec.__version__


def hit(scene: S3Scene) -> Operation:
    """One get after the other of objects that the cache has; it never asks the store again and compares no checksum."""
    files = fsspec.filesystem(
        "filecache", fs=s3fs_rival._files(scene), cache_storage=scene.path("filecache"), check_files=False, expiry_time=0
    )
    paths = [f"{scene.server.keeps}/{key}" for key in scene.keys()]  # noqa: SIM118 - a method of the scene

    def run() -> object:
        found = None
        for path in paths:
            with files.open(path, "rb") as file:
                found = file.read()
        return found

    return Operation(run=run, check=scene.same_bytes, calls=len(paths))


OPERATIONS = {"hit": hit}
