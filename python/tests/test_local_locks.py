"""Locks of files: a put with a condition takes its turn, and waits for nobody longer than it was told to."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import s3dlio


def test_put_with_if_match_does_not_wait_for_a_child_that_was_forked_during_the_write(tmp_path: Path) -> None:
    path = tmp_path / "x"
    writer = s3dlio.ObjectWriter(path)
    writer.write(bytes(3 << 20))
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    try:
        writer.close()
        began = time.monotonic()
        s3dlio.put_bytes(path, b"second", if_match=s3dlio.stat(path)["etag"], timeout=30)
        assert time.monotonic() - began < 15
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert path.read_bytes() == b"second"


def test_put_with_if_match_keeps_its_timeout_while_another_has_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "x"
    s3dlio.put_bytes(path, b"first")
    tag = s3dlio.stat(path)["etag"]
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(s3dlio.StoreTimeoutError):
            s3dlio.put_bytes(path, b"second", if_match=tag, timeout=0.3)
        assert time.monotonic() - began < 10
    assert os.listdir(tmp_path) == ["x"]
    assert path.read_bytes() == b"first"
    s3dlio.put_bytes(path, b"second", if_match=tag)
    assert path.read_bytes() == b"second"


def test_put_with_if_match_hears_an_interrupt_while_another_has_the_lock(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(*_: Any) -> None:
        raise Stop

    path = tmp_path / "x"
    s3dlio.put_bytes(path, b"first")
    tag = s3dlio.stat(path)["etag"]
    before = signal.signal(signal.SIGALRM, stop)
    try:
        with path.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            began = time.monotonic()
            with pytest.raises(Stop):
                s3dlio.put_bytes(path, b"second", if_match=tag)
            assert time.monotonic() - began < 10
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert os.listdir(tmp_path) == ["x"]
    assert path.read_bytes() == b"first"
