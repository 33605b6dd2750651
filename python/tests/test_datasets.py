"""Data sets and loaders: the order, who takes what, states, budgets, failures, interrupts."""

from __future__ import annotations

import collections
import gc
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import order_reference
import pytest
from conftest import Base, Child

import s3dlio
from s3dlio import datasets

LONG = os.environ.get("S3DLIO_TEST_LONG") == "1"


def _numbers(batches: Iterator[Any] | list[Any]) -> list[int]:
    return [index for batch in batches for index in batch.indices.tolist()]


@pytest.fixture
def data(tmp_path: Path) -> datasets.ObjectDataset:
    folder = tmp_path / "data"
    s3dlio.put_many([(str(folder / f"{i // 10:02}" / f"{i:03}.bin"), i.to_bytes(2, "little") * 50) for i in range(103)])
    return datasets.objects(folder)


# ---- order ----


def test_order_is_that_of_the_vectors_and_of_the_reference() -> None:
    vectors = json.loads(order_reference.VECTORS.read_text(encoding="utf-8"))
    assert vectors == order_reference.cases()
    for case in vectors:
        order = datasets.Order(case["samples"], True, case["seed"], case["epoch"], case["block"], case["window"])
        assert order.indices(case["first"], len(case["indices"])).tolist() == case["indices"]


def test_order_of_any_kind_has_each_sample_once() -> None:
    choose = random.Random(5)
    for _ in range(10_000 if LONG else 300):
        samples, seed = choose.randrange(1, 400), choose.getrandbits(64)
        block = choose.choice([0, 0, choose.randrange(1, samples + 1)])
        order = datasets.Order(samples, True, seed, choose.randrange(5), block, choose.randrange(1, 9))
        whole = order.indices(0, samples).tolist()
        assert sorted(whole) == list(range(samples))
        first = choose.randrange(samples)
        count = choose.randrange(samples - first + 1)
        assert order.indices(first, count).tolist() == whole[first : first + count]
    with pytest.raises(s3dlio.InvalidArgumentError, match="the epoch has 10"):
        datasets.Order(10).indices(5, 6)


