"""The fixtures that users' own suites get."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import CHECKOUT, PACKAGE
from test_moto import _place_of_moto

import s3dlio
from s3dlio.testing import FaultyStore

pytest_plugins: list[str] = []


@pytest.fixture
def store(tmp_path: Path) -> FaultyStore:
    return FaultyStore(tmp_path / "store")


def test_calls_fail_as_often_as_the_script_says(store: FaultyStore) -> None:
    store.fail("put", "a/*", times=2)
    for _ in range(2):
        with pytest.raises(s3dlio.errors.UnavailableError, match="as the test says"):
            store.put("a/x", b"1")
    store.put("b", b"1")
    store.put("a/x", b"1")
    store.fail(error=s3dlio.errors.OutOfSpaceError)
    with pytest.raises(OSError, match="as the test says"):
        store.save_tensors("m", {})
    with pytest.raises(s3dlio.errors.OutOfSpaceError):
        asyncio.run(store.aio.get("a/x"))
    store.heal()
    assert bytes(asyncio.run(store.aio.get("a/x"))) == b"1"
    assert store.calls("put") == 4 and store.calls() == 7
    with pytest.raises(s3dlio.errors.InvalidArgumentError, match="putt"):
        store.fail("putt")


def test_calls_stall_and_run_out_of_time(store: FaultyStore) -> None:
    store.put("a", b"1")
    store.stall("get", seconds=0.2)
    begin = time.monotonic()
    assert store.get("a") == b"1" and time.monotonic() - begin >= 0.2
    begin = time.monotonic()
    for call in (lambda: store.get("a", timeout=0.05), lambda: asyncio.run(store.aio.get("a", timeout=0.05))):
        with pytest.raises(TimeoutError, match="did not end within"):
            call()
    assert time.monotonic() - begin < 5

    async def list_all() -> list[str | None]:
        return [meta.uri async for meta in store.aio.list_stream()]

    assert asyncio.run(list_all()) == ["a"]


def test_damage_is_found_by_whoever_reads(store: FaultyStore) -> None:
    for damage in (lambda: store.flip("a"), lambda: store.flip("a", -1, 7), lambda: store.truncate("a", 3)):
        store.put("a", b"0123456789")
        damage()
        with pytest.raises(s3dlio.errors.ChecksumMismatchError):
            s3dlio.get(store.folder / "a")


SUITE = """
pytest_plugins = ["s3dlio.testing"]

def test_memory(memory_store):
    assert memory_store.list() == []
    memory_store.put("a", b"1")

def test_memory_is_empty_again(memory_store):
    assert memory_store.list() == []

def test_files(tmp_store, tmp_path):
    tmp_store.put("a/b", b"1")
    assert (tmp_path / "store" / "a" / "b").read_bytes() == b"1"

def test_faults(faulty_store):
    faulty_store.fail("get")
    try:
        faulty_store.get("a")
    except ConnectionError:
        return
    assert False

def test_server(s3_server):
    s3_server.store.put("a", b"1")
    assert bytes(s3_server.store.get("a")) == b"1"
"""


def test_plugin_serves_a_suite_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["s3dlio.testing"]\n')
    (tmp_path / "test_suite.py").write_text(SUITE.replace('pytest_plugins = ["s3dlio.testing"]\n', ""))
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error::ResourceWarning", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120, check=False)
    wanted = "5 passed" if importlib.util.find_spec("moto") and importlib.util.find_spec("flask") else "4 passed, 1 skipped"
    assert ended.returncode == 0 and wanted in ended.stdout, ended.stdout + ended.stderr


def test_plugin_is_registered_under_the_name_of_its_module() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'\[project\.entry-points\.pytest11\]\n"s3dlio\.testing" = "s3dlio\.testing"\n', text)


SERVER_SUITE = """
import asyncio
import pytest
import s3dlio

buckets = []

def test_bucket_is_empty_and_works(s3_server):
    buckets.append(s3_server.uri)
    assert s3_server.store.list() == []
    s3_server.store.put("a/b", b"123456789", metadata={"epoch": "3"})
    assert s3_server.store.get("a/b") == b"123456789" and s3_server.store.stat("a/b").metadata == {"epoch": "3"}
    # by its address, as a program under test would
    assert s3dlio.get(f"{s3_server.uri}/a/b", storage_options=s3_server.storage_options) == b"123456789"
    assert asyncio.run(s3_server.store.aio.list(recursive=True)) == ["a/b"]
    with pytest.raises(FileNotFoundError):
        s3_server.store.get("none")

def test_next_test_gets_another_bucket(s3_server):
    buckets.append(s3_server.uri)
    assert len(set(buckets)) == 2 and s3_server.store.list() == []

def test_checkpoints_and_large_objects(s3_server):
    s3dlio.checkpoint.save(s3_server.uri + "/run", {"step": 7}, 7, storage_options=s3_server.storage_options)
    assert s3dlio.checkpoint.load(s3_server.uri + "/run", storage_options=s3_server.storage_options).state == {"step": 7}
    with s3_server.store.open("large", "wb") as file:
        file.write(bytes(20 << 20))
    assert s3_server.store.stat("large").size == 20 << 20

def test_server_can_be_the_default(s3_server):
    with s3dlio.config(storage_options=s3_server.storage_options):
        s3dlio.put(s3_server.uri + "/x", b"1")
"""


def test_server_serves_a_suite_of_its_own(tmp_path: Path) -> None:
    place = _place_of_moto()
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["s3dlio.testing"]\n')
    (tmp_path / "test_suite.py").write_text(SERVER_SUITE)
    # behind what this Python has
    program = (
        f"import sys; sys.path.append({place!r}); import pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-W', "
        "'error::ResourceWarning:s3dlio', '.']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300, check=False
    )
    assert ended.returncode == 0 and "4 passed" in ended.stdout, ended.stdout + ended.stderr
