"""Embedding tables from Python: keys and rows of any kind of memory, sessions and serials, checkpoints, export, processes."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import s3dlio
from s3dlio import errors

EDGES = np.array([0, -1, 1, 2**63 - 1, -(2**63), 2**62, -(2**62) - 1], np.int64)
OPTIMIZERS = [
    s3dlio.Add(),
    s3dlio.SGD(lr=0.1, momentum=0.9),
    s3dlio.Adagrad(lr=0.1, initial_sum=0.1),
    s3dlio.RowwiseAdagrad(lr=0.1),
    s3dlio.Adam(betas=(0.8, 0.99)),
    s3dlio.RowwiseAdam(weight_decay=0.01, clip_norm=1.5),
]


@pytest.fixture
def table(tmp_path: Path) -> Iterator[s3dlio.EmbeddingTable]:
    with s3dlio.EmbeddingTable.open(tmp_path / "table", 4, optimizer=s3dlio.SGD(lr=0.5)) as opened:
        yield opened
        opened.close(checkpoint=False)


def test_rows_come_back_as_they_were_set(table: s3dlio.EmbeddingTable) -> None:
    rows = np.arange(28, dtype="f4").reshape(7, 4)
    assert (table.lookup(EDGES) == 0).all() and len(table) == 0
    assert table.upsert(EDGES, rows)
    assert (table.lookup(EDGES) == rows).all() and len(table) == 7
    assert (table.lookup(EDGES[::-1]) == rows[::-1]).all()
    assert table.contains(EDGES).all() and -1 in table and 5 not in table and not table.contains([5, 6]).any()
    assert table.delete([EDGES[0], 99]) == 1 and len(table) == 6
    assert (table.lookup(EDGES[0]) == 0).all() and (table.lookup(EDGES[1:]) == rows[1:]).all()


def test_keys_of_any_shape_and_memory_give_rows_of_that_shape(table: s3dlio.EmbeddingTable) -> None:
    rows = np.random.default_rng(1).random((24, 4), "f4")
    keys = np.arange(24).reshape(2, 3, 4)
    table.upsert(keys, rows.reshape(2, 3, 4, 4))
    assert (table.lookup(keys) == rows.reshape(2, 3, 4, 4)).all()
    assert table.lookup(7).shape == (4,) and (table.lookup(7) == rows[7]).all()
    assert table.lookup([]).shape == (0, 4) and table.lookup(np.empty((3, 0), "i8")).shape == (3, 0, 4)
    assert (table.lookup([[1, 2], [3, 4]]) == rows[1:5].reshape(2, 2, 4)).all()
    wide = np.arange(48)
    for odd in (
        keys.T,
        keys[:, ::2],
        keys[::-1],
        wide[::2],
        np.array(keys, ">i8"),
        keys.astype("u1"),
        keys.astype("i4"),
        np.asfortranarray(keys),
    ):
        assert (table.lookup(odd[odd < 24]) == rows[np.array(odd[odd < 24], "i8")]).all()
    unaligned = np.frombuffer(b"x" + np.arange(5).tobytes(), np.uint8)[1:].view("i8")
    assert not unaligned.flags.aligned and (table.lookup(unaligned) == rows[:5]).all()
    table.upsert(np.array([2**64 - 1], "u8"), [[9, 9, 9, 9]])
    assert (table.lookup(-1) == 9).all()


def test_rows_are_written_into_the_callers_memory(table: s3dlio.EmbeddingTable) -> None:
    table.upsert([1, 2], np.ones((2, 4)))
    out = np.empty((2, 4), "f4")
    assert table.lookup([1, 2], out=out) is out and (out == 1).all()
    whole = np.zeros((4, 4), "f4")
    table.lookup([1, 2], out=whole[1:3])
    assert whole.sum() == 8
    read_only = np.empty((2, 4), "f4")
    read_only.flags.writeable = False
    for wrong in (np.empty((2, 4), "f8"), np.empty((2, 3), "f4"), np.empty((4, 2), "f4").T, read_only, np.empty(8, "f4"), [0] * 8):
        with pytest.raises(errors.InvalidArgumentError, match="out"):
            table.lookup([1, 2], out=wrong)


def test_wrong_arrays_are_refused_with_what_was_expected_and_found(table: s3dlio.EmbeddingTable) -> None:
    for keys in (np.ones(3), [1.5], ["a"], np.array([True]), None, [2**64], object(), np.array([1], "M8[s]"), [[1], [2, 3]]):
        with pytest.raises(errors.InvalidArgumentError, match="keys are integers"):
            table.lookup(keys)
    with pytest.raises(errors.InvalidArgumentError, match=r"shape \(2, 4\).*found \(2, 3\)"):
        table.apply_gradients([1, 2], np.ones((2, 3)))
    with pytest.raises(errors.InvalidArgumentError, match=r"shape \(2, 4\).*found \(8,\)"):
        table.apply_gradients([1, 2], np.ones(8))
    for wrong in (np.ones((1, 4), "i4"), np.ones((1, 4), "c8"), np.ones((1, 4), object), "text"):
        with pytest.raises(errors.InvalidArgumentError, match="gradients|rows"):
            table.apply_gradients([1], wrong)
        with pytest.raises(errors.InvalidArgumentError, match="rows"):
            table.upsert([1], wrong)
    masked = np.ma.array(np.ones((1, 4), "f4"), mask=[[0, 1, 0, 0]])
    for call in (lambda: table.apply_gradients([1], masked), lambda: table.lookup(np.ma.array([1, 2], mask=[0, 1]))):
        with pytest.raises(errors.InvalidArgumentError, match="mask"):
            call()
    assert len(table) == 0 and table.sessions == {}


def test_batches_of_none_and_of_ten_million_keys(tmp_path: Path) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 1, optimizer=s3dlio.Add()) as table:
        assert table.apply_gradients(np.empty(0, "i8"), np.empty((0, 1), "f4")) and table.delete([]) == 0 and table.step == 1
        keys = np.arange(10_000_000) % 1000
        table.apply_gradients(keys, np.ones((len(keys), 1), "f4"))
        assert (table.lookup(np.arange(1000)) == 10_000).all() and (table.lookup(keys) == 10_000).all() and len(table) == 1000
        table.close(checkpoint=False)


def test_gradients_of_one_key_are_added_first(table: s3dlio.EmbeddingTable) -> None:
    grads = np.arange(12, dtype="f4").reshape(3, 4)
    assert table.apply_gradients([5, 6, 5], grads)
    assert (table.lookup(5) == -0.5 * (grads[0] + grads[2])).all() and (table.lookup(6) == -0.5 * grads[1]).all()
    table.upsert([5, 5], [[1] * 4, [2] * 4])
    assert (table.lookup(5) == 2).all()
    table.apply_gradients(np.array([[5], [6]]), np.ones((2, 1, 4), "f8")[::-1])
    assert (table.lookup(5) == 1.5).all()
    assert table.apply_gradients([], np.empty((0, 4)))


def test_infinite_and_undefined_gradients_stay_with_their_rows(table: s3dlio.EmbeddingTable) -> None:
    table.apply_gradients([1, 2, 3], np.array([[np.nan] * 4, [np.inf] * 4, [1] * 4]))
    assert np.isnan(table.lookup(1)).all() and np.isinf(table.lookup(2)).all() and (table.lookup(3) == -0.5).all()


def test_serial_is_applied_once(table: s3dlio.EmbeddingTable) -> None:
    one = np.ones((1, 4), "f4")
    assert table.serial() == -1
    assert table.apply_gradients([1], one, serial=10)
    for again in (10, 9, 0):
        with pytest.raises(errors.PreconditionError, match="10"):
            table.apply_gradients([1], one, serial=again)
        assert not table.apply_gradients([1], one, serial=again, on_replay="skip")
        assert not table.upsert([1], one, serial=again, on_replay="skip")
        assert table.delete([1], serial=again, on_replay="skip") == 0
    assert (table.lookup(1) == -0.5).all()
    assert table.apply_gradients([1], one) and table.serial() == 11
    assert table.apply_gradients([1], one, serial=2**63 - 1, session="Ω") and table.sessions == {"default": 11, "Ω": 2**63 - 1}
    for wrong in (-1, 2**63, 2**64 - 1):
        with pytest.raises(errors.InvalidArgumentError, match="serial"):
            table.apply_gradients([1], one, serial=wrong)
    for session in ("", "x" * 65, "a\0b", 5):
        with pytest.raises(errors.InvalidArgumentError):
            table.apply_gradients([1], one, session=session)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidArgumentError, match="on_replay"):
        table.apply_gradients([1], one, on_replay="never")  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: type(one).__name__)
def test_optimizer_is_kept_and_must_be_the_tables(tmp_path: Path, optimizer: Any) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 3, optimizer=optimizer, init=s3dlio.Normal(0.5, 0.25), seed=7) as table:
        assert table.optimizer == optimizer and table.init == s3dlio.Normal(0.5, 0.25)
        table.apply_gradients([1, 2], np.ones((2, 3)))
        rows = table.lookup([1, 2, 3])
    with s3dlio.EmbeddingTable.open(tmp_path) as table:
        assert table.optimizer == optimizer and (table.lookup([1, 2, 3]) == rows).all() and table.dim == 3
    other = s3dlio.SGD() if not isinstance(optimizer, s3dlio.SGD) else s3dlio.Add()
    for wrong in ({"optimizer": other}, {"dim": 4}, {"dtype": "f2"}, {"init": s3dlio.Zeros()}, {"seed": 8}):
        with pytest.raises(errors.InvalidArgumentError):
            s3dlio.EmbeddingTable.open(tmp_path, **{"dim": 3, "optimizer": optimizer, "init": s3dlio.Normal(0.5, 0.25), "seed": 7, **wrong})


def test_initial_rows_follow_from_seed_and_key(tmp_path: Path) -> None:
    keys = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 2000)
    kinds = {"zeros": s3dlio.Zeros(), "constant": s3dlio.Constant(2.5), "uniform": s3dlio.Uniform(-0.5, 1.5), "normal": s3dlio.Normal(1, 2)}
    found = {}
    for name, init in kinds.items():
        with s3dlio.EmbeddingTable.open(tmp_path / name, 16, init=init, seed=3) as table:
            found[name] = table.lookup(keys)
            assert (table.lookup(keys[::-1])[::-1] == found[name]).all() and len(table) == 0
            table.upsert(keys[:1000], np.zeros((1000, 16)))
            assert (table.lookup(keys[1000:]) == found[name][1000:]).all()
            table.delete(keys[:1000])
            assert (table.lookup(keys) == found[name]).all()
    assert (found["zeros"] == 0).all() and (found["constant"] == 2.5).all()
    assert found["uniform"].min() >= -0.5 and found["uniform"].max() < 1.5 and abs(found["uniform"].mean() - 0.5) < 0.02
    assert abs(found["normal"].mean() - 1) < 0.05 and abs(found["normal"].std() - 2) < 0.05
    with s3dlio.EmbeddingTable.open(tmp_path / "other", 16, init=s3dlio.Uniform(-0.5, 1.5), seed=4) as table:
        assert (table.lookup(keys) != found["uniform"]).mean() > 0.99


@pytest.mark.parametrize("dtype", ["f2", "bf16"])
def test_rows_of_sixteen_bits_round_to_nearest(tmp_path: Path, dtype: str) -> None:
    if dtype == "bf16":
        pytest.importorskip("ml_dtypes")
    with s3dlio.EmbeddingTable.open(tmp_path, 8, dtype, optimizer=s3dlio.Add()) as table:
        rows = np.random.default_rng(1).random((100, 8), "f4")
        table.upsert(np.arange(100), rows)
        assert table.dtype.itemsize == 2 and (table.lookup(np.arange(100)) == rows.astype(table.dtype)).all()
        table.apply_gradients(np.arange(100), np.ones((100, 8)))
        assert (table.lookup(np.arange(100)) == (rows.astype(table.dtype).astype("f4") + 1).astype(table.dtype)).all()
        assert table.export(tmp_path / "x.safetensors") == 100 == table.export(tmp_path / "x.npy")
        for name in ("x.safetensors", "x.npy"):
            with s3dlio.EmbeddingTable.open(tmp_path / name[1:], 8, dtype) as other:
                assert other.load(tmp_path / name) == 100 and (other.lookup(np.arange(100)) == table.lookup(np.arange(100))).all()


def test_table_is_as_its_newest_checkpoint_has_it(tmp_path: Path) -> None:
    table = s3dlio.EmbeddingTable.open(tmp_path, 4, optimizer=s3dlio.Add(), keep=None)
    assert table.version == 0 and table.checkpoints() == [] and table.state_dict()["version"] == 0
    made = []
    for step in range(3):
        table.apply_gradients(np.arange(100) + 50 * step, np.ones((100, 4)), serial=10 * step)
        made.append(table.checkpoint())
    assert [(one.version, one.parent, one.rows, one.sessions) for one in made] == [
        (1, 0, 100, {"default": 0}),
        (2, 1, 150, {"default": 10}),
        (3, 2, 200, {"default": 20}),
    ]
    assert table.checkpoints() == made == s3dlio.table.checkpoints(tmp_path) and table.state_dict()["sessions"] == {"default": 20}
    table.apply_gradients([1], np.ones((1, 4)), serial=21)
    table.close(checkpoint=False)
    with pytest.raises(errors.ClosedError):
        table.lookup([1])
    for version, one in enumerate(made, 1):
        with s3dlio.EmbeddingTable.open(tmp_path, mode="r", version=version) as old:
            keys = np.arange(300)
            counts = sum(((keys >= 50 * step) & (keys < 50 * step + 100)).astype("f4") for step in range(version))
            assert (old.lookup(keys) == np.asarray(counts)[:, None]).all() and len(old) == one.rows and old.version == version
            with pytest.raises(errors.InvalidArgumentError):
                old.apply_gradients([1], np.ones((1, 4)))
            with pytest.raises(errors.InvalidArgumentError):
                old.checkpoint()
    with s3dlio.EmbeddingTable.open(tmp_path) as again:
        assert again.serial() == 20 and (again.lookup(1) == 1).all() and again.step == 3


def test_close_makes_a_checkpoint_of_what_changed_and_an_error_does_not(tmp_path: Path) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 2) as table:
        table.upsert([1], [[1, 2]])
    with s3dlio.EmbeddingTable.open(tmp_path) as table:
        assert table.version == 1 and 1 in table
    assert len(s3dlio.table.checkpoints(tmp_path)) == 1
    with pytest.raises(ZeroDivisionError), s3dlio.EmbeddingTable.open(tmp_path) as table:
        table.upsert([2], [[1, 2]])
        raise ZeroDivisionError
    with s3dlio.EmbeddingTable.open(tmp_path) as table:
        assert 2 not in table and table.version == 1


def test_checkpoints_go_to_a_store_and_come_back(tmp_path: Path) -> None:
    uri = f"memory://{tmp_path.name}/ck"
    rng = np.random.default_rng(0)
    with s3dlio.EmbeddingTable.open(tmp_path / "a", 8, optimizer=s3dlio.RowwiseAdagrad(lr=0.1)) as table:
        table.apply_gradients(rng.integers(0, 5000, 5000), rng.random((5000, 8)), serial=1)
        first = table.checkpoint(uri)
        rows = table.lookup(np.arange(6000))
        table.apply_gradients([1, 2], np.ones((2, 8)), serial=2)
        second = table.checkpoint(uri)
        newest = table.lookup(np.arange(6000))
        assert (first.version, second.version, second.uri) == (1, 2, uri)
    found = s3dlio.table.checkpoints(uri)
    assert [one.version for one in found] == [1, 2] and found[1].sessions == {"default": 2}
    with s3dlio.EmbeddingTable.recover(uri) as again:
        folder = Path(again.path)
        assert (again.lookup(np.arange(6000)) == newest).all() and again.serial() == 2 and again.optimizer == s3dlio.RowwiseAdagrad(lr=0.1)
        again.apply_gradients([1], np.ones((1, 8)), serial=3)
    assert not folder.exists()
    with s3dlio.EmbeddingTable.recover(uri, tmp_path / "b", version=1) as again:
        assert (again.lookup(np.arange(6000)) == rows).all() and again.serial() == 1 and again.path == str(tmp_path / "b")
    with pytest.raises(errors.NotFoundError):
        s3dlio.EmbeddingTable.recover(uri, tmp_path / "c", version=9)
    with pytest.raises(errors.NotFoundError):
        s3dlio.EmbeddingTable.recover(f"memory://{tmp_path.name}/none")


def test_more_rows_than_memory_are_the_same_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    count, dim = 40_000, 64
    model = np.zeros((count, dim), "f4")
    with s3dlio.EmbeddingTable.open(tmp_path, dim, optimizer=s3dlio.Add(), memory="4MiB", segment_size="1MiB") as table:
        for _ in range(60):
            keys = rng.integers(0, count, 4000)
            grads = rng.integers(-3, 4, (4000, dim)).astype("f4")
            table.apply_gradients(keys, grads)
            np.add.at(model, keys, grads)
        table.prefetch(np.arange(1000))
        assert table.prefetch(np.arange(1000, 2000), wait=True) is not None
        assert (table.lookup(np.arange(count)) == model).all()
        assert table.stats()["disk_rows"] > 0 and table.stats()["memory_bytes"] <= 5 << 20
        table.checkpoint()
        assert table.compact(0.9) >= 0
        assert (table.lookup(np.arange(count)) == model).all()
    with s3dlio.EmbeddingTable.open(tmp_path, memory="4MiB", check=True) as table:
        assert (table.lookup(np.arange(count)) == model).all()
        seen = np.concatenate([keys for keys, _ in table.items(777)])
        assert len(seen) == len(set(seen.tolist())) == len(table)
        assert all((rows == model[keys]).all() for keys, rows in table.items(5000))


@pytest.mark.parametrize("name", ["x.safetensors", "x.npy"])
def test_exported_rows_are_loaded_again(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(2)
    keys, rows = np.unique(rng.integers(-(2**63), 2**63 - 1, 1000)), rng.random((1000, 5), "f4")
    with s3dlio.EmbeddingTable.open(tmp_path / "a", 5) as table:
        assert table.export(tmp_path / name) == 0
        table.upsert(keys, rows)
        assert table.export(tmp_path / name) == 1000 == table.export(f"memory://{tmp_path.name}/{name}")
        with pytest.raises(errors.InvalidArgumentError, match="ends with"):
            table.export(tmp_path / "x.csv")
    with s3dlio.EmbeddingTable.open(tmp_path / "b", 5) as other:
        assert other.load(f"memory://{tmp_path.name}/{name}") == 1000 and (other.lookup(keys) == rows).all() and len(other) == 1000
    if name == "x.safetensors":
        from_file = s3dlio.load_tensors(tmp_path / name)
        assert sorted(from_file["keys"]) == keys.tolist()
    with s3dlio.EmbeddingTable.open(tmp_path / "c", 6) as wrong, pytest.raises(errors.InvalidArgumentError, match=r"\(n, 6\)"):
        wrong.load(tmp_path / name)


def test_eviction_deletes_what_a_rule_says(tmp_path: Path) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 2, optimizer=s3dlio.Add()) as table:
        table.apply_gradients([1, 2, 3], np.ones((3, 2)))
        table.apply_gradients([2, 3], np.ones((2, 2)))
        table.apply_gradients([3], np.ones((1, 2)))
        assert table.evict() == 0 and table.evict(fewer_than=2) == 1 and table.contains([1, 2, 3]).tolist() == [False, True, True]
        assert table.evict(smaller_than=3.0) == 1 and table.contains([2, 3]).tolist() == [False, True]
        for _ in range(5):
            table.apply_gradients([9], np.ones((1, 2)))
        assert table.evict(older_than=3) == 1 and table.contains([3, 9]).tolist() == [False, True]
    with s3dlio.EmbeddingTable.open(tmp_path) as table:
        assert table.contains([1, 2, 3, 9]).tolist() == [False, False, False, True]


def test_eviction_keeps_so_many_rows_of_those_that_changed_last(tmp_path: Path) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 2, optimizer=s3dlio.Add(), shards=2) as table:
        for step in range(6):
            table.apply_gradients(np.arange(step * 10, step * 10 + 10), np.ones((10, 2)))
        table.apply_gradients([3], np.ones((1, 2)))
        assert table.evict(most_rows=100) == 0 and table.evict(most_rows=25) == 35 and len(table) == 25
        assert table.contains([3, *range(40, 60)]).all() and table.contains(range(30, 40)).sum() == 4
        assert table.evict(most_rows=21) == 4 and not table.contains(range(30, 40)).any()
        assert table.evict(older_than=1, most_rows=1) == 20 and 3 in table
    with s3dlio.EmbeddingTable.open(tmp_path) as table:
        assert len(table) == 1


def test_eviction_tells_its_keys_and_keeps_to_bytes(tmp_path: Path) -> None:
    gone: list[int] = []
    with s3dlio.EmbeddingTable.open(tmp_path, 2, optimizer=s3dlio.Add()) as table:
        for step in range(6):
            table.apply_gradients(np.arange(step * 10, step * 10 + 10), np.ones((10, 2)))
        # two numbers, eight bytes about updates, a checksum up to a multiple of eight, and the key: 32 bytes
        assert table.evict(max_bytes=1920, on_evicted=gone.extend) == 0 and not gone
        assert table.evict(max_bytes="1KB", on_evicted=gone.extend) == 29 and len(table) == 31
        assert len(set(gone)) == 29 and not table.contains(gone).any() and set(range(20)) < set(gone) < set(range(30))
        assert table.stats()["evicted"] == 29
        with pytest.raises(errors.InvalidArgumentError, match="make one with ttl"):
            table.evict(older_than_seconds=5)
        assert len(table) == 31


def test_rows_nobody_changed_for_longer_go(tmp_path: Path) -> None:
    gone: list[int] = []
    with s3dlio.EmbeddingTable.open(tmp_path, 2, optimizer=s3dlio.Add(), ttl=1) as table:
        table.upsert([1, 2], np.ones((2, 2)))
        assert table.evict() == 0
    time.sleep(1.5)
    with s3dlio.EmbeddingTable.open(tmp_path, ttl=1) as table:
        table.apply_gradients([2], np.ones((1, 2)))
        time.sleep(0.6)  # more than two seconds, which are two whole ones whenever a second began
        assert table.evict(on_evicted=gone.extend) == 1 and gone == [1]
        assert table.lookup([1, 2]).tolist() == [[0, 0], [2, 2]]
    with s3dlio.EmbeddingTable.open(tmp_path) as table:
        assert len(table) == 1 and table.evict() == 0 and table.evict(older_than_seconds=1000) == 0
    with pytest.raises(errors.InvalidArgumentError, match="ttl"):
        s3dlio.EmbeddingTable.open(tmp_path / "other", 2, ttl=-1)


def test_key_is_admitted_after_so_many_gradients(tmp_path: Path) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 2, optimizer=s3dlio.Add(), admit_after=3) as table:
        for expected in (0, 0, 1, 2):
            table.apply_gradients([7], np.ones((1, 2)))
            assert (table.lookup(7) == expected).all()


def test_admitted_by_upsert_at_once(tmp_path: Path) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 2, optimizer=s3dlio.Add(), admit_after=3) as table:
        table.upsert([7], [[1, 1]])
        table.apply_gradients([7], np.ones((1, 2)))
        assert (table.lookup(7) == 2).all()


def test_second_process_reads_and_may_not_change(tmp_path: Path) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 2) as table:
        table.upsert([1], [[1, 2]])
        table.checkpoint()
        table.upsert([2], [[3, 4]])
        with pytest.raises(errors.UnavailableError, match=str(os.getpid())):
            s3dlio.EmbeddingTable.open(tmp_path)
        script = "import sys, s3dlio; t = s3dlio.EmbeddingTable.open(sys.argv[1], mode='r'); print(t.lookup([1, 2]).tolist(), len(t))"
        done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip() == "[[1.0, 2.0], [0.0, 0.0]] 1"
        with table.reader() as reader:
            again = pickle.loads(pickle.dumps(reader))
            assert (again.lookup([1, 2]) == reader.lookup([1, 2])).all() and again.mode == "r"
            again.close()
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(table)


def _in_child(body: Any) -> str:
    """What a forked child says; it ends without Python's cleanup."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = body()
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        os.write(write, str(told).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        told = answer.read()
    assert os.waitpid(child, 0)[1] == 0
    return told


def test_forked_child_reads_by_itself_and_may_not_change(tmp_path: Path) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 2) as table:
        table.upsert([1], [[1, 2]])
        table.checkpoint()
        for call in (lambda: table.lookup([1]), lambda: table.upsert([1], [[0, 0]]), table.checkpoint, lambda: len(table)):
            assert _in_child(call).startswith("ForkError") and "newest checkpoint" in _in_child(call)
        assert _in_child(table.close) == "None"
        assert _in_child(lambda: table.reader().lookup([1]).tolist()) == "[[1.0, 2.0]]"
        with table.reader() as reader:
            assert _in_child(lambda: reader.lookup([1]).tolist()) == "[[1.0, 2.0]]"
        table.upsert([1], [[5, 6]])
        assert (table.lookup(1) == [5, 6]).all()


