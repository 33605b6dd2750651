"""Checkpoints: saved, found, read, listed, deleted and pruned, on every store; nothing half there is ever taken for one."""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import subprocess
import sys
import threading
import time
import uuid
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CHECKOUT, PACKAGE, Base, files_below

import s3dlio


@pytest.fixture
def store(base: Base) -> s3dlio.CheckpointStore:
    return s3dlio.CheckpointStore(base.text("run"))


def save_ranks(store: s3dlio.CheckpointStore, step: int, world: int, **options: Any) -> tuple[str, list[dict[str, Any]]]:
    shards = [store.writer(world, rank).save_distributed_shard(step, 1, "torch", content(step, rank), **options) for rank in range(world)]
    return store.writer(world, 0).finalize_distributed_checkpoint(step, 1, "torch", reversed(shards), {"step": step}), shards


def content(step: int, rank: int = 0) -> bytes:
    return b"step %d rank %d " % (step, rank) * (100 + rank)


class silent(warnings.catch_warnings):  # type: ignore[type-arg]  # noqa: N801
    """Nothing may be passed over here."""

    def __enter__(self) -> Any:
        found = super().__enter__()
        warnings.simplefilter("error")
        return found


def test_save_is_found_with_all_that_was_given(store: s3dlio.CheckpointStore) -> None:
    assert store.load_latest() is None and store.list_checkpoints() == [] and not store.checkpoint_exists(1)
    meta = {"loss": 0.5, "tags": ["a", None, True], "ü": {"x": 1}}
    key = store.save(7, 2, "torch", content(7), meta)
    assert key.startswith("manifests/ckpt-7-") and key.endswith(".json")
    with silent():
        assert store.load_latest() == content(7) and isinstance(store.load_latest(), bytes)
        [info] = store.list_checkpoints()
    assert (info.step, info.epoch, info.framework, info.world_size, info.status) == (7, 2, "torch", 1, "complete")
    assert (info.total_size, info.is_complete, info.is_single_rank, info.user_meta) == (len(content(7)), True, True, meta)
    assert (info.size_mb, info.size_gb) == (len(content(7)) / 2**20, len(content(7)) / 2**30)
    assert info.manifest_key == key and key == f"manifests/ckpt-7-{info.timestamp}.json" and info.format_version == 2
    assert store.checkpoint_exists(7) and not store.checkpoint_exists(70) and not store.checkpoint_exists(0)
    assert store.load(step=7) == store.load(key) == content(7)
    manifest = store.reader().load_manifest(key)
    assert manifest is not None and manifest["user_meta"] == meta and manifest["manifest_key"] == key
    assert manifest["shards"][0]["checksum"] == s3dlio.put_bytes("memory://sum/x", content(7))


@pytest.mark.parametrize("strategy", ["flat", "round_robin", "binary"])
@pytest.mark.parametrize("level", [None, 3])
def test_ranks_share_one_save_and_are_read_back(base: Base, strategy: str, level: int | None) -> None:
    store = s3dlio.CheckpointStore(base.text("run"), strategy, None, level)
    key, shards = save_ranks(store, 5, 20)
    assert len({shard["save_id"] for shard in shards}) == 1 and {shard["timestamp"] for shard in shards} == {shards[0]["save_id"]}
    suffix = "" if level is None else ".zst"
    stem = f"ckpt-5-{shards[0]['save_id']}"
    where = {"flat": "", "round_robin": "rr/01/", "binary": "bin/0001/"}[strategy]
    assert shards[17]["key"] == f"shards/{where}{stem}/rank-17.bin{suffix}"
    reader = store.reader()
    manifest = reader.load_latest_manifest()
    assert manifest is not None and manifest["manifest_key"] == key == f"manifests/{stem}.json"
    assert [shard["rank"] for shard in manifest["shards"]] == list(range(20)) and manifest["world_size"] == 20
    assert reader.read_shard_by_rank(manifest, 17) == reader.read_shard_by_rank_with_validation(manifest, 17) == content(5, 17)
    expected = [(rank, content(5, rank)) for rank in range(20)]
    assert reader.read_all_shards(manifest) == reader.read_all_shards_with_validation(manifest) == expected
    assert reader.read_all_shards_concurrent_with_validation(manifest, 3) == expected
    out = np.zeros(len(content(5, 3)), np.uint8)
    reader.read_shard_by_rank(manifest, 3, out=out)
    assert out.tobytes() == content(5, 3)
    with reader.open_shard(manifest, 4) as file:
        file.seek(20)
        assert file.read(30) == content(5, 4)[20:50] and file.size == len(content(5, 4))
    report = reader.validate_checkpoint_integrity(manifest)
    assert report and report == True and report.problems == [] and report.bytes_checked == sum(shard["size"] for shard in shards)  # noqa: E712
    with pytest.raises(ValueError, match="none of rank 20"):
        reader.read_shard_by_rank(manifest, 20)
    with pytest.raises(ValueError, match="20 ranks"):
        store.load_latest()


