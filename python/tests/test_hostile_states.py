"""Manifests of states that say what is not true: an error that names the manifest, in memory that its shards bound, whatever they say.

Short by default; ``S3DLIO_STATE_MUTATIONS=100000`` makes so many mutations, ``S3DLIO_STATE_SEED=n`` repeats a run.
"""

from __future__ import annotations

import copy
import io
import json
import os
import random
import string
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import s3dlio
from s3dlio import TensorShard, finalize_state, load_state, save_state_shard

COUNT = int(os.environ.get("S3DLIO_STATE_MUTATIONS", "2000"))
SEED = int(os.environ.get("S3DLIO_STATE_SEED", "20260101"))

URI = "memory://hostile-states"

#: Bytes of new memory that one load may make: those of the shards, some hundred, and what JSON becomes.
MOST_MEMORY = 1 << 20

NUMBERS = [
    0,
    1,
    -1,
    3,
    7,
    2**31,
    2**40,
    2**53,
    2**61,
    2**62,
    2**63 - 1,
    2**63,
    2**64,
    10**30,
    -(2**63),
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    True,
]
TEXTS = [
    "",
    "~",
    "tensor",
    "np",
    "pt",
    "w",
    "float32",
    "bfloat16",
    "float8_e4m3fn",
    "int4",
    "object",
    "O",
    "<f4",
    "|O",
    "<U5",
    "<U999999999999",
    "V0",
    "<M8[ns]",
]
TEXTS += [
    "npy:'<f4'",
    "npy:'|O'",
    "npy:[('a', '<f4')]",
    "npy:[('a', 'O')]",
    "npy:" + "(" * 300,
    "npy:'<U2147483647'",
    "npy:",
    "crc32c:00000000",
    "crc32c:zzzzzzzz",
]
TEXTS += [
    "zstd",
    "none",
    "shards/x",
    "../x",
    "\ud800",
    "AAAA",
    "QQ==",
    "x" * 5000,
    "[" * 5000,
    "{" * 2000,
    "Counter",
    "set",
    "dict",
    "complex",
    "range",
    "BytesIO",
]
TEXTS += [
    "torch.Size",
    "torch.dtype",
    "torch.device",
    "torch.Tensor",
    "scalar",
    "array",
    "tuple",
    "bytes",
    "float",
    "cuda:99",
    "load",
    "qint8",
    "complex32",
]


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """Of two ranks, with a tensor in parts and a value of every kind."""
    found: list[dict[str, Any]] = []
    for rank in range(2):
        state = {
            "w": TensorShard(np.full((2, 3), rank, "f4"), (4, 3), (2 * rank, 0)),
            "b": np.arange(5.0),
            "text": np.array(["a", "bc"]),
            "list": [np.ones(2, "i2"), {"x": np.float32(2)}],
            "values": {
                "f": float("nan"),
                "c": 1j,
                "b": b"x",
                "t": (1, 2),
                "s": {1},
                "r": range(3),
                "d": {1: 2},
                "n": np.float32(2),
                "io": io.BytesIO(b"y"),
            },
        }
        found.append(save_state_shard(URI, state, 1, rank=rank, world_size=2))
    finalize_state(URI, 1, found)
    loaded = s3dlio.CheckpointStore(URI).reader().load_latest_manifest()
    assert loaded is not None
    assert load_state(URI)["w"].sum() == 6
    return loaded


