"""Data sets in DataLoader: every way to start workers, epochs, states, ranks."""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader  # noqa: E402

import s3dlio  # noqa: E402
from s3dlio import datasets  # noqa: E402
from s3dlio.torch import BatchSampler, IterableDataset, MapDataset  # noqa: E402

LONG = os.environ.get("S3DLIO_TEST_LONG") == "1"
#: How workers are started, and whether they stay.
STARTS: list[tuple[str | None, bool]] = [(None, False), ("fork", False), ("fork", True), ("spawn", True), ("forkserver", True)]


def _workers(start: tuple[str | None, bool], count: int = 2) -> dict[str, Any]:
    method, stay = start
    return {} if method is None else {"num_workers": count, "multiprocessing_context": method, "persistent_workers": stay}


@pytest.fixture
def data(tmp_path: Path) -> datasets.ObjectDataset:
    folder = tmp_path / "data"
    s3dlio.put_many([(str(folder / f"{i:03}.bin"), bytes([i]) * 64) for i in range(100)])
    return datasets.objects(folder)


def _order(epoch: int, seed: int = 3) -> list[int]:
    return datasets.Order(100, True, seed, epoch).indices(0, 100).tolist()


@pytest.mark.parametrize("start", STARTS, ids=str)
def test_map_data_set_gives_each_sample_in_every_kind_of_worker(data: datasets.ObjectDataset, start: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loader = DataLoader(MapDataset(data), batch_size=16, shuffle=True, **_workers(start))
        batches = list(loader)
    assert batches[0].dtype == torch.uint8 and batches[0].shape == (16, 64)
    assert sorted(int(one) for batch in batches for one in batch[:, 0]) == list(range(100))
    sampler = BatchSampler(data, 16, seed=3)
    loader = DataLoader(MapDataset(data), batch_sampler=sampler, **_workers(start))
    assert [[int(one) for batch in loader for one in batch[:, 0]] for _ in range(2)] == [_order(0), _order(1)]


@pytest.mark.parametrize("start", STARTS, ids=str)
def test_stream_of_batches_has_one_order_and_new_epochs_in_every_kind_of_worker(data: datasets.ObjectDataset, start: Any) -> None:
    stream = IterableDataset(data, batch_size=8, shuffle=True, seed=3)
    loader = DataLoader(stream, batch_size=None, **_workers(start))
    assert len(stream) == 13
    for epoch in range(3):
        assert [int(one) for batch in loader for one in batch[:, 0]] == _order(epoch)
    stream.set_epoch(9)
    assert [int(one) for batch in loader for one in batch[:, 0]] == _order(9)
    assert [int(one) for batch in loader for one in batch[:, 0]] == _order(10)


def test_order_does_not_depend_on_the_number_of_workers(data: datasets.ObjectDataset) -> None:
    choose = random.Random(4)
    for _ in range(40 if LONG else 4):
        workers, seed = choose.randrange(1, 5), choose.getrandbits(60)
        stream = IterableDataset(
            data,
            batch_size=choose.choice([3, 8]),
            shuffle=True,
            seed=seed,
            prefetch=choose.randrange(1, 6),
            memory=choose.randrange(1, 4000),
        )
        loader = DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=choose.randrange(1, 4))
        assert [int(one) for batch in loader for one in batch[:, 0]] == _order(0, seed)


@pytest.mark.parametrize("start", STARTS[:3], ids=str)
def test_stream_of_samples_gives_each_once(data: datasets.ObjectDataset, start: Any) -> None:
    stream = IterableDataset(data, shuffle=True, seed=3)
    loader = DataLoader(stream, batch_size=10, **_workers(start, 3))
    assert len(stream) == 100
    orders = []
    for _ in range(2):
        orders.append([int(one) for batch in loader for one in batch[:, 0]])
        assert sorted(orders[-1]) == list(range(100))
    assert orders[0] != orders[1]


