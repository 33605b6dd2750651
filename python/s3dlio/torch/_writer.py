"""The side of ``torch.distributed.checkpoint`` that saves."""

from __future__ import annotations

import io
import os
import uuid
from typing import Any

import torch
from torch.distributed.checkpoint import metadata as dcp, planner as planning, storage
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.futures import Future

from .. import _bulk, _list, _objects
from .._core import _plain
from .._core._address import Address, resolve
from .._core._warnings import warn
from .._pieces import save_pieces, source_of
from .._tensors import Source
from ..exceptions import (
    AlreadyExistsError,
    BulkError,
    InvalidArgumentError,
    InvalidDataError,
    NotFoundError,
    PreconditionError,
    S3dlioError,
)
from . import _metadata
from ._metadata import Stored, StoredValue

#: Bytes of tensors that had to be copied (from a device, out of strided memory) before they are written and let go.
_COPIES = 1 << 30

_SCHEMES = ("file", "direct", "memory", "s3", "az")


class StorageWriter(storage.StorageWriter):  # type: ignore[misc]
    """Saves checkpoints of ``torch.distributed.checkpoint`` to any store, whole or not at all, and without a pickle.

    Each rank writes its tensors as one safetensors object (a few for very large states); the coordinator then writes the document
    ``dcp.json``, which is what makes them a checkpoint. A checkpoint that stands there already stays whole until that moment. Every byte
    has its CRC32C. Values that are no tensors are kept as typed JSON; those that only a pickle could hold are refused.

    Works with ``dcp.save``, ``dcp.async_save`` (threads and processes), ``use_collectives=False``, every planner whose values that are no
    tensors are plain, and can be pickled.

    Args:
        path: The checkpoint's address, a folder; None where each save gives its ``checkpoint_id``.
        overwrite: False refuses to save where a checkpoint is.
        durable: Have everything on the device before a save returns, where the store has a say in it.
        max_object_bytes: Bytes of tensors from which on a rank begins a further object.
        storage_options: Settings of the store.

    Raises:
        InvalidArgumentError: An address that cannot be understood.

    Example:
        >>> import torch.distributed.checkpoint as dcp  # doctest: +SKIP
        >>> dcp.save({"model": model}, storage_writer=StorageWriter("s3://my-run/step-100"))  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        overwrite: bool = True,
        durable: bool = True,
        max_object_bytes: int = 16 << 30,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._path = "" if path is None else folder_of(path, storage_options)
        self._overwrite = overwrite
        self._durable = durable
        self._max_object_bytes = max_object_bytes
        self._options = storage_options
        self._coordinates = False
        self._rank: int | None = None
        self._alone = False
        self._save_id = uuid.uuid4().hex
        self._before: str | None = None
        self._is_there = False

    @property
    def checkpoint_id(self) -> str:
        """The checkpoint's address."""
        return self._path

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Whether a checkpoint could lie at that address."""
        return is_address(checkpoint_id)

    def storage_meta(self) -> Any:
        """What planners are told of the checkpoint."""
        kind: Any = getattr(dcp, "StorageMeta", None)
        return kind(checkpoint_id=self._path, save_id=self._save_id) if kind is not None else None

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """A new save begins."""
        if checkpoint_id:
            self._path = folder_of(checkpoint_id, self._options)
        self._save_id = uuid.uuid4().hex

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """What this rank is; torch before 2.8 does not tell its number."""
        if not self._path:
            raise InvalidArgumentError("no checkpoint address was given: StorageWriter(path), or checkpoint_id of the save")
        self._coordinates = is_coordinator
        self._rank = kwargs.get("rank")
        self._alone = kwargs.get("use_collectives", True) is False

    def prepare_local_plan(self, plan: planning.SavePlan) -> planning.SavePlan:
        """Looks whether a checkpoint is there already: the one that the new one may replace, and no other."""
        if self._coordinates or self._alone:
            try:
                found = _objects.stat(self._document, storage_options=self._options)
                self._is_there, self._before = True, found["etag"]
            except NotFoundError:
                self._is_there, self._before = False, None
            if self._is_there and not self._overwrite:
                raise AlreadyExistsError(f"{self._path}: Checkpoint already exists and overwrite=False", self._path)
        return plan

    def prepare_global_plan(self, plans: list[planning.SavePlan]) -> list[planning.SavePlan]:
        """Nothing is to be agreed: each rank's objects have names that no other save can have."""
        return plans

    def write_data(self, plan: planning.SavePlan, planner: planning.SavePlanner) -> Future[list[storage.WriteResult]]:
        """Writes this rank's tensors."""
        results: list[storage.WriteResult] = []
        group: list[tuple[planning.WriteItem, Source, Any]] = []
        names: set[str] = set()
        total = copied = count = 0
        for item in plan.items:
            if item.type == planning.WriteItemType.BYTE_IO:
                encoded = _plain.encode(_value(item, planner), f"{self._path}: {item.index.fqn!r}")
                results.append(storage.WriteResult(item.index, len(str(encoded)), StoredValue(encoded)))
                continue
            tensor = planner.resolve_data(item).detach()
            source = source_of(_unused(item, names), tensor, self._path)
            group.append((item, source, tensor))
            total += source.nbytes
            copied += source.nbytes if tensor.device.type != "cpu" or source.address != tensor.data_ptr() else 0
            if total >= self._max_object_bytes or copied >= _COPIES:
                results += self._write(group, count)
                count += 1
                total = copied = 0
                group.clear()
        if group:
            results += self._write(group, count)
        done: Future[list[storage.WriteResult]] = Future()
        done.set_result(results)
        return done

    def finish(self, metadata: dcp.Metadata, results: list[list[storage.WriteResult]]) -> None:
        """Writes the document: from here on the checkpoint is there, and what it replaced is not.

        Raises:
            PreconditionError, AlreadyExistsError: Another save to this address ended meanwhile; that one stands.
            InvalidDataError: What ranks wrote is not there as they wrote it.
        """
        stored = {result.index: result.storage_data for rank in results for result in rank}
        document = _metadata.write(metadata, stored, self._save_id, self._path)
        pieces = {one.piece.uri for one in stored.values() if isinstance(one, Stored)}
        self._verify(stored)
        # Whoever wrote what lies here now and is not ours began before us, and can no longer end once our document is written.
        others = [key for key in self._found() if key not in pieces and key != _metadata.name_of(self._own_rank)]
        try:
            _objects.put_bytes(
                self._document,
                document,
                overwrite=self._is_there,
                if_match=self._before if self._is_there else None,
                durable=self._durable,
                content_type="application/json",
                storage_options=self._options,
            )
        except (PreconditionError, AlreadyExistsError) as error:
            detail = "another save to this address ended while this one ran, and stands; save to an address of its own for each step"
            raise type(error)(f"{self._path}: {detail} ({error})", self._path, detail) from error
        for key in others:
            try:
                _objects.delete(self._at(key), storage_options=self._options)
            except NotFoundError:
                pass
            except S3dlioError as error:
                warn(f"what a former checkpoint left behind could not be deleted: {error}")
        metadata.storage_data = stored
        if hasattr(metadata, "storage_meta"):
            metadata.storage_meta = self.storage_meta()
        # another save may follow without a reset
        self._save_id = uuid.uuid4().hex

    @property
    def _own_rank(self) -> int | None:
        return (self._rank or 0) if self._alone else None

    @property
    def _document(self) -> Address:
        return self._at(_metadata.name_of(self._own_rank))

    def _at(self, key: str) -> str:
        return f"{self._path}/{key}"

    def _write(self, group: list[tuple[planning.WriteItem, Source, Any]], count: int) -> list[storage.WriteResult]:
        name = f"data-{self._rank or 0:05d}-{uuid.uuid4().hex}-{count}.safetensors"
        pieces, _ = save_pieces(
            self._at(name),
            [source for _, source, _ in group],
            name=name,
            metadata={"format": "pt", "save_id": self._save_id},
            durable=self._durable,
            storage_options=self._options,
        )
        return [
            storage.WriteResult(item.index, piece.nbytes, Stored(piece, tensor.dtype, tuple(tensor.shape)))
            for (item, _, tensor), piece in zip(group, pieces, strict=True)
        ]

    def _verify(self, stored: dict[Any, Stored | StoredValue]) -> None:
        """Each object is there and long enough; its bytes were checked when they were stored."""
        ends: dict[str, int] = {}
        for one in stored.values():
            if isinstance(one, Stored):
                ends[one.piece.uri] = max(ends.get(one.piece.uri, 0), one.piece.offset + one.piece.nbytes)
        try:
            sizes = _bulk.stat_many([self._at(name) for name in ends], storage_options=self._options) if ends else []
        except BulkError as error:
            detail = f"what ranks wrote is not there; if another save to this address ended while this one ran, that one stands: {error}"
            raise InvalidDataError(f"{self._path}: {detail}", self._path, detail) from error
        for (name, end), found in zip(ends.items(), sizes, strict=True):
            if found["size"] != end:
                raise InvalidDataError(f"{self._at(name)}: a rank wrote {end} bytes, {found['size']} are there", self._at(name))

    def _found(self) -> list[str]:
        """Keys of this writer's making below the checkpoint's address."""
        prefix = f"{self._path}/"
        keys = [uri.removeprefix(prefix) for uri in _list.list(prefix, storage_options=self._options)]
        mine = self._own_rank
        return [
            key
            for key in keys
            if ((match := _metadata.OBJECT.fullmatch(key)) and (mine is None or int(match[1]) == mine))
            or (mine is None and key.startswith("dcp-rank") and key.endswith(".json"))
        ]


