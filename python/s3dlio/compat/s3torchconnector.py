"""The interface of s3torchconnector, over s3dlio: ``import s3dlio.compat.s3torchconnector as s3torchconnector`` in the place of its import.

Beyond it, ``region`` may be left out, and every address that s3dlio knows may be given.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch.utils.data as torch_data

from .. import _list, _objects
from .._core._options import StorageOptions
from .._core._view import BytesView
from .._reader import ObjectReader
from .._writer import ObjectWriter
from ..datasets import Loader, ObjectDataset, objects
from ..datasets._dataset import number_of
from ..datasets._loader import order_of, share_of
from ..exceptions import InvalidArgumentError
from ..torch._datasets import place

_CHUNK = 8


@dataclass(frozen=True)
class S3ClientConfig:
    """Settings of a client.

    Attributes:
        throughput_target_gbps: Taken for compatibility: as many requests run as the store answers.
        part_size: Bytes of a part of an upload, and of a request for a large object.
        unsigned: Send requests without a signature.
        force_path_style: Name the bucket in the path, not in the host.
        max_attempts: How often a request is sent at most.
        profile: Of the files that hold credentials.
    """

    throughput_target_gbps: float = 10.0
    part_size: int = 8 << 20
    unsigned: bool = False
    force_path_style: bool = False
    max_attempts: int = 10
    profile: str | None = None

    def storage_options(self) -> dict[str, Any]:
        """The same as options of a store."""
        found: dict[str, Any] = {"part_size": self.part_size, "max_attempts": self.max_attempts}
        if self.unsigned:
            found["anonymous"] = True
        if self.force_path_style:
            found["addressing_style"] = "path"
        if self.profile is not None:
            found["profile"] = self.profile
        return found


def _options(uri: str, region: str | None, endpoint: str | None, config: S3ClientConfig | None) -> StorageOptions:
    if not uri.startswith("s3://"):
        return {}
    found = {} if config is None else config.storage_options()
    if region is not None:
        found["region"] = region
    if endpoint is not None:
        found["endpoint_url"] = endpoint
    return found


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an address.

    Raises:
        InvalidArgumentError: It is none.
    """
    _, mark, rest = uri.partition("://")
    if not uri or (mark and not rest):
        raise InvalidArgumentError(f"{uri!r}: s3://bucket/key is expected", uri)
    # a plain path has no bucket
    bucket, _, key = rest.partition("/") if mark else ("", "", uri)
    return bucket, key


class S3Reader(io.BufferedIOBase):
    """An object as a file to read from.

    Attributes:
        bucket: The bucket's name.
        key: The object's.
    """

    def __init__(
        self, uri: str, options: StorageOptions | None = None, buffering: int | None = None, data: BytesView | None = None
    ) -> None:
        self.bucket, self.key = parse_s3_uri(uri)
        self._uri, self._options, self._buffering = uri, options, buffering
        self._file: Any = None if data is None else _ViewFile(data)

    def _opened(self) -> Any:
        if self.closed:
            raise ValueError(f"{self._uri}: the reader was closed")
        if self._file is None:
            if self._buffering is None:
                # the whole object, in one call, and compared with its checksum
                self._file = _ViewFile(_objects.get(self._uri, storage_options=self._options))
            else:
                self._file = ObjectReader(self._uri, decompress=False, buffering=self._buffering, storage_options=self._options)
        return self._file

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, or all that are left."""
        found: bytes = self._opened().read(-1 if size is None else size)
        return found

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer, and gives how many bytes it got."""
        found: int = self._opened().readinto(buffer)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        """Goes to a place."""
        found: int = self._opened().seek(offset, whence)
        return found

    def tell(self) -> int:
        """The place."""
        found: int = self._opened().tell()
        return found

    def prefetch(self) -> None:
        """Begins to read, as far as that is not done yet."""
        self._opened()

    def close(self) -> None:
        """Lets go of the object."""
        if self._file is not None:
            self._file.close()
        super().close()


class _ViewFile(io.RawIOBase):
    def __init__(self, view: BytesView) -> None:
        self._view, self._at = view, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence not in (0, 1, 2):
            raise InvalidArgumentError(f"whence is 0, 1 or 2, found {whence!r}")
        at = offset + (0, self._at, len(self._view))[whence]
        if at < 0:
            raise InvalidArgumentError(f"byte {at} is before the beginning")
        self._at = at
        return at

    def read(self, size: int | None = -1) -> bytes:
        end = len(self._view) if size is None or size < 0 else self._at + size
        found = self._view[self._at : end].to_bytes()
        self._at += len(found)
        return found

    def readinto(self, buffer: Any) -> int:
        out = memoryview(buffer).cast("B")
        piece = self._view[self._at : self._at + len(out)]
        out[: len(piece)] = piece.memoryview()
        self._at += len(piece)
        return len(piece)


