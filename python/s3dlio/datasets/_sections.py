"""Arrays in one file that is mapped into memory: manifests, and indexes beside tar and record files. docs/formats.md has it to the byte."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import _objects
from .._core import _native
from .._core._address import Address, resolve
from .._core._options import StorageOptions
from ..exceptions import ChecksumMismatchError, InvalidDataError, NotFoundError

MAGIC = b"S3DLIOST"
_ALIGNMENT = 64
#: Bytes of a header at most.
_MOST_HEADER = 64 << 20
_TYPES = {"u8": np.uint8, "u32": np.uint32, "u64": np.uint64, "i64": np.int64}


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]]) -> list[Any]:
    """The pieces of a file: header and arrays."""
    names = {np.dtype(kind).str: name for name, kind in _TYPES.items()}
    sections: dict[str, Any] = {}
    pieces: list[Any] = []
    at = 0
    for name, array in arrays.items():
        whole = np.ascontiguousarray(array)
        sections[name] = {"type": names[whole.dtype.str], "offset": at, "length": whole.nbytes, "crc32c": _crc(whole)}
        room = -whole.nbytes % _ALIGNMENT
        pieces += [whole.reshape(-1).view(np.uint8), bytes(room)]
        at += whole.nbytes + room
    text = json.dumps({**header, "sections": sections}, ensure_ascii=True).encode()
    text += b" " * (-(16 + len(text)) % _ALIGNMENT)
    front = MAGIC + len(text).to_bytes(4, "little") + _crc(np.frombuffer(text, np.uint8)).to_bytes(4, "little")
    return [front + text, *pieces]


def write(
    uri: Address, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]], storage_options: StorageOptions | None = None
) -> None:
    """Writes such a file to any store, whole or not at all."""
    from .._writer import ObjectWriter

    with ObjectWriter(uri, storage_options=storage_options) as out:
        for piece in pack(header, arrays):
            if len(piece):
                out.write(piece)


def read(
    uri: Address, kind: str, storage_options: StorageOptions | None = None, verify: bool = True
) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Reads such a file; a local one is mapped, so that the processes of a host share its pages.

    Raises:
        NotFoundError: It is not there.
        ChecksumMismatchError: It is damaged.
        InvalidDataError: It is no such file, or of another kind.
    """
    where = resolve(uri, storage_options)
    text = where.address(where.key)
    if where.root.uri == "file:///":
        try:
            if os.path.getsize("/" + where.key) == 0:
                raise InvalidDataError(f"{text}: no {kind} of s3dlio: it is empty", text)
            data: Any = np.memmap("/" + where.key, np.uint8, "r").view(np.ndarray)
        except FileNotFoundError:
            raise NotFoundError(f"{text}: there is no such file", text) from None
    else:
        data = np.asarray(_objects.get(where))
    return unpack(data, text, kind, verify)


def unpack(data: np.ndarray[Any, Any], text: str, kind: str, verify: bool = True) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Header and arrays of a file's bytes."""

    def wrong(what: str) -> InvalidDataError:
        return InvalidDataError(f"{text}: no {kind} of s3dlio that can be read: {what}", text)

    if len(data) < 16 or bytes(data[:8]) != MAGIC:
        raise wrong(f"it begins with {bytes(data[:8])!r}, {MAGIC!r} expected")
    length = int.from_bytes(bytes(data[8:12]), "little")
    if length > min(_MOST_HEADER, len(data) - 16):
        raise wrong(f"its header has {length} bytes, the file {len(data)}")
    raw = data[16 : 16 + length]
    if _crc(raw) != int.from_bytes(bytes(data[12:16]), "little"):
        raise ChecksumMismatchError(f"{text}: the header does not have the checksum that it says: it is damaged; make it again", text)
    try:
        header = json.loads(bytes(raw))
        sections = header["sections"]
        if header.get("version") != 1:
            raise wrong(f"it has version {header.get('version')!r}, this release reads 1")
        if header.get("kind") != kind:
            raise wrong(f"it is a {header.get('kind')!r}")
        arrays = {}
        for name, section in sections.items():
            first, size = section["offset"], section["length"]
            if not (isinstance(first, int) and isinstance(size, int) and 0 <= first and 0 <= size and first % _ALIGNMENT == 0):
                raise wrong(f"its section {name!r} is at {first!r} with {size!r} bytes")
            if 16 + length + first + size > len(data):
                raise wrong(f"its section {name!r} ends at byte {16 + length + first + size}, the file has {len(data)}: it was cut short")
            part = data[16 + length + first : 16 + length + first + size]
            if verify and _crc(part) != section["crc32c"]:
                raise ChecksumMismatchError(
                    f"{text}: section {name!r} does not have the checksum that the header says: it is damaged; make it again",
                    text,
                    offset=16 + length + first,
                )
            arrays[name] = part.view(_TYPES[section["type"]])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InvalidDataError):
            raise
        raise wrong(f"its header says nothing sensible ({type(error).__name__}: {error})") from None
    return header, arrays


def require(condition: bool, text: str, what: str) -> None:
    """Refuses arrays that contradict each other."""
    if not condition:
        raise InvalidDataError(f"{text}: {what}", text)


def _crc(part: Any) -> int:
    return _native.crc32c(part.__array_interface__["data"][0], part.nbytes) if part.nbytes else 0


def starts_of(lengths: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Where each of so many pieces begins, and where the last one ends."""
    found = np.zeros(len(lengths) + 1, np.uint64)
    np.cumsum(lengths, out=found[1:])
    return found


def ascending(starts: np.ndarray[Any, Any], end: int) -> bool:
    """Whether these are such starts of pieces that fill ``end`` bytes."""
    return len(starts) > 0 and int(starts[0]) == 0 and int(starts[-1]) == end and bool((starts[1:] >= starts[:-1]).all())


__all__ = ["ascending", "pack", "read", "require", "starts_of", "unpack", "write"]
