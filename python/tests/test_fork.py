"""Forked workers over a real S3 server: many forks of a busy parent, data loaders, operations that are alive across the fork.

``S3DLIO_FORKS=1000`` forks that often, and prints what a child takes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import Child
from servers_fixture import s3_server

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
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_"))

def use():
    before, begin, busy = private(), time.perf_counter(), time.process_time()
    s3dlio.put_bytes("memory://first/x", b"1")
    loaded, busy, after = time.perf_counter() - begin, time.process_time() - busy, private()
    assert store.get("fork/a") == b"x" * 10_000
    begin = time.perf_counter()
    s3dlio.put_bytes("memory://first/x", b"1")
    again = time.perf_counter() - begin
    if os.getpid() % 10 == 0:
        assert in_child(lambda: bytes(store.get("fork/a")).decode()) == "x" * 10_000
    return [(loaded - again) * 1000, busy * 1000, after - before]

store.put_bytes("fork/a", b"x" * 10_000)
threads = [threading.Thread(target=busy, args=(i,)) for i in range(4)]
for thread in threads:
    thread.start()
descriptors = None
found = []
for i in range(count):
    found.append(in_child(use))
stop.set()
for thread in threads:
    thread.join()
assert not wrong, wrong
times, processor, sizes = zip(*found)
print(f"{count} forks, 0 failures: at first use {statistics.median(times):.1f} ms ({statistics.median(processor):.1f} ms of processor) and {statistics.median(sizes) / 1024:.1f} MiB more, medians")
""",
        uri,
        options,
        FORKS,
        timeout=120 + FORKS,
    )
    print(ended.stdout)
    assert ended.stdout.startswith(f"{FORKS} forks, 0 failures")


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