@pytest.mark.parametrize("level", [None, 3])
def test_stream_and_pieces_give_what_one_write_gives(store: s3dlio.CheckpointStore, level: int | None) -> None:
    store = s3dlio.CheckpointStore(store.uri, compression_level=level)
    writer = store.writer(2, 0)
    with writer.get_distributed_shard_stream(3, 0, "jax") as stream:
        assert stream.write_chunk(b"abc") == 3 and stream.write_chunk(np.arange(4, dtype=np.uint8)) == 4
        assert stream.bytes_written == 7 and stream.bytes_written() == 7  # type: ignore[operator]
        first = stream.finalize()
        assert stream.key == first["key"] and first["key"].endswith(".bin" if level is None else ".bin.zst")
    second = store.writer(2, 1).save_distributed_shard(3, 0, "jax", [b"abc", bytearray(b"\0\1\2\3")])
    assert first["checksum"] == second["checksum"] and first["save_id"] == second["save_id"] and first["raw_size"] == 7
    with writer.get_distributed_shard_stream(3, 0, "jax") as stream:
        stream.write_chunk(b"never")
    cancelled = writer.get_distributed_shard_stream(3, 0, "jax")
    cancelled.write_chunk(b"never")
    cancelled.cancel()
    with pytest.raises(s3dlio.ClosedError):
        cancelled.finalize()
    writer.finalize_distributed_checkpoint(3, 0, "jax", [first, second])
    assert len(s3dlio.list(store.uri + "shards", recursive=True)) == 2
    manifest = store.reader().load_latest_manifest()
    assert manifest is not None and store.reader().validate_checkpoint_integrity(manifest)
    assert store.reader().read_shard_by_rank_with_validation(manifest, 0) == b"abc\0\1\2\3"


@pytest.mark.parametrize("size", [0, 1, 2, 5_000_000])
@pytest.mark.parametrize("level", [None, 1])
def test_data_of_any_size_comes_back(store: s3dlio.CheckpointStore, size: int, level: int | None) -> None:
    data = np.random.default_rng(size).bytes(size)
    store = s3dlio.CheckpointStore(store.uri, compression_level=level)
    store.save(1, 0, "torch", data)
    assert store.load_latest() == data and store.validate()
    # numbers of NumPy are numbers
    store.save(np.int64(2), np.int32(1), "torch", data)  # type: ignore[arg-type]
    assert store.checkpoint_exists(np.int64(2))  # type: ignore[arg-type]


def test_functions_of_the_package_do_the_same(base: Base) -> None:
    uri = base.at("run")
    key = s3dlio.save_checkpoint(uri, 1, 2, "torch", b"one", {"a": 1})
    assert s3dlio.load_checkpoint(uri) == s3dlio.load_checkpoint_with_validation(uri) == b"one"
    assert s3dlio.load_checkpoint_with_validation(uri, False) == b"one"
    shards = [s3dlio.save_distributed_shard(uri, 2, 2, "torch", b"r%d" % rank, 2, rank) for rank in range(2)]
    second = s3dlio.finalize_distributed_checkpoint(uri, 2, 2, "torch", shards, 2, 0, {"b": 2})
    reader = s3dlio.ValidatedCheckpointReader(uri)
    manifest = reader.load_latest_manifest()
    assert manifest is not None and manifest["user_meta"] == {"b": 2} and manifest["manifest_key"] == second
    assert reader.load_shard_with_validation(manifest, 1) == b"r1" and reader.validate_checkpoint_integrity(manifest)
    store = s3dlio.CheckpointStore(uri)
    assert [info.manifest_key for info in store.list_checkpoints()] == [second, key]