def test_leaving_early_does_not_disturb_later_epochs(data: datasets.ObjectDataset) -> None:
    stream = IterableDataset(data, batch_size=8, shuffle=True, seed=3)
    loader = DataLoader(stream, batch_size=None, num_workers=3)
    for _ in range(4):
        for _batch in loader:
            break
    for _ in range(3):
        found = [int(one) for batch in loader for one in batch[:, 0]]
        assert sorted(found) == list(range(100))


@pytest.mark.parametrize("batch_size", [8, None])
def test_state_within_an_epoch_as_stateful_data_loader_uses_it(data: datasets.ObjectDataset, batch_size: int | None) -> None:
    """Each worker's data set is asked for a state after each item, and given it back in another process before it is iterated."""
    for cut in (0, 1, 5, 12):
        stream = IterableDataset(data, batch_size=batch_size, shuffle=True, seed=3, chunk=4)
        iteration = iter(stream)
        taken = [next(iteration) for _ in range(cut)]
        state = stream.state_dict()
        assert state == iteration.state_dict()
        for give in ("data set", "iterator"):
            other = IterableDataset(data, batch_size=batch_size, shuffle=True, seed=3, chunk=4)
            if give == "data set":
                other.load_state_dict(state)
                rest = list(other)
            else:
                again = iter(other)
                again.load_state_dict(state)
                rest = list(again)
            assert [int(one) for item in taken + rest for one in item.reshape(-1, 64)[:, 0]] == _order(0)
            # and the next iteration is the next epoch
            assert [int(one) for item in other for one in item.reshape(-1, 64)[:, 0]] == _order(1)


@pytest.mark.parametrize("stay", [False, True])
def test_state_of_a_loader_is_taken_by_workers(data: datasets.ObjectDataset, stay: bool) -> None:
    alone = datasets.Loader(data, 8, True, 3)
    alone.set_epoch(4)
    iteration = iter(alone)
    for _ in range(5):
        next(iteration)
    stream = IterableDataset(data, batch_size=8, shuffle=True, seed=3)
    stream.load_state_dict(alone.state_dict())
    loader = DataLoader(stream, batch_size=None, num_workers=2, persistent_workers=stay)
    assert [int(one) for batch in loader for one in batch[:, 0]] == _order(4)[40:]
    assert [int(one) for batch in loader for one in batch[:, 0]] == _order(5)


def test_ranks_share_and_transforms_and_types(data: datasets.ObjectDataset) -> None:
    taken = []
    for rank in range(3):
        stream = IterableDataset(data, batch_size=8, shuffle=True, seed=3, rank=rank, world_size=3, uneven="allow")
        taken += [int(one) for batch in DataLoader(stream, batch_size=None, num_workers=2) for one in batch[:, 0]]
    assert sorted(taken) == list(range(100))
    assert MapDataset(data, return_type="bytes")[3] == bytes([3]) * 64
    assert isinstance(MapDataset(data, return_type="view")[3], s3dlio.BytesView)
    assert MapDataset(data, transform=len)[3] == 64
    assert MapDataset(data)[-1][0] == 99
    with pytest.raises(IndexError):
        MapDataset(data)[100]
    with pytest.raises(s3dlio.InvalidArgumentError, match="return_type"):
        MapDataset(data, return_type="numpy")  # type: ignore[arg-type]
    batch = next(iter(IterableDataset(data, batch_size=4, transform=lambda sample: sample.sum(), collate=torch.stack)))
    assert batch.tolist() == [0, 64, 128, 192]


