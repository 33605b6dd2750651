"""Forked workers over a real S3 server: many forks of a busy parent, data loaders, operations that are alive across the fork.

``S3DLIO_FORKS=1000`` forks that often, and prints what a child takes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import IN_CHILD, Child, compiled
from servers_fixture import s3_server

pytestmark = pytest.mark.every_python

FORKS = int(os.environ.get("S3DLIO_FORKS", "40"))

START = """
import gc, json, multiprocessing, os, pickle, signal, statistics, sys, threading, time
import numpy as np
import s3dlio
uri, options = sys.argv[1], json.loads(sys.argv[2])
store = s3dlio.Store(uri, storage_options=options)

def in_child(work):
    read, written = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        code = 1
        try:
            os.write(written, json.dumps(work()).encode())
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(written)
    text = os.read(read, 65536)
    os.close(read)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"
    return json.loads(text)
"""


def s3() -> tuple[str, str]:
    uri, options = s3_server()
    return uri, json.dumps(options)


def test_forks_of_a_parent_busy_with_s3_all_work(child: Child) -> None:
    uri, options = s3()
    ended = child(
        START
        + """
count, stop, wrong = int(sys.argv[3]), threading.Event(), []

def busy(i):
    data = bytes([i]) * 200_000
    while not stop.is_set():
        try:
            store.put_bytes(f"fork/busy-{i}", data)
            assert store.get(f"fork/busy-{i}") == data
            s3dlio.put_bytes(f"memory://busy/{i}", data)
        except BaseException as error:
            wrong.append(error)
            raise

def private():
    rows = open("/proc/self/smaps_rollup").read().splitlines()
    # the clean ones are pages of the library's file
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_Dirty"))

def cost():
    begin, busy = time.perf_counter(), time.process_time()
    s3dlio.put_bytes("memory://first/x", b"1")
    return time.perf_counter() - begin, time.process_time() - busy

def use():
    before = private()
    first, after = cost(), private()
    assert store.get("fork/a") == b"x" * 10_000
    again = cost()
    if os.getpid() % 10 == 0:
        assert in_child(lambda: bytes(store.get("fork/a")).decode()) == "x" * 10_000
    return [(first[0] - again[0]) * 1000, (first[1] - again[1]) * 1000, (after - before) / 1024]

def report(when, found):
    time_, processor, size = (statistics.median(one) for one in zip(*found))
    print(f"{len(found)} forks {when}, 0 failures: at first use {time_:.1f} ms, {processor:.1f} ms of processor and {size:.1f} MiB more than later, medians")

store.put_bytes("fork/a", b"x" * 10_000)
threads = [threading.Thread(target=busy, args=(i,)) for i in range(4)]
for thread in threads:
    thread.start()
in_child(use)
descriptors = len(os.listdir("/proc/self/fd"))
found = [in_child(use) for i in range(count)]
stop.set()
for thread in threads:
    thread.join()
