"""TFRecord files: an index finds the records, both checksums of each are compared."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np

from .. import _objects
from .._core import _native
from .._core._address import Address
from .._core._options import StorageOptions
from .._core._view import view_of
from ..exceptions import ChecksumMismatchError, InvalidArgumentError, InvalidDataError, NotFoundError
from ._packed import MemoryWindow, is_packed, packed_files, whole_file
from ._records import StretchDataset, firsts
from ._table import of_uris
from ._tar import files_of
from ._window import Window

#: Length, its checksum, and the checksum of the payload.
OVERHEAD = 16
SUFFIXES = (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz", ".tfrecord.zst", ".tfrecords.zst")
_LENGTH = struct.Struct("<QI")
#: Bytes of an index at most.
_MOST_INDEX = 1 << 32
_DELTA = 0xA282EAD8


def masked(crc: int) -> int:
    """A CRC32C as TFRecord writes it: rotated, with a constant added."""
    return ((crc >> 15 | crc << 17) + _DELTA) & 0xFFFFFFFF


def masked_crc(data: Any) -> int:
    """That of some bytes."""
    array = np.frombuffer(data, np.uint8)
    return masked(_native.crc32c(array.__array_interface__["data"][0] if array.size else 0, array.size))


def frame(payload: Any) -> bytes:
    """A record of a payload."""
    head = len(payload).to_bytes(8, "little")
    return b"".join((head, masked_crc(head).to_bytes(4, "little"), payload, masked_crc(payload).to_bytes(4, "little")))


def entries(read: Any, size: int, uri: str, lax: bool = False) -> Iterator[tuple[int, int]]:
    """Offset and size of each record, by the lengths, whose checksums are compared.

    Args:
        read: ``read(offset, length)`` gives bytes.
        size: Bytes of the file.
        uri: Its address.
        lax: A checksum of zeros is none: programs that make files for tests write it.

    Raises:
        InvalidDataError: It is no TFRecord file, or was cut short; with the byte where.
    """
    at = 0
    while at < size:
        head = read(at, 12)
        if len(head) < 12:
            raise InvalidDataError(
                f"{uri}: at byte {at} are {len(head)} bytes, a record begins with 12: the file was cut short", uri, offset=at
            )
        length, crc = _LENGTH.unpack(head)
        found = masked_crc(head[:8])
        if crc != found and not (lax and crc == 0):
            raise ChecksumMismatchError(
                f"{uri}: at byte {at} is the length {length} with the checksum {crc:08x}, {found:08x} expected: this is no TFRecord file, "
                "or it is damaged",
                uri,
                offset=at,
            )
        if length > size - at - OVERHEAD:
            raise InvalidDataError(
                f"{uri}: the record at byte {at} has {length} bytes, {max(0, size - at - OVERHEAD)} are left: the file was cut short",
                uri,
                offset=at,
            )
        yield at, length + OVERHEAD
        at += length + OVERHEAD


def payload(data: Any, uri: str, at: int) -> Any:
    """The payload of a record, both checksums compared."""
    length, crc = _LENGTH.unpack(bytes(data[:12]))
    if length != len(data) - OVERHEAD:
        raise InvalidDataError(
            f"{uri}: the record at byte {at} has {length} bytes, its index says {len(data) - OVERHEAD}: the index is of another file; "
            "make it again",
            uri,
            offset=at,
        )
    body = data[12:-4]
    for what, told, found in (
        ("length", crc, masked_crc(data[:8])),
        ("payload", int.from_bytes(bytes(data[-4:]), "little"), masked_crc(body)),
    ):
        if told != found:
            raise ChecksumMismatchError(
                f"{uri}: the {what} of the record at byte {at} has the checksum {told:08x}, {found:08x} expected: it is damaged",
                uri,
                offset=at,
            )
    return body


def index_text(found: Iterable[tuple[int, int]]) -> str:
    """An index as DALI and the original write it: a line ``offset size`` for each record."""
    return "".join(f"{offset} {size}\n" for offset, size in found)


def parse_index(text: bytes, uri: str) -> list[tuple[int, int]]:
    """Reads such an index.

    Raises:
        InvalidDataError: It is none; with the line.
    """
    if len(text) > _MOST_INDEX:
        raise InvalidDataError(f"{uri}: an index of {len(text)} bytes; {_MOST_INDEX} are taken at most", uri)
    found: list[tuple[int, int]] = []
    end = 0
    for number, line in enumerate(text.split(b"\n"), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 2 or not all(part.isdigit() and len(part) < 19 for part in parts):
            raise InvalidDataError(f"{uri}: line {number} is {line[:60]!r}; offset and size of a record are expected", uri)
        offset, size = int(parts[0]), int(parts[1])
        if size < OVERHEAD or offset < end:
            raise InvalidDataError(
                f"{uri}: line {number} has a record of {size} bytes at {offset}, after one that ends at {end}: they overlap, or it is "
                f"smaller than {OVERHEAD}",
                uri,
            )
        end = offset + size
        found.append((offset, size))
    return found


class TfRecordDataset(StretchDataset):
    """Records of TFRecord files, each payload a sample; see :func:`tfrecord`."""

    _plain = False

    def _decode(self, index: int, data: Any) -> Any:
        at = int(self._starts[index])
        try:
            return view_of(payload(data, "", at))
        except InvalidDataError:
            # the address costs something, and is for the message alone
            payload(data, self.uri(index), at)
            raise


def tfrecord(
    uris: Address | Iterable[Address],
    *,
    index: Literal["auto", "require", "rebuild", "memory"] = "auto",
    storage_options: StorageOptions | None = None,
) -> TfRecordDataset:
    """The records of TFRecord files, each payload a sample; both checksums of each are compared.

    An index of each file is kept beside it, named like the file with ``.idx`` behind it: text that NVIDIA DALI reads as well. Where it is
    missing it is made by reading the lengths, and written if the store allows.

    A file that is compressed as a whole (``.tfrecord.gz``, as TensorFlow writes with ``compression_type="GZIP"``, or ``.tfrecord.zst``)
    has no index: it is read once now, and again and unpacked in memory before the first of its samples; the last four stay there.

    Args:
        uris: A file, a prefix (its objects ending in ``.tfrecord`` or ``.tfrecords``, with ``.gz`` or ``.zst`` behind it or without), or
            addresses of files.
        index: ``"auto"``: use indexes that fit, and make and write the others; ``"require"``: only use them; ``"rebuild"``: make all anew;
            ``"memory"``: neither read nor write any.
        storage_options: Settings of the store.

    Raises:
        NotFoundError: There is no such file, or with ``"require"`` no index of one.
        InvalidDataError: A file is no TFRecord file or damaged, with the byte where.

    Example:
        >>> import s3dlio
        >>> file = b"".join(s3dlio.datasets.tfrecord_frame(payload) for payload in (b"one", b"two"))
        >>> _ = s3dlio.put("memory://records/0.tfrecord", file)
        >>> data = s3dlio.datasets.tfrecord("memory://records/0.tfrecord")
        >>> [sample.to_bytes() for sample in data]
        [b'one', b'two']
    """
    if index not in ("auto", "require", "rebuild", "memory"):
        raise InvalidArgumentError(f"index is 'auto', 'require', 'rebuild' or 'memory', found {index!r}")
    files = files_of(uris, SUFFIXES, storage_options)
    found = [_index_of(file, index, storage_options) for file in files]
    pairs = np.array([pair for one, _ in found for pair in one], np.int64).reshape(-1, 2)
    if not len(pairs):
        raise InvalidDataError(f"{files[0]}: there is no record in {'it' if len(files) == 1 else f'these {len(files)} files'}", files[0])
    table = of_uris(files, [size for _, size in found], storage_options)
    packed = packed_files(files, storage_options)
    return TfRecordDataset(table, firsts([len(one) for one, _ in found]), pairs[:, 0].copy(), pairs[:, 1].copy(), packed)


def _index_of(file: str, how: str, options: StorageOptions | None) -> tuple[list[tuple[int, int]], int]:
    beside = file + ".idx"
    if is_packed(file):
        # the index of such a file could not be told from that of another one
        data, stored = whole_file(file, options)
        inside = MemoryWindow(file, data)
        return list(entries(inside.read, inside.size, file)), stored
    if how in ("auto", "require"):
        try:
            found = parse_index(bytes(_objects.get(beside, storage_options=options)), beside)
            size = _objects.stat(file, storage_options=options).size
            end = found[-1][0] + found[-1][1] if found else 0
            if end == size:
                return found, size
            if how == "require":
                raise InvalidDataError(
                    f"{beside}: the index ends at byte {end}, {file} at {size}; make it again with index='rebuild'", beside
                )
        except (NotFoundError, InvalidDataError):
            if how == "require":
                raise
    with Window(file, options) as window:
        made, size = list(entries(window.read, window.size, file)), window.size
    if how != "memory":
        try:
            _objects.put(beside, index_text(made).encode(), storage_options=options)
        except PermissionError:
            # whoever may write there makes it once; until then it is made by each that reads
            pass
    return made, size
