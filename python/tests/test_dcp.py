"""Checkpoints of torch.distributed.checkpoint in one process.

Every kind of value, failures, attacks, and torch's own patterns for storage.
"""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
import re
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Base

import s3dlio
from s3dlio import exceptions
from s3dlio._core import _document

torch = pytest.importorskip("torch", reason="checkpoints of torch")
dcp = pytest.importorskip("torch.distributed.checkpoint", reason="checkpoints of torch")
s3dlio_torch = pytest.importorskip("s3dlio.torch")

from s3dlio.torch import StorageReader, StorageWriter  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"]
DTYPES += ["float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64"]


def save(state: Any, uri: str, **options: Any) -> Any:
    return dcp.save(state, storage_writer=StorageWriter(uri, **options), no_dist=True)


def load(state: Any, uri: str, **options: Any) -> StorageReader:
    reader = StorageReader(uri, **options)
    dcp.load(state, storage_reader=reader, no_dist=True)
    return reader


def cause(error: BaseException) -> BaseException:
    """What a rank raised, out of torch's exception about all ranks."""
    failures = getattr(error, "failures", None)
    return error if not failures else next(iter(failures.values()))[0]


def raised(action: Any) -> BaseException:
    """What an action raised."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        action()
    return cause(caught.value)


@pytest.fixture
def uri(base: Base) -> str:
    """A checkpoint's address on every store of this machine."""
    return base.text("run/step-1")


@pytest.fixture
def local(tmp_path: Path) -> str:
    return str(tmp_path / "step-1")


def model() -> tuple[Any, Any]:
    torch.manual_seed(3)
    made = torch.nn.Sequential(torch.nn.Linear(40, 50), torch.nn.ReLU(), torch.nn.BatchNorm1d(50), torch.nn.Linear(50, 3))
    optimizer = torch.optim.AdamW(made.parameters(), lr=0.01)
    return made, optimizer


def step(made: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    made(torch.ones(4, 40) * torch.arange(4)[:, None]).square().sum().backward()
    optimizer.step()


def test_save_and_load_of_a_training_state_continues_as_before(uri: str) -> None:
    first, first_optimizer = model()
    step(first, first_optimizer)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(first_optimizer, [2, 3, 3])
    save({"model": first.state_dict(), "optimizer": first_optimizer.state_dict(), "scheduler": scheduler.state_dict()}, uri)

    second, second_optimizer = model()
    step(second, second_optimizer)
    step(second, second_optimizer)
    other = torch.optim.lr_scheduler.MultiStepLR(second_optimizer, [9])
    state = {"model": second.state_dict(), "optimizer": second_optimizer.state_dict()}
    load(state, uri)
    second.load_state_dict(state["model"])
    second_optimizer.load_state_dict(state["optimizer"])
    del other
    step(first, first_optimizer)
    step(second, second_optimizer)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def raw(tensor: Any) -> bytes:
    """A tensor's bytes in C order."""
    return bytes(tensor.clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8).numpy()) if tensor.numel() else b""


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_and_layout_comes_back(name: str, local: str) -> None:
    dtype = getattr(torch, name, None)
    if dtype is None:
        pytest.skip(f"torch {torch.__version__} has no {name}")
    numbers = (torch.arange(24) % 2 if name == "bool" else torch.arange(24)).to(dtype).reshape(4, 6)
    state = {"c": numbers, "t": numbers.t(), "step": numbers[:, ::2], "scalar": numbers[1, 1], "none": numbers[:0], "view": numbers[1:3]}
    save(state, local)
    for made in (torch.zeros_like, lambda tensor: torch.zeros((*tensor.shape, 2), dtype=tensor.dtype)[..., 0]):
        found = {key: made(value) for key, value in state.items()}
        load(found, local)
        for key, value in state.items():
            assert found[key].dtype == dtype
            assert raw(found[key]) == raw(value), key


