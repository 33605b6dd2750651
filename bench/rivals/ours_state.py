"""s3dlio's checkpoints of nested states, alone and behind torch.distributed.checkpoint."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
from contest import Operation
from scene import Scene

import s3dlio

NAME = "s3dlio"
VERSION = s3dlio.__version__


def save(scene: Scene, **options: Any) -> Operation:
    folder = scene.path("ours")
    state = _state(scene)
    return Operation(
        run=lambda: s3dlio.save_state(folder, state, 1, **options),
        before=lambda: shutil.rmtree(folder, ignore_errors=True),
        check=lambda _: scene.same_tensors(s3dlio.load_state(folder)["model"]),
        size=scene.size,
    )


def save_quick(scene: Scene) -> Operation:
    return save(scene, durable=False)


def load(scene: Scene) -> Operation:
    """Into new memory, as torch.load does it."""
    folder = scene.path("given-state")
    s3dlio.save_state(folder, _state(scene), 1)
    return Operation(run=lambda: s3dlio.load_state(folder)["model"], check=scene.same_tensors, size=scene.size)


def dcp_save(scene: Scene) -> Operation:
    from rivals import dcp_rival
    from s3dlio.torch import StorageReader, StorageWriter

    folder = scene.path("ours-dcp")
    return dcp_rival.saving(scene, folder, lambda: StorageWriter(folder), lambda: StorageReader(folder))


def dcp_load(scene: Scene) -> Operation:
    import torch.distributed.checkpoint as dcp

    from rivals import dcp_rival
    from s3dlio.torch import StorageReader, StorageWriter

    folder = scene.path("ours-dcp")
    dcp_rival.quietly(dcp.save, dcp_rival.state(scene), storage_writer=StorageWriter(folder), no_dist=True)
    return dcp_rival.loading(scene, lambda: StorageReader(folder))


def train(scene: Scene) -> Operation:
    """So many steps of a program that computes on one core."""
    step = _training()
    return Operation(run=lambda: [step() for _ in range(scene.calls)] and None, calls=scene.calls)


def train_and_save(scene: Scene) -> Operation:
    """The same steps, while one save after the other goes on behind them."""
    step, state, folder = _training(), _state(scene), scene.path("ours-behind")
    saver = s3dlio.AsyncSaver(folder)
    pending = [saver.save(state, 0, copy=False)]

    def before() -> None:
        saver.wait()
        shutil.rmtree(folder, ignore_errors=True)
        pending[:] = [saver.save(state, 1, copy=False)]

    def run() -> int:
        for _ in range(scene.calls):
            step()
            if pending[-1].done():
                pending.append(saver.save(state, 1 + len(pending), copy=False))
        return len(pending)

    def check(saves: int) -> None:
        saver.wait()
        scene.same_tensors(s3dlio.load_state(folder)["model"])

    return Operation(run=run, before=before, check=check, calls=scene.calls)


def _training() -> Any:
    given = np.random.default_rng(7).random(4096, dtype=np.float32)
    made = np.empty_like(given)

    def step() -> float:
        total = 0.0
        for _ in range(20):
            np.sqrt(given, out=made)
            np.multiply(made, given, out=made)
            total += sum(range(100))
        return total

    return step


def _state(scene: Scene) -> dict[str, Any]:
    try:
        import torch
    except ImportError:
        return {"model": dict(scene.tensors), "step": 1}
    return {"model": {name: torch.from_numpy(tensor) for name, tensor in scene.tensors.items()}, "step": 1}


OPERATIONS = {
    "save": save,
    "save_quick": save_quick,
    "load": load,
    "dcp_save": dcp_save,
    "dcp_load": dcp_load,
    "train": train,
    "train_and_save": train_and_save,
}