def test_rank_comes_from_the_environment(data: datasets.ObjectDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert len(IterableDataset(data, batch_size=5)) == 5
    assert [int(one) for batch in IterableDataset(data, batch_size=25) for one in batch[:, 0]] == list(range(25, 50))


def test_killed_worker_is_told_of_and_the_epoch_can_be_resumed(data: datasets.ObjectDataset) -> None:
    choose = random.Random(8)
    kills = 0
    for _ in range(100 if LONG else 3):
        stream = IterableDataset(data, batch_size=4, shuffle=True, seed=3)
        loader = DataLoader(stream, batch_size=None, num_workers=2, prefetch_factor=1)
        taken: list[int] = []
        batches = 0
        iteration = iter(loader)
        after = choose.randrange(1, 12)
        try:
            while True:
                batch = next(iteration)
                taken += [int(one) for one in batch[:, 0]]
                batches += 1
                if batches == after:
                    os.kill(iteration._workers[choose.randrange(2)].pid, signal.SIGKILL)
                    time.sleep(0.1)
        except RuntimeError as error:
            assert "worker" in str(error)
            kills += 1
        except (ConnectionError, EOFError, FileNotFoundError):
            # torch hands a batch's memory over by a socket of the worker that made it: one that was killed in between cannot do so, and
            # next() tells of the socket instead. The batch was not handed out
            kills += 1
        except StopIteration:
            pass
        # what the consumer has taken is one number
        alone = datasets.Loader(data, 4, True, 3)
        alone.load_state_dict({**alone.state_dict(), "consumed": 4 * batches} if batches < 25 else {**alone.state_dict(), "epoch": 1})
        rest = [int(sample[0]) for batch in alone for sample in batch] if batches < 25 else []
        assert collections.Counter(taken + rest) == collections.Counter(range(100))
    assert kills > 0


def _train(rank: int, world: int, job: dict[str, Any]) -> None:
    """A rank of a job over gloo; DistributedDataParallel waits for ever where ranks take unlike numbers of batches."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{job['store']}", rank=rank, world_size=world)
    try:
        data = datasets.objects(job["folder"])
        # rank and world come from torch.distributed
        stream = IterableDataset(data, batch_size=job["batch"], shuffle=True, seed=3, uneven=job["uneven"])
        if job["state"]:
            stream.load_state_dict(job["state"])
        torch.manual_seed(0)
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(64, 1))
        # forked: a worker that is started anew imports torch again
        method = "fork" if job["workers"] else None
        loader = DataLoader(stream, batch_size=None, num_workers=job["workers"], multiprocessing_context=method)
        taken: list[int] = []
        for number, batch in enumerate(loader):
            model(batch.float()).sum().backward()
            taken += [int(one) for one in batch[:, 0]]
            if number + 1 == job["stop"]:
                break
        gathered: list[Any] = [None] * world
        torch.distributed.all_gather_object(gathered, taken)
        if rank == 0:
            Path(job["result"]).write_text(json.dumps(gathered))
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("workers", [0, 2])
def test_ranks_of_a_job_over_gloo_take_each_sample_once_also_after_a_restart_on_others(
    data: datasets.ObjectDataset, tmp_path: Path, workers: int
) -> None:
    if not torch.distributed.is_available():
        pytest.skip("this torch has no torch.distributed")

    def run(world: int, **job: Any) -> list[list[int]]:
        made = {"state": None, "stop": 0, "workers": workers, "folder": str(Path(data.uri(0)).parent), **job}
        made |= {"store": str(tmp_path / f"store-{time.monotonic_ns()}"), "result": str(tmp_path / "result")}
        torch.multiprocessing.start_processes(_train, (world, made), world, start_method="spawn")
        found: list[list[int]] = json.loads(Path(made["result"]).read_text())
        return found

    whole = run(3, batch=7, uneven="pad")
    assert len({len(taken) for taken in whole}) == 1
    assert collections.Counter(one for taken in whole for one in taken).keys() == set(range(100)) and sum(map(len, whole)) == 102
    # two steps on three ranks, then all that is left on two
    begun = run(3, batch=7, uneven="drop", stop=2)
    loader = datasets.Loader(data, 7, True, 3, world_size=3)
    state = {**loader.state_dict(), "consumed": 2 * 3 * 7}
    rest = run(2, batch=5, uneven="drop", state=state)
    times = collections.Counter(one for taken in begun + rest for one in taken)
    assert times == collections.Counter(range(100))


def test_lightning_finds_what_it_asks_for(data: datasets.ObjectDataset) -> None:
    """What the loops of Lightning do with a DataLoader: length, epochs of samplers, states, copies with other samplers."""
    # an iterable data set with a length: batches of an epoch are known before it begins, and no sampler is put in
    stream = IterableDataset(data, batch_size=7, shuffle=True, seed=3)
    loader = DataLoader(stream, batch_size=None, num_workers=0)
    assert len(loader) == len(list(loader)) == 15
    assert isinstance(loader.dataset, torch.utils.data.IterableDataset)
    # stateful objects are told by these two names; a state goes through torch.save
    assert callable(stream.state_dict) and callable(stream.load_state_dict)
    stream.set_epoch(5)
    assert [int(one) for batch in loader for one in batch[:, 0]] == _order(5)
    # a map data set: Lightning puts DistributedSampler in, and sets its epoch
    sampler = torch.utils.data.DistributedSampler(MapDataset(data), num_replicas=2, rank=1, shuffle=True)
    again = DataLoader(MapDataset(data), batch_size=10, sampler=sampler)
    for epoch in range(2):
        again.sampler.set_epoch(epoch)
        assert sum(len(batch) for batch in again) == 50
    # a batch sampler of ours is one whose epoch it sets and whose state it keeps
    batches = BatchSampler(data, 10, True, 3)
    chosen = DataLoader(MapDataset(data), batch_sampler=batches)
    chosen.batch_sampler.set_epoch(5)
    assert [int(one) for batch in chosen for one in batch[:, 0]] == _order(5)
    chosen.batch_sampler.set_epoch(5)
    iteration = iter(chosen)
    for _ in range(4):
        next(iteration)
    state = batches.state_dict(4)
    del iteration
    batches.load_state_dict(state)
    assert [int(one) for batch in chosen for one in batch[:, 0]] == _order(5)[40:]


def test_pinned_memory_is_what_batches_are_read_into(data: datasets.ObjectDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    empty = torch.empty

    def told(*shape: Any, pin_memory: bool = False, **options: Any) -> Any:
        asked.append(pin_memory)
        return empty(*shape, pin_memory=pin_memory and torch.cuda.is_available.__module__ != __name__, **options)

    # without CUDA it is plain memory
    plain = [batch.sum() for batch in IterableDataset(data, batch_size=10, pin_memory=True)]
    monkeypatch.setattr(torch, "empty", told)

    def available() -> bool:
        return True

    monkeypatch.setattr(torch.cuda, "is_available", available)
    assert [batch.sum() for batch in IterableDataset(data, batch_size=10, pin_memory=True)] == plain
    assert asked == [True] * 10
    # a worker's would be of no use to the process that trains
    assert sum(len(batch) for batch in DataLoader(IterableDataset(data, batch_size=10, pin_memory=True), None, num_workers=1)) == 100


def test_tar_samples_and_rows_become_tensors(tmp_path: Path) -> None:
    s3dlio.save(tmp_path / "x.npy", np.arange(40, dtype=np.float32).reshape(10, 4))
    batches = list(DataLoader(IterableDataset(datasets.npy(tmp_path / "x.npy"), batch_size=5), batch_size=None))
    assert batches[1].shape == (5, 4) and batches[1][0].tolist() == [20, 21, 22, 23]
    assert next(iter(DataLoader(MapDataset(datasets.npy(tmp_path / "x.npy")), batch_size=10))).sum() == 780


# ---- the names of others ----


def test_original_names_share_and_shuffle(data: datasets.ObjectDataset) -> None:
    folder = str(Path(data.uri(0)).parent)
    stream = s3dlio.ObjectStoreIterableDataset.from_prefix(folder, shuffle=True, seed=3)
    found = [int(one) for one in DataLoader(stream, batch_size=None, num_workers=2) for one in one[:1]]
    assert sorted(found) == list(range(100)) and found != list(range(100))
    assert [bytes(one)[0] for one in s3dlio.ObjectStoreIterableDataset.from_prefix(folder, return_type="bytes")] == list(range(100))
    readers = s3dlio.ObjectStoreMapDataset.from_prefix(folder, return_type="reader")
    with readers[7] as reader:
        assert len(reader) == 64 and reader.read(3) == b"\7" * 3 and reader.read_all() == b"\7" * 61
    with pytest.raises(IndexError):
        readers[-1]
    with pytest.raises(s3dlio.InvalidArgumentError, match="return_type"):
        s3dlio.ObjectStoreMapDataset(folder, return_type="array")
    with pytest.warns(DeprecationWarning, match="older name"):
        assert len(s3dlio.S3MapDataset(folder)) == 100
    # where the original's programs import them from
    for name in ("ObjectStoreIterableDataset", "ObjectStoreMapDataset", "S3IterableDataset", "S3MapDataset"):
        assert getattr(s3dlio.torch, name) is getattr(s3dlio, name)
    with pytest.raises(ImportError):
        from s3dlio.torch import S3DataLoader  # noqa: F401
    Path(data.uri(5)).unlink()
    with pytest.raises(s3dlio.NotFoundError):
        list(stream)


def test_s3torchconnector_interface(data: datasets.ObjectDataset, tmp_path: Path) -> None:
    import s3dlio.compat.s3torchconnector as connector

    folder = str(Path(data.uri(0)).parent)
    address = f"file://{folder}/"
    for constructor in (
        None,
        connector.S3ReaderConstructor.sequential(),
        connector.S3ReaderConstructor.range_based(16),
        connector.S3ReaderConstructor.dcp_optimized(),
    ):
        items = connector.S3MapDataset.from_prefix(address, region="us-east-1", reader_constructor=constructor)
        reader = items[5]
        assert len(items) == 100 and reader.key.endswith("005.bin") and reader.read(4) == b"\5" * 4 and reader.tell() == 4
        assert reader.seek(-2, 2) == 62 and reader.read() == b"\5\5" and reader.read() == b""
        out = bytearray(10)
        assert reader.seek(60) == 60 and reader.readinto(out) == 4 and out[:4] == b"\5" * 4
        stream = connector.S3IterableDataset.from_prefix(
            address, region="us-east-1", transform=_first, reader_constructor=constructor, enable_sharding=True
        )
        assert sorted(DataLoader(stream, batch_size=None, num_workers=3)) == list(range(100))
    named = connector.S3MapDataset.from_objects([data.uri(9), data.uri(3)], region="us-east-1", transform=_first)
    assert next(iter(DataLoader(named, batch_size=2))).tolist() == [9, 3]
    twice = connector.S3IterableDataset.from_objects((data.uri(number) for number in range(4)), region="us-east-1", transform=_first)
    assert sorted(DataLoader(twice, batch_size=None, num_workers=2)) == [0, 0, 1, 1, 2, 2, 3, 3]
    checkpoint = connector.S3Checkpoint(region="us-east-1", s3client_config=connector.S3ClientConfig(part_size=16 << 20))
    with checkpoint.writer(f"file://{tmp_path}/model") as writer:
        torch.save({"w": torch.arange(5)}, writer)
    with checkpoint.reader(f"file://{tmp_path}/model") as reader:
        assert torch.load(reader)["w"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(KeyError), checkpoint.writer(f"file://{tmp_path}/never") as writer:
        writer.write(b"half")
        raise KeyError("x")
    assert not (tmp_path / "never").exists()
    assert connector.S3ClientConfig(unsigned=True, force_path_style=True, profile="p").storage_options() == {
        "part_size": 8 << 20, "max_attempts": 10, "anonymous": True, "addressing_style": "path", "profile": "p",
    }  # fmt: skip


def _first(reader: Any) -> int:
    return int(reader.read()[0])
