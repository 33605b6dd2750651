"""Row groups of Parquet files, each a sample, decoded by pyarrow from the bytes that are read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .._core import _native
from .._core._address import Address
from .._core._options import StorageOptions
from .._core._view import view_of
from .._reader import ObjectReader
from ..exceptions import InvalidArgumentError, InvalidDataError
from ._records import StretchDataset, firsts
from ._table import Numbers, ObjectTable, of_uris
from ._tar import files_of

#: Bytes of a footer at most.
_MOST_FOOTER = 256 << 20


def pyarrow() -> Any:
    """pyarrow's module for Parquet."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(f"Parquet needs pyarrow, which cannot be imported here: {error}") from error
    return pyarrow


class Piece(io.RawIOBase):
    """A file of which one stretch is there.

    Args:
        data: Its bytes.
        begin: Where they lie in the file.
        size: Bytes of the file.
        uri: Its address.
    """

    def __init__(self, data: Any, begin: int, size: int, uri: str) -> None:
        self._data, self._begin, self._size, self._uri, self._at = memoryview(data), begin, size, uri, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        out = memoryview(buffer).cast("B")
        start = self._at - self._begin
        if start < 0 or start + len(out) > len(self._data):
            raise InvalidDataError(
                f"{self._uri}: the footer of this Parquet file names bytes {self._at}..{self._at + len(out)} outside of the row group "
                "that they are of",
                self._uri,
            )
        out[:] = self._data[start : start + len(out)]
        self._at += len(out)
        return len(out)


def footer(uri: Address, storage_options: StorageOptions | None = None) -> tuple[bytes, int]:
    """The footer of a Parquet file, with its length and magic, and the file's size.

    Raises:
        InvalidDataError: It is no Parquet file, or was cut short.
    """
    with ObjectReader(uri, decompress=False, buffering=64 << 10, storage_options=storage_options) as file:
        return footer_of(file, str(uri)), file.size


def footer_of(file: ObjectReader, uri: str) -> bytes:
    """The footer of an opened Parquet file, with its length and magic.

    Raises:
        InvalidDataError: It is no Parquet file, or was cut short.
    """
    size = file.size
    if size < 12:
        raise InvalidDataError(f"{uri}: {size} bytes are no Parquet file", uri)
    file.seek(max(0, size - (64 << 10)))
    end = file.read()
    if end[-4:] != b"PAR1":
        raise InvalidDataError(
            f"{uri}: the file ends with {end[-4:]!r}, b'PAR1' expected: it is no Parquet file, encrypted, or was cut short", uri
        )
    length = int.from_bytes(end[-8:-4], "little") + 8
    if length > min(size - 4, _MOST_FOOTER):
        raise InvalidDataError(f"{uri}: a footer of {length} bytes in a file of {size}", uri)
    if length > len(end):
        file.seek(size - length)
        end = file.read()
    return bytes(end[-length:])


def parse_footer(data: bytes, uri: str) -> Any:
    """What pyarrow makes of a footer."""
    arrow = pyarrow()
    try:
        return arrow.parquet.read_metadata(io.BytesIO(b"PAR1" + data))
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise InvalidDataError(f"{uri}: the footer of this Parquet file cannot be read: {error}", uri) from None


def group_bytes(metadata: Any, group: int, columns: Sequence[int] | None, size: int, uri: str) -> tuple[int, int]:
    """Where the wanted columns of a row group begin and end in the file."""
    row_group = metadata.row_group(group)
    begin, end = size, 0
    for number in range(row_group.num_columns) if columns is None else columns:
        column = row_group.column(number)
        first = column.data_page_offset
        if column.has_dictionary_page and column.dictionary_page_offset is not None:
            first = min(first, column.dictionary_page_offset)
        begin, end = min(begin, first), max(end, first + column.total_compressed_size)
    if begin < 4 or end > size or begin >= end:
        raise InvalidDataError(f"{uri}: the footer of this Parquet file has row group {group} at {begin}..{end} of {size} bytes", uri)
    return begin, end - begin


def decode_group(data: Any, begin: int, size: int, uri: str, metadata: Any, group: int, columns: Sequence[str] | None) -> Any:
    """A row group as a ``pyarrow.Table``.

    Args:
        data: The bytes of the wanted columns.
        begin: Where they lie in the file.
        size: Bytes of the file.
        uri: Its address.
        metadata: What its footer says.
        group: Which row group.
        columns: Names or paths of columns; None: all.
    """
    arrow = pyarrow()
    try:
        source = arrow.parquet.ParquetFile(arrow.PythonFile(Piece(data, begin, size, uri), mode="r"), metadata=metadata)
        return source.read_row_group(group, columns=None if columns is None else list(columns))
    except (arrow.ArrowException, OSError) as error:
        raise InvalidDataError(f"{uri}: row group {group} of this Parquet file cannot be read: {error}", uri) from None


