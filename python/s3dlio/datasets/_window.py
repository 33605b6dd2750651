"""An object read from front to back with jumps, as an index of it is made."""

from __future__ import annotations

from typing import Any

from .._core._address import Address
from .._core._options import StorageOptions
from .._reader import ObjectReader

#: Bytes that are read at once where small ones are asked for.
_WINDOW = 4 << 20


class Window:
    """Bytes of an object at any place; what lies near the last place costs no request.

    Args:
        uri: The object.
        storage_options: Settings of its store.
    """

    def __init__(self, uri: Address, storage_options: StorageOptions | None = None) -> None:
        self.uri = str(uri)
        self._reader = ObjectReader(uri, decompress=False, buffering=_WINDOW, storage_options=storage_options)
        self.size = self._reader.size

    def read(self, offset: int, length: int) -> bytes:
        """So many bytes, fewer at the end of the object."""
        self._reader.seek(offset)
        return self._reader.read(length)

    def close(self) -> None:
        """Closes the object."""
        self._reader.close()

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