def test_names_and_arguments_of_the_original_are_there(tmp_path: Path) -> None:
    store = s3dlio.PyCheckpointStore(str(tmp_path), "round_robin", 100 << 20, 3)
    assert isinstance(store.save(1, 0, "torch", b"x", {"m": 1}), str)
    assert isinstance(store, s3dlio.PyCheckpointStore) and isinstance(store.writer(2, 1), s3dlio.PyCheckpointWriter)
    assert isinstance(store.reader(), s3dlio.PyCheckpointReader)
    assert isinstance(store.list_checkpoints()[0], s3dlio.PyCheckpointInfo)
    stream = store.writer(1, 0).get_distributed_shard_stream(2, 0, "torch")
    assert isinstance(stream, s3dlio.PyCheckpointStream)
    stream.write_chunk(b"y")
    meta = stream.finalize()
    assert set(meta) >= {"step", "timestamp", "rank", "key", "size", "etag"} and (meta["step"], meta["rank"]) == (2, 0)
    store.writer(1, 0).finalize_distributed_checkpoint(2, 0, "torch", [meta], {"m": 2})
    reader = s3dlio.PyValidatedCheckpointReader(str(tmp_path), True)
    manifest = store.reader().load_latest_manifest()
    assert manifest is not None and manifest["user_meta"] == {"m": 2}
    assert reader.load_shard_with_validation(manifest, 0) == b"y" and reader.validate_checkpoint_integrity(manifest) == True  # noqa: E712
    assert store.delete_checkpoint(2) is True and store.delete_checkpoint(2) is False
    assert store.load_latest() == b"x"


def test_manifest_has_the_fields_of_the_original_and_latest_names_it(tmp_path: Path) -> None:
    store = s3dlio.CheckpointStore(tmp_path)
    key = store.save(4, 1, "torch", b"abc")
    manifest = json.loads((tmp_path / key).read_text())
    assert set(manifest) >= {
        "format_version",
        "framework",
        "global_step",
        "epoch",
        "wall_time",
        "world_size",
        "shards",
        "status",
        "user_meta",
    }
    assert manifest["format_version"] >= 1 and manifest["status"] == "complete"
    [shard] = manifest["shards"]
    assert set(shard) >= {"rank", "key", "size", "etag", "checksum"} and shard["checksum"] == "crc32c:364b3fb7"
    assert (tmp_path / shard["key"]).read_bytes() == b"abc"
    latest = json.loads((tmp_path / "latest.json").read_text())
    assert set(latest) >= {"manifest_key", "global_step", "ts"}
    assert (latest["manifest_key"], latest["global_step"]) == (key, 4) and key == f"manifests/ckpt-4-{latest['ts']}.json"


LATEST = {
    "missing": None,
    "empty": b"",
    "text": b"not json",
    "list": b"[]",
    "number": b'{"manifest_key": 5, "global_step": 1, "ts": "x"}',
    "no step": b'{"manifest_key": "manifests/ckpt-1-x.json"}',
    "dangling": b'{"manifest_key": "manifests/ckpt-99-20300101-000000.json", "global_step": 99, "ts": "20300101-000000"}',
    "elsewhere": b'{"manifest_key": "../../etc/passwd", "global_step": 1, "ts": "x"}',
    "shard": b'{"manifest_key": "shards/x", "global_step": 1, "ts": "x"}',
    "large": b" " * 100_000,
    "depth": b"[" * 60_000,
    "utf8": b'{"manifest_key": "\xff", "global_step": 1, "ts": "x"}',
}


@pytest.mark.parametrize("kind", LATEST)
def test_latest_that_is_wrong_changes_nothing(tmp_path: Path, kind: str) -> None:
    store = s3dlio.CheckpointStore(tmp_path)
    for step in (1, 2, 3):
        store.save(step, 0, "torch", content(step))
    text = LATEST[kind]
    if text is None:
        (tmp_path / "latest.json").unlink()
    else:
        (tmp_path / "latest.json").write_bytes(text)
    with silent():
        assert store.load_latest() == content(3)
        store.save(4, 0, "torch", content(4))
        assert store.load_latest() == content(4)
    assert json.loads((tmp_path / "latest.json").read_text())["global_step"] == 4


def test_latest_that_is_stale_is_not_believed(tmp_path: Path) -> None:
    store = s3dlio.CheckpointStore(tmp_path)
    store.save(1, 0, "torch", content(1))
    stale = (tmp_path / "latest.json").read_bytes()
    store.save(2, 0, "torch", content(2))
    (tmp_path / "latest.json").write_bytes(stale)
    assert store.load_latest() == content(2)
    # a copy of the directory may have lost the times of its files
    for path in (tmp_path / "manifests").iterdir():
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    assert store.load_latest() == content(2)


