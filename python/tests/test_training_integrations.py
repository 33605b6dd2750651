"""Lightning's CheckpointIO, Accelerate, and torch's state-dict helpers."""

from __future__ import annotations

import pickle
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers_fixture import s3_server

import s3dlio

torch = pytest.importorskip("torch", reason="no torch")


class Place:
    def __init__(self, uri: str, options: dict[str, Any]) -> None:
        self.uri = uri
        self.options: Any = {"storage_options": options} if options else {}


@pytest.fixture(params=["file", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param != "s3":
        yield Place(str(tmp_path / "m") if request.param == "file" else f"memory://{uuid.uuid4()}/m", {})
        return
    uri, options = s3_server()
    made = Place(f"{uri}/{uuid.uuid4()}", options)
    yield made
    s3dlio.delete(made.uri, recursive=True, **made.options)


def net() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))


def step(model: Any, optimizer: Any, seed: int) -> None:
    torch.manual_seed(seed)
    optimizer.zero_grad()
    model(torch.randn(16, 4)).square().sum().backward()
    optimizer.step()


def test_storage_of_torch_checkpointing_keeps_files_and_directories(place: Place) -> None:
    from s3dlio.integrations.torch_checkpointing import S3dlioStorageConfig

    config = pickle.loads(pickle.dumps(S3dlioStorageConfig(place.uri, place.options.get("storage_options"))))
    assert repr(config) == f"S3dlioStorageConfig(root={place.uri!r}, durable=None)"
    storage = config.create_storage()
    assert not storage.exists(Path("step-1.tmp")) and not storage.isdir(Path("step-1.tmp"))
    storage.mkdir(Path("step-1.tmp"))
    state = {"w": torch.arange(100_000.0), "step": 1}
    with storage.stream_write(Path("step-1.tmp/model_0.pt")) as file:
        torch.save(state, file)
    storage.write(Path("step-1.tmp/metadata.pkl"), memoryview(b"layout"))
    storage.write(Path("step-1.tmp/sub/more.json"), b"{}")
    with pytest.raises(RuntimeError, match="on the way"), storage.stream_write(Path("step-1.tmp/half.pt")) as file:
        file.write(b"x" * 10_000)
        raise RuntimeError("on the way")
    assert sorted(storage.ls(Path("step-1.tmp"))) == ["metadata.pkl", "model_0.pt", "sub"]
    storage.rename(Path("step-1.tmp"), Path("step-1"), is_directory=True)
    assert not storage.exists(Path("step-1.tmp")) and storage.exists(Path("step-1")) and storage.isdir(Path("step-1"))
    assert storage.read(Path("step-1/metadata.pkl")) == b"layout" and storage.getsize(Path("step-1/sub/more.json")) == 2
    assert not storage.isdir(Path("step-1/metadata.pkl"))
    with storage.stream_read(Path("step-1/model_0.pt")) as file:
        assert torch.equal(torch.load(file, weights_only=True)["w"], state["w"])
        assert file.seek(4) == 4 and file.readinto(bytearray(8)) == 8
    storage.rename(Path("step-1/sub/more.json"), Path("step-1/other.json"))
    storage.delete(Path("step-1/other.json"))
    with pytest.raises(FileNotFoundError):
        storage.delete(Path("step-1/other.json"))
    for call in (storage.read, storage.getsize, lambda path: storage.stream_read(path).read(1)):
        with pytest.raises(FileNotFoundError):
            call(Path("step-1/other.json"))
    # a directory that is there already is filled up
    storage.write(Path("again/model_1.pt"), b"1")
    storage.rename(Path("again"), Path("step-1"), is_directory=True)
    assert storage.read(Path("step-1/model_1.pt")) == b"1" and storage.exists(Path("step-1/model_0.pt"))
    assert storage.remap_path(Path("step-1")) == f"{place.uri}/step-1"
    for out in ("/tmp/x", "../x", "s3:/bucket/x"):
        with pytest.raises(s3dlio.errors.InvalidArgumentError, match="below"):
            storage.exists(Path(out))
    storage.rmdir(Path("step-1"))
    assert not storage.exists(Path("step-1"))
    storage.rmdir(Path("step-1"))


