"""Checkpoints that were damaged, and those of the original library."""

from __future__ import annotations

import json
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import s3dlio


def make(folder: Path, level: int | None) -> tuple[s3dlio.CheckpointStore, str]:
    store = s3dlio.CheckpointStore(folder, compression_level=level)
    shards = [store.writer(3, rank).save_distributed_shard(1, 0, "torch", b"rank %d says abcabcabc" % rank) for rank in range(3)]
    return store, store.writer(3, 0).finalize_distributed_checkpoint(1, 0, "torch", shards, {"a": 1})


@pytest.mark.parametrize("level", [None, 3])
def test_every_flipped_byte_is_found_and_its_shard_named(tmp_path: Path, level: int | None) -> None:
    store, key = make(tmp_path, level)
    reader = store.reader()
    manifest = reader.load_latest_manifest()
    assert manifest is not None and reader.validate_checkpoint_integrity(manifest)
    chance = np.random.default_rng(1)
    for rank, name in [(None, key), *((shard["rank"], shard["key"]) for shard in manifest["shards"])]:
        path = tmp_path / name
        whole = path.read_bytes()
        for position in range(len(whole)):
            with path.open("r+b") as file:
                file.seek(position)
                file.write(bytes([whole[position] ^ (1 << int(chance.integers(8)))]))
            report = reader.validate_checkpoint_integrity(manifest)
            assert not report and report == False, f"byte {position} of {name}"  # noqa: E712
            [problem] = report.problems
            assert (problem["rank"], problem["key"]) == (rank, name) and isinstance(problem["error"], s3dlio.InvalidDataError)
            assert name in str(problem["error"])
            if rank is not None and position % 7 == 0:
                with pytest.raises(s3dlio.InvalidDataError, match=f"rank {rank}"):
                    reader.read_shard_by_rank(manifest, rank)
            with path.open("r+b") as file:
                file.seek(position)
                file.write(whole[position : position + 1])
    assert reader.validate_checkpoint_integrity(manifest)


def test_every_bad_shard_is_reported(tmp_path: Path) -> None:
    store, key = make(tmp_path, None)
    manifest = json.loads((tmp_path / key).read_text())
    missing, cut, flipped = (tmp_path / shard["key"] for shard in manifest["shards"])
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    flipped.write_bytes(flipped.read_bytes().replace(b"abc", b"abd", 1))
    for asked in (key, {**manifest, "manifest_key": key}, manifest):
        report = store.reader().validate_checkpoint_integrity(asked)
        assert report.bad_ranks == [0, 1, 2] and not report
        kinds = [type(problem["error"]) for problem in report.problems]
        assert kinds == [s3dlio.NotFoundError, s3dlio.InvalidDataError, s3dlio.ChecksumMismatchError]
        assert "expected 21 bytes, found 20" in str(report.problems[1]["error"])
    assert [problem["rank"] for problem in store.reader().validate_checkpoint_integrity("manifests/ckpt-9-x.json").problems] == [None]


def test_newest_that_is_damaged_gives_way_to_the_one_before(tmp_path: Path) -> None:
    store = s3dlio.CheckpointStore(tmp_path)
    for step in (1, 2, 3):
        store.save(step, 0, "torch", b"step %d" % step)
    for info, text in zip(store.list_checkpoints()[:2], (b"step X", b""), strict=True):
        shard = json.loads((tmp_path / info.manifest_key).read_text())["shards"][0]
        (tmp_path / shard["key"]).write_bytes(text)
    with pytest.warns(s3dlio.CheckpointWarning) as told:
        assert s3dlio.load_checkpoint(tmp_path) == b"step 1"
    assert len(told) == 2 and "ckpt-3-" in str(told[0].message) and "ckpt-2-" in str(told[1].message)
    with pytest.raises(s3dlio.ChecksumMismatchError):
        store.load_latest(fallback=False)
    assert s3dlio.load_checkpoint_with_validation(tmp_path, False) == b"step X"


