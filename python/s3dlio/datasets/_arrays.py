"""Files of NumPy: ``.npz``, each a sample, and ``.npy``, whose rows are samples."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import _objects
from .._core import _native
from .._core._address import Address
from .._core._options import StorageOptions
from ..exceptions import ChecksumMismatchError, InvalidArgumentError, InvalidDataError
from ._dataset import table_of
from ._objects import ObjectDataset
from ._records import StretchDataset, firsts
from ._table import Numbers, ObjectTable, of_uris
from ._tar import files_of

#: Bytes that the arrays of one file may have at most where it says that they are compressed more than a thousandfold.
_MOST_RATIO = 1100
#: Its functions have no types in every release.
_format: Any = np.lib.format
#: Bytes of the header of an array, at most, and how many are read at first.
_MOST_HEADER = 1 << 20
_FRONT = 1 << 12


def read_npz_bytes(data: Any, uri: str, names: Iterable[str] | None = None) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an ``.npz`` file by name, of every dtype that holds no Python objects.

    Raises:
        InvalidDataError: It is no such file, or damaged, or needs pickle, or says that it is larger than its bytes can be.
        ChecksumMismatchError: A checksum of the zip file does not fit.
    """
    size = memoryview(data).nbytes
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if info.filename.endswith(".npy")}
            if not infos:
                raise InvalidDataError(
                    f"{uri}: a zip file without arrays: none of its {len(archive.infolist())} members is named *.npy", uri
                )
            wanted = list(infos) if names is None else list(names)
            found: dict[str, np.ndarray[Any, Any]] = {}
            for name in wanted:
                info = infos.get(name)
                if info is None:
                    raise InvalidArgumentError(f"{uri}: there is no array {name!r}; there are {', '.join(map(repr, infos))}", uri)
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise InvalidDataError(
                        f"{uri}: the array {name!r} is compressed by method {info.compress_type}; NumPy writes 0 and 8", uri
                    )
                if info.file_size > max(info.compress_size, 1) * _MOST_RATIO or info.compress_size > size:
                    raise InvalidDataError(
                        f"{uri}: the array {name!r} is said to have {info.file_size} bytes in {info.compress_size}: no compression does "
                        "that",
                        uri,
                    )
                # read() compares with the CRC-32 of the member
                found[name] = parse_npy(archive.read(info), f"{uri}: {name!r}", uri)
            return found
    except zipfile.BadZipFile as error:
        kind = ChecksumMismatchError if "CRC" in str(error) else InvalidDataError
        raise kind(f"{uri}: no .npz file that can be read: {error}", uri) from None
    except (zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError, OSError, ValueError, KeyError) as error:
        if isinstance(error, (InvalidDataError, InvalidArgumentError)):
            raise
        raise InvalidDataError(f"{uri}: no .npz file that can be read: {type(error).__name__}: {error}", uri) from None


