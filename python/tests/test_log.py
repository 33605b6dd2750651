"""Durable logs from Python: appended, read by number, followed by other processes, killed at random moments."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PACKAGE
from servers_fixture import azure_server, s3_old_server, s3_server

import s3dlio
from s3dlio import errors

STEP = np.dtype([("obs", "f4", (3,)), ("action", "<i4"), ("reward", "f8")], align=True)
#: Seconds of the loop that kills writers; the long form is S3DLIO_LOG_KILLS=600.
SECONDS = float(os.environ.get("S3DLIO_LOG_KILLS", "8"))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[s3dlio.Log]:
    with s3dlio.Log.open(tmp_path / "log", "a") as opened:
        yield opened


def test_append_and_read_give_the_same_records(log: s3dlio.Log) -> None:
    wanted = [b"", b"a", bytes(range(256)) * 2000, b"b"]
    assert [log.append(one) for one in wanted[:2]] == [0, 1]
    assert log.append(bytearray(wanted[2])) == 2 and log.append(memoryview(wanted[3])) == 3
    assert log.append_batch([b"c", b"", b"dd"]) == range(4, 7)
    assert log.append_batch(np.array([[1, 2], [3, 4]], np.uint8)) == range(7, 9)
    wanted += [b"c", b"", b"dd", b"\1\2", b"\3\4"]
    assert list(log) == wanted and log[:] == wanted and [log[i] for i in range(9)] == wanted
    assert log[-1] == wanted[-1] and log[1:8:3] == wanted[1:8:3] and log[::-1] == wanted[::-1] and log[5:2] == []
    assert log.read([3, 0, 3]) == [b"b", b"", b"b"] and log.read([]) == []
    assert (len(log), log.begin, log.end, log.committed) == (9, 0, 9, 0)
    assert log.commit() == 9 == log.committed
    assert asyncio.run(log.acommit()) == 9


def test_reopened_log_has_what_was_committed(tmp_path: Path) -> None:
    with s3dlio.Log.open(tmp_path, "a") as log:
        log.append(b"x")
    assert log.closed
    with s3dlio.Log.open(f"file://{tmp_path}", "a") as log:
        assert log.append(b"y") == 1
    with s3dlio.Log.open(tmp_path) as log:
        assert list(log) == [b"x", b"y"] and log.damage == []
    with pytest.raises(errors.ClosedError, match="closed"):
        log.append(b"z")


@pytest.mark.parametrize(
    ("dtype", "shape"), [("f4", (2, 3)), ("f4", ()), (STEP, ()), (np.dtype(("i2", 5)), 2), ("S7", ()), ("M8[us]", (2,))]
)
def test_array_records_come_back_as_they_were(tmp_path: Path, dtype: Any, shape: Any) -> None:
    whole = np.dtype((dtype, shape))
    values = np.frombuffer(np.random.default_rng(1).bytes(whole.itemsize * 5000), np.uint8)
    with s3dlio.Log.open(tmp_path, "a", dtype=dtype, shape=shape) as log:
        records = values.view(log.dtype).reshape(5000, *log.shape)
        assert log.append(records[0]) == 0
        assert log.append_batch(records[1:]) == range(1, 5000)
    with s3dlio.Log.open(tmp_path) as log:
        assert log.dtype == records.dtype and log.shape == records.shape[1:]
        assert log[:].tobytes() == records.tobytes() and log[7].tobytes() == records[7].tobytes()
        assert np.concatenate(list(log.batches(999))).tobytes() == records.tobytes()
        numbers = np.random.default_rng(2).integers(0, 5000, 300)
        out = np.empty((300, *log.shape), log.dtype)
        assert log.read(numbers, out=out) is out and out.tobytes() == records[numbers].tobytes()
        drawn = log.sample(300, np.random.default_rng(2))
        assert drawn.tobytes() == records[numbers].tobytes()


def test_wrong_records_and_types_are_refused(tmp_path: Path, log: s3dlio.Log) -> None:
    for wrong in (lambda: log.append("text"), lambda: log.append_batch(b"one"), lambda: log.read([0], out=np.empty(1))):
        with pytest.raises(errors.InvalidArgumentError):
            wrong()
    for kind in ({"dtype": object}, {"dtype": "V0"}, {"dtype": "f4", "shape": (0,)}, {"dtype": "f4", "shape": -1}, {"dtype": "nonsense"}):
        with pytest.raises(errors.InvalidArgumentError):
            s3dlio.Log.open(tmp_path / "no", "a", **kind)
    assert not (tmp_path / "no").exists()
    with s3dlio.Log.open(tmp_path / "array", "a", dtype="i4", shape=2) as array:
        for record in (np.zeros(2), np.zeros(3, "i4"), [1], "ab"):
            with pytest.raises(errors.InvalidArgumentError):
                array.append(record)
        assert array.append([1, 2]) == 0
        with pytest.raises(errors.InvalidArgumentError, match="out must be"):
            array.read([0], out=np.empty((1, 2), "f4"))
    for again in ({"dtype": "f4", "shape": 2}, {"dtype": "i4"}):
        with pytest.raises(errors.InvalidArgumentError, match="i4|int32"):
            s3dlio.Log.open(tmp_path / "array", **again)
    with pytest.raises(errors.InvalidArgumentError, match="are bytes"):
        s3dlio.Log.open(log.path, dtype="f4")


def test_missing_logs_and_records_say_so(tmp_path: Path, log: s3dlio.Log) -> None:
    with pytest.raises(errors.NotFoundError, match="no log"):
        s3dlio.Log.open(tmp_path / "none")
    with pytest.raises(errors.NotFoundError, match="no log"):
        s3dlio.Log.open(tmp_path / "none", "a", create=False)
    with pytest.raises(errors.InvalidArgumentError, match="local file system"):
        s3dlio.Log.open("s3://bucket/log", "a")
    with pytest.raises(errors.UnavailableError, match=f"process {os.getpid()}"):
        s3dlio.Log.open(log.path, "a")
    with pytest.raises(IndexError):
        log[0]
    with pytest.raises(errors.InvalidArgumentError, match="empty"):
        log.sample(1)
    log.append(b"a")
    with pytest.raises(errors.NotFoundError, match="before record 1"):
        log.read([1])
    with pytest.raises(errors.InvalidArgumentError, match="commit first"):
        log.truncate_before(1)


def test_truncation_frees_room_and_keeps_numbers(tmp_path: Path) -> None:
    with s3dlio.Log.open(tmp_path, "a", segment_size=1 << 20) as log, s3dlio.Log.open(tmp_path) as reader:
        for _ in range(40):
            log.append_batch([b"x" * 1000] * 200)
        log.commit()
        before = sum(file.stat().st_blocks * 512 for file in tmp_path.iterdir())
        told = log.reclaimable_space(6000)
        assert log.truncate_before(6000) == 6000 == log.begin == log.truncate_before(10)
        freed = before - sum(file.stat().st_blocks * 512 for file in tmp_path.iterdir())
        assert abs(freed - told) <= 8192 and told > 5_000_000
        assert len(log) == 2000 == len(reader) and log[6000] == b"x" * 1000 == reader[-1] and log[:6001] == [b"x" * 1000]
        with pytest.raises(IndexError, match="6000 to 7999"):
            reader[5999]
        with pytest.raises(errors.NotFoundError, match="truncated"):
            next(reader.follow(0))


def test_cursor_is_kept_and_never_points_before_the_log(log: s3dlio.Log) -> None:
    log.append_batch([b"a"] * 10)
    log.commit()
    reader = s3dlio.Log.open(log.path)
    cursor = reader.cursor("trainer-0")
    assert cursor.get() == 0
    for number in (4, 7, 2):
        cursor.set(number)
        assert log.cursor("trainer-0").get() == number
    log.truncate_before(5)
    assert cursor.get() == 5
    for name in ("", "a/b", "x" * 65, "é"):
        with pytest.raises(errors.InvalidArgumentError, match="cursor"):
            log.cursor(name).get()


def test_follow_ends_after_its_timeout_and_goes_on_where_it_was(log: s3dlio.Log) -> None:
    log.append_batch([b"0", b"1"])
    log.commit()
    log.append(b"not committed")
    follower = log.follow(0, timeout=0.05)
    assert [next(follower), follower.next, *follower] == [b"0", 1, b"1"]
    log.commit()
    assert (list(follower), follower.next) == ([b"not committed"], 3)
    assert list(log.follow(timeout=0)) == []

    async def rest() -> list[bytes]:
        return [record async for record in log.follow(1, timeout=0.05)]

    assert asyncio.run(rest()) == [b"1", b"not committed"]


def test_follow_ends_when_the_log_is_closed(tmp_path: Path) -> None:
    log = s3dlio.Log.open(tmp_path, "a")
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(list(log.follow(0))))
    thread.start()
    time.sleep(0.1)
    log.close()
    thread.join(10)
    assert seen == [[]]


def test_forked_child_reads_and_leaves_the_writer_alone(log: s3dlio.Log) -> None:
    log.append_batch([b"a", b"b"])
    log.commit()
    reader = s3dlio.Log.open(log.path)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert list(reader) == [b"a", b"b"] and reader.follow(1, timeout=0).__next__() == b"b"
            try:
                log.append(b"c")
            except errors.ForkError:
                log.close()
                code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert log.append(b"c") == 2 and log.commit() == 3 and len(reader) == 3


def test_reader_can_be_pickled_and_a_writer_not(log: s3dlio.Log) -> None:
    log.append(b"a")
    log.commit()
    again = pickle.loads(pickle.dumps(s3dlio.Log.open(log.path)))
    assert list(again) == [b"a"] and again.mode == "r"
    with pytest.raises(TypeError, match="reader can"):
        pickle.dumps(log)


def test_damaged_record_is_told_with_its_place(tmp_path: Path) -> None:
    with s3dlio.Log.open(tmp_path, "a") as log:
        log.append_batch([b"first", b"second"])
    (segment,) = tmp_path.glob("seg-*")
    data = bytearray(segment.read_bytes())
    at = data.index(b"second")
    data[at] ^= 1
    segment.write_bytes(data)
    with s3dlio.Log.open(tmp_path) as log:
        assert log[0] == b"first"
        with pytest.raises(errors.ChecksumMismatchError, match="record 1 is damaged") as caught:
            log[1]
    assert caught.value.offset == at


def test_threads_append_and_commit_beside_each_other(log: s3dlio.Log) -> None:
    numbers: list[list[int]] = [[] for _ in range(4)]

    def work(index: int) -> None:
        for i in range(200):
            numbers[index].append(log.append(f"{index} {i}".encode()))
            if i % 20 == 0:
                assert log.commit() > numbers[index][-1]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for mine in numbers for number in mine) == list(range(800))
    for index, mine in enumerate(numbers):
        assert log.read(mine) == [f"{index} {i}".encode() for i in range(200)]


WRITER = """
import random, sys
import s3dlio
log = s3dlio.Log.open(sys.argv[1], "a", segment_size=65536)
chance = random.Random(int(sys.argv[2]))
number = log.end
print("open", number, flush=True)
while True:
    for _ in range(chance.randrange(1, 30)):
        size = chance.choice([0, 10, 200, 5000])
        if chance.random() < 0.3:
            batch = [(b"%d " % (number + i)) + b"b" * size for i in range(chance.randrange(1, 9))]
            assert log.append_batch(batch) == range(number, number + len(batch))
            number += len(batch)
        else:
            assert log.append((b"%d " % number) + b"r" * size) == number
            number += 1
    print("acknowledged", log.commit(), flush=True)
