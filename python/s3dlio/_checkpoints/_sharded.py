"""Parts of larger tensors: what one rank of a job holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._core._dtypes import is_torch_tensor
from ..exceptions import InvalidArgumentError


class TensorShard:
    """A rank's part of a tensor that is spread over ranks, for ``save_state`` and ``load_state``.

    Args:
        data: The part, an array or a tensor.
        shape: The whole tensor's shape.
        offsets: Where the part begins in each dimension.

    Raises:
        InvalidArgumentError: The part lies outside of the whole.

    Example:
        >>> import numpy as np, s3dlio
        >>> rank, ranks = 1, 4
        >>> s3dlio.TensorShard(np.ones((2, 3)), shape=(8, 3), offsets=(2 * rank, 0))
        TensorShard((2, 3) of (8, 3) at (2, 0))
    """

    def __init__(self, data: Any, shape: Sequence[int], offsets: Sequence[int]) -> None:
        if not isinstance(data, np.ndarray) and not is_torch_tensor(data):
            raise InvalidArgumentError(f"a shard's data is an array or a tensor, found {type(data).__name__}")
        self.data = data
        self.shape = tuple(int(extent) for extent in shape)
        self.offsets = tuple(int(offset) for offset in offsets)
        fits = len(self.shape) == len(self.offsets) == data.ndim
        if not fits or any(o < 0 or o + n > e for o, n, e in zip(self.offsets, data.shape, self.shape, strict=True)):
            raise InvalidArgumentError(
                f"a part of shape {tuple(data.shape)} at {self.offsets} does not lie in a tensor of shape {self.shape}"
            )

    def __repr__(self) -> str:
        return f"TensorShard({tuple(self.data.shape)} of {self.shape} at {self.offsets})"


@dataclass(frozen=True)
class Part:
    """An array or tensor as a part of a whole.

    Attributes:
        data: The memory.
        shape: The whole's shape.
        offsets: Where it begins there.
        whole: Whether it is no part but all of it, the same on every rank.
        mine: Whether this rank is the one to save it, where several hold the same part.
    """

    data: Any
    shape: tuple[int, ...]
    offsets: tuple[int, ...]
    whole: bool
    mine: bool


def part_of(value: Any) -> Part | None:
    """A value as a part, or None where it is no tensor."""
    if isinstance(value, Part):
        return value
    if isinstance(value, TensorShard):
        return Part(value.data, value.shape, value.offsets, False, True)
    if isinstance(value, np.ndarray):
        return Part(value, value.shape, (0,) * value.ndim, True, True)
    if not is_torch_tensor(value):
        return None
    distributed = sys.modules.get("torch.distributed.tensor") or sys.modules.get("torch.distributed._tensor")
    if distributed is None or not isinstance(value, distributed.DTensor):
        return Part(value.detach(), tuple(value.shape), (0,) * value.dim(), True, True)
    return _distributed(value)


def _distributed(value: Any) -> Part:
    """A DTensor's part; of those that hold the same one the first in each replicated dimension of the mesh saves it."""
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    local = value.to_local().detach()
    shape, offsets = compute_local_shape_and_global_offset(value.shape, value.device_mesh, value.placements)
    place = value.device_mesh.get_coordinate() or ()
    if any(placement.is_partial() for placement in value.placements):
        raise InvalidArgumentError("a DTensor that is partial, a sum yet to be taken, cannot be saved; redistribute it first")
    mine = all(index == 0 for index, placement in zip(place, value.placements, strict=False) if placement.is_replicate())
    if tuple(shape) != tuple(local.shape):
        raise InvalidArgumentError(f"a DTensor's local part has shape {tuple(local.shape)}, its placement says {tuple(shape)}")
    return Part(local, tuple(value.shape), tuple(offsets), False, mine and bool(place))


#: Begins the names of types that only a NumPy array has; what follows is the ``descr`` of a ``.npy`` header.
NPY = "npy:"

#: Longer ones are no type that anybody has.
_LONGEST_NAME = 1 << 20


def dtype_name(data: Any, what: str = "the array") -> str:
    """An element type's name, the same for NumPy and torch: ``float32``, ``bfloat16``; of text, dates and structures that of ``.npy``.

    Raises:
        InvalidArgumentError: A ``.npy`` file cannot describe it.
    """
    if is_torch_tensor(data):
        return str(data.dtype).removeprefix("torch.")
    native = data.dtype.newbyteorder("=")
    if native.name in _NUMPY and native.fields is None:
        return str(native.name)
    from .._arrays import describe

    descr, extension = describe(data.dtype, what)
    return NPY + descr if extension is None else extension


def in_framework(name: str, torch_wanted: bool, what: str) -> Any:
    """The element type of a name.

    Raises:
        InvalidDataError: The framework has no such type.
    """
    from .._core._dtypes import extension_dtype
    from .._core._plain import torch_dtype
    from ..exceptions import InvalidDataError

    if not isinstance(name, str):
        raise InvalidDataError(f"{what}: the type of its elements is a text, found {type(name).__name__}", what)
    if name.startswith(NPY):
        if torch_wanted:
            raise InvalidArgumentError(f"{what}: torch has no type for elements of {name[len(NPY) :][:80]}; load it into an array")
        if len(name) > _LONGEST_NAME:
            raise InvalidDataError(f"{what}: the type of its elements has a name of {len(name)} characters", what)
        from .._arrays import dtype_of

        return dtype_of(name[len(NPY) :], what)
    if torch_wanted:
        return torch_dtype(name, what)
    if name in _NUMPY:
        return np.dtype(name).newbyteorder("<")
    if name.startswith(("bfloat", "float4", "float6", "float8", "int2", "int4", "uint2", "uint4")):
        return extension_dtype(name, what)
    raise InvalidDataError(f"{what}: elements of the type {name[:50]!r} are not known here; update s3dlio", what)


_NUMPY = frozenset(
    ["bool", "float16", "float32", "float64", "complex64", "complex128"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
