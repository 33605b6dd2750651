"""The asyncio twins: same results, no thread per call, cancelling waits for the buffers."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import NAMES
from test_timeout import CALLS, GRACE, LIMIT, WITHOUT, deaf  # noqa: F401 (a fixture)

import s3dlio
from s3dlio._store_methods import AsyncStore, StoreMethods


def _tensor_objects() -> tuple[Any, Any]:
    s3dlio.save_tensors("memory://async/twins", {"a": np.ones(2)})
    file = s3dlio.open_tensors("memory://async/twins")
    return file, file["a"]


def test_every_function_has_a_twin_with_its_arguments() -> None:
    for name in [*CALLS, "presign", "mkdir"]:
        # save_async is no twin of save, which is newer
        older = None if name == "save" else getattr(s3dlio, f"{name}_async", None)
        twins = [twin for twin in (older, getattr(s3dlio.aio, name, None) or getattr(s3dlio.aio.admin, name, None)) if twin is not None]
        assert twins, name
        for twin in twins:
            told, wanted = (str(inspect.signature(one)).replace("builtins.", "") for one in (twin, getattr(s3dlio, name)))
            assert told == wanted
            assert inspect.iscoroutinefunction(twin) or inspect.isasyncgenfunction(twin)
    # this one begins nothing
    methods = {name for name in vars(StoreMethods) if not name.startswith("_")}
    assert methods == {name for name in vars(AsyncStore) if not name.startswith("_")} and len(methods) > 25
    # whatever waits for a store, wherever it is found
    places = [s3dlio, *(one for name in NAMES if inspect.isclass(one := getattr(s3dlio, name)))]
    places += [type(one) for one in _tensor_objects()]
    found = [(place, name) for place in places for name, one in vars(place).items() if hasattr(one, "body") and not name.endswith("_async")]
    assert len(found) > 25
    for place, name in found:
        # what is new has its twin in s3dlio.aio, under the same name
        older = None if (place, name) == (s3dlio, "save") else getattr(place, f"{name}_async", None)
        twin = older or (getattr(s3dlio.aio, name) if place is s3dlio else None)
        assert inspect.iscoroutinefunction(twin) or inspect.isasyncgenfunction(twin), (place, name)
    assert "configure" in WITHOUT


def test_twins_give_what_the_functions_give(tmp_path: Path) -> None:
    async def use() -> None:
        store = s3dlio.Store(tmp_path)
        assert await store.put_bytes_async("a", b"123456789") == "crc32c:e3069283"
        assert await store.get_async("a") == b"123456789"
        assert await store.get_range_async("a", 2, 3) == b"345"
        assert (await store.stat_async("a"))["size"] == 9 and await store.exists_async("a")
        await store.copy_async("a", "b")
        await store.rename_async("b", "c/d")
        await store.mkdir_async("e")
        assert await store.list_async(recursive=True) == ["a", "c/d"]
        assert [item["uri"] async for item in store.list_stream_async()] == ["a", "c/d"]
        array = np.arange(100_000.0).reshape(100, 1000)
        checksum = await store.save_numpy_array_async("x.npy", array)
        np.testing.assert_array_equal(await store.load_numpy_array_async("x.npy", validate_checksum=checksum), array)
        await store.save_tensors_async("m", {"w": array})
        np.testing.assert_array_equal((await store.load_tensors_async("m"))["w"], array)
        with await store.open_tensors_async("m") as file:
            np.testing.assert_array_equal(await file["w"].read_async((slice(3, 50, 7), slice(None))), array[3:50:7])
            np.testing.assert_array_equal(await file["w"].load_async(), array)
            np.testing.assert_array_equal((await file.load_async())["w"], array)
        uris = [f"{tmp_path}/many/{i}" for i in range(20)]
        await s3dlio.put_many_async([(uri, uri.encode()) for uri in uris])
        assert [bytes(data).decode() for _, data in await s3dlio.get_many_async(uris)] == uris
        assert len(await s3dlio.stat_many_async(uris)) == 20
        await s3dlio.upload_async(tmp_path / "many", "memory://async/u")
        assert len(await s3dlio.download_async("memory://async/u", tmp_path / "down")) == 20
        assert await store.list_uploads_async() == [] == await store.abort_uploads_async()
        assert await store.delete_async("many", recursive=True) == 20
        with pytest.raises(FileNotFoundError):
            await store.get_async("none")
        seen: list[tuple[int, int]] = []
        await store.put_bytes_async("p", bytes(1 << 20), progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (1 << 20, 1 << 20)

    asyncio.run(use())


def test_thousands_at_once_take_no_thread_each(deaf: dict[str, Any]) -> None:  # noqa: F811
    async def use() -> None:
        before = threading.active_count()
        native = len(os.listdir("/proc/self/task"))
        tasks = [asyncio.create_task(s3dlio.get_async(f"s3://b/{i}", storage_options=deaf)) for i in range(1000)]
        await asyncio.sleep(0.5)
        assert threading.active_count() == before
        assert len(os.listdir("/proc/self/task")) - native < 100
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(one) for one in ended} == {asyncio.CancelledError}

    asyncio.run(use())


def test_many_results_all_arrive() -> None:
    async def use() -> None:
        await asyncio.gather(*(s3dlio.put_bytes_async(f"memory://async/{i}", bytes([i % 256]) * 2000) for i in range(2000)))
        found = await asyncio.gather(*(s3dlio.get_async(f"memory://async/{i}") for i in range(2000)))
        assert all(view == bytes([i % 256]) * 2000 for i, view in enumerate(found))

    asyncio.run(use())
    asyncio.run(use())  # another loop


def test_cancelled_task_ends_its_operation_and_frees_its_buffer(deaf: dict[str, Any]) -> None:  # noqa: F811
    async def use() -> None:
        data = bytearray(b"x" * 1000)
        task = asyncio.create_task(s3dlio.put_bytes_async("s3://b/x", data, storage_options=deaf))
        await asyncio.sleep(0.1)
        begin = time.monotonic()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() and time.monotonic() - begin < GRACE
        # the exception's frames hold the buffer as long as it lives itself
        del task
        gc.collect()
        data.extend(b"y")  # BufferError while anything exports it

    asyncio.run(use())


@pytest.mark.parametrize("name", ["get", "put_bytes", "list", "load_tensors"])
def test_twin_times_out_while_the_loop_runs(deaf: dict[str, Any], name: str) -> None:  # noqa: F811
    arguments: dict[str, tuple[Any, ...]] = {"put_bytes": (b"data",)}

    async def use() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        with pytest.raises(s3dlio.StoreTimeoutError, match=f"{name}_async"):
            await getattr(s3dlio, f"{name}_async")("s3://b/x", *arguments.get(name, ()), timeout=LIMIT, storage_options=deaf)
        assert ticks >= 3
        ticking.cancel()

    asyncio.run(use())


def test_loops_leave_no_descriptor_behind() -> None:
    async def use() -> None:
        await asyncio.gather(*(s3dlio.put_bytes_async(f"memory://async/fd{i}", bytes(1 << 20)) for i in range(8)))

    asyncio.run(use())
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        asyncio.run(use())
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 1
