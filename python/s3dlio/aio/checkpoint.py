"""The functions of :mod:`s3dlio.checkpoint` for asyncio; written by python/generate.py."""

from __future__ import annotations

import builtins
from typing import Any, Literal

import numpy as np

from .. import checkpoint as _checkpoint
from .._core._address import Address
from .._core._calls import awaited
from .._core._options import StorageOptions
from .._core._progress import Progress
from .._tensors import Framework
from .._checkpoints._state import Gather
from .._core._dtypes import Casting
from ..checkpoint import Checkpoint, CheckpointInfo, IntegrityReport, OnDamage, PruneReport

__all__ = [
    "latest",
    "list",
    "load",
    "prune",
    "save",
    "validate",
]


def __dir__() -> builtins.list[str]:
    return sorted(__all__)


async def save(
    uri: Address,
    state: Any,
    step: int,
    *,
    metadata: Any = None,
    epoch: int = 0,
    rank: int = 0,
    world_size: int = 1,
    gather: Gather | None = None,
    save_id: str | None = None,
    compress: bool | int | Literal["auto"] = "auto",
    durable: bool = True,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> CheckpointInfo | None:
    """Saves a nested state as a checkpoint: whole, or not at all.

    Arrays and tensors become a safetensors object for each rank, written from their own memory, with a CRC32C for each tensor and its
    blocks. Other values are kept as typed JSON; what only a pickle could hold is refused.

    In a job of several ranks each calls this with its ``rank``. :class:`Shard` and DTensor values are saved by the rank that has the
    part; arrays and tensors that are no parts, and other values, are taken to be the same on every rank, and rank 0 saves them.

    Args:
        uri: The address below which checkpoints are kept; the same for all steps.
        state: Dictionaries, lists and tuples of arrays, tensors, :class:`Shard` and plain values; or one of those.
        step: The global step, 0 or more.
        metadata: Anything that JSON can express; kept with the checkpoint.
        epoch: The epoch.
        rank: Which rank this is.
        world_size: How many there are.
        gather: With several ranks: called with this rank's part of the description; gives a list with those of all ranks to the one
            that ends the save, and None to the others. With torch: ``s3dlio.torch.gather``.
        save_id: The save's id, the same for all ranks. None: they agree on one through the store.
        compress: False; a zstd level from 1 to 22; or ``"auto"``: at level 3, when samples say that it saves a fifth of the bytes (on
            local files half of them).
        durable: Have it on the device before this returns, where the store has a say in it.
        progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The checkpoint, as :func:`list` describes it; None on ranks that leave the end to another.

    Raises:
        InvalidArgumentError: A value that cannot be stored, or ranks whose states do not fit together; the message names it.
        OutOfSpaceError, PermissionDeniedError: As the store says; there is no new checkpoint.
    """
    return await awaited(
        "aio.checkpoint.save",
        _checkpoint.save,
        uri,
        state,
        step,
        metadata=metadata,
        epoch=epoch,
        rank=rank,
        world_size=world_size,
        gather=gather,
        save_id=save_id,
        compress=compress,
        durable=durable,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def load(
    uri: Address,
    *,
    into: Any = None,
    step: int | None = None,
    manifest_key: str | None = None,
    on_damage: OnDamage = "raise",
    framework: Framework | None = None,
    strict: bool = True,
    cast: Casting = "no",
    verify: bool = True,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> Checkpoint:
    """Loads a state that :func:`save` saved, on any number of ranks.

    Args:
        uri: The address below which checkpoints are kept.
        into: A state of the same containers, such as a model's ``state_dict()``: bytes go straight into its arrays and tensors (also
            parts: :class:`Shard`, DTensor), and its other values are replaced where they stand; lists and tuples without a tensor count
            as one value. What only the checkpoint has is left there. None gives a new state, whole.
        step: The newest checkpoint of this step. None: the newest of all.
        manifest_key: Exactly this checkpoint: ranks that load while others save should be given the same.
        on_damage: ``"raise"``, or ``"previous"``: where the newest is damaged the newest whole one before it, with a CheckpointWarning;
            not together with ``step`` or ``manifest_key``. What was read into ``into`` before the damage showed is replaced.
        framework: What new tensors are made as: ``"np"``, ``"pt"``, or None: as each was saved.
        strict: Whether everything in ``into`` has to be in the checkpoint.
        cast: What may be converted where an array or tensor of ``into`` has another dtype than the checkpoint: ``"no"`` refuses the
            load, ``"same_kind"`` converts within a kind of numbers (float32 to bfloat16, integers to floats), ``"unsafe"`` any numbers.
        verify: Compare with the checksums; parts of tensors then cost the rest of the blocks they begin and end in.
        progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The state, its step, its metadata and its manifest.

    Raises:
        NotFoundError: There is no such checkpoint.
        ChecksumMismatchError: Bytes are not those that were saved; the error names object and tensor.
        InvalidArgumentError: ``into`` and the checkpoint do not fit; ``into`` is as it was.
        InvalidDataError: The checkpoint is no state, or is damaged.
    """
    return await awaited(
        "aio.checkpoint.load",
        _checkpoint.load,
        uri,
        into=into,
        step=step,
        manifest_key=manifest_key,
        on_damage=on_damage,
        framework=framework,
        strict=strict,
        cast=cast,
        verify=verify,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def latest(
    uri: Address,
    *,
    step: int | None = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> CheckpointInfo | None:
    """The newest complete checkpoint, by its manifest; no shard is read.

    Args:
        uri: The address below which checkpoints are kept.
        step: The newest of this step.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The checkpoint, or None where there is none. A damaged manifest is passed over with a CheckpointWarning.

    Raises:
        InvalidDataError: A checkpoint was written by a later version.
        PermissionDeniedError, UnavailableError: It cannot be known.
    """
    return await awaited("aio.checkpoint.latest", _checkpoint.latest, uri, step=step, timeout=timeout, storage_options=storage_options)


async def list(
    uri: Address,
    *,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[CheckpointInfo]:
    """All complete checkpoints, the newest first.

    Args:
        uri: The address below which checkpoints are kept.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The checkpoints; incomplete ones and what a prune gave up are not among them. Damaged manifests are passed over with a
        CheckpointWarning.

    Raises:
        PermissionDeniedError, UnavailableError: It cannot be known.
    """
    return await awaited("aio.checkpoint.list", _checkpoint.list, uri, timeout=timeout, storage_options=storage_options)


async def validate(
    uri: Address,
    *,
    step: int | None = None,
    manifest_key: str | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> IntegrityReport:
    """Reads every byte of a checkpoint as it is stored and compares it with what was saved.

    Args:
        uri: The address below which checkpoints are kept.
        step: The newest of this step. None: the newest of all.
        manifest_key: Exactly this one.
        progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        A report that is true when all is well, and tells everything that is wrong otherwise.

    Raises:
        NotFoundError: There is no such checkpoint.
    """
    return await awaited(
        "aio.checkpoint.validate",
        _checkpoint.validate,
        uri,
        step=step,
        manifest_key=manifest_key,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )


async def prune(
    uri: Address,
    keep_last: int,
    keep_every: int | None = None,
    *,
    grace: int = 86400,
    check: Literal["full", "quick"] = "full",
    dry_run: bool = False,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> PruneReport:
    """Deletes old checkpoints, and what crashed saves left; never the last one that is whole.

    Args:
        uri: The address below which checkpoints are kept.
        keep_last: So many of the newest stay, 1 or more.
        keep_every: And those whose step is a multiple of this.
        grace: What no manifest refers to is deleted when it is older than so many seconds: until then a running save may own it.
        check: ``"full"`` reads every byte of one that stays before anything is deleted; ``"quick"`` compares sizes and the checksums
            that the store recorded.
        dry_run: Only tell.
        progress: Called with bytes validated and bytes in all.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What was deleted and what stays.

    Raises:
        PermissionDeniedError, UnavailableError: As the store says.
    """
    return await awaited(
        "aio.checkpoint.prune",
        _checkpoint.prune,
        uri,
        keep_last,
        keep_every,
        grace=grace,
        check=check,
        dry_run=dry_run,
        progress=progress,
        timeout=timeout,
        storage_options=storage_options,
    )
