"""Many at once: jobs that save the same step, saves beside loads, listings and prunes, and checkpoints under write load."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGE
from servers_fixture import azure_server, s3_old_server, s3_server

import s3dlio

Place = tuple[str, dict[str, Any]]


def on_files(tmp_path: Path) -> Place:
    return f"file://{tmp_path}/run", {}


@pytest.fixture(params=["file", "memory", "s3", "s3-old", "azure"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "file":
        return on_files(tmp_path)
    if request.param == "memory":
        return f"memory://concurrent-{time.monotonic_ns()}", {}
    servers: dict[str, Callable[[], Place]] = {"s3": s3_server, "s3-old": s3_old_server, "azure": azure_server}
    uri, options = servers[request.param]()
    return f"{uri}/concurrent-{time.monotonic_ns()}", options


def content(step: int) -> bytes:
    return b"step %d " % step * (1 + step * 997 % 9000)


def all_of(works: list[Callable[[], None]]) -> None:
    """Runs threads and raises what any of them met."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_saves_beside_loads_listings_and_prunes(place: Place) -> None:
    uri, options = place
    count = 30 if uri.startswith(("file", "memory")) else 10
    ended = threading.Event()
    reported: list[int] = []

    def open_store() -> s3dlio.CheckpointStore:
        return s3dlio.CheckpointStore(uri, durable=False, storage_options=options)

    def save() -> None:
        store = open_store()
        try:
            for step in range(1, count + 1):
                store.save(step, 0, "torch", content(step), step)
                reported.append(step)
        finally:
            ended.set()

    def load() -> None:
        store = open_store()
        seen = 0
        while not ended.is_set():
            least = reported[-1] if reported else 0
            data = store.load_latest()
            if data is None:
                assert least == 0, "nothing is found after a save was reported"
                continue
            step = int(bytes(data[:20]).split()[1])
            assert data == content(step) and step >= max(least, seen), f"step {step} is loaded after {max(least, seen)}"
            seen = step

    def look() -> None:
        store = open_store()
        while not ended.is_set():
            least = list(reported)
            steps = [info.step for info in store.list_checkpoints()]
            assert steps == sorted(steps, reverse=True) and len(set(steps)) == len(steps)
            # what a prune leaves is the newest
            assert not least or max(steps) >= least[-1]

    def prune() -> None:
        store = open_store()
        while not ended.is_set():
            store.prune(3, grace=3600)

    with warnings.catch_warnings():
        warnings.simplefilter("error", s3dlio.CheckpointWarning)
        all_of([save, load, look, prune])
    store = open_store()
    store.prune(3, grace=0)
    assert [info.step for info in store.list_checkpoints()] == [count, count - 1, count - 2]
    assert len([key for key in store.objects.list(recursive=True) if key.startswith("shards/")]) == 3


def test_many_jobs_save_the_same_steps_at_once(place: Place) -> None:
    uri, options = place
    jobs, steps, world = 3, 3, 2

    def job(number: int) -> None:
        # two of them know who they are, one does not
        run_id = f"job-{number}" if number else None
        for step in range(steps):
            store = s3dlio.CheckpointStore(uri, durable=False, run_id=run_id, storage_options=options)
            shards: list[dict[str, Any]] = []
            all_of(
                [
                    lambda rank=rank: shards.append(
                        store.writer(world, rank).save_distributed_shard(step, 0, "x", b"%d %d %d" % (number, step, rank))
                    )  # type: ignore[misc]
                    for rank in range(world)
                ]
            )
            assert len({shard["save_id"] for shard in shards}) == 1
            store.writer(world, 0).finalize_distributed_checkpoint(step, 0, "x", shards, number)

    all_of([lambda number=number: job(number) for number in range(jobs)])  # type: ignore[misc]
    store = s3dlio.CheckpointStore(uri, storage_options=options)
    found = store.list_checkpoints()
    assert sorted((info.step, info.user_meta) for info in found) == [(step, number) for step in range(steps) for number in range(jobs)]
    for info in found:
        manifest = store.reader().load_manifest(info.manifest_key)
        assert manifest is not None
        expected = [(rank, b"%d %d %d" % (info.user_meta, info.step, rank)) for rank in range(world)]
        assert store.reader().read_all_shards_concurrent_with_validation(manifest) == expected


