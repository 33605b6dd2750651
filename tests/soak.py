#!/usr/bin/env python3
"""Hours of everything at once: threads and forked processes mix all operations, check every byte, and watch that nothing grows.

    tests/servers/servers.sh with build/servers/run python3 tests/soak.py --seconds 3600
    python3 tests/soak.py --uri file:///tmp/soak --seconds 600
    python3 tests/soak.py --uri s3://bucket/soak --options '{"region": "eu-west-1"}' --seed 7

Each thread has keys of its own and knows what they hold; some keys are everybody's, and hold what proves itself. The end is a table of
operations, and of each process the memory at rest: ten times on the way the threads end what they do and wait, and what is free goes back
to the system. Then memory, descriptors and threads while they are at work, of the second third of the time and of the last. Exit status 1:
an operation failed, bytes were wrong, or one of these grew.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import ctypes
import gc
import hashlib
import json
import os
import random
import sys
import threading
import time
import traceback
import uuid
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

import s3dlio

#: Of an upload in parts.
LARGE = 9 << 20
SHARED = 8
#: Seconds from which growth means something.
JUDGED_FROM = 180
#: How often all threads rest.
RESTS = 10


def proving(source: random.Random, size: int) -> bytes:
    """Bytes that begin with the hash of the rest."""
    rest = source.randbytes(size)
    return hashlib.sha256(rest).digest() + rest


def proves(data: Any) -> bool:
    return hashlib.sha256(memoryview(data)[32:]).digest() == bytes(memoryview(data)[:32])


class Made(NamedTuple):
    """Bytes by how they are made."""

    seed: int
    size: int

    def bytes(self) -> bytes:
        return random.Random(self.seed).randbytes(self.size)


class MallInfo(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"]
    ]


libc = ctypes.CDLL(None)
libc.mallinfo2.restype = MallInfo


class Rest:
    """Brings all threads to rest between two operations, so that what a process holds then is what it keeps.

    Args:
        threads: How many there are.
    """

    def __init__(self, threads: int) -> None:
        self._wanted = threading.Event()
        self._gate = threading.Barrier(threads + 1)

    def take(self) -> None:
        """A thread between two operations."""
        if self._wanted.is_set():
            self._gate.wait()
            self._gate.wait()

    def memory(self) -> tuple[int, int]:
        """Waits for all of them; KiB while they rest: all that is private, and what was had from malloc and not given back."""
        self._wanted.set()
        self._gate.wait()
        self._wanted.clear()
        gc.collect()
        libc.malloc_trim(0)
        info = libc.mallinfo2()
        memory = measured()[0], (info.uordblks + info.hblkhd) // 1024
        self._gate.wait()
        return memory

    def end(self) -> None:
        """Nobody waits any more."""
        self._gate.abort()


class Worker:
    """One thread's operations on its own keys.

    Args:
        store: Where.
        name: Of its keys.
        seed: Of its choices.
        stop: When it ends.
        rest: Where it rests.
    """

    def __init__(self, store: s3dlio.Store, name: str, seed: int, stop: threading.Event, rest: Rest) -> None:
        self.store, self.name, self.stop, self.rest = store, name, stop, rest
        self.random = random.Random(seed)
        #: What each key holds: how to make it again, so that the watcher does not grow itself.
        self.known: dict[str, Made] = {}
        self.counts: collections.Counter[str] = collections.Counter()
        self.failures: list[str] = []

    def run(self) -> None:
        actions = [getattr(self, name) for name in dir(type(self)) if name.startswith("do_")]
        while not self.stop.is_set():
            action = self.random.choice(actions)
            try:
                self.rest.take()
                action()
                self.counts[action.__name__[3:]] += 1
            except threading.BrokenBarrierError:
                return
            except BaseException:
                self.failures.append(f"{self.name}: {action.__name__}\n{traceback.format_exc()}")
                self.rest.end()
                return

    def key(self) -> str:
        return f"{self.name}/{self.random.randrange(20):02}"

    def made(self) -> Made:
        return Made(self.random.getrandbits(64), self.random.choice([0, 1, 1000, 70_000, 200_000] * 8 + [LARGE]))

    def some(self) -> str | None:
        return self.random.choice(sorted(self.known)) if self.known else None

    def do_put(self) -> None:
        key, made = self.key(), self.made()
        self.store.put_bytes(key, made.bytes(), metadata={"size": str(made.size)})
        self.known[key] = made

    def do_get(self) -> None:
        if (key := self.some()) is None:
            return
        assert self.store.get(key) == self.known[key].bytes(), f"wrong bytes of {key}"

    def do_get_range(self) -> None:
        if (key := self.some()) is None or not self.known[key].size:
            return
        begin, end = sorted(self.random.randrange(self.known[key].size + 1) for _ in range(2))
        assert bytes(self.store.get_range(key, begin, end - begin)) == self.known[key].bytes()[begin:end], f"wrong range of {key}"

    def do_read_as_file(self) -> None:
        if (key := self.some()) is None:
            return
        with self.store.open(key, buffering=1 << 16) as file:
            at = file.seek(self.random.randrange(self.known[key].size + 1))
            assert file.read(100_000) == self.known[key].bytes()[at : at + 100_000], f"wrong bytes read from {key}"

    def do_stream(self) -> None:
        key, made = self.key(), self.made()
        data = made.bytes()
        with self.store.open(key, "wb") as file:
            for at in range(0, len(data), 50_000):
                file.write(data[at : at + 50_000])
        self.known[key] = made

    def do_compress(self) -> None:
        key, data = f"{self.name}-z/x.zst", self.made().bytes()
        with self.store.open(key, "wb") as file:
            file.write(data)
        assert self.store.get(key, decompress=True) == data, f"wrong bytes of {key}"

    def do_stat(self) -> None:
        if (key := self.some()) is None:
            return
        assert self.store.stat(key)["size"] == self.known[key].size and self.store.exists(key)

    def do_list(self) -> None:
        assert self.store.list(self.name + "/") == sorted(self.known), f"{self.name} lists other keys than were put"

    def do_delete(self) -> None:
        if (key := self.some()) is None:
            return
        self.store.delete(key)
        del self.known[key]
        try:
            self.store.get(key)
        except FileNotFoundError:
            return
        raise AssertionError(f"{key} is still there")

    def do_copy(self) -> None:
        if (key := self.some()) is None or (to := self.key()) == key:
            return
        self.store.copy(key, to, overwrite=True)
        self.known[to] = self.known[key]

    def do_rename(self) -> None:
        if (key := self.some()) is None or (to := self.key()) == key:
            return
        self.store.rename(key, to, overwrite=True)
        self.known[to] = self.known.pop(key)

    def do_create(self) -> None:
        if (key := self.some()) is None:
            return
        try:
            self.store.put_bytes(key, b"another", overwrite=False)
        except FileExistsError:
            return
        raise AssertionError(f"{key} was replaced")

    def do_array(self) -> None:
        array = np.frombuffer(self.random.randbytes(8 * self.random.randrange(1, 20_000)), np.int64)
        checksum = self.store.save_numpy_array(f"{self.name}-a/x.npy", array)
        np.testing.assert_array_equal(self.store.load_numpy_array(f"{self.name}-a/x.npy", validate_checksum=checksum), array)

    def do_tensors(self) -> None:
        tensors = {f"t{i}": np.frombuffer(self.random.randbytes(4000), np.int32).reshape(100, 10) for i in range(5)}
        self.store.save_tensors(f"{self.name}-a/t", tensors)
        with self.store.open_tensors(f"{self.name}-a/t") as file:
            np.testing.assert_array_equal(file["t3"][10:90:7, 2:], tensors["t3"][10:90:7, 2:])
            np.testing.assert_array_equal(file.load(["t1"])["t1"], tensors["t1"])

    def do_many(self) -> None:
        uris = [f"{self.store.uri}{self.name}-m/{i}" for i in range(10)]
        options = self.store._root.options
        s3dlio.put_many([(uri, uri.encode()) for uri in uris], storage_options=options)
        assert [bytes(data).decode() for _, data in s3dlio.get_many(uris, storage_options=options)] == uris
        assert self.store.delete(f"{self.name}-m", recursive=True) == 10

    def do_loop(self) -> None:
        async def use() -> list[Any]:
            return await asyncio.gather(*(self.store.get_async(key) for key in wanted))

        wanted = sorted(self.known)[:5]
        assert [bytes(one) for one in asyncio.run(use())] == [self.known[key].bytes() for key in wanted]

    def do_give_up(self) -> None:
        if (key := self.some()) is None:
            return
        try:
            assert self.store.get(key, timeout=self.random.random() / 100) == self.known[key].bytes()
        except TimeoutError:
            pass

    def do_shared_put(self) -> None:
        self.store.put_bytes(f"shared/{self.random.randrange(SHARED)}", proving(self.random, self.random.choice([10, 100_000, LARGE])))

    def do_shared_get(self) -> None:
        try:
            assert proves(self.store.get(f"shared/{self.random.randrange(SHARED)}")), "a mix of two writes was read"
        except FileNotFoundError:
            pass


def measured() -> tuple[int, int, int]:
    """Private memory in KiB, descriptors and threads of this process."""
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()
    memory = sum(int(row.split()[1]) for row in rows if row.startswith("Private_Dirty"))
    return memory, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def work(store: s3dlio.Store, name: str, threads: int, seconds: float, seed: int) -> dict[str, Any]:
    """All of one process; what it did and how large it was, second by second."""
    stop, rest = threading.Event(), Rest(threads)
    workers = [Worker(store, f"{name}-{i}", seed * 1000 + i, stop, rest) for i in range(threads)]
    running = [threading.Thread(target=one.run) for one in workers]
    for thread in running:
        thread.start()
    begin = time.monotonic()
    samples, rests = [measured()], list[tuple[int, int]]()
    while time.monotonic() < begin + seconds and not any(one.failures for one in workers):
        time.sleep(min(1.0, seconds / 20))
        samples.append(measured())
        if time.monotonic() > begin + (len(rests) + 1) * seconds / RESTS:
            with contextlib.suppress(threading.BrokenBarrierError):
                rests.append(rest.memory())
    stop.set()
    rest.end()
    for thread in running:
        thread.join()
    counts: collections.Counter[str] = collections.Counter()
    for one in workers:
        counts += one.counts
    return {
        "name": name,
        "counts": counts,
        "failures": [text for one in workers for text in one.failures],
        "samples": samples,
        "rests": rests,
    }


def in_child(*arguments: Any) -> tuple[int, int]:
    """Forks a process that does the work; its id, and where it reports."""
    read, written = os.pipe()
    with warnings.catch_warnings():
        # Python warns of forks beside threads in general; that the child works nevertheless is what is tried here.
        warnings.filterwarnings("ignore", message=".*multi-threaded", category=DeprecationWarning)
        child = os.fork()
    if child:
        os.close(written)
        return child, read
    code = 1
    try:
        with open(written, "w") as file:
            json.dump(work(*arguments), file)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def part(samples: list[tuple[int, int, int]], number: int, of: int) -> list[int]:
    """One of several equal stretches of the time: what there is when little is under way, its lower quartile."""
    chosen = samples[len(samples) * number // of : len(samples) * (number + 1) // of] or samples
    return [sorted(row)[len(row) // 4] for row in zip(*chosen, strict=False)]


def grew(early: list[int], late: list[int], rests: list[tuple[int, int]]) -> bool:
    """From the second third to the last, the first being for warming up: more than pools and heaps come and go."""
    if third := len(rests) // 3:
        # the middle one of each third
        before, after = (
            [sorted(column)[third // 2] for column in zip(*some, strict=False)] for some in (rests[third : 2 * third], rests[-third:])
        )
        # what .NET's heap and malloc have in stock varies by tens of MiB; what is in use does not
        if after[0] > before[0] * 1.25 + 64 * 1024 or after[1] > before[1] * 1.1 + 8 * 1024:
            return True
    return late[0] > early[0] * 1.25 + 64 * 1024 or late[1] > early[1] + 100 or late[2] > early[2] + 32


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--uri", default=os.environ.get("S3DLIO_TEST_S3_URI"), help="a store that may be filled; S3DLIO_TEST_S3_URI's by default"
    )
    parser.add_argument("--options", help="its options as JSON; S3DLIO_TEST_S3_OPTIONS's by default")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--threads", type=int, default=64, help="of the first process")
    parser.add_argument("--processes", type=int, default=8, help="forked from it, with 8 threads each")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    given = parser.parse_args()
    if not given.uri:
        parser.error("--uri is needed: no server is up (tests/servers/servers.sh with DIR python3 tests/soak.py)")
    options = json.loads(
        given.options or ("{}" if given.uri != os.environ.get("S3DLIO_TEST_S3_URI") else os.environ.get("S3DLIO_TEST_S3_OPTIONS", "{}"))
    )
    store = s3dlio.Store(f"{given.uri.rstrip('/')}/soak-{uuid.uuid4().hex[:8]}", storage_options=options)
    print(
        f"{store.uri}: {given.threads} threads and {given.processes} processes of 8 for {given.seconds:g} s, seed {given.seed}", flush=True
    )
    begin = time.monotonic()
    # the library is at work before the forks, as in a training program
    store.put_bytes("shared/0", proving(random.Random(0), 10))
    children = [in_child(store, f"p{i}", 8, given.seconds, given.seed + i + 1) for i in range(given.processes)]
    results = [work(store, "main", given.threads, given.seconds, given.seed)]
    for child, read in children:
        with open(read) as file:
            text = file.read()
        if os.waitpid(child, 0)[1] or not text:
            results.append({"name": str(child), "counts": {}, "failures": [f"process {child} died"], "samples": [(0, 0, 0)], "rests": []})
        else:
            results.append(json.loads(text))
    taken = time.monotonic() - begin
    counts: collections.Counter[str] = collections.Counter()
    failures = []
    for one in results:
        counts += collections.Counter(one["counts"])
        failures += one["failures"]
        early, late = (part(one["samples"], number, 3) for number in (1, 2))
        bad = given.seconds >= JUDGED_FROM and grew(early, late, one["rests"])
        if bad:
            failures.append(f"{one['name']} grew")
        private, used = ([f"{memory[i] / 1024:.0f}" for memory in one["rests"]] for i in (0, 1))
        print(f"{one['name']:>6}: at rest {' '.join(private)} MiB, of malloc's in use {' '.join(used)}")
        print(
            f"{'':6}  at work {early[0] / 1024:6.1f} -> {late[0] / 1024:6.1f} MiB, {early[1]:3.0f} -> {late[1]:3.0f} descriptors, "
            f"{early[2]:3.0f} -> {late[2]:3.0f} threads{'  GREW' if bad else ''}"
        )
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    print(f"{sum(counts.values())} operations in {taken:.0f} s, {len(failures)} failures")
    for text in failures[:10]:
        print(text, file=sys.stderr)
    store.delete("", recursive=True)
    left = store.list(recursive=True) + store.list_uploads()
    if left:
        print(f"{len(left)} objects or uploads are left after deleting all: {left[:5]}", file=sys.stderr)
    return 1 if failures or left else 0


if __name__ == "__main__":
    sys.exit(main())
