"""Background savers: threads that cannot start, races, further failures, addresses, memory of refused states."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Child

import s3dlio
from s3dlio import AsyncSaver


def test_saver_whose_thread_cannot_start_goes_on_and_ends(child: Child) -> None:
    child(
        """
import threading
import numpy as np, s3dlio
saver, real = s3dlio.AsyncSaver("memory://a", memory_budget=1000), threading.Thread.start

def fail(self):
    raise RuntimeError("can't start new thread")

for step in range(5):
    threading.Thread.start = fail
    try:
        saver.save({"w": np.ones(100)}, step)
        raise SystemExit("the save began")
    except RuntimeError:
        pass
    finally:
        threading.Thread.start = real
    assert saver._memory.used == 0
saver.wait()
assert saver.save({"w": np.ones(100)}, 9).result()
        """,
        timeout=30,
    )


def test_interrupt_after_the_thread_began_leaves_the_save_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = threading.Thread.start
    began = threading.Event()
    work = AsyncSaver._work

    def start(self: threading.Thread) -> None:
        real(self)
        began.wait(10)
        raise KeyboardInterrupt

    def tell(self: Any, pending: Any, *args: Any) -> None:
        took = pending._take
        monkeypatch.setattr(pending, "_take", lambda: (took(), began.set())[0], raising=False)
        work(self, pending, *args)

    monkeypatch.setattr(AsyncSaver, "_work", tell)
    saver = AsyncSaver(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(KeyboardInterrupt):
            saver.save({"w": np.ones(3)}, 1)
    saver.close()
    assert s3dlio.load_state(tmp_path)["w"].sum() == 3


def test_save_that_ends_between_two_looks_is_no_index_error(monkeypatch: pytest.MonkeyPatch) -> None:
    running = AsyncSaver._running
    looks: list[int] = []

    def look(self: AsyncSaver) -> Any:
        # every second look comes when all has ended
        if looks:
            looks.pop()
            for pending in self._pending:
                pending._ended.wait()
        found = running(self)
        if found:
            looks.append(1)
        return found

    with AsyncSaver("memory://looks") as saver:
        monkeypatch.setattr(AsyncSaver, "_running", look)
        for step in range(20):
            saver.save({"w": np.ones(3)}, step)


def test_each_failure_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    saver = AsyncSaver(tmp_path / "file", max_in_flight=3)
    # none fails before all have begun: the next save would raise it
    begun, work = threading.Event(), AsyncSaver._work
    monkeypatch.setattr(AsyncSaver, "_work", lambda self, *arguments: begun.wait(60) and work(self, *arguments))
    for step in range(3):
        saver.save({"w": np.ones(3)}, step)
    begun.set()
    for _ in range(3):
        with pytest.raises(s3dlio.S3dlioError):
            saver.wait()
    saver.wait()


def test_address_is_of_the_directory_in_which_the_saver_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with AsyncSaver("ck") as saver:
        monkeypatch.chdir(tmp_path / "b")
        saver.save({"w": np.ones(3)}, 1).result()
    assert os.listdir(tmp_path / "a") == ["ck"] and os.listdir(tmp_path / "b") == []
    # two places, though both are called the same
    for name in "ab":
        monkeypatch.chdir(tmp_path / name)
        s3dlio.save_async("both", {"w": np.ones(3)}, 1).result()
    assert (tmp_path / "a/both").is_dir() and (tmp_path / "b/both").is_dir()


@pytest.mark.parametrize("wrong", [{"compres": True}, {"compress": 40}, {"storage_options": {"nonsense": 1}}])
def test_wrong_option_is_told_when_the_saver_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(s3dlio.InvalidArgumentError):
        AsyncSaver("memory://x", **wrong)
    with pytest.raises(s3dlio.InvalidArgumentError, match="nowhere"):
        AsyncSaver("nowhere://x")


def test_refused_state_gives_its_memory_back() -> None:
    with AsyncSaver("memory://refused", memory_budget=1000) as saver:
        for _ in range(5):
            with pytest.raises(s3dlio.InvalidArgumentError):
                saver.save({"a": np.ones(100), "z": object()}, 1)
            assert saver._memory.used == 0
        saver.save({"a": np.ones(100)}, 1)
