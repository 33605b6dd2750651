"""Element types: NumPy's, ml_dtypes', torch's and safetensors' names for the same things."""

from __future__ import annotations

import sys
from typing import Any, Literal, TypeAlias

import numpy as np

from ..exceptions import InvalidArgumentError, InvalidDataError

#: safetensors' names of what NumPy has by itself, by kind and size.
_NUMPY_TO_SAFETENSORS = {
    "b1": "BOOL",
    "u1": "U8",
    "i1": "I8",
    "i2": "I16",
    "u2": "U16",
    "f2": "F16",
    "i4": "I32",
    "u4": "U32",
    "f4": "F32",
    "c8": "C64",
    "f8": "F64",
    "i8": "I64",
    "u8": "U64",
}
_SAFETENSORS_TO_NUMPY = {name: np.dtype(code) for code, name in _NUMPY_TO_SAFETENSORS.items()}

#: The same for what NumPy has only with ml_dtypes.
_ML_DTYPES_TO_SAFETENSORS = {
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
}
_SAFETENSORS_TO_ML_DTYPES = {name: ours for ours, name in _ML_DTYPES_TO_SAFETENSORS.items()}

#: torch's attribute names.
TORCH_TO_SAFETENSORS = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "uint16": "U16",
    "float16": "F16",
    "bfloat16": "BF16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "complex64": "C64",
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    # two elements share a byte; torch counts the bytes, safetensors the elements
    "float4_e2m1fn_x2": "F4",
}
_SAFETENSORS_TO_TORCH = {name: torchs for torchs, name in TORCH_TO_SAFETENSORS.items()}


#: What may be converted when elements are loaded into memory of another type, in NumPy's words.
Casting: TypeAlias = Literal["no", "same_kind", "unsafe"]

#: Kinds of numbers, each of which holds those before it, by the beginning of a type's name.
_KINDS = (("bool",), ("uint",), ("int",), ("float", "bfloat"), ("complex",))


def check_casting(casting: str, what: str) -> None:
    """Refuses what is no casting.

    Raises:
        InvalidArgumentError: It is none of the three.
    """
    if casting not in ("no", "same_kind", "unsafe"):
        raise InvalidArgumentError(f"{what}: casting is 'no', 'same_kind' or 'unsafe', found {casting!r:.50}", what)


def castable(found: Any, wanted: Any, casting: str) -> bool:
    """Whether elements may become those of another type of the same framework.

    Args:
        found: What they are.
        wanted: What the memory holds.
        casting: ``"no"``: the same type, in any byte order. ``"same_kind"``: a number of a kind that holds it too, such as a float of fewer
            bits. ``"unsafe"``: any number.
    """
    if isinstance(found, np.dtype):
        if found == wanted or found.newbyteorder("=") == wanted.newbyteorder("="):
            return True
    elif found == wanted:
        return True
    kinds = _kind(found), _kind(wanted)
    return casting != "no" and -1 not in kinds and (casting == "unsafe" or kinds[0] <= kinds[1])


def _kind(dtype: Any) -> int:
    name = dtype.name if isinstance(dtype, np.dtype) else str(dtype).removeprefix("torch.")
    return next((index for index, names in enumerate(_KINDS) if name.startswith(names)), -1)


def is_torch_tensor(value: object) -> bool:
    """True for a torch tensor, without importing torch when nobody has."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def extension_name(dtype: np.dtype[Any]) -> str | None:
    """The name of a type that NumPy knows only by an extension such as ml_dtypes; None for NumPy's own."""
    if dtype.fields is not None or dtype.subdtype is not None or dtype.type.__module__ == "numpy":
        return None
    return dtype.name


def is_ml_dtype(dtype: np.dtype[Any]) -> bool:
    """True when ``extension_dtype`` gives the type back for its name."""
    return getattr(sys.modules.get("ml_dtypes"), dtype.name, None) is dtype.type


def extension_dtype(name: str, uri: str) -> np.dtype[Any]:
    """The dtype of an extension type's name.

    Raises:
        InvalidDataError: It needs ml_dtypes, which is not installed or too old to know it.
    """
    try:
        import ml_dtypes
    except ImportError:
        raise InvalidDataError(
            f"{uri}: the elements are {name}, which NumPy has only with the ml_dtypes package; install it, or for tensors "
            "load with framework='pt'",
            uri,
        ) from None
    kind = getattr(ml_dtypes, name, None)
    # np.dtype() makes "object" of any class, such as ml_dtypes.finfo: only its scalar types name elements
    if not (isinstance(kind, type) and issubclass(kind, np.generic)):
        raise InvalidDataError(f"{uri}: ml_dtypes {ml_dtypes.__version__} has no type {name}; install a newer one", uri)
    return np.dtype(kind)


def is_big_endian(dtype: np.dtype[Any]) -> bool:
    """True for elements, not fields, whose bytes have to be swapped for a little-endian format."""
    return dtype.byteorder == ">" or (dtype.byteorder == "=" and sys.byteorder == "big")


def numpy_to_safetensors(dtype: np.dtype[Any], what: str) -> str:
    """safetensors' name of a NumPy dtype of any byte order.

    Raises:
        InvalidArgumentError: safetensors has no such type.
    """
    extension = extension_name(dtype)
    name = _NUMPY_TO_SAFETENSORS.get(dtype.str[1:]) if extension is None else _ML_DTYPES_TO_SAFETENSORS.get(extension)
    if name is None:
        known = ", ".join(str(known) for known in _SAFETENSORS_TO_NUMPY.values())
        hint = "; view it as float64 with one more dimension of 2" if dtype.str[1:] == "c16" else ""
        raise InvalidArgumentError(f"{what}: safetensors has no type for dtype {dtype}{hint} (it has {known}, bfloat16 and float8)")
    return name


def safetensors_to_numpy(name: str, what: str) -> np.dtype[Any]:
    """The NumPy dtype of safetensors' name, little-endian as the format is.

    Raises:
        InvalidDataError: NumPy has no such type here.
    """
    own = _SAFETENSORS_TO_NUMPY.get(name)
    if own is not None:
        return own.newbyteorder("<")
    extension = _SAFETENSORS_TO_ML_DTYPES.get(name)
    if extension is None:
        raise InvalidDataError(f"{what}: NumPy has no type for {name}; load it with framework='pt'")
    return extension_dtype(extension, what)


def has_safetensors_type(dtype: np.dtype[Any]) -> bool:
    """Whether safetensors has a name for a NumPy dtype of any byte order."""
    extension = extension_name(dtype)
    return (dtype.str[1:] in _NUMPY_TO_SAFETENSORS) if extension is None else (extension in _ML_DTYPES_TO_SAFETENSORS)


def torch_to_safetensors(dtype: Any, what: str) -> str:
    """safetensors' name of a torch dtype."""
    name = TORCH_TO_SAFETENSORS.get(str(dtype).removeprefix("torch."))
    if name is None:
        hint = "; save torch.view_as_real(tensor)" if dtype.is_complex else ""
        raise InvalidArgumentError(f"{what}: safetensors has no type for {dtype}{hint}")
    return name


def safetensors_to_torch(name: str, what: str) -> Any:
    """The torch dtype of safetensors' name."""
    import torch

    dtype = getattr(torch, _SAFETENSORS_TO_TORCH.get(name, ""), None)
    if dtype is None:
        raise InvalidDataError(f"{what}: torch {torch.__version__} has no type for {name}")
    return dtype
