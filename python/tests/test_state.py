"""Nested states as checkpoints.

What comes back, from any number of ranks, into the memory that is there; damage, misuse and saves behind.
"""

from __future__ import annotations

import base64
import collections
import io
import json
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Base, Child
from servers_fixture import azure_server, s3_server

import s3dlio
from s3dlio import AsyncSaver, TensorShard, _pieces, finalize_state, load_state, save_async, save_state, save_state_shard

SEED = 20250311


@pytest.fixture
def uri(base: Base) -> str:
    return base.text("run")


@pytest.fixture
def local(tmp_path: Path) -> str:
    return str(tmp_path / "run")


def numbers(shape: tuple[int, ...], dtype: str = "<f4", seed: int = SEED) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


def training_state() -> dict[str, Any]:
    return {
        "model": collections.OrderedDict(w=numbers((30, 40)), b=numbers((40,), "<f8"), empty=np.zeros((0, 3)), scalar=np.array(3.5)),
        "layers": [{"k": numbers((3, 3), "<i8")}, (numbers((2,), "|b1"), None)],
        "optimizer": {0: {"step": 7, "m": numbers((5,), "<c16")}, 1: {"step": 8, "m": np.asfortranarray(numbers((4, 6)))}},
        "lr": 0.1,
        "names": np.array(["a", "bc"]),
        "rng": np.random.default_rng(3).bit_generator.state,
        "odd": {"a.b": numbers((2,)), "a": {"b": numbers((3,))}},
        "big": ">i4 follows",
        "swapped": numbers((4,), ">i4"),
    }


def same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            same(found[name], expected[name])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype.newbyteorder("=") if expected.dtype.kind != "U" else found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    else:
        assert found == expected


def test_state_comes_back_as_it_was(uri: str) -> None:
    state = training_state()
    key = save_state(uri, state, step=7, epoch=2, user_meta={"loss": 0.5})
    same(load_state(uri), state)
    manifest = s3dlio.CheckpointStore(uri).reader().load_latest_manifest()
    assert manifest is not None
    assert (manifest["manifest_key"], manifest["global_step"], manifest["epoch"], manifest["user_meta"]) == (key, 7, 2, {"loss": 0.5})
    assert s3dlio.CheckpointStore(uri).validate(key)


def test_into_fills_the_arrays_that_are_there(uri: str) -> None:
    state = training_state()
    save_state(uri, state, step=1)
    model = {name: np.full_like(array, 77) for name, array in state["model"].items()}
    before = {name: array.__array_interface__["data"][0] for name, array in model.items()}
    made = {"model": model, "lr": None, "layers": [{"k": np.zeros((3, 3), "<i8")}]}
    assert load_state(uri, made) is made
    for name, array in model.items():
        assert array.__array_interface__["data"][0] == before[name]
        assert np.array_equal(array, state["model"][name])
    assert made["lr"] == 0.1
    assert np.array_equal(made["layers"][0]["k"], state["layers"][0]["k"])


def test_values_of_any_kind_take_the_place_of_what_stands_there(local: str) -> None:
    saved = {"rng": (3, (1, 2), None), "betas": [0.9, 0.99, 1.0], "nested": {"w": np.ones(2), "x": 1}, "pair": (np.ones(2), 5)}
    save_state(local, saved, step=1)
    weights = np.zeros(2)
    into: Any = {"rng": None, "betas": [0.0], "nested": None, "pair": (weights, 0)}
    assert load_state(local, into) is into
    assert (into["rng"], into["betas"]) == (saved["rng"], saved["betas"])
    assert into["nested"]["x"] == 1
    assert into["nested"]["w"].tolist() == [1, 1]
    assert into["pair"][0] is weights
    assert weights.tolist() == [1, 1]
    assert into["pair"][1] == 5
    with pytest.raises(s3dlio.InvalidArgumentError, match=r"no 'pair\.2'"):
        load_state(local, {"pair": (weights, 0, 1)})


def test_into_strided_and_other_order(local: str) -> None:
    state = {"w": numbers((30, 40))}
    save_state(local, state, step=1)
    wide = np.zeros((30, 80), np.float32)
    load_state(local, {"w": wide[:, ::2]})
    assert np.array_equal(wide[:, ::2], state["w"])
    assert not wide[:, 1::2].any()
    fortran = np.zeros((30, 40), np.float32, order="F")
    load_state(local, {"w": fortran})
    assert np.array_equal(fortran, state["w"])


