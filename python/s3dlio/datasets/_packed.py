"""Gzip and zstd: members and objects that are unpacked as they are read, and whole files that are unpacked in memory."""

from __future__ import annotations

import itertools
import os
import threading
import zlib
from collections import OrderedDict
from typing import Any

import numpy as np

from .. import _objects
from .._core._options import StorageOptions
from .._reader import ObjectReader
from ..exceptions import ChecksumMismatchError, InvalidArgumentError, InvalidDataError, S3dlioError
from ._reads import BatchRead, ReadSettings, WholeRead
from ._table import Numbers, ObjectTable, of_uris

#: Bytes that one member, object or file may have unpacked.
MOST = 4 << 30
#: Whole files that stay unpacked, those that were used last.
_KEPT = 4
_numbers = itertools.count()


def is_packed(name: str) -> bool:
    """Whether a name says that its bytes are compressed."""
    return name.endswith((".gz", ".tgz", ".zst"))


def plain_name(name: str) -> str:
    """The name without what says so."""
    return name[:-2] + "ar" if name.endswith(".tgz") else name.rpartition(".")[0] if is_packed(name) else name


def unpack(data: Any, name: str, uri: str) -> np.ndarray[Any, Any]:
    """The bytes behind compressed ones, by what their name ends in.

    Raises:
        InvalidDataError: They are none of that kind, were cut short, or would be more than 4 GiB.
        ChecksumMismatchError: They are damaged.
    """
    found = _from_zstd(data, uri) if name.endswith(".zst") else _from_gzip(data, uri)
    return np.frombuffer(found, np.uint8)


def _from_gzip(data: Any, uri: str) -> bytearray:
    found = bytearray()
    rest = np.asarray(data).data.cast("B")
    try:
        while True:
            member = zlib.decompressobj(31)
            found += member.decompress(rest, MOST + 1 - len(found))
            if len(found) > MOST:
                raise InvalidDataError(f"{uri}: more than {MOST} bytes when it is unpacked", uri)
            if not member.eof:
                raise InvalidDataError(f"{uri}: gzip data that was cut short", uri)
            # several members may stand one behind the other, and zeros behind the last one
            rest = memoryview(member.unused_data)
            if not bytes(rest).strip(b"\0"):
                return found
    except zlib.error as error:
        kind = ChecksumMismatchError if "check" in str(error) else InvalidDataError
        raise kind(f"{uri}: no gzip data that can be unpacked: {error}", uri) from None


def _from_zstd(data: Any, uri: str) -> bytes:
    # the library's own decoder, which takes objects
    place = f"memory://s3dlio-unpacking-{os.getpid()}/{next(_numbers)}"
    _objects.put_bytes(place, np.ascontiguousarray(data).data.cast("B"))
    try:
        with ObjectReader(place, decompress=True) as file:
            found = file.read(MOST + 1)
    except S3dlioError as error:
        kind = ChecksumMismatchError if isinstance(error, ChecksumMismatchError) else InvalidDataError
        raise kind(f"{uri}: no zstd data that can be unpacked: {error.detail or error}", uri) from None
    finally:
        _objects.delete(place)
    if len(found) > MOST:
        raise InvalidDataError(f"{uri}: more than {MOST} bytes when it is unpacked", uri)
    return found


class MemoryWindow:
    """The bytes of a file that was unpacked, as an index of it is made."""

    def __init__(self, uri: str, data: np.ndarray[Any, Any]) -> None:
        self.uri, self.size, self._data = uri, len(data), data

    def read(self, offset: int, length: int) -> bytes:
        """So many bytes, fewer at the end."""
        return self._data[offset : offset + length].tobytes()


def whole_file(uri: str, storage_options: StorageOptions | None) -> tuple[np.ndarray[Any, Any], int]:
    """A file unpacked, and the bytes that it takes in its store."""
    stored = np.asarray(_objects.get(uri, storage_options=storage_options))
    return unpack(stored, uri, uri), stored.nbytes