def test_many_checkpoints_under_write_load(tmp_path: Path) -> None:
    ended = threading.Event()

    def load() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            s3dlio.put_bytes(tmp_path / "noise" / str(number % 50), b"n" * 300_000)

    def save(name: int) -> None:
        store = s3dlio.CheckpointStore(tmp_path / f"run{name % 2}", run_id=str(name))
        for step in range(8):
            store.save(step, 0, "torch", content(step + name), name)
            assert store.checkpoint_exists(step)

    noise = threading.Thread(target=load)
    noise.start()
    try:
        all_of([lambda name=name: save(name) for name in range(8)])  # type: ignore[misc]
    finally:
        ended.set()
        noise.join()
    for run in range(2):
        store = s3dlio.CheckpointStore(tmp_path / f"run{run}")
        found = store.list_checkpoints()
        assert len(found) == 32
        for info in found:
            assert store.load(info.manifest_key) == content(info.step + info.user_meta)


RANK = """
import json, sys
import s3dlio
uri, options, step, rank, world = sys.argv[1], json.loads(sys.argv[2]), *map(int, sys.argv[3:6])
store = s3dlio.CheckpointStore(uri, storage_options=options)
sys.stdin.readline()
print(json.dumps(store.writer(world, rank).save_distributed_shard(step, 0, "torch", b"%d" % rank * 1000)))
"""


def test_processes_that_know_nothing_of_each_other_agree(place: Place) -> None:
    uri, options = place
    if uri.startswith("memory"):
        pytest.skip("memory:// is one process's")
    world = 4
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, uri, json.dumps(options), "7", str(rank), str(world)],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for rank in range(world)
    ]
    told = [rank.communicate("go\n", timeout=120)[0] for rank in ranks]
    shards = [json.loads(line) for line in told]
    assert len({shard["save_id"] for shard in shards}) == 1
    store = s3dlio.CheckpointStore(uri, storage_options=options)
    store.writer(world, 0).finalize_distributed_checkpoint(7, 0, "torch", shards)
    manifest = store.reader().load_latest_manifest()
    assert manifest is not None and store.reader().read_shard_by_rank(manifest, 3) == b"3" * 1000


def test_load_beside_a_delete_gives_a_whole_one_or_none(place: Place) -> None:
    uri, options = place
    store = s3dlio.CheckpointStore(uri, durable=False, storage_options=options)
    ended = threading.Event()

    def work() -> None:
        try:
            for step in range(12):
                store.save(step, 0, "torch", content(step))
                if step:
                    store.delete_checkpoint(step - 1)
        finally:
            ended.set()

    def load() -> None:
        while not ended.is_set():
            data = store.load_latest()
            assert data is None or data == content(int(bytes(data[:20]).split()[1]))

    with warnings.catch_warnings():
        warnings.simplefilter("error", s3dlio.CheckpointWarning)
        all_of([work, load])


def test_what_cannot_be_known_is_not_no_checkpoint(place: Place) -> None:
    uri, options = place
    if not options:
        pytest.skip("a server's matter")
    secret = "secret_access_key" if "secret_access_key" in options else "account_key"
    wrong = {**options, secret: "d3Jvbmc="}
    s3dlio.save_checkpoint(uri, 1, 0, "torch", b"x", storage_options=options)
    nowhere = re.sub(r"(s3://|az://[^/]+/)[^/]+", r"\1no-such-place-at-all", uri)
    for where, how, kind in ((uri, wrong, s3dlio.AuthenticationError), (nowhere, options, s3dlio.NoSuchBucketError)):
        store = s3dlio.CheckpointStore(where, storage_options=how)
        for call in (
            lambda where=where, how=how: s3dlio.load_checkpoint(where, storage_options=how),
            store.load_latest,
            store.list_checkpoints,
            store.reader().load_latest_manifest,
            lambda store=store: store.checkpoint_exists(1),
            lambda store=store: store.delete_checkpoint(1),
            lambda store=store: store.prune(1),
            lambda store=store: store.save(2, 0, "torch", b"y"),
        ):
            with pytest.raises(kind):
                call()
    assert s3dlio.load_checkpoint(uri, storage_options=options) == b"x"


def test_large_compressed_shard_comes_back_whole(place: Place) -> None:
    uri, options = place
    store = s3dlio.CheckpointStore(uri, compression_level=1, storage_options=options)
    noise, text = os.urandom(20 << 20), b"weights and biases " * 3_000_000
    with store.writer(1, 0).get_distributed_shard_stream(1, 0, "torch") as stream:
        for piece in (noise, text, noise[:12345]):
            stream.write_chunk(piece)
        shard = stream.finalize()
    store.writer(1, 0).finalize_distributed_checkpoint(1, 0, "torch", [shard])
    assert shard["raw_size"] == stream.bytes_written > 70 << 20 and shard["size"] < 30 << 20
    assert store.load_latest() == noise + text + noise[:12345] and store.validate()
    manifest = store.reader().load_latest_manifest()
    assert manifest is not None
    with store.reader().open_shard(manifest, 0) as file:
        file.seek(len(noise) - 5)
        assert file.read(24) == noise[-5:] + text[:19]
