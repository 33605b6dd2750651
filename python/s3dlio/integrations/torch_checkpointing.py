"""Checkpoints of torch_checkpointing's ``CheckpointManager`` in a store.

Importing this needs nothing but s3dlio. Where torch_checkpointing is there, the classes are subclasses of its ``StorageConfig`` and
``Storage``; where it is not, they have the same methods.

Example:
    >>> from s3dlio.integrations.torch_checkpointing import S3dlioStorageConfig
    >>> config = S3dlioStorageConfig("s3://runs/one")  # doctest: +SKIP
    >>> manager = CheckpointManager(CheckpointManager.Config(storage_config=config))  # doctest: +SKIP
    >>> manager.save("step-100", {"model": model.state_dict()})  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .. import _list, _objects
from .._core._address import resolve
from .._core._options import StorageOptions
from .._objects import Buffer
from .._reader import ObjectReader
from .._writer import ObjectWriter
from ..exceptions import InvalidArgumentError, IsDirectoryError, NotFoundError

__all__ = ["S3dlioStorage", "S3dlioStorageConfig"]

#: What tells torch_checkpointing which files there are: it is moved when they are in their place.
_METADATA = "metadata.pkl"
#: Objects of a directory that are moved at a time.
_MOVED_AT_ONCE = 16


def _base(name: str) -> type:
    try:
        found: type = getattr(importlib.import_module("torch_checkpointing.storage.base_storage"), name)
    except ImportError:
        return object
    return found


@dataclass
class S3dlioStorageConfig(_base("StorageConfig")):  # type: ignore[misc]
    """Where ``CheckpointManager.Config(storage_config=...)`` keeps its checkpoints; it is pickled to the process that writes them.

    Attributes:
        root: The directory that checkpoint ids lie in, such as ``s3://runs/one``.
        storage_options: Settings of the store.
        durable: Have each file on the device before the save ends. None: as the store was opened.

    Example:
        >>> S3dlioStorageConfig("memory://runs").create_storage().exists("step-1")
        False
    """

    root: str
    # they may hold secrets
    storage_options: StorageOptions | None = field(default=None, repr=False)
    durable: bool | None = None

    def create_storage(self) -> S3dlioStorage:
        """What the manager reads and writes by."""
        return S3dlioStorage(self.root, self.storage_options, durable=self.durable)


class S3dlioStorage(_base("Storage")):  # type: ignore[misc]
    """torch_checkpointing's ``Storage`` over any store of s3dlio: files appear whole or not at all, and reads are checked.

    Paths are below ``root``: an address as a ``pathlib.Path`` would lose a slash.

    Args:
        root: The directory they lie in.
        storage_options: Settings of the store.
        durable: As ``S3dlioStorageConfig`` has it.

    Example:
        >>> storage = S3dlioStorage("memory://doc/checkpoints")
        >>> storage.write("step-1/model.pt", b"bytes")
        >>> storage.read("step-1/model.pt"), storage.ls("step-1"), storage.isdir("step-1")
        (b'bytes', ['model.pt'], True)
        >>> storage.rmdir("step-1")
    """

    def __init__(self, root: str, storage_options: StorageOptions | None = None, *, durable: bool | None = None) -> None:
        # what cannot be is refused here, and not in the middle of a training
        resolve(root, storage_options)
        self._root = root.rstrip("/")
        self._options = storage_options
        self._durable = durable

    def stream_read(self, path: str | os.PathLike[str], read_args: Any = None) -> io.RawIOBase:
        """A file to read from; what it reads in one go from its begin to its end is checked.

        Args:
            path: Which.
            read_args: torch_checkpointing's ``ReadArgs``, of which ``timeout_us`` is kept: reads run ahead and are not direct in any case.

        Raises:
            NotFoundError: There is none.
        """
        micros = getattr(read_args, "timeout_us", None)
        timeout = None if micros is None else micros / 1e6
        return ObjectReader(self.remap_path(path), decompress=False, timeout=timeout, storage_options=self._options)

    def read(self, path: str | os.PathLike[str], read_args: Any = None) -> bytes:
        """All bytes of a file, checked.

        Raises:
            NotFoundError: There is none.
            ChecksumMismatchError: They are not those that were written.
        """
        return bytes(_objects.get(self.remap_path(path), storage_options=self._options))

    def stream_write(self, path: str | os.PathLike[str]) -> ObjectWriter:
        """A file to write to, which appears at the end of its ``with``, or never where an exception ends that."""
        return ObjectWriter(self.remap_path(path), durable=self._durable, storage_options=self._options)

    def write(self, path: str | os.PathLike[str], data: Buffer) -> None:
        """Writes a file, in the place of an older one."""
        _objects.put(self.remap_path(path), data, durable=self._durable, storage_options=self._options)

    def delete(self, path: str | os.PathLike[str]) -> None:
        """Deletes a file.

        Raises:
            NotFoundError: There is none.
        """
        _objects.delete(self.remap_path(path), storage_options=self._options)

    def mkdir(self, path: str | os.PathLike[str], recursive: bool = True) -> None:
        """Makes a directory, and its parents, where the store has directories; that it is there is no error."""
        _objects.mkdir(self.remap_path(path), storage_options=self._options)

    def rmdir(self, path: str | os.PathLike[str]) -> None:
        """Deletes a directory and all that is in it; that there is none is no error."""
        _objects.delete(self.remap_path(path) + "/", recursive=True, missing_ok=True, storage_options=self._options)

    def rename(
        self,
        src_path: str | os.PathLike[str],
        dst_path: str | os.PathLike[str],
        is_directory: bool = False,
        is_cross_link: bool = False,
        background_cleanup: bool = False,
    ) -> None:
        """Gives a file or a directory another name.

        A directory of local files is renamed at once. In other stores its objects are moved, ``metadata.pkl`` last: as long as that is
        not there, a load that has to reshard refuses the checkpoint.

        Args:
            src_path: What it is called.
            dst_path: Its new name.
            is_directory: Whether it is a directory.
            is_cross_link: Not needed: what lies on another device is copied.
            background_cleanup: Not needed: no object is copied and deleted by different calls.
        """
        source, target = self.remap_path(src_path), self.remap_path(dst_path)
        if not is_directory and not self.isdir(src_path):
            self._move(source, target)
            return
        place, new = resolve(source, self._options), resolve(target, self._options)
        if place.root.uri == "file:///" and not self.exists(dst_path):
            _objects.mkdir(os.path.dirname(target) or target, storage_options=self._options)
            os.rename(f"/{place.key}", f"/{new.key}")
            return
        below = _list.list(source + "/", recursive=True, storage_options=self._options)
        last = [one for one in below if one.rpartition("/")[2] == _METADATA]
        with ThreadPoolExecutor(_MOVED_AT_ONCE) as pool:
            list(pool.map(lambda one: self._move(one, target + one[len(source) :]), [one for one in below if one not in last]))
        for one in last:
            self._move(one, target + one[len(source) :])
        self.rmdir(src_path)

    def _move(self, source: str, target: str) -> None:
        _objects.move(source, target, durable=self._durable, storage_options=self._options)

    def ls(self, path: str | os.PathLike[str]) -> list[str]:
        """The names in a directory."""
        found = _list.list(self.remap_path(path) + "/", storage_options=self._options)
        return [one.rstrip("/").rpartition("/")[2] for one in found]

    def exists(self, path: str | os.PathLike[str]) -> bool:
        """Whether there is a file or a directory of that name."""
        try:
            _objects.stat(self.remap_path(path), storage_options=self._options)
        except (IsDirectoryError, NotFoundError):
            return self.isdir(path)
        return True

    def isdir(self, path: str | os.PathLike[str]) -> bool:
        """Whether it is a directory; where the store has none, whether something lies below it."""
        try:
            _objects.stat(self.remap_path(path), storage_options=self._options)
        except IsDirectoryError:
            return True
        except NotFoundError:
            return bool(self.ls(path))
        return False

    def getsize(self, path: str | os.PathLike[str]) -> int:
        """The bytes of a file.

        Raises:
            NotFoundError: There is none.
        """
        return _objects.stat(self.remap_path(path), storage_options=self._options).size

    def remap_path(self, path: str | os.PathLike[str]) -> str:
        """The address of a path.

        Raises:
            InvalidArgumentError: It leads out of ``root``.
        """
        name = os.fspath(path)
        if name.startswith("/") or ":/" in name or ".." in name.split("/"):
            raise InvalidArgumentError(
                f"the path {name!r} is not below {self._root}; give an id such as 'step-100', and the address of its directory as root"
            )
        return self._root if name in ("", ".") else f"{self._root}/{name}"
