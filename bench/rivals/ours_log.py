"""s3dlio's durable log: appends, commits, scans, reads by number."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from contest import Operation
from scene import Scene

import s3dlio

NAME = "s3dlio"
VERSION = s3dlio.__version__

#: Bytes of a record of the cases of small ones, of those in batches, and of those of scans and reads.
SMALL, MIDDLE, LARGE = 64, 256, 1024
BATCH, WAITERS = 1024, 32


class _Fresh:
    """An empty log for each run."""

    def __init__(self, scene: Scene, name: str = "log", **settings: Any) -> None:
        self._folders = (scene.path(f"{name}-{i}") for i in itertools.count())
        self._settings = settings
        self._folder = ""
        self.log: Any = None

    def before(self) -> None:
        self.after()
        self._folder = next(self._folders)
        self.log = s3dlio.Log.open(self._folder, "a", **self._settings)

    def after(self) -> None:
        if self.log is not None:
            self.log.close()
            shutil.rmtree(self._folder)
            self.log = None


def _same(log: Any, count: int, record: bytes) -> None:
    assert len(log) == count and log[0] == log[count - 1] == record


def append(scene: Scene) -> Operation:
    """One call for each record, one commit at the end."""
    fresh, record = _Fresh(scene), bytes(range(SMALL))

    def run() -> None:
        append = fresh.log.append
        for _ in range(scene.calls):
            append(record)
        fresh.log.commit()

    return Operation(run=run, before=fresh.before, check=lambda _: _same(fresh.log, scene.calls, record), size=0, calls=scene.calls)


def batches(scene: Scene) -> Operation:
    """Lists of 1024 records, one commit at the end."""
    fresh, record = _Fresh(scene), bytes(range(MIDDLE))
    batch = [record] * BATCH

    def run() -> None:
        for _ in range(scene.calls // BATCH):
            fresh.log.append_batch(batch)
        fresh.log.commit()

    count = scene.calls // BATCH * BATCH
    return Operation(run=run, before=fresh.before, check=lambda _: fresh.log.commit(), calls=max(1, count))


def commit(scene: Scene) -> Operation:
    """A record of 128 bytes, durable, and the next."""
    fresh, record = _Fresh(scene), bytes(128)

    def run() -> None:
        log = fresh.log
        for _ in range(scene.calls):
            log.append(record)
            log.commit()

    return Operation(run=run, before=fresh.before, check=lambda _: _same(fresh.log, scene.calls, record), calls=scene.calls)


def waiters(scene: Scene) -> Operation:
    """The same of 32 threads at once."""
    fresh, record = _Fresh(scene, "waited"), bytes(128)

    def one() -> None:
        log = fresh.log
        for _ in range(scene.calls):
            log.append(record)
            log.commit()

    def run() -> None:
        threads = [threading.Thread(target=one) for _ in range(WAITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return Operation(
        run=run, before=fresh.before, check=lambda _: _same(fresh.log, WAITERS * scene.calls, record), calls=WAITERS * scene.calls
    )


FOLLOWER = """
import struct, sys, time
import s3dlio
print("ready", flush=True)
for record in s3dlio.Log.open(sys.argv[1]).follow(0, timeout=60):
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    print(now - struct.unpack("q", record)[0], flush=True)
"""


def _child(program: str, *arguments: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=environment)


def follow(scene: Scene) -> Operation:
    """From before the commit of a record to its arrival in another process: the median."""
    fresh = _Fresh(scene)

    def run() -> list[int]:
        log, pack = fresh.log, struct.Struct("q").pack
        child = _child(FOLLOWER, log.path)
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        found = []
        for _ in range(scene.calls):
            log.append(pack(time.clock_gettime_ns(time.CLOCK_MONOTONIC)))
            log.commit()
            found.append(int(child.stdout.readline()))
        child.kill()
        child.wait()
        return found

    return Operation(run=run, before=fresh.before, seconds=lambda found: statistics.median(found) / 1e9)


KILLED = """
import sys, time
import s3dlio
log = s3dlio.Log.open(sys.argv[1], "a")
for _ in range(3):
    log.append_batch([bytes(1000)] * 1000)
    log.commit()
log.append_batch([bytes(1000)] * 3000)
print("there", flush=True)
time.sleep(600)
"""


def reopen(scene: Scene) -> Operation:
    """A log is opened for writing after its writer was killed, with records that were never committed at its end."""
    path, held = scene.path("killed"), []
    with s3dlio.Log.open(path, "a") as log:
        for _ in range(max(1, scene.size // (LARGE * BATCH))):
            log.append_batch([bytes(LARGE)] * BATCH)

    def before() -> None:
        while held:
            held.pop().close()
        child = _child(KILLED, path)
        assert child.stdout is not None and child.stdout.readline() == "there\n"
        child.send_signal(signal.SIGKILL)
        child.wait()

    def run() -> None:
        held.append(s3dlio.Log.open(path, "a"))

    return Operation(run=run, before=before)


def _filled(scene: Scene) -> tuple[Any, int]:
    count = scene.size // LARGE
    values = np.frombuffer(np.random.default_rng(1).bytes(count * LARGE), "f4").reshape(count, LARGE // 4)
    log = s3dlio.Log.open(scene.path("filled"), "a", dtype="f4", shape=LARGE // 4)
    for at in range(0, count, 4096):
        log.append_batch(values[at : at + 4096])
    log.close()
    return s3dlio.Log.open(scene.path("filled")), count


def scan(scene: Scene) -> Operation:
    """All records as arrays of 16,384, each record compared with its checksum."""
    log, count = _filled(scene)

    def run() -> int:
        return sum(len(batch) for batch in log.batches(16_384))

    return Operation(run=run, check=_is(count), size=count * LARGE)


def scan_bytes(scene: Scene) -> Operation:
    """All records as bytes objects."""
    count = scene.size // LARGE
    record = np.random.default_rng(1).bytes(LARGE)
    with s3dlio.Log.open(scene.path("bytes"), "a") as log:
        for at in range(0, count, BATCH):
            log.append_batch([record] * min(BATCH, count - at))
    log = s3dlio.Log.open(scene.path("bytes"))

    def run() -> int:
        return sum(len(batch) for batch in log.batches(BATCH))

    return Operation(run=run, check=_is(count), size=count * LARGE)


def read(scene: Scene) -> Operation:
    """Records by number, 1024 a call, into an array that is there."""
    log, count = _filled(scene)
    numbers = np.random.default_rng(2).integers(0, count, (max(1, scene.calls // BATCH), BATCH))
    out = np.empty((BATCH, LARGE // 4), "f4")

    def run() -> None:
        for batch in numbers:
            log.read(batch, out=out)

    return Operation(run=run, calls=numbers.size)


def _is(wanted: int) -> Callable[[Any], None]:
    def check(found: Any) -> None:
        assert found == wanted, (found, wanted)

    return check


OPERATIONS = {
    "append": append,
    "batches": batches,
    "commit": commit,
    "waiters": waiters,
    "follow": follow,
    "reopen": reopen,
    "scan": scan,
    "scan_bytes": scan_bytes,
    "read": read,
}