def test_metadata_is_moved_when_all_else_is_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    from s3dlio.integrations.torch_checkpointing import S3dlioStorage

    storage = S3dlioStorage(f"memory://{uuid.uuid4()}/m")
    for name in ("a.pt", "metadata.pkl", "z.pt"):
        storage.write(f"tmp/{name}", b"x")
    moved: list[str] = []
    real = S3dlioStorage._move

    def watched(self: Any, source: str, target: str) -> None:
        moved.append(source.rpartition("/")[2])
        real(self, source, target)

    monkeypatch.setattr(S3dlioStorage, "_move", watched)
    storage.rename("tmp", "step", is_directory=True)
    assert sorted(moved[:2]) == ["a.pt", "z.pt"] and moved[2:] == ["metadata.pkl"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_manager_of_torch_checkpointing_saves_and_loads(tmp_path: Path, asynchronous: bool) -> None:
    manager_of = pytest.importorskip("torch_checkpointing", reason="no torch_checkpointing").CheckpointManager
    from torch_checkpointing.config import AsyncCheckpointSaverConfig
    from torch_checkpointing.staging import CheckpointStagerConfig
    from torch_checkpointing.storage.base_storage import Storage

    from s3dlio.integrations.torch_checkpointing import S3dlioStorage, S3dlioStorageConfig

    assert issubclass(S3dlioStorage, Storage)
    here = CheckpointStagerConfig(use_pinned_memory=False, use_non_blocking_copy=False)
    config = manager_of.Config.with_sync_save()
    if asynchronous:
        config = manager_of.Config(save=AsyncCheckpointSaverConfig(staging_config=here))
    config.storage_config = S3dlioStorageConfig(f"file://{tmp_path}/runs")
    manager = manager_of(config)
    model = net()
    written = manager.save("step-1", {"model": model.state_dict(), "step": 1})
    if written is not None:
        written.result()
    into = {"model": {name: torch.zeros_like(value) for name, value in model.state_dict().items()}, "step": 0}
    found = manager.load("step-1", into=into)
    manager.close()
    assert found["step"] == 1 and torch.equal(found["model"]["0.weight"], model.state_dict()["0.weight"])


def test_checkpoint_io_saves_loads_and_removes(place: Place) -> None:
    from s3dlio.integrations.lightning import S3dlioCheckpointIO

    plugin = S3dlioCheckpointIO(**place.options)
    model = net()
    state = {"epoch": 3, "state_dict": model.state_dict(), "hyper_parameters": {"lr": 0.1}, "rng": random.getstate()[1][:3]}
    for name in ("epoch=3.ckpt", "last.ckpt", "last.ckpt"):
        plugin.save_checkpoint(state, f"{place.uri}/{name}")
    assert sorted(s3dlio.list(place.uri + "/", **place.options)) == [f"{place.uri}/epoch=3.ckpt", f"{place.uri}/last.ckpt"]
    found = plugin.load_checkpoint(f"{place.uri}/last.ckpt", map_location="cpu", weights_only=True)
    assert found["epoch"] == 3 and found["rng"] == state["rng"]
    assert torch.equal(found["state_dict"]["0.weight"], model.state_dict()["0.weight"])
    plugin.remove_checkpoint(f"{place.uri}/last.ckpt")
    plugin.remove_checkpoint(f"{place.uri}/last.ckpt")
    with pytest.raises(FileNotFoundError):
        plugin.load_checkpoint(f"{place.uri}/last.ckpt")
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="storage_options"):
        plugin.save_checkpoint(state, f"{place.uri}/x.ckpt", storage_options=7)
    plugin.teardown()


def test_checkpoint_io_leaves_the_old_one_when_a_save_fails(place: Place) -> None:
    from s3dlio.integrations.lightning import S3dlioCheckpointIO

    class Bad:
        def __reduce__(self) -> Any:
            raise RuntimeError("no pickle of it")

    plugin = S3dlioCheckpointIO(**place.options)
    plugin.save_checkpoint({"a": 1}, f"{place.uri}/last.ckpt")
    with pytest.raises(RuntimeError, match="no pickle"):
        plugin.save_checkpoint({"a": torch.ones(1_000_000), "b": Bad()}, f"{place.uri}/last.ckpt")
    assert plugin.load_checkpoint(f"{place.uri}/last.ckpt") == {"a": 1}


def test_checkpoint_io_checks_before_it_unpickles(tmp_path: Path) -> None:
    from s3dlio.integrations.lightning import S3dlioCheckpointIO

    plugin = S3dlioCheckpointIO()
    plugin.save_checkpoint({"a": torch.ones(100)}, tmp_path / "x.ckpt")
    data = bytearray((tmp_path / "x.ckpt").read_bytes())
    data[len(data) // 2] ^= 1
    with (tmp_path / "x.ckpt").open("r+b") as file:
        file.write(data)
    with pytest.raises(s3dlio.errors.ChecksumMismatchError):
        plugin.load_checkpoint(tmp_path / "x.ckpt")


def test_accelerate_saves_in_one_process_and_loads_in_each(place: Place) -> None:
    accelerate = pytest.importorskip("accelerate", reason="no accelerate")
    from s3dlio.integrations.accelerate import load_model, save_model

    accelerator = accelerate.Accelerator(cpu=True)
    model = net()
    optimizer = torch.optim.Adam(model.parameters())
    prepared, optimizer = accelerator.prepare(model, optimizer)
    step(prepared, optimizer, 1)
    result = save_model(accelerator, prepared, place.uri, max_shard_size=150, **place.options)
    assert result is not None and result.uri.endswith("model.safetensors.index.json")
    other = accelerator.prepare(net())
    assert load_model(accelerator, other, place.uri, **place.options) == ([], [])
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, accelerator.unwrap_model(other).state_dict()[name])
    with pytest.raises(FileExistsError):
        save_model(accelerator, prepared, place.uri, overwrite=False, **place.options)


