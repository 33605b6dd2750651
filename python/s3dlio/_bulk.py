"""Many objects in one call: some at a time, in order, with the failures of some never costing the rest."""

from __future__ import annotations

import builtins
import glob
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from ._containers import create_container_of
from ._core import _native
from ._core._address import Address, Location, require_slashes, resolve, resolve_all
from ._core._calls import blocking
from ._core._failures import errors_by_place
from ._core._options import StorageOptions
from ._core._progress import Progress, watching
from ._core._results import ObjectMeta, WriteResult, to_stat, written
from ._core._view import BytesView, view_of
from ._list import list_pages
from ._objects import Verify, buffer_of, decompress_option, put_options
from .exceptions import BulkError, InvalidArgumentError, NotFoundError


@blocking
async def get_many(
    uris: Iterable[Address],
    max_in_flight: int = 64,
    *,
    verify: Verify = "auto",
    decompress: bool | Literal["auto"] = False,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[tuple[Any, BytesView]]:
    """Reads many objects, several at a time.

    Args:
        uris: Which, of any stores.
        max_in_flight: How many at once, 1 to 4096; with that the memory of what is under way is bounded.
        verify: As for :func:`get`, for each of them.
        decompress: As for :func:`get`, for each of them.
        on_error: ``"raise"`` raises one ``BulkError`` at the end, which holds the failures and everything that was read;
            ``"return"`` puts each failure's exception in the place of its bytes.
        progress: Called with objects done and objects in all, or True for tqdm's bar.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the stores.

    Returns:
        ``(uri, bytes)`` in the order of ``uris``.

    Raises:
        BulkError: Some could not be read; ``errors`` maps their indexes to exceptions, ``failures`` their URIs, and ``results``
            holds the rest.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_many([("memory://many/a", b"1"), ("memory://many/b", b"2")])
        >>> [bytes(view) for _, view in s3dlio.get_many(["memory://many/b", "memory://many/a"])]
        [b'2', b'1']
    """
    _check_on_error(on_error)
    asked = _several(uris, "get_many", "get")
    places = resolve_all(asked, storage_options)
    chosen = decompress_option(decompress, "get_many")
    if verify == "require":
        raise InvalidArgumentError("get_many compares where a checksum is recorded; verify='require' is for get, object by object")
    settings = _native.options({"max_in_flight": max_in_flight, "validate": False if verify is False else None, "decompress": chosen})
    with watching(progress, "get", "objects") as callback:
        report, memories = await _native.run(
            "objects_get", _references(places), len(places), settings, items=len(places), progress=callback
        )
    results: builtins.list[Any] = [None if memory is None else view_of(memory) for memory in memories]
    return _finish("read", asked, results, report, on_error)


@blocking
async def put_many(
    items: Iterable[tuple[Address, Any]],
    max_in_flight: int = 64,
    *,
    overwrite: bool = True,
    durable: bool | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[tuple[Any, WriteResult]]:
    """Writes many objects, several at a time, each atomically.

    Args:
        items: ``(uri, data)`` pairs.
        max_in_flight: How many at once, 1 to 4096.
        overwrite: False creates each object or fails for it.
        durable: As for ``put_bytes``.
        content_type: Of all of them; kept with each object.
        metadata: Likewise.
        attributes: Likewise; see ``put_bytes``.
        tags: Likewise.
        on_error: As for ``get_many``.
        progress: Called with objects done and objects in all, or True for tqdm's bar.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the stores.

    Returns:
        ``(uri, result)`` in the order of ``items``; the result is what :func:`put` gives, the checksum as text.

    Raises:
        BulkError: Some could not be written; the others were.

    Example:
        >>> import s3dlio
        >>> [(uri, result.checksum) for uri, result in s3dlio.put_many([("memory://many/c", b"123456789")])]
        [('memory://many/c', 'crc32c:e3069283')]
    """
    _check_on_error(on_error)
    given = _several(items, "put_many", "put")
    places = resolve_all((uri for uri, _ in given), storage_options)
    buffers = [buffer_of(data, where) for (_, data), where in zip(given, places, strict=True)]
    settings = put_options(
        overwrite,
        durable=durable,
        content_type=content_type,
        metadata=metadata,
        attributes=attributes,
        tags=tags,
        max_in_flight=max_in_flight,
    )
    with watching(progress, "put", "objects") as callback:
        report = await _native.run(
            "objects_put",
            _references(places),
            _native.segments([(address, length) for address, length, _ in buffers]),
            len(places),
            settings,
            keep=buffers,
            progress=callback,
        )
    results = [
        None if found is None else written(where.address(where.key), found, length)
        for found, where, (_, length, _) in zip(report["objects"], places, buffers, strict=True)
    ]
    return _finish("written", [uri for uri, _ in given], results, report, on_error)


@blocking
async def stat_many(
    uris: Iterable[Address],
    max_in_flight: int = 64,
    *,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[ObjectMeta]:
    """What the stores know of many objects.

    Args:
        uris: Which, of any stores.
        max_in_flight: How many at once, 1 to 4096.
        on_error: As for ``get_many``.
        progress: Called with objects done and objects in all, or True for tqdm's bar.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the stores.

    Returns:
        What :func:`stat` gives of each, in the order of ``uris``.

    Raises:
        BulkError: Some could not be looked at; its ``results`` are ``(uri, stat)``.

    Example:
        >>> import s3dlio
        >>> _ = s3dlio.put_bytes("memory://many/d", b"xyz")
        >>> [found["size"] for found in s3dlio.stat_many(["memory://many/d"])]
        [3]
    """
    _check_on_error(on_error)
    asked = _several(uris, "stat_many", "stat")
    places = resolve_all(asked, storage_options)
    with watching(progress, "stat", "objects") as callback:
        report = await _native.run(
            "objects_head", _references(places), len(places), _native.options({"max_in_flight": max_in_flight}), progress=callback
        )
    results = [None if found is None else to_stat(found) for found in report["objects"]]
    return [found for _, found in _finish("looked at", asked, results, report, on_error)]


@blocking
async def upload(
    src_patterns: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    dest_prefix: Address,
    max_in_flight: int = 32,
    create_bucket: bool = False,
    *,
    overwrite: bool = True,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[tuple[Any, WriteResult]]:
    """Copies local files into a store.

    Args:
        src_patterns: Files, directories (taken with all that is below, by their own name) and patterns with ``*``, ``?``,
            ``[…]`` and ``**``.
        dest_prefix: What the keys begin with; a ``/`` is put in between where there is none.
        max_in_flight: How many at once.
        create_bucket: Make the bucket or container first, if it is not there.
        overwrite: False creates each object or fails for it.
        content_type: Of all of them; files have none of their own to take over, but for those that this library wrote.
        metadata: Likewise.
        attributes: Likewise; see ``put_bytes``.
        tags: Likewise.
        on_error: As for ``get_many``.
        progress: Called with objects done and objects in all, or True for tqdm's bar.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the destination.

    Returns:
        ``(uri, checksum)`` of each object written, in the order of the patterns, sorted within each.

    Raises:
        NotFoundError: A pattern matches nothing.
        BulkError: Some files could not be copied; the others were.

    Example:
        >>> import pathlib, tempfile, s3dlio
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = pathlib.Path(folder, "a.bin").write_bytes(b"123456789")
        ...     [(uri, result.size) for uri, result in s3dlio.upload(folder + "/*.bin", "memory://uploaded/run1")]
        [('memory://uploaded/run1/a.bin', 9)]
    """
    _check_on_error(on_error)
    target = resolve(dest_prefix, storage_options)
    if create_bucket:
        await create_container_of(target)
    patterns = [src_patterns] if isinstance(src_patterns, (str, os.PathLike)) else builtins.list(src_patterns)
    for pattern in patterns:
        require_slashes(os.fspath(pattern))
    files = [found for pattern in patterns for found in _matches(os.fspath(pattern))]
    base = target.key.rstrip("/") + "/" if target.key.strip("/") else ""
    destinations = [Location(target.root, base + name, target.base) for _, name in files]
    doubled = _first_double([where.key for where in destinations])
    if doubled is not None:
        raise InvalidArgumentError(
            f"{target.address(doubled)}: two of the files would become this one object; upload them under different prefixes"
        )
    sources = [resolve(path) for path, _ in files]
    settings = put_options(
        overwrite,
        content_type=content_type,
        metadata=metadata,
        attributes=attributes,
        tags=tags,
        max_in_flight=max_in_flight,
    )
    return await _copy("upload", sources, destinations, settings, on_error, progress)


@blocking
async def download(
    src_uri: Address,
    dest_dir: str | os.PathLike[str],
    max_in_flight: int = 64,
    recursive: bool = True,
    *,
    overwrite: bool = True,
    on_error: Literal["raise", "return"] = "raise",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> builtins.list[tuple[Any, WriteResult]]:
    """Copies what is at and below an address into a local directory, each file atomically.

    Args:
        src_uri: An object or a prefix.
        dest_dir: The directory; made if it is not there. An object keeps the last part of its key, what is below a prefix
            keeps its path relative to it. Markers of folders become directories: objects of zero bytes whose key ends with
            ``/``, as consoles make them, or is a folder's name itself.
        max_in_flight: How many at once.
        recursive: Take all that is below; otherwise one level.
        overwrite: False leaves existing files and fails for them.
        on_error: As for ``get_many``.
        progress: Called with objects done and objects in all, or True for tqdm's bar.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the source.

    Returns:
        ``(path, checksum)`` of each file written, in the order of the keys.

    Raises:
        NotFoundError: There is nothing at that address.
        InvalidArgumentError: A key cannot be a path below the directory, such as one with ``..`` in it.
        BulkError: Some objects could not be copied; the others were.

    Example:
        >>> import tempfile, s3dlio
        >>> _ = s3dlio.put_bytes("memory://downloaded/run1/a.bin", b"123456789")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [result.checksum for _, result in s3dlio.download("memory://downloaded/run1", folder)]
        ['crc32c:e3069283']
    """
    _check_on_error(on_error)
    require_slashes(os.fspath(dest_dir))
    source = resolve(src_uri, storage_options)
    prefix = source.key.rstrip("/")
    found = [(item["key"], item["size"]) async for page in list_pages(source, recursive, None, None) for item in page["objects"]]
    if not found:
        raise NotFoundError(f"{source.address(source.key)}: there is nothing to download", source.address(source.key))
    markers = _markers(found)
    directory = os.path.abspath(os.fspath(dest_dir))

    def path_of(key: str) -> str:
        if key.rstrip("/") == prefix:
            # an object keeps its name; a marker of the prefix itself stands for the directory
            name = "" if key in markers else key.rsplit("/", 1)[-1]
        else:
            name = key[len(prefix) + 1 if prefix else 0 :].removesuffix("/" if key in markers else "")
        if (name or key not in markers) and any(part in ("", ".", "..") for part in name.split("/")):
            raise InvalidArgumentError(f"{source.address(key)}: {name!r} cannot be a path below {directory}; get it by itself")
        return os.path.join(directory, name) if name else directory

    paths = [(key, path_of(key)) for key, _ in found]
    for path in {path for key, path in paths if key in markers}:
        await create_container_of(resolve(path))
    sources = [Location(source.root, key, source.base) for key, _ in paths if key not in markers]
    destinations = [resolve(path) for key, path in paths if key not in markers]
    settings = put_options(overwrite, max_in_flight=max_in_flight)
    return await _copy("download", sources, destinations, settings, on_error, progress)


def _markers(found: builtins.list[tuple[str, int]]) -> set[str]:
    """The keys of objects that stand for folders: of zero bytes, and named as one, with a ``/`` at the end or with keys below."""
    folders: set[str] = set()
    for key, _ in found:
        folder = key.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return {key for key, size in found if size == 0 and (key.endswith("/") or key in folders)}


async def _copy(
    what: str,
    sources: builtins.list[Location],
    destinations: builtins.list[Location],
    settings: bytes | None,
    on_error: Literal["raise", "return"],
    progress: Progress,
) -> builtins.list[tuple[Any, WriteResult]]:
    with watching(progress, what, "objects") as callback:
        report = await _native.run(
            "objects_copy", _references(sources), _references(destinations), len(sources), settings, progress=callback
        )
    results = [
        None if found is None else written(where.address(where.key), found)
        for found, where in zip(report["objects"], destinations, strict=True)
    ]
    return _finish("copied", [where.address(where.key) for where in destinations], results, report, on_error)


def _matches(pattern: str) -> builtins.list[tuple[str, str]]:
    """The files of a pattern and the names they get."""
    found = sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) and not os.path.lexists(pattern) else [pattern]
    files: builtins.list[tuple[str, str]] = []
    for path in found:
        if os.path.isdir(path):
            top = os.path.basename(os.path.abspath(path))
            for folder, folders, names in os.walk(path):
                folders.sort()
                below = os.path.relpath(folder, path)
                parts = [top] if below == "." else [top, below]
                files += [(os.path.join(folder, name), "/".join([*parts, name])) for name in sorted(names)]
        elif os.path.lexists(path):
            files.append((path, os.path.basename(path)))
    # a file that both a directory and '**' name is taken once
    files = builtins.list({os.path.abspath(path): (path, name) for path, name in reversed(files)}.values())[::-1]
    if not files:
        raise NotFoundError(f"{pattern}: no file matches", pattern)
    return files


def _first_double(keys: builtins.list[str]) -> str | None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None


def _references(places: Sequence[Location]) -> Any:
    return _native.object_references([(where.root.number(), _native.key(where.key)) for where in places])


def keys_at(at: Callable[[str], Address], keys: Iterable[str]) -> builtins.list[Address]:
    """A store's keys as addresses."""
    return [at(key) for key in _several(keys, "a call over many keys", "get, put or stat")]


def items_at(at: Callable[[str], Address], items: Iterable[tuple[str, Any]]) -> builtins.list[tuple[Address, Any]]:
    """The same with what is written there."""
    return [(at(key), data) for key, data in _several(items, "put_many", "put")]


def _several(given: Iterable[Any], name: str, one: str) -> builtins.list[Any]:
    """The arguments of a call over many; text is not taken for its characters."""
    if isinstance(given, (str, bytes, os.PathLike, Location)) or not isinstance(given, Iterable):
        raise InvalidArgumentError(f"{name} takes a list of objects, found {type(given).__name__}: {given!r}; {one} is for one object")
    return builtins.list(given)


def _check_on_error(on_error: object) -> None:
    """Before anything is read or written."""
    if on_error not in ("raise", "return"):
        raise InvalidArgumentError(f"on_error is 'raise' or 'return', found {on_error!r}")


def _finish(
    verb: str,
    asked: Sequence[Any],
    results: builtins.list[Any],
    report: dict[str, Any],
    on_error: Literal["raise", "return"],
) -> builtins.list[tuple[Any, Any]]:
    """Pairs results with their addresses, and failures with theirs."""
    asked = [one.address(one.key) if isinstance(one, Location) else one for one in asked]
    failures = errors_by_place(report)
    if on_error == "return":
        for index, failure in failures.items():
            results[index] = failure
        return builtins.list(zip(asked, results, strict=True))
    if failures:
        done = [(uri, result) for index, (uri, result) in enumerate(zip(asked, results, strict=True)) if index not in failures]
        raise BulkError(verb, failures, {index: str(asked[index]) for index in failures}, done, len(asked))
    return builtins.list(zip(asked, results, strict=True))
