"""Layers over embedding tables against torch's own with sparse gradients and torch's optimizers."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import s3dlio
from s3dlio import errors

torch = pytest.importorskip("torch")

from s3dlio.torch import Embedding, EmbeddingBag  # noqa: E402

ROWS, DIM = 200, 16
CASES: dict[str, tuple[Any, Any]] = {
    "sgd": (s3dlio.SGD(lr=0.1), lambda weights: torch.optim.SGD(weights, lr=0.1)),
    "adagrad": (
        s3dlio.Adagrad(lr=0.1, lr_decay=0.01, initial_sum=0.1),
        lambda weights: torch.optim.Adagrad(weights, lr=0.1, lr_decay=0.01, initial_accumulator_value=0.1),
    ),
    "adam": (s3dlio.Adam(lr=0.01, betas=(0.8, 0.95)), lambda weights: torch.optim.SparseAdam(weights, lr=0.01, betas=(0.8, 0.95))),
}


def start(table: s3dlio.EmbeddingTable, seed: int = 0) -> Any:
    """The same rows in the table and in torch's layer."""
    torch.manual_seed(seed)
    theirs = torch.nn.Embedding(ROWS, DIM, sparse=True)
    table.upsert(np.arange(ROWS), theirs.weight)
    return theirs


@pytest.fixture
def table(tmp_path: Path) -> Iterator[s3dlio.EmbeddingTable]:
    with s3dlio.EmbeddingTable.open(tmp_path / "table", DIM, optimizer=s3dlio.SGD(lr=0.5)) as opened:
        yield opened
        opened.close(checkpoint=False)


@pytest.mark.parametrize("name", CASES)
def test_training_gives_what_torchs_layer_and_optimizer_give(tmp_path: Path, name: str) -> None:
    ours_rule, make = CASES[name]
    with s3dlio.EmbeddingTable.open(tmp_path, DIM, optimizer=ours_rule) as table:
        theirs, ours = start(table), Embedding(table)
        optimizer, head = make(list(theirs.parameters())), torch.randn(DIM)
        for step in range(50):
            ids = torch.randint(0, ROWS, (8, 3))
            for layer in (theirs, ours):
                ((layer(ids) @ head).sin().sum() * (1 + step % 3)).backward()
            optimizer.step()
            optimizer.zero_grad()
        assert table.serial() == 50 and table.step == 50
        torch.testing.assert_close(table.lookup(torch.arange(ROWS)), theirs.weight.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("form", ["matrix", "offsets", "last offset"])
def test_bags_give_what_torchs_bags_give(table: s3dlio.EmbeddingTable, mode: Any, form: str) -> None:
    last = form == "last offset"
    theirs, ours = (
        torch.nn.EmbeddingBag(ROWS, DIM, mode=mode, sparse=True, include_last_offset=last),
        EmbeddingBag(table, mode, include_last_offset=last),
    )
    table.upsert(np.arange(ROWS), theirs.weight)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.5)
    for _ in range(10):
        if form == "matrix":
            arguments: tuple[Any, ...] = (torch.randint(0, ROWS, (5, 4)),)
        else:
            arguments = (torch.randint(0, ROWS, (20,)), torch.tensor([0, 3, 3, 11, 15] + [20] * last))
        results = [layer(*arguments) for layer in (theirs, ours)]
        torch.testing.assert_close(*results)
        for result in results:
            result.tanh().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    torch.testing.assert_close(table.lookup(torch.arange(ROWS)), theirs.weight.detach(), rtol=1e-5, atol=1e-6)


def test_weights_of_samples_take_gradients(table: s3dlio.EmbeddingTable) -> None:
    theirs, ours = torch.nn.EmbeddingBag(ROWS, DIM, mode="sum"), EmbeddingBag(table, "sum")
    table.upsert(np.arange(ROWS), theirs.weight)
    ids, found = torch.randint(0, ROWS, (4, 3)), []
    for layer in (theirs, ours):
        weights = torch.linspace(0.1, 1.2, 12).reshape(4, 3).requires_grad_()
        layer(ids, per_sample_weights=weights).square().sum().backward()
        found.append(weights.grad)
    torch.testing.assert_close(*found)


