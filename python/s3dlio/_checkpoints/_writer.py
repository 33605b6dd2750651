"""The shards of a checkpoint, each written by its rank, and the manifest that makes one checkpoint of them."""

from __future__ import annotations

import operator
import threading
import warnings
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from .._core import _calls, _native, _progress
from .._core._address import resolve
from .._core._calls import blocking, twin
from .._core._output import Output
from .._core._progress import Progress
from .._objects import Buffer, buffer_of
from .._store import Store, place_in, root_of
from ..exceptions import InvalidArgumentError


class _Count(int):
    """A number that can also be called, as the original's is."""

    def __call__(self) -> int:
        return int(self)


class CheckpointStream:
    """One rank's shard, written piece by piece in bounded memory; see :meth:`CheckpointWriter.get_distributed_shard_stream`.

    The shard is there when it is finalized, or never: an exception inside a ``with``, ``cancel`` and letting go of it leave nothing behind.
    """

    # of a stream whose opening failed
    _output = Output("", 0, 0)

    def __init__(self, objects: Store, target: dict[str, Any]) -> None:
        self._objects = objects
        generation = _native.generation
        # reentrant, because a signal's handler may call anything at any moment
        self._turn = threading.RLock()
        opened = _calls.run("checkpoint_shard_open", root_of(objects).number(), _native.options(target))
        self._output, self._key = Output(objects.uri, opened["writer"], generation, "stream"), opened["key"]
        self._written = 0
        self._shard: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """The shard's key, relative to the checkpoint store's address."""
        return str(self._key)

    @property
    def bytes_written(self) -> int:
        """Bytes given to the stream, before compression."""
        return _Count(self._written)

    def write_chunk(self, data: Buffer) -> int:
        """Takes the next bytes, from their own memory.

        After one that failed or was interrupted the stream takes nothing more and cannot be finalized.

        Returns:
            How many.

        Raises:
            ClosedError: The stream has ended, or an earlier write failed or was interrupted.
        """
        self._output.require_open()
        address, length, owner = buffer_of(data, resolve(place_in(self._objects, self._key)))
        try:
            with self._turn:
                number = self._output.begin()
                if length:
                    _calls.run("writer_write", number, address, length, keep=owner)
                self._written += length
                self._output.torn = False
            return length
        except BaseException:
            # also one that came when all was done: whoever is told of a failure may write the same once more
            self._output.torn = True
            raise

    write = write_chunk

    def finalize(self) -> dict[str, Any]:
        """Makes the shard, and closes the stream.

        Returns:
            The shard's description, which ``finalize_distributed_checkpoint`` takes.

        Raises:
            ClosedError: The stream has ended, or an earlier write failed or was interrupted; there is no shard then.
        """
        self._output.require_open()
        with self._turn:
            try:
                summary = _calls.run("writer_finalize", self._output.begin())
                self._output.stored = True
            finally:
                self.cancel()
        shard: dict[str, Any] = summary["shard"]
        self._shard = shard
        return shard

    def cancel(self) -> None:
        """Ends the stream; there is no shard, unless it was finalized."""
        self._output.end()
        self._output.torn = False

    def __enter__(self) -> CheckpointStream:
        self._output.require_open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cancel()

    def __del__(self) -> None:
        unfinished = self._output.is_here and not self._output.stored and not self._output.torn
        self.cancel()
        if unfinished:
            # told to whoever looks for it: python -X dev, pytest
            warnings.warn(
                f"{self._objects.uri}: the stream of a shard was let go before it was finalized; nothing is stored",
                ResourceWarning,
                source=self,
            )


