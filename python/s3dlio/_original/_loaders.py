"""The original's data sets and loaders, over ``s3dlio.datasets``.

Shuffle, seed, shards and drop_last are honoured, failures reach the consumer.
"""

from __future__ import annotations

import asyncio
import os
import uuid
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .._bulk import put_many
from .._core._view import BytesView, view_of
from .._objects import delete
from ..datasets import Dataset, Loader, ObjectDataset, objects
from ..datasets._dataset import begin_read, number_of, samples_of, table_of
from ..datasets._order import Order, Share
from ..exceptions import InvalidArgumentError
from ._options import PyLoaderOptions, options_of

_Options = Mapping[str, Any] | PyLoaderOptions | None


class PyDataset:
    """The objects below an address; see :func:`s3dlio.datasets.objects`, which new programs use.

    Args:
        uri: A prefix or directory, of any store; a pattern of names may stand at its end.
        opts: Options of loaders, checked here.
    """

    def __init__(self, uri: Any, opts: _Options = None) -> None:
        values = options_of(opts)
        text = os.fspath(uri)
        folder, _, last = text.rpartition("/")
        pattern = last if any(sign in last for sign in "*?[") else None
        self._begin(objects(folder + "/" if pattern else text, pattern, storage_options=values["storage_options"]))

    def _begin(self, data: ObjectDataset) -> None:
        self._data = data

    @classmethod
    def from_uris(cls, uris: Iterable[Any], _opts: _Options = None) -> PyDataset:
        """Objects that are named, without asking the store.

        Raises:
            InvalidArgumentError: There are none.
        """
        values = options_of(_opts)
        made = cls.__new__(cls)
        made._begin(objects(list(uris), storage_options=values["storage_options"]))
        return made

    @classmethod
    def from_bytes_list(cls, items: Iterable[Any]) -> PyDataset:
        """Objects in memory, one of each item; they go with the data set.

        Raises:
            InvalidArgumentError: There are none.
        """
        made = cls.__new__(cls)
        place = f"memory://from-bytes-{uuid.uuid4().hex}/"
        written = put_many([(f"{place}{number:09}", item) for number, item in enumerate(items)])
        made._begin(objects([uri for uri, _ in written], sizes=[one.size or 0 for _, one in written]))
        weakref.finalize(made._data, delete, place, recursive=True)
        return made

    def __len__(self) -> int:
        return len(self._data)

    def keys(self) -> list[str]:
        """The objects' names: whole keys in their bucket, or paths relative to the directory."""
        table = table_of(self._data)
        base = table.roots[0][1]
        container = base.split("://", 1)[-1].partition("/")[2] if base.startswith("s3://") else ""
        return [container + table.key(index) for index in range(len(table))]

    async def get_item(self, index: int) -> BytesView:
        """One object, awaited."""
        data = self._data
        number = np.array([number_of(data, index)], np.int64)
        read = begin_read(data, number)
        from .._core._calls import Notifier

        if read.running is not None and not read.running.has_ended:
            await Notifier.of(asyncio.get_running_loop()).watch(read.running)
        samples, failures, _ = samples_of(data, number, read)
        for failure in failures.values():
            raise failure
        view: BytesView = samples[0]
        return view


def data_of(dataset: PyDataset) -> ObjectDataset:
    """What a data set of the original is here."""
    return dataset._data


class PyS3Dataset(PyDataset):
    """The same of S3 alone."""

    def __init__(self, uri: Any, opts: _Options = None) -> None:
        if not str(uri).startswith("s3://"):
            raise InvalidArgumentError(f"{uri}: PyS3Dataset takes an s3:// address; PyDataset takes any", str(uri))
        super().__init__(uri, opts)


class PyObjectItem:
    """An object that was read.

    Attributes:
        uri: Its address.
        byte_count: Its bytes.
    """

    def __init__(self, uri: str, view: BytesView) -> None:
        self.uri = uri
        self.byte_count = len(view)
        self._view = view

    def __len__(self) -> int:
        return self.byte_count

    def __bytes__(self) -> bytes:
        return self._view.to_bytes()

    def bytes(self) -> BytesView:
        """The bytes, without a copy."""
        return self._view

    def __repr__(self) -> str:
        return f"PyObjectItem(uri={self.uri!r}, byte_count={self.byte_count})"


class _Items(Iterator[PyObjectItem]):
    def __init__(self, data: Dataset, loader: Loader) -> None:
        self._data = data
        self._batches = iter(loader)
        self._held: list[PyObjectItem] = []

    def __iter__(self) -> _Items:
        return self

    def __next__(self) -> PyObjectItem:
        while not self._held:
            batch = next(self._batches)
            self._held = [PyObjectItem(self._data.uri(index), view) for index, view in zip(batch.indices.tolist(), batch, strict=True)][
                ::-1
            ]
        return self._held.pop()

    def collect_batch(self, n: int) -> list[PyObjectItem]:
        """The next ``n`` objects; fewer at the end, and none behind it."""
        found: list[PyObjectItem] = []
        for item in self:
            found.append(item)
            if len(found) >= n:
                break
        return found