def parse_npy(data: bytes, what: str, uri: str) -> np.ndarray[Any, Any]:
    """An array of the bytes of an ``.npy`` file; they have to be all of it."""
    shape, fortran, dtype, begin = npy_header(data, what, uri)
    count = _count(shape)
    if len(data) - begin != count * dtype.itemsize:
        raise InvalidDataError(f"{what}: {len(data) - begin} bytes of elements, {count * dtype.itemsize} expected for {dtype} {shape}", uri)
    array = np.frombuffer(data, dtype, count, begin) if dtype.itemsize else np.zeros(count, dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def npy_header(data: bytes, what: str, uri: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether the first axis is the fastest, dtype, and where the elements begin."""
    stream = io.BytesIO(data)
    try:
        version = _format.read_magic(stream)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise InvalidDataError(f"{what}: an .npy file of version {version}; 1 to 3 are known", uri)
        # the third differs in the encoding of the header alone, which the second's reader refuses only for field names beyond Latin-1
        read = _format.read_array_header_1_0 if version == (1, 0) else _format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except InvalidDataError:
        raise
    except Exception as error:
        raise InvalidDataError(f"{what}: no .npy file that can be read: {type(error).__name__}: {error}", uri) from None
    if dtype.hasobject:
        raise InvalidDataError(f"{what}: elements of dtype {dtype} are pickled objects, which could run anything; they are not read", uri)
    if any(length < 0 for length in shape) or _count(shape) * max(dtype.itemsize, 1) >= 1 << 62:
        raise InvalidDataError(f"{what}: the shape {shape} cannot be", uri)
    return shape, fortran, dtype, stream.tell()


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


class NpzDataset(ObjectDataset):
    """Files of named arrays, each a sample; see :func:`npz`."""

    _plain = False

    def __init__(self, table: ObjectTable, names: tuple[str, ...] | None, verify: bool) -> None:
        super().__init__(table, verify)
        self._names = names

    def _decode(self, index: int, data: Any) -> dict[str, np.ndarray[Any, Any]]:
        return read_npz_bytes(data, self.uri(index), self._names)


def npz(
    uri: Address | Iterable[Address],
    names: Iterable[str] | None = None,
    *,
    pattern: str = "*.npz",
    verify: bool = True,
    storage_options: StorageOptions | None = None,
) -> NpzDataset:
    """``.npz`` files, each a sample: a dictionary of its arrays, of every dtype but pickled objects.

    Args:
        uri: A prefix or directory; or addresses of files.
        names: The arrays that are wanted; None: all of each file.
        pattern: Which objects below the prefix.
        verify: False: the objects are not compared with checksums recorded with them; those in the files are compared in any case.
        storage_options: Settings of the store.

    Raises:
        NotFoundError: There is no such file.

    Example:
        >>> import io, numpy as np, s3dlio
        >>> memory = io.BytesIO()
        >>> np.savez(memory, x=np.arange(3, dtype=np.float16), y=np.array([7]))
        >>> _ = s3dlio.put("memory://npz/0.npz", memory.getvalue())
        >>> sample = s3dlio.datasets.npz("memory://npz/")[0]
        >>> sample["x"].dtype, sample["y"].tolist()
        (dtype('float16'), [7])
    """
    from ._objects import objects

    named = not isinstance(uri, str) and not hasattr(uri, "__fspath__")
    table = table_of(objects(uri, None if named or str(uri).endswith(".npz") else pattern, storage_options=storage_options))
    return NpzDataset(table, None if names is None else tuple(names), verify)


class RowDataset(StretchDataset):
    """Rows of arrays, each a sample; see :func:`npy`."""

    def __init__(self, table: ObjectTable, first: Numbers, begins: list[int], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.dtype = dtype
        self.shape = shape
        self._row = _count(shape) * dtype.itemsize
        self._begins = np.array(begins, np.int64)
        super().__init__(table, first, np.empty(0, np.int64), np.empty(0, np.int64))

    def __len__(self) -> int:
        return int(self._first[-1])

    def _block(self) -> int:
        # about 128 KiB that come in one request
        return max(1, min(1024, (128 << 10) // max(self._row, 1)))

    def _lengths(self, indices: Numbers) -> Numbers:
        return np.full(len(indices), self._row, np.int64)

    def _offsets(self, indices: Numbers) -> Any:
        files = self._objects(indices)
        return self._begins[files] + (indices - self._first[files]) * self._row

    def _fingerprint(self) -> int:
        text = np.frombuffer(f"{self.dtype.str} {self.shape}".encode(), np.uint8)
        return _native.crc32c_append(super()._fingerprint(), text.__array_interface__["data"][0], text.size)

    def _joined(self, together: Any) -> Any:
        return together.reshape(-1).view(self.dtype).reshape(len(together), *self.shape)

    def _decode(self, index: int, data: Any) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = data.view(self.dtype).reshape(self.shape)
        return found


def npy(uris: Address | Iterable[Address], *, storage_options: StorageOptions | None = None) -> RowDataset:
    """The rows of ``.npy`` files, each a sample: an array of the shape behind the first axis, writable.

    ``Batch.array`` has all rows of a batch.

    Args:
        uris: A file, a prefix (its objects ending in ``.npy``), or addresses of files. All have rows of one dtype and shape.
        storage_options: Settings of the store.

    Raises:
        NotFoundError: There is no such file.
        InvalidDataError: A file is none, was cut short, has rows of another shape, or is in Fortran's order, whose rows do not lie in
            one piece.

    Example:
        >>> import numpy as np, s3dlio
        >>> _ = s3dlio.save("memory://rows/x.npy", np.arange(12, dtype=np.int32).reshape(4, 3))
        >>> data = s3dlio.datasets.npy("memory://rows/x.npy")
        >>> len(data), data[2].tolist(), data.read([0, 3]).array.shape
        (4, [6, 7, 8], (2, 3))
    """
    files = files_of(uris, (".npy",), storage_options)
    counts, begins, sizes = [], [], []
    kind: tuple[np.dtype[Any], tuple[int, ...]] | None = None
    for file in files:
        size = _objects.stat(file, storage_options=storage_options).size
        front = bytes(_objects.get_range(file, 0, min(_FRONT, size), storage_options=storage_options))
        if len(front) >= 12 and front[:6] == b"\x93NUMPY":
            told = int.from_bytes(front[8:10] if front[6] == 1 else front[8:12], "little") + (10 if front[6] == 1 else 12)
            if len(front) < told <= _MOST_HEADER:
                front = bytes(_objects.get_range(file, 0, min(told, size), storage_options=storage_options))
        shape, fortran, dtype, begin = npy_header(front, file, file)
        if len(shape) == 0:
            raise InvalidDataError(f"{file}: an array without axes has no rows", file)
        if fortran and len(shape) > 1:
            raise InvalidDataError(f"{file}: the array is in Fortran's order: its rows do not lie in one piece; save it in C's order", file)
        if size - begin != _count(shape) * dtype.itemsize:
            raise InvalidDataError(
                f"{file}: {size - begin} bytes of elements, {_count(shape) * dtype.itemsize} expected for {dtype} {shape}", file
            )
        if kind is not None and kind != (dtype, shape[1:]):
            raise InvalidDataError(f"{file}: rows of {dtype} {shape[1:]}; those of {files[0]} are {kind[0]} {kind[1]}", file)
        kind = dtype, shape[1:]
        counts.append(shape[0])
        begins.append(begin)
        sizes.append(size)
    assert kind is not None
    if not sum(counts):
        raise InvalidDataError(f"{files[0]}: there are no rows", files[0])
    return RowDataset(of_uris(files, sizes, storage_options), firsts(counts), begins, *kind)