def test_conjugated_and_negated_views_are_saved_as_they_read(local: str) -> None:
    numbers = torch.complex(torch.arange(4.0), torch.ones(4))
    save({"conj": numbers.conj(), "neg": numbers.conj().imag}, local)
    found = {"conj": torch.zeros(4, dtype=torch.complex64), "neg": torch.zeros(4)}
    load(found, local)
    assert torch.equal(found["conj"], numbers.conj().resolve_conj())
    assert torch.equal(found["neg"], -torch.ones(4))


def test_other_dtype_in_memory_is_converted(local: str) -> None:
    save({"w": torch.arange(10.0)}, local)
    found = {"w": torch.zeros(10, dtype=torch.bfloat16)}
    load(found, local)
    assert torch.equal(found["w"], torch.arange(10.0).bfloat16())


@pytest.mark.parametrize("casting", ["same_kind", "no"])
def test_dtype_that_cannot_hold_the_numbers_is_refused_before_anything_is_written(local: str, casting: Any) -> None:
    save({"first": torch.arange(10.0), "value": 5, "w": torch.full((4,), 300.7)}, local)
    found: dict[str, Any] = {"first": torch.zeros(10), "value": 1, "w": torch.zeros(4, dtype=torch.int8)}
    error = raised(lambda: load(found, local, casting=casting))
    assert isinstance(error, s3dlio.InvalidArgumentError)
    assert "the checkpoint has torch.float32" in str(error)
    assert not found["first"].any()
    assert not found["w"].any()
    assert found["value"] == 1
    load(found, local, casting="unsafe")
    assert found["value"] == 5
    wide = {"first": torch.zeros(1).expand(10)}
    assert "share one place" in str(raised(lambda: load(wide, local)))


def test_a_file_of_bytes_is_saved(local: str) -> None:
    save({"file": io.BytesIO(b"some bytes")}, local)
    found = {"file": io.BytesIO(b"")}
    load(found, local)
    assert found["file"].getvalue() == b"some bytes"


VALUES: dict[str, Any] = {
    "none": None,
    "true": True,
    "large": 1 << 100,
    "float": 0.1,
    "minus zero": -0.0,
    "infinity": float("-inf"),
    "complex": complex(1, float("inf")),
    "text": "\u0000\ud800 \U0001f600",
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"ab"),
    "tuple": (1, (2, [3, (4,)])),
    "list": [1, None, (1,)],
    "set": {1, (2, 3)},
    "frozenset": frozenset({1}),
    "range": range(1, 9, 2),
    "ordered": collections.OrderedDict(b=1, a=2),
    "counter": collections.Counter({3: 2, 5: 1}),
    "odd names": ({1: "a", None: "b", (1, 2): "c", "~": 1},),
    "size": (torch.Size([2, 3]),),
    "dtype": torch.bfloat16,
    "device": torch.device("cpu", 0),
}


@pytest.mark.parametrize("flatten", [True, False], ids=["flat", "nested"])
def test_plain_values_keep_their_types(flatten: bool, local: str) -> None:
    from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner, DefaultSavePlanner

    values = {name: value for name, value in VALUES.items() if not flatten or not isinstance(value, dict)}
    dcp.save(dict(values), storage_writer=StorageWriter(local), planner=DefaultSavePlanner(flatten, flatten), no_dist=True)
    found: dict[str, Any] = dict.fromkeys(values)
    dcp.load(found, storage_reader=StorageReader(local), planner=DefaultLoadPlanner(flatten, flatten), no_dist=True)
    for name, value in values.items():
        assert type(found[name]) is type(value), name
        assert repr(found[name]) == repr(value), name


