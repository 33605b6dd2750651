"""A place with checkpoints."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from .._core import _native, _progress
from .._core._address import Address, resolve
from .._core._calls import blocking, twin
from .._core._failures import to_error
from .._core._progress import Progress
from .._core._warnings import warn, warn_ignored
from .._objects import Buffer, compression_options
from .._store import Store, root_of
from ..exceptions import InvalidArgumentError, InvalidDataError, NotFoundError, S3dlioError
from . import _reader as _checkpoint_reader, _writer as _checkpoint_writer
from ._info import CheckpointInfo, CheckpointWarning, IntegrityReport, PruneReport, warn_skipped
from ._reader import CheckpointReader
from ._writer import CheckpointWriter, whole

_STRATEGIES = {None: "flat", "flat": "flat", "round_robin": "round_robin", "roundrobin": "round_robin", "binary": "binary"}

#: Where a launcher tells which job this is, the same to all its ranks.
_RUN_VARIABLES = ("S3DLIO_RUN_ID", "TORCHELASTIC_RUN_ID", "SLURM_JOB_ID")


class CheckpointStore:
    """The checkpoints below one address.

    A checkpoint exists when its manifest does, which is written last; nothing half there is ever taken for one. On files
    everything is on the device before a save returns.

    Args:
        uri: Where: a directory, ``s3://bucket/run1``, ``az://account/container/run1``, ``memory://name``.
        strategy: Where shards lie: ``"flat"`` (None), or ``"round_robin"`` or ``"binary"`` to spread ranks over 16 prefixes.
        multipart_threshold: Taken for compatibility: large objects are always written in parts.
        compression_level: zstd's, from 1 to 22, for shards. None stores them as they are.
        durable: False leaves it to the operating system when files reach the device.
        run_id: The job, where several may save the same step to the same place without a save id; the same for all its ranks. None:
            what S3DLIO_RUN_ID, TORCHELASTIC_RUN_ID or SLURM_JOB_ID say.
        storage_options: Settings of the store.

    Raises:
        InvalidArgumentError: An address, strategy, level or option that cannot be.

    Example:
        >>> import s3dlio
        >>> store = s3dlio.CheckpointStore("memory://doc-run")
        >>> for step in (10, 20, 30):
        ...     _ = store.save(step, 0, "torch", b"weights of step %d" % step, {"lr": 0.1})
        >>> store.load_latest(), [info.step for info in store.list_checkpoints()]
        (b'weights of step 30', [30, 20, 10])
        >>> len(store.prune(keep_last=2).deleted), store.load(step=20)
        (1, b'weights of step 20')
    """

    def __init__(
        self,
        uri: Address,
        strategy: str | None = None,
        multipart_threshold: int | None = None,
        compression_level: int | None = None,
        *,
        durable: bool = True,
        run_id: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        if multipart_threshold is not None:
            warn_ignored("CheckpointStore(multipart_threshold)", "large objects are always written in parts")
        #: The objects of the store, by the keys that manifests use.
        self.objects = Store(uri, storage_options=storage_options)  # type: ignore[arg-type]
        self.uri = self._what = self.objects.uri
        name = strategy.lower() if isinstance(strategy, str) else strategy
        if name not in _STRATEGIES:
            raise InvalidArgumentError(f"{self.uri}: strategy is 'flat', 'round_robin' or 'binary', found {strategy!r}", self.uri)
        self._settings = {
            "placement": _STRATEGIES[name],
            "durable": durable,
            **compression_options(False if compression_level is None else compression_level, self.uri),
        }
        self._run_id = run_id if run_id is not None else _find_run_id()

    @staticmethod
    def new_save_id() -> str:
        """An id for one save, to be given to all its ranks: the time, and what tells apart those that begin together."""
        return f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}"

    @blocking
    async def save(
        self,
        step: int,
        epoch: int,
        framework: str,
        data: Buffer,
        user_meta: Any = None,
        *,
        extra: Any = None,
        save_id: str | None = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> str:
        """Saves a checkpoint of one rank.

        Args:
            step: The global step, 0 or more.
            epoch: The epoch, 0 or more.
            framework: What the data is of, such as ``"torch"``; not empty.
            data: The bytes, or a list of pieces that follow each other; not copied.
            user_meta: Anything that JSON can express; kept with the checkpoint.
            extra: JSON of the program that saves, kept beside ``user_meta``.
            save_id: An id that no other save of this step has. None: a new one.
            progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The manifest's key. When this returns the checkpoint is there and stays.

        Raises:
            OutOfSpaceError, PermissionDeniedError: As the store says; there is no new checkpoint.
        """
        return await save(self, step, epoch, framework, data, user_meta, extra, save_id, progress)

    @blocking
    async def load_latest(
        self, *, fallback: bool = True, validate: bool = True, progress: Progress = None, timeout: float | None = None
    ) -> bytes | None:
        """The data of the newest checkpoint that was saved by one rank.

        Args:
            fallback: Where its data is damaged, give that of the newest good one before it, with a CheckpointWarning; False raises.
            validate: Compare with the checksum in the manifest.
            progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call.

        Returns:
            The bytes, or None when there is no checkpoint.

        Raises:
            ChecksumMismatchError, InvalidDataError, NotFoundError: The data is damaged, and so is all before it.
            InvalidArgumentError: The checkpoint has several shards; see :meth:`reader`.
        """
        return await load_newest(self.objects, fallback, validate, False, progress)

    @blocking
    async def load(
        self,
        manifest_key: str | None = None,
        *,
        step: int | None = None,
        validate: bool = True,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> bytes:
        """The data of one checkpoint that was saved by one rank, by its manifest's key or its step."""
        if (manifest_key is None) == (step is None):
            raise InvalidArgumentError(f"{self.uri}: a checkpoint is asked for by its manifest's key or by its step", self.uri)
        manifest = await _checkpoint_reader.find(
            self.objects, {"manifest_key": manifest_key, "step": None if step is None else whole(step, "step", self._what)}
        )
        if manifest is None:
            missing = f"there is no checkpoint {manifest_key if manifest_key is not None else f'of step {step}'}"
            raise NotFoundError(f"{self.uri}: {missing}", self.uri, missing)
        return await _only_shard(self.objects, manifest, validate, False, progress)

    @blocking
    async def list_checkpoints(self, *, timeout: float | None = None) -> list[CheckpointInfo]:
        """All checkpoints, the newest first; incomplete ones and what a prune gave up are not among them."""
        return [info for info in await list_all(self.objects) if info.is_complete]

    @blocking
    async def checkpoint_exists(self, step: int, *, timeout: float | None = None) -> bool:
        """Whether there is a complete checkpoint of that step; what keeps from knowing is raised."""
        return await _checkpoint_reader.find(self.objects, {"step": whole(step, "step", self._what)}) is not None

    @blocking
    async def delete_checkpoint(self, step: int, *, timeout: float | None = None) -> bool:
        """Deletes all checkpoints of a step; a crash at any point leaves them whole or gone.

        Returns:
            Whether there was one.
        """
        return bool(
            await _native.run(
                "checkpoint_delete", root_of(self.objects).number(), _native.options({"step": whole(step, "step", self._what)})
            )
        )

    @blocking
    async def delete(self, manifest_key: str, *, timeout: float | None = None) -> bool:
        """Deletes the checkpoint of that manifest's key; False when it is not there."""
        return bool(await _native.run("checkpoint_delete", root_of(self.objects).number(), _native.options({"manifest_key": manifest_key})))

    @blocking
    async def prune(
        self,
        keep_last: int,
        keep_every: int | None = None,
        *,
        grace: int = 86400,
        check: str = "full",
        dry_run: bool = False,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> PruneReport:
        """Deletes old checkpoints, and what crashed saves left.

        Before anything is deleted, one that stays is validated; where none of those is whole, the newest that is stays, too, and where
        there is none at all, all stay.

        Args:
            keep_last: So many of the newest stay, 1 or more.
            keep_every: And those whose step is a multiple of this.
            grace: What no manifest refers to is deleted when it is older than so many seconds: until then a running save may own it.
            check: ``"full"`` reads every byte; ``"quick"`` compares sizes and the checksums that the store recorded.
            dry_run: Only tell.
            progress: Called with bytes validated and bytes in all.
            timeout: Seconds for the whole call.

        Returns:
            What was deleted and what stays.
        """
        rule = {"keep_last": keep_last, "keep_every": keep_every, "grace": grace, "check": check, "dry_run": dry_run}
        told = await _progress.run(progress, "validate", "checkpoint_prune", root_of(self.objects).number(), _native.options(rule))
        skipped = [{"key": one["manifest_key"], "error": to_error(one)} for one in told["skipped"]]
        return PruneReport(told["deleted"], told["kept"], told.get("verified"), told["collected"], skipped)

    @blocking
    async def validate(
        self, manifest_key: str | None = None, *, step: int | None = None, progress: Progress = None, timeout: float | None = None
    ) -> IntegrityReport:
        """Reads every byte of a checkpoint, the newest unless one is named; see :meth:`CheckpointReader.validate_checkpoint_integrity`."""
        if manifest_key is not None:
            return await _checkpoint_reader.validate(self.objects, manifest_key, progress)
        manifest = await _checkpoint_reader.find(self.objects, {"step": step})
        if manifest is None:
            raise NotFoundError(f"{self.uri}: there is no checkpoint to validate", self.uri, "there is no checkpoint to validate")
        return await _checkpoint_reader.validate(self.objects, manifest["manifest_key"], progress)

    def writer(self, world_size: int, rank: int) -> CheckpointWriter:
        """What a rank of a distributed job saves with.

        Args:
            world_size: How many ranks save.
            rank: Which of them this is, from 0.
        """
        return CheckpointWriter(self.objects, self._settings, self._run_id, world_size, rank)

    def reader(self) -> CheckpointReader:
        """What reads manifests and shards."""
        return CheckpointReader(self.objects)

    save_async = twin(save)
    load_latest_async = twin(load_latest)
    load_async = twin(load)
    list_checkpoints_async = twin(list_checkpoints)
    checkpoint_exists_async = twin(checkpoint_exists)
    delete_checkpoint_async = twin(delete_checkpoint)
    delete_async = twin(delete)
    prune_async = twin(prune)
    validate_async = twin(validate)

    def __repr__(self) -> str:
        return f"CheckpointStore({self.uri!r})"


def _find_run_id() -> str | None:
    for name in _RUN_VARIABLES:
        value = os.environ.get(name)
        if value and value != "none":
            return re.sub(r"[^A-Za-z0-9._-]", "-", value)[:100]
    return None


async def save(
    store: CheckpointStore,
    step: int,
    epoch: int,
    framework: str,
    data: Buffer,
    user_meta: Any,
    extra: Any,
    save_id: str | None,
    progress: Progress,
) -> str:
    """Saves a checkpoint of one rank."""
    writer = store.writer(1, 0)
    chosen = save_id if save_id is not None else store.new_save_id()
    shard = await _checkpoint_writer.save_shard(writer, step, data, chosen, None, progress)
    done = await _checkpoint_writer.commit(writer, step, epoch, framework, [shard], user_meta, chosen, extra, None, False)
    return str(done["manifest_key"])


async def list_all(objects: Store) -> list[CheckpointInfo]:
    """All checkpoints, incomplete ones too, the newest first."""
    told = await _native.run("checkpoint_list", root_of(objects).number())
    warn_skipped(told["skipped"])
    return [CheckpointInfo(one) for one in told["checkpoints"]]


async def load_newest(objects: Store, fallback: bool, check: bool, strict: bool, progress: Progress) -> bytes | None:
    """The data of the newest checkpoint of one rank that is good."""
    manifest = await _checkpoint_reader.find(objects, {})
    first: S3dlioError | None = None
    tried: set[str] = set()
    while manifest is not None:
        try:
            return await _only_shard(objects, manifest, check, strict, progress)
        except (InvalidDataError, NotFoundError) as error:
            if not fallback:
                raise
            key = manifest["manifest_key"]
            tried.add(key)
            # one that was deleted meanwhile is none to be told of
            if not isinstance(error, NotFoundError) or await _checkpoint_reader.find(objects, {"manifest_key": key}):
                first = first or error
                warn(f"checkpoint {key} was passed over: {error}", CheckpointWarning)
        left = [info for info in await list_all(objects) if info.is_complete and info.manifest_key not in tried]
        manifest = await _checkpoint_reader.find(objects, {"manifest_key": left[0].manifest_key}) if left else None
    if first is not None:
        raise first
    return None


async def _only_shard(objects: Store, manifest: dict[str, Any], check: bool, strict: bool, progress: Progress) -> bytes:
    shards = _checkpoint_reader.shards_of(manifest, objects.uri)
    if len(shards) != 1:
        detail = f"checkpoint {manifest['manifest_key']} has the shards of {len(shards)} ranks; read them with reader()"
        raise InvalidArgumentError(f"{objects.uri}: {detail}", objects.uri, detail)
    if strict:
        return await _checkpoint_reader.read_checked(objects, shards[0], progress)
    return (await _checkpoint_reader.read(objects, shards[0], None, check, progress))[0]


def open_store(uri: Address, storage_options: Mapping[str, Any] | None) -> CheckpointStore:
    """A store by the address of a function's call."""
    resolve(uri)
    return CheckpointStore(uri, storage_options=storage_options)