def test_windows_shuffle_well_and_stay_near() -> None:
    """Quality: how far samples move, as a part of what a full shuffle moves them; and how many blocks a run of samples touches."""
    samples, block, window = 20_000, 32, 16
    full = datasets.Order(samples, True, 3).indices(0, samples)
    near = datasets.Order(samples, True, 3, 0, block, window).indices(0, samples)
    moved = [float(np.abs(order - np.arange(samples)).mean()) / (samples / 3) for order in (full, near)]
    assert 0.95 < moved[0] < 1.05 and 0.9 < moved[1] < 1.1
    # neighbours of the data set are seldom neighbours of the order
    assert float((np.abs(np.diff(near)) == 1).mean()) < 0.01
    touched = [len(np.unique(order[: block * window] // block)) for order in (full, near)]
    assert touched[1] == window and touched[0] > 10 * window


# ---- shares ----


@pytest.mark.parametrize("uneven", ["drop", "pad", "allow"])
def test_shares_of_all_ranks_are_each_sample_once(uneven: Any) -> None:
    for samples in (1, 2, 7, 23, 64):
        for world in range(1, 9):
            for batch in (1, 3, 8):
                shares = [datasets.Share(samples, 0, rank, world, batch, uneven) for rank in range(world)]
                taken = [[int(one) for number in range(len(share)) for one in share.positions(number)] for share in shares]
                times = collections.Counter(one for of_rank in taken for one in of_rank)
                if uneven != "allow":
                    assert len({len(of_rank) for of_rank in taken}) == 1
                if uneven == "allow":
                    assert times == collections.Counter(range(samples))
                elif uneven == "pad":
                    assert set(times) == set(range(samples)) and sum(times.values()) - samples < world
                else:
                    assert max(times.values(), default=1) == 1 and samples - len(times) < world


def test_raise_names_what_is_left_over() -> None:
    with pytest.raises(s3dlio.InvalidArgumentError, match="10 samples cannot be dealt evenly to 4 ranks: 2 would be left"):
        datasets.Share(10, 0, 0, 4, 2, "raise")
    assert len(datasets.Share(12, 0, 0, 4, 2, "raise")) == 2
    for rank, world, batch in ((4, 4, 1), (-1, 4, 1), (0, 0, 1), (0, 1, 0)):
        with pytest.raises(s3dlio.InvalidArgumentError):
            datasets.Share(10, 0, rank, world, batch)


def test_saved_on_any_number_of_ranks_and_resumed_on_any_other() -> None:
    """All N and M up to 8 and all cut points: no sample twice, none lost."""
    samples, batch = 61, 3
    for before in range(1, 9):
        shares = [datasets.Share(samples, 0, rank, before, batch, "allow") for rank in range(before)]
        for cut in range(max(map(len, shares)) + 1):
            done = {share.consumed(cut) for share in shares if cut <= len(share)}
            assert len(done) == 1, "the state of any rank stands for all that took as many batches"
            consumed = done.pop()
            taken = [int(one) for share in shares for number in range(min(cut, len(share))) for one in share.positions(number)]
            for after in range(1, 9):
                rest = [datasets.Share(samples, consumed, rank, after, 5, "allow") for rank in range(after)]
                both = taken + [int(one) for share in rest for number in range(len(share)) for one in share.positions(number)]
                assert sorted(both) == list(range(samples)), (before, cut, after)


# ---- loaders ----


def test_loader_gives_each_sample_once_in_the_order_and_then_the_next_epoch(data: datasets.ObjectDataset) -> None:
    loader = datasets.Loader(data, 16, True, 7)
    epochs = [list(loader) for _ in range(3)]
    for epoch, batches in enumerate(epochs):
        assert _numbers(batches) == datasets.Order(103, True, 7, epoch).indices(0, 103).tolist()
        assert [batch.epoch for batch in batches] == [epoch] * 7
        for batch in batches:
            assert batch.array.shape == (len(batch), 100) and batch.array.flags.writeable
            assert [int.from_bytes(sample[:2].to_bytes(), "little") for sample in batch] == batch.indices.tolist()
    assert len(loader) == 7 and loader.epoch == 3
    assert loader.stats.samples == 309 and loader.stats.bytes == 30_900 and loader.stats.bound in ("storage", "transform", "consumer")
    assert _numbers(list(datasets.Loader(data, 50))) == list(range(103))
    assert [len(batch) for batch in datasets.Loader(data, 50, drop_last=True)] == [50, 50]


def test_order_does_not_depend_on_prefetch_budget_or_concurrency(data: datasets.ObjectDataset) -> None:
    choose = random.Random(9)
    for _ in range(10_000 if LONG else 12):
        seed = choose.getrandbits(64)
        settings = {"prefetch": choose.randrange(1, 30), "memory": choose.randrange(1, 20_000), "max_in_flight": choose.randrange(1, 30)}
        block = choose.choice([0, 7])
        want = datasets.Order(103, True, seed, 0, block, 3).indices(0, 103).tolist()
        assert _numbers(list(datasets.Loader(data, 9, True, seed, block=block, window=3, **settings))) == want
        early = list(datasets.Loader(data, 9, True, seed, block=block, window=3, ordered=False, **settings))
        assert sorted(tuple(batch.indices) for batch in early) == sorted(tuple(want[at : at + 9]) for at in range(0, 103, 9))


def test_state_goes_on_where_the_consumer_was(data: datasets.ObjectDataset) -> None:
    for cut in range(8):
        loader = datasets.Loader(data, 16, True, 7)
        iteration = iter(loader)
        taken = _numbers([next(iteration) for _ in range(cut)]) if cut < 8 else []
        state = json.loads(json.dumps(loader.state_dict()))
        assert len(json.dumps(state)) < 300
        rest = []
        for rank in range(3):
            other = datasets.Loader(data, 5, True, 7, rank, 3, uneven="allow")
            other.load_state_dict(state)
            if cut == 7:
                assert other.epoch == 1
                continue
            rest += _numbers(list(other))
            assert other.epoch == 1
        assert sorted(taken + rest) == list(range(103)), cut


def test_state_of_batches_as_they_come_loses_none(data: datasets.ObjectDataset) -> None:
    def loader() -> datasets.Loader:
        return datasets.Loader(data, 4, True, 7, ordered=False, prefetch=8)

    for cut in (1, 5, 11):
        first = loader()
        iteration = iter(first)
        taken = _numbers([next(iteration) for _ in range(cut)])
        # as if one slow batch had been overtaken
        first._early = {2, 3} | first._early
        state = json.loads(json.dumps(first.state_dict()))
        again = loader()
        again.load_state_dict(state)
        assert again.state_dict() == state
        with pytest.raises(s3dlio.InvalidArgumentError, match="ordered=False"):
            datasets.Loader(data, 5, True, 7).load_state_dict(state)
        first = loader()
        iteration = iter(first)
        taken = _numbers([next(iteration) for _ in range(cut)])
        again = loader()
        again.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert sorted(taken + _numbers(list(again))) == list(range(103))


def test_states_of_other_data_or_order_are_refused(data: datasets.ObjectDataset, tmp_path: Path) -> None:
    loader = datasets.Loader(data, 16, True, 7)
    state = loader.state_dict()
    for change in ({"seed": 8}, {"shuffle": False}, {"digest": "103:00000000"}, {"samples": 5}, {"block": 3}):
        with pytest.raises(s3dlio.InvalidArgumentError, match=f"the state has {next(iter(change))}="):
            loader.load_state_dict({**state, **change})
    for wrong in (
        {},
        {"version": 2},
        {**state, "version": 9},
        {**state, "consumed": -1},
        {**state, "consumed": 104},
        {**state, "epoch": "1"},
    ):
        with pytest.raises(s3dlio.InvalidArgumentError):
            loader.load_state_dict(wrong)


def test_leaving_early_begins_anew_and_state_goes_on(data: datasets.ObjectDataset) -> None:
    loader = datasets.Loader(data, 16, True, 7)
    first = next(iter(loader))
    assert next(iter(loader)).indices.tolist() == first.indices.tolist()
    loader.load_state_dict(loader.state_dict())
    assert _numbers(list(loader)) == datasets.Order(103, True, 7).indices(0, 103).tolist()[16:]


def test_settings_that_cannot_be_are_refused(data: datasets.ObjectDataset) -> None:
    for wrong in (
        {"batch_size": 0},
        {"rank": 2, "world_size": 2},
        {"memory": "much"},
        {"memory": 0},
        {"seed": -1},
        {"prefetch": 0},
        {"window": 0},
        {"uneven": "perhaps"},
        {"on_error": "ignore"},
        {"transform": 3},
    ):
        with pytest.raises(s3dlio.InvalidArgumentError, match=str(next(iter(wrong)))):
            datasets.Loader(data, **wrong)  # type: ignore[arg-type]
    with pytest.raises(s3dlio.InvalidArgumentError, match="found list"):
        datasets.Loader([1, 2])  # type: ignore[arg-type]
    from s3dlio.datasets._loader import byte_count

    assert [byte_count(text) for text in ("2GiB", "1.5 kb", "10", "3MB", 7)] == [2 << 30, 1500, 10, 3_000_000, 7]


def test_budget_bounds_what_is_read_ahead(data: datasets.ObjectDataset) -> None:
    loader = datasets.Loader(data, 4, memory=1200)
    iteration = iter(loader)
    for _ in range(20):
        next(iteration)
        assert iteration._bytes <= 1200 and len(iteration._ahead) <= 3  # type: ignore[attr-defined]
    assert _numbers(list(datasets.Loader(data, 50, memory=1))) == list(range(103))


MEASURED = """
import sys
import s3dlio

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) << 10

data = s3dlio.datasets.objects(sys.argv[1])
# what the runtime and its threads take is there before
assert sum(len(sample) for batch in s3dlio.datasets.Loader(data, 4, memory="1MiB") for sample in batch[:1]) == 75 << 20
before = peak()
for seed in range(2):
    for batch in s3dlio.datasets.Loader(data, 4, True, seed, memory="64MiB", prefetch=1000):
        pass
print(peak() - before)
"""


def test_memory_stays_within_the_budget_and_64_mib(tmp_path: Path, child: Child) -> None:
    payload = os.urandom(1 << 20)
    s3dlio.put_many([(str(tmp_path / "large" / f"{i:03}"), payload) for i in range(300)])
    grown = int(child(MEASURED, tmp_path / "large").stdout)
    print(f"{grown / (1 << 20):.0f} MiB beyond what a budget of one batch takes")
    assert grown < (64 + 64) << 20
    assert grown > 16 << 20, "nothing was read ahead, so nothing was measured"


def test_all_loaders_of_a_process_stay_within_one_bound(data: datasets.ObjectDataset) -> None:
    from s3dlio.datasets._budget import budget

    before = datasets.limit_read_ahead(3000)
    try:
        loaders = [datasets.Loader(data, 4, prefetch=10) for _ in range(3)]
        iterations = [iter(loader) for loader in loaders]
        taken = [_numbers([next(one)]) for one in iterations]
        for one in iterations[1:]:
            # where there is no room, each has the one batch that it is asked for next
            assert len(one._ahead) <= 2  # type: ignore[attr-defined]
        assert 0 < budget.used <= 3000 + 2 * 400
        assert taken == [[0, 1, 2, 3]] * 3
        rest = [_numbers(one) for one in iterations]
        assert rest == [list(range(4, 103))] * 3 and budget.used == 0
        left = iter(loaders[0])
        next(left)
        assert budget.used > 0
        left.close()  # type: ignore[attr-defined]
        assert budget.used == 0
    finally:
        assert datasets.limit_read_ahead(before) == 3000


def test_objects_that_take_long_are_asked_for_twice(base: Base) -> None:
    s3dlio.put_many([(base.text(f"twice/{i}"), bytes([i]) * 100) for i in range(40)])
    data = datasets.objects(base.text("twice/"))
    # every one of them takes longer than nothing
    loader = datasets.Loader(data, 20, True, 3, hedge_after=1e-6)
    assert sorted(sample[0] for batch in loader for sample in batch) == list(range(40))
    assert 0 <= loader.stats.hedged <= 4
    never = datasets.Loader(data, 20, hedge_after=600)
    assert len(_numbers(list(never))) == 40 and never.stats.hedged == 0
    for wrong in (0, -1.0):
        with pytest.raises(s3dlio.InvalidArgumentError, match="hedge_after"):
            datasets.Loader(data, hedge_after=wrong)


def test_batches_land_in_memory_of_the_caller(data: datasets.ObjectDataset) -> None:
    given: list[np.ndarray[Any, Any]] = []

    def allocate(length: int) -> np.ndarray[Any, Any]:
        given.append(np.zeros(length, np.uint8))
        return given[-1]

    batches = list(datasets.Loader(data, 10, True, 7, allocate=allocate))
    assert len(given) == 11 and all(np.shares_memory(batch.array, memory) for batch, memory in zip(batches, given, strict=True))
    assert _numbers(batches) == _numbers(list(datasets.Loader(data, 10, True, 7)))
    assert all(batch[0].to_bytes() == data[int(batch.indices[0])].to_bytes() for batch in batches)
    for wrong in (lambda length: bytes(length), lambda length: np.zeros(length + 1, np.uint8), lambda length: np.zeros(length, np.int8)):
        with pytest.raises(s3dlio.InvalidArgumentError, match="writable bytes"):
            next(iter(datasets.Loader(data, 10, allocate=wrong)))


def test_bad_samples_are_raised_or_left_out_and_told_of(data: datasets.ObjectDataset) -> None:
    victim, longer = 41, 60
    Path(data.uri(victim)).unlink()
    Path(data.uri(longer)).write_bytes(b"x" * 300)
    with pytest.raises(s3dlio.S3dlioError):
        list(datasets.Loader(data, 16))
    loader = datasets.Loader(data, 16, on_error="skip")
    batches = list(loader)
    assert sorted(_numbers(batches)) == [index for index in range(103) if index not in (victim, longer)]
    errors = {index: error for batch in batches for index, error in batch.errors.items()}
    assert isinstance(errors[victim], FileNotFoundError) and isinstance(errors[longer], s3dlio.InvalidDataError)
    assert "300 bytes" in str(errors[longer]) and data.uri(longer) in str(errors[longer])
    assert loader.stats.skipped == 2
    assert not any(sample is None for batch in batches for sample in batch)


def test_progress_tells_of_samples_and_statistics_begin_anew(data: datasets.ObjectDataset) -> None:
    told: list[tuple[int, int]] = []
    loader = datasets.Loader(data, 50, progress=lambda done, whole: told.append((done, whole)))
    assert len(list(loader)) == 3 and told == [(50, 103), (100, 103), (103, 103)]
    loader.stats.reset()
    assert loader.stats == datasets.LoaderStats() and len(list(loader)) == 3 and loader.stats.batches == 3
    told.clear()
    first = next(iter(datasets.Loader(data, 20, rank=1, world_size=2, uneven="allow", progress=lambda *both: told.append(both))))
    assert len(first) == 20 and told == [(20, 51)]
    resumed = datasets.Loader(data, 50, progress=lambda *both: told.append(both))
    resumed.load_state_dict({**resumed.state_dict(), "consumed": 100})
    assert len(list(resumed)) == 1 and told[-1] == (3, 3)

    def refuse(done: int, whole: int) -> None:
        raise ZeroDivisionError

    stopped = datasets.Loader(data, 50, progress=refuse)
    with pytest.raises(ZeroDivisionError):
        next(iter(stopped))
    # a batch that was not handed out was not taken
    assert stopped.state_dict()["consumed"] == 0
    assert sum(len(batch) for batch in datasets.Loader(data, 50, progress=True)) == 103


def test_transform_is_applied_and_its_failure_is_the_callers(data: datasets.ObjectDataset) -> None:
    assert [len(batch[0]) for batch in datasets.Loader(data, 50, transform=lambda sample: sample[:7])] == [7, 7, 7]

    def fails(sample: Any) -> Any:
        raise KeyError("mine")

    iteration = iter(datasets.Loader(data, 50, transform=fails, on_error="skip"))
    with pytest.raises(KeyError, match="mine"):
        next(iteration)
    with pytest.raises(s3dlio.ClosedError, match="ended with an exception"):
        next(iteration)


def test_objects_named_one_by_one_and_samples_of_many_sizes(base: Base) -> None:
    payloads = [bytes([i]) * (i * 37) for i in range(30)]
    uris = [base.text(f"named/{i:02}") for i in range(30)]
    s3dlio.put_many(zip(uris, payloads, strict=True))
    for data in (datasets.objects(uris), datasets.objects(uris, sizes=map(len, payloads)), datasets.objects(base.text("named/"))):
        assert [bytes(sample) for sample in data] == payloads
        assert data.read([3, -1, 3])[1].to_bytes() == payloads[-1]
        assert data[5].to_bytes() == payloads[5] and data.uri(7).endswith("named/07")
        for wrong in (30, -31):
            with pytest.raises(IndexError, match=f"sample {wrong} is asked for; there are 30"):
                data[wrong]
        batch = next(iter(datasets.Loader(data, 30)))
        with pytest.raises(s3dlio.InvalidArgumentError, match="sizes differ"):
            _ = batch.array
        assert pickle.loads(pickle.dumps(batch)) == batch
    with pytest.raises(s3dlio.NotFoundError):
        datasets.objects(base.text("nothing-here/"))
    with pytest.raises(s3dlio.InvalidArgumentError, match="empty list"):
        datasets.objects([])


def test_patterns_match_as_they_say(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.JPG", "x/c.jpg", "x/y/d.jpg", "x/e.txt", "x1/f[1].jpg"):
        s3dlio.put(tmp_path / name, name.encode())

    def found(pattern: str) -> list[str]:
        data = datasets.objects(tmp_path, pattern)
        return [data.key(index) for index in range(len(data))]

    assert found("*.jpg") == ["a.jpg", "x/c.jpg", "x/y/d.jpg", "x1/f[1].jpg"]
    assert found("x/*.jpg") == ["x/c.jpg"] and found("x/**/*.jpg") == ["x/c.jpg", "x/y/d.jpg"] and found("**/*.txt") == ["x/e.txt"]
    assert (
        found("?.jpg") == ["a.jpg", "x/c.jpg", "x/y/d.jpg"]
        and found("[!a].jpg") == ["x/c.jpg", "x/y/d.jpg"]
        and found("f[[]1].jpg") == ["x1/f[1].jpg"]
    )
    data = datasets.objects(tmp_path / "a.jpg")
    assert len(data) == 1 and data[0].to_bytes() == b"a.jpg"


def test_markers_of_folders_are_no_samples(base: Base, tmp_path: Path) -> None:
    uri = base.text("marked")
    names = ["a", "a/b", "c"]
    s3dlio.put_many([(f"memory://marked/{name}", name.encode()) for name in names])
    s3dlio.mkdir("memory://marked/d")
    assert [datasets.objects("memory://marked/").uri(i) for i in range(3)] == [f"memory://marked/{name}" for name in names]
    # an object, and what lies below a folder of its name
    both = datasets.objects("memory://marked/a")
    assert [both.uri(i) for i in range(len(both))] == ["memory://marked/a", "memory://marked/a/b"] and both[1].to_bytes() == b"a/b"
    assert datasets.index("memory://marked/a", tmp_path / "m") == 2
    assert [datasets.manifest(tmp_path / "m").uri(i) for i in range(2)] == ["memory://marked/a", "memory://marked/a/b"]
    s3dlio.put(f"{uri}/one", b"1")
    assert datasets.index(f"{uri}/one", tmp_path / "m") == 1
    assert datasets.manifest(tmp_path / "m")[0].to_bytes() == b"1"


def test_breaking_out_and_letting_go_cancel_what_is_on_its_way(data: datasets.ObjectDataset) -> None:
    from s3dlio._core import _native

    for _ in range(5):
        for _batch in datasets.Loader(data, 2, prefetch=32):
            break
    del _batch
    gc.collect()
    s3dlio.get(data.uri(0))
    end = time.monotonic() + 10
    while _native._in_use and time.monotonic() < end:
        time.sleep(0.01)
        s3dlio.get(data.uri(0))
    assert not _native._in_use


INTERRUPTED = """
import os, signal, sys, threading, time
import s3dlio
data = s3dlio.datasets.objects(sys.argv[1])
loader = s3dlio.datasets.Loader(data, 1, True, 7, memory=1)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
taken = []
try:
    while True:
        for batch in loader:
            taken.append((batch.epoch, *batch.indices.tolist()))
except KeyboardInterrupt:
    pass
loader.load_state_dict(loader.state_dict())
epoch = loader.epoch
for batch in loader:
    taken.append((batch.epoch, *batch.indices.tolist()))
of_epoch = [index for found, index in taken if found == epoch]
# an interrupt between a batch's arrival and the append above is the program's, not the loader's
assert len(set(of_epoch)) == len(of_epoch) and len(of_epoch) in (102, 103), (epoch, len(of_epoch))
"""


def test_interrupt_ends_an_iteration_and_the_state_goes_on(data: datasets.ObjectDataset, child: Child) -> None:
    child(INTERRUPTED, str(Path(data.uri(0)).parents[1]))


FORKED = """
import os, sys
import s3dlio
data = s3dlio.datasets.objects(sys.argv[1])
loader = s3dlio.datasets.Loader(data, 10, True, 7)
iteration = iter(loader)
first = next(iteration)
pid = os.fork()
if pid == 0:
    try:
        try:
            next(iteration)
            os._exit(3)
        except s3dlio.ClosedError:
            pass
        loader.load_state_dict(loader.state_dict())
        rest = [i for batch in loader for i in batch.indices.tolist()]
        os._exit(0 if sorted(rest + first.indices.tolist()) == list(range(103)) else 4)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(5)
_, status = os.waitpid(pid, 0)
assert status == 0, status
rest = [i for batch in iteration for i in batch.indices.tolist()]
assert sorted(rest + first.indices.tolist()) == list(range(103))
"""


def test_forked_child_goes_on_with_a_loader_of_its_parent(data: datasets.ObjectDataset, child: Child) -> None:
    child(FORKED, str(Path(data.uri(0)).parents[1]))


KILLED = """
import json, os, sys, time
import s3dlio
folder, saved, seed = sys.argv[1:4]
data = s3dlio.datasets.objects(folder)
loader = s3dlio.datasets.Loader(data, 3, True, int(seed), prefetch=4)
seen = []
if os.path.exists(saved):
    state, seen = json.load(open(saved))
    loader.load_state_dict(state)
print("begun", flush=True)
while loader.epoch < 2:
    for batch in loader:
        seen += [[batch.epoch, index] for index in batch.indices.tolist()]
        time.sleep(0.002)
        # what a training program does: its step and the loader's state are saved as one
        with open(saved + ".new", "w") as file:
            json.dump([loader.state_dict(), seen], file)
        os.replace(saved + ".new", saved)
"""


def test_killed_at_any_moment_an_epoch_holds_each_sample_once(data: datasets.ObjectDataset, tmp_path: Path) -> None:
    choose = random.Random(11)
    kills, jobs, most = 0, 0, 200 if LONG else 5
    folder = str(Path(data.uri(0)).parents[1])
    # of killed programs one goes on where the other was, until it is through; then come two other epochs
    while kills < most:
        saved, over = tmp_path / f"saved-{jobs}", False
        while not over:
            process = subprocess.Popen(
                [sys.executable, "-c", KILLED, folder, str(saved), str(jobs)], stdout=subprocess.PIPE, text=True, bufsize=1
            )
            assert process.stdout is not None and process.stdout.readline() == "begun\n"
            # from the first batch on, so that imports are no part of the moments
            timer = threading.Timer(choose.uniform(0, 0.3), process.send_signal, (signal.SIGKILL,))
            if kills < most:
                timer.start()
            process.communicate(timeout=120)
            timer.cancel()
            over = process.returncode == 0
            assert over or process.returncode == -signal.SIGKILL
            kills += not over
        jobs += 1
        times = collections.Counter(map(tuple, json.loads(saved.read_text())[1]))
        assert times == collections.Counter((epoch, index) for epoch in range(2) for index in range(103))
    print(f"{kills} kills of {jobs} jobs")


# ---- manifests ----


def test_manifest_has_what_was_listed_and_notices_changes(data: datasets.ObjectDataset, tmp_path: Path) -> None:
    folder = Path(data.uri(0)).parents[1]
    file = tmp_path / "m.manifest"
    assert datasets.index(folder, file, checksums="read") == 103
    found = datasets.manifest(file)
    assert [found.key(index) for index in range(103)] == [data.key(index) for index in range(103)]
    assert found.changed() == [] and _numbers(list(datasets.Loader(found, 10, True, 7))) == _numbers(
        list(datasets.Loader(data, 10, True, 7))
    )
    again = pickle.loads(pickle.dumps(found))
    assert len(pickle.dumps(found)) < 1000 and again[102].to_bytes() == data[102].to_bytes() and again.digest == found.digest
    path = Path(found.uri(50))
    path.write_bytes(bytes(100))
    assert found.changed() == [str(path)]
    with pytest.raises(s3dlio.ChecksumMismatchError, match=str(path)):
        found[50]


def test_manifest_of_ten_million_names_is_there_at_once_and_small(tmp_path: Path) -> None:
    from s3dlio.datasets import _sections

    count = 10_000_000 if LONG else 200_000
    length = 40
    keys = np.random.default_rng(1).integers(97, 123, count * length, dtype=np.uint8)
    starts = np.arange(count + 1, dtype=np.uint64) * np.uint64(length)
    arrays = {
        "keys": keys,
        "starts": starts,
        "sizes": np.ones(count, np.int64),
        "etags": np.zeros(16 * count, np.uint8),
        "crc32c": np.zeros(count, np.uint32),
    }
    _sections.write(tmp_path / "m", {"version": 1, "kind": "manifest", "samples": count, "bases": ["memory://m/"]}, arrays)
    assert (tmp_path / "m").stat().st_size / count < 100
    begun, used = time.perf_counter(), time.process_time()
    found = datasets.manifest(tmp_path / "m")
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    assert len(found) == count and len(found.key(count - 1)) == length
    print(f"{count} names in {seconds:.3f} s ({cpu:.3f} s of CPU), {(tmp_path / 'm').stat().st_size / count:.1f} bytes each")
    begun, used = time.perf_counter(), time.process_time()
    loader = datasets.Loader(found, 256, True, 7)
    loader.load_state_dict({**loader.state_dict(), "consumed": 256 * (count // 512)})
    assert len(loader._order().at(loader._share(loader._begin).positions(0))) == 256
    print(f"resumed in {time.perf_counter() - begun:.3f} s ({time.process_time() - used:.3f} s of CPU)")


SHARED = """
import pickle, sys
import s3dlio

def anonymous():
    return next(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Anonymous")) << 10

data = s3dlio.datasets.manifest(sys.argv[1])
before = anonymous()
again = pickle.loads(pickle.dumps(data))
assert again.digest == data.digest and again.key(len(again) - 1)
print(anonymous() - before)
"""


def test_processes_share_the_pages_of_a_manifest(tmp_path: Path, child: Child) -> None:
    from s3dlio.datasets import _sections

    count = 500_000
    arrays = {
        "keys": np.full(count * 40, 97, np.uint8),
        "starts": np.arange(count + 1, dtype=np.uint64) * np.uint64(40),
        "sizes": np.ones(count, np.int64),
        "etags": np.zeros(16 * count, np.uint8),
    }
    _sections.write(tmp_path / "m", {"version": 1, "kind": "manifest", "samples": count, "bases": ["memory://m/"]}, arrays)
    # what a further process has for itself is no part of the 36 MB that the page cache holds once
    assert int(child(SHARED, tmp_path / "m").stdout) < (tmp_path / "m").stat().st_size // 8


def test_damaged_manifests_are_refused(data: datasets.ObjectDataset, tmp_path: Path) -> None:
    file = tmp_path / "m.manifest"
    datasets.index(Path(data.uri(0)).parents[1], file)
    good = file.read_bytes()
    choose = random.Random(3)
    refused = 0
    for _ in range(2000 if LONG else 150):
        damaged = bytearray(good)
        for _ in range(choose.randrange(1, 4)):
            kind = choose.randrange(3)
            at = choose.randrange(len(damaged))
            if kind == 0:
                damaged[at] ^= 1 << choose.randrange(8)
            elif kind == 1:
                del damaged[at:]
            else:
                damaged[at : at + 8] = choose.randbytes(8)
            if not damaged:
                break
        file.write_bytes(damaged)
        try:
            found = datasets.manifest(file)
        except s3dlio.InvalidDataError as error:
            refused += 1
            assert str(file) in str(error)
        else:
            # padding between sections means nothing
            assert [found.uri(index) for index in range(len(found))] == [data.uri(index) for index in range(103)]
    assert refused > 100
