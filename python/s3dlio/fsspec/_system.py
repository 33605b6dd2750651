"""The file system itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from fsspec.asyn import AsyncFileSystem, get_loop
from fsspec.callbacks import DEFAULT_CALLBACK, NoOpCallback
from fsspec.spec import AbstractFileSystem
from fsspec.utils import isfilelike

from .._core import _calls
from .._open_async import open_async
from .._reader import READ_AHEAD
from ..exceptions import AlreadyExistsError, InvalidArgumentError
from ._files import ReadFile, WriteFile, appended
from ._operations import Entry, Operations, all_of
from ._settings import of_others

#: What ``open`` of a file system takes for files to be written.
_WRITING = ("content_type", "metadata", "durable", "if_match")
#: How other file systems cache files; here the reader decides what it reads ahead.
_WITHOUT_EFFECT = ("cache_type", "fill_cache", "size", "max_blocks", "version_id", "requester_pays", "acl")


class S3dlioFileSystem(AsyncFileSystem):  # type: ignore[misc]
    """A store as fsspec's users see it; what the classes for single protocols share.

    Blocking calls wait for s3dlio's operations by themselves, in whatever thread they are called, also beside a running event loop: no
    thread runs a loop for them. Coroutines belong to no loop. An instance can be used after a fork and be pickled. Nothing that was listed
    is kept, so nothing is ever stale. Bytes that are read are compared with what was recorded when they were written, and the exceptions
    are those of :mod:`s3dlio.errors`, which are FileNotFoundError, FileExistsError, PermissionError and so on, too.

    Args:
        verify: As ``s3dlio.get`` has it, for every read: ``"auto"``, True, ``"require"`` or False.
        timeout: Seconds for each operation; None: no limit.
        default_block_size: Bytes that small reads of open files read ahead.
        asynchronous: Whether coroutines are to be used; blocking methods work nonetheless.
        loop: For functions of fsspec that run coroutines of a file system in a loop. None: fsspec's own, when one is needed.
        batch_size: Coroutines that a coroutine over many objects runs at a time.
        options: Settings of the store, as ``storage_options`` elsewhere in this package.

    Raises:
        InvalidArgumentError: A setting that the store does not know.
    """

    scheme: ClassVar[str] = ""
    parts: ClassVar[int] = 1
    protocol: ClassVar[str | tuple[str, ...]] = "s3dlio"
    mirror_sync_methods = False

    def __init__(
        self,
        *,
        verify: Any = "auto",
        timeout: float | None = None,
        default_block_size: int | None = None,
        asynchronous: bool = False,
        loop: Any = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> None:
        if not self.scheme:
            raise InvalidArgumentError(
                "S3dlioFileSystem has no store of its own; fsspec.filesystem('s3dlio+s3') or another of its protocols gives one"
            )
        # not AsyncFileSystem's, which starts a thread with a loop
        AbstractFileSystem.__init__(self)
        self.asynchronous = asynchronous
        self.batch_size = batch_size
        self._given_loop = loop
        self._pid = os.getpid()
        self._timeout = timeout
        self._block_size = READ_AHEAD if default_block_size is None else default_block_size
        self._operations = Operations(self.scheme, self.parts, "", {}, verify)
        self._operations = self._made(options, verify)
        self._operations.check()

    def _made(self, options: Mapping[str, Any], verify: Any) -> Operations:
        return Operations(self.scheme, self.parts, "", of_others(options), verify)

    @property
    def loop(self) -> Any:
        """A loop in a thread, for functions of fsspec that want one; none is started before."""
        return get_loop() if self._given_loop is None else self._given_loop

    @property
    def fsid(self) -> str:
        """Equal for file systems with the same settings."""
        return f"{self.scheme}_{self._fs_token}"

    # how operations are waited for

    def _now(self, name: str, path: Any, work: Any) -> Any:
        return _calls.block(work, self._call(name, path))

    async def _soon(self, name: str, path: Any, work: Any) -> Any:
        return await _calls.pump(work, self._call(name, path))

    def _call(self, name: str, path: Any) -> _calls.Call:
        about = self.unstrip_protocol(path) if isinstance(path, str) else ""
        return _calls.Call(name, (about,), {"timeout": self._timeout})

    def _path(self, path: Any) -> str:
        return str(self._strip_protocol(path))

    # one object

    def info(self, path: Any, **kwargs: Any) -> Entry:
        """Name, size, type and what else is known: ETag, LastModified, checksum."""
        path = self._path(path)
        found: Entry = self._now("info", path, self._operations.info(path))
        return found

    async def _info(self, path: Any, **kwargs: Any) -> Entry:
        path = self._path(path)
        found: Entry = await self._soon("info", path, self._operations.info(path))
        return found

    def exists(self, path: Any, **kwargs: Any) -> bool:
        """Whether there is an object or a directory. What cannot be known, for want of permission or a connection, is raised."""
        path = self._path(path)
        return bool(self._now("exists", path, self._operations.exists(path)))

    async def _exists(self, path: Any, **kwargs: Any) -> bool:
        path = self._path(path)
        return bool(await self._soon("exists", path, self._operations.exists(path)))

    def isfile(self, path: Any) -> bool:
        """Whether there is an object; errors other than its absence are raised."""
        try:
            return bool(self.info(path)["type"] == "file")
        except (FileNotFoundError, NotADirectoryError):
            return False

    def isdir(self, path: Any) -> bool:
        """Whether there is a directory, a container, or a prefix with something below it."""
        path = self._path(path)
        return bool(self._now("isdir", path, self._operations.is_directory(path)))

    async def _isfile(self, path: Any) -> bool:
        try:
            return bool((await self._info(path))["type"] == "file")
        except (FileNotFoundError, NotADirectoryError):
            return False

    async def _isdir(self, path: Any) -> bool:
        path = self._path(path)
        return bool(await self._soon("isdir", path, self._operations.is_directory(path)))

    def cat_file(self, path: Any, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """The bytes of an object, or a slice of them; negative places count from the end."""
        path = self._path(path)
        found: bytes = self._now("cat_file", path, self._operations.cat_file(path, start, end))
        return found

    async def _cat_file(self, path: Any, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        path = self._path(path)
        found: bytes = await self._soon("cat_file", path, self._operations.cat_file(path, start, end))
        return found

    def pipe_file(self, path: Any, value: Any, mode: str = "overwrite", **kwargs: Any) -> None:
        """Writes an object, atomically; mode "create" fails where there is one."""
        path, overwrite = self._path(path), _overwrites(mode)
        if self._intrans:
            with self.open(path, "wb" if overwrite else "xb", **kwargs) as file:
                file.write(value)
        else:
            self._now("pipe_file", path, self._operations.pipe_file(path, value, overwrite, kwargs))

    async def _pipe_file(self, path: Any, value: Any, mode: str = "overwrite", **kwargs: Any) -> None:
        path = self._path(path)
        await self._soon("pipe_file", path, self._operations.pipe_file(path, value, _overwrites(mode), kwargs))

    def touch(self, path: Any, truncate: bool = True, **kwargs: Any) -> None:
        """Makes an empty object, also in the place of one that is there unless ``truncate`` is False.

        Raises:
            NotImplementedError: ``truncate=False`` and the object is there: stores set no times.
        """
        try:
            self.pipe_file(path, b"", "overwrite" if truncate else "create", **kwargs)
        except AlreadyExistsError as error:
            raise NotImplementedError(f"{path}: it is there, and its time cannot be set") from error

    def rm_file(self, path: Any) -> None:
        """Deletes an object."""
        path = self._path(path)
        self._now("rm_file", path, self._operations.rm_file(path))

    async def _rm_file(self, path: Any, **kwargs: Any) -> None:
        path = self._path(path)
        await self._soon("rm_file", path, self._operations.rm_file(path))

    def cp_file(self, path1: Any, path2: Any, **kwargs: Any) -> None:
        """Copies an object within the store; of a directory only itself."""
        path1, path2 = self._path(path1), self._path(path2)
        self._now("cp_file", path1, self._operations.cp_file(path1, path2, kwargs))

    async def _cp_file(self, path1: Any, path2: Any, **kwargs: Any) -> None:
        path1, path2 = self._path(path1), self._path(path2)
        await self._soon("cp_file", path1, self._operations.cp_file(path1, path2, kwargs))

    def mv_file(self, path1: Any, path2: Any, **kwargs: Any) -> None:
        """Moves an object."""
        path1, path2 = self._path(path1), self._path(path2)
        self._now("mv_file", path1, self._operations.mv_file(path1, path2))

    async def _mv_file(self, path1: Any, path2: Any, **kwargs: Any) -> None:
        path1, path2 = self._path(path1), self._path(path2)
        await self._soon("mv_file", path1, self._operations.mv_file(path1, path2))

    def get_file(
        self, rpath: Any, lpath: Any, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, mode: str = "overwrite", **kwargs: Any
    ) -> None:
        """Copies an object to a local file, atomically, or into a file that is open."""
        path = self._path(rpath)
        target = lpath if isfilelike(lpath) else outfile
        if target is not None:
            with self.open(path, "rb") as source:
                shutil.copyfileobj(source, target, READ_AHEAD)
            return
        local = os.fspath(lpath)
        self._now("get_file", path, self._operations.get_file(path, local, _progress(callback), _overwrites(mode)))

    async def _get_file(self, rpath: Any, lpath: Any, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **kwargs: Any) -> None:
        path, local = self._path(rpath), os.fspath(lpath)
        await self._soon("get_file", path, self._operations.get_file(path, local, _progress(callback), _overwrites(mode)))

    def put_file(self, lpath: Any, rpath: Any, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **kwargs: Any) -> None:
        """Copies a local file to an object."""
        path, local = self._path(rpath), os.fspath(lpath)
        if self._intrans and not os.path.isdir(local):
            with open(local, "rb") as source, self.open(path, "wb" if _overwrites(mode) else "xb", **kwargs) as target:
                shutil.copyfileobj(source, target, READ_AHEAD)
        else:
            self._now("put_file", path, self._operations.put_file(local, path, _overwrites(mode), _progress(callback), kwargs))

    async def _put_file(self, lpath: Any, rpath: Any, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **kwargs: Any) -> None:
        path, local = self._path(rpath), os.fspath(lpath)
        await self._soon("put_file", path, self._operations.put_file(local, path, _overwrites(mode), _progress(callback), kwargs))

    def created(self, path: Any) -> Any:
        """When the object was written, UTC: objects are never changed, they are replaced."""
        return self.modified(path)

    def modified(self, path: Any) -> Any:
        """When the object was written, UTC."""
        found = self.info(path)
        if "LastModified" not in found:
            raise IsADirectoryError(f"{path}: a directory, which has no time")
        return found["LastModified"]

    def sign(self, path: Any, expiration: int = 100, **kwargs: Any) -> str:
        """An https address that lets whoever has it read the object for ``expiration`` seconds."""
        path = self._path(path)
        return str(self._now("sign", path, self._operations.sign(path, expiration, kwargs.get("method", "GET"))))

    # what is below

    def ls(self, path: Any, detail: bool = True, **kwargs: Any) -> list[Any]:
        """What is right below a directory, or the object itself."""
        path = self._path(path)
        found: list[Entry] = self._now("ls", path, self._operations.ls(path))
        return found if detail else [entry["name"] for entry in found]

    async def _ls(self, path: Any, detail: bool = True, **kwargs: Any) -> list[Any]:
        path = self._path(path)
        found: list[Entry] = await self._soon("ls", path, self._operations.ls(path))
        return found if detail else [entry["name"] for entry in found]

    def find(self, path: Any, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **kwargs: Any) -> Any:
        """All objects at and below a path, from one listing unless ``maxdepth`` is given."""
        path = self._path(path)
        if maxdepth is not None or self._walks(path, withdirs):
            return AbstractFileSystem.find(self, path, maxdepth=maxdepth, withdirs=withdirs, detail=detail)
        found = self._now("find", path, self._operations.find(path, withdirs))
        return found if detail else list(found)

    async def _find(self, path: Any, maxdepth: int | None = None, withdirs: bool = False, **kwargs: Any) -> Any:
        path = self._path(path)
        detail = kwargs.pop("detail", False)
        if maxdepth is not None or self._walks(path, withdirs):
            return await super()._find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail)
        found = await self._soon("find", path, self._operations.find(path, withdirs))
        return found if detail else list(found)

    def _walks(self, path: str, withdirs: bool) -> bool:
        """Whether a listing does not tell all: of directories that are empty, and of several containers."""
        operations = self._operations
        return (operations.has_directories and withdirs) or (operations.is_root(path) and not operations.has_directories)

    # directories and containers

    def mkdir(self, path: Any, create_parents: bool = True, **kwargs: Any) -> None:
        """Makes a container, or a directory where the store has them; elsewhere there is nothing to make."""
        path = self._path(path)
        self._now("mkdir", path, self._operations.mkdir(path, create_parents))

    async def _mkdir(self, path: Any, create_parents: bool = True, **kwargs: Any) -> None:
        path = self._path(path)
        await self._soon("mkdir", path, self._operations.mkdir(path, create_parents))

    def makedirs(self, path: Any, exist_ok: bool = False) -> None:
        """Makes a directory and its parents where the store has them."""
        path = self._path(path)
        self._now("makedirs", path, self._operations.makedirs(path, exist_ok))

    async def _makedirs(self, path: Any, exist_ok: bool = False) -> None:
        path = self._path(path)
        await self._soon("makedirs", path, self._operations.makedirs(path, exist_ok))

    def rmdir(self, path: Any) -> None:
        """Removes an empty container or directory."""
        path = self._path(path)
        self._now("rmdir", path, self._operations.rmdir(path))

    async def _rmdir(self, path: Any) -> None:
        path = self._path(path)
        await self._soon("rmdir", path, self._operations.rmdir(path))

    # many objects

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **kwargs: Any) -> Any:
        """The bytes of objects by their paths, several read at a time; of one that is named alone its bytes."""
        paths = self.expand_path(path)
        one = not recursive and len(paths) == 1 and not isinstance(path, list) and paths[0] == self._path(path)
        if one and on_error == "raise":
            return self.cat_file(paths[0], **kwargs)
        if recursive:
            # directories have no bytes
            paths = sorted({name for above in paths for name in self.find(above)})
        start, end = kwargs.get("start"), kwargs.get("end")
        works = [self._operations.cat_file(name, start, end) for name in paths]
        return _by_path(paths, self._together("cat", works, on_error), one, on_error)

    async def _cat(self, path: Any, recursive: bool = False, on_error: str = "raise", batch_size: int | None = None, **kwargs: Any) -> Any:
        paths = await self._expand_path(path)
        one = not recursive and len(paths) == 1 and not isinstance(path, list) and paths[0] == self._path(path)
        if recursive:
            paths = sorted({name for above in paths for name in await self._find(above)})
        start, end = kwargs.get("start"), kwargs.get("end")
        found = await self._soon("cat", None, all_of([self._operations.cat_file(name, start, end) for name in paths]))
        if on_error == "raise":
            _raise_first(found)
        return _by_path(paths, found, one, on_error)

    def cat_ranges(
        self, paths: Any, starts: Any, ends: Any, max_gap: int | None = None, on_error: str = "return", **kwargs: Any
    ) -> list[Any]:
        """Slices of objects, several read at a time, in the order of ``paths``."""
        if max_gap is not None:
            raise NotImplementedError("max_gap: ranges are read as they are asked for")
        if not isinstance(paths, list):
            raise TypeError(f"paths is a list, found {type(paths).__name__}")
        starts = list(starts) if isinstance(starts, Iterable) else [starts] * len(paths)
        ends = list(ends) if isinstance(ends, Iterable) else [ends] * len(paths)
        if not len(paths) == len(starts) == len(ends):
            raise ValueError(f"{len(paths)} paths, {len(starts)} starts and {len(ends)} ends")
        works = [self._operations.cat_file(self._path(path), start, end) for path, start, end in zip(paths, starts, ends, strict=True)]
        return self._together("cat_ranges", works, on_error)

    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> None:
        """Writes objects, several at a time, each atomically."""
        if not isinstance(path, Mapping):
            self.pipe_file(path, value, **kwargs)
        elif self._intrans:
            for name, data in path.items():
                self.pipe_file(name, data, **kwargs)
        else:
            overwrite = _overwrites(kwargs.pop("mode", "overwrite"))
            works = [self._operations.pipe_file(self._path(name), data, overwrite, kwargs) for name, data in path.items()]
            self._together("pipe", works, "raise")

    def copy(
        self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, on_error: str | None = None, **kwargs: Any
    ) -> None:
        """Copies within the store, several objects at a time."""
        pairs = _Pairs(self)
        AbstractFileSystem.copy(pairs, path1, path2, recursive=recursive, maxdepth=maxdepth)
        works = [self._operations.cp_file(self._path(source), self._path(target), kwargs) for source, target in pairs.found]
        missing = "ignore" if on_error == "ignore" or (on_error is None and recursive) else "raise"
        for error in self._together("copy", works, "return"):
            if isinstance(error, Exception) and not (missing == "ignore" and isinstance(error, FileNotFoundError)):
                raise error

    def get(
        self, rpath: Any, lpath: Any, recursive: bool = False, callback: Any = DEFAULT_CALLBACK, maxdepth: int | None = None, **kwargs: Any
    ) -> None:
        """Copies objects to local files, several at a time."""
        pairs = _Pairs(self)
        AbstractFileSystem.get(pairs, rpath, lpath, recursive=recursive, maxdepth=maxdepth)
        if any(isfilelike(target) for _, target in pairs.found):
            for source, target in pairs.found:
                self.get_file(source, target, callback=callback, **kwargs)
            return
        overwrite = _overwrites(kwargs.pop("mode", "overwrite"))

        def work(source: Any, target: Any, told: Any) -> Any:
            return self._operations.get_file(self._path(source), os.fspath(target), told, overwrite)

        self._transfer("get", pairs, callback, work)

    def put(
        self, lpath: Any, rpath: Any, recursive: bool = False, callback: Any = DEFAULT_CALLBACK, maxdepth: int | None = None, **kwargs: Any
    ) -> None:
        """Copies local files to objects, several at a time."""
        pairs = _Pairs(self)
        AbstractFileSystem.put(pairs, lpath, rpath, recursive=recursive, maxdepth=maxdepth)
        if self._intrans:
            for source, target in pairs.found:
                self.put_file(source, target, **kwargs)
            return
        overwrite = _overwrites(kwargs.pop("mode", "overwrite"))

        def work(source: Any, target: Any, told: Any) -> Any:
            return self._operations.put_file(os.fspath(source), self._path(target), overwrite, told, kwargs)

        self._transfer("put", pairs, callback, work)

    def _transfer(self, name: str, pairs: _Pairs, callback: Any, work: Callable[[Any, Any, Any], Any]) -> None:
        callback.set_size(len(pairs.found))

        async def told(source: Any, target: Any) -> None:
            with callback.branched(source, target) as child:
                await work(source, target, _progress(child))
            callback.relative_update(1)

        self._together(name, [told(source, target) for source, target in pairs.found], "raise")

    def _together(self, name: str, works: list[Any], on_error: str) -> list[Any]:
        found: list[Any] = self._now(name, None, all_of(works))
        if on_error == "raise":
            _raise_first(found)
        return found

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Deletes objects; with ``recursive`` directories and all that is in them. A container is emptied, and stays."""
        works = []
        for name in self.expand_path(path, maxdepth=maxdepth):
            if not recursive:
                works.append(self._operations.rm_file(name))
            elif maxdepth is None:
                works.append(self._operations.rm_tree(name))
            else:
                works += [self._operations.rm_file(below) for below in self.find(name, maxdepth=maxdepth)]
        self._together("rm", works, "raise")

    async def _rm(
        self, path: Any, recursive: bool = False, batch_size: int | None = None, maxdepth: int | None = None, **kwargs: Any
    ) -> None:
        works = []
        for name in await self._expand_path(path, maxdepth=maxdepth):
            if not recursive:
                works.append(self._operations.rm_file(name))
            elif maxdepth is None:
                works.append(self._operations.rm_tree(name))
            else:
                works += [self._operations.rm_file(below) for below in await self._find(name, maxdepth=maxdepth)]
        _raise_first(await self._soon("rm", None, all_of(works)))

    def mv(self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any) -> None:
        """Moves objects: one is renamed where the store can; of several all are copied, and then those deleted that were, and no others."""
        pairs = _Pairs(self)
        if path1 == path2:
            return
        AbstractFileSystem.copy(pairs, path1, path2, recursive=recursive, maxdepth=maxdepth)
        moved = [(self._path(source), self._path(target)) for source, target in pairs.found]
        if not recursive:
            self._together("mv", [self._operations.mv_file(source, target) for source, target in moved], "raise")
            return
        self._together("mv", [self._operations.cp_file(source, target, {}) for source, target in moved], "raise")
        folders = (
            {source for source, _ in moved if self.isdir(source)}
            if self._operations.has_directories
            else _above(source for source, _ in moved)
        )
        files = [source for source, _ in moved if source not in folders or not self._operations.has_directories]
        self._together("mv", [self._operations.rm_copied(source, source in folders) for source in files], "raise")
        for folder in sorted(folders if self._operations.has_directories else (), key=len, reverse=True):
            # what came meanwhile stays
            with suppress(OSError):
                self.rmdir(folder)

    # files

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, autocommit: bool = True, cache_options: Any = None, **kwargs: Any
    ) -> ReadFile | WriteFile:
        where = self._operations.object_at(path)
        given = {name: value for name, value in kwargs.items() if name not in _WITHOUT_EFFECT}
        wrong = sorted(given.keys() - {*_WRITING, "overwrite"})
        if wrong or (mode == "rb" and given):
            raise InvalidArgumentError(f"{path}: open in mode {mode!r} does not take {', '.join(wrong or sorted(given))}", path)
        if mode == "rb":
            size = block_size if isinstance(block_size, int) else self._block_size
            return ReadFile(self, path, where, block_size=size, timeout=self._timeout)
        given["timeout"] = self._timeout
        if mode in ("wb", "xb"):
            if mode == "xb":
                if self._now("exists", path, self._operations.exists(path)):
                    raise AlreadyExistsError(
                        f"{where.address(where.key)}: there is something of that name, mode is 'xb'", where.address(where.key)
                    )
                given["overwrite"] = False
            return WriteFile(self, path, where, autocommit=autocommit, options=given)
        if mode == "ab":
            return appended(self, path, where, autocommit=autocommit, timeout=self._timeout, options=given)
        raise InvalidArgumentError(f"{path}: objects are read ('rb'), written ('wb', 'xb') or appended to ('ab'), mode is {mode!r}", path)

    async def open_async(self, path: Any, mode: str = "rb", **kwargs: Any) -> Any:
        """The object as a file whose methods are coroutines; see ``s3dlio.open_async``."""
        opened = open_async(self._operations.object_at(self._path(path)), mode, timeout=self._timeout, **kwargs)
        return await opened.__aenter__()


