"""``torch.distributed.checkpoint``'s ``Metadata`` as a JSON document.

What torch itself writes as a pickle, without anything that can run.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch.distributed.checkpoint import metadata as dcp

from .._core import _document, _plain
from .._pieces import Piece
from ..exceptions import InvalidArgumentError, InvalidDataError

KIND = "s3dlio.dcp"
VERSION = 1

#: The names that a writer gives, and no others: a document cannot lead out of its folder.
OBJECT = re.compile(r"data-(\d{5,})-[0-9a-f]{32}-\d+\.safetensors")


@dataclasses.dataclass(frozen=True)
class Stored:
    """What is known of a tensor's chunk in storage: ``Metadata.storage_data`` by ``MetadataIndex``."""

    piece: Piece
    dtype: torch.dtype
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class StoredValue:
    """A value that is no tensor, as ``_plain`` encoded it."""

    encoded: Any


def name_of(rank: int | None) -> str:
    """The document's key; one for each rank where ranks save without talking to each other."""
    return "dcp.json" if rank is None else f"dcp-rank{rank:05d}.json"


def write(found: dcp.Metadata, stored: Mapping[dcp.MetadataIndex, Stored | StoredValue], save_id: str, what: str) -> bytes:
    """The document of a checkpoint.

    Args:
        found: torch's metadata.
        stored: Where each chunk and what each value is.
        save_id: Of the save.
        what: The checkpoint's address, for errors.

    Raises:
        InvalidArgumentError: Something was not written, or is nothing that the document can hold.
    """
    objects: dict[str, int] = {}
    state = {name: _item(name, item, stored, objects, what) for name, item in found.state_dict_metadata.items()}
    content = {
        "save_id": save_id,
        "torch": torch.__version__,
        "objects": list(objects),
        "state": state,
        "planner_data": _planner_data(found.planner_data, what),
    }
    return _document.write(KIND, VERSION, content)


def read(data: bytes, what: str) -> dcp.Metadata:
    """torch's metadata from a document; ``storage_data`` holds what ``write`` was given.

    Raises:
        InvalidDataError: It is no such document.
        ChecksumMismatchError: It is damaged.
    """
    content = _document.read(data, KIND, VERSION, what)
    stored: dict[dcp.MetadataIndex, Stored | StoredValue] = {}
    try:
        objects = content["objects"]
        for name in objects:
            if not (isinstance(name, str) and OBJECT.fullmatch(name)):
                raise ValueError(f"an object called {str(name)[:80]!r}")
        state = {name: _read_item(name, item, objects, stored, what) for name, item in content["state"].items()}
        planner_data = _read_planner_data(content.get("planner_data"), what)
        save_id = content.get("save_id")
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, RuntimeError) as error:
        if isinstance(error, InvalidDataError):
            raise
        raise InvalidDataError(f"{what}: the document does not describe a checkpoint: {type(error).__name__}: {error}", what) from None
    known = {field.name for field in dataclasses.fields(dcp.Metadata)}
    later = {"storage_meta": _storage_meta(save_id)} if "storage_meta" in known else {}
    return dcp.Metadata(state, planner_data, stored, **later)


def _storage_meta(save_id: Any) -> Any:
    kind: Any = getattr(dcp, "StorageMeta", None)
    return kind(save_id=str(save_id)) if kind is not None else None


def _item(name: str, item: Any, stored: Mapping[dcp.MetadataIndex, Any], objects: dict[str, int], what: str) -> dict[str, Any]:
    if isinstance(item, dcp.BytesStorageMetadata):
        value = stored.get(dcp.MetadataIndex(name))
        if not isinstance(value, StoredValue):
            raise InvalidArgumentError(f"{what}: no rank has written {name!r}", what)
        return {"kind": "value", "value": value.encoded}
    properties = item.properties
    chunks = []
    for chunk in item.chunks:
        found = stored.get(dcp.MetadataIndex(name, chunk.offsets))
        if not isinstance(found, Stored):
            raise InvalidArgumentError(f"{what}: no rank has written the part of {name!r} at {tuple(chunk.offsets)}", what)
        place: dict[str, Any] = {"object": objects.setdefault(found.piece.uri, len(objects)), **found.piece.to_json()}
        chunks.append({"offsets": list(chunk.offsets), "sizes": list(chunk.sizes), **place})
    rest = {
        "layout": _short(properties.layout),
        "requires_grad": properties.requires_grad,
        "memory_format": _short(properties.memory_format),
        "pin_memory": properties.pin_memory,
    }
    return {"kind": "tensor", "dtype": _short(properties.dtype), "size": list(item.size), **rest, "chunks": chunks}


def _read_item(name: str, item: Any, objects: list[str], stored: dict[dcp.MetadataIndex, Any], what: str) -> Any:
    about = f"{what}: {name!r}"
    if item["kind"] == "value":
        stored[dcp.MetadataIndex(name)] = StoredValue(item["value"])
        return dcp.BytesStorageMetadata()
    if item["kind"] != "tensor":
        raise ValueError(f"{name!r:.80} of the kind {item['kind']!r:.50}")
    dtype, size = _plain.torch_dtype(item["dtype"], about), _plain.extents(item["size"])
    chunks = []
    for chunk in item["chunks"]:
        offsets, sizes = _plain.extents(chunk["offsets"]), _plain.extents(chunk["sizes"])
        inside = len(offsets) == len(sizes) == len(size) and all(o + s <= e for o, s, e in zip(offsets, sizes, size, strict=True))
        number = chunk["object"]
        if not inside or type(number) is not int or number < 0:
            raise ValueError(f"a part of {name!r:.80} at {offsets} of {sizes}, where the whole has {size}")
        piece = Piece.from_json(chunk, objects[number], about)
        if piece.nbytes != math.prod(sizes) * dtype.itemsize:
            raise ValueError(f"a part of {name!r:.80} of {sizes} in {piece.nbytes} bytes")
        stored[dcp.MetadataIndex(name, offsets)] = Stored(piece, dtype, sizes)
        chunks.append(dcp.ChunkStorageMetadata(torch.Size(offsets), torch.Size(sizes)))
    properties = dcp.TensorProperties(
        dtype,
        _torch_constant(item["layout"], torch.layout),
        item["requires_grad"] is True,
        _torch_constant(item["memory_format"], torch.memory_format),
        item["pin_memory"] is True,
    )
    return dcp.TensorStorageMetadata(properties, torch.Size(size), chunks)


def _planner_data(data: Any, what: str) -> Any:
    if data is None:
        return None
    if type(data) is dict and all(
        type(name) is str and type(path) is tuple and all(type(step) in (str, int) for step in path) for name, path in data.items()
    ):
        return {"paths": {name: list(path) for name, path in data.items()}}
    return {"value": _plain.encode(data, f"{what}: the planner's data")}


def _read_planner_data(data: Any, what: str) -> Any:
    if data is None:
        return None
    if "paths" not in data:
        return _plain.decode(data["value"], f"{what}: the planner's data")
    for path in data["paths"].values():
        if not path or not all(type(step) in (str, int) for step in path):
            raise ValueError(f"the path {path!r:.80}")
    return {name: tuple(path) for name, path in data["paths"].items()}


def _short(constant: Any) -> str:
    return str(constant).removeprefix("torch.")


def _torch_constant(name: Any, kind: type) -> Any:
    found = getattr(torch, name, None) if isinstance(name, str) else None
    if not isinstance(found, kind):
        raise ValueError(f"torch has no {kind.__name__} {name!r:.50}")
    return found