class _File:
    """A file that is being read, or was read and unpacked."""

    def __init__(self, uri: str, table: ObjectTable, settings: ReadSettings) -> None:
        self.uri = uri
        self.read: WholeRead | None = WholeRead(table, np.zeros(1, np.int64), True, settings)
        self._data: np.ndarray[Any, Any] | None = None
        #: Why it could not be read.
        self.failure: S3dlioError | None = None
        self._lock = threading.Lock()

    @property
    def running(self) -> Any:
        read = self.read
        return None if read is None else read.running

    def data(self) -> np.ndarray[Any, Any]:
        """Its bytes; waits for them."""
        with self._lock:
            read, self.read = self.read, None
            if read is not None:
                found, failures, _ = read.finish()
                self.failure = failures.get(0)
                if self.failure is None:
                    try:
                        self._data = unpack(found[0], self.uri, self.uri)
                    except S3dlioError as error:
                        self.failure = error
        if self.failure is not None:
            raise self.failure
        assert self._data is not None
        return self._data


class _PackedRead(BatchRead):
    """Samples of files that are unpacked as a whole: batches that need the same one share it."""

    def __init__(self, files: dict[int, _File], objects: Numbers, offsets: Numbers, lengths: Numbers) -> None:
        self._files, self._objects, self._offsets, self._lengths = files, objects, offsets, lengths
        self.nbytes = int(lengths.sum())

    @property
    def running(self) -> Any:
        return next((file.running for file in self._files.values() if file.running is not None), None)

    def close(self) -> None:
        self._files = {}

    def finish(self) -> tuple[list[Any], dict[int, S3dlioError], Any]:
        samples: list[Any] = []
        failures: dict[int, S3dlioError] = {}
        for place, (number, offset, length) in enumerate(
            zip(self._objects.tolist(), self._offsets.tolist(), self._lengths.tolist(), strict=True)
        ):
            try:
                data = self._files[number].data()
                if offset + length > len(data):
                    raise InvalidDataError(
                        f"{self._files[number].uri}: bytes {offset}..{offset + length} are a sample, the file has {len(data)} unpacked: it "
                        "was written anew; index it again",
                        self._files[number].uri,
                    )
                # nobody else writes to what was unpacked
                samples.append(data[offset : offset + length].copy())
            except S3dlioError as error:
                failures[place] = error
                samples.append(None)
        return samples, failures, None


class PackedFiles:
    """Files of a data set that are unpacked as a whole; the last few stay.

    Args:
        uris: Their addresses.
        storage_options: Settings of their store.
    """

    def __init__(self, uris: list[str], storage_options: StorageOptions | None) -> None:
        self._uris = uris
        self._tables = [of_uris([uri], None, storage_options) for uri in uris]
        self._open: OrderedDict[int, _File] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def begin(self, objects: Numbers, offsets: Numbers, lengths: Numbers, settings: ReadSettings) -> BatchRead:
        """Begins to read samples: the file of each, where it begins there when that is unpacked, and its bytes."""
        files = {number: self._file(number, settings) for number in dict.fromkeys(objects.tolist())}
        return _PackedRead(files, objects, offsets, lengths)

    def _file(self, number: int, settings: ReadSettings) -> _File:
        found = self._open.pop(number, None)
        if found is None or found.failure is not None:
            found = _File(self._uris[number], self._tables[number], settings)
        self._open[number] = found
        while len(self._open) > _KEPT:
            self._open.popitem(last=False)
        return found


def packed_files(uris: list[str], storage_options: StorageOptions | None) -> PackedFiles | None:
    """The files of a data set, where they are compressed as a whole.

    Raises:
        InvalidArgumentError: Some are and some are not.
    """
    found = [is_packed(uri) for uri in uris]
    if any(found) and not all(found):
        raise InvalidArgumentError(
            f"{uris[found.index(True)]} is compressed and {uris[found.index(False)]} is not: make a data set of each kind"
        )
    return PackedFiles(uris, storage_options) if all(found) else None


__all__ = ["MOST", "MemoryWindow", "PackedFiles", "is_packed", "packed_files", "plain_name", "unpack", "whole_file"]
