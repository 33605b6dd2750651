"""The log of operations in Python: every store, forks, exits."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Base, Child

import s3dlio


@pytest.fixture
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    assert not s3dlio.oplog.is_active()
    path = tmp_path_factory.mktemp("log") / "ops.tsv.zst"
    s3dlio.oplog.start(path, client_id="test")
    yield path
    s3dlio.oplog.stop()


def ops(path: Path) -> Counter[str]:
    """How many operations of each kind a log has."""
    return Counter(row.op for row in s3dlio.oplog.read(path))


def test_record_every_operation_of_every_store(base: Base, log: Path) -> None:
    # the store was opened before by nobody, and by the calls here once
    s3dlio.put(base.at("a"), b"x" * 100)
    assert s3dlio.get(base.at("a")) == b"x" * 100
    assert bytes(s3dlio.get_range(base.at("a"), 10, 5)) == b"xxxxx"
    s3dlio.stat(base.at("a"))
    s3dlio.save_numpy_array(base.at("n.npy"), np.arange(10.0))
    s3dlio.load_numpy_array(base.at("n.npy"))
    assert len(s3dlio.list(base.text())) == 2
    s3dlio.delete(base.at("a"))
    with pytest.raises(s3dlio.NotFoundError):
        s3dlio.get(base.at("a"))
    s3dlio.oplog.stop()
    rows = list(s3dlio.oplog.read(log))
    found = Counter(row.op for row in rows)
    assert found["PUT"] == 2 and found["GET"] == 4 and found["LIST"] == 1 and found["DELETE"] == 1 and found["STAT"] >= 1
    assert [row.idx for row in rows] == list(range(len(rows)))
    assert {row.client_id for row in rows} == {"test"}
    gets = [row for row in rows if row.op == "GET"]
    assert [row.bytes for row in gets[:2]] == [100, 5] and gets[1].offset == 10 and gets[0].offset is None
    assert gets[-1].error.startswith("NotFound: ")
    assert all(row.start <= row.end and row.duration_ns == row.end - row.start for row in rows)
    assert all(row.first_byte is None or row.start <= row.first_byte <= row.end for row in rows)


def test_hits_and_misses_of_a_cache_are_recorded(tmp_path: Path, log: Path) -> None:
    far = f"memory://{tmp_path.name}-hits"
    data = os.urandom(300_000)
    s3dlio.put(f"{far}/a", data)
    store = s3dlio.cache(far, str(tmp_path / "cache"), block_size="64KiB", mode="back")
    assert [bytes(store.get("a")), bytes(store.get("a"))] == [data, data]
    assert bytes(store.get_range("a", 100_000, 10)) == data[100_000:100_010]
    store.put("b", b"in the journal")
    store.get("b")
    store.close()
    s3dlio.oplog.stop()
    gets = [row for row in s3dlio.oplog.read(log) if row.op == "GET"]
    assert [(row.bytes, row.cached) for row in gets[:3]] == [(300_000, 0), (300_000, 300_000), (10, 10)]
    # the journal has it, or it was sent meanwhile
    assert (gets[3].bytes, gets[3].cached) in [(14, 14), (14, 0)]
    assert all(row.cached is None for row in s3dlio.oplog.read(log) if row.op != "GET")


def test_begin_and_end_of_a_log(tmp_path: Path, log: Path) -> None:
    assert s3dlio.oplog.is_active() and s3dlio.is_op_log_active()
    with pytest.raises(s3dlio.AlreadyExistsError):
        s3dlio.oplog.start(tmp_path / "second.tsv")
    s3dlio.init_op_log(tmp_path / "third.tsv")
    s3dlio.put(tmp_path / "a", b"1")
    s3dlio.finalize_op_log()
    s3dlio.finalize_op_log()
    assert not s3dlio.is_op_log_active() and not (tmp_path / "third.tsv").exists()
    s3dlio.put(tmp_path / "b", b"2")
    assert ops(log) == {"PUT": 1}
    # another can follow
    s3dlio.init_op_log(tmp_path / "fourth.tsv")
    s3dlio.put(tmp_path / "c", b"3")
    s3dlio.finalize_op_log()
    assert ops(tmp_path / "fourth.tsv") == {"PUT": 1}
    with pytest.raises(s3dlio.InvalidArgumentError, match="cannot be written there"):
        s3dlio.oplog.start("/nowhere/at/all.tsv")


def test_store_opened_before_is_recorded_too(base: Base, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = s3dlio.Store(base.text())
    store.put("before", b"1")
    path = tmp_path_factory.mktemp("log") / "before.tsv"
    s3dlio.oplog.start(path)
    store.put("after", b"2")
    s3dlio.oplog.stop()
    assert ops(path) == {"PUT": 1}


FORKED = """
import os, sys, s3dlio
from pathlib import Path
folder = Path(sys.argv[1])
s3dlio.oplog.start(folder / "run.tsv.zst")
s3dlio.put(folder / "parent", b"1")
child = os.fork()
if child == 0:
    s3dlio.put(folder / "child", b"22")
    s3dlio.get(folder / "child")
    s3dlio.oplog.stop()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