def folder_of(path: str | os.PathLike[str], options: dict[str, Any] | None) -> str:
    """A checkpoint's address without its last slashes, absolute."""
    where = resolve(path, options)
    text = where.address(where.key)
    return text.rstrip("/") if len(text) > 1 else text


def is_address(checkpoint_id: Any) -> bool:
    """Whether text or a path names a place in a store that is known."""
    if not isinstance(checkpoint_id, (str, os.PathLike)):
        return False
    try:
        where = resolve(checkpoint_id)
    except S3dlioError:
        return False
    # the store itself is not opened: what its options lack or have too much is told when it is
    scheme, _, rest = where.root.uri.partition("://")
    return scheme in _SCHEMES and (
        rest.startswith("/") if scheme in ("file", "direct") else all(rest.strip("/").split("/", 1)) and rest.strip("/") != ""
    )


def _value(item: planning.WriteItem, planner: planning.SavePlanner) -> Any:
    """The object itself, before a planner makes it a pickle; where another planner does that, what is safe to take out of it."""
    if getattr(type(planner), "transform_object", None) is DefaultSavePlanner.transform_object:
        return planner.lookup_object(item.index)
    data = planner.resolve_data(item)
    if not isinstance(data, io.BytesIO):
        raise InvalidArgumentError(f"{item.index.fqn!r}: the planner gives a {type(data).__name__} where bytes are wanted")
    data.seek(0)
    try:
        return torch.load(data, weights_only=True)
    except Exception as error:
        raise InvalidArgumentError(
            f"{item.index.fqn!r}: what the planner {type(planner).__name__} made of it is no plain value that torch.save wrote, and "
            "pickles are "
            f"not stored: {error}"
        ) from None


def _unused(item: planning.WriteItem, names: set[str]) -> str:
    """A name for the tensor in its file."""
    index = item.index
    name = index.fqn if item.type == planning.WriteItemType.TENSOR else f"{index.fqn}@{','.join(map(str, index.offset or ()))}"
    if name in names or name == "__metadata__":
        name = f"{name}#{len(names)}"
    names.add(name)
    return str(name)
