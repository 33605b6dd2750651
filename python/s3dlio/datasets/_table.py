"""The objects of a data set in a few arrays: no Python object for each, so forked workers share the memory and ten million cost little."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from .._core import _native
from .._core._address import Address, Root, resolve, resolve_all, shared_root
from .._core._calls import blocking
from .._core._options import StorageOptions
from .._list import list_pages
from ..exceptions import InvalidArgumentError, NotFoundError

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


class ObjectTable:
    """Names, sizes and checksums of objects, by number.

    Args:
        roots: Each store and what comes before its keys in addresses.
        keys: All keys, one behind the other, UTF-8.
        starts: Where each begins in ``keys``, and where the last one ends.
        sizes: Bytes of each; None where they are not known.
        root_of: Which of the roots each is in; None where there is one.
        crcs: CRC32C of each; None where none is known.
        has_crc: Which of them are known; None: all.
        etags: 16 bytes for each: see ``etag_digest``; None where none is known.
    """

    def __init__(
        self,
        roots: Sequence[tuple[Root, str]],
        keys: Numbers,
        starts: Numbers,
        sizes: Numbers | None,
        root_of: Numbers | None = None,
        crcs: Numbers | None = None,
        has_crc: Numbers | None = None,
        etags: Numbers | None = None,
    ) -> None:
        self.roots = list(roots)
        self.keys = keys
        self.starts = starts
        self.sizes = sizes
        self.root_of = root_of
        self.crcs = crcs
        self.has_crc = has_crc
        self.etags = etags

    def __len__(self) -> int:
        return len(self.starts) - 1

    def key(self, index: int) -> str:
        """The key of one, below its root."""
        return bytes(self.keys[int(self.starts[index]) : int(self.starts[index + 1])]).decode("utf-8", "surrogateescape")

    def uri(self, index: int) -> str:
        """The address of one."""
        return self.roots[0 if self.root_of is None else int(self.root_of[index])][1] + self.key(index)

    def references(self, indices: Numbers) -> tuple[Any, int]:
        """The objects of those numbers as ``s3dlio_object[]``, and how many they are."""
        first = self.starts[indices].astype(np.uint64)
        lengths = self.starts[indices + 1].astype(np.uint64) - first
        numbers = np.array([root.number() for root, _ in self.roots], np.uint64)
        stores: Any = numbers[0] if self.root_of is None else numbers[self.root_of[indices]]
        at = self.keys.__array_interface__["data"][0] if self.keys.size else 0
        return _native.object_array(stores, first + np.uint64(at), lengths, self.keys), len(indices)

    def digest(self) -> int:
        """A number that stands for names, sizes and checksums."""
        crc = 0
        for part in (self.keys, np.asarray(self.starts, np.uint64), self.sizes, self.crcs, self.etags):
            if part is not None:
                whole = np.ascontiguousarray(part)
                crc = _native.crc32c_append(crc, whole.__array_interface__["data"][0] if whole.size else 0, whole.nbytes)
        return crc


def etag_digest(etag: str | None) -> bytes:
    """An ETag in 16 bytes: the MD5 that it is, or the first half of its text's SHA-256."""
    text = (etag or "").strip('"')
    if len(text) == 32:
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
    import hashlib

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16] if text else bytes(16)


class TableBuilder:
    """Gathers a table from names that come one by one."""

    def __init__(self) -> None:
        from array import array

        self._keys = bytearray()
        self._starts = array("Q", [0])
        self._sizes = array("q")
        self._etags = bytearray()

    def add(self, key: str, size: int, etag: str | None) -> None:
        """One more object."""
        self._keys += _native.key(key)
        self._starts.append(len(self._keys))
        self._sizes.append(size)
        self._etags += etag_digest(etag)

    def __len__(self) -> int:
        return len(self._sizes)

    def table(self, root: Root, base: str) -> ObjectTable:
        """What was gathered."""
        etags = np.frombuffer(bytes(self._etags), np.uint8).reshape(-1, 16)
        return ObjectTable(
            [(root, base)],
            np.frombuffer(bytes(self._keys), np.uint8),
            np.array(self._starts, np.uint64),
            np.array(self._sizes, np.int64),
            etags=etags,
        )


def glob_expression(pattern: str) -> str:
    """A pattern of file names as the regular expression of the listing.

    Without ``/`` it is for the last part of a key; with one for the whole of it below the prefix, where ``**`` is any number of parts.
    """
    found = ""
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            found, at = found + "(.*/)?", at + 3
        elif pattern.startswith("**", at):
            found, at = found + ".*", at + 2
        elif pattern[at] == "*":
            found, at = found + "[^/]*", at + 1
        elif pattern[at] == "?":
            found, at = found + "[^/]", at + 1
        elif pattern[at] == "[" and "]" in pattern[at + 2 :]:
            end = pattern.index("]", at + 2)
            inside = pattern[at + 1 : end].replace("\\", "\\\\")
            found, at = found + "[" + ("^" + inside[1:] if inside[0] == "!" else inside) + "]", end + 1
        else:
            found, at = found + re.escape(pattern[at]), at + 1
    return ("^" if "/" in pattern else "(^|/)") + found + "$"


@blocking
async def listed(
    uri: Address, pattern: str | None, recursive: bool, timeout: float | None = None, storage_options: StorageOptions | None = None
) -> ObjectTable:
    """The objects below an address."""
    where = resolve(uri, storage_options)
    below = folder = where.key.rstrip("/") + "/" if where.key.strip("/") else ""
    found = TableBuilder()
    async for page in list_pages(where, recursive, None if pattern is None else glob_expression(pattern), None):
        for item in page["objects"]:
            key = item["key"]
            if key.endswith("/"):
                # the marker of a folder
                continue
            if not key.startswith(below):
                # the object of that very name, which comes first
                folder = key[: key.rfind("/") + 1]
            found.add(key[len(folder) :], item["size"], item.get("etag"))
    if not len(found):
        asked = where.address(where.key)
        raise NotFoundError(
            f"{asked}: no object there{'' if pattern is None else f' matches {pattern!r}'}; a data set needs one at least", asked
        )
    base = where.base + folder
    root = where.root if not folder else shared_root(base if "://" in base else f"file://{base}", where.root.options)
    return found.table(root, base)


def of_uris(uris: Iterable[Address], sizes: Iterable[int] | None, storage_options: StorageOptions | None = None) -> ObjectTable:
    """Objects that are named, without asking a store."""
    places = resolve_all(uris, storage_options)
    if not places:
        raise InvalidArgumentError("a data set needs one object at least, found an empty list of addresses")
    roots: dict[int, int] = {}
    known: list[tuple[Root, str]] = []
    root_of = np.empty(len(places), np.uint16)
    for index, where in enumerate(places):
        number = roots.get(id(where.root))
        if number is None:
            number = roots[id(where.root)] = len(known)
            known.append((where.root, where.base))
            if number >= 1 << 16:
                raise InvalidArgumentError("the addresses are in more than 65,536 stores; group them by bucket")
        root_of[index] = number
    keys = [_native.key(where.key) for where in places]
    starts = np.zeros(len(keys) + 1, np.uint64)
    np.cumsum([len(key) for key in keys], out=starts[1:])
    lengths = None if sizes is None else np.fromiter(sizes, np.int64)
    if lengths is not None and (len(lengths) != len(keys) or (lengths < 0).any()):
        raise InvalidArgumentError(f"sizes has {len(lengths)} numbers for {len(keys)} objects, or a negative one")
    return ObjectTable(known, np.frombuffer(b"".join(keys), np.uint8), starts, lengths, root_of if len(known) > 1 else None)
