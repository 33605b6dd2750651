"""The side of ``torch.distributed.checkpoint`` that loads."""

from __future__ import annotations

import io
import os
from typing import Any

import torch
from torch.distributed.checkpoint import metadata as dcp, planner as planning, storage
from torch.futures import Future

from .. import _objects
from .._core import _plain
from .._core._address import Location, resolve
from .._core._dtypes import Casting, check_casting
from .._pieces import Reading, Want
from ..exceptions import InvalidArgumentError, InvalidDataError, NotFoundError
from . import _metadata
from ._metadata import Stored, StoredValue
from ._writer import folder_of, is_address


class StorageReader(storage.StorageReader):  # type: ignore[misc]
    """Loads what ``StorageWriter`` saved, on as many ranks as there are, each reading what it needs.

    Parts that lie near each other come in one request, many at a time, straight into the memory of the tensors where that lies in a row
    on the CPU, and through memory of bounded size where it does not. Every byte is compared with its CRC32C. Nothing that is read can
    run.

    Args:
        path: The checkpoint's address; None where each load gives its ``checkpoint_id``.
        validate: Compare with the checksums. For parts of a tensor the rest of the blocks that they begin and end in is then read, too.
        casting: What may be converted where a tensor's dtype is another than the checkpoint's: ``"same_kind"`` converts within a kind
            of numbers (float32 to bfloat16, integers to floats) and refuses others, ``"no"`` refuses all, ``"unsafe"`` none.
        storage_options: Settings of the store.

    Attributes:
        bytes_wanted: Bytes that the last load put into tensors.
        bytes_read: Bytes of tensors that it read for that.

    Example:
        >>> import torch.distributed.checkpoint as dcp  # doctest: +SKIP
        >>> dcp.load({"model": model}, storage_reader=StorageReader("s3://my-run/step-100"))  # doctest: +SKIP
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        validate: bool = True,
        casting: Casting = "same_kind",
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._path = "" if path is None else folder_of(path, storage_options)
        self._validate = validate
        check_casting(casting, "StorageReader")
        self._casting = casting
        self._options = storage_options
        self._stored: dict[dcp.MetadataIndex, Stored | StoredValue] = {}
        self.bytes_wanted = 0
        self.bytes_read = 0

    @property
    def checkpoint_id(self) -> str:
        """The checkpoint's address."""
        return self._path

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Whether a checkpoint could lie at that address."""
        return is_address(checkpoint_id)

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """A new load begins."""
        if checkpoint_id:
            self._path = folder_of(checkpoint_id, self._options)
        self._stored = {}

    def read_metadata(self, *args: Any, **kwargs: Any) -> dcp.Metadata:
        """Reads and checks the checkpoint's document.

        Raises:
            NotFoundError: There is no checkpoint.
            InvalidDataError, ChecksumMismatchError: The document is damaged, or is none.
        """
        if not self._path:
            raise InvalidArgumentError("no checkpoint address was given: StorageReader(path), or checkpoint_id of the load")
        uri = f"{self._path}/{_metadata.name_of(kwargs.get('rank'))}"
        try:
            data = bytes(_objects.get(uri, storage_options=self._options))
        except NotFoundError as error:
            if _objects.exists(f"{self._path}/.metadata", storage_options=self._options):
                detail = (
                    "this checkpoint was written by torch's FileSystemWriter, whose metadata is a pickle; load it with torch's "
                    "FileSystemReader"
                )
                raise InvalidDataError(f"{self._path}: {detail}", self._path, detail) from error
            if "rank" in kwargs and _objects.exists(f"{self._path}/{_metadata.name_of(None)}", storage_options=self._options):
                # torch asks for a rank's own document when the one for all could not be read: why that was is what matters
                return self.read_metadata()
            raise
        return _metadata.read(data, uri)

    def set_up_storage_reader(self, metadata: dcp.Metadata, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Takes note of where everything lies."""
        self._stored = metadata.storage_data
        if not isinstance(self._stored, dict):
            raise InvalidArgumentError(f"{self._path}: the metadata was not read by this reader")

    def prepare_local_plan(self, plan: planning.LoadPlan) -> planning.LoadPlan:
        """Nothing to prepare."""
        return plan

    def prepare_global_plan(self, plans: list[planning.LoadPlan]) -> list[planning.LoadPlan]:
        """Nothing is to be agreed: ranks read on their own."""
        return plans

    def read_data(self, plan: planning.LoadPlan, planner: planning.LoadPlanner) -> Future[None]:
        """Reads what the plan asks for. What does not fit is refused before the first byte of the state is written.

        Raises:
            InvalidArgumentError: A tensor of the state is of another shape or dtype than the checkpoint's, or no memory that can be
                written.
            ChecksumMismatchError: Bytes are not those that were saved; the error names object and tensor.
            NotFoundError: An object is gone.
        """
        reading = Reading(self._place, validate=self._validate, casting=self._casting)
        values: list[tuple[planning.ReadItem, io.BytesIO]] = []
        targets: list[tuple[planning.ReadItem, torch.Tensor]] = []
        for item in plan.items:
            found = self._stored.get(item.storage_index)
            if item.type == planning.LoadItemType.BYTE_IO:
                values.append((item, self._value(item, found)))
                continue
            if not isinstance(found, Stored):
                raise InvalidDataError(f"{self._path}: the checkpoint has no tensor {item.storage_index}", self._path)
            target = planner.resolve_tensor(item).detach()
            targets.append((item, target))
            lengths, starts = tuple(item.lengths), tuple(item.storage_offsets)
            name = f"tensor {item.storage_index.fqn!r}"
            reading.add(Want(name, found.piece, found.dtype.itemsize, found.shape, starts, lengths, target, found.dtype))
        reading.run()
        for item, value in values:
            planner.load_bytes(item, value)
        for item, target in targets:
            planner.commit_tensor(item, target)
        self.bytes_wanted, self.bytes_read = reading.wanted, reading.read
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def _place(self, name: str) -> Location:
        return resolve(f"{self._path}/{name}", self._options)

    def _value(self, item: planning.ReadItem, found: Stored | StoredValue | None) -> io.BytesIO:
        """The value as the planner takes it: a pickle that this process has just made, of nothing but plain values."""
        if not isinstance(found, StoredValue):
            raise InvalidDataError(f"{self._path}: the checkpoint has no value {item.storage_index}", self._path)
        made = io.BytesIO()
        torch.save(_plain.decode(found.encoded, f"{self._path}: {item.storage_index.fqn!r}"), made)
        made.seek(0)
        return made
