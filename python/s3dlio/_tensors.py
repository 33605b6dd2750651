"""Tensor dictionaries as safetensors objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, TypeAlias

import numpy as np

from . import _device, _mapped, _model_files
from ._core import _native, _progress
from ._core._address import Address, Location, resolve
from ._core._again import while_replaced
from ._core._calls import blocking, together, twin
from ._core._dtypes import (
    is_big_endian,
    is_torch_tensor,
    numpy_to_safetensors,
    safetensors_to_numpy,
    safetensors_to_torch,
    torch_to_safetensors,
)
from ._core._memory import address_of, empty_array, empty_tensor
from ._core._options import StorageOptions
from ._core._progress import Progress, watching
from ._core._results import WriteResult, written
from ._core._warnings import log
from ._objects import Verify, form_options, put_options, verify_options
from .exceptions import (
    AlreadyExistsError,
    ClosedError,
    InvalidArgumentError,
    InvalidDataError,
    IsDirectoryError,
    NotFoundError,
    PreconditionError,
    UnknownTensorError,
)

Framework: TypeAlias = Literal["np", "numpy", "pt", "torch"]

#: Bytes of a sub-byte type's elements that share one byte, by safetensors' name.
_PACKED = {"F4": 2}


@dataclass(frozen=True)
class Source:
    """Where a tensor's bytes lie."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    address: int
    nbytes: int
    owner: object


