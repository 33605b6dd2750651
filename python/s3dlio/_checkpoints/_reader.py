"""Checkpoints read back: manifests, and the shards that they name, each compared with what was saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .._core import _native, _progress
from .._core._address import Address, resolve
from .._core._calls import blocking, together, twin
from .._core._progress import Progress
from .._objects import Buffer, buffer_of, stat
from .._reader import ObjectReader
from .._store import Store, place_in, root_of
from ..exceptions import InvalidArgumentError, InvalidDataError, OutOfSpaceError
from ._info import IntegrityReport, to_report, warn_skipped

#: A manifest as ``load_latest_manifest`` gives it, or as it stands in ``manifests/``.
ManifestDict = Mapping[str, Any]


#: Memory of fewer bytes is made without a look at the shard that is to fill it.
_CHECKED_FROM = 1 << 20

#: Raw bytes that one byte of zstd can stand for.
_MOST_RATIO = 32_768


class CheckpointReader:
    """Reads checkpoints; see :meth:`CheckpointStore.reader`.

    A manifest is a dictionary with the members of docs/formats.md and ``manifest_key``.

    Example:
        >>> import s3dlio
        >>> store = s3dlio.CheckpointStore("memory://doc-reader")
        >>> _ = store.save(1, 0, "torch", b"weights")
        >>> reader = store.reader()
        >>> manifest = reader.load_latest_manifest()
        >>> reader.read_shard_by_rank(manifest, 0), bool(reader.validate_checkpoint_integrity(manifest))
        (b'weights', True)
    """

    def __init__(self, objects: Store) -> None:
        self._objects = objects
        self._what = objects.uri

    @blocking
    async def load_latest_manifest(self, *, timeout: float | None = None) -> dict[str, Any] | None:
        """The newest complete checkpoint's manifest.

        Ranks that load while others save may see different ones: let one look, and give the others its ``manifest_key``.

        Args:
            timeout: Seconds for the whole call.

        Returns:
            The manifest, or None when there is no checkpoint. A damaged one is passed over with a CheckpointWarning.

        Raises:
            InvalidDataError: A checkpoint was written by a later version.
            PermissionDeniedError, UnavailableError: It cannot be known.
        """
        return await find(self._objects, {})

    @blocking
    async def load_manifest(
        self, manifest_key: str | None = None, *, step: int | None = None, timeout: float | None = None
    ) -> dict[str, Any] | None:
        """The manifest of that key, or of the newest complete checkpoint of a step; None where there is none."""
        if (manifest_key is None) == (step is None):
            raise InvalidArgumentError(f"{self._what}: a manifest is asked for by its key or by its step", self._what)
        return await find(self._objects, {"manifest_key": manifest_key, "step": step})

    @blocking
    async def read_shard(
        self,
        shard: Mapping[str, Any],
        *,
        out: Buffer | None = None,
        validate: bool = True,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> bytes:
        """One of a manifest's ``shards``: the bytes that were saved.

        Args:
            shard: The shard's description.
            out: Writable memory of exactly its raw size to read into; an empty result is returned then.
            validate: Compare with the checksum in the manifest, where there is one.
            progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call.

        Returns:
            The bytes.

        Raises:
            ChecksumMismatchError, InvalidDataError, NotFoundError: The shard is damaged or missing; the message names its rank.
        """
        return (await read(self._objects, shard, out, validate, progress))[0]

    @blocking
    async def read_shard_by_rank(
        self,
        manifest: ManifestDict,
        rank: int,
        *,
        out: Buffer | None = None,
        validate: bool = True,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> bytes:
        """The shard that a rank saved; see :meth:`read_shard`."""
        return (await read(self._objects, shard_of(manifest, rank, self._what), out, validate, progress))[0]

    @blocking
    async def read_shard_with_validation(
        self, shard: Mapping[str, Any], *, progress: Progress = None, timeout: float | None = None
    ) -> bytes:
        """As ``read_shard``; a shard without a checksum is refused, too."""
        return await read_checked(self._objects, shard, progress)

    @blocking
    async def read_shard_by_rank_with_validation(
        self, manifest: ManifestDict, rank: int, *, progress: Progress = None, timeout: float | None = None
    ) -> bytes:
        """The same for the shard that a rank saved."""
        return await read_checked(self._objects, shard_of(manifest, rank, self._what), progress)

    @blocking
    async def read_all_shards(self, manifest: ManifestDict, *, timeout: float | None = None) -> list[tuple[int, bytes]]:
        """All shards as ``(rank, bytes)``, by rank."""
        return [(shard["rank"], (await read(self._objects, shard, None, True, None))[0]) for shard in shards_of(manifest, self._what)]

    @blocking
    async def read_all_shards_with_validation(self, manifest: ManifestDict, *, timeout: float | None = None) -> list[tuple[int, bytes]]:
        """The same; shards without a checksum are refused, too."""
        return [(shard["rank"], await read_checked(self._objects, shard, None)) for shard in shards_of(manifest, self._what)]

    @blocking
    async def read_all_shards_concurrent_with_validation(
        self, manifest: ManifestDict, max_in_flight: int = 8, *, timeout: float | None = None
    ) -> list[tuple[int, bytes]]:
        """The same, some at a time.

        Args:
            manifest: Which checkpoint.
            max_in_flight: Shards at once, 1 or more.
            timeout: Seconds for the whole call.

        Returns:
            ``(rank, bytes)`` by rank.
        """
        shards = shards_of(manifest, self._what)
        if max_in_flight < 1:
            raise InvalidArgumentError(f"{self._what}: max_in_flight must be 1 or more, found {max_in_flight}", self._what)
        found = await together([read_checked(self._objects, shard, None) for shard in shards], max_in_flight)
        return [(shard["rank"], data) for shard, data in zip(shards, found, strict=True)]

    @blocking
    async def validate_checkpoint_integrity(
        self, manifest: ManifestDict | str, *, progress: Progress = None, timeout: float | None = None
    ) -> IntegrityReport:
        """Reads every byte of a checkpoint as it is stored and compares it with what was saved.

        Args:
            manifest: A manifest that was loaded, which is read once more and checked itself; or a manifest's key; or any dictionary
                with ``shards``, of which only those are checked.
            progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call.

        Returns:
            A report that is true when all is well, and tells everything that is wrong otherwise.
        """
        return await validate(self._objects, manifest, progress)

    def open_shard(self, manifest: ManifestDict, rank: int) -> ObjectReader:
        """A rank's shard as a file to read from at any place; of a compressed one only the frames that are touched are read.

        Args:
            manifest: Which checkpoint.
            rank: Whose shard.

        Returns:
            The file: ``seek``, ``read``, ``readinto``, ``size``.
        """
        shard = shard_of(manifest, rank, self._what)
        return ObjectReader(
            place_in(self._objects, shard["key"]), decompress=shard.get("compression") == "zstd" or shard["key"].endswith(".zst")
        )

    load_latest_manifest_async = twin(load_latest_manifest)
    load_manifest_async = twin(load_manifest)
    read_shard_async = twin(read_shard)
    read_shard_by_rank_async = twin(read_shard_by_rank)
    read_shard_with_validation_async = twin(read_shard_with_validation)
    read_shard_by_rank_with_validation_async = twin(read_shard_by_rank_with_validation)
    read_all_shards_async = twin(read_all_shards)
    read_all_shards_with_validation_async = twin(read_all_shards_with_validation)
    read_all_shards_concurrent_with_validation_async = twin(read_all_shards_concurrent_with_validation)
    validate_checkpoint_integrity_async = twin(validate_checkpoint_integrity)


class ValidatedCheckpointReader:
    """A reader that compares every byte before it hands one out.

    Args:
        uri: The checkpoint store's address.
        validate: False hands them out as they are.
        storage_options: Settings of the store.
    """

    def __init__(self, uri: Address, validate: bool = True, *, storage_options: dict[str, Any] | None = None) -> None:
        self._objects = Store(uri, storage_options=storage_options)  # type: ignore[arg-type]
        self._what = self._objects.uri
        self._validate = validate

    @blocking
    async def load_latest_manifest(self, *, timeout: float | None = None) -> dict[str, Any] | None:
        """See :meth:`CheckpointReader.load_latest_manifest`."""
        return await find(self._objects, {})

    @blocking
    async def load_shard_with_validation(
        self, manifest: ManifestDict, rank: int, *, progress: Progress = None, timeout: float | None = None
    ) -> bytes:
        """The shard that a rank saved; see :meth:`CheckpointReader.read_shard_by_rank_with_validation`."""
        shard = shard_of(manifest, rank, self._what)
        if not self._validate:
            return (await read(self._objects, shard, None, False, progress))[0]
        return await read_checked(self._objects, shard, progress)

    @blocking
    async def validate_checkpoint_integrity(
        self, manifest: ManifestDict | str, *, progress: Progress = None, timeout: float | None = None
    ) -> IntegrityReport:
        """See :meth:`CheckpointReader.validate_checkpoint_integrity`."""
        return await validate(self._objects, manifest, progress)

    load_latest_manifest_async = twin(load_latest_manifest)
    load_shard_with_validation_async = twin(load_shard_with_validation)
    validate_checkpoint_integrity_async = twin(validate_checkpoint_integrity)


async def find(objects: Store, which: dict[str, Any]) -> dict[str, Any] | None:
    """A manifest with its key, or None; says what was passed over."""
    told = await _native.run("checkpoint_find", root_of(objects).number(), _native.options(which))
    warn_skipped(told["skipped"])
    return {**told["manifest"], "manifest_key": told["manifest_key"]} if "manifest_key" in told else None


async def check_sizes(objects: Store, shards: Iterable[Mapping[str, Any]]) -> None:
    """Looks whether shards are as long as their manifest says, before memory is made for them.

    Raises:
        InvalidDataError: One is not.
        NotFoundError: One is not there.
    """
    for shard in shards:
        found = (await stat.body(place_in(objects, shard["key"])))["size"]  # type: ignore[attr-defined]
        what = f"{objects.uri}{shard['key']}"
        if found != shard.get("size"):
            detail = (
                f"shard of rank {shard.get('rank')}: expected {shard.get('size')} bytes, found {found}; the shard was cut, or "
                "another program wrote the object"
            )
            raise InvalidDataError(f"{what}: {detail}", what, detail)
        raw = shard.get("raw_size")
        if shard.get("compression") == "zstd" and isinstance(raw, int) and raw > found * _MOST_RATIO:
            detail = (
                f"shard of rank {shard.get('rank')}: the manifest says that {raw} bytes are compressed into {found}, more than zstd can"
            )
            raise InvalidDataError(f"{what}: {detail}", what, detail)


async def read(objects: Store, shard: Mapping[str, Any], out: Buffer | None, check: bool, progress: Progress) -> tuple[bytes, str]:
    """The bytes of a shard, and by what they were found to be good."""
    described = _native.options(dict(shard))
    options = _native.options({"validate": None if check else False})
    size = shard.get("raw_size") if shard.get("compression") == "zstd" else shard.get("size")
    if out is None and (not isinstance(size, int) or size < 2 or (str(shard.get("key")).endswith(".zst") and "raw_size" not in shard)):
        return await _read_unknown(objects, described, options, progress)
    if out is None and isinstance(size, int) and size >= _CHECKED_FROM:
        await check_sizes(objects, [shard])
    made = b"" if out is not None else _made(size or 0, objects.uri + str(shard.get("key")))
    # nobody else has seen this object yet, so its memory may be filled; those of less than 2 bytes are shared
    address, length, owner = buffer_of(out, resolve(place_in(objects, "shards")), writable=True) if out is not None else _memory_of(made)
    where = (root_of(objects).number(), described, address, length, options)
    told = await _progress.run(progress, "load", "checkpoint_read", *where, keep=owner, lent=out is not None)
    return made, told["verified_by"]


def _made(size: int, what: str) -> bytes:
    try:
        return bytes(size)
    except (MemoryError, OverflowError):
        detail = f"there is no memory for the {size} bytes of the shard; open_shard reads it in pieces"
        raise OutOfSpaceError(f"{what}: {detail}", what, detail) from None


def _memory_of(made: bytes) -> tuple[int, int, np.ndarray[Any, Any]]:
    array = np.frombuffer(made, np.uint8)
    return array.__array_interface__["data"][0], array.nbytes, array


async def _read_unknown(objects: Store, described: bytes | None, options: bytes | None, progress: Progress) -> tuple[bytes, str]:
    memory, told = await _progress.run(
        progress, "load", "checkpoint_read", root_of(objects).number(), described, None, 0, options, data=True, both=True
    )
    return np.asarray(memory).tobytes(), told["verified_by"]


async def read_checked(objects: Store, shard: Mapping[str, Any], progress: Progress) -> bytes:
    """The bytes of a shard that has a checksum."""
    data, by = await read(objects, shard, None, True, progress)
    if by == "nothing":
        what = objects.uri + str(shard["key"])
        detail = f"shard of rank {shard['rank']}: expected a checksum in the manifest, found none; read_shard_by_rank reads it unchecked"
        raise InvalidDataError(f"{what}: {detail}", what, detail)
    return data


async def validate(objects: Store, manifest: ManifestDict | str, progress: Progress) -> IntegrityReport:
    """Validates what a manifest says, and itself."""
    key = manifest if isinstance(manifest, str) else manifest.get("manifest_key")
    about = {"manifest_key": key} if key is not None else {"shards": shards_of(manifest, objects.uri)}  # type: ignore[arg-type]
    return to_report(await _progress.run(progress, "validate", "checkpoint_validate", root_of(objects).number(), _native.options(about)))


def shards_of(manifest: ManifestDict, what: str) -> list[dict[str, Any]]:
    """The shards of a manifest by rank; of one that was read from its object, those of the original are marked."""
    try:
        shards: Iterable[Mapping[str, Any]] = manifest["shards"]
        legacy = {"legacy": True} if manifest.get("format_version", 1) == 1 else {}
        return sorted(({**shard, **legacy} for shard in shards), key=lambda shard: int(shard["rank"]))
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{what}: a manifest is a dictionary with a list 'shards' of dictionaries with 'rank': {error!r}", what
        ) from None


def shard_of(manifest: ManifestDict, rank: int, what: str) -> dict[str, Any]:
    """One of them."""
    shards = shards_of(manifest, what)
    for shard in shards:
        if shard["rank"] == rank:
            return shard
    raise InvalidArgumentError(f"{what}: the checkpoint has the shards of {len(shards)} ranks, and none of rank {rank}", what)