def test_state_may_be_a_single_tensor_or_value(local: str) -> None:
    save_state(local, numbers((3, 4)), step=1)
    same(load_state(local), numbers((3, 4)))
    save_state(local, [1, (2,)], step=2)
    same(load_state(local), [1, (2,)])


def test_steps_and_manifests_are_chosen(local: str) -> None:
    keys = [save_state(local, {"w": np.full(3, step)}, step=step) for step in (1, 2, 3)]
    assert load_state(local)["w"][0] == 3
    assert load_state(local, step=1)["w"][0] == 1
    assert load_state(local, manifest_key=keys[1])["w"][0] == 2
    with pytest.raises(s3dlio.NotFoundError, match="step 9"):
        load_state(local, step=9)
    with pytest.raises(s3dlio.NotFoundError, match="no checkpoint"):
        load_state(f"memory://{uuid.uuid4()}")


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (4, 3), (3, 4)])
def test_ranks_load_their_parts_of_what_others_saved(before: int, after: int, uri: str) -> None:
    rows, columns = numbers((23, 11)), numbers((6, 29), "<f8")

    def parts(world: int, rank: int, empty: bool = False) -> dict[str, Any]:
        made = {}
        for name, whole, axis in (("rows", rows, 0), ("columns", columns, 1)):
            low, high = (len(np.moveaxis(whole, axis, 0)) * edge // world for edge in (rank, rank + 1))
            part = np.moveaxis(np.moveaxis(whole, axis, 0)[low:high], 0, axis)
            offsets = (low, 0) if axis == 0 else (0, low)
            made[name] = TensorShard(np.zeros_like(part) if empty else part, whole.shape, offsets)
        return {**made, "shared": np.zeros(3) if empty else np.arange(3.0), "step": None if empty else 5}

    shards = [save_state_shard(uri, parts(before, rank), 5, rank=rank, world_size=before) for rank in range(before)]
    finalize_state(uri, 5, json.loads(json.dumps(shards)))
    for rank in range(after):
        found, expected = load_state(uri, parts(after, rank, empty=True)), parts(after, rank)
        for name in ("rows", "columns"):
            assert np.array_equal(found[name].data, expected[name].data)
        assert np.array_equal(found["shared"], np.arange(3.0))
        assert found["step"] == 5
    whole = load_state(uri)
    assert np.array_equal(whole["rows"], rows)
    assert np.array_equal(whole["columns"], columns)


def test_gather_makes_one_call_of_it(local: str) -> None:
    told: list[Any] = [None] * 3
    barrier = threading.Barrier(3)
    keys: list[Any] = [None] * 3

    def one(rank: int) -> None:
        def gather(value: Any) -> list[Any] | None:
            told[rank] = value
            barrier.wait()
            return list(told) if rank == 0 else None

        state = {"w": TensorShard(np.full((2, 2), rank), (6, 2), (2 * rank, 0))}
        keys[rank] = save_state(local, state, 3, rank=rank, world_size=3, gather=gather)

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keys[0] is not None
    assert keys[1:] == [None, None]
    assert load_state(local)["w"][:, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_parts_that_are_missing_overlap_or_disagree_make_no_checkpoint(local: str) -> None:
    def shard(rank: int, rows: int, offset: int, shape: tuple[int, int] = (4, 2), dtype: str = "<f4") -> dict[str, Any]:
        state = {"w": TensorShard(np.zeros((rows, 2), dtype), shape, (offset, 0))}
        return save_state_shard(local, state, 1, rank=rank, world_size=2)

    for second, says in (
        ((1, 2), "cover 6 of its 8"),
        ((2, 1), "overlap"),
        ((2, 0), "cover 4 of"),
        ((3, 1, (5, 2)), "different shapes"),
        ((2, 2, (4, 2), "<f8"), "types"),
    ):
        shards = [shard(0, 2, 0), shard(1, *second)]
        with pytest.raises(s3dlio.InvalidArgumentError, match=says):
            finalize_state(local, 1, shards)
    assert not s3dlio.CheckpointStore(local).list_checkpoints()


def test_tensor_that_only_another_rank_holds_is_told_of(local: str) -> None:
    shards = [
        save_state_shard(local, {"a": np.ones(2), **more}, 1, rank=rank, world_size=2)
        for rank, more in enumerate([{}, {"mine": np.ones(3)}])
    ]
    with pytest.raises(s3dlio.InvalidArgumentError, match="'mine' is held by rank 1"):
        finalize_state(local, 1, shards)


def test_values_that_only_another_rank_has_are_kept(local: str) -> None:
    shards = [save_state_shard(local, {"common": rank, f"rng{rank}": (rank,)}, 1, rank=rank, world_size=2) for rank in range(2)]
    finalize_state(local, 1, shards)
    assert load_state(local) == {"common": 0, "rng0": (0,), "rng1": (1,)}


# ---- compression ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [True, 9, "auto"])
def test_what_shrinks_is_compressed_and_read_in_parts(compress: Any, uri: str) -> None:
    large = np.repeat(np.arange(2000, dtype=np.float64), 1000).reshape(2000, 1000)
    save_state(uri, {"w": large, "noise": np.random.default_rng(1).random(1000)}, step=1, compress=compress)
    (shard,) = s3dlio.list(f"{uri}/shards", recursive=True)
    assert shard.endswith(".zst")
    assert s3dlio.stat(shard)["size"] < large.nbytes / 10
    assert np.array_equal(load_state(uri)["w"], large)
    part = load_state(uri, {"w": TensorShard(np.zeros((10, 1000)), large.shape, (995, 0))})["w"].data
    assert np.array_equal(part, large[995:1005])
    assert s3dlio.CheckpointStore(uri).validate()


def test_what_does_not_shrink_is_not_compressed(local: str) -> None:
    save_state(local, {"w": np.random.default_rng(1).random(1 << 18)}, step=1)
    (shard,) = s3dlio.list(f"{local}/shards", recursive=True)
    assert shard.endswith(".safetensors")
    assert np.array_equal(s3dlio.load_tensors(shard)["w"], load_state(local)["w"])


# ---- misuse and damage ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [object(), {"x": Path("y")}, [lambda: 0], {1, object()}, np.array([object()])], ids=repr)
def test_what_only_a_pickle_holds_is_refused_before_anything_is_written(value: Any, local: str) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError):
        save_state(local, {"a": value}, step=1)
    assert not Path(local).exists() or not list(Path(local).rglob("*.safetensors"))


def test_masked_and_sparse_are_refused_also_behind(local: str) -> None:
    torch: Any = None
    try:
        import torch
    except ImportError:
        pass
    wrong = [
        np.ma.masked_array([1.0, 2.0], [True, False]),
        *([] if torch is None else [torch.eye(3).to_sparse(), torch.ones(2, device="meta")]),
    ]
    for value in wrong:
        with pytest.raises(s3dlio.InvalidArgumentError):
            save_state(local, {"w": value}, step=1)
        with AsyncSaver(local, memory_budget=1 << 20) as saver, pytest.raises(s3dlio.InvalidArgumentError):
            saver.save({"w": value}, step=1)


def test_memory_that_cannot_be_written_is_said(local: str) -> None:
    save_state(local, {"w": np.ones(3)}, step=1)
    into = np.zeros(3)
    into.flags.writeable = False
    with pytest.raises(s3dlio.InvalidArgumentError, match="read-only"):
        load_state(local, {"w": into})


def test_deep_states_and_odd_names_come_back(local: str) -> None:
    deep: Any = {"end": np.ones(2)}
    for level in range(50):
        deep = {level: deep} if level % 2 else [deep]
    save_state(local, {"deep": deep, "text": "\ud800", 5: None}, step=1)
    found = load_state(local)
    assert found["text"] == "\ud800"
    assert found[5] is None
    found = found["deep"]
    for level in reversed(range(50)):
        found = found[level] if level % 2 else found[0]
    assert np.array_equal(found["end"], np.ones(2))


def test_state_that_holds_itself_is_refused(local: str) -> None:
    state: dict[str, Any] = {}
    state["again"] = state
    with pytest.raises(s3dlio.InvalidArgumentError, match="itself"):
        save_state(local, state, step=1)


def test_what_does_not_fit_is_said(local: str) -> None:
    save_state(local, {"model": {"weight": np.ones((2, 3))}, "lr": 1}, step=1)
    with pytest.raises(s3dlio.InvalidArgumentError, match="'model.weihgt'.*did you mean 'model.weight'"):
        load_state(local, {"model": {"weihgt": np.zeros((2, 3))}})
    assert load_state(local, {"new": 3, "lr": 0}, strict=False) == {"new": 3, "lr": 1}
    with pytest.raises(s3dlio.InvalidArgumentError, match=r"shape \(2, 3\).*\(3, 2\)"):
        load_state(local, {"model": {"weight": np.zeros((3, 2))}})
    with pytest.raises(s3dlio.InvalidArgumentError, match="is a tensor in the checkpoint"):
        load_state(local, {"model": {"weight": 1.0}})
    with pytest.raises(s3dlio.InvalidArgumentError, match="is int in the checkpoint"):
        load_state(local, {"lr": np.zeros(1)})
    with pytest.raises(s3dlio.InvalidArgumentError, match="does not lie in"):
        TensorShard(np.zeros((2, 2)), (3, 2), (2, 0))


def test_other_types_in_memory_are_converted_where_that_is_asked_for(local: str) -> None:
    save_state(local, {"w": np.array([0, 1, 2.5, -3, 300], np.float32), "n": np.arange(5, dtype=np.int32)}, step=1)

    def load(name: str, dtype: str, **options: Any) -> list[Any]:
        into = {name: np.full(5, 7, dtype)}
        try:
            load_state(local, into, **options)
        except s3dlio.InvalidArgumentError as error:
            assert f"tensor '{name}'" in str(error)
            assert into[name].tolist() == np.full(5, 7, dtype).tolist()
            raise
        return into[name].tolist()

    assert load("w", ">f4") == load("w", "<f4") == [0, 1, 2.5, -3, 300]
    for name, dtype in (("w", "f8"), ("w", "f2"), ("n", "i8"), ("n", "f8"), ("w", "c16"), ("n", "i1")):
        with pytest.raises(s3dlio.InvalidArgumentError, match="casting='same_kind'"):
            load(name, dtype)
        expected = [0, 1, 2, 3, 4] if name == "n" else [0, 1, 2.5, -3, 300]
        assert load(name, dtype, casting="same_kind") == expected
    for name, dtype in (("w", "i4"), ("w", "?"), ("n", "u4")):
        for casting in ("no", "same_kind"):
            with pytest.raises(s3dlio.InvalidArgumentError, match="casting="):
                load(name, dtype, casting=casting)
    assert load("w", "i4", casting="unsafe") == [0, 1, 2, -3, 300]
    for dtype in ("U9", "M8[s]", "V4", [("a", "f4")]):
        with pytest.raises(s3dlio.InvalidArgumentError, match="the checkpoint has"):
            load_state(local, {"w": np.zeros(5, dtype)}, casting="unsafe")
    with pytest.raises(s3dlio.InvalidArgumentError, match="casting is"):
        load_state(local, {"w": np.zeros(5)}, casting="safe")  # type: ignore[arg-type]


def test_into_that_does_not_fit_is_left_as_it_was(local: str) -> None:
    state = {"a": np.arange(4.0), "v": 1, "list": [np.arange(3.0), 2], "pair": (np.arange(2.0), 3), "d": {"x": np.ones(2, "f4")}}
    save_state(local, state, step=1)
    readonly = np.zeros(2, "f4")
    readonly.flags.writeable = False
    for wrong in (
        {"d": {"x": np.zeros(3, "f4")}},
        {"d": {"x": np.zeros(2, "f8")}},
        {"d": {"x": readonly}},
        {"d": {"x": np.lib.stride_tricks.as_strided(np.zeros(1, "f4"), (2,), (0,))}},
        {"d": {"x": np.ma.masked_array(np.zeros(2, "f4"))}},
        {"d": {"x": 5}},
        {"d": {"y": 5}},
        {"d": np.zeros(2)},
        {"missing": None},
        {"v": np.zeros(2)},
    ):
        into = {"a": np.zeros(4), "v": 0, "list": [np.zeros(3), 0], "pair": (np.zeros(2), 0), **wrong}
        before = into["list"], into["pair"]
        with pytest.raises(s3dlio.InvalidArgumentError):
            load_state(local, into)
        assert not into["a"].any()
        assert (into["list"], into["pair"]) == before or into["list"] is before[0]
        assert not into["list"][0].any() and into["list"][1] == 0
        assert not into["pair"][0].any() and into["pair"][1] == 0
        assert "v" in wrong or into["v"] == 0


def test_values_are_left_as_they_were_where_reading_fails(local: str) -> None:
    save_state(local, {"w": numbers((1000,)), "step": 5}, step=1)
    (shard,) = (Path(path) for path in s3dlio.list(f"{local}/shards", recursive=True))
    shard.unlink()
    into = {"w": np.zeros(1000, "<f4"), "step": 1}
    with pytest.raises(s3dlio.NotFoundError):
        load_state(local, into)
    assert into["step"] == 1


@pytest.mark.parametrize("wrong", [100, 1.5, "model", True])
def test_load_into_what_is_no_state_is_refused(local: str, wrong: Any) -> None:
    for step in (1, 2):
        save_state(local, {"w": np.full(2, step)}, step=step)
    with pytest.raises(s3dlio.InvalidArgumentError, match="a state to load into is"):
        load_state(local, wrong)
    with pytest.raises(s3dlio.InvalidArgumentError, match="step=1 chooses"):
        load_state(local, 1)


STRUCTURED = np.dtype([("t", "<f4"), ("name", "<U3"), ("when", "<M8[us]"), ("grid", ">i2", (2, 2)), ("in", [("x", "?")])])

ODD_ARRAYS: dict[str, Any] = {
    "text": np.array([["a", "bc"], ["", "xyz"]]),
    "bytes": np.array([b"a", b"bcd"]),
    "big endian text": np.array(["ab", "c"], ">U2"),
    "dates": np.array(["2020-01-01", "NaT"], "M8[ns]"),
    "days of big endian": np.array([1, 2], ">M8[D]"),
    "spans": np.array([1, -5], "m8[3s]"),
    "structured": np.array([(1.5, "ab", "2020-01-01", [[1, 2], [3, 4]], (True,)), (2, "", "NaT", 7, (False,))], STRUCTURED),
    "aligned": np.zeros(3, np.dtype([("a", "i1"), ("b", "<f8")], align=True)),
    "raw": np.array([b"ab", b"cd"], "V2"),
    "long double": np.arange(3, dtype=np.longdouble),
    "fortran": np.asfortranarray(np.array([["a", "bc", "d"], ["", "xyz", "e"]])),
    "strided": np.array(["a", "b", "c", "d"])[::2],
    "no elements": np.zeros((0, 3), STRUCTURED),
    "no dimensions": np.array("2020-01-01", "M8[s]"),
    "no bytes": np.zeros((2, 0), "U0"),
    "empty text": np.array(["", ""]),
    "large": np.arange(1_000_000).astype("M8[s]"),
}


@pytest.mark.parametrize("name", ODD_ARRAYS)
def test_arrays_of_text_dates_and_structures_come_back_as_they_were(local: str, name: str) -> None:
    array = ODD_ARRAYS[name]
    save_state(local, {"array": array, "scalar": array.reshape(-1)[0] if array.size else None}, step=1)
    for framework in (None, "np", "pt"):
        found = load_state(local, framework=framework)
        assert found["array"].dtype == array.dtype
        assert found["array"].shape == array.shape
        assert found["array"].tobytes() == array.tobytes()
        assert array.size == 0 or (found["scalar"], type(found["scalar"])) == (array.reshape(-1)[0], type(array.reshape(-1)[0]))
    into = {"array": np.zeros(array.shape, array.dtype)}
    load_state(local, into)
    assert into["array"].tobytes() == array.tobytes()
    if array.ndim and len(array) > 1:
        part = TensorShard(np.zeros((1, *array.shape[1:]), array.dtype), array.shape, (1, *[0] * (array.ndim - 1)))
        assert load_state(local, {"array": part})["array"].data.tobytes() == array[1:2].tobytes()
    # not in the manifest, which has a bound
    assert all(path.stat().st_size < 100_000 for path in Path(local, "manifests").iterdir())
    with AsyncSaver(local) as saver:
        saver.save({"array": array}, 2)
    assert load_state(local)["array"].tobytes() == array.tobytes()


def test_arrays_of_text_in_older_manifests_are_read(local: str) -> None:
    texts = np.array(["a", "bc"])
    value = {"~": "array", "v": {"dtype": "<U2", "shape": [2], "data": base64.b64encode(texts.tobytes()).decode()}}
    writer = s3dlio.CheckpointStore(local).writer(1, 0)
    shard = writer.save_distributed_shard(1, 0, "s3dlio-state", b"x")
    extra = {"s3dlio_state": 1, "tensors": {}, "tree": json.dumps({"names": value})}
    writer.finalize_distributed_checkpoint(1, 0, "s3dlio-state", [{**shard, "extra": extra}])
    assert load_state(local)["names"].tolist() == ["a", "bc"]
    into = {"names": np.zeros(2, "<U2")}
    load_state(local, into)
    assert into["names"].tolist() == ["a", "bc"]
    with pytest.raises(s3dlio.InvalidArgumentError, match="the checkpoint has <U2"):
        load_state(local, {"names": np.zeros(2, "<U3")})


@pytest.mark.parametrize("name", ["int4", "uint4", "float8_e3m4", "bfloat16"])
def test_arrays_of_types_of_extensions_keep_them(local: str, name: str) -> None:
    dtype = np.dtype(getattr(pytest.importorskip("ml_dtypes", reason="types of the ml_dtypes package"), name))
    array = np.arange(6).astype(dtype).reshape(2, 3)
    save_state(local, {"w": array, "one": array[1, 2]}, step=1)
    found = load_state(local)
    assert found["w"].dtype == found["one"].dtype == dtype
    assert np.array_equal(found["w"], array)
    assert found["one"] == array[1, 2]


def test_arrays_of_objects_are_refused(local: str) -> None:
    for array in (np.array([None, {}]), np.zeros(2, [("a", "O")])):
        with pytest.raises(s3dlio.InvalidArgumentError, match="Python objects"):
            save_state(local, {"x": array}, step=1)


def test_a_file_of_bytes_comes_back_as_it_was(local: str) -> None:
    file = io.BytesIO(b"some bytes")
    file.seek(4)
    save_state(local, {"file": file}, step=1)
    found = load_state(local)["file"]
    assert (type(found), found.getvalue(), found.tell()) == (io.BytesIO, b"some bytes", 4)


def test_checkpoint_of_bytes_is_no_state(local: str) -> None:
    s3dlio.CheckpointStore(local).save(1, 0, "torch", b"weights")
    with pytest.raises(s3dlio.InvalidDataError, match="is no state"):
        load_state(local)


def test_damage_names_the_tensor(local: str) -> None:
    save_state(local, {"first": numbers((1000,)), "second": numbers((1000,))}, step=1)
    (shard,) = (Path(path) for path in s3dlio.list(f"{local}/shards", recursive=True))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 4
    shard.unlink()
    shard.write_bytes(data)
    with pytest.raises(s3dlio.ChecksumMismatchError, match="tensor '(first|second)'"):
        load_state(local)
    load_state(local, validate=False)


def test_parts_are_checked_too(local: str) -> None:
    whole = numbers((4096, 64))
    save_state(local, {"w": whole}, step=1, compress=False)
    (shard,) = (Path(path) for path in s3dlio.list(f"{local}/shards", recursive=True))
    data = bytearray(shard.read_bytes())
    at = len(data) - whole.nbytes + 2000 * 256 + 3
    data[at] ^= 1
    shard.unlink()
    shard.write_bytes(data)
    for low, damaged in ((2000, True), (1990, True), (100, False)):
        into = {"w": TensorShard(np.zeros((11, 64), np.float32), whole.shape, (low, 0))}
        if damaged:
            with pytest.raises(s3dlio.ChecksumMismatchError, match="tensor 'w'"):
                load_state(local, into)
        else:
            load_state(local, into)
            assert np.array_equal(into["w"].data, whole[low : low + 11])


# ---- torch ---------------------------------------------------------------------------------------------------------------------------


def test_torch_state_comes_back_and_fills_models(local: str) -> None:
    torch = pytest.importorskip("torch", reason="tensors of torch")
    made = torch.nn.Linear(4, 5)
    save_state(
        local,
        {
            "model": made.state_dict(),
            "half": torch.arange(6).bfloat16().reshape(2, 3).t(),
            "np": np.ones(2),
            "c": torch.ones(2, dtype=torch.complex128),
        },
        step=1,
    )
    found = load_state(local)
    assert torch.equal(found["model"]["weight"], made.weight)
    assert found["half"].dtype == torch.bfloat16
    assert torch.equal(found["half"], torch.arange(6).bfloat16().reshape(2, 3).t())
    assert isinstance(found["np"], np.ndarray)
    assert torch.equal(found["c"], torch.ones(2, dtype=torch.complex128))
    assert isinstance(load_state(local, framework="pt")["np"], torch.Tensor)
    other = torch.nn.Linear(4, 5)
    load_state(local, {"model": other.state_dict()})
    assert torch.equal(other.weight, made.weight)
    load_state(local, {"model": {"weight": other.weight, "bias": other.bias}})


# ---- behind the program --------------------------------------------------------------------------------------------------------------


def test_async_save_keeps_the_state_of_its_call(uri: str) -> None:
    weights = numbers((1000, 50))
    copy = weights.copy()
    saver = AsyncSaver(uri)
    pending = saver.save({"w": weights, "list": [1]}, step=1)
    weights[:] = -1
    key = pending.result(60)
    assert np.array_equal(load_state(uri, manifest_key=key)["w"], copy)
    done, total = pending.progress()
    assert done == total >= weights.nbytes
    assert pending.done()
    saver.close()
    with pytest.raises(s3dlio.ClosedError):
        saver.save({}, step=2)


def test_async_save_without_a_copy_reads_until_it_is_settled(local: str) -> None:
    weights = numbers((1000, 50))
    copy = weights.copy()
    with AsyncSaver(local) as saver:
        pending = saver.save({"w": weights}, step=1, copy=False)
        assert saver._memory.used == 0
        pending.settle(60)
        weights[:] = -1
        pending.result(60)
    assert np.array_equal(load_state(local)["w"], copy)


def test_saves_behind_the_program_are_told_so(local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []
    options = _pieces.put_options

    def listening(*arguments: Any, **keywords: Any) -> Any:
        told.append(keywords["background"])
        return options(*arguments, **keywords)

    monkeypatch.setattr(_pieces, "put_options", listening)
    state = {"w": numbers((1000, 50)), "z": np.zeros(5 << 20, np.uint8)}
    for compress in (False, True):
        with AsyncSaver(local, compress=compress) as saver:
            saver.save(state, step=1 + compress)
        loaded = load_state(local)
        assert all(np.array_equal(loaded[name], state[name]) for name in state)
    save_state(local, state, step=3)
    assert told == [True, True, False]


def test_failure_is_raised_by_the_next_call_or_by_result(tmp_path: Path) -> None:
    blocked = tmp_path / "run"
    blocked.write_text("a file where a directory is needed")
    saver = AsyncSaver(str(blocked))
    first = saver.save({"w": np.ones(3)}, step=1)
    first._ended.wait(60)
    with pytest.raises(s3dlio.S3dlioError):
        saver.save({"w": np.ones(3)}, step=2)
    blocked.unlink()
    second = saver.save({"w": np.ones(3)}, step=3)
    assert second.result(60)
    blocked_again = tmp_path / "other"
    blocked_again.write_text("")
    third = save_async(str(blocked_again), {"w": np.ones(3)}, step=1)
    with pytest.raises(s3dlio.S3dlioError):
        third.result(60)
    # told once, and not again
    saver.wait()
    saver.close()


def test_several_in_flight_end_in_their_order(local: str) -> None:
    with AsyncSaver(local, max_in_flight=4) as saver:
        pending = [saver.save({"w": np.full(100_000 // (step + 1), step)}, step=step) for step in range(8)]
        saver.wait(120)
    assert all(one.done() for one in pending)
    infos = s3dlio.CheckpointStore(local).list_checkpoints()
    assert [info.step for info in infos] == list(range(7, -1, -1))


def test_memory_budget_holds(local: str) -> None:
    state = {"w": np.ones(1 << 17)}
    with AsyncSaver(local, max_in_flight=4, memory_budget=2 << 20) as saver:
        for step in range(6):
            saver.save(state, step=step)
            assert saver._memory.used <= 2 << 20
        with pytest.raises(s3dlio.InvalidArgumentError, match="memory_budget"):
            saver.save({"w": np.ones(1 << 19)}, step=9)
    assert len(s3dlio.CheckpointStore(local).list_checkpoints()) == 6


def test_what_cannot_be_saved_is_refused_at_once(local: str) -> None:
    with AsyncSaver(local) as saver, pytest.raises(s3dlio.InvalidArgumentError, match="pickle"):
        saver.save({"a": object()}, step=1)


def test_cancelled_save_leaves_no_checkpoint(monkeypatch: pytest.MonkeyPatch, local: str) -> None:
    from s3dlio._checkpoints import _saver as _state_async

    begun, go = threading.Event(), threading.Event()
    original = _state_async.save_state_shard

    def held(*args: Any, **options: Any) -> Any:
        begun.set()
        go.wait(60)
        return original(*args, **options)

    monkeypatch.setattr(_state_async, "save_state_shard", held)
    saver = AsyncSaver(local)
    pending = saver.save({"w": np.ones(1 << 20)}, step=1)
    begun.wait(60)
    pending.cancel()
    go.set()
    with pytest.raises(s3dlio.CancelledError):
        pending.result(60)
    assert not s3dlio.CheckpointStore(local).list_checkpoints()
    saver.wait()
    saver.save({"w": np.ones(3)}, step=2).result(60)


@pytest.mark.parametrize("at_exit", ["finish", "cancel"])
def test_interpreters_end_finishes_or_cancels(at_exit: str, child: Child, local: str) -> None:
    begin = time.monotonic()
    child(
        """
        import sys, numpy as np, s3dlio
        saver = s3dlio.AsyncSaver(sys.argv[1], at_exit=sys.argv[2], max_in_flight=3)
        for step in range(3):
            saver.save({"w": np.full(1 << 21, step)}, step=step)
        """.replace("\n        ", "\n"),
        local,
        at_exit,
        timeout=300,
    )
    found = s3dlio.CheckpointStore(local).list_checkpoints()
    if at_exit == "finish":
        assert [info.step for info in found] == [2, 1, 0]
    for info in found:
        assert np.array_equal(load_state(local, manifest_key=info.manifest_key)["w"], np.full(1 << 21, info.step))
    assert time.monotonic() - begin < 300


def test_forked_child_cannot_wait_for_its_parents_save(child: Child, local: str) -> None:
    ended = child(
        """
        import os, sys, numpy as np, s3dlio
        saver = s3dlio.AsyncSaver(sys.argv[1])
        pending = saver.save({"w": np.ones(1 << 20)}, step=1)
        pid = os.fork()
        if pid == 0:
            for action in (pending.result, lambda: saver.save({}, step=2)):
                try:
                    action()
                except s3dlio.ClosedError as error:
                    print("closed")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(pid, 0)
        pending.result()
        print("saved")
        """.replace("\n        ", "\n"),
        local,
        timeout=120,
    )
    assert ended.stdout.split() == ["closed", "closed", "saved"]


# ---- real servers --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", [s3_server, azure_server], ids=["s3", "azure"])
def test_ranks_over_a_cloud(server: Callable[[], tuple[str, dict[str, Any]]]) -> None:
    uri, options = server()
    uri = f"{uri}/state"
    whole = np.random.default_rng(1).random((1000, 700))
    shards = [
        save_state_shard(
            uri,
            {"w": TensorShard(whole[low : low + 250], whole.shape, (low, 0)), "step": 4},
            4,
            rank=low // 250,
            world_size=4,
            storage_options=options,
        )
        for low in range(0, 1000, 250)
    ]
    finalize_state(uri, 4, shards, storage_options=options)
    for low, high in ((0, 333), (333, 666), (666, 1000)):
        into = {"w": TensorShard(np.zeros((high - low, 700)), whole.shape, (low, 0)), "step": 0}
        load_state(uri, into, storage_options=options)
        assert np.array_equal(into["w"].data, whole[low:high])
        assert into["step"] == 4