s3dlio.put(folder / "parent2", b"333")
print(child)
"""


def test_forked_child_writes_a_file_of_its_own(tmp_path: Path, child: Child) -> None:
    number = child(FORKED, tmp_path).stdout.strip()
    # the parent ended without stop()
    assert [(row.op, row.bytes) for row in s3dlio.oplog.read(tmp_path / "run.tsv.zst")] == [("PUT", 1), ("PUT", 3)]
    assert [(row.op, row.bytes) for row in s3dlio.oplog.read(tmp_path / f"run-{number}.tsv.zst")] == [("PUT", 2), ("GET", 2)]


WORKERS = """
import multiprocessing, os, sys, s3dlio
from pathlib import Path
folder = Path(sys.argv[1])
def work(number):
    s3dlio.put(folder / f"w{number}", b"1")
if __name__ == "__main__":
    s3dlio.oplog.start(folder / "run.tsv.zst")
    s3dlio.put(folder / "parent", b"1")
    ends = [multiprocessing.get_context("fork").Process(target=work, args=(i,)) for i in range(3)]
    for end in ends: end.start()
    for end in ends: end.join()
"""


def test_workers_of_multiprocessing_lose_no_row(tmp_path: Path, child: Child) -> None:
    child(WORKERS, tmp_path)
    logs = sorted(tmp_path.glob("run*.tsv.zst"))
    assert len(logs) == 4
    assert sum((ops(path) for path in logs), Counter()) == {"PUT": 4}


KILLED = """
import os, signal, sys, time, s3dlio
from pathlib import Path
folder = Path(sys.argv[1])
s3dlio.oplog.start(folder / "run.tsv.zst")
for number in range(100):
    s3dlio.put(folder / "a", b"1")
time.sleep(3)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_process_leaves_what_is_a_second_old(tmp_path: Path, child: Child) -> None:
    child(KILLED, tmp_path, check=False)
    assert ops(tmp_path / "run.tsv.zst") == {"PUT": 100}


def test_replay_reports(tmp_path: Path, log: Path) -> None:
    for number in range(10):
        s3dlio.put(tmp_path / f"o{number}", b"x" * number * 100)
    s3dlio.oplog.stop()
    report = s3dlio.oplog.replay(log, f"file://{tmp_path}/again", speed=None)
    assert (report["operations"], report["errors"], report["bytes"]) == (10, 0, 4500)
    assert report["lag_ns"]["count"] == 10
    assert sum(path.stat().st_size for path in (tmp_path / "again").rglob("*") if path.is_file()) == 4500
    with pytest.raises(s3dlio.S3dlioError, match="say where the operations go"):
        s3dlio.oplog.replay(log)


@pytest.mark.skipif(not os.environ.get("S3DLIO_TEST_SERVERS"), reason="the servers are not up")
def test_no_secret_is_in_a_log(tmp_path: Path, log: Path) -> None:
    from servers_fixture import s3_server

    uri, options = s3_server()
    s3dlio.put(f"{uri}/oplog", b"1", storage_options=options)
    with pytest.raises(s3dlio.S3dlioError):
        s3dlio.get(f"{uri}/oplog", storage_options=options | {"secret_access_key": "hush-hush"})
    s3dlio.oplog.stop()
    text = "\n".join(map(str, s3dlio.oplog.read(log)))
    assert "hush-hush" not in text and options["secret_access_key"] not in text and options["access_key_id"] not in text
    assert [row.endpoint.startswith("s3://") for row in s3dlio.oplog.read(log)].count(False) == 0
