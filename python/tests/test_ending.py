"""How a process ends with work in flight.

By itself, by an exception, by a signal, with the crash handler on or off. It never hangs or crashes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PACKAGE, Child
from servers_fixture import s3_server

pytestmark = pytest.mark.every_python

PROGRAM = """
import asyncio, os, signal, socket, sys, threading, time
import numpy as np
import s3dlio
work, ending, folder = sys.argv[1:]
server = socket.create_server(("127.0.0.1", 0))
options = {"endpoint_url": f"http://127.0.0.1:{server.getsockname()[1]}", "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}
s3dlio.put_bytes(folder + "/a", b"x" * 1_000_000)
kept = []

if work == "threads":
    # half of them wait for ever, half are at work
    def use():
        while True:
            s3dlio.put_bytes(folder + "/b", np.ones(8 << 20, np.uint8))
            s3dlio.get(folder + "/a")
    for i in range(4):
        threading.Thread(target=s3dlio.get, args=(f"s3://b/{i}",), kwargs={"storage_options": options}, daemon=True).start()
        threading.Thread(target=use, daemon=True).start()
elif work == "loop":
    # a loop that nobody closes, with operations under way
    loop = asyncio.new_event_loop()
    async def begin():
        for i in range(8):
            kept.append(asyncio.ensure_future(s3dlio.get_async(f"s3://b/{i}", storage_options=options)))
            kept.append(asyncio.ensure_future(s3dlio.put_bytes_async(folder + f"/{i}", np.ones(8 << 20, np.uint8))))
        await asyncio.sleep(0.1)
    loop.run_until_complete(begin())
elif work == "streams":
    for i in range(3):
        writer = s3dlio.ObjectWriter(folder + f"/unfinished-{i}", compress=bool(i))
        writer.write(os.urandom(20 << 20))
        kept.append(writer)
    kept.append(s3dlio.open(folder + "/a"))
    kept[-1].read(10)
    listing = s3dlio.list_stream(folder + "/")
    next(listing)
    kept.append(listing)
    # in a module that goes last
    import builtins
    builtins.kept = kept
time.sleep(0.2)
print("at work", flush=True)
if ending == "exit":
    sys.exit(3)
if ending == "exception":
    raise ZeroDivisionError
if ending == "thread":
    # the main thread ends before another
    threading.Thread(target=lambda: (time.sleep(0.3), s3dlio.get(folder + "/a"))).start()
if ending in ("SIGTERM", "SIGINT"):
    os.kill(os.getpid(), getattr(signal, ending))
    time.sleep(60)
"""  # noqa: E501

#: Exit statuses by how it ends.
STATUS = {"end": 0, "exit": 3, "exception": 1, "thread": 0, "SIGTERM": -signal.SIGTERM, "SIGINT": -signal.SIGINT}


@pytest.mark.parametrize(("ending", "handler"), [*((ending, "faulthandler") for ending in STATUS), ("end", "none"), ("SIGTERM", "none")])
@pytest.mark.parametrize("work", ["threads", "loop", "streams"])
def test_process_ends_with_work_in_flight(tmp_path: Path, work: str, ending: str, handler: str) -> None:
    (tmp_path / "script.py").write_text(PROGRAM)
    (tmp_path / "data").mkdir()
    switches = ["-X", "faulthandler"] if handler == "faulthandler" else []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONFAULTHANDLER"}
    ended = subprocess.run(
        [sys.executable, *switches, tmp_path / "script.py", work, ending, tmp_path / "data"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**environment, "PYTHONPATH": str(PACKAGE.parent)},
        check=False,
    )
    assert ended.stdout == "at work\n"
    assert ended.returncode == STATUS[ending], ended.stderr
    assert "Fatal Python error" not in ended.stderr and "Segmentation" not in ended.stderr
    said = {"exception": "ZeroDivisionError", "SIGINT": "KeyboardInterrupt"}.get(ending)
    assert said in ended.stderr if said else work == "loop" or ended.stderr == "", ended.stderr
    # what nobody finished is not there, and temporaries are those of a process that was killed at most
    left = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert not [name for name in left if name.startswith("unfinished")]
    if ending not in ("SIGTERM",) and work == "streams":
        assert left == ["a"], left


LATE = """
import atexit, sys

def late():
    # registered before s3dlio was imported, so it runs after what s3dlio does at the end
    under_way = [number.value for number, *_ in _native._in_use.values()]
    ended = [_native.library().s3dlio_op_wait(number, 0) != _native.PENDING for number in under_way]
    print(len(ended), all(ended))
    s3dlio.put_bytes(folder + "/late", b"late")
    print(s3dlio.get(folder + "/late").to_bytes())

atexit.register(late)
import asyncio, socket, ssl, threading, time
import s3dlio
from s3dlio._core import _native
folder = sys.argv[1]
server = socket.create_server(("127.0.0.1", 0))
options = {"endpoint_url": f"http://127.0.0.1:{server.getsockname()[1]}", "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}

def use():
    while True:
        s3dlio.put_bytes(folder + "/b", bytes(1 << 20))

for i in range(3):
    threading.Thread(target=s3dlio.get, args=(f"s3://b/{i}",), kwargs={"storage_options": options}, daemon=True).start()
    threading.Thread(target=use, daemon=True).start()
loop = asyncio.new_event_loop()

async def begin():
    global kept
    kept = [asyncio.ensure_future(s3dlio.get_async(f"s3://b/{i}", storage_options=options)) for i in range(5)]
    await asyncio.sleep(0.2)

loop.run_until_complete(begin())
"""  # noqa: E501


def test_end_waits_for_what_is_under_way_and_says_nothing(child: Child, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    begun = time.monotonic()
    ended = child(LATE, tmp_path / "data").stdout.splitlines()
    count, all_ended = ended[0].split()
    # those of the loop and of the threads that wait for ever; of the others some
    assert int(count) >= 8
    assert all_ended == "True"
    assert ended[1:] == ["b'late'"]
    assert time.monotonic() - begun < 30


IMPORTING = """
import atexit, logging, signal, sys, threading, time

def late():
    # registered before s3dlio was imported, so it runs after what s3dlio does at the end
    frame, inside = sys._current_frames().get(first.ident), False
    while frame is not None:
        inside |= frame.f_code.co_filename == "<frozen importlib._bootstrap>"
        frame = frame.f_back
    print("in an import:", inside)
    second = threading.Thread(target=lambda: (s3dlio.open, print("imported at the end")), daemon=True)
    second.start()
    second.join(0.5)

atexit.register(late)
import s3dlio

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "s3dlio._tensors":
            begun.set()
            time.sleep(float(sys.argv[1]))

sys.meta_path.insert(0, Slow())
begun = threading.Event()
first = threading.Thread(target=lambda: (s3dlio.load_tensors, time.sleep(60)), daemon=True)
first.start()
begun.wait()
"""


@pytest.mark.parametrize("seconds", [0.5, 6])
def test_end_waits_for_imports_and_holds_those_that_come_after(child: Child, seconds: float) -> None:
    """The interpreter frees the lock of all imports at its end; a daemon's thread that waited for it just then wrote to freed memory."""
    assert child(IMPORTING, seconds).stdout == "in an import: False\n"


IMPORTED_LATE = """
import atexit, sys, threading, time

# registered before s3dlio was imported, so it runs after what s3dlio does at the end
atexit.register(lambda: print("told:", sys.modules["s3dlio._core._native"]._ending > 0))
import s3dlio

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "s3dlio._core._native":
            begun.set()
            time.sleep(0.5)

sys.meta_path.insert(0, Slow())
begun = threading.Event()
threading.Thread(target=lambda: (s3dlio.Store, time.sleep(60)), daemon=True).start()
begun.wait()
"""


def test_what_is_imported_after_the_end_began_is_told_of_it(child: Child) -> None:
    """A handler that is registered while those of the end run is not called: the library was loaded while the process went down."""
    assert child(IMPORTED_LATE).stdout == "told: True\n"


LOADING = """
import atexit, threading, time

# registered before s3dlio was imported, so it runs after what s3dlio does at the end
atexit.register(lambda: print("loaded:", done.is_set()))
import s3dlio
from s3dlio._core import _native

begun, done, load = threading.Event(), threading.Event(), _native._load

def slowly():
    begun.set()
    time.sleep(1)
    found = load()
    done.set()
    return found

_native._load = slowly
threading.Thread(target=lambda: (s3dlio.put("memory://ending/x", b"x"), time.sleep(60)), daemon=True).start()
begun.wait()
"""


def test_end_waits_for_a_thread_that_loads_the_library(child: Child) -> None:
    """The runtime started while the process took down what it starts with: one process of some thousands died."""
    assert child(LOADING).stdout == "loaded: True\n"


SIGNING = """
import random, ssl, sys, threading, time
import s3dlio
options = {"endpoint_url": "http://127.0.0.1:9", "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b"}

def sign():
    while True:
        try:
            s3dlio.presign("s3://b/x", storage_options=options)
        except s3dlio.S3dlioError:
            pass

for _ in range(4):
    threading.Thread(target=sign, daemon=True).start()
time.sleep(random.Random(int(sys.argv[1])).random() * 0.4)
"""


def test_process_that_ends_while_requests_are_signed_never_crashes(child: Child) -> None:
    """``S3DLIO_ENDS=5000`` ends that many; one or two of a hundred crashed before the library kept its threads from OpenSSL at the end."""
    for seed in range(int(os.environ.get("S3DLIO_ENDS", "20"))):
        child(SIGNING, seed)


#: Makes OpenSSL's destructors of threads slow and has them tell when they begin and end.
SLOW_ENDS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
static void (*original[4])(void *);
static int count;
#define SLOW(n) static void slow##n(void *value) { (void)!write(2, "(", 1); usleep(100000); original[n](value); (void)!write(2, ")", 1); }
SLOW(0) SLOW(1) SLOW(2) SLOW(3)
static void (*const slow[4])(void *) = {slow0, slow1, slow2, slow3};
int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    int (*real)(pthread_key_t *, void (*)(void *)) = (int (*)(pthread_key_t *, void (*)(void *)))dlsym(RTLD_NEXT, "pthread_key_create");
    Dl_info info;
    if (destructor != NULL && count < 4 && dladdr(__builtin_return_address(0), &info) != 0 && strstr(info.dli_fname, "libcrypto") != NULL) {
        original[count] = destructor;
        destructor = slow[count++];
    }
    return real(key, destructor);
}
"""


def test_end_waits_for_threads_that_end_before_it_takes_openssl_down(tmp_path: Path) -> None:
    """A daemon's thread that returns to Python at the end is ended by it, and frees what OpenSSL keeps for it.

    One process of some thousands crashed.
    """
    if sys.version_info >= (3, 14):
        pytest.skip("Python holds threads at its end since 3.14, and ends none")
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no gcc")
    (tmp_path / "slow.c").write_text(SLOW_ENDS)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "slow.so", tmp_path / "slow.c", "-ldl"], check=True, timeout=60)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "LD_PRELOAD": str(tmp_path / "slow.so")}
    seen = 0
    for seed in range(100):
        ended = subprocess.run(
            [sys.executable, "-c", SIGNING, str(seed)], capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        assert ended.returncode == 0 and ended.stderr.count("(") == ended.stderr.count(")"), (seed, ended.returncode, ended.stderr)
        seen += ended.stderr.count("(")
        if seen >= 3:
            return
    raise AssertionError(f"of 100 ends {seen} ended a thread that OpenSSL keeps something for: this test shows nothing")


MIX = """
import asyncio, builtins, json, os, random, sys, threading, time
chance = random.Random(int(sys.argv[1]))
folder, uri, options = sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
import ssl
import numpy as np
import s3dlio
kept, children = [], []
builtins.kept = kept

def often(call):
    def use():
        while True:
            try:
                call()
            except s3dlio.S3dlioError:
                pass
    threading.Thread(target=use, daemon=True).start()

def loop(place, chosen):
    # nobody closes it
    running = asyncio.new_event_loop()
    async def begin():
        for i in range(4):
            kept.append(asyncio.ensure_future(s3dlio.get_async(place + "/a", storage_options=chosen)))
            kept.append(asyncio.ensure_future(s3dlio.put_bytes_async(f"{place}/{i}", bytes(1 << 20), storage_options=chosen)))
        await asyncio.sleep(chance.random() * 0.05)
    running.run_until_complete(begin())
    kept.append(running)

def stream(place, chosen, compress):
    def use():
        writer = s3dlio.ObjectWriter(place + "/stream", compress=compress, storage_options=chosen)
        kept.append(writer)
        writer.write(bytes(6 << 20))
        kept.append(s3dlio.open(place + "/a", storage_options=chosen))
        kept[-1].read(10)
    often(use)

def save(place, chosen):
    saver = s3dlio.AsyncSaver(place + "/saves", storage_options=chosen, at_exit=chance.choice(["finish", "cancel"]))
    kept.append(saver)
    for step in range(3):
        saver.save({"w": np.ones(1 << 18)}, step=step)

def fork(place, chosen):
    child = os.fork()
    if child == 0:
        try:
            s3dlio.get(place + "/a", storage_options=chosen)
            os._exit(0)
        finally:
            os._exit(1)
    children.append(child)

WORK = {
    "gets": lambda place, chosen: often(lambda: s3dlio.get(place + "/a", storage_options=chosen)),
    "puts": lambda place, chosen: often(lambda: s3dlio.put_bytes(place + "/b", np.ones(1 << 18), storage_options=chosen)),
    "signs": lambda place, chosen: often(lambda: s3dlio.presign(uri + "/a", storage_options=options)),
    "plain streams": lambda place, chosen: stream(place, chosen, False),
    "compressed streams": lambda place, chosen: stream(place, chosen, True),
    "saves": save,
    "loop": loop,
    "forks": fork,
}
for place, chosen in ((folder, None), (uri, options)):
    s3dlio.put_bytes(place + "/a", b"x" * 300_000, storage_options=chosen)
for name in chance.sample(sorted(WORK), 4):
    for place, chosen in ((folder, None), (uri, options)):
        WORK[name](place, chosen)
time.sleep(chance.random() * 0.3)
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("at work", flush=True)
"""


def test_process_that_ends_in_the_midst_of_everything_ends_well(child: Child, tmp_path: Path) -> None:
    """Files, S3, streams, savers, an event loop and forks under way at once, four of them in each process. ``S3DLIO_ENDS`` as above."""
    uri, options = s3_server()
    for seed in range(int(os.environ.get("S3DLIO_ENDS", "8"))):
        (tmp_path / "data").mkdir()
        ended = child(MIX, seed, tmp_path / "data", uri + f"/ending-{os.getpid()}", json.dumps(options))
        assert ended.stdout == "at work\n"
        # some 25 MB of what was under way
        shutil.rmtree(tmp_path / "data")
