"""Models in several safetensors files with an index: written and read as the Hugging Face libraries do it."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers_fixture import azure_server, s3_server

import s3dlio
from s3dlio import _model_files

INDEX = "model.safetensors.index.json"


class Place:
    def __init__(self, uri: str, options: dict[str, Any]) -> None:
        self.uri = uri
        self.options: Any = {"storage_options": options} if options else {}

    def names(self) -> list[str]:
        return [one.rpartition("/")[2] for one in s3dlio.list(self.uri + "/", **self.options)]

    def json(self, name: str = INDEX) -> Any:
        return json.loads(bytes(s3dlio.get(f"{self.uri}/{name}", **self.options)))


@pytest.fixture(params=["memory", "file", "s3", "azure"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "memory":
        yield Place(f"memory://{uuid.uuid4()}/run/m", {})
    elif request.param == "file":
        yield Place(str(tmp_path / "m"), {})
    else:
        uri, options = s3_server() if request.param == "s3" else azure_server()
        made = Place(f"{uri}/{uuid.uuid4()}", options)
        yield made
        s3dlio.delete(made.uri, recursive=True, **made.options)


def model(count: int = 10, size: int = 1000) -> dict[str, Any]:
    dice = np.random.default_rng(count)
    return {f"layer.{number}.weight": dice.random((size, 10), np.float32) for number in range(count)}


def same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)


def test_model_in_several_files_is_written_and_read(place: Place) -> None:
    state = model()
    result = s3dlio.save_tensors(place.uri, state, {"step": "7"}, max_shard_size=100_000, **place.options)
    assert result.uri == f"{place.uri}/{INDEX}" and result.size == 400_000
    files = [f"model-{number:05}-of-00005.safetensors" for number in range(1, 6)]
    assert place.names() == [*files, INDEX]
    index = place.json()
    assert index["metadata"]["total_size"] == 400_000 and index["metadata"]["step"] == "7"
    assert list(index["weight_map"].values()) == sorted(files * 2)
    for uri in (place.uri, f"{place.uri}/", f"{place.uri}/{INDEX}"):
        same(s3dlio.load_tensors(uri, **place.options), state)
    with s3dlio.open_tensors(f"{place.uri}/{files[0]}", **place.options) as file:
        assert file.metadata() == {"format": "pt", "step": "7"}
    assert s3dlio.list(f"{place.uri}/", **place.options) == [f"{place.uri}/{name}" for name in place.names()]


def test_some_tensors_come_from_their_files_alone(place: Place) -> None:
    state = model()
    s3dlio.save_tensors(place.uri, state, max_shard_size=100_000, **place.options)
    s3dlio.delete(f"{place.uri}/model-00001-of-00005.safetensors", **place.options)
    names = ["layer.9.weight", "layer.2.weight"]
    found = s3dlio.load_tensors(place.uri, names, **place.options)
    assert list(found) == names
    np.testing.assert_array_equal(found["layer.2.weight"], state["layer.2.weight"])
    out = {"layer.5.weight": np.zeros((1000, 10), np.float32)}
    assert s3dlio.load_tensors(place.uri, ["layer.5.weight"], out=out, **place.options)["layer.5.weight"] is out["layer.5.weight"]
    np.testing.assert_array_equal(out["layer.5.weight"], state["layer.5.weight"])
    with pytest.raises(s3dlio.errors.NotFoundError, match="model-00001-of-00005"):
        s3dlio.load_tensors(place.uri, **place.options)
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="layer.10"):
        s3dlio.load_tensors(place.uri, ["layer.10"], **place.options)


def test_model_that_fits_is_one_file_and_takes_the_place_of_several(place: Place) -> None:
    s3dlio.save_tensors(place.uri, model(), max_shard_size=100_000, **place.options)
    s3dlio.put(f"{place.uri}/config.json", b"{}", **place.options)
    small = model(2)
    result = s3dlio.save_tensors(place.uri, small, max_shard_size="5GB", **place.options)
    assert result.uri == f"{place.uri}/model.safetensors"
    assert place.names() == ["config.json", "model.safetensors"]
    same(s3dlio.load_tensors(place.uri, **place.options), small)
    s3dlio.save_tensors(place.uri, model(3), max_shard_size=50_000, **place.options)
    assert place.names() == ["config.json", *[f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3)], INDEX]
    same(s3dlio.load_tensors(place.uri, **place.options), model(3))


def test_names_of_another_model_beside_it_stay(place: Place) -> None:
    for stem in ("adapter", "model"):
        s3dlio.save_tensors(f"{place.uri}/{stem}.safetensors", model(4), max_shard_size=50_000, **place.options)
    s3dlio.save_tensors(f"{place.uri}/model.safetensors", model(1), max_shard_size=50_000, **place.options)
    assert place.names() == [
        *[f"adapter-{number:05}-of-00004.safetensors" for number in range(1, 5)],
        "adapter.safetensors.index.json",
        "model.safetensors",
    ]
    same(s3dlio.load_tensors(f"{place.uri}/adapter.safetensors.index.json", **place.options), model(4))


def test_overwrite_false_leaves_what_is_there(place: Place) -> None:
    s3dlio.save_tensors(place.uri, model(4), max_shard_size=50_000, overwrite=False, **place.options)
    for size in (50_000, 10**9):
        with pytest.raises(FileExistsError):
            s3dlio.save_tensors(place.uri, model(4), max_shard_size=size, overwrite=False, **place.options)
    same(s3dlio.load_tensors(place.uri, **place.options), model(4))
    assert len(place.names()) == 5


def test_tensors_of_one_memory_are_stored_once(place: Place) -> None:
    shared = np.arange(100, dtype=np.float32)
    state = {"embed": shared, "other": np.ones(3), "head": shared, "part": shared[:50], "copy": shared.copy()}
    s3dlio.save_tensors(place.uri, state, max_shard_size=500, **place.options)
    index = place.json()
    assert set(index["weight_map"]) == {"embed", "other", "part", "copy"}
    assert index["metadata"]["head"] == "embed" and index["metadata"]["total_size"] == 400 + 24 + 200 + 400
    found = s3dlio.load_tensors(place.uri, **place.options)
    np.testing.assert_array_equal(found["part"], shared[:50])


def test_save_that_fails_on_the_way_leaves_no_model(place: Place) -> None:
    s3dlio.save_tensors(place.uri, model(4), max_shard_size=50_000, **place.options)
    bad = {**model(4), "z": object()}
    with pytest.raises(s3dlio.errors.InvalidArgumentError):
        s3dlio.save_tensors(place.uri, bad, max_shard_size=50_000, **place.options)
    # told before anything was touched
    same(s3dlio.load_tensors(place.uri, **place.options), model(4))


def test_progress_counts_all_files() -> None:
    seen: list[tuple[int, int]] = []
    uri = f"memory://{uuid.uuid4()}/m"
    s3dlio.save_tensors(uri, model(), max_shard_size=100_000, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][1] == 400_000 and [done for done, _ in seen] == sorted(done for done, _ in seen)
    seen.clear()
    s3dlio.load_tensors(uri, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (400_000, 400_000)


HOSTILE: list[tuple[Any, str]] = [
    (b"", "JSON"),
    (b"\xff\xfe", "JSON"),
    (b"[1]", "weight_map"),
    (b"{}", "weight_map"),
    (b'{"weight_map": {}}', "weight_map"),
    (b'{"weight_map": ["a"]}', "weight_map"),
    (b'{"weight_map": {"a": 1}}', "'a'"),
    (b'{"weight_map": {"a": "../secret.safetensors"}}', "beside"),
    (b'{"weight_map": {"a": "/etc/x.safetensors"}}', "beside"),
    (b'{"weight_map": {"a": "s3://other/x.safetensors"}}', "beside"),
    (b'{"weight_map": {"a": "sub/x.safetensors"}}', "beside"),
    (b'{"weight_map": {"a": "..\\\\x.safetensors"}}', "beside"),
    (b'{"weight_map": {"a": "x.bin"}}', "beside"),
    (b'{"weight_map": {"a": ".safetensors"}}', "beside"),
    (b'{"weight_map": {"a": "x\\u0000.safetensors"}}', "beside"),
    (b'{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}', "twice"),
    (b'{"weight_map": {"b": "model.safetensors"}}', "does not have it"),
    (b"[" * 100_000, "JSON"),
]


@pytest.mark.parametrize(("text", "said"), HOSTILE, ids=[str(number) for number in range(len(HOSTILE))])
def test_hostile_index_is_refused(text: bytes, said: str, tmp_path: Path) -> None:
    s3dlio.save_tensors(tmp_path / "model.safetensors", {"a": np.ones(3)})
    (tmp_path / INDEX).write_bytes(text)
    with pytest.raises(s3dlio.errors.InvalidDataError, match=said) as caught:
        s3dlio.load_tensors(tmp_path / INDEX)
    assert INDEX in str(caught.value) and len(str(caught.value)) < 1000


def test_directory_without_a_model_is_not_found(tmp_path: Path) -> None:
    for uri in (str(tmp_path), f"{tmp_path}/", f"{tmp_path}/gone", f"memory://{uuid.uuid4()}/x/"):
        with pytest.raises((FileNotFoundError, IsADirectoryError)):
            s3dlio.load_tensors(uri)


@pytest.mark.parametrize(
    ("given", "size"), [(5, 5), ("5", 5), ("5GB", 5 * 10**9), ("5 gb", 5 * 10**9), ("1.5KiB", 1536), ("2TB", 2 * 10**12), ("7MiB", 7 << 20)]
)
def test_sizes_are_understood(given: Any, size: int) -> None:
    assert _model_files.shard_size(given) == size


@pytest.mark.parametrize("given", [0, -1, True, "0GB", "GB", "5 apples", "-5GB", "", 1.5, [], b"5GB"])
def test_sizes_that_are_none_are_refused(given: Any) -> None:
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="max_shard_size"):
        s3dlio.save_tensors("memory://sizes/m", {"a": np.ones(1)}, max_shard_size=given)


def test_splits_are_those_of_hugging_face() -> None:
    torch = pytest.importorskip("torch", reason="no torch")
    hub = pytest.importorskip("huggingface_hub", reason="no huggingface_hub")
    dice = np.random.default_rng(5)
    for _ in range(50):
        sizes = {f"t{number}": int(dice.integers(1, 60)) for number in range(int(dice.integers(1, 40)))}
        state = {name: torch.zeros(size, dtype=torch.uint8) for name, size in sizes.items()}
        most = int(dice.integers(20, 100))
        wanted = hub.split_torch_state_dict_into_shards(state, max_shard_size=most)
        found = _model_files.split(sizes, most)
        assert found == list(wanted.filename_to_tensors.values())
        if wanted.is_sharded:
            assert _model_files.Place(s3dlio._core._address.resolve("memory://x/y")).names(len(found)) == list(wanted.filename_to_tensors)  # type: ignore[attr-defined]


def test_hugging_face_reads_what_this_writes_and_the_other_way_round(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="no torch")
    hub = pytest.importorskip("huggingface_hub", reason="no huggingface_hub")
    pytest.importorskip("safetensors", reason="no safetensors")

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(50, 8)
            self.layers = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(6))
            self.head = torch.nn.Linear(8, 50, bias=False)
            self.head.weight = self.embed.weight

    ours, theirs = Net(), Net()
    s3dlio.save_tensors(tmp_path / "ours", ours.state_dict(), max_shard_size=700)
    hub.load_torch_model(theirs, tmp_path / "ours")
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name])
    (tmp_path / "theirs").mkdir()
    hub.save_torch_model(theirs, tmp_path / "theirs", max_shard_size=700)
    found = s3dlio.load_tensors(tmp_path / "theirs", framework="pt")
    assert "embed.weight" in found
    for name, tensor in found.items():
        assert torch.equal(tensor, theirs.state_dict()[name])
    theirs_index = json.loads((tmp_path / "theirs" / INDEX).read_text())
    ours_index = json.loads((tmp_path / "ours" / INDEX).read_text())
    assert theirs_index["weight_map"] == ours_index["weight_map"]
    assert theirs_index["metadata"]["total_size"] == ours_index["metadata"]["total_size"]
    # over the others', whose files ours take the place of
    s3dlio.save_tensors(tmp_path / "theirs", {"a": torch.ones(3)}, max_shard_size="1MB")
    assert [file.name for file in (tmp_path / "theirs").iterdir()] == ["model.safetensors"]


def test_coroutines_and_stores_have_it() -> None:
    import asyncio

    async def use() -> None:
        uri = f"memory://{uuid.uuid4()}/m"
        await s3dlio.aio.save_tensors(uri, model(4), max_shard_size=50_000)
        same(await s3dlio.aio.load_tensors(uri), model(4))

    asyncio.run(use())
    with tempfile.TemporaryDirectory() as folder:
        store = s3dlio.Store(folder)
        store.save_tensors("m", model(4), max_shard_size=50_000)
        same(store.load_tensors("m"), model(4))