class PyBytesAsyncDataLoader:
    """Objects as bytes, in four ways.

    ``async for`` gives lists of a batch, ``for`` single ones, ``items()`` them with their addresses, and ``items().collect_batch(n)`` lists
    of those.

    Each iteration has the same order, as in the original; :class:`s3dlio.datasets.Loader` has a new one for each epoch, and a state.

    Args:
        dataset: A ``PyDataset``, or one of ``s3dlio.datasets``.
        opts: Options.
    """

    def __init__(self, dataset: PyDataset | Dataset, opts: _Options = None) -> None:
        self._data = dataset._data if isinstance(dataset, PyDataset) else dataset
        self._values = options_of(opts)
        self._loader(1)

    def _loader(self, batch_size: int) -> Loader:
        values = self._values
        workers = values["num_workers_pytorch"]
        return Loader(
            self._data,
            batch_size,
            values["shuffle"],
            values["seed"],
            values["shard_rank"] * workers + values["worker_id"],
            values["shard_world_size"] * workers,
            drop_last=values["drop_last"],
            uneven="allow",
            block=0,
            prefetch=values["prefetch"] or 8,
            max_in_flight=values["num_workers"] or 64,
        )

    def __len__(self) -> int:
        return len(self._loader(self._values["batch_size"]))

    async def _batches(self) -> AsyncIterator[list[Any]]:
        async for batch in self._loader(self._values["batch_size"]):
            yield list(batch)

    def __aiter__(self) -> AsyncIterator[list[Any]]:
        return self._batches()

    def __iter__(self) -> Iterator[Any]:
        # batches as asked for, so that drop_last and shards mean the same in all four ways
        for batch in self._loader(self._values["batch_size"]):
            yield from batch

    def items(self) -> _Items:
        """The objects with their addresses."""
        return _Items(self._data, self._loader(self._values["batch_size"]))


class PyS3AsyncDataLoader(PyBytesAsyncDataLoader):
    """The same of S3 alone, by an address."""

    def __init__(self, uri: Any, opts: _Options = None) -> None:
        super().__init__(PyS3Dataset(uri, opts), opts)


class PyVecDataset:
    """A list as a data set."""

    def __init__(self, items: Iterable[int]) -> None:
        self._items = list(items)

    def __len__(self) -> int:
        return len(self._items)


class PyAsyncDataLoader:
    """Batches of a ``PyVecDataset``, for ``async for``."""

    def __init__(self, dataset: PyVecDataset, opts: _Options = None) -> None:
        self._items, self._values = dataset._items, options_of(opts)

    async def _batches(self) -> AsyncIterator[list[int]]:
        values = self._values
        if not self._items:
            return
        workers = values["num_workers_pytorch"]
        rank, world = values["shard_rank"] * workers + values["worker_id"], values["shard_world_size"] * workers
        share = Share(len(self._items), 0, rank, world, values["batch_size"], "allow", values["drop_last"])
        order = Order(len(self._items), values["shuffle"], values["seed"])
        for number in range(len(share)):
            await asyncio.sleep(0)
            yield [self._items[index] for index in order.at(share.positions(number)).tolist()]

    def __aiter__(self) -> AsyncIterator[list[int]]:
        return self._batches()


class PyParquetItem(PyObjectItem):
    """A row group.

    Attributes:
        file_uri: The file's address.
        rg_idx: Its number there.
    """

    def __init__(self, uri: str, group: int, view: BytesView) -> None:
        super().__init__(uri, view)
        self.file_uri, self.rg_idx = uri, group


class PyParquetStreamLoader:
    """Row groups of Parquet files, one after the other; see :func:`s3dlio.datasets.parquet`."""

    def __init__(self, uri: Any, opts: _Options = None) -> None:
        from ..datasets._parquet import parquet, read_raw

        self._values = options_of(opts)
        columns = self._values["columns"]
        if columns is not None and all(isinstance(one, int) for one in columns):
            # numbers come in the file's order, as in the original
            columns = sorted(set(columns))
        self._data = parquet(uri, columns, storage_options=self._values["storage_options"])
        # "raw" is the row group as it lies in the file, "arrow" an IPC stream of it
        self._raw = self._values["decode"] != "arrow"
        if self._raw:
            read_raw(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[PyParquetItem]:
        from ..datasets._parquet import arrow_stream, group_of

        values = self._values
        loader = Loader(self._data, 1, values["shuffle"], values["seed"], values["shard_rank"], values["shard_world_size"], uneven="allow")
        for batch in loader:
            index = int(batch.indices[0])
            group = group_of(self._data, index)
            view = batch[0] if self._raw else view_of(np.frombuffer(arrow_stream(batch[0]), np.uint8))
            yield PyParquetItem(self._data.uri(index), group, view)


def create_dataset(uri: Any, opts: _Options = None) -> PyDataset:
    """The objects below an address.

    Args:
        uri: A prefix or directory; a pattern of names may stand at its end.
        opts: Options of loaders.

    Returns:
        The data set.

    Raises:
        NotFoundError: There is no such object.
        InvalidArgumentError: An option that there is not.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://original-set/a", b"1")
        >>> len(s3dlio.create_dataset("memory://original-set/"))
        1
    """
    return PyDataset(uri, opts)


def create_async_loader(uri: Any, opts: _Options = None) -> Any:
    """A loader of the objects below an address, with the batch size that is asked for; of Parquet files one of row groups.

    Args:
        uri: A prefix or directory; a pattern of names may stand at its end.
        opts: Options: a dictionary or ``PyLoaderOptions``.

    Returns:
        A ``PyBytesAsyncDataLoader``, or with the option ``format="parquet"`` a ``PyParquetStreamLoader``.

    Raises:
        NotFoundError: There is no such object.
        InvalidArgumentError: An option that there is not, or a value that cannot be.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_many([(f"memory://original-loader/{i}", bytes([i])) for i in range(3)])
        >>> [view[0] for view in s3dlio.create_async_loader("memory://original-loader/", {"batch_size": 2})]
        [0, 1, 2]
    """
    values = options_of(opts)
    if values["format"] == "parquet":
        return PyParquetStreamLoader(uri, values)
    if values["format"] not in (None, "raw", "bytes"):
        raise InvalidArgumentError(f"the option 'format' is 'parquet' or None, found {values['format']!r}")
    return PyBytesAsyncDataLoader(PyDataset(uri, values), values)
