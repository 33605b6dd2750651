"""JSON documents that carry their own checksum: one flipped byte is found wherever the document was copied to."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from ..exceptions import ChecksumMismatchError, InvalidDataError
from . import _native

_UNKNOWN = b'"crc32c:00000000"'
_FIELD = re.compile(rb'"crc32c": *"crc32c:([0-9a-f]{8})"')


def checksum(data: bytes | bytearray) -> str:
    """CRC32C of bytes, ``crc32c:xxxxxxxx``."""
    array = np.frombuffer(data, np.uint8)
    return f"crc32c:{_native.crc32c(array.__array_interface__['data'][0], array.size) if array.size else 0:08x}"


def write(kind: str, version: int, content: dict[str, Any]) -> bytes:
    """A document.

    Its member ``crc32c`` is that of the whole text, taken with the value's eight digits as zeros.

    Args:
        kind: What it is, its member ``format``.
        version: Grows when older readers cannot understand it.
        content: The other members.
    """
    head = {"format": kind, "format_version": version, "crc32c": "crc32c:00000000"}
    text = json.dumps({**head, **content}, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
    # the first such text is the head's: nothing stands before it but the format and its version
    return text.replace(_UNKNOWN, f'"{checksum(text)}"'.encode(), 1)


def read(data: bytes, kind: str, version: int, what: str) -> dict[str, Any]:
    """The members of a document.

    Raises:
        InvalidDataError: It is no such document, or one of a newer version.
        ChecksumMismatchError: It is damaged.
    """
    found = _FIELD.search(data, 0, 400)
    if found is None:
        raise InvalidDataError(f"{what}: this is no {kind} document: it does not begin with its format and checksum", what)
    zeroed = data[: found.start(1)] + b"00000000" + data[found.end(1) :]
    expected = f"crc32c:{found.group(1).decode()}"
    if checksum(zeroed) != expected:
        raise ChecksumMismatchError(
            f"{what}: checksum mismatch: {expected} recorded, {checksum(zeroed)} found. The document is damaged", what
        )
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidDataError(f"{what}: this is no JSON: {error}", what) from None
    if not isinstance(content, dict) or content.get("format") != kind:
        raise InvalidDataError(f"{what}: expected a {kind} document, found {str(content)[:80]!r}", what)
    if type(content.get("format_version")) is not int or not 1 <= content["format_version"] <= version:
        raise InvalidDataError(
            f"{what}: format version {content.get('format_version')!r:.50} is not known, {version} is; update s3dlio", what
        )
    return content
