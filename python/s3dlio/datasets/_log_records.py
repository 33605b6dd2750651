"""Records of a log, each a sample."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .._core import _native
from .._core._calls import Background
from .._core._memory import address_of, empty_array
from .._core._view import view_of
from .._logs._log import Log, reading_of
from .._logs._reads import MOST
from ..exceptions import InvalidArgumentError, InvalidDataError, S3dlioError
from ._dataset import Dataset
from ._reads import NO_SETTINGS, BatchRead, ReadSettings
from ._table import Numbers


class _LogRead(BatchRead):
    def __init__(self, log: Log, numbers: Numbers) -> None:
        self._numbers = np.ascontiguousarray(numbers, np.int64)
        reading = reading_of(log)
        kind = reading.kind
        self._out = None if kind.dtype is None else empty_array((len(numbers), *kind.shape), kind.dtype)
        place = (None, 0) if self._out is None else (address_of(self._out), self._out.nbytes)
        wanted = _native.numbers_at(address_of(self._numbers))
        self.nbytes = 0 if self._out is None else self._out.nbytes
        super().__init__(
            Background("log_read", reading.live(), wanted, len(numbers), *place, keep=(self._numbers, self._out), data=True, both=True)
        )

    def finish(self) -> tuple[list[Any], dict[int, S3dlioError], Any]:
        memory, told = self._work.finish()
        if self._out is not None:
            return list(self._out), {}, self._out
        held = np.asarray(memory)
        self.nbytes = held.nbytes
        count = told["count"]
        ends, data = held[8 * count : 16 * count].view(np.int64).tolist(), held[16 * count :]
        return [view_of(data[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True)], {}, None


class LogDataset(Dataset):
    """Committed records of a log, each a sample; see :func:`log`."""

    def __init__(self, log: Log, begin: int, end: int) -> None:
        self._log, self._begin_at, self._end = log, begin, end
        self._digest = None

    def __len__(self) -> int:
        return self._end - self._begin_at

    def _block(self) -> int:
        return 64

    def uri(self, index: int) -> str:
        self._number(index)
        return self._log.path

    def _fingerprint(self) -> int:
        text = np.frombuffer(f"{self._log.id} {self._begin_at} {self._end}".encode(), np.uint8)
        return _native.crc32c(text.__array_interface__["data"][0], text.size)

    def _lengths(self, indices: Numbers) -> Numbers | None:
        kind = reading_of(self._log).kind
        return None if kind.dtype is None else np.full(len(indices), kind.size, np.int64)

    def _begin(self, indices: Numbers, settings: ReadSettings = NO_SETTINGS) -> BatchRead:
        if len(indices) > MOST:
            raise InvalidArgumentError(f"{self._log.path}: {len(indices)} records are asked for at once; {MOST} at most")
        return _LogRead(self._log, np.asarray(indices) + self._begin_at)

    def _decode(self, index: int, data: Any) -> Any:
        return data


def log(path: str | os.PathLike[str] | Log, begin: int | None = None, end: int | None = None) -> LogDataset:
    """The committed records of a log, each a sample: bytes, or an array of the log's dtype and shape.

    It is those that are committed now: records that come later are in the data set that is made after them, so that an epoch has one
    length.

    Args:
        path: The log's directory; or a log that is open for reading.
        begin: The first record; None: the first that is left.
        end: Behind the last one; None: what is committed.

    Raises:
        NotFoundError: There is no log.
        InvalidArgumentError: It has no such records, or ``path`` is a log that is open for appending.

    Example:
        >>> import tempfile, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with s3dlio.Log.open(folder, "a") as writer:
        ...         _ = writer.append_batch([b"a", b"b", b"c"]), writer.commit()
        ...     data = s3dlio.datasets.log(folder)
        ...     len(data), data[1].to_bytes()
        (3, b'b')
    """
    opened = path if isinstance(path, Log) else Log.open(path)
    if opened.mode == "a":
        raise InvalidArgumentError(f"{opened.path}: this log is open for appending; give its path, which is opened for reading here")
    lowest, highest = opened.begin, opened.committed
    first, last = lowest if begin is None else begin, highest if end is None else end
    if not lowest <= first <= last <= highest:
        raise InvalidArgumentError(f"{opened.path}: records {first}..{last} are asked for; the log has {lowest}..{highest}")
    if first == last:
        raise InvalidDataError(f"{opened.path}: there is no committed record", opened.path)
    return LogDataset(opened, first, last)