class S3Writer(io.BufferedIOBase):
    """An object in the making; it appears when this is closed, and not at all when an exception passes.

    Attributes:
        bucket: The bucket's name.
        key: The object's.
    """

    def __init__(self, uri: str, options: StorageOptions | None = None) -> None:
        self.bucket, self.key = parse_s3_uri(uri)
        self._writer = ObjectWriter(uri, storage_options=options)
        self._at = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Takes the next bytes."""
        taken = self._writer.write(data)
        self._at += taken
        return taken

    def tell(self) -> int:
        """Bytes that were taken."""
        return self._at

    def close(self) -> None:
        """Makes the object appear."""
        if not self.closed:
            self._writer.close()
        super().close()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None:
            self._writer.cancel()
        self.close()


class _Constructor(NamedTuple):
    #: Bytes that a read reads ahead; None: the whole object at once.
    buffering: int | None

    def __call__(self, uri: str, options: StorageOptions | None) -> S3Reader:
        return S3Reader(uri, options, self.buffering)


class S3ReaderConstructor:
    """How objects are read."""

    @staticmethod
    def sequential() -> _Constructor:
        """Whole, when the first byte is asked for."""
        return _Constructor(None)

    @staticmethod
    def range_based(buffer_size: int | None = None) -> _Constructor:
        """What is asked for, and so many bytes ahead (8 MiB); 0: none."""
        return _Constructor(8 << 20 if buffer_size is None else buffer_size)

    @staticmethod
    def dcp_optimized(max_gap_size: float = 32 << 20) -> _Constructor:
        """For checkpoints that are read in pieces; ``s3dlio.torch.StorageReader`` joins them itself."""
        return _Constructor(1 << 20)

    @staticmethod
    def default() -> _Constructor:
        """``sequential``."""
        return S3ReaderConstructor.sequential()


def identity(item: Any) -> Any:
    """What it is given."""
    return item


class _Objects:
    def __init__(
        self,
        data: ObjectDataset,
        options: StorageOptions,
        transform: Callable[[S3Reader], Any] = identity,
        reader_constructor: _Constructor | None = None,
    ) -> None:
        self._data, self._options, self._transform = data, options, transform
        self._reader = reader_constructor or S3ReaderConstructor.default()

    @classmethod
    def from_prefix(
        cls,
        s3_uri: str,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        transform: Callable[[S3Reader], Any] = identity,
        s3client_config: S3ClientConfig | None = None,
        reader_constructor: _Constructor | None = None,
        **more: Any,
    ) -> Any:
        """The objects below an address.

        Args:
            s3_uri: The address.
            region: Of the bucket; None: as the environment and files say, or as the server does.
            endpoint: The URL of the server.
            transform: Called with the ``S3Reader`` of each.
            s3client_config: Settings.
            reader_constructor: How they are read: of ``S3ReaderConstructor``.
            more: ``enable_sharding`` of an iterable data set.
        """
        options = _options(s3_uri, region, endpoint, s3client_config)
        return cls(objects(s3_uri, storage_options=options), options, transform, reader_constructor, **more)

    @classmethod
    def from_objects(
        cls,
        object_uris: str | Iterable[str],
        *,
        region: str | None = None,
        endpoint: str | None = None,
        transform: Callable[[S3Reader], Any] = identity,
        s3client_config: S3ClientConfig | None = None,
        reader_constructor: _Constructor | None = None,
        **more: Any,
    ) -> Any:
        """Objects that are named, without asking the store; otherwise as ``from_prefix``."""
        uris = [object_uris] if isinstance(object_uris, str) else list(object_uris)
        options = _options(uris[0] if uris else "", region, endpoint, s3client_config)
        return cls(objects(uris, storage_options=options), options, transform, reader_constructor, **more)

    def _read(self, index: int, view: BytesView | None) -> Any:
        uri = self._data.uri(index)
        return self._transform(self._reader(uri, self._options) if view is None else S3Reader(uri, self._options, None, view))


class S3MapDataset(_Objects, torch_data.Dataset):  # type: ignore[misc]
    """Objects by number, each an ``S3Reader``."""

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: int) -> Any:
        return self._read(number_of(self._data, index), None)

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """Objects by number, read in one call where they are read whole."""
        if self._reader.buffering is not None:
            return [self[index] for index in indices]
        batch = self._data.read(indices)
        return [self._read(index, view) for index, view in zip(batch.indices.tolist(), batch, strict=True)]


class S3IterableDataset(_Objects, torch_data.IterableDataset):  # type: ignore[misc]
    """Objects one by one, each an ``S3Reader``, read ahead where they are read whole.

    With ``enable_sharding=True`` each comes in one worker of one rank; otherwise in all.
    """

    def __init__(
        self,
        data: ObjectDataset,
        options: StorageOptions,
        transform: Callable[[S3Reader], Any] = identity,
        reader_constructor: _Constructor | None = None,
        enable_sharding: bool = False,
    ) -> None:
        super().__init__(data, options, transform, reader_constructor)
        self._place = place(None, None) if enable_sharding else (0, 1)
        self._sharded = enable_sharding

    def __iter__(self) -> Iterator[Any]:
        rank, world = self._place
        info = torch_data.get_worker_info()
        if self._sharded and info is not None:
            rank, world = rank * info.num_workers + info.id, world * info.num_workers
        loader = Loader(self._data, _CHUNK, rank=rank, world_size=world, uneven="allow")
        if self._reader.buffering is not None:
            share, order = share_of(loader), order_of(loader)
            for number in range(len(share)):
                for index in order.at(share.positions(number)).tolist():
                    yield self._read(index, None)
            return
        for batch in loader:
            for index, view in zip(batch.indices.tolist(), batch, strict=True):
                yield self._read(index, view)


class S3Checkpoint:
    """Readers and writers for ``torch.save`` and ``torch.load``.

    Args:
        region: Of the bucket; None: as the environment says.
        endpoint: The URL of the server.
        s3client_config: Settings.
        reader_constructor: How objects are read.
    """

    def __init__(
        self,
        region: str | None = None,
        endpoint: str | None = None,
        s3client_config: S3ClientConfig | None = None,
        reader_constructor: _Constructor | None = None,
    ) -> None:
        self.region, self.endpoint = region, endpoint
        self._config = s3client_config
        self._reader = reader_constructor or S3ReaderConstructor.default()

    def reader(self, s3_uri: str) -> S3Reader:
        """An object to read from."""
        return self._reader(s3_uri, _options(s3_uri, self.region, self.endpoint, self._config))

    def writer(self, s3_uri: str) -> S3Writer:
        """An object to write to."""
        return S3Writer(s3_uri, _options(s3_uri, self.region, self.endpoint, self._config))


class S3Item(NamedTuple):
    """An object of a listing."""

    bucket: str
    key: str
    size: int


class S3Client:
    """Objects by bucket and key.

    Args:
        region: Of the buckets.
        endpoint: The URL of the server.
        s3client_config: Settings.
    """

    def __init__(self, region: str | None = None, endpoint: str | None = None, s3client_config: S3ClientConfig | None = None) -> None:
        self._options = _options("s3://", region, endpoint, s3client_config)

    def get_object(self, bucket: str, key: str, *, reader_constructor: _Constructor | None = None) -> S3Reader:
        """An object to read from."""
        return (reader_constructor or S3ReaderConstructor.default())(f"s3://{bucket}/{key}", self._options)

    def put_object(self, bucket: str, key: str) -> S3Writer:
        """An object to write to."""
        return S3Writer(f"s3://{bucket}/{key}", self._options)

    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[S3Item]:
        """The objects whose keys begin with a prefix; a failure is raised."""
        folder = prefix.rpartition("/")[0]
        for meta in _list.list_stream(f"s3://{bucket}/{folder}/" if folder else f"s3://{bucket}/", storage_options=self._options):
            key = str(meta.uri).removeprefix(f"s3://{bucket}/")
            if key.startswith(prefix):
                yield S3Item(bucket, key, meta.size)

    def head_object(self, bucket: str, key: str) -> Any:
        """What the store knows of an object."""
        return _objects.stat(f"s3://{bucket}/{key}", storage_options=self._options)

    def delete_object(self, bucket: str, key: str) -> None:
        """Deletes an object."""
        _objects.delete(f"s3://{bucket}/{key}", storage_options=self._options)


__all__ = [
    "S3Checkpoint",
    "S3Client",
    "S3ClientConfig",
    "S3Item",
    "S3IterableDataset",
    "S3MapDataset",
    "S3Reader",
    "S3ReaderConstructor",
    "S3Writer",
]
