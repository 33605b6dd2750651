"""What a file system does with its objects, each operation written once, as a coroutine that awaits nothing but the library's operations.

The file system's blocking methods wait for them as the functions of this package do, without an event loop; its coroutines are pumped by
whatever loop they are awaited in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from .. import _containers, _list, _objects
from .._core import _address, _native
from .._core._address import Location, Root
from .._core._calls import together
from .._core._results import to_time
from ..exceptions import (
    AlreadyExistsError,
    ChecksumMismatchError,
    InvalidArgumentError,
    InvalidDataError,
    IsDirectoryError,
    NotFoundError,
)

# the coroutines behind the blocking functions
_get: Any = _objects.get.body  # type: ignore[attr-defined]
_get_range: Any = _objects.get_range.body  # type: ignore[attr-defined]
_put: Any = _objects.put.body  # type: ignore[attr-defined]
_delete: Any = _objects.delete.body  # type: ignore[attr-defined]
_copy: Any = _objects.copy.body  # type: ignore[attr-defined]
_move: Any = _objects.move.body  # type: ignore[attr-defined]
_get_file: Any = _objects.get_file.body  # type: ignore[attr-defined]
_put_file: Any = _objects.put_file.body  # type: ignore[attr-defined]
_mkdir: Any = _objects.mkdir.body  # type: ignore[attr-defined]
_create_bucket: Any = _containers.create_bucket.body  # type: ignore[attr-defined]
_delete_bucket: Any = _containers.delete_bucket.body  # type: ignore[attr-defined]
_list_containers: Any = _containers.list_containers.body  # type: ignore[attr-defined]
_presign: Any = _containers.presign.body  # type: ignore[attr-defined]

#: Operations of a blocking call that are begun at once.
IN_FLIGHT = 64

Entry = dict[str, Any]


class Operations:
    """Objects of one file system by their paths.

    Args:
        scheme: ``"s3"``, ``"az"``, ``"file"``, ``"direct"`` or ``"memory"``.
        parts: How many parts of a path name its container; 0 where paths are files'.
        within: What paths leave out: an Azure account and ``/``, or nothing.
        options: Settings of the stores.
        verify: As ``s3dlio.get`` has it.
    """

    def __init__(self, scheme: str, parts: int, within: str, options: Mapping[str, Any], verify: Any) -> None:
        self.scheme = scheme
        self._parts = parts
        self._within = within
        self._options = dict(options)
        self._verify = verify
        self._roots: dict[str, Root] = {}
        self.has_directories = parts == 0

    def split(self, path: str) -> tuple[str, str]:
        """Container and key of a path; either may be empty."""
        if not self._parts:
            return "", path[1:]
        count = self._parts
        if self.scheme == "s3" and _address.is_server(path.partition("/")[0]):
            count += 1
        pieces = path.split("/", count)
        return "/".join(pieces[:count]), pieces[count] if len(pieces) > count else ""

    def at(self, path: str) -> Location:
        """The object of a path.

        Raises:
            InvalidArgumentError: The path does not name a container.
        """
        container, key = self.split(path)
        whole = self._within + container
        base = f"{self.scheme}:///" if self.has_directories else f"{self.scheme}://{whole}/"
        if not self.has_directories and (not container or container.count("/") + 1 < self._parts):
            raise InvalidArgumentError(
                f"{self.scheme}://{whole}: the path names no {'bucket' if self.scheme == 's3' else 'container'}", base
            )
        root = self._roots.get(base)
        if root is None:
            root = self._roots[base] = _address.shared_root(base, self._options)
        return Location(root, key, base)

    def check(self) -> None:
        """Raises what a store says of the options, before anything is read or written."""
        whole = {"s3": "s3://s3dlio-options/", "az": "az://s3dlio/options/", "memory": "memory://s3dlio-options/"}.get(
            self.scheme, f"{self.scheme}:///"
        )
        if self._options:
            _address.shared_root(whole, self._options).number()

    # one object

    async def info(self, path: str) -> Entry:
        if self.is_root(path):
            return _directory(path)
        where = self.at(path)
        if where.key:
            try:
                return described(path, await _run("object_head", where))
            except IsDirectoryError:
                return _directory(path)
            except NotFoundError as error:
                if type(error) is not NotFoundError or not await self._is_prefix(where):
                    raise
                return _directory(path)
        if not await self._is_prefix(where):
            raise NotFoundError(f"{where.base}: there is no such container, or nothing in it", where.base)
        return _directory(path)

    async def exists(self, path: str) -> bool:
        if self.is_root(path):
            return True
        where = self.at(path)
        return bool(await _run("object_exists", where)) if where.key else await self._is_prefix(where)

    async def is_directory(self, path: str) -> bool:
        try:
            return bool((await self.info(path))["type"] == "directory")
        except (NotFoundError, NotADirectoryError):
            return False

    async def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        where = self.object_at(path)
        first = 0 if start is None else start
        if first == 0 and end is None:
            return bytes(await _get(where, verify=self._verify))
        if first >= 0 and (end is None or end >= first):
            try:
                return bytes(await _get_range(where, first, None if end is None else end - first, verify=self._verify))
            except (InvalidArgumentError, InvalidDataError) as error:
                # beyond the object, as slices may be; some servers answer that with nonsense. What it was else fails again
                if isinstance(error, ChecksumMismatchError):
                    raise
        return await self._slice(where, slice(start, end))

    async def _slice(self, where: Location, part: slice) -> bytes:
        """A range counted from the end, or one that reaches beyond it: of the version that was opened for it."""
        generation = _native.generation
        opened = await _run("object_open", where, None)
        number = opened["file"]
        try:
            first, behind, _ = part.indices(opened["size"])
            memory = np.empty(max(0, behind - first), np.uint8)
            if memory.size:
                address = memory.__array_interface__["data"][0]
                await _native.run("object_read", number, first, address, memory.size, keep=memory)
            return memory.tobytes()
        finally:
            _native.close("file", number, generation)

    async def pipe_file(self, path: str, value: Any, overwrite: bool, options: Mapping[str, Any]) -> None:
        await _put(self.object_at(path), value, overwrite=overwrite, **options)

    async def rm_file(self, path: str) -> None:
        where = self.object_at(path)
        try:
            await _delete(where)
        except NotFoundError as error:
            if type(error) is NotFoundError and await self._is_prefix(where):
                what = where.address(where.key)
                raise IsDirectoryError(f"{what}: a directory; recursive=True removes it with all that is in it", what) from None
            raise

    async def rm_copied(self, path: str, may_be_folder: bool) -> None:
        """Deletes what a move has copied; a name that only stands for what is below it is not there."""
        try:
            await _delete(self.object_at(path))
        except NotFoundError:
            if not may_be_folder:
                raise

    async def rm_tree(self, path: str) -> None:
        where = self.at(path)
        what = where.address(where.key)
        if not where.key and self.has_directories:
            raise InvalidArgumentError(f"{what}: the root of the file system is not removed", what)
        # directories without anything in them are not counted
        if not await self.exists(path):
            raise NotFoundError(f"{what}: there is no such object or directory", what)
        # what is in a container goes; the container itself goes with rmdir
        await _delete(where, True)

    async def cp_file(self, source: str, target: str, options: Mapping[str, Any]) -> None:
        try:
            await _copy(self.object_at(source), self.object_at(target), **options)
        except (NotFoundError, IsDirectoryError) as error:
            if type(error) not in (NotFoundError, IsDirectoryError) or not await self.is_directory(source):
                raise
            await self.makedirs(target, exist_ok=True)

    async def mv_file(self, source: str, target: str) -> None:
        await _move(self.object_at(source), self.object_at(target))

    async def get_file(self, path: str, local: str, progress: Callable[[int, int], None] | None, overwrite: bool = True) -> None:
        try:
            result = await _get_file(self.object_at(path), local, overwrite=overwrite, progress=progress)
            if progress is not None and result.size is not None:
                # a copy that moved no bytes told nothing
                progress(result.size, result.size)
        except (NotFoundError, IsDirectoryError) as error:
            if type(error) not in (NotFoundError, IsDirectoryError) or not await self.is_directory(path):
                raise
            os.makedirs(local, exist_ok=True)

    async def put_file(
        self, local: str, path: str, overwrite: bool, progress: Callable[[int, int], None] | None, options: Mapping[str, Any]
    ) -> None:
        if os.path.isdir(local):
            await self.makedirs(path, exist_ok=True)
        else:
            result = await _put_file(local, self.object_at(path), overwrite=overwrite, progress=progress, **options)
            if progress is not None and result.size is not None:
                progress(result.size, result.size)

    async def sign(self, path: str, expires_in: int, method: str) -> str:
        where = self.object_at(path)
        return str(await _presign(where, method, expires_in))

    # what is below

    async def ls(self, path: str) -> list[Entry]:
        if self.is_root(path) and not self.has_directories:
            return await self._containers(path)
        where = self.at(path)
        prefix = f"{where.key}/" if where.key else ""
        found: list[Entry] = []
        async for page in _list.list_pages(Location(where.root, prefix, where.base), False, None, None):
            for item in page["objects"]:
                # one that is named as the directory itself stands for it
                if item["key"] != prefix:
                    found.append(described(self._path(where, item["key"]), item))
            for name in page["prefixes"]:
                # a part without a name cannot be told from its parent by a path
                if not name.endswith("//"):
                    found.append(_directory(self._path(where, name.rstrip("/"))))
        if not found:
            entry = await self.info(path)
            return [entry] if entry["type"] == "file" else []
        found.sort(key=lambda entry: str(entry["name"]))
        return found

    async def find(self, path: str, withdirs: bool) -> dict[str, Entry]:
        """All that is at and below a path, from one listing."""
        where = self.at(path)
        found: dict[str, Entry] = {}
        folders: set[str] = set()
        for item in await self._below(where, where.key):
            key = item["key"]
            if key.endswith("/"):
                folders.add(key.rstrip("/"))
                key = key.rstrip("/")
            else:
                name = self._path(where, key)
                found[name] = described(name, item)
            parent = key.rpartition("/")[0]
            while parent and len(parent) >= len(where.key) and parent not in folders:
                folders.add(parent)
                parent = parent.rpartition("/")[0]
        if withdirs:
            if folders or found:
                folders.add(where.key)
            for folder in folders:
                name = self._path(where, folder)
                found.setdefault(name, _directory(name))
        return dict(sorted(found.items()))

    async def _below(self, where: Location, key: str) -> list[dict[str, Any]]:
        return [
            item async for page in _list.list_pages(Location(where.root, key, where.base), True, None, None) for item in page["objects"]
        ]

    async def _containers(self, path: str) -> list[Entry]:
        account = self._within.rstrip("/") or path
        names = await _list_containers(f"{self.scheme}://{account}", storage_options=self._options)
        start = f"{path}/" if path else ""
        return [_directory(f"{start}{name}") for name in sorted(names)]

    # directories and containers

    async def mkdir(self, path: str, create_parents: bool) -> None:
        where = self.at(path)
        if not where.key and not self.has_directories:
            if await self.exists(path):
                raise AlreadyExistsError(f"{where.base}: the container is there already", where.base)
            await self._make_container(where)
        elif self.has_directories:
            what = where.address(where.key)
            if await self.exists(path):
                raise AlreadyExistsError(f"{what}: it is there already", what)
            if not create_parents and not await self.exists(path.rpartition("/")[0] or "/"):
                raise NotFoundError(f"{what}: its parent is not there; create_parents=True makes it", what)
            await _mkdir(where)

    async def makedirs(self, path: str, exist_ok: bool) -> None:
        where = self.at(path)
        what = where.address(where.key)
        if not where.key and not self.has_directories:
            if not exist_ok and await self.exists(path):
                raise AlreadyExistsError(f"{what}: the container is there already", what)
            await self._make_container(where)
        elif self.has_directories:
            if not exist_ok and await self.exists(path):
                raise AlreadyExistsError(f"{what}: it is there already; exist_ok=True takes it as it is", what)
            await _mkdir(where)

    async def _make_container(self, where: Location) -> None:
        if self.scheme != "memory":
            await _create_bucket(where.base.rstrip("/"), storage_options=self._options)

    async def rmdir(self, path: str) -> None:
        where = self.at(path)
        if self.has_directories:
            os.rmdir(path)
        elif not where.key and self.scheme != "memory":
            await _delete_bucket(where.base.rstrip("/"), storage_options=self._options)

    async def _is_prefix(self, where: Location) -> bool:
        """Whether there is anything at and below a key; of a container that is there, and can be asked, also when it is empty."""
        if where.key or self.has_directories or self.scheme == "memory":
            key = f"{where.key}/" if where.key and not self.has_directories else where.key
            return bool(await _run("object_exists", Location(where.root, key, where.base)))
        try:
            async for _ in _list.list_pages(where, False, None, None):
                break
        except NotFoundError:
            return False
        return True

    def object_at(self, path: str) -> Location:
        where = self.at(path)
        if not where.key:
            raise IsDirectoryError(f"{where.base}: a container, an object was expected", where.base)
        return where

    def is_root(self, path: str) -> bool:
        container, key = self.split(path)
        if self.has_directories:
            return not key
        return container.count("/") + 1 < self._parts or not container

    def _path(self, where: Location, key: str) -> str:
        if self.has_directories:
            return f"/{key}"
        container = where.base[len(self.scheme) + 3 + len(self._within) : -1]
        return f"{container}/{key}" if key else container


async def settled(work: Any) -> Any:
    """What a coroutine gives, or the exception that it raises."""
    try:
        return await work
    except Exception as error:
        return error


async def all_of(works: Sequence[Any]) -> list[Any]:
    """The results of coroutines that are awaited together, exceptions among them."""
    return await together([settled(work) for work in works], IN_FLIGHT)


def described(name: str, found: Mapping[str, Any]) -> Entry:
    """fsspec's description of an object."""
    entry: Entry = {"name": name, "size": found["size"], "type": "file"}
    if "last_modified_ns" in found:
        entry["LastModified"] = datetime.fromisoformat(to_time(found["last_modified_ns"]))
        entry["mtime"] = found["last_modified_ns"] / 1e9
    for ours, theirs in (
        ("etag", "ETag"),
        ("checksum", "checksum"),
        ("content_type", "ContentType"),
        ("storage_class", "StorageClass"),
    ):
        if found.get(ours) is not None:
            entry[theirs] = found[ours]
    return entry


def _directory(name: str) -> Entry:
    return {"name": name, "size": 0, "type": "directory"}


async def _run(function: str, where: Location, *options: Any) -> Any:
    key = _native.key(where.key)
    return await _native.run(function, where.root.number(), key, len(key), *options)
