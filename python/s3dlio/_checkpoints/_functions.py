"""Checkpoints in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._core._address import Address
from .._core._calls import blocking, twin
from .._core._progress import Progress
from .._objects import Buffer
from . import _store as _checkpoint_store, _writer as _checkpoint_writer
from ._store import open_store


@blocking
async def save_checkpoint(
    uri: Address,
    step: int,
    epoch: int,
    framework: str,
    data: Buffer,
    user_meta: Any = None,
    *,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> str:
    """Saves a checkpoint of one rank. When this returns it is there, and stays.

    Args:
        uri: The checkpoint store's address.
        step: The global step, 0 or more.
        epoch: The epoch, 0 or more.
        framework: What the data is of, such as ``"torch"``; not empty.
        data: The bytes, or a list of pieces that follow each other; not copied.
        user_meta: Anything that JSON can express; kept with the checkpoint.
        progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The manifest's key.

    Raises:
        OutOfSpaceError, PermissionDeniedError: As the store says; there is no new checkpoint.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.save_checkpoint("memory://doc-save", 100, 2, "torch", b"weights", {"loss": 0.25})
        >>> s3dlio.load_checkpoint("memory://doc-save")
        b'weights'
    """
    return await _checkpoint_store.save(open_store(uri, storage_options), step, epoch, framework, data, user_meta, None, None, progress)


@blocking
async def load_checkpoint(
    uri: Address,
    *,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> bytes | None:
    """The data of the newest checkpoint that was saved by one rank; damaged ones are passed over with a CheckpointWarning.

    Args:
        uri: The checkpoint store's address.
        progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The bytes, or None when there is no checkpoint.

    Raises:
        ChecksumMismatchError, InvalidDataError: All there are are damaged.
        PermissionDeniedError, UnavailableError: It cannot be known.

    Example:
        >>> import s3dlio
        >>> s3dlio.load_checkpoint("memory://doc-nothing") is None
        True
    """
    return await _checkpoint_store.load_newest(open_store(uri, storage_options).objects, True, True, False, progress)


@blocking
async def load_checkpoint_with_validation(
    uri: Address,
    validate_integrity: bool = True,
    *,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> bytes | None:
    """The same; data without a checksum counts as damaged, too.

    Args:
        uri: The checkpoint store's address.
        validate_integrity: False hands out what is there, unchecked.
        progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The bytes, or None when there is no checkpoint.

    Raises:
        ChecksumMismatchError, InvalidDataError: All there are are damaged.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.save_checkpoint("memory://doc-valid", 1, 0, "jax", b"weights")
        >>> s3dlio.load_checkpoint_with_validation("memory://doc-valid")
        b'weights'
    """
    objects = open_store(uri, storage_options).objects
    return await _checkpoint_store.load_newest(objects, True, validate_integrity, validate_integrity, progress)


@blocking
async def save_distributed_shard(
    uri: Address,
    step: int,
    epoch: int,
    framework: str,
    data: Buffer,
    world_size: int,
    rank: int,
    *,
    save_id: str | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes one rank's shard; see :class:`s3dlio.CheckpointWriter`.

    Args:
        uri: The checkpoint store's address.
        step: The global step.
        epoch: The epoch; the finalize keeps it.
        framework: Likewise.
        data: The bytes, or a list of pieces that follow each other; not copied.
        world_size: How many ranks save.
        rank: Which of them this is, from 0.
        save_id: The save's id, the same for all ranks. None: they agree on one.
        progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The shard's description, for ``finalize_distributed_checkpoint``.

    Raises:
        OutOfSpaceError, PermissionDeniedError: As the store says; nothing is left behind.

    Example:
        >>> import s3dlio
        >>> uri = "memory://doc-shards"
        >>> shards = [s3dlio.save_distributed_shard(uri, 5, 0, "torch", b"r%d" % rank, 2, rank) for rank in (0, 1)]
        >>> shards[0]["save_id"] == shards[1]["save_id"]
        True
    """
    writer = open_store(uri, storage_options).writer(world_size, rank)
    return await _checkpoint_writer.save_shard(writer, step, data, save_id, None, progress)


@blocking
async def finalize_distributed_checkpoint(
    uri: Address,
    step: int,
    epoch: int,
    framework: str,
    shard_metas: Iterable[Mapping[str, Any]],
    world_size: int,
    rank: int,
    user_meta: Any = None,
    *,
    save_id: str | None = None,
    timeout: float | None = None,
    storage_options: dict[str, Any] | None = None,
) -> str:
    """Makes one checkpoint of the shards of all ranks; one rank does this, after all have saved.

    Args:
        uri: The checkpoint store's address.
        step: The global step.
        epoch: The epoch.
        framework: What the shards are of; not empty.
        shard_metas: The descriptions that the ranks' saves returned, in any order.
        world_size: How many ranks saved.
        rank: Which of them this is.
        user_meta: Anything that JSON can express; kept with the checkpoint.
        save_id: The save's id. None: that of rank 0's shard.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The manifest's key.

    Raises:
        InvalidArgumentError: The shards are not one of each rank, of this step.
        NotFoundError, InvalidDataError: A shard is not there, or is another than described.

    Example:
        >>> import s3dlio
        >>> uri = "memory://doc-finalize"
        >>> shards = [s3dlio.save_distributed_shard(uri, 5, 0, "torch", b"r%d" % rank, 2, rank) for rank in (0, 1)]
        >>> s3dlio.finalize_distributed_checkpoint(uri, 5, 0, "torch", shards, 2, 0).startswith("manifests/ckpt-5-")
        True
    """
    writer = open_store(uri, storage_options).writer(world_size, rank)
    shards = [dict(meta) for meta in shard_metas]
    done = await _checkpoint_writer.commit(writer, step, epoch, framework, shards, user_meta, save_id, None, None, True)
    return str(done["manifest_key"])


# not among the others' twins: this module builds on what builds on those
finalize_distributed_checkpoint_async = twin(finalize_distributed_checkpoint)
load_checkpoint_async = twin(load_checkpoint)
load_checkpoint_with_validation_async = twin(load_checkpoint_with_validation)
save_checkpoint_async = twin(save_checkpoint)
save_distributed_shard_async = twin(save_distributed_shard)
