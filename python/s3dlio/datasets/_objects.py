"""Objects as they are, each a sample."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._core._address import Address, Location
from .._core._options import StorageOptions
from ..exceptions import InvalidArgumentError
from ._dataset import Dataset
from ._packed import is_packed, unpack
from ._table import ObjectTable, listed, of_uris


class ObjectDataset(Dataset):
    """Objects, each a sample: its bytes as a ``BytesView``. See :func:`objects`."""

    def __init__(self, table: ObjectTable, verify: bool = True, decompress: bool = False) -> None:
        super().__init__(table, verify)
        self._decompress = decompress
        if decompress:
            self._plain = False

    def _decode(self, index: int, data: Any) -> Any:
        if self._decompress and is_packed(self._table.key(index)):
            data = unpack(data, self._table.key(index), self._table.uri(index))
        return super()._decode(index, data)

    def key(self, index: int) -> str:
        """The name of a sample below the address that was listed."""
        return self._table.key(self._number(index))

    def size(self, index: int) -> int | None:
        """Bytes of a sample as they were listed; None where nobody asked."""
        sizes = self._table.sizes
        return None if sizes is None else int(sizes[self._number(index)])


def objects(
    uri: Address | Iterable[Address],
    pattern: str | None = None,
    *,
    recursive: bool = True,
    sizes: Iterable[int] | None = None,
    verify: bool = True,
    decompress: bool = False,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> ObjectDataset:
    """The objects below an address, each a sample: its bytes as a ``BytesView``.

    They are listed now, once: an object that is written anew with another size fails when it is read. Each is compared with the
    checksum that is recorded with it, where one is.

    Args:
        uri: A prefix or directory; or addresses of objects, which are then not asked for.
        pattern: A pattern of names, such as ``*.jpg``. Without ``/`` it is for the last part of a key; with one for the whole key below
            the prefix, where ``**`` stands for any number of parts.
        recursive: Everything below; otherwise one level.
        sizes: Bytes of each of the addresses. Where they are known, a batch is read into one piece of memory, and read-ahead counts
            exactly.
        verify: False: the objects are not compared with checksums.
        decompress: True: those ending in ``.gz`` and ``.zst`` are unpacked.
        timeout: Seconds for the listing.
        storage_options: Settings of the store.

    Raises:
        NotFoundError: There is no such object.
        InvalidArgumentError: An option that does not fit, or an address that cannot be understood.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://images/a/1.jpg", b"one"), s3dlio.put("memory://images/a/1.txt", b"text")
        >>> data = s3dlio.datasets.objects("memory://images/", pattern="*.jpg")
        >>> len(data), data.key(0), data[0].to_bytes()
        (1, 'a/1.jpg', b'one')
    """
    where: Any = uri
    if isinstance(uri, (str, Location)) or hasattr(uri, "__fspath__"):
        if sizes is not None:
            raise InvalidArgumentError("sizes is for addresses that are named one by one; a listing has them")
        return ObjectDataset(listed(where, pattern, recursive, timeout=timeout, storage_options=storage_options), verify, decompress)
    if pattern is not None:
        raise InvalidArgumentError("pattern is for a prefix that is listed; the addresses here are named one by one")
    return ObjectDataset(of_uris(where, sizes, storage_options), verify, decompress)