def test_manifest_of_a_later_version_is_refused_and_never_passed_over(tmp_path: Path) -> None:
    store = s3dlio.CheckpointStore(tmp_path)
    store.save(1, 0, "torch", b"x")
    (tmp_path / "manifests" / "ckpt-2-20300101-000000.json").write_text('{"format_version": 3}')
    for call in (store.load_latest, store.list_checkpoints, lambda: store.prune(1), lambda: store.delete_checkpoint(1)):
        with pytest.raises(s3dlio.InvalidDataError, match="version 2 or before, found 3; update s3dlio"):
            call()


def original(folder: Path, step: int, shards: list[bytes], time: str = "20250828-100000", **changes: Any) -> dict[str, Any]:
    """A checkpoint as the original lays it out: IEEE CRC-32s with a crc32c label, and a time of its own in each rank's directory."""
    listed = []
    for rank, data in enumerate(shards):
        key = f"shards/ckpt-{step}-{time[:-1]}{rank}/rank-{rank}.bin"
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
        listed.append({"rank": rank, "key": key, "size": len(data), "etag": None, "checksum": f"crc32c:{zlib.crc32(data):08x}"})
    manifest = {
        "format_version": 1,
        "framework": "torch",
        "global_step": step,
        "epoch": 3,
        "wall_time": "2025-08-28T10:00:00.123456789Z",
        "world_size": len(shards),
        "shards": listed,
        "status": "complete",
        "user_meta": None,
        **changes,
    }
    (folder / "manifests").mkdir(exist_ok=True)
    (folder / "manifests" / f"ckpt-{step}-{time}.json").write_text(json.dumps(manifest))
    (folder / "latest.json").write_text(json.dumps({"manifest_key": f"manifests/ckpt-{step}-{time}.json", "global_step": step, "ts": time}))
    return manifest


def test_checkpoint_of_the_original_loads_and_says_by_what_it_was_verified(tmp_path: Path) -> None:
    original(tmp_path, 5, [b"123456789", b"rank one"])
    store = s3dlio.CheckpointStore(tmp_path)
    reader = store.reader()
    manifest = reader.load_latest_manifest()
    assert manifest is not None and manifest["shards"][0]["checksum"] == "crc32c:cbf43926"
    assert reader.read_all_shards_with_validation(manifest) == [(0, b"123456789"), (1, b"rank one")]
    report = reader.validate_checkpoint_integrity(manifest)
    assert report and report.ieee_crc32 == [0, 1] and report.unchecked == []
    [info] = store.list_checkpoints()
    assert (info.step, info.format_version, info.timestamp, info.total_size) == (5, 1, "20250828-100000", 17)
    # and ours are saved beside it, and newer
    store.save(6, 0, "torch", b"ours")
    assert store.load_latest() == b"ours" and [info.format_version for info in store.list_checkpoints()] == [2, 1]
    assert store.delete_checkpoint(5) and [info.step for info in store.list_checkpoints()] == [6]
    assert len(s3dlio.list(tmp_path, recursive=True)) == 3


def test_damaged_checkpoint_of_the_original_is_found(tmp_path: Path) -> None:
    manifest = original(tmp_path, 5, [b"123456789"])
    path = tmp_path / manifest["shards"][0]["key"]
    reader = s3dlio.ValidatedCheckpointReader(tmp_path)
    for position in range(9):
        data = bytearray(b"123456789")
        data[position] ^= 4
        path.write_bytes(data)
        with pytest.raises(s3dlio.ChecksumMismatchError, match=r"rank 0.*IEEE.*cbf43926|cbf43926.*IEEE"):
            reader.load_shard_with_validation(manifest, 0)
        assert reader.validate_checkpoint_integrity(manifest).bad_ranks == [0]
    path.write_bytes(b"12345678")
    with pytest.raises(s3dlio.InvalidDataError, match="expected 9 bytes, found 8"):
        reader.load_shard_with_validation(manifest, 0)