def arrow_stream(table: Any) -> bytes:
    """A table as a stream of Arrow's IPC format, in one record batch where its columns allow that."""
    arrow = pyarrow()
    out = io.BytesIO()
    with arrow.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return out.getvalue()


def read_raw(data: ParquetDataset) -> None:
    """Has samples be the bytes of their row groups."""
    data._raw = True


def group_of(data: ParquetDataset, index: int) -> int:
    """The row group, counted in its file, that a sample is."""
    return data._place(index)[1]


class ParquetDataset(StretchDataset):
    """Row groups, each a sample: a ``pyarrow.Table``. See :func:`parquet`."""

    _plain = False
    #: Whether samples are the bytes themselves.
    _raw = False

    def __init__(
        self, table: ObjectTable, footers: list[bytes], first: Numbers, offsets: Numbers, lengths: Numbers, columns: tuple[str, ...] | None
    ) -> None:
        super().__init__(table, first, offsets, lengths)
        self._footers, self._columns = footers, columns
        self._parsed: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_parsed": {}}

    def _block(self) -> int:
        return 0

    def _fingerprint(self) -> int:
        text = np.frombuffer(repr(self._columns).encode(), np.uint8)
        return _native.crc32c_append(super()._fingerprint(), text.__array_interface__["data"][0], text.size)

    def rows(self, index: int) -> int:
        """Rows of a row group."""
        file, group = self._place(self._number(index))
        return int(self._metadata(file).row_group(group).num_rows)

    def _place(self, index: int) -> tuple[int, int]:
        file = int(np.searchsorted(self._first, index, "right")) - 1
        return file, index - int(self._first[file])

    def _metadata(self, file: int) -> Any:
        if file not in self._parsed:
            self._parsed[file] = parse_footer(self._footers[file], self._table.uri(file))
        return self._parsed[file]

    def _decode(self, index: int, data: Any) -> Any:
        if self._raw:
            return view_of(data)
        file, group = self._place(index)
        assert self._table.sizes is not None
        size, begin = int(self._table.sizes[file]), int(self._starts[index])
        return decode_group(data, begin, size, self._table.uri(file), self._metadata(file), group, self._columns)


def parquet(
    uris: Address | Iterable[Address], columns: Iterable[str | int] | None = None, *, storage_options: StorageOptions | None = None
) -> ParquetDataset:
    """The row groups of Parquet files, each a sample: a ``pyarrow.Table``. Needs pyarrow.

    The footers are read now; a row group comes in one request, from the first of the wanted columns to the last.

    Args:
        uris: A file, a prefix (its objects ending in ``.parquet``), or addresses of files.
        columns: Names of columns, or their numbers in the first file, of which those within others stand for the whole column; None: all.
        storage_options: Settings of the store.

    Raises:
        ImportError: There is no pyarrow.
        InvalidDataError: A file is no Parquet file, or damaged.
        InvalidArgumentError: A file has no such column.

    Example:
        >>> import s3dlio
        >>> data = s3dlio.datasets.parquet("s3://bucket/tables/", columns=["x"])  # doctest: +SKIP
        >>> data[0].column("x").to_numpy()  # doctest: +SKIP
    """
    pyarrow()
    files = files_of(uris, (".parquet",), storage_options)
    wanted = None if columns is None else tuple(columns)
    footers, sizes, counts = [], [], []
    offsets: list[int] = []
    lengths: list[int] = []
    for file in files:
        told, size = footer(file, storage_options)
        metadata = parse_footer(told, file)
        numbers = None
        if wanted is not None:
            names = [metadata.schema.column(number).path.split(".")[0] for number in range(metadata.num_columns)]
            wanted = tuple(names[one] if isinstance(one, int) and 0 <= one < len(names) else one for one in wanted)
            lacks = [name for name in wanted if name not in names]
            if lacks:
                raise InvalidArgumentError(
                    f"{file}: there is no column {lacks[0]!r}; there are {', '.join(map(repr, dict.fromkeys(names)))}", file
                )
            numbers = [number for number, name in enumerate(names) if name in wanted]
        for group in range(metadata.num_row_groups):
            offset, length = group_bytes(metadata, group, numbers, size, file)
            offsets.append(offset)
            lengths.append(length)
        footers.append(told)
        sizes.append(size)
        counts.append(metadata.num_row_groups)
    if not offsets:
        raise InvalidDataError(f"{files[0]}: there is no row group in {'it' if len(files) == 1 else f'these {len(files)} files'}", files[0])
    table = of_uris(files, sizes, storage_options)
    chosen = None if wanted is None else tuple(dict.fromkeys(map(str, wanted)))
    return ParquetDataset(table, footers, firsts(counts), np.array(offsets, np.int64), np.array(lengths, np.int64), chosen)
