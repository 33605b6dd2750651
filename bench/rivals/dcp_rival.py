"""torch.distributed.checkpoint with its own FileSystemWriter and FileSystemReader, in one process."""

from __future__ import annotations

import shutil
import warnings
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from contest import Operation
from scene import Scene

NAME = "torch.distributed.checkpoint"
VERSION = torch.__version__


def save(scene: Scene) -> Operation:
    folder = scene.path("theirs")
    return saving(scene, folder, lambda: dcp.FileSystemWriter(folder, sync_files=True), lambda: dcp.FileSystemReader(folder))


def load(scene: Scene) -> Operation:
    folder = scene.path("theirs")
    quietly(dcp.save, state(scene), storage_writer=dcp.FileSystemWriter(folder), no_dist=True)
    return loading(scene, lambda: dcp.FileSystemReader(folder))


def state(scene: Scene) -> dict[str, Any]:
    return {name: torch.from_numpy(tensor) for name, tensor in scene.tensors.items()}


def saving(scene: Scene, folder: str, writer: Any, reader: Any) -> Operation:
    """A save of all tensors with another storage plug-in each time; the folder is new each time."""
    given = state(scene)

    def check(_: object) -> None:
        found = {name: torch.zeros_like(tensor) for name, tensor in given.items()}
        quietly(dcp.load, found, storage_reader=reader(), no_dist=True)
        scene.same_tensors(found)

    return Operation(
        run=lambda: quietly(dcp.save, given, storage_writer=writer(), no_dist=True),
        before=lambda: shutil.rmtree(folder, ignore_errors=True),
        check=check,
        size=scene.size,
    )


def loading(scene: Scene, reader: Any) -> Operation:
    """A load of all tensors into memory that is there."""
    found = {name: torch.full_like(tensor, -1) for name, tensor in state(scene).items()}

    def run() -> dict[str, Any]:
        quietly(dcp.load, found, storage_reader=reader(), no_dist=True)
        return found

    return Operation(run=run, check=scene.same_tensors, size=scene.size)


def quietly(function: Any, *arguments: Any, **options: Any) -> Any:
    """Without the warning that there is one process only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


OPERATIONS = {"save": save, "load": load}
