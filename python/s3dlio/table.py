"""Embedding tables: rows for keys, more than memory holds, trained in place, with checkpoints that are exact prefixes.

:class:`s3dlio.EmbeddingTable` is the table. Optimizers are :class:`s3dlio.SGD`, :class:`s3dlio.Adagrad`, :class:`s3dlio.RowwiseAdagrad`,
:class:`s3dlio.Adam`, :class:`s3dlio.RowwiseAdam` and :class:`s3dlio.Add`; rows begin as :class:`s3dlio.Zeros`, :class:`s3dlio.Constant`,
:class:`s3dlio.Uniform` or :class:`s3dlio.Normal` say. :func:`inspect` and :func:`checkpoints` look at a table without opening it.
``s3dlio.torch.Embedding`` and ``EmbeddingBag`` are layers over a table.
"""

from __future__ import annotations

import os
from typing import Any

from ._core import _calls, _native
from ._core._options import StorageOptions
from ._tables._checkpoint import TableCheckpoint
from ._tables._places import directory_of
from ._tables._rules import (
    SGD,
    Adagrad,
    Adam,
    Add,
    Constant,
    Initial,
    Normal,
    Optimizer,
    RowwiseAdagrad,
    RowwiseAdam,
    Uniform,
    Zeros,
)
from ._tables._table import EmbeddingTable, list_checkpoints

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "Add",
    "Constant",
    "EmbeddingTable",
    "Initial",
    "Normal",
    "Optimizer",
    "RowwiseAdagrad",
    "RowwiseAdam",
    "TableCheckpoint",
    "Uniform",
    "Zeros",
    "checkpoints",
    "inspect",
]


def inspect(path: str | os.PathLike[str], *, check: bool = False, timeout: float | None = None) -> dict[str, Any]:
    """What the files of a table say, without its lock: also of one that is being trained, or is damaged. Changes nothing.

    Args:
        path: The table's directory.
        check: Read every row of the newest checkpoint, and every byte of its files, and compare them with their checksums.
        timeout: Seconds for the whole call.

    Returns:
        ``path``, ``table`` (its UUID), ``writer`` where a process changes it, ``version``, ``rows`` and ``step`` of the newest checkpoint,
        ``dimension``, ``dtype``, ``optimizer``, ``initial``, ``seed``, ``shards``, ``rows_per_page``, ``checkpoints``, ``files`` (each with
        its ``name``, ``bytes`` and the ``checkpoints`` that name it), ``rows_checked``, ``whole`` and ``findings`` (``path``, ``offset``
        where it is known, ``what``). ``json.dumps`` takes it as it is.

    Raises:
        NotFoundError: There is no table.

    Example:
        >>> import tempfile, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder, s3dlio.EmbeddingTable.open(folder, 2) as table:
        ...     _, _ = table.upsert([1, 2], [[1, 2], [3, 4]]), table.checkpoint()
        ...     found = s3dlio.table.inspect(folder, check=True)
        ...     found["rows"], found["whole"]
        (2, True)
    """
    what = directory_of(path)
    settings = _native.options({"check": check})
    found: dict[str, Any] = _calls.run("table_inspect", _native.key(what), settings, about=what, timeout=timeout)
    return found


def checkpoints(
    uri: str | os.PathLike[str], *, timeout: float | None = None, storage_options: StorageOptions | None = None
) -> list[TableCheckpoint]:
    """The checkpoints of a table, the oldest first, without its lock.

    Args:
        uri: The table's directory, or the place in a store where checkpoints were copied to.
        timeout: Seconds for the whole call.
        storage_options: Settings of the store.

    Returns:
        A list; empty where there are none.

    Example:
        >>> import tempfile, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder, s3dlio.EmbeddingTable.open(folder, 2) as table:
        ...     _, _ = table.upsert([1], [[1, 2]], serial=9), table.checkpoint("memory://doc-table/listed")
        >>> [(one.version, one.rows, one.sessions) for one in s3dlio.table.checkpoints("memory://doc-table/listed")]
        [(1, 1, {'default': 9})]
    """
    return list_checkpoints(uri, storage_options, timeout)


def __dir__() -> list[str]:
    return sorted(__all__)