@blocking
async def save_tensors(
    uri: Address,
    tensors: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
    *,
    compress: bool | int | None = None,
    checksums: bool = True,
    max_shard_size: int | str | None = None,
    overwrite: bool = True,
    durable: bool | None = None,
    attributes: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> WriteResult:
    """Saves NumPy arrays and torch tensors as one safetensors object, atomically, or as a model of several with an index.

    Contiguous tensors are written straight from their memory; others, in Fortran order, strided, big-endian or on another
    device, are copied once and written as the C order that the format demands.

    With ``max_shard_size`` the tensors are split as the Hugging Face libraries do it: ``uri`` is a directory, or the name that the
    model would have in one file, and gets ``model-00001-of-00003.safetensors`` and so on and, last of all,
    ``model.safetensors.index.json``. What fits in one file is ``model.safetensors``. Tensors that are the same memory are stored once;
    the others' names go into the metadata. Files of an earlier save of the same name are removed, its index before anything is written,
    so that no reader sees tensors of two saves.

    Args:
        uri: Address of the object to write.
        tensors: Arrays and tensors by name: bool, integers of 8 to 64 bits, floats of 16 to 64 bits, bfloat16, float8,
            complex64.
        metadata: Pairs of text for the file's ``__metadata__``; names beginning with ``s3dlio.`` are taken.
        compress: As for :func:`save_numpy_array`; lazy slices of a compressed object decompress only the frames they touch.
        checksums: Keep each tensor's CRC32C, and the header's, in the file. False writes byte for byte what the
            safetensors package would.
        max_shard_size: Bytes of tensors in one file at most, or text: ``"5GB"`` is 5 * 10^9, ``"5GiB"`` 5 * 2^30; a larger tensor
            has a file alone. None: one object.
        overwrite: False creates the object or fails.
        durable: Have it on the device, name and all, before this returns. None: as the store was opened.
        attributes: What the store keeps with the object, as for ``put_bytes``.
        tags: As for ``put_bytes``.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        What was written, ``uri`` with ``.zst`` where it is compressed. As text it is the checksum of the safetensors bytes, header
        included, before any compression: ``crc32c:xxxxxxxx``.

    Raises:
        InvalidArgumentError: A value that is no tensor, a dtype the format lacks, or a name it cannot hold.
        AlreadyExistsError: ``overwrite=False`` and the object exists; or, compressed, the plain one does, as for
            :func:`save_numpy_array`.

    Example:
        >>> import numpy as np, s3dlio
        >>> _ = s3dlio.save_tensors("memory://doc/m.safetensors", {"w": np.ones((2, 2), np.float32)}, {"step": "10"})
        >>> s3dlio.load_tensors("memory://doc/m.safetensors")["w"].sum()
        4.0
    """
    where = resolve(uri, storage_options)
    if max_shard_size is not None:
        chosen = {"overwrite": overwrite, "durable": durable, "attributes": attributes, "tags": tags}
        return await _save_shards(where, tensors, metadata, compress, checksums, max_shard_size, progress, chosen)
    return await _save_one(where, tensors, metadata, compress, checksums, overwrite, durable, attributes, tags, progress)


async def _save_one(
    where: Location,
    tensors: Mapping[str, Any],
    metadata: Mapping[str, str] | None,
    compress: bool | int | None,
    checksums: bool,
    overwrite: bool,
    durable: bool | None,
    attributes: Mapping[str, str] | None,
    tags: Mapping[str, str] | None,
    progress: Progress,
) -> WriteResult:
    what = where.address(where.key)
    compression = form_options(compress, where)
    if not isinstance(tensors, Mapping):
        raise InvalidArgumentError(f"{what}: a dictionary of tensors by name is wanted, found {type(tensors).__name__}", what)
    sources = [tensor_source(name, value, what) for name, value in tensors.items()]
    description = {
        "tensors": [{"name": s.name, "dtype": s.dtype, "shape": s.shape} for s in sources],
        "metadata": None if metadata is None else _metadata(metadata, what),
        "checksums": bool(checksums),
    }
    key = _native.key(where.key)
    result = await _progress.run(
        progress,
        "save",
        "tensors_save",
        where.root.number(),
        key,
        len(key),
        encoded_header(description, what),
        _native.segments([(s.address, s.nbytes) for s in sources]),
        len(sources),
        put_options(overwrite, durable=durable, attributes=attributes, tags=tags, compression=compression),
        keep=sources,
    )
    return written(where.address(result["key"]), result)


async def _save_shards(
    where: Location,
    tensors: Mapping[str, Any],
    metadata: Mapping[str, str] | None,
    compress: bool | int | None,
    checksums: bool,
    max_shard_size: int | str,
    progress: Progress,
    options: Mapping[str, Any],
) -> WriteResult:
    what = where.address(where.key)
    most = _model_files.shard_size(max_shard_size)
    if compress:
        raise InvalidArgumentError(f"{what}: the files of a model with an index are not compressed, since other programs read them", what)
    if not isinstance(tensors, Mapping):
        raise InvalidArgumentError(f"{what}: a dictionary of tensors by name is wanted, found {type(tensors).__name__}", what)
    if not where.key:
        raise InvalidArgumentError(f"{what}: a directory below the container is wanted, or a model's name", what)
    place = _model_files.Place(where)
    sizes, twins = _without_twins(tensors, what)
    # what transformers asks for
    told = {"format": "pt", **(_metadata(metadata, what) if metadata is not None else {}), **twins}
    files = _model_files.split(sizes, most)
    total = sum(sizes.values())
    names = place.names(len(files)) if len(files) > 1 else [place.stem + _model_files.ENDING]
    index = place.stem + _model_files.INDEX
    overwrite = bool(options["overwrite"])
    others = await place.others(names)
    if not overwrite:
        if others:
            raise AlreadyExistsError(
                f"{what}: there is a model already, with {others[0].key.rpartition('/')[2]}; it was left untouched", what
            )
    else:
        # without its index there is no model in several files, so nobody reads a mixture
        for one in [one for one in others if one.key == place.index.key]:
            await _model_files.remove(one)
    done = 0
    made: list[Location] = []
    results: list[WriteResult] = []
    try:
        with watching(progress, "save", "B") as watcher:
            for name, members in zip(names, files or [[]], strict=True):
                chosen = {member: tensors[member] for member in members}
                watch = _model_files.watched_from(watcher, done, total)
                target = place.at(name)
                results.append(await _save_one(target, chosen, told, False, checksums, progress=watch, **options))
                made.append(target)
                done += sum(sizes[member] for member in members)
        if len(files) > 1:
            weights = {member: name for name, members in zip(names, files, strict=True) for member in members}
            extra = {"attributes": options["attributes"], "tags": options["tags"]}
            said: dict[str, Any] = {**told, "total_size": total}
            found = await _model_files.write_index(place, weights, said, overwrite=overwrite, durable=options["durable"], options=extra)
            results.append(WriteResult(found.uri, found.checksum, total, found.stored_size, found.etag))
    except BaseException:
        if not overwrite:
            # so that it can be tried again
            for one in made:
                await _model_files.remove(one)
        raise
    for one in others:
        if one.key.rpartition("/")[2] != index:
            await _model_files.remove(one)
    return results[-1]


def _without_twins(tensors: Mapping[str, Any], what: str) -> tuple[dict[str, int], dict[str, str]]:
    """Sizes in bytes of tensors, less those that are the same memory as one before, and the names of those, with that one's.

    Nothing is copied.
    """
    sizes: dict[str, int] = {}
    first: dict[tuple[Any, ...], str] = {}
    twins: dict[str, str] = {}
    for name, value in tensors.items():
        nbytes, place = _extent(name, value, what)
        if place is not None and place in first:
            twins[name] = first[place]
        else:
            if place is not None:
                first[place] = name
            sizes[name] = nbytes
    return sizes, twins


def _extent(name: Any, value: Any, what: str) -> tuple[int, tuple[Any, ...] | None]:
    """Bytes of a tensor, and what tells its memory from others'; None where it has none to share."""
    if not is_torch_tensor(value) and not isinstance(value, np.ndarray):
        source = tensor_source(name, value, what)
        return source.nbytes, None
    if isinstance(value, np.ndarray):
        return value.nbytes, (value.__array_interface__["data"][0], value.dtype.str, value.shape, value.strides) if value.nbytes else None
    nbytes = value.numel() * value.element_size()
    if not nbytes or value.is_meta or value.layout is not torch_module().strided or value.is_nested:
        return nbytes, None
    return nbytes, (str(value.device), value.data_ptr(), value.dtype, tuple(value.shape), value.stride(), value.is_conj(), value.is_neg())


@blocking
async def load_tensors(
    uri: Address,
    names: Iterable[str] | None = None,
    framework: Framework = "np",
    *,
    out: Mapping[str, Any] | None = None,
    mmap: bool = False,
    device: Any = None,
    verify: Verify = "auto",
    progress: Progress = None,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> dict[str, Any]:
    """Loads tensors of a safetensors object of any writer, or of a model in several objects, each straight into its own memory.

    Args:
        uri: Which object; where it is missing, the compressed one of the name with ``.zst`` behind it. Or a model's index
            (``….safetensors.index.json``), or the directory of ``model.safetensors`` or of its index.
        names: Which tensors; None for all. Only their bytes are read.
        framework: ``"np"`` for NumPy arrays, ``"pt"`` for torch tensors.
        out: Arrays or tensors to load into, by name; those not named are allocated.
        mmap: Map a local file in place of reading it: processes share its pages, and one that writes to a tensor gets pages of its own.
            It is compared in one pass over the mapping. What cannot be mapped (an object of a server, a compressed one) is read, and
            the log of ``s3dlio`` says why.
        device: torch's device that the tensors are for, such as ``"cuda:0"``; needs ``framework="pt"``. They pass through three pieces
            of pinned memory of 64 MiB, or of the largest tensor's size: one is read into while the GPU takes the others.
        verify: ``"auto"`` compares each tensor with its checksum, where the file has them; a file without is compared as a whole
            when all of it is read and the store has a checksum for it. ``"require"`` refuses where nothing is recorded. False compares
            nothing.
        progress: Called with bytes done and bytes in all, or True for tqdm's bar where tqdm is installed.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        The tensors by name, in the order of ``names`` or of the file; of a model of several files, file by file.

    Raises:
        NotFoundError: There is no such object, or a file that the index names is not there.
        InvalidDataError: It breaks a rule of the format; an index that names files elsewhere, or tensors that its files do not have.
        InvalidArgumentError: A name it does not hold, ``out`` that does not fit, or a ``device`` that torch does not have.
        ChecksumMismatchError: A tensor's bytes are not those that were written; the error names it.
    """
    where = resolve(uri, storage_options)
    place = _Place(out, mmap, device, framework, where.address(where.key))
    chosen = list(names) if names is not None and not isinstance(names, str) else names

    async def load() -> dict[str, Any]:
        if not _model_files.is_index(where) and not where.key.endswith("/"):
            try:
                with await _open(where, framework, mmap) as file:
                    return await place.load(file, chosen, verify, progress)
            except (NotFoundError, IsDirectoryError) as error:
                if type(error) not in (NotFoundError, IsDirectoryError) or not await _is_model(where):
                    raise
        return await _load_model(where, chosen, framework, place, verify, progress)

    return await while_replaced(load)


async def _is_model(where: Location) -> bool:
    """Whether an address is a model's directory, where there is no object of that name."""
    if where.key.endswith((_model_files.ENDING, ".zst")):
        return False
    place = _model_files.Place(where)
    for one in (place.single, place.index):
        key = _native.key(one.key)
        if await _native.run("object_exists", one.root.number(), key, len(key)):
            return True
    return False


class _Place:
    """Where the tensors of one call go: memory that the caller gave, new memory, a mapping of the file, or a device."""

    def __init__(self, out: Mapping[str, Any] | None, mmap: bool, device: Any, framework: Framework, what: str) -> None:
        chosen = [name for name, given in (("out", out is not None), ("mmap", mmap), ("device", device is not None)) if given]
        if len(chosen) > 1:
            raise InvalidArgumentError(f"{what}: the tensors go to one place; {' and '.join(chosen)} are given", what)
        if device is not None and framework not in ("pt", "torch"):
            raise InvalidArgumentError(f"{what}: device={device!r} is torch's; give framework='pt' too", what)
        self.out = out
        self.mmap = mmap
        self._device = None if device is None else _device.device_of(device)

    async def load(
        self, file: TensorFile, names: Any, verify: Verify, progress: Progress, out: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Tensors of one file; ``out`` is what is given for them, where that is not all."""
        if self._device is not None:
            return await file._load_to(self._device, names, verify, progress)
        return await file._load(names, self.out if out is None else out, verify, progress)


async def _load_model(
    where: Location, names: Any, framework: Framework, place: _Place, verify: Verify, progress: Progress
) -> dict[str, Any]:
    out = place.out
    if isinstance(names, str):
        what = where.address(where.key)
        raise InvalidArgumentError(f"{what}: names is the text {names!r}; give a list, as in names=[{names!r}]", what)
    with ExitStack() as opened:
        files = await open_model(where, names, framework, opened, place.mmap)
        asked = {name for _, members in files for name in members}
        stray = [name for name in out or {} if name not in asked]
        if stray:
            what = where.address(where.key)
            raise InvalidArgumentError(f"{what}: out has {_quoted(stray[0])}, which is not among the tensors that are asked for", what)
        total = sum(file[name].nbytes for file, members in files for name in members)
        result: dict[str, Any] = {}
        done = 0
        with watching(progress, "load", "B") as watcher:
            for file, members in files:
                chosen = None if out is None else {name: out[name] for name in members if name in out}
                result |= await place.load(file, members, verify, _model_files.watched_from(watcher, done, total), chosen)
                done += sum(file[name].nbytes for name in members)
    return result if names is None else {name: result[name] for name in names}


async def open_model(
    where: Location, names: Iterable[str] | None, framework: Framework, opened: ExitStack, mmap: bool = False
) -> list[tuple[TensorFile, list[str]]]:
    """Opens the files of a model, and gives for each the names that are wanted of it, in the order in which they lie there.

    Args:
        where: One file, an index, or the directory of either.
        names: Which tensors; None for all.
        framework: As for ``load_tensors``.
        opened: Closes the files.
        mmap: As for ``load_tensors``.

    Raises:
        NotFoundError: There is no model.
        InvalidArgumentError: It has no tensor of such a name.
        InvalidDataError: A file lacks what the index says of it; no tensor was read.
    """
    index: Location
    weights: dict[str, str] | None
    if _model_files.is_index(where):
        index, weights = where, await _model_files.read_index(where)
    elif where.key.endswith((_model_files.ENDING, ".zst")):
        index, weights = where, None
    else:
        index, weights = await _model_files.find(where)
    if weights is None:
        file = await _open(index, framework, mmap)
        opened.callback(file.close)
        return [(file, _in_order(file, file if names is None else [file[name].name for name in names]))]
    wanted = _model_files.by_file(weights, names, index.address(index.key))
    return await _open_files(_model_files.Place(index), wanted, framework, opened, mmap)


async def _open_files(
    place: _model_files.Place, wanted: Mapping[str, list[str]], framework: Framework, opened: ExitStack, mmap: bool
) -> list[tuple[TensorFile, list[str]]]:
    files = []
    headers = await together([_open(place.at(name), framework, mmap) for name in wanted], 16)
    for file in headers:
        opened.callback(file.close)
    for file, members in zip(headers, wanted.values(), strict=True):
        for name in members:
            if name not in file:
                what = place.index.address(place.index.key)
                raise InvalidDataError(f"{what}: tensor {_quoted(name)} is said to be in {file._what}, which does not have it", what)
        files.append((file, _in_order(file, members)))
    return files


def _in_order(file: TensorFile, names: Iterable[str]) -> list[str]:
    order = {name: at for at, name in enumerate(file)}
    return sorted(names, key=order.__getitem__)


@blocking
async def open_tensors(
    uri: Address,
    framework: Framework = "np",
    *,
    mmap: bool = False,
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> TensorFile:
    """Opens a safetensors object: its header is read and checked, its tensors are fetched as they are asked for.

    Args:
        uri: Which object.
        framework: ``"np"`` for NumPy arrays, ``"pt"`` for torch tensors.
        mmap: Map a local file, as ``load_tensors`` does; each tensor is compared when it is asked for the first time.
        timeout: Seconds for the whole call; when they are over it is cancelled and raises StoreTimeoutError. None: no limit.
        storage_options: Settings of the store.

    Returns:
        A mapping from names to lazy tensors, to be closed or used in a ``with`` statement.

    Raises:
        NotFoundError: There is no such object.
        InvalidDataError: It breaks a rule of the format.

    Example:
        >>> import numpy as np, s3dlio
        >>> _ = s3dlio.save_tensors("memory://doc/o.safetensors", {"w": np.arange(12.0).reshape(3, 4)})
        >>> with s3dlio.open_tensors("memory://doc/o.safetensors") as f:
        ...     f.keys(), f["w"].shape, f["w"][1:3, ::2]
        (['w'], (3, 4), array([[ 4.,  6.],
               [ 8., 10.]]))
    """
    return await _open(resolve(uri, storage_options), framework, mmap)


async def _open(where: Location, framework: Framework, mmap: bool = False) -> TensorFile:
    if framework not in ("np", "numpy", "pt", "torch"):
        raise InvalidArgumentError(f"framework {framework!r} is not known; 'np' and 'pt' are")
    key = _native.key(where.key)
    generation = _native.generation
    found = await _native.run("tensors_open", where.root.number(), key, len(key))
    return TensorFile(where, framework in ("pt", "torch"), found, generation, mmap)


async def load_from(
    file: TensorFile, names: Iterable[str] | None, out: Mapping[str, Any] | None, verify: Verify, progress: Progress
) -> dict[str, Any]:
    """Reads tensors of a file that is open."""
    return await file._load(names, out, verify, progress)


class TensorFile(Mapping[str, "LazyTensor"]):
    """An open safetensors object: a mapping from names to lazy tensors, and a context manager.

    It has ``get_tensor`` and ``get_slice`` as safetensors' own.

    It can be pickled and used in forked children; there it opens the object again at its first read, and raises PreconditionError
    when that is no longer the same.
    """

    def __init__(self, where: Location, torch: bool, found: dict[str, Any], generation: int, mmap: bool = False) -> None:
        self._where = where
        self._what = where.address(where.key)
        self._torch = torch
        self._generation = generation
        self._number: int = found["file"]
        self._found = found
        self._closed = False
        self._mmap = mmap
        #: Names of tensors that were compared where they lie in the file.
        self._compared: set[str] = set()
        self._data_offset: int = found["data_offset"]
        self._metadata: dict[str, str] = found["metadata"]
        # not the lazy tensors themselves: they refer to the file, which would then live until a collection
        self._tensors: dict[str, tuple[int, dict[str, Any]]] = {item["name"]: (index, item) for index, item in enumerate(found["tensors"])}

    def keys(self) -> list[str]:  # type: ignore[override]
        """The names, in the order of the file."""
        return list(self._tensors)

    def metadata(self) -> dict[str, str]:
        """The user's ``__metadata__``."""
        return dict(self._metadata)

    def get_tensor(self, name: str) -> Any:
        """The whole tensor, checked, as safetensors' ``safe_open`` has it."""
        return self[name].load()

    def get_slice(self, name: str) -> LazyTensor:
        """The tensor, not read yet, as safetensors' ``safe_open`` has it.

        Index it, or ask for its ``get_shape()`` and ``get_dtype()``.
        """
        return self[name]

    # as an open file: by itself, not by what it holds
    __eq__ = object.__eq__

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __getitem__(self, name: str) -> LazyTensor:
        try:
            index, found = self._tensors[name]
        except KeyError:
            raise UnknownTensorError(f"{self._what}: {self._unknown(name)}", self._what) from None
        return LazyTensor(self, index, found)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @blocking
    async def load(
        self,
        names: Iterable[str] | None = None,
        *,
        out: Mapping[str, Any] | None = None,
        verify: Verify = "auto",
        progress: Progress = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Whole tensors, as ``load_tensors`` gives them."""
        return await self._load(names, out, verify, progress)

    load_async = twin(load)

    def close(self) -> None:
        """Lets go of the object; lazy tensors of it cannot be read afterwards."""
        if not self._closed:
            self._closed = True
            _native.close("file", self._number, self._generation)

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()

    def __repr__(self) -> str:
        return f"TensorFile({self._what!r}, {len(self._tensors)} tensors{', closed' if self._closed else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._closed:
            raise ClosedError(f"{self._what}: the tensor file was closed; it cannot be pickled", self._what)
        return TensorFile, (self._where, self._torch, {**self._found, "file": 0}, _native.ELSEWHERE, self._mmap)

    async def _open_number(self) -> int:
        if not self._closed and self._generation != _native.generation:
            await self._open_again()
        if self._closed:
            raise ClosedError(f"{self._what}: the tensor file was closed", self._what)
        return self._number

    async def _open_again(self) -> None:
        """In another process than the one that opened it."""
        key, generation = _native.key(self._where.key), _native.generation
        found = await _native.run("tensors_open", self._where.root.number(), key, len(key))
        if {**found, "file": 0} != {**self._found, "file": 0}:
            _native.close("file", found["file"], generation)
            raise PreconditionError(f"{self._what}: the tensor file was replaced since it was opened; open it again", self._what)
        if self._generation == generation:
            # another thread was quicker
            _native.close("file", found["file"], generation)
        else:
            self._number, self._generation = found["file"], generation

    def _unknown(self, name: object) -> str:
        import difflib

        # a search among very many or very long names takes longer than the hint is worth
        small = len(self._tensors) <= 10_000
        near = difflib.get_close_matches(str(name)[:200], (known for known in self._tensors if len(known) <= 200), 1) if small else []
        return f"there is no tensor {_quoted(name)}" + (f"; did you mean {near[0]!r}?" if near else f"; the file has {len(self._tensors)}")

    async def _load(self, names: Iterable[str] | None, out: Mapping[str, Any] | None, verify: Verify, progress: Progress) -> dict[str, Any]:
        if isinstance(names, str):
            raise InvalidArgumentError(f"{self._what}: names is the text {names!r}; give a list, as in names=[{names!r}]", self._what)
        wanted = [self[name] for name in (self._tensors if names is None else names)]
        if out is not None:
            if not isinstance(out, Mapping):
                raise InvalidArgumentError(
                    f"{self._what}: out is a dictionary of arrays or tensors by name, found {type(out).__name__}", self._what
                )
            asked = {tensor.name for tensor in wanted}
            for name in out:
                if name not in self._tensors:
                    raise InvalidArgumentError(f"{self._what}: {self._unknown(name)}", self._what)
                if name not in asked:
                    raise InvalidArgumentError(
                        f"{self._what}: out has {_quoted(name)}, which is not among the names that are asked for", self._what
                    )
        if self._mmap and out is None:
            data = _mapped.map_file(self._where, self._found["meta"])
            if not isinstance(data, str):
                return await self._load_mapped(wanted, data, verify, progress)
            log.info("%s is read and not mapped: %s", self._what, data)
        targets = [_target(tensor, None if out is None else out.get(tensor.name)) for tensor in wanted]
        reads = [(address, tensor.nbytes, tensor._index) for tensor, (_, address, _) in zip(wanted, targets, strict=True)]
        await _progress.run(
            progress,
            "load",
            "tensors_read",
            await self._open_number(),
            _native.tensor_reads(reads),
            len(reads),
            verify_options(verify, None),
            keep=targets,
            lent=out is not None,
        )
        return {tensor.name: result for tensor, (result, _, _) in zip(wanted, targets, strict=True)}

    async def _load_mapped(
        self, wanted: list[LazyTensor], data: np.ndarray[Any, Any], verify: Verify, progress: Progress
    ) -> dict[str, Any]:
        at = self._data_offset
        begins = {}
        # they lie without gaps, in the order in which the header was given
        for name, (_, item) in self._tensors.items():
            begins[name] = at
            at += item["nbytes"]
        if verify is not False:
            fresh = [tensor for tensor in wanted if tensor.name not in self._compared]
            first = address_of(data)
            reads = [(first + begins[tensor.name], tensor.nbytes, tensor._index) for tensor in fresh]
            options = json.loads(verify_options(verify, None) or "{}") | {"held": True}
            number = await self._open_number()
            held = _native.tensor_reads(reads)
            await _progress.run(progress, "load", "tensors_read", number, held, len(reads), _native.options(options), keep=data)
            # a file without checksums of its own is compared as a whole, or not at all
            self._compared.update(tensor.name for tensor in fresh if tensor.checksum is not None)
        elif self._closed:
            await self._open_number()
        made = _mapped.tensor_of if self._torch else _mapped.array_of
        return {tensor.name: made(data, begins[tensor.name], tensor.nbytes, tensor.dtype, _memory_shape(tensor)) for tensor in wanted}

    async def _load_to(self, device: _device.Device, names: Iterable[str] | None, verify: Verify, progress: Progress) -> dict[str, Any]:
        wanted = [self[name] for name in (self._tensors if names is None else names)]
        total = sum(tensor.nbytes for tensor in wanted)
        ring = _device.Ring(device, max((tensor.nbytes for tensor in wanted), default=0), total)
        result: dict[str, Any] = {}
        done = 0
        try:
            with watching(progress, "load", "B") as watcher:
                for batch in ring.batches(wanted):
                    lent = ring.lend([(tensor.dtype, _memory_shape(tensor)) for tensor in batch])
                    out = {tensor.name: memory for tensor, memory in zip(batch, lent, strict=True)}
                    await self._load(list(out), out, verify, _model_files.watched_from(watcher, done, total))
                    result.update(zip(out, ring.hand_over(lent), strict=True))
                    done += sum(tensor.nbytes for tensor in batch)
        finally:
            ring.finish()
        return {tensor.name: result[tensor.name] for tensor in wanted}


def data_begin(file: TensorFile) -> int:
    """The byte of the object at which the first tensor begins; the others follow in the order of the file, without gaps."""
    return file._data_offset


class LazyTensor:
    """A tensor of an open file, not read yet. Indexing reads just the bytes it needs.

    Attributes:
        name: Its name in the file.
        shape: Its dimensions.
        nbytes: Its size in bytes.
        checksum: Its CRC32C, ``crc32c:xxxxxxxx``, or None in a file without.
    """

    def __init__(self, file: TensorFile, index: int, found: dict[str, Any]) -> None:
        self._file = file
        self._index = index
        self._type: str = found["dtype"]
        self.name: str = found["name"]
        self.shape: tuple[int, ...] = tuple(found["shape"])
        self.nbytes: int = found["nbytes"]
        self.checksum: str | None = found.get("checksum")

    @property
    def dtype(self) -> Any:
        """Its dtype in the file's framework."""
        return safetensors_to_torch(self._type, self._what) if self._file._torch else safetensors_to_numpy(self._type, self._what)

    @property
    def ndim(self) -> int:
        """How many dimensions it has."""
        return len(self.shape)

    def get_shape(self) -> list[int]:
        """Its dimensions, as safetensors' slices have them."""
        return list(self.shape)

    def get_dtype(self) -> str:
        """safetensors' name of its dtype, such as ``"F32"``."""
        return self._type

    @blocking
    async def load(self, *, verify: Verify = "auto", timeout: float | None = None) -> Any:
        """The whole tensor, checked."""
        return (await self._file._load([self.name], None, verify, None))[self.name]

    load_async = twin(load)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self._what} has no dimensions, so no length")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        """A part; see ``read``."""
        return self.read(index)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """The whole tensor, by one read that is checked, as ``np.asarray`` asks for it."""
        if copy is False:
            raise ValueError(f"{self._what} is not in memory, so an array of it is a copy")
        loaded = np.asarray(self.load())
        return loaded if dtype is None else loaded.astype(dtype, copy=False)

    @blocking
    async def read(self, index: Any = ..., *, timeout: float | None = None) -> Any:
        """A part, by integers, slices with any step, ``...`` and ``None``, as NumPy's basic indexing.

        A checksum covers a whole tensor: when the index takes all of it in order, it is checked; a part cannot be.
        """
        dims = _memory_shape(self)
        slices, shape = _slices(index, dims, self._what)
        if all(one == (0, extent, 1) for one, extent in zip(slices, dims, strict=True)):
            return (await self._file._load([self.name], None, "auto", None))[self.name].reshape(shape)
        if self._type in _PACKED:
            raise InvalidArgumentError(
                f"{self._what}: elements of {self._type} share bytes; load the whole tensor and index it", self._what
            )
        result, address, nbytes = _allocate(self, shape)
        starts, stops, steps = (_native.integers(values) for values in zip(*slices, strict=True))
        await _native.run(
            "tensors_slice",
            await self._file._open_number(),
            self._index,
            starts,
            stops,
            steps,
            len(slices),
            address,
            nbytes,
            keep=result,
        )
        return result

    read_async = twin(read)

    def __repr__(self) -> str:
        return f"LazyTensor({_quoted(self.name)}, {self._type}, shape={self.shape})"

    @property
    def _what(self) -> str:
        return f"{self._file._what}: tensor {_quoted(self.name)}"


def _slices(index: Any, shape: tuple[int, ...], what: str) -> tuple[list[tuple[int, int, int]], tuple[int, ...]]:
    """Start, stop and step for each dimension of the file's tensor, and the shape of the result."""
    items = list(index) if isinstance(index, tuple) else [index]
    taken = sum(item is not None and item is not Ellipsis for item in items)
    if taken > len(shape):
        raise IndexError(f"{what}: {taken} indices for {len(shape)} dimensions")
    if sum(item is Ellipsis for item in items) > 1:
        raise IndexError(f"{what}: an index can have one '...'")
    at = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    items[at : at + 1] = [slice(None)] * (len(shape) - taken)
    slices: list[tuple[int, int, int]] = []
    result: list[int] = []
    for item in items:
        if item is None:
            result.append(1)
            continue
        extent = shape[len(slices)]
        if isinstance(item, slice):
            bounds = item.indices(extent)
            places = range(*bounds)
            # the step of one element or none means nothing, and may be more than 64 bits
            slices.append(bounds if len(places) > 1 else (places[0], places[0] + 1, 1) if places else (0, 0, 1))
            result.append(len(places))
        elif hasattr(item, "__index__") and not isinstance(item, (bool, np.bool_)):
            place = int(item.__index__())
            if not -extent <= place < extent:
                raise IndexError(f"{what}: index {place} is out of range for dimension {len(slices)} of size {extent}")
            place %= extent
            slices.append((place, place + 1, 1))
        else:
            raise IndexError(
                f"{what}: integers, slices, '...' and None can index a lazy tensor, found {type(item).__name__}; load it first"
            )
    return slices, tuple(result)


def tensor_source(name: Any, value: Any, what: str) -> Source:
    """A tensor's description and memory, in C order and little-endian."""
    if not isinstance(name, str):
        raise InvalidArgumentError(f"{what}: tensor names are text, found {name!r}", what)
    what = f"{what}: tensor {_quoted(name)}"
    if is_torch_tensor(value):
        return _torch_source(name, value, what)
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidArgumentError(f"{what}: safetensors holds no mask; save array.filled() and array.mask")
    if not isinstance(value, (np.ndarray, np.generic)):
        raise InvalidArgumentError(f"{what}: a NumPy array or a torch tensor is wanted, found {type(value).__name__}")
    array = np.asarray(value)
    dtype = numpy_to_safetensors(array.dtype, what)
    shape = array.shape
    if is_big_endian(array.dtype):
        array = array.astype(array.dtype.newbyteorder("<"))
    array = np.ascontiguousarray(array)
    return Source(name, dtype, shape, array.__array_interface__["data"][0], array.nbytes, array)


def _torch_source(name: str, value: Any, what: str) -> Source:
    tensor = value.detach()
    if tensor.layout is not torch_module().strided or tensor.is_nested:
        raise InvalidArgumentError(
            f"{what}: safetensors holds dense tensors, this one is {'nested' if tensor.is_nested else tensor.layout}; use to_dense() or "
            "to_padded_tensor()"
        )
    if tensor.is_meta:
        raise InvalidArgumentError(f"{what}: a tensor on the device 'meta' has no data to save")
    dtype = torch_to_safetensors(tensor.dtype, what)
    shape = list(tensor.shape)
    if dtype in _PACKED and shape:
        shape[-1] *= _PACKED[dtype]
    tensor = tensor.cpu().resolve_conj().resolve_neg().contiguous()
    return Source(name, dtype, tuple(shape), tensor.data_ptr(), tensor.numel() * tensor.element_size(), tensor)


def torch_module() -> Any:
    import torch

    return torch


def _allocate(tensor: LazyTensor, shape: tuple[int, ...]) -> tuple[Any, int, int]:
    """New memory of the tensor's dtype: the array or tensor, its address and its bytes."""
    dtype = tensor.dtype
    try:
        if tensor._file._torch:
            made = empty_tensor(shape, dtype)
            return made, made.data_ptr(), made.numel() * made.element_size()
        array = empty_array(shape, dtype)
    except (ValueError, RuntimeError) as error:
        # more dimensions than NumPy before 2 has, or extents beside one of 0 that overflow
        raise InvalidDataError(f"{tensor._what}: there can be no array of shape {shape} and {dtype} here: {error}") from None
    return array, array.__array_interface__["data"][0], array.nbytes


def _memory_shape(tensor: LazyTensor) -> tuple[int, ...]:
    """The shape in memory, where elements that share a byte count as one."""
    shape = tensor.shape
    if tensor._type not in _PACKED:
        return shape
    if not shape or shape[-1] % _PACKED[tensor._type]:
        raise InvalidDataError(f"{tensor._what}: the last dimension of {shape} does not fill whole bytes of {tensor._type}")
    return (*shape[:-1], shape[-1] // _PACKED[tensor._type])


def _target(tensor: LazyTensor, out: Any) -> tuple[Any, int, int]:
    """The memory that a whole tensor is read into."""
    shape = _memory_shape(tensor)
    if out is None:
        return _allocate(tensor, shape)
    what = f"{tensor._what}: out"
    if is_torch_tensor(out):
        if str(out.device) != "cpu" or out.layout is not torch_module().strided or not out.is_contiguous():
            raise InvalidArgumentError(f"{what} must be a dense contiguous tensor on the CPU, found {out.layout} on {out.device}")
        if out.is_conj() or out.is_neg():
            raise InvalidArgumentError(f"{what} is a view that conjugates or negates what lies in memory; give one made by torch.empty")
        found, wanted = out.dtype, safetensors_to_torch(tensor._type, tensor._what)
        address, nbytes = out.data_ptr(), out.numel() * out.element_size()
    elif isinstance(out, np.ndarray):
        if not out.flags.c_contiguous or not out.flags.writeable:
            raise InvalidArgumentError(
                f"{what} must be a writable C-contiguous array, found one that is "
                f"{'read-only' if out.flags.c_contiguous else 'not contiguous'}"
            )
        if isinstance(out, np.ma.MaskedArray):
            raise InvalidArgumentError(f"{what} is a masked array; give out.data and set its mask")
        found, wanted = out.dtype, safetensors_to_numpy(tensor._type, tensor._what)
        address, nbytes = out.__array_interface__["data"][0], out.nbytes
    else:
        raise InvalidArgumentError(f"{what} must be a NumPy array or a torch tensor, found {type(out).__name__}")
    if found != wanted or tuple(out.shape) != shape:
        raise InvalidArgumentError(f"{what} has dtype {found} and shape {tuple(out.shape)}, the file has {wanted} and {shape}")
    return out, address, nbytes


def _quoted(name: object) -> str:
    """A name as a message can show it, whatever a file says."""
    text = repr(name)
    return text if len(text) <= 100 else text[:100] + "..."


def encoded_header(description: dict[str, Any], what: str) -> bytes:
    try:
        return json.dumps(description, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        near = ascii(error.object[max(0, error.start - 20) : error.start + 1])
        raise InvalidArgumentError(
            f"{what}: a name or metadata holds half of a surrogate pair, which UTF-8 cannot express, at the end of {near}; rename it", what
        ) from None


def _metadata(metadata: Mapping[str, str], what: str) -> dict[str, str]:
    for name, value in metadata.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidArgumentError(f"{what}: metadata is text to text, found {_quoted(name)}: {_quoted(value)}", what)
    return dict(metadata)
