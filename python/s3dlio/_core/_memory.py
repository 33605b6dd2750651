"""New memory for what is loaded: arrays and tensors of any content."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from . import _native

#: Bytes from which the library's own memory is taken: in huge pages, a third of the time to first touch it, and in those of what was
#: dropped lately, which need not be cleared.
_LARGE_FROM = 2 << 20


def address_of(held: Any) -> int:
    """Where the memory of an array or a tensor begins."""
    at: int = held.__array_interface__["data"][0] if isinstance(held, np.ndarray) else held.data_ptr()
    return at


def empty_array(shape: tuple[int, ...], dtype: np.dtype[Any], order: Literal["C", "F"] = "C") -> np.ndarray[Any, Any]:
    """An array of any content.

    Raises:
        ValueError: This NumPy has no array of that shape and dtype.
        MemoryError: The system has not so much memory.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    memory = np.asarray(_native.new_memory(nbytes)) if nbytes >= _LARGE_FROM else None
    # np.empty would make S1 and U1 of S0 and U0
    return np.ndarray(shape, dtype, memory, order=order)


def empty_tensor(shape: tuple[int, ...], dtype: Any) -> Any:
    """A tensor of any content on the CPU.

    Raises:
        RuntimeError: torch has no tensor of that shape.
        MemoryError: The system has not so much memory.
    """
    import torch

    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < _LARGE_FROM:
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(np.asarray(_native.new_memory(nbytes))).view(dtype).reshape(shape)