def test_older_save_that_ends_later_does_not_become_the_newest(store: s3dlio.CheckpointStore) -> None:
    writer = store.writer(1, 0)
    early = writer.save_distributed_shard(10, 0, "torch", content(10), save_id=store.new_save_id())
    late = writer.save_distributed_shard(20, 0, "torch", content(20), save_id=store.new_save_id())
    writer.finalize_distributed_checkpoint(20, 0, "torch", [late], wall_time="2030-01-01T00:00:02Z")
    writer.finalize_distributed_checkpoint(10, 0, "torch", [early], wall_time="2030-01-01T00:00:01Z")
    assert store.load_latest() == content(20)
    # a job that went back to an earlier step goes on from there
    store.save(15, 0, "torch", content(15))
    assert store.load_latest() == content(15)  # though the clock of the one before said 2030
    writer.finalize_distributed_checkpoint(
        16, 0, "torch", [writer.save_distributed_shard(16, 0, "torch", content(16))], wall_time="2031-01-01T00:00:00Z"
    )
    assert store.load_latest() == content(16)


def test_clock_that_went_back_does_not_hide_the_next_step(store: s3dlio.CheckpointStore) -> None:
    writer = store.writer(1, 0)
    ahead = writer.save_distributed_shard(10, 0, "torch", content(10))
    writer.finalize_distributed_checkpoint(10, 0, "torch", [ahead], wall_time="2040-01-01T00:00:00Z")
    store.save(20, 0, "torch", content(20))
    assert store.load_latest() == content(20)
    assert store.list_checkpoints()[0].step == 20


def test_what_cannot_be_looked_at_is_not_no_checkpoint(tmp_path: Path) -> None:
    # root reads everything, so something else keeps the store from looking: a directory in the place of the object
    store = s3dlio.CheckpointStore(tmp_path / "run")
    store.save(1, 0, "torch", b"x")
    (tmp_path / "run" / "latest.json").unlink()
    (tmp_path / "run" / "latest.json").mkdir()
    with pytest.raises(IsADirectoryError):
        store.load_latest()
    with pytest.raises(s3dlio.S3dlioError):
        s3dlio.load_checkpoint("s3://no-such-bucket/x", storage_options={"endpoint_url": "http://127.0.0.1:9", "max_attempts": 1, "region": "x",  # noqa: E501
                                                                        "access_key_id": "a", "secret_access_key": "b"})  # fmt: skip


def test_finalize_refuses_what_is_no_checkpoint(store: s3dlio.CheckpointStore) -> None:
    writer = store.writer(3, 0)
    shards = [store.writer(3, rank).save_distributed_shard(1, 0, "torch", content(1, rank)) for rank in range(3)]
    other = store.writer(3, 2).save_distributed_shard(2, 0, "torch", b"of another step")
    wrong: list[tuple[Any, str]] = [
        (shards[:2], "rank 2"),
        ([*shards, shards[1]], "rank 1 twice"),
        ([shards[0], shards[1], other], "step 2"),
        ([shards[0], shards[1], {**shards[2], "rank": 3}], "rank 3"),
        ([shards[0], shards[1], {**shards[2], "key": "../../etc/passwd"}], "shard's key"),
        ([shards[0], shards[1], {**shards[2], "key": "manifests/ckpt-1-x.json"}], "shard's key"),
        ([shards[0], shards[1], {**shards[2], "size": -1}], "whole number"),
        ([shards[0], shards[1], {**shards[2], "checksum": "crc32c:12"}], "checksum"),
    ]
    for metas, message in wrong:
        with pytest.raises(ValueError, match=message):
            writer.finalize_distributed_checkpoint(1, 0, "torch", metas)
    with pytest.raises(ValueError, match="framework"):
        writer.finalize_distributed_checkpoint(1, 0, "", shards)
    with pytest.raises(s3dlio.InvalidDataError, match=r"rank 2.*expected"):
        writer.finalize_distributed_checkpoint(1, 0, "torch", [*shards[:2], {**shards[2], "size": 1}])
    with pytest.raises(s3dlio.ChecksumMismatchError, match=r"rank 2.*expected"):
        writer.finalize_distributed_checkpoint(1, 0, "torch", [*shards[:2], {**shards[2], "stored_checksum": "crc32c:00000001"}])
    s3dlio.delete(store.uri + shards[1]["key"])
    with pytest.raises(FileNotFoundError, match="rank 1"):
        writer.finalize_distributed_checkpoint(1, 0, "torch", shards)
    assert store.list_checkpoints() == [] and store.load_latest() is None


def test_finalize_again_gives_the_same_checkpoint(store: s3dlio.CheckpointStore) -> None:
    key, shards = save_ranks(store, 1, 3)
    assert store.writer(3, 1).finalize_distributed_checkpoint(1, 1, "torch", shards) == key
    assert len(store.list_checkpoints()) == 1


