"""Where tables are."""

from __future__ import annotations

import os

from .._core import _places


def directory_of(path: str | os.PathLike[str]) -> str:
    """The absolute path of a table's directory."""
    return _places.directory_of(path, "table", ", or bring its checkpoint with EmbeddingTable.recover")
