"""Keys, gradients and rows of tables as memory that the library reads and writes: NumPy's arrays and torch's tensors."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from .._core._dtypes import extension_dtype, is_torch_tensor
from .._core._memory import empty_array, empty_tensor
from ..exceptions import InvalidArgumentError

_INT64 = np.dtype(np.int64)
_FLOAT32 = np.dtype(np.float32)
#: The library's names of what a row's numbers are, and torch's.
_TORCH = {"f4": "float32", "f2": "float16", "bf16": "bfloat16"}
_NAMES = {
    "f4": "f4", "float32": "f4", "<f4": "f4", "torch.float32": "f4", "f2": "f2", "float16": "f2", "<f2": "f2", "torch.float16": "f2",
    "bf16": "bf16", "bfloat16": "bf16", "torch.bfloat16": "bf16",
}  # fmt: skip


def dtype_name(dtype: Any, what: str) -> str:
    """The library's name of a dtype of NumPy, ml_dtypes or torch, or of text."""
    text = dtype if isinstance(dtype, str) else str(dtype) if str(dtype).startswith("torch.") else ""
    if not text:
        try:
            text = np.dtype(dtype).name
        except TypeError:
            text = str(dtype)
    found = _NAMES.get(text)
    if found is None:
        raise InvalidArgumentError(f"{what}: rows are of dtype 'f4', 'f2' or 'bf16', found {dtype!r:.60}", what)
    return found


def numpy_dtype(name: str, what: str) -> np.dtype[Any]:
    """NumPy's; bfloat16 needs ml_dtypes."""
    return extension_dtype("bfloat16", what) if name == "bf16" else np.dtype(name)


def torch_dtype(name: str) -> Any:
    """torch's."""
    return getattr(sys.modules["torch"], _TORCH[name])


def keys_of(keys: Any, what: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Keys as contiguous int64 of their shape."""
    if type(keys) is np.ndarray and keys.dtype is _INT64 and keys.flags.c_contiguous:
        return keys
    if is_torch_tensor(keys):
        tensor: Any = keys
        tensor = tensor.detach()
        if tensor.is_floating_point() or tensor.is_complex() or str(tensor.dtype) == "torch.bool":
            raise InvalidArgumentError(f"{what}: keys are integers, found a tensor of {tensor.dtype}", what)
        torch = sys.modules["torch"]
        array: np.ndarray[Any, Any] = tensor.to(device="cpu", dtype=torch.int64).contiguous().numpy()
        return array
    _check_whole(keys, what, "keys")
    try:
        found = np.asarray(keys)
    except (ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"{what}: keys are integers of 64 bits, found {type(keys).__name__}: {error}", what) from None
    if found.size == 0 and not isinstance(keys, np.ndarray):
        found = found.astype(_INT64)
    if found.dtype.kind not in "iu":
        raise InvalidArgumentError(f"{what}: keys are integers of 64 bits, found dtype {found.dtype}", what)
    # not ascontiguousarray, which gives a single key a dimension; unsigned ones keep their bits
    return np.array(found, _INT64, copy=True, order="C") if found.dtype != _INT64 or not found.flags.c_contiguous else found


def new_rows(shape: tuple[int, ...], name: str, like: Any, what: str) -> Any:
    """Memory for rows, a tensor where the keys were one."""
    if is_torch_tensor(like):
        return empty_tensor(shape, torch_dtype(name))
    if name == "f4":
        return np.empty(shape, _FLOAT32) if math.prod(shape) < 1 << 19 else empty_array(shape, _FLOAT32)
    return empty_array(shape, numpy_dtype(name, what))


def check_out(out: Any, shape: tuple[int, ...], name: str, what: str) -> None:
    """Refuses memory that rows cannot be written to."""
    if is_torch_tensor(out):
        fits = (
            out.dtype == torch_dtype(name) and out.device.type == "cpu" and out.is_contiguous() and not (out.requires_grad and out.is_leaf)
        )
    elif isinstance(out, np.ndarray):
        fits = out.dtype == numpy_dtype(name, what) and out.flags.c_contiguous and out.flags.writeable
    else:
        raise InvalidArgumentError(f"{what}: out is an array or a tensor, found {type(out).__name__}", what)
    if not fits or tuple(out.shape) != shape:
        raise InvalidArgumentError(
            f"{what}: out must be contiguous and writable, of shape {shape} and dtype {_TORCH[name]},"
            f" found {tuple(out.shape)} and {out.dtype}",
            what,
        )


def floats_of(values: Any, shape: tuple[int, ...], name: str, what: str, noun: str) -> Any:
    """Gradients or rows as contiguous memory of a dtype, an array or a tensor."""
    if type(values) is np.ndarray and values.dtype is _FLOAT32 and name == "f4" and values.flags.c_contiguous and values.shape == shape:
        return values
    if is_torch_tensor(values):
        held: Any = values
        if not held.is_floating_point():
            raise InvalidArgumentError(f"{what}: {noun} are floats, found a tensor of {held.dtype}", what)
        held = held.detach()
        held = held.to_dense() if held.layout is not sys.modules["torch"].strided else held
        _check_shape(tuple(held.shape), shape, what, noun)
        return held.to(device="cpu", dtype=torch_dtype(name)).contiguous()
    _check_whole(values, what, noun)
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise InvalidArgumentError(f"{what}: {noun} are an array of shape {shape}, found {type(values).__name__}: {error}", what) from None
    if found.dtype.kind != "f" and found.dtype.name != "bfloat16" and not (found.dtype.kind in "iu" and not isinstance(values, np.ndarray)):
        raise InvalidArgumentError(f"{what}: {noun} are floats, found dtype {found.dtype}", what)
    _check_shape(found.shape, shape, what, noun)
    return np.array(found, numpy_dtype(name, what), order="C")


def _check_whole(values: Any, what: str, noun: str) -> None:
    if isinstance(values, np.ma.MaskedArray):
        raise InvalidArgumentError(f"{what}: {noun} have no mask, found a masked array; give array.filled() or its compressed() part", what)


def _check_shape(found: tuple[int, ...], shape: tuple[int, ...], what: str, noun: str) -> None:
    if found != shape:
        raise InvalidArgumentError(f"{what}: {noun} have shape {shape}, the keys' and the table's dimension, found {found}", what)
