"""A local file system that hangs: calls end in time, at Ctrl-C and when cancelled; what the kernel holds is safe until it lets go."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hung_mount
import pytest
from conftest import PACKAGE

#: What each program begins with.
HEAD = f"""
import asyncio, atexit, gc, os, signal, sys, threading, time
# registered before the library's own, so called after it
at_the_end = []
atexit.register(lambda: [call() for call in at_the_end])
import s3dlio
from s3dlio._core import _native
folder, control = sys.argv[1:3]
codes = {hung_mount.CALLS!r}

def hold(*calls):
    with open(control + ".new", "w") as file: file.write(" ".join(str(codes[call]) for call in calls))
    os.replace(control + ".new", control)

def descriptors():
    return [os.readlink(f"/proc/self/fd/{{one}}") for one in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{{one}}")]

def opened():
    return sum(folder in one for one in descriptors())

def settle():
    # what the kernel held has ended when nothing is pinned any more
    until = time.monotonic() + 20
    while (_native._in_use or opened()) and time.monotonic() < until:
        time.sleep(0.05)
        s3dlio.exists("memory://any/thing")
    gc.collect()
    assert not _native._in_use and not _native._abandoned, (_native._in_use, _native._abandoned)
    assert opened() == 0, descriptors()

s3dlio.put_bytes(folder + "/old", b"old" * 100)
s3dlio.get(folder + "/old")
"""
#: Seconds in which a call whose deadline is after half a second ends: that, the second for which a cancelled operation is waited for, and a
#: machine that is at work. The mount holds calls until the program lets them go, so without the mend none would end.
SOON = 5.0


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], None]:
    """Runs a program beside a mount of its own."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("needs root and /dev/fuse")

    def started(program: str) -> None:
        folder = tmp_path / "mount"
        inner = [sys.executable, "-X", "faulthandler", "-c", HEAD + program, str(folder), str(folder.with_suffix(".held"))]
        ended = subprocess.run(
            [sys.executable, hung_mount.__file__, str(folder), *inner],
            env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        if ended.returncode == hung_mount.REFUSED:
            pytest.skip(f"mounting is not allowed here: {ended.stdout}")
        assert ended.returncode != hung_mount.HANGS, f"it hangs with the file system; it said {ended.stdout!r}"
        assert ended.returncode == 0, ended.stdout
        assert ended.stdout.endswith("good\n"), ended.stdout

    return started


#: A call, and what is held.
HELD = {
    "get": ("s3dlio.get(folder + '/old', **how)", "read"),
    "load": ("s3dlio.get_many([folder + '/old'], **how)", "read"),
    "stat": ("s3dlio.stat(folder + '/old', **how)", "lookup"),
    "exists": ("s3dlio.exists(folder + '/old', **how)", "lookup"),
    "put": ("s3dlio.put_bytes(folder + '/new', bytearray(b'new' * 100), **how)", "write"),
    "put that flushes": ("s3dlio.put_bytes(folder + '/new', bytearray(b'new' * 100), durable=True, **how)", "fsync"),
    "writer": ("write(how)", "write"),
}
WRITE = """
def write(how):
    with s3dlio.open(folder + "/new", "wb", **how) as file:
        file.write(bytes(300))
"""
AFTERWARDS = """
hold()
settle()
# what was given up has stored nothing and left nothing, and the file system works
assert sorted(os.listdir(folder)) == ["old"], os.listdir(folder)
assert bytes(s3dlio.get(folder + "/old")) == b"old" * 100
print("good")
"""


@pytest.mark.parametrize("which", HELD)
def test_timeout_while_the_file_system_hangs_ends_the_call(run: Callable[[str], None], which: str) -> None:
    call, held = HELD[which]
    run(
        WRITE
        + f"""
how = {{"timeout": 0.5}}
hold({held!r})
began = time.monotonic()
try:
    {call}
    raise SystemExit("it did not time out")
except s3dlio.StoreTimeoutError as error:
    took = time.monotonic() - began
    assert 0.4 < took < {SOON}, took
    assert "the system holds it still" in str(error), str(error)
assert _native._is_one_abandoned()
began = time.monotonic()
assert not s3dlio.exists("memory://other/store")
assert time.monotonic() - began < 1, "another call waits for what was abandoned"
"""
        + AFTERWARDS,
    )


@pytest.mark.parametrize("which", ["get", "exists", "put", "writer"])
def test_interrupt_while_the_file_system_hangs_ends_the_call(run: Callable[[str], None], which: str) -> None:
    call, held = HELD[which]
    run(
        WRITE
        + f"""
how = {{}}
hold({held!r})
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
began = time.monotonic()
try:
    {call}
    raise SystemExit("it was not interrupted")
except KeyboardInterrupt:
    took = time.monotonic() - began
    assert 0.4 < took < {SOON}, took
"""
        + AFTERWARDS,
    )


def test_task_while_the_file_system_hangs_times_out_is_cancelled_and_holds_no_loop(run: Callable[[str], None]) -> None:
    run(
        f"""
async def main():
    gaps = []

    async def tick():
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.02)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    ticking = asyncio.create_task(tick())
    for call in (lambda **how: s3dlio.get_async(folder + "/old", **how), lambda **how: s3dlio.put_bytes_async(folder + "/new", b"new" * 100, **how)):
        began = time.monotonic()
        try:
            await call(timeout=0.5)
            raise SystemExit("it did not time out")
        except s3dlio.StoreTimeoutError:
            assert time.monotonic() - began < {SOON}
        task = asyncio.create_task(call())
        await asyncio.sleep(0.2)
        began = time.monotonic()
        task.cancel()
        try:
            await task
            raise SystemExit("it was not cancelled")
        except asyncio.CancelledError:
            assert time.monotonic() - began < {SOON}
    ticking.cancel()
    assert max(gaps) < 1, max(gaps)
    hold()
    until = time.monotonic() + 20
    while _native._in_use and time.monotonic() < until:
        await asyncio.sleep(0.05)
        await s3dlio.exists_async("memory://any/thing")

hold("read", "write")
asyncio.run(main())
"""  # noqa: E501
        + AFTERWARDS,
    )


def test_read_into_memory_of_the_caller_is_waited_for(run: Callable[[str], None]) -> None:
    run(
        """
hold("read")
# longer than a cancelled operation is waited for where it uses no memory of the caller
threading.Timer(3, hold).start()
began = time.monotonic()
memory = bytearray(300)
try:
    s3dlio.get_range(folder + "/old", 0, 300, out=memory, timeout=0.5)
    # it ended well after all
    assert memory == b"old" * 100
except s3dlio.StoreTimeoutError as error:
    assert "its buffers are free" in str(error), str(error)
assert time.monotonic() - began > 2.5, time.monotonic() - began
assert not _native._in_use
"""
        + AFTERWARDS,
    )


def test_process_ends_while_the_file_system_holds_what_it_abandoned(run: Callable[[str], None]) -> None:
    run(
        """
hold("read", "write")
for call in (lambda: s3dlio.get(folder + "/old", timeout=0.1), lambda: s3dlio.put_bytes(folder + "/new", bytearray(300), timeout=0.1)):
    try:
        call()
        raise SystemExit("it did not time out")
    except s3dlio.StoreTimeoutError:
        pass
child = os.fork()
if child == 0:
    # what was abandoned is the parent's
    assert not _native._in_use and not _native._abandoned
    s3dlio.put_bytes("memory://child/a", b"a")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0

def end(began):
    took = time.monotonic() - began
    # 3 seconds for what is under way; the kernel lets no process go that it holds a call of, so that is let go now
    hold()
    assert took < 6, took
    print("good", flush=True)

began = time.monotonic()
at_the_end.append(lambda: end(began))
""",
    )
