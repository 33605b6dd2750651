"""Manifests: the objects of a data set in a file, so that nobody lists them again."""

from __future__ import annotations

from typing import Any, Literal

from .. import _bulk
from .._core import _native
from .._core._address import Address, resolve, shared_root
from .._core._calls import blocking
from .._core._options import StorageOptions
from ..exceptions import InvalidArgumentError
from . import _sections
from ._objects import ObjectDataset
from ._table import ObjectTable, etag_digest, glob_expression

KIND = "manifest"
_GROUP = 4096


class Manifest(ObjectDataset):
    """The objects of a manifest, each a sample; see :func:`manifest`."""

    def __init__(self, table: ObjectTable, verify: bool, source: tuple[Any, StorageOptions | None, bool], header: dict[str, Any]) -> None:
        super().__init__(table, verify)
        self._source = source
        self.created: str | None = header.get("created")

    def __reduce__(self) -> tuple[Any, ...]:
        # the name goes to other processes, which map the same file
        return manifest, self._source

    def changed(self) -> list[str]:
        """Asks the stores, and gives the addresses of objects that are gone or have another size or ETag than the manifest says."""
        found = []
        for first in range(0, len(self), _GROUP):
            group = range(first, min(first + _GROUP, len(self)))
            uris = [self.uri(index) for index in group]
            options = self._source[1]
            for index, (uri, meta) in zip(group, _stats(uris, options), strict=True):
                sizes, etags = self._table.sizes, self._table.etags
                other = meta is None or (sizes is not None and meta["size"] != sizes[index])
                if not other and meta is not None and etags is not None and etags[index].any():
                    other = etag_digest(meta["etag"]) != etags[index].tobytes()
                if other:
                    found.append(uri)
        return found


def manifest(uri: Address, storage_options: StorageOptions | None = None, verify: bool = True) -> Manifest:
    """The objects of a manifest, each a sample.

    A local one is mapped into memory, and the workers of a host share its pages; it is compared with its checksums first.

    Args:
        uri: The manifest, on any store.
        storage_options: Settings of its store and of the objects'.
        verify: False: neither the manifest nor the objects are compared with checksums.

    Raises:
        NotFoundError: There is none.
        InvalidDataError: It is no manifest, or damaged.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://listed/train/a", b"1"), s3dlio.put("memory://listed/train/b", b"22")
        >>> s3dlio.datasets.index("memory://listed/train/", "memory://listed/train.manifest")
        2
        >>> data = s3dlio.datasets.manifest("memory://listed/train.manifest")
        >>> len(data), data[1].to_bytes(), data.uri(1)
        (2, b'22', 'memory://listed/train/b')
    """
    header, arrays = _sections.read(uri, KIND, storage_options, verify)
    text = str(uri)
    count, bases = header.get("samples"), header.get("bases")
    starts, keys = arrays.get("starts"), arrays.get("keys")
    _sections.require(
        isinstance(count, int) and count > 0 and isinstance(bases, list) and bool(bases), text, "a manifest without samples or bases"
    )
    assert isinstance(count, int) and isinstance(bases, list)
    _sections.require(
        starts is not None and keys is not None and len(starts) == count + 1, text, f"a manifest of {count} samples without as many names"
    )
    assert starts is not None and keys is not None
    _sections.require(_sections.ascending(starts, len(keys)), text, "the names of a manifest overlap")
    for name, wide in (("sizes", 1), ("crc32c", 1), ("known", 1), ("etags", 16), ("root_of", 1)):
        found = arrays.get(name)
        _sections.require(
            found is None or len(found) == count * wide, text, f"a manifest of {count} samples whose section {name!r} has another length"
        )
    root_of = arrays.get("root_of")
    _sections.require(root_of is None or int(root_of.max()) < len(bases), text, "a manifest that names a base which it does not have")
    sizes, etags = arrays.get("sizes"), arrays.get("etags")
    _sections.require(sizes is None or int(sizes.min()) >= 0, text, "a manifest with a negative size")
    roots = [(shared_root(base if "://" in base else f"file://{base}", storage_options), base) for base in bases]
    table = ObjectTable(
        roots, keys, starts, sizes, root_of, arrays.get("crc32c"), arrays.get("known"), None if etags is None else etags.reshape(-1, 16)
    )
    return Manifest(table, verify, (uri, storage_options, verify), header)


@blocking
async def index(
    uri: Address,
    to: Address,
    pattern: str | None = None,
    *,
    recursive: bool = True,
    checksums: Literal["none", "recorded", "read"] = "none",
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> int:
    """Lists the objects below an address, several listings at a time where the store can, and writes a manifest of them.

    Args:
        uri: A prefix or directory.
        to: Where the manifest goes, on any store.
        pattern: As for :func:`objects`.
        recursive: Everything below; otherwise one level.
        checksums: ``"recorded"`` asks for the CRC32C that is recorded with each object, a request each; ``"read"`` reads every object and
            takes it.
        timeout: Seconds for the listing.
        storage_options: Settings of the stores.

    Returns:
        How many objects it has.

    Raises:
        NotFoundError: There is nothing to list.
    """
    if checksums not in ("none", "recorded", "read"):
        raise InvalidArgumentError(f"checksums is 'none', 'recorded' or 'read', found {checksums!r}")
    source, target = resolve(uri, storage_options), resolve(to, storage_options)
    path, key = _native.key(source.key), _native.key(target.key)
    settings = {
        "recursive": recursive,
        "pattern": None if pattern is None else glob_expression(pattern),
        "checksums": checksums,
        "uris": "://" in source.base,
    }
    told = await _native.run(
        "manifest_write",
        source.root.number(),
        path,
        len(path),
        target.root.number(),
        key,
        len(key),
        _native.options(settings),
    )
    return int(told["samples"])


def _stats(uris: list[str], options: StorageOptions | None) -> list[tuple[str, Any]]:
    from ..exceptions import BulkError, NotFoundError

    try:
        return list(zip(uris, _bulk.stat_many(uris, storage_options=options), strict=True))
    except BulkError as error:
        others = [failure for failure in error.errors.values() if not isinstance(failure, NotFoundError)]
        if others:
            raise others[0] from None
        found = dict(error.results)
        return [(uri, found.get(uri)) for uri in uris]