def test_failed_save_that_is_repeated_is_one_checkpoint(store: s3dlio.CheckpointStore) -> None:
    first = [store.writer(2, rank).save_distributed_shard(1, 0, "torch", b"lost %d" % rank) for rank in range(2)]
    # the coordinator dies here; the job starts again and comes by the same step
    again = [store.writer(2, rank).save_distributed_shard(1, 0, "torch", b"new %d" % rank) for rank in range(2)]
    assert {shard["save_id"] for shard in first + again} == {first[0]["save_id"]}
    assert len({shard["key"] for shard in first + again}) == 4
    store.writer(2, 0).finalize_distributed_checkpoint(1, 0, "torch", again)
    manifest = store.reader().load_latest_manifest()
    assert manifest is not None and [data for _, data in store.reader().read_all_shards(manifest)] == [b"new 0", b"new 1"]
    # and later once more: the id is spent
    third = store.writer(1, 0).save_distributed_shard(1, 0, "torch", b"third")
    assert third["save_id"] != first[0]["save_id"]


def test_two_jobs_that_save_the_same_step_have_two_checkpoints(base: Base) -> None:
    jobs = [s3dlio.CheckpointStore(base.text("run"), run_id=name) for name in ("job-a", "job-b")]
    shards = [
        [job.writer(2, rank).save_distributed_shard(1, 0, "torch", b"%d of %d" % (rank, i)) for rank in range(2)]
        for i, job in enumerate(jobs)
    ]
    assert shards[0][0]["save_id"] != shards[1][0]["save_id"]
    keys = [job.writer(2, 0).finalize_distributed_checkpoint(1, 0, "torch", found) for job, found in zip(jobs, shards, strict=True)]
    reader = jobs[0].reader()
    for i, key in enumerate(keys):
        manifest = reader.load_manifest(key)
        assert manifest is not None
        assert reader.read_all_shards_with_validation(manifest) == [(rank, b"%d of %d" % (rank, i)) for rank in range(2)]
    assert s3dlio.list(base.text("run/saves"), recursive=True) == []


def test_two_jobs_without_names_lose_nothing_either(base: Base) -> None:
    jobs = [s3dlio.CheckpointStore(base.text("run")) for _ in range(2)]
    shards: list[list[dict[str, Any]]] = [[], []]
    for rank in range(2):
        for i, job in enumerate(jobs):
            shards[i].append(job.writer(2, rank).save_distributed_shard(1, 0, "torch", b"%d of %d" % (rank, i)))
    keys = [job.writer(2, 0).finalize_distributed_checkpoint(1, 0, "torch", found) for job, found in zip(jobs, shards, strict=True)]
    assert keys[0] != keys[1]
    reader = jobs[0].reader()
    for i, key in enumerate(keys):
        manifest = reader.load_manifest(key)
        assert manifest is not None and reader.validate_checkpoint_integrity(manifest)
        assert reader.read_all_shards(manifest) == [(rank, b"%d of %d" % (rank, i)) for rank in range(2)]
    assert jobs[0].delete(keys[0]) and reader.validate_checkpoint_integrity(keys[1])


def test_ids_that_are_given_are_used_once(store: s3dlio.CheckpointStore) -> None:
    name = store.new_save_id()
    assert store.writer(2, 1).begin_save(5, save_id=name) == name
    key = store.save(5, 0, "torch", b"x", save_id=name)
    assert key == f"manifests/ckpt-5-{name}.json"
    with pytest.raises(FileExistsError, match="id of its own"):
        store.writer(2, 0).begin_save(5, save_id=name)
    for bad in ("", "a/b", "../x", "ü", "a" * 200):
        with pytest.raises(ValueError, match="save_id"):
            store.writer(2, 0).begin_save(5, save_id=bad)
    agreed = {store.writer(2, rank).begin_save(6) for rank in range(2)}
    assert len(agreed) == 1


def test_many_ranks_agree_at_once(store: s3dlio.CheckpointStore) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda rank=rank: found.append(store.writer(16, rank).begin_save(9))) for rank in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16 and len(set(found)) == 1