def test_arrays_and_tensors_within_values_come_back(local: str) -> None:
    value = (
        np.arange(3, dtype="<i2"),
        torch.ones(2, 2, dtype=torch.bfloat16),
        np.float32(1.5),
        np.random.default_rng(1).bit_generator.state,
    )
    save({"rng": value}, local)
    found: dict[str, Any] = {"rng": None}
    load(found, local)
    assert found["rng"][0].dtype == np.dtype("<i2")
    assert np.array_equal(found["rng"][0], value[0])
    assert torch.equal(found["rng"][1], value[1])
    assert type(found["rng"][2]) is np.float32
    assert found["rng"][3] == value[3]


def test_value_that_only_a_pickle_holds_is_refused(local: str) -> None:
    error = raised(lambda: save({"w": torch.ones(2), "path": (Path("x"),)}, local))
    assert isinstance(error, s3dlio.InvalidArgumentError)
    assert "path" in str(error)
    assert "pickle" in str(error)
    assert not Path(local, "dcp.json").exists()


def test_a_planner_with_bytes_of_its_own_is_asked_for_what_is_plain(local: str) -> None:
    from torch.distributed.checkpoint.default_planner import DefaultSavePlanner

    class Mine(DefaultSavePlanner):  # type: ignore[misc, valid-type]
        def transform_object(self, write_item: Any, object: Any) -> Any:
            return super().transform_object(write_item, object)

    dcp.save({"step": 3}, storage_writer=StorageWriter(local), planner=Mine(), no_dist=True)
    found = {"step": 0}
    load(found, local)
    assert found == {"step": 3}
    error = raised(lambda: dcp.save({"x": (Path("x"),)}, storage_writer=StorageWriter(local), planner=Mine(), no_dist=True))
    assert isinstance(error, s3dlio.InvalidArgumentError)


def test_files_are_safetensors_that_others_read(local: str) -> None:
    save({"a": {"w": torch.arange(6.0).reshape(2, 3)}}, local)
    (file,) = Path(local).glob("*.safetensors")
    assert np.array_equal(s3dlio.load_tensors(file)["a.w"], np.arange(6.0).reshape(2, 3))


def test_nothing_that_is_written_is_a_pickle(local: str) -> None:
    save({"w": torch.ones(3), "step": 1, "rng": (1, b"x")}, local)
    for file in Path(local).iterdir():
        data = file.read_bytes()
        assert b"PK\x03\x04" not in data
        assert not re.match(rb"\x80[\x02-\x05]", data)
        with pytest.raises(Exception):  # noqa: B017, PT011
            pickle.loads(data)


# ---- torch's own patterns for storage plug-ins -------------------------------------------------------------------------------------


def test_saved_metadata_loads_without_a_model(uri: str) -> None:
    from torch.distributed.checkpoint.state_dict_loader import _load_state_dict_from_keys

    state = {"model": {"w": torch.ones(3, 4), "b": torch.zeros(4)}, "step": 4}
    save(state, uri)
    whole = _load_state_dict_from_keys(storage_reader=StorageReader(uri))
    assert torch.equal(whole["model"]["w"], state["model"]["w"])
    assert whole["step"] == 4
    part = _load_state_dict_from_keys("model.w", storage_reader=StorageReader(uri))
    assert list(part) == ["model"]
    assert list(part["model"]) == ["w"]


def test_checkpoint_id_takes_the_place_of_the_path(tmp_path: Path) -> None:
    writer = StorageWriter(tmp_path / "a")
    for name in ("b", "c"):
        dcp.save({"w": torch.ones(2)}, storage_writer=writer, checkpoint_id=str(tmp_path / name), no_dist=True)
        assert writer.checkpoint_id == str(tmp_path / name)
    assert not (tmp_path / "a").exists()
    reader = StorageReader()
    for name in ("b", "c"):
        found = {"w": torch.zeros(2)}
        dcp.load(found, storage_reader=reader, checkpoint_id=tmp_path / name, no_dist=True)
        assert torch.equal(found["w"], torch.ones(2))


def test_no_address_at_all_is_said() -> None:
    assert "address" in str(raised(lambda: dcp.save({"w": torch.ones(1)}, storage_writer=StorageWriter(), no_dist=True)))


