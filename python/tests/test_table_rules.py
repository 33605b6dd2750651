"""The rules of tables against torch's dense optimizers and against FBGEMM's published formulas in float64."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import s3dlio

ROWS, DIM, STEPS = 40, 12, 60

RULES: dict[str, Any] = {
    "add": s3dlio.Add(),
    "sgd": s3dlio.SGD(lr=0.1, weight_decay=0.02, clip_value=1.5),
    "momentum": s3dlio.SGD(lr=0.05, momentum=0.9),
    "adagrad": s3dlio.Adagrad(lr=0.1, initial_sum=0.1, clip_norm=2.0),
    "rowwise_adagrad": s3dlio.RowwiseAdagrad(lr=0.1, weight_decay=0.01),
    "adam": s3dlio.Adam(lr=0.01),
    "rowwise_adam": s3dlio.RowwiseAdam(lr=0.01),
}


def steps(seed: int, every: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches of keys and gradients: all keys in each, or some, each once."""
    rng = np.random.default_rng(seed)
    batches = []
    for _ in range(STEPS):
        keys = rng.permutation(ROWS) if every else rng.choice(ROWS, 15, replace=False)
        batches.append((keys, rng.standard_normal((len(keys), DIM)).astype("f4")))
    return batches


def first() -> np.ndarray:
    return np.random.default_rng(9).standard_normal((ROWS, DIM)).astype("f4")


def trained(path: Path, rule: Any, batches: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    with s3dlio.EmbeddingTable.open(path, DIM, optimizer=rule) as table:
        table.upsert(np.arange(ROWS), first())
        for keys, gradients in batches:
            table.apply_gradients(keys, gradients)
        found: np.ndarray = table.lookup(np.arange(ROWS))
        return found


DENSE: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
    "momentum": (s3dlio.SGD(lr=0.05, momentum=0.9), lambda torch, w: torch.optim.SGD(w, lr=0.05, momentum=0.9)),
    "momentum and decay": (
        s3dlio.SGD(lr=0.05, momentum=0.8, weight_decay=0.05),
        lambda torch, w: torch.optim.SGD(w, lr=0.05, momentum=0.8, weight_decay=0.05),
    ),
    "sgd and decay": (s3dlio.SGD(lr=0.05, weight_decay=0.1), lambda torch, w: torch.optim.SGD(w, lr=0.05, weight_decay=0.1)),
    "adagrad and decay": (
        s3dlio.Adagrad(lr=0.1, lr_decay=0.01, initial_sum=0.2, weight_decay=0.05),
        lambda torch, w: torch.optim.Adagrad(w, lr=0.1, lr_decay=0.01, initial_accumulator_value=0.2, weight_decay=0.05),
    ),
    "adam and decay": (
        s3dlio.Adam(lr=0.01, betas=(0.8, 0.95), weight_decay=0.05),
        lambda torch, w: torch.optim.Adam(w, lr=0.01, betas=(0.8, 0.95), weight_decay=0.05),
    ),
}