"""


def _child(program: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=environment)


def test_killed_writer_loses_nothing_acknowledged_and_invents_nothing(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance, end, acknowledged, kills = random.Random(seed), time.monotonic() + SECONDS, 0, 0
    while time.monotonic() < end or kills < 3:
        writer = _child(WRITER, tmp_path, chance.randrange(1 << 30))
        assert writer.stdout is not None
        opened = writer.stdout.readline().split()
        assert opened[0] == "open" and int(opened[1]) >= acknowledged
        time.sleep(chance.random() * 0.3)
        writer.send_signal(signal.SIGKILL)
        told = [int(line.split()[1]) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        writer.wait()
        acknowledged = max([acknowledged, *told])
        with s3dlio.Log.open(tmp_path) as log:
            count = 0
            for record in log:
                head, _, body = record.partition(b" ")
                assert int(head) == count and len(body) in (0, 10, 200, 5000) and not body.strip(b"rb"), (seed, count)
                count += 1
            assert count >= acknowledged, (seed, count, acknowledged)
        kills += 1


FOLLOWER = """
import struct, sys, time
import s3dlio
log = s3dlio.Log.open(sys.argv[1])
print("ready", flush=True)
for record in log.follow(0, timeout=10):
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    if not record:
        break
    print(now - struct.unpack("q", record)[0], flush=True)
