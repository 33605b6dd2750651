"""Plain values as JSON that keeps their types, for what stands beside tensors in a checkpoint: nothing that is read back can run.

Text, whole numbers, true, false, null, finite floats, lists and dictionaries with names of text are JSON's own. Everything else is an
object with the member ``~``, which names one of the types below, and ``v``, its content. A type that is not among them is refused when
it is written, and an unknown name when it is read.
"""

from __future__ import annotations

import base64
import collections
import io
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exceptions import InvalidArgumentError, InvalidDataError
from ._dtypes import extension_name

#: Containers within containers; beyond it something refers to itself.
_DEEPEST = 100

_DTYPE = re.compile(r"[<>|=]?[biufcmMSUV?][0-9]*(\[[0-9]*[a-zA-Z]+\])?")


@dataclass(frozen=True)
class TensorRef:
    """Stands in a tree of values where a tensor was that is kept elsewhere.

    Attributes:
        name: The tensor's.
        framework: ``"np"`` or ``"pt"``: what it was.
    """

    name: str
    framework: str


def encode(value: Any, what: str, _depth: int = 0) -> Any:
    """What ``json.dumps`` can write for a value, types and all.

    Args:
        value: None, bool, int, float, complex, str, bytes, bytearray, io.BytesIO, list, tuple, set, frozenset, range, dict, OrderedDict,
            Counter, NumPy scalars and arrays, torch tensors, ``torch.Size``, ``torch.dtype``, ``torch.device``, in any nesting.
        what: What it is, for errors.

    Raises:
        InvalidArgumentError: It, or something in it, is of another type.
    """
    if _depth > _DEEPEST:
        raise InvalidArgumentError(f"{what}: containers are nested more than {_DEEPEST} deep, or hold themselves")
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"~": "float", "v": repr(value)}
    if kind is list:
        return [encode(item, what, _depth + 1) for item in value]
    if kind is dict and "~" not in value and all(type(name) is str for name in value):
        return {name: encode(item, f"{what}[{name!r}]", _depth + 1) for name, item in value.items()}
    writer = _WRITERS.get(kind)
    if writer is not None:
        return {"~": writer[0], "v": writer[1](value, what, _depth + 1)}
    if isinstance(value, np.generic):
        return {"~": "scalar", "v": _array(np.asarray(value), what)}
    if kind is np.ndarray:
        return {"~": "array", "v": _array(value, what)}
    found = _encode_torch(value, what)
    if found is not None:
        return found
    raise InvalidArgumentError(
        f"{what}: a {kind.__module__}.{kind.__qualname__} cannot be stored, since only plain values are: what a pickle can hold, a pickle "
        "can "
        "also run. Give numbers, text, bytes, lists, tuples, dictionaries, arrays or tensors, such as the object's state_dict() or vars()"
    )