@pytest.mark.parametrize(
    ("address", "valid"),
    [
        ("/data/x", True),
        ("x", True),
        (Path("x"), True),
        ("s3://bucket/x", True),
        ("az://a/c/x", True),
        ("memory://m/x", True),
        ("file:///x", True),
        ("gs://bucket/x", False),
        ("s3://", False),
        ("", False),
        (3, False),
        (None, False),
    ],
)
def test_validate_checkpoint_id(address: Any, valid: bool) -> None:
    assert StorageWriter.validate_checkpoint_id(address) is valid
    assert StorageReader.validate_checkpoint_id(address) is valid


def test_overwrite_replaces_and_leaves_nothing_behind(uri: str) -> None:
    for value in (1.0, 2.0):
        save({"w": torch.full((3,), value)}, uri)
        found = {"w": torch.zeros(3)}
        load(found, uri)
        assert torch.equal(found["w"], torch.full((3,), value))
    assert len(s3dlio.list(uri)) == 2


def test_overwrite_false_refuses_and_changes_nothing(uri: str) -> None:
    save({"w": torch.ones(3)}, uri)
    before = s3dlio.list(uri)
    error = raised(lambda: save({"w": torch.zeros(3)}, uri, overwrite=False))
    assert isinstance(error, FileExistsError)
    assert "Checkpoint already exists" in str(error)
    assert s3dlio.list(uri) == before


def test_one_writer_saves_again_and_again(local: str) -> None:
    writer = StorageWriter(local)
    for value in range(3):
        dcp.save({"w": torch.full((2,), float(value))}, storage_writer=writer, no_dist=True)
    found = {"w": torch.zeros(2)}
    load(found, local)
    assert torch.equal(found["w"], torch.full((2,), 2.0))


def test_plan_caching_does_not_bring_back_old_names(local: str) -> None:
    from torch.distributed.checkpoint.default_planner import DefaultSavePlanner

    try:
        planner = DefaultSavePlanner(enable_plan_caching=True)
    except TypeError:
        pytest.skip(f"torch {torch.__version__} caches no plans")
    for value in range(3):
        dcp.save({"w": torch.full((2,), float(value))}, storage_writer=StorageWriter(local), planner=planner, no_dist=True)
        found = {"w": torch.zeros(2)}
        load(found, local)
        assert torch.equal(found["w"], torch.full((2,), float(value)))


def test_async_save_takes_the_state_of_its_call(uri: str) -> None:
    state = {"w": torch.ones(1000), "step": 1}
    done = dcp.async_save(state, storage_writer=StorageWriter(uri), no_dist=True)
    state["w"].zero_()
    done.result()
    found = {"w": torch.zeros(1000), "step": 0}
    load(found, uri)
    assert torch.equal(found["w"], torch.ones(1000))


def test_writer_and_reader_can_be_pickled(local: str) -> None:
    writer = pickle.loads(pickle.dumps(StorageWriter(local, overwrite=False, storage_options={"durable": False})))
    dcp.save({"w": torch.ones(2)}, storage_writer=writer, no_dist=True)
    found = {"w": torch.zeros(2)}
    dcp.load(found, storage_reader=pickle.loads(pickle.dumps(StorageReader(local))), no_dist=True)
    assert torch.equal(found["w"], torch.ones(2))


def test_stateful_objects_are_saved_and_loaded(local: str) -> None:
    class Counter:
        def __init__(self) -> None:
            self.seen = torch.zeros(2)

        def state_dict(self) -> dict[str, Any]:
            return {"seen": self.seen}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.seen = state["seen"] + 100

    counter = Counter()
    counter.seen += 5
    save({"counter": counter}, local)
    other = Counter()
    load({"counter": other}, local)
    assert torch.equal(other.seen, torch.full((2,), 105.0))


