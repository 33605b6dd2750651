"""Keys and rows of a table as safetensors or as a pair of ``.npy``, and back."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _arrays, _tensors
from .._core._options import StorageOptions
from ..exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from ._table import EmbeddingTable

#: Rows that are read or set at once.
_BATCH = 65_536


def export(table: EmbeddingTable, path: str | os.PathLike[str], storage_options: StorageOptions | None) -> int:
    """Writes them; gives how many."""
    text, stem = _named(path)
    keys: list[np.ndarray[Any, Any]] = []
    dtype = table.dtype
    # how many there are stands before the rows, and is known behind them: a file of the rows alone comes between
    with tempfile.TemporaryFile(prefix="s3dlio-export-") as between:
        for some, rows in table.items(_BATCH):
            keys.append(np.array(some))
            between.write(rows.view(np.uint8).data)
        between.flush()
        count = sum(map(len, keys))
        shape = (count, table.dim)
        found = np.concatenate(keys) if keys else np.empty(0, np.int64)
        held = (
            np.memmap(between, np.uint8, "r", shape=(count * table.dim * dtype.itemsize,)).view(dtype).reshape(shape)
            if count
            else np.empty(shape, dtype)
        )
        if stem is None:
            about = {"format": "s3dlio.EmbeddingTable", "version": str(table.version), "step": str(table.step)}
            _tensors.save_tensors(text, {"keys": found, "rows": np.asarray(held)}, metadata=about, storage_options=storage_options)
        else:
            _arrays.save_numpy_array(f"{stem}.keys.npy", found, storage_options=storage_options)
            # bfloat16 is no type of .npy: its bits
            plain = np.asarray(held) if dtype.type.__module__ == "numpy" else np.asarray(held).view(np.uint16)
            _arrays.save_numpy_array(f"{stem}.rows.npy", plain, storage_options=storage_options)
        del held
    return count


def load(table: EmbeddingTable, path: str | os.PathLike[str], session: str, storage_options: StorageOptions | None) -> int:
    """Sets them; gives how many."""
    text, stem = _named(path)
    keys: Any
    rows: Any
    if stem is None:
        with _tensors.open_tensors(text, storage_options=storage_options) as file:
            missing = {"keys", "rows"} - set(file)
            if missing:
                raise InvalidArgumentError(
                    f"{text}: it has no tensor {' and none '.join(sorted(missing))}, but {', '.join(sorted(file))[:200]}", text
                )
            keys, rows = file["keys"].load(), file["rows"]
            return _set(table, keys, rows, tuple(rows.get_shape()), session, text)
    keys = _arrays.load_numpy_array(f"{stem}.keys.npy", storage_options=storage_options)
    rows = _arrays.load_numpy_array(f"{stem}.rows.npy", storage_options=storage_options)
    if rows.dtype == np.uint16 and table.dtype.itemsize == 2:
        rows = rows.view(table.dtype)
    return _set(table, keys, rows, rows.shape, session, text)


def _set(table: EmbeddingTable, keys: Any, rows: Any, shape: tuple[int, ...], session: str, what: str) -> int:
    if keys.ndim != 1 or shape != (len(keys), table.dim):
        raise InvalidArgumentError(f"{what}: keys and rows have shapes (n,) and (n, {table.dim}), found {keys.shape} and {shape}", what)
    for at in range(0, len(keys), _BATCH):
        table.upsert(keys[at : at + _BATCH], rows[at : at + _BATCH], session=session)
    return len(keys)


def _named(path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """The path, and what a pair's names begin with."""
    text = os.fspath(path)
    if text.endswith(".safetensors"):
        return text, None
    if text.endswith(".npy"):
        return text, text.removesuffix(".npy")
    raise InvalidArgumentError(f"{text}: rows are exported to a name that ends with .safetensors or .npy", text)