def decode(value: Any, what: str, _depth: int = 0) -> Any:
    """The value that ``encode`` was given, from what ``json.loads`` read.

    Raises:
        InvalidDataError: It is nothing that ``encode`` gives.
    """
    if _depth > 2 * _DEEPEST:
        raise InvalidDataError(f"{what}: containers are nested more than {_DEEPEST} deep")
    if isinstance(value, list):
        return [decode(item, what, _depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if "~" not in value:
        return {name: decode(item, f"{what}[{name!r:.50}]", _depth + 1) for name, item in value.items()}
    name, content = value["~"], value.get("v")
    reader = _READERS.get(name) if isinstance(name, str) else None
    if reader is None or set(value) != {"~", "v"}:
        raise InvalidDataError(f"{what}: a value of the type {str(name)[:50]!r} is not known here; update s3dlio, or the data is damaged")
    try:
        return reader(content, what, _depth + 1)
    except InvalidDataError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RuntimeError) as error:
        raise InvalidDataError(f"{what}: what stands for a {name} is none: {str(error)[:200]}") from None


def _pairs(value: Any, what: str, depth: int) -> Any:
    return [[encode(name, what, depth), encode(item, f"{what}[{name!r}]", depth)] for name, item in value.items()]


def _items(value: Any, what: str, depth: int) -> Any:
    return [encode(item, what, depth) for item in value]


def _text(value: Any, what: str, depth: int) -> str:
    return base64.b64encode(value).decode()


def _array(array: np.ndarray[Any, Any], what: str) -> dict[str, Any]:
    from .._arrays import describe
    from .._checkpoints._sharded import NPY

    dtype = array.dtype
    if dtype.hasobject:
        raise InvalidArgumentError(f"{what}: arrays of {dtype} cannot be stored: they hold Python objects")
    if dtype.names is None and extension_name(dtype) is None and _DTYPE.fullmatch(dtype.str):
        name = dtype.str
    else:
        descr, extension = describe(dtype, what)
        name = NPY + descr if extension is None else extension
    return {"dtype": name, "shape": list(array.shape), "data": base64.b64encode(array.tobytes()).decode()}


def _read_array(content: Any, what: str, depth: int) -> np.ndarray[Any, Any]:
    from .._arrays import dtype_of
    from .._checkpoints._sharded import in_framework

    name = content["dtype"]
    dtype = dtype_of(repr(name), what) if isinstance(name, str) and _DTYPE.fullmatch(name) else in_framework(name, False, what)
    shape, data = extents(content["shape"]), base64.b64decode(content["data"], validate=True)
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes for the shape {shape} of {dtype}")
    # a copy, so that it can be written to
    return np.ndarray(shape, dtype, bytearray(data) if data else None)


def extents(numbers: Any) -> tuple[int, ...]:
    """A shape, offsets or sizes out of JSON.

    Raises:
        ValueError: They are no list of at most 64 whole numbers below 2^62.
    """
    if (
        not isinstance(numbers, list)
        or len(numbers) > 64
        or any(type(number) is not int or not 0 <= number < 1 << 62 for number in numbers)
    ):
        raise ValueError(f"expected at most 64 whole numbers from 0 to 2^62 - 1, found {numbers!r:.80}")
    return tuple(numbers)


def _encode_torch(value: Any, what: str) -> Any:
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if isinstance(value, torch.Size):
        return {"~": "torch.Size", "v": list(value)}
    if isinstance(value, (torch.dtype, torch.device)):
        return {"~": f"torch.{type(value).__name__}", "v": str(value).removeprefix("torch.")}
    if type(value) in (torch.Tensor, torch.nn.Parameter):
        plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
        data = plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        dtype = str(plain.dtype).removeprefix("torch.")
        return {"~": "torch.Tensor", "v": {"dtype": dtype, "shape": list(plain.shape), "data": base64.b64encode(data).decode()}}
    return None


def torch_of(what: str) -> Any:
    """torch, for what is of it.

    Raises:
        InvalidDataError: It is not installed.
    """
    try:
        import torch
    except ImportError:
        raise InvalidDataError(f"{what} is of torch, which is not installed here; tensors load as arrays with framework='np'") from None
    return torch


def torch_dtype(name: Any, what: str) -> Any:
    """The torch dtype of a name such as ``float32``.

    Raises:
        InvalidDataError: torch has no such dtype.
    """
    torch = torch_of(what)
    found = getattr(torch, name, None) if isinstance(name, str) else None
    if not isinstance(found, torch.dtype):
        raise InvalidDataError(f"{what}: torch {torch.__version__} has no dtype {str(name)[:50]!r}")
    return found


def _read_tensor(content: Any, what: str, depth: int) -> Any:
    torch = torch_of(what)
    data = bytearray(base64.b64decode(content["data"], validate=True))
    shape, dtype = extents(content["shape"]), torch_dtype(content["dtype"], what)
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes for the shape {shape}")
    return torch.frombuffer(data, dtype=torch.uint8).view(dtype).reshape(shape) if data else torch.empty(shape, dtype=dtype)


def _read_size(content: Any, what: str, depth: int) -> Any:
    return torch_of(what).Size(extents(content))


def _read_device(content: Any, what: str, depth: int) -> Any:
    if not isinstance(content, str):
        raise ValueError(f"a device called {content!r:.50}")
    return torch_of(what).device(content)


def _read_items(make: Callable[[Any], Any]) -> Callable[[Any, str, int], Any]:
    return lambda content, what, depth: make(_list(decode(content, what, depth)))


def _read_pairs(make: Callable[[Any], Any]) -> Callable[[Any, str, int], Any]:
    return lambda content, what, depth: make([(decode(name, what, depth), decode(item, what, depth)) for name, item in _list(content)])


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, found {type(value).__name__}")
    return value


def _read_ref(name: Any, framework: Any) -> TensorRef:
    if not isinstance(name, str) or framework not in ("np", "pt"):
        raise ValueError(f"a tensor called {name!r:.80} of {framework!r:.20}")
    return TensorRef(name, framework)


def _read_file(data: Any, at: Any) -> io.BytesIO:
    if type(at) is not int or not 0 <= at < 1 << 62:
        raise ValueError(f"the position {at!r:.50}")
    made = io.BytesIO(base64.b64decode(data, validate=True))
    made.seek(at)
    return made


def _read_counter(pairs: Any) -> Any:
    return collections.Counter(dict(pairs))


_Writer = tuple[str, Callable[[Any, str, int], Any]]

_WRITERS: dict[type, _Writer] = {
    dict: ("dict", _pairs),
    collections.OrderedDict: ("OrderedDict", _pairs),
    collections.Counter: ("Counter", _pairs),
    tuple: ("tuple", _items),
    set: ("set", _items),
    frozenset: ("frozenset", _items),
    bytes: ("bytes", _text),
    bytearray: ("bytearray", _text),
    io.BytesIO: ("BytesIO", lambda value, what, depth: [base64.b64encode(value.getbuffer()).decode(), value.tell()]),
    complex: ("complex", lambda value, what, depth: [encode(value.real, what), encode(value.imag, what)]),
    TensorRef: ("tensor", lambda value, what, depth: [value.name, value.framework]),
    range: ("range", lambda value, what, depth: [value.start, value.stop, value.step]),
}

_READERS: dict[str, Callable[[Any, str, int], Any]] = {
    "float": lambda content, what, depth: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[content],
    "dict": _read_pairs(dict),
    "OrderedDict": _read_pairs(collections.OrderedDict),
    "Counter": _read_pairs(_read_counter),
    "tuple": _read_items(tuple),
    "set": _read_items(set),
    "frozenset": _read_items(frozenset),
    "bytes": lambda content, what, depth: base64.b64decode(content, validate=True),
    "bytearray": lambda content, what, depth: bytearray(base64.b64decode(content, validate=True)),
    "BytesIO": lambda content, what, depth: _read_file(*_list(content)),
    "complex": lambda content, what, depth: complex(*(decode(part, what) for part in _list(content))),
    "range": lambda content, what, depth: range(*_list(content)),
    "scalar": lambda content, what, depth: _read_array(content, what, depth)[()],
    "array": _read_array,
    "tensor": lambda content, what, depth: _read_ref(*_list(content)),
    "torch.Tensor": _read_tensor,
    "torch.Size": _read_size,
    "torch.dtype": lambda content, what, depth: torch_dtype(content, what),
    "torch.device": _read_device,
}
