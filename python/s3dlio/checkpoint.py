"""States of training programs, whole or not there.

:func:`save` and :func:`load` keep nested states of arrays, tensors and plain values; :class:`Saver` does it behind the training;
:func:`latest`, :func:`list`, :func:`validate` and :func:`prune` look after what is there. Where nothing is there :func:`latest` gives
None, and :func:`load` and :func:`validate` raise NotFoundError. Where the newest checkpoint is damaged :func:`load` raises, or with
``on_damage="previous"`` takes the newest before it that is whole, with a CheckpointWarning.

:class:`Store`, :class:`Writer`, :class:`Reader` and :class:`Stream` are the bytes below: shards of any content, and the manifest that
makes one checkpoint of them.

Example:
    >>> import numpy as np, s3dlio
    >>> _ = s3dlio.checkpoint.save("memory://doc-ckpt", {"w": np.ones(3), "lr": 0.1}, step=10)
    >>> found = s3dlio.checkpoint.load("memory://doc-ckpt")
    >>> found.step, found.state["lr"], s3dlio.checkpoint.latest("memory://doc-ckpt").step
    (10, 0.1, 10)
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict, cast as cast_type

from ._checkpoints import _reader as _checkpoint_reader, _state, _store as _checkpoint_store
from ._checkpoints._info import CheckpointInfo, CheckpointWarning, IntegrityReport, PruneReport
from ._checkpoints._reader import CheckpointReader as Reader, ValidatedCheckpointReader as ValidatedReader
from ._checkpoints._saver import AsyncSaver as Saver, PendingSave
from ._checkpoints._sharded import TensorShard as Shard
from ._checkpoints._state import Gather
from ._checkpoints._store import CheckpointStore as Store
from ._checkpoints._writer import CheckpointStream as Stream, CheckpointWriter as Writer
from ._core._address import Address
from ._core._calls import blocking
from ._core._dtypes import Casting
from ._core._options import StorageOptions
from ._core._progress import Progress
from ._core._warnings import warn
from ._tensors import Framework
from .exceptions import InvalidArgumentError, InvalidDataError, NotFoundError

__all__ = [
    "Checkpoint",
    "CheckpointInfo",
    "CheckpointWarning",
    "IntegrityReport",
    "Manifest",
    "PendingSave",
    "PruneReport",
    "Reader",
    "Saver",
    "Shard",
    "ShardManifest",
    "Store",
    "Stream",
    "ValidatedReader",
    "Writer",
    "latest",
    "list",
    "load",
    "prune",
    "save",
    "validate",
]

OnDamage: TypeAlias = Literal["raise", "previous"]


class ShardManifest(TypedDict, total=False):
    """One shard in a manifest; docs/formats.md tells of each member."""

    rank: int
    key: str
    size: int
    raw_size: int
    etag: str
    checksum: str
    stored_checksum: str
    compression: str
    extra: Any


class Manifest(TypedDict, total=False):
    """A checkpoint's manifest; docs/formats.md tells of each member."""

    manifest_key: str
    format_version: int
    framework: str
    global_step: int
    epoch: int
    wall_time: str
    world_size: int
    shards: builtins.list[ShardManifest]
    status: Literal["complete", "incomplete"]
    save_id: str
    user_meta: Any
    extra: Any


@dataclass(frozen=True)
class Checkpoint:
    """What :func:`load` gives.

    Attributes:
        state: The state; ``into``, where that was given.
        step: The global step.
        metadata: What the save was given as ``metadata``.
        manifest: The whole manifest, with ``manifest_key``.
    """

    state: Any
    step: int
    metadata: Any
    manifest: Manifest