def test_empty_bags_and_wrong_arguments(table: s3dlio.EmbeddingTable) -> None:
    bag = EmbeddingBag(table)
    table.upsert([1], np.ones((1, DIM)))
    assert bag(torch.tensor([1]), torch.tensor([0, 0, 1]))[:, 0].tolist() == [0, 1, 0]
    assert bag(torch.empty((3, 0), dtype=torch.int64)).tolist() == [[0] * DIM] * 3
    for keys, offsets in (
        (torch.tensor([1]), None),
        (torch.tensor([[1]]), torch.tensor([0])),
        (torch.ones(1, 1, 1, dtype=torch.int64), None),
    ):
        with pytest.raises(errors.InvalidArgumentError, match="matrix"):
            bag(keys, offsets)
    with pytest.raises(errors.InvalidArgumentError, match="mode"):
        EmbeddingBag(table, "max")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidArgumentError, match="EmbeddingTable"):
        Embedding(torch.nn.Embedding(2, 2))  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidArgumentError, match="integers"):
        Embedding(table)(torch.ones(2))


def test_layer_that_is_used_twice_sends_one_batch(table: s3dlio.EmbeddingTable) -> None:
    theirs, ours = start(table), Embedding(table)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.5)
    left, right = torch.randint(0, ROWS, (7,)), torch.randint(0, ROWS, (7,))
    for layer in (theirs, ours):
        (layer(left) * layer(right)).sum().backward()
    optimizer.step()
    assert table.step == 1
    torch.testing.assert_close(table.lookup(torch.arange(ROWS)), theirs.weight.detach())


def test_model_of_several_tables_and_dense_layers(tmp_path: Path, table: s3dlio.EmbeddingTable) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path / "users", DIM, optimizer=s3dlio.Adagrad(lr=0.1)) as users:
        theirs = [start(table, 1), start(users, 2)]
        ours = [Embedding(table), Embedding(users)]
        losses = []
        for layers, optimizers in (
            (theirs, [torch.optim.SGD(theirs[0].parameters(), lr=0.5), torch.optim.Adagrad(theirs[1].parameters(), lr=0.1)]),
            (ours, []),
        ):
            torch.manual_seed(3)
            dense = torch.nn.Linear(2 * DIM, 1)
            dense_optimizer = torch.optim.Adam(dense.parameters())
            for _ in range(20):
                ids = torch.randint(0, ROWS, (2, 9))
                loss = dense(torch.cat([layers[0](ids[0]), layers[1](ids[1])], 1)).square().mean()
                loss.backward()
                for optimizer in (*optimizers, dense_optimizer):
                    optimizer.step()
                    optimizer.zero_grad()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_rows_without_gradients_send_nothing(table: s3dlio.EmbeddingTable) -> None:
    layer = Embedding(table)
    with torch.no_grad():
        assert not layer(torch.tensor([1])).requires_grad
    kept = layer(torch.tensor([1, 2]))
    assert kept.requires_grad and table.step == 0
    kept.sum().backward()
    assert table.step == 1
    table.checkpoint()
    with table.reader() as reader:
        rows = Embedding(reader)(torch.tensor([[1]]))
        assert not rows.requires_grad and rows.shape == (1, 1, DIM)


def test_failed_backward_pass_leaves_nothing_behind(table: s3dlio.EmbeddingTable) -> None:
    class Fails(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(context: Any, value: Any) -> Any:
            return value.clone()

        @staticmethod
        def backward(context: Any, gradients: Any) -> Any:
            raise ZeroDivisionError

    layer = Embedding(table)
    first = layer(torch.tensor([1]))
    second = Fails.apply(layer(torch.tensor([2])))
    with pytest.raises(ZeroDivisionError):
        (second.sum() + first.sum()).backward()
    layer(torch.tensor([3])).sum().backward()
    assert (table.lookup(3) == -0.5).all() and (table.lookup(2) == 0).all() and table.serial() <= 1


def test_serial_makes_a_step_count_once(table: s3dlio.EmbeddingTable) -> None:
    layer = Embedding(table, session="trainer")
    for serial in (10, 11):
        layer.serial = serial
        layer(torch.tensor([5])).sum().backward()
    with pytest.raises(errors.PreconditionError, match="11"):
        layer(torch.tensor([5])).sum().backward()
    layer.on_replay = "skip"
    layer(torch.tensor([5])).sum().backward()
    assert table.sessions == {"trainer": 11} and (table.lookup(5) == -1).all()


def test_keys_may_be_filled_anew_before_the_backward_pass(table: s3dlio.EmbeddingTable) -> None:
    ids = torch.tensor([1, 2])
    loss = Embedding(table)(ids).sum()
    ids.fill_(7)
    loss.backward()
    assert table.contains([1, 2, 7]).tolist() == [True, True, False]


def test_state_names_the_tables_checkpoint(tmp_path: Path, table: s3dlio.EmbeddingTable) -> None:
    model = torch.nn.ModuleDict({"ids": Embedding(table), "dense": torch.nn.Linear(2, 2)})
    assert [name for name, _ in model.named_parameters()] == ["dense.weight", "dense.bias"]
    model["ids"](torch.tensor([1])).sum().backward()
    table.checkpoint()
    state = model.state_dict()
    model.load_state_dict(state)
    torch.save(state, tmp_path / "model.pt")
    table.upsert([1], np.ones((1, DIM)))
    table.checkpoint()
    with pytest.raises(errors.InvalidDataError, match="version=1"):
        model.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=False))
    table.close()
    with s3dlio.EmbeddingTable.open(table.path, version=state["ids._extra_state"]["version"]) as again:
        resumed = torch.nn.ModuleDict({"ids": Embedding(again), "dense": torch.nn.Linear(2, 2)})
        resumed.load_state_dict(state)
        assert (again.lookup(1) == -0.5).all()


