"""Signals, forks, threads and the interpreter's end: each in a child that can be interrupted, killed or left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import IN_CHILD, PACKAGE, Base, Child, compiled, files_below

import s3dlio

pytestmark = pytest.mark.every_python

#: Milliseconds within which an interrupt must arrive.
PROMPT = 200

INTERRUPT = """
import os, signal, sys, threading, time
import numpy as np
import s3dlio
what, at, folder = sys.argv[1:]
size = 1 << 30
data = np.zeros(size, np.uint8)
if what.startswith("read"):
    os.truncate(os.open(folder + "/large", os.O_CREAT | os.O_RDWR), 2 << 30)
under_way = threading.Event()
sent = []

def interrupt():
    under_way.wait()
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

def progress(done, total):
    if done:
        under_way.set()

calls = {
    "put": lambda: s3dlio.put_bytes(at + "/new", data, progress=progress),
    "overwrite": lambda: s3dlio.put_bytes(at + "/old", data, progress=progress),
    "array": lambda: s3dlio.save_numpy_array(at + "/new", data, progress=progress),
    "tensors": lambda: s3dlio.save_tensors(at + "/new", {"a": data}, progress=progress),
    "read": lambda: s3dlio.get(at + "/large", progress=progress),
    "read range": lambda: s3dlio.get_range(at + "/large", 0, size, out=data, progress=progress),
}
s3dlio.put_bytes(at + "/old", b"old")
took, late = [], 0
# the quickest of three: a busy machine may hold up any one of them
while len(took) < 3 and late < 5:
    under_way.clear()
    sender = threading.Thread(target=interrupt)
    sender.start()
    try:
        try:
            calls[what]()
            late += 1
        finally:
            arrived = time.monotonic()
            under_way.set()
            sender.join()
            time.sleep(0.01)
    except KeyboardInterrupt:
        if arrived >= sent[-1]:
            took.append(arrived - sent[-1])
    assert bytes(s3dlio.get(at + "/old")) == b"old"
    assert not s3dlio.exists(at + "/new")
assert took, f"the call ended before the interrupt, {late} times"
# What the device has already been given must end first, a few parts at most. The call as a whole takes 16 times this.
begin = time.monotonic()
s3dlio.put_bytes(at + "/part", data[:64 << 20])
part = time.monotonic() - begin
s3dlio.delete(at + "/part")
print(min(took) * 1000, part * 1000)
"""


@pytest.mark.parametrize("what", ["put", "overwrite", "array", "tensors", "read", "read range"])
def test_interrupt_arrives_at_once_and_leaves_nothing(file_base: Base, child: Child, what: str) -> None:
    folder = file_base.folder
    assert folder is not None
    (folder / "data").mkdir()
    ended = child(INTERRUPT, what, file_base.text("data"), folder / "data")
    took, part = map(float, ended.stdout.split())
    assert took < PROMPT + part
    assert files_below(folder / "data") == (["large", "old"] if what.startswith("read") else ["old"])


def test_interrupt_leaves_an_object_in_memory_as_it_was(child: Child) -> None:
    took, part = map(float, child(INTERRUPT, "overwrite", "memory://m", "").stdout.split())
    assert took < PROMPT + part


def test_interrupt_while_listing_ends_the_listing(tmp_path: Path, child: Child) -> None:
    for i in range(100):
        (tmp_path / f"{i}").touch()
    child(
        """
import itertools, os, signal, sys, threading, time
import s3dlio
folder = sys.argv[1]
timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
timer.start()
try:
    while True:
        s3dlio.list(folder)
except KeyboardInterrupt:
    pass
assert len(s3dlio.list(folder)) == 101  # the script is there too
""",
        tmp_path,
    )


def test_memory_of_an_interrupted_call_is_let_go(child: Child) -> None:
    child(
        """
import os, signal, threading
import numpy as np
import s3dlio
from s3dlio._core import _native
data = bytearray(256 << 20)
for _ in range(20):
    timer = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        while True:
            s3dlio.put_bytes("memory://m/a", data)
    except KeyboardInterrupt:
        pass
    timer.join()