def anything(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(8 if depth < 2 else 4)
    if kind < 2:
        return chance.choice(NUMBERS)
    if kind < 4:
        return chance.choice([*TEXTS, None])
    if kind < 5:
        return [anything(chance, depth + 1) for _ in range(chance.choice([0, 1, 2, 3, 70]))]
    if kind < 6:
        return {chance.choice(TEXTS): anything(chance, depth + 1) for _ in range(chance.randrange(3))}
    return {"~": chance.choice(TEXTS), "v": anything(chance, depth + 1)}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container of a JSON value with each of its names or indices."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in list(items):
        found.append((value, name))
        found += places(item)
    return found


def mutate(value: Any, chance: random.Random) -> None:
    """Changes some of a JSON value."""
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        known = places(value)
        if not known:
            return
        container, name = chance.choice(known)
        old, kind = container[name], chance.randrange(6)
        if kind == 0:
            container[name] = anything(chance)
        elif kind == 1:
            del container[name]
        elif kind == 2 and isinstance(container, list):
            container.insert(name, copy.deepcopy(chance.choice(known)[0]))
        elif kind == 3:
            other, place = chance.choice(known)
            container[name] = copy.deepcopy(other[place])
        elif isinstance(old, bool) or old is None:
            container[name] = not old
        elif isinstance(old, int):
            container[name] = chance.choice([old + 1, old - 1, -old, old * 2, old << 40, old + (1 << 61), chance.choice(NUMBERS)])
        elif isinstance(old, str):
            at = chance.randrange(len(old) + 1)
            container[name] = chance.choice(
                [old[:at], old[:at] + chance.choice(string.printable) + old[at:], chance.choice(TEXTS), old.swapcase()]
            )
        else:
            container[name] = anything(chance)


def mutated(manifest: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    made = copy.deepcopy(manifest)
    shard = chance.choice(made["shards"])
    if chance.randrange(2):
        # within the text that the values are
        tree = json.loads(shard["extra"]["tree"])
        mutate(tree, chance)
        shard["extra"]["tree"] = json.dumps(tree)
    else:
        mutate(shard["extra"] if chance.randrange(4) else shard["extra"].get("tensors", {}), chance)
    return made


def checked(manifest: dict[str, Any]) -> bytes:
    """A manifest as it would be stored, its checksum made to fit."""
    made = {**manifest, "manifest_checksum": "crc32c:00000000"}
    made.pop("manifest_key")
    text = json.dumps(made).encode()
    checksum = s3dlio.put_bytes("memory://hostile-states-scratch/x", text)
    return text.replace(b'"manifest_checksum": "crc32c:00000000"', f'"manifest_checksum": "{checksum}"'.encode())


def outcome(manifest: dict[str, Any], action: Callable[[str], Any]) -> str:
    key = manifest["manifest_key"]
    s3dlio.put_bytes(f"{URI}/{key}", checked(manifest))
    try:
        action(key)
    except s3dlio.S3dlioError as error:
        # by its key, or by a shard of it that is not there or not as it should be
        assert key in str(error) or "shards/" in str(error) or isinstance(error, s3dlio.InvalidArgumentError), str(error)
        return type(error).__name__
    return "loaded"


def test_load_of_mutated_manifests_gives_a_state_or_an_error_that_names_it(
    manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3dlio._checkpoints import _saved_state

    made = 0

    def counting(shape: tuple[int, ...], dtype: np.dtype[Any], order: Any = "C") -> np.ndarray[Any, Any]:
        nonlocal made
        array = np.ndarray(shape, dtype, order=order)
        made += array.nbytes
        return array

    monkeypatch.setattr(_saved_state, "empty_array", counting)
    chance = random.Random(SEED)
    outcomes: dict[str, int] = {}
    for number in range(COUNT):
        made, one = 0, mutated(manifest, chance)
        into: dict[str, Any] = {"w": np.zeros((4, 3), "f4"), "b": np.zeros(5), "list": [np.zeros(2, "i2"), {"x": None}], "values": None}
        begin = time.monotonic()
        try:
            name = outcome(one, lambda key: load_state(URI, into if number % 3 == 0 else None, manifest_key=key, strict=number % 2 == 0))
        except Exception as error:
            raise AssertionError(f"mutation {number} of seed {SEED}: {type(error).__name__}: {error}") from error
        assert made <= MOST_MEMORY, f"mutation {number} of seed {SEED} made {made} bytes of memory"
        assert time.monotonic() - begin < 20
        outcomes[name] = outcomes.get(name, 0) + 1
    s3dlio.put_bytes(f"{URI}/{manifest['manifest_key']}", checked(manifest))
    assert load_state(URI)["b"].tolist() == [0, 1, 2, 3, 4]
    # neither all refused nor all taken: the mutations reach what they are for
    assert {"loaded", "InvalidDataError"} <= set(outcomes), outcomes


def lie(manifest: dict[str, Any], **fields: Any) -> dict[str, Any]:
    made = copy.deepcopy(manifest)
    made["shards"][0]["extra"]["tensors"]["b"][0].update(fields)
    return made


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"dtype": [1]}, "dtype"),
        ({"dtype": "no such type"}, "not known here"),
        ({"dtype": "npy:'|O'"}, "Python objects"),
        ({"dtype": "npy:" + "[" * 5000}, "cannot make a dtype"),
        ({"shape": [2**61, 4], "offsets": [0, 0], "sizes": [5, 1]}, "cover 5 of"),
        ({"shape": [2**40]}, "cover 5 of"),
        ({"shape": [2**40], "sizes": [2**40]}, "do not fit"),
        ({"shape": [2**40], "sizes": [2**40], "nbytes": 2**43}, "lie beyond the shard"),
        ({"shape": [1] * 65, "offsets": [0] * 65, "sizes": [1] * 65}, "at most 64"),
        ({"shape": "5"}, "field 'shape'"),
        ({"offsets": [1]}, "does not lie in"),
        ({"crc32c": 5}, "place of its bytes"),
        ({"block_length": 1}, "place of its bytes"),
    ],
)
def test_load_of_a_part_that_cannot_be_names_the_tensor_and_the_field(manifest: dict[str, Any], fields: dict[str, Any], says: str) -> None:
    made = lie(manifest, **fields)
    s3dlio.put_bytes(f"{URI}/{made['manifest_key']}", checked(made))
    with pytest.raises(s3dlio.InvalidDataError, match="tensor 'b'") as caught:
        load_state(URI, manifest_key=made["manifest_key"])
    assert says in str(caught.value)
    assert made["manifest_key"] in str(caught.value)


