"""Models in several safetensors files with an index, as the Hugging Face libraries keep them.

``model.safetensors.index.json`` is ``{"metadata": {"total_size": bytes, …}, "weight_map": {tensor: file}}``, and the files beside it are
``model-00001-of-00005.safetensors`` and so on; a model that fits in one file is ``model.safetensors``, without an index.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ._core import _native
from ._core._address import Location
from ._list import list_pages
from ._objects import delete, get, put
from .exceptions import InvalidArgumentError, InvalidDataError, NotFoundError

_get: Any = get.body  # type: ignore[attr-defined]
_put: Any = put.body  # type: ignore[attr-defined]
_delete: Any = delete.body  # type: ignore[attr-defined]

#: What a model's files are called where nobody says.
STEM = "model"
ENDING = ".safetensors"
INDEX = ".safetensors.index.json"
#: Bytes of the largest index that is read. One of a million tensors has a tenth of it.
_MOST = 1 << 30

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


def shard_size(given: int | str) -> int:
    """Bytes that ``max_shard_size`` stands for: a number, or text such as ``"5GB"`` (10^9) or ``"5GiB"`` (2^30).

    Raises:
        InvalidArgumentError: It is neither.
    """
    if isinstance(given, str):
        found = _SIZE.fullmatch(given)
        if found is not None and found[2].upper() in _UNITS:
            size = int(float(found[1]) * _UNITS[found[2].upper()])
            if size > 0:
                return size
    elif hasattr(given, "__index__") and not isinstance(given, bool) and given.__index__() > 0:
        return int(given.__index__())
    raise InvalidArgumentError(f"max_shard_size is a number of bytes or text such as '5GB' or '512MiB', found {given!r}")


def split(sizes: Mapping[str, int], most: int) -> list[list[str]]:
    """The names of each file.

    In their order, as many as fit; one that is larger than a file may be has one alone, which comes when it does.
    """
    files: list[list[str]] = []
    current: list[str] = []
    held = 0
    for name, size in sizes.items():
        if size > most:
            files.append([name])
            continue
        if held + size > most:
            files.append(current)
            current, held = [], 0
        current.append(name)
        held += size
    return [*files, current] if current else files


class Place:
    """Where a model lies: its directory, and what its files' names begin with.

    Args:
        where: The index, a file named as the only one would be, or the directory.
    """

    def __init__(self, where: Location) -> None:
        folder, _, name = where.key.rpartition("/")
        if name.endswith(INDEX):
            self.stem = name[: -len(INDEX)]
        elif name.endswith(ENDING):
            self.stem = name[: -len(ENDING)]
        else:
            folder, self.stem = where.key.rstrip("/"), STEM
        self._where = where
        self._start = f"{folder}/" if folder else ""

    def at(self, name: str) -> Location:
        """A file of the model."""
        return Location(self._where.root, self._start + name, self._where.base)

    @property
    def single(self) -> Location:
        """The file of a model that has one."""
        return self.at(self.stem + ENDING)

    @property
    def index(self) -> Location:
        """The index of a model that has several."""
        return self.at(self.stem + INDEX)

    def names(self, count: int) -> list[str]:
        """What the files are called."""
        return [f"{self.stem}-{number:05}-of-{count:05}{ENDING}" for number in range(1, count + 1)]

    async def others(self, kept: Iterable[str]) -> list[Location]:
        """Files of this model that another save left behind."""
        known = set(kept)
        pattern = re.compile(re.escape(self.stem) + r"(-\d{5}-of-\d{5})?" + re.escape(ENDING) + r"(\.index\.json)?")
        found = []
        async for page in list_pages(Location(self._where.root, self._start, self._where.base), False, None, None):
            for item in page["objects"]:
                name = item["key"][len(self._start) :]
                if pattern.fullmatch(name) and name not in known:
                    found.append(self.at(name))
        return found


async def remove(where: Location) -> None:
    """Deletes a file that may be gone already."""
    await _delete(where, missing_ok=True)


async def write_index(
    place: Place,
    weights: Mapping[str, str],
    metadata: Mapping[str, Any],
    *,
    overwrite: bool,
    durable: bool | None,
    options: Mapping[str, Any],
) -> Any:
    """Writes the index, with which the model is there."""
    text = json.dumps({"metadata": dict(metadata), "weight_map": dict(weights)}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return await _put(place.index, text.encode(), overwrite=overwrite, durable=durable, content_type="application/json", **options)


async def read_index(where: Location) -> dict[str, str]:
    """The file of each tensor.

    Raises:
        NotFoundError: There is no index.
        InvalidDataError: It is not what an index is, or names files that are not beside it.
    """
    what = where.address(where.key)
    key = _native.key(where.key)
    found = await _native.run("object_head", where.root.number(), key, len(key))
    if found["size"] > _MOST:
        raise InvalidDataError(f"{what}: an index of a model has at most {_MOST} bytes, found {found['size']}", what)
    data = bytes(await _get(where))

    def no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError("a name stands in it twice")
        return made

    try:
        index = json.loads(data, object_pairs_hook=no_doubles)
    except (ValueError, RecursionError) as error:
        raise InvalidDataError(
            f"{what}: an index of a model is JSON, found what is not: {error or 'it is nested too deep'}", what
        ) from None
    weights = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weights, dict) or not weights:
        raise InvalidDataError(f"{what}: an index of a model has a 'weight_map' with the file of each tensor, found none", what)
    for name, file in weights.items():
        if not isinstance(file, str) or not _is_beside(file):
            raise InvalidDataError(
                f"{what}: tensor {_shown(name)} is said to be in {_shown(file)}; a file beside the index is wanted, whose name ends in "
                f"{ENDING}",
                what,
            )
    return weights


def _is_beside(file: str) -> bool:
    return file.endswith(ENDING) and not file.startswith(".") and not any(sign in file for sign in "/\\\0") and len(file) < 1024


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "..."


def by_file(weights: Mapping[str, str], names: Iterable[str] | None, what: str) -> dict[str, list[str]]:
    """The tensors that are wanted of each file, in the order of the files' names.

    Raises:
        InvalidArgumentError: The index has no such tensor.
    """
    chosen = list(weights) if names is None else list(names)
    found: dict[str, list[str]] = {}
    for name in chosen:
        if name not in weights:
            raise InvalidArgumentError(f"{what}: there is no tensor {_shown(name)}; the index has {len(weights)}", what)
        found.setdefault(weights[name], []).append(name)
    return dict(sorted(found.items()))


async def find(where: Location) -> tuple[Location, dict[str, str] | None]:
    """The model of a directory: its one file, or its index and what that says.

    Raises:
        NotFoundError: There is neither.
    """
    place = Place(where)
    key = _native.key(place.single.key)
    if await _native.run("object_exists", place.single.root.number(), key, len(key)):
        return place.single, None
    try:
        return place.index, await read_index(place.index)
    except NotFoundError:
        what = where.address(where.key)
        raise NotFoundError(f"{what}: there is neither {STEM + ENDING} nor {STEM + INDEX}; check the path", what) from None


def is_index(where: Location) -> bool:
    """Whether an address is that of an index."""
    return where.key.endswith(INDEX)


def watched_from(told: Callable[[int, int], object] | None, before: int, total: int) -> Callable[[int, int], object] | None:
    """The progress of one file as that of all."""
    if told is None:
        return None
    tell = told
    return lambda done, _: tell(before + done, total)
