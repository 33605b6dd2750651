"""A program that a type checker reads and nobody runs: what s3dlio gives has these types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from typing_extensions import assert_type

import s3dlio
from s3dlio import aio
from s3dlio.checkpoint import Checkpoint, CheckpointInfo, Manifest
from s3dlio.types import (
    AsyncObjectReader,
    AsyncObjectWriter,
    BytesView,
    LazyTensor,
    ObjectMeta,
    ObjectReader,
    ObjectWriter,
    TensorFile,
    WriteResult,
)


def blocking(options: dict[str, Any]) -> None:
    """Functions and methods."""
    assert_type(s3dlio.put("s3://b/x", b"1", storage_options={"region": "eu", "max_attempts": 3}), WriteResult)
    assert_type(s3dlio.put("s3://b/x", b"1", storage_options=options), WriteResult)
    assert_type(s3dlio.get("s3://b/x", verify="require"), BytesView)
    assert_type(s3dlio.stat("s3://b/x"), ObjectMeta)
    assert_type(s3dlio.stat("s3://b/x").last_modified, datetime)
    assert_type(s3dlio.open("x"), ObjectReader)
    assert_type(s3dlio.open("x", "wb"), ObjectWriter)
    assert_type(s3dlio.Store("x").open("k", "rb"), ObjectReader)
    assert_type(s3dlio.Store("x").get_range("k", 1, 2), BytesView)
    assert_type(s3dlio.put_many([("x", b"")]), list[tuple[Any, WriteResult]])
    assert_type(s3dlio.get_ranges("x", [(0, 1)]), list[BytesView])
    assert_type(s3dlio.load_numpy_array("x"), np.ndarray[Any, np.dtype[Any]])
    assert_type(s3dlio.open_tensors("x"), TensorFile)
    assert_type(s3dlio.open_tensors("x")["w"], LazyTensor)
    mapping: Mapping[str, LazyTensor] = s3dlio.open_tensors("x")
    assert_type(s3dlio.checkpoint.load(str(mapping)), Checkpoint)
    assert_type(s3dlio.checkpoint.load("x").manifest, Manifest)
    assert_type(s3dlio.checkpoint.latest("x"), CheckpointInfo | None)
    # the original's names, too
    assert_type(s3dlio.put_bytes("x", b"1"), WriteResult)
    assert_type(s3dlio.exists("x"), bool)
    try:
        s3dlio.delete("x", missing_ok=True)
    except s3dlio.errors.NotFoundError as error:
        assert_type(error.uri, str)
    with s3dlio.config(timeout=3):
        s3dlio.save("x.npy", np.ones(3), format="npy")


async def coroutines() -> None:
    """The same for asyncio."""
    assert_type(await aio.put("x", b"1"), WriteResult)
    assert_type(await s3dlio.Store("x").aio.stat("k"), ObjectMeta)
    async with aio.open("x") as reader:
        assert_type(reader, AsyncObjectReader)
    async with aio.open("x", "wb") as writer:
        assert_type(writer, AsyncObjectWriter)
    async for meta in aio.list_stream("x"):
        assert_type(meta, ObjectMeta)
    assert_type(await aio.checkpoint.latest("x"), CheckpointInfo | None)


def wrong() -> None:
    """Each of these is an error of its own."""
    s3dlio.get("x", verify="yes")  # type: ignore[arg-type]
    s3dlio.save("x", 1, format="npz")  # type: ignore[arg-type]
    s3dlio.get("x", timeuot=3)  # type: ignore[call-arg]
    s3dlio.config(storage_options=[1])  # type: ignore[arg-type]
    s3dlio.nonsense_of_this_name  # type: ignore[attr-defined]  # noqa: B018
