"""What writes and ``stat`` give back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

W = TypeVar("W", bound="WriteResult")

#: The keys of ``stat``, the original's and ``checksum`` and ``attributes``.
_STAT_KEYS = (
    "size",
    "last_modified",
    "etag",
    "content_type",
    "content_language",
    "content_encoding",
    "cache_control",
    "content_disposition",
    "expires",
    "storage_class",
    "server_side_encryption",
    "ssekms_key_id",
    "sse_customer_algorithm",
    "version_id",
    "replication_status",
    "metadata",
    "checksum",
    "attributes",
)

#: What the library's description of an object holds under names of its own.
_NOT_ATTRIBUTES = ("key", "last_modified_ns")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class WriteResult(str):
    """What a write gives: text that is the checksum, with what else is known of the new object.

    Attributes:
        uri: The object's address, with the suffix ``.zst`` where it was added.
        checksum: CRC32C of the data before any compression, ``crc32c:xxxxxxxx``; None where nobody knows it (of a copy without one).
        size: Bytes of the data before any compression; of an array or tensors with the header.
        stored_size: Bytes of the object in its store.
        etag: The store's name for this version.

    Example:
        >>> import s3dlio
        >>> result = s3dlio.put("memory://doc/result", b"123456789")
        >>> result.uri, result.size, result == "crc32c:e3069283"
        ('memory://doc/result', 9, True)
        >>> print(result)
        crc32c:e3069283
    """

    uri: str
    checksum: str | None
    size: int | None
    stored_size: int | None
    etag: str | None

    def __new__(
        cls, uri: str, checksum: str | None, size: int | None = None, stored_size: int | None = None, etag: str | None = None
    ) -> Self:
        """Makes one of its parts."""
        made = super().__new__(cls, checksum or "")
        made.uri, made.checksum, made.size, made.stored_size, made.etag = uri, checksum, size, stored_size, etag
        return made

    @classmethod
    def of(cls: type[W], other: WriteResult) -> W:
        """Another one as this class."""
        return cls(*other.__getnewargs__())

    def __getnewargs__(self) -> Any:
        return self.uri, self.checksum, self.size, self.stored_size, self.etag

    def __repr__(self) -> str:
        parts = {"checksum": self.checksum, "size": self.size, "stored_size": self.stored_size, "etag": self.etag}
        told = "".join(f", {name}={value!r}" for name, value in parts.items() if value is not None)
        return f"WriteResult({self.uri!r}{told})"


def written(uri: str, found: Mapping[str, Any], size: int | None = None) -> WriteResult:
    """The result of a write.

    Args:
        uri: The object's address.
        found: The library's description of what it stored.
        size: Bytes before compression. None: as the description says, or as many as were stored.
    """
    stored = found.get("size")
    raw = found.get("raw_checksum", found.get("checksum"))
    if size is None:
        size = found.get("raw_size", stored)
    return WriteResult(uri, raw, size, stored, found.get("etag"))


class ObjectMeta(dict[str, Any]):
    """What a store knows of an object: attributes with types, and a dictionary with the original's keys.

    ``meta.last_modified`` is a ``datetime``, ``meta["last_modified"]`` ISO 8601 text. What a store does not tell is None.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put("memory://doc/meta", b"abc", metadata={"epoch": "3"})
        >>> meta = s3dlio.stat("memory://doc/meta")
        >>> meta.size, meta["size"], meta.metadata, meta.last_modified.tzinfo is not None
        (3, 3, {'epoch': '3'}, True)
    """

    __slots__ = ()

    @property
    def uri(self) -> str | None:
        """Its address, of one that a listing gave."""
        return self.get("uri")

    @property
    def size(self) -> int:
        """Bytes, as they are stored."""
        return int(self["size"])

    @property
    def last_modified(self) -> datetime:
        """When it was written, UTC."""
        return datetime.fromisoformat(self["last_modified"])

    @property
    def etag(self) -> str | None:
        """The store's name for this version."""
        return self.get("etag")

    @property
    def checksum(self) -> str | None:
        """CRC32C of the stored bytes, ``crc32c:xxxxxxxx``."""
        return self.get("checksum")

    @property
    def content_type(self) -> str | None:
        """As it was given to the write."""
        return self.get("content_type")

    @property
    def metadata(self) -> dict[str, str]:
        """The user's own pairs of text."""
        found: dict[str, str] = self["metadata"]
        return found

    @property
    def attributes(self) -> dict[str, Any]:
        """What else the store says, such as ``tag_count`` or ``access_tier``."""
        found: dict[str, Any] = self["attributes"]
        return found

    @property
    def storage_class(self) -> str | None:
        """S3's storage class, where the store tells it."""
        return self.get("storage_class")

    @property
    def version_id(self) -> str | None:
        """The version, in a bucket that keeps several."""
        return self.get("version_id")


def to_stat(found: Mapping[str, Any], uri: str | None = None) -> ObjectMeta:
    """The library's description of an object under the names of ``stat``; ``uri`` comes first where it is given."""
    result = ObjectMeta() if uri is None else ObjectMeta(uri=uri)
    result.update(dict.fromkeys(_STAT_KEYS))
    result.update((name, value) for name, value in found.items() if name in _STAT_KEYS)
    result["last_modified"] = to_time(found["last_modified_ns"])
    result["metadata"] = found.get("metadata", {})
    result["attributes"] = {name: value for name, value in found.items() if name not in _STAT_KEYS and name not in _NOT_ATTRIBUTES}
    return result


def to_time(nanoseconds: int) -> str:
    """Nanoseconds since 1970 as ISO 8601, UTC."""
    return (_EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat()
