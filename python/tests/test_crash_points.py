"""Power cuts at every moment of a put, an overwrite, a checkpoint's commit and a prune, with every part of what was not flushed lost.

The work itself is traced, so what is looked at is what the library asks of the system, and in that order.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PACKAGE
from crash_points import Image, Step, first_fault, traced

import s3dlio

#: Images of one moment.
MOST = int(os.environ.get("S3DLIO_CRASH_OUTCOMES", "40"))

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

OLD, NEW = b"old" * 700, b"the new one" * 300
HEAD = "import sys; root = sys.argv[1]; import s3dlio\n"


def save(root: Path, step: int) -> None:
    """A durable checkpoint of two shards."""
    store = s3dlio.CheckpointStore(root)
    shards = []
    writers = [store.writer(2, rank) for rank in range(2)]
    for rank, writer in enumerate(writers):
        shards.append(writer.save_distributed_shard(step, 0, "torch", content(step, rank)))
    writers[0].finalize_distributed_checkpoint(step, 0, "torch", shards)


def content(step: int, rank: int) -> bytes:
    """Of a shard."""
    return f"step {step} rank {rank} ".encode() * 40


def whole(root: Path) -> list[int]:
    """The steps of all checkpoints that are said to be there, each of which is whole, the newest first."""
    found = []
    for one in s3dlio.checkpoint.list(root):
        report = s3dlio.checkpoint.validate(root, manifest_key=one.manifest_key)
        assert report, report.problems
        found.append(one.step)
    return found


def check_put(root: Path, acknowledged: bool) -> None:
    there = s3dlio.exists(root / "a/b/x")
    assert there or not acknowledged
    if there:
        assert s3dlio.get(root / "a/b/x", verify="require") == NEW


def check_overwrite(root: Path, acknowledged: bool) -> None:
    assert s3dlio.get(root / "x", verify="require") in ((NEW,) if acknowledged else (OLD, NEW))


def check_commit(root: Path, acknowledged: bool) -> None:
    steps = whole(root)
    assert steps in ([[2, 1]] if acknowledged else [[1], [2, 1]]), steps
    newest = s3dlio.checkpoint.latest(root)
    assert newest is not None and newest.step == steps[0]


def check_prune(root: Path, acknowledged: bool) -> None:
    steps = whole(root)
    assert steps[:1] == [3] and steps == sorted(steps, reverse=True), steps
    newest = s3dlio.checkpoint.latest(root)
    assert newest is not None and newest.step == 3


SAVE = """
store = s3dlio.CheckpointStore(root)
writers = [store.writer(2, rank) for rank in range(2)]
shards = [w.save_distributed_shard(2, 0, "torch", f"step 2 rank {r} ".encode() * 40) for r, w in enumerate(writers)]
writers[0].finalize_distributed_checkpoint(2, 0, "torch", shards)
"""
WORK: dict[str, tuple[Callable[[Path], object], str, Callable[[Path, bool], None]]] = {
    "put": (
        lambda root: None,
        f's3dlio.put(root + "/a/b/x", {NEW!r}, durable=True)',
        check_put,
    ),
    "overwrite": (
        lambda root: s3dlio.put(root / "x", OLD, durable=True),
        f's3dlio.put(root + "/x", {NEW!r}, durable=True)',
        check_overwrite,
    ),
    "commit": (lambda root: save(root, 1), SAVE, check_commit),
    "prune": (
        lambda root: [save(root, step) for step in (1, 2, 3)],
        "s3dlio.checkpoint.prune(root, keep_last=1)",
        check_prune,
    ),
}


def run(name: str, tmp_path: Path) -> tuple[Image, list[Step]]:
    """The tree before the work, and its steps."""
    prepare, work, _ = WORK[name]
    root = tmp_path / "data"
    root.mkdir()
    prepare(root)
    before = Image.of(root)
    steps = traced(root, HEAD + work, tmp_path / "trace", {"PYTHONPATH": str(PACKAGE.parent)})
    if isinstance(steps, str):
        pytest.skip(steps)
    return before, steps


def fault(name: str, root: Path, before: Image, steps: list[Step]) -> tuple[str | None, int]:
    """The first image that breaks the promise, and how many there were."""
    return first_fault(root, before, steps, MOST, lambda done: WORK[name][2](root, done == len(steps)))


@pytest.mark.parametrize("name", WORK)
def test_power_cut_at_any_moment_leaves_what_was_promised(name: str, tmp_path: Path) -> None:
    before, steps = run(name, tmp_path)
    found, images = fault(name, tmp_path / "data", before, steps)
    assert found is None, found
    assert images > len(steps)
    print(f"{name}: {len(steps)} steps, {images} images")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("put", "flush"),
        ("put", "sync"),
        ("overwrite", "flush"),
        ("overwrite", "sync"),
        ("commit", "flush"),
        ("commit", "sync"),
        ("prune", "sync"),
    ],
)
def test_work_that_does_not_flush_is_found_out(name: str, kind: str, tmp_path: Path) -> None:
    before, steps = run(name, tmp_path)
    assert any(step.kind == kind for step in steps)
    found, _ = fault(name, tmp_path / "data", before, [step for step in steps if step.kind != kind])
    assert found is not None