def test_delete_takes_all_and_only_that(store: s3dlio.CheckpointStore) -> None:
    for step in (1, 10, 100):
        save_ranks(store, step, 2)
    assert store.delete_checkpoint(10) and not store.delete_checkpoint(1000)
    assert [info.step for info in store.list_checkpoints()] == [100, 1]
    left = s3dlio.list(store.uri, recursive=True)
    assert len(left) == 7 and not any("ckpt-10-" in key for key in left)
    assert store.delete_checkpoint(100)
    manifest = store.reader().load_latest_manifest()
    assert manifest is not None and manifest["global_step"] == 1
    latest = json.loads(bytes(s3dlio.get(store.uri + "latest.json")))
    assert latest["manifest_key"] == manifest["manifest_key"]
    assert store.delete_checkpoint(1) and store.load_latest() is None
    assert s3dlio.list(store.uri, recursive=True) == []


def test_prune_keeps_what_it_is_told(store: s3dlio.CheckpointStore) -> None:
    keys = {step: store.save(step, 0, "torch", content(step)) for step in range(1, 11)}
    told = store.prune(2, 4, dry_run=True)
    assert len(store.list_checkpoints()) == 10
    seen: list[tuple[int, int]] = []
    done = store.prune(keep_last=2, keep_every=4, progress=lambda *at: seen.append(at))
    assert (told.deleted, told.kept, told.verified) == (done.deleted, done.kept, done.verified)
    assert [info.step for info in store.list_checkpoints()] == [10, 9, 8, 4]
    assert set(done.deleted) == {keys[step] for step in (1, 2, 3, 5, 6, 7)} and done.verified == keys[10] and seen
    assert len(s3dlio.list(store.uri + "shards", recursive=True)) == 4 and done.collected == []
    assert store.prune(2, 4).deleted == []
    for wrong in ((0, None), (1, 0), (-1, None)):
        with pytest.raises(ValueError, match="keep_"):
            store.prune(*wrong)


def test_prune_never_takes_the_last_good_one(tmp_path: Path) -> None:
    store = s3dlio.CheckpointStore(tmp_path)
    keys = [store.save(step, 0, "torch", content(step)) for step in range(5)]
    for step in (2, 3, 4):
        damage(tmp_path, store, keys[step])
    done = store.prune(keep_last=2)
    assert done.verified == keys[1] and set(done.kept) == {keys[1], keys[3], keys[4]}
    with pytest.warns(s3dlio.CheckpointWarning, match="passed over"):
        assert store.load_latest() == content(1)
    damage(tmp_path, store, keys[1])
    done = store.prune(keep_last=1)
    assert done.deleted == [] and done.verified is None and len(store.list_checkpoints()) == 3


def damage(folder: Path, store: s3dlio.CheckpointStore, key: str, rank: int = 0) -> None:
    """Flips a bit of a shard behind the library's back."""
    manifest = json.loads((folder / key).read_text())
    path = folder / manifest["shards"][rank]["key"]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_prune_collects_what_crashed_saves_left_and_nothing_of_running_ones(store: s3dlio.CheckpointStore) -> None:
    save_ranks(store, 1, 2)
    crashed = [store.writer(3, rank).save_distributed_shard(2, 0, "torch", b"%d" % rank) for rank in range(2)]
    running = store.writer(2, 0).save_distributed_shard(3, 0, "torch", b"running")
    assert store.prune(1).collected == []
    time.sleep(0.05)
    done = store.prune(1, grace=0)
    assert set(done.collected) == {crashed[0]["key"], crashed[1]["key"], running["key"]}
    # a coordinator that comes late runs into that
    with pytest.raises((FileNotFoundError, s3dlio.PreconditionError)):
        store.writer(2, 0).finalize_distributed_checkpoint(3, 0, "torch", [running, {**running, "rank": 1}])
    with pytest.raises(s3dlio.PreconditionError, match="given up"):
        store.writer(1, 0).finalize_distributed_checkpoint(3, 0, "torch", [running], verify=False)
    # and its next attempt is a save of its own
    again = store.writer(1, 0).save_distributed_shard(3, 0, "torch", b"again")
    assert again["save_id"] != running["save_id"]
    store.writer(1, 0).finalize_distributed_checkpoint(3, 0, "torch", [again])
    assert [info.step for info in store.list_checkpoints()] == [3, 1]
    store.prune(1, grace=0)
    assert [info.step for info in store.list_checkpoints()] == [3]
    assert not any("ckpt-2-" in key for key in s3dlio.list(store.uri, recursive=True))


def age(folder: Path, days: float) -> None:
    """Makes all files of a folder that old."""
    for name in files_below(folder):
        os.utime(folder / name, (time.time() - days * 86_400,) * 2)


