"""Writes that are acknowledged by a journal of this machine and sent later: processes that are killed, and that share a directory."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import s3dlio

#: Processes that are killed; the long form is 200.
KILLS = int(os.environ.get("S3DLIO_CACHE_KILLS", "6"))

WRITER = """
import sys, s3dlio
far, cache, name, seed = sys.argv[1:]
store = s3dlio.cache(far, cache, mode="back")
for i in range(100_000):
    key = f"{name}/{i % 7}"
    data = f"{seed} {i} {key}|".encode() * (1 + (i * 7919) % (20_000 if i % 5 == 0 else 40))
    if i % 11 == 10:
        store.delete(key, missing_ok=True)
        data = b""
    else:
        store.put(key, data)
    sys.stdout.buffer.write(f"{i} {key} {len(data)}\\n".encode())
    sys.stdout.buffer.flush()
"""


def content(seed: int, i: int, key: str) -> bytes:
    return f"{seed} {i} {key}|".encode() * (1 + (i * 7919) % (20_000 if i % 5 == 0 else 40))


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    far, cache = f"file://{tmp_path}/far", tmp_path / "cache"
    random.seed(os.environ.get("S3DLIO_CACHE_KILL_SEED", "1"))
    acknowledged: dict[str, bytes | None] = {}
    possible: dict[str, list[bytes | None]] = {}
    for seed in range((KILLS + 1) // 2):
        # two at once, with names of their own
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, far, str(cache), name, str(seed)], stdout=subprocess.PIPE)
            for name in ("one", "two")
        ]
        try:
            for writer in writers:
                assert writer.stdout is not None
                told = [writer.stdout.readline() for _ in range(random.randrange(1, 60))]
                writer.send_signal(signal.SIGKILL)
                told += writer.stdout.readlines()
                writer.wait()
                last, name = -1, "one" if writer is writers[0] else "two"
                for line in told:
                    if not line.endswith(b"\n"):
                        continue
                    number, key, length = line.split()
                    last = int(number)
                    possible.pop(key.decode(), None)
                    acknowledged[key.decode()] = content(seed, last, key.decode()) if int(length) else None
                # what was under way when it died may be there, at once or when somebody takes the journal over
                key_under_way = f"{name}/{(last + 1) % 7}"
                under_way = None if (last + 1) % 11 == 10 else content(seed, last + 1, key_under_way)
                possible.setdefault(key_under_way, []).append(under_way)
                reader = s3dlio.cache(far, cache)
                for key, data in list(acknowledged.items()) + [(key, None) for key in possible if key not in acknowledged]:
                    if not key.startswith(name):
                        continue
                    found = bytes(reader.get(key)) if reader.exists(key) else None
                    assert found == data or found in possible.get(key, []), f"seed {seed}: {key}"
        finally:
            for writer in writers:
                writer.kill()
                writer.wait()
    # somebody takes all journals over, and everything arrives
    check = "import sys, s3dlio; s3dlio.cache(sys.argv[1], sys.argv[2], mode='back').flush(timeout=120)"
    subprocess.run([sys.executable, "-c", check, far, str(cache)], check=True)
    there = s3dlio.Store(far)
    for key, data in acknowledged.items():
        found = bytes(there.get(key)) if there.exists(key) else None
        assert found == data or found in possible.get(key, []), key
    assert s3dlio.cache(far, cache).pending()["writes"] == 0


def test_two_processes_read_what_the_other_wrote(tmp_path: Path) -> None:
    far, cache = f"file://{tmp_path}/far", tmp_path / "cache"
    s3dlio.put(f"{far}/x/old", b"old")
    script = """
