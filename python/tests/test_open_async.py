"""Files of an event loop: the same bytes as the blocking ones, cancelled without harm."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import shutil
import subprocess
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Base

import s3dlio


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


def words(length: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).choice(np.frombuffer(b"abcdefgh ", np.uint8), length).tobytes()


def test_takes_what_open_takes() -> None:
    def parameters(function: Any) -> Any:
        return {name: (one.kind, one.default) for name, one in inspect.signature(function).parameters.items()}

    assert parameters(s3dlio.open_async) == parameters(s3dlio.open)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("buffering", [0, 1000, 1 << 20])
def test_reads_at_any_place_give_those_bytes(base: Base, compress: bool, buffering: int) -> None:
    data = words(9_000_000) + os.urandom(3_000_000)

    async def use() -> None:
        async with s3dlio.open_async(base.text("x"), "wb", compress=compress) as file:
            for begin in range(0, len(data), 1_700_000):
                assert await file.write(data[begin : begin + 1_700_000]) == len(data[begin : begin + 1_700_000])
            for at in range(10):
                await file.write(bytes([at]))
            assert file.tell() == file.bytes_written == len(data) + 10
        whole = data + bytes(range(10))
        assert await s3dlio.get_async(base.text("x"), decompress=compress) == whole
        dice = random.Random(1)
        async with s3dlio.open_async(base.text("x"), buffering=buffering) as file:
            assert file.size == len(whole) and file.uri.endswith(".zst") == compress
            for _ in range(60):
                at, length = dice.randrange(len(whole) + 100), dice.choice([0, 1, 10, 5000, 300_000, 6_000_000])
                assert await file.seek(at) == at
                assert await file.read(length) == whole[at : at + length]
                assert file.tell() == min(at + length, max(at, len(whole)))
            await file.seek(-7, os.SEEK_END)
            assert await file.read() == whole[-7:] and await file.read() == b""
            memory = bytearray(70_000)
            await file.seek(11)
            assert await file.readinto(memory) == 70_000 and memory == whole[11:70_011]
            assert await file.seek(5, os.SEEK_CUR) == 70_016
            await file.seek(0)
            assert await file.read() == whole
            for wrong in ((-1, os.SEEK_SET), (0, 9)):
                with pytest.raises(s3dlio.InvalidArgumentError, match="leads nowhere"):
                    await file.seek(*wrong)
        with pytest.raises(s3dlio.ClosedError):
            await file.read(1)

    run(use())


def test_foreign_stream_of_unknown_size_is_read_to_its_end(tmp_path: Path) -> None:
    zstd = shutil.which("zstd") or pytest.skip("no zstd program on this machine")
    data = words(9_500_000)
    # by a pipe the program does not know the size either
    packed = subprocess.run([zstd, "-q", "-c"], input=data, capture_output=True, check=True).stdout
    (tmp_path / "f.zst").write_bytes(packed)

    async def use() -> None:
        async with s3dlio.open_async(tmp_path / "f.zst") as file:
            assert file.size == -1
            assert await file.read(10) == data[:10]
            assert await file.read() == data[10:]
            assert file.size == len(data)
        async with s3dlio.open_async(tmp_path / "f.zst") as file:
            assert await file.seek(-3, os.SEEK_END) == len(data) - 3
            assert await file.read() == data[-3:]

    run(use())


def test_writers_that_end_badly_leave_nothing(base: Base) -> None:
    async def use() -> None:
        with pytest.raises(RuntimeError, match="mine"):
            async with s3dlio.open_async(base.text("x"), "wb") as file:
                await file.write(b"1" * 3_000_000)
                raise RuntimeError("mine")
        file = await s3dlio.open_async(base.text("x"), "wb")
        await file.write(b"2")
        await file.cancel()
        await file.close()
        file = await s3dlio.open_async(base.text("x"), "wb")
        await file.write(b"3")
        del file
        assert await s3dlio.list_async(base.text()) == []
        file = await s3dlio.open_async(base.text("x"), "xb", compress=5, metadata={"k": "v"})
        await file.write(b"4" * 1000)
        told = await file.finalize()
        assert told["raw_size"] == 1000 and told["uri"].endswith("/x.zst") and file.closed
        assert (await s3dlio.stat_async(told["uri"]))["metadata"] == {"k": "v"}
        with pytest.raises(FileExistsError):
            async with s3dlio.open_async(base.text("x"), "xb", compress=True) as file:
                await file.write(b"5")
        with pytest.raises(FileNotFoundError):
            await s3dlio.open_async(base.text("nothing"))
        with pytest.raises(s3dlio.InvalidArgumentError, match="'r'"):
            s3dlio.open_async(base.text("x"), "r")
        with pytest.raises(s3dlio.InvalidArgumentError, match="durable"):
            s3dlio.open_async(base.text("x"), durable=True)

    run(use())


def test_cancelled_read_lets_go_of_its_memory_and_keeps_the_place(tmp_path: Path) -> None:
    data = words(64 << 20)
    with s3dlio.open(tmp_path / "x.zst", "wb") as file:
        file.write(data)

    async def use() -> None:
        async with s3dlio.open_async(tmp_path / "x.zst") as file:
            await file.seek(5)
            memory = bytearray(len(data))
            reading = asyncio.ensure_future(file.readinto(memory))
            await asyncio.sleep(0.002)
            reading.cancel()
            done = await asyncio.gather(reading, return_exceptions=True)
            if isinstance(done[0], asyncio.CancelledError):
                assert file.tell() == 5
                # nobody writes to it any more
                memory[:] = bytes(len(memory))
                await asyncio.sleep(0.05)
                assert memory == bytes(len(memory))
            await file.seek(5)
            assert await file.read(100_000) == data[5:100_005]

    run(use())


def test_many_files_at_once_in_one_loop(base: Base) -> None:
    async def one(number: int) -> None:
        data = words(1_000_000 + number, number)
        async with s3dlio.open_async(base.text(f"many/{number}"), "wb", compress=number % 2 == 0) as file:
            for begin in range(0, len(data), 77_777):
                await file.write(data[begin : begin + 77_777])
        async with s3dlio.open_async(base.text(f"many/{number}")) as file:
            pieces = []
            while piece := await file.read(123_456):
                pieces.append(piece)
        assert b"".join(pieces) == data

    async def use() -> None:
        await asyncio.gather(*(one(number) for number in range(16)))

    run(use())
