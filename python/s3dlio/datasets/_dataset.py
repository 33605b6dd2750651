"""What all data sets are: samples by number, read many at a time."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from .._core._view import view_of
from ..exceptions import InvalidArgumentError, S3dlioError
from ._reads import NO_SETTINGS, BatchRead, ReadSettings, Stretches, WholeRead, read_sized
from ._table import Numbers, ObjectTable


class Batch(list[Any]):
    """Samples that were read together: a list of them.

    Attributes:
        indices: Their numbers in the data set.
        epoch: The epoch they are of.
        errors: Samples that are not in it because they could not be read, by number; only with ``on_error="skip"``.
    """

    def __init__(
        self,
        samples: Iterable[Any] = (),
        indices: Any = (),
        epoch: int = 0,
        errors: dict[int, Exception] | None = None,
        together: Any = None,
    ) -> None:
        super().__init__(samples)
        self.indices: np.ndarray[Any, np.dtype[np.int64]] = np.asarray(indices, np.int64)
        self.epoch = epoch
        self.errors: dict[int, Exception] = errors or {}
        self._together = together

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """All samples as one array, the first axis of which counts them: the memory they were read into, writable, without a copy.

        Raises:
            InvalidArgumentError: They have different sizes, or are no plain bytes or rows.
        """
        if self._together is None:
            raise InvalidArgumentError(
                "the samples of this batch are not in one array: their sizes differ, some were left out, or they are no plain bytes or rows"
            )
        found: np.ndarray[Any, Any] = self._together
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return _batch_of, (list(self), self.indices, self.epoch, self.errors, self._together)


def _batch_of(samples: list[Any], indices: Any, epoch: int, errors: dict[int, Exception], together: Any) -> Batch:
    return Batch(samples, indices, epoch, errors, together)


class Dataset(Sequence[Any]):
    """Samples by number, in objects of any store; made by the functions of ``s3dlio.datasets``.

    ``len(data)``, ``data[i]``, ``data.read([3, 1, 4])`` and iteration read at once; a :class:`Loader` reads ahead. It can be pickled and
    used in forked children, which open what they need.

    Args:
        table: The objects.
        verify: False: whole objects are not compared with the checksums recorded with them.
    """

    #: Whether each sample is a whole object.
    _whole = True
    #: Whether samples are the bytes that were read, so that a batch of one size is one array.
    _plain = True

    def __init__(self, table: ObjectTable, verify: bool = True) -> None:
        self._table = table
        self._verify = verify
        self._digest: str | None = None

    def __len__(self) -> int:
        return len(self._table)

    def uri(self, index: int) -> str:
        """The address of the object that a sample is in."""
        return self._table.uri(int(self._objects(np.array([self._number(index)]))[0]))

    @property
    def digest(self) -> str:
        """Text that stands for names, sizes and checksums: another one means other samples."""
        if self._digest is None:
            self._digest = f"{len(self)}:{self._fingerprint():08x}"
        return self._digest

    def read(self, indices: Iterable[int]) -> Batch:
        """Samples by number, in the order given, in one call.

        Raises:
            IndexError: There is no such sample.
            S3dlioError: The first one that cannot be read, its address in the message.
        """
        wanted = np.fromiter((self._number(index) for index in indices), np.int64)
        samples, failures, together = self._taken(wanted, self._begin(wanted))
        for failure in failures.values():
            raise failure
        return Batch(samples, wanted, 0, None, together)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        """A sample; of a slice, a :class:`Batch`."""
        if isinstance(index, slice):
            return self.read(range(*index.indices(len(self))))
        return self.read([index])[0]

    def __iter__(self) -> Iterator[Any]:
        """All samples in order, read ahead."""
        from ._loader import Loader

        for batch in Loader(self, batch_size=64, shuffle=False):
            yield from batch

    # ---- for subclasses; other modules use the functions below ----

    def _number(self, index: int) -> int:
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"sample {number} is asked for; there are {len(self)}")
        return number % len(self)

    def _fingerprint(self) -> int:
        return self._table.digest()

    def _block(self) -> int:
        """Neighbouring samples that a shuffle keeps together where the user does not say."""
        return 0

    def _window(self) -> int:
        """Blocks whose samples are mixed, where the user does not say."""
        return 16

    def _objects(self, indices: Numbers) -> Numbers:
        """The object of each sample."""
        return indices

    def _lengths(self, indices: Numbers) -> Numbers | None:
        """Bytes of each sample; None where nobody knows."""
        return None if self._table.sizes is None else np.asarray(self._table.sizes[indices], np.int64)

    def _offsets(self, indices: Numbers) -> Any:
        return 0

    def _crcs(self, indices: Numbers) -> tuple[Numbers | None, Numbers | None]:
        table = self._table
        if table.crcs is None:
            return None, None
        return table.crcs[indices], None if table.has_crc is None else table.has_crc[indices]

    def _begin(self, indices: Numbers, settings: ReadSettings = NO_SETTINGS) -> BatchRead:
        """Begins to read samples."""
        stretches = self._stretches(indices)
        if stretches is None:
            return WholeRead(self._table, indices, self._verify, settings)
        return read_sized([len(indices)], stretches, self._whole, self._verify, settings)[0]

    def _stretches(self, indices: Numbers) -> Stretches | None:
        """Where samples lie; None where nobody knows their sizes."""
        lengths = self._lengths(indices)
        if lengths is None:
            return None
        return Stretches(self._table, self._objects(indices), self._offsets(indices), lengths, *self._crcs(indices))

    def _joins(self) -> bool:
        """Whether samples of several batches may lie near each other in one object, so that they are better read together."""
        return False

    def _begin_joined(self, batches: list[Numbers], settings: ReadSettings) -> list[BatchRead]:
        """Begins to read several batches at once, of a data set that joins."""
        stretches = self._stretches(np.concatenate(batches))
        assert stretches is not None, "samples that are joined have sizes"
        return read_sized([len(batch) for batch in batches], stretches, self._whole, self._verify, settings)

    def _taken(self, indices: Numbers, read: BatchRead) -> tuple[list[Any], dict[int, S3dlioError], Any]:
        """What was read as samples; those that failed by place, with nothing of them in the list."""
        found, failures, together = read.finish()
        samples = []
        for place, (index, data) in enumerate(zip(indices.tolist(), found, strict=True)):
            if place in failures:
                continue
            try:
                samples.append(self._decode(index, data))
            except S3dlioError as error:
                failures[place] = error
        return samples, failures, self._joined(together) if self._plain and not failures and together is not None else None

    def _joined(self, together: Any) -> Any:
        return together

    def _decode(self, index: int, data: Any) -> Any:
        """A sample of its bytes."""
        return view_of(data)


def table_of(data: Dataset) -> ObjectTable:
    """The objects of a data set."""
    return data._table


def number_of(data: Dataset, index: int) -> int:
    """The number of a sample, which may be counted from the end.

    Raises:
        IndexError: There is no such sample.
    """
    return data._number(index)


def block_of(data: Dataset) -> int:
    """Neighbouring samples that a shuffle keeps together where the user does not say."""
    return data._block()


def window_of(data: Dataset) -> int:
    """Blocks whose samples are mixed, where the user does not say."""
    return data._window()


def lengths_of(data: Dataset, indices: Numbers) -> Numbers | None:
    """Bytes of each sample; None where nobody knows."""
    return data._lengths(indices)


def begin_read(data: Dataset, indices: Numbers, settings: ReadSettings = NO_SETTINGS) -> BatchRead:
    """Begins to read samples."""
    return data._begin(indices, settings)


def joins(data: Dataset) -> bool:
    """Whether samples of several batches are better read together."""
    return data._joins()


def begin_joined(data: Dataset, batches: list[Numbers], settings: ReadSettings) -> list[BatchRead]:
    """Begins to read several batches at once, of a data set that joins."""
    return data._begin_joined(batches, settings)


def samples_of(data: Dataset, indices: Numbers, read: BatchRead) -> tuple[list[Any], dict[int, S3dlioError], Any]:
    """What was read as samples, what failed by place, and all samples as one array where they are one."""
    return data._taken(indices, read)


def is_one_array(batch: Batch) -> bool:
    """Whether a batch has its ``array``."""
    return batch._together is not None
