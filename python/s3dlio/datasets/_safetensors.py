"""Safetensors files: tensors, each a sample, or the rows of all tensors of a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import _objects
from .._core import _native
from .._core._address import Address
from .._core._dtypes import safetensors_to_numpy
from .._core._options import StorageOptions
from .._tensors import data_begin, open_tensors
from ..exceptions import InvalidDataError, S3dlioError, UnknownTensorError
from ._reads import NO_SETTINGS, BatchRead, ReadSettings, Stretches, read_sized
from ._records import StretchDataset, firsts
from ._table import Numbers, ObjectTable, of_uris
from ._tar import files_of

SUFFIX = ".safetensors"


class SafetensorsDataset(StretchDataset):
    """Rows, or tensors, of safetensors files; see :func:`safetensors`.

    Attributes:
        names: The tensors.
    """

    _plain = False

    def __init__(
        self,
        table: ObjectTable,
        first: Numbers,
        names: tuple[str, ...],
        begins: Numbers,
        row_bytes: Numbers,
        kinds: list[list[Any]],
        rows: bool,
    ) -> None:
        super().__init__(table, first, np.empty(0, np.int64), np.empty(0, np.int64))
        self.names = names
        #: By file and tensor: where it begins, bytes of a row (of all of it), dtype and shape of that.
        self._begins, self._row_bytes, self._kinds, self._rows = begins, row_bytes, kinds, rows

    def __len__(self) -> int:
        return int(self._first[-1])

    def _block(self) -> int:
        return max(1, min(1024, (128 << 10) // max(1, int(self._row_bytes.max())))) if self._rows else 0

    def _fingerprint(self) -> int:
        crc = super()._fingerprint()
        text = f"{self.names} {self._kinds} {self._rows} {self._begins.tolist()}".encode()
        return _native.crc32c_append(crc, np.frombuffer(text, np.uint8).__array_interface__["data"][0], len(text))

    def _joins(self) -> bool:
        # a sample has a stretch for each tensor, and they are laid out by ``_begin``
        return False

    def _places(self, indices: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """File, where it begins and bytes of each stretch: a row of every tensor, sample by sample; or one tensor."""
        files = self._objects(indices)
        inside = indices - self._first[files]
        if not self._rows:
            return files, self._begins[files, inside], self._row_bytes[files, inside]
        lengths = self._row_bytes[files]
        return np.repeat(files, len(self.names)), (self._begins[files] + inside[:, None] * lengths).reshape(-1), lengths.reshape(-1)

    def _lengths(self, indices: Numbers) -> Numbers:
        found: Numbers = self._places(indices)[2].reshape(len(indices), -1).sum(1)
        return found

    def _begin(self, indices: Numbers, settings: ReadSettings = NO_SETTINGS) -> BatchRead:
        files, begins, lengths = self._places(indices)
        return read_sized([len(lengths)], Stretches(self._table, files, begins, lengths), False, self._verify, settings)[0]

    def _taken(self, indices: Numbers, read: BatchRead) -> tuple[list[Any], dict[int, S3dlioError], Any]:
        found, failures, _ = read.finish()
        files = self._objects(indices).tolist()
        inside = (indices - self._first[files]).tolist()
        if not self._rows:
            good = {
                place: {self.names[tensor]: _shaped(found[place], self._kinds[file][tensor])}
                for place, (file, tensor) in enumerate(zip(files, inside, strict=True))
                if place not in failures
            }
            return list(good.values()), failures, None
        each = len(self.names)
        broken: dict[int, S3dlioError] = {}
        for place, failure in failures.items():
            broken.setdefault(place // each, failure)
        samples = [
            {name: _shaped(found[place * each + number], self._kinds[file][number]) for number, name in enumerate(self.names)}
            for place, file in enumerate(files)
            if place not in broken
        ]
        return samples, broken, None


def _shaped(data: Any, kind: tuple[np.dtype[Any], tuple[int, ...]]) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = data.view(kind[0]).reshape(kind[1])
    return found


def safetensors(
    uris: Address | Iterable[Address],
    names: Iterable[str] | None = None,
    *,
    rows: bool = True,
    storage_options: StorageOptions | None = None,
) -> SafetensorsDataset:
    """The rows of safetensors files, each a sample: a dictionary of arrays, one for each tensor. Or the tensors themselves.

    Rows come without the file's checksums, which are of whole tensors and blocks; the reads of them are whole or fail.

    Args:
        uris: A file, a prefix (its objects ending in ``.safetensors``), or addresses of files.
        names: The tensors that are wanted; None: all of the first file. Every file has them.
        rows: True: the tensors of a file have one length of the first axis, and what lies at one place there is a sample. False: each
            tensor is a sample, a dictionary of its name and its array.
        storage_options: Settings of the store.

    Raises:
        NotFoundError: There is no such file.
        InvalidDataError: A file is none, or has tensors of different lengths.
        UnknownTensorError: A file lacks a tensor.

    Example:
        >>> import numpy as np, s3dlio
        >>> _ = s3dlio.save_tensors("memory://rows-of/0.safetensors", {"x": np.arange(6).reshape(3, 2), "y": np.arange(3)})
        >>> data = s3dlio.datasets.safetensors("memory://rows-of/")
        >>> len(data), data[1]["x"].tolist(), int(data[2]["y"])
        (3, [2, 3], 2)
    """
    files = files_of(uris, (SUFFIX,), storage_options)
    wanted: tuple[str, ...] | None = None if names is None else tuple(names)
    counts, sizes, kinds = [], [], []
    begins: list[list[int]] = []
    widths: list[list[int]] = []
    for file in files:
        with open_tensors(file, storage_options=storage_options) as opened:
            if wanted is None:
                wanted = tuple(opened.keys())
            lacking = [name for name in wanted if name not in opened]
            if lacking or not wanted:
                raise UnknownTensorError(f"{file}: there is no tensor {', '.join(map(repr, lacking)) or 'at all'}", file)
            at = data_begin(opened)
            where = {}
            # in the order of the file, in which they lie one behind the other
            for name in opened.keys():  # noqa: SIM118
                where[name] = at
                at += opened[name].nbytes
            sizes.append(_objects.stat(file, storage_options=storage_options).size)
            if at != sizes[-1]:
                raise InvalidDataError(f"{file}: the tensors end at byte {at}, the file at {sizes[-1]}", file)
            chosen = [opened[name] for name in wanted]
            begins.append([where[name] for name in wanted])
            lengths = {tensor.shape[0] if tensor.shape else None for tensor in chosen}
            if rows and (len(lengths) != 1 or None in lengths):
                raise InvalidDataError(
                    f"{file}: rows are asked for, and the first axes have the lengths "
                    f"{', '.join(f'{one.name}: {list(one.shape)}' for one in chosen)}; name those of one length, or ask for rows=False",
                    file,
                )
            count = chosen[0].shape[0] if rows else len(chosen)
            counts.append(count)
            widths.append([one.nbytes // max(1, count) if rows else one.nbytes for one in chosen])
            kinds.append([(safetensors_to_numpy(one.get_dtype(), file), one.shape[1:] if rows else one.shape) for one in chosen])
    assert wanted is not None
    if not sum(counts):
        raise InvalidDataError(f"{files[0]}: there are no rows", files[0])
    table = of_uris(files, sizes, storage_options)
    return SafetensorsDataset(table, firsts(counts), wanted, np.array(begins, np.int64), np.array(widths, np.int64), kinds, rows)
