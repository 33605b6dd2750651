"""Samples that are stretches of objects: what tar, record and array files have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._core import _native
from ._dataset import Dataset
from ._packed import PackedFiles
from ._reads import NO_SETTINGS, BatchRead, ReadSettings
from ._table import Numbers, ObjectTable

#: Samples of a block, where the user does not say: as many neighbours stay near each other when shuffled.
BLOCK = 32


class StretchDataset(Dataset):
    """Samples that lie in objects one behind the other.

    Args:
        table: The objects.
        first: The number of the first sample of each object, and how many there are in all.
        offsets: Where each sample begins in its object.
        lengths: Bytes of each.
        packed: The objects, where they are unpacked as a whole; offsets are then of the unpacked bytes.
    """

    _whole = False

    def __init__(self, table: ObjectTable, first: Numbers, offsets: Numbers, lengths: Numbers, packed: PackedFiles | None = None) -> None:
        super().__init__(table)
        self._first, self._starts, self._sizes = first, offsets, lengths
        self._packed = packed

    def __len__(self) -> int:
        return len(self._starts)

    def _block(self) -> int:
        # of files that are unpacked as a whole, one is used before the next
        return BLOCK if self._packed is None else max(1, len(self) // (len(self._first) - 1))

    def _window(self) -> int:
        return super()._window() if self._packed is None else 1

    def _begin(self, indices: Numbers, settings: ReadSettings = NO_SETTINGS) -> BatchRead:
        if self._packed is None:
            return super()._begin(indices, settings)
        return self._packed.begin(self._objects(indices), self._offsets(indices), self._lengths(indices), settings)

    def _joins(self) -> bool:
        # what is unpacked as a whole is in memory already
        return self._packed is None

    def _objects(self, indices: Numbers) -> Numbers:
        return np.searchsorted(self._first, indices, "right") - 1

    def _lengths(self, indices: Numbers) -> Numbers:
        return np.asarray(self._sizes[indices], np.int64)

    def _offsets(self, indices: Numbers) -> Any:
        return np.asarray(self._starts[indices], np.int64)

    def _fingerprint(self) -> int:
        crc = self._table.digest()
        for part in (self._first, self._starts, self._sizes):
            whole = np.ascontiguousarray(part)
            crc = _native.crc32c_append(crc, whole.__array_interface__["data"][0] if whole.size else 0, whole.nbytes)
        return crc


def firsts(counts: Sequence[int]) -> Numbers:
    """The number of the first sample of each object, and how many there are in all."""
    found = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=found[1:])
    return found
