"""A second, plain writer and reader of safetensors, to compare ours with where the safetensors package is not installed."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

#: In the order by which the format's own writer sorts, downwards.
ORDER = [
    "BOOL",
    "F4",
    "F6_E2M3",
    "F6_E3M2",
    "U8",
    "I8",
    "F8_E5M2",
    "F8_E4M3",
    "F8_E8M0",
    "F8_E4M3FNUZ",
    "F8_E5M2FNUZ",
    "I16",
    "U16",
    "F16",
    "BF16",
    "I32",
    "U32",
    "F32",
    "C64",
    "F64",
    "I64",
    "U64",
]
NUMPY = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "I16": "<i2",
    "U16": "<u2",
    "F16": "<f2",
    "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4",
    "C64": "<c8",
    "F64": "<f8",
    "I64": "<i8",
    "U64": "<u8",
}
_NAMES = {np.dtype(code): name for name, code in NUMPY.items()}


def write(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file."""
    described = {name: (_NAMES[array.dtype.newbyteorder("<")], array) for name, array in tensors.items()}
    names = sorted(described, key=lambda name: (-ORDER.index(described[name][0]), name.encode()))
    header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    data = b""
    for name in names:
        dtype, array = described[name]
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes("C")
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    return framed(json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode(), data)


def framed(text: bytes, data: bytes = b"") -> bytes:
    """Header text and data with the length before them."""
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def read(raw: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a file."""
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(raw[8 + length + begin : 8 + length + end], NUMPY[entry["dtype"]]).reshape(entry["shape"])
    return arrays, metadata