assert not wrong, wrong
report("beside 4 busy threads", found)
# what waiting for a processor adds is not the library's: the same without them
report("of the same parent at rest", [in_child(use) for i in range(max(10, count // 10))])
assert len(os.listdir("/proc/self/fd")) <= descriptors + 4, "the parent leaks descriptors"
""",  # noqa: E501
        uri,
        options,
        FORKS,
        timeout=120 + FORKS,
    )
    print(ended.stdout)
    assert ended.stdout.startswith(f"{FORKS} forks beside 4 busy threads, 0 failures")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pool_over_s3_shares_a_pickled_store(child: Child, method: str) -> None:
    uri, options = s3()
    child(
        """
import json, multiprocessing, sys
import s3dlio

def work(task):
    store, i = task
    store.put_bytes(f"pool/out-{i}", bytes(store.get(f"pool/in-{i}")) * 2)
    return i

if __name__ == "__main__":
    store = s3dlio.Store(sys.argv[1], storage_options=json.loads(sys.argv[2]))
    for i in range(12):
        store.put_bytes(f"pool/in-{i}", b"%d" % i)
    with multiprocessing.get_context(sys.argv[3]).Pool(3) as pool:
        assert pool.map(work, [(store, i) for i in range(12)]) == list(range(12))
    assert [bytes(store.get(f"pool/out-{i}")) for i in range(12)] == [b"%d" % i * 2 for i in range(12)]
    store.delete("pool", recursive=True)
""",
        uri,
        options,
        method,
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_readers_cross_to_other_processes(child: Child, method: str) -> None:
    uri, options = s3()
    child(
        """
import json, multiprocessing, pickle, sys
import numpy as np
import s3dlio

def work(task):
    reader, file, lazy = task
    with reader, file:
        return reader.read(7), reader.tell(), file["b"][1:].tolist(), lazy[2:4].tolist(), file.metadata()

def replaced(reader):
    try:
        reader.read(1)
    except s3dlio.PreconditionError as error:
        return str(error)

if __name__ == "__main__":
    store = s3dlio.Store(sys.argv[1], storage_options=json.loads(sys.argv[2]))
    store.put_bytes("cross/r", bytes(range(250)) * 1000)
    store.save_tensors("cross/t", {"a": np.arange(10), "b": np.arange(3.0)}, metadata={"k": "v"})
    reader, file = store.open("cross/r"), store.open_tensors("cross/t")
    assert reader.read(5) == bytes(range(5))
    expected = (bytes(range(5, 12)), 12, [1.0, 2.0], [2, 3], {"k": "v"})
    with multiprocessing.get_context(sys.argv[3]).Pool(2) as pool:
        assert pool.map(work, [(reader, file, file["a"])] * 4) == [expected] * 4
        store.put_bytes("cross/r", b"other")
        assert "replaced" in pool.apply(replaced, (reader,))
    # in one process too; what is closed stays so
    again = pickle.loads(pickle.dumps(file))
    assert again["a"][:].tolist() == list(range(10))
    for one in (reader, file):
        one.close()
        try:
            pickle.dumps(one)
        except s3dlio.ClosedError:
            pass
        else:
            raise AssertionError("a closed one was pickled")
    store.delete("cross", recursive=True)
""",
        uri,
        options,
        method,
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_data_loader_with_workers_reads_a_data_set_from_s3(child: Child, method: str) -> None:
    pytest.importorskip("torch")
    uri, options = s3()
    child(
        """
import json, sys, warnings
import numpy as np
import torch
import s3dlio

class Records(torch.utils.data.Dataset):
    def __init__(self, store, count):
        self.store, self.count = store, count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return torch.from_numpy(self.store.load_numpy_array(f"loader/{i}.npy"))

if __name__ == "__main__":
    store = s3dlio.Store(sys.argv[1], storage_options=json.loads(sys.argv[2]))
    for i in range(64):
        store.save_numpy_array(f"loader/{i}.npy", np.full((8, 8), i, np.int64))
    assert int(Records(store, 64)[5].sum()) == 5 * 64  # the library is at work before the workers are made
    # a machine with few cores is warned of four workers
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    for epoch in range(2):
        loader = torch.utils.data.DataLoader(Records(store, 64), batch_size=8, num_workers=4, multiprocessing_context=sys.argv[3])
        found = torch.cat(list(loader))
        assert found.shape == (64, 8, 8) and torch.equal(found[:, 0, 0], torch.arange(64)), found[:, 0, 0]
        assert torch.equal(found.sum((1, 2)), torch.arange(64) * 64)
    store.delete("loader", recursive=True)
""",
        uri,
        options,
        method,
        timeout=180,
    )


def test_put_alive_across_the_fork_goes_on_in_the_parent_only(child: Child) -> None:
    uri, options = s3()
    child(
        START
        + """
data = np.random.default_rng(1).bytes(48 << 20)
told = []

def progress(done, total):
    if told or done == 0:
        return
    # within the call: the child must not touch what is the parent's, and must be able to work
    told.append(done)
    child = os.fork()
    if child == 0:
        told.append("child")
        return
    told.append(os.waitpid(child, 0)[1])

try:
    store.put_bytes("alive/x", data, progress=progress)
except s3dlio.ClosedError as error:
    assert "child" in told and "forked" in str(error)
    signal.alarm(60)
    store.put_bytes("alive/from-child", b"works")
    os._exit(0)
assert "child" not in told and told[1:] == [0], told
assert store.get("alive/x") == data and store.get("alive/from-child") == b"works"
store.delete("alive", recursive=True)
""",
        uri,
        options,
    )


WITHOUT_MEMORY_FILES = """
#include <errno.h>
int memfd_create(const char *name, unsigned flags) { errno = ENOSYS; return -1; }
"""


def test_child_that_can_have_no_copy_says_what_to_do(child: Child, tmp_path: Path) -> None:
    preload = compiled(tmp_path, WITHOUT_MEMORY_FILES)
    child(
        START.replace("store = s3dlio.Store(uri, storage_options=options)", "s3dlio.put_bytes(uri, b'x')")
        + """
def use():
    for _ in range(2):
        try:
            s3dlio.get(uri)
        except s3dlio.ForkError as error:
            assert "spawn" in str(error) and "memory" in str(error) and isinstance(error, RuntimeError), error
        else:
            raise AssertionError("not refused")
    return True
assert in_child(use)
assert s3dlio.get(uri) == b"x"
# a program started anew is none the worse
import subprocess
subprocess.run([sys.executable, "-c", "import s3dlio; s3dlio.put_bytes('memory://m/a', b'')"], check=True)
""",
        "memory://m/x",
        "null",
        environment={"LD_PRELOAD": str(preload)},
    )


def test_children_share_one_copy_that_none_can_change(child: Child) -> None:
    child(
        START.replace("store = s3dlio.Store(uri, storage_options=options)", "s3dlio.put_bytes(uri, b'x')")
        + """
def target(fd):
    # one that was closed meanwhile has none
    return os.path.exists(f"/proc/self/fd/{fd}") and os.readlink(f"/proc/self/fd/{fd}") or ""

def copies():
    return [fd for fd in map(int, os.listdir("/proc/self/fd")) if "libs3dlio" in target(fd)]

def mapped():
    return {row.split()[4] for row in open("/proc/self/maps") if "memfd:libs3dlio" in row}

def use():
    before, handed = mapped(), copies()
    assert len(handed) == 1 and not os.get_inheritable(handed[0]), handed
    try:
        os.pwrite(handed[0], b"x", 0)
    except PermissionError:
        pass
    else:
        raise AssertionError("the copy could be changed")
    try:
        s3dlio.get(uri)
    except s3dlio.NotFoundError:
        pass
    assert copies() == []
    (inode,) = mapped() - before
    return inode

assert copies() == []
first = in_child(use)
assert in_child(use) == first and len(copies()) == 1
def grandchild():
    inode = use()
    assert in_child(use) != inode
    return inode
assert in_child(grandchild) == first
# a child that closed it, and opened something else under its number
def after_closing():
    fd = copies()[0]
    os.close(fd)
    other = os.open("/dev/null", os.O_RDONLY)
    assert other == fd or os.dup2(other, fd) == fd
    s3dlio.put_bytes("memory://m/y", b"y")
    os.fstat(fd)
    return mapped() != {first}
assert in_child(after_closing)
assert in_child(use) == first
""",
        "memory://m/x",
        "null",
    )


def test_child_forked_while_another_thread_imports_a_module_can_import_it(child: Child) -> None:
    """Modules are imported by the first use of their names; a child would have the import's lock as another thread held it, for ever."""
    child(
        IN_CHILD
        + """
import concurrent.futures, logging, sys, threading, time
import s3dlio

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "s3dlio._tensors":
            begun.set()
            time.sleep(0.5)

sys.meta_path.insert(0, Slow())
begun = threading.Event()
threading.Thread(target=lambda: s3dlio.load_tensors).start()
begun.wait()
in_child(lambda: s3dlio.load_tensors)
"""
    )
