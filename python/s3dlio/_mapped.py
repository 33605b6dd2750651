"""Tensors of a local file that lie in a mapping of it: pages that processes share until one of them writes to its own."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._core._address import Location

#: Not among the module's names in every release. Pages that are never written to need no memory set aside for a copy.
_NO_RESERVE: int = getattr(mmap, "MAP_NORESERVE", 0x4000)


def map_file(where: Location, meta: dict[str, Any]) -> np.ndarray[Any, Any] | str:
    """The bytes of the file that was opened, private to this process where it writes to them.

    Args:
        where: Where it lies.
        meta: What the store says of the object that was opened.

    Returns:
        The bytes, or why they cannot be mapped.
    """
    if where.root.uri != "file:///":
        return f"{where.root.uri} is no store of local files"
    if meta["key"] != where.key or where.key.endswith(".zst"):
        return "it is compressed"
    try:
        file = os.open("/" + where.key, os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = os.fstat(file)
            if _tag(found) != meta["etag"] or found.st_size != meta["size"]:
                return "another file was put in its place meanwhile"
            made = mmap.mmap(file, found.st_size, flags=mmap.MAP_PRIVATE | _NO_RESERVE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        finally:
            os.close(file)
    except OSError as error:
        return f"the system does not map it ({error.strerror})"
    return np.frombuffer(made, np.uint8)


def _tag(found: os.stat_result) -> str:
    """The entity tag that the library gives to a local file."""
    seconds, nanoseconds = divmod(found.st_mtime_ns, 10**9)
    # as the library writes negative numbers
    return f'"{found.st_ino:x}-{seconds & (1 << 64) - 1:x}.{nanoseconds:08x}-{found.st_size:x}"'


def array_of(data: np.ndarray[Any, Any], begin: int, nbytes: int, dtype: np.dtype[Any], shape: Sequence[int]) -> np.ndarray[Any, Any]:
    """An array of some of those bytes; a copy where they do not lie as its elements have to."""
    part = data[begin : begin + nbytes]
    aligned = part.__array_interface__["data"][0] % dtype.alignment == 0
    return np.ndarray(tuple(shape), dtype, part if aligned else part.copy())


def tensor_of(data: np.ndarray[Any, Any], begin: int, nbytes: int, dtype: Any, shape: Sequence[int]) -> Any:
    """A tensor of some of those bytes; a copy where they do not lie as its elements have to."""
    import torch

    if not nbytes:
        return torch.empty(tuple(shape), dtype=dtype)
    if (data.__array_interface__["data"][0] + begin) % dtype.itemsize:
        data, begin = data[begin : begin + nbytes].copy(), 0
    # one call in place of three: from_numpy, view, reshape
    return torch.frombuffer(data, dtype=dtype, count=nbytes // dtype.itemsize, offset=begin).reshape(tuple(shape))