def test_orphaned_child_does_not_keep_the_next_trainer_out(tmp_path: Path) -> None:
    script = """
import os, sys, time, s3dlio
table = s3dlio.EmbeddingTable.open(sys.argv[1], 2)
table.upsert([1], [[1, 2]]); table.checkpoint()
if os.fork() == 0:
    print("up", flush=True)
    sys.stdin.read()
    os._exit(0)
time.sleep(60)
"""
    trainer = subprocess.Popen([sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert trainer.stdout is not None and trainer.stdin is not None
    assert trainer.stdout.readline() == "up\n"
    trainer.kill()
    trainer.wait()
    try:
        with s3dlio.EmbeddingTable.open(tmp_path) as table:
            assert (table.lookup(1) == [1, 2]).all()
    finally:
        trainer.stdin.close()


def test_missing_and_wrong_tables_say_so(tmp_path: Path) -> None:
    for arguments in ({"mode": "r"}, {"create": False}, {"dim": 4, "create": False}):
        with pytest.raises(errors.NotFoundError):
            s3dlio.EmbeddingTable.open(tmp_path / "none", **arguments)
    assert not (tmp_path / "none").exists()
    for arguments in (
        {"dim": 0},
        {"dim": 65_537},
        {"dim": 4, "dtype": "f8"},
        {"dim": 4, "dtype": object},
        {"dim": 4, "shards": 3},
        {"dim": 4, "mode": "w"},
        {"dim": 4, "memory": "lots"},
        {"dim": 4, "memory": 5},
        {"dim": 4, "optimizer": s3dlio.SGD(lr=float("nan"))},
        {},
    ):
        with pytest.raises(errors.InvalidArgumentError):
            s3dlio.EmbeddingTable.open(tmp_path / "none", **arguments)  # type: ignore[arg-type]
    for path in ("s3://bucket/table", "", "a\0b"):
        with pytest.raises(errors.InvalidArgumentError):
            s3dlio.EmbeddingTable.open(path, 4)
    with pytest.raises(errors.InvalidArgumentError):
        s3dlio.EmbeddingTable.open(tmp_path / "file", 4).upsert([1], [[1, 2]])


def test_inspection_needs_no_lock_and_tells_of_damage(tmp_path: Path) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 16) as table:
        table.upsert(np.arange(5000), np.ones((5000, 16)), serial=4)
        table.checkpoint()
        found = s3dlio.table.inspect(tmp_path, check=True)
        assert found["whole"] and found["rows"] == 5000 and found["findings"] == []
        assert json.loads(json.dumps(found)) == found
    data = max((path for path in tmp_path.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    whole = bytearray(data.read_bytes())
    whole[len(whole) // 2] ^= 1
    data.write_bytes(whole)
    found = s3dlio.table.inspect(tmp_path, check=True)
    assert not found["whole"] and found["findings"] and data.name in json.dumps(found["findings"])
    with pytest.raises(errors.NotFoundError):
        s3dlio.table.inspect(tmp_path / "none")


def test_calls_of_many_threads_are_all_applied(tmp_path: Path) -> None:
    threads, batches = 8, 200
    with s3dlio.EmbeddingTable.open(tmp_path, 2, optimizer=s3dlio.Add()) as table:
        failures: list[BaseException] = []

        def work(number: int) -> None:
            rng = np.random.default_rng(number)
            try:
                for batch in range(batches):
                    table.apply_gradients(
                        np.append(rng.integers(4, 1000, 63), batch % 4), np.ones((64, 2), "f4"), serial=batch, session=f"s{number}"
                    )
                    assert table.lookup(rng.integers(0, 1000, 64)).min() >= 0
            except BaseException as error:
                failures.append(error)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        made = [table.checkpoint() for _ in range(3)]
        for worker in workers:
            worker.join()
        assert failures == [] and [one.version for one in made] == [1, 2, 3]
        assert table.lookup(np.arange(1000)).sum() == threads * batches * 64 * 2
        assert (table.lookup([0, 1, 2, 3]) == threads * batches / 4).all()
        assert table.sessions == {f"s{number}": batches - 1 for number in range(threads)}


def test_closing_while_others_use_it_ends_their_calls(tmp_path: Path) -> None:
    table = s3dlio.EmbeddingTable.open(tmp_path, 8)
    ended = []

    def work() -> None:
        try:
            while True:
                table.apply_gradients(np.arange(100), np.ones((100, 8)))
        except errors.ClosedError:
            ended.append(True)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    while table.step < 10:
        pass
    table.close(checkpoint=False)
    for worker in workers:
        worker.join(30)
    assert ended == [True] * 4
