"""s3dlio's embedding table: rows set, gathered and trained, in memory and with a quarter of it."""

from __future__ import annotations

import itertools
import shutil
from typing import Any

import numpy as np
from contest import Operation
from scene import Scene

import s3dlio

NAME = "s3dlio"
VERSION = s3dlio.__version__

DIM = 64
ROW = 4 * DIM
#: Keys of a batch: of small ones and of large ones.
SMALL, LARGE = 1024, 16_384


def keys_of(scene: Scene, batch: int) -> list[np.ndarray]:
    """Batches of uniform keys, ``calls`` keys in all."""
    rng = np.random.default_rng(3)
    return [rng.integers(0, rows_of(scene), batch) for _ in range(max(1, scene.calls // batch))]


def rows_of(scene: Scene) -> int:
    return scene.size // ROW


def rows(scene: Scene, at: int, end: int) -> np.ndarray:
    """What both sides hold: rows that follow from their number."""
    return np.arange(at, end, dtype=np.float32)[:, None] * np.linspace(0, 1, DIM, dtype=np.float32)


def _filled(scene: Scene, memory: int, optimizer: Any = None) -> Any:
    table = s3dlio.EmbeddingTable.open(scene.path("table"), DIM, optimizer=optimizer or s3dlio.SGD(), memory=memory)
    count = rows_of(scene)
    for at in range(0, count, LARGE):
        end = min(count, at + LARGE)
        table.upsert(np.arange(at, end), rows(scene, at, end))
    return table


def _gather(scene: Scene, batch: int, memory: int) -> Operation:
    table, batches = _filled(scene, memory), keys_of(scene, batch)
    out = np.empty((batch, DIM), np.float32)

    def run() -> None:
        for keys in batches:
            table.lookup(keys, out=out)

    def check(_: Any) -> None:
        keys = batches[-1]
        assert (out == keys.astype(np.float32)[:, None] * np.linspace(0, 1, DIM, dtype=np.float32)).all()

    return Operation(run=run, check=check, calls=len(batches) * batch)


def gather_small(scene: Scene) -> Operation:
    return _gather(scene, SMALL, 4 * scene.size + (64 << 20))


def gather(scene: Scene) -> Operation:
    return _gather(scene, LARGE, 4 * scene.size + (64 << 20))


def gather_from_disk(scene: Scene) -> Operation:
    """With memory for a quarter of the rows."""
    return _gather(scene, LARGE, max(8 << 20, scene.size // 4))


def _apply(scene: Scene, optimizer: Any) -> Operation:
    table, batches = _filled(scene, 4 * scene.size + (64 << 20), optimizer), keys_of(scene, LARGE)
    gradients = np.random.default_rng(4).standard_normal((LARGE, DIM), np.float32)

    def run() -> None:
        for keys in batches:
            table.apply_gradients(keys, gradients)

    return Operation(run=run, calls=len(batches) * LARGE)


def adagrad(scene: Scene) -> Operation:
    return _apply(scene, s3dlio.Adagrad(lr=0.01))


def rowwise_adagrad(scene: Scene) -> Operation:
    return _apply(scene, s3dlio.RowwiseAdagrad(lr=0.01))


def adam(scene: Scene) -> Operation:
    return _apply(scene, s3dlio.Adam(lr=0.01))


def load(scene: Scene) -> Operation:
    """All rows into a new table, and a checkpoint."""
    folders = (scene.path(f"loaded-{i}") for i in itertools.count())
    held: list[Any] = []
    count = rows_of(scene)
    parts = [(np.arange(at, min(count, at + LARGE)), rows(scene, at, min(count, at + LARGE))) for at in range(0, count, LARGE)]

    def before() -> None:
        if held:
            table = held.pop()
            table.close(checkpoint=False)
            shutil.rmtree(table.path)
        held.append(s3dlio.EmbeddingTable.open(next(folders), DIM, memory=4 * scene.size + (64 << 20)))

    def run() -> None:
        for keys, some in parts:
            held[0].upsert(keys, some)
        held[0].checkpoint()

    return Operation(run=run, before=before, calls=count)


def recover(scene: Scene) -> Operation:
    """From opening to the first row."""
    _filled(scene, 4 * scene.size + (64 << 20)).close()

    def run() -> None:
        with s3dlio.EmbeddingTable.open(scene.path("table"), mode="r", memory=64 << 20) as table:
            assert table.lookup(1)[1] > 0

    return Operation(run=run)


OPERATIONS = {
    "gather_small": gather_small,
    "gather": gather,
    "gather_from_disk": gather_from_disk,
    "adagrad": adagrad,
    "rowwise_adagrad": rowwise_adagrad,
    "adam": adam,
    "load": load,
    "recover": recover,
}
