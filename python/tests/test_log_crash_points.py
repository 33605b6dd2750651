"""Power cuts at every moment of a log's work: what the published library asks of the system, traced, with any part of it lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PACKAGE
from crash_points import Image, Step, first_fault, traced

import s3dlio

#: Images of one moment.
MOST = int(os.environ.get("S3DLIO_CRASH_OUTCOMES", "4"))

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

#: Segments roll, records share sectors, a batch spans several, the beginning is truncated, and the log is opened once more. Each promise
#: is followed by a directory whose name says what was promised; it is not part of the log.
WORK = """
import os, sys
root = sys.argv[1]
import s3dlio
def told(kind, number):
    os.mkdir(f"{root}/{kind}-{number}")
for opening in range(2):
    log = s3dlio.Log.open(root + "/log", "a", segment_size=16384)
    for turn in range(4):
        for _ in range(3):
            log.append(record(log.end))
        log.append_batch([record(log.end + i) for i in range(4)])
        told("committed", log.commit())
    if opening == 1:
        told("begin", log.truncate_before(40))
        log.append(record(log.end))
    log.close()
told("committed", 57)
"""
RECORD = """
def record(number):
    return (b"%d " % number) + bytes([number % 251]) * (number * 397 % 2600)
"""
BATCH, TURN = 4, 7


def record(number: int) -> bytes:
    return (b"%d " % number) + bytes([number % 251]) * (number * 397 % 2600)


@pytest.fixture
def fast() -> Iterator[Path]:
    """A folder whose flushes cost nothing, where there is one: thousands of images are opened."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=place if os.access(place, os.W_OK) else None, prefix="s3dlio-cuts-") as folder:
        yield Path(folder)


def run(folder: Path, longest: int = 2600) -> tuple[Image, list[Step]]:
    """The tree before the work, and its steps."""
    root = folder / "data"
    root.mkdir()
    before = Image.of(root)
    steps = traced(root, RECORD.replace("2600", str(longest)) + WORK, folder / "trace", {"PYTHONPATH": str(PACKAGE.parent)})
    if isinstance(steps, str):
        pytest.skip(steps)
    return before, steps


def promised(steps: list[Step], kind: str) -> int:
    """The highest number that was told."""
    told = [os.path.basename(step.path) for step in steps if step.kind == "mkdir"]
    return max([0, *(int(name.removeprefix(kind + "-")) for name in told if name.startswith(kind + "-"))])


def check(root: Path, committed: int, begin: int) -> None:
    """What was promised is there, a prefix of what was appended, no batch in part; and the log goes on."""
    try:
        log = s3dlio.Log.open(root / "log", "a", create=False)
    except s3dlio.NotFoundError:
        assert committed == 0
        return
    with log:
        assert log.damage == []
        assert log.begin in (0, 40) and log.begin >= begin and log.end >= max(committed, log.begin)
        assert log[:] == [record(number) for number in range(log.begin, log.end)]
        assert log.end > 56 or log.end % TURN <= TURN - BATCH, f"a batch is there in part: {log.end} records"
        end = log.end
        assert log.append(b"after") == end and log.commit() == end + 1
    with s3dlio.Log.open(root / "log") as log:
        assert log[-1] == b"after" and len(log) == end + 1 - log.begin


def fault(root: Path, before: Image, steps: list[Step], most: int) -> tuple[str | None, int]:
    """The first image that breaks a promise, and how many there were."""

    def checked(done: int) -> None:
        check(root, promised(steps[:done], "committed"), promised(steps[:done], "begin"))

    return first_fault(root, before, steps, most, checked)


def test_power_cut_at_any_moment_loses_nothing_that_was_committed(fast: Path) -> None:
    before, steps = run(fast)
    assert sum(step.kind == "rename" for step in steps) > 2, "no segment was rolled"
    assert any(step.kind in ("hole", "unlink") for step in steps), "nothing was truncated"
    found, images = fault(fast / "data", before, steps, MOST)
    assert found is None, found
    assert images > len(steps)
    print(f"log: {len(steps)} steps, {images} images")


@pytest.mark.parametrize("kind", ["flush", "sync"])
def test_log_that_does_not_flush_is_found_out(kind: str, fast: Path) -> None:
    before, steps = run(fast)
    found, _ = fault(fast / "data", before, [step for step in steps if step.kind != kind], 4)
    assert found is not None


def test_commit_is_one_write_and_one_flush_in_order(fast: Path) -> None:
    """No flush is missing before a promise, and none is superfluous."""
    _, steps = run(fast, longest=60)
    names: dict[int, str] = {}
    dirty: set[int] = set()
    unsynced: set[str] = set()
    flushes, lone = 0, 0
    for step in steps:
        if step.kind in ("create", "rename"):
            path = step.to or step.path
            names[step.inode] = path
            if step.kind == "rename":
                assert step.inode not in dirty, f"{path} got its name before its bytes were flushed"
            unsynced.add(os.path.dirname(path))
        elif step.kind in ("write", "length", "room"):
            dirty.add(step.inode)
        elif step.kind == "sync":
            unsynced.discard(step.path)
        elif step.kind == "flush":
            assert step.inode in dirty, f"{names[step.inode]} was flushed with nothing to flush"
            dirty.discard(step.inode)
            flushes += 1
        elif step.kind == "mkdir" and os.path.basename(step.path).startswith("committed-"):
            segments = {names[inode] for inode in dirty if "/seg-" in names[inode]}
            assert not segments and not any(path.endswith("/log") for path in unsynced), (step.path, segments, unsynced)
            lone += flushes == 1
            flushes = 0
    assert lone >= 4, "most commits take one flush"
