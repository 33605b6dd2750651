"""Checkpoints of Lightning in a store.

Importing this needs torch. Where Lightning is there, :class:`S3dlioCheckpointIO` is a subclass of its ``CheckpointIO``; where it is not, it
has the same methods.

Example:
    >>> from s3dlio.integrations.lightning import S3dlioCheckpointIO  # doctest: +SKIP
    >>> trainer = Trainer(plugins=[S3dlioCheckpointIO()], default_root_dir="s3://runs/one")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Mapping
from typing import Any

try:
    import torch
except ImportError as error:
    raise ImportError(f"s3dlio.integrations.lightning needs torch, which cannot be imported here: {error}") from error

from .. import _objects
from .._writer import ObjectWriter
from ..exceptions import InvalidArgumentError, IsDirectoryError, NotFoundError

__all__ = ["S3dlioCheckpointIO"]


def _base() -> type:
    for name in ("lightning.pytorch.plugins.io", "pytorch_lightning.plugins.io"):
        try:
            found: type = importlib.import_module(name).CheckpointIO
        except ImportError:
            continue
        return found
    return object


class S3dlioCheckpointIO(_base()):  # type: ignore[misc]
    """Where Lightning's trainer keeps its checkpoints: each one object, there whole or not at all, and read with its checksum.

    Args:
        storage_options: Settings of the store; those that a call gives come before them.
        durable: Have a checkpoint on the device, name and all, before the training goes on. None: as the store was opened.
        timeout: Seconds for each read and write; None: no limit.

    Example:
        >>> import torch  # doctest: +SKIP
        >>> io = S3dlioCheckpointIO()  # doctest: +SKIP
        >>> io.save_checkpoint({"state_dict": {"w": torch.ones(3)}}, "memory://runs/last.ckpt")  # doctest: +SKIP
    """

    def __init__(
        self, storage_options: Mapping[str, Any] | None = None, *, durable: bool | None = None, timeout: float | None = None
    ) -> None:
        super().__init__()
        self._options = dict(storage_options or {})
        self._durable = durable
        self._timeout = timeout

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None) -> None:
        """Writes a checkpoint in the place of an older one of that name.

        Args:
            checkpoint: What the trainer gives.
            path: The object.
            storage_options: Settings of the store, a dictionary; it comes before the plugin's.

        Raises:
            InvalidArgumentError: ``storage_options`` is something else.
            OutOfSpaceError, PermissionDeniedError: As the store says; the older checkpoint is still there.
        """
        with ObjectWriter(path, durable=self._durable, timeout=self._timeout, storage_options=self._merged(storage_options)) as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = lambda storage, _: storage, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a checkpoint, every byte compared with its checksum.

        Args:
            path: The object.
            map_location: As ``torch.load`` has it.
            weights_only: As ``torch.load`` has it; None is torch's own choice, which from 2.6 on runs nothing that is in the checkpoint.

        Returns:
            The checkpoint.

        Raises:
            NotFoundError: There is none.
            ChecksumMismatchError: Its bytes are not those that were written; nothing of it was unpickled.
        """
        chosen: dict[str, Any] = {} if weights_only is None else {"weights_only": weights_only}
        # whole, so that its checksum speaks before a pickle does
        data = _objects.get(path, timeout=self._timeout, storage_options=self._merged(None))
        loaded: dict[str, Any] = torch.load(_Held(data.memoryview()), map_location=map_location, **chosen)
        return loaded

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Deletes a checkpoint, or a directory of one; that there is none is no error.

        Args:
            path: The object or directory.
        """
        options = self._merged(None)
        try:
            _objects.delete(path, timeout=self._timeout, storage_options=options)
        except (NotFoundError, IsDirectoryError):
            _objects.delete(path, recursive=True, timeout=self._timeout, storage_options=options)

    def teardown(self) -> None:
        """Nothing is left to end."""

    def _merged(self, given: Any) -> Any:
        if given is not None and not isinstance(given, Mapping):
            raise InvalidArgumentError(f"storage_options is a dictionary of the store's settings, found {type(given).__name__}")
        return {**self._options, **(given or {})} or None


class _Held(io.RawIOBase):
    """Bytes in memory as a file, without a copy of them."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, len(self._data))[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        part = self._data[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)