def test_training_goes_on_as_if_it_had_not_stopped(place: Place) -> None:
    pytest.importorskip("torch.distributed.checkpoint.state_dict", reason="no state-dict helpers of torch")
    from s3dlio.torch import load_training, save_training

    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for seed in range(3):
        step(model, optimizer, seed)
    save_training(f"{place.uri}/3", model, optimizer, extra={"step": 3, "name": "run"}, **place.options)
    again = net()
    resumed = torch.optim.AdamW(again.parameters(), lr=0.5)
    found = load_training(f"{place.uri}/3", again, resumed, extra={"step": 0}, **place.options)
    assert found == {"step": 3}
    for seed in range(3, 6):
        step(model, optimizer, seed)
        step(again, resumed, seed)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    save_training(f"{place.uri}/w", model, **place.options)
    load_training(f"{place.uri}/w", again, **place.options)
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="'model'"):
        save_training(f"{place.uri}/x", model, extra={"model": 1}, **place.options)
    with pytest.raises(FileNotFoundError, match="gone"):
        load_training(f"{place.uri}/gone", again, **place.options)


def test_names_do_not_depend_on_the_wrapping(tmp_path: Path) -> None:
    pytest.importorskip("torch.distributed.checkpoint.state_dict", reason="no state-dict helpers of torch")
    from s3dlio.torch import load_training, save_training

    dist = torch.distributed
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        model = net()
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
        optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1, momentum=0.9)
        step(wrapped, optimizer, 1)
        save_training(tmp_path / "m", wrapped, optimizer)
    finally:
        dist.destroy_process_group()
    plain = net()
    load_training(tmp_path / "m", plain, torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, plain.state_dict()[name])


def _rank(rank: int, folder: str, uri: str, options: dict[str, Any], damaged: bool) -> None:
    from s3dlio.integrations import _module

    dist = torch.distributed
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        torch.manual_seed(rank)
        model = torch.nn.Sequential(*[torch.nn.Linear(8, 8) for _ in range(6)])
        read: list[str] = []
        each = _module.iter_tensors

        def watched(*args: Any, **kwargs: Any) -> Any:
            for name, tensor in each(*args, **kwargs):
                read.append(name)
                yield name, tensor

        _module.iter_tensors = watched  # type: ignore[assignment]
        said = ""
        try:
            assert _module.load_shared(model, uri, storage_options=options) == ([], [])
        except s3dlio.errors.S3dlioError as error:
            said = f"{type(error).__name__}: {error}"
        torch.save({"state": model.state_dict(), "read": read, "said": said}, f"{folder}/rank{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("damaged", [False, True])
def test_ranks_read_each_tensor_once_between_them(tmp_path: Path, damaged: bool) -> None:
    uri = str(tmp_path / "m")
    model = torch.nn.Sequential(*[torch.nn.Linear(8, 8) for _ in range(6)])
    s3dlio.save_tensors(uri, model.state_dict(), max_shard_size=600)
    if damaged:
        file = next(file for file in (tmp_path / "m").iterdir() if "3.weight" in file.read_bytes().decode("latin-1"))
        with file.open("r+b") as opened:
            opened.seek(-1, 2)
            last = opened.read(1)[0]
            opened.seek(-1, 2)
            opened.write(bytes([last ^ 1]))
    torch.multiprocessing.start_processes(_rank, (str(tmp_path), uri, {}, damaged), nprocs=2, start_method="spawn")
    found = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    if damaged:
        assert sorted(one["said"].split(":")[0] for one in found) == ["ChecksumMismatchError", "S3dlioError"]
        assert any("could not read tensor" in one["said"] for one in found)
        return
    assert sorted(found[0]["read"] + found[1]["read"]) == sorted(model.state_dict())
    assert found[0]["read"] and found[1]["read"]
    for one in found:
        assert not one["said"]
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, one["state"][name])