"""


def test_follower_of_another_process_hears_of_a_commit_soon(log: s3dlio.Log) -> None:
    """The figure of docs/performance.md; here only that nobody waits for a poll of a hundredth of a second."""
    follower = _child(FOLLOWER, log.path)
    assert follower.stdout is not None and follower.stdout.readline() == "ready\n"
    for _ in range(100):
        log.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC).to_bytes(8, "little"))
        log.commit()
        time.sleep(0.002)
    log.append(b"")
    log.commit()
    latencies = [int(line) / 1e6 for line in follower.stdout]
    assert follower.wait() == 0 and len(latencies) == 100
    print(f"follower: p50 {statistics.median(latencies):.2f} ms, p99 {sorted(latencies)[98]:.2f} ms, commit included")


def _committed(path: Path, count: int, **settings: Any) -> list[bytes]:
    records = [b"%d " % i + bytes([i % 251]) * (i % 90) for i in range(count)]
    with s3dlio.Log.open(path, "a", segment_size=16 << 10, **settings) as log:
        for i, record in enumerate(records):
            assert log.append(record) == i
            if i % 20 == 19:
                log.commit()
    return records


def test_inspect_counts_exactly_without_lock_or_settings(tmp_path: Path) -> None:
    records = _committed(tmp_path, 2000)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    found = s3dlio.Log.inspect(tmp_path)
    assert (found["begin"], found["end"], found["records"], found["state"], found["whole"], found["version"]) == (
        0,
        2000,
        2000,
        "closed",
        True,
        1,
    )
    assert sum(one["end_record"] - one["first_record"] for one in found["segments"]) == 2000 and found["findings"] == []
    assert {one["name"] for one in found["segments"]} == {name for name in before if name.startswith("seg-")}
    assert found["segment_size"] == 16 << 10 and json.loads(json.dumps(found)) == found
    checked = s3dlio.Log.self_check(f"file://{tmp_path}")
    assert checked["records_checked"] == 2000 and checked["whole"] and checked["bytes_checked"] >= sum(map(len, records))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    with s3dlio.Log.open(tmp_path, "a") as log:
        log.append(b"not committed")
        found = s3dlio.Log.inspect(tmp_path)
        assert (found["state"], found["end"]) == ("open", 2000) and f"process {os.getpid()}" in found["writer"]
        with pytest.raises(errors.UnavailableError, match="another writer"):
            s3dlio.Log.self_check(tmp_path, repair=True, dry_run=False)
        assert log.commit() == 2001
    with pytest.raises(errors.NotFoundError, match="no log"):
        s3dlio.Log.inspect(tmp_path / "none")


def test_inspect_works_in_a_directory_that_cannot_be_written() -> None:
    # not below pytest's folder, which each run of pytest closes to other users
    with tempfile.TemporaryDirectory(prefix="s3dlio-read-only-") as folder:
        Path(folder).chmod(0o755)
        log = Path(folder) / "log"
        _committed(log, 300)
        for file in log.iterdir():
            file.chmod(0o444)
        log.chmod(0o555)
        program = (
            f"import s3dlio; f = s3dlio.Log.self_check({str(log)!r}); print(f['records_checked'], f['whole'], "
            f"len(s3dlio.Log.open({str(log)!r})))"
        )
        if os.getuid() == 0:
            if not all(above.stat().st_mode & 0o001 for above in PACKAGE.resolve().parents):
                pytest.skip("the package lies where only root may read")
            program = "import os; os.setgid(65534); os.setuid(65534); " + program
        try:
            child = _child(program)
            assert child.stdout is not None and child.stdout.read().split() == ["300", "True", "300"]
            assert child.wait() == 0
        finally:
            log.chmod(0o755)


def test_self_check_finds_damage_and_repairs_only_when_asked(tmp_path: Path) -> None:
    records = _committed(tmp_path, 2000)
    segments = sorted(tmp_path.glob("seg-*"))
    lost = records[int(segments[1].name[4:20], 16) + 3]
    data = bytearray(segments[1].read_bytes())
    at = data.index(lost)
    data[at] ^= 1
    segments[1].write_bytes(data)
    foot = bytearray(segments[2].read_bytes())
    foot[-30] ^= 1
    segments[2].write_bytes(foot)
    images = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    plan = s3dlio.Log.self_check(tmp_path, repair=True)
    assert not plan["whole"] and {file.name: file.read_bytes() for file in tmp_path.iterdir()} == images
    damage = [one for one in plan["findings"] if one["kind"] == "damage"]
    assert [(one["path"], one["offset"], one["end_record"] - one["first_record"], one["repair"]) for one in damage] == [
        (str(segments[1]), at, 1, "none")
    ]
    assert [one["repair"] for one in plan["findings"] if one["kind"] == "redundant"] == ["footer"]
    done = s3dlio.Log.self_check(tmp_path, repair=True, dry_run=False)
    assert done["findings"] == damage and len(done["repaired"]) == 2
    with s3dlio.Log.open(tmp_path) as log:
        for i, record in enumerate(records):
            if record is lost:
                with pytest.raises(errors.ChecksumMismatchError):
                    log[i]
            else:
                assert log[i] == record


def test_damaged_segment_is_healed_from_its_upload(tmp_path: Path) -> None:
    records = _committed(tmp_path / "log", 2000)
    with s3dlio.Log.open(tmp_path / "log", "a") as log:
        assert log.upload(tmp_path / "copy", seal=True)["end"] == 2000
        assert log.upload(f"file://{tmp_path}/copy")["uploaded"] == 0
    first = min((tmp_path / "log").glob("seg-*"))
    whole = first.read_bytes()
    first.write_bytes(whole[:6000] + bytes(100) + whole[6100:])
    assert {one["repair"] for one in s3dlio.Log.self_check(tmp_path / "log", repair=True, copy=tmp_path / "copy")["findings"]} == {"copy"}
    assert s3dlio.Log.self_check(tmp_path / "log", repair=True, dry_run=False, copy=tmp_path / "copy")["findings"] == []
    assert first.read_bytes() == whole and list(s3dlio.Log.open(tmp_path / "log")) == records


def test_log_in_a_store_reads_as_the_local_one(tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(0, 100, (5000, 7)).astype("i4")
    uri = f"memory://log-{os.getpid()}/runs/a"
    with s3dlio.Log.open(tmp_path, "a", dtype="i4", shape=7, segment_size=16 << 10) as log:
        log.append_batch(values[:4000])
        assert log.upload(uri, seal=True)["end"] == 4000
        far = s3dlio.Log.open(uri)
        assert (far.dtype, far.shape, len(far), far.mode) == (log.dtype, log.shape, 4000, "r")
        assert np.array_equal(far[:], values[:4000]) and np.array_equal(far.read([3999, 0, 5]), values[[3999, 0, 5]])
        log.append_batch(values[4000:])
        log.upload(uri, seal=True)
        follower = far.follow(3990, timeout=20)
        assert np.array_equal([next(follower) for _ in range(1010)], values[3990:])
        assert np.array_equal(pickle.loads(pickle.dumps(far))[4999], values[4999])
    for wrong in (
        lambda: far.cursor("x").get(),
        lambda: far.append(values[0]),
        lambda: s3dlio.Log.open(uri, "a"),
        lambda: far.upload(tmp_path / "x"),
    ):
        with pytest.raises(errors.InvalidArgumentError):
            wrong()
    with pytest.raises(errors.NotFoundError, match="no segment"):
        s3dlio.Log.open(uri + "/none")
    far.close()


@pytest.mark.parametrize("server", [s3_server, s3_old_server, azure_server], ids=["s3", "s3-old", "azure"])
def test_log_is_uploaded_and_read_on_servers(server: Any, tmp_path: Path) -> None:
    uri, options = server()
    place = f"{uri}/logs/{os.getpid()}-{random.randrange(1 << 30)}"
    records = _committed(tmp_path, 3000)
    with s3dlio.Log.open(tmp_path, "a") as log:
        assert log.upload(place, seal=True, storage_options=options)["end"] == 3000
    with s3dlio.Log.open(place, storage_options=options) as far:
        assert list(far) == records and far.read([2999, 17]) == [records[2999], records[17]]


def test_commit_every_commits_without_a_call(tmp_path: Path) -> None:
    with s3dlio.Log.open(tmp_path / "a", "a", commit_every="20ms") as log:
        follower = s3dlio.Log.open(log.path).follow(0, timeout=30)
        for i in range(3):
            assert log.append(b"%d" % i) == i and next(follower) == b"%d" % i
        assert log.committed == 3 and log.stats()["flushes"] >= 3
    with s3dlio.Log.open(tmp_path / "b", "a", commit_every="4KiB") as log:
        for _ in range(100):
            log.append(bytes(100))
        end = time.monotonic() + 30
        while log.committed < 41 and time.monotonic() < end:
            time.sleep(0.01)
        assert log.committed >= 41
    for wrong in ("", "fast", "0ms", -1, "3 days"):
        with pytest.raises(errors.InvalidArgumentError, match="commit_every"):
            s3dlio.Log.open(tmp_path / "c", "a", commit_every=wrong)


def test_retention_drops_whole_segments(tmp_path: Path) -> None:
    with s3dlio.Log.open(tmp_path / "a", "a", segment_size=16 << 10, retain_records=500) as log:
        for i in range(5000):
            log.append(b"%d" % i + bytes(90))
            if i % 50 == 49:
                log.commit()
        assert (
            500 <= len(log) < 1000 and log[log.begin].rstrip(b"\0") == b"%d" % log.begin and log.stats()["truncated_records"] == log.begin
        )
    with s3dlio.Log.open(tmp_path / "b", "a", segment_size=16 << 10, retain_bytes=100_000) as log:
        for i in range(5000):
            log.append(bytes(100))
            if i % 50 == 49:
                log.commit()
        assert len(list((tmp_path / "b").glob("seg-*"))) <= 7 and log.end == 5000
    with pytest.raises(errors.InvalidArgumentError, match="retain_bytes"):
        s3dlio.Log.open(tmp_path / "c", "a", retain_bytes=0)


def test_stats_tell_what_was_done(log: s3dlio.Log) -> None:
    log.append_batch([b"a" * 10] * 5)
    log.commit()
    log.append(b"bb")
    found = log.stats()
    assert (found["appended_records"], found["appended_bytes"], found["buffered_records"], found["buffered_bytes"]) == (6, 52, 1, 2)
    assert found["flushes"] == 1 and found["slowest_flush_ns"] <= found["flush_ns"] and found["frame_bytes"] >= 50
    assert s3dlio.Log.open(log.path).stats() == {"begin": 0, "end": 5, "committed": 5}


def test_columns_are_what_data_frames_take(tmp_path: Path) -> None:
    with s3dlio.Log.open(tmp_path / "a", "a", dtype=STEP) as log:
        values = np.zeros(100, STEP)
        values["action"] = np.arange(100)
        log.append_batch(values)
        columns = log.columns(10, 20)
        assert list(columns) == ["number", "obs", "action", "reward"] and columns["obs"].shape == (10, 3)
        assert columns["number"].tolist() == columns["action"].tolist() == list(range(10, 20))
        assert log.columns(-3)["number"].tolist() == [97, 98, 99]
    with s3dlio.Log.open(tmp_path / "b", "a", dtype="f4") as log:
        log.append_batch([1, 2])
        assert {name: column.tolist() for name, column in log.columns().items()} == {"number": [0, 1], "value": [1.0, 2.0]}
        pandas = pytest.importorskip("pandas")
        assert pandas.DataFrame(log.columns()).shape == (2, 2)
    with s3dlio.Log.open(tmp_path / "c", "a") as log, pytest.raises(errors.InvalidArgumentError, match="bytes"):
        log.columns()


def test_small_records_keep_their_numbers_through_every_call(log: s3dlio.Log) -> None:
    """Small records wait in Python until another call needs them; the caller's own memory may change meanwhile."""
    mine = bytearray(b"mine")
    assert log.append(mine) == 0
    mine[:] = b"else"
    calls: list[Any] = [
        lambda: len(log),
        lambda: log.end,
        lambda: log[0],
        lambda: log.append_batch([b"x", b"y"]),
        lambda: log.append(b"z" * 5000),
        log.commit,
        lambda: log.read([0]),
        lambda: asyncio.run(log.acommit()),
        lambda: list(log),
        lambda: log.stats(),
        lambda: log.sample(2),
        lambda: log.seal(),
    ]
    wanted = [b"mine"]
    for round_, call in enumerate(calls * 3):
        for i in range(round_ % 4):
            assert log.append(b"%d.%d" % (round_, i)) == len(wanted)
            wanted.append(b"%d.%d" % (round_, i))
        call()
        wanted += [b"x", b"y"] if round_ % 12 == 3 else [b"z" * 5000] if round_ % 12 == 4 else []
        assert log.end == len(wanted)
    assert list(log) == wanted
    for i in range(20_000):
        assert log.append(b"%d" % i) == len(wanted) + i
    assert log[-1] == b"19999" and log.stats()["buffered_records"] <= 20_000