def test_rows_of_tensors_are_tensors(tmp_path: Path) -> None:
    for name in ("f4", "f2", "bf16"):
        with s3dlio.EmbeddingTable.open(tmp_path / name, 4, dtype=name, optimizer=s3dlio.Add()) as table:
            dtype = {"f4": torch.float32, "f2": torch.float16, "bf16": torch.bfloat16}[name]
            rows = torch.randn(10, 4)
            table.upsert(torch.arange(10, dtype=torch.int32), rows)
            found = table.lookup(torch.arange(10).reshape(2, 5))
            assert found.dtype == dtype and (found == rows.to(dtype).reshape(2, 5, 4)).all()
            out = torch.empty((10, 4), dtype=dtype)
            assert table.lookup(torch.arange(10), out=out) is out and (out == rows.to(dtype)).all()
            table.apply_gradients(torch.arange(10)[::2], torch.ones(4, 5).T.to(torch.bfloat16))
            assert (table.lookup(torch.tensor(0)) == (rows[0].to(dtype).float() + 1).to(dtype)).all()
            sparse = torch.sparse_coo_tensor([[0], [1]], [1.0], (1, 4))
            table.apply_gradients(torch.tensor([100]), sparse)
            assert table.lookup(torch.tensor(100)).tolist() == [0, 1, 0, 0]
            for wrong in (torch.ones(2), torch.tensor([True]), torch.ones(2, dtype=torch.complex64)):
                with pytest.raises(errors.InvalidArgumentError, match="integers"):
                    table.lookup(wrong)
            with pytest.raises(errors.InvalidArgumentError, match="out"):
                table.lookup(torch.arange(2), out=torch.empty((2, 4), dtype=torch.float64))


class Rows(torch.utils.data.Dataset):  # type: ignore[misc]
    """What a worker process sees of a layer."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Any:
        return self.layer(torch.tensor(index)).detach(), torch.tensor([self.layer.table.mode == "r"])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_read_the_newest_checkpoint(table: s3dlio.EmbeddingTable, method: str) -> None:
    table.upsert(np.arange(20), np.arange(20, dtype="f4")[:, None] * np.ones(DIM, "f4"))
    table.checkpoint()
    table.upsert(np.arange(20), np.zeros((20, DIM)))
    loader = torch.utils.data.DataLoader(Rows(Embedding(table)), batch_size=4, num_workers=2, multiprocessing_context=method)
    found = list(loader)
    assert torch.cat([rows[:, 0] for rows, _ in found]).tolist() == list(range(20))
    assert all(reads.all() for _, reads in found) and table.mode == "a" and (table.lookup(5) == 0).all()


def test_layer_is_pickled_as_a_reader(table: s3dlio.EmbeddingTable) -> None:
    table.upsert([1], np.ones((1, DIM)))
    table.checkpoint()
    again = pickle.loads(pickle.dumps(EmbeddingBag(table, "sum")))
    assert again.table.mode == "r" and again(torch.tensor([[1, 1]])).tolist() == [[2] * DIM] and again.mode == "sum"
    again.table.close()
