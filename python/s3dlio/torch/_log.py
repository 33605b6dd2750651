"""A log's records as a map-style data set of torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from .._core._options import StorageOptions
from .._logs._log import Log
from ..exceptions import InvalidDataError


class LogDataset(torch.utils.data.Dataset):  # type: ignore[misc]
    """Records of a log by their place, 0 for the first that is left when it is opened. A batch of a DataLoader is one read.

    The number of records is that of the time when it was made: what is appended later is seen by :meth:`refresh`, so that an epoch does not
    grow under a sampler. Worker processes, forked or spawned, open the log themselves.

    Args:
        path: The log, as for :meth:`s3dlio.Log.open`, in a store too.
        transform: Called with each record. None: records of one plain dtype become tensors, structured ones dictionaries of tensors by
            field, and others stay bytes.
        storage_options: Settings of the store.

    Example:
        >>> import tempfile, numpy as np, s3dlio, s3dlio.torch
        >>> with tempfile.TemporaryDirectory() as folder, s3dlio.Log.open(folder, "a", dtype="f4", shape=(3,)) as log:
        ...     numbers = log.append_batch(np.ones((10, 3)))
        ...     committed = log.commit()
        ...     data = s3dlio.torch.LogDataset(folder)
        ...     len(data), data[2], len(data.__getitems__([1, 2]))
        (10, tensor([1., 1., 1.]), 2)
    """

    def __init__(
        self, path: str | os.PathLike[str], transform: Callable[[Any], Any] | None = None, storage_options: StorageOptions | None = None
    ) -> None:
        self._log = Log.open(path, storage_options=storage_options)
        self._transform = transform
        self._begin, self._end = self._log.begin, self._log.end

    @property
    def log(self) -> Log:
        """The log that it reads."""
        return self._log

    def __len__(self) -> int:
        return self._end - self._begin

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Records by their places, with one read."""
        places = np.asarray(indices, np.int64).reshape(-1)
        places = np.where(places < 0, places + len(self), places)
        if len(places) and not (0 <= places.min() and places.max() < len(self)):
            raise IndexError(f"{self._log.path}: the data set has {len(self)} records, asked for {min(indices)} to {max(indices)}")
        records = self._log.read(places + self._begin)
        if self._transform is not None:
            return [self._transform(record) for record in records]
        if self._log.dtype is None:
            return list(records)
        if self._log.dtype.names is not None:
            fields = {name: torch.from_numpy(np.ascontiguousarray(records[name])) for name in self._log.dtype.names}
            return [{name: field[i] for name, field in fields.items()} for i in range(len(records))]
        return list(torch.from_numpy(records))

    def refresh(self) -> int:
        """Takes in what was appended since; drops what was truncated.

        Returns:
            How many records there are now.
        """
        self._begin, self._end = self._log.begin, self._log.end
        return len(self)

    def state_dict(self) -> dict[str, Any]:
        """Which log and which records: what a resumed run needs to see the same ones."""
        return {"id": self._log.id, "begin": self._begin, "end": self._end}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Sees the records of that state.

        Raises:
            InvalidDataError: It is of another log, or records of it were truncated or are not there.
        """
        if state["id"] != self._log.id:
            raise InvalidDataError(f"{self._log.path}: the state is of the log {state['id']}, this one is {self._log.id}", self._log.path)
        begin, end = self._log.begin, self._log.end
        if state["begin"] < begin or state["end"] > end:
            raise InvalidDataError(
                f"{self._log.path}: the state is of the records {state['begin']} to {state['end'] - 1}, the log has {begin} to {end - 1}",
                self._log.path,
            )
        self._begin, self._end = state["begin"], state["end"]