@blocking
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

    Example:
        >>> import numpy as np, s3dlio
        >>> state = {"model": {"w": np.ones((2, 3))}, "lr": 0.1}
        >>> s3dlio.checkpoint.save("memory://doc-ckpt-save", state, step=10, metadata={"loss": 0.25}).step
        10
        >>> s3dlio.checkpoint.load("memory://doc-ckpt-save").metadata
        {'loss': 0.25}
    """
    body: Any = _state.save_state.body  # type: ignore[attr-defined]
    key = await body(
        uri,
        state,
        step,
        epoch=epoch,
        user_meta=metadata,
        rank=rank,
        world_size=world_size,
        gather=gather,
        save_id=save_id,
        compress=compress,
        durable=durable,
        progress=progress,
        storage_options=storage_options,
    )
    if key is None:
        return None
    manifest = await _checkpoint_reader.find(_checkpoint_store.open_store(uri, storage_options).objects, {"manifest_key": key})
    return None if manifest is None else _info(manifest)


@blocking
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

    Example:
        >>> import numpy as np, s3dlio
        >>> _ = s3dlio.checkpoint.save("memory://doc-ckpt-load", {"w": np.arange(3.0), "lr": 0.1}, step=3)
        >>> model = {"w": np.zeros(3)}
        >>> s3dlio.checkpoint.load("memory://doc-ckpt-load", into=model).step, model["w"]
        (3, array([0., 1., 2.]))
    """
    if on_damage not in ("raise", "previous"):
        raise InvalidArgumentError(f"on_damage is 'raise' or 'previous', found {on_damage!r}")
    if on_damage == "previous" and (step is not None or manifest_key is not None):
        raise InvalidArgumentError("on_damage='previous' takes another checkpoint than the newest; with step or manifest_key one is named")
    store = _checkpoint_store.open_store(uri, storage_options)
    objects = store.objects
    manifest = await _checkpoint_reader.find(objects, {"manifest_key": manifest_key, "step": step})
    if manifest is None:
        which = "" if step is None else f" of step {step}"
        missing = f"there is no checkpoint{which}{'' if manifest_key is None else f' {manifest_key}'}"
        raise NotFoundError(f"{store.uri}: {missing}", store.uri, missing)
    body: Any = _state.load_state.body  # type: ignore[attr-defined]
    first: Exception | None = None
    tried: set[str] = set()
    while manifest is not None:
        key = manifest["manifest_key"]
        try:
            state = await body(
                uri,
                into,
                manifest_key=key,
                framework=framework,
                strict=strict,
                casting=cast,
                validate=verify,
                progress=progress,
                storage_options=storage_options,
            )
            return Checkpoint(state, int(manifest["global_step"]), manifest["user_meta"], cast_type(Manifest, manifest))
        except (InvalidDataError, NotFoundError) as error:
            if on_damage == "raise":
                raise
            first = first or error
            tried.add(key)
            warn(f"checkpoint {key} was passed over: {error}", CheckpointWarning)
        left = [info for info in await _checkpoint_store.list_all(objects) if info.is_complete and info.manifest_key not in tried]
        manifest = await _checkpoint_reader.find(objects, {"manifest_key": left[0].manifest_key}) if left else None
    assert first is not None
    raise first


@blocking
async def latest(
    uri: Address, *, step: int | None = None, timeout: float | None = None, storage_options: StorageOptions | None = None
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

    Example:
        >>> import s3dlio
        >>> s3dlio.checkpoint.latest("memory://doc-ckpt-none") is None
        True
    """
    manifest = await _checkpoint_reader.find(_checkpoint_store.open_store(uri, storage_options).objects, {"step": step})
    return None if manifest is None else _info(manifest)


@blocking
async def list(
    uri: Address, *, timeout: float | None = None, storage_options: StorageOptions | None = None
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

    Example:
        >>> import s3dlio
        >>> _ = [s3dlio.checkpoint.save("memory://doc-ckpt-list", {"lr": 0.1}, step) for step in (1, 2)]
        >>> [info.step for info in s3dlio.checkpoint.list("memory://doc-ckpt-list")]
        [2, 1]
    """
    return [
        info for info in await _checkpoint_store.list_all(_checkpoint_store.open_store(uri, storage_options).objects) if info.is_complete
    ]


@blocking
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

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.checkpoint.save("memory://doc-ckpt-valid", {"lr": 0.1}, step=1)
        >>> bool(s3dlio.checkpoint.validate("memory://doc-ckpt-valid"))
        True
    """
    body: Any = Store.validate.body  # type: ignore[attr-defined]
    report: IntegrityReport = await body(_checkpoint_store.open_store(uri, storage_options), manifest_key, step=step, progress=progress)
    return report


@blocking
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

    Example:
        >>> import s3dlio
        >>> _ = [s3dlio.checkpoint.save("memory://doc-ckpt-prune", {"lr": 0.1}, step) for step in (1, 2, 3)]
        >>> len(s3dlio.checkpoint.prune("memory://doc-ckpt-prune", keep_last=1).deleted)
        2
    """
    body: Any = Store.prune.body  # type: ignore[attr-defined]
    store = _checkpoint_store.open_store(uri, storage_options)
    report: PruneReport = await body(store, keep_last, keep_every, grace=grace, check=check, dry_run=dry_run, progress=progress)
    return report


def _info(manifest: dict[str, Any]) -> CheckpointInfo:
    total = sum(int(shard.get("size", 0)) for shard in manifest["shards"])
    told = {name: value for name, value in manifest.items() if name != "manifest_key"}
    return CheckpointInfo({"manifest": told, "total_size": total, "manifest_key": manifest["manifest_key"]})


def __dir__() -> builtins.list[str]:
    return sorted(__all__)