def test_many_objects_of_one_rank_load(local: str) -> None:
    state = {f"w{i}": torch.full((100,), float(i)) for i in range(10)}
    save(state, local, max_object_bytes=1000)
    assert len(list(Path(local).glob("*.safetensors"))) == 4
    found = {name: torch.zeros(100) for name in state}
    load(found, local)
    assert all(torch.equal(found[name], state[name]) for name in state)


# ---- failures and attacks ------------------------------------------------------------------------------------------------------------


def test_missing_checkpoint_says_so(local: str) -> None:
    error = raised(lambda: load({"w": torch.zeros(1)}, local))
    assert "dcp.json" in str(error)


def test_checkpoint_of_torchs_own_writer_says_which_reader(local: str) -> None:
    dcp.save({"w": torch.ones(1)}, storage_writer=dcp.FileSystemWriter(local), no_dist=True)
    assert "FileSystemReader" in str(raised(lambda: load({"w": torch.zeros(1)}, local)))


def test_missing_key_and_other_shape_fail(local: str) -> None:
    save({"w": torch.ones(2)}, local)
    assert "other" in str(raised(lambda: load({"other": torch.zeros(2)}, local)))
    assert "mismatch" in str(raised(lambda: load({"w": torch.zeros(3)}, local)))


def test_every_flipped_byte_is_found(local: str) -> None:
    save({"a": torch.arange(5, dtype=torch.uint8), "b": torch.arange(3.0), "step": 7}, local)
    document = Path(local, "dcp.json")
    (data,) = Path(local).glob("*.safetensors")
    header = 8 + int.from_bytes(data.read_bytes()[:8], "little")
    for file, places in ((document, range(document.stat().st_size)), (data, range(header, data.stat().st_size))):
        whole = file.read_bytes()
        for at in places:
            put(file, whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
            found = {"a": torch.zeros(5, dtype=torch.uint8), "b": torch.zeros(3), "step": 0}
            error = raised(lambda found=found: load(found, local))
            assert isinstance(error, (s3dlio.S3dlioError, AssertionError)), (file.name, at, repr(error))
            if file is data:
                assert isinstance(error, s3dlio.ChecksumMismatchError)
                assert file.name in str(error)
                assert re.search(r"tensor '[ab]'", str(error))
        put(file, whole)
    load({"a": torch.zeros(5, dtype=torch.uint8), "b": torch.zeros(3), "step": 0}, local)


def test_file_that_was_cut_or_removed_is_named(local: str) -> None:
    save({"w": torch.ones(1000)}, local)
    (data,) = Path(local).glob("*.safetensors")
    whole = data.read_bytes()
    put(data, whole[:-1])
    assert data.name in str(raised(lambda: load({"w": torch.zeros(1000)}, local)))
    data.unlink()
    error = raised(lambda: load({"w": torch.zeros(1000)}, local))
    assert isinstance(error, FileNotFoundError)
    assert data.name in str(error)


def put(file: Path, data: bytes) -> None:
    """A new file: the record of the old one, which would tell of the change at once, goes with it."""
    file.unlink()
    file.write_bytes(data)


def rewrite(uri: str, change: Any) -> None:
    """Changes the document as somebody who wants to do harm would: with checksums that are right."""
    file = Path(uri, "dcp.json")
    content = json.loads(file.read_text())
    change(content)
    kind, version = content.pop("format"), content.pop("format_version")
    content.pop("crc32c")
    put(file, _document.write(kind, version, content))


class Bomb:
    """A pickle of it leaves a mark when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


def test_hostile_document_cannot_run_anything(local: str, tmp_path: Path) -> None:
    import base64
    import io

    mark = tmp_path / "mark"
    save({"w": torch.ones(2), "step": 3}, local)
    good = Path(local, "dcp.json").read_bytes()
    pickled = pickle.dumps(Bomb(mark))
    zipped = io.BytesIO()
    torch.save(Bomb(mark), zipped)
    with pytest.raises(FileExistsError):
        mark.mkdir()
        pickle.loads(pickled)
    mark.rmdir()

    payloads = [base64.b64encode(data).decode() for data in (pickled, zipped.getvalue())]
    call = f"__import__('os').mkdir({str(mark)!r})"
    changes: list[Any] = []
    for payload in [*payloads, call, "os.system", "../../x", "O", "V8,O", -1, {"~": "os.system", "v": call}, {"__reduce__": call}]:
        for tag in [
            "bytes",
            "tuple",
            "dict",
            "array",
            "scalar",
            "torch.Tensor",
            "torch.dtype",
            "torch.device",
            "torch.Size",
            "eval",
            "float",
        ]:
            value = {"~": tag, "v": payload}
            changes.append(lambda found, value=value: found["state"]["step"].update(value=value))
        nested = {"dtype": payload, "shape": [1], "data": payloads[0]}
        changes += [
            lambda found, tag=tag, nested=nested: found["state"]["step"].update(value={"~": tag, "v": nested})
            for tag in ("array", "torch.Tensor")
        ]
        changes += [
            lambda found, name=name, payload=payload: found["state"]["w"].update({name: payload})
            for name in ("dtype", "layout", "memory_format", "kind", "size")
        ]
        changes += [
            lambda found, payload=payload: found.update(objects=[payload]),
            lambda found, payload=payload: found.update(planner_data=payload),
            lambda found, payload=payload: found.update(planner_data={"value": payload}),
            lambda found, payload=payload: found.update(planner_data={"paths": {"w": payload}}),
            lambda found, payload=payload: found.update(planner_data={"paths": {"w": [payload]}}),
            lambda found, payload=payload: found["state"]["w"]["chunks"][0].update(object=payload),
            lambda found, payload=payload: found["state"]["w"]["chunks"][0].update(blocks=payload),
            lambda found, payload=payload: found.update(state=payload),
            lambda found, payload=payload: found.update(format=payload),
        ]
    refused = 0
    for change in changes:
        put(Path(local, "dcp.json"), good)
        rewrite(local, change)
        found: dict[str, Any] = {"w": torch.zeros(2), "step": 0}
        try:
            load(found, local)
            assert not isinstance(found["step"], Bomb)
        except BaseException as error:
            refused += 1
            assert isinstance(cause(error), (exceptions.S3dlioError, AssertionError, ValueError, TypeError, RuntimeError, KeyError)), repr(
                error
            )
        assert not mark.exists()
    assert refused > len(changes) // 2
    # the whole file as a pickle
    for data in (pickled, zipped.getvalue()):
        put(Path(local, "dcp.json"), data)
        raised(lambda: load({"w": torch.zeros(2)}, local))
        assert not mark.exists()


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "x/y", "", "data-00000-../../..-0.safetensors", 3, None])
def test_document_cannot_lead_out_of_its_folder(name: Any, local: str) -> None:
    save({"w": torch.ones(2)}, local)
    rewrite(local, lambda found: found.update(objects=[name]))
    assert "object called" in str(raised(lambda: load({"w": torch.zeros(2)}, local)))


@pytest.mark.parametrize(
    "change",
    [
        {"offset": 1 << 50},
        {"offset": -8},
        {"nbytes": 4},
        {"nbytes": 1 << 61},
        {"sizes": [3]},
        {"sizes": [1, 2]},
        {"offsets": [1]},
        {"offsets": [-1]},
        {"crc32c": "crc32c:xx"},
        {"crc32c": 7},
        {"block_length": 0, "blocks": ""},
        {"blocks": "AAAA"},
        {"object": 1},
        {"object": -1},
    ],
    ids=str,
)
def test_document_that_contradicts_itself_is_refused(change: dict[str, Any], local: str) -> None:
    save({"w": torch.ones(2)}, local)
    rewrite(local, lambda found: found["state"]["w"]["chunks"][0].update(change))
    error = raised(lambda: load({"w": torch.zeros(2)}, local))
    assert isinstance(error, (s3dlio.InvalidDataError, AssertionError)), repr(error)
    assert "dcp.json" in str(error) or ".safetensors" in str(error)


def test_newer_format_is_refused_with_advice(local: str) -> None:
    save({"w": torch.ones(2)}, local)
    rewrite(local, lambda found: found.update(format_version=2))
    assert "update s3dlio" in str(raised(lambda: load({"w": torch.zeros(2)}, local)))


def test_two_saves_at_once_leave_one_whole(local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second ends between the first's look and its end."""
    save({"w": torch.zeros(2)}, local)
    first = StorageWriter(local)
    original = first.write_data

    def slow(plan: Any, planner: Any) -> Any:
        result = original(plan, planner)
        save({"w": torch.full((2,), 2.0)}, local)
        return result

    monkeypatch.setattr(first, "write_data", slow)
    error = raised(lambda: dcp.save({"w": torch.ones(2)}, storage_writer=first, no_dist=True))
    assert isinstance(error, s3dlio.S3dlioError)
    assert "another save" in str(error)
    found = {"w": torch.zeros(2)}
    load(found, local)
    assert torch.equal(found["w"], torch.full((2,), 2.0))
    save({"w": torch.full((2,), 3.0)}, local)
    assert len(list(Path(local).iterdir())) == 2, "the next save takes away what the failed one left"


def test_files_of_others_in_the_folder_stay(local: str) -> None:
    Path(local).mkdir()
    names = ["notes.txt", "data-00000.safetensors", f"data-0-{uuid.uuid4().hex}-0.safetensors.bak", "dcp-rank.txt"]
    for name in names:
        Path(local, name).write_text("mine")
    save({"w": torch.ones(2)}, local)
    save({"w": torch.ones(2)}, local)
    assert {file.name for file in Path(local).iterdir()} >= set(names)


def test_interrupted_save_leaves_the_old_checkpoint(local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    save({"w": torch.ones(2)}, local)
    writer = StorageWriter(local)
    monkeypatch.setattr(writer, "finish", lambda metadata, results: (_ for _ in ()).throw(KeyboardInterrupt()))
    raised(lambda: dcp.save({"w": torch.zeros(2)}, storage_writer=writer, no_dist=True))
    found = {"w": torch.zeros(2)}
    load(found, local)
    assert torch.equal(found["w"], torch.ones(2))


def test_slices_read_only_the_blocks_they_touch(local: str) -> None:
    big = torch.arange(1 << 20, dtype=torch.float32).reshape(1024, 1024)
    save({"w": big}, local)
    reader = StorageReader(local)
    metadata = reader.read_metadata()
    reader.set_up_storage_reader(metadata, True)
    from torch.distributed.checkpoint.metadata import MetadataIndex
    from torch.distributed.checkpoint.planner import LoadItemType, LoadPlan, ReadItem

    for start, length in (((100, 0), (300, 1024)), ((7, 5), (3, 9)), ((0, 1000), (1024, 24)), ((0, 0), (1024, 1024))):
        target = torch.zeros(length)

        class Planner:
            def resolve_tensor(self, item: Any, target: Any = target) -> Any:
                return target

            def commit_tensor(self, item: Any, tensor: Any) -> None:
                pass

        index = MetadataIndex("w", torch.Size([0, 0]))
        item = ReadItem(LoadItemType.TENSOR, index, torch.Size([0, 0]), index, torch.Size(start), torch.Size(length))
        reader.read_data(LoadPlan([item]), Planner()).wait()
        assert torch.equal(target, big[start[0] : start[0] + length[0], start[1] : start[1] + length[1]])
        span = ((length[0] - 1) * 1024 + length[1]) * 4
        assert reader.bytes_read <= span + 2 * 65536