import sys, s3dlio
store = s3dlio.cache(sys.argv[1], sys.argv[2], mode="offline")
store.put("x/new", b"new"); store.put("x/old", b"newer"); store.put("x/large", bytes(1 << 20))
store.put("x/never", b""); store.delete("x/never")
print("written", flush=True)
sys.stdin.read()
print(bytes(store.get("x/back")).decode(), flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, far, str(cache)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None and other.stdout is not None
        assert other.stdout.readline() == "written\n"
        for mode in ("read", "back"):
            store = s3dlio.cache(far, cache, mode=mode)  # type: ignore[arg-type]
            assert (bytes(store.get("x/new")), bytes(store.get("x/old"))) == (b"new", b"newer")
            assert bytes(store.get("x/large")) == bytes(1 << 20) and sorted(store.list("x/")) == ["x/large", "x/new", "x/old"]
        assert bytes(s3dlio.get(f"{far}/x/old")) == b"old"
        store.put("x/back", b"there")
        other.stdin.close()
        assert other.stdout.read() == "there\n"
    # it ended: its journal is taken over
    assert store.flush(timeout=120)["writes"] == 0
    assert bytes(s3dlio.get(f"{far}/x/old")) == b"newer" and bytes(s3dlio.get(f"{far}/x/large")) == bytes(1 << 20)


def test_flush_pending_and_close_say_what_is_left(tmp_path: Path) -> None:
    far = f"file://{tmp_path}/far"
    with s3dlio.cache(far, tmp_path / "cache", mode="back") as store:
        written = store.put("a", b"123456789")
        assert written.checksum == "crc32c:e3069283" and written.size == 9
        store.put_barrier("manifest", b"a", content_type="text/plain", metadata={"x": "y"})
        assert store.flush()["writes"] == 0
    assert bytes(s3dlio.get(f"{far}/manifest")) == b"a" and s3dlio.stat(f"{far}/manifest").content_type == "text/plain"
    stats = store.stats()
    assert (stats["accepted"], stats["sent"], stats["pending"], stats["parked"], stats["bypassed"]) == (2, 2, 0, 0, 0)
    again = pickle.loads(pickle.dumps(store))
    assert bytes(again.get("a")) == b"123456789" and again.pending()["writes"] == 0
    away = s3dlio.cache(far, tmp_path / "cache", mode="offline")
    away.put("late", b"x")
    # in one process the modes share a journal, and who may send sends
    assert store.flush(timeout=60)["writes"] == 0 and bytes(s3dlio.get(f"{far}/late")) == b"x"


def test_what_a_store_refuses_is_parked_and_raised(tmp_path: Path) -> None:
    far = f"file://{tmp_path}/far"
    store = s3dlio.cache(far, tmp_path / "cache", mode="back")
    s3dlio.put(f"{far}/a/b", b"below")
    store.put("a", b"in its way")
    with pytest.raises(s3dlio.IsDirectoryError, match="parked"):
        store.flush(timeout=60)
    found = store.pending()
    assert (found["writes"], found["parked"], found["first"][0]["kind"], found["first"][0]["attempts"]) == (1, 1, "put", 1)
    assert bytes(store.get("a")) == b"in its way"
    with pytest.raises(s3dlio.IsDirectoryError):
        store.close()
    (tmp_path / "far/a/b").unlink()
    (tmp_path / "far/a").rmdir()
    assert store.unpark() == 1
    store.flush(timeout=60)
    assert bytes(s3dlio.get(f"{far}/a")) == b"in its way"


def test_offline_asks_no_store(tmp_path: Path) -> None:
    far = f"file://{tmp_path}/far"
    s3dlio.put(f"{far}/kept", b"kept")
    s3dlio.put(f"{far}/far", b"far")
    assert bytes(s3dlio.cache(far, tmp_path / "cache").get("kept")) == b"kept"
    store = s3dlio.cache(far, tmp_path / "cache", mode="offline")
    store.put("made", b"made")
    assert bytes(store.get("kept")) == b"kept" and bytes(store.get("made")) == b"made" and sorted(store.list()) == ["kept", "made"]
    for call in (lambda: store.get("far"), lambda: store.put("made", b"", overwrite=False), store.flush):
        with pytest.raises(s3dlio.UnavailableError, match="offline"):
            call()
    assert not (tmp_path / "far/made").exists()