def test_dropped_writer_hands_over_what_it_had(tmp_path: Path) -> None:
    log = s3dlio.Log.open(tmp_path, "a")
    log.append(b"a")
    log.close()
    with pytest.raises(errors.ClosedError):
        log.append(b"b")
    assert list(s3dlio.Log.open(tmp_path)) == [b"a"]


def test_log_dataset_reads_a_batch_at_once_and_resumes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import s3dlio.torch

    with s3dlio.Log.open(tmp_path / "a", "a", dtype=STEP) as log:
        values = np.zeros(100, STEP)
        values["action"] = np.arange(100)
        log.append_batch(values)
        log.commit()
        data = s3dlio.torch.LogDataset(tmp_path / "a")
        batch = next(iter(torch.utils.data.DataLoader(data, batch_size=8)))
        assert batch["obs"].shape == (8, 3) and batch["action"].tolist() == list(range(8))
        seen = [one["action"].tolist() for one in torch.utils.data.DataLoader(data, batch_size=50, num_workers=2)]
        assert sum(seen, []) == list(range(100))  # noqa: RUF017
        state = data.state_dict()
        log.append_batch(values)
        log.commit()
        assert len(data) == 100 and data.refresh() == 200
        data.load_state_dict(state)
        assert len(data) == 100
        with pytest.raises(IndexError):
            data[100]
        log.truncate_before(50)
        with pytest.raises(errors.InvalidDataError, match="50 to 199"):
            s3dlio.torch.LogDataset(tmp_path / "a").load_state_dict(state)


def test_compressed_log_is_small_and_reads_the_same(tmp_path: Path) -> None:
    records = [b"step %d, loss %.4f, " % (i, 1 / (i + 1)) + b"the same words in every line, again and again, " * 2 for i in range(20_000)]
    with s3dlio.Log.open(tmp_path / "a", "a", compress=True, segment_size=1 << 20) as log:
        for record in records[:10_000]:
            log.append(record)
        log.append_batch(records[10_000:])
        log.commit()
        assert list(log) == records and log[12_345] == records[12_345]
        assert log.upload(f"memory://log-{os.getpid()}/packed", seal=True)["end"] == 20_000
    assert sum(one["bytes"] for one in s3dlio.Log.inspect(tmp_path / "a")["segments"]) < sum(map(len, records)) / 3
    assert s3dlio.Log.self_check(tmp_path / "a")["records_checked"] == 20_000
    assert list(s3dlio.Log.open(f"memory://log-{os.getpid()}/packed")) == records
    with pytest.raises(errors.InvalidArgumentError, match="compress"):
        s3dlio.Log.open(tmp_path / "b", "a", compress=23)