def test_save_that_died_days_ago_is_collected_and_one_that_goes_on_is_not(tmp_path: Path) -> None:
    store = s3dlio.CheckpointStore(tmp_path)
    save_ranks(store, 1, 2)
    dead = [store.writer(3, rank).save_distributed_shard(step, 0, "torch", b"dead")["key"] for step in (2, 3, 4) for rank in range(2)]
    left = tmp_path / dead[0]
    (left.parent / ".s3dlio-1-0123456789abcdef.tmp").write_bytes(b"of a writer that was killed")
    age(tmp_path, 2)
    # step 3 is saved again, under the id of then, and step 4 still wrote a shard today
    again = store.writer(3, 2).begin_save(3)
    assert again in dead[2]
    os.utime(tmp_path / dead[5])
    done = store.prune(1)
    assert set(done.collected) == set(dead[:2]) and done.deleted == []
    # the writer's directory bears today's time in its name, so what is left in it waits for tomorrow
    shards = [store.writer(3, rank).save_distributed_shard(3, 0, "torch", b"again", save_id=again) for rank in range(3)]
    store.writer(3, 0).finalize_distributed_checkpoint(3, 0, "torch", shards)
    assert [info.step for info in store.list_checkpoints()] == [3, 1] and store.validate()
    assert store.prune(2, grace=0).collected and store.validate()
    assert {shard["key"] for shard in shards} < set(files_below(tmp_path))


