"""What the records of a log are to Python: bytes, or elements of one dtype and shape."""

from __future__ import annotations

import json
import math
from typing import Any, TypeAlias

import numpy as np

from ..exceptions import InvalidArgumentError, InvalidDataError

#: Not in every release's types.
_format: Any = np.lib.format
#: What NumPy 1 calls False.
_COPY_IF_NEEDED: Any = None if int(np.__version__.split(".")[0]) >= 2 else False


#: Where each of some records ends in their bytes.
Ends: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

#: Where records end that all have the log's size.
_NONE: Ends = np.empty(0, np.int64)


def joined(parts: list[bytes]) -> tuple[bytes, Ends]:
    """Records one behind the other, and where each ends."""
    data = b"".join(parts)
    # most logs have records of one length, and a set of lengths costs a quarter of their sum
    if len(set(map(len, parts))) == 1:
        return data, _each(len(parts), len(data) // len(parts))
    return data, np.fromiter(map(len, parts), np.int64, len(parts)).cumsum()


def _each(count: int, length: int) -> Ends:
    """Where records of one length end."""
    return np.arange(1, count + 1, dtype=np.int64) * length


class Bytes:
    """Records of any bytes."""

    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] = ()
    size = 0
    schema = ""

    def one(self, record: Any, what: str) -> Any:
        """The record as memory of bytes."""
        return record if type(record) is bytes else _memory(record, what)

    def many(self, records: Any, what: str) -> tuple[Any, Ends]:
        """The records one behind the other, and where each ends."""
        if isinstance(records, np.ndarray):
            if records.ndim != 2 or records.dtype.itemsize != 1:
                raise InvalidArgumentError(
                    f"{what}: an array of records of bytes has two dimensions and elements of one byte, found {records.shape} of "
                    f"{records.dtype}"
                )
            data = np.ascontiguousarray(records).reshape(-1).view(np.uint8)
            return data, _each(*records.shape)
        if isinstance(records, (bytes, bytearray, memoryview, str)):
            raise InvalidArgumentError(
                f"{what}: append_batch takes a list of records, found one {type(records).__name__}; append takes one record"
            )
        parts = records if isinstance(records, list) else list(records)
        if set(map(type, parts)) != {bytes}:
            parts = [record if type(record) is bytes else bytes(_memory(record, what)) for record in parts]
        return joined(parts)


class Elements:
    """Records that are arrays of one dtype and shape.

    Args:
        dtype: Of the elements; structured ones too.
        shape: Of a record; ``()`` for single elements.
        what: The log, for errors.
    """

    def __init__(self, dtype: Any, shape: Any, what: str) -> None:
        try:
            made = np.dtype(dtype)
            whole: tuple[int, ...] = tuple(int(length) for length in ((shape,) if isinstance(shape, int) else shape))
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(f"{what}: no record has dtype {dtype!r} and shape {shape!r}: {error}") from None
        if made.subdtype is not None:
            made, inner = made.subdtype
            whole += inner
        self.dtype: np.dtype[Any] = made
        self.shape = whole
        self.size = made.itemsize * math.prod(whole)
        if made.hasobject or self.size <= 0 or min(whole, default=0) < 0:
            raise InvalidArgumentError(f"{what}: records of dtype {made} and shape {whole} have no bytes of a fixed number to keep")
        self.schema = json.dumps({"dtype": _format.dtype_to_descr(made), "shape": whole}, separators=(",", ":"))
        if Elements._dtype(self.schema, what) != made:
            raise InvalidArgumentError(
                f"{what}: the dtype {made} cannot be recorded; keep its bytes, for example by view(np.uint16), and view them when they "
                "are read"
            )

    @staticmethod
    def of(schema: str, size: int, what: str) -> Elements:
        """From what a log says of its records."""
        found = Elements(Elements._dtype(schema, what), json.loads(schema)["shape"], what)
        if found.size != size:
            raise InvalidDataError(f"{what}: its records have {size} bytes, and {schema} has {found.size}", what)
        return found

    @staticmethod
    def _dtype(schema: str, what: str) -> np.dtype[Any]:
        try:
            made: np.dtype[Any] = _format.descr_to_dtype(_tuples(json.loads(schema)["dtype"]))
            return made
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidDataError(f"{what}: its description of records is none of a dtype and a shape: {schema:.200}", what) from error

    def one(self, record: Any, what: str) -> Any:
        """The record as memory of this dtype."""
        return self._array(record, self.shape, what)

    def many(self, records: Any, what: str) -> tuple[Any, Ends]:
        """The records one behind the other."""
        array = self._array(records, None, what)
        if array.shape[1:] != self.shape or array.ndim == 0:
            raise InvalidArgumentError(f"{what}: a batch has shape (n, {', '.join(map(str, self.shape))}), found {array.shape}")
        return array, _NONE

    def _array(self, value: Any, shape: tuple[int, ...] | None, what: str) -> np.ndarray[Any, Any]:
        if (
            isinstance(value, (np.ndarray, np.generic))
            and value.dtype != self.dtype
            and not np.can_cast(value.dtype, self.dtype, "same_kind")
        ):
            raise InvalidArgumentError(f"{what}: records have dtype {self.dtype}, found {value.dtype}; convert them with astype")
        try:
            # not ascontiguousarray, which gives single elements a dimension
            array: np.ndarray[Any, Any] = np.array(value, self.dtype, copy=_COPY_IF_NEEDED, order="C")
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"{what}: records have dtype {self.dtype} and shape {self.shape}, found {type(value).__name__}: {error}"
            ) from None
        if shape is not None and array.shape != shape:
            raise InvalidArgumentError(f"{what}: a record has shape {shape}, found {array.shape}")
        return array


def _tuples(descr: Any) -> Any:
    """A dtype's description as NumPy takes it: JSON has made lists of its tuples."""
    if isinstance(descr, str):
        return descr
    return [
        (tuple(field[0]) if isinstance(field[0], list) else field[0], _tuples(field[1]), *(tuple(lengths) for lengths in field[2:]))
        for field in descr
    ]


def _memory(record: Any, what: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    try:
        return np.frombuffer(memoryview(record).cast("B"), np.uint8)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"{what}: a record is bytes or contiguous memory, found {type(record).__name__}: {error}") from None