def test_load_of_a_shard_of_another_size_makes_no_memory_for_it(manifest: dict[str, Any]) -> None:
    made = lie(manifest, shape=[2**40], sizes=[2**40], nbytes=2**43)
    for name in ("size", "raw_size"):
        made["shards"][0][name] = 2**50
    s3dlio.put_bytes(f"{URI}/{made['manifest_key']}", checked(made))
    with pytest.raises(s3dlio.InvalidDataError, match="expected 1125899906842624 bytes"):
        load_state(URI, manifest_key=made["manifest_key"])
    reader = s3dlio.CheckpointStore(URI).reader()
    found = reader.load_manifest(made["manifest_key"])
    assert found is not None
    with pytest.raises(s3dlio.InvalidDataError, match="expected 1125899906842624 bytes"):
        reader.read_shard(found["shards"][0])


def test_parts_that_overlap_and_leave_gaps_are_refused(manifest: dict[str, Any]) -> None:
    made = copy.deepcopy(manifest)
    # as many elements as the whole has, some twice and some not at all
    made["shards"][1]["extra"]["tensors"]["w"][0]["offsets"] = [1, 0]
    s3dlio.put_bytes(f"{URI}/{made['manifest_key']}", checked(made))
    for into in (None, {"w": np.zeros((4, 3), "f4")}):
        with pytest.raises(s3dlio.InvalidDataError, match="overlap"):
            load_state(URI, into, manifest_key=made["manifest_key"])


def test_values_of_torch_without_torch_are_an_error_that_says_so(manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    made = copy.deepcopy(manifest)
    made["shards"][0]["extra"]["tree"] = json.dumps({"size": {"~": "torch.Size", "v": [1]}})
    s3dlio.put_bytes(f"{URI}/{made['manifest_key']}", checked(made))
    with pytest.raises(s3dlio.InvalidDataError, match="torch, which is not installed"):
        load_state(URI, manifest_key=made["manifest_key"])
