"""The original's functions for Parquet files, through pyarrow: row groups by number, their index, and files of generated data."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .._core._address import Address, resolve
from .._core._options import StorageOptions
from .._core._results import WriteResult
from .._core._view import BytesView, view_of
from .._reader import ObjectReader, meta_of
from .._writer import ObjectWriter
from ..datasets._parquet import arrow_stream, decode_group, footer_of, group_bytes, parse_footer, pyarrow
from ..exceptions import InvalidArgumentError, PreconditionError
from ._generate import Generator

#: Readers of objects of a service that wait for the next row group, each of which saves a request.
_IDLE_READERS = 64

#: Bytes of a footer that the original asks for at first; here it is taken for compatibility.
_FOOTER_CAP = 4 << 20

_Columns = Iterable[tuple[str, int]]


class _File:
    """What is known of a file: its footer, the version that it is of, and readers of that version that nobody uses now."""

    def __init__(self, uri: str, options: StorageOptions | None) -> None:
        self.uri, self._options = uri, options
        where = resolve(uri, options)
        # a local file is opened at once, and held open it would show what was there before
        self._keeps = "://" in where.base and not where.base.startswith(("file://", "direct://", "memory://"))
        self.idle: list[ObjectReader] = []
        reader = self._opened()
        with reader:
            self.version, self.size = self._version_of(reader), reader.size
            self.metadata = parse_footer(footer_of(reader, uri), uri)
        counts = [self.metadata.row_group(group).num_rows for group in range(self.metadata.num_row_groups)]
        self.row_offsets = [0, *np.cumsum(counts).tolist()]

    def _opened(self) -> ObjectReader:
        return ObjectReader(self.uri, decompress=False, buffering=64 << 10, storage_options=self._options)

    @staticmethod
    def _version_of(reader: ObjectReader) -> tuple[Any, Any]:
        meta = meta_of(reader)
        return meta.get("size"), meta.get("etag")

    def extent(self, group: int, columns: Sequence[int] | None) -> tuple[int, int]:
        """Where the wanted columns of a row group begin, and how many bytes they are."""
        count, names = self.metadata.num_row_groups, self.metadata.num_columns
        if not 0 <= group < count:
            raise InvalidArgumentError(f"{self.uri}: there is no row group {group}; the file has {count}, counted from 0", self.uri)
        if columns is not None and (not columns or any(not 0 <= column < names for column in columns)):
            raise InvalidArgumentError(f"{self.uri}: col_indices are of 0..{names - 1} and one at least, found {list(columns)}", self.uri)
        return group_bytes(self.metadata, group, columns, self.size, self.uri)

    def read(self, at: int, length: int) -> np.ndarray[Any, Any]:
        """Bytes of the version that the footer is of.

        Raises:
            PreconditionError: It is another one now.
        """
        with _gate:
            reader = self.idle.pop() if self.idle else None
        reader = reader or self._opened()
        try:
            if self._version_of(reader) != self.version:
                raise PreconditionError(f"{self.uri}: the object was replaced since its footer was read", self.uri)
            reader.seek(at)
            found = np.empty(length, np.uint8)
            reader.readinto(found)
        except BaseException:
            reader.close()
            raise
        with _gate:
            if self._keeps and sum(len(one.idle) for one in _files.values()) < _IDLE_READERS and _files.get(self.uri) is self:
                self.idle.append(reader)
                return found
        reader.close()
        return found

    def close(self) -> None:
        """Lets go of the readers."""
        while self.idle:
            self.idle.pop().close()


#: Files by address, until somebody lets go of them.
_files: dict[str, _File] = {}
_gate = threading.Lock()


def _file_of(uri: Address, options: StorageOptions | None) -> _File:
    text = str(uri)
    found = _files.get(text)
    if found is None:
        made = _File(text, options)
        with _gate:
            found = _files.setdefault(text, made)
    return found


def parquet_get_rg(
    uri: Address,
    rg_idx: int,
    col_indices: Iterable[int] | None = None,
    footer_cap: int = _FOOTER_CAP,
    decode: str = "arrow",
    *,
    storage_options: StorageOptions | None = None,
) -> BytesView:
    """One row group of a Parquet file. Needs pyarrow.

    The footer is read at the first use of a file and kept. A file that was replaced meanwhile is noticed, and its footer read anew.

    Args:
        uri: The file.
        rg_idx: Which row group, from 0.
        col_indices: Which columns, by number; None: all. They come in one request, from the first of them to the last.
        footer_cap: Taken for compatibility: as much of the footer is read as there is.
        decode: ``"arrow"``: a stream of Arrow's IPC format with one record batch. ``"raw"``: the bytes as they lie in the file.
        storage_options: Settings of the store.

    Returns:
        The bytes.

    Raises:
        ImportError: There is no pyarrow.
        InvalidArgumentError: There is no such row group or column, or ``decode`` is neither.
        InvalidDataError: It is no Parquet file, or damaged.

    Example:
        >>> import s3dlio
        >>> view = s3dlio.parquet_get_rg("s3://bucket/a.parquet", 0)  # doctest: +SKIP
        >>> pyarrow.ipc.open_stream(view.to_bytes()).read_next_batch()  # doctest: +SKIP
    """
    # in any case, as the original takes it
    form = str(decode).lower()
    if form not in ("arrow", "raw", "none"):
        raise InvalidArgumentError(f"decode is 'arrow' or 'raw', found {decode!r}")
    columns = None if col_indices is None else sorted({int(column) for column in col_indices})
    file = _file_of(uri, storage_options)
    try:
        begin, length = file.extent(rg_idx, columns)
        data = file.read(begin, length)
    except PreconditionError:
        # written since its footer was read: once more, with the footer of today
        parquet_cache_invalidate(uri)
        file = _file_of(uri, storage_options)
        begin, length = file.extent(rg_idx, columns)
        data = file.read(begin, length)
    if form != "arrow":
        return view_of(data)
    table = decode_group(data, begin, file.size, file.uri, file.metadata, rg_idx, _paths(file, columns))
    return view_of(np.frombuffer(arrow_stream(table), np.uint8))


def _paths(file: _File, columns: Sequence[int] | None) -> list[str] | None:
    return None if columns is None else [file.metadata.schema.column(column).path for column in columns]


def parquet_rg_row_offsets(uri: Address, *, storage_options: StorageOptions | None = None) -> list[int]:
    """The first row of each row group of a Parquet file, and behind them how many rows there are. Needs pyarrow.

    Args:
        uri: The file; its footer is read at the first use and kept.
        storage_options: Settings of the store.

    Returns:
        One number more than there are row groups.

    Raises:
        ImportError: There is no pyarrow.
        InvalidDataError: It is no Parquet file, or damaged.

    Example:
        >>> import s3dlio
        >>> s3dlio.parquet_rg_row_offsets("s3://bucket/a.parquet")  # doctest: +SKIP
        [0, 8192, 10000]
    """
    return list(_file_of(uri, storage_options).row_offsets)


def parquet_cache_invalidate(uri: Address) -> None:
    """Lets go of the footer of one file; it is read anew at the next use.

    Args:
        uri: The file.

    Returns:
        Nothing.

    Raises:
        TypeError: No address.

    Example:
        >>> import s3dlio
        >>> s3dlio.parquet_cache_invalidate("s3://bucket/a.parquet")
    """
    with _gate:
        found = _files.pop(str(uri), None)
    if found is not None:
        found.close()


def parquet_cache_clear() -> None:
    """Lets go of all footers.

    Args:
        None.

    Returns:
        Nothing.

    Raises:
        OSError: A file cannot be closed.

    Example:
        >>> import s3dlio
        >>> s3dlio.parquet_cache_clear(), s3dlio.parquet_cache_len()
        (None, 0)
    """
    for uri in list(_files):
        parquet_cache_invalidate(uri)


def parquet_cache_len() -> int:
    """Files whose footers are kept.

    Args:
        None.

    Returns:
        How many.

    Raises:
        OSError: Never.

    Example:
        >>> import s3dlio
        >>> s3dlio.parquet_cache_len() >= 0
        True
    """
    return len(_files)


class _Indexed:
    """The row groups of one file: where each begins, its bytes, the epoch that it was fetched in, and the rows before it."""

    def __init__(self, file: _File, columns: Sequence[int] | None) -> None:
        self.extents = [file.extent(group, columns) for group in range(file.metadata.num_row_groups)]
        self.row_offsets = file.row_offsets
        self.fetched = [0] * len(self.extents)


class PyParquetIndex:
    """Where the row groups of many Parquet files lie, and which of them were fetched in an epoch. Needs pyarrow.

    Args:
        col_indices: Which columns, by number, in every file; None: all.
        footer_cap: Taken for compatibility.
        storage_options: Settings of the stores.

    Example:
        >>> import s3dlio
        >>> index = s3dlio.PyParquetIndex()
        >>> index.ensure_indexed(["s3://bucket/a.parquet"])  # doctest: +SKIP
        >>> group, offset, length = index.rg_lookup("s3://bucket/a.parquet", 42)  # doctest: +SKIP
        >>> len(index), index.file_count(), index.file_rg_count("s3://bucket/b.parquet")
        (0, 0, None)
    """

    def __init__(
        self, col_indices: Iterable[int] | None = None, footer_cap: int = _FOOTER_CAP, *, storage_options: StorageOptions | None = None
    ) -> None:
        self._columns = None if col_indices is None else sorted({int(column) for column in col_indices})
        self._footer_cap, self._options = footer_cap, storage_options
        self._found: dict[str, _Indexed] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def ensure_indexed(self, uris: Iterable[Address], epoch: int = 1, batch_size: int = 16) -> None:
        """Reads the footers of the files that are not known yet, ``batch_size`` at once."""
        wanted = [uri for uri in dict.fromkeys(str(uri) for uri in uris) if uri not in self._found]
        if not wanted:
            return

        def one(uri: str) -> tuple[str, _Indexed]:
            return uri, _Indexed(_file_of(uri, self._options), self._columns)

        with ThreadPoolExecutor(max(1, min(batch_size, len(wanted)))) as pool:
            for uri, found in pool.map(one, wanted):
                self._found.setdefault(uri, found)

    def _of(self, uri: Address) -> _Indexed:
        found = self._found.get(str(uri))
        if found is None:
            raise InvalidArgumentError(f"{uri}: the file is not indexed; call ensure_indexed first", str(uri))
        return found

    def rg_for_sample(self, uri: Address, sample_idx: int) -> int:
        """The row group that a row is in, counted from 0 in the file."""
        offsets = self._of(uri).row_offsets
        if not 0 <= sample_idx < offsets[-1]:
            raise InvalidArgumentError(f"{uri}: there is no row {sample_idx}; the file has {offsets[-1]}, counted from 0", str(uri))
        return bisect_right(offsets, sample_idx) - 1

    def rg_range(self, uri: Address, rg_idx: int) -> tuple[int, int]:
        """Where a row group begins in its file, and its bytes."""
        extents = self._of(uri).extents
        if not 0 <= rg_idx < len(extents):
            raise InvalidArgumentError(f"{uri}: there is no row group {rg_idx}; the file has {len(extents)}, counted from 0", str(uri))
        return extents[rg_idx]

    def rg_lookup(self, uri: Address, sample_idx: int) -> tuple[int, int, int]:
        """The row group that a row is in, where it begins, and its bytes."""
        group = self.rg_for_sample(uri, sample_idx)
        return (group, *self.rg_range(uri, group))

    def was_fetched(self, uri: Address, rg_idx: int, epoch: int) -> bool:
        """Whether it was marked in that epoch, or in a later one."""
        found = self._found.get(str(uri))
        return found is not None and 0 <= rg_idx < len(found.fetched) and found.fetched[rg_idx] >= epoch

    def mark_fetched(self, uri: Address, rg_idx: int, epoch: int) -> None:
        """Marks a row group as fetched; one that is not indexed is left alone."""
        found = self._found.get(str(uri))
        if found is not None and 0 <= rg_idx < len(found.fetched):
            found.fetched[rg_idx] = epoch

    def check_and_mark(self, uri: Address, rg_idx: int, epoch: int) -> bool:
        """Both in one: of several threads one hears False, and fetches it."""
        with self._lock:
            if self.was_fetched(uri, rg_idx, epoch):
                return True
            self.mark_fetched(uri, rg_idx, epoch)
            return False

    def is_indexed(self, uri: Address) -> bool:
        """Whether the row groups of a file are known."""
        return str(uri) in self._found

    def file_rg_count(self, uri: Address) -> int | None:
        """Row groups of a file; None where it is not indexed."""
        found = self._found.get(str(uri))
        return None if found is None else len(found.extents)

    def __len__(self) -> int:
        return sum(len(one.extents) for one in list(self._found.values()))

    def file_count(self) -> int:
        """Files that are indexed."""
        return len(self._found)

    def invalidate_uri(self, uri: Address) -> None:
        """Forgets a file, which was rewritten; its footer is read anew."""
        self._found.pop(str(uri), None)
        parquet_cache_invalidate(uri)

    def clear(self) -> None:
        """Forgets all files."""
        self._found.clear()

    def __repr__(self) -> str:
        return f"PyParquetIndex(files={self.file_count()}, rgs={len(self)}, col_indices={self._columns}, footer_cap={self._footer_cap})"


def _write(sink: Any, columns: _Columns, rows_per_rg: int, num_row_groups: int) -> None:
    """A file of random elements, one row group after the other; nothing is compressed."""
    arrow = pyarrow()
    chosen = [(str(name), int(width)) for name, width in columns]
    if not chosen or rows_per_rg < 1 or num_row_groups < 1 or any(width < 1 for _, width in chosen):
        raise InvalidArgumentError(
            f"a Parquet file has columns of 1 or more elements a row, and 1 or more rows and row groups, found {chosen[:4]}, "
            f"{rows_per_rg} rows and {num_row_groups} groups"
        )
    single = arrow.float32()
    element = arrow.field("element", single, nullable=False)
    schema = arrow.schema(
        [arrow.field(name, single if width == 1 else arrow.list_(element, width), nullable=False) for name, width in chosen]
    )
    made = Generator(4 * rows_per_rg * num_row_groups * sum(width for _, width in chosen))
    with arrow.parquet.ParquetWriter(sink, schema, compression="NONE", use_dictionary=False, write_statistics=False) as writer:
        for _ in range(num_row_groups):
            arrays = []
            for (_, width), field in zip(chosen, schema, strict=True):
                raw = np.empty(rows_per_rg * width, np.float32)
                made.fill_chunk(raw)
                flat = arrow.array(raw)
                arrays.append(flat if width == 1 else arrow.FixedSizeListArray.from_arrays(flat, type=field.type))
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema), row_group_size=rows_per_rg)


def _write_to(
    uri: Address, columns: _Columns, rows_per_rg: int, num_row_groups: int, storage_options: StorageOptions | None
) -> WriteResult:
    with ObjectWriter(uri, storage_options=storage_options) as writer:
        _write(writer, columns, rows_per_rg, num_row_groups)
        done = writer.finalize()
    return WriteResult(done["uri"], done["checksum"], done["raw_size"], done["size"], done["etag"])


def _plain(num_cols: int) -> list[tuple[str, int]]:
    return [(f"col{number}", 1) for number in range(num_cols)]


def generate_parquet_bytes(num_cols: int, rows_per_rg: int, num_row_groups: int) -> BytesView:
    """A Parquet file of random elements of type float32, of any bits, in columns ``col0``, ``col1``, …. Needs pyarrow.

    Args:
        num_cols: Columns.
        rows_per_rg: Rows of each row group.
        num_row_groups: Row groups.

    Returns:
        The file, another each time; nothing in it can be compressed.

    Raises:
        ImportError: There is no pyarrow.
        InvalidArgumentError: A number below 1.

    Example:
        >>> import s3dlio
        >>> bytes(s3dlio.generate_parquet_bytes(4, 16, 2)[:4])  # doctest: +SKIP
        b'PAR1'
    """
    return generate_parquet_bytes_schema(_plain(num_cols), rows_per_rg, num_row_groups)


def generate_parquet_bytes_schema(columns: _Columns, rows_per_rg: int, num_row_groups: int) -> BytesView:
    """A Parquet file of random elements of type float32 in the columns that are named. Needs pyarrow.

    Args:
        columns: The name of each, and its elements in a row: of 1 it is a plain column, else one of lists of that length.
        rows_per_rg: Rows of each row group.
        num_row_groups: Row groups.

    Returns:
        The file, another each time.

    Raises:
        ImportError: There is no pyarrow.
        InvalidArgumentError: No column, or a number below 1.

    Example:
        >>> import s3dlio
        >>> view = s3dlio.generate_parquet_bytes_schema([("x", 1), ("vector", 64)], 100, 3)  # doctest: +SKIP
    """
    sink = pyarrow().BufferOutputStream()
    _write(sink, columns, rows_per_rg, num_row_groups)
    return view_of(np.frombuffer(sink.getvalue(), np.uint8))


def generate_and_write_parquet(
    uri: Address, num_cols: int, rows_per_rg: int, num_row_groups: int, *, storage_options: StorageOptions | None = None
) -> WriteResult:
    """Writes what ``generate_parquet_bytes`` gives, to any store.

    One row group is in memory at a time.

    Args:
        uri: Where to.
        num_cols: Columns.
        rows_per_rg: Rows of each row group.
        num_row_groups: Row groups.
        storage_options: Settings of the store.

    Returns:
        What was written.

    Raises:
        ImportError: There is no pyarrow.
        InvalidArgumentError: A number below 1.

    Example:
        >>> import s3dlio
        >>> s3dlio.generate_and_write_parquet("memory://made/a.parquet", 200, 8192, 3).size  # doctest: +SKIP
    """
    return _write_to(uri, _plain(num_cols), rows_per_rg, num_row_groups, storage_options)


def generate_and_write_parquet_schema(
    uri: Address, columns: _Columns, rows_per_rg: int, num_row_groups: int, *, storage_options: StorageOptions | None = None
) -> WriteResult:
    """Writes what ``generate_parquet_bytes_schema`` gives, to any store.

    One row group is in memory at a time.

    Args:
        uri: Where to.
        columns: The name of each, and its elements in a row.
        rows_per_rg: Rows of each row group.
        num_row_groups: Row groups.
        storage_options: Settings of the store.

    Returns:
        What was written.

    Raises:
        ImportError: There is no pyarrow.
        InvalidArgumentError: No column, or a number below 1.

    Example:
        >>> import s3dlio
        >>> s3dlio.generate_and_write_parquet_schema("memory://made/a.parquet", [("x", 64)], 10, 3).size  # doctest: +SKIP
    """
    return _write_to(uri, columns, rows_per_rg, num_row_groups, storage_options)


def generate_and_write_parquet_schema_streaming(
    uri: Address, columns: _Columns, rows_per_rg: int, num_row_groups: int, *, storage_options: StorageOptions | None = None
) -> WriteResult:
    """The same as ``generate_and_write_parquet_schema``, which streams too.

    Args:
        uri: Where to.
        columns: The name of each, and its elements in a row.
        rows_per_rg: Rows of each row group.
        num_row_groups: Row groups.
        storage_options: Settings of the store.

    Returns:
        What was written.

    Raises:
        ImportError: There is no pyarrow.
        InvalidArgumentError: No column, or a number below 1.

    Example:
        >>> import s3dlio
        >>> s3dlio.generate_and_write_parquet_schema_streaming("memory://made/a.parquet", [("x", 64)], 10, 3)  # doctest: +SKIP
    """
    return _write_to(uri, columns, rows_per_rg, num_row_groups, storage_options)
