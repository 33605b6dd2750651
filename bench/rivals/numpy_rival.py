"""np.save and np.load, and the imports they need."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from contest import Operation
from scene import Scene

NAME = "numpy"
VERSION = np.__version__


def save(scene: Scene) -> Operation:
    path = scene.path("numpy.npy")
    return Operation(
        run=lambda: np.save(path, scene.array), before=lambda: scene.place(path), check=lambda _: scene.same_npy(path), size=scene.size
    )


def save_fsync(scene: Scene) -> Operation:
    """On the device when it returns, though a crash half-way leaves half a file: no temporary, no rename, no flush of the name."""
    path = scene.path("numpy.npy")

    def run() -> None:
        with open(path, "wb") as file:
            np.save(file, scene.array)
            file.flush()
            os.fsync(file.fileno())

    return Operation(run=run, before=lambda: scene.place(path), check=lambda _: scene.same_npy(path), size=scene.size)


def load(scene: Scene) -> Operation:
    path = scene.npy
    return Operation(run=lambda: np.load(path), check=scene.same_array, size=scene.size)


def load_into(scene: Scene) -> Operation:
    """np.load has no out; this is what one writes instead."""
    path = scene.npy

    def run() -> Any:
        with open(path, "rb", buffering=0) as file:
            version = np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            out = scene.out
            if version != (1, 0) or out.shape != shape or out.dtype != dtype:
                raise ValueError("the array does not fit")
            view = memoryview(out).cast("B")
            while len(view):
                view = view[file.readinto(view) :]
            return out

    return Operation(run=run, check=scene.same_array, size=scene.size)


def first_import(scene: Scene) -> Operation:
    return Operation(run=lambda: scene.program("import numpy; numpy.zeros(1)"))


OPERATIONS = {"save": save, "save_fsync": save_fsync, "load": load, "load_into": load_into, "first_import": first_import}
