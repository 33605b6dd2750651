"""Embedding tables whose process is killed: what is recovered is of each session exactly the batches up to its serial."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import table_kills
from conftest import PACKAGE

import s3dlio

#: How often trainers and writers are killed; the long form is S3DLIO_TABLE_KILLS=50.
KILLS = int(os.environ.get("S3DLIO_TABLE_KILLS", "4"))
STEPS = 40 * KILLS
SEED = int(os.environ.get("S3DLIO_TABLE_SEED", str(time.time_ns() % 10**6)))


def _start(*arguments: object) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
    program = [sys.executable, str(Path(table_kills.__file__)), *map(str, arguments)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})


def _kill(child: subprocess.Popen[str], rng: random.Random) -> str:
    """Kills it at a moment of its own; gives the last line that it had printed whole."""
    time.sleep(rng.random() * 0.03)
    child.send_signal(signal.SIGKILL)
    assert child.stdout is not None
    lines = child.stdout.read().split("\n")
    child.wait()
    return lines[-2] if len(lines) > 1 else ""


def test_killed_trainer_ends_with_the_very_same_weights(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    keys = np.arange(table_kills.KEYS)
    with table_kills.open_trained(str(tmp_path / "whole")) as table:
        for step in range(STEPS):
            table_kills.train(table, step)
        expected = table.lookup(keys)
        assert table.stats()["disk_rows"] > 0
    killed = lost = 0
    while True:
        child = _start("trainer", tmp_path / "killed", STEPS)
        assert child.stdout is not None
        told = 0
        until = rng.randrange(1, 60) if killed < KILLS else STEPS + 1
        while told < until and (line := child.stdout.readline()):
            last, told = int(line), told + 1
        if told < until:
            assert child.wait() == 0, f"seed {SEED}"
            break
        last = int(_kill(child, rng) or last)
        killed += 1
        found = max(s3dlio.table.checkpoints(tmp_path / "killed"), key=lambda one: one.version, default=None)
        lost += last - (found.sessions.get("default", -1) if found else -1)
    assert killed > 0
    with table_kills.open_trained(str(tmp_path / "killed")) as table:
        assert table.serial() == STEPS - 1 and table.step == STEPS
        assert table.lookup(keys).tobytes() == expected.tobytes(), f"seed {SEED}: {killed} kills, {lost} steps done again"
    # otherwise nothing was lost and nothing shown
    assert lost > 0


def _check(table: s3dlio.EmbeddingTable, threads: int, what: str) -> dict[str, int]:
    """A table of ``writers`` has all of each session up to its serial, and nothing later."""
    sessions = table.sessions
    total = 0
    for session in range(threads):
        serial = sessions.get(f"writer {session}", -1)
        total += serial + 1
        assert (table.lookup(table_kills.keys_of(session, 0, serial + 1)) == 1).all(), what
        # of all later batches none, not even in part
        assert not table.contains(table_kills.keys_of(session, serial + 1, serial + 20_000)).any(), what
    assert (table.lookup(table_kills.SHARED) == total).all(), f"{what}: {table.lookup(table_kills.SHARED).tolist()} of {total}"
    assert len(table) == total + (len(table_kills.SHARED) if total else 0), what
    return sessions


@pytest.mark.parametrize("threads", [1, 5])
def test_killed_writers_leave_exact_prefixes(tmp_path: Path, threads: int) -> None:
    rng = random.Random(SEED)
    acknowledged, before = 0, {}
    for _ in range(KILLS):
        child = _start("writers", tmp_path, threads)
        assert child.stdout is not None
        for _ in range(rng.randrange(1, 12)):
            acknowledged = max(acknowledged, int(child.stdout.readline()))
        acknowledged = max(acknowledged, int(_kill(child, rng) or 0))
        what = f"seed {SEED}, after checkpoint {acknowledged}"
        versions = [one.version for one in s3dlio.table.checkpoints(tmp_path)]
        assert versions[-1] >= acknowledged, what
        nested: list[dict[str, int]] = []
        for version in versions[-3:]:
            with s3dlio.EmbeddingTable.open(tmp_path, mode="r", version=version) as table:
                nested.append(_check(table, threads, f"{what}, version {version}"))
        # some of the checkpoints may be those of before: only the newest has all that was recovered then
        for earlier, later in [*itertools.pairwise(nested), (before, nested[-1])]:
            assert all(later[name] >= serial for name, serial in earlier.items()), what
        with s3dlio.EmbeddingTable.open(tmp_path, check=True) as table:
            before = _check(table, threads, what)
            assert before == nested[-1], what
            table.close(checkpoint=False)
        assert s3dlio.table.inspect(tmp_path, check=True)["whole"], what


def test_checkpoints_under_load_are_nested_prefixes(tmp_path: Path) -> None:
    """As ``writers``, without a kill: three checkpoints by three threads at once, each recovered by itself."""
    import threading

    threads, stop, made = 5, threading.Event(), []
    with s3dlio.EmbeddingTable.open(tmp_path, 2, optimizer=s3dlio.Add(), keep=None) as table:

        def write(session: int) -> None:
            serial = 0
            while not stop.is_set():
                keys = np.append(table_kills.SHARED, table_kills.keys_of(session, serial, serial + 1))
                table.apply_gradients(keys, np.ones((len(keys), 2), "f4"), serial=serial, session=f"writer {session}")
                serial += 1

        workers = [threading.Thread(target=write, args=(session,)) for session in range(threads)]
        makers = [threading.Thread(target=lambda: made.append(table.checkpoint())) for _ in range(3)]
        for thread in workers:
            thread.start()
        while table.step < 200:
            time.sleep(0.001)
        for thread in makers:
            thread.start()
        for thread in makers:
            thread.join()
        stop.set()
        for thread in workers:
            thread.join()
        assert sorted(one.version for one in made) == [1, 2, 3]
        _check(table, threads, "the table itself")
        table.close(checkpoint=False)
    rows = []
    for one in sorted(made, key=lambda one: one.version):
        with s3dlio.EmbeddingTable.open(tmp_path, mode="r", version=one.version) as old:
            assert _check(old, threads, f"version {one.version}") == one.sessions
            rows.append(len(old))
            assert len(old) == one.rows > 0
    assert rows == sorted(rows)


def test_child_forked_in_the_middle_of_training_changes_nothing(tmp_path: Path) -> None:
    with s3dlio.EmbeddingTable.open(tmp_path, 4, optimizer=s3dlio.Add()) as table:
        for step in range(20):
            table.apply_gradients(np.arange(50), np.ones((50, 4)), serial=step)
            if step % 5 == 4:
                child = os.fork()
                if child == 0:
                    # neither its own end nor that of its objects may touch the parent's table
                    del table
                    os._exit(0)
                assert os.waitpid(child, 0)[1] == 0
                table.checkpoint()
    with s3dlio.EmbeddingTable.open(tmp_path, check=True) as table:
        assert (table.lookup(np.arange(50)) == 20).all() and table.serial() == 19