@pytest.mark.parametrize("name", DENSE)
def test_rule_is_torchs_where_every_row_has_a_gradient(tmp_path: Path, name: str) -> None:
    torch = pytest.importorskip("torch")
    rule, make = DENSE[name]
    weight = torch.nn.Parameter(torch.from_numpy(first()))
    optimizer = make(torch, [weight])
    batches = steps(1, every=True)
    for keys, gradients in batches:
        weight.grad = torch.from_numpy(gradients[np.argsort(keys)])
        optimizer.step()
    np.testing.assert_allclose(trained(tmp_path, rule, batches), weight.detach().numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("kind", ["norm", "value"])
def test_clipping_is_torchs_of_each_row(tmp_path: Path, kind: str) -> None:
    torch = pytest.importorskip("torch")
    rule = s3dlio.SGD(lr=0.1, clip_norm=2.5) if kind == "norm" else s3dlio.SGD(lr=0.1, clip_value=0.7)
    rows = [torch.nn.Parameter(torch.from_numpy(row)) for row in first()]
    optimizer = torch.optim.SGD(rows, lr=0.1)
    batches = steps(2, every=False)
    for keys, gradients in batches:
        optimizer.zero_grad()
        for key, gradient in zip(keys, gradients, strict=True):
            rows[key].grad = torch.from_numpy(gradient.copy())
            if kind == "norm":
                torch.nn.utils.clip_grad_norm_(rows[key], 2.5)
            else:
                torch.nn.utils.clip_grad_value_(rows[key], 0.7)
        optimizer.step()
    expected = torch.stack(rows).detach().numpy()
    np.testing.assert_allclose(trained(tmp_path, rule, batches), expected, rtol=2e-5, atol=2e-6)


def test_rowwise_adagrad_is_fbgemms_exact_one(tmp_path: Path) -> None:
    """rowwise_adagrad with weight_decay_mode L2: the mean of squares of g + decay w, one sum a row."""
    weight, sums, batches = first().astype("f8"), np.full(ROWS, 0.3), steps(3, every=False)
    for keys, gradients in batches:
        gradient = gradients + 0.02 * weight[keys]
        sums[keys] += (gradient**2).mean(axis=1)
        weight[keys] -= (0.1 / (np.sqrt(sums[keys]) + 1e-6))[:, None] * gradient
    rule = s3dlio.RowwiseAdagrad(lr=0.1, eps=1e-6, initial_sum=0.3, weight_decay=0.02)
    np.testing.assert_allclose(trained(tmp_path, rule, batches), weight, rtol=2e-5, atol=2e-6)


def test_rowwise_adam_is_fbgemms_partial_one(tmp_path: Path) -> None:
    """partial_rowwise_adam: a first moment a number, a second a row, both corrected by the iteration."""
    weight, batches = first().astype("f8"), steps(4, every=False)
    moment, square = np.zeros((ROWS, DIM)), np.zeros(ROWS)
    for step, (keys, gradients) in enumerate(batches, 1):
        moment[keys] = 0.9 * moment[keys] + 0.1 * gradients
        square[keys] = 0.99 * square[keys] + 0.01 * (gradients.astype("f8") ** 2).mean(axis=1)
        root = np.sqrt(square[keys] / (1 - 0.99**step)) + 1e-8
        weight[keys] -= 0.01 * moment[keys] / (1 - 0.9**step) / root[:, None]
    found = trained(tmp_path, s3dlio.RowwiseAdam(lr=0.01, betas=(0.9, 0.99)), batches)
    np.testing.assert_allclose(found, weight, rtol=5e-5, atol=5e-6)


@pytest.mark.parametrize("name", RULES)
def test_duplicates_are_their_sum_in_their_order(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(5)
    apart, together = [], []
    for _ in range(STEPS):
        keys = rng.integers(0, ROWS, 100)
        gradients = rng.standard_normal((100, DIM)).astype("f4")
        sums: dict[int, np.ndarray] = {}
        for key, gradient in zip(keys.tolist(), gradients, strict=True):
            sums[key] = sums[key] + gradient if key in sums else gradient
        together.append((keys, gradients))
        apart.append((np.array(list(sums)), np.array(list(sums.values()))))
    found = trained(tmp_path / "a", RULES[name], together)
    assert found.tobytes() == trained(tmp_path / "b", RULES[name], apart).tobytes()


@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("name", [name for name in RULES if "adam" not in name])
def test_bits_do_not_depend_on_threads(tmp_path: Path, name: str, threads: int) -> None:
    """Rules whose rate does not depend on the step: then neither on which thread's batch comes first."""
    batches = steps(6, every=False)
    alone = trained(tmp_path / "alone", RULES[name], batches)
    with s3dlio.EmbeddingTable.open(tmp_path / "many", DIM, optimizer=RULES[name], shards=2) as table:
        table.upsert(np.arange(ROWS), first())

        def train(number: int) -> None:
            for keys, gradients in batches:
                mine = keys % threads == number
                table.apply_gradients(keys[mine], gradients[mine], session=str(number))

        workers = [threading.Thread(target=train, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert table.lookup(np.arange(ROWS)).tobytes() == alone.tobytes()
