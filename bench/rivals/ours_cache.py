"""s3dlio's cache in front of a store: hits, misses, acknowledged writes, and what a restart finds."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from contest import Operation
from s3_scene import S3Scene
from scene import Scene

import s3dlio

NAME = "s3dlio"
VERSION = s3dlio.__version__

WRITERS = 8
DIRTY = 10_000
#: Writes that wait all the time, and for how long they are looked at, in seconds.
BACKLOG, WATCHED = 200, 10.0
COLD_PROCESSES, COLD_OBJECT = 8, 12 << 20


def _cached(scene: S3Scene, **settings: Any) -> Any:
    uri = f"s3://{scene.server.keeps}"
    return s3dlio.cache(uri, scene.path("cache"), storage_options=scene.server.options, **({"validate": "never"} | settings))


def _direct(scene: S3Scene) -> Any:
    return s3dlio.Store(f"s3://{scene.server.keeps}", storage_options=scene.server.options)


def _gets(scene: S3Scene, store: Any) -> Operation:
    keys = scene.keys()

    def run() -> object:
        found = None
        for key in keys:
            found = store.get(key)
        return found

    return Operation(run=run, check=scene.same_bytes, calls=len(keys))


def hit(scene: S3Scene) -> Operation:
    """One get after the other of objects that the cache has."""
    store = _cached(scene)
    store.warm(scene.small)
    return _gets(scene, store)


def direct_get(scene: S3Scene) -> Operation:
    """The same gets, of the store."""
    return _gets(scene, _direct(scene))


def hit_large(scene: S3Scene) -> Operation:
    """One object that the cache has, into new memory."""
    store = _cached(scene)
    store.warm([scene.large])
    return Operation(run=lambda: store.get(scene.large), check=scene.same_bytes, size=scene.size)


def file_large(scene: S3Scene) -> Operation:
    """A file of the same bytes, checked as s3dlio checks files."""
    path = scene.path("plain")
    s3dlio.put_bytes(path, scene.data)
    return Operation(run=lambda: s3dlio.get(path), check=scene.same_bytes, size=scene.size)


def miss(scene: S3Scene) -> Operation:
    """An object that the cache has not, which is kept as it comes."""
    store = _cached(scene)
    key = scene.large
    return Operation(run=lambda: store.get(key), before=lambda: _nothing(store.evict("")), check=scene.same_bytes, size=scene.size)


def direct_large(scene: S3Scene) -> Operation:
    store = _direct(scene)
    return Operation(run=lambda: store.get(scene.large), check=scene.same_bytes, size=scene.size)


def _nothing(_: object) -> None:
    """A result that nobody wants."""


def _puts(scene: S3Scene, store: Any, before: Callable[[], None] = lambda: None) -> Operation:
    numbers = itertools.count()

    def run() -> None:
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda _: store.put_bytes(f"bench/put-{next(numbers) % 4096}", scene.data), range(scene.calls)))

    return Operation(run=run, before=before, calls=scene.calls)


def put_back(scene: S3Scene) -> Operation:
    """Eight threads put; each put ends when it is durable in the journal, and is sent beside that."""
    store = _cached(scene, mode="back")
    return _puts(scene, store, before=lambda: _nothing(store.flush(timeout=600)))


def put_direct(scene: S3Scene) -> Operation:
    return _puts(scene, _direct(scene))


def cold(scene: S3Scene) -> Operation:
    """Eight processes at once read a set of objects that none has; what the server sends for it is counted."""
    count = max(2, scene.size // COLD_OBJECT)
    length = min(COLD_OBJECT, scene.size // 2)
    keys = [f"bench/cold-{length}/{i}" for i in range(count)]
    for key in keys:
        scene.server.place(key, scene.data[:length], s3dlio.put_bytes("memory://bench/checksum", scene.data[:length]))
    program = (
        "import json, sys, s3dlio\n"
        "uri, folder, options, keys = json.loads(sys.argv[1])\n"
        "store = s3dlio.cache(uri, folder, validate='never', storage_options=options)\n"
        "sys.stdin.readline()\n"
        "for key in keys: store.get(key)\n"
        "print(json.dumps(store.stats()))\n"
    )

    def before() -> None:
        shutil.rmtree(scene.path("cache"), ignore_errors=True)

    def run() -> float:
        arguments = json.dumps([f"s3://{scene.server.keeps}", scene.path("cache"), scene.server.options, keys])
        running = [
            subprocess.Popen([sys.executable, "-c", program, arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(COLD_PROCESSES)
        ]
        for one in running:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        told = [json.loads(one.communicate()[0]) for one in running]
        return sum(one["miss_bytes"] for one in told) / (count * length)

    return Operation(run=run, before=before, size=COLD_PROCESSES * count * length, figure=lambda fetched: float(fetched))


_FILL = """
import sys, s3dlio
store = s3dlio.cache(sys.argv[1], sys.argv[2], mode="offline")
for i in range(int(sys.argv[3])): store.put(f"dirty/{i}", b"%d" % i * 100)
"""

_RESTART = """
import sys, time, s3dlio
began = time.perf_counter()
store = s3dlio.cache(sys.argv[1], sys.argv[2], mode="back")
data = store.get("dirty/77")
store.put("dirty/new", b"x")
took = time.perf_counter() - began
assert bytes(data) == b"77" * 100
left = store.flush(timeout=600)["writes"]
stats = store.stats()
print(took, left, stats["sent"], len(s3dlio.list(sys.argv[1] + "/dirty/")))
"""


def restart(scene: Scene) -> Operation:
    """A process finds ten thousand writes that another left: until it reads one of them and has acknowledged one of its own."""
    far, cache = f"file://{scene.path('far')}", scene.path("cache")
    count = min(DIRTY, max(100, scene.calls))

    def before() -> None:
        for folder in ("far", "cache"):
            shutil.rmtree(scene.path(folder), ignore_errors=True)
        subprocess.run([sys.executable, "-c", _FILL, far, cache, str(count)], check=True)

    def run() -> list[str]:
        done = subprocess.run([sys.executable, "-c", _RESTART, far, cache], check=True, capture_output=True, text=True)
        found = done.stdout.split()
        # all are there, and none went twice
        if [int(one) for one in found[1:]] != [0, count + 1, count + 1]:
            raise AssertionError(f"{count + 1} writes were to arrive once; left, sent, there: {found[1:]}")
        return found

    return Operation(run=run, before=before, seconds=lambda found: float(found[0]), calls=1)


_LEAVE = """
import os, sys, json, s3dlio
store = s3dlio.cache(sys.argv[1], sys.argv[2], mode="offline", storage_options=json.loads(sys.argv[3]))
data = os.urandom(int(sys.argv[5]))
for i in range(int(sys.argv[4])): store.put(f"bench/drain-{i}", data)
"""


def drain(scene: S3Scene) -> Operation:
    """A process finds writes that another left, and sends all of them."""
    uri, cache = f"s3://{scene.server.keeps}", scene.path("cache")
    opened: list[Any] = []

    def before() -> None:
        while opened:
            opened.pop().close()
        shutil.rmtree(cache, ignore_errors=True)
        arguments = [uri, cache, json.dumps(scene.server.options), str(scene.calls), str(scene.size)]
        subprocess.run([sys.executable, "-c", _LEAVE, *arguments], check=True)

    def run() -> dict[str, int]:
        opened.append(_cached(scene, mode="back"))
        left: dict[str, int] = opened[-1].flush(timeout=600)
        if left["writes"]:
            raise AssertionError(f"{left['writes']} writes did not arrive")
        return left

    return Operation(run=run, before=before, size=scene.calls * scene.size)


def drain_direct(scene: S3Scene) -> Operation:
    """As many objects put by as many threads as the cache sends with."""
    store = _direct(scene)

    def run() -> None:
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda i: store.put_bytes(f"bench/drain-{i}", scene.data), range(scene.calls)))

    return Operation(run=run, size=scene.calls * scene.size)


def age(scene: S3Scene) -> Operation:
    """As many writes wait all the time; the figure is the greatest age of the oldest, as a multiple of the mean."""
    store = _cached(scene, mode="back")
    until = WATCHED if scene.calls > 1000 else 1.0

    def run() -> float:
        ages: list[int] = []
        numbers = itertools.count()
        began = time.monotonic()

        def write() -> None:
            with ThreadPoolExecutor(WRITERS) as pool:
                while time.monotonic() - began < until:
                    missing = range(BACKLOG - store.stats()["pending"])
                    list(pool.map(lambda _: store.put_bytes(f"bench/age-{next(numbers)}", scene.data), missing))
                    time.sleep(0.002)

        writer = threading.Thread(target=write)
        writer.start()
        while (passed := time.monotonic() - began) < until or not any(ages):
            # at the beginning nothing has grown old yet
            if passed > until / 5:
                ages.append(store.stats()["pending_milliseconds"])
            time.sleep(0.005)
        writer.join()
        return max(ages) / statistics.mean(ages)

    return Operation(run=run, before=lambda: _nothing(store.flush(timeout=600)), figure=float)


READERS = 80

_STAGGERED = """
import sys, json, zlib, s3dlio
store = s3dlio.cache(sys.argv[1], sys.argv[2], storage_options=json.loads(sys.argv[3]))
sys.stdin.readline()
print(zlib.crc32(store.get("bench/large")))
"""


def staggered(scene: S3Scene) -> Operation:
    """Eighty processes begin one after the other to read an object that none has; the figure is how many got other bytes."""
    import zlib

    scene.large  # noqa: B018 - makes the object
    right = zlib.crc32(scene.data)
    # a short run asks whether it works, not how often
    readers = READERS if scene.size > 4 << 20 else 4
    arguments = [f"s3://{scene.server.keeps}", scene.path("cache"), json.dumps(scene.server.options)]

    def run() -> int:
        running = []
        for _ in range(readers):
            one = subprocess.Popen([sys.executable, "-c", _STAGGERED, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
            running.append(one)
        return sum(int(one.communicate()[0] or -1) != right for one in running)

    return Operation(
        run=run, before=lambda: shutil.rmtree(scene.path("cache"), ignore_errors=True), size=readers * scene.size, figure=float
    )


def _write(scene: Scene, put: Callable[[str], object], before: Callable[[], None] = lambda: None) -> Operation:
    return Operation(run=lambda: put("bench/table"), before=before, size=scene.size)


def write_local(scene: Scene) -> Operation:
    """A durable put to the disk."""
    return _write(scene, lambda key: s3dlio.put_bytes(scene.path("table"), scene.data, durable=True))


def write_s3(scene: S3Scene) -> Operation:
    store = _direct(scene)
    return _write(scene, lambda key: store.put_bytes(key, scene.data))


def write_hybrid(scene: S3Scene) -> Operation:
    """Acknowledged by the journal; what is longer than 128 MiB goes to the store itself."""
    store = _cached(scene, mode="back")
    return _write(scene, lambda key: store.put_bytes(key, scene.data), before=lambda: _nothing(store.flush(timeout=600)))


def write_floor(scene: Scene) -> Operation:
    """The device: a write into a new file, and fdatasync."""

    def before() -> None:
        if os.path.exists(scene.path("floor")):
            os.unlink(scene.path("floor"))

    def run() -> None:
        fd = os.open(scene.path("floor"), os.O_CREAT | os.O_WRONLY, 0o600)
        at = 0
        while at < scene.size:
            at += os.pwrite(fd, scene.data[at:], at)
        os.fdatasync(fd)
        os.close(fd)

    return Operation(run=run, before=before, size=scene.size)


def _read(scene: Scene, get: Callable[[], object]) -> Operation:
    return Operation(run=get, check=scene.same_bytes, size=scene.size)


def read_local(scene: Scene) -> Operation:
    """A file that is read and checked."""
    s3dlio.put_bytes(scene.path("table"), scene.data)
    return _read(scene, lambda: s3dlio.get(scene.path("table")))


def read_s3(scene: S3Scene) -> Operation:
    store = _direct(scene)
    return _read(scene, lambda: store.get(scene.large))


def read_hybrid(scene: S3Scene) -> Operation:
    """What the cache has, asked for each time whether it is the newest."""
    store = _cached(scene, validate="always")
    store.warm([scene.large])
    return _read(scene, lambda: store.get(scene.large))


OPERATIONS = {
    one.__name__: one
    for one in (
        hit,
        direct_get,
        hit_large,
        file_large,
        miss,
        direct_large,
        put_back,
        put_direct,
        cold,
        restart,
        drain,
        drain_direct,
        age,
        staggered,
        write_local,
        write_s3,
        write_hybrid,
        write_floor,
        read_local,
        read_s3,
        read_hybrid,
    )
}