def test_checksums_that_the_original_wrote_otherwise_are_understood(tmp_path: Path) -> None:
    manifest = original(tmp_path, 5, [b"123456789", b"123456789", b"123456789"])
    # with a true CRC32C, without the label, and none, as its Python wrote
    manifest["shards"][0]["checksum"] = "crc32c:e3069283"
    manifest["shards"][1]["checksum"] = "cbf43926"
    manifest["shards"][2]["checksum"] = None
    (tmp_path / "manifests" / "ckpt-5-20250828-100000.json").write_text(json.dumps(manifest))
    reader = s3dlio.CheckpointStore(tmp_path).reader()
    found = reader.load_latest_manifest()
    assert found is not None
    report = reader.validate_checkpoint_integrity(found)
    assert report and (report.ieee_crc32, report.unchecked) == ([1], [2])
    assert reader.read_shard_by_rank(found, 2) == b"123456789"
    with pytest.raises(s3dlio.InvalidDataError, match=r"rank 2.*expected a checksum"):
        reader.read_shard_by_rank_with_validation(found, 2)


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")
@pytest.mark.parametrize("streamed", [False, True])
def test_compressed_shard_of_the_original_loads(tmp_path: Path, streamed: bool) -> None:
    raw = b"weights " * 100_000
    if streamed:
        packed = subprocess.run(["zstd", "-c", "-q"], input=raw, capture_output=True, check=True).stdout
    else:
        (tmp_path / "raw").write_bytes(raw)
        packed = subprocess.run(["zstd", "-c", "-q", str(tmp_path / "raw")], capture_output=True, check=True).stdout
    manifest = original(tmp_path, 5, [packed])
    shard = manifest["shards"][0]
    (tmp_path / shard["key"]).rename(tmp_path / (shard["key"] + ".zst"))
    shard.update(key=shard["key"] + ".zst", checksum=f"crc32c:{zlib.crc32(raw):08x}")
    (tmp_path / "manifests" / "ckpt-5-20250828-100000.json").write_text(json.dumps(manifest))
    assert s3dlio.load_checkpoint_with_validation(tmp_path) == raw
    store = s3dlio.CheckpointStore(tmp_path)
    assert store.validate().ieee_crc32 == [0]
    path = tmp_path / shard["key"]
    path.write_bytes(packed[:50] + bytes([packed[50] ^ 1]) + packed[51:])
    assert not store.validate()
    with pytest.warns(s3dlio.CheckpointWarning, match="rank 0"), pytest.raises(s3dlio.InvalidDataError, match="rank 0"):
        store.load_latest()


def test_incomplete_checkpoint_of_the_original_is_none(tmp_path: Path) -> None:
    original(tmp_path, 5, [b"a"], status="incomplete", world_size=4)
    store = s3dlio.CheckpointStore(tmp_path)
    assert store.load_latest() is None and store.list_checkpoints() == []
    original(tmp_path, 4, [b"b"])
    assert store.load_latest() == b"b"
    original(tmp_path, 6, [b"a", b"b"], world_size=3)
    with pytest.warns(s3dlio.CheckpointWarning, match="rank 2"):
        assert store.load_latest() == b"b"


def test_hostile_manifest_reaches_nothing_outside(tmp_path: Path) -> None:
    store = s3dlio.CheckpointStore(tmp_path / "run")
    store.save(1, 0, "torch", b"x")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    for key in ("../secret", "shards/../../secret", str(secret), "shards/./x", "manifests/ckpt-1-x.json"):
        manifest = {**original(tmp_path / "run", 9, [b"x"]), "shards": [{"rank": 0, "key": key, "size": 6}]}
        (tmp_path / "run" / "manifests" / "ckpt-9-20250828-100000.json").write_text(json.dumps(manifest))
        with pytest.warns(s3dlio.CheckpointWarning, match="shard's key"):
            assert store.load_latest() == b"x"
        store.delete_checkpoint(9)
        assert secret.read_bytes() == b"secret" and store.validate()