assert len(_native._in_use) == 0, len(_native._in_use)
data.append(1)
"""
    )


def test_other_threads_run_while_an_object_is_written(tmp_path: Path) -> None:
    data = np.zeros(256 << 20, np.uint8)
    ticks: list[float] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.wait(0.001):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=count)
    thread.start()
    begin = time.monotonic()
    s3dlio.put_bytes(tmp_path / "a", data)
    end = time.monotonic()
    stop.set()
    thread.join()
    during = [tick for tick in ticks if begin < tick < end]
    # one tick a millisecond; whoever holds the interpreter during a call allows none
    assert len(during) > (end - begin) * 1000 / 10
    assert end - begin > 0.02


FORK = (
    IN_CHILD
    + """
import gc, sys
import numpy as np
import s3dlio
folder = sys.argv[1]
"""
)


def test_forked_child_and_its_children_work(tmp_path: Path, child: Child) -> None:
    child(
        FORK
        + """
store = s3dlio.Store(folder)
store.put_bytes("a", b"parent")
def use(level):
    assert bytes(s3dlio.get(folder + "/a")) == b"parent"
    assert bytes(store.get("a")) == b"parent"
    store.put_bytes(f"level-{level}", b"x" * level)
    try:
        store.get("nothing")
    except s3dlio.NotFoundError:
        pass
    if level < 4:
        in_child(lambda: use(level + 1))
    store.put_bytes(f"level-{level}", b"y" * level)
in_child(lambda: use(1))
assert store.list(pattern="level") == ["level-1", "level-2", "level-3", "level-4"]
in_child(lambda: use(4))
""",
        tmp_path,
    )


def test_grandchild_with_all_descriptors_closed_works(tmp_path: Path, child: Child) -> None:
    """As daemons do it. The private copy's descriptor then has the number that it had in the child."""
    child(
        FORK
        + """
s3dlio.put_bytes(folder + "/a", b"x")
def daemon(held):
    os.closerange(3, 256)
    for _ in range(held):
        os.open("/dev/null", os.O_RDONLY)
    assert bytes(s3dlio.get(folder + "/a")) == b"x"
def first():
    assert bytes(s3dlio.get(folder + "/a")) == b"x"
    for held in range(4):
        in_child(lambda: daemon(held))
in_child(first)
""",
        tmp_path,
    )


def test_view_of_before_the_fork_is_readable_in_the_child(tmp_path: Path, child: Child) -> None:
    child(
        FORK
        + """
data = os.urandom(5_000_000)
s3dlio.put_bytes(folder + "/a", data)
view = s3dlio.get(folder + "/a")
part = view[10:20]
def use():
    global view
    assert view == data
    del view
    gc.collect()
    assert bytes(part) == data[10:20]
    other = s3dlio.get(folder + "/a")
    assert other == data
in_child(use)
in_child(use)
assert view == data and bytes(part) == data[10:20]
assert bytes(s3dlio.get(folder + "/a")) == data
""",
        tmp_path,
    )


