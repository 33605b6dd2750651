"""torch.save and torch.load."""

from __future__ import annotations

import os

import torch
from contest import Operation
from scene import Scene

NAME = "torch"
VERSION = torch.__version__


def save(scene: Scene) -> Operation:
    path = scene.path("theirs.pt")
    tensors = _tensors(scene)
    return Operation(
        run=lambda: torch.save(tensors, path),
        before=lambda: scene.place(path),
        check=lambda _: scene.same_tensors(torch.load(path, weights_only=True)),
        size=scene.size,
    )


def save_fsync(scene: Scene) -> Operation:
    """The same, and the file on the device."""
    path = scene.path("theirs.pt")
    tensors = _tensors(scene)

    def run() -> None:
        with open(path, "wb") as file:
            torch.save(tensors, file)
            file.flush()
            os.fsync(file.fileno())

    return Operation(
        run=run,
        before=lambda: scene.place(path),
        check=lambda _: scene.same_tensors(torch.load(path, weights_only=True)),
        size=scene.size,
    )


def load(scene: Scene) -> Operation:
    path = scene.path("given.pt")
    torch.save(_tensors(scene), path)
    return Operation(run=lambda: torch.load(path, weights_only=True), check=scene.same_tensors, size=scene.size)


def _tensors(scene: Scene) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(tensor) for name, tensor in scene.tensors.items()}


OPERATIONS = {"save": save, "save_fsync": save_fsync, "load": load}
