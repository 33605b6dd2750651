"""Models for programs that load them: the iterator, transformers, and modules of torch."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Child
from servers_fixture import s3_server

import s3dlio
from s3dlio.integrations import iter_tensors


class Place:
    def __init__(self, uri: str, options: dict[str, Any]) -> None:
        self.uri = uri
        self.options: Any = {"storage_options": options} if options else {}


@pytest.fixture(params=["file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "file":
        yield Place(str(tmp_path / "m"), {})
        return
    uri, options = s3_server()
    made = Place(f"{uri}/{uuid.uuid4()}", options)
    yield made
    s3dlio.delete(made.uri, recursive=True, **made.options)


def state(count: int = 30, size: int = 1000) -> dict[str, Any]:
    dice = np.random.default_rng(count)
    return {f"t{number:02}": dice.random(size, np.float32) for number in range(count)}


def test_tensors_come_one_by_one_in_the_order_of_the_files(place: Place) -> None:
    wanted = state()
    s3dlio.save_tensors(place.uri, wanted, max_shard_size=20_000, **place.options)
    for limit in (1, 10_000, 1 << 30):
        found = list(iter_tensors(place.uri, memory_limit=limit, **place.options))
        assert [name for name, _ in found] == list(wanted)
        for name, tensor in found:
            np.testing.assert_array_equal(tensor, wanted[name])
    chosen = [name for name, _ in iter_tensors(place.uri, names=["t29", "t03"], **place.options)]
    assert chosen == ["t03", "t29"]
    s3dlio.save_tensors(place.uri + "/one.safetensors", wanted, **place.options)
    assert len(list(iter_tensors(place.uri + "/one.safetensors", **place.options))) == 30


def test_no_more_than_the_limit_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    from s3dlio.integrations import _stream

    uri = f"memory://{uuid.uuid4()}/m"
    s3dlio.save_tensors(uri, state(100), max_shard_size=40_000)
    held, most = 0, 0
    begin, finish = _stream._Batch.begin, _stream._Batch.finish

    def counted_begin(self: Any, verify: Any) -> None:
        nonlocal held, most
        held += self.nbytes
        most = max(most, held)
        begin(self, verify)

    def counted_finish(self: Any, *args: Any) -> Any:
        return finish(self, *args)

    monkeypatch.setattr(_stream._Batch, "begin", counted_begin)
    monkeypatch.setattr(_stream._Batch, "finish", counted_finish)
    for _ in iter_tensors(uri, memory_limit=50_000):
        held -= 4000
    assert 40_000 <= most <= 50_000


def test_iterator_that_is_left_lets_go(place: Place) -> None:
    s3dlio.save_tensors(place.uri, state(), max_shard_size=20_000, **place.options)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        tensors = iter_tensors(place.uri, **place.options)
        next(tensors)
        tensors.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) <= before + 8


def test_iterator_says_what_is_wrong(tmp_path: Path) -> None:
    s3dlio.save_tensors(tmp_path / "m", state(), max_shard_size=20_000)
    with pytest.raises(FileNotFoundError):
        next(iter_tensors(tmp_path / "gone"))
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="'t'"):
        iter_tensors(tmp_path / "m", names="t")
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="memory_limit"):
        iter_tensors(tmp_path / "m", memory_limit=0)
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="t99"):
        next(iter_tensors(tmp_path / "m", names=["t99"]))
    file = tmp_path / "m" / "model-00003-of-00006.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    seen = []
    with pytest.raises(s3dlio.errors.ChecksumMismatchError, match="model-00003"):
        for name, _ in iter_tensors(tmp_path / "m", memory_limit=4000):
            seen.append(name)
    assert seen == [f"t{number:02}" for number in range(14)]


@pytest.fixture
def tiny() -> Any:
    transformers = pytest.importorskip("transformers", reason="no transformers")
    pytest.importorskip("torch", reason="no torch")
    settings = transformers.GPT2Config(
        n_layer=2, n_head=2, n_embd=32, vocab_size=100, n_positions=32, bos_token_id=1, eos_token_id=2, pad_token_id=0
    )
    return transformers.GPT2LMHeadModel(settings).eval()


def test_transformers_model_comes_from_a_store(place: Place, tiny: Any) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from s3dlio.integrations.transformers import from_pretrained, save_pretrained

    asked = torch.tensor([[5, 6, 7]])
    for size in (20_000, "5GB"):
        save_pretrained(tiny, place.uri, max_shard_size=size, **place.options)
        for kind in (transformers.AutoModelForCausalLM, transformers.GPT2LMHeadModel):
            found = from_pretrained(kind, place.uri, **place.options)
            assert type(found) is type(tiny) and not found.training
            for name, tensor in tiny.state_dict().items():
                assert torch.equal(tensor, found.state_dict()[name])
            assert found.lm_head.weight is found.transformer.wte.weight
            assert torch.equal(found(asked).logits, tiny(asked).logits)
    body = from_pretrained(transformers.AutoModel, place.uri, dtype="bfloat16", **place.options)
    assert body.wte.weight.dtype == torch.bfloat16
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="trust_remote_code"):
        from_pretrained(transformers.AutoModel, place.uri, trust_remote_code=True, **place.options)


def test_transformers_reads_what_is_saved_and_the_other_way_round(tmp_path: Path, tiny: Any) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from s3dlio.integrations.transformers import from_pretrained, save_pretrained

    save_pretrained(tiny, tmp_path / "ours", max_shard_size=20_000)
    tiny.save_pretrained(tmp_path / "theirs", max_shard_size=20_000)
    ours = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    theirs = from_pretrained(transformers.AutoModelForCausalLM, tmp_path / "theirs")
    for name, tensor in tiny.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name]) and torch.equal(tensor, theirs.state_dict()[name])
    indexes = [json.loads((tmp_path / side / "model.safetensors.index.json").read_text()) for side in ("ours", "theirs")]
    assert indexes[0]["weight_map"].keys() == indexes[1]["weight_map"].keys()
    assert indexes[0]["metadata"]["total_size"] == indexes[1]["metadata"]["total_size"]


def test_tensors_are_read_into_the_models_own_memory(tmp_path: Path, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers")
    from s3dlio import _tensors
    from s3dlio.integrations.transformers import from_pretrained, save_pretrained

    save_pretrained(tiny, tmp_path / "m", max_shard_size=20_000)
    places = {}
    load = _tensors.load_tensors

    def watched(*args: Any, **options: Any) -> Any:
        found = load(*args, **options)
        places.update({name: tensor.data_ptr() for name, tensor in found.items()})
        return found

    monkeypatch.setattr(_tensors, "load_tensors", watched)
    found = from_pretrained(transformers.GPT2LMHeadModel, tmp_path / "m").state_dict()
    assert len(places) == 28 and all(found[name].data_ptr() == place for name, place in places.items())


def test_nothing_of_a_directory_runs(tmp_path: Path, tiny: Any) -> None:
    transformers = pytest.importorskip("transformers")
    from s3dlio.integrations.transformers import from_pretrained, save_pretrained

    save_pretrained(tiny, tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    (tmp_path / "m" / "pytorch_model.bin").write_bytes(b"not read")
    with pytest.raises(FileNotFoundError, match="model.safetensors"):
        from_pretrained(transformers.AutoModel, tmp_path / "m")
    settings = json.loads((tmp_path / "m" / "config.json").read_text())
    settings["auto_map"] = {"AutoConfig": "configuration_x.X"}
    settings["model_type"] = "x"
    # another program's, so nothing is recorded with it
    (tmp_path / "m" / "config.json").unlink()
    (tmp_path / "m" / "config.json").write_text(json.dumps(settings))
    (tmp_path / "m" / "configuration_x.py").write_text("raise SystemExit('it ran')")
    with pytest.raises((ValueError, OSError)):
        from_pretrained(transformers.AutoModel, tmp_path / "m")


def test_module_is_filled_in_place_and_by_conversion(place: Place) -> None:
    torch = pytest.importorskip("torch", reason="no torch")
    pytest.importorskip("transformers", reason="no transformers")
    from s3dlio.integrations.transformers import load_into

    def net() -> Any:
        made = torch.nn.Sequential(torch.nn.Embedding(20, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 20, bias=False))
        made[2].weight = made[0].weight
        return made

    one, other, half = net(), net(), net().to(torch.bfloat16)
    s3dlio.save_tensors(place.uri, one.state_dict(), max_shard_size=300, **place.options)
    before = {name: tensor.data_ptr() for name, tensor in other.state_dict().items()}
    assert load_into(other, place.uri, **place.options) == ([], [])
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, one.state_dict()[name]) and tensor.data_ptr() == before[name]
    assert load_into(half, place.uri, memory_limit=100, **place.options) == ([], [])
    assert torch.equal(half[1].weight, one[1].weight.to(torch.bfloat16))
    more = torch.nn.Sequential(torch.nn.Embedding(20, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 20), torch.nn.Linear(2, 2))
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="'3.weight'"):
        load_into(more, place.uri, **place.options)
    missing, unexpected = load_into(more, place.uri, strict=False, **place.options)
    assert missing == ["2.weight", "2.bias", "3.weight", "3.bias"] and unexpected == []
    assert torch.equal(more[1].bias, one[1].bias)
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="shape"):
        load_into(torch.nn.Sequential(torch.nn.Embedding(21, 8)), place.uri, strict=False, **place.options)


PEAK = """
import resource, sys
import torch, transformers
from s3dlio.integrations.transformers import from_pretrained
settings = transformers.AutoConfig.from_pretrained(sys.argv[1])
torch.ones(1), transformers.GPT2LMHeadModel
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = from_pretrained(transformers.GPT2LMHeadModel, sys.argv[1])
size = sum(p.numel() * p.element_size() for p in model.parameters())
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(size, peak)
assert size > 300 << 20, size
assert peak < size + (256 << 20), (size, peak)
"""


@pytest.mark.heavy
def test_peak_is_the_model_and_a_bounded_rest(tmp_path: Path, child: Child) -> None:
    transformers = pytest.importorskip("transformers", reason="no transformers")
    from s3dlio.integrations.transformers import save_pretrained

    settings = transformers.GPT2Config(n_layer=6, n_head=8, n_embd=1024, vocab_size=8000, n_positions=64, bos_token_id=1, eos_token_id=2)
    save_pretrained(transformers.GPT2LMHeadModel(settings), tmp_path / "m", max_shard_size="50MB")
    child(PEAK, tmp_path / "m", environment={"TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"})


def test_damage_is_told(tmp_path: Path, tiny: Any) -> None:
    transformers = pytest.importorskip("transformers")
    from s3dlio.integrations.transformers import from_pretrained, save_pretrained

    save_pretrained(tiny, tmp_path / "m")
    file = tmp_path / "m" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(s3dlio.errors.ChecksumMismatchError):
        from_pretrained(transformers.GPT2LMHeadModel, tmp_path / "m")
