"""The format's reference implementation."""

from __future__ import annotations

from typing import Any

import safetensors
import safetensors.numpy
from contest import Operation
from scene import Scene

NAME = "safetensors"
VERSION = safetensors.__version__


def save(scene: Scene) -> Operation:
    path = scene.path("theirs.safetensors")
    return Operation(
        run=lambda: safetensors.numpy.save_file(scene.tensors, path),
        before=lambda: scene.place(path),
        check=lambda _: scene.same_tensors(safetensors.numpy.load_file(path)),
        size=scene.size,
    )


def load(scene: Scene) -> Operation:
    path = scene.safetensors
    return Operation(run=lambda: safetensors.numpy.load_file(path), check=scene.same_tensors, size=scene.size)


def torch_save(scene: Scene) -> Operation:
    import safetensors.torch
    import torch

    path = scene.path("theirs.safetensors")
    tensors = {name: torch.from_numpy(tensor) for name, tensor in scene.tensors.items()}
    return Operation(
        run=lambda: safetensors.torch.save_file(tensors, path),
        before=lambda: scene.place(path),
        check=lambda _: scene.same_tensors(safetensors.numpy.load_file(path)),
        size=scene.size,
    )


def torch_load(scene: Scene) -> Operation:
    """load_file maps the file and reads nothing yet, so both sides look at one number of each page."""
    import safetensors.torch

    path = scene.safetensors

    def run() -> Any:
        tensors = safetensors.torch.load_file(path)
        for tensor in tensors.values():
            tensor.view(-1)[::1024].sum()
        return tensors

    return Operation(run=run, check=scene.same_tensors, size=scene.size)


def torch_load_used(scene: Scene) -> Operation:
    """The same, and all of it copied into memory that is there, as ``load_state_dict`` does."""
    import safetensors.torch

    path = scene.safetensors
    return Operation(run=lambda: scene.use(safetensors.torch.load_file(path)), check=scene.same_tensors, size=scene.size)


OPERATIONS = {"save": save, "load": load, "torch_save": torch_save, "torch_load": torch_load, "torch_load_used": torch_load_used}
