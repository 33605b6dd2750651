"""What happens where the system gives a process no more threads: calls work with those that there are, or are errors that say so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PACKAGE, compiled

pytestmark = pytest.mark.every_python

LIMITED = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* all that were ever made count: one that ended is not given back. The first is that by which the package looks whether there are any. */
static int made;

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*start)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    return __sync_fetch_and_add(&made, 1) < atoi(getenv("MOST_THREADS")) ? create(thread, how, start, argument) : EAGAIN;
}
"""

SCRIPT = """
import os, socket, sys
import numpy as np
import s3dlio
folder = sys.argv[1]
server = socket.create_server(("127.0.0.1", 0))
nobody = {"endpoint_url": "http://127.0.0.1:9", "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b", "max_attempts": 1}
silent = nobody | {"endpoint_url": f"http://127.0.0.1:{server.getsockname()[1]}"}

CALLS = {
    "brief": lambda: s3dlio.put_bytes(folder + "/brief", b"x"),
    "put": lambda: s3dlio.put_bytes(folder + "/b", bytes(40 << 20)),
    "get": lambda: s3dlio.get(folder + "/b"),
    "put_many": lambda: s3dlio.put_many([(f"{folder}/m{i}", bytes(1 << 20)) for i in range(50)]),
    "compressed": lambda: s3dlio.save_numpy_array(folder + "/n", np.zeros(5 << 20), compress=True),
    "refused": lambda: s3dlio.get("s3://b/x", storage_options=nobody),
    "silent": lambda: s3dlio.get_many([f"s3://b/{i}" for i in range(20)], storage_options=silent, timeout=1),
    "list": lambda: s3dlio.list(folder + "/", recursive=True),
    "state": lambda: s3dlio.save_state(folder + "/state", {"a": np.zeros(3 << 20)}, 1),
    "behind": lambda: s3dlio.put_bytes(folder + "/b", bytes(1 << 20), durable=True),
}
for name, call in CALLS.items():
    try:
        call()
    except (s3dlio.S3dlioError, MemoryError, RuntimeError) as error:
        assert not isinstance(error, s3dlio.InternalError), (name, error)
        print(name, type(error).__name__, error)
    else:
        print(name, "works")
"""


@pytest.mark.parametrize("most", [0, *range(2, 13), 16, 20, 30])
def test_calls_without_more_threads_work_or_are_errors(tmp_path: Path, most: int) -> None:
    preload = compiled(tmp_path, LIMITED)
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "data").mkdir()
    environment = {"PYTHONPATH": str(PACKAGE.parent), "LD_PRELOAD": str(preload), "MOST_THREADS": str(most), "OPENBLAS_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-X", "faulthandler", tmp_path / "script.py", tmp_path / "data"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    said = dict(line.split(" ", 1) for line in ended.stdout.splitlines())
    assert len(said) == 10
    assert said["refused"].startswith(("StoreConnectionRefusedError", "OutOfSpaceError")), said
    if most == 0:
        assert all("threads" in words for words in said.values()), said
    if most == 30:
        assert [name for name, words in said.items() if words != "works"] == ["refused", "silent"], said