def test_damaged_manifest_is_passed_over_and_protects_its_shards(tmp_path: Path) -> None:
    store = s3dlio.CheckpointStore(tmp_path)
    store.save(1, 0, "torch", content(1))
    key = store.save(2, 0, "torch", content(2))
    whole = (tmp_path / key).read_bytes()
    (tmp_path / key).write_bytes(whole[: len(whole) // 2])
    with pytest.warns(s3dlio.CheckpointWarning, match=key):
        assert store.load_latest() == content(1)
    with pytest.warns(s3dlio.CheckpointWarning, match=key):
        assert [info.step for info in store.list_checkpoints()] == [1]
    done = store.prune(1, grace=0)
    assert done.collected == [] and [one["key"] for one in done.skipped] == [key]
    assert isinstance(done.skipped[0]["error"], s3dlio.InvalidDataError)
    (tmp_path / key).unlink()
    (tmp_path / key).write_bytes(whole)
    assert store.load_latest() == content(2)
    (tmp_path / key).write_bytes(b"{}")
    assert store.delete_checkpoint(2)
    assert not any("ckpt-2-" in name for name in files_below(tmp_path))


def test_async_twins_do_the_same(store: s3dlio.CheckpointStore) -> None:
    import asyncio

    async def use() -> None:
        key = await store.save_async(1, 0, "torch", content(1), {"a": 1})
        assert await store.load_latest_async() == await store.load_async(key) == content(1)
        writers = [store.writer(4, rank) for rank in range(4)]
        shards = await asyncio.gather(*(writer.save_distributed_shard_async(2, 0, "torch", content(2, writer.rank)) for writer in writers))
        assert len({shard["save_id"] for shard in shards}) == 1
        await writers[0].finalize_distributed_checkpoint_async(2, 0, "torch", shards)
        reader = store.reader()
        manifest = await reader.load_latest_manifest_async()
        assert manifest is not None
        expected = [(rank, content(2, rank)) for rank in range(4)]
        assert await reader.read_all_shards_concurrent_with_validation_async(manifest, 2) == expected
        assert await reader.validate_checkpoint_integrity_async(manifest) and await store.validate_async()
        assert [info.step for info in await store.list_checkpoints_async()] == [2, 1]
        assert (await store.prune_async(1)).deleted == [key] and await store.delete_checkpoint_async(2)
        assert not await store.checkpoint_exists_async(2)
        uri = store.uri + "more"
        await s3dlio.save_checkpoint_async(uri, 1, 0, "torch", b"x")
        assert await s3dlio.load_checkpoint_async(uri) == b"x"

    asyncio.run(use())


def test_every_method_that_waits_has_a_twin_and_a_timeout() -> None:
    import inspect

    for kind in (s3dlio.CheckpointStore, s3dlio.CheckpointWriter, s3dlio.CheckpointReader, s3dlio.ValidatedCheckpointReader):
        waiting = [name for name, method in vars(kind).items() if hasattr(method, "body") and not name.endswith("_async")]
        assert waiting
        for name in waiting:
            assert "timeout" in inspect.signature(getattr(kind, name)).parameters, name
            assert inspect.iscoroutinefunction(getattr(kind, f"{name}_async")), name


def test_stores_are_pickled_and_progress_is_told(tmp_path: Path) -> None:
    store = pickle.loads(pickle.dumps(s3dlio.CheckpointStore(tmp_path, "binary", compression_level=1)))
    seen: list[tuple[int, int]] = []
    store.save(1, 0, "torch", b"x" * 100_000, progress=lambda *at: seen.append(at))
    assert seen[-1] == (100_000, 100_000)
    assert store.load_latest(progress=lambda *at: seen.append(at)) == b"x" * 100_000
    assert "/bin/0000/" in store.reader().load_latest_manifest()["shards"][0]["key"]


def test_save_that_timed_out_left_nothing(tmp_path: Path) -> None:
    store = s3dlio.CheckpointStore(tmp_path)
    store.save(1, 0, "torch", content(1))
    with pytest.raises(TimeoutError, match="save"):
        store.save(2, 0, "torch", np.zeros(200_000_000, np.uint8), timeout=0.001)
    assert store.load_latest() == content(1) and [info.step for info in store.list_checkpoints()] == [1]


def test_wrong_arguments_are_refused(store: s3dlio.CheckpointStore) -> None:
    for call, message in [
        (lambda: s3dlio.CheckpointStore(store.uri, "spiral"), "strategy"),
        (lambda: s3dlio.CheckpointStore(store.uri, compression_level=23), "1 to 22"),
        (lambda: store.writer(2, 2), "rank 2"),
        (lambda: store.writer(0, 0), "rank 0"),
        (lambda: store.save(-1, 0, "torch", b"x"), "step"),
        (lambda: store.save(1, -1, "torch", b"x"), "epoch"),
        (lambda: store.save(1.5, 0, "torch", b"x"), "step must be a whole number"),  # type: ignore[arg-type]
        (lambda: store.save(1 << 63, 0, "torch", b"x"), "step"),
        (lambda: store.writer(1, 0).begin_save(1 << 64), "step"),
        (lambda: store.delete_checkpoint(-1), "step"),
        (lambda: store.save(1, 0, "", b"x"), "framework"),
        (lambda: store.save(1, 0, "torch", "text"), "encode"),
        (lambda: store.save(1, 0, "torch", b"x", {"x": object()}), "JSON"),
        (lambda: store.save(1, 0, "torch", b"x", float("nan")), "JSON"),
        (lambda: store.load(), "key or by its step"),
        (lambda: store.delete("latest.json"), "manifest's key"),
        (lambda: store.reader().read_shard_by_rank({}, 0), "manifest is"),
        (lambda: store.reader().read_shard({"rank": 0, "key": "latest.json", "size": 1}), "shard's key"),
        (lambda: store.reader().read_shard({"rank": 0, "key": "shards/../latest.json", "size": 1}), "shard's key"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(FileNotFoundError, match="step 5"):
        store.load(step=5)
    assert store.list_checkpoints() == []


@pytest.mark.parametrize("address", [None, "memory://example"])
def test_example_runs_and_leaves_nothing(tmp_path: Path, address: str | None) -> None:
    example = CHECKOUT / "examples" / "recovery.py"
    if not example.is_file():
        pytest.skip("the package is not in a checkout")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(example), *([address] if address else [])]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    for said in (
        "there: [30, 20, 10]",
        "resumed: w = 2.8",
        "rank 0 -> ChecksumMismatchError",
        "warned: CheckpointWarning",
        "kept steps: [50, 40, 20] | collected 2",
    ):
        assert said in ended.stdout, ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_prune_removes_what_killed_writers_left_in_directories_that_stay(tmp_path: Path) -> None:
    store = s3dlio.CheckpointStore(tmp_path)
    for step in (1, 2):
        store.save(step, 0, "torch", content(step))
    (tmp_path / "saves").mkdir(exist_ok=True)
    # named as this host's are
    boot = s3dlio.put_bytes(f"memory://{uuid.uuid4()}/x", Path("/proc/sys/kernel/random/boot_id").read_bytes()).removeprefix("crc32c:")
    made = [tmp_path / folder / f".s3dlio-99999-{boot}0000000{i}.tmp" for i, folder in enumerate(("", "manifests", "saves"))]
    old, live = made, tmp_path / "manifests" / f".s3dlio-99999-{boot}00000009.tmp"
    for path in [*old, live]:
        path.write_bytes(b"x")
        os.utime(path, (time.time() - 3600, time.time() - 3600))
    with live.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        store.prune(keep_last=1, dry_run=True)
        assert all(path.exists() for path in old)
        store.prune(keep_last=1)
        assert not any(path.exists() for path in old)
        assert live.exists()
    assert store.load_latest() == content(2)