class _Pairs:
    """Stands in for a file system in fsspec's loops over pairs of paths.

    It keeps the pairs in place of copying them one after the other.
    """

    def __init__(self, fs: S3dlioFileSystem) -> None:
        self._fs = fs
        self.found: list[tuple[Any, Any]] = []

    def cp_file(self, source: Any, target: Any, **kwargs: Any) -> None:
        self.found.append((source, target))

    get_file = put_file = cp_file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fs, name)


def _above(paths: Iterable[str]) -> set[str]:
    """The directories of paths."""
    return {path.rpartition("/")[0] for path in paths}


def _raise_first(found: Iterable[Any]) -> None:
    for one in found:
        if isinstance(one, Exception):
            raise one


def _by_path(paths: list[str], found: list[Any], one: bool, on_error: str) -> Any:
    """What ``cat`` gives: a dictionary, or what a path that was named alone has."""
    if one and not (on_error == "omit" and isinstance(found[0], Exception)):
        return found[0]
    return {name: value for name, value in zip(paths, found, strict=True) if on_error != "omit" or not isinstance(value, Exception)}


def _overwrites(mode: str) -> bool:
    if mode not in ("overwrite", "create"):
        raise InvalidArgumentError(f"mode is 'overwrite' or 'create', found {mode!r}")
    return mode == "overwrite"


def _progress(callback: Any) -> Callable[[int, int], None] | None:
    """How a transfer tells a callback of fsspec."""
    if callback is None or isinstance(callback, NoOpCallback):
        return None

    def tell(done: int, total: int) -> None:
        if total >= 0 and callback.size != total:
            callback.set_size(total)
        callback.absolute_update(done)

    return tell
