"""Models read into modules of torch that exist."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

import torch

from .. import _calls, _tensors
from .._address import Address, Location, resolve
from .._objects import Verify
from .._options import StorageOptions
from ..exceptions import InvalidArgumentError
from ._stream import iter_tensors


class LoadedKeys(NamedTuple):
    """What ``load_into`` found: names of the module that the model lacks, and names of the model that the module lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def load_into(
    module: torch.nn.Module,
    uri: Address,
    *,
    strict: bool = True,
    memory_limit: int = 256 << 20,
    verify: Verify = "auto",
    timeout: float | None = None,
    storage_options: StorageOptions | None = None,
) -> LoadedKeys:
    """Reads a model into the parameters and buffers of a module that exists, of transformers or any other.

    Tensors that have the module's dtype and lie in this machine's memory are read in place; others, on a GPU or of another dtype, pass through at most
    ``memory_limit`` bytes.

    Args:
        module: The module.
        uri: A safetensors object, a model's index, or the directory of either.
        strict: Raise where names differ. Names that share their memory with one that was read (tied weights) are not missing.
        memory_limit: Bytes of tensors on their way that are not read in place.
        verify: As for ``s3dlio.load_tensors``.
        timeout: Seconds for the tensors that are read in place, and for each of the others.
        storage_options: Settings of the store.

    Returns:
        The names that one side has and the other lacks.

    Raises:
        InvalidArgumentError: ``strict``, and names differ; or a shape does. Nothing was read then.
        ChecksumMismatchError: A tensor's bytes are not those that were written; some are in the module already.

    Example:
        >>> module = torch.nn.Linear(4, 4)  # doctest: +SKIP
        >>> load_into(module, "s3://models/linear.safetensors")  # doctest: +SKIP
        LoadedKeys(missing_keys=[], unexpected_keys=[])
    """
    where = resolve(uri, storage_options)
    what = where.address(where.key)
    own: dict[str, torch.Tensor] = dict(module.state_dict())
    shapes, types = _contents(where, timeout)
    wrong = [name for name in shapes if name in own and tuple(own[name].shape) != shapes[name]]
    if wrong:
        name = wrong[0]
        raise InvalidArgumentError(f"{what}: tensor {name!r} has shape {shapes[name]}, the module wants {tuple(own[name].shape)}; nothing was read", what)
    read = [name for name in shapes if name in own]
    known = {_memory(own[name]) for name in read}
    keys = LoadedKeys([name for name in own if name not in shapes and _memory(own[name]) not in known], [name for name in shapes if name not in own])
    if strict and (keys.missing_keys or keys.unexpected_keys):
        raise InvalidArgumentError(
            f"{what}: the model lacks {_some(keys.missing_keys)}, and has {_some(keys.unexpected_keys)} that the module lacks; strict=False reads what both have", what
        )
    placed = {
        name: own[name]
        for name in read
        if own[name].device.type == "cpu" and own[name].layout is torch.strided and own[name].is_contiguous() and own[name].dtype == types[name]
    }
    if placed:
        _tensors.load_tensors(where, placed, framework="pt", out=placed, verify=verify, timeout=timeout)
    others = [name for name in read if name not in placed]
    if others:
        with torch.no_grad():
            for name, tensor in iter_tensors(where, "pt", others, memory_limit=memory_limit, verify=verify, timeout=timeout):
                own[name].copy_(tensor)
    return keys


def _contents(where: Location, timeout: float | None) -> tuple[dict[str, tuple[int, ...]], dict[str, Any]]:
    call = _calls._Call("load_into", (where.address(where.key),), {"timeout": timeout})
    opened = ExitStack()
    try:
        files = _calls._block(_tensors.open_model(where, None, "pt", opened), call)
        tensors = [file[name] for file, names in files for name in names]
    finally:
        opened.close()
    return {tensor.name: tensor.shape for tensor in tensors}, {tensor.name: tensor.dtype for tensor in tensors}


def _memory(tensor: torch.Tensor) -> Any:
    return (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape)) if tensor.numel() and not tensor.is_meta else object()


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return (f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown) or "nothing"
