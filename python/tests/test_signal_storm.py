"""A signal's handler that raises at any moment: no descriptor, operation or temporary is lost.

A short form for every run; ``S3DLIO_STORM=600`` storms for so many seconds.
"""

from __future__ import annotations

import os

from conftest import Child

PROGRAM = """
import gc, os, random, signal, sys, time
import s3dlio
from s3dlio._core import _native
folder, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)

class Struck(BaseException):
    pass

def strike(number, frame):
    raise Struck

def write():
    with s3dlio.open(folder + "/w", "wb") as file:
        file.write(b"w" * 1000)

def read():
    with s3dlio.open(folder + "/a", "rb") as file:
        file.read(10)

def descriptors():
    return len(os.listdir("/proc/self/fd"))

calls = [
    lambda: s3dlio.put_bytes(folder + "/b", b"b" * 1000),
    lambda: s3dlio.get(folder + "/a"),
    lambda: s3dlio.load_numpy_array(folder + "/n.npy"),
    lambda: s3dlio.download(folder + "/a", folder + "/copy/"),
    write,
    read,
]
import numpy

import pytest
pytestmark = pytest.mark.every_python

s3dlio.put_bytes(folder + "/a", b"a" * 5000)
s3dlio.save_numpy_array(folder + "/n.npy", numpy.arange(100))
for call in calls:
    call()
gc.collect()
before = descriptors()
struck = 0
until = time.monotonic() + seconds
while time.monotonic() < until:
    call = chance.choice(calls)
    try:
        try:
            signal.signal(signal.SIGALRM, strike)
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 800e-6))
            for _ in range(10):
                call()
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
    except Struck:
        struck += 1
signal.setitimer(signal.ITIMER_REAL, 0)
until = time.monotonic() + 20
while time.monotonic() < until:
    gc.collect()
    # any call lets go of what was lost
    s3dlio.exists("memory://any/thing")
    left = [name for where, _, names in os.walk(folder) for name in names if name not in ("a", "b", "n.npy", "w")]
    if descriptors() <= before and not left and not _native._in_use:
        break
    time.sleep(0.1)
print(struck, "interrupts;", descriptors() - before, "descriptors,", left, "files and", len(_native._in_use), "operations lost; seed", seed)
assert struck > 100 * min(seconds, 1), struck
assert descriptors() <= before and not left and not _native._in_use
"""


def test_handlers_that_raise_at_any_moment_lose_nothing(child: Child, tmp_path: object) -> None:
    seconds = float(os.environ.get("S3DLIO_STORM", "4"))
    # exceptions in finalizers are told on stderr; they are not what this looks for
    ended = child(PROGRAM, f"{tmp_path}/store", seconds, 1, timeout=seconds + 60, check=False)
    print(ended.stdout)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr[-3000:]}"