def test_listing_of_before_the_fork_is_refused_in_the_child_and_files_are_opened_again(tmp_path: Path, child: Child) -> None:
    child(
        FORK
        + """
for i in range(3):
    s3dlio.put_bytes(folder + f"/d/{i}", b"")
s3dlio.put_bytes(folder + "/other", b"")
s3dlio.save_tensors(folder + "/t", {"a": np.zeros(3)})
listing = s3dlio.list_stream(folder + "/d")
next(listing)
file = s3dlio.open_tensors(folder + "/t")
lazy = file["a"]
s3dlio.put_bytes(folder + "/r", bytes(range(200)) * 10_000)
reader = s3dlio.open(folder + "/r", buffering=100)
assert reader.read(10) == bytes(range(10))
def refused(kind, word, action):
    try:
        action()
    except kind as error:
        assert folder in str(error) and word in str(error), error
    else:
        raise AssertionError("not refused")
def use():
    # takes the numbers that the parent's have
    mine = [s3dlio.list_stream(folder + "/") for _ in range(20)]
    [next(one) for one in mine]
    refused(s3dlio.ClosedError, "fork", lambda: list(listing))
    assert file["a"][:].tolist() == [0, 0, 0] == lazy[:].tolist()
    assert reader.read(20) == bytes(range(10, 30)) and len(reader.read()) == 2_000_000 - 30
    file.close()
    refused(s3dlio.ClosedError, "closed", lambda: lazy[:])
    reader.close()
in_child(use)
assert reader.read(10) == bytes(range(10, 20))
def replaced():
    s3dlio.save_tensors(folder + "/t", {"a": np.ones(3)})
    s3dlio.put_bytes(folder + "/r", bytes(2_000_000))
    refused(s3dlio.PreconditionError, "replaced", lambda: lazy[:])
    refused(s3dlio.PreconditionError, "replaced", lambda: reader.read(1000))
in_child(replaced)
assert reader.read(10) == bytes(range(20, 30))
assert [item["uri"] for item in listing] == [folder + "/d/1", folder + "/d/2"]
assert file["a"][:].tolist() == [0, 0, 0]
""",
        tmp_path,
    )


def test_fork_from_a_progress_function_ends_the_call_in_the_child_only(tmp_path: Path, child: Child) -> None:
    child(
        FORK
        + """
me = os.getpid()
def progress(done, total):
    if os.getpid() == me and not forked:
        child = os.fork()
        if child:
            forked.append(child)
        else:
            signal.alarm(30)
data = np.ones(96 << 20, np.uint8)
forked = []
try:
    s3dlio.put_bytes(folder + "/a", data, progress=progress)
except s3dlio.ClosedError as error:
    assert os.getpid() != me and "forked" in str(error), error
    assert bytes(s3dlio.get(folder + "/script.py", expected_checksum=None))
    os._exit(7)
assert os.getpid() == me
assert os.waitpid(forked[0], 0)[1] == 7 << 8
assert s3dlio.stat(folder + "/a")["size"] == data.size
assert len(s3dlio.get(folder + "/a")) == data.size
""",
        tmp_path,
    )


def test_fifty_forks_of_a_busy_parent_all_work(tmp_path: Path, child: Child) -> None:
    child(
        FORK
        + """
import threading
stop = threading.Event()
wrong = []
def work(i):
    data = bytes([i]) * 1_000_000
    while not stop.is_set():
        try:
            s3dlio.Store(folder).put_bytes(f"busy-{i}", data)
            assert bytes(s3dlio.get(folder + f"/busy-{i}")) == data
            s3dlio.list(folder)
        except BaseException as error:
            wrong.append(error)
            raise
threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for thread in threads:
    thread.start()
store = s3dlio.Store(folder)
store.put_bytes("a", b"x" * 10_000)
def use():
    assert bytes(store.get("a")) == b"x" * 10_000
    store.put_bytes(f"from-{os.getpid()}", b"y")
for i in range(50):
    in_child(use)
stop.set()
for thread in threads:
    thread.join()
assert not wrong, wrong
assert len(store.list(pattern="^from-")) == 50
""",
        tmp_path,
        timeout=120,
    )


