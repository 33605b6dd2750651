"""First calls of a process, from several threads at once: the runtime starts, and every class is prepared, under all of them.

``S3DLIO_FIRST_USES=3000`` starts that many processes for each store. Under .NET 9 one process of a hundred or two died here, its stack
exhausted.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import IN_CHILD, Child
from servers_fixture import azure_server, s3_server

pytestmark = pytest.mark.every_python

FIRST_USES = int(os.environ.get("S3DLIO_FIRST_USES", "60"))


@pytest.mark.parametrize("where", ["file", "s3", "azure"])
def test_first_calls_from_several_threads_at_once_all_end_well(tmp_path: Path, child: Child, where: str) -> None:
    uri, options = {"file": lambda: (tmp_path.as_uri(), {}), "s3": s3_server, "azure": azure_server}[where]()
    child(
        IN_CHILD
        + """
import json, random, sys, threading
import numpy as np
import s3dlio
uri, options, count = sys.argv[1] + "/first-use", json.loads(sys.argv[2]), int(sys.argv[3])
array = np.arange(70_000, dtype=np.float32)

def fails(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError("it worked")

def store():
    return s3dlio.Store(uri, storage_options=options)

CALLS = [
    lambda i: store().put_bytes(f"put-{i}", b"x" * 70_000),
    lambda i: store().exists("there"),
    lambda i: store().list(),
    lambda i: fails(s3dlio.NotFoundError, lambda: store().get("missing")),
    lambda i: fails(s3dlio.InvalidArgumentError, lambda: s3dlio.Store(uri, storage_options={"nonsense": 1})),
    lambda i: store().get("there"),
    lambda i: s3dlio.get_many([f"{uri}/there"] * 3, storage_options=options),
    lambda i: store().save_numpy_array(f"{i}.npy", array),
    lambda i: store().save_numpy_array(f"compressed-{i}.npy", array, compress=True),
    lambda i: store().load_numpy_array("there.npy"),
    lambda i: store().save_tensors(f"{i}.safetensors", {"a": array}),
    lambda i: s3dlio.save_state(f"{uri}/state-{i}", {"a": array}, 1, storage_options=options),
]

def prepare():
    store().put_bytes("there", b"x")
    store().save_numpy_array("there.npy", array)

def calls_at_once(seed):
    # every second time the same call from all: what threads most probably meet at
    chosen = random.Random(seed).choices(CALLS, k=4) if seed % 2 else [lambda i: s3dlio.exists(uri, storage_options=options)] * 4
    ready, failed = threading.Barrier(4), []
    def one(i, call):
        ready.wait()
        try:
            call(i)
        except BaseException:
            failed.append(traceback.format_exc())
    threads = [threading.Thread(target=one, args=(i, call)) for i, call in enumerate(chosen)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, "\\n".join(failed)

# this process itself never loads the library
in_child(prepare)
for seed in range(count):
    in_child(calls_at_once, seed)
""",
        uri,
        json.dumps(options),
        FIRST_USES,
        timeout=60 + FIRST_USES,
    )
