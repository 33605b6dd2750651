"""torch.nn.Embedding with sparse gradients, and torch's optimizers: a weight in memory, keys from 0 on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from contest import Operation
from scene import Scene

from rivals.ours_table import DIM, LARGE, SMALL, keys_of, rows_of

NAME = "torch"
VERSION = torch.__version__


def _layer(scene: Scene) -> Any:
    return torch.nn.Embedding(rows_of(scene), DIM, sparse=True)


def _gather(scene: Scene, batch: int) -> Operation:
    layer, batches = _layer(scene), [torch.from_numpy(keys) for keys in keys_of(scene, batch)]

    def run() -> None:
        with torch.no_grad():
            for keys in batches:
                layer(keys)

    return Operation(run=run, calls=len(batches) * batch)


def gather_small(scene: Scene) -> Operation:
    return _gather(scene, SMALL)


def gather(scene: Scene) -> Operation:
    return _gather(scene, LARGE)


def _apply(scene: Scene, optimizer: Any) -> Operation:
    """The sparse gradient that a backward pass would leave, and a step."""
    layer, batches = _layer(scene), [torch.from_numpy(keys)[None] for keys in keys_of(scene, LARGE)]
    step = optimizer(layer.parameters())
    gradients = torch.from_numpy(np.random.default_rng(4).standard_normal((LARGE, DIM), np.float32))

    def run() -> None:
        for keys in batches:
            layer.weight.grad = torch.sparse_coo_tensor(keys, gradients, layer.weight.shape)
            step.step()

    return Operation(run=run, calls=len(batches) * LARGE)


def adagrad(scene: Scene) -> Operation:
    return _apply(scene, lambda weights: torch.optim.Adagrad(weights, lr=0.01))


def adam(scene: Scene) -> Operation:
    return _apply(scene, lambda weights: torch.optim.SparseAdam(list(weights), lr=0.01))


OPERATIONS = {"gather_small": gather_small, "gather": gather, "adagrad": adagrad, "adam": adam}