class CheckpointWriter:
    """One rank's hand in saving checkpoints; see :meth:`CheckpointStore.writer`.

    Every rank saves its shard and hands the description that it gets to one of them, by whatever means the job has
    (``torch.distributed.gather_object``). That one finalizes: from then on there is a checkpoint.

    All ranks' shards of one save belong to one save id. Give all ranks the same (``CheckpointStore.new_save_id`` makes one to be
    broadcast), or none: then they agree on one through the store.

    Example:
        >>> import s3dlio
        >>> store = s3dlio.CheckpointStore("memory://doc-ranks")
        >>> shards = [store.writer(2, rank).save_distributed_shard(7, 0, "torch", b"state of %d" % rank) for rank in range(2)]
        >>> key = store.writer(2, 0).finalize_distributed_checkpoint(7, 0, "torch", shards, {"loss": 0.5})
        >>> manifest = store.reader().load_latest_manifest()
        >>> store.reader().read_shard_by_rank(manifest, 1), manifest["user_meta"]
        (b'state of 1', {'loss': 0.5})
    """

    def __init__(self, objects: Store, settings: dict[str, Any], run_id: str | None, world_size: int, rank: int) -> None:
        self._objects = objects
        self._what = objects.uri
        self._settings = settings
        self._run_id = run_id
        self.world_size = whole(world_size, "world_size", self._what)
        self.rank = whole(rank, "rank", self._what)
        if self.rank >= self.world_size:
            raise InvalidArgumentError(f"{self._what}: rank {rank} is not among {world_size} ranks", self._what)

    @blocking
    async def begin_save(self, step: int, *, save_id: str | None = None, timeout: float | None = None) -> str:
        """The id of the save of that step: the one given, which must be free, or the one that all ranks agree on.

        Args:
            step: The step to be saved.
            save_id: An id that all ranks were given.
            timeout: Seconds for the whole call.

        Returns:
            The id, for the other calls of this writer.

        Raises:
            AlreadyExistsError: A checkpoint of this step and id is there.
        """
        options = _native.options({"save_id": save_id, "run_id": None if save_id else self._run_id})
        agreed = await _native.run("checkpoint_agree", root_of(self._objects).number(), whole(step, "step", self._what), options)
        return str(agreed["save_id"])

    @blocking
    async def save_distributed_shard(
        self,
        step: int,
        epoch: int,
        framework: str,
        data: Buffer | Iterable[Buffer],
        *,
        save_id: str | None = None,
        extra: Any = None,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Writes this rank's shard.

        Args:
            step: The global step.
            epoch: The epoch; it is kept by the finalize.
            framework: Likewise.
            data: The bytes, or a list of pieces that follow each other; not copied.
            save_id: The save's id. None: the ranks agree on one.
            extra: JSON to be kept with the shard in the manifest.
            progress: Called with bytes done and bytes in all; or True for tqdm's bar where tqdm is installed.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The shard's description: ``step``, ``timestamp`` and ``save_id`` (the save), ``rank``, ``key``, ``size``, ``etag``,
            ``checksum`` (of the data), ``raw_size``, ``stored_checksum``, ``compression``.

        Raises:
            OutOfSpaceError, PermissionDeniedError: As the store says; nothing is left behind.
        """
        return await save_shard(self, step, data, save_id, extra, progress)

    def get_distributed_shard_stream(
        self, step: int, epoch: int, framework: str, *, save_id: str | None = None, extra: Any = None
    ) -> CheckpointStream:
        """The same, piece by piece.

        Args:
            step: The global step.
            epoch: As for ``save_distributed_shard``.
            framework: Likewise.
            save_id: The save's id. None: the ranks agree on one.
            extra: JSON to be kept with the shard in the manifest.

        Returns:
            The stream; its ``finalize`` gives the shard's description.
        """
        return CheckpointStream(self._objects, target_of(self, step, save_id, extra))

    def shard_key(self, step: int, save_id: str) -> str:
        """The key at which this rank's shard of a save lies, for programs that write it themselves.

        Write it with ``overwrite=False``: what a manifest refers to must never change.
        """
        where = {
            "flat": "",
            "round_robin": f"rr/{self.rank % 16:02x}/",
            "binary": f"bin/{f'{self.rank:08b}'[:4]}/",
        }[self._settings["placement"]]
        return f"shards/{where}ckpt-{step}-{save_id}/rank-{self.rank}.bin"

    def register_shard(
        self,
        step: int,
        save_id: str,
        key: str,
        size: int,
        checksum: str,
        *,
        raw_size: int | None = None,
        raw_checksum: str | None = None,
        extra: Any = None,
    ) -> dict[str, Any]:
        """The description of a shard that was written by other means.

        Args:
            step: The global step.
            save_id: The save's id.
            key: The object's key, relative to the checkpoint store's address; below ``shards/``.
            size: Bytes of the object as stored.
            checksum: CRC32C of those, ``crc32c:xxxxxxxx``.
            raw_size: Bytes before compression, where the object is zstd frames as ``ObjectWriter`` writes them.
            raw_checksum: CRC32C of those.
            extra: JSON to be kept with the shard in the manifest.

        Returns:
            The description; the finalize compares it with the object.
        """
        compressed = raw_size is not None
        told = {
            "step": step,
            "timestamp": save_id,
            "save_id": save_id,
            "rank": self.rank,
            "key": key,
            "size": size,
            "checksum": raw_checksum if compressed else checksum,
            "raw_size": raw_size if compressed else size,
            "stored_checksum": checksum,
            "compression": "zstd" if compressed else "none",
        }
        return told if extra is None else {**told, "extra": extra}

    @blocking
    async def finalize_distributed_checkpoint(
        self,
        step: int,
        epoch: int,
        framework: str,
        shard_metas: Iterable[Mapping[str, Any]],
        user_meta: Any = None,
        *,
        save_id: str | None = None,
        extra: Any = None,
        wall_time: str | None = None,
        verify: bool = True,
        timeout: float | None = None,
    ) -> str:
        """Makes the checkpoint of the shards of all ranks. One rank does this, after all have saved.

        Args:
            step: The global step.
            epoch: The epoch.
            framework: What the shards are of, such as ``"torch"``.
            shard_metas: The descriptions that the ranks' saves returned, in any order.
            user_meta: Anything that JSON can express; kept with the checkpoint.
            save_id: The save's id. None: that of rank 0's shard.
            extra: JSON of the program that saves, kept beside ``user_meta``.
            wall_time: When the state was taken, RFC 3339; the newest checkpoint is the one with the latest. None: now, or just after the
                newest checkpoint that is there, where its time is later.
            verify: Look whether every shard is there, whole, first.
            timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.

        Returns:
            The manifest's key. A second call with the same shards gives the same.

        Raises:
            InvalidArgumentError: The shards are not one of each rank, of this step.
            NotFoundError, InvalidDataError: A shard is not there, or is another than described.
            PreconditionError: The save was given up by a prune meanwhile.
        """
        shards = [dict(meta) for meta in shard_metas]
        committed = await commit(self, step, epoch, framework, shards, user_meta, save_id, extra, wall_time, verify)
        return str(committed["manifest_key"])

    begin_save_async = twin(begin_save)
    save_distributed_shard_async = twin(save_distributed_shard)
    finalize_distributed_checkpoint_async = twin(finalize_distributed_checkpoint)


def whole(value: Any, name: str, what: str) -> int:
    """A whole number of any library's, from 0, that fits the format."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{what}: {name} must be a whole number, found {type(value).__name__}: {value!r}", what) from None
    if not 0 <= number < 1 << 63:
        raise InvalidArgumentError(f"{what}: {name} must be from 0 to 2**63 - 1, found {number}", what)
    return number


def uri_of(writer: CheckpointWriter) -> str:
    """The address of the store that it writes to."""
    return writer._what


def target_of(writer: CheckpointWriter, step: int, save_id: str | None, extra: Any) -> dict[str, Any]:
    """What the library has to know of a shard before its bytes."""
    agreed: dict[str, Any] = {"save_id": save_id} if save_id is not None else {"run_id": writer._run_id}
    return {
        "step": whole(step, "step", writer._what),
        "rank": writer.rank,
        **writer._settings,
        **agreed,
        "extra": extra,
        "background": _calls.in_background() or None,
    }


async def save_shard(
    writer: CheckpointWriter, step: int, data: Buffer | Iterable[Buffer], save_id: str | None, extra: Any, progress: Progress
) -> dict[str, Any]:
    """Writes a shard from memory."""
    where = resolve(place_in(writer._objects, "shards"))
    pieces = data if isinstance(data, (list, tuple)) else [data]
    parts = [buffer_of(piece, where) for piece in pieces]
    found: dict[str, Any] = await _progress.run(
        progress,
        "save",
        "checkpoint_shard_put",
        root_of(writer._objects).number(),
        _native.options(target_of(writer, step, save_id, extra)),
        _native.segments([part[:2] for part in parts]),
        len(parts),
        keep=parts,
    )
    return found


async def commit(
    writer: CheckpointWriter,
    step: int,
    epoch: int,
    framework: str,
    shards: list[dict[str, Any]],
    user_meta: Any,
    save_id: str | None,
    extra: Any,
    wall_time: str | None,
    verify: bool,
) -> dict[str, Any]:
    """Writes the manifest."""
    told = {
        "step": whole(step, "step", writer._what),
        "epoch": whole(epoch, "epoch", writer._what),
        "framework": framework,
        "world_size": writer.world_size,
        "shards": shards,
        "save_id": save_id,
        "user_meta": user_meta,
        "extra": extra,
        "wall_time": wall_time,
        "durable": writer._settings["durable"],
        "verify": verify,
    }
    found: dict[str, Any] = await _native.run("checkpoint_commit", root_of(writer._objects).number(), _native.options(told))
    return found