def test_fork_while_another_thread_loads_the_library_works(tmp_path: Path, child: Child) -> None:
    child(
        FORK
        + """
import threading
for attempt in range(10):
    def round():
        threads = [threading.Thread(target=s3dlio.exists, args=(folder,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        in_child(lambda: s3dlio.put_bytes(folder + "/a", b"x"))
        for thread in threads:
            thread.join()
        assert bytes(s3dlio.get(folder + "/a")) == b"x"
    # each round in a child, where the library is not loaded yet
    in_child(round)
""",
        tmp_path,
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pool_of_processes_shares_a_pickled_store(tmp_path: Path, child: Child, method: str) -> None:
    child(
        """
import multiprocessing, sys
import s3dlio

def work(task):
    store, i = task
    return s3dlio.exists(store.uri), bytes(store.get(f"in-{i}")), store.put_bytes(f"out-{i}", b"%d" % i)

if __name__ == "__main__":
    folder, method = sys.argv[1:]
    store = s3dlio.Store(folder)
    for i in range(8):
        store.put_bytes(f"in-{i}", b"%d" % i)
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.map(work, [(store, i) for i in range(8)])
        view = pool.apply(s3dlio.get, (folder + "/in-3",))
        try:
            pool.apply(s3dlio.get, (folder + "/nothing",))
        except s3dlio.NotFoundError as error:
            assert error.filename.endswith("/nothing")
        else:
            raise SystemExit("no error came back")
        pool.close()
        pool.join()
    assert [data for _, data, _ in found] == [b"%d" % i for i in range(8)]
    assert view == b"3" and isinstance(view, s3dlio.BytesView)
    known = [s3dlio.stat(f"{folder}/in-{i}")["checksum"] for i in range(len(found))]
    assert [checksum for _, _, checksum in found] == [one or checksum for one, (_, _, checksum) in zip(known, found, strict=True)]
    assert len(store.list(pattern="^out-")) == 8
""",
        tmp_path,
        method,
    )


@pytest.mark.parametrize("work", ["put", "get"])
def test_interpreter_ends_with_work_in_flight(tmp_path: Path, child: Child, work: str) -> None:
    begin = time.monotonic()
    for _ in range(3):
        child(
            """
import sys, threading, time
import numpy as np
import s3dlio
folder, work = sys.argv[1:]
data = np.ones(16 << 20, np.uint8)
s3dlio.put_bytes(folder + "/a", data)
begun = threading.Event()
def run():
    while True:
        begun.set()
        if work == "put":
            s3dlio.put_bytes(folder + "/b", np.ones(16 << 20, np.uint8))
        else:
            s3dlio.get(folder + "/a")
for _ in range(2):
    threading.Thread(target=run, daemon=True).start()
begun.wait()
time.sleep(0.05)
""",
            tmp_path,
            work,
            timeout=30,
        )
    assert time.monotonic() - begin < 60


def test_interpreter_ends_with_everything_still_open(tmp_path: Path, child: Child) -> None:
    child(
        """
import sys
import numpy as np
import s3dlio
folder = sys.argv[1]
store = s3dlio.Store(folder)
store.put_bytes("a", b"x" * 1_000_000)
view = store.get("a")
part = view[5:]
store.save_tensors("t", {"w": np.zeros(3)})
file = store.open_tensors("t")
lazy = file["w"]
listing = store.list_stream()
next(listing)
import builtins
builtins.kept = (store, view, part, file, lazy, listing)
""",
        tmp_path,
    )


def test_crash_handler_of_python_stays_in_charge(tmp_path: Path) -> None:
    """The library's runtime handles faults of its own; one of Python's still has to end the process with a traceback."""
    script = (
        "import faulthandler, sys, s3dlio\n"
        "faulthandler.enable()\n"
        "s3dlio.put_bytes(sys.argv[1] + '/a', b'x')\n"
        "assert bytes(s3dlio.get(sys.argv[1] + '/a')) == b'x'\n"
        "faulthandler._sigsegv()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert ended.returncode in (-11, -6)
    assert "Segmentation fault" in ended.stderr
    assert "line 5" in ended.stderr


def test_signal_handlers_stay_as_they_were(child: Child) -> None:
    child(
        """
import signal
import s3dlio
def caught():
    lines = [line for line in open("/proc/self/status") if line.startswith("Sig") and not line.startswith("SigQ")]
    return {line.split(":")[0]: line.split()[1] for line in lines}
seen = []
signal.signal(signal.SIGTERM, lambda *_: seen.append("TERM"))
signal.signal(signal.SIGCHLD, lambda *_: seen.append("CHLD"))
before = {number: signal.getsignal(number) for number in signal.valid_signals()}
s3dlio.put_bytes("memory://m/a", b"x")
assert before == {number: signal.getsignal(number) for number in signal.valid_signals()}
signal.raise_signal(signal.SIGTERM)
import subprocess
subprocess.run(["true"], check=True)
assert seen == ["TERM", "CHLD"], seen
"""
    )


def test_import_loads_neither_the_library_nor_torch(child: Child) -> None:
    child(
        """
import os, sys
import s3dlio
assert "libs3dlio" not in open("/proc/self/maps").read()
# BytesView's buffer is the library's; nothing of it runs before the first call
s3dlio.Store, s3dlio.get, s3dlio.open_tensors
assert len(os.listdir("/proc/self/task")) == 1
for name in ("torch", "ml_dtypes", "fsspec", "safetensors", "tqdm", "importlib.metadata"):
    assert name not in sys.modules, name
s3dlio.put_bytes("memory://m/a", b"x")
assert "libs3dlio" in open("/proc/self/maps").read()
""",
        environment={"PYTHONSTARTUP": ""},
    )


MISSING = """
import sys
import s3dlio
for _ in range(2):
    try:
        s3dlio.put_bytes("memory://m/a", b"x")
    except ImportError as error:
        print(error)
    else:
        raise SystemExit("it was found")
"""


def test_missing_library_is_an_import_error_that_lists_the_places(tmp_path: Path, child: Child) -> None:
    copied = tmp_path / "elsewhere" / "s3dlio"
    shutil.copytree(PACKAGE, copied, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    found = child(MISSING, environment={"PYTHONPATH": str(copied.parent)}).stdout
    assert found.count(str(copied / "libs3dlio.so")) == 2
    assert "S3DLIO_LIBRARY" in found
    found = child(MISSING, environment={"S3DLIO_LIBRARY": "/nowhere/lib.so"}).stdout
    assert found.count("/nowhere/lib.so") == 2


def test_library_of_another_abi_version_is_an_import_error(tmp_path: Path, child: Child) -> None:
    library = compiled(tmp_path, "unsigned s3dlio_abi_version(void) { return 4711; }")
    found = child(MISSING, environment={"S3DLIO_LIBRARY": str(library)}).stdout
    assert found.count("ABI version 4711, this package needs 2") == 2
    assert str(library) in found


def test_library_of_something_else_is_an_import_error(tmp_path: Path, child: Child) -> None:
    library = compiled(tmp_path, "int something(void) { return 0; }")
    assert child(MISSING, environment={"S3DLIO_LIBRARY": str(library)}).stdout.count("is not the s3dlio library") == 2
    (tmp_path / "text.so").write_text("no library")
    assert child(MISSING, environment={"S3DLIO_LIBRARY": str(tmp_path / "text.so")}).stdout.count("could not be loaded") == 2


def test_library_by_a_relative_path_is_found_from_the_folder_it_was_loaded_in(tmp_path: Path, child: Child) -> None:
    shutil.copy(PACKAGE / "libs3dlio.so", tmp_path / "mine.so")
    child(
        """
import s3dlio
s3dlio.put_bytes("memory://m/a", b"x")
assert "/mine.so" in open("/proc/self/maps").read()
""",
        environment={"S3DLIO_LIBRARY": "mine.so"},
    )


def test_threads_of_one_process_share_the_library(tmp_path: Path, child: Child) -> None:
    """All of them first: the library must be loaded once, by whichever comes first."""
    child(
        """
import sys, threading
import s3dlio
folder = sys.argv[1]
wrong = []
def work(i):
    try:
        gate.wait()
        for j in range(50):
            s3dlio.put_bytes(f"{folder}/{i}", b"%d" % j)
            assert bytes(s3dlio.get(f"{folder}/{i}")) == b"%d" % j
    except BaseException as error:
        wrong.append(error)
gate = threading.Barrier(16)
threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not wrong, wrong
""",
        tmp_path,
    )
